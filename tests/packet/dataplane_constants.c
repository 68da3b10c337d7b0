/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program's load-time constants: it loads with each of them both ways, and what the verifier has to do is bounded. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "dataplane/internal.h"
#include "packet/pinned.h"

/* Instructions that the verifier follows, of all programs in the object together; it gives up at a million for one. */
#define VERIFIED_MAX 200000

/* Each knob's two values, with the others at their first. */
static const struct sl_knobs knobs[] = {
#define SL_KNOB(type, name_, off_, on_, help) {.name_ = on_},
#include <sluice/knobs.def>
	{0},
};

static const struct sl_knobs knobs_off = {
#define SL_KNOB(type, name_, off_, on_, help) .name_ = off_,
#include <sluice/knobs.def>
};

/* Whatever can be switched on is; sizes, and what is never 0, are as in knobs_off, so that maps are small. */
static const struct sl_knobs all_on = {
#define SL_KNOB(type, name_, off_, on_, help) .name_ = (off_) ? (off_) : (on_),
#include <sluice/knobs.def>
};

static void choose_knobs(size_t which, struct sl_knobs *out)
{
	size_t n = 0;

	*out = knobs_off;
#define SL_KNOB(type, name_, off_, on_, help) \
	if (n++ == which)                     \
		out->name_ = knobs[which].name_;
#include <sluice/knobs.def>
}

static const char *const objects[] = {"bpf/sluice.bpf.o", "bpf-new/sluice.bpf.o"};

/* The object that one of the compilers made, loaded and verified with these constants. */
struct loaded {
	char *bytes;
	struct bpf_object *object;
	struct load_programs programs;
	struct map_set maps;
};

static void load(const char *object, const struct sl_knobs *wanted, struct loaded *out)
{
	struct dataplane_options options = pinned_options();
	struct problems p = {0};

	out->bytes = pinned_object(object, &options.object_size);
	options.object = out->bytes;
	options.limits.cpus = libbpf_num_possible_cpus();
	map_set_init(&out->maps, &options.limits);
	pinned_ok(load_open(&options, &out->object, &p), &p);
	pinned_ok(load_run(out->object,
			   &(struct load_constants){.knobs = wanted, .key = &options.key},
			   &out->maps, &out->programs, &p),
		  &p);
}

static void unload(struct loaded *loaded)
{
	map_set_close(&loaded->maps);
	bpf_object__close(loaded->object);
	free(loaded->bytes);
}

START_TEST(the_program_loads_with_every_constant_both_ways)
{
	unsigned char frame[64] = {0}, out[256];
	struct sl_knobs wanted;
	struct loaded loaded;
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = sizeof(frame),
		    .data_out = out, .data_size_out = sizeof(out));

	choose_knobs(_i % ARRAY_SIZE(knobs), &wanted);
	load(objects[_i / ARRAY_SIZE(knobs)], &wanted, &loaded);
	ck_assert_int_eq(bpf_prog_test_run_opts(loaded.programs.balancer, &run), 0);
	ck_assert_uint_eq(run.retval, XDP_PASS);
	unload(&loaded);
}
END_TEST

static uint32_t verified(const struct bpf_object *object)
{
	struct bpf_program *program;
	uint32_t sum = 0;

	bpf_object__for_each_program(program, object)
	{
		struct bpf_prog_info info = {0};
		__u32 size = sizeof(info);

		if (bpf_program__fd(program) < 0)
			continue;
		ck_assert_int_eq(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size), 0);
		sum += info.verified_insns;
	}
	return sum;
}

START_TEST(whatever_is_on_the_verifier_follows_fewer_than_200_000_instructions)
{
	const char *object = objects[_i];
	struct loaded off, on;

	load(object, &knobs_off, &off);
	load(object, &all_on, &on);
	printf("%s: %u instructions verified with all on, %u with all off\n", object,
	       verified(on.object), verified(off.object));
	ck_assert_uint_gt(verified(off.object), 10000);
	ck_assert_uint_lt(verified(on.object), VERIFIED_MAX);
	unload(&on);
	unload(&off);
}
END_TEST

Suite *dataplane_constants_suite(void)
{
	Suite *suite = suite_create("dataplane_constants");
	TCase *tc = tcase_create("constants");

	tcase_add_loop_test(tc, the_program_loads_with_every_constant_both_ways, 0,
			    ARRAY_SIZE(knobs) * ARRAY_SIZE(objects));
	tcase_add_loop_test(tc, whatever_is_on_the_verifier_follows_fewer_than_200_000_instructions,
			    0, ARRAY_SIZE(objects));
	suite_add_tcase(suite, tc);
	return suite;
}
