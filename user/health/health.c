/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Life, and what a configuration makes of it: which backends there are, and which probes. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"
#include "health/state.h"

/* ---- life ------------------------------------------------------------------------------------ */

struct health *health_new(void)
{
	struct health *health = mem_alloc(sizeof(*health));

	health->arena = arena_new();
	health->by_name = table_new();
	health->by_id = table_new();
	return health;
}

void health_free(struct health *health)
{
	if (!health)
		return;
	for (size_t i = 0; i < health->backend_count; i++)
		free(health->backends[i]);
	free(health->backends);
	free(health->probes);
	free(health->changes);
	table_free(health->by_name);
	table_free(health->by_id);
	arena_free(health->arena);
	free(health);
}

/* ---- names ----------------------------------------------------------------------------------- */

struct health_key {
	char service[SL_NAME_SIZE];
	struct addr address;
};

static struct health_key key_of(const char *service, const struct addr *address)
{
	struct health_key key;

	memset(&key, 0, sizeof(key)); /* a key has no stray padding */
	memcpy(key.service, service, strnlen(service, sizeof(key.service) - 1));
	key.address = *address;
	return key;
}

struct health_backend *health_find(const struct health *health, const char *service,
				   const struct addr *address)
{
	struct health_key key = key_of(service, address);

	return table_get(health->by_name, &key, sizeof(key));
}

/* ---- probes ---------------------------------------------------------------------------------- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Whether a probe is run in the same way; what its results are taken for may differ. */
static bool same_probe(const struct config_health *a, const struct config_health *b)
{
	return a->kind == b->kind && addr_equal(&a->address, &b->address) && a->port == b->port &&
	       a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms &&
	       a->retry_ms == b->retry_ms && same_text(a->path, b->path) &&
	       same_text(a->method, b->method) && same_text(a->host, b->host) &&
	       same_text(a->match, b->match) && same_text(a->status, b->status) &&
	       a->verify == b->verify && same_text(a->ca_file, b->ca_file) &&
	       same_text(a->server_name, b->server_name) &&
	       same_text(a->query_name, b->query_name) && a->query_type == b->query_type &&
	       same_text(a->send, b->send) && same_text(a->expect, b->expect) &&
	       same_text(a->command, b->command);
}

static uint32_t new_id(struct health *health)
{
	do
		health->last_id++;
	while (!health->last_id ||
	       table_get(health->by_id, &health->last_id, sizeof(health->last_id)));
	return health->last_id;
}

static void remove_path(struct health *health, struct health_path *path)
{
	if (path->id)
		table_remove(health->by_id, &path->id, sizeof(path->id));
	*path = (struct health_path){};
}

/* A changed probe begins to count anew, but what is known stays until it has spoken. */
static void renew_path(struct health *health, struct health_backend *backend,
		       struct health_path *path)
{
	struct health_path renewed = {.verdict = path->verdict};

	remove_path(health, path);
	renewed.id = new_id(health);
	*path = renewed;
	table_set(health->by_id, &path->id, sizeof(path->id), backend);
}

static void settle_paths(struct health *health, struct health_backend *backend,
			 const struct health_service *next)
{
	static const enum config_health_via vias[PATHS] = {CONFIG_VIA_TUNNEL, CONFIG_VIA_DIRECT};
	const struct config_health *old = &backend->service->how, *new = &next->how;
	enum health_verdict verdict = backend->paths[health_deciding(old)].verdict;
	bool is_same = same_probe(old, new);

	for (int i = 0; i < PATHS; i++) {
		struct health_path *path = &backend->paths[i];
		bool was_probed = path->id;

		if (new->kind == CONFIG_HEALTH_NONE || !(new->via &vias[i])) {
			remove_path(health, path);
			continue;
		}
		if (!was_probed || !is_same)
			renew_path(health, backend, path);
		if (!was_probed && (int)health_deciding(new) == i)
			path->verdict = verdict;
	}
}

/* ---- a configuration ------------------------------------------------------------------------- */

static struct config_health copy_health(struct arena *arena, const struct config_health *from)
{
	struct config_health copy = *from;
	const char **texts[] = {&copy.path,   &copy.method,  &copy.host,	&copy.match,
				&copy.status, &copy.ca_file, &copy.server_name, &copy.query_name,
				&copy.send,   &copy.expect,  &copy.command};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (*texts[i])
			*texts[i] = arena_string(arena, *texts[i]);
	return copy;
}

static const struct health_service *copy_service(struct arena *arena,
						 const struct config_service *from)
{
	struct health_service *service = arena_alloc(arena, sizeof(*service));

	*service = (struct health_service){
		.how = copy_health(arena, &from->health),
		.slow_start_ms = from->slow_start_ms,
		.damping = from->damping,
	};
	memcpy(service->name, from->name, strnlen(from->name, sizeof(service->name) - 1));
	return service;
}

