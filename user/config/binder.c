/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nodes into values, by walking schema.def. A map's fields are bound in the schema's order: first
 * the node with the field's key, else the value that a map of presets (`defaults`) gave, else the
 * field's own default. What is wrong is reported and left unset; nothing here knows a single field
 * by name.
 *
 * The depth of the schema bounds the recursion, not the depth of the text.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/schema.h"

struct binder {
	struct reading *r;
	const struct section *preset_section; /* NULL: no presets yet */
	const struct value *presets;	      /* its values; those without a node were not given */
};

static void bind_map(struct binder *b, const struct section *section, const struct node *node,
		     bool presets, struct value *value);

/* ---- unknown keys ------------------------------------------------------------------------ */

/* The key that is meant, as far as one can guess; NULL: none is near. */
static const char *nearest_key(const struct section *section, const char *key)
{
	const char **names = mem_array(section->count + 1, sizeof(*names)), *nearest;
	size_t count = 0;

	for (unsigned int f = 0; f < section->count; f++)
		if (!(section->fields[f].flags & REFUSED))
			names[count++] = section->fields[f].key;
	nearest = text_nearest(key, names);
	free(names);
	return nearest;
}

static void say_unknown(struct binder *b, const struct section *section, const struct node *child)
{
	const char *key = child->key->text, *nearest = nearest_key(section, key), *separator = "";
	struct text path = {}, known = {};

	node_path(child, NULL, &path);
	if (nearest) {
		text_add(&known, "did you mean %s?", nearest);
	} else {
		text_add(&known, "known here are ");
		for (unsigned int f = 0; f < section->count; f++) {
			if (section->fields[f].flags & REFUSED)
				continue;
			text_add(&known, "%s%s", separator, section->fields[f].key);
			separator = ", ";
		}
	}
	reading_error_at(b->r, child->key->place, path.data, NULL, "unknown key; %s", known.data);
	text_free(&path);
	text_free(&known);
}

static void say_refused(struct binder *b, const struct field *field, const struct node *child)
{
	struct text path = {};

	node_path(child, NULL, &path);
	reading_error_at(b->r, child->key->place, path.data, child->text, "%s", field->help);
	text_free(&path);
}

static const struct field *find_field(const struct section *section, const char *key,
				      unsigned int *index)
{
	for (unsigned int f = 0; f < section->count; f++) {
		if (strcmp(section->fields[f].key, key))
			continue;
		*index = f;
		return &section->fields[f];
	}
	return NULL;
}

/* ---- scalars and lists ------------------------------------------------------------------- */

static void expect_form(const struct field *field, struct text *out)
{
	const struct field *first = field->section ? field->section->fields : NULL;

	while (first && field->flags & PRESETS && first->flags & OWN)
		first++;
	if (field->kind == KIND_MAP)
		text_add(out, "a map such as {%s: ...}", first->key);
	else if (field->kind == KIND_MAPS)
		text_add(out,
			 field->flags & LIST ? "a map, or a list of maps, such as [{%s: ...}]"
					     : "a list of maps such as [{%s: ...}]",
			 first->key);
	else
		kind_expect(field, out);
}

/* Says what a node of the wrong form should have been. */
static void say_wrong_form(struct binder *b, const struct field *field, const struct node *node)
{
	static const char *const forms[] = {
		[NODE_SCALAR] = "is one value", [NODE_LIST] = "is a list", [NODE_MAP] = "is a map"};
	const struct node *only = node->kind == NODE_MAP && node->count == 1 ? node->first : NULL;
	char *address = only && node_is_null(only) ? mem_format("%s:", only->key->text) : NULL;
	struct text expected = {};
	struct prefix prefix;

	expect_form(field, &expected);
	if (address && field->kind >= KIND_ADDRESS && field->kind <= KIND_ENDPOINT &&
	    !prefix_parse(address, &prefix))
		reading_bare_address(b->r, only->key->place, node, address);
	else
		reading_error(b->r, node, NULL, "%s; expected %s",
			      node_is_null(node) ? "has no value" : forms[node->kind],
			      expected.data);
	text_free(&expected);
	free(address);
}

static void bind_scalar(struct binder *b, const struct field *field, const struct node *node,
			struct value *value)
{
	struct text message = {};
	const char *wrong;

	*value = (struct value){.node = node};
	if (node->kind == NODE_BAD)
		return;
	if (node->kind != NODE_SCALAR || node_is_null(node)) {
		say_wrong_form(b, field, node);
		return;
	}
	wrong = kind_parse(field, node->text, value);
	if (!wrong)
		return;
	kind_explain(field, node->text, wrong, &message);
	reading_error(b->r, node, NULL, "%s", message.data);
	text_free(&message);
}

struct identified {
	const struct field *field;
	struct value *value; /* set; has a node */
	size_t index;
	bool repeated;
};

static int compare_identities(const struct identified *a, const struct identified *b)
{
	if (a->field != b->field)
		return a->field < b->field ? -1 : 1;
	return kind_compare(a->field, a->value, b->value);
}

