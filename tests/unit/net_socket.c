/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sockets' two ways to read: what a datagram holds, however it lies (sent by a second socket
 * of the protocol for users, which reaches no kernel part), and exchanges with the kernel's real
 * route netlink.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "base/mem.h"
#include "base/problem.h"
#include "net/messages.h"
#include "net/socket.h"
#include "unit/unit.h"

static _Alignas(4) uint8_t buffer[MESSAGE_REQUEST_SIZE];

/* Counts messages, and gives back `result` for each. */
struct counter {
	int count, result;
};

static int count_message(const struct nlmsghdr *message, size_t size, void *context)
{
	struct counter *counter = context;

	ck_assert_uint_ge(size, message->nlmsg_len);
	counter->count++;
	return counter->result;
}

static struct net_socket listener;
static struct mnl_socket *sender;

static void open_pair(void)
{
	listener.mnl = mnl_socket_open2(NETLINK_USERSOCK, SOCK_CLOEXEC | SOCK_NONBLOCK);
	sender = mnl_socket_open2(NETLINK_USERSOCK, SOCK_CLOEXEC);
	ck_assert(listener.mnl && sender);
	ck_assert_int_eq(mnl_socket_bind(listener.mnl, 0, MNL_SOCKET_AUTOPID), 0);
	ck_assert_int_eq(mnl_socket_bind(sender, 0, MNL_SOCKET_AUTOPID), 0);
}

static void send_bytes(const void *bytes, size_t size)
{
	struct sockaddr_nl to = {
		.nl_family = AF_NETLINK,
		.nl_pid = mnl_socket_get_portid(listener.mnl),
	};

	ck_assert_int_eq(sendto(mnl_socket_get_fd(sender), bytes, size, 0, (struct sockaddr *)&to,
				sizeof(to)),
			 (ssize_t)size);
}

static void close_pair(void)
{
	socket_close(&listener);
	mnl_socket_close(sender);
}

START_TEST(a_datagram_is_taken_apart_into_its_messages)
{
	struct nlmsghdr messages[3] = {{.nlmsg_len = sizeof(struct nlmsghdr)},
				       {.nlmsg_len = sizeof(struct nlmsghdr)},
				       {.nlmsg_len = sizeof(struct nlmsghdr)}};
	struct counter counter = {0};

	open_pair();
	ck_assert_int_eq(socket_listen(&listener, count_message, &counter), 0);
	send_bytes(messages, sizeof(messages));
	ck_assert_int_eq(socket_listen(&listener, count_message, &counter), 1);
	ck_assert_int_eq(counter.count, 3);
	ck_assert_int_eq(socket_listen(&listener, count_message, &counter), 0);
	send_bytes(messages, sizeof(messages));
	counter.result = -ECANCELED;
	ck_assert_int_eq(socket_listen(&listener, count_message, &counter), -ECANCELED);
	ck_assert_int_eq(counter.count, 4);
	close_pair();
}
END_TEST

START_TEST(messages_that_lie_about_their_length_are_refused)
{
	static const uint32_t lies[] = {0, 15, 17, 33, UINT32_MAX};
	struct counter counter = {0};

	open_pair();
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		struct nlmsghdr messages[2] = {{.nlmsg_len = sizeof(struct nlmsghdr)},
					       {.nlmsg_len = lies[i]}};

		counter.count = 0;
		send_bytes(messages, sizeof(messages));
		ck_assert_int_eq(socket_listen(&listener, count_message, &counter), -EBADMSG);
		ck_assert_int_eq(counter.count, 1);
	}
	send_bytes("short", 5);
	ck_assert_int_eq(socket_listen(&listener, count_message, &counter), -EBADMSG);
	close_pair();
}
END_TEST

START_TEST(a_datagram_too_long_to_be_read_counts_as_lost)
{
	static const uint8_t zeros[65 * 1024];
	struct counter counter = {0};

	open_pair();
	send_bytes(zeros, sizeof(zeros));
	ck_assert_int_eq(socket_listen(&listener, count_message, &counter), -ENOBUFS);
	ck_assert_int_eq(counter.count, 0);
	close_pair();
}
END_TEST

START_TEST(an_exchange_that_is_given_up_does_not_disturb_the_next)
{
	const struct addr loopback = {.family = 4, .bytes = {127, 0, 0, 1}};
	struct counter counter = {.result = -ECANCELED};
	struct net_socket sock;

	ck_assert_int_eq(socket_open(&sock, NULL), 0);
	for (int i = 0; i < 3; i++) {
		counter = (struct counter){.result = -ECANCELED};
		ck_assert_int_eq(socket_ask(&sock, message_ask_dump(buffer, RTM_GETLINK),
					    count_message, &counter),
				 -ECANCELED);
		ck_assert_int_eq(counter.count, 1);
		counter = (struct counter){0};
		ck_assert_int_eq(socket_ask(&sock, message_ask_route(buffer, &loopback),
					    count_message, &counter),
				 0);
		ck_assert_int_eq(counter.count, 1);
	}
	counter.count = 0;
	ck_assert_int_eq(
		socket_ask(&sock, message_ask_dump(buffer, RTM_GETLINK), count_message, &counter),
		0);
	ck_assert_int_ge(counter.count, 1);
	socket_close(&sock);
}
END_TEST

START_TEST(the_kernels_refusal_is_handed_on)
{
	const struct addr loopback = {.family = 4, .bytes = {127, 0, 0, 1}};
	struct net_socket sock;
	int err;

	ck_assert_int_eq(socket_open(&sock, NULL), 0);
	err = socket_ask(&sock, message_use_neighbour(buffer, INT32_MAX, &loopback), NULL, NULL);
	ck_assert(err == -ENODEV || err == -EPERM);
	socket_close(&sock);
	/* No part of the kernel is behind this protocol. */
	open_pair();
	ck_assert_int_eq(socket_ask(&listener, message_ask_dump(buffer, RTM_GETLINK), NULL, NULL),
			 -ECONNREFUSED);
	close_pair();
}
END_TEST

START_TEST(an_unknown_group_and_a_lack_of_descriptors_are_errors)
{
	static const int groups[] = {RTNLGRP_LINK, 100000, 0};
	struct rlimit limit, none;
	struct problems problems = {0};
	struct net *net = NULL;
	struct net_socket sock;

	ck_assert_int_eq(socket_open(&sock, groups), -EINVAL);
	ck_assert_ptr_null(sock.mnl);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_max = limit.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(socket_open(&sock, NULL), -EMFILE);
	ck_assert_int_eq(net_open(&net, &problems), -EMFILE);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_ptr_null(net);
	ck_assert_uint_eq(problems.count, 1);
	ck_assert_str_eq(problems.list[0].expected,
			 "cannot open a route netlink socket: Too many open files");
	problems_free(&problems);
}
END_TEST

RUN_TESTS("net_socket", a_datagram_is_taken_apart_into_its_messages,
	  messages_that_lie_about_their_length_are_refused,
	  a_datagram_too_long_to_be_read_counts_as_lost,
	  an_exchange_that_is_given_up_does_not_disturb_the_next, the_kernels_refusal_is_handed_on,
	  an_unknown_group_and_a_lack_of_descriptors_are_errors)
