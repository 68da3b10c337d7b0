/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What operators changed at run time on top of the configuration: a backend's state or weight.
 * Overrides survive restarts and applies; one whose backend is gone from the configuration goes
 * with it.
 */
#ifndef CORE_OVERRIDES_H
#define CORE_OVERRIDES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "config/config.h"

struct override {
	bool has_state, has_weight;
	enum config_state state;
	uint16_t weight;
};

struct overrides_entry {
	char *service;
	struct addr backend;
	struct override value;
};

struct overrides {
	struct overrides_entry *list; /* sorted by service, backend */
	size_t count;
};

const struct override *overrides_find(const struct overrides *overrides, const char *service,
				      const struct addr *backend); /* NULL: none */
void overrides_set(struct overrides *overrides, const char *service, const struct addr *backend,
		   const struct override *value); /* an empty one removes it */
void overrides_copy(const struct overrides *from, struct overrides *to);
/* Removes those whose backend the configuration does not have; returns how many went. */
size_t overrides_prune(struct overrides *overrides, const struct config *config);
void overrides_free(struct overrides *overrides);

#endif
