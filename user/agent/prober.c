/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "agent/prober.h"
#include "agent/probeset.h"
#include "agent/supervise.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"

#define READ_STEP (64 << 10)
#define WORDS_MAX 512 /* bytes of a report's text that are heard */

/* The socket to one process. It outlives that by what libuv needs to close it. */
struct channel {
	struct prober *prober; /* NULL: given up */
	uv_pipe_t pipe;
	pid_t pid;
	bool has_greeted;
	struct text received;
	char step[READ_STEP];
};

struct prober {
	uv_loop_t *loop;
	uv_timer_t timer;
	struct prober_spawner spawner;
	struct prober_host host;
	struct supervise supervise;
	struct channel *channel; /* NULL: none runs */
	struct probeset wanted;
	uint64_t pings; /* the number of the last one */
	unsigned int starts;
	char *failure; /* why it could not be started, if that was told; NULL: it was */
};

static uint64_t now_ms(const struct prober *prober)
{
	uv_update_time(prober->loop);
	return uv_now(prober->loop);
}

static void follow(struct prober *prober);

static void tell(const struct prober *prober, enum prober_news news, char *sentence)
{
	prober->host.tell(prober->host.self, news, sentence);
	free(sentence);
}

/* ---- sending --------------------------------------------------------------------------------- */

struct sending {
	uv_write_t write;
	char *line;
};

/* One that failed is followed by an end of the socket, which is what is looked after. */
static void on_sent(uv_write_t *write, int status)
{
	struct sending *sending = (struct sending *)write;

	(void)status;
	free(sending->line);
	free(sending);
}

/* Takes the line over. */
static void send_line(struct prober *prober, char *line)
{
	struct sending *sending = mem_alloc(sizeof(*sending));
	size_t length = strlen(line);
	uv_buf_t buffer;

	sending->line = line;
	sending->line[length] = '\n'; /* in the NUL's place */
	buffer = uv_buf_init(sending->line, length + 1);
	if (uv_write(&sending->write, (uv_stream_t *)&prober->channel->pipe, &buffer, 1, on_sent))
		on_sent(&sending->write, UV_EPIPE);
}

static void send_order(void *arg, const struct wire_order *order)
{
	send_line(arg, wire_encode_order(order));
}

static void ask(struct prober *prober)
{
	const struct wire_order order = {.ping = ++prober->pings};

	send_order(prober, &order);
}

static void send_all(struct prober *prober)
{
	const struct probeset nothing = {};

	probeset_orders(&nothing, &prober->wanted, send_order, prober);
}

/* ---- ending ---------------------------------------------------------------------------------- */

static void on_channel_closed(uv_handle_t *handle)
{
	struct channel *channel = handle->data;

	text_free(&channel->received);
	free(channel);
}

/* Ends the process, whatever it does, and gives how it had ended as waitpid() says it. */
static int drop_channel(struct prober *prober)
{
	struct channel *channel = prober->channel;

	prober->channel = NULL;
	channel->prober = NULL;
	uv_close((uv_handle_t *)&channel->pipe, on_channel_closed);
	return prober->spawner.kill(prober->spawner.self);
}

static char *explain_end(int status)
{
	if (status > 0 && WIFSIGNALED(status))
		return mem_format("was ended by signal %d (%s)", WTERMSIG(status),
				  strsignal(WTERMSIG(status)));
	if (status >= 0 && WIFEXITED(status))
		return mem_format("ended with exit code %d", WEXITSTATUS(status));
	return mem_format("has ended");
}

/* `what` is taken over; NULL: how the process has ended says it. */
static void lose(struct prober *prober, enum prober_news news, char *what)
{
	pid_t pid = prober->channel->pid;
	int status = drop_channel(prober);
	char pause[24];

	if (!what)
		what = explain_end(status);
	supervise_ended(&prober->supervise, now_ms(prober));
	tell(prober, news,
	     mem_format("sluice-prober (process %d) %s; it is started again in %s, and health "
			"stays as it is until then",
			pid, what,
			text_format_duration(supervise_wait_ms(&prober->supervise, now_ms(prober)),
					     pause)));
	free(what);
	follow(prober);
}

/* ---- receiving ------------------------------------------------------------------------------- */

/*
 * Words end in logs, in events that are kept, and on terminals; they may be a server's own, as a certificate's name is,
 * or those of a prober that was taken over.
 */
