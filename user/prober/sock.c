/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "prober/sock.h"
#include "prober/spec.h"

const char *sock_reason(int error, char reason[SOCK_WHY_SIZE])
{
	const char *text = strerror(error);

	snprintf(reason, SOCK_WHY_SIZE, "%s", text);
	if (reason[0] && islower((unsigned char)reason[1]))
		reason[0] = tolower((unsigned char)reason[0]);
	return reason;
}

static int failed(char why[SOCK_WHY_SIZE], const char *step, const char *value)
{
	int error = errno;
	char reason[SOCK_WHY_SIZE];

	snprintf(why, SOCK_WHY_SIZE, "%s%s%.48s: %s", step, value ? " " : "", value ? value : "",
		 sock_reason(error, reason));
	return -error;
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static int bind_source(int fd, const struct spec_target *target, int type, char why[SOCK_WHY_SIZE])
{
	char text[INET6_ADDRSTRLEN];

	if (target->from.any.sa_family == AF_UNSPEC)
		return 0;
	/* The port is chosen by connect(), so that it need differ only for the same destination. */
	if (type == SOCK_STREAM && set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1))
		return failed(why, "IP_BIND_ADDRESS_NO_PORT", NULL);
	if (bind(fd, &target->from.any, target->length) == 0)
		return 0;
	inet_ntop(target->from.any.sa_family,
		  target->from.any.sa_family == AF_INET ? (const void *)&target->from.v4.sin_addr
							: (const void *)&target->from.v6.sin6_addr,
		  text, sizeof(text));
	return failed(why, "source address", text);
}

static int prepare(int fd, const struct spec_target *target, int type, char why[SOCK_WHY_SIZE])
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)))
		return failed(why, "SO_LINGER", NULL);
	/* CAP_NET_RAW will do from Linux 5.17 on. */
	if (target->mark && set(fd, SOL_SOCKET, SO_MARK, (int)target->mark))
		return failed(why, "SO_MARK", NULL);
	if (target->device &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, target->device, strlen(target->device) + 1))
		return failed(why, "device", target->device);
	return bind_source(fd, target, type, why);
}

int sock_open(const struct spec_target *target, int type, int protocol, char why[SOCK_WHY_SIZE])
{
	int fd = socket(target->to.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	int err;

	if (fd < 0)
		return failed(why, type == SOCK_RAW ? "raw socket" : "socket", NULL);
	err = prepare(fd, target, type, why);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
