/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/overrides.h"

/* The position of an override, or the one that it would have; *found says which. */
static size_t search(const struct overrides *overrides, const char *service,
		     const struct addr *backend, bool *found)
{
	size_t low = 0, high = overrides->count;

	*found = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct overrides_entry *entry = &overrides->list[middle];
		int order = strcmp(service, entry->service);

		if (!order)
			order = addr_compare(backend, &entry->backend);
		if (!order) {
			*found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

const struct override *overrides_find(const struct overrides *overrides, const char *service,
				      const struct addr *backend)
{
	bool found;
	size_t i = search(overrides, service, backend, &found);

	return found ? &overrides->list[i].value : NULL;
}

static void remove_at(struct overrides *overrides, size_t i)
{
	free(overrides->list[i].service);
	memmove(&overrides->list[i], &overrides->list[i + 1],
		(--overrides->count - i) * sizeof(*overrides->list));
}

void overrides_set(struct overrides *overrides, const char *service, const struct addr *backend,
		   const struct override *value)
{
	bool found, is_empty = !value->has_state && !value->has_weight;
	size_t i = search(overrides, service, backend, &found);

	if (found && is_empty)
		remove_at(overrides, i);
	if (is_empty)
		return;
	if (!found) {
		overrides->list =
			mem_resize(overrides->list, overrides->count + 1, sizeof(*overrides->list));
		memmove(&overrides->list[i + 1], &overrides->list[i],
			(overrides->count++ - i) * sizeof(*overrides->list));
		overrides->list[i].service = mem_string(service);
		overrides->list[i].backend = *backend;
	}
	overrides->list[i].value = *value;
}

void overrides_copy(const struct overrides *from, struct overrides *to)
{
	*to = (struct overrides){mem_array(from->count, sizeof(*to->list)), from->count};
	for (size_t i = 0; i < from->count; i++) {
		to->list[i] = from->list[i];
		to->list[i].service = mem_string(from->list[i].service);
	}
}

size_t overrides_prune(struct overrides *overrides, const struct config *config)
{
	size_t before = overrides->count;

	for (size_t i = overrides->count; i-- > 0;) {
		const struct overrides_entry *entry = &overrides->list[i];
		const struct config_service *service = config_find_service(config, entry->service);

		if (!service || !config_find_backend(service, &entry->backend))
			remove_at(overrides, i);
	}
	return before - overrides->count;
}

void overrides_free(struct overrides *overrides)
{
	for (size_t i = 0; i < overrides->count; i++)
		free(overrides->list[i].service);
	free(overrides->list);
	*overrides = (struct overrides){};
}
