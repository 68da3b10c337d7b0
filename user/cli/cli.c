/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What sluicectl does, from the command line to the exit code. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/when.h"

#define FILE_MAX    (4 << 20) /* bytes of a configuration */
#define TIMEOUT_S   60
#define SECONDS_MAX 86400
#define FOLLOW_TIMEOUT_S \
	4 /* at least: the agent itself waits for 2 s before it says that nothing happens */

/* ---- telling --------------------------------------------------------------------------------- */

static void report(const struct cli *cli, enum wire_code code, struct problems *p)
{
	if (cli->json) {
		char *line = wire_encode_error(code, p);

		puts(line);
		free(line);
		return;
	}
	for (size_t i = 0; i < p->count; i++) {
		char *line = problem_text(&p->list[i]);

		fprintf(stderr, "sluicectl: %s\n", line);
		free(line);
	}
}

/* What was accepted, but is to be said, goes where errors go. */
static void warn(const struct problems *warnings)
{
	for (size_t i = 0; i < warnings->count; i++) {
		char *line = problem_text(&warnings->list[i]);

		fprintf(stderr, "sluicectl: warning: %s\n", line);
		free(line);
	}
}

static void report_warnings(const struct wire_problem *list, size_t count)
{
	struct problems warnings = {};

	wire_problems_to(list, count, &warnings);
	warn(&warnings);
	problems_free(&warnings);
}

enum wire_code cli_tell(const struct cli *cli, const char *line, const struct wire_reply *reply)
{
	struct text text = {};

	if (cli->json) {
		puts(line);
		return reply->code;
	}
	if (reply->kind == WIRE_KIND_error) {
		struct problems errors = {};

		wire_problems_to(reply->errors.list, reply->errors.count, &errors);
		report(cli, reply->code, &errors);
		problems_free(&errors);
		return reply->code;
	}
	if (reply->kind == WIRE_KIND_check)
		report_warnings(reply->check->warnings.list, reply->check->warnings.count);
	if (reply->kind == WIRE_KIND_plan)
		report_warnings(reply->plan->warnings.list, reply->plan->warnings.count);
	show_reply(cli, reply, &text);
	if (text.length)
		fwrite(text.data, 1, text.length, stdout);
	text_free(&text);
	return WIRE_OK;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* A document carries UTF-8 only: says where the text is not. */
static enum wire_code check_utf8(const char *file, const char *text, size_t length,
				 struct problems *p)
{
	size_t valid = wire_utf8_length(text, length);
	unsigned int line = 1, column = 1;

	if (valid == length)
		return WIRE_OK;
	for (size_t i = 0; i < valid; i++) {
		if (text[i] == '\n') {
			line++;
			column = 1;
		} else {
			column += (text[i] & 0xc0) != 0x80;
		}
	}
	problems_add_at(p, file, line, column, NULL, NULL,
			"the byte 0x%02x is no UTF-8 text; save the file as UTF-8",
			(unsigned char)text[valid]);
	return WIRE_INVALID;
}

enum wire_code cli_read_config(const char *file, const char *name, char **text, struct problems *p)
{
	size_t length;
	int err = file_read(file, FILE_MAX, text, &length, p);

	if (err)
		return err == -EFBIG ? WIRE_INVALID : WIRE_FAILED;
	return check_utf8(name, *text, length, p);
}

/*
 * Reads the configuration that the command line names into the arguments. The caller frees *text.
 */
static enum wire_code read_file(struct cli *cli, char **text, struct problems *p)
{
	const char *file = cli->arguments.file;
	enum wire_code code;

	if (!(cli->arguments.given & WIRE_BIT(file)))
		return WIRE_OK;
	cli->is_input = strcmp(file, "-") == 0;
	if (cli->is_input)
		cli->arguments.file = "standard input";
	code = cli_read_config(file, cli->arguments.file, text, p);
	cli->arguments.text = *text;
	cli->arguments.given |= WIRE_BIT(text);
	return code;
}

/* Reads the prefixes that come by standard input into the arguments. The caller frees *text. */
static enum wire_code read_prefixes(struct cli *cli, char **text, struct problems *p)
{
	enum wire_code code;

