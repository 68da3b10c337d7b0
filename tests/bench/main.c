/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bench's command line. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/bpf.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/report.h"
#include "bench.skel.h" /* needs plan.h */

static const char help[] =
	"usage: bench [-q] [-j] [--json FILE] [--cpu N] [--case TEXT] [--object FILE]\n"
	"\n"
	"Measures what the data path costs, beside floors in the same rounds. Needs root.\n"
	"\n"
	"  -q, --quick        the most important cases, fewer and shorter rounds: about 50 s\n"
	"  -j                 JSON on standard output instead of tables\n"
	"      --json FILE    JSON into FILE, tables on standard output\n"
	"      --cpu N        run on this CPU (default: the last one)\n"
	"      --case TEXT    only the cases whose names or knobs contain TEXT, and nothing else\n"
	"      --object FILE  another BPF object of the balancer than the built-in one\n"
	"  -h, --help         this\n"
	"\n"
	"Exit code: 0 measured, 1 a case did not do what it says, or the bench cannot run, 2 "
	"usage.\n"
	"docs/bench.md tells the method and what the numbers mean.\n";

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(EXIT_FAILURE);
}

bool bench_has(const struct bench *bench, const struct bench_case *c)
{
	if (bench->only)
		return strstr(c->name, bench->only) ||
		       (c->knob && strstr(knob_name(c->knob), bench->only));
	return c->quick || !bench->quick;
}

struct options {
	bool json;
	const char *json_file;
};

static int parse_options(int argc, char **argv, struct bench *bench, struct options *options)
{
	enum { JSON = 256, CPU, CASE, OBJECT };
	static const struct option longs[] = {{"quick", no_argument, NULL, 'q'},
					      {"json", required_argument, NULL, JSON},
					      {"cpu", required_argument, NULL, CPU},
					      {"case", required_argument, NULL, CASE},
					      {"object", required_argument, NULL, OBJECT},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int option;

	while ((option = getopt_long(argc, argv, "qjh", longs, NULL)) != -1)
		switch (option) {
		case 'q':
			bench->quick = true;
			break;
		case 'j':
			options->json = true;
			break;
		case JSON:
			options->json_file = optarg;
			break;
		case CPU:
			bench->cpu = atoi(optarg);
			break;
		case CASE:
			bench->only = optarg;
			break;
		case OBJECT:
			bench->object = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			exit(EXIT_SUCCESS);
		default:
			return -EINVAL;
		}
	return optind == argc ? 0 : -EINVAL;
}

/* On one CPU, and before others there: what they leave in the caches would be measured too. */
static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("CPU %d: cannot run there: %s; choose another one by --cpu", cpu,
		     strerror(errno));
	if (setpriority(PRIO_PROCESS, 0, -20))
		fail("the priority cannot be raised: %s; run it as root", strerror(errno));
}

/* What a program calls must be of its own kind: of frames of several buffers, and loaded as the balancer is (load.c). */
static struct bench_bpf *load_programs(bool frags)
{
	struct bench_bpf *bpf = bench_bpf__open();
	struct bpf_program *program;

	if (bpf)
		bpf_object__for_each_program(program, bpf->obj)
		{
			bpf_program__set_expected_attach_type(program, 0);
			bpf_program__set_flags(program, frags ? BPF_F_XDP_HAS_FRAGS : 0);
		}
	if (!bpf || bench_bpf__load(bpf))
		fail("the bench's own programs do not load: %s%s", strerror(errno),
		     geteuid() ? "; run it as root" : "");
	return bpf;
}

static void setup(struct bench *bench)
{
	pin(bench->cpu);
	bench->packets = bench->quick ? 200000 : 2000000;
	bench->rounds = 9;
	bench->new_flows = 1ULL << 32;
	bench->deadline_s = bench->quick ? 20 : 180;
	for (int frags = 0; frags < 2; frags++)
		bench->bpf[frags] = load_programs(frags);
}

static void write_json(const json_t *report, const char *path)
{
	if (json_dump_file(report, path, JSON_INDENT(1) | JSON_REAL_PRECISION(6)))
		fail("%s: cannot be written", path);
}

int main(int argc, char **argv)
{
	struct bench bench = {.cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1};
	struct options options = {0};
	struct results results;
	json_t *report;

	if (parse_options(argc, argv, &bench, &options)) {
		fputs(help, stderr);
		return 2;
	}
	setup(&bench);
	live_pair(&bench);
	rounds_run(&bench, &results);
	report = report_make(&bench, &results);
	if (options.json_file)
		write_json(report, options.json_file);
	if (options.json)
		write_json(report, "/dev/stdout");
	else
		report_print(report, stdout);
	json_decref(report);
	free(results.cases);
	for (enum bench_world kind = 0; kind < WORLDS; kind++)
		world_close(&bench.worlds[kind]);
	for (int frags = 0; frags < 2; frags++)
		bench_bpf__destroy(bench.bpf[frags]);
	return EXIT_SUCCESS;
}
