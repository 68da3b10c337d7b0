/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing a frame byte by byte: what is put goes to its end, what is set is there already; words in network order. */
#ifndef REFERENCE_BYTES_H
#define REFERENCE_BYTES_H

#include <string.h>

#include "reference/reference.h"

static inline void put8(struct reference_frame *f, uint8_t value)
{
	f->data[f->length++] = value;
}

static inline void put16(struct reference_frame *f, uint16_t value)
{
	put8(f, value >> 8);
	put8(f, value);
}

static inline void put32(struct reference_frame *f, uint32_t value)
{
	put16(f, value >> 16);
	put16(f, value);
}

static inline void put(struct reference_frame *f, const void *bytes, size_t length)
{
	memcpy(f->data + f->length, bytes, length);
	f->length += length;
}

static inline void set16(struct reference_frame *f, size_t at, uint16_t value)
{
	f->data[at] = value >> 8;
	f->data[at + 1] = value;
}

#endif
