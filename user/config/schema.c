/* SPDX-License-Identifier: GPL-2.0-or-later */
/* schema.def made into tables, and the help and the JSON Schema that are printed from them. */
#include <string.h>

#include <sluice/abi.h>

#include "base/mem.h"
#include "config/schema.h"

#define NONE	    -1
#define NO_PLACE    -1
#define PLACE(type) offsetof(type, place)

/* Initializers, each with its comma. */
#define NO_NAMES
#define NAMES(which) .names = config_names_##which,
#define OF(which)    .section = &section_##which,
#define NOWHERE
#define KEPT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member),
#define KEPT_HERE \
	.size = sizeof(struct config), /* a map whose fields lie in its parent's object \
							   */
#define KEPT_LIST(type, member, counter) KEPT(type, member).count_offset = offsetof(type, counter),

#define CONFIG_SECTION(which, ...) static const struct section section_##which;
#include "config/schema.def"

/* clang-format off */
#define CONFIG_SECTION(which, ...) static const struct field fields_##which[] = {
#define CONFIG_FIELD(which, id, key_, kind_, extra_, lo_, hi_, preset_, flags_, kept_, help_) \
	{.key = (key_), .kind = (kind_), .flags = (flags_), .lo = (lo_), .hi = (hi_),        \
	 .preset = (preset_), .help = (help_), extra_ kept_},
#define CONFIG_END(which) };
#include "config/schema.def"

#define CONFIG_SECTION(which, object, identity_, place_)                                       \
	static const struct section section_##which = {                                        \
		.name = #which, .fields = fields_##which, .count = ARRAY_SIZE(fields_##which), \
		.size = sizeof(object), .identity = (identity_), .place_offset = (place_),     \
	};
#include "config/schema.def"
/* clang-format on */

const struct section *const schema_root = &section_root, *const schema_service = &section_service;
const struct section *const schema_sections[] = {
#define CONFIG_SECTION(which, ...) &section_##which,
#include "config/schema.def"
};
const size_t schema_section_count = ARRAY_SIZE(schema_sections);

/* ---- help -------------------------------------------------------------------------------- */

static void help_field(const struct field *field, struct text *out)
{
	if (field->flags & REFUSED)
		return;
	text_add(out, "  %-18s ", field->key);
	if (field->section)
		text_add(out, "%s `%s` below",
			 field->kind == KIND_MAP || field->flags & LIST ? "a map: see"
									: "a list of maps: see",
			 field->section->name);
	else
		kind_expect(field, out);
	if (field->flags & LIST)
		text_add(out, ", or a list");
	if (field->flags & REQUIRED)
		text_add(out, "; required");
	if (field->preset)
		text_add(out, "; default %s", field->preset);
	if (field->flags & LATER)
		text_add(out, "; NOT SUPPORTED YET");
	text_add(out, "\n  %-18s     %s\n", "", field->help);
}

void config_schema_help(struct text *out)
{
	for (size_t i = 0; i < schema_section_count; i++) {
		const struct section *section = schema_sections[i];

		text_add(out, "%s%s:\n", i ? "\n" : "", i ? section->name : "at the top");
		for (unsigned int f = 0; f < section->count; f++)
			help_field(&section->fields[f], out);
	}
}

/* ---- JSON Schema (draft 2020-12) --------------------------------------------------------- */

static void json_field(const struct field *field, struct text *out)
{
	text_add_json(out, field->key);
	text_add(out, ": {\"description\": ");
	text_add_json(out, field->help);
	if (field->preset) {
		text_add(out, ", \"x-default\": ");
		text_add_json(out, field->preset);
	}
	if (field->flags & LATER)
		text_add(out, ", \"x-not-supported-yet\": true");
	text_add(out, ", ");
	if (field->kind == KIND_MAP) {
		text_add(out, "\"$ref\": \"#/$defs/%s%s\"", field->flags & PRESETS ? "preset-" : "",
			 field->section->name);
	} else if (field->kind == KIND_MAPS) {
		if (field->flags & LIST)
			text_add(out, "\"anyOf\": [{\"$ref\": \"#/$defs/%s\"}, {",
				 field->section->name);
		text_add(out, "\"type\": \"array\", \"items\": {\"$ref\": \"#/$defs/%s\"}%s",
			 field->section->name, field->flags & LIST ? "}]" : "");
	} else if (field->flags & LIST) {
		text_add(out, "\"anyOf\": [{");
		kind_json(field, out);
		text_add(out, "}, {\"type\": \"array\", \"items\": {");
		kind_json(field, out);
		text_add(out, "}}]");
	} else {
		kind_json(field, out);
	}
	text_add(out, "}");
}

/* A map; one that holds presets requires nothing, and lacks what each map must say itself. */
static void json_section(const struct section *section, bool presets, struct text *out)
{
	const char *separator = "";

	text_add(out, "\"type\": \"object\", \"additionalProperties\": false, \"required\": [");
	for (unsigned int f = 0; f < section->count && !presets; f++) {
		if (!(section->fields[f].flags & REQUIRED))
			continue;
		text_add(out, "%s\"%s\"", separator, section->fields[f].key);
		separator = ", ";
	}
	text_add(out, "], \"properties\": {");
	separator = "\n  ";
	for (unsigned int f = 0; f < section->count; f++) {
		if (section->fields[f].flags & REFUSED ||
		    (presets && section->fields[f].flags & OWN))
			continue;
		text_add(out, "%s", separator);
		json_field(&section->fields[f], out);
		separator = ",\n  ";
	}
	text_add(out, "}");
}

void config_schema_json(struct text *out)
{
	text_add(out, "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
		      " \"title\": \"sluice's configuration\",\n ");
	json_section(schema_root, false, out);
	text_add(out, ",\n \"$defs\": {");
	for (size_t i = 1; i < schema_section_count; i++) {
		text_add(out, "%s\n \"%s\": {", i > 1 ? "," : "", schema_sections[i]->name);
		json_section(schema_sections[i], false, out);
		text_add(out, "}");
	}
	text_add(out, ",\n \"preset-%s\": {", section_service.name);
	json_section(&section_service, true, out);
	text_add(out, "}}}\n");
}
