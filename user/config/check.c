/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What no single field can know: listeners that are claimed twice, times that contradict each
 * other, addresses that would send packets in circles, and whether all of it fits the limits.
 * Values that are not set were reported by the binder; checks pass them over, so that one mistake
 * gives one error.
 */
#include <stdio.h>
#include <string.h>

#include <sluice/abi.h>

#include "base/mem.h"
#include "base/table.h"
#include "config/schema.h"

#define IDLE_TIMEOUT_UDP_MS 60000 /* the default of services of UDP alone */
#define SLOTS_PER_BACKEND \
	100 /* fewer give visibly uneven shares (Eisenbud et al. 2016, section 5.3) */

bool value_is_given(const struct value *value)
{
	return value->node != NULL;
}

const char *value_name(const struct value *service)
{
	const struct value *name = VALUE(service, service, name);

	return name->set ? name->text : "no name";
}

/* ---- defaults that depend on other fields ------------------------------------------------ */

static bool is_udp_alone(const struct value *service)
{
	const struct value *protocols = VALUE(service, service, protocol);

	return protocols->set && protocols->count == 1 && protocols->items[0].number == CONFIG_UDP;
}

static void settle_timeouts(struct value *service)
{
	struct value *idle = VALUE(service, service, idle_timeout);
	struct value *drain = VALUE(service, service, drain_timeout);

	if (!value_is_given(idle) && is_udp_alone(service))
		idle->number = IDLE_TIMEOUT_UDP_MS;
	if (!value_is_given(drain) && idle->set && drain->number < idle->number)
		drain->number = idle->number;
}

static void check_timeouts(struct reading *r, const struct value *service)
{
	const struct value *idle = VALUE(service, service, idle_timeout);
	const struct value *drain = VALUE(service, service, drain_timeout);
	char duration[24];

	if (!idle->set || !drain->set || drain->number >= idle->number)
		return;
	text_format_duration(idle->number, duration);
	if (value_is_given(idle))
		reading_error(r, drain->node, NULL,
			      "is shorter than the idle-timeout of service %s, %s in line %u; make "
			      "it at least %s",
			      value_name(service), duration, idle->node->place.line, duration);
	else
		reading_error(r, drain->node, NULL,
			      "is shorter than the idle-timeout of service %s, which is %s by "
			      "default; make it at "
			      "least %s, or set idle-timeout",
			      value_name(service), duration, duration);
}

/* ---- listeners --------------------------------------------------------------------------- */

struct claim {
	const struct value *service, *address;
};

struct claims {
	struct reading *r;
	struct table *table; /* of struct config_listener to struct claim */
};

static void claim(struct claims *c, const struct value *service, const struct value *address,
		  uint16_t port, enum config_protocol protocol)
{
	struct config_listener listener;
	struct text other = {};
	struct claim *mine;
	const struct claim *first;
	char number[8];

	memset(&listener, 0, sizeof(listener)); /* a key has no stray padding */
	listener.address = address->prefix.addr;
	listener.length = listener_length(address);
	listener.port = port;
	listener.protocol = protocol;
	first = table_get(c->table, &listener, sizeof(listener));
	if (!first) {
		mine = arena_alloc(c->r->arena, sizeof(*mine));
		*mine = (struct claim){service, address};
		table_set(c->table, &listener, sizeof(listener), mine);
		return;
	}
	node_path(first->service->node, NULL, &other);
	snprintf(number, sizeof(number), "%u", port);
	reading_error(c->r, address->node, NULL,
		      "%s port %s of service %s is claimed twice: by %s (%s) in line %u, too; a "
		      "listener is one service's",
		      config_protocol_name(protocol), port ? number : "any", value_name(service),
		      other.data, value_name(first->service), first->address->node->place.line);
	text_free(&other);
}

static void claim_all(struct claims *c, const struct value *service)
{
	const struct value *addresses = VALUE(service, service, address);
	const struct value *ports = VALUE(service, service, port);
	const struct value *protocols = VALUE(service, service, protocol);

	for (size_t a = 0; a < addresses->count; a++)
		for (size_t p = 0; addresses->items[a].set && p < ports->count; p++)
			for (size_t t = 0; ports->items[p].set && t < protocols->count; t++)
				if (protocols->items[t].set && !reading_is_hopeless(c->r))
					claim(c, service, &addresses->items[a],
					      ports->items[p].number, protocols->items[t].number);
}

