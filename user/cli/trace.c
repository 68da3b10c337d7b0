/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `trace`: reads the capture, all of it before the first request, and sends it in portions, each of which the agent answers
 * by a document. The last one has the sums.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/pcap.h"

#define CAPTURE_MAX   (64 << 20) /* bytes of a file */
#define PACKETS_MAX   100000
#define PORTION	      500	  /* packets of a request, at most */
#define PORTION_BYTES (256 << 10) /* of them; one frame may be longer */

/* ---- the capture ------------------------------------------------------------------------------ */

/* All of it can be read: counted in *count. */
static enum wire_code check_capture(struct pcap pcap, uint64_t *count, struct problems *p)
{
	struct pcap_packet packet;
	int got;

	while ((got = pcap_next(&pcap, &packet, p)) > 0) {
		if (pcap.number <= PACKETS_MAX)
			continue;
		problems_add_at(p, pcap.name, 0, 0, NULL, NULL,
				"has more than %d packets; cut it with `editcap -c %d OLD NEW`, or "
				"filter it with `tcpdump -r OLD -w NEW FILTER`",
				PACKETS_MAX, PACKETS_MAX);
		return WIRE_INVALID;
	}
	*count = pcap.number;
	if (got == 0 && pcap.number)
		return WIRE_OK;
	if (got == 0)
		problems_add_at(p, pcap.name, 0, 0, NULL, NULL, "has no packet");
	return WIRE_INVALID;
}

static void add_hex(struct text *out, const uint8_t *bytes, size_t size)
{
	char *hex = mem_alloc(2 * size + 1);

	text_format_hex(bytes, size, hex);
	text_add_bytes(out, hex, 2 * size);
	free(hex);
}

/* The next packets as a request has them. */
static void add_portion(struct pcap *pcap, struct text *out)
{
	struct pcap_packet packet;
	size_t bytes = 0;

	for (int i = 0; i < PORTION && bytes < PORTION_BYTES; i++) {
		/* Nothing is wrong with it any more. */
		if (pcap_next(pcap, &packet, NULL) <= 0)
			break;
		text_add(out, "%u.%09u %zu ", packet.seconds, packet.nanoseconds, packet.length);
		add_hex(out, packet.header, packet.header_length);
		add_hex(out, packet.data, packet.captured);
		text_add(out, "\n");
		bytes += packet.captured;
	}
}

/* ---- for people ------------------------------------------------------------------------------- */

static void show_end(const char *verdict, const char *service, const char *backend,
		     const char *device, struct text *out)
{
	text_add(out, "%s", verdict);
	if (service)
		text_add(out, " %s", service);
	if (backend)
		text_add(out, " -> %s", backend);
	if (device)
		text_add(out, " on %s", device);
}

static void show_packet(const struct wire_trace_packet *packet, struct text *out)
{
	text_add(out, "%" PRIu64 " %s %s", packet->number, packet->time, packet->protocol);
	if (packet->source)
		text_add(out, " %s > %s", packet->source, packet->destination);
	text_add(out, " %" PRIu64 " bytes%s\n    ", packet->length, packet->cut ? " (cut)" : "");
	show_end(packet->verdict, packet->service, packet->backend, packet->device, out);
	text_add(out, ": %s%s%s\n", packet->by ? packet->by : "", packet->by ? ", " : "",
		 packet->why);
	if (!packet->then_verdict)
		return;
	text_add(out, "    then ");
	show_end(packet->then_verdict, packet->then_service, packet->then_backend,
		 packet->then_device, out);
	text_add(out, ": %s\n", packet->then_why);
}

/* Both counts of a comparison, else the only one. */
static void add_counts(const struct wire_trace *trace, uint64_t packets, uint64_t then_packets,
		       struct table_rows *rows)
{
	rows_add(rows, "%" PRIu64, packets);
	if (trace->compares)
		rows_add(rows, "%" PRIu64, then_packets);
}

/* By `compares`. */
static const char *const verdict_heads[][6] = {{"VERDICT", "ACTION", ">PACKETS", "MEANS"},
					       {"VERDICT", "ACTION", ">PACKETS", ">THEN", "MEANS"}};
static const char *const backend_heads[][5] = {{"SERVICE", "BACKEND", ">PACKETS"},
					       {"SERVICE", "BACKEND", ">PACKETS", ">THEN"}};

