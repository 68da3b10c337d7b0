/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What reaches standard error: levels, the journal's prefixes, one line a message. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "unit/unit.h"

static char captured[4096];

/* Sends standard error to a file; the journal's variable then says whether that is the journal. */
static FILE *redirect(int is_journal)
{
	FILE *to = tmpfile();
	struct stat is;
	char stream[64];

	ck_assert_ptr_nonnull(to);
	ck_assert_int_ge(dup2(fileno(to), STDERR_FILENO), 0);
	ck_assert_int_eq(fstat(STDERR_FILENO, &is), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)is.st_dev,
		 (unsigned long long)is.st_ino + !is_journal);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_init("sluice-test");
	return to;
}

static const char *capture(FILE *to)
{
	rewind(to);
	captured[fread(captured, 1, sizeof(captured) - 1, to)] = '\0';
	fclose(to);
	return captured;
}

START_TEST(the_journal_gets_its_priority_prefix_and_nothing_else)
{
	FILE *to = redirect(1);

	log_set_level(LOG_LEVEL_DEBUG);
	log_error("a %d", 1);
	log_warning("b\nc");
	log_info("d");
	log_debug("e");
	ck_assert_str_eq(capture(to), "<3>a 1\n<4>b c\n<6>d\n<7>e\n");
}
END_TEST

START_TEST(messages_above_the_level_are_dropped)
{
	FILE *to = redirect(1);

	log_debug("not at first");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("not this");
	log_error("this");
	ck_assert_str_eq(capture(to), "<3>this\n");
}
END_TEST

START_TEST(a_terminal_gets_time_program_and_level)
{
	FILE *to = redirect(0);
	unsigned int year, rest[6];
	char tail[64];

	log_warning("careful");
	ck_assert_int_eq(sscanf(capture(to), "%4u-%2u-%2u %2u:%2u:%2u.%3u %63[^\n]", &year,
				&rest[0], &rest[1], &rest[2], &rest[3], &rest[4], &rest[5], tail),
			 8);
	ck_assert_str_eq(tail, "sluice-test warning: careful");
}
END_TEST

START_TEST(problems_are_logged_one_a_line)
{
	FILE *to = redirect(1);
	struct problems p = {};

	problems_add(&p, 0, "eth0", NULL, "is missing");
	problems_add_at(&p, "f", 1, 2, "port", "x", "a number");
	log_problems(LOG_LEVEL_ERROR, &p);
	problems_free(&p);
	ck_assert_str_eq(capture(to), "<3>eth0: is missing\n<3>f:1:2: port 'x': a number\n");
}
END_TEST

/* ---- events ---------------------------------------------------------------------------------- */

static const struct log_field fields[] = {
	{"SLUICE_EVENT", "apply"},
	{"SLUICE_SERVICE", NULL},
	{"SLUICE_DEVICE", "eth\n0"},
};

static void log_one(void)
{
	log_event(LOG_LEVEL_WARNING, "a\nb", "{\"x\":1}", fields, 3);
}

/* A datagram socket in the journal's place. */
static int listen_as_journal(char path[64])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(path, 64, "/tmp/sluice-journal-%d", getpid());
	strcpy(address.sun_path, path);
	unlink(path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	log_set_journal(path);
	return fd;
}

START_TEST(an_event_is_one_entry_of_the_journal_with_fields)
{
	FILE *to = redirect(1);
	char path[64], entry[256] = "";
	int journal = listen_as_journal(path);

	log_one();
	ck_assert_int_gt(recv(journal, entry, sizeof(entry) - 1, MSG_DONTWAIT), 0);
	unlink(path);
	ck_assert_str_eq(entry, "MESSAGE=a b\nPRIORITY=4\nSYSLOG_IDENTIFIER=sluice-test\n"
				"SLUICE_JSON={\"x\":1}\nSLUICE_EVENT=apply\nSLUICE_DEVICE=eth 0\n");
	ck_assert_str_eq(capture(to), "");
	log_set_level(LOG_LEVEL_ERROR);
	log_one();
	ck_assert_int_lt(recv(journal, entry, sizeof(entry), MSG_DONTWAIT), 0);
}
END_TEST

START_TEST(a_journal_that_cannot_be_reached_gets_the_sentence)
{
	FILE *to = redirect(1);

	log_set_journal("/nonexistent/journal");
	log_one();
	ck_assert_str_eq(capture(to), "<4>a b\n");
}
END_TEST

START_TEST(elsewhere_an_event_is_a_sentence_and_at_debug_a_document)
{
	FILE *to = redirect(0);
	const char *text;

	log_set_level(LOG_LEVEL_DEBUG);
	log_one();
	log_set_level(LOG_LEVEL_INFO);
	log_one();
	text = capture(to);
	ck_assert_ptr_nonnull(strstr(text, "sluice-test warning: a b\n"));
	text = strstr(text, "sluice-test debug: event {\"x\":1}\n");
	ck_assert_ptr_nonnull(text);
	text = strstr(text, "sluice-test warning: a b\n");
	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_null(strstr(text, "event {"));
}
END_TEST

RUN_TESTS("base_log", an_event_is_one_entry_of_the_journal_with_fields,
	  a_journal_that_cannot_be_reached_gets_the_sentence,
	  elsewhere_an_event_is_a_sentence_and_at_debug_a_document,
	  the_journal_gets_its_priority_prefix_and_nothing_else,
	  messages_above_the_level_are_dropped, a_terminal_gets_time_program_and_level,
	  problems_are_logged_one_a_line)
