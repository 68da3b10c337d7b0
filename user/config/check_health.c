/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `health` and the fields beside it need of each other, and what `alerts` does. A `health` in
 * `defaults` is every service's that has none of its own: it is judged once, and then made each
 * service's own, since the address that is probed is the service's.
 */
#include <string.h>

#include "base/mem.h"
#include "config/schema.h"

#define DNS_LABEL_MAX 63

#define KIND(kind) (1u << CONFIG_HEALTH_##kind)
#define ANY_KIND   (~0u)

#define RETRY_SHARE 4 /* of interval, unless `retry` says otherwise */

/* The kinds that have a use for a field. */
static const unsigned int useful[FIELDS_health] = {
	[FIELD_health_kind] = ANY_KIND,
	[FIELD_health_via] = ANY_KIND,
	[FIELD_health_address] = ANY_KIND & ~KIND(EXEC),
	[FIELD_health_port] = ANY_KIND & ~KIND(ICMP),
	[FIELD_health_interval] = ANY_KIND,
	[FIELD_health_timeout] = ANY_KIND,
	[FIELD_health_retry] = ANY_KIND,
	[FIELD_health_rise] = ANY_KIND,
	[FIELD_health_fall] = ANY_KIND,
	[FIELD_health_initial] = ANY_KIND,
	[FIELD_health_path] = KIND(HTTP) | KIND(HTTPS),
	[FIELD_health_method] = KIND(HTTP) | KIND(HTTPS),
	[FIELD_health_host] = KIND(HTTP) | KIND(HTTPS),
	[FIELD_health_status] = KIND(HTTP) | KIND(HTTPS),
	[FIELD_health_match] = KIND(HTTP) | KIND(HTTPS),
	[FIELD_health_verify] = KIND(HTTPS),
	[FIELD_health_ca_file] = KIND(HTTPS),
	[FIELD_health_server_name] = KIND(HTTPS),
	[FIELD_health_name] = KIND(DNS),
	[FIELD_health_type] = KIND(DNS),
	[FIELD_health_send] = KIND(UDP),
	[FIELD_health_expect] = KIND(UDP),
	[FIELD_health_command] = KIND(EXEC),
};

static const struct section *section_of_health(void)
{
	return schema_service->fields[FIELD_service_health].section;
}

static const char *kind_of(const struct value *health)
{
	return config_health_kind_name(VALUE(health, health, kind)->number);
}

static bool goes_through_tunnel(const struct value *health)
{
	const struct value *via = VALUE(health, health, via);

	for (uint32_t i = 0; i < via->count; i++)
		if (via->items[i].number == CONFIG_VIA_TUNNEL)
			return true;
	return false;
}

/* ---- one `health` by itself ---------------------------------------------------------------- */

static void refuse_useless(struct reading *r, const struct value *health)
{
	unsigned int kind = 1u << VALUE(health, health, kind)->number;

	for (unsigned int f = 0; f < FIELDS_health; f++) {
		const struct value *value = &health->items[f];

		if (!value_is_given(value) || useful[f] & kind)
			continue;
		reading_error(r, value->node, NULL,
			      "a probe of kind %s has no use for it; leave it out",
			      kind_of(health));
	}
}

static void require(struct reading *r, const struct value *health, unsigned int index,
		    enum config_health_kind kind)
{
	const struct field *field = &section_of_health()->fields[index];
	struct text expected = {};

	if (VALUE(health, health, kind)->number != kind || value_is_given(&health->items[index]))
		return;
	kind_expect(field, &expected);
	reading_error(r, health->node, field->key,
		      "is missing; a probe of kind %s needs it: expected %s", kind_of(health),
		      expected.data);
	text_free(&expected);
}

static void check_via(struct reading *r, const struct value *health)
{
	const struct value *via = VALUE(health, health, via),
			   *address = VALUE(health, health, address);
	bool is_exec = VALUE(health, health, kind)->number == CONFIG_HEALTH_EXEC;

	if (is_exec && value_is_given(via) && goes_through_tunnel(health))
		reading_error(r, via->node, NULL,
			      "a program's packets do not go through the tunnel; expected direct");
	else if (!is_exec && value_is_given(address) && !goes_through_tunnel(health))
		reading_error(r, address->node, NULL,
			      "a probe via direct goes to the backend's own address; leave it out, "
			      "or use via: tunnel");
}

