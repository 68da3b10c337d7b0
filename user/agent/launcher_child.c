/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * It stays root by name, with four capabilities, and does two things. It allocates little, reads one
 * byte at a time from its only peer, and logs nothing.
 */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/launcher_child.h"
#include "base/children.h"
#include "base/mem.h"
#include "wire/prober.h"

#define DEATH_MS 2000 /* until what was killed must be gone */

/* SETUID, SETGID: to become the prober's user; NET_RAW: to hand it on; KILL: the prober's user is another. */
static const unsigned int kept[] = {CAP_SETUID, CAP_SETGID, CAP_NET_RAW, CAP_KILL};

struct state {
	const struct launcher_plan *plan;
	unsigned char serial; /* of the request that is answered */
	pid_t prober;	      /* 0: none runs */
	int status;	      /* of the last that ended by itself */
};

/* ---- ending ---------------------------------------------------------------------------------- */

static void note_death(struct state *state, pid_t pid, int status)
{
	if (pid != state->prober)
		return;
	state->prober = 0;
	state->status = status;
}

static void reap(struct state *state)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		note_death(state, pid, status);
}

/*
 * The prober and whatever it had started: when a process dies, its children become ours, so this goes
 * on until there are none. false: something does not die.
 */
static bool kill_all(struct state *state)
{
	static const struct timespec pause = {.tv_nsec = 1000000};

	for (int i = 0; i < DEATH_MS; i++) {
		pid_t *list = NULL;
		ssize_t count;

		reap(state);
		count = children_list(&list);
		free(list);
		if (count > 0)
			children_kill(NULL, NULL);
		if (count < 0 && state->prober)
			kill(state->prober, SIGKILL);
		else if (count <= 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* ---- the prober's process, before it is the prober ------------------------------------------- */

static const char *reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL); /* those that cannot be reset are not changed either */
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) ? "sigprocmask" : NULL;
}

/* What the child has open: 0 nothing, 1 and 2 the agent's log, and these; the last two until it runs. */
enum { FD_CHANNEL = WIRE_PROBER_FD, FD_PROGRAM, FD_REPORT, FD_OTHERS };

static const char *arrange_files(int channel, int program, int *report)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int moved;

	/* Out of each other's way first. */
	channel = fcntl(channel, F_DUPFD_CLOEXEC, FD_OTHERS);
	program = fcntl(program, F_DUPFD_CLOEXEC, FD_OTHERS);
	moved = fcntl(*report, F_DUPFD_CLOEXEC, FD_OTHERS);
	if (null < 0 || channel < 0 || program < 0 || moved < 0)
		return "descriptors";
	*report = moved;
	if (dup2(null, 0) < 0 || dup2(2, 1) < 0 || dup2(channel, FD_CHANNEL) < 0 ||
	    dup3(program, FD_PROGRAM, O_CLOEXEC) < 0 || dup3(moved, FD_REPORT, O_CLOEXEC) < 0)
		return "descriptors";
	*report = FD_REPORT;
	return close_range(FD_OTHERS, ~0U, 0) ? "close_range" : NULL;
}

static const char *become_user(const struct launcher_plan *plan)
{
	if (setgroups(0, NULL))
		return "setgroups";
	if (setresgid(plan->gid, plan->gid, plan->gid))
		return "setgid";
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
		return "PR_SET_KEEPCAPS";
	if (setresuid(plan->uid, plan->uid, plan->uid))
		return "setuid";
	return NULL;
}

/* CAP_NET_RAW alone, also after exec. Where the agent had no such capability, there is none. */
static const char *keep_raw(void)
{
	bool has_raw;

	if (capng_get_caps_process())
		return "capabilities";
	has_raw = capng_have_capability(CAPNG_PERMITTED, CAP_NET_RAW);
	capng_clear(CAPNG_SELECT_CAPS);
	if (has_raw)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE,
			     CAP_NET_RAW);
	if (capng_apply(CAPNG_SELECT_CAPS))
		return "capabilities";
	if (has_raw && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0))
		return "PR_CAP_AMBIENT";
	return NULL;
}

