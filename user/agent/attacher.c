/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <cap-ng.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/attacher.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/beside.h"

#define ANSWER_S 10 /* a dispatcher is loaded and verified in far less */

struct attacher {
	int socket;
	pid_t pid;
	uint32_t serial; /* of the last request; an answer that comes too late has another */
};

/* One message each; the socket keeps their bounds. */
struct question {
	uint32_t serial;
	struct beside_request request;
};

struct reply {
	uint32_t serial;
	struct beside_answer answer;
};

/* ---- the process ----------------------------------------------------------------------------- */

/* SYS_ADMIN: to open what is attached; DAC_OVERRIDE: the pins are user sluice's; the rest as the agent has it. */
static const unsigned int kept[] = {CAP_SYS_ADMIN, CAP_DAC_OVERRIDE, CAP_NET_ADMIN, CAP_BPF,
				    CAP_PERFMON};

static bool confine(void)
{
	prctl(PR_SET_NAME, "sluice-attacher", 0, 0, 0);
	/* Its own end is the agent's doing alone, by closing the socket; Ctrl-C is for the agent. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || capng_get_caps_process())
		return false;
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]);
	return !capng_apply(CAPNG_SELECT_BOUNDS) && !capng_apply(CAPNG_SELECT_CAPS);
}

static void serve(int socket, const char *pin_dir) __attribute__((noreturn));
static void serve(int socket, const char *pin_dir)
{
	struct question question;
	struct reply reply;

	/* With what else the agent has open, its locks would live on. */
	file_close_others(&socket, 1);
	if (!confine())
		_exit(1);
	while (recv(socket, &question, sizeof(question), 0) == sizeof(question)) {
		question.request.device[sizeof(question.request.device) - 1] = '\0';
		reply.serial = question.serial;
		beside_ask(pin_dir, &question.request, &reply.answer);
		if (send(socket, &reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply))
			break;
	}
	_exit(0);
}

/* ---- the agent's side ------------------------------------------------------------------------ */

int attacher_start(struct attacher **out, const char *pin_dir, struct problems *p)
{
	struct timeval patience = {.tv_sec = ANSWER_S};
	struct attacher *attacher;
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return problems_add(p, -errno, "attacher", NULL, "socketpair: %s", strerror(errno));
	pid = fork();
	if (pid == 0)
		serve(ends[1], pin_dir);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return problems_add(p, -errno, "attacher", NULL, "fork: %s", strerror(errno));
	}
	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	attacher = mem_alloc(sizeof(*attacher));
	*attacher = (struct attacher){.socket = ends[0], .pid = pid};
	*out = attacher;
	return 0;
}

/* Whether an answer has come; errno says why not. */
static bool exchange(struct attacher *attacher, const struct beside_request *request,
		     struct reply *reply)
{
	const struct question question = {++attacher->serial, *request};

	if (send(attacher->socket, &question, sizeof(question), MSG_NOSIGNAL) != sizeof(question))
		return false;
	do {
		ssize_t length = recv(attacher->socket, reply, sizeof(*reply), 0);

		if (length == 0)
			errno = EPIPE;
		if (length != sizeof(*reply))
			return false;
	} while (reply->serial != question.serial);
	return true;
}

void attacher_ask(void *arg, const struct beside_request *request, struct beside_answer *out)
{
	struct reply reply;

	if (exchange(arg, request, &reply)) {
		*out = reply.answer;
		return;
	}
	*out = (struct beside_answer){.error = errno == EAGAIN ? -ETIMEDOUT : -EPIPE};
	snprintf(out->text, sizeof(out->text),
		 out->error == -EPIPE
			 ? "the process that attaches beside other programs (sluice-attacher) is "
			   "gone; restart sluiced"
			 : "the process that attaches beside other programs (sluice-attacher) does "
			   "not answer; see what holds libxdp (its lock is on /sys/fs/bpf/xdp)");
}

void attacher_stop(struct attacher *attacher)
{
	if (!attacher)
		return;
	close(attacher->socket);
	waitpid(attacher->pid, NULL, 0);
	free(attacher);
}