	if (!(cli->arguments.given & WIRE_BIT(prefixes)) || strcmp(cli->arguments.prefixes, "-"))
		return WIRE_OK;
	code = cli_read_config("-", "standard input", text, p);
	cli->arguments.prefixes = *text;
	return code;
}

/* ---- counters --watch ------------------------------------------------------------------------ */

static volatile sig_atomic_t interrupted;

static void interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

/* An interrupt ends the wait; it is how a watch ends, and no failure. */
static void wait_seconds(uint64_t seconds)
{
	struct timespec time = {.tv_sec = seconds};

	while (!interrupted && nanosleep(&time, &time) && errno == EINTR)
		;
}

static void tell_rates(const struct wire_reply *before, const struct wire_reply *after)
{
	struct text text = {};

	show_rates(before->counters, after->counters, &text);
	if (text.length)
		fwrite(text.data, 1, text.length, stdout);
	text_free(&text);
}

static enum wire_code watch(const struct cli *cli, struct client *client, struct problems *p)
{
	struct sigaction action = {.sa_handler = interrupt};
	struct wire_reply before = {}, after = {};
	enum wire_code code = WIRE_OK;
	const char *line;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (!interrupted && !ferror(stdout)) {
		code = client_ask(client, cli->command, &cli->arguments, &line, &after, p);
		if (code)
			break;
		if (cli->json || after.kind != WIRE_KIND_counters)
			code = cli_tell(cli, line, &after);
		else if (before.arena)
			tell_rates(&before, &after);
		wire_reply_free(&before);
		before = after;
		after = (struct wire_reply){};
		fflush(stdout);
		if (code)
			break;
		wait_seconds(cli->arguments.watch);
	}
	wire_reply_free(&before);
	return code;
}

/* ---- commands -------------------------------------------------------------------------------- */

/* What a reply means for the exit code, beyond that it is no error. */
static enum wire_code judge(const struct cli *cli, const struct wire_reply *reply)
{
	if (reply->kind == WIRE_KIND_backend_check)
		return reply->backend_check->ok ? WIRE_OK : WIRE_FAILED;
	if (reply->kind == WIRE_KIND_doctor)
		return reply->doctor->errors ? WIRE_FAILED : WIRE_OK;
	if (reply->kind != WIRE_KIND_plan)
		return WIRE_OK;
	if (cli->command == WIRE_COMMAND_diff)
		return reply->plan->changes.count ? WIRE_DIFFERS : WIRE_OK;
	/* A dry run ends as the change itself would. */
	return reply->plan->unsafe && !cli->arguments.force ? WIRE_REFUSED : WIRE_OK;
}

static enum wire_code tell_and_judge(const struct cli *cli, const char *line,
				     struct wire_reply *reply)
{
	enum wire_code code = cli_tell(cli, line, reply);

	if (!code)
		code = judge(cli, reply);
	wire_reply_free(reply);
	return code;
}

static enum wire_code ask(const struct cli *cli, struct client *client, struct problems *p)
{
	struct wire_reply reply = {};
	const char *line;
	enum wire_code code = client_ask(client, cli->command, &cli->arguments, &line, &reply, p);

	/* The agent unpins when it ends, after its reply. */
	if (!code && reply.kind == WIRE_KIND_down) {
		code = client_await_end(client, cli->command, p);
		if (code)
			wire_reply_free(&reply);
	}
	if (code)
		return code;
	if (reply.kind == WIRE_KIND_backend && cli->arguments.wait) {
		code = cli_tell(cli, line, &reply);
		code = code ? code : wait_until_empty(cli, client, reply.backend, p);
		wire_reply_free(&reply);
		return code;
	}
	return tell_and_judge(cli, line, &reply);
}

/* What is done without an agent; the others need one. */
static local_function *const locals[WIRE_COMMANDS] = {
	[WIRE_COMMAND_check] = local_check,
	[WIRE_COMMAND_down] = local_down,
	[WIRE_COMMAND_key_new] = local_key_new,
};

static enum wire_code do_without_agent(const struct cli *cli, struct problems *p)
{
	struct wire_reply reply = {};
	char *line = NULL;
	enum wire_code code = locals[cli->command](cli, &line, &reply, p);

