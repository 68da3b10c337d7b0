/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket: answers that take time, and clients that do not wait for them. */
#include <unistd.h>

#include "base/mem.h"
#include "unit/support/served_api.h"
#include "unit/unit.h"

START_TEST(an_answer_that_takes_time_keeps_nobody_else_waiting_and_its_client_s_order)
{
	int slow, quick;

	start();
	slow = connect_to();
	quick = connect_to();
	say(slow, SOON VERSION);
	for (int i = 0; i < 100; i++) {
		say(quick, VERSION);
		expect(quick, "\"kind\":\"version\"");
	}
	expect(slow, "cannot be probed: the tests' answer");
	expect(slow, "\"kind\":\"version\"");
	close(slow);
	close(quick);
	stop();
}
END_TEST

START_TEST(who_does_not_wait_for_an_answer_that_takes_time_does_no_harm)
{
	int fds[3];

	start();
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			fds[i] = connect_to();
			say(fds[i], SOON);
		}
		close(fds[0]);
		close(fds[1]);
		expect(fds[2], "the tests' answer");
		close(fds[2]);
	}
	stop();
}
END_TEST

START_TEST(an_end_of_the_server_hangs_up_on_those_whom_an_answer_is_promised)
{
	int fd;

	start();
	fd = connect_to();
	say(fd, SOON);
	usleep(50000);
	stop();
	expect_end(fd);
}
END_TEST

/* Longer than the patience with those who are slow. */
START_TEST(an_answer_may_take_longer_than_clients_may)
{
	int fd;

	start();
	fd = connect_to();
	say(fd, LATE);
	expect(fd, "the tests' answer");
	close(fd);
	stop();
}
END_TEST

RUN_TESTS("api_promises",
	  an_answer_that_takes_time_keeps_nobody_else_waiting_and_its_client_s_order,
	  who_does_not_wait_for_an_answer_that_takes_time_does_no_harm,
	  an_end_of_the_server_hangs_up_on_those_whom_an_answer_is_promised,
	  an_answer_may_take_longer_than_clients_may)