/* Returns the step that failed, with errno. */
static const char *become_prober(const struct launcher_plan *plan, int channel, int *report,
				 pid_t launcher)
{
	static const struct rlimit none = {0, 0};
	static char name[] = "sluice-prober";
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *arguments[] = {name, NULL}, *environment[] = {path, NULL, NULL};
	const char *journal = getenv("JOURNAL_STREAM"), *failed = reset_signals();

	if (journal)
		environment[1] = mem_format("JOURNAL_STREAM=%s", journal);
	if (!failed && setsid() < 0)
		failed = "setsid";
	if (!failed)
		failed = arrange_files(channel, plan->program, report);
	if (!failed && setrlimit(RLIMIT_CORE, &none))
		failed = "RLIMIT_CORE";
	if (!failed && plan->is_root)
		failed = become_user(plan);
	if (!failed)
		failed = keep_raw();
	/* Changing the user has cleared it, so it is last; and our parent may be dead already. */
	if (!failed && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		failed = "PR_SET_PDEATHSIG";
	if (!failed && getppid() != launcher)
		_exit(1);
	if (failed)
		return failed;
	syscall(SYS_execveat, FD_PROGRAM, "", arguments, environment, AT_EMPTY_PATH);
	return "execute it";
}

/* ---- starting -------------------------------------------------------------------------------- */

/* What a child that fails says through a pipe, which exec closes. */
struct failure {
	int error;
	char step[sizeof(((struct launcher_answer *)0)->step)];
};

static void be_child(const struct launcher_plan *plan, int channel, int report, pid_t launcher)
	__attribute__((noreturn));

static void be_child(const struct launcher_plan *plan, int channel, int report, pid_t launcher)
{
	const char *step = become_prober(plan, channel, &report, launcher);
	struct failure failure = {.error = errno};

	strncpy(failure.step, step, sizeof(failure.step) - 1);
	_exit(write(report, &failure, sizeof(failure)) < 0 ? 2 : 1);
}

/* Returns the process, or -1 and errno; *failure is filled when it did not become the prober. */
static pid_t start(const struct launcher_plan *plan, int channel, struct failure *failure)
{
	pid_t launcher = getpid(), pid;
	int pipes[2], error;

	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	pid = fork();
	error = errno;
	if (pid == 0)
		be_child(plan, channel, pipes[1], launcher);
	close(pipes[1]);
	if (pid > 0 && read(pipes[0], failure, sizeof(*failure)) != sizeof(*failure))
		*failure = (struct failure){};
	close(pipes[0]);
	errno = error;
	return pid;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void answer(const struct state *state, struct launcher_answer *is, int channel)
{
	char control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec bytes = {is, sizeof(*is)};
	struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
	struct cmsghdr *header;

	is->serial = state->serial;
	if (channel >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &channel, sizeof(channel));
	}
	/* An agent that is gone is seen by the next read. */
	sendmsg(state->plan->socket, &message, MSG_NOSIGNAL);
}

static void answer_error(const struct state *state, int error, const char *step)
{
	struct launcher_answer is = {.error = error};

	strncpy(is.step, step, sizeof(is.step) - 1);
	answer(state, &is, -1);
}

static void spawn(struct state *state)
{
	struct failure failure = {};
	int ends[2];
	pid_t pid;

	if (!kill_all(state)) {
		answer_error(state, ETIMEDOUT, "end the former one");
		return;
	}
	state->status = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		answer_error(state, errno, "socketpair");
		return;
	}
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	pid = start(state->plan, ends[1], &failure);
	close(ends[1]);
	if (pid < 0) {
		answer_error(state, errno, "fork");
	} else if (failure.error) {
		waitpid(pid, NULL, 0);
		answer_error(state, failure.error, failure.step);
	} else {
		state->prober = pid;
		answer(state, &(struct launcher_answer){.pid = pid}, ends[0]);
	}
	close(ends[0]);
}

static void kill_prober(struct state *state)
{
	struct launcher_answer is = {};

	if (!kill_all(state)) {
		answer_error(state, ETIMEDOUT, "end it");
		return;
	}
	is.status = state->status;
	state->status = 0;
	answer(state, &is, -1);
}

/* ---- the process ----------------------------------------------------------------------------- */

static void on_child(int number)
{
	(void)number; /* it only ends ppoll() */
}

/* Returns the step that failed, with errno. */
static const char *confine(const struct launcher_plan *plan)
{
	prctl(PR_SET_NAME, "sluice-launcher", 0, 0, 0);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return "PR_SET_NO_NEW_PRIVS";
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
		return "PR_SET_CHILD_SUBREAPER";
	if (!plan->is_root)
		return NULL;
	/* The bounding set keeps what the prober may have. */
	capng_clear(CAPNG_SELECT_BOTH);
	capng_update(CAPNG_ADD, CAPNG_BOUNDING_SET, CAP_NET_RAW);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]);
	if (capng_apply(CAPNG_SELECT_BOUNDS) || capng_apply(CAPNG_SELECT_CAPS))
		return "capabilities";
	return NULL;
}

/* Its own end is the agent's doing alone, by closing the socket; Ctrl-C is for the agent. */
static void prepare_signals(sigset_t *while_waiting)
{
	struct sigaction action = {.sa_handler = on_child, .sa_flags = SA_NOCLDSTOP};
	sigset_t blocked;

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGCHLD, &action, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigemptyset(while_waiting);
}

void launcher_child(const struct launcher_plan *plan)
{
	struct state state = {.plan = plan};
	struct pollfd socket = {.fd = plan->socket, .events = POLLIN};
	const char *failed;
	sigset_t while_waiting;

	prepare_signals(&while_waiting);
	failed = confine(plan);
	answer_error(&state, failed ? errno : 0, failed ? failed : "");
	if (failed)
		_exit(1);
	for (;;) {
		struct launcher_request request;
		bool ran = state.prober != 0;

		reap(&state);
		if (ran && !state.prober)
			kill_all(&state); /* what it has left behind */
		if (ppoll(&socket, 1, NULL, &while_waiting) <= 0)
			continue;
		if (recv(plan->socket, &request, sizeof(request), 0) != sizeof(request))
			break;
		state.serial = request.serial;
		if (request.what == LAUNCHER_SPAWN)
			spawn(&state);
		else if (request.what == LAUNCHER_KILL)
			kill_prober(&state);
	}
	kill_all(&state);
	_exit(0);
}
