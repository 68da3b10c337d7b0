/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluicectl: the operator's side of the agent's socket.
 *
 * Story: arguments.c reads the command line by the tables of wire/commands.def; cli.c asks the
 * agent (client.c), perhaps again and again (wait.c, follow.c), or does what needs none (local.c); the reply is printed as it is (-j), or by the
 * one function of its kind in show.c, show_counts.c and show_health.c. Whatever goes wrong is a list of problems
 * and an exit code, and is reported in one place.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "wire/wire.h"

struct problems;
struct text;

/* The command line. Strings point into argv, or are constants. */
struct cli {
	const char *socket, *default_socket;
	uint64_t timeout_s; /* the longest wait for an answer */
	bool json, help, version;
	bool has_command;
	enum wire_command command;
	struct wire_arguments arguments;
	char *joined;  /* operands that are one argument, a line each; cli_main() frees it */
	bool is_input; /* the file is standard input */
	bool color;    /* standard output is a terminal and NO_COLOR is not set */
};

/* The whole program; main() does nothing else. `socket` is the agent's where --socket names none. Returns the exit code. */
int cli_main(int argc, char **argv, const char *socket);

/* Prints a reply, as it is or for people. Returns its code. */
enum wire_code cli_tell(const struct cli *cli, const char *line, const struct wire_reply *reply);
/*
 * Reads a configuration, `name` in problems. The caller frees *text.
 */
enum wire_code cli_read_config(const char *file, const char *name, char **text, struct problems *p);

/* ---- arguments.c ----------------------------------------------------------------------------- */

/* Returns 0 or -EINVAL; `cli` has what was read so far. */
int cli_parse(int argc, char **argv, struct cli *cli, struct problems *p);
void cli_help(const struct cli *cli, FILE *to); /* of the command, or of the program */
/* "backend drain [--force] SERVICE ADDRESS"; the caller frees it. */
char *cli_usage(enum wire_command command);

/* ---- client.c -------------------------------------------------------------------------------- */

struct client;

/*
 * Returns WIRE_OK and *out, or an exit code, explained in `p`. *absent: no agent is there at all.
 */
enum wire_code client_open(const struct cli *cli, struct client **out, bool *absent,
			   struct problems *p);
/*
 * Sends a request and waits for its reply. *line (valid until the next call) is the reply as it came,
 * and *reply what it says; the caller frees *reply. An error reply is WIRE_OK here.
 */
enum wire_code client_ask(struct client *client, enum wire_command command,
			  const struct wire_arguments *arguments, const char **line,
			  struct wire_reply *reply, struct problems *p);
/* Told that the agent is away and will be asked again for so long, and why. */
typedef void client_away_function(uint64_t seconds, const struct problems *why);
/*
 * client_ask(), of a command that changes nothing, over a restart of the agent: while that is away, it is asked again
 * and again, all within the time that client_ask() has. `tell_away` is called once, if at all. `p` is empty at the call.
 */
enum wire_code client_ask_until_back(struct client *client, enum wire_command command,
				     const struct wire_arguments *arguments, const char **line,
				     struct wire_reply *reply, client_away_function *tell_away,
				     struct problems *p);
/* Waits, within client_ask()'s time, until the agent hangs up. */
enum wire_code client_await_end(struct client *client, enum wire_command command,
				struct problems *p);
void client_close(struct client *client);

/* ---- wait.c ---------------------------------------------------------------------------------- */

/*
 * Waits, with a line for each progress, until a backend that drains is empty. Returns WIRE_OK, or why it does not get
 * there, explained in `p`: WIRE_FAILED where its drain-timeout is over.
 */
enum wire_code wait_until_empty(const struct cli *cli, struct client *client,
				const struct wire_backend *backend, struct problems *p);
client_away_function wait_tell_away; /* a warning on standard error */

/* ---- trace.c --------------------------------------------------------------------------------- */

/* Reads the capture, has it traced, and tells. Returns WIRE_DIFFERS where a comparison found something. */
enum wire_code trace_capture(const struct cli *cli, struct client *client, struct problems *p);
void show_trace(const struct wire_trace *trace, struct text *out);

/* ---- follow.c -------------------------------------------------------------------------------- */

/* Prints events as they come, until interrupted. Returns why that ends else, explained in `p`. */
enum wire_code follow_events(const struct cli *cli, struct client *client, struct problems *p);
void show_events(const struct cli *cli, const struct wire_events *events, struct text *out);

/* ---- local.c: what needs no agent ------------------------------------------------------------ */

/*
 * Each answers as an agent would: *line (the caller frees it) and *reply are the document. Returns
 * WIRE_OK, or an exit code, explained in `p`. check and down run sluiced.
 */
typedef enum wire_code local_function(const struct cli *cli, char **line, struct wire_reply *reply,
				      struct problems *p);
local_function local_key_new, local_check, local_down;

/* ---- show.c, show_counts.c, show_health.c: replies for people -------------------------------- */

void show_reply(const struct cli *cli, const struct wire_reply *reply, struct text *out);
/* "warning", coloured where that is wanted, at least so wide. */
void show_level(const struct cli *cli, const char *level, int width, struct text *out);
void show_services(const struct wire_services *services, struct text *out);
void show_service(const struct wire_service *service, struct text *out);
void show_backends(const struct wire_backends *backends, struct text *out);
void show_backend(const struct wire_backend *backend, struct text *out);
/* "1201 slots move away, 240 entries of flows (200 live), 54m 3s left", or "empty". */
void show_holding(const struct wire_backend *backend, struct text *out);
bool drain_lets_go(const struct wire_backend *backend); /* at the deadline */
void show_backend_check(const struct wire_backend_check *check, struct text *out);
/* A table of those that are probed; nothing where none is. */
void show_health(const struct wire_backend *list, size_t count, struct text *out);
void show_flow_stats(const struct wire_flow_stats *stats, struct text *out);
void show_counters(const struct wire_counters *counters, struct text *out);
/* What was counted between two readings, a second. Nothing if the first one is later. */
void show_rates(const struct wire_counters *before, const struct wire_counters *after,
		struct text *out);

/* ---- columns.c: columns as wide as what is in them ------------------------------------------- */

struct table_rows;

/*
 * `heads`: the columns' names, NULL at the end; one that begins with '>' is aligned to the right.
 */
struct table_rows *rows_new(const char *const *heads);
void rows_add(struct table_rows *rows, const char *format, ...)
	__attribute__((format(printf, 2, 3)));		    /* the next cell */
void rows_print(struct table_rows *rows, struct text *out); /* and frees it; nothing without rows */

/* "1.5 GiB"; "1.5 M" (10^6); 33.3 % of a whole. Each writes into `out` and returns it. */
#define UNIT_TEXT_SIZE 40
const char *unit_bytes(uint64_t bytes, char out[UNIT_TEXT_SIZE]);
const char *unit_rate(double per_second, const char *unit, char out[UNIT_TEXT_SIZE]);
const char *unit_share(uint64_t part, uint64_t whole, char out[UNIT_TEXT_SIZE]);

#endif
