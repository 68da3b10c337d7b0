/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/events.h"
#include "agent/ways.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/table.h"
#include "base/text.h"

#define LINES_MAX   10 /* a moment's news of backends; what is more is counted */
#define SUMMARY_MAX 5

uint64_t ways_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
}

/* ---- news ------------------------------------------------------------------------------------ */

/* A fallback that stands by could take flows, which is all that is to be said of it: of its service, events are made. */
static enum model_reason heard(const struct model_backend *backend)
{
	return backend->reason == MODEL_STANDS_BY ? MODEL_TAKES_FLOWS : backend->reason;
}

/*
 * What was said of a backend: tables hold pointers, so an address stands for each reason and way.
 */
static const char sayings[MODEL_REASONS][NET_WAYS];

static void *saying_of(const struct model_backend *backend)
{
	/* Why there is no way counts only where that is the reason. */
	enum net_way way = backend->reason == MODEL_NO_WAY ? backend->way.way : 0;

	return (void *)&sayings[heard(backend)][way];
}

static char *name_of(const struct model_service *service, const struct model_backend *backend)
{
	char address[ADDR_TEXT_SIZE];

	return mem_format("%s %s", service->name, addr_format(&backend->address, address));
}

/* Which reason it was that was said, of NULL none. */
static enum model_reason reason_of(const void *saying)
{
	if (!saying)
		return MODEL_TAKES_FLOWS;
	return ((const char *)saying - &sayings[0][0]) / NET_WAYS;
}

static bool is_wayless(enum model_reason reason)
{
	return reason == MODEL_NO_WAY || reason == MODEL_UNLISTED_WAY;
}

static bool is_by_probes(enum model_reason reason)
{
	return reason == MODEL_UNPROBED || reason == MODEL_PROBES_FAIL || reason == MODEL_DAMPED;
}

/* As it is where nobody but its probes has a say. */
static bool is_probes_affair(enum model_reason reason)
{
	return reason == MODEL_TAKES_FLOWS || is_by_probes(reason);
}

/*
 * Resolving lasts a moment after a start or a change, and what probes say is posted by who hears them: worth a line only
 * for those who look closely. Where they have a say again, what took their place is over.
 */
static bool is_no_event(const struct model_backend *backend, const void *before)
{
	enum model_reason reason = heard(backend), was = reason_of(before);

	if (reason == MODEL_NO_WAY)
		return backend->way.way == NET_WAY_RESOLVING;
	return is_probes_affair(reason) && is_probes_affair(was) &&
	       (is_by_probes(reason) || is_by_probes(was));
}

static enum event_kind kind_of(const struct model_backend *backend, const void *before)
{
	if (is_wayless(backend->reason))
		return EVENT_next_hop_lost;
	if (!is_probes_affair(heard(backend)))
		return EVENT_backend_out;
	return is_wayless(reason_of(before)) ? EVENT_next_hop_found : EVENT_backend_in;
}

/* A way out that waits for no neighbour but for a person. */
static void say_device(const struct model_backend *backend, struct events *events)
{
	const struct net_nexthop *way = &backend->way;
	const struct event event = {.kind = EVENT_way_unusable, .device = way->device};

	if (backend->reason == MODEL_UNLISTED_WAY)
		event_say(events, event,
			  "interface %s leads to backends and is not among `interfaces`: they take "
			  "no "
			  "new flows; add `- device: %s` to the configuration, or change the route",
			  net_way_out(way), net_way_out(way));
	else
		event_say(events, event,
			  "interface %s leads to backends and is %s%s: they take no new flows; "
			  "route to them over a device "
			  "of this host with two VLAN tags at most",
			  way->device,
			  way->parent[0] ? "a VLAN device of more than two tags on "
					 : "a VLAN device of a device elsewhere",
			  way->parent);
}

static bool needs_a_hand(const struct model_backend *backend)
{
	return backend->reason == MODEL_UNLISTED_WAY ||
	       (backend->reason == MODEL_NO_WAY && backend->way.way == NET_WAY_VLAN);
}

/* One round over all backends. */
struct round {
	struct ways *ways, next;
	struct events *events;
	size_t lines;
};

