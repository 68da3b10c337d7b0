/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The balancer against the reference (reference.h): frames at random through the loaded program (BPF_PROG_TEST_RUN) under
 * configurations at random, compared by verdict, XDP action and every byte of what is sent or passes.
 *
 *	differential [--seed N] [--seconds N] [--scene N] [--object FILE]
 *
 * A run goes on for some seconds, a scene after the other; what it finds is told with the command that finds it again.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/internal.h"
#include "reference/scene.h"

#define FRAMES	   4000 /* of a scene */
#define SCENES_MIN 4	/* whatever the time */
#define ROOM	   256	/* XDP_PACKET_HEADROOM; the kernel's test runs leave it */

struct options {
	uint64_t seed;
	unsigned int seconds;
	int scene; /* this one alone; -1: one after the other */
	const char *object_path;
	void *object;
	size_t object_size;
};

static const char *const verdicts[] = {
	"go_on",
#define SL_VERDICT(name, action, help) #action " " #name,
#include <sluice/verdicts.def>
};

/* Verdicts that some frame of a test run must reach: not where there is no room, which there always is, and so on. */
static bool must_be_reached(enum sl_verdict verdict)
{
	switch (verdict) {
	case SL_SEND_tx:
	case SL_SEND_redirect:
	case SL_SEND_icmp_error:
	case SL_SEND_echo_answered:
	case SL_PASS_not_ip:
	case SL_PASS_tagged:
	case SL_PASS_untagged:
	case SL_PASS_group:
	case SL_PASS_other_protocol:
	case SL_PASS_no_listener:
	case SL_PASS_unreadable:
	case SL_DROP_bad_length:
	case SL_DROP_bad_tcp:
	case SL_DROP_bad_udp:
	case SL_DROP_many_headers:
	case SL_DROP_fragment:
	case SL_DROP_tiny_fragment:
	case SL_DROP_denied:
	case SL_DROP_no_backend:
	case SL_DROP_no_nexthop:
	case SL_DROP_too_big:
		return true;
	default:
		return false;
	}
}

static int action_of(const struct reference_result *result)
{
	switch (result->verdict) {
#define SL_VERDICT(name, action, help) \
	case SL_##action##_##name:     \
		return ACTION_##action;
#define ACTION_PASS XDP_PASS
#define ACTION_DROP XDP_DROP
#define ACTION_SEND (result->is_redirected ? XDP_REDIRECT : XDP_TX)
#include <sluice/verdicts.def>
	default:
		return XDP_ABORTED;
	}
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* ---- telling ------------------------------------------------------------------------------------------------- */

static void print_bytes(const char *what, const struct reference_frame *f)
{
	printf("  %s, %zu bytes:", what, f->length);
	for (size_t i = 0; i < f->length; i++)
		printf("%s%02x", i % 4 ? "" : " ", f->data[i]);
	printf("\n");
}

struct outcome {
	enum sl_verdict verdict;
	int action;
	struct reference_frame frame;
};

static void tell(const struct options *o, const struct scene *scene, int number, int frame,
		 const struct reference_frame *in, const struct outcome *got,
		 const struct outcome *wanted)
{
	size_t at = 0;

	printf("not ok - seed %llu, scene %d, frame %d: the program and the reference differ\n",
	       (unsigned long long)o->seed, number, frame);
	scene_print(scene);
	print_bytes("in", in);
	printf("  program: %s, action %d; reference: %s, action %d\n", verdicts[got->verdict],
	       got->action, verdicts[wanted->verdict], wanted->action);
	print_bytes("program", &got->frame);
	print_bytes("reference", &wanted->frame);
	while (at < got->frame.length && at < wanted->frame.length &&
	       got->frame.data[at] == wanted->frame.data[at])
		at++;
	printf("  the frames are alike up to byte %zu\n", at);
	printf("  again: build/tests/differential --seed %llu --scene %d%s%s\n",
	       (unsigned long long)o->seed, number, o->object_path ? " --object " : "",
	       o->object_path ? o->object_path : "");
}

/* ---- running ------------------------------------------------------------------------------------------------- */

static int run_program(struct dataplane *dp, const struct reference_frame *in, struct outcome *out)
{
	const struct dataplane_view *view = dataplane_view(dp);
	struct xdp_md context = {.data_end = in->length, .ingress_ifindex = SCENE_IFINDEX};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->data, .data_size_in = in->length,
		    .data_out = out->frame.data, .data_size_out = sizeof(out->frame.data),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);
	uint64_t before[SL_VERDICTS], after[SL_VERDICTS];
	int err;

	/* Another tick for each, so that no limit by time is reached. */
	dp->maps.control->tick++;

	dataplane_count_verdicts(view, before);
	err = bpf_prog_test_run_opts(dataplane_program_fd(dp), &run);
	if (err) {
		printf("not ok - test run of %zu bytes: %s\n", in->length, strerror(-err));
		return err;
	}
	dataplane_count_verdicts(view, after);
	out->verdict = SL_GO_ON;
	for (int v = 1; v < SL_VERDICTS; v++) {
		if (after[v] == before[v])
			continue;
		/* Not one verdict alone: none that the reference can have. */
		out->verdict = after[v] == before[v] + 1 && !out->verdict ? v : SL_GO_ON;
	}
	out->action = run.retval;
	out->frame.length = run.data_size_out;
	return 0;
}

