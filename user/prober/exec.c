/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exec, and the alert sink of the same name: a program whose exit code is the answer. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "prober/process.h"
#include "prober/run.h"
#include "prober/sock.h"

#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { VARIABLES = 7 };

static char *variable(const char *name, const char *value)
{
	return mem_format("%s=%s", name, value ? value : "");
}

static void make_environment(const struct spec *spec, char *out[VARIABLES])
{
	size_t count = 0;

	out[count++] = mem_string(PATH);
	out[count++] = mem_format("SLUICE_TIMEOUT_MS=%" PRIu64, spec->timeout_ms);
	if (spec->kind == SPEC_KIND_exec) {
		out[count++] = variable("SLUICE_SERVICE", spec->service);
		out[count++] = variable("SLUICE_BACKEND", spec->backend);
		out[count++] = variable("SLUICE_ADDRESS", spec->address_text);
		if (spec->port)
			out[count++] = mem_format("SLUICE_PORT=%u", spec->port);
	}
	out[count] = NULL;
}

static void on_end(void *self, int code, int signal, const char *line)
{
	struct run *run = self;
	const char *colon = line[0] ? ": " : "";

	run->own = NULL;
	if (signal)
		run_end(run, false, "killed by signal %d%s%s", signal, colon, line);
	else if (code)
		run_end(run, false, "exit code %d%s%s", code, colon, line);
	else
		run_end(run, true, "%s", line);
}

static void start(struct run *run)
{
	char *environment[VARIABLES], reason[SOCK_WHY_SIZE];
	struct process_order order = {
		.command = run->spec->command,
		.environment = environment,
		.input = run->spec->body,
		.on_end = on_end,
		.self = run,
	};
	struct process *process;
	int err;

	make_environment(run->spec, environment);
	err = process_start(run->host->processes, &order, &process);
	for (size_t i = 0; environment[i]; i++)
		free(environment[i]);
	if (err == -EAGAIN)
		run_end(run, false,
			"start of %.128s: too many processes of programs are there already",
			run->spec->command);
	else if (err)
		run_end(run, false, "start of %.128s: %s", run->spec->command,
			sock_reason(-err, reason));
	else
		run->own = process;
}

static void stop(struct run *run)
{
	if (run->own)
		process_kill(run->own);
	run->own = NULL;
}

static const char *waits_for(const struct run *run)
{
	(void)run;
	return "its end, and killed";
}

const struct run_kind run_exec = {start, stop, waits_for};
