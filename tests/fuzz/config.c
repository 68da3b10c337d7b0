/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration's reader, binder and checker. A text that is refused says why at least once, and one that is taken
 * differs in nothing from itself; the seeds are the goldens (tests/config).
 */
#include <stdint.h>
#include <string.h>

#include "base/problem.h"
#include "base/text.h"
#include "config/config.h"
#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problems p = {0};
	struct config_changes changes;
	struct config *config = NULL;
	int err;

	err = config_read("fuzz", (const char *)data, size, &config, &p);
	REQUIRE(!err || p.count); /* a warning, too, is one */
	REQUIRE(!err == (config != NULL));
	for (size_t i = 0; i < p.count; i++)
		free(problem_text(&p.list[i]));
	if (config) {
		config_diff(config, config, &changes);
		REQUIRE(changes.count == 0);
		config_changes_free(&changes);
		config_diff(NULL, config, &changes);
		config_changes_free(&changes);
		config_slots_needed(config);
		config_largest_table_size(config);
	}
	config_free(config);
	problems_free(&p);
	return 0;
}
