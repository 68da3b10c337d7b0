/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"
#include "core/tables.h"

struct built {
	char *service;
	struct maglev_member *members;
	size_t count;
	uint32_t size;
	uint16_t *table;
	bool is_used; /* since the last sweep */
};

struct tables {
	uint8_t key[MAGLEV_KEY_SIZE];
	struct table *by_service;
	struct built **list; /* the same, in no order */
	size_t count;
};

struct tables *tables_new(const uint8_t key[MAGLEV_KEY_SIZE])
{
	struct tables *tables = mem_alloc(sizeof(*tables));

	memcpy(tables->key, key, sizeof(tables->key));
	tables->by_service = table_new();
	return tables;
}

static void empty(struct built *built)
{
	free(built->members);
	free(built->table);
	built->members = NULL;
	built->table = NULL;
	built->size = 0;
}

static void forget(struct built *built)
{
	empty(built);
	free(built->service);
	free(built);
}

void tables_free(struct tables *tables)
{
	if (!tables)
		return;
	for (size_t i = 0; i < tables->count; i++)
		forget(tables->list[i]);
	free(tables->list);
	table_free(tables->by_service);
	free(tables);
}

static struct built *find(struct tables *tables, const char *service)
{
	struct built *built = table_get(tables->by_service, service, strlen(service));

	if (built)
		return built;
	built = mem_alloc(sizeof(*built));
	built->service = mem_string(service);
	table_set(tables->by_service, service, strlen(service), built);
	tables->list = mem_grow(tables->list, tables->count, sizeof(struct built *));
	tables->list[tables->count++] = built;
	return built;
}

static bool is_of(const struct built *built, const struct maglev_member *members, size_t count,
		  uint32_t size)
{
	if (!built->table || built->size != size || built->count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (built->members[i].weight != members[i].weight ||
		    !addr_equal(&built->members[i].address, &members[i].address))
			return false;
	return true;
}

const uint16_t *tables_get(struct tables *tables, const char *service,
			   const struct maglev_member *members, size_t count, uint32_t size)
{
	struct built *built = find(tables, service);

	built->is_used = true;
	if (is_of(built, members, count, size))
		return built->table;
	empty(built);
	built->table = mem_array(size, sizeof(*built->table));
	if (maglev_build(tables->key, service, members, count, size, built->table)) {
		empty(built);
		return NULL;
	}
	built->members = mem_array(count, sizeof(*members));
	if (count)
		memcpy(built->members, members, count * sizeof(*members));
	built->count = count;
	built->size = size;
	return built->table;
}

void tables_sweep(struct tables *tables)
{
	size_t kept = 0;

	for (size_t i = 0; i < tables->count; i++) {
		struct built *built = tables->list[i];

		if (built->is_used) {
			built->is_used = false;
			tables->list[kept++] = built;
			continue;
		}
		table_remove(tables->by_service, built->service, strlen(built->service));
		forget(built);
	}
	tables->count = kept;
}
