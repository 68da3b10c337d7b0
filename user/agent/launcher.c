/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/launcher.h"
#include "agent/launcher_child.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"

#define ANSWER_S 5 /* the launcher's own patience is shorter */

struct launcher {
	int socket;
	pid_t pid;
	unsigned char serial; /* of the last request; an answer that comes too late has another */
	char *program;
	const char *warning;
};

/* ---- talking --------------------------------------------------------------------------------- */

/* Takes an answer and the descriptor that came with it (-1: none). Returns 0 or a negative errno. */
static int take_answer(const struct launcher *launcher, struct launcher_answer *out, int *fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec bytes = {out, sizeof(*out)};
	struct msghdr message = {.msg_iov = &bytes,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	const struct cmsghdr *header;
	ssize_t length;

	*fd = -1;
	do
		length = recvmsg(launcher->socket, &message, MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	if (length < 0)
		return errno == EAGAIN ? -ETIMEDOUT : errno == ECONNRESET ? -EPIPE : -errno;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(header), sizeof(*fd));
	return length == sizeof(*out) ? 0 : -EPIPE;
}

static int ask(struct launcher *launcher, unsigned char what, struct launcher_answer *out, int *fd)
{
	struct launcher_request request = {what, ++launcher->serial};
	int err;

	if (send(launcher->socket, &request, sizeof(request), MSG_NOSIGNAL) != sizeof(request))
		return errno == ECONNRESET ? -EPIPE : -errno;
	for (;;) {
		err = take_answer(launcher, out, fd);
		if (err || out->serial == request.serial)
			return err;
		if (*fd >= 0)
			close(*fd); /* a prober that nobody waits for ends by this */
	}
}

static int explain(const struct launcher *launcher, int err, const struct launcher_answer *answer,
		   struct problems *p)
{
	if (err == -EPIPE)
		return problems_add(p, err, "launcher", NULL,
				    "is gone, so no prober can be started; restart sluiced");
	if (err)
		return problems_add(p, err, "launcher", NULL, "does not answer: %s",
				    strerror(-err));
	return problems_add(p, -answer->error, launcher->program, NULL,
			    "cannot be started (%s): %s", answer->step, strerror(answer->error));
}

/* ---- the start ------------------------------------------------------------------------------- */

/* The user by name, once: the launcher asks no directory service. */
static int find_user(struct launcher *launcher, struct launcher_plan *plan, struct problems *p)
{
	const struct passwd *user;

	plan->is_root = geteuid() == 0;
	if (!plan->is_root)
		return 0;
	user = getpwnam(LAUNCHER_USER);
	if (!user) {
		user = getpwnam(LAUNCHER_OTHER);
		launcher->warning =
			"there is no user " LAUNCHER_USER ": probes run as " LAUNCHER_OTHER
			"; `useradd --system --shell /usr/sbin/nologin " LAUNCHER_USER
			"` (or the sysusers file that comes with sluice) makes one";
	}
	if (!user)
		return problems_add(p, -ENOENT, "user " LAUNCHER_USER, NULL,
				    "is not there, and neither is " LAUNCHER_OTHER
				    "; `useradd --system " LAUNCHER_USER "` makes it");
	plan->uid = user->pw_uid;
	plan->gid = user->pw_gid;
	return 0;
}

/* The file as it is now: one that an upgrade puts there later is for the next agent. */
static int open_program(const char *path, int *fd, struct problems *p)
{
	if (access(path, X_OK))
		return problems_add(p, -errno, path, NULL,
				    "cannot be executed: %s; it is installed beside sluiced",
				    strerror(errno));
	*fd = open(path, O_PATH | O_CLOEXEC);
	return *fd < 0 ? problems_add(p, -errno, path, NULL, "%s", strerror(errno)) : 0;
}

static int fork_launcher(struct launcher *launcher, struct launcher_plan *plan, struct problems *p)
{
	struct timeval patience = {.tv_sec = ANSWER_S};
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return problems_add(p, -errno, "launcher", NULL, "socketpair: %s", strerror(errno));
	plan->socket = ends[1];
	launcher->socket = ends[0];
	launcher->pid = fork();
	if (launcher->pid == 0) {
		/* The numbers of what the plan names do not change. */
		file_close_others((int[]){plan->socket, plan->program}, 2);
		launcher_child(plan);
	}
	close(ends[1]);
	if (launcher->pid < 0)
		return problems_add(p, -errno, "launcher", NULL, "fork: %s", strerror(errno));
	setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return 0;
}

int launcher_start(struct launcher **out, const char *prober_path, struct problems *p)
{
	struct launcher *launcher = mem_alloc(sizeof(*launcher));
	struct launcher_plan plan = {.program = -1};
	struct launcher_answer answer = {};
	int err, fd;

	launcher->socket = -1;
	launcher->pid = -1;
	launcher->program = mem_string(prober_path);
	err = open_program(prober_path, &plan.program, p);
	if (!err)
		err = find_user(launcher, &plan, p);
	if (!err)
		err = fork_launcher(launcher, &plan, p);
	if (plan.program >= 0)
		close(plan.program);
	if (!err) {
		err = take_answer(launcher, &answer, &fd);
		if (err || answer.error)
			err = explain(launcher, err, &answer, p);
	}
	if (err)
		launcher_stop(launcher);
	else
		*out = launcher;
	return err;
}

const char *launcher_warning(const struct launcher *launcher)
{
	return launcher->warning;
}

/* ---- requests -------------------------------------------------------------------------------- */

int launcher_spawn(struct launcher *launcher, int *fd, pid_t *pid, struct problems *p)
{
	struct launcher_answer answer = {};
	int err, channel = -1;

	err = ask(launcher, LAUNCHER_SPAWN, &answer, &channel);
	if (err || answer.error || channel < 0) {
		if (channel >= 0)
			close(channel);
		return explain(launcher, err || answer.error ? err : -EPIPE, &answer, p);
	}
	*fd = channel;
	*pid = answer.pid;
	return 0;
}

int launcher_kill(struct launcher *launcher)
{
	struct launcher_answer answer = {};
	int fd, err = ask(launcher, LAUNCHER_KILL, &answer, &fd);

	if (err)
		return err;
	return answer.error ? -answer.error : answer.status;
}

void launcher_stop(struct launcher *launcher)
{
	if (!launcher)
		return;
	if (launcher->socket >= 0)
		close(launcher->socket);
	if (launcher->pid > 0)
		waitpid(launcher->pid, NULL, 0);
	free(launcher->program);
	free(launcher);
}
