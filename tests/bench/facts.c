/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be said of the data path without running packets. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/report.h"
#include "core/maglev.h"

/* The first line of a file, or of its lines the first one that starts with `prefix`, after that; "-": none. */
static json_t *line_of(const char *path, const char *prefix)
{
	json_t *out = NULL;
	FILE *file = fopen(path, "re");
	char line[512];

	while (file && !out && fgets(line, sizeof(line), file))
		if (!strncmp(line, prefix, strlen(prefix))) {
			line[strcspn(line, "\n")] = '\0';
			out = json_string(line + strlen(prefix) +
					  strspn(line + strlen(prefix), " \t:"));
		}
	if (file)
		fclose(file);
	return out ? out : json_string("-");
}

json_t *facts_machine(const struct bench *bench)
{
	struct utsname names;

	uname(&names);
	return json_pack(
		"{s:s, s:s, s:o, s:i, s:i, s:o, s:o, s:o}", "kernel", names.release, "architecture",
		names.machine, "cpu_model", line_of("/proc/cpuinfo", "model name"), "cpus",
		(int)sysconf(_SC_NPROCESSORS_ONLN), "cpu", bench->cpu, "spectre_v2",
		line_of("/sys/devices/system/cpu/vulnerabilities/spectre_v2", ""),
		"spec_rstack_overflow",
		line_of("/sys/devices/system/cpu/vulnerabilities/spec_rstack_overflow", ""), "load",
		line_of("/proc/loadavg", ""));
}

/* Instructions that call into the kernel, in the program as it runs: inlined helpers and own functions are none. */
static unsigned int count_calls(const struct bpf_insn *insns, size_t count)
{
	unsigned int calls = 0;

	for (size_t i = 0; i < count; i++)
		if (insns[i].code == (BPF_JMP | BPF_CALL) && insns[i].src_reg != BPF_PSEUDO_CALL)
			calls++;
	return calls;
}

json_t *facts_program(struct bench *bench, enum bench_world kind)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	int fd = program_fd(bench, PROGRAM_BALANCER, kind);
	struct bpf_insn *insns;
	uint32_t bytes;
	json_t *out;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		fail("the program's info cannot be read: %s", strerror(errno));
	bytes = info.xlated_prog_len;
	insns = mem_alloc(bytes);
	out = json_pack("{s:i, s:i}", "verified_instructions", (int)info.verified_insns,
			"jit_bytes", (int)info.jited_prog_len);
	memset(&info, 0, sizeof(info));
	info.xlated_prog_insns = (uintptr_t)insns;
	info.xlated_prog_len = bytes;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		fail("the program's instructions cannot be read: %s", strerror(errno));
	json_object_set_new(out, "xlated_instructions", json_integer(bytes / sizeof(*insns)));
	json_object_set_new(out, "helper_calls",
			    json_integer(count_calls(insns, bytes / sizeof(*insns))));
	free(insns);
	return out;
}

/* Bytes that the kernel has allocated for a map; none for a trie that is empty. */
static uint64_t map_memory(int fd)
{
	char path[64], line[256];
	unsigned long long bytes = 0;
	bool told = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	while (file && !told && fgets(line, sizeof(line), file))
		told = sscanf(line, "memlock: %llu", &bytes) == 1;
	if (file)
		fclose(file);
	if (!told)
		fail("%s: does not tell a map's memory", path);
	return bytes;
}

json_t *facts_memory(struct bench *bench)
{
	static const char *const names[] = {
#define SL_ARRAY(name, value, entries)	  #name,
#define SL_DEVMAP(name, entries)	  #name,
#define SL_LPM(name, key, value, entries) #name,
#define SL_GRACE(name)			  #name,
#include <sluice/maps.def>
	};
	json_t *maps = json_object();
	uint64_t total = 0, bytes;
	struct change_loads loads;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bytes = map_memory(
			dataplane_map_fd(bench_world(bench, WORLD_DEFAULT)->dp, names[i]));
		json_object_set_new(maps, names[i], json_integer(bytes));
		total += bytes;
	}
	change_fill(bench, &loads);
	return json_pack("{s:o, s:I, s:i, s:f, s:f}", "maps", maps, "total", (json_int_t)total,
			 "flow_entry", (int)sizeof(struct sl_flow), "load_first_refused",
			 loads.first, "load_rarely_refused", loads.rarely);
}

#define MAGLEV_SIZE   65537
#define MAGLEV_ROUNDS 5

/* Builds into `table`; returns the best of some builds' CPU milliseconds. */
static double build(const struct maglev_member *members, size_t count, uint16_t *table)
{
	static const uint8_t key[MAGLEV_KEY_SIZE] = {1};
	double best = 1e9;

	for (int i = 0; i < MAGLEV_ROUNDS; i++) {
		struct timespec begin, end;
		double ms;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
		if (maglev_build(key, "bench", members, count, MAGLEV_SIZE, table))
			fail("a Maglev table of %zu backends cannot be built", count);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
		ms = (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6;
		best = ms < best ? ms : best;
	}
	return best;
}

/* Slots of the most loaded member over the average. */
static double max_over_average(const uint16_t *table, size_t count)
{
	unsigned int *slots = mem_array(count, sizeof(*slots)), most = 0;

	for (uint32_t i = 0; i < MAGLEV_SIZE; i++)
		if (++slots[table[i]] > most)
			most = slots[table[i]];
	free(slots);
	return most / ((double)MAGLEV_SIZE / count);
}

static json_t *maglev_row(size_t count)
{
	struct maglev_member *members = mem_array(count, sizeof(*members));
	uint16_t *before = mem_array(MAGLEV_SIZE, sizeof(*before));
	uint16_t *after = mem_array(MAGLEV_SIZE, sizeof(*after));
	unsigned int gone = count / 2, moved = 0, its = 0;
	double ms, spread;

	for (size_t i = 0; i < count; i++)
		members[i] = (struct maglev_member){{4, {10, 1, i >> 8, i}}, 1};
	ms = build(members, count, before);
	spread = max_over_average(before, count);
	memmove(members + gone, members + gone + 1, (count - gone - 1) * sizeof(*members));
	build(members, count - 1, after);
	for (uint32_t i = 0; i < MAGLEV_SIZE; i++) {
		its += before[i] == gone;
		moved += after[i] + (after[i] >= gone) != before[i];
	}
	free(members);
	free(before);
	free(after);
	return json_pack("{s:i, s:i, s:f, s:f, s:i, s:i}", "backends", (int)count, "slots",
			 MAGLEV_SIZE, "build_ms", ms, "max_over_average", spread, "moved",
			 (int)moved, "moved_at_least", (int)its);
}

json_t *facts_maglev(void)
{
	static const size_t counts[] = {10, 100, 1000, 10000};
	json_t *out = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		json_array_append_new(out, maglev_row(counts[i]));
	return out;
}
