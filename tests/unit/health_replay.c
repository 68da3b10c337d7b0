/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scenarios of health, replayed under a fake clock: every tests/replay/NAME.replay is a story of
 * lines, and the name says what it proves.
 *
 *	service NAME {FIELDS} BACKEND ...	a service of the next configuration
 *	configure [in force]			that is taken in; without services before it: none
 *	at TIME					the clock goes on to it; what is due meanwhile is done
 *	NAME BACKEND ok|fail ["WORDS"] [direct] [xN every TIME]
 *						results of probes; through the tunnel unless direct
 *	restart after TIME			a new agent goes on from what was stored
 *	-> KIND NAME BACKEND [ITEMS]		the next change that was told
 *	NAME BACKEND is STATE [ITEMS]		how it is for people, and for core
 *	NAME goes to BACKEND ... [by WHY]	who takes the new flows in the end, as core judges it;
 *						WHY: fallback, panic, max-ejected
 *	probes N				how many are to run
 *
 * ITEMS: "WORDS", for TIME, left TIME, share N, penalty N, broken, whole, rows N (results alike), in or out
 * (of the table, as far as probes are concerned). Every change must be expected, and before anything else happens.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "health/health.h"
#include "unit/support/takers.h"
#include "unit/support/words.h"
#include "unit/unit.h"

#define STORIES TEST_DIR "/replay"
#define WALL_MS 1000000 /* what the clock says at 0s */

struct story {
	struct words words;
	struct health *health;
	struct text services;	/* of the next configuration */
	struct text configured; /* its text */
	unsigned int service_count;
	uint64_t now_ms, due_ms;
};

#define FAIL(story, ...) WORDS_FAIL(&(story)->words, __VA_ARGS__)

/* ---- what happens ---------------------------------------------------------------------------- */

static void expect_told(struct story *story)
{
	char address[ADDR_TEXT_SIZE];
	struct health_change change;

	if (health_next(story->health, &change))
		FAIL(story, "before this there was, unexpected: -> %s %s %s \"%s\" share %u",
		     health_change_name(change.kind), change.service,
		     addr_format(&change.backend, address), change.text, change.share);
}

static void go_to(struct story *story, uint64_t ms)
{
	if (ms < story->now_ms)
		FAIL(story, "the clock does not go back");
	while (story->due_ms <= ms) {
		unsigned int left_ms;

		story->now_ms = story->due_ms;
		left_ms = health_tick(story->health, story->now_ms);
		ck_assert_uint_le(left_ms, 1000);
		/* What is due at once has been done, so it is never due again at once. */
		ck_assert_uint_ge(left_ms, 1);
		story->due_ms = story->now_ms + left_ms;
	}
	story->now_ms = ms;
}

static struct config *read(struct story *story, const char *text)
{
	struct problems p = {};
	struct config *config;

	if (config_read("story", text, strlen(text), &config, &p)) {
		problems_print(&p, stderr);
		FAIL(story, "the configuration is refused");
	}
	return config;
}

/* The configuration may go at once: what is needed was copied. */
static void configure(struct story *story, bool in_force)
{
	struct config *config;

	text_free(&story->configured);
	text_add(&story->configured, "version: 1\ninterfaces: [{device: eth0}]\nservices:%s\n%s",
		 story->services.length ? "" : " []",
		 story->services.length ? story->services.data : "");
	text_free(&story->services);
	story->service_count = 0;
	config = read(story, story->configured.data);
	health_configure(story->health, config, in_force, story->now_ms);
	config_free(config);
	story->due_ms = story->now_ms + health_tick(story->health, story->now_ms);
}

static void do_service(struct story *story)
{
	const char *name = must_word(&story->words, "a name"), *separator = "", *backend;
	char *fields = strchr(story->words.rest, '{'), *end = strrchr(story->words.rest, '}');

	if (!fields || !end)
		FAIL(story, "{FIELDS} are missing");
	*end = '\0';
	story->words.rest = end + 1;
	text_add(&story->services, "- {name: %s, address: 203.0.113.%u, port: 80%s%s, backends: [",
		 name, ++story->service_count, fields[1] ? ", " : "", fields + 1);
	while ((backend = word(&story->words))) {
		text_add(&story->services, "%s{address: '%s'}", separator, backend);
		separator = ", ";
	}
	text_add(&story->services, "]}\n");
}

static void do_configure(struct story *story)
{
	const char *how = word(&story->words);

	if (how && (strcmp(how, "in") || strcmp(must_word(&story->words, "force"), "force")))
		FAIL(story, "expected: configure, or configure in force");
	configure(story, how);
}

static void do_at(struct story *story)
{
	go_to(story, WALL_MS + must_time(&story->words));
}