static bool are_alike(const struct reference_result *result, struct outcome *got,
		      const struct outcome *wanted)
{
	if (got->verdict != wanted->verdict || got->action != wanted->action)
		return false;
	if (got->action == XDP_DROP)
		return true;
	if (got->frame.length != wanted->frame.length)
		return false;
	/* One that cannot be foretold is not 0, for none. */
	if (result->any_checksum &&
	    (got->frame.data[result->any_checksum] || got->frame.data[result->any_checksum + 1]))
		memcpy(got->frame.data + result->any_checksum,
		       wanted->frame.data + result->any_checksum, 2);
	return !memcmp(got->frame.data, wanted->frame.data, wanted->frame.length);
}

static struct dataplane *open_dataplane(const struct options *o, const struct scene *scene)
{
	struct dataplane_options options = {.limits = scene_limits,
					    .key = scene->reference.key,
					    .features = scene->features,
					    .vlans = &scene->vlans,
					    .manual_clock = true,
					    .object = o->object,
					    .object_size = o->object_size};
	const struct dataplane_ops *ops = dataplane_operations();
	struct prefix denied[REFERENCE_DENIED];
	struct problems p = {0};
	struct dataplane *dp;
	int err;

	if (dataplane_open(&options, &dp, &p)) {
		problems_print(&p, stdout);
		printf("not ok - the balancer does not load\n");
		return NULL;
	}
	err = scene_fill(scene, ops, dp);
	if (!err)
		err = dataplane_write_denied(dp, denied, scene_denied(scene, denied), &p);
	if (!err)
		err = ops->open_way(dp, scene_other_ifindex);
	if (!err)
		return dp;
	printf("not ok - the scene cannot be written: %s\n", strerror(-err));
	scene_print(scene);
	dataplane_close(dp);
	return NULL;
}

