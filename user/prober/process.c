/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/children.h"
#include "base/mem.h"
#include "prober/process.h"
#include "prober/quota.h"
#include "prober/watch.h"

/* Programs that are there, those that are killed and do not die included. */
#define PROCESS_MAX 128
/* The variable by which a program's processes are known, wherever they are: its value is the program's number. */
#define NUMBER "SLUICE_RUN"

struct process {
	uv_process_t uv; /* its `data` is this */
	struct processes *all;
	struct process *next;
	uint64_t number;     /* in the order of their starts */
	struct watch output; /* both of its outputs; fd -1: closed */
	void (*on_end)(void *self, int code, int signal, const char *line); /* NULL: killed */
	void *self;
	char line[PROCESS_LINE_SIZE];
	size_t length;
	bool has_line;
};

/* A child that is none of these: an orphan that a program has left. */
struct stray {
	pid_t pid;
	uint64_t
		number; /* of its program, or of the last one that was started when it was first seen */
	bool is_certain; /* which of both */
};

struct processes {
	uv_loop_t *loop;
	struct watcher *watcher;
	uv_signal_t child;
	struct process *first;
	unsigned int count;
	uint64_t last_number;
	struct stray *strays;
	size_t stray_count;
	struct quota quota;
};

/* ---- output ---------------------------------------------------------------------------------- */

static void keep_line(struct process *process, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length && !process->has_line; i++) {
		if (bytes[i] == '\n')
			process->has_line = true;
		else if (process->length < sizeof(process->line) - 1)
			process->line[process->length++] =
				(unsigned char)bytes[i] < ' ' ? ' ' : bytes[i];
	}
}

/* Reads what there is, so that the program never waits for us. false: it is closed. */
static bool read_output(struct process *process, int rounds)
{
	char bytes[4096];

	while (rounds--) {
		ssize_t length = read(process->output.fd, bytes, sizeof(bytes));

		if (length <= 0)
			return length < 0 && (errno == EAGAIN || errno == EINTR);
		keep_line(process, bytes, (size_t)length);
	}
	return true;
}

static void close_output(struct process *process)
{
	int fd = process->output.fd;

	if (fd < 0)
		return;
	watch_remove(process->all->watcher, &process->output);
	close(fd);
}

static void on_output(struct watch *watch, uint32_t events)
{
	struct process *process =
		(struct process *)((char *)watch - offsetof(struct process, output));

	(void)events;
	if (!read_output(process, 4))
		close_output(process);
}

/* ---- the end --------------------------------------------------------------------------------- */

static bool is_known(const struct processes *all, pid_t pid)
{
	for (const struct process *process = all->first; process; process = process->next)
		if (process->uv.pid == pid)
			return true;
	return false;
}

/* Whether the program runs that has left this child, or may have: any that was started no later. */
static bool has_owner(const struct processes *all, const struct stray *stray)
{
	for (const struct process *process = all->first; process; process = process->next)
		if (stray->is_certain ? process->number == stray->number
				      : process->number <= stray->number)
			return true;
	return false;
}

/* The number in its environment, which it has from spawn() unless it has changed that; 0: there is none. */
static uint64_t number_of(pid_t pid)
{
	static char text[65536];
	char path[64];
	const char *at;
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	for (at = text; at < text + length; at += strlen(at) + 1)
		if (strncmp(at, NUMBER "=", sizeof(NUMBER)) == 0)
			return strtoull(at + sizeof(NUMBER), NULL, 10);
	return 0;
}

static struct stray note(const struct processes *all, pid_t pid)
{
	uint64_t number;

	for (size_t i = 0; i < all->stray_count; i++)
		if (all->strays[i].pid == pid)
			return all->strays[i];
	number = number_of(pid);
	return (struct stray){pid, number ? number : all->last_number, number != 0};
}

/*
 * Children that we have not started: what a program has left in another group, for its parent is
 * dead. Lists those whose program runs no more; where nobody says whose it is, its program was started
 * before it was first seen here, so it is let be while any such runs.
 */
static ssize_t list_left(void *self, pid_t **out)
{
	struct processes *all = self;
	pid_t *list = NULL;
	ssize_t count = children_list(&list), left = 0;
	struct stray *strays = NULL;
	size_t kept = 0;

	for (ssize_t i = 0; i < count; i++) {
		pid_t pid = list[i];
		struct stray stray;

		if (is_known(all, pid) || waitpid(pid, NULL, WNOHANG) == pid)
			continue;
		stray = note(all, pid);
		strays = mem_grow(strays, kept, sizeof(*strays));
		strays[kept++] = stray;
		if (!has_owner(all, &stray))
			list[left++] = pid;
	}
	free(all->strays);
	all->strays = strays;
	all->stray_count = kept;
	*out = list;
	return left;
}

/* Children of one that is killed become ours, which is a SIGCHLD again. */
static void look_for_strays(struct processes *all)
{
	children_kill(list_left, all);
}

