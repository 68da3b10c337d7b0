/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluice-decap: puts the decapsulating program on a backend's device, or takes it off, and exits. What runs is
 * in the kernel (bpf/decap.bpf.c); how it gets there is in dataplane/decap.c.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "dataplane/decap.h"
#include "dataplane/xdp.h"
#include "decap/command.h"
#include "decap/stats.h"

enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 }; /* as sluicectl's */

static bool read_address(const struct sockaddr *from, struct addr *out)
{
	*out = (struct addr){0};
	if (from && from->sa_family == AF_INET) {
		out->family = 4;
		memcpy(out->bytes, &((const struct sockaddr_in *)from)->sin_addr, 4);
	} else if (from && from->sa_family == AF_INET6) {
		out->family = 6;
		memcpy(out->bytes, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
	}
	return out->family != 0;
}

/* All addresses of this host; the caller frees the list. */
static int own_addresses(struct addr **list, size_t *count, struct problems *p)
{
	struct ifaddrs *all, *one;

	*list = NULL;
	*count = 0;
	if (getifaddrs(&all))
		return problems_add(p, -errno, "addresses", NULL, "of this host cannot be read: %s",
				    strerror(errno));
	for (one = all; one; one = one->ifa_next) {
		struct addr addr;

		if (!read_address(one->ifa_addr, &addr))
			continue;
		*list = mem_grow(*list, *count, sizeof(**list));
		(*list)[(*count)++] = addr;
	}
	freeifaddrs(all);
	return 0;
}

static int attach(const struct command *c, struct problems *warnings, struct problems *p)
{
	struct decap_options options = {
		.pin_dir = c->pin_dir,
		.device = c->device,
		.ifindex = if_nametoindex(c->device),
		.mode = c->mode,
		.from = c->from,
		.from_count = c->from_count,
	};
	char text[PREFIX_TEXT_SIZE];
	struct dataplane_link link;
	struct addr *own;
	int err;

	if (options.ifindex == 0)
		return problems_add(p, -ENODEV, "interface", c->device,
				    "does not exist (ip link shows which do)");
	err = own_addresses(&own, &options.own_count, p);
	options.own = own;
	if (!err)
		err = decap_attach(&options, &link, warnings, p);
	if (!err) {
		printf("%s: attached in %s mode; takes IP in IP and GUE to %zu addresses of this "
		       "host from",
		       link.device, dataplane_mode_name(link.mode), options.own_count);
		for (size_t i = 0; i < c->from_count; i++)
			printf("%s %s", i ? "," : "", prefix_format(&c->from[i], text));
		printf("\n");
	}
	free(own);
	return err;
}

static int detach(const struct command *c, struct problems *p)
{
	int err = decap_detach(c->pin_dir, c->device, p);

	if (!err)
		printf("%s: detached\n", c->device);
	return err;
}

static int stats(const struct command *c, struct problems *p)
{
	struct decap_state *states;
	struct text text = {0};
	char **names = NULL;
	size_t count = 0;
	int err = 0;

	if (c->device) {
		names = mem_grow(NULL, 0, sizeof(*names));
		names[count++] = mem_string(c->device);
	} else {
		err = decap_devices(c->pin_dir, &names, &count, p);
	}
	states = mem_array(count + 1, sizeof(*states));
	for (size_t i = 0; !err && i < count; i++)
		err = decap_read(c->pin_dir, names[i], &states[i], p);
	if (!err && c->json)
		stats_json(states, count, &text);
	else if (!err && count)
		stats_show(states, count, &text);
	else if (!err)
		text_add(&text, "attached to no device (nothing is pinned in %s)\n", c->pin_dir);
	if (text.data)
		fputs(text.data, stdout);
	text_free(&text);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	free(names);
	free(states);
	return err;
}

static int run(const struct command *c, struct problems *warnings, struct problems *p)
{
	switch (c->verb) {
	case COMMAND_ATTACH:
		return attach(c, warnings, p);
	case COMMAND_DETACH:
		return detach(c, p);
	case COMMAND_STATS:
		return stats(c, p);
	case COMMAND_VERSION:
		printf("sluice-decap %s\n", SLUICE_VERSION);
		return 0;
	default:
		command_help(stdout);
		return 0;
	}
}

static void tell(const struct problems *p)
{
	for (size_t i = 0; i < p->count; i++) {
		char *line = problem_text(&p->list[i]);

		fprintf(stderr, "sluice-decap: %s\n", line);
		free(line);
	}
}

int main(int argc, char **argv)
{
	struct problems warnings = {0}, p = {0};
	enum exit_code code = EXIT_OK;
	struct text errors = {0};
	struct command command;

	if (command_parse(argc, argv, &command, &p))
		code = EXIT_USAGE;
	else if (run(&command, &warnings, &p))
		code = EXIT_FAILED;
	tell(&warnings);
	if (code != EXIT_OK && command.json) {
		stats_json_errors(code, &p, &errors);
		fputs(errors.data, stdout);
	} else {
		tell(&p);
	}
	if (code == EXIT_USAGE && !command.json)
		fprintf(stderr, "sluice-decap --help shows the usage\n");
	text_free(&errors);
	problems_free(&warnings);
	problems_free(&p);
	command_free(&command);
	if (fflush(stdout))
		code = EXIT_FAILED;
	return code;
}
