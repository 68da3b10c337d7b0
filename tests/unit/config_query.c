/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be asked of a configuration: its services and backends, slots, names; and the schema's
 * two texts. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "config/config.h"
#include "unit/read_config.h"
#include "unit/unit.h"

#define HEAD "version: 1\ninterfaces: [{device: eth0}]\ndefaults: {tracking: never}\n"

START_TEST(services_and_backends_are_found_by_identity)
{
	struct config *config =
		read_config(HEAD "services:\n"
				 "- {name: b, address: 203.0.113.2, port: 80, backends: [{address: "
				 "10.0.0.2}, {address: "
				 "'2001:db8::1'}, {address: 9.9.9.9}]}\n"
				 "- {name: a, address: 203.0.113.1, port: 80, backends: []}\n");
	const struct config_service *service = config_find_service(config, "b");
	static const char *const there[] = {"10.0.0.2", "2001:db8::1", "9.9.9.9"};
	struct addr addr;

	ck_assert_str_eq(service->name, "b");
	ck_assert_str_eq(config_find_service(config, "a")->name, "a");
	ck_assert_ptr_null(config_find_service(config, "c"));
	for (size_t i = 0; i < ARRAY_SIZE(there); i++) {
		ck_assert_int_eq(addr_parse(there[i], &addr), 0);
		ck_assert(addr_equal(&config_find_backend(service, &addr)->address, &addr));
		ck_assert_ptr_null(config_find_backend(config_find_service(config, "a"), &addr));
	}
	ck_assert_int_eq(addr_parse("10.0.0.3", &addr), 0);
	ck_assert_ptr_null(config_find_backend(service, &addr));
	config_free(config);
	config = read_config(HEAD "services: []\n");
	ck_assert_ptr_null(config_find_service(config, "a"));
	config_free(config);
	config_free(NULL);
}
END_TEST

START_TEST(tables_take_whole_lines_and_the_largest_size_that_fits_is_a_prime_that_fits)
{
	struct config *config = read_config(
		HEAD
		"limits: {maglev-slots: 3000}\nservices:\n"
		"- {name: a, address: 203.0.113.1, port: 80, backends: [], table-size: 251}\n"
		"- {name: b, address: 203.0.113.2, port: 80, backends: [], table-size: 1021}\n"
		"- {name: c, address: 203.0.113.3, port: 80, backends: [], table-size: 257}\n");

	ck_assert_uint_eq(config->limits.slots, 3008);
	ck_assert_uint_eq(config_slots_needed(config), 256 + 1024 + 288);
	ck_assert_uint_eq(config_largest_table_size(config),
			  991); /* 3 * 992 fit, 3 * 1024 do not */
	config_free(config);
}
END_TEST

START_TEST(states_are_read_by_name)
{
	enum config_state state = CONFIG_UP;

	ck_assert_int_eq(config_parse_state("drain", &state), 0);
	ck_assert_int_eq(state, CONFIG_DRAIN);
	ck_assert_int_eq(config_parse_state("Up", &state), -EINVAL);
	ck_assert_int_eq(state, CONFIG_DRAIN);
	ck_assert_str_eq(config_state_name(CONFIG_DOWN), "down");
}
END_TEST

START_TEST(a_text_that_is_too_long_is_refused_unread)
{
	size_t length = (4 << 20) + 1;
	struct problems p = {};
	struct config *config;
	char *text = mem_alloc(length), *line;

	memset(text, '\n', length);
	ck_assert_int_eq(config_read("test", text, length, &config, &p), -EINVAL);
	ck_assert_uint_eq(p.count, 1);
	line = problem_text(&p.list[0]);
	ck_assert_str_eq(line,
			 "test: the text has 4194305 bytes; at most 4194304 (4 MiB) are read");
	free(line);
	free(text);
	problems_free(&p);
}
END_TEST

/* Deep, wide, repetitive: shapes that a careless reader spends minutes or gigabytes on. */
START_TEST(hostile_texts_of_the_full_length_are_refused_within_bounds)
{
	static const char *const units[] = {"[",	  "{",	     "- ",
					    "? ",	  "a: ",     "\n",
					    "- a\n",	  "[a,",     "{a,",
					    "\"",	  "'",	     "- {}\n",
					    ": ",	  "!a ",     "&a ",
					    "*a ",	  "#",	     "|\n",
					    "a\n",	  "- - ",    "%TAG !a! b\n",
					    "\r%TAG ! b", "---\n",   "...\n",
					    "\\",	  ",",	     "]",
					    "- [a]\n",	  "a: {}\n", "\xef\xbb\xbf",
					    "?\n",	  "-\n",     "- ? a\n",
					    "a:\n "};
	size_t length = 4 << 20;
	char *text = mem_alloc(length);

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t unit = strlen(units[i]);
		clock_t before = clock();
		struct problems p = {};
		struct config *config;

		for (size_t at = 0; at + unit <= length; at += unit)
			memcpy(text + at, units[i], unit);
		ck_assert_int_eq(config_read("test", text, length / unit * unit, &config, &p),
				 -EINVAL);
		ck_assert_uint_ge(p.count, 1);
		ck_assert_uint_le(p.count, 101);
		problems_free(&p);
		if (getenv("SHOW_TIMES"))
			fprintf(stderr, "%zu: %.2f s\n", i,
				(double)(clock() - before) / CLOCKS_PER_SEC);
	}
	free(text);
}
END_TEST

