/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The penalty of flapping: whole numbers, the same on every host. Within a half-life it falls in a
 * straight line, which is near enough to the exponential of RFC 2439, and can be turned round.
 */
#include "health/state.h"

uint32_t flap_decay(uint32_t penalty, uint64_t elapsed_ms)
{
	uint64_t halvings = elapsed_ms / HEALTH_HALF_LIFE_MS,
		 rest = elapsed_ms % HEALTH_HALF_LIFE_MS;

	if (halvings >= 32)
		return 0;
	penalty >>= halvings;
	return penalty - penalty * rest / (2 * HEALTH_HALF_LIFE_MS);
}

/* Until it has fallen to HEALTH_REUSE. */
static uint64_t lasts_ms_of(uint32_t penalty)
{
	uint64_t lasts_ms = 0, rest_ms;

	for (; penalty / 2 > HEALTH_REUSE; penalty /= 2)
		lasts_ms += HEALTH_HALF_LIFE_MS;
	if (penalty <= HEALTH_REUSE)
		return lasts_ms;
	rest_ms = (penalty - HEALTH_REUSE) * 2ULL * HEALTH_HALF_LIFE_MS;
	rest_ms = (rest_ms + penalty - 1) / penalty;
	return lasts_ms + (rest_ms < HEALTH_HALF_LIFE_MS ? rest_ms : HEALTH_HALF_LIFE_MS);
}

uint64_t flap_left_ms(uint32_t penalty, uint64_t elapsed_ms)
{
	uint64_t lasts_ms = lasts_ms_of(penalty);

	return lasts_ms > elapsed_ms ? lasts_ms - elapsed_ms : 0;
}
