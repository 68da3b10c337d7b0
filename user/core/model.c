/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/model.h"
#include "core/model_judge.h"
#include "core/path.h"

/*
 * config_encapsulation and sl_encapsulation are lists of their own: one is the user's, one the
 * maps'.
 */
static const enum sl_encapsulation encapsulations[] = {
	[CONFIG_IPIP] = SL_ENCAP_IPIP,
	[CONFIG_GUE] = SL_ENCAP_GUE,
	[CONFIG_L2] = SL_ENCAP_L2,
};

static void build_path(const struct config *config, const struct config_service *service,
		       struct model_backend *backend)
{
	bool four = backend->address.family == 4;
	struct path_options options = {
		.encapsulation = encapsulations[service->encapsulation],
		.source = four ? config->source : config->source6,
		.entropy = four ? config->entropy : config->entropy6,
		.mtu = config->mtu,
	};

	if (backend->way.way != NET_WAY_READY ||
	    !config_find_interface(config, net_way_out(&backend->way)))
		return;
	backend->path_error =
		path_build(&backend->way, &backend->address, &options, &backend->path);
}

static enum model_reason find_reason(const struct config *config,
				     const struct model_backend *backend)
{
	if (backend->state == CONFIG_DOWN)
		return MODEL_DISABLED;
	if (backend->state == CONFIG_DRAIN)
		return MODEL_DRAINED;
	if (!backend->weight)
		return MODEL_WEIGHT_ZERO;
	if (backend->way.way == NET_WAY_READY &&
	    !config_find_interface(config, net_way_out(&backend->way)))
		return MODEL_UNLISTED_WAY;
	return backend->path.ifindex ? MODEL_TAKES_FLOWS : MODEL_NO_WAY;
}

static void build_backend(const struct config *config, const struct config_service *service,
			  const struct config_backend *wanted, const struct override *override,
			  struct model_backend *out)
{
	out->address = wanted->address;
	out->is_fallback = wanted->is_fallback;
	out->state_overridden = override && override->has_state;
	out->weight_overridden = override && override->has_weight;
	out->state = out->state_overridden ? override->state : wanted->state;
	out->weight = out->weight_overridden ? override->weight : wanted->weight;
	build_path(config, service, out);
	out->reason = find_reason(config, out);
}

static struct model_service build_service(const struct config *config,
					  const struct config_service *wanted,
					  const struct overrides *overrides,
					  const struct model_sources *sources)
{
	struct model_service service = {
		.name = wanted->name,
		.config = wanted,
		.backends = mem_array(wanted->backend_count, sizeof(*service.backends)),
		.backend_count = wanted->backend_count,
	};

	for (size_t b = 0; b < wanted->backend_count; b++) {
		const struct addr *address = &wanted->backends[b].address;
		struct model_backend *backend = &service.backends[b];

		sources->nexthop(sources->self, address, &backend->way);
		build_backend(config, wanted, &wanted->backends[b],
			      overrides_find(overrides, wanted->name, address), backend);
	}
	model_judge(&service, sources);
	return service;
}

struct model *model_build(const struct config *config, const struct overrides *overrides,
			  const struct model_sources *sources)
{
	struct model *model = mem_alloc(sizeof(*model));

	model->services = mem_array(config->service_count, sizeof(*model->services));
	model->service_count = config->service_count;
	for (size_t s = 0; s < config->service_count; s++)
		model->services[s] =
			build_service(config, &config->services[s], overrides, sources);
	return model;
}

void model_add_leaving(struct model *model, const struct config *config, const char *service,
		       const struct addr *address, bool leaves_already,
		       const struct model_sources *sources)
{
	struct model_service *of = (struct model_service *)model_find_service(model, service);
	struct model_backend *backend;

	of->leaving = mem_grow(of->leaving, of->leaving_count, sizeof(*of->leaving));
	backend = &of->leaving[of->leaving_count++];
	*backend = (struct model_backend){
		.address = *address,
		.state = CONFIG_DRAIN,
		.leaves = true,
		.leaves_already = leaves_already,
	};
	sources->nexthop(sources->self, address, &backend->way);
	build_path(config, of->config, backend);
	backend->reason = backend->path.ifindex ? MODEL_DRAINED : MODEL_NO_WAY;
}

void model_remove_leaving(struct model *model, const char *service, const struct addr *gone,
			  size_t count)
{
	struct model_service *of = (struct model_service *)model_find_service(model, service);
	size_t kept = 0, at = 0;

	for (size_t i = 0; of && i < of->leaving_count; i++) {
		while (at < count && addr_compare(&gone[at], &of->leaving[i].address) < 0)
			at++;
		if (at == count || !addr_equal(&gone[at], &of->leaving[i].address))
			of->leaving[kept++] = of->leaving[i];
	}
	if (of)
		of->leaving_count = kept;
}

