/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's part, for BPF programs in user space: maps in memory, and frames between poisoned bytes. */
#ifndef FUZZ_SHIM_H
#define FUZZ_SHIM_H

#include <stddef.h>
#include <stdint.h>

#define SHIM_FRAME_MAX 4096
#define SHIM_ROOM_MAX  256

/* A map of the program under test. */
struct shim_map {
	const void *map;
	void *(*find)(const void *key); /* NULL: an array, at `values` */
	uint8_t *values;
	size_t value_size;
	uint32_t entries;
};
void shim_set_maps(const struct shim_map *maps, size_t count);

/* Places a frame, with so many bytes of room before it. Its address fits 32 bits. */
void shim_frame(const uint8_t *data, size_t length, size_t room);
/* The frame as it is now. */
uint32_t shim_data(void);
uint32_t shim_data_end(void);

/* Tells the input and ends the process, for the fuzzer to keep it. */
#define SHIM_REQUIRE(holds, ...)                        \
	do {                                            \
		if (!(holds))                           \
			shim_fail(#holds, __VA_ARGS__); \
	} while (0)
void shim_fail(const char *what, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

#endif
