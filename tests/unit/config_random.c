/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Thousands of mutations of the good golden files, the same in each run: whatever the bytes, reading gives a
 * configuration that holds its promises, or at least one problem.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "config/config.h"
#include "random.h"
#include "unit/unit.h"

#define GOLDENS	  TEST_DIR "/config"
#define MUTATIONS 6000
#define MAX	  (64 << 10)

struct bytes {
	char data[MAX];
	size_t length;
};

static void remove_bytes(struct bytes *bytes, size_t at, size_t count)
{
	memmove(bytes->data + at, bytes->data + at + count, bytes->length - at - count);
	bytes->length -= count;
}

static void insert(struct bytes *bytes, size_t at, const char *what, size_t count)
{
	if (bytes->length + count > MAX)
		return;
	memmove(bytes->data + at + count, bytes->data + at, bytes->length - at);
	memcpy(bytes->data + at, what, count);
	bytes->length += count;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '-' || c == ':';
}

static void mutate(struct bytes *bytes)
{
	static const char *const words[] = {
		"[",	"]",	 "{",	     "}",	   ": ",       "- ",
		"\n",	"\n  ",	 "::",	     "&a ",	   "*a",       "!!str ",
		"'",	"\"",	 "#",	     "|\n",	   "null",     "~",
		"%",	"---\n", "\t",	     "0",	   "-1",       "99999999999999999999",
		"any",	"251",	 "10.0.0.1", "1h",	   "[]",       "{}",
		"port", "name",	 "defaults", "backends: ", "\xc3\xa9", "\xff",
		"\\0",	"<<: ",	 "? ",	     "4M"};
	size_t at = random_below(bytes->length + 1), count = 1 + random_below(20);
	const char *word = words[random_below(ARRAY_SIZE(words))];
	char copy[20];

	if (count > bytes->length - at)
		count = bytes->length - at;
	switch (random_below(5)) {
	case 0:
		if (at < bytes->length)
			bytes->data[at] =
				random_below(2) ? random_below(256) : '0' + random_below(75);
		break;
	case 1:
		remove_bytes(bytes, at, count);
		break;
	case 2:
		memcpy(copy, bytes->data + at, count);
		insert(bytes, random_below(bytes->length + 1), copy, count);
		break;
	case 3: /* another word in the place of one, so that the YAML often stays whole */
		while (at && is_word(bytes->data[at - 1]))
			at--;
		for (count = 0; at + count < bytes->length && is_word(bytes->data[at + count]);)
			count++;
		remove_bytes(bytes, at, count);
		insert(bytes, at, word, strlen(word));
		break;
	default:
		insert(bytes, at, word, strlen(word));
	}
}

static void expect_health(const struct config_health *health)
{
	if (health->kind == CONFIG_HEALTH_NONE)
		return;
	ck_assert_uint_ne(health->via, 0);
	ck_assert_uint_le(health->timeout_ms, health->interval_ms);
	ck_assert_uint_le(health->retry_ms, health->interval_ms);
	ck_assert_uint_ge(health->retry_ms, 10);
	ck_assert_uint_ge(health->rise, 1);
	ck_assert_uint_ge(health->fall, 1);
	if (health->via & CONFIG_VIA_TUNNEL)
		ck_assert(!addr_is_none(&health->address));
	if (health->kind != CONFIG_HEALTH_ICMP && health->kind != CONFIG_HEALTH_EXEC)
		ck_assert_uint_ne(health->port, 0);
	ck_assert((health->kind == CONFIG_HEALTH_DNS) == (health->query_name != NULL));
	ck_assert((health->kind == CONFIG_HEALTH_EXEC) == (health->command != NULL));
	ck_assert_ptr_nonnull(health->path);
	ck_assert_ptr_nonnull(health->method);
	ck_assert_ptr_nonnull(health->status);
}

/* What every user of a configuration relies on. */
static void expect_promises(const struct config *config)
{
	ck_assert_uint_ge(config->interface_count, 1);
	ck_assert_uint_le(config->service_count, config->limits.services);
	ck_assert_uint_le(config_slots_needed(config), config->limits.slots);
	ck_assert_uint_eq(config->limits.slots % 32, 0);
	ck_assert_uint_eq(config->limits.flows & (config->limits.flows - 1), 0);
	ck_assert_uint_ge(config->limits.flows, 4096);
	for (size_t i = 0; i < config->alert_count; i++)
		ck_assert(!config->alerts[i].exec != !config->alerts[i].webhook);
	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];

		expect_health(&service->health);
		ck_assert_uint_ge(service->listener_count, 1);
		ck_assert_uint_ge(service->table_size, 251);
		ck_assert_uint_ge(service->drain_timeout_ms, service->idle_timeout_ms);
		if (i)
			ck_assert_int_lt(strcmp(service[-1].name, service->name), 0);
		for (size_t b = 1; b < service->backend_count; b++)
			ck_assert_int_lt(addr_compare(&service->backends[b - 1].address,
						      &service->backends[b].address),
					 0);
	}
}

static void read_one(const struct bytes *bytes, unsigned int *good)
{
	/* A copy of the exact size, so that the sanitizer sees a read beyond it. */
	char *text = mem_alloc(bytes->length);
	struct config *config = NULL;
	struct config_changes changes;
	struct problems p = {};

	memcpy(text, bytes->data, bytes->length);
	if (config_read("test", text, bytes->length, &config, &p)) {
		ck_assert_uint_ge(p.count, 1);
		ck_assert_ptr_null(config);
	} else {
		ck_assert_uint_eq(p.count, 0);
		expect_promises(config);
		config_diff(NULL, config, &changes);
		config_changes_free(&changes);
		(*good)++;
	}
	for (size_t i = 0; i < p.count; i++)
		free(problem_text(&p.list[i]));
	config_free(config);
	problems_free(&p);
	free(text);
}

static size_t load(struct bytes **files)
{
	struct dirent **entries;
	int count = scandir(GOLDENS, &entries, NULL, alphasort);
	size_t loaded = 0;

	*files = mem_array(count > 0 ? count : 0, sizeof(**files));
	for (int i = 0; i < count; i++) {
		char *dot = strrchr(entries[i]->d_name, '.'), *path, *data;
		size_t length;

		if (dot && !strcmp(dot, ".ok"))
			*dot = '\0';
		else
			dot = NULL;
		path = mem_format(GOLDENS "/%s.yaml", entries[i]->d_name);
		if (dot && !file_read(path, MAX, &data, &length, NULL)) {
			memcpy((*files)[loaded].data, data, length);
			(*files)[loaded++].length = length;
			free(data);
		}
		free(path);
		free(entries[i]);
	}
	free(entries);
	return loaded;
}

START_TEST(whatever_the_bytes_there_is_a_configuration_or_a_problem)
{
	struct bytes *files, *bytes = mem_alloc(sizeof(*bytes));
	size_t count = load(&files);
	unsigned int good = 0;

	ck_assert_uint_ge(count, 15);
	for (unsigned int i = 0; i < MUTATIONS; i++) {
		*bytes = files[random_below(count)];
		for (unsigned int times = i % 2 ? 1 : 1 + random_below(4); times; times--)
			mutate(bytes);
		read_one(bytes, &good);
	}
	/* Some must still be good, or nothing but the YAML reader was tested. */
	ck_assert_uint_ge(good, MUTATIONS / 100);
	free(bytes);
	free(files);
}
END_TEST

RUN_TESTS("config_random", whatever_the_bytes_there_is_a_configuration_or_a_problem)