static void say_backend(struct round *r, const struct model_service *service,
			const struct model_backend *backend, const char *name, const void *before)
{
	bool is_first = !r->ways->backends, takes = heard(backend) == MODEL_TAKES_FLOWS;
	char why[160], address[ADDR_TEXT_SIZE];
	struct event event = {
		.kind = kind_of(backend, before),
		.service = service->name,
		.backend = addr_format(&backend->address, address),
		.device = backend->way.device[0] ? backend->way.device : NULL,
	};

	model_reason_text(backend, why);
	if (is_no_event(backend, before)) {
		if (!is_first)
			log_debug("backend %s takes %s", name,
				  takes ? "new flows" : "no new flows");
		return;
	}
	if (!takes)
		event.attributes[0] = (struct event_attribute){"reason", why};
	event.is_quiet = is_first || r->lines++ >= LINES_MAX;
	if (takes)
		event_say(r->events, event, "backend %s takes new flows", name);
	else
		event_say(r->events, event, "backend %s takes no new flows: %s", name, why);
}

/* What was never said and is well is no news. */
static bool is_news(const struct round *r, const struct model_backend *backend, const void *before)
{
	if (before == saying_of(backend))
		return false;
	return r->ways->backends || heard(backend) != MODEL_TAKES_FLOWS;
}

static void say_one(struct round *r, const struct model_service *service,
		    const struct model_backend *backend)
{
	char *name = name_of(service, backend);
	const char *device = backend->way.device;
	void *saying = saying_of(backend), *before = NULL;

	if (r->ways->backends)
		before = table_get(r->ways->backends, name, strlen(name));
	table_set(r->next.backends, name, strlen(name), saying);
	r->next.names[r->next.count++] = name;
	if (is_news(r, backend, before))
		say_backend(r, service, backend, name, before);
	if (needs_a_hand(backend)) {
		bool said = table_set(r->next.devices, device, strlen(device), saying);

		if (!said && (!r->ways->devices ||
			      table_get(r->ways->devices, device, strlen(device)) != saying))
			say_device(backend, r->events);
	}
}

/* A name is "SERVICE ADDRESS", and neither has a space. */
static void say_removed(struct round *r, const char *name)
{
	const char *space = strchr(name, ' ');
	char *service;

	if (table_get(r->next.backends, name, strlen(name)))
		return;
	service = mem_format("%.*s", (int)(space - name), name);
	event_say(r->events,
		  (struct event){.kind = EVENT_backend_removed,
				 .service = service,
				 .backend = space + 1,
				 .is_quiet = r->lines++ >= LINES_MAX},
		  "backend %s is configured no more", name);
	free(service);
}

