/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state document: text <-> struct state. Pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/state.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

#define MAGIC	 "sluice-state 1 "
#define HEX_SIZE (2 * STATE_HASH_SIZE + 1)
#define ABSENT	 "-"

void state_free(struct state *state)
{
	overrides_free(&state->overrides);
	free(state->name);
	free(state->text);
	*state = (struct state){};
}

void state_hash(const void *data, size_t length, uint8_t out[STATE_HASH_SIZE])
{
	key_digest(data, length, out);
}

static void encode_override(const struct overrides_entry *entry, struct text *out)
{
	const struct override *value = &entry->value;
	char address[ADDR_TEXT_SIZE], weight[8] = ABSENT;

	if (value->has_weight)
		snprintf(weight, sizeof(weight), "%u", value->weight);
	text_add(out, "override %s %s %s %s\n", addr_format(&entry->backend, address),
		 value->has_state ? config_state_name(value->state) : ABSENT, weight,
		 entry->service);
}

void state_encode(const struct state *state, struct text *out)
{
	uint8_t hash[STATE_HASH_SIZE];
	char hex[HEX_SIZE];
	struct text body = {};

	text_add(&body, "revision %llu\n", (unsigned long long)state->revision);
	if (state->has_loaded)
		text_add(&body, "loaded %s\n",
			 text_format_hex(state->loaded, STATE_HASH_SIZE, hex));
	for (size_t i = 0; i < state->overrides.count; i++)
		encode_override(&state->overrides.list[i], &body);
	if (state->text) {
		text_add(&body, "config %zu %s\n", state->text_length, state->name);
		text_add_bytes(&body, state->text, state->text_length);
	}
	state_hash(body.data, body.length, hash);
	text_add(out, MAGIC "%s\n", text_format_hex(hash, STATE_HASH_SIZE, hex));
	text_add_bytes(out, body.data, body.length);
	text_free(&body);
}

/* ---- decoding: a cursor that hands out lines, each ended by a newline ------------------------ */

struct cursor {
	const char *at, *end;
};

/* The next line without its newline, in memory of its own; NULL: no whole line is left. */
static char *take_line(struct cursor *c)
{
	const char *newline = memchr(c->at, '\n', c->end - c->at);
	char *line;

	if (!newline)
		return NULL;
	line = mem_alloc(newline - c->at + 1);
	memcpy(line, c->at, newline - c->at);
	c->at = newline + 1;
	return line;
}

/* Cuts the next word off *rest; the last word of a line is what is left, spaces included. */
static char *take_word(char **rest)
{
	char *word = *rest;

	*rest = word ? strchr(word, ' ') : NULL;
	if (*rest)
		*(*rest)++ = '\0';
	return word;
}

static int decode_revision(struct state *state, char *rest, struct cursor *c)
{
	(void)c;
	return text_parse_uint(rest, UINT64_C(1) << 53, &state->revision);
}

static int decode_loaded(struct state *state, char *rest, struct cursor *c)
{
	(void)c;
	if (state->has_loaded)
		return -EINVAL;
	state->has_loaded = true;
	return text_parse_hex(rest, state->loaded, STATE_HASH_SIZE);
}

static int decode_override(struct state *state, char *rest, struct cursor *c)
{
	const char *address = take_word(&rest), *name = take_word(&rest),
		   *weight = take_word(&rest);
	struct override value = {};
	struct addr backend;
	uint64_t number = 0;

	(void)c;
	if (!rest || !*rest || addr_parse(address, &backend))
		return -EINVAL;
	value.has_state = strcmp(name, ABSENT) != 0;
	value.has_weight = strcmp(weight, ABSENT) != 0;
	if (value.has_state && config_parse_state(name, &value.state))
		return -EINVAL;
	if (value.has_weight && text_parse_uint(weight, 1000, &number))
		return -EINVAL;
	value.weight = number;
	overrides_set(&state->overrides, rest, &backend, &value);
	return 0;
}

static int decode_config(struct state *state, char *rest, struct cursor *c)
{
	const char *length_text = take_word(&rest);
	uint64_t length;

	if (!rest || text_parse_uint(length_text, c->end - c->at, &length) || state->text)
		return -EINVAL;
	state->name = mem_string(rest);
	state->text = mem_alloc(length + 1);
	memcpy(state->text, c->at, length);
	state->text_length = length;
	c->at += length;
	return 0;
}

static const struct {
	const char *word;
	int (*decode)(struct state *state, char *rest, struct cursor *c);
} lines[] = {
	{"revision", decode_revision},
	{"loaded", decode_loaded},
	{"override", decode_override},
	{"config", decode_config},
};

static int decode_line(struct state *state, char *line, struct cursor *c)
{
	char *rest = line;
	const char *word = take_word(&rest);

	for (size_t i = 0; rest && i < ARRAY_SIZE(lines); i++)
		if (strcmp(word, lines[i].word) == 0)
			return lines[i].decode(state, rest, c);
	return -EINVAL;
}

/* The first line: which format, and whether the rest is what was written. */
static int check_head(struct cursor *c, const char **what)
{
	uint8_t hash[STATE_HASH_SIZE], expected[STATE_HASH_SIZE];
	char *line = take_line(c);
	int err = 0;

	if (!line || strncmp(line, MAGIC, strlen(MAGIC))) {
		*what = "is not a state file of this version";
		err = -EBADMSG;
	} else {
		state_hash(c->at, c->end - c->at, hash);
		if (text_parse_hex(line + strlen(MAGIC), expected, sizeof(expected)) ||
		    memcmp(hash, expected, sizeof(hash))) {
			*what = "is damaged: its checksum does not fit";
			err = -EBADMSG;
		}
	}
	free(line);
	return err;
}

int state_decode(const char *file, const char *data, size_t length, struct state *out,
		 struct problems *p)
{
	struct cursor c = {data, data + length};
	const char *what = "has a line that makes no sense";
	struct state state = {};
	int err = check_head(&c, &what);

	while (!err && c.at < c.end) {
		char *line = take_line(&c);

		if (!line || decode_line(&state, line, &c))
			err = -EBADMSG;
		free(line);
	}
	if (!err) {
		*out = state;
		return 0;
	}
	state_free(&state);
	return problems_add(
		p, err, file, NULL,
		"%s; nothing in it is used. Move it away to start from the configuration "
		"file (overrides are then lost)",
		what);
}
