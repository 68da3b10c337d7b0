/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Knobs in the program's instructions: each mark is replaced by its knob's value, and nothing else is touched. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <linux/bpf.h>

#include "base/mem.h"
#include "dataplane/immediates.h"
#include "unit/unit.h"

/* Each knob's value has all of its bits. */
static const struct sl_knobs all_ones = {
#define SL_KNOB(type, name_, off, on, help) .name_ = (type)-1,
#include <sluice/knobs.def>
};

static const struct {
	const char *name;
	size_t at, size;
	uint64_t value;
} knobs[] = {
#define SL_KNOB(type, name, off, on, help) \
	{#name, offsetof(struct sl_knobs, name), sizeof(type), (type)-1},
#include <sluice/knobs.def>
};

static struct bpf_insn move(uint32_t number)
{
	return (struct bpf_insn){
		.code = BPF_ALU | BPF_MOV | BPF_K, .dst_reg = 7, .imm = (int32_t)number};
}

static void load(struct bpf_insn out[2], uint64_t number)
{
	out[0] = (struct bpf_insn){
		.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = 7, .imm = (int32_t)number};
	out[1] = (struct bpf_insn){.imm = (int32_t)(number >> 32)};
}

static void check_same(const struct bpf_insn *insns, const struct bpf_insn *wanted, size_t count)
{
	ck_assert_mem_eq(insns, wanted, count * sizeof(*insns));
}

START_TEST(a_mark_becomes_its_knob_s_value)
{
	struct bpf_insn insns[2], wanted[2];
	size_t count = knobs[_i].size == 8 ? 2 : 1;

	if (count == 2) {
		load(insns, SL_KNOB_WIDE_MARK + knobs[_i].at);
		load(wanted, knobs[_i].value);
	} else {
		insns[0] = move(SL_KNOB_MARK + knobs[_i].at);
		wanted[0] = move(knobs[_i].value);
	}
	ck_assert_msg(immediates_any(insns, count), "%s", knobs[_i].name);
	ck_assert_msg(immediates_set(insns, count, &all_ones) == 0, "%s", knobs[_i].name);
	ck_assert_msg(!immediates_any(insns, count), "%s", knobs[_i].name);
	check_same(insns, wanted, count);
}
END_TEST

START_TEST(other_instructions_stay)
{
	uint32_t mark = SL_KNOB_MARK + offsetof(struct sl_knobs, deny);
	struct bpf_insn insns[8], wanted[8];

	insns[0] = move(mark ^ 1U << 30);
	insns[1] = move(mark);
	insns[1].code = BPF_ALU | BPF_ADD | BPF_K;
	insns[2] = move(mark);
	insns[2].code = BPF_ALU64 | BPF_MOV | BPF_K;
	/* Half of a number may look like a mark; nor is what a load of a map's address has in its place one. */
	load(&insns[3], (uint64_t)mark << 32 | mark);
	load(&insns[5], SL_KNOB_WIDE_MARK + offsetof(struct sl_knobs, place_xor));
	insns[5].src_reg = BPF_PSEUDO_MAP_VALUE;
	/* Cut off: the second half of a load is missing. */
	load(wanted, 0);
	insns[7] = wanted[0];
	memcpy(wanted, insns, sizeof(insns));
	ck_assert(!immediates_any(insns, ARRAY_SIZE(insns)));
	ck_assert_int_eq(immediates_set(insns, ARRAY_SIZE(insns), &all_ones), 0);
	check_same(insns, wanted, ARRAY_SIZE(insns));
}
END_TEST

START_TEST(a_mark_of_no_knob_is_refused)
{
	struct bpf_insn insns[2];

	insns[0] = move(SL_KNOB_MARK + sizeof(struct sl_knobs));
	ck_assert_int_eq(immediates_set(insns, 1, &all_ones), -EINVAL);
	load(insns, SL_KNOB_WIDE_MARK + sizeof(struct sl_knobs));
	ck_assert_int_eq(immediates_set(insns, 2, &all_ones), -EINVAL);
	/* One of a knob, but of the other size. */
	insns[0] = move(SL_KNOB_MARK + offsetof(struct sl_knobs, place_xor));
	ck_assert_int_eq(immediates_set(insns, 1, &all_ones), -EINVAL);
	load(insns, SL_KNOB_WIDE_MARK + offsetof(struct sl_knobs, deny));
	ck_assert_int_eq(immediates_set(insns, 2, &all_ones), -EINVAL);
}
END_TEST

int main(void)
{
	TCase *cases = unit_cases("immediates");

	tcase_add_loop_test(cases, a_mark_becomes_its_knob_s_value, 0, ARRAY_SIZE(knobs));
	tcase_add_test(cases, other_instructions_stay);
	tcase_add_test(cases, a_mark_of_no_knob_is_refused);
	return unit_run_cases("dataplane_immediates", cases);
}
