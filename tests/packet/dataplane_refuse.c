/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a start refuses, by which words, and that nothing is left behind then. */
#include <bpf/bpf.h>
#include <elf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "packet/pinned.h"

START_TEST(a_second_agent_on_the_same_pins_is_refused)
{
	struct dataplane_options options = pinned_options();
	struct dataplane *dp = pinned_open(&options);
	struct problems p = {0};

	pinned_refuse(&options, -EWOULDBLOCK, "is held by another process");
	ck_assert_int_eq(dataplane_down(pinned_dir, &p), -EWOULDBLOCK);
	pinned_expect(&p, "is held by another process");
	ck_assert(pinned_exists("maps/hot"));
	dataplane_close(dp);
	dataplane_close(pinned_open(&options));
}
END_TEST

START_TEST(a_pin_directory_that_is_on_no_bpf_file_system_is_refused_and_not_made)
{
	char dir[] = "/tmp/sl-test-XXXXXX";
	struct dataplane_options options = pinned_options();
	struct problems p = {0};
	char *below;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	below = mem_format("%s/a/b", dir);
	options.pin_dir = below;
	pinned_refuse(&options, -EINVAL, "is not on a BPF file system");
	ck_assert_int_eq(dataplane_down(dir, &p), -EINVAL);
	pinned_expect(&p, "is not on a BPF file system");
	ck_assert_int_eq(rmdir(dir), 0);
	free(below);
}
END_TEST

START_TEST(without_privilege_nothing_is_left_behind)
{
	struct dataplane_options options = pinned_options();

	pinned_drop_capabilities();
	pinned_refuse(&options, -EPERM, "run this as root");
	ck_assert(!pinned_exists(""));
}
END_TEST

START_TEST(another_user_is_told_to_be_root)
{
	struct dataplane_options options = pinned_options();

	ck_assert_int_eq(setgid(65534), 0);
	ck_assert_int_eq(setuid(65534), 0);
	pinned_refuse(&options, -EPERM, "root");
}
END_TEST

START_TEST(limits_beyond_the_memory_are_refused_and_nothing_is_left_behind)
{
	struct dataplane_options options = pinned_options();

	options.limits.flows = 1u << 31;
	pinned_refuse(&options, -ENOMEM, "lower `limits`");
	ck_assert(!pinned_exists(""));
}
END_TEST

static const struct sl_limits impossible_limits[] = {
	{1, 0, 16, 8, 4096, 1024, 64, 0},
	{0, 4, 0, 8, 4096, 1024, 64, 0},
	{0, 4, 16, 0, 4096, 1024, 64, 0},
	{0, 4, 16, 32768, 4096, 1024, 64, 0},
	{0, 4, 16, 8, 5000, 1024, 64, 0},
	{0, 4, 16, 8, 2, 1024, 64, 0},
	{0, 4, 16, 8, 4096, 1000, 64, 0},
	{0, 4, 16, 8, 4096, 0, 64, 0},
	{0, 4, 16, 8, 4096, SL_SLOTS_MAX + 32, 64, 0},
	{0, 4, 16, 8, 4096, 1024, 64, 2},
	{0, 4, 16, 8, 4096, 1024, 64, 100},
};

START_TEST(impossible_limits_are_refused)
{
	struct dataplane_options options = pinned_options();

	options.limits = impossible_limits[_i];
	pinned_refuse(&options, -EINVAL, "limits");
	ck_assert(!pinned_exists(""));
}
END_TEST

START_TEST(an_object_that_is_none_or_another_is_refused)
{
	struct dataplane_options options = pinned_options();
	size_t size;
	char *decap = pinned_object("bpf/decap.bpf.o", &size);

	options.object = "rubbish";
	options.object_size = 7;
	pinned_refuse(&options, -EINVAL, "cannot be read");
	options.object = decap;
	options.object_size = size;
	pinned_refuse(&options, -EINVAL, "it has no such map");
	free(decap);
	ck_assert(!pinned_exists(""));
}
END_TEST

static Elf64_Shdr *section(char *object, const char *name)
{
	const Elf64_Ehdr *elf = (const void *)object;
	Elf64_Shdr *sections = (void *)(object + elf->e_shoff);
	const char *names = object + sections[elf->e_shstrndx].sh_offset;

	for (int i = 0; i < elf->e_shnum; i++)
		if (strcmp(names + sections[i].sh_name, name) == 0)
			return &sections[i];
	ck_abort_msg("the object has no section %s", name);
}

