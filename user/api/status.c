/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent at a glance: what is wrong first. */
#include <string.h>

#include "api/requests.h"
#include "base/mem.h"

/* Findings as they are met; told by level. */
struct findings {
	struct arena *arena;
	struct wire_finding *list;
	size_t count, size;
};

static void add(struct findings *findings, const char *level, const char *about, const char *what)
{
	if (findings->count == findings->size) {
		struct wire_finding *old = findings->list;

		findings->size = findings->size ? 2 * findings->size : 16;
		findings->list = arena_alloc(findings->arena, findings->size * sizeof(*old));
		for (size_t i = 0; i < findings->count; i++)
			findings->list[i] = old[i];
	}
	findings->list[findings->count++] = (struct wire_finding){level, about, what};
}

/* The levels' names, the worst first. */
static const char error[] = "error", warning[] = "warning", note[] = "note";

static void sort_by_level(const struct findings *findings, struct wire_status *out)
{
	static const char *const levels[] = {error, warning, note};
	struct wire_finding *list = arena_alloc(findings->arena, findings->count * sizeof(*list));

	out->findings.list = list;
	for (size_t level = 0; level < ARRAY_SIZE(levels); level++)
		for (size_t i = 0; i < findings->count; i++)
			if (findings->list[i].level == levels[level])
				list[out->findings.count++] = findings->list[i];
}

/* ---- what is looked at ----------------------------------------------------------------------- */

/* Where services listen on an interface, in the configuration's order; none: it is in no configuration. */
static void list_vlans(struct request *request, const struct config *config,
		       struct wire_interface *out)
{
	const struct config_interface *interface = config_find_interface(config, out->device);
	const char *at = interface ? interface->vlans : "";

	out->vlans.list = arena_alloc(request->arena, (strlen(at) + 1) * sizeof(*out->vlans.list));
	while (*at) {
		size_t length = strcspn(at, ",");

		out->vlans.list[out->vlans.count++] =
			arena_format(request->arena, "%.*s", (int)length, at);
		at += length + (at[length] == ',');
	}
}

static void look_at_interfaces(struct request *request, const struct config *config,
			       struct findings *findings, struct wire_status *out)
{
	const struct api_host *host = &request->api->host;
	size_t max = config ? config->interface_count : 0;
	struct api_interface *interfaces = arena_alloc(request->arena, max * sizeof(*interfaces));
	size_t count = host->interfaces(host->self, interfaces, max);

	out->interfaces.list = arena_alloc(request->arena, count * sizeof(*out->interfaces.list));
	out->interfaces.count = count;
	for (size_t i = 0; i < count; i++) {
		const struct api_interface *interface = &interfaces[i];
		const char *device = arena_string(request->arena, interface->device);
		const char *about = arena_format(request->arena, "interface %s", device);

		out->interfaces.list[i] = (struct wire_interface){
			.device = device,
			.wanted = config_mode_name(interface->wanted),
			.mode = interface->attached ? dataplane_mode_name(interface->mode)
						    : "detached",
			.attach =
				interface->attach == CONFIG_ATTACH_DISPATCHER ? "dispatcher" : NULL,
			.others = interface->others,
		};
		list_vlans(request, config, &out->interfaces.list[i]);
		if (interface->problem)
			add(findings, interface->attached ? warning : error, about,
			    arena_string(request->arena, interface->problem));
		else if (!interface->attached)
			add(findings, error, about,
			    "sluice is not attached to it, so its packets pass unbalanced");
	}
}

/* Out by the network's or its own fault; what operators want is no fault. */
static bool is_broken(enum model_reason reason)
{
	return reason == MODEL_NO_WAY || reason == MODEL_UNLISTED_WAY || reason == MODEL_UNPROBED ||
	       reason == MODEL_PROBES_FAIL || reason == MODEL_DAMPED;
}

/* Why it is out, or is kept in, with what its last probe said. */
static const char *fault_text(struct request *request, const struct model_service *service,
			      const struct model_backend *backend)
{
	struct wire_backend says = {.service = service->name};
	char reason[160] = "its probes fail";

	if (backend->reason == MODEL_NO_WAY || backend->reason == MODEL_UNLISTED_WAY)
		return arena_string(request->arena, model_reason_text(backend, reason));
	describe_health(request, backend, &says);
	if (!says.kept)
		model_reason_text(backend, reason);
	return arena_format(request->arena, "%s%s%s%s%s%s%s%s", reason, says.probe_what ? ": " : "",
			    says.probe_what ? says.probe_what : "", says.diagnosis ? " (" : "",
			    says.diagnosis ? says.diagnosis : "", says.diagnosis ? ")" : "",
			    says.kept ? "; it is kept in by " : "", says.kept ? says.kept : "");
}

/* What operators have set, and what the configuration says. */
static const char *override_text(struct request *request, const struct model_service *service,
				 const struct model_backend *backend)
{
	const struct config_backend *wanted =
		config_find_backend(service->config, &backend->address);
	const char *state = "", *weight = "";

	if (backend->state_overridden)
		state = arena_format(request->arena, " state %s (configured: %s)",
				     config_state_name(backend->state),
				     config_state_name(wanted->state));
	if (backend->weight_overridden)
		weight = arena_format(request->arena, " weight %u (configured: %u)",
				      backend->weight, wanted->weight);
	return arena_format(request->arena, "changed at run time:%s%s%s", state,
			    *state && *weight ? "," : "", weight);
}

