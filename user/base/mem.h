/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory. Small allocations that fail abort the program with one line: the agent's death stops no
 * forwarding, and a half-done change in an agent that limps on would. Arenas hold what dies together,
 * such as one configuration.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdarg.h>

void *mem_alloc(size_t size);		    /* zeroed */
void *mem_array(size_t count, size_t size); /* zeroed; overflow aborts */
void *mem_resize(void *old, size_t count,
		 size_t size);	    /* as reallocarray; what is new is not zeroed */
char *mem_string(const char *text); /* strdup; NULL gives NULL */
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *mem_vformat(const char *format, va_list args);

/*
 * A large array that is looked at in no order: zeroed, on huge pages where there are any, and what
 * is never touched takes no memory. Freed by mem_unmap() with the same size.
 */
void *mem_map(size_t count, size_t size);
void mem_unmap(void *array, size_t count, size_t size); /* NULL is fine */

/*
 * Makes room for one more element in a list {pointer, count} that grows by doubling; returns the list. The
 * capacity is implied: a power of two at or above count.
 */
void *mem_grow(void *list, size_t count, size_t size);

struct arena;
struct arena *arena_new(void);
void *arena_alloc(struct arena *arena, size_t size); /* zeroed, aligned for anything */
char *arena_string(struct arena *arena, const char *text);
char *arena_format(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void arena_free(struct arena *arena); /* all at once; NULL is fine */

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