/* The balancer's own instructions in the object. */
static struct bpf_insn *instructions(char *object, size_t *count)
{
	const Elf64_Shdr *its = section(object, "sluice/xdp");

	*count = its->sh_size / sizeof(struct bpf_insn);
	return (void *)(object + its->sh_offset);
}

/* Frees the object, with which nothing starts and of which nothing is left. */
static void refuse_object(struct dataplane_options *options, char *object, int err,
			  const char *words)
{
	options->object = object;
	pinned_refuse(options, err, words);
	ck_assert(!pinned_exists(""));
	free(object);
}

START_TEST(what_the_verifier_says_is_said)
{
	struct dataplane_options options = pinned_options();
	char *object = pinned_object("bpf/sluice.bpf.o", &options.object_size);
	size_t count;

	/* The first instruction reads a register that nothing has written. */
	*instructions(object, &count) =
		(struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 9};
	refuse_object(&options, object, -EACCES, "R9 !read_ok");
}
END_TEST

START_TEST(an_object_with_knobs_of_other_sources_is_refused)
{
	struct dataplane_options options = pinned_options();
	char *object = pinned_object("bpf/sluice.bpf.o", &options.object_size);
	struct bpf_insn *insns;
	size_t count, marks = 0;

	insns = instructions(object, &count);
	for (size_t i = 0; i < count; i++)
		if (insns[i].code == (BPF_ALU | BPF_MOV | BPF_K) &&
		    ((uint32_t)insns[i].imm & 0xffff0000) == SL_KNOB_MARK) {
			insns[i].imm = SL_KNOB_MARK + sizeof(struct sl_knobs);
			marks++;
		}
	ck_assert_uint_gt(marks, 10);
	refuse_object(&options, object, -EINVAL, "a knob that is not in this program");
}
END_TEST

START_TEST(an_object_whose_knobs_have_changed_places_is_refused)
{
	struct dataplane_options options = pinned_options();
	char *object = pinned_object("bpf/sluice.bpf.o", &options.object_size), *first, *second;
	const Elf64_Shdr *btf = section(object, ".BTF");

	first = memmem(object + btf->sh_offset, btf->sh_size, "\0half4", sizeof("\0half4"));
	second = memmem(object + btf->sh_offset, btf->sh_size, "\0half6", sizeof("\0half6"));
	ck_assert(first && second);
	memcpy(first, "\0half6", sizeof("\0half6"));
	memcpy(second, "\0half4", sizeof("\0half4"));
	refuse_object(&options, object, -EINVAL,
		      "'half4': it does not have this knob in its place");
}
END_TEST

START_TEST(an_object_whose_programs_are_in_other_sections_is_refused)
{
	struct dataplane_options options = pinned_options();
	char *object = pinned_object("bpf/sluice.bpf.o", &options.object_size);

	section(object, "sluice/xdp")->sh_name += strlen("sluice/");
	refuse_object(&options, object, -EINVAL, "its section is xdp, where its knobs are not set");
}
END_TEST

Suite *dataplane_refuse_suite(void)
{
	Suite *suite = suite_create("dataplane_refuse");
	TCase *tc = tcase_create("refuse");

	pinned_add_fixtures(tc);
	tcase_add_test(tc, a_second_agent_on_the_same_pins_is_refused);
	tcase_add_test(tc, a_pin_directory_that_is_on_no_bpf_file_system_is_refused_and_not_made);
	tcase_add_test(tc, without_privilege_nothing_is_left_behind);
	tcase_add_test(tc, another_user_is_told_to_be_root);
	tcase_add_test(tc, limits_beyond_the_memory_are_refused_and_nothing_is_left_behind);
	tcase_add_loop_test(tc, impossible_limits_are_refused, 0, ARRAY_SIZE(impossible_limits));
	tcase_add_test(tc, an_object_that_is_none_or_another_is_refused);
	tcase_add_test(tc, what_the_verifier_says_is_said);
	tcase_add_test(tc, an_object_with_knobs_of_other_sources_is_refused);
	tcase_add_test(tc, an_object_whose_knobs_have_changed_places_is_refused);
	tcase_add_test(tc, an_object_whose_programs_are_in_other_sections_is_refused);
	suite_add_tcase(suite, tc);
	return suite;
}