static uint64_t server_ids_of(const struct value *service)
{
	const struct value *backends = VALUE(service, service, backends);
	uint64_t ids = 0;

	for (size_t i = 0; i < backends->count; i++)
		if (backends->items[i].set)
			ids += VALUE(&backends->items[i], backend, server_id)->count;
	return ids;
}

static uint64_t listeners_of(const struct value *service)
{
	return (uint64_t)VALUE(service, service, address)->count *
	       VALUE(service, service, port)->count * VALUE(service, service, protocol)->count;
}

/* ---- backends ---------------------------------------------------------------------------- */

/* The prefix among a service's addresses that an address is in, or NULL. */
static const struct value *covering(const struct value *service, const struct addr *addr)
{
	const struct value *addresses = VALUE(service, service, address);

	for (size_t i = 0; i < addresses->count; i++)
		if (addresses->items[i].set && listener_length(&addresses->items[i]) &&
		    prefix_contains(&addresses->items[i].prefix, addr))
			return &addresses->items[i];
	return NULL;
}

static void check_backend(struct reading *r, const struct value *root, const struct value *service,
			  const struct value *address, const struct table *own_addresses)
{
	const struct addr *addr = &address->prefix.addr;
	const struct value *tunnel = VALUE(root, root, tunnel), *source, *vip;

	vip = table_get(own_addresses, addr, sizeof(*addr)) ?: covering(service, addr);
	if (vip)
		reading_error(r, address->node, NULL,
			      "is %s this service, too (line %u): the backend's own "
			      "address is needed, or "
			      "packets would go in circles",
			      listener_length(vip) ? "within a prefix of" : "an address of",
			      vip->node->place.line);
	if (!tunnel->set)
		return;
	source = addr->family == 4 ? VALUE(tunnel, tunnel, source) : VALUE(tunnel, tunnel, source6);
	if (source->set && addr_equal(&source->prefix.addr, addr))
		reading_error(
			r, address->node, NULL,
			"is this balancer's own tunnel source (line %u): a backend is another host",
			source->node->place.line);
}

static void check_backends(struct reading *r, const struct value *root, const struct value *service)
{
	const struct value *addresses = VALUE(service, service, address);
	const struct value *lists[] = {VALUE(service, service, backends),
				       VALUE(service, service, fallback)};
	struct table *own = table_new(), *listed = table_new();

	for (size_t i = 0; i < addresses->count; i++)
		if (addresses->items[i].set)
			table_set(own, &addresses->items[i].prefix.addr, sizeof(struct addr),
				  &addresses->items[i]);
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
		for (size_t i = 0; i < lists[l]->count && !reading_is_hopeless(r); i++) {
			const struct value *backend = &lists[l]->items[i], *address;

			if (!backend->set || !VALUE(backend, backend, address)->set)
				continue;
			address = VALUE(backend, backend, address);
			check_backend(r, root, service, address, own);
			if (l && table_get(listed, &address->prefix.addr, sizeof(struct addr)))
				reading_error(r, address->node, NULL,
					      "is a backend of this service, too; a fallback is "
					      "another one");
			if (!l)
				table_set(listed, &address->prefix.addr, sizeof(struct addr),
					  (void *)backend);
		}
	if (lists[1]->count && VALUE(service, service, affinity)->number == CONFIG_AFFINITY_QUIC)
		reading_error(r, lists[1]->node, NULL,
			      "cannot be together with affinity quic: connection ids name backends "
			      "directly");
	table_free(listed);
	table_free(own);
}

/* ---- prefixes ---------------------------------------------------------------------------- */

/* Packets look each length up, so these are few. */
static void check_prefix_lengths(struct reading *r, const struct value *services)
{
	bool is_used[2][129] = {};
	unsigned int used[2] = {};

	for (size_t i = 0; i < services->count; i++) {
		const struct value *addresses =
			services->items[i].set ? VALUE(&services->items[i], service, address)
					       : NULL;

		for (size_t a = 0; addresses && a < addresses->count; a++) {
			const struct value *address = &addresses->items[a];
			bool six = address->prefix.addr.family == 6;
			uint8_t length = address->set ? listener_length(address) : 0;

			if (!length || is_used[six][length])
				continue;
			is_used[six][length] = true;
			if (++used[six] == SL_PREFIX_LENGTHS + 1)
				reading_error(r, address->node, NULL,
					      "is of one prefix length too many: services have "
					      "IPv%d prefixes of at most %d different lengths",
					      six ? 6 : 4, SL_PREFIX_LENGTHS);
		}
	}
}

