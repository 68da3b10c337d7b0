/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of a kind of scalars, as they stand in the table of kinds.c; each kind's are of the same names. */
#ifndef CONFIG_KINDS_H
#define CONFIG_KINDS_H

#include "config/schema.h"

/* Reads a text. Returns NULL, or what is wrong with it; "": no more than that it is not what is expected. */
typedef const char *parse_function(const struct field *field, const char *text,
				   struct value *value);
/* Says what is expected, or the JSON Schema. */
typedef void write_function(const struct field *field, struct text *out);
/* Writes a value as it is read. */
typedef void format_function(const struct value *value, struct text *out);

/* ---- kinds_address.c ----------------------------------------------------------------------------- */

parse_function kind_parse_address, kind_parse_prefix, kind_parse_vip, kind_parse_endpoint;
write_function kind_expect_address, kind_expect_vip, kind_expect_prefix, kind_expect_endpoint;
format_function kind_format_address, kind_format_vip, kind_format_prefix, kind_format_endpoint;

/* ---- kinds_text.c --------------------------------------------------------------------------------- */

parse_function kind_parse_name, kind_parse_device, kind_parse_path, kind_parse_hex,
	kind_parse_status, kind_parse_vlan;
parse_function kind_parse_bytes, kind_parse_url, kind_parse_text;
write_function kind_expect_name, kind_expect_device, kind_expect_path, kind_expect_hex;
write_function kind_expect_status, kind_expect_vlan, kind_expect_bytes, kind_expect_url,
	kind_expect_text;
format_function kind_format_text; /* of them all */

#endif
