/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service manager hears what it is told, at a path and at an abstract name. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/notify.h"
#include "base/mem.h"
#include "unit/unit.h"

/* A socket as systemd has one; `name` begins with "@" where it is abstract. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address,
			      offsetof(struct sockaddr_un, sun_path) + strlen(name)),
			 0);
	return fd;
}

static void hears_at(const char *name)
{
	char heard[128] = "";
	int fd = listen_at(name);

	setenv("NOTIFY_SOCKET", name, 1);
	ck_assert_int_eq(notify_send("READY=1\nSTATUS=%d of %d", 5, 6), 0);
	ck_assert_int_gt(recv(fd, heard, sizeof(heard) - 1, MSG_DONTWAIT), 0);
	ck_assert_str_eq(heard, "READY=1\nSTATUS=5 of 6");
	ck_assert_int_eq(notify_reloading(), 0);
	memset(heard, 0, sizeof(heard));
	ck_assert_int_gt(recv(fd, heard, sizeof(heard) - 1, MSG_DONTWAIT), 0);
	ck_assert_int_eq(strncmp(heard, "RELOADING=1\nMONOTONIC_USEC=", 27), 0);
	close(fd);
}

START_TEST(a_path_and_an_abstract_name_are_reached)
{
	char *path = mem_format("/tmp/sluice-notify-%d", getpid());
	char *abstract = mem_format("@sluice-notify-%d", getpid());

	hears_at(path);
	unlink(path);
	hears_at(abstract);
	free(path);
	free(abstract);
}
END_TEST

START_TEST(no_manager_is_no_error_and_a_bad_address_is_one)
{
	char long_name[200] = "/";

	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(notify_send("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	ck_assert_int_eq(notify_send("READY=1"), 0);
	setenv("NOTIFY_SOCKET", "relative", 1);
	ck_assert_int_eq(notify_send("READY=1"), -EINVAL);
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	ck_assert_int_eq(notify_send("READY=1"), -ENOENT);
	memset(long_name + 1, 'x', sizeof(long_name) - 2);
	setenv("NOTIFY_SOCKET", long_name, 1);
	ck_assert_int_eq(notify_send("READY=1"), -ENAMETOOLONG);
}
END_TEST

RUN_TESTS("agent_notify", a_path_and_an_abstract_name_are_reached,
	  no_manager_is_no_error_and_a_bad_address_is_one)