/* ---- limits ------------------------------------------------------------------------------ */

struct need {
	uint64_t services, listeners, server_ids, backends, slots;
};

static struct need count_needs(const struct value *services)
{
	struct need need = {.services = services->count};

	for (size_t i = 0; i < services->count; i++) {
		const struct value *service = &services->items[i];

		if (!service->set)
			continue;
		need.listeners += listeners_of(service);
		need.server_ids += server_ids_of(service);
		need.backends += VALUE(service, service, backends)->count +
				 VALUE(service, service, fallback)->count;
		if (VALUE(service, service, table_size)->set)
			need.slots += table_slots(VALUE(service, service, table_size)->number);
	}
	return need;
}

static void check_limit(struct reading *r, const struct value *root, unsigned int index,
			uint64_t needed, const char *what, const char *other_way)
{
	const struct section *section = schema_root->fields[FIELD_root_limits].section;
	const struct value *limits = VALUE(root, root, limits), *limit = &limits->items[index];
	const struct value *place = value_is_given(limit) ? limit : VALUE(root, root, services);
	uint64_t most = section->fields[index].hi;
	char *field, *value;

	if (!limit->set || needed <= limit->number)
		return;
	field = arena_format(r->arena, "limits.%s", section->fields[index].key);
	value = arena_format(r->arena, "%llu", (unsigned long long)limit->number);
	if (needed > most)
		reading_error_at(r, place->node->place, field, value,
				 "%llu %s are configured, and no limit above %llu is possible%s",
				 (unsigned long long)needed, what, (unsigned long long)most,
				 other_way);
	else
		reading_error_at(r, place->node->place, field, value,
				 "%llu %s are configured: raise the limit to that or more%s",
				 (unsigned long long)needed, what, other_way);
}

static void check_limits(struct reading *r, const struct value *root)
{
	const struct value *limits = VALUE(root, root, limits),
			   *services = VALUE(root, root, services);
	struct need need = count_needs(services);
	const struct value *security = VALUE(root, root, security);
	const char *smaller = "";
	uint32_t fits;

	if (!limits->set)
		return;
	fits = table_size_that_fits(table_slots(VALUE(limits, limits, slots)->number),
				    services->count);
	if (fits)
		smaller = arena_format(r->arena, "; a table-size of %u or less fits", fits);
	check_limit(r, root, FIELD_limits_services, need.services, "services", "");
	check_limit(r, root, FIELD_limits_listeners, need.listeners + need.server_ids,
		    need.server_ids ? "listeners (address, port, protocol) and server ids"
				    : "listeners (address, port, protocol)",
		    "");
	check_limit(r, root, FIELD_limits_backends, need.backends,
		    "backends, counted in each service,", "");
	check_limit(r, root, FIELD_limits_slots, need.slots, "slots of tables", smaller);
	if (security->set)
		check_limit(r, root, FIELD_limits_deny, VALUE(security, security, deny)->count,
			    "prefixes to deny", "");
}

/* ---- warnings ---------------------------------------------------------------------------- */

static void warn_about_table(struct reading *r, const struct value *service)
{
	const struct value *size = VALUE(service, service, table_size);
	uint64_t backends = VALUE(service, service, backends)->count;
	uint64_t wanted = backends * SLOTS_PER_BACKEND;
	struct text path = {};

	if (!size->set || size->number >= wanted || size->number == TABLE_SIZE_MAX)
		return;
	node_path(service->node, "table-size", &path);
	reading_warning(r, value_is_given(size) ? size->node : service->node, path.data,
			"%llu slots for %llu backends of service %s are fewer than %d each, and "
			"shares get uneven: use "
			"table-size: %u",
			(unsigned long long)size->number, (unsigned long long)backends,
			value_name(service), SLOTS_PER_BACKEND,
			wanted < TABLE_SIZE_MAX ? prime_at_least(wanted) : TABLE_SIZE_MAX);
	text_free(&path);
}

static bool takes_flows(const struct value *backend)
{
	const struct value *weight = VALUE(backend, backend, weight);
	const struct value *state = VALUE(backend, backend, state);

	/* What could not be read is told by itself. */
	return !weight->set || !state->set || (weight->number && state->number == CONFIG_UP);
}

