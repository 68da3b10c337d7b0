/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One table of options feeds getopt, the defaults and --help. */
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>

#include "agent/options.h"
#include "base/mem.h"
#include "base/problem.h"

/* What an option sets: a text at `offset`, the flag at `offset`, or the action. */
enum option_kind { TEXT, FLAG, ACTION };

static const struct row {
	const char *name;
	char letter; /* 0: none */
	enum option_kind kind;
	size_t offset;
	enum options_action action;
	const char *argument; /* of TEXT */
	const char *preset;   /* likewise */
	const char *help;
} rows[] = {
	{"config", 'c', TEXT, offsetof(struct options, config), 0, "FILE",
	 "/etc/sluice/sluice.yaml", "the configuration"},
	{"socket", 0, TEXT, offsetof(struct options, socket), 0, "PATH", "/run/sluice/sluiced.sock",
	 "where sluicectl reaches this agent"},
	{"pin-dir", 0, TEXT, offsetof(struct options, pin_dir), 0, "DIR", "/sys/fs/bpf/sluice",
	 "where programs, links and maps are pinned (a bpffs)"},
	{"state-dir", 0, TEXT, offsetof(struct options, state_dir), 0, "DIR", "/var/lib/sluice",
	 "what was last applied, overrides, the generated key"},
	{"check", 0, ACTION, 0, OPTIONS_CHECK, NULL, NULL,
	 "check the configuration and exit; needs neither root nor an agent"},
	{"json", 'j', FLAG, offsetof(struct options, json), 0, NULL, NULL,
	 "with --check: print one JSON document"},
	{"down", 0, ACTION, 0, OPTIONS_DOWN, NULL, NULL,
	 "detach and unpin everything and exit: forwarding ends"},
	{"detach-on-exit", 0, FLAG, offsetof(struct options, detach_on_exit), 0, NULL, NULL,
	 "end forwarding with the agent; else it goes on"},
	{"help", 'h', ACTION, 0, OPTIONS_HELP, NULL, NULL, "print this"},
	{"version", 'V', ACTION, 0, OPTIONS_VERSION, NULL, NULL, "print the version"},
};

#define LONG_BASE 256 /* getopt_long() returns LONG_BASE + row for every option */

static const char **text_at(struct options *options, const struct row *row)
{
	return (const char **)((char *)options + row->offset);
}

static int set_option(struct options *options, const struct row *row, const char *argument,
		      struct problems *p)
{
	switch (row->kind) {
	case TEXT:
		if (!*argument)
			return problems_add(p, -EINVAL, row->name, argument,
					    "needs a %s that is not empty", row->argument);
		*text_at(options, row) = argument;
		break;
	case FLAG:
		*(bool *)((char *)options + row->offset) = true;
		break;
	case ACTION:
		if (options->action != OPTIONS_RUN && options->action != row->action)
			return problems_add(p, -EINVAL, row->name, NULL,
					    "cannot go with another action; give one of --check, "
					    "--down, --help, --version");
		options->action = row->action;
		break;
	}
	return 0;
}

static const struct row *find_row(int code)
{
	if (code >= LONG_BASE)
		return &rows[code - LONG_BASE];
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].letter == code)
			return &rows[i];
	return NULL;
}

/* What getopt refused: optopt is a letter, or a long option's code when its argument is wrong. */
static int refuse(char **argv, bool missing, struct problems *p)
{
	if (missing)
		return problems_add(p, -EINVAL, "option", argv[optind - 1],
				    "needs an argument; see --help");
	return problems_add(p, -EINVAL, "option", argv[optind - 1],
			    "is unknown, not unique, or takes no argument; see --help");
}

int options_parse(int argc, char **argv, struct options *out, struct problems *p)
{
	struct options options = {};
	struct option longs[ARRAY_SIZE(rows) + 1] = {};
	char shorts[2 * ARRAY_SIZE(rows) + 2] = ":", *next = shorts + 1;
	int code, err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool has_argument = rows[i].kind == TEXT;

		longs[i] = (struct option){rows[i].name, has_argument, NULL, LONG_BASE + i};
		if (rows[i].letter)
			*next++ = rows[i].letter;
		if (rows[i].letter && has_argument)
			*next++ = ':';
		if (has_argument)
			*text_at(&options, &rows[i]) = rows[i].preset;
	}
	opterr = 0;
	optind = 0; /* glibc: start anew */
	while (!err && (code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct row *row = code == '?' || code == ':' ? NULL : find_row(code);

		err = row ? set_option(&options, row, optarg, p) : refuse(argv, code == ':', p);
	}
	if (!err && optind < argc)
		err = problems_add(p, -EINVAL, "argument", argv[optind],
				   "is not expected; the configuration is given by -c FILE");
	if (!err)
		*out = options;
	return err;
}

void options_help(FILE *to)
{
	fputs("usage: sluiced [-c FILE] [OPTION]...\n"
	      "Keeps the data path of a sluice load balancer true to its configuration.\n\n",
	      to);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		char *left =
			mem_format("%s--%s%s%s", row->letter ? "" : "    ", row->name,
				   row->argument ? " " : "", row->argument ? row->argument : "");

		fprintf(to, "  ");
		if (row->letter)
			fprintf(to, "-%c, ", row->letter);
		fprintf(to, "%-*s %s\n", row->letter ? 20 : 24, left, row->help);
		if (row->preset)
			fprintf(to, "  %24s (default: %s)\n", "", row->preset);
		free(left);
	}
	fputs("\nSignals: SIGHUP reads FILE again; SIGTERM and SIGINT end the agent, and "
	      "forwarding goes "
	      "on.\nExit codes: 0 ok, 1 failed, 2 usage, 3 invalid configuration, 6 refused for "
	      "safety.\n",
	      to);
}
