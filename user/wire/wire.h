/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The documents of the socket, which are also those of `sluicectl -j`: one JSON document a line.
 *
 *	request	{"version":1,"command":"service show","arguments":{"service":"web"}}
 *	reply	{"version":1,"kind":"service","data":{...}}
 *	error	{"version":1,"kind":"error","code":3,"errors":[{"file":...,"line":...,"expected":...}]}
 *
 * Story: documents.def and commands.def declare each document once. Their structs are made here;
 * record.c encodes and decodes any of them by the table of its fields; json.c stands between them
 * and the text of a stranger, and bounds what it can cost. Decoders are strict: an unknown, missing
 * or mistyped field is an error that names it.
 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct problems;

#define WIRE_VERSION	 1
#define WIRE_REQUEST_MAX (5 << 20)  /* bytes of a request's line */
#define WIRE_REPLY_MAX	 (64 << 20) /* bytes of a reply's line */
#define WIRE_SOCKET	 "/run/sluice/sluiced.sock"

/* Exit codes of sluicectl, which are an error's `code`, too. */
enum wire_code {
#define WIRE_CODE(id, code, help) WIRE_##id = code,
#include "wire/commands.def"
};

/* ---- documents ------------------------------------------------------------------------------- */

#include "wire/as_structs.def"
#include "wire/documents.def"

enum wire_kind {
	WIRE_KIND_error,
#define WIRE_KIND(kind, record, help) WIRE_KIND_##kind,
#include "wire/documents.def"
	WIRE_KINDS
};

const char *wire_kind_name(enum wire_kind kind);

/* A reply. Everything in it lies in `arena`. */
struct wire_reply {
	struct arena *arena;
	enum wire_kind kind;
	union { /* of the kind's record */
		const void *data;
#define WIRE_KIND(kind, record, help) const struct wire_##record *kind;
#include "wire/documents.def"
	};
	enum wire_code code; /* WIRE_OK, or of an error */
	struct {
		struct wire_problem *list;
		size_t count;
	} errors;
};

/*
 * One line without its newline; the caller frees it. Text that is not UTF-8 is written with U+FFFD.
 */
char *wire_encode_reply(enum wire_kind kind, const void *data);
char *wire_encode_error(enum wire_code code, const struct problems *errors);

/* Returns 0 and *out (free it by wire_reply_free()), or -EINVAL, explained in `p`. */
int wire_decode_reply(const char *line, size_t length, struct wire_reply *out, struct problems *p);
void wire_reply_free(struct wire_reply *reply);

/* Problems as documents (strings stay those of `from`, the list lies in `arena`) and back. */
struct wire_problem *wire_problems_from(struct arena *arena, const struct problems *from);
void wire_problems_to(const struct wire_problem *list, size_t count, struct problems *to);

/* How many bytes of `text` are UTF-8 without NUL, which is what a document can carry. */
size_t wire_utf8_length(const char *text, size_t length);

/* A checked configuration for people, as `sluicectl check` and `sluiced --check` print it. */
struct text;
void wire_check_text(const struct wire_check *check, struct text *out);

/* ---- requests -------------------------------------------------------------------------------- */

/* Scalars, then lists. */
enum wire_type {
	WIRE_TYPE_TEXT,
	WIRE_TYPE_UINT,
	WIRE_TYPE_FLAG,
	WIRE_TYPE_TEXTS,
	WIRE_TYPE_UINTS,
	WIRE_TYPE_LIST
};

enum wire_access { WIRE_ACCESS_READ, WIRE_ACCESS_CHANGE, WIRE_ACCESS_LOCAL };

enum wire_argument {
#define WIRE_ARGUMENT(id, type, sent, spelling, help) WIRE_ARGUMENT_##id,
#include "wire/commands.def"
	WIRE_ARGUMENTS
};
#define WIRE_BIT(id) (1u << WIRE_ARGUMENT_##id)

enum wire_command {
#define WIRE_COMMAND(id, name, access, needs, may, help) WIRE_COMMAND_##id,
#include "wire/commands.def"
	WIRE_COMMANDS
};

#define WIRE_C_TEXT const char *
#define WIRE_C_UINT uint64_t
#define WIRE_C_FLAG bool
struct wire_arguments {
#define WIRE_ARGUMENT(id, type, sent, spelling, help) WIRE_C_##type id;
#include "wire/commands.def"
	uint32_t given; /* WIRE_BIT()s: those that are set */
};

struct wire_argument_info {
	const char *name; /* in the request */
	enum wire_type type;
	bool sent;	      /* part of a request */
	const char *spelling; /* "SERVICE", "--force"; "": not on a command line */
	const char *help;
	size_t offset; /* in struct wire_arguments */
};

struct wire_command_info {
	const char *name; /* "service show" */
	enum wire_access access;
	uint32_t needs, may; /* WIRE_BIT()s */
	const char *help;
};

extern const struct wire_argument_info wire_argument_table[WIRE_ARGUMENTS];
extern const struct wire_command_info wire_command_table[WIRE_COMMANDS];
extern const char *const wire_later[]; /* what is to come, NULL at the end */

struct wire_request {
	struct arena *arena;
	enum wire_command command;
	struct wire_arguments arguments;
};

/* One line without its newline; the caller frees it. Arguments that are not sent are left out. */
char *wire_encode_request(enum wire_command command, const struct wire_arguments *arguments);

/* Returns 0 and *out (free it by wire_request_free()), or -EINVAL, explained in `p`. */
int wire_decode_request(const char *line, size_t length, struct wire_request *out,
			struct problems *p);
void wire_request_free(struct wire_request *request);

#endif
