/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How one configuration differs from another, by walking schema.def over both objects. Lists are
 * sorted by identity, so that two of them are merged like sorted files. Of what is new, fields at
 * their defaults are not told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/schema.h"

static void diff_section(struct config_changes *out, const struct section *section,
			 const char *path, const void *old, const void *new);

/* Takes all three texts over. */
static void add(struct config_changes *out, enum config_change_kind kind, char *path, char *before,
		char *after)
{
	out->list = mem_grow(out->list, out->count, sizeof(*out->list));
	out->list[out->count++] = (struct config_change){
		.kind = kind, .path = path, .before = before, .after = after};
}

static char *join(const char *path, const char *key)
{
	return mem_format("%s%s%s", path, *path ? "." : "", key);
}

static char *formatted(const struct field *field, const struct value *value)
{
	struct text text = {};

	if (!value->set)
		return NULL;
	kind_format(field, value, &text);
	return text.data;
}

static bool is_preset(const struct field *field, const struct value *value)
{
	struct value preset = {};

	if (field->preset)
		kind_parse(field, field->preset, &preset);
	return preset.set == value->set && (!preset.set || !kind_compare(field, &preset, value));
}

static void diff_scalar(struct config_changes *out, const struct field *field, const char *path,
			const void *old, const void *new)
{
	struct value before = {}, after = {};
	enum config_change_kind kind;

	if (old)
		object_load(field, old, &before);
	object_load(field, new, &after);
	if (!old && is_preset(field, &after))
		return;
	if (before.set == after.set && (!before.set || !kind_compare(field, &before, &after)))
		return;
	kind = !before.set ? CONFIG_ADDED : !after.set ? CONFIG_REMOVED : CONFIG_CHANGED;
	add(out, kind, join(path, field->key), formatted(field, &before), formatted(field, &after));
}

/* ---- lists ------------------------------------------------------------------------------- */

/* "weight: 10, state: drain"; NULL when all is at its default. */
static char *summary(const struct section *section, const void *object)
{
	const struct field *named = NULL;
	struct text text = {};
	struct value value;

	if (section->place_offset >= 0) /* an item of a list, whose path tells its identity */
		named = object_identity(section, object, &value);
	for (unsigned int f = 0; f < section->count; f++) {
		const struct field *field = &section->fields[f];

		if (!field->size || field->section || field->count_offset || field == named)
			continue;
		object_load(field, object, &value);
		if (is_preset(field, &value) || !value.set)
			continue;
		text_add(&text, "%s%s: ", text.length ? ", " : "", field->key);
		kind_format(field, &value, &text);
	}
	return text.data;
}

static void diff_item(struct config_changes *out, const struct section *section, const char *path,
		      const void *old, const void *new)
{
	struct value value;
	const struct field *identity = object_identity(section, new ? new : old, &value);
	char *name = formatted(identity, &value), *item;

	item = mem_format("%s[%s]", path, name);
	if (!old)
		add(out, CONFIG_ADDED, mem_string(item), NULL, summary(section, new));
	if (!new)
		add(out, CONFIG_REMOVED, mem_string(item), summary(section, old), NULL);
	diff_section(out, section, item, old, new);
	free(name);
	free(item);
}

static size_t load_list(const struct field *field, const void *object, const char **items)
{
	size_t count = 0;

	*items = NULL;
	if (object) {
		memcpy(items, (const char *)object + field->offset, sizeof(*items));
		memcpy(&count, (const char *)object + field->count_offset, sizeof(count));
	}
	return count;
}

static void diff_list(struct config_changes *out, const struct field *field, const char *path,
		      const void *old, const void *new)
{
	const struct section *section = field->section;
	const char *before, *after;
	size_t befores = load_list(field, old, &before), afters = load_list(field, new, &after);

	while (befores || afters) {
		int order = !befores ? 1 : !afters ? -1 : object_compare(section, before, after);

		diff_item(out, section, path, order <= 0 ? before : NULL,
			  order >= 0 ? after : NULL);
		if (order <= 0) {
			before += section->size;
			befores--;
		}
		if (order >= 0) {
			after += section->size;
			afters--;
		}
	}
}

/* ---- listeners: the one list that schema.def does not know ------------------------------- */

