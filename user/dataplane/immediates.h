/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Knobs in the program's own instructions. The compiler leaves marks in their places (KNOB() in bpf/maps.h, the marks in
 * abi.h); before the program is loaded each is replaced by the knob's value, so that the verifier knows it and removes
 * what is off, and a packet pays no load for it. It is what static keys are to the kernel.
 */
#ifndef DATAPLANE_IMMEDIATES_H
#define DATAPLANE_IMMEDIATES_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#include <sluice/abi.h>

/*
 * Replaces all marks in a program's `count` instructions. -EINVAL: one is of no knob, so that the instructions are of other
 * sources than this; those before it are replaced then.
 */
int immediates_set(struct bpf_insn *insns, size_t count, const struct sl_knobs *knobs);

/* Whether there is a mark. */
bool immediates_any(const struct bpf_insn *insns, size_t count);

#endif
