/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent knows itself; the host's settings are looked at in doctor_host.c. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/doctor.h"
#include "agent/events.h"
#include "agent/probing.h"
#include "base/mem.h"
#include "base/problem.h"
#include "core/path.h"

#define CLIENT_MTU   1500 /* bytes of IP that clients may send in one packet */
#define IPV6_MTU     1280 /* what no sender goes below, whatever it is told (RFC 8200 section 5) */
#define FULL_PERCENT 90	  /* of a limit */

void doctor_add(struct doctor *doctor, const char *name, enum api_level level, const char *about,
		const char *advice, const char *evidence, ...)
{
	va_list args;
	char *text;

	va_start(args, evidence);
	text = mem_vformat(evidence, args);
	va_end(args);
	doctor->list = mem_grow(doctor->list, doctor->count, sizeof(*doctor->list));
	doctor->list[doctor->count++] = (struct api_condition){
		.name = name,
		.level = level,
		.about = about ? arena_string(doctor->arena, about) : NULL,
		.evidence = arena_string(doctor->arena, text),
		.advice = advice ? arena_string(doctor->arena, advice) : NULL,
	};
	free(text);
}

/* ---- what the agent puts right by itself ----------------------------------------------------- */

static void look_at_repairs(struct doctor *doctor, bool quick)
{
	for (int check = 0; check < REPAIR_CHECKS; check++) {
		const struct repair_state *state = &doctor->agent->repair.states[check];
		bool is_over = tries_are_over(&state->tries);

		if (state->is_wrong)
			doctor_add(doctor, repair_name(check), API_ERROR, NULL,
				   is_over ? repair_advice(check) : NULL, "%s%s", state->what,
				   is_over ? "; sluiced has given up" : "; sluiced tries again");
		else if (!quick)
			doctor_add(doctor, repair_name(check), API_OK, NULL, NULL,
				   "all is as it should be; found wrong %llu times, put right %llu "
				   "times since the start",
				   (unsigned long long)state->found,
				   (unsigned long long)state->mended);
	}
}

/* ---- answers to probes ------------------------------------------------------------------------ */

static void look_at_answers(struct doctor *doctor, bool quick)
{
	const struct engine *engine = doctor->agent->engine;
	struct problems findings = {};

	tunnel_findings(&doctor->agent->tunnel, engine_config(engine), engine_model(engine),
			&findings);
	for (size_t i = 0; i < findings.count; i++)
		doctor_add(doctor, "probes", API_ERROR, findings.list[i].value, NULL, "%s",
			   findings.list[i].expected);
	if (!quick && !findings.count && doctor->agent->tunnel.count)
		doctor_add(doctor, "probes", API_OK, NULL, NULL,
			   "answers to probes through the tunnel are taken by the kernel");
	problems_free(&findings);
}

/* ---- interfaces ------------------------------------------------------------------------------ */

static void look_at_interface(struct doctor *doctor, const struct interface *i)
{
	const char *device = i->link.device;

	if (!i->seen.attached)
		doctor_add(doctor, "interface", API_ERROR, device, NULL, "%s", i->seen.problem);
	else if (i->seen.problem)
		doctor_add(doctor, "interface", API_WARNING, device, NULL, "%s", i->seen.problem);
	else if (i->seen.mode == DATAPLANE_GENERIC)
		doctor_add(doctor, "interface", API_WARNING, device,
			   "use a driver with native XDP (and `mode: native` to insist on it); see "
			   "the "
			   "log's line of the attachment for what the driver said",
			   "runs in generic mode: each packet costs several times as much");
	else if (i->link.is_beside)
		doctor_add(
			doctor, "interface", API_OK, device, NULL,
			"runs in native mode, and hides nothing; beside %u other XDP program%s, by "
			"libxdp's dispatcher",
			i->seen.others, i->seen.others == 1 ? "" : "s");
	else
		doctor_add(doctor, "interface", API_OK, device, NULL,
			   "runs in native mode, and hides nothing");
	doctor_look_at_queues(doctor, device);
}

static void look_at_interfaces(struct doctor *doctor)
{
	struct interfaces *is = &doctor->agent->interfaces;

	interfaces_look(is, doctor->agent->dp, doctor->agent->net);
	for (size_t i = 0; i < is->count; i++)
		look_at_interface(doctor, &is->list[i]);
}

/* ---- the ways to the backends ---------------------------------------------------------------- */

static const char *way_advice(const struct model_backend *backend)
{
	static const char *const advices[NET_WAYS] = {
		[NET_WAY_NO_ROUTE] = "add a route to it",
		[NET_WAY_LOCAL] = "a backend cannot be this host itself",
		[NET_WAY_LINK_DOWN] = "bring the interface up, and see its cable",
		[NET_WAY_NO_ETHERNET] = "route to it by an Ethernet interface",
		[NET_WAY_VLAN] = "route to it by a device of this host with two VLAN tags at most",
		[NET_WAY_RESOLVING] =
			"wait a second; then see whether the next hop answers ARP or ND",
		[NET_WAY_FAILED] = "see whether the next hop is up and on this segment",
		[NET_WAY_UNKNOWN] = "see the log: the kernel could not be asked",
	};

	if (backend->reason == MODEL_UNLISTED_WAY)
		return "add the interface to `interfaces`, or change the route";
	return advices[backend->way.way];
}

