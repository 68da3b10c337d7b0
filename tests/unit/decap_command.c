/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of sluice-decap: what it means, and that each wrong one is refused by name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "decap/command.h"
#include "unit/unit.h"

/* Splits at blanks and parses; argv lives as long as the test. */
static int parse(const char *line, struct command *out, struct problems *p)
{
	static char *argv[32];
	static char *copy;
	int argc = 0;

	free(copy);
	copy = mem_string(line);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return command_parse(argc, argv, out, p);
}

static struct command accept_line(const char *line)
{
	struct problems p = {0};
	struct command command;

	if (parse(line, &command, &p)) {
		problems_print(&p, stderr);
		ck_abort_msg("refused: %s", line);
	}
	return command;
}

static const struct {
	const char *line;
	size_t prefixes;
} attaches[] = {
	{"sluice-decap attach eth0 --from 192.0.2.10", 1},
	{"sluice-decap attach eth0 --from=192.0.2.10 --from 2001:db8::/64", 2},
	{"sluice-decap attach eth0 --from 192.0.2.10 2001:db8::/64 10.0.0.0/8", 3},
	{"sluice-decap attach --from 192.0.2.10 eth0", 1},
	{"sluice-decap --from 192.0.2.10 attach eth0 2001:db8::/64", 2},
};

START_TEST(attach_takes_a_device_and_prefixes_in_any_order)
{
	struct command c = accept_line(attaches[_i].line);
	char text[PREFIX_TEXT_SIZE];

	ck_assert_int_eq(c.verb, COMMAND_ATTACH);
	ck_assert_str_eq(c.device, "eth0");
	ck_assert_str_eq(c.pin_dir, "/sys/fs/bpf/sluice-decap");
	ck_assert_int_eq(c.mode, DATAPLANE_AUTO);
	ck_assert_uint_eq(c.from_count, attaches[_i].prefixes);
	ck_assert_str_eq(prefix_format(&c.from[0], text), "192.0.2.10/32");
	if (c.from_count > 1)
		ck_assert_str_eq(prefix_format(&c.from[1], text), "2001:db8::/64");
	command_free(&c);
}
END_TEST

START_TEST(options_are_read)
{
	struct command c = accept_line(
		"sluice-decap attach eth0 --from ::/0 --mode generic --pin-dir /sys/fs/bpf/x");

	ck_assert_int_eq(c.mode, DATAPLANE_GENERIC);
	ck_assert_str_eq(c.pin_dir, "/sys/fs/bpf/x");
	command_free(&c);
	c = accept_line("sluice-decap attach eth0 --from ::/0 --mode native");
	ck_assert_int_eq(c.mode, DATAPLANE_NATIVE);
	command_free(&c);
	c = accept_line("sluice-decap detach eth0");
	ck_assert_int_eq(c.verb, COMMAND_DETACH);
	c = accept_line("sluice-decap stats");
	ck_assert_int_eq(c.verb, COMMAND_STATS);
	ck_assert_ptr_null(c.device);
	ck_assert(!c.json);
	ck_assert(accept_line("sluice-decap stats eth0 -j").json);
	ck_assert(accept_line("sluice-decap stats --json").json);
	ck_assert_int_eq(accept_line("sluice-decap --help").verb, COMMAND_HELP);
	ck_assert_int_eq(accept_line("sluice-decap attach -h").verb, COMMAND_HELP);
	ck_assert_int_eq(accept_line("sluice-decap -V").verb, COMMAND_VERSION);
}
END_TEST

static const struct {
	const char *line, *problem;
} wrong[] = {
	{"sluice-decap", "command: is missing"},
	{"sluice-decap eat eth0", "command 'eat': expected attach, detach or stats"},
	{"sluice-decap attach", "command 'attach': needs a device"},
	{"sluice-decap detach", "command 'detach': needs a device"},
	{"sluice-decap attach eth0", "command 'attach': needs --from"},
	{"sluice-decap attach eth0 --from", "option '--from': needs a value"},
	{"sluice-decap attach eth0 --from 10.0.1.300", "--from '10.0.1.300': expected an address"},
	{"sluice-decap attach eth0 --from 10.0.1.0/33", "--from '10.0.1.0/33'"},
	{"sluice-decap attach eth0 --from 10.0.1.1/24", "--from '10.0.1.1/24': has bits beyond"},
	{"sluice-decap attach eth0 --from 10.0.1.1 lb2", "--from 'lb2'"},
	{"sluice-decap attach eth0 --from 10.0.1.1 --mode fast", "--mode 'fast': expected native"},
	{"sluice-decap attach eth0 --from 10.0.1.1 -j", "option 'json': is not for `attach`"},
	{"sluice-decap stats --from 10.0.1.1", "option 'from': is not for `stats`"},
	{"sluice-decap detach eth0 --mode native", "option 'mode': is not for `detach`"},
	{"sluice-decap detach eth0 eth1", "argument 'eth1': is one too many"},
	{"sluice-decap stats --all", "option '--all': is not known"},
	{"sluice-decap stats -x", "option '-x': is not known"},
};

START_TEST(a_wrong_line_is_refused_by_name)
{
	struct problems p = {0};
	struct command command;
	char *text;

	ck_assert_int_eq(parse(wrong[_i].line, &command, &p), -EINVAL);
	ck_assert_uint_eq(p.count, 1);
	text = problem_text(&p.list[0]);
	ck_assert_msg(strstr(text, wrong[_i].problem), "%s: %s", wrong[_i].line, text);
	free(text);
	problems_free(&p);
	command_free(&command);
}
END_TEST

START_TEST(help_names_every_command_and_option)
{
	static const char *const words[] = {"attach DEV --from PREFIX...",
					    "detach DEV",
					    "stats [DEV] [-j]",
					    "--mode MODE",
					    "--pin-dir DIR",
					    "--version",
					    "when addresses change",
					    "Exit codes"};
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	command_help(file);
	fclose(file);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		ck_assert_msg(strstr(text, words[i]), "no '%s' in the help", words[i]);
	free(text);
}
END_TEST

int main(void)
{
	TCase *tc = unit_cases("decap_command");

	tcase_add_loop_test(tc, attach_takes_a_device_and_prefixes_in_any_order, 0,
			    ARRAY_SIZE(attaches));
	tcase_add_test(tc, options_are_read);
	tcase_add_loop_test(tc, a_wrong_line_is_refused_by_name, 0, ARRAY_SIZE(wrong));
	tcase_add_test(tc, help_names_every_command_and_option);
	return unit_run_cases("decap_command", tc);
}