static void check_at_most_interval(struct reading *r, const struct value *health,
				   const struct value *value)
{
	const struct value *interval = VALUE(health, health, interval);
	char duration[24];

	if (!value_is_given(value) || !value->set || !interval->set ||
	    value->number <= interval->number)
		return;
	reading_error(r, value->node, NULL, "is longer than the interval, which is %s%s",
		      text_format_duration(interval->number, duration),
		      value_is_given(interval) ? "" : " by default");
}

/* Labels of 1 to 63 bytes, with one dot between two; a last dot may be there (RFC 1035 section 3.1). */
static bool is_domain_name(const char *name)
{
	if (strcmp(name, ".") == 0)
		return true;
	while (*name) {
		size_t length = strcspn(name, ".");

		if (!length || length > DNS_LABEL_MAX)
			return false;
		name += length;
		name += *name == '.';
	}
	return true;
}

static void check_one(struct reading *r, const struct value *health)
{
	const struct value *path = VALUE(health, health, path), *name = VALUE(health, health, name);

	if (!VALUE(health, health, kind)->set)
		return;
	refuse_useless(r, health);
	require(r, health, FIELD_health_name, CONFIG_HEALTH_DNS);
	require(r, health, FIELD_health_command, CONFIG_HEALTH_EXEC);
	if (VALUE(health, health, via)->set)
		check_via(r, health);
	check_at_most_interval(r, health, VALUE(health, health, timeout));
	check_at_most_interval(r, health, VALUE(health, health, retry));
	if (name->set && !is_domain_name(name->text))
		reading_error(r, name->node, NULL,
			      "has an empty label or one of more than %d bytes; expected a domain "
			      "name such as www.example.org",
			      DNS_LABEL_MAX);
	if (path->set && (path->text[0] != '/' || strchr(path->text, ' ')))
		reading_error(r, path->node, NULL,
			      "expected a path that begins with / and has no spaces");
}

/* ---- what it takes from its service ---------------------------------------------------------- */

static void take_default(struct value *value, uint64_t number)
{
	if (value_is_given(value))
		return;
	value->number = number;
	value->set = true;
}

static void settle_times(struct value *health)
{
	const struct value *interval = VALUE(health, health, interval);
	struct value *timeout = VALUE(health, health, timeout);

	if (!interval->set)
		return;
	if (timeout->set && timeout->number > interval->number)
		take_default(timeout, interval->number);
	take_default(VALUE(health, health, retry), interval->number / RETRY_SHARE);
}

static void settle_via(struct value *health)
{
	struct value *via = VALUE(health, health, via);

	if (VALUE(health, health, kind)->number == CONFIG_HEALTH_EXEC && !value_is_given(via))
		take_default(&via->items[0], CONFIG_VIA_DIRECT);
}

static void settle_address(struct reading *r, struct value *health, const struct value *service)
{
	const struct value *addresses = VALUE(service, service, address);
	struct value *address = VALUE(health, health, address);

	if (value_is_given(address) || !goes_through_tunnel(health) || !addresses->set ||
	    !addresses->count || !addresses->items[0].set)
		return;
	if (listener_length(&addresses->items[0])) {
		if (VALUE(health, health, kind)->number != CONFIG_HEALTH_NONE)
			reading_error(r, health->node, "address",
				      "is missing; the first address of service %s is a prefix, "
				      "so the one to probe must be named",
				      value_name(service));
		return;
	}
	address->prefix = addresses->items[0].prefix;
	address->set = true;
}

static void settle_port(struct reading *r, struct value *health, const struct value *service)
{
	const struct value *ports = VALUE(service, service, port);
	unsigned int portless = KIND(NONE) | KIND(ICMP) | KIND(EXEC);
	unsigned int kind = 1u << VALUE(health, health, kind)->number;
	struct value *port = VALUE(health, health, port);

	if (value_is_given(port) || kind == KIND(ICMP) || !ports->set || !ports->count ||
	    !ports->items[0].set)
		return;
	if (ports->items[0].number)
		take_default(port, ports->items[0].number);
	else if (!(kind & portless))
		reading_error(
			r, health->node, "port",
			"is missing; service %s listens on any port, so the one to probe must "
			"be named",
			value_name(service));
}

static void settle(struct reading *r, struct value *service)
{
	struct value *health = VALUE(service, service, health);
	struct value *own;

	if (!health->set || !VALUE(health, health, kind)->set)
		return;
	own = arena_alloc(r->arena, health->count * sizeof(*own));
	memcpy(own, health->items, health->count * sizeof(*own));
	health->items = own;
	settle_times(health);
	settle_via(health);
	settle_address(r, health, service);
	settle_port(r, health, service);
}

/* ---- the fields beside it ---------------------------------------------------------------------- */

