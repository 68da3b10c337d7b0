/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "agent/trace.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "agent/agent.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wire/wire.h"

#define PATIENCE_MS 30000 /* for the next request, and for an answer */
#define READ_STEP   (64 << 10)

/* One child. It outlives its handle's closing, no more. */
struct session {
	struct trace *trace;
	uv_pipe_t channel;
	uv_timer_t patience;
	int handles; /* still open */
	pid_t pid;
	uint64_t client;
	struct api_promise *promise; /* NULL: no request is under way */
	bool is_last;		     /* that is answered is the last one */
	char *request;
	uv_write_t write;
	struct text received;
	char step[READ_STEP];
};

struct trace {
	struct agent *agent;
	uv_loop_t *loop;
	struct session *session; /* NULL: none */
};

struct trace *trace_open(struct agent *agent, struct uv_loop_s *loop)
{
	struct trace *trace = mem_alloc(sizeof(*trace));

	trace->agent = agent;
	trace->loop = loop;
	return trace;
}

/* ---- the end ---------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
	struct session *session = handle->data;

	if (--session->handles)
		return;
	text_free(&session->received);
	free(session->request);
	free(session);
}

/* Who waits for an answer gets `why`; NULL: nobody does. */
static void end(struct session *session, const char *why)
{
	struct api_promise *promise = session->promise;
	struct problems p = {};

	session->promise = NULL;
	session->trace->session = NULL;
	uv_close((uv_handle_t *)&session->channel, on_closed);
	uv_close((uv_handle_t *)&session->patience, on_closed);
	/* It has no children, and holds nothing that must be put away; death is a matter of a moment. */
	kill(session->pid, SIGKILL);
	while (waitpid(session->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!promise)
		return;
	problems_add(&p, -EIO, "trace", NULL, "%s", why);
	promise->keep(promise, wire_encode_error(WIRE_FAILED, &p));
	problems_free(&p);
}

static void on_patience(uv_timer_t *timer)
{
	end(timer->data, "took too long, and was ended");
}

void trace_gone(struct trace *trace, const struct api_client *client)
{
	if (trace->session && trace->session->client == client->number)
		end(trace->session, "its client has gone");
}

void trace_close(struct trace *trace)
{
	if (!trace)
		return;
	if (trace->session)
		end(trace->session, "the agent ends");
	free(trace);
}

/* ---- requests and answers --------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct session *session = handle->data;

	(void)suggested;
	*buffer = uv_buf_init(session->step, sizeof(session->step));
}

/* The line is the reply, as it is. */
static void take_answer(struct session *session)
{
	struct api_promise *promise = session->promise;
	char *reply = session->received.data;
	bool is_last = session->is_last;

	reply[session->received.length - 1] = '\0';
	session->received = (struct text){};
	session->promise = NULL;
	uv_timer_start(&session->patience, on_patience, PATIENCE_MS, 0);
	if (is_last)
		end(session, NULL);
	if (promise)
		promise->keep(promise, reply);
	else
		free(reply);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
	struct session *session = stream->data;

	if (got < 0) {
		end(session, "ended without an answer; the kernel's log may say why");
		return;
	}
	text_add_bytes(&session->received, buffer->base, got);
	if (got && session->received.data[session->received.length - 1] == '\n')
		take_answer(session);
}

static void on_written(uv_write_t *write, int status)
{
	struct session *session = write->data;

	(void)status; /* the end of what is read tells it, too */
	free(session->request);
	session->request = NULL;
}

static void send_request(struct session *session, const struct wire_arguments *arguments,
			 struct api_promise *promise)
{
	size_t length;
	uv_buf_t buffer;

	session->promise = promise;
	session->is_last = arguments->last;
	session->request = wire_encode_request(WIRE_COMMAND_trace, arguments);
	length = strlen(session->request);
	session->request[length] = '\n'; /* in the NUL's place */
	buffer = uv_buf_init(session->request, length + 1);
	session->write.data = session;
	uv_timer_start(&session->patience, on_patience, PATIENCE_MS, 0);
	/* A failure ends the reading, too. */
	uv_write(&session->write, (uv_stream_t *)&session->channel, &buffer, 1, on_written);
}

/* ---- the beginning ---------------------------------------------------------------------------- */

/* The child is deaf to what is for the agent. Returns its process, or a negative errno. */
static pid_t fork_child(struct agent *agent, int channel)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		trace_child(agent, channel);
	if (pid < 0)
		pid = -errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static int begin(struct trace *trace, const struct api_client *client, struct problems *p)
{
	struct session *session;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return problems_add(p, -errno, "trace", NULL, "no socket: %s", strerror(errno));
	pid = fork_child(trace->agent, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return problems_add(p, pid, "trace", NULL, "no process for it: %s", strerror(-pid));
	}
	session = mem_alloc(sizeof(*session));
	session->trace = trace;
	session->pid = pid;
	session->client = client->number;
	session->handles = 2;
	uv_pipe_init(trace->loop, &session->channel, 0);
	uv_timer_init(trace->loop, &session->patience);
	session->channel.data = session;
	session->patience.data = session;
	/* Of a stream socket that was just made neither fails. */
	uv_pipe_open(&session->channel, pair[0]);
	uv_read_start((uv_stream_t *)&session->channel, on_alloc, on_read);
	trace->session = session;
	return 0;
}

int trace_ask(struct trace *trace, const struct api_client *client,
	      const struct wire_arguments *arguments, struct api_promise *promise,
	      struct problems *p)
{
	struct session *session = trace->session;
	bool is_own = session && session->client == client->number;
	int err;

	if (arguments->first != 1 && !is_own)
		return problems_add(p, -ESTALE, "trace", NULL,
				    "has ended: %d s without a request; begin it anew",
				    PATIENCE_MS / 1000);
	if (arguments->first == 1 && is_own)
		end(session, NULL);
	else if (arguments->first == 1 && session)
		return problems_add(p, -EBUSY, "trace", NULL,
				    "another client's is under way; try again when it has ended");
	if (arguments->first == 1) {
		err = begin(trace, client, p);
		if (err)
			return err;
	}
	send_request(trace->session, arguments, promise);
	return 0;
}