/* The packets that fit through the tunnel, by the way that takes the shortest. */
struct shortest {
	uint32_t inner_max;
	uint32_t overhead; /* bytes that this way adds */
	const char *device;
};

static void keep_shortest(struct shortest *shortest, const struct model_backend *backend)
{
	if (backend->path.inner_max < shortest->inner_max)
		*shortest = (struct shortest){
			.inner_max = backend->path.inner_max,
			.overhead =
				path_overhead(backend->path.encapsulation, backend->path.family),
			.device = backend->way.device,
		};
}

static bool has_ipv6(const struct config_service *service)
{
	for (size_t i = 0; i < service->listener_count; i++)
		if (service->listeners[i].address.family == 6)
			return true;
	return false;
}

/* `six`: of services with IPv6 addresses. */
static void look_at_backend(struct doctor *doctor, const struct model_service *service,
			    const struct model_backend *backend, struct shortest *all,
			    struct shortest *six)
{
	char address[ADDR_TEXT_SIZE], why[160], *about;

	if (backend->path.ifindex) {
		keep_shortest(all, backend);
		if (has_ipv6(service->config))
			keep_shortest(six, backend);
		return;
	}
	about = mem_format("%s %s", service->name, addr_format(&backend->address, address));
	doctor_add(doctor, "next hop", API_ERROR, about, way_advice(backend), "%s",
		   model_reason_text(backend, why)[0] ? why : net_way_text(&backend->way, why));
	free(about);
}

#define RAISE_MTU "raise the MTU between here and the backends to %u"

static void look_at_mtu(struct doctor *doctor, const struct shortest *all,
			const struct shortest *six)
{
	char *advice;

	if (!all->device)
		return;
	if (six->inner_max < IPV6_MTU) {
		advice = mem_format(RAISE_MTU " at least", IPV6_MTU + six->overhead);
		doctor_add(doctor, "mtu", API_ERROR, six->device, advice,
			   "IPv6 packets of %u bytes, below which no sender goes, do not fit the "
			   "way to every backend, which takes %u: connections stall (too_big)",
			   IPV6_MTU, six->inner_max);
		free(advice);
	}
	if (all->inner_max < CLIENT_MTU) {
		advice = mem_format(RAISE_MTU ", or lower the clients' MSS",
				    CLIENT_MTU + all->overhead);
		doctor_add(doctor, "mtu", API_WARNING, all->device, advice,
			   "packets of more than %u bytes do not fit the way to every backend and "
			   "are dropped, and their senders told (too_big_told)",
			   all->inner_max);
		free(advice);
	} else {
		doctor_add(doctor, "mtu", API_OK, NULL, NULL,
			   "packets of up to %u bytes fit the way to every backend",
			   all->inner_max);
	}
}

static void look_at_ways(struct doctor *doctor)
{
	const struct model *model = engine_model(doctor->agent->engine);
	struct shortest all = {.inner_max = UINT32_MAX}, six = all;
	size_t before = doctor->count, backends = 0;

	for (size_t s = 0; s < model->service_count; s++)
		for (size_t b = 0; b < model->services[s].backend_count; b++, backends++)
			look_at_backend(doctor, &model->services[s],
					&model->services[s].backends[b], &all, &six);
	if (doctor->count == before)
		doctor_add(doctor, "next hop", API_OK, NULL, NULL,
			   "every one of %zu backends has one", backends);
	look_at_mtu(doctor, &all, &six);
}

/* ---- services -------------------------------------------------------------------------------- */

static void look_at_services(struct doctor *doctor)
{
	const struct model *model = engine_model(doctor->agent->engine);
	size_t ready = 0;

	for (size_t s = 0; s < model->service_count; s++) {
		const struct model_service *service = &model->services[s];
		char *advice = mem_format("`sluicectl service show %s` tells of each backend why",
					  service->name);

		ready += service->ready > 0;
		if (!service->ready)
			doctor_add(
				doctor, "service", API_ERROR, service->name, advice,
				"no backend takes new flows: its packets are dropped (no_backend)");
		else if (service->is_fallback)
			doctor_add(doctor, "service", API_WARNING, service->name, advice,
				   "none of its other backends is healthy and may take flows: its "
				   "fallback takes the new ones");
		else if (service->is_panic)
			doctor_add(doctor, "service", API_ERROR, service->name, advice,
				   "so few backends are healthy that health is ignored (panic)");
		free(advice);
	}
	if (ready == model->service_count)
		doctor_add(doctor, "service", API_OK, NULL, NULL,
			   "every one of %zu services has a backend that takes new flows", ready);
}

/* ---- health ---------------------------------------------------------------------------------- */

