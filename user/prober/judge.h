/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a received packet is to a probe. */
#ifndef PROBER_JUDGE_H
#define PROBER_JUDGE_H

enum judge { JUDGE_GOOD, JUDGE_BAD, JUDGE_NOT_OURS };

#define JUDGE_WHY_SIZE 96

#endif