static int by_identity(const void *left, const void *right)
{
	const struct identified *a = left, *b = right;
	int order = compare_identities(a, b);

	return order ? order : a->index < b->index ? -1 : a->index > b->index;
}

/* Reports values that another value in the list has, too. Sorting copes with any number. */
static void refuse_equals(struct binder *b, struct identified *list, size_t count)
{
	const struct identified *first = NULL;

	qsort(list, count, sizeof(*list), by_identity);
	for (size_t i = 0; i < count; i++) {
		struct text path = {};

		list[i].repeated = first && !compare_identities(first, &list[i]);
		if (!list[i].repeated) {
			first = &list[i];
			continue;
		}
		node_path(first->value->node, NULL, &path);
		reading_error(b->r, list[i].value->node, NULL, "is the same as %s in line %u",
			      path.data, first->value->node->place.line);
		text_free(&path);
	}
}

static void bind_list(struct binder *b, const struct field *field, const struct node *node,
		      struct value *value)
{
	size_t count = node->kind == NODE_LIST ? node->count : 1, named = 0;
	const struct node *item = node->kind == NODE_LIST ? node->first : node;
	struct identified *set;

	*value = (struct value){.node = node};
	if (!count && (!field->preset || strcmp(field->preset, "[]"))) {
		struct text expected = {};

		kind_expect(field, &expected);
		reading_error(b->r, node, NULL, "is an empty list; expected %s", expected.data);
		text_free(&expected);
		return;
	}
	value->set = true;
	value->count = count;
	value->items = arena_alloc(b->r->arena, count * sizeof(*value->items));
	set = mem_array(count, sizeof(*set));
	for (size_t i = 0; i < count && !reading_is_hopeless(b->r); i++, item = item->next) {
		bind_scalar(b, field, item, &value->items[i]);
		if (value->items[i].set)
			set[named++] = (struct identified){field, &value->items[i], i, false};
	}
	refuse_equals(b, set, named);
	for (size_t i = 0; i < named; i++)
		set[i].value->set &= !set[i].repeated; /* said once is enough */
	free(set);
}

/* What tells a map of a list from the others; NULL: it is wrong, or not there. */
static struct value *identity_of(const struct section *section, const struct value *map,
				 const struct field **field)
{
	unsigned int f = section->identity < 0 ? 0 : section->identity;

	while (section->identity < 0 && f + 1 < section->count && !map->items[f].node)
		f++;
	*field = &section->fields[f];
	return map->items[f].set && map->items[f].node ? &map->items[f] : NULL;
}

static void bind_maps(struct binder *b, const struct field *field, const struct node *node,
		      struct value *value)
{
	const struct section *section = field->section;
	bool is_alone = field->flags & LIST && node->kind == NODE_MAP;
	const struct node *item = is_alone ? node : node->first;
	unsigned int count = is_alone ? 1 : node->count;
	struct identified *set;
	size_t named = 0;

	*value = (struct value){.node = node};
	if (node->kind != NODE_LIST && !is_alone) {
		if (node->kind != NODE_BAD)
			say_wrong_form(b, field, node);
		return;
	}
	if (count < field->lo || count > field->hi) {
		reading_error(b->r, node, NULL, "has %u entries; expected %llu to %llu", count,
			      (unsigned long long)field->lo, (unsigned long long)field->hi);
		return;
	}
	value->set = true;
	value->count = count;
	value->items = arena_alloc(b->r->arena, value->count * sizeof(*value->items));
	set = mem_array(value->count, sizeof(*set));
	for (size_t i = 0; i < value->count && !reading_is_hopeless(b->r); i++, item = item->next) {
		const struct field *of;
		struct value *identity;

		bind_map(b, section, item, false, &value->items[i]);
		identity = value->items[i].set ? identity_of(section, &value->items[i], &of) : NULL;
		if (identity)
			set[named++] = (struct identified){of, identity, i, false};
	}
	refuse_equals(b, set, named);
	free(set);
}

/* ---- fields and maps --------------------------------------------------------------------- */

/* The value of a field that has none in the text; not set when it has no default either. */
static void bind_preset(struct arena *arena, const struct field *field, struct value *value)
{
	const char *preset = field->preset;
	size_t length;

	*value = (struct value){};
	if (!preset)
		return;
	length = strlen(preset);
	if (*preset == '[') { /* of none or one word: schema.def has no longer one */
		struct node word = {
			.text = arena_format(arena, "%.*s", (int)length - 2, preset + 1)};

		value->set = true;
		value->count = length > 2;
		value->items = arena_alloc(arena, sizeof(*value->items));
		if (value->count)
			kind_parse(field, word.text, &value->items[0]);
	} else if (field->flags & LIST) {
		value->set = true;
		value->count = 1;
		value->items = arena_alloc(arena, sizeof(*value->items));
		kind_parse(field, preset, &value->items[0]);
	} else {
		kind_parse(field, preset, value);
	}
}

