/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state document: text <-> struct state. Pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/sealed.h"
#include "agent/state.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

#define MAGIC  "sluice-state 1"
#define ABSENT "-"

void state_free(struct state *state)
{
	overrides_free(&state->overrides);
	free(state->name);
	free(state->text);
	*state = (struct state){};
}

void state_hash(const void *data, size_t length, uint8_t out[STATE_HASH_SIZE])
{
	sealed_hash(data, length, out);
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
	char hex[2 * STATE_HASH_SIZE + 1];
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
	sealed_add(MAGIC, &body, out);
	text_free(&body);
}

/* ---- decoding -------------------------------------------------------------------------------- */

static int decode_revision(struct state *state, char *rest, struct sealed *s)
{
	(void)s;
	return text_parse_uint(rest, UINT64_C(1) << 53, &state->revision);
}

static int decode_loaded(struct state *state, char *rest, struct sealed *s)
{
	(void)s;
	if (state->has_loaded)
		return -EINVAL;
	state->has_loaded = true;
	return text_parse_hex(rest, state->loaded, STATE_HASH_SIZE);
}

static int decode_override(struct state *state, char *rest, struct sealed *s)
{
	const char *address = sealed_word(&rest), *name = sealed_word(&rest),
		   *weight = sealed_word(&rest);
	struct override value = {};
	struct addr backend;
	uint64_t number = 0;

	(void)s;
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

static int decode_config(struct state *state, char *rest, struct sealed *s)
{
	const char *length_text = sealed_word(&rest);
	uint64_t length;

	if (!rest || text_parse_uint(length_text, s->end - s->at, &length) || state->text)
		return -EINVAL;
	state->name = mem_string(rest);
	state->text = sealed_bytes(s, length);
	state->text_length = length;
	return 0;
}

static const struct {
	const char *word;
	int (*decode)(struct state *state, char *rest, struct sealed *s);
} lines[] = {
	{"revision", decode_revision},
	{"loaded", decode_loaded},
	{"override", decode_override},
	{"config", decode_config},
};

static int decode_line(struct state *state, char *line, struct sealed *s)
{
	char *rest = line;
	const char *word = sealed_word(&rest);

	for (size_t i = 0; rest && i < ARRAY_SIZE(lines); i++)
		if (strcmp(word, lines[i].word) == 0)
			return lines[i].decode(state, rest, s);
	return -EINVAL;
}

int state_decode(const char *file, const char *data, size_t length, struct state *out,
		 struct problems *p)
{
	const char *what = "has a line that makes no sense";
	struct state state = {};
	struct sealed s;
	int err = sealed_open(MAGIC, data, length, &s, &what);

	while (!err && s.at < s.end) {
		char *line = sealed_line(&s);

		if (!line || decode_line(&state, line, &s))
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
