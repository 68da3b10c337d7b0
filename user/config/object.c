/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values into the public structures and back, by the offsets in schema.def. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/schema.h"

/* Integers and enums of any size, in host order. */
static void store_number(uint64_t number, size_t size, void *to)
{
	switch (size) {
	case 1:
		memcpy(to, &(uint8_t){number}, size);
		break;
	case 2:
		memcpy(to, &(uint16_t){number}, size);
		break;
	case 4:
		memcpy(to, &(uint32_t){number}, size);
		break;
	default:
		memcpy(to, &number, sizeof(number));
	}
}

static uint64_t load_number(size_t size, const void *from)
{
	uint8_t n8;
	uint16_t n16;
	uint32_t n32;
	uint64_t n64;

	switch (size) {
	case 1:
		memcpy(&n8, from, size);
		return n8;
	case 2:
		memcpy(&n16, from, size);
		return n16;
	case 4:
		memcpy(&n32, from, size);
		return n32;
	default:
		memcpy(&n64, from, sizeof(n64));
		return n64;
	}
}

static void store_list(const struct field *field, const struct value *list, char *object,
		       struct arena *arena)
{
	const struct section *section = field->section;
	char *items = arena_alloc(arena, list->count * section->size);
	size_t count = list->count;

	for (size_t i = 0; i < count; i++)
		object_store(section, &list->items[i], items + i * section->size, arena);
	memcpy(object + field->offset, &items, sizeof(items));
	memcpy(object + field->count_offset, &count, sizeof(count));
}

static int by_bytes(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct prefix));
}

static void store_prefixes(const struct field *field, const struct value *list, char *object,
			   struct arena *arena)
{
	struct prefix *items = arena_alloc(arena, list->count * sizeof(*items));
	size_t count = list->count;

	for (size_t i = 0; i < count; i++)
		items[i] = list->items[i].prefix;
	if (count)
		qsort(items, count, sizeof(*items), by_bytes);
	memcpy(object + field->offset, &items, sizeof(items));
	memcpy(object + field->count_offset, &count, sizeof(count));
}

static uint64_t mask_of(const struct value *list)
{
	uint64_t mask = 0;

	for (uint32_t i = 0; i < list->count; i++)
		mask |= list->items[i].number;
	return mask;
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* "a,b,c": the same for the same items in any order. */
static const char *joined(const struct value *list, struct arena *arena)
{
	const char **texts = mem_array(list->count, sizeof(*texts)), *joined;
	struct text all = {};

	for (uint32_t i = 0; i < list->count; i++)
		texts[i] = list->items[i].text;
	qsort(texts, list->count, sizeof(*texts), by_text);
	for (uint32_t i = 0; i < list->count; i++)
		text_add(&all, "%s%s", i ? "," : "", texts[i]);
	joined = arena_string(arena, all.data);
	text_free(&all);
	free(texts);
	return joined;
}

void object_store(const struct section *section, const struct value *map, void *object,
		  struct arena *arena)
{
	if (section->place_offset >= 0)
		memcpy((char *)object + section->place_offset, &map->node->place,
		       sizeof(map->node->place));
	for (unsigned int f = 0; f < section->count; f++) {
		const struct field *field = &section->fields[f];
		const struct value *value = &map->items[f];
		char *to = (char *)object + field->offset;

		if (!field->size || !value->set)
			continue;
		if (field->kind == KIND_MAP) {
			object_store(field->section, value, to, arena);
		} else if (field->kind == KIND_MAPS) {
			store_list(field, value, object, arena);
		} else if (field->kind == KIND_ADDRESS) {
			memcpy(to, &value->prefix.addr, sizeof(struct addr));
		} else if (field->kind == KIND_PREFIX && field->flags & LIST) {
			store_prefixes(field, value, object, arena);
		} else if (field->kind == KIND_PREFIX) {
			memcpy(to, &value->prefix, sizeof(struct prefix));
		} else if (field->kind >= KIND_NAME) {
			const char *text = field->flags & LIST ? joined(value, arena)
							       : arena_string(arena, value->text);

			memcpy(to, &text, sizeof(text));
		} else {
			store_number(field->flags & LIST ? mask_of(value) : value->number,
				     field->size, to);
		}
	}
}

void object_load(const struct field *field, const void *object, struct value *value)
{
	const char *from = (const char *)object + field->offset;

	*value = (struct value){.set = true};
	if (field->kind == KIND_ADDRESS) {
		memcpy(&value->prefix.addr, from, sizeof(struct addr));
		value->set = !addr_is_none(&value->prefix.addr);
	} else if (field->kind == KIND_PREFIX) {
		memcpy(&value->prefix, from, sizeof(struct prefix));
	} else if (field->kind >= KIND_NAME) {
		memcpy(&value->text, from, sizeof(value->text));
		value->set = value->text != NULL;
	} else {
		value->number = load_number(field->size, from);
		/* 0 is a value where there must be one (a rotation) or where it is the default. */
		value->set = value->number || field->preset || field->flags & REQUIRED;
	}
}

const struct field *object_identity(const struct section *section, const void *object,
				    struct value *value)
{
	unsigned int f = section->identity < 0 ? 0 : section->identity;

	object_load(&section->fields[f], object, value);
	while (!value->set && section->identity < 0)
		object_load(&section->fields[++f], object, value);
	return &section->fields[f];
}

int object_compare(const struct section *section, const void *a, const void *b)
{
	struct value left, right;
	const struct field *of_a = object_identity(section, a, &left);
	const struct field *of_b = object_identity(section, b, &right);

	return of_a == of_b ? kind_compare(of_a, &left, &right) : of_a < of_b ? -1 : 1;
}