static bool same_value(const struct field *field, const struct value *a, const struct value *b)
{
	if (field->kind == KIND_MAP)
		return false;
	if (field->kind == KIND_MAPS)
		return a->count == 0 && b->count == 0;
	if (!(field->flags & LIST))
		return kind_compare(field, a, b) == 0;
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!a->items[i].set || kind_compare(field, &a->items[i], &b->items[i]))
			return false;
	return true;
}

/* What is not built yet is refused by name unless it says what is the case anyway. */
static void refuse_later(struct binder *b, const struct field *field, const struct value *value)
{
	struct value preset;

	bind_preset(b->r->arena, field, &preset);
	if (value->node->kind == NODE_BAD ||
	    (value->set && preset.set && same_value(field, value, &preset)))
		return;
	if (!value->set && field->kind != KIND_MAP && field->kind != KIND_MAPS)
		return; /* its value is wrong, and that has been said */
	if (field->preset)
		reading_error(b->r, value->node, NULL,
			      "not supported yet: leave it out or at its default, %s",
			      field->preset);
	else
		reading_error(b->r, value->node, NULL, "not supported yet: leave it out");
}

static void bind_field(struct binder *b, const struct field *field, const struct node *node,
		       struct value *value)
{
	if (field->kind == KIND_MAP)
		bind_map(b, field->section, node, field->flags & PRESETS, value);
	else if (field->kind == KIND_MAPS)
		bind_maps(b, field, node, value);
	else if (field->flags & LIST)
		bind_list(b, field, node, value);
	else
		bind_scalar(b, field, node, value);
	if (field->flags & LATER)
		refuse_later(b, field, value);
}

/* Sorts a map's children to the fields that they are of. */
static void sort_children(struct binder *b, const struct section *section, const struct node *map,
			  const struct node **of_field)
{
	for (const struct node *child = map->first; child; child = child->next) {
		const struct field *field;
		unsigned int index;

		if (child->key->kind == NODE_BAD || reading_is_hopeless(b->r))
			continue;
		field = find_field(section, child->key->text, &index);
		if (!field)
			say_unknown(b, section, child);
		else if (field->flags & REFUSED)
			say_refused(b, field, child);
		else if (!of_field[index])
			of_field[index] = child;
	}
}

/* A map that was left out has the defaults of its fields, unless one of them must be given. */
static void bind_absent_map(struct binder *b, const struct field *field, struct value *value)
{
	static const struct node empty = {.kind = NODE_MAP};

	*value = (struct value){};
	for (unsigned int f = 0; f < field->section->count; f++)
		if (field->section->fields[f].flags & REQUIRED)
			return;
	bind_map(b, field->section, &empty, false, value);
	value->node = NULL;
}

static void bind_absent(struct binder *b, const struct field *field, const struct node *map,
			const struct value *preset, struct value *value)
{
	if (preset && preset->node) {
		*value = *preset;
	} else if (field->flags & REQUIRED) {
		struct text expected = {};

		expect_form(field, &expected);
		reading_error(b->r, map, field->key, "is missing; expected %s", expected.data);
		text_free(&expected);
	} else if (field->kind == KIND_MAP && !(field->flags & (LATER | PRESETS | OPTIONAL))) {
		bind_absent_map(b, field, value);
	} else {
		bind_preset(b->r->arena, field, value);
	}
}

static void bind_map(struct binder *b, const struct section *section, const struct node *node,
		     bool presets, struct value *value)
{
	const struct field as_field = {
		.kind = KIND_MAP, .section = section, .flags = presets ? PRESETS : 0};
	bool has_presets = section == b->preset_section;
	const struct node **of_field;

	*value = (struct value){.node = node};
	if (node->kind != NODE_MAP) {
		if (node->kind != NODE_BAD)
			say_wrong_form(b, &as_field, node);
		return;
	}
	value->set = true;
	value->count = section->count;
	value->items = arena_alloc(b->r->arena, section->count * sizeof(*value->items));
	of_field = mem_array(section->count, sizeof(*of_field));
	sort_children(b, section, node, of_field);
	for (unsigned int f = 0; f < section->count; f++) {
		const struct field *field = &section->fields[f];

		if (of_field[f] && presets && field->flags & OWN)
			reading_error(b->r, of_field[f], NULL,
				      "belongs into each %s, not into defaults", section->name);
		else if (of_field[f])
			bind_field(b, field, of_field[f], &value->items[f]);
		else if (!presets && !(field->flags & REFUSED))
			bind_absent(b, field, node, has_presets ? &b->presets[f] : NULL,
				    &value->items[f]);
	}
	free(of_field);
	if (presets) {
		b->preset_section = section;
		b->presets = value->items;
	}
}

void bind_root(struct reading *r, const struct node *node, struct value *root)
{
	struct binder b = {.r = r};

	bind_map(&b, schema_root, node, false, root);
}
