/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `sluice-decap stats` prints. */
#ifndef DECAP_STATS_H
#define DECAP_STATS_H

#include <stddef.h>

#include "dataplane/decap.h"

struct problems;
struct text;

void stats_show(const struct decap_state *states, size_t count, struct text *out);

/*
 * {version, kind: "decap", data: {devices: [{device, mode, verdicts: {NAME: count}}]}}; no mode: the device is
 * gone.
 */
void stats_json(const struct decap_state *states, size_t count, struct text *out);

/* {version, kind: "error", code, errors: [{field, value, expected}]}, as sluicectl -j prints them. */
void stats_json_errors(int code, const struct problems *p, struct text *out);

#endif