/* Out by what probes say of it, or in nevertheless. */
static bool is_unwell(const struct model_backend *backend)
{
	return backend->kept != MODEL_NOT_KEPT || backend->reason == MODEL_UNPROBED ||
	       backend->reason == MODEL_PROBES_FAIL || backend->reason == MODEL_DAMPED;
}

static void look_at_health_of(struct doctor *doctor, const struct model_service *service,
			      size_t *probed, size_t *unwell)
{
	const struct model_backend *first = NULL;
	size_t count = 0;
	char address[ADDR_TEXT_SIZE], *advice;

	for (size_t i = 0; i < service->backend_count; i++) {
		const struct model_backend *backend = &service->backends[i];

		*probed += backend->is_probed;
		if (!is_unwell(backend))
			continue;
		count++;
		first = first ? first : backend;
	}
	*unwell += count;
	if (!count)
		return;
	advice = mem_format("`sluicectl service show %s` tells what its probes find, `sluicectl "
			    "backend check %s %s` probes it now",
			    service->name, service->name, addr_format(&first->address, address));
	doctor_add(doctor, "health", API_WARNING, service->name, advice,
		   "%zu of %zu backends %s not well by what probes say%s %s", count,
		   service->backend_count, count == 1 ? "is" : "are",
		   count == 1 ? ":" : ", the first of them", address);
	free(advice);
}

static void look_at_health(struct doctor *doctor)
{
	const struct model *model = engine_model(doctor->agent->engine);
	size_t probed = 0, unwell = 0;

	for (size_t s = 0; s < model->service_count; s++)
		look_at_health_of(doctor, &model->services[s], &probed, &unwell);
	if (probed && !unwell)
		doctor_add(doctor, "health", API_OK, NULL, NULL,
			   "probes keep no backend out; %zu are probed", probed);
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void look_at_limit(struct doctor *doctor, const struct wire_usage *usage)
{
	bool is_full = usage->used * 100 >= usage->limit * FULL_PERCENT;
	char *field = mem_format("limits.%s", usage->name);
	char *advice = mem_format("raise %s in the configuration, and restart sluiced", field);

	doctor_add(doctor, "limits", is_full ? API_WARNING : API_OK, field, is_full ? advice : NULL,
		   "%llu of %llu are used", (unsigned long long)usage->used,
		   (unsigned long long)usage->limit);
	free(advice);
	free(field);
}

static void look_at_limits(struct doctor *doctor)
{
	struct wire_usage usages[API_USAGES];

	api_usage(doctor->agent->engine, doctor->agent->denied.count, usages);
	for (size_t i = 0; i < API_USAGES; i++)
		look_at_limit(doctor, &usages[i]);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Errors only where somebody waits for its results: the last ones stay in force meanwhile. */
static void look_at_prober(struct doctor *doctor, bool quick)
{
	struct prober_look look;
	const char *problem = probing_look(doctor->agent->probing, &look);

	if (problem)
		doctor_add(doctor, "prober", look.is_wanted ? API_ERROR : API_NOTE, NULL,
			   "see the log before this; health stays as it is until probes run again",
			   "%s", problem);
	else if (quick)
		return;
	else if (look.is_running)
		doctor_add(doctor, "prober", API_OK, NULL, NULL,
			   "process %d runs %zu probes; it was started again %u times", look.pid,
			   look.probes, look.restarts);
	else
		doctor_add(doctor, "prober", API_OK, NULL, NULL,
			   "no service has `health`, and nobody is to be alerted: none runs");
}

/* Whoever is to be told and is not told cannot know that. */
static void look_at_sinks(struct doctor *doctor, bool quick)
{
	struct alert_look look;

	for (size_t i = 0; events_look_at_sink(doctor->agent->events, i, &look); i++)
		if (look.failure)
			doctor_add(
				doctor, "alerts", API_WARNING, look.sink->name,
				"see that it is there and takes alerts; what waits is tried again",
				"the last try failed: %s; %zu alerts wait, %llu were lost",
				look.failure, look.queued, (unsigned long long)look.lost);
		else if (!quick)
			doctor_add(doctor, "alerts", API_OK, look.sink->name, NULL,
				   "%llu alerts were sent, %zu wait, %llu were lost",
				   (unsigned long long)look.sent, look.queued,
				   (unsigned long long)look.lost);
}

size_t doctor_look(struct agent *agent, bool quick, struct arena *arena, struct api_condition **out)
{
	struct doctor doctor = {.agent = agent, .arena = arena};

	look_at_repairs(&doctor, quick);
	look_at_prober(&doctor, quick);
	look_at_answers(&doctor, quick);
	look_at_sinks(&doctor, quick);
	if (!quick) {
		look_at_interfaces(&doctor);
		look_at_services(&doctor);
		look_at_health(&doctor);
		look_at_ways(&doctor);
		look_at_limits(&doctor);
		doctor_look_at_host(&doctor);
	}
	doctor_look_at_state(&doctor, quick);
	*out = arena_alloc(arena, (doctor.count + 1) * sizeof(**out));
	for (size_t i = 0; i < doctor.count; i++)
		(*out)[i] = doctor.list[i];
	free(doctor.list);
	return doctor.count;
}