static bool is_probed(const struct value *service)
{
	const struct value *health = VALUE(service, service, health);

	return health->set && VALUE(health, health, kind)->number != CONFIG_HEALTH_NONE;
}

/* `presets`: what `defaults` gives is meant for those services that are probed. */
static void warn_without_probes(struct reading *r, const struct value *service,
				const struct value *presets)
{
	static const unsigned int fields[] = {FIELD_service_panic, FIELD_service_max_ejected,
					      FIELD_service_slow_start, FIELD_service_damping};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct value *value = &service->items[fields[i]];
		struct text path = {};

		if (!value_is_given(value) || is_probed(service) ||
		    (presets && presets->items[fields[i]].node == value->node))
			continue;
		node_path(value->node, NULL, &path);
		reading_warning(r, value->node, path.data, "does nothing: service %s has no health",
				value_name(service));
		text_free(&path);
	}
}

/* A weight grows by whole numbers: 1 cannot. */
static void warn_about_slow_start(struct reading *r, const struct value *service)
{
	const struct value *slow_start = VALUE(service, service, slow_start);
	const struct value *backends = VALUE(service, service, backends);
	struct text path = {};

	if (!slow_start->set || !slow_start->number || !is_probed(service))
		return;
	for (uint32_t i = 0; i < backends->count; i++)
		if (!backends->items[i].set ||
		    VALUE(&backends->items[i], backend, weight)->number > 1)
			return;
	node_path(service->node, "slow-start", &path);
	reading_warning(r, slow_start->node, path.data,
			"does nothing: all backends of service %s have weight 1, and weights are "
			"whole numbers; give them 10",
			value_name(service));
	text_free(&path);
}

/* Rounded down to nobody, the share leaves flows at dead servers. 0 says so itself, and one backend has no other. */
static void warn_about_max_ejected(struct reading *r, const struct value *service)
{
	const struct value *share = VALUE(service, service, max_ejected);
	uint32_t count = VALUE(service, service, backends)->count;
	struct text path = {};

	if (!share->set || !share->number || count < 2 || share->number * count >= 100 ||
	    !is_probed(service))
		return;
	node_path(service->node, "max-ejected", &path);
	reading_warning(
		r, share->node, path.data,
		"takes nobody out: %u %% of the %u backends of service %s are less than one; "
		"give it %u or more",
		(unsigned int)share->number, count, value_name(service), (100 + count - 1) / count);
	text_free(&path);
}

void check_health(struct reading *r, struct value *root)
{
	const struct value *defaults = VALUE(root, root, defaults);
	const struct value *presets = defaults->set ? defaults : NULL, *preset = NULL;
	struct value *services = VALUE(root, root, services);

	if (presets && VALUE(presets, service, health)->set) {
		preset = VALUE(presets, service, health);
		check_one(r, preset);
	}
	for (size_t i = 0; i < services->count && !reading_is_hopeless(r); i++) {
		struct value *service = &services->items[i];
		const struct value *health;

		if (!service->set)
			continue;
		health = VALUE(service, service, health);
		if (health->set && (!preset || health->node != preset->node))
			check_one(r, health);
		settle(r, service);
		warn_without_probes(r, service, presets);
		warn_about_slow_start(r, service);
		warn_about_max_ejected(r, service);
	}
}

/* ---- alerts -------------------------------------------------------------------------------------- */

static void check_alert(struct reading *r, const struct value *alert)
{
	const struct value *exec = VALUE(alert, alert, exec),
			   *webhook = VALUE(alert, alert, webhook);
	const struct value *of_webhook[] = {VALUE(alert, alert, secret_file),
					    VALUE(alert, alert, ca_file)};

	if (!value_is_given(exec) && !value_is_given(webhook))
		reading_error(r, alert->node, NULL,
			      "tells nobody; expected exec: PROGRAM or webhook: URL");
	else if (value_is_given(exec) && value_is_given(webhook))
		reading_error(r, webhook->node, NULL,
			      "an alert goes to one of exec and webhook; make two of them");
	for (size_t i = 0; i < ARRAY_SIZE(of_webhook); i++)
		if (value_is_given(of_webhook[i]) && !value_is_given(webhook))
			reading_error(r, of_webhook[i]->node, NULL,
				      "only a webhook has a use for it; leave it out");
}

void check_alerts(struct reading *r, const struct value *root)
{
	const struct value *alerts = VALUE(root, root, alerts);

	for (size_t i = 0; i < alerts->count; i++)
		if (alerts->items[i].set)
			check_alert(r, &alerts->items[i]);
}
