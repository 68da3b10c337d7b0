/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What probes say of services and backends, as documents. */
#include "api/requests.h"
#include "base/mem.h"
#include "base/text.h"
#include "health/health.h"

static const char *text_or_null(struct arena *arena, const char *text)
{
	return text && *text ? arena_string(arena, text) : NULL;
}

static const char *result_of(const struct health_look_via *via)
{
	if (!via->has_result)
		return NULL;
	return via->is_ok ? "ok" : "failed";
}

static const char *kept_text(enum model_kept kept)
{
	static const char *const names[] = {
		[MODEL_KEPT_PANIC] = "panic",
		[MODEL_KEPT_SHARE] = "max-ejected",
	};

	return kept < ARRAY_SIZE(names) ? names[kept] : NULL;
}

/* Only where both ways are probed, and have been since it went down, can one be told from the other. */
static const char *diagnose(const struct health_look *look)
{
	if (!look->tunnel.is_probed || !look->direct.is_probed || look->state != HEALTH_STATE_DOWN)
		return NULL;
	if (look->is_tunnel_broken)
		return "tunnel broken, server answers directly";
	return look->direct.verdict == HEALTH_BAD ? "server down" : NULL;
}

static void describe_probes(struct request *request, const struct health_look *look,
			    struct wire_backend *out)
{
	const struct health_look_via *via = look->tunnel.is_probed ? &look->tunnel : &look->direct;

	out->probe = result_of(via);
	if (via->has_result) {
		out->probe_what = text_or_null(request->arena, via->what);
		out->probe_ago_ms = via->ago_ms;
		out->probe_latency_us = via->latency_us;
		out->probes_in_row = via->in_row;
	}
	if (!look->tunnel.is_probed || !look->direct.is_probed)
		return;
	out->direct = result_of(&look->direct);
	if (look->direct.has_result)
		out->direct_what = text_or_null(request->arena, look->direct.what);
}

void describe_health(struct request *request, const struct model_backend *backend,
		     struct wire_backend *out)
{
	const struct api *api = request->api;
	struct health_look look;

	if (!health_look(api->health, out->service, &backend->address,
			 api->host.now_ms(api->host.self), &look) ||
	    look.state == HEALTH_STATE_UNPROBED)
		return;
	out->health = health_state_name(look.state);
	out->health_for_ms = look.since_ms;
	out->kept = kept_text(backend->kept);
	out->diagnosis = diagnose(&look);
	out->damped_left_ms = look.damped_left_ms;
	out->slow_start_left_ms = look.slow_left_ms;
	describe_probes(request, &look, out);
}

void describe_death(const struct engine_holding *holding, struct wire_backend *out)
{
	if (!holding->is_failing)
		return;
	out->dead = holding->is_dead ? "dead" : holding->is_paused ? "paused" : "counts";
	out->dead_left_ms = holding->dead_left_ms;
}

/* ---- services -------------------------------------------------------------------------------- */

static const char *const vias[] = {
	[CONFIG_VIA_TUNNEL] = "through the tunnel",
	[CONFIG_VIA_DIRECT] = "directly",
	[CONFIG_VIA_TUNNEL | CONFIG_VIA_DIRECT] = "through the tunnel and directly",
};

const char *health_text(struct arena *arena, const struct config_service *service)
{
	const struct config_health *how = &service->health;
	char target[ENDPOINT_TEXT_SIZE] = "", interval[24], timeout[24];

	if (how->kind == CONFIG_HEALTH_NONE)
		return NULL;
	if (how->via & CONFIG_VIA_TUNNEL && how->port)
		endpoint_format(&how->address, how->port, target);
	else if (how->via & CONFIG_VIA_TUNNEL)
		addr_format(&how->address, target);
	return arena_format(arena, "%s %s%s%s, every %s, timeout %s, rise %u, fall %u",
			    config_health_kind_name(how->kind), vias[how->via],
			    *target ? " to " : "", target,
			    text_format_duration(how->interval_ms, interval),
			    text_format_duration(how->timeout_ms, timeout), how->rise, how->fall);
}

const char *fallback_text(const struct model_service *service)
{
	return service->is_fallback ? "no other backend may take flows: fallbacks take the new ones"
				    : NULL;
}

const char *panic_text(struct arena *arena, const struct model_service *service)
{
	size_t healthy = 0;

	if (!service->is_panic)
		return NULL;
	for (size_t i = 0; i < service->backend_count; i++)
		healthy += service->backends[i].reason == MODEL_TAKES_FLOWS &&
			   service->backends[i].kept == MODEL_NOT_KEPT;
	return arena_format(
		arena, "%zu of %zu backends %s healthy, fewer than %u %%: health is ignored",
		healthy, service->eligible, healthy == 1 ? "is" : "are", service->config->panic);
}