static bool is_among(const char *name, char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

static void say_fallback(struct round *r, const struct model_service *service)
{
	const char *name = service->name;

	if (!service->is_fallback)
		return;
	r->next.fallbacks =
		mem_grow(r->next.fallbacks, r->next.fallback_count, sizeof(*r->next.fallbacks));
	r->next.fallbacks[r->next.fallback_count++] = mem_string(name);
	if (!is_among(name, r->ways->fallbacks, r->ways->fallback_count))
		event_say(r->events, (struct event){.kind = EVENT_fallback, .service = name},
			  "service %s: none of its other backends is healthy and may take "
			  "flows: its fallback takes the new ones",
			  name);
}

static void say_fallbacks_over(struct round *r)
{
	for (size_t i = 0; i < r->ways->fallback_count; i++) {
		const char *name = r->ways->fallbacks[i];

		if (!is_among(name, r->next.fallbacks, r->next.fallback_count))
			event_say(r->events,
				  (struct event){.kind = EVENT_fallback_over, .service = name},
				  "service %s: its fallback takes no new flows any more", name);
	}
}

static void say_panic(struct round *r, const struct model_service *service)
{
	const char *name = service->name;

	if (!service->is_panic)
		return;
	r->next.panics = mem_grow(r->next.panics, r->next.panic_count, sizeof(*r->next.panics));
	r->next.panics[r->next.panic_count++] = mem_string(name);
	if (!is_among(name, r->ways->panics, r->ways->panic_count))
		event_say(
			r->events, (struct event){.kind = EVENT_panic, .service = name},
			"service %s: fewer than %u %% of its backends are healthy, so their health "
			"is ignored",
			name, service->config->panic);
}

/* Also where the service has gone. */
static void say_panics_over(struct round *r)
{
	for (size_t i = 0; i < r->ways->panic_count; i++) {
		const char *name = r->ways->panics[i];

		if (!is_among(name, r->next.panics, r->next.panic_count))
			event_say(r->events,
				  (struct event){.kind = EVENT_panic_over, .service = name},
				  "service %s: the health of its backends counts again", name);
	}
}

static size_t count_backends(const struct model *model)
{
	size_t count = 0;

	for (size_t i = 0; i < model->service_count; i++)
		count += model->services[i].backend_count;
	return count;
}

void ways_say(struct ways *ways, const struct model *model, struct events *events)
{
	struct round r = {.ways = ways, .events = events};

	r.next.backends = table_new();
	r.next.devices = table_new();
	r.next.names = mem_array(count_backends(model) + 1, sizeof(*r.next.names));
	for (size_t i = 0; i < model->service_count; i++) {
		say_panic(&r, &model->services[i]);
		say_fallback(&r, &model->services[i]);
	}
	say_panics_over(&r);
	say_fallbacks_over(&r);
	for (size_t i = 0; i < model->service_count; i++)
		for (size_t k = 0; k < model->services[i].backend_count; k++)
			say_one(&r, &model->services[i], &model->services[i].backends[k]);
	for (size_t i = 0; i < ways->count; i++)
		say_removed(&r, ways->names[i]);
	if (r.lines > LINES_MAX)
		log_warning("%zu more backends changed; `sluicectl events` and `backend list` show "
			    "them",
			    r.lines - LINES_MAX);
	ways_free(ways);
	*ways = r.next;
}

void ways_free(struct ways *ways)
{
	for (size_t i = 0; i < ways->count; i++)
		free(ways->names[i]);
	free(ways->names);
	table_free(ways->backends);
	table_free(ways->devices);
	for (size_t i = 0; i < ways->panic_count; i++)
		free(ways->panics[i]);
	free(ways->panics);
	for (size_t i = 0; i < ways->fallback_count; i++)
		free(ways->fallbacks[i]);
	free(ways->fallbacks);
	*ways = (struct ways){};
}

void ways_summary(const struct model *model, struct text *out)
{
	size_t all = 0, ready = 0, told = 0;

	for (size_t i = 0; i < model->service_count; i++) {
		all += model->services[i].backend_count - model->services[i].standing_by;
		ready += model->services[i].ready;
	}
	text_add(out, "%zu of %zu backends take new flows", ready, all);
	for (size_t i = 0; i < model->service_count; i++) {
		const struct model_service *service = &model->services[i];

		for (size_t k = 0; k < service->backend_count; k++) {
			const struct model_backend *backend = &service->backends[k];
			char why[160], *name;

			if (heard(backend) == MODEL_TAKES_FLOWS || told++ >= SUMMARY_MAX)
				continue;
			name = name_of(service, backend);
			text_add(out, "%s %s: %s", told == 1 ? ":" : ";", name,
				 model_reason_text(backend, why));
			free(name);
		}
	}
	if (told > SUMMARY_MAX)
		text_add(out, "; and %zu more", told - SUMMARY_MAX);
}

/* ---- neighbours ------------------------------------------------------------------------------ */

bool ways_probe(struct net *net, const struct model *model, uint64_t now_ms)
{
	bool is_unknown = false;

	for (size_t i = 0; i < model->service_count; i++)
		for (size_t k = 0; k < model->services[i].backend_count; k++) {
			const struct net_nexthop *way = &model->services[i].backends[k].way;

			/* One that fails is asked again a second later. */
			net_probe(net, way, now_ms);
			is_unknown |= way->way == NET_WAY_UNKNOWN;
		}
	return is_unknown;
}

/* Asks for all that is not known; returns how many are awaited. */
static size_t ask_all(struct net *net, const struct config *config)
{
	size_t awaited = 0;

	for (size_t i = 0; i < config->service_count; i++) {
		const struct config_service *service = &config->services[i];

		for (size_t k = 0; k < service->backend_count; k++) {
			struct net_nexthop way;

			net_nexthop(net, &service->backends[k].address, &way);
			if (way.way != NET_WAY_RESOLVING && way.way != NET_WAY_FAILED)
				continue;
			net_probe(net, &way, ways_now_ms());
			awaited++;
		}
	}
	return awaited;
}

int ways_settle(struct net *net, const struct config *config, unsigned int limit_ms,
		struct problems *p)
{
	uint64_t end = ways_now_ms() + limit_ms, now;
	int changed = 1;

	while ((now = ways_now_ms()) < end) {
		struct pollfd poll_for = {.fd = net_fd(net), .events = POLLIN};

		if (changed && !ask_all(net, config))
			return 0;
		if (poll(&poll_for, 1, end - now) < 0 && errno != EINTR)
			return problems_add(p, -errno, "netlink", NULL, "cannot be waited for: %s",
					    strerror(errno));
		changed = net_input(net, p);
		if (changed < 0)
			return changed;
	}
	return 0;
}
