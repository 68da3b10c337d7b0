/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `tunnel.entropy` and `entropy6`: what true stands for, and whose addresses a prefix must not hold. */
#include "config/schema.h"

static void settle(struct value *entropy, const char *preset)
{
	if (!entropy->set || !entropy->number)
		return;
	prefix_parse(preset, &entropy->prefix);
	entropy->number = 0;
}

static bool is_usable(struct reading *r, const struct value *entropy)
{
	bool is_host = prefix_is_host(&entropy->prefix);

	if (is_host)
		reading_error(r, entropy->node, NULL,
			      "is one address, and there is nothing to vary; use a shorter prefix, "
			      "such as one of 8 bits less");
	else if (addr_is_unusable(&entropy->prefix.addr))
		reading_error(r, entropy->node, NULL,
			      "has addresses that no host has (unspecified, loopback, multicast, "
			      "broadcast, link-local or IPv4-mapped), and a backend's kernel drops "
			      "packets from there");
	return !is_host && !addr_is_unusable(&entropy->prefix.addr);
}

/* A kernel drops what seems to come from an address of its own. */
static bool is_clear_of(struct reading *r, const struct value *entropy, const struct value *address,
			const struct value *service, const char *what)
{
	char text[ADDR_TEXT_SIZE];

	if (!address->set || (!prefix_contains(&entropy->prefix, &address->prefix.addr) &&
			      !prefix_contains(&address->prefix, &entropy->prefix.addr)))
		return true;
	reading_error(r, entropy->node ? entropy->node : address->node, NULL,
		      "contains %s, %s of service %s (line %u), which would drop packets that seem "
		      "to come from itself; use a prefix that no host is in",
		      addr_format(&address->prefix.addr, text), what, value_name(service),
		      address->node->place.line);
	return false;
}

static bool are_clear_of(struct reading *r, const struct value *entropy,
			 const struct value *backends, const struct value *service)
{
	for (size_t i = 0; i < backends->count; i++)
		if (backends->items[i].set &&
		    !is_clear_of(r, entropy, VALUE(&backends->items[i], backend, address), service,
				 "a backend"))
			return false;
	return true;
}

/* Tells of the first address of a service alone. */
static void check_service(struct reading *r, const struct value *entropy,
			  const struct value *service)
{
	const struct value *addresses = VALUE(service, service, address);

	for (size_t i = 0; i < addresses->count; i++)
		if (!is_clear_of(r, entropy, &addresses->items[i], service, "an address"))
			return;
	if (are_clear_of(r, entropy, VALUE(service, service, backends), service))
		are_clear_of(r, entropy, VALUE(service, service, fallback), service);
}

static void check_one(struct reading *r, const struct value *root, struct value *entropy,
		      const char *preset)
{
	const struct value *services = VALUE(root, root, services);

	settle(entropy, preset);
	if (!entropy->set || addr_is_none(&entropy->prefix.addr) || !is_usable(r, entropy))
		return;
	for (size_t i = 0; i < services->count; i++)
		if (services->items[i].set && !reading_is_hopeless(r))
			check_service(r, entropy, &services->items[i]);
}

void check_entropy(struct reading *r, struct value *root)
{
	struct value *tunnel = VALUE(root, root, tunnel);

	if (!tunnel->set)
		return;
	check_one(r, root, VALUE(tunnel, tunnel, entropy), ENTROPY);
	check_one(r, root, VALUE(tunnel, tunnel, entropy6), ENTROPY6);
}