static struct health_backend *add_backend(struct health *health,
					  const struct health_service *service,
					  const struct addr *address, uint64_t now_ms)
{
	static const struct health_service unprobed;
	struct health_key key = key_of(service->name, address);
	struct health_backend *backend = mem_alloc(sizeof(*backend));

	*backend = (struct health_backend){
		.service = &unprobed,
		.address = *address,
		.state = HEALTH_STATE_UNPROBED,
		.since_ms = now_ms,
		.share = 1000,
	};
	table_set(health->by_name, &key, sizeof(key), backend);
	return backend;
}

/* `is_new`: it was not there before, and nothing says that it has been good so far. */
static void settle(struct health *health, struct health_backend *backend,
		   const struct health_service *next, bool is_new, uint64_t now_ms)
{
	bool was_probed = backend->state != HEALTH_STATE_UNPROBED;
	bool is_probed = next->how.kind != CONFIG_HEALTH_NONE;

	settle_paths(health, backend, next);
	backend->service = next;
	backend->is_kept = true;
	if (is_probed && !was_probed) {
		backend->state = is_new ? HEALTH_STATE_NEW : HEALTH_STATE_UP;
		backend->since_ms = now_ms;
		backend->paths[health_deciding(&next->how)].verdict =
			is_new ? HEALTH_UNJUDGED : HEALTH_GOOD;
	} else if (was_probed && !is_probed) {
		if (backend->state == HEALTH_STATE_DOWN || backend->state == HEALTH_STATE_DAMPED)
			health_tell(health, backend, HEALTH_GONE, 0, "it is no longer probed",
				    now_ms);
		*backend = (struct health_backend){
			.service = next,
			.address = backend->address,
			.since_ms = now_ms,
			.share = 1000,
			.is_kept = true,
		};
	}
	backend->share = health_share(backend, now_ms);
	health_decide(health, backend, now_ms);
}

static void forget(struct health *health, struct health_backend *backend, uint64_t now_ms)
{
	struct health_key key = key_of(backend->service->name, &backend->address);

	if (backend->state == HEALTH_STATE_DOWN || backend->state == HEALTH_STATE_DAMPED)
		health_tell(health, backend, HEALTH_GONE, 0, "it is no longer configured", now_ms);
	table_remove(health->by_name, &key, sizeof(key));
	for (int i = 0; i < PATHS; i++)
		remove_path(health, &backend->paths[i]);
	free(backend);
}

static void add_probes(struct health *health, struct health_backend *backend)
{
	const struct health_service *service = backend->service;

	backend->first_probe = health->probe_count;
	for (int i = 0; i < PATHS; i++) {
		if (!backend->paths[i].id)
			continue;
		health->probes[health->probe_count++] = (struct health_probe){
			.id = backend->paths[i].id,
			.service = service->name,
			.backend = backend->address,
			.via = i == TUNNEL ? CONFIG_VIA_TUNNEL : CONFIG_VIA_DIRECT,
			.how = &service->how,
			.address = i == TUNNEL ? service->how.address : backend->address,
			.port = service->how.port,
		};
	}
	backend->probe_count = health->probe_count - backend->first_probe;
}

/* Those of `config`, in its order, with what was known of them. */
static struct health_backend **take_backends(struct health *health, struct arena *arena,
					     const struct config *config, bool in_force,
					     uint64_t now_ms, size_t *count)
{
	struct health_backend **list;

	*count = 0;
	for (size_t s = 0; s < config->service_count; s++)
		*count += config->services[s].backend_count;
	list = mem_array(*count, sizeof(struct health_backend *));
	*count = 0;
	for (size_t s = 0; s < config->service_count; s++) {
		const struct health_service *service = copy_service(arena, &config->services[s]);

		for (size_t b = 0; b < config->services[s].backend_count; b++) {
			const struct addr *address = &config->services[s].backends[b].address;
			struct health_backend *known = health_find(health, service->name, address);
			bool is_new = !known && !in_force;

			if (!known)
				known = add_backend(health, service, address, now_ms);
			settle(health, known, service, is_new, now_ms);
			list[(*count)++] = known;
		}
	}
	return list;
}

void health_configure(struct health *health, const struct config *config, bool in_force,
		      uint64_t now_ms)
{
	struct arena *arena = arena_new();
	struct health_backend **old = health->backends;
	size_t old_count = health->backend_count;

	health->backends =
		take_backends(health, arena, config, in_force, now_ms, &health->backend_count);
	for (size_t i = 0; i < old_count; i++)
		if (!old[i]->is_kept)
			forget(health, old[i], now_ms);
	free(old);
	arena_free(health->arena);
	health->arena = arena;
	free(health->probes);
	health->probes = mem_array(health->backend_count * PATHS, sizeof(*health->probes));
	health->probe_count = 0;
	for (size_t i = 0; i < health->backend_count; i++) {
		health->backends[i]->is_kept = false;
		add_probes(health, health->backends[i]);
	}
}

size_t health_probes(const struct health *health, const struct health_probe **list)
{
	*list = health->probes;
	return health->probe_count;
}

size_t health_probes_of(const struct health *health, const char *service,
			const struct addr *backend, const struct health_probe *out[2])
{
	const struct health_backend *found = health_find(health, service, backend);

	for (size_t i = 0; found && i < found->probe_count; i++)
		out[i] = &health->probes[found->first_probe + i];
	return found ? found->probe_count : 0;
}