	if (!code)
		code = tell_and_judge(cli, line, &reply);
	free(line);
	return code;
}

static enum wire_code run_command(const struct cli *cli, struct problems *p)
{
	const struct wire_command_info *info = &wire_command_table[cli->command];
	struct client *client = NULL;
	struct problems unreached = {};
	enum wire_code code;
	bool absent;

	if (info->access == WIRE_ACCESS_LOCAL)
		return do_without_agent(cli, p);
	if (cli->command == WIRE_COMMAND_version && !cli->json)
		printf("sluicectl %s\n", SLUICE_VERSION);
	code = client_open(cli, &client, &absent, &unreached);
	/* Beside an agent that runs but cannot be asked, a check does no harm. */
	if (code == WIRE_UNREACHABLE && !absent && cli->command == WIRE_COMMAND_check) {
		problems_add(&unreached, 0, "check", NULL,
			     "done without the agent, whose limits in force are not known");
		warn(&unreached);
		absent = true;
	}
	if (code && absent && locals[cli->command]) {
		problems_free(&unreached);
		return do_without_agent(cli, p);
	}
	if (code)
		*p = unreached;
	else if (cli->arguments.given & WIRE_BIT(watch))
		code = watch(cli, client, p);
	else if (cli->command == WIRE_COMMAND_trace)
		code = trace_capture(cli, client, p);
	else if (cli->arguments.follow)
		code = follow_events(cli, client, p);
	else
		code = ask(cli, client, p);
	client_close(client);
	return code;
}

static int check_seconds(const char *option, uint64_t seconds, struct problems *p)
{
	if (seconds >= 1 && seconds <= SECONDS_MAX)
		return 0;
	return problems_add(p, -ERANGE, option, NULL, "expected 1 to %d seconds", SECONDS_MAX);
}

/* What `--since` says becomes what the agent is asked for. */
static int read_when(struct wire_arguments *arguments, struct problems *p)
{
	struct timespec now;
	struct when when;
	int err;

	if (!(arguments->given & WIRE_BIT(when)))
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	err = when_parse(arguments->when, now.tv_sec * 1000ull + now.tv_nsec / 1000000, &when, p);
	if (err)
		return err;
	arguments->given |= when.is_number ? WIRE_BIT(since) : WIRE_BIT(from_ms);
	arguments->since = when.number;
	arguments->from_ms = when.from_ms;
	return 0;
}

static enum wire_code run(int argc, char **argv, struct cli *cli, struct problems *p)
{
	char *text = NULL;
	enum wire_code code;

	if (cli_parse(argc, argv, cli, p))
		return WIRE_USAGE;
	if (cli->help || cli->version) {
		if (cli->help)
			cli_help(cli, stdout);
		else
			printf("sluicectl %s\n", SLUICE_VERSION);
		return WIRE_OK;
	}
	if (check_seconds("--timeout", cli->timeout_s, p) ||
	    check_seconds("--watch", cli->arguments.watch, p) || read_when(&cli->arguments, p))
		return WIRE_USAGE;
	if (cli->arguments.follow && cli->timeout_s < FOLLOW_TIMEOUT_S)
		cli->timeout_s = FOLLOW_TIMEOUT_S;
	code = read_file(cli, &text, p);
	if (!code)
		code = read_prefixes(cli, &text, p);
	if (!code)
		code = run_command(cli, p);
	free(text);
	return code;
}

/* An error on the command line itself must know how to be told. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (strcmp(argv[i], "-j") == 0 || strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

int cli_main(int argc, char **argv, const char *socket)
{
	struct cli cli = {
		.socket = socket,
		.default_socket = socket,
		.timeout_s = TIMEOUT_S,
		.json = wants_json(argc, argv),
		.arguments.watch = 1,
		.color = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
	};
	struct problems p = {};
	enum wire_code code = run(argc, argv, &cli, &p);

	if (p.count)
		report(&cli, code, &p);
	problems_free(&p);
	free(cli.joined);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "sluicectl: standard output: cannot be written: %s\n",
			strerror(errno));
		return code ? code : WIRE_FAILED;
	}
	return code;
}
