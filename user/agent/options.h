/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of sluiced (sluiced(8)), whose exit codes are wire/'s. */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

struct problems;

enum options_action {
	OPTIONS_RUN,
	OPTIONS_CHECK, /* read the configuration, say what is wrong, touch nothing */
	OPTIONS_DOWN,  /* detach and unpin everything */
	OPTIONS_HELP,
	OPTIONS_VERSION,
};

struct options {
	enum options_action action;
	const char *config, *socket, *pin_dir, *state_dir;
	bool detach_on_exit;
	bool json; /* of --check: the document instead of text */
};

/* Reads the command line; the strings point into `argv` or are constants. Returns 0 or -EINVAL. */
int options_parse(int argc, char **argv, struct options *out, struct problems *p);
void options_help(FILE *to);

#endif