static void show_sums(const struct wire_trace *trace, struct text *out)
{
	struct table_rows *verdicts = rows_new(verdict_heads[trace->compares]);
	struct table_rows *backends = rows_new(backend_heads[trace->compares]);

	for (size_t i = 0; i < trace->verdicts.count; i++) {
		const struct wire_trace_verdict *verdict = &trace->verdicts.list[i];

		rows_add(verdicts, "%s", verdict->verdict);
		rows_add(verdicts, "%s", verdict->action);
		add_counts(trace, verdict->packets, verdict->then_packets, verdicts);
		rows_add(verdicts, "%s", verdict->help);
	}
	for (size_t i = 0; i < trace->backends.count; i++) {
		const struct wire_trace_backend *backend = &trace->backends.list[i];

		rows_add(backends, "%s", backend->service);
		rows_add(backends, "%s", backend->backend);
		add_counts(trace, backend->packets, backend->then_packets, backends);
	}
	rows_print(verdicts, out);
	if (trace->backends.count)
		text_add(out, "\n");
	rows_print(backends, out);
}

void show_trace(const struct wire_trace *trace, struct text *out)
{
	for (size_t i = 0; i < trace->packets.count; i++)
		show_packet(&trace->packets.list[i], out);
	if (!trace->ends)
		return;
	text_add(out, "\n%" PRIu64 " packets", trace->total);
	if (trace->compares)
		text_add(out, ", %" PRIu64 " differ", trace->differ);
	text_add(out, "\n\n");
	show_sums(trace, out);
}

/* ---- asking ----------------------------------------------------------------------------------- */

/* What the options name. The caller frees *text. */
static enum wire_code read_option(const char *file, const char **argument, uint32_t bit,
				  struct wire_arguments *arguments, char **text, struct problems *p)
{
	enum wire_code code;

	if (!file)
		return WIRE_OK;
	code = cli_read_config(file, file, text, p);
	*argument = *text;
	arguments->given |= bit;
	return code;
}

/* Sends all portions; *differs: the comparison found something. */
static enum wire_code send_all(const struct cli *cli, struct client *client, struct pcap *pcap,
			       uint64_t count, struct wire_arguments *arguments, bool *differs,
			       struct problems *p)
{
	enum wire_code code = WIRE_OK;

	arguments->given &= ~WIRE_BIT(capture);
	while (!code && pcap->number < count && !ferror(stdout)) {
		struct wire_reply reply = {};
		struct text portion = {};
		const char *line;

		arguments->first = pcap->number + 1;
		add_portion(pcap, &portion);
		arguments->packets = portion.data;
		arguments->last = pcap->number == count;
		arguments->given |= WIRE_BIT(first) | WIRE_BIT(packets);
		if (arguments->last)
			arguments->given |= WIRE_BIT(last);
		code = client_ask(client, WIRE_COMMAND_trace, arguments, &line, &reply, p);
		text_free(&portion);
		if (code)
			return code;
		code = cli_tell(cli, line, &reply);
		if (reply.kind == WIRE_KIND_trace)
			*differs = reply.trace->differ;
		wire_reply_free(&reply);
		/* They come with the first packets alone. */
		arguments->given &= ~(WIRE_BIT(config) | WIRE_BIT(config_text) | WIRE_BIT(diff) |
				      WIRE_BIT(diff_text));
	}
	return code;
}

enum wire_code trace_capture(const struct cli *cli, struct client *client, struct problems *p)
{
	struct wire_arguments arguments = cli->arguments;
	const char *name = arguments.capture;
	char *capture = NULL, *config = NULL, *diff = NULL;
	struct pcap pcap;
	uint64_t count = 0;
	size_t length;
	bool differs = false;
	enum wire_code code;
	int err = file_read(name, CAPTURE_MAX, &capture, &length, p);

	if (err)
		return err == -EFBIG ? WIRE_INVALID : WIRE_FAILED;
	if (strcmp(name, "-") == 0)
		name = "standard input";
	code = pcap_open(name, capture, length, &pcap, p) ? WIRE_INVALID : WIRE_OK;
	if (!code)
		code = check_capture(pcap, &count, p);
	if (!code)
		code = read_option(arguments.config, &arguments.config_text, WIRE_BIT(config_text),
				   &arguments, &config, p);
	if (!code)
		code = read_option(arguments.diff, &arguments.diff_text, WIRE_BIT(diff_text),
				   &arguments, &diff, p);
	if (!code)
		code = send_all(cli, client, &pcap, count, &arguments, &differs, p);
	free(capture);
	free(config);
	free(diff);
	return !code && differs ? WIRE_DIFFERS : code;
}