static void do_restart(struct story *story)
{
	struct config *config = read(story, story->configured.data);
	struct problems p = {};
	struct text stored = {};
	uint64_t away_ms;

	must_word(&story->words, "after");
	away_ms = must_time(&story->words);
	health_store(story->health, story->now_ms, &stored);
	health_free(story->health);
	story->health = health_new();
	story->now_ms += away_ms;
	health_configure(story->health, config, true, story->now_ms);
	ck_assert_int_eq(health_restore(story->health, stored.data, stored.length, story->now_ms,
					away_ms, &p),
			 0);
	story->due_ms = story->now_ms + health_tick(story->health, story->now_ms);
	text_free(&stored);
	config_free(config);
}

static void do_probes(struct story *story)
{
	const struct health_probe *list;
	size_t expected = must_number(&story->words), count = health_probes(story->health, &list);

	if (count != expected)
		FAIL(story, "there are %zu", count);
}

/* ---- what is expected ------------------------------------------------------------------------ */

/* What changes and looks have in common. */
struct seen {
	const char *words;
	uint64_t for_ms, left_ms, share, penalty, rows;
	bool is_broken, is_in;
};

static void expect_time(struct story *story, const char *what, uint64_t got)
{
	uint64_t expected = must_time(&story->words);

	if (got != expected)
		FAIL(story, "%s: %llums, expected %llums", what, (unsigned long long)got,
		     (unsigned long long)expected);
}

static void expect_number(struct story *story, const char *what, uint64_t got)
{
	uint64_t expected = must_number(&story->words);

	if (got != expected)
		FAIL(story, "%s: %llu, expected %llu", what, (unsigned long long)got,
		     (unsigned long long)expected);
}

static void expect_flag(struct story *story, const char *item, bool got, bool expected)
{
	if (got != expected)
		FAIL(story, "it is not %s", item);
}

static void expect_items(struct story *story, const struct seen *seen)
{
	const char *item;

	while ((item = word(&story->words))) {
		if (*item == '"' && strcmp(item + 1, seen->words))
			FAIL(story, "the words are \"%s\"", seen->words);
		else if (!strcmp(item, "for"))
			expect_time(story, item, seen->for_ms);
		else if (!strcmp(item, "left"))
			expect_time(story, item, seen->left_ms);
		else if (!strcmp(item, "share"))
			expect_number(story, item, seen->share);
		else if (!strcmp(item, "penalty"))
			expect_number(story, item, seen->penalty);
		else if (!strcmp(item, "rows"))
			expect_number(story, item, seen->rows);
		else if (!strcmp(item, "broken") || !strcmp(item, "whole"))
			expect_flag(story, item, seen->is_broken, *item == 'b');
		else if (!strcmp(item, "in") || !strcmp(item, "out"))
			expect_flag(story, item, seen->is_in, *item == 'i');
		else if (*item != '"')
			FAIL(story, "%s is no item", item);
	}
}

static void expect_change(struct story *story)
{
	const char *kind = must_word(&story->words, "a kind"),
		   *name = must_word(&story->words, "a name");
	struct addr address = must_address(&story->words);
	struct health_change change;
	struct seen seen;

	if (!health_next(story->health, &change))
		FAIL(story, "nothing has changed");
	if (strcmp(health_change_name(change.kind), kind) || strcmp(change.service, name) ||
	    !addr_equal(&change.backend, &address)) {
		char text[ADDR_TEXT_SIZE];

		FAIL(story, "there was: -> %s %s %s \"%s\"", health_change_name(change.kind),
		     change.service, addr_format(&change.backend, text), change.text);
	}
	ck_assert_uint_le(change.at_ms, story->now_ms);
	seen = (struct seen){
		.words = change.text,
		.for_ms = change.kind == HEALTH_UP ? change.ms : 0,
		.left_ms = change.kind == HEALTH_DAMPED ? change.ms : 0,
		.share = change.share,
	};
	expect_items(story, &seen);
}

static void expect_state(struct story *story, const char *name, const struct addr *address)
{
	const char *state = must_word(&story->words, "a state");
	const struct health_look_via *via;
	struct model_probe probe;
	struct health_look look;
	struct seen seen;

	if (!health_look(story->health, name, address, story->now_ms, &look))
		FAIL(story, "it is not there");
	if (strcmp(health_state_name(look.state), state))
		FAIL(story, "it is %s", health_state_name(look.state));
	health_of(story->health, name, address, &probe);
	ck_assert_uint_eq(probe.share, look.share);
	ck_assert_int_eq(probe.is_known, look.state != HEALTH_STATE_NEW);
	ck_assert_int_eq(probe.is_damped, look.state == HEALTH_STATE_DAMPED);
	via = look.tunnel.is_probed ? &look.tunnel : &look.direct;
	seen = (struct seen){
		.words = via->what,
		.for_ms = look.since_ms,
		.left_ms = look.damped_left_ms + look.slow_left_ms,
		.share = look.share,
		.penalty = look.penalty,
		.rows = via->has_result ? via->in_row : 0,
		.is_broken = look.is_tunnel_broken,
		.is_in = probe.is_up,
	};
	expect_items(story, &seen);
}

