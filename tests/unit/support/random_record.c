/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/mem.h"
#include "random.h"
#include "unit/support/random_record.h"

static const char *draw_text(struct arena *arena)
{
	static const char *const pieces[] = {"web",	     "10.0.1.11", "",
					     "\"quoted\\\"", "\n\t\x01",  "\u00fc\u20ac",
					     "\U0001f40e",   "{}[],:",	  "/"};

	return arena_format(arena, "%s%s", pieces[random_next() % ARRAY_SIZE(pieces)],
			    pieces[random_next() % ARRAY_SIZE(pieces)]);
}

void random_record(struct arena *arena, const struct wire_record *record, void *data)
{
	for (size_t i = 0; i < record->count; i++) {
		const struct wire_field *field = &record->fields[i];
		void *at = (char *)data + field->offset;
		size_t count = random_next() % 4;
		struct {
			void *list;
			size_t count;
		} list = {NULL, count};

		if (!field->must && random_next() % 2)
			continue;
		switch (field->type) {
		case WIRE_TYPE_TEXT:
			*(const char **)at = draw_text(arena);
			break;
		case WIRE_TYPE_UINT:
			*(uint64_t *)at = random_next() >> (1 + random_next() % 63);
			break;
		case WIRE_TYPE_FLAG:
			*(bool *)at = random_next() % 2;
			break;
		case WIRE_TYPE_TEXTS:
			list.list = arena_alloc(arena, count * sizeof(char *));
			for (size_t j = 0; j < count; j++)
				((const char **)list.list)[j] = draw_text(arena);
			memcpy(at, &list, sizeof(list));
			break;
		case WIRE_TYPE_UINTS:
			list.list = arena_alloc(arena, count * sizeof(uint64_t));
			for (size_t j = 0; j < count; j++)
				((uint64_t *)list.list)[j] =
					random_next() >> (1 + random_next() % 63);
			memcpy(at, &list, sizeof(list));
			break;
		case WIRE_TYPE_LIST:
			list.list = arena_alloc(arena, count * field->of->size);
			for (size_t j = 0; j < count; j++)
				random_record(arena, field->of,
					      (char *)list.list + j * field->of->size);
			memcpy(at, &list, sizeof(list));
			break;
		}
	}
}

size_t random_damage(char *line, size_t length)
{
	static const char favourites[] = "{}[]\",:0-9tfn\\\x80\xff ";
	size_t changes = 1 + random_next() % 3;

	while (changes--) {
		size_t at = random_next() % length;

		switch (random_next() % 3) {
		case 0:
			line[at] = favourites[random_next() % (sizeof(favourites) - 1)];
			break;
		case 1:
			memmove(line + at, line + at + 1, length - at - 1);
			length--;
			break;
		case 2:
			line[at] = line[random_next() % length];
			break;
		}
	}
	return length;
}