static void on_child(uv_signal_t *signal, int number)
{
	(void)number;
	look_for_strays(signal->data);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void forget(struct process *process)
{
	struct process **at = &process->all->first;

	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	process->all->count--;
	uv_close((uv_handle_t *)&process->uv, on_closed);
}

static void on_exit_(uv_process_t *uv, int64_t code, int signal)
{
	struct process *process = uv->data;
	void (*on_end)(void *, int, int, const char *) = process->on_end;
	void *self = process->self;
	char line[PROCESS_LINE_SIZE];

	/* What it has left running has its group, which lives as long as any of it. */
	kill(-uv->pid, SIGKILL);
	if (process->output.fd >= 0)
		read_output(process, 16);
	close_output(process);
	memcpy(line, process->line, sizeof(line));
	forget(process);
	look_for_strays(process->all);
	if (on_end)
		on_end(self, (int)code, signal, line);
}

void process_kill(struct process *process)
{
	process->on_end = NULL;
	close_output(process);
	kill(-process->uv.pid, SIGKILL);
}

/* ---- the start ------------------------------------------------------------------------------- */

/* A file in memory takes any input at once, and a program that does not read it hangs nobody. */
static int open_input(const char *input)
{
	size_t length = input ? strlen(input) : 0;
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (length) {
		ssize_t written = write(fd, input, length);

		if (written < 0) {
			int err = -errno;

			close(fd);
			return err;
		}
		input += written;
		length -= (size_t)written;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* The environment and one variable more; the list is the caller's. */
static char **with(char *const *environment, char *variable)
{
	size_t count = 0;
	char **list;

	while (environment[count])
		count++;
	list = mem_array(count + 2, sizeof(*list));
	memcpy(list, environment, count * sizeof(*list));
	list[count] = variable;
	return list;
}

static int spawn(struct process *process, const struct process_order *order, int in, int out)
{
	char *number = mem_format(NUMBER "=%" PRIu64, process->number);
	char *arguments[] = {(char *)order->command, NULL};
	char **environment = with(order->environment, number);
	uv_stdio_container_t stdio[] = {
		{.flags = UV_INHERIT_FD, .data.fd = in},
		{.flags = UV_INHERIT_FD, .data.fd = out},
		{.flags = UV_INHERIT_FD, .data.fd = out},
	};
	uv_process_options_t options = {
		.exit_cb = on_exit_,
		.file = order->command,
		.args = arguments,
		.env = environment,
		.cwd = "/",
		.flags = UV_PROCESS_DETACHED, /* setsid() */
		.stdio_count = ARRAY_SIZE(stdio),
		.stdio = stdio,
	};
	int err;

	quota_begin(&process->all->quota, uv_now(process->all->loop));
	err = uv_spawn(process->all->loop, &process->uv, &options);
	quota_end(err ? 0 : process->uv.pid);
	free(environment);
	free(number);
	return err;
}

int process_start(struct processes *all, const struct process_order *order, struct process **out)
{
	struct process *process;
	int pipes[2], in, err;

	if (all->count >= PROCESS_MAX)
		return -EAGAIN;
	in = open_input(order->input);
	if (in < 0)
		return in;
	if (pipe2(pipes, O_CLOEXEC)) {
		err = -errno;
		close(in);
		return err;
	}
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	process = mem_alloc(sizeof(*process));
	process->all = all;
	process->number = ++all->last_number;
	process->uv.data = process;
	process->on_end = order->on_end;
	process->self = order->self;
	process->output.on_ready = on_output;
	process->output.fd = -1;
	process->next = all->first;
	all->first = process;
	all->count++;
	err = spawn(process, order, in, pipes[1]);
	close(in);
	close(pipes[1]);
	if (err) {
		close(pipes[0]);
		forget(process);
		return err;
	}
	err = watch_add(all->watcher, &process->output, pipes[0], EPOLLIN);
	if (err) {
		close(pipes[0]);
		process_kill(process);
		return err;
	}
	*out = process;
	return 0;
}

/* ---- all of them ----------------------------------------------------------------------------- */

int processes_open(uv_loop_t *loop, struct watcher *watcher, struct processes **out)
{
	struct processes *all = mem_alloc(sizeof(*all));
	int err = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) ? -errno : 0;

	all->loop = loop;
	all->watcher = watcher;
	if (!err)
		err = uv_signal_init(loop, &all->child);
	if (err) {
		free(all);
		return err;
	}
	all->child.data = all;
	uv_signal_start(&all->child, on_child, SIGCHLD);
	*out = all;
	return 0;
}

void processes_end(struct processes *all)
{
	pid_t *list = NULL;
	ssize_t count;

	for (struct process *process = all->first; process; process = process->next)
		process_kill(process);
	/* What becomes ours when its parent is gone is killed in the next round. */
	while ((count = children_list(&list)) > 0) {
		children_kill(NULL, NULL);
		for (ssize_t i = 0; i < count; i++)
			waitpid(list[i], NULL, 0);
		free(list);
	}
	free(list);
}