/* Each list as long as it may be: reading is not quadratic in anything. */
START_TEST(the_largest_configuration_is_read)
{
	struct text text = {};
	struct config *config;

	text_add(&text,
		 HEAD "limits: {backends: 32767, services: 1k, maglev-slots: 16M}\nservices:\n");
	for (unsigned int s = 0; s < 1000; s++) {
		text_add(&text, "- name: s%u\n  address: 203.0.%u.%u\n  port: 80\n  backends:\n", s,
			 s / 250, s % 250);
		for (unsigned int b = 0; b < 32; b++)
			text_add(&text, "  - {address: 10.%u.%u.%u, weight: %u}\n", s / 250,
				 s % 250, b, b + 1);
	}
	config = read_config(text.data);
	ck_assert_uint_eq(config->service_count, 1000);
	ck_assert_uint_eq(config->services[0].backend_count, 32);
	config_free(config);
	text_free(&text);
}
END_TEST

START_TEST(the_json_schema_is_json_and_knows_every_section)
{
	static const char *const keys[] = {"interface", "tunnel", "limits",	   "service",
					   "backend",	"peers",  "preset-service"};
	struct text text = {};
	json_t *schema, *defs;
	json_error_t error;

	config_schema_json(&text);
	schema = json_loads(text.data, JSON_REJECT_DUPLICATES, &error);
	ck_assert_msg(schema != NULL, "line %d: %s", error.line, error.text);
	defs = json_object_get(schema, "$defs");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		ck_assert_msg(json_object_get(json_object_get(defs, keys[i]), "properties") != NULL,
			      "%s", keys[i]);
	ck_assert_ptr_null(json_object_get(
		json_object_get(json_object_get(defs, "preset-service"), "properties"), "name"));
	ck_assert_int_eq(json_array_size(json_object_get(schema, "required")), 3);
	json_decref(schema);
	text_free(&text);
}
END_TEST

START_TEST(help_has_every_field_with_its_range_and_default)
{
	static const char *const lines[] = {
		"  table-size         a prime number from 251 to 655373; default 16381\n",
		"  idle-timeout       a duration from 5s to 4h, such as 90s; default 6m\n",
		"  port               a number from 1 to 65535, or any, or a list; required\n",
		"  affinity           one of flow, source, quic; default "
		"flow\n",
		"  health             a map: see `health` below\n",
	};
	struct text text = {};

	config_schema_help(&text);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		ck_assert_msg(strstr(text.data, lines[i]) != NULL, "%s", lines[i]);
	text_free(&text);
}
END_TEST

START_TEST(texts_of_udp_probes_become_bytes)
{
	uint8_t bytes[32];
	size_t count = config_unescape("a\\x00\\xfF\\n\\r\\t\\0\\\\x41", bytes);

	ck_assert_uint_eq(count, 11);
	ck_assert_mem_eq(bytes, "a\0\xff\n\r\t\0\\x41", count);
}
END_TEST

START_TEST(vlans_are_bits_by_number)
{
	static const struct {
		const char *list;
		bool more;	   /* than untagged */
		uint64_t words[4]; /* 0, 1, 62, 63 */
	} cases[] = {
		{"untagged", false, {1, 0, 0, 0}},
		{"[untagged]", false, {1, 0, 0, 0}},
		{"1", true, {2, 0, 0, 0}},
		{"[64, 4094, untagged, 63]",
		 true,
		 {1 | UINT64_C(1) << 63, 1, 0, UINT64_C(1) << 62}},
		{"any", true, {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX >> 1}},
	};
	uint64_t bits[64];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = mem_format("version: 1\ninterfaces: [{device: eth0, vlans: %s}]\n"
					"services: []\n",
					cases[i].list);
		struct config *config = read_config(text);

		ck_assert(config_vlans(&config->interfaces[0], bits) == cases[i].more);
		ck_assert_mem_eq(bits, cases[i].words, 16);
		ck_assert_mem_eq(bits + 62, cases[i].words + 2, 16);
		config_free(config);
		free(text);
	}
}
END_TEST

START_TEST(server_ids_count_as_listeners_do)
{
	static const char text[] =
		"version: 1\ninterfaces: [{device: eth0}]\nservices:\n"
		" - {name: h3, address: [203.0.113.1, 203.0.113.2], port: 443, protocol: udp, "
		"affinity: quic,\n    quic: [{rotation: 0, server-id-length: 1, nonce-length: 4}, "
		"{rotation: 1, server-id-length: 2, nonce-length: 4}],\n"
		"    backends: [{address: 10.0.0.1, server-id: [0a, 0a0b]}, "
		"{address: 10.0.0.2, server-id: [0b, 0b0b]}]}\n";
	struct problems p = {};
	struct config *config;
	const char *ids;
	uint8_t bytes[CONFIG_SERVER_ID_MAX];

	ck_assert_int_eq(config_read("f", text, strlen(text), &config, &p), 0);
	ck_assert_uint_eq(config_listener_count(config), 2 + 4);
	ids = config->services[0].backends[1].server_ids;
	ck_assert_uint_eq(config_server_id(&ids, bytes), 1);
	ck_assert_uint_eq(config_server_id(&ids, bytes), 2);
	ck_assert_mem_eq(bytes, "\x0b\x0b", 2);
	ck_assert_uint_eq(config_server_id(&ids, bytes), 0);
	config_free(config);
}
END_TEST

RUN_TESTS("config_query", server_ids_count_as_listeners_do, vlans_are_bits_by_number,
	  texts_of_udp_probes_become_bytes, services_and_backends_are_found_by_identity,
	  tables_take_whole_lines_and_the_largest_size_that_fits_is_a_prime_that_fits,
	  states_are_read_by_name, a_text_that_is_too_long_is_refused_unread,
	  hostile_texts_of_the_full_length_are_refused_within_bounds,
	  the_largest_configuration_is_read, the_json_schema_is_json_and_knows_every_section,
	  help_has_every_field_with_its_range_and_default)
