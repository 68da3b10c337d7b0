/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key under which golden hashes and tables are: all its words derived from the bytes 0, 1, 2 ... */
#ifndef TESTS_FIXED_KEY_H
#define TESTS_FIXED_KEY_H

#include "core/key.h"

static inline struct key fixed_key(void)
{
	uint8_t master[SL_KEY_SIZE];
	struct key key;

	for (unsigned int i = 0; i < sizeof(master); i++)
		master[i] = i;
	key_derive(master, &key);
	return key;
}

#endif
