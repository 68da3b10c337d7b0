/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: defaults, every option, and each way to get it wrong. */
#include <errno.h>
#include <string.h>

#include "agent/options.h"
#include "base/mem.h"
#include "base/problem.h"
#include "unit/unit.h"

#define ARGUMENTS_MAX 8

/* Parses a NULL-terminated list of arguments. */
static int parse(const char *const *arguments, struct options *out, struct problems *p)
{
	char *argv[ARGUMENTS_MAX + 2] = {(char *)"sluiced"};
	int argc = 1;

	while (arguments[argc - 1]) {
		argv[argc] = (char *)arguments[argc - 1];
		argc++;
	}
	return options_parse(argc, argv, out, p);
}

START_TEST(no_option_gives_the_documented_defaults)
{
	struct options o;

	ck_assert_int_eq(parse((const char *[]){NULL}, &o, NULL), 0);
	ck_assert_int_eq(o.action, OPTIONS_RUN);
	ck_assert_str_eq(o.config, "/etc/sluice/sluice.yaml");
	ck_assert_str_eq(o.socket, "/run/sluice/sluiced.sock");
	ck_assert_str_eq(o.pin_dir, "/sys/fs/bpf/sluice");
	ck_assert_str_eq(o.state_dir, "/var/lib/sluice");
	ck_assert(!o.detach_on_exit && !o.json);
}
END_TEST

START_TEST(every_option_is_taken)
{
	struct options o;

	ck_assert_int_eq(parse((const char *[]){"-c", "a.yaml", "--socket=s", "--pin-dir", "p",
						"--state-dir=d", "--detach-on-exit", NULL},
			       &o, NULL),
			 0);
	ck_assert_str_eq(o.config, "a.yaml");
	ck_assert_str_eq(o.socket, "s");
	ck_assert_str_eq(o.pin_dir, "p");
	ck_assert_str_eq(o.state_dir, "d");
	ck_assert(o.detach_on_exit);
	ck_assert_int_eq(parse((const char *[]){"--check", "-j", NULL}, &o, NULL), 0);
	ck_assert_int_eq(o.action, OPTIONS_CHECK);
	ck_assert(o.json);
	ck_assert_int_eq(parse((const char *[]){"--down", NULL}, &o, NULL), 0);
	ck_assert_int_eq(o.action, OPTIONS_DOWN);
	ck_assert_int_eq(parse((const char *[]){"-h", NULL}, &o, NULL), 0);
	ck_assert_int_eq(o.action, OPTIONS_HELP);
	ck_assert_int_eq(parse((const char *[]){"-V", NULL}, &o, NULL), 0);
	ck_assert_int_eq(o.action, OPTIONS_VERSION);
}
END_TEST

START_TEST(what_is_wrong_is_refused_by_name)
{
	static const struct {
		const char *arguments[4];
		const char *named, *said;
	} cases[] = {
		{{"--bogus"}, "--bogus", "unknown"},
		{{"-x"}, "-x", "unknown"},
		{{"-c"}, "-c", "needs an argument"},
		{{"--socket"}, "--socket", "needs an argument"},
		{{"--down=now"}, "--down=now", "takes no argument"},
		{{"--pin-dir="}, "pin-dir", "not empty"},
		{{"file.yaml"}, "file.yaml", "-c FILE"},
		{{"--check", "--down"}, "down", "another action"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct options o = {.config = "untouched"};
		struct problems p = {};
		char *text;

		ck_assert_int_eq(parse(cases[i].arguments, &o, &p), -EINVAL);
		ck_assert_str_eq(o.config, "untouched");
		ck_assert_uint_eq(p.count, 1);
		text = problem_text(&p.list[0]);
		ck_assert_ptr_nonnull(strstr(text, cases[i].named));
		ck_assert_ptr_nonnull(strstr(text, cases[i].said));
		free(text);
		problems_free(&p);
	}
}
END_TEST

START_TEST(help_names_every_option)
{
	static const char *const names[] = {"-c, --config FILE", "--socket PATH", "--pin-dir DIR",
					    "--state-dir DIR",	 "--check",	  "--down",
					    "--detach-on-exit",	 "-h, --help",	  "-V, --version"};
	char *text;
	size_t length;
	FILE *to = open_memstream(&text, &length);

	options_help(to);
	fclose(to);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_ptr_nonnull(strstr(text, names[i]));
	free(text);
}
END_TEST

RUN_TESTS("agent_options", no_option_gives_the_documented_defaults, every_option_is_taken,
	  what_is_wrong_is_refused_by_name, help_names_every_option)
