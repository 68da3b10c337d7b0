/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wrong with the files that a configuration names is said before they are used. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/hostfiles.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "config/config.h"
#include "unit/read_config.h"
#include "unit/support/scratch.h"
#include "unit/unit.h"

/* Nobody who is in a group of these files. */
static const struct hostfiles_users strangers = {
	.agent = {4000001, 4000001, "sluice"},
	.prober = {4000002, 4000002, "sluice-prober"},
};

static char here[4096];

static void make(const char *name, mode_t mode, const char *content)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	close(fd);
	ck_assert_int_eq(chmod(name, mode), 0);
}

/* The warnings about `part`, where HERE stands for this directory; a sentence a line. */
static char *warnings_about(const char *part, const struct hostfiles_users *users)
{
	static const char head[] = "version: 1\ninterfaces: [{device: eth0}]\nservices:\n  - name: "
				   "a\n    address: 203.0.113.1\n    port: 80\n    backends: "
				   "[{address: 10.0.1.11}]\n";
	struct text text = {}, out = {};
	struct problems warnings = {};
	struct config *config;
	const char *mark;

	text_add(&text, "%s", head);
	while ((mark = strstr(part, "HERE"))) {
		text_add(&text, "%.*s%s", (int)(mark - part), part, here);
		part = mark + 4;
	}
	text_add(&text, "%s", part);
	config = read_config(text.data);
	hostfiles_check(config, users, &warnings);
	for (size_t i = 0; i < warnings.count; i++) {
		struct problem *w = &warnings.list[i];
		const char *path = w->value + strlen(here);

		ck_assert_str_eq(w->file, "test");
		ck_assert_uint_gt(w->line, 0);
		text_add(&out, "%s %s: %s\n", w->field, path, w->expected);
	}
	problems_free(&warnings);
	config_free(config);
	text_free(&text);
	return out.data ? out.data : mem_string("");
}

static void expect(const char *part, const char *expected)
{
	char *got = warnings_about(part, &strangers);

	ck_assert_str_eq(got, expected);
	free(got);
}

static void enter(void)
{
	scratch_enter();
	ck_assert_int_eq(chmod(".", 0755), 0);
	ck_assert_ptr_nonnull(getcwd(here, sizeof(here)));
}

START_TEST(files_that_their_users_can_use_are_not_spoken_of)
{
	enter();
	make("program", 0755, "#!/bin/sh\n");
	make("ca", 0644, "x");
	make("secret", 0644, "x");
	expect("    health: {kind: exec, command: HERE/program}\n"
	       "alerts: [{exec: HERE/program}, {webhook: \"https://x.example/\", secret-file: "
	       "HERE/secret, ca-file: HERE/ca}]\n",
	       "");
	expect("    health: {kind: https, ca-file: HERE/ca}\n", "");
	expect("    health: {kind: tcp}\n", "");
	scratch_leave();
}
END_TEST

START_TEST(what_is_wrong_is_said_with_the_path_and_what_it_costs)
{
	enter();
	make("program", 0744, "#!/bin/sh\n");
	make("secret", 0600, "x");
	make("empty", 0644, "");
	ck_assert_int_eq(mkdir("folder", 0700), 0);
	make("folder/ca", 0644, "x");
	expect("    health: {kind: exec, command: HERE/program}\n",
	       "services[a].health.command /program: cannot be executed by user sluice-prober, as "
	       "its mode is 744: its probes fail until that is mended\n");
	expect("    health: {kind: exec, command: HERE/none}\n",
	       "services[a].health.command /none: is not there: its probes fail until that is "
	       "mended\n");
	expect("    health: {kind: https, ca-file: HERE/empty}\n",
	       "services[a].health.ca-file /empty: is empty: its probes fail until that is "
	       "mended\n");
	expect("alerts: [{exec: HERE/folder}]\n",
	       "alerts.exec /folder: is no regular file: no alert is sent until that is mended\n");
	expect("alerts: [{webhook: \"https://x.example/\", secret-file: HERE/secret}]\n",
	       "alerts.secret-file /secret: cannot be read by user sluice, as its mode is 600: no "
	       "alert is sent until that is mended\n");
	scratch_leave();
}
END_TEST

START_TEST(a_folder_that_keeps_the_user_out_is_named)
{
	char *got, *expected;

	enter();
	ck_assert_int_eq(mkdir("folder", 0755), 0);
	make("folder/ca", 0644, "x");
	expect("alerts: [{webhook: \"https://x.example/\", ca-file: HERE/folder/ca}]\n", "");
	ck_assert_int_eq(chmod("folder", 0700), 0);
	got = warnings_about(
		"alerts: [{webhook: \"https://x.example/\", ca-file: HERE/folder/ca}]\n",
		&strangers);
	expected =
		mem_format("alerts.ca-file /folder/ca: cannot be read by user sluice-prober, who "
			   "may not pass %s/folder: no alert is sent until that is mended\n",
			   here);
	ck_assert_str_eq(got, expected);
	free(got);
	free(expected);
	scratch_leave();
}
END_TEST

START_TEST(owners_and_groups_count)
{
	struct hostfiles_users owner, group;

	enter();
	make("secret", 0640, "x");
	hostfiles_find_users(false, &owner);
	ck_assert_uint_eq(owner.agent.uid, geteuid());
	ck_assert_uint_eq(owner.prober.gid, getegid());
	group = strangers;
	group.agent.gid = getegid();
	for (int i = 0; i < 2; i++) {
		char *got = warnings_about(
			"alerts: [{webhook: \"https://x.example/\", secret-file: HERE/secret}]\n",
			i ? &group : &owner);

		ck_assert_str_eq(got, "");
		free(got);
	}
	scratch_leave();
}
END_TEST

START_TEST(a_file_is_named_once_for_each_use)
{
	enter();
	expect("    health: {kind: exec, command: HERE/none}\n"
	       "  - {name: b, address: 203.0.113.2, port: 80, health: {kind: exec, command: "
	       "HERE/none}, backends: [{address: 10.0.1.11}]}\n"
	       "alerts: [{exec: HERE/none}]\n",
	       "services[a].health.command /none: is not there: its probes fail until that is "
	       "mended\n"
	       "alerts.exec /none: is not there: no alert is sent until that is mended\n");
	scratch_leave();
}
END_TEST

RUN_TESTS("agent_hostfiles", files_that_their_users_can_use_are_not_spoken_of,
	  what_is_wrong_is_said_with_the_path_and_what_it_costs,
	  a_folder_that_keeps_the_user_out_is_named, owners_and_groups_count,
	  a_file_is_named_once_for_each_use)
