/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "prober/channel.h"
#include "wire/prober.h"

#define GATHER_MS  10
#define GATHER_MAX 1024
#define BEHIND_MAX (1 << 20) /* bytes that wait to be written */
#define READ_SIZE  (64 << 10)

struct channel {
	uv_pipe_t pipe;
	struct channel_events events;

	struct text line; /* of an order, as far as it has come */
	bool is_too_long; /* what comes up to the next newline is left out */

	struct arena *arena; /* of what is gathered; NULL: nothing is */
	struct wire_probe_result results[GATHER_MAX];
	size_t result_count;
	struct wire_alert_result *alerts;
	size_t alert_count;
	uint64_t since_ms; /* the first of them */
	char read_buffer[READ_SIZE];
};

struct writing {
	uv_write_t uv;
	char *line;
};

/* ---- reports --------------------------------------------------------------------------------- */

static void on_written(uv_write_t *uv, int status)
{
	struct writing *writing = uv->data;

	(void)status; /* a closed end is read, too */
	free(writing->line);
	free(writing);
}

static void send_report(struct channel *channel, const struct wire_report *report)
{
	struct writing *writing = mem_alloc(sizeof(*writing));
	size_t length;
	uv_buf_t buffer;

	writing->line = wire_encode_report(report);
	writing->uv.data = writing;
	length = strlen(writing->line);
	writing->line[length] = '\n'; /* in place of the NUL */
	buffer = uv_buf_init(writing->line, (unsigned int)length + 1);
	if (uv_write(&writing->uv, (uv_stream_t *)&channel->pipe, &buffer, 1, on_written))
		on_written(&writing->uv, 0);
}

static void send_gathered(struct channel *channel)
{
	struct wire_report report = {
		.results = {channel->results, channel->result_count},
		.alerts = {channel->alerts, channel->alert_count},
	};

	if (!channel->arena)
		return;
	send_report(channel, &report);
	arena_free(channel->arena);
	free(channel->alerts);
	channel->arena = NULL;
	channel->alerts = NULL;
	channel->result_count = channel->alert_count = 0;
}

static void gather(struct channel *channel, uint64_t now_ms)
{
	if (channel->arena)
		return;
	channel->arena = arena_new();
	channel->since_ms = now_ms;
}

void channel_result(struct channel *channel, uint32_t id, bool ok, bool once, uint64_t latency_us,
		    const char *what, uint64_t now_ms)
{
	if (channel->result_count == GATHER_MAX)
		send_gathered(channel);
	gather(channel, now_ms);
	channel->results[channel->result_count++] = (struct wire_probe_result){
		.id = id,
		.ok = ok,
		.once = once,
		.latency_us = latency_us,
		.what = arena_string(channel->arena, what),
	};
}

void channel_alert(struct channel *channel, uint32_t id, bool ok, const char *what, uint64_t now_ms)
{
	gather(channel, now_ms);
	channel->alerts = mem_grow(channel->alerts, channel->alert_count, sizeof(*channel->alerts));
	channel->alerts[channel->alert_count++] = (struct wire_alert_result){
		.id = id,
		.ok = ok,
		.what = arena_string(channel->arena, what),
	};
}

void channel_pong(struct channel *channel, uint64_t number)
{
	struct wire_report report = {.pong = number};

	send_gathered(channel);
	send_report(channel, &report);
}

uint64_t channel_flush(struct channel *channel, uint64_t now_ms)
{
	if (!channel->arena)
		return UINT64_MAX;
	if (now_ms < channel->since_ms + GATHER_MS)
		return channel->since_ms + GATHER_MS - now_ms;
	send_gathered(channel);
	return UINT64_MAX;
}

bool channel_is_behind(const struct channel *channel)
{
	return uv_stream_get_write_queue_size((const uv_stream_t *)&channel->pipe) > BEHIND_MAX;
}

/* ---- orders ---------------------------------------------------------------------------------- */

static void take_line(struct channel *channel, const char *line, size_t length)
{
	struct arena *arena = arena_new();
	struct wire_order order = {};
	struct problems p = {};

	if (wire_decode_order(line, length, arena, &order, &p))
		channel->events.on_wrong(channel->events.self, &p);
	else
		channel->events.on_order(channel->events.self, &order);
	problems_free(&p);
	arena_free(arena);
}

static void too_long(struct channel *channel)
{
	struct problems p = {};

	problems_add(&p, -EMSGSIZE, "order", NULL, "is longer than %d bytes", WIRE_ORDER_MAX);
	channel->events.on_wrong(channel->events.self, &p);
	problems_free(&p);
	text_free(&channel->line);
	channel->is_too_long = true;
}

/* Up to a newline, which is not part of it. */
static void end_line(struct channel *channel, const char *bytes, size_t length)
{
	if (channel->is_too_long) {
		channel->is_too_long = false;
	} else if (channel->line.length) {
		text_add_bytes(&channel->line, bytes, length);
		take_line(channel, channel->line.data, channel->line.length);
		text_free(&channel->line);
	} else {
		take_line(channel, bytes, length);
	}
}

static void take_bytes(struct channel *channel, const char *bytes, size_t length)
{
	while (length) {
		const char *end = memchr(bytes, '\n', length);
		size_t part = end ? (size_t)(end - bytes) : length;

		if (!channel->is_too_long && channel->line.length + part > WIRE_ORDER_MAX)
			too_long(channel);
		if (end)
			end_line(channel, bytes, part);
		else if (!channel->is_too_long)
			text_add_bytes(&channel->line, bytes, part);
		part += end != NULL;
		bytes += part;
		length -= part;
	}
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
	struct channel *channel = handle->data;

	(void)size;
	*out = uv_buf_init(channel->read_buffer, sizeof(channel->read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
	struct channel *channel = stream->data;

	if (length < 0)
		channel->events.on_closed(channel->events.self);
	else
		take_bytes(channel, buffer->base, (size_t)length);
}

/* ---- the start ------------------------------------------------------------------------------- */

int channel_open(uv_loop_t *loop, int fd, const struct channel_events *events, struct channel **out)
{
	struct channel *channel = mem_alloc(sizeof(*channel));
	struct wire_report hello = {.hello = SLUICE_VERSION};
	int err = uv_pipe_init(loop, &channel->pipe, 0);

	if (!err)
		err = uv_pipe_open(&channel->pipe, fd);
	channel->pipe.data = channel;
	channel->events = *events;
	if (!err)
		err = uv_read_start((uv_stream_t *)&channel->pipe, on_alloc, on_read);
	if (err) {
		free(channel);
		return err;
	}
	send_report(channel, &hello);
	*out = channel;
	return 0;
}
