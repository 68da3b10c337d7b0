/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who takes a service's new flows in the end: what core makes of the health of its backends (core/model_judge.h). */
#ifndef TESTS_TAKERS_H
#define TESTS_TAKERS_H

#include "base/text.h"
#include "health/health.h"

/* "to BACKEND ...", and " by fallback", " by panic" or " by max-ejected"; there is a way to everybody. False: no such service. */
bool takers_describe(const struct config *config, struct health *health, const char *service,
		     struct text *out);

#endif
