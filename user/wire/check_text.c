/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one document that two programs print for people. */
#include <inttypes.h>

#include "base/text.h"
#include "wire/wire.h"

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

void wire_check_text(const struct wire_check *check, struct text *out)
{
	text_add(out,
		 "%s: ok: %" PRIu64 " service%s, %" PRIu64 " backend%s, %" PRIu64 " interface%s\n",
		 check->file, check->services, plural(check->services), check->backends,
		 plural(check->backends), check->interfaces, plural(check->interfaces));
	text_add(out, "Maglev slots: %" PRIu64 " needed, %" PRIu64 " available",
		 check->slots_needed, check->slots_available);
	if (check->largest_table_size)
		text_add(out, "; the largest table-size that fits is %" PRIu64,
			 check->largest_table_size);
	text_add(out, "\n");
}
