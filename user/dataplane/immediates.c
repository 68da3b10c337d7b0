/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "dataplane/immediates.h"

/* Knobs lie within so many bytes; what a mark has above is what tells it from other numbers. */
#define OFFSETS 0xffffULL

_Static_assert(sizeof(struct sl_knobs) <= OFFSETS && !(SL_KNOB_MARK & OFFSETS) &&
		       !(SL_KNOB_WIDE_MARK & OFFSETS),
	       "a mark has room for any knob's offset");

static const struct knob {
	size_t at, size; /* within struct sl_knobs */
} knobs_known[] = {
#define SL_KNOB(type, name, off, on, help) \
	{offsetof(struct sl_knobs, name), sizeof(((struct sl_knobs *)0)->name)},
#include <sluice/knobs.def>
};

static bool is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

/* The value of a knob whose offset stands in a mark, and whether there is one: of 8 bytes, or of fewer. */
static bool find_value(const struct sl_knobs *knobs, size_t at, bool is_of_8, uint64_t *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(knobs_known); i++)
		if (knobs_known[i].at == at && (knobs_known[i].size == sizeof(*out)) == is_of_8) {
			*out = 0;
			memcpy(out, (const char *)knobs + at, knobs_known[i].size);
			return true;
		}
	return false;
}

static bool is_narrow_mark(const struct bpf_insn *insn)
{
	return insn->code == (BPF_ALU | BPF_MOV | BPF_K) &&
	       ((uint32_t)insn->imm & ~OFFSETS) == SL_KNOB_MARK;
}

/* A load of 64 bits is two instructions long, and has half of the number in each. */
static uint64_t wide_number(const struct bpf_insn insns[2])
{
	return (uint32_t)insns[0].imm | (uint64_t)(uint32_t)insns[1].imm << 32;
}

static bool is_wide_mark(const struct bpf_insn insns[2])
{
	return !insns[0].src_reg && (wide_number(insns) & ~OFFSETS) == SL_KNOB_WIDE_MARK;
}

/* The next instruction from `i` on that has a mark, or `count`. */
static size_t find_mark(const struct bpf_insn *insns, size_t i, size_t count)
{
	for (; i < count; i++)
		if (is_wide(&insns[i]) && i + 1 < count) {
			if (is_wide_mark(&insns[i]))
				return i;
			i++;
		} else if (is_narrow_mark(&insns[i])) {
			return i;
		}
	return count;
}

static int set_narrow(struct bpf_insn *insn, const struct sl_knobs *knobs)
{
	uint64_t value;

	if (!find_value(knobs, insn->imm & OFFSETS, false, &value))
		return -EINVAL;
	insn->imm = (int32_t)value;
	return 0;
}

static int set_wide(struct bpf_insn insns[2], const struct sl_knobs *knobs)
{
	uint64_t value;

	if (!find_value(knobs, wide_number(insns) & OFFSETS, true, &value))
		return -EINVAL;
	insns[0].imm = (int32_t)value;
	insns[1].imm = (int32_t)(value >> 32);
	return 0;
}

int immediates_set(struct bpf_insn *insns, size_t count, const struct sl_knobs *knobs)
{
	int err = 0;

	for (size_t i = find_mark(insns, 0, count); !err && i < count;) {
		bool wide = is_wide(&insns[i]);

		err = wide ? set_wide(&insns[i], knobs) : set_narrow(&insns[i], knobs);
		i = find_mark(insns, i + 1 + wide, count);
	}
	return err;
}

bool immediates_any(const struct bpf_insn *insns, size_t count)
{
	return find_mark(insns, 0, count) < count;
}
