/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For targets without a shim: what does not hold ends the process, and the fuzzer keeps the input. */
#ifndef FUZZ_REQUIRE_H
#define FUZZ_REQUIRE_H

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(holds)                                             \
	do {                                                       \
		if (!(holds)) {                                    \
			fprintf(stderr, "not true: %s\n", #holds); \
			abort();                                   \
		}                                                  \
	} while (0)

#endif
