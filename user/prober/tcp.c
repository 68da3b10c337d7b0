/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp: whether a connection is accepted, and then it is reset (SO_LINGER 0, sock.c).
 *
 * TCP_QUICKACK off before connect() keeps the handshake's last ACK back, and the reset goes out in
 * its place: the server's kernel has said that somebody listens and that the accept queue has room,
 * and its program never sees the probe. A connection that is opened and closed without a word fills
 * logs ("SSL handshake failed"), counts as an attack (MySQL's max_connect_errors blocks the host
 * then), and wakes the program for nothing; one that is closed by FIN also costs a minute of
 * TIME_WAIT here. A program that hangs while its kernel accepts is for the other kinds to find.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "prober/run.h"
#include "prober/sock.h"

#define RUN_OF(watched) ((struct run *)((char *)(watched)-offsetof(struct run, watch)))

static void on_ready(struct watch *watch, uint32_t events)
{
	struct run *run = RUN_OF(watch);
	socklen_t length = sizeof(int);
	int error = 0;

	(void)events;
	if (getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &error, &length))
		error = errno;
	if (error)
		run_failed(run, "connect", error);
	else
		run_end(run, true, "%s", "");
}

static void start(struct run *run)
{
	const struct spec_target *target = &run->spec->target;
	char why[SOCK_WHY_SIZE];
	int fd = sock_open(target, SOCK_STREAM, IPPROTO_TCP, why), off = 0, err;

	if (fd < 0) {
		run_end(run, false, "%s", why);
		return;
	}
	run->watch.on_ready = on_ready;
	if (setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off)) ||
	    (connect(fd, &target->to.any, target->length) && errno != EINPROGRESS))
		err = -errno;
	else
		err = watch_add(run->host->watcher, &run->watch, fd, EPOLLOUT);
	if (!err)
		return;
	close(fd);
	run_failed(run, "connect", -err);
}

static const char *waits_for(const struct run *run)
{
	(void)run;
	return "the connection";
}

const struct run_kind run_tcp = {start, run_close, waits_for};