/* ---- results --------------------------------------------------------------------------------- */

static uint32_t probe_id(struct story *story, const char *name, const struct addr *address,
			 enum config_health_via via)
{
	const struct health_probe *probes[2];
	size_t count = health_probes_of(story->health, name, address, probes);

	for (size_t i = 0; i < count; i++)
		if (probes[i]->via == via)
			return probes[i]->id;
	FAIL(story, "there is no such probe");
}

static void give_results(struct story *story, const char *name, const struct addr *address, bool ok)
{
	enum config_health_via via = 0;
	uint64_t times = 1, every_ms = 0;
	const char *words = "", *item;
	const struct health_probe *probes[2];

	while ((item = word(&story->words))) {
		if (*item == '"')
			words = item + 1;
		else if (!strcmp(item, "direct"))
			via = CONFIG_VIA_DIRECT;
		else if (!strcmp(item, "every"))
			every_ms = must_time(&story->words);
		else if (*item != 'x' || text_parse_uint(item + 1, 1000, &times))
			FAIL(story, "%s is no item", item);
	}
	if (!via && health_probes_of(story->health, name, address, probes))
		via = probes[0]->via; /* through the tunnel, if that is probed */
	for (uint64_t i = 0; i < times; i++) {
		if (i)
			go_to(story, story->now_ms + every_ms);
		health_result(story->health, probe_id(story, name, address, via), ok, 500, words,
			      story->now_ms);
	}
	story->due_ms = story->now_ms + health_tick(story->health, story->now_ms);
}

static void expect_takers(struct story *story, const char *name)
{
	struct config *config = read(story, story->configured.data);
	struct text takers = {};

	if (!takers_describe(config, story->health, name, &takers))
		FAIL(story, "there is no service %s", name);
	if (strcmp(takers.data, story->words.rest))
		FAIL(story, "%s goes %s", name, takers.data);
	text_free(&takers);
	config_free(config);
}

/* ---- stories --------------------------------------------------------------------------------- */

static void do_backend(struct story *story, const char *name)
{
	struct addr address;
	const char *what;

	if (!strncmp(story->words.rest, "goes ", 5)) {
		story->words.rest += 5;
		expect_takers(story, name);
		return;
	}
	address = must_address(&story->words);
	what = must_word(&story->words, "ok, fail or is");
	if (!strcmp(what, "is"))
		expect_state(story, name, &address);
	else if (!strcmp(what, "ok") || !strcmp(what, "fail"))
		give_results(story, name, &address, *what == 'o');
	else
		FAIL(story, "%s is not ok, fail or is", what);
}

static const struct {
	const char *name;
	void (*run)(struct story *story);
	bool expects; /* changes may have been told before it */
} verbs[] = {
	{"service", do_service, false}, {"configure", do_configure, false},
	{"at", do_at, false},		{"restart", do_restart, false},
	{"probes", do_probes, true},	{"->", expect_change, true},
};

static void run_line(struct story *story, char *line)
{
	const char *first;

	story->words.rest = line;
	first = word(&story->words);
	if (!first || *first == '#')
		return;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, first))
			continue;
		if (!verbs[i].expects)
			expect_told(story);
		verbs[i].run(story);
		if (*story->words.rest && word(&story->words))
			FAIL(story, "there is more than %s takes", first);
		return;
	}
	expect_told(story);
	do_backend(story, first);
}

static void run_story(const char *name)
{
	char *file = mem_format("%s.replay", name), *path = mem_format(STORIES "/%s", file);
	char *text, *rest, *line;
	struct story story = {.words.file = file, .now_ms = WALL_MS, .due_ms = WALL_MS};
	size_t length;

	ck_assert_int_eq(file_read(path, 1 << 20, &text, &length, NULL), 0);
	story.health = health_new();
	rest = text;
	while ((line = strsep(&rest, "\n"))) {
		story.words.line++;
		run_line(&story, line);
	}
	expect_told(&story);
	health_free(story.health);
	text_free(&story.services);
	text_free(&story.configured);
	free(text);
	free(path);
	free(file);
}

static char names[256][128];

START_TEST(the_story_is_as_it_is_told)
{
	run_story(names[_i]);
}
END_TEST

static int is_story(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && !strcmp(dot, ".replay");
}

int main(void)
{
	TCase *cases = unit_cases("health_replay");
	struct dirent **entries;
	int count = scandir(STORIES, &entries, is_story, alphasort);

	if (count < 1 || count > (int)ARRAY_SIZE(names)) {
		fprintf(stderr, "no stories below " STORIES ", or too many\n");
		return EXIT_FAILURE;
	}
	for (int i = 0; i < count; i++) {
		*strrchr(entries[i]->d_name, '.') = '\0';
		snprintf(names[i], sizeof(names[i]), "%.127s", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	tcase_add_loop_test(cases, the_story_is_as_it_is_told, 0, count);
	return unit_run_cases("health_replay", cases);
}