/* Runs one scene; returns whether all frames came out as they should. */
static bool run_scene(const struct options *o, int number, uint64_t counts[SL_VERDICTS])
{
	static struct reference_frame in;
	static struct outcome got, wanted;
	static struct reference_memory memory;
	static struct scene scene;
	uint64_t seed = o->seed * 1000003 + number;
	struct reference_result result;
	struct dataplane *dp;
	bool alike = true;

	scene_make(seed, &scene);
	dp = open_dataplane(o, &scene);
	if (!dp)
		return false;
	memset(&memory, 0, sizeof(memory));
	memory.lifetime = dataplane_ticks(dataplane_view(dp), 30000);
	frames_start(seed);
	for (int i = 0; alike && i < FRAMES; i++) {
		bool again = false;

		frames_make(&scene, &in);
		do {
			memory.now++; /* as run_program() does */
			result = reference_run(&scene.reference, &memory, &in, SCENE_IFINDEX, ROOM,
					       &wanted.frame);
			wanted.verdict = result.verdict;
			wanted.action = action_of(&result);
			alike = !run_program(dp, &in, &got) && are_alike(&result, &got, &wanted);
			if (!alike)
				tell(o, &scene, number, i, &in, &got, &wanted);
			counts[wanted.verdict]++;
			again = alike && !again && result.way && frames_aim(&in, &wanted.frame);
		} while (again);
	}
	dataplane_close(dp);
	return alike;
}

/* Each verdict that a frame can reach has been reached often enough to mean something. */
static bool check_counts(const uint64_t counts[SL_VERDICTS], int scenes)
{
	bool enough = true;

	for (int v = 1; v < SL_VERDICTS; v++) {
		bool is_few = must_be_reached(v) && counts[v] < 2u * scenes;

		if (must_be_reached(v) || counts[v])
			printf("%8llu %s\n", (unsigned long long)counts[v], verdicts[v]);
		if (is_few)
			printf("not ok - too few frames of %s\n", verdicts[v]);
		enough = enough && !is_few;
	}
	return enough;
}

static int run(const struct options *o)
{
	double end = seconds_now() + o->seconds;
	uint64_t counts[SL_VERDICTS] = {0};
	int scenes = 0, bad = 0;

	if (o->scene >= 0) {
		bad = !run_scene(o, o->scene, counts);
		printf("%d passed, %d failed\n", !bad, bad);
		return bad;
	}
	while (!bad && (scenes < SCENES_MIN || seconds_now() < end))
		bad = !run_scene(o, scenes++, counts);
	printf("%d scenes of %d frames, seed %llu\n", scenes, FRAMES, (unsigned long long)o->seed);
	if (!bad)
		bad = !check_counts(counts, scenes);
	printf("%d passed, %d failed\n", scenes - bad, bad);
	return bad;
}

/* ---- the command ---------------------------------------------------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr,
		"usage: differential [--seed N] [--seconds N] [--scene N] [--object FILE]\n");
	return 2;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {{"seed", required_argument, NULL, 'r'},
					      {"seconds", required_argument, NULL, 's'},
					      {"scene", required_argument, NULL, 'n'},
					      {"object", required_argument, NULL, 'o'},
					      {0}};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'r':
			o->seed = strtoull(optarg, NULL, 10);
			break;
		case 's':
			o->seconds = strtoul(optarg, NULL, 10);
			break;
		case 'n':
			o->scene = strtol(optarg, NULL, 10);
			break;
		case 'o':
			o->object_path = optarg;
			break;
		default:
			return usage();
		}
	return optind == argc ? 0 : usage();
}

/* Frames come in by lo, and leave by it or by another interface, in a network namespace of their own. */
static int make_interfaces(void)
{
	if (unshare(CLONE_NEWNET) || system("ip link add sl-a type veth peer name sl-b"))
		return -1;
	scene_other_ifindex = if_nametoindex("sl-a");
	return scene_other_ifindex ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct options o = {.seed = 1, .seconds = 10, .scene = -1};
	char *object = NULL;
	int err = parse(argc, argv, &o);

	if (err)
		return err;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (make_interfaces()) {
		printf("not ok - cannot make interfaces in a network namespace (run it as root): "
		       "%s\n",
		       strerror(errno));
		printf("0 passed, 1 failed\n");
		return 1;
	}
	if (o.object_path && file_read(o.object_path, 64 << 20, &object, &o.object_size, NULL)) {
		fprintf(stderr, "differential: %s cannot be read: %s\n", o.object_path,
			strerror(errno));
		return 1;
	}
	o.object = object;
	err = run(&o);
	free(object);
	return err;
}
