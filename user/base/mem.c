/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that is there or ends the program. An arena is a list of chunks, filled from the front; what is
 * larger than a chunk gets one of its own. Each chunk is at least as large as all before it together would
 * suggest (sizes double up to a bound), so that a large configuration takes few allocations.
 */
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

#define CHUNK_FIRST (4 << 10)
#define CHUNK_LAST  (256 << 10)
#define HUGE_PAGE   ((size_t)2 << 20)

struct chunk {
	struct chunk *next;
	size_t size, used;
	alignas(max_align_t) unsigned char data[];
};

struct arena {
	struct chunk *chunks; /* the one being filled first */
	size_t next_size;
};

static void *must(void *memory)
{
	if (!memory) {
		fputs("out of memory\n", stderr);
		abort();
	}
	return memory;
}

void *mem_alloc(size_t size)
{
	return must(calloc(1, size ? size : 1));
}

void *mem_array(size_t count, size_t size)
{
	return must(calloc(count ? count : 1, size ? size : 1));
}

/* In whole huge pages; 0: too small for one. */
static size_t huge_size(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - 2 * HUGE_PAGE)
		must(NULL);
	return bytes < HUGE_PAGE ? 0 : (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

void *mem_map(size_t count, size_t size)
{
	size_t bytes = huge_size(count, size), before;
	char *memory;

	if (!bytes)
		return mem_array(count, size);
	memory = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	must(memory == MAP_FAILED ? NULL : memory);
	/* A huge page begins at a multiple of its size: what lies outside is given back. */
	before = -(uintptr_t)memory % HUGE_PAGE;
	if (before)
		munmap(memory, before);
	memory += before;
	munmap(memory + bytes, HUGE_PAGE - before);
	madvise(memory, bytes, MADV_HUGEPAGE); /* where there are none, small ones do */
	return memory;
}

void mem_unmap(void *array, size_t count, size_t size)
{
	size_t bytes = huge_size(count, size);

	if (!bytes)
		free(array);
	else if (array)
		munmap(array, bytes);
}

void *mem_resize(void *old, size_t count, size_t size)
{
	return must(reallocarray(old, count ? count : 1, size ? size : 1));
}

char *mem_string(const char *text)
{
	return text ? must(strdup(text)) : NULL;
}

char *mem_vformat(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	return must(text);
}

char *mem_format(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = mem_vformat(format, args);
	va_end(args);
	return text;
}

void *mem_grow(void *list, size_t count, size_t size)
{
	if (count & (count - 1))
		return list;
	return mem_resize(list, count ? 2 * count : 1, size);
}

struct arena *arena_new(void)
{
	struct arena *arena = mem_alloc(sizeof(*arena));

	arena->next_size = CHUNK_FIRST;
	return arena;
}

static struct chunk *chunk_add(struct arena *arena, size_t size)
{
	struct chunk *chunk;

	if (size < arena->next_size)
		size = arena->next_size;
	if (arena->next_size < CHUNK_LAST)
		arena->next_size *= 2;
	if (size > SIZE_MAX - sizeof(*chunk))
		must(NULL);
	chunk = mem_alloc(sizeof(*chunk) + size);
	chunk->size = size;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct chunk *chunk = arena->chunks;
	void *memory;

	if (size > SIZE_MAX - align)
		must(NULL);
	size = (size + align - 1) & ~(align - 1);
	if (!chunk || size > chunk->size - chunk->used)
		chunk = chunk_add(arena, size);
	memory = chunk->data + chunk->used;
	chunk->used += size;
	return memory;
}

char *arena_string(struct arena *arena, const char *text)
{
	size_t size;

	if (!text)
		return NULL;
	size = strlen(text) + 1;
	return memcpy(arena_alloc(arena, size), text, size);
}

char *arena_format(struct arena *arena, const char *format, ...)
{
	char *text, *copy;
	va_list args;

	va_start(args, format);
	text = mem_vformat(format, args);
	va_end(args);
	copy = arena_string(arena, text);
	free(text);
	return copy;
}

void arena_free(struct arena *arena)
{
	struct chunk *chunk, *next;

	if (!arena)
		return;
	for (chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(arena);
}
