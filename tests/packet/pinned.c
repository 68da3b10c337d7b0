/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "packet/pinned.h"

char pinned_dir[64];

static void take_down(void)
{
	struct problems p = {0};

	pinned_ok(dataplane_down(pinned_dir, &p), &p);
}

static void name_dir(void)
{
	snprintf(pinned_dir, sizeof(pinned_dir), "/sys/fs/bpf/sl-test-%d", getpid());
}

static void start(void)
{
	take_down();
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	pinned_run("ip link set lo up");
}

void pinned_add_fixtures(TCase *tc)
{
	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, name_dir, take_down);
	tcase_add_checked_fixture(tc, start, NULL);
}

struct dataplane_options pinned_options(void)
{
	struct dataplane_options options = {
		.pin_dir = pinned_dir,
		.limits = {.services = 4,
			   .listeners = 16,
			   .backends = 8,
			   .flows = 4096,
			   .slots = 1024,
			   .deny = 64},
		.key_id = {1, 2, 3, 4, 5, 6, 7, 8},
	};

	memset(&options.key, 0x5a, sizeof(options.key));
	return options;
}

void pinned_ok(int err, struct problems *p)
{
	if (err) {
		problems_print(p, stderr);
		ck_abort_msg("error %d", err);
	}
}

struct dataplane *pinned_open(const struct dataplane_options *options)
{
	struct dataplane *dp = NULL;
	struct problems p = {0};

	pinned_ok(dataplane_open(options, &dp, &p), &p);
	return dp;
}

void pinned_expect(struct problems *p, const char *words)
{
	bool found = false;

	for (size_t i = 0; i < p->count; i++) {
		char *text = problem_text(&p->list[i]);

		found |= strstr(text, words) != NULL;
		free(text);
	}
	if (!found) {
		problems_print(p, stderr);
		ck_abort_msg("no problem says '%s'", words);
	}
	problems_free(p);
}

void pinned_refuse(const struct dataplane_options *options, int error, const char *words)
{
	struct dataplane *dp = NULL;
	struct problems p = {0};
	int err = dataplane_open(options, &dp, &p);

	if (err != error)
		problems_print(&p, stderr);
	ck_assert_int_eq(err, error);
	ck_assert_ptr_null(dp);
	pinned_expect(&p, words);
}

bool pinned_exists(const char *name)
{
	char *path = mem_format("%s/%s", pinned_dir, name);
	bool yes = access(path, F_OK) == 0;

	free(path);
	return yes;
}

unsigned int pinned_count(const char *folder)
{
	char *path = mem_format("%s/%s", pinned_dir, folder);
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned int n = 0;

	free(path);
	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

void pinned_run(const char *format, ...)
{
	char *command;
	va_list args;

	va_start(args, format);
	command = mem_vformat(format, args);
	va_end(args);
	ck_assert_msg(system(command) == 0, "%s", command);
	free(command);
}

void pinned_drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	ck_assert_int_eq(syscall(SYS_capset, &header, none), 0);
}

uint32_t pinned_map_id(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);

	ck_assert_int_eq(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
	return info.id;
}

uint32_t pinned_program_id(int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);

	ck_assert_int_eq(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
	return info.id;
}

uint32_t pinned_program_on(const char *device)
{
	uint32_t id = 0;

	ck_assert_int_eq(bpf_xdp_query_id(if_nametoindex(device), 0, &id), 0);
	return id;
}

char *pinned_object(const char *name, size_t *size)
{
	const char *build = getenv("BUILD") ?: "build";
	char *path = mem_format("%s/%s", build, name), *data;
	struct problems p = {0};

	pinned_ok(file_read(path, 16 << 20, &data, size, &p), &p);
	free(path);
	return data;
}
