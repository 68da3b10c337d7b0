/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps from a text to a configuration, and what can be asked of one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/abi.h>

#include "base/mem.h"
#include "base/problem.h"
#include "config/schema.h"

int listener_compare(const void *left, const void *right)
{
	const struct config_listener *a = left, *b = right;
	int order = addr_compare(&a->address, &b->address);

	if (order)
		return order;
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return (int)a->protocol - (int)b->protocol;
}

static int compare_interfaces(const void *left, const void *right)
{
	return strcmp(((const struct config_interface *)left)->device,
		      ((const struct config_interface *)right)->device);
}

static int compare_services(const void *left, const void *right)
{
	return strcmp(((const struct config_service *)left)->name,
		      ((const struct config_service *)right)->name);
}

static int compare_backends(const void *left, const void *right)
{
	return addr_compare(&((const struct config_backend *)left)->address,
			    &((const struct config_backend *)right)->address);
}

uint8_t listener_length(const struct value *address)
{
	return prefix_is_host(&address->prefix) ? 0 : address->prefix.length;
}

static void build_listeners(struct arena *arena, const struct value *from,
			    struct config_service *service)
{
	const struct value *addresses = VALUE(from, service, address);
	const struct value *ports = VALUE(from, service, port);
	const struct value *protocols = VALUE(from, service, protocol);
	struct config_listener *next;

	service->listener_count = (size_t)addresses->count * ports->count * protocols->count;
	service->listeners =
		arena_alloc(arena, service->listener_count * sizeof(*service->listeners));
	next = service->listeners;
	for (size_t a = 0; a < addresses->count; a++)
		for (size_t p = 0; p < ports->count; p++)
			for (size_t t = 0; t < protocols->count; t++)
				*next++ = (struct config_listener){
					.address = addresses->items[a].prefix.addr,
					.length = listener_length(&addresses->items[a]),
					.port = ports->items[p].number,
					.protocol = protocols->items[t].number,
				};
	qsort(service->listeners, service->listener_count, sizeof(*service->listeners),
	      listener_compare);
}

static int compare_alerts(const void *left, const void *right)
{
	return object_compare(schema_root->fields[FIELD_root_alerts].section, left, right);
}

static int compare_quic(const void *left, const void *right)
{
	return object_compare(schema_service->fields[FIELD_service_quic].section, left, right);
}

static uint32_t power_of_two(uint32_t at_least)
{
	uint32_t power = FLOWS_MIN;

	while (power < at_least)
		power *= 2;
	return power;
}

static void sort_backends(struct config_backend *list, size_t count)
{
	if (count)
		qsort(list, count, sizeof(*list), compare_backends);
}

/* Whoever looks after backends looks after all of them alike; who takes flows is core's to say. */
static void join_backends(struct arena *arena, struct config_service *service)
{
	size_t count = service->primary_count + service->fallback_count;

	service->backends = arena_alloc(arena, (count + 1) * sizeof(*service->backends));
	service->backend_count = count;
	for (size_t i = 0; i < service->fallback_count; i++)
		service->fallback[i].is_fallback = true;
	for (size_t i = 0; i < count; i++)
		service->backends[i] = i < service->primary_count
					       ? service->primary[i]
					       : service->fallback[i - service->primary_count];
	sort_backends(service->primary, service->primary_count);
	sort_backends(service->fallback, service->fallback_count);
	sort_backends(service->backends, count);
}

static struct config *build(const struct reading *r, const struct value *root, const char *text,
			    size_t length)
{
	struct arena *arena = arena_new();
	struct config *config = arena_alloc(arena, sizeof(*config));

	config->arena = arena;
	config->file = arena_string(arena, r->file);
	config->text = arena_alloc(arena, length + 1);
	memcpy(config->text, text, length);
	config->text_length = length;
	config->warnings = r->warnings;
	object_store(schema_root, root, config, arena);
	config->limits.flows = power_of_two(config->limits.flows);
	if (config->limits.fragments)
		config->limits.fragments = power_of_two(config->limits.fragments);
	config->limits.slots = table_slots(config->limits.slots);
	for (size_t i = 0; i < config->service_count; i++) {
		struct config_service *service = &config->services[i];

		build_listeners(arena, &VALUE(root, root, services)->items[i], service);
		join_backends(arena, service);
		if (service->quic_count)
			qsort(service->quic, service->quic_count, sizeof(*service->quic),
			      compare_quic);
	}
	qsort(config->services, config->service_count, sizeof(*config->services), compare_services);
	qsort(config->alerts, config->alert_count, sizeof(*config->alerts), compare_alerts);
	qsort(config->interfaces, config->interface_count, sizeof(*config->interfaces),
	      compare_interfaces);
	return config;
}

static void say_all(struct reading *r)
{
	problems_sort(r->problems);
	if (reading_is_hopeless(r))
		problems_add_at(r->problems, r->file, 0, 0, NULL, NULL,
				"%d errors were found, and there may be more: fix these first",
				READING_ERRORS_MAX);
}

int config_read(const char *file, const char *text, size_t length, struct config **out,
		struct problems *p)
{
	struct reading r = {.file = file, .problems = p};
	struct value root = {};
	struct node *node;

	r.arena = arena_new();
	r.warnings = mem_alloc(sizeof(*r.warnings));
	node = node_read(&r, text, length);
	if (node)
		bind_root(&r, node, &root);
	if (root.set)
		check_all(&r, &root);
	if (node && !r.errors) {
		problems_sort(r.warnings);
		*out = build(&r, &root, text, length);
	} else {
		say_all(&r);
		problems_free(r.warnings);
		free(r.warnings);
	}
	arena_free(r.arena);
	return node && !r.errors ? 0 : -EINVAL;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	problems_free(config->warnings);
	free(config->warnings);
	arena_free(config->arena);
}

const struct config_interface *config_find_interface(const struct config *config,
						     const char *device)
{
	for (size_t i = 0; config && i < config->interface_count; i++)
		if (!strcmp(config->interfaces[i].device, device))
			return &config->interfaces[i];
	return NULL;
}

const struct config_service *config_find_service(const struct config *config, const char *name)
{
	const struct config_service key = {.name = name};

	if (!config->service_count)
		return NULL;
	return bsearch(&key, config->services, config->service_count, sizeof(key),
		       compare_services);
}

const struct config_backend *config_find_backend(const struct config_service *service,
						 const struct addr *address)
{
	const struct config_backend key = {.address = *address};

	if (!service->backend_count)
		return NULL;
	return bsearch(&key, service->backends, service->backend_count, sizeof(key),
		       compare_backends);
}

static void add_vlan(uint64_t out[64], uint32_t vlan)
{
	out[vlan / 64] |= UINT64_C(1) << vlan % 64;
}

bool config_vlans(const struct config_interface *interface, uint64_t out[64])
{
	const char *at = interface->vlans;

	memset(out, 0, 64 * sizeof(out[0]));
	while (*at) {
		size_t length = strcspn(at, ",");

		if (length == strlen(CONFIG_VLAN_ANY) && !strncmp(at, CONFIG_VLAN_ANY, length))
			for (uint32_t vlan = 0; vlan <= SL_VLAN_MAX; vlan++)
				add_vlan(out, vlan);
		else /* of "untagged" there is no number */
			add_vlan(out, strtoul(at, NULL, 10));
		at += length + (at[length] == ',');
	}
	return strcmp(interface->vlans, CONFIG_VLAN_UNTAGGED) != 0;
}