static void look_at_backend(struct request *request, const struct model_service *service,
			    const struct model_backend *backend, struct findings *findings)
{
	bool broken = is_broken(backend->reason) || backend->kept != MODEL_NOT_KEPT;
	bool changed = backend->state_overridden || backend->weight_overridden;
	char address[ADDR_TEXT_SIZE];
	const char *about;

	if (!broken && !changed)
		return;
	about = arena_format(request->arena, "backend %s %s", service->name,
			     addr_format(&backend->address, address));
	if (broken)
		add(findings, warning, about, fault_text(request, service, backend));
	if (changed)
		add(findings, note, about, override_text(request, service, backend));
}

static void look_at_services(struct request *request, struct findings *findings,
			     struct wire_status *out)
{
	const struct model *model = engine_model(request->api->engine);

	out->services = model->service_count;
	for (size_t i = 0; i < model->service_count; i++) {
		const struct model_service *service = &model->services[i];
		const char *held_open;

		/* What holds all of them is said once. */
		held_open = engine_track_error(request->api->engine)
				    ? NULL
				    : describe_slots(request, service->name).held_open;
		out->backends += service->backend_count - service->standing_by;
		out->backends_ready += service->ready;
		out->services_ready += service->ready > 0;
		if (!service->ready)
			add(findings, error,
			    arena_format(request->arena, "service %s", service->name),
			    "no backend takes new flows: its packets are dropped (no_backend)");
		if (service->is_fallback)
			add(findings, warning,
			    arena_format(request->arena, "service %s", service->name),
			    fallback_text(service));
		if (service->is_panic)
			add(findings, error,
			    arena_format(request->arena, "service %s", service->name),
			    panic_text(request->arena, service));
		if (held_open)
			add(findings, warning,
			    arena_format(request->arena, "service %s", service->name),
			    arena_format(request->arena, "its change is held open: %s", held_open));
		for (size_t j = 0; j < service->backend_count; j++)
			look_at_backend(request, service, &service->backends[j], findings);
	}
}

static void look_at_tracking(struct request *request, struct findings *findings)
{
	const char *problem = track_problem(request);

	if (problem)
		add(findings, error, "changes", problem);
}

/* What is wrong with the agent's own doings: repairs, the prober, alert sinks. */
static void look_at_conditions(struct request *request, struct findings *findings)
{
	static const char *const levels[] = {
		[API_OK] = note, [API_NOTE] = note, [API_WARNING] = warning, [API_ERROR] = error};
	const struct api_host *host = &request->api->host;
	struct api_condition *checks;
	size_t count = host->conditions(host->self, true, request->arena, &checks);

	for (size_t i = 0; i < count; i++)
		add(findings, levels[checks[i].level],
		    checks[i].about
			    ? arena_format(request->arena, "%s %s", checks[i].name, checks[i].about)
			    : checks[i].name,
		    checks[i].evidence);
}

/* The data path has met what cannot be. */
static void look_at_counters(struct request *request, struct findings *findings)
{
	uint64_t counts[SL_COUNTERS_PER_LINE];

	dataplane_count(engine_view(request->api->engine), SL_DROP_internal / SL_COUNTERS_PER_LINE,
			counts);
	if (counts[SL_DROP_internal % SL_COUNTERS_PER_LINE])
		add(findings, error, "data path",
		    arena_format(
			    request->arena,
			    "%llu packets were dropped because maps contradict each other "
			    "(internal); restart sluiced, and report it",
			    (unsigned long long)counts[SL_DROP_internal % SL_COUNTERS_PER_LINE]));
}

void api_usage(const struct engine *engine, size_t denied_at_run_time,
	       struct wire_usage out[API_USAGES])
{
	const struct sl_limits *limits = &engine_view(engine)->limits;
	const struct config *config = engine_config(engine);
	size_t denied = config ? config->denied_count : 0;
	const struct wire_usage usages[API_USAGES] = {
		{"services", config ? config->service_count : 0, limits->services},
		{"listeners", config ? config_listener_count(config) : 0, limits->listeners},
		{"backends", config ? config_backend_count(config) : 0, limits->backends},
		{"flows", engine_scans(engine).entries, limits->flows},
		{"maglev-slots", config ? config_slots_needed(config) : 0, limits->slots},
		{"deny", denied + denied_at_run_time, limits->deny},
	};

	memcpy(out, usages, sizeof(usages));
}

static void look_at_usage(struct request *request, struct wire_status *out)
{
	const struct api_host *host = &request->api->host;
	const struct api_denied *added;

	out->usage.count = API_USAGES;
	out->usage.list = arena_alloc(request->arena, API_USAGES * sizeof(*out->usage.list));
	api_usage(request->api->engine, host->denied(host->self, &added), out->usage.list);
}

enum wire_code answer_status(struct request *request)
{
	const struct api *api = request->api;
	const struct config *config = engine_config(api->engine);
	struct findings findings = {.arena = request->arena};
	struct wire_status *out = arena_alloc(request->arena, sizeof(*out));

	*out = (struct wire_status){
		.version = SLUICE_VERSION,
		.revision = engine_revision(api->engine),
		.file = config ? config->file : NULL,
		.uptime_s = (api->host.now_ms(api->host.self) - api->started_at_ms) / 1000,
		.overrides = engine_overrides(api->engine)->count,
	};
	if (!config)
		add(&findings, error, "configuration", "none is in force; 'sluicectl apply FILE'");
	look_at_interfaces(request, config, &findings, out);
	look_at_conditions(request, &findings);
	look_at_services(request, &findings, out);
	look_at_tracking(request, &findings);
	look_at_counters(request, &findings);
	look_at_usage(request, out);
	sort_by_level(&findings, out);
	return answer_with(request, WIRE_KIND_status, out);
}
