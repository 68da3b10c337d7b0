/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One table of verbs and one of options feed getopt, the checks and --help. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "decap/command.h"

static const struct {
	const char *name;
	const char *usage, *help;
	bool needs_device;
} verbs[] = {
	[COMMAND_ATTACH] = {"attach", "attach DEV --from PREFIX... [--mode MODE]",
			    "take IP in IP and GUE off DEV's packets", true},
	[COMMAND_DETACH] = {"detach", "detach DEV", "take nothing off DEV any more", true},
	[COMMAND_STATS] = {"stats", "stats [DEV] [-j]", "what was taken and what was not", false},
};

#define VERB(verb) (1u << COMMAND_##verb)
#define ANY	   (VERB(ATTACH) | VERB(DETACH) | VERB(STATS))

enum option_id { FROM, MODE, PIN_DIR, JSON, HELP, PROGRAM_VERSION, OPTIONS };

static const struct {
	const char *name;
	char letter;
	const char *argument;
	unsigned int verbs; /* that take it */
	const char *help;
} options[OPTIONS] = {
	[FROM] = {"from", 0, "PREFIX", VERB(ATTACH),
		  "a balancer's outer source, an address or ADDRESS/LENGTH; several: --from A B"},
	[MODE] = {"mode", 0, "MODE", VERB(ATTACH),
		  "native (in the driver), generic (slower), auto: native if it works (default)"},
	[PIN_DIR] =
		{"pin-dir", 0, "DIR", ANY,
		 "where it is pinned, one a network namespace (default /sys/fs/bpf/sluice-decap)"},
	[JSON] = {"json", 'j', NULL, VERB(STATS), "print one JSON document"},
	[HELP] = {"help", 'h', NULL, ANY, "print this"},
	[PROGRAM_VERSION] = {"version", 'V', NULL, ANY, "print the version"},
};

#define LONG_BASE 256 /* getopt_long() returns LONG_BASE + option_id, 1 for an operand */

static int add_prefix(struct command *c, const char *text, struct problems *p)
{
	struct prefix prefix;
	int err = prefix_parse(text, &prefix);

	if (err == -EDOM)
		return problems_add(p, -EINVAL, "--from", text,
				    "has bits beyond the prefix's length; clear them");
	if (err)
		return problems_add(
			p, -EINVAL, "--from", text,
			"expected an address or ADDRESS/LENGTH, e.g. 192.0.2.10 or 2001:db8::/64");
	c->from = mem_grow(c->from, c->from_count, sizeof(*c->from));
	c->from[c->from_count++] = prefix;
	return 0;
}

static int set_mode(struct command *c, const char *text, struct problems *p)
{
	for (enum dataplane_mode mode = DATAPLANE_AUTO; mode <= DATAPLANE_GENERIC; mode++) {
		if (strcmp(dataplane_mode_name(mode), text) == 0) {
			c->mode = mode;
			return 0;
		}
	}
	return problems_add(p, -EINVAL, "--mode", text, "expected native, generic or auto");
}

static int set_verb(struct command *c, const char *text, struct problems *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, text) == 0) {
			c->verb = i;
			return 0;
		}
	}
	return problems_add(p, -EINVAL, "command", text, "expected attach, detach or stats");
}

static int set_option(struct command *c, enum option_id id, const char *value, struct problems *p)
{
	switch (id) {
	case FROM:
		return add_prefix(c, value, p);
	case MODE:
		return set_mode(c, value, p);
	case PIN_DIR:
		c->pin_dir = value;
		return 0;
	default:
		c->json = true;
		return 0;
	}
}

/* The command, the device, and whatever else follows a --from. */
static int set_operand(struct command *c, unsigned int nth, const char *text, struct problems *p)
{
	if (nth == 0)
		return set_verb(c, text, p);
	if (nth == 1) {
		c->device = text;
		return 0;
	}
	if (c->from_count)
		return add_prefix(c, text, p);
	return problems_add(p, -EINVAL, "argument", text, "is one too many");
}

static int check(const struct command *c, unsigned int operands, unsigned int seen,
		 struct problems *p)
{
	if (operands == 0)
		return problems_add(p, -EINVAL, "command", NULL,
				    "is missing: attach, detach or stats");
	for (int i = 0; i < OPTIONS; i++)
		if (seen & 1u << i && !(options[i].verbs & 1u << c->verb))
			return problems_add(p, -EINVAL, "option", options[i].name,
					    "is not for `%s`", verbs[c->verb].name);
	if (verbs[c->verb].needs_device && !c->device)
		return problems_add(p, -EINVAL, "command", verbs[c->verb].name,
				    "needs a device: %s", verbs[c->verb].usage);
	if (c->verb == COMMAND_ATTACH && c->from_count == 0)
		return problems_add(
			p, -EINVAL, "command", "attach",
			"needs --from: whoever may send IP in IP could reach the services past the "
			"balancers; name their addresses");
	return 0;
}

int command_parse(int argc, char **argv, struct command *out, struct problems *p)
{
	struct option long_options[OPTIONS + 1] = {0};
	unsigned int operands = 0, seen = 0;
	int found, err = 0;

	*out = (struct command){.pin_dir = "/sys/fs/bpf/sluice-decap"};
	for (int i = 0; i < OPTIONS; i++)
		long_options[i] = (struct option){options[i].name, options[i].argument != NULL,
						  NULL, LONG_BASE + i};
	optind = 0;
	/* "-": operands come in their order; ":": getopt prints nothing. */
	while (!err && (found = getopt_long(argc, argv, "-:hVj", long_options, NULL)) >= 0) {
		int id = found - LONG_BASE;

		for (int i = 0; i < OPTIONS; i++)
			if (found == options[i].letter)
				id = i;
		if (found == 1) {
			err = set_operand(out, operands++, optarg, p);
		} else if (found == ':') {
			err = problems_add(p, -EINVAL, "option", argv[optind - 1], "needs a value");
		} else if (found == '?') {
			err = problems_add(p, -EINVAL, "option", argv[optind - 1], "is not known");
		} else if (id == HELP || id == PROGRAM_VERSION) {
			out->verb = id == HELP ? COMMAND_HELP : COMMAND_VERSION;
			return 0;
		} else {
			seen |= 1u << id;
			err = set_option(out, id, optarg, p);
		}
	}
	return err ? err : check(out, operands, seen, p);
}

void command_free(struct command *command)
{
	free(command->from);
	command->from = NULL;
}

void command_help(FILE *to)
{
	fprintf(to, "sluice-decap: takes IP in IP and GUE off on a backend and hands the inner "
		    "packets to "
		    "the kernel, by an\n"
		    "XDP program that is pinned; this program exits at once.\n\nUsage:\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(to, "  sluice-decap %-44s %s\n", verbs[i].usage, verbs[i].help);
	fprintf(to, "\nOptions:\n");
	for (int i = 0; i < OPTIONS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%c%c%c --%s%s%s", options[i].letter ? '-' : ' ',
			 options[i].letter ? options[i].letter : ' ', options[i].letter ? ',' : ' ',
			 options[i].name, options[i].argument ? " " : "",
			 options[i].argument ? options[i].argument : "");
		fprintf(to, "  %-20s %s\n", name, options[i].help);
	}
	fprintf(to, "\nTaken is only what a balancer (--from) sends to an address that this host "
		    "had when `attach` ran: run\n"
		    "it again when addresses change. A second `attach` replaces the first without "
		    "a lost packet. All else\n"
		    "passes untouched. VLAN tags, two at most, stay where they are.\n\n"
		    "Exit codes: 0 done, 1 failed, 2 wrong arguments.\n");
}