static char *listener_path(const char *service, const struct config_listener *listener)
{
	const struct prefix prefix = {listener->address, listener->length};
	bool six = listener->address.family == 6;
	char address[PREFIX_TEXT_SIZE], port[8] = "any";

	if (listener->port)
		snprintf(port, sizeof(port), "%u", listener->port);
	return mem_format("%s.listeners[%s%s%s:%s/%s]", service, six ? "[" : "",
			  listener->length ? prefix_format(&prefix, address)
					   : addr_format(&prefix.addr, address),
			  six ? "]" : "", port, config_protocol_name(listener->protocol));
}

static void diff_listeners(struct config_changes *out, const char *path,
			   const struct config_service *old, const struct config_service *new)
{
	static const struct config_service none;
	size_t o = 0, n = 0;

	old = old ? old : &none;
	new = new ? new : &none;
	while (o < old->listener_count || n < new->listener_count) {
		int order = o == old->listener_count ? 1
			    : n == new->listener_count
				    ? -1
				    : listener_compare(&old->listeners[o], &new->listeners[n]);

		if (order < 0)
			add(out, CONFIG_REMOVED, listener_path(path, &old->listeners[o]), NULL,
			    NULL);
		if (order > 0)
			add(out, CONFIG_ADDED, listener_path(path, &new->listeners[n]), NULL, NULL);
		o += order <= 0;
		n += order >= 0;
	}
}

/* ---- prefixes: a list of scalars, each of which is told by itself ------------------------ */

static void add_prefix(struct config_changes *out, enum config_change_kind kind, const char *path,
		       const struct prefix *prefix)
{
	char text[PREFIX_TEXT_SIZE];

	add(out, kind, mem_format("%s[%s]", path, prefix_format(prefix, text)), NULL, NULL);
}

static void diff_prefixes(struct config_changes *out, const struct field *field, const char *path,
			  const void *old, const void *new)
{
	const char *before, *after;
	size_t befores = load_list(field, old, &before), afters = load_list(field, new, &after);
	const struct prefix *o = (const struct prefix *)before, *n = (const struct prefix *)after;

	while (befores || afters) {
		int order = !befores ? 1 : !afters ? -1 : memcmp(o, n, sizeof(*o));

		if (order < 0)
			add_prefix(out, CONFIG_REMOVED, path, o);
		if (order > 0)
			add_prefix(out, CONFIG_ADDED, path, n);
		if (order <= 0) {
			o++;
			befores--;
		}
		if (order >= 0) {
			n++;
			afters--;
		}
	}
}

/* ---- sections ---------------------------------------------------------------------------- */

/* The object of a map; NULL: an optional one that is not there. */
static const void *inside(const void *object, const struct field *field)
{
	const char *inner = object ? (const char *)object + field->offset : NULL;
	struct value first;

	if (!inner || !(field->flags & OPTIONAL))
		return inner;
	object_load(field->section->fields, inner, &first);
	return first.number ? inner : NULL;
}

static void diff_map(struct config_changes *out, const struct field *field, const char *path,
		     const void *old, const void *new)
{
	if (!(field->flags & OPTIONAL) || (old && new))
		diff_section(out, field->section, path, old, new);
	else if (new)
		add(out, CONFIG_ADDED, mem_string(path), NULL, summary(field->section, new));
	else if (old)
		add(out, CONFIG_REMOVED, mem_string(path), summary(field->section, old), NULL);
}

/* One of `old` and `new` may be NULL; the scalars of a list's item are then told by its summary. */
static void diff_section(struct config_changes *out, const struct section *section,
			 const char *path, const void *old, const void *new)
{
	bool told = section->place_offset >= 0 && (!old || !new);

	if (section == schema_service)
		diff_listeners(out, path, old, new);
	for (unsigned int f = 0; f < section->count; f++) {
		const struct field *field = &section->fields[f];
		char *below;

		if (!field->size)
			continue;
		if (!field->section && field->count_offset) {
			below = join(path, field->key);
			diff_prefixes(out, field, below, old, new);
			free(below);
			continue;
		}
		if (!field->section) {
			if (!told)
				diff_scalar(out, field, path, old, new);
			continue;
		}
		below = join(path, field->key);
		if (field->kind == KIND_MAPS)
			diff_list(out, field, below, old, new);
		else
			diff_map(out, field, below, inside(old, field), inside(new, field));
		free(below);
	}
}

void config_diff(const struct config *old, const struct config *new, struct config_changes *out)
{
	*out = (struct config_changes){};
	diff_section(out, schema_root, "", old, new);
}

void config_changes_free(struct config_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		free(changes->list[i].path);
		free(changes->list[i].before);
		free(changes->list[i].after);
	}
	free(changes->list);
	*changes = (struct config_changes){};
}