void model_free(struct model *model)
{
	if (!model)
		return;
	for (size_t i = 0; i < model->service_count; i++) {
		free(model->services[i].backends);
		free(model->services[i].leaving);
	}
	free(model->services);
	free(model);
}

static int compare_name(const void *name, const void *service)
{
	return strcmp(name, ((const struct model_service *)service)->name);
}

const struct model_service *model_find_service(const struct model *model, const char *name)
{
	if (!model->service_count)
		return NULL;
	return bsearch(name, model->services, model->service_count, sizeof(*model->services),
		       compare_name);
}

static int compare_address(const void *address, const void *backend)
{
	return addr_compare(address, &((const struct model_backend *)backend)->address);
}

static const struct model_backend *find(const struct model_backend *list, size_t count,
					const struct addr *address)
{
	return count ? bsearch(address, list, count, sizeof(*list), compare_address) : NULL;
}

const struct model_backend *model_find_backend(const struct model_service *service,
					       const struct addr *address)
{
	return find(service->backends, service->backend_count, address);
}

const struct model_backend *model_find_leaving(const struct model_service *service,
					       const struct addr *address)
{
	return find(service->leaving, service->leaving_count, address);
}

uint32_t model_flags(enum model_reason reason)
{
	static const uint32_t flags[] = {
		[MODEL_DISABLED] = SL_BACKEND_DOWN,
		[MODEL_NO_WAY] = SL_BACKEND_DOWN,
		[MODEL_UNLISTED_WAY] = SL_BACKEND_DOWN,
		[MODEL_PROBES_FAIL] = SL_BACKEND_DOWN,
	};

	return (size_t)reason < ARRAY_SIZE(flags) ? flags[reason] : 0;
}

enum track_health model_health(enum model_reason reason)
{
	if (reason == MODEL_DISABLED)
		return TRACK_DEAD;
	return model_flags(reason) & SL_BACKEND_DOWN ? TRACK_DOWN : TRACK_UP;
}

/* ---- for people ------------------------------------------------------------------------------ */

/* The way is ready, and yet there is no path. */
static void explain_no_path(const struct model_backend *backend, char out[160])
{
	unsigned int family = backend->address.family;

	switch (backend->path_error) {
	case -EADDRNOTAVAIL:
		snprintf(out, 160,
			 "no IPv%u source address for the outer header; set tunnel.source%s",
			 family, family == 4 ? "" : "6");
		break;
	case -EMSGSIZE:
		snprintf(out, 160,
			 "the MTU of %s, or tunnel.mtu, leaves no room beside the outer header; "
			 "raise it",
			 backend->way.device);
		break;
	case -EHOSTUNREACH:
		snprintf(out, 160,
			 "encapsulation l2 reaches only hosts on a segment of this one, and this "
			 "one "
			 "is behind a router; use ipip or gue");
		break;
	default:
		snprintf(out, 160, "no outer header can be made: %s",
			 strerror(-backend->path_error));
	}
}

static void explain_way(const struct model_backend *backend, char out[160])
{
	char way[128];

	if (backend->way.way == NET_WAY_READY)
		explain_no_path(backend, out);
	else
		snprintf(out, 160, "%s", net_way_text(&backend->way, way));
}

const char *model_reason_text(const struct model_backend *backend, char out[160])
{
	const char *state_by =
		backend->state_overridden ? "an operator's override" : "the configuration";
	const char *weight_by =
		backend->weight_overridden ? "an operator's override" : "the configuration";

	out[0] = '\0';
	switch (backend->reason) {
	case MODEL_REASONS:
	case MODEL_TAKES_FLOWS:
		break;
	case MODEL_DISABLED:
		snprintf(out, 160, "down by %s", state_by);
		break;
	case MODEL_DRAINED:
		snprintf(out, 160, "drained by %s", state_by);
		break;
	case MODEL_WEIGHT_ZERO:
		snprintf(out, 160, "weight 0 by %s", weight_by);
		break;
	case MODEL_NO_WAY:
		explain_way(backend, out);
		break;
	case MODEL_UNLISTED_WAY:
		snprintf(out, 160,
			 "the way out is %s, which is not among `interfaces`; add it there",
			 net_way_out(&backend->way));
		break;
	case MODEL_UNPROBED:
		snprintf(out, 160, "no probe has succeeded yet since it is new");
		break;
	case MODEL_PROBES_FAIL:
		snprintf(out, 160, "its probes fail");
		break;
	case MODEL_STANDS_BY:
		snprintf(out, 160, "a fallback: others take the new flows");
		break;
	case MODEL_DAMPED:
		snprintf(out, 160,
			 "its probes succeed, but its health flaps: it stays out for a while");
		break;
	}
	return out;
}
