/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/socket.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "net/messages.h"

/* Above the 32 KiB that the kernel puts into one datagram of a dump at most (netlink_dump()). */
#define DATAGRAM_SIZE (64 * 1024)

/* Some thousands of neighbour messages. A small one is accounted with about 1 KiB. */
#define LISTEN_BUFFER (2 * 1024 * 1024)

static void listen_buffer(int fd)
{
	int size = LISTEN_BUFFER;

	/* Past net.core.rmem_max if we may; a smaller buffer only makes a new dump likelier. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

int socket_open(struct net_socket *sock, const int *groups)
{
	int err;

	sock->sequence = 0;
	sock->mnl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0));
	if (!sock->mnl)
		return -errno;
	if (mnl_socket_bind(sock->mnl, 0, MNL_SOCKET_AUTOPID))
		goto fail;
	if (groups)
		listen_buffer(mnl_socket_get_fd(sock->mnl));
	for (; groups && *groups; groups++) {
		int group = *groups;

		if (mnl_socket_setsockopt(sock->mnl, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
			goto fail;
	}
	return 0;
fail:
	err = -errno;
	socket_close(sock);
	return err;
}

void socket_close(struct net_socket *sock)
{
	if (sock->mnl)
		mnl_socket_close(sock->mnl);
	sock->mnl = NULL;
}

struct answer {
	socket_take *take;
	void *context;
	uint32_t sequence;
	bool is_dump;
	bool is_interrupted;
};

/* Returns 1: that was the last, 0: more will follow, or a negative errno. */
static int take_answer(struct answer *answer, const struct nlmsghdr *message, size_t size)
{
	int ret;

	/* What is left of an exchange that was given up. */
	if (message->nlmsg_seq != answer->sequence)
		return 0;
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		answer->is_interrupted = true;
	if (message->nlmsg_type == NLMSG_ERROR) {
		ret = message_read_error(message, size);
		return ret ? ret : 1;
	}
	if (message->nlmsg_type == NLMSG_DONE) {
		/* Carries the error that ended a dump early. */
		ret = message_read_error(message, size);
		return ret ? ret : answer->is_interrupted ? -EINTR : 1;
	}
	ret = answer->take ? answer->take(message, size, answer->context) : 0;
	if (ret)
		return ret;
	return !answer->is_dump;
}

/* Hands over the messages of one datagram; ends at the first result that is not 0. */
static int each_message(const void *datagram, size_t size, socket_take *take, void *context)
{
	const struct nlmsghdr *message = datagram;

	while (size > 0) {
		size_t step;
		int ret;

		if (size < sizeof(*message) || message->nlmsg_len < sizeof(*message) ||
		    message->nlmsg_len > size)
			return -EBADMSG;
		ret = take(message, size, context);
		if (ret)
			return ret;
		step = NLMSG_ALIGN(message->nlmsg_len);
		if (step >= size)
			break;
		size -= step;
		message = (const void *)((const char *)message + step);
	}
	return 0;
}

static int take_answer_of(const struct nlmsghdr *message, size_t size, void *context)
{
	return take_answer(context, message, size);
}

int socket_ask(struct net_socket *sock, struct nlmsghdr *request, socket_take *take, void *context)
{
	_Alignas(struct nlmsghdr) char datagram[DATAGRAM_SIZE];
	struct answer answer = {
		.take = take,
		.context = context,
		.sequence = ++sock->sequence,
		.is_dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP,
	};

	request->nlmsg_seq = answer.sequence;
	if (mnl_socket_sendto(sock->mnl, request, request->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t size = mnl_socket_recvfrom(sock->mnl, datagram, sizeof(datagram));
		int ret;

		if (size < 0)
			return -errno;
		ret = each_message(datagram, size, take_answer_of, &answer);
		if (ret)
			return ret == 1 ? 0 : ret;
	}
}

int socket_listen(struct net_socket *sock, socket_take *take, void *context)
{
	_Alignas(struct nlmsghdr) char datagram[DATAGRAM_SIZE];
	ssize_t size = mnl_socket_recvfrom(sock->mnl, datagram, sizeof(datagram));
	int ret;

	if (size < 0)
		return errno == EAGAIN ? 0 : errno == ENOSPC ? -ENOBUFS : -errno;
	ret = each_message(datagram, size, take, context);
	return ret < 0 ? ret : 1;
}