static void warn_about_backends(struct reading *r, const struct value *service)
{
	const struct value *backends = VALUE(service, service, backends);
	struct text path = {};

	if (!backends->set || VALUE(service, service, fallback)->count)
		return;
	for (size_t i = 0; i < backends->count; i++)
		if (!backends->items[i].set || takes_flows(&backends->items[i]))
			return;
	node_path(service->node, "backends", &path);
	reading_warning(r, backends->node, path.data,
			backends->count ? "none takes new flows, by weight 0 or by its state, so "
					  "those to service %s are dropped"
					: "service %s has no backends: its packets are dropped",
			value_name(service));
	text_free(&path);
}

/* In `defaults` it is for the services of TCP. */
static void warn_about_mss_clamp(struct reading *r, const struct value *service)
{
	const struct value *clamp = VALUE(service, service, mss_clamp);
	struct text path = {};

	if (!clamp->set || !clamp->number || !value_is_given(clamp) ||
	    clamp->node->parent != service->node || !is_udp_alone(service))
		return;
	node_path(clamp->node, NULL, &path);
	reading_warning(r, clamp->node, path.data, "does nothing: service %s has no tcp",
			value_name(service));
	text_free(&path);
}

static void warn_about_service(struct reading *r, const struct value *service)
{
	warn_about_table(r, service);
	warn_about_backends(r, service);
	warn_about_mss_clamp(r, service);
}

static void warn_about_denial(struct reading *r, const struct value *root)
{
	const struct value *security = VALUE(root, root, security);
	const struct value *deny = security->set ? VALUE(security, security, deny) : NULL;

	for (size_t i = 0; deny && i < deny->count; i++) {
		const struct value *source = &deny->items[i];
		struct text path = {};

		if (!source->set || source->prefix.length)
			continue;
		node_path(source->node, NULL, &path);
		reading_warning(r, source->node, path.data,
				"is every source of IPv%d: none of them reaches a service",
				source->prefix.addr.family);
		text_free(&path);
	}
}

/* With one family's source given, the other's is easily forgotten. */
static void warn_about_source(struct reading *r, const struct value *root)
{
	const struct value *tunnel = VALUE(root, root, tunnel),
			   *services = VALUE(root, root, services);
	const struct value *source = tunnel->set ? VALUE(tunnel, tunnel, source) : NULL;
	const struct value *source6 = tunnel->set ? VALUE(tunnel, tunnel, source6) : NULL;

	if (!source || value_is_given(source) == value_is_given(source6))
		return;
	for (size_t i = 0; i < services->count; i++) {
		const struct value *service = &services->items[i];

		for (size_t b = 0; service->set && b < VALUE(service, service, backends)->count;
		     b++) {
			const struct value *backend = &VALUE(service, service, backends)->items[b];
			bool missing_six = !value_is_given(source6);

			if (!backend->set || !VALUE(backend, backend, address)->set ||
			    (VALUE(backend, backend, address)->prefix.addr.family == 6) !=
				    missing_six)
				continue;
			reading_warning(r, tunnel->node,
					missing_six ? "tunnel.source6" : "tunnel.source",
					"is not set, but there are IPv%d backends: their tunnels "
					"start at the address of "
					"the route",
					missing_six ? 6 : 4);
			return;
		}
	}
}

void check_all(struct reading *r, struct value *root)
{
	struct value *services = VALUE(root, root, services);
	struct claims claims = {r, table_new()};

	check_entropy(r, root);
	check_health(r, root);
	check_quic(r, root);
	check_alerts(r, root);
	for (size_t i = 0; i < services->count && !reading_is_hopeless(r); i++) {
		struct value *service = &services->items[i];

		if (!service->set)
			continue;
		settle_timeouts(service);
		check_timeouts(r, service);
		check_backends(r, root, service);
		warn_about_service(r, service);
	}
	check_prefix_lengths(r, services);
	check_limits(r, root);
	warn_about_source(r, root);
	warn_about_denial(r, root);
	/* Without a bound on listeners a short text could make billions of claims. */
	if (count_needs(services).listeners <=
	    schema_root->fields[FIELD_root_limits].section->fields[FIELD_limits_listeners].hi)
		for (size_t i = 0; i < services->count; i++)
			if (services->items[i].set)
				claim_all(&claims, &services->items[i]);
	table_free(claims.table);
}