static const char *tame(struct arena *arena, const char *words)
{
	char *tame = arena_format(arena, "%.*s", WORDS_MAX, words);

	for (char *c = tame; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	return tame;
}

/* Once a process: one that goes on greeting would fill the journal. */
static void take_hello(struct prober *prober, const char *version)
{
	struct channel *channel = prober->channel;

	if (!channel || channel->has_greeted)
		return;
	channel->has_greeted = true;
	if (strcmp(version, SLUICE_VERSION) != 0)
		tell(prober, PROBER_OTHER,
		     mem_format("sluice-prober is of version %s, and sluiced of %s; restart "
				"sluiced, so that both are of one",
				version, SLUICE_VERSION));
}

static void take_report(struct prober *prober, const struct wire_report *report,
			struct arena *arena)
{
	for (size_t i = 0; i < report->results.count; i++) {
		struct wire_probe_result result = report->results.list[i];

		result.what = tame(arena, result.what);
		prober->host.result(prober->host.self, &result);
	}
	for (size_t i = 0; i < report->alerts.count; i++) {
		struct wire_alert_result result = report->alerts.list[i];

		result.what = tame(arena, result.what);
		prober->host.alert(prober->host.self, &result);
	}
	if (report->hello)
		take_hello(prober, tame(arena, report->hello));
	if (report->pong)
		supervise_answered(&prober->supervise);
}

static int take_line(struct prober *prober, const char *line, size_t length)
{
	struct arena *arena = arena_new();
	struct wire_report report = {};
	struct problems p = {};
	int err = wire_decode_report(line, length, arena, &report, &p);

	if (!err) {
		take_report(prober, &report, arena);
	} else {
		char *text = problem_text(&p.list[0]);

		lose(prober, PROBER_NONSENSE,
		     mem_format("said what is no report (%s) and is killed", tame(arena, text)));
		free(text);
	}
	problems_free(&p);
	arena_free(arena);
	return err;
}

/* All whole lines; a host that has it stop gives the channel up. */
static void take_lines(struct channel *channel)
{
	const char *line = channel->received.data, *newline;
	const char *end = line + channel->received.length;
	struct text rest = {};

	while (channel->prober && (newline = memchr(line, '\n', end - line))) {
		if (take_line(channel->prober, line, newline - line))
			return;
		line = newline + 1;
	}
	if (!channel->prober)
		return;
	text_add_bytes(&rest, line, end - line);
	text_free(&channel->received);
	channel->received = rest;
	if (rest.length > WIRE_REPORT_MAX)
		lose(channel->prober, PROBER_NONSENSE,
		     mem_format("said what is no report (a line without end) and is killed"));
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct channel *channel = handle->data;

	(void)suggested;
	*buffer = uv_buf_init(channel->step, sizeof(channel->step));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
	struct channel *channel = stream->data;

	if (!channel->prober)
		return;
	if (got < 0) {
		lose(channel->prober, PROBER_ENDED, NULL);
	} else if (got > 0) {
		text_add_bytes(&channel->received, buffer->base, got);
		take_lines(channel);
	}
}

/* ---- starting -------------------------------------------------------------------------------- */

static int open_channel(struct prober *prober, int fd, pid_t pid)
{
	struct channel *channel = mem_alloc(sizeof(*channel));
	int err;

	channel->prober = prober;
	channel->pid = pid;
	uv_pipe_init(prober->loop, &channel->pipe, 0);
	channel->pipe.data = channel;
	prober->channel = channel;
	err = uv_pipe_open(&channel->pipe, fd);
	if (err)
		close(fd);
	else
		err = uv_read_start((uv_stream_t *)&channel->pipe, on_alloc, on_read);
	return err;
}

/* Told once for each reason, which is taken over: the tries go on. */
static void fail(struct prober *prober, char *why)
{
	bool is_told = prober->failure && strcmp(prober->failure, why) == 0;

	supervise_ended(&prober->supervise, now_ms(prober));
	if (!is_told)
		tell(prober, PROBER_NOT_STARTED,
		     mem_format("sluice-prober cannot be started: %s; it is tried again, and "
				"health stays as it is until then",
				why));
	free(prober->failure);
	prober->failure = why;
}

static void begin(struct prober *prober)
{
	prober->starts++;
	free(prober->failure);
	prober->failure = NULL;
	supervise_started(&prober->supervise, now_ms(prober));
	send_all(prober);
	tell(prober, PROBER_STARTED,
	     mem_format("sluice-prober runs as process %d, with %zu probes", prober->channel->pid,
			prober->wanted.count));
}

static void start(struct prober *prober)
{
	struct problems p = {};
	pid_t pid = 0;
	int fd, err = prober->spawner.spawn(prober->spawner.self, &fd, &pid, &p);

	if (!err) {
		err = open_channel(prober, fd, pid);
		if (err) {
			problems_add(&p, err, "sluice-prober", NULL, "its channel: %s",
				     uv_strerror(err));
			drop_channel(prober);
		}
	}
	if (err)
		fail(prober, p.count ? problem_text(&p.list[0]) : mem_string(strerror(-err)));
	else
		begin(prober);
	problems_free(&p);
}

static void stop(struct prober *prober)
{
	supervise_stop(&prober->supervise, now_ms(prober));
	if (!prober->channel)
		return;
	drop_channel(prober);
	tell(prober, PROBER_STOPPED,
	     mem_format("sluice-prober has ended: nothing is left to be probed"));
}

/* ---- time ------------------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *timer)
{
	struct prober *prober = timer->data;

	switch (supervise_next(&prober->supervise, now_ms(prober))) {
	case SUPERVISE_START:
		start(prober);
		break;
	case SUPERVISE_ASK:
		ask(prober);
		break;
	case SUPERVISE_KILL_HUNG:
		lose(prober, PROBER_HUNG,
		     mem_format("has not answered for %d s and is killed", SUPERVISE_MISSES));
		break;
	case SUPERVISE_NOTHING:
		break;
	}
	follow(prober);
}

/* Has the timer come when something is due. */
static void follow(struct prober *prober)
{
	uint32_t wait_ms = supervise_wait_ms(&prober->supervise, now_ms(prober));

	if (wait_ms == UINT32_MAX)
		uv_timer_stop(&prober->timer);
	else
		uv_timer_start(&prober->timer, on_timer, wait_ms, 0);
}

/* ---- what the agent asks for ----------------------------------------------------------------- */

struct prober *prober_new(struct uv_loop_s *loop, const struct prober_spawner *spawner,
			  const struct prober_host *host)
{
	struct prober *prober = mem_alloc(sizeof(*prober));

	prober->loop = loop;
	prober->spawner = *spawner;
	prober->host = *host;
	uv_timer_init(loop, &prober->timer);
	prober->timer.data = prober;
	return prober;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct prober *prober = handle->data;

	probeset_free(&prober->wanted);
	free(prober->failure);
	free(prober);
}

void prober_close(struct prober *prober)
{
	if (!prober)
		return;
	if (prober->channel)
		drop_channel(prober);
	uv_close((uv_handle_t *)&prober->timer, on_timer_closed);
}

void prober_set(struct prober *prober, struct arena *arena, struct wire_probe *list, size_t count,
		bool is_needed)
{
	struct probeset next = probeset_make(arena, list, count);

	if (prober->channel)
		probeset_orders(&prober->wanted, &next, send_order, prober);
	probeset_free(&prober->wanted);
	prober->wanted = next;
	if (count || is_needed)
		supervise_want(&prober->supervise, now_ms(prober));
	else if (prober->supervise.state != SUPERVISE_OFF)
		stop(prober);
	follow(prober);
}

int prober_check(struct prober *prober, const uint32_t *ids, size_t count)
{
	uint64_t some[WIRE_ORDER_PROBES];
	struct wire_order order = {.check = {.list = some}};

	if (!prober->channel)
		return -ENOTCONN;
	for (size_t i = 0; i < count; i++) {
		some[order.check.count++] = ids[i];
		if (order.check.count < WIRE_ORDER_PROBES && i + 1 < count)
			continue;
		send_order(prober, &order);
		order.check.count = 0;
	}
	return 0;
}

int prober_alert(struct prober *prober, const struct wire_alert_order *alert)
{
	struct wire_alert_order alerts[] = {*alert};
	const struct wire_order order = {.alerts = {alerts, 1}};
	char *line;

	if (!prober->channel)
		return -ENOTCONN;
	line = wire_encode_order(&order);
	if (strlen(line) > WIRE_ORDER_MAX) {
		free(line);
		return -EMSGSIZE;
	}
	send_line(prober, line);
	return 0;
}

const struct wire_probe *prober_find(const struct prober *prober, uint32_t id)
{
	return probeset_find(&prober->wanted, id);
}

void prober_look(const struct prober *prober, struct prober_look *out)
{
	const struct supervise *s = &prober->supervise;

	*out = (struct prober_look){
		.is_wanted = s->state != SUPERVISE_OFF,
		.is_running = prober->channel != NULL,
		.pid = prober->channel ? prober->channel->pid : 0,
		.since_ms = s->since_ms,
		.restarts = prober->starts ? prober->starts - 1 : 0,
		.unanswered = s->unanswered,
		.probes = prober->wanted.count,
	};
}
