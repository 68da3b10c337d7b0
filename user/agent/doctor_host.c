/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel, the NICs and the disk say; read from /proc, /sys and by ethtool. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/doctor.h"
#include "agent/privileges.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "net/net.h"

#define SMALL_FILE   4096
#define LARGE_FILE   (1 << 20)
#define STATE_NEEDED (16 << 20) /* bytes free, so that changes can be kept */
#define STATE_LEAST  (1 << 20)	/* with fewer, some cannot */

/* A number in a file of /proc; false: it cannot be read. */
static bool read_number(const char *path, long *out)
{
	char *text;
	size_t length;

	if (file_read(path, SMALL_FILE, &text, &length, NULL))
		return false;
	*out = strtol(text, NULL, 10);
	free(text);
	return true;
}

/* ---- queues ---------------------------------------------------------------------------------- */

/* The CPUs on which interrupts of a device are handled; a CPU counts once, the first 1024 of them. */
struct interrupts {
	unsigned int count, cpu_count;
	bool cpus[1024];
};

static void note_interrupt(struct interrupts *seen, const char *number)
{
	char *path = mem_format("/proc/irq/%.*s/effective_affinity_list",
				(int)strspn(number, "0123456789"), number);
	long cpu;

	/* Most often one CPU; of a list the first is where they go. */
	if (read_number(path, &cpu) && cpu >= 0 && cpu < (long)ARRAY_SIZE(seen->cpus)) {
		seen->count++;
		seen->cpu_count += !seen->cpus[cpu];
		seen->cpus[cpu] = true;
	}
	free(path);
}

/* By the names that drivers give: "eth0-TxRx-3", "mlx5_comp3@pci:..." do not all name the device; then none is found. */
static void find_interrupts(const char *device, struct interrupts *out)
{
	char *text, *line, *rest;
	size_t length;

	if (file_read("/proc/interrupts", LARGE_FILE, &text, &length, NULL))
		return;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (strstr(line, device))
			note_interrupt(out, line + strspn(line, " "));
	free(text);
}

void doctor_look_at_queues(struct doctor *doctor, const char *device)
{
	uint32_t queues = net_receive_queues(doctor->agent->net, device);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct interrupts seen = {};

	find_interrupts(device, &seen);
	if (!queues) {
		doctor_add(doctor, "queues", API_NOTE, device, NULL,
			   "the driver does not say how many receive queues it has");
	} else if (queues < (uint32_t)cpus) {
		doctor_add(doctor, "queues", API_NOTE, device,
			   "where the NIC has more: ethtool -L DEVICE combined N",
			   "%u receive queue%s for %ld CPUs: the others take no packets", queues,
			   queues == 1 ? "" : "s", cpus);
	} else if (seen.count > 1 && seen.cpu_count < seen.count &&
		   seen.cpu_count < (unsigned int)cpus) {
		doctor_add(doctor, "queues", API_WARNING, device,
			   "spread them: start irqbalance, or write /proc/irq/N/smp_affinity_list",
			   "%u interrupts are handled by %u of %ld CPUs", seen.count,
			   seen.cpu_count, cpus);
	} else {
		doctor_add(doctor, "queues", API_OK, device, NULL, "%u receive queues for %ld CPUs",
			   queues, cpus);
	}
}

/* ---- the kernel ------------------------------------------------------------------------------ */

static void look_at_kernel(struct doctor *doctor)
{
	struct utsname name;
	unsigned int major = 0, minor = 0;

	if (uname(&name) || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return;
	if (major < 6 || (major == 6 && minor < 1))
		doctor_add(doctor, "kernel", API_ERROR, NULL, "run Linux 6.1 or later",
			   "%s is older than what sluice is made for", name.release);
	else
		doctor_add(doctor, "kernel", API_OK, NULL, NULL, "%s", name.release);
}

static void look_at_jit(struct doctor *doctor)
{
	long value;

	/* Only root may read it; the agent's own program tells nothing of it. */
	if (!read_number("/proc/sys/net/core/bpf_jit_enable", &value))
		doctor_add(doctor, "jit", API_NOTE, NULL, NULL,
			   "cannot be read: sysctl net.core.bpf_jit_enable should be 1");
	else if (!value)
		doctor_add(doctor, "jit", API_WARNING, NULL,
			   "sysctl -w net.core.bpf_jit_enable=1, then restart sluiced",
			   "BPF programs are interpreted, which is many times slower");
	else
		doctor_add(doctor, "jit", API_OK, NULL, NULL, "BPF programs are compiled");
}

/* ---- files ----------------------------------------------------------------------------------- */

/* What was said when the configuration was taken may have changed since. */
static void look_at_files(struct doctor *doctor)
{
	const struct config *config = engine_config(doctor->agent->engine);
	struct problems found = {};

	if (!config)
		return;
	hostfiles_check(config, &doctor->agent->users, &found);
	for (size_t i = 0; i < found.count; i++)
		doctor_add(doctor, "files", API_WARNING, found.list[i].value, NULL, "%s: %s",
			   found.list[i].field, found.list[i].expected);
	problems_free(&found);
}

/* ---- ourselves ------------------------------------------------------------------------------- */

static void look_at_privileges(struct doctor *doctor)
{
	struct problems p = {};

	if (privileges_check(&p)) {
		char *text = problem_text(&p.list[0]);

		doctor_add(doctor, "privileges", API_ERROR, NULL, NULL, "%s", text);
		free(text);
	} else if (geteuid() == 0) {
		doctor_add(doctor, "privileges", API_NOTE, NULL,
			   "make the user sluice (systemd-sysusers, or useradd --system sluice)",
			   "runs as root, with three capabilities alone");
	} else {
		doctor_add(doctor, "privileges", API_OK, NULL, NULL,
			   "runs as uid %u with three capabilities", geteuid());
	}
	problems_free(&p);
}

void doctor_look_at_state(struct doctor *doctor, bool quick)
{
	const char *dir = doctor->agent->options.state_dir;
	struct statvfs disk;
	unsigned long long free_bytes;

	if (access(dir, W_OK) || statvfs(dir, &disk)) {
		doctor_add(doctor, "state", API_ERROR, dir,
			   "see that it is there and belongs to the agent's user, and its disk",
			   "cannot be written: %s: every change is refused", strerror(errno));
		return;
	}
	free_bytes = (unsigned long long)disk.f_bavail * disk.f_frsize;
	if (free_bytes < STATE_LEAST)
		doctor_add(doctor, "state", API_ERROR, dir, "make room on its disk",
			   "only %llu KiB are free: changes may be refused", free_bytes >> 10);
	else if (quick)
		return;
	else if (free_bytes < STATE_NEEDED)
		doctor_add(doctor, "state", API_WARNING, dir, "make room on its disk",
			   "only %llu KiB are free", free_bytes >> 10);
	else
		doctor_add(doctor, "state", API_OK, dir, NULL, "can be written, %llu MiB are free",
			   free_bytes >> 20);
}

void doctor_look_at_host(struct doctor *doctor)
{
	look_at_kernel(doctor);
	look_at_jit(doctor);
	look_at_privileges(doctor);
	look_at_files(doctor);
}
