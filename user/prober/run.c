/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "prober/run.h"
#include "prober/sock.h"

static const struct {
	const struct run_kind *kind;
	enum schedule_class class;
} kinds[SPEC_KINDS] = {
	[SPEC_KIND_tcp] = {&run_tcp, SCHEDULE_SOCKET},
	[SPEC_KIND_http] = {&run_http, SCHEDULE_SOCKET},
	[SPEC_KIND_https] = {&run_http, SCHEDULE_SOCKET},
	[SPEC_KIND_dns] = {&run_packet, SCHEDULE_SOCKET},
	[SPEC_KIND_udp] = {&run_packet, SCHEDULE_SOCKET},
	[SPEC_KIND_icmp] = {&run_packet, SCHEDULE_SOCKET},
	[SPEC_KIND_exec] = {&run_exec, SCHEDULE_PROCESS},
	[SPEC_KIND_alert_exec] = {&run_exec, SCHEDULE_ALERT},
	[SPEC_KIND_alert_webhook] = {&run_http, SCHEDULE_ALERT},
};

enum schedule_class run_class(const struct spec *spec)
{
	return kinds[spec->kind].class;
}

void run_init(struct run *run, const struct spec *spec, struct run_host *host,
	      void (*on_end)(struct run *run, bool ok, const char *what))
{
	*run = (struct run){.spec = spec, .host = host, .on_end = on_end, .watch.fd = -1};
}

void run_start(struct run *run, uint64_t now_us)
{
	run->started_us = now_us;
	run->ignored = 0;
	kinds[run->spec->kind].kind->start(run);
}

void run_stop(struct run *run)
{
	kinds[run->spec->kind].kind->stop(run);
}

void run_end(struct run *run, bool ok, const char *format, ...)
{
	char what[RUN_WHAT_SIZE];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	run_stop(run);
	run->on_end(run, ok, what);
}

void run_failed(struct run *run, const char *step, int error)
{
	char reason[SOCK_WHY_SIZE];

	run_end(run, false, "%s: %s", step, sock_reason(error, reason));
}

void run_give_up(struct run *run)
{
	const char *waits_for = kinds[run->spec->kind].kind->waits_for(run);

	if (run->ignored)
		run_end(run, false,
			"timed out after %" PRIu64 " ms waiting for %s (%u packets were not it)",
			run->spec->timeout_ms, waits_for, run->ignored);
	else
		run_end(run, false, "timed out after %" PRIu64 " ms waiting for %s",
			run->spec->timeout_ms, waits_for);
}

void run_close(struct run *run)
{
	int fd = run->watch.fd;

	if (fd < 0)
		return;
	watch_remove(run->host->watcher, &run->watch);
	close(fd);
}
