/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A balancer with the bench's services in its maps, all written through the dataplane's operations. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "bench/bench.h"
#include "core/key.h"
#include "core/maglev.h"

#define DENIED	   10000 /* prefixes of each family */
#define IDLE_TICKS 900	 /* T of all services */

static const struct {
	const char *name, *vip;
	uint8_t protocol;
	uint8_t outer; /* family of the backends; 0: there are none */
} services[SERVICES] = {
	[SERVICE_NONE] = {"", "203.0.113.99", IPPROTO_TCP, 0},
	[SERVICE_4IN4] = {"4in4", "203.0.113.10", IPPROTO_TCP, 4},
	[SERVICE_UDP] = {"udp", "203.0.113.10", IPPROTO_UDP, 4},
	[SERVICE_6IN6] = {"6in6", "2001:db8:f::10", IPPROTO_TCP, 6},
	[SERVICE_6IN4] = {"6in4", "2001:db8:f::11", IPPROTO_TCP, 4},
	[SERVICE_4IN6] = {"4in6", "203.0.113.11", IPPROTO_TCP, 6},
	[SERVICE_EMPTY] = {"empty", "203.0.113.12", IPPROTO_TCP, 0},
};

static struct addr parse_address(const char *text)
{
	struct addr address;

	if (addr_parse(text, &address))
		fail("%s: no address", text);
	return address;
}

struct addr world_vip(enum bench_service service)
{
	return parse_address(services[service].vip);
}

uint8_t world_protocol(enum bench_service service)
{
	return services[service].protocol;
}

uint8_t world_outer_family(enum bench_service service)
{
	return services[service].outer;
}

struct addr world_backend(enum bench_service service, unsigned int i)
{
	struct addr address =
		parse_address(services[service].outer == 4 ? "10.0.0.0" : "2001:db8:1::");
	uint8_t *end = address.bytes + addr_size(address.family);

	end[-2] = service;
	end[-1] = i + 1;
	return address;
}

uint32_t world_backend_index(enum bench_service service, unsigned int i)
{
	return 1 + (service - 1) * (BACKENDS + NEWCOMERS) + i;
}

uint32_t world_slots_base(enum bench_service service)
{
	return service * (TABLE_SIZE + SL_HOT_PER_LINE - 1) / SL_HOT_PER_LINE * SL_HOT_PER_LINE;
}

static uint16_t fold(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < size; i += sizeof(word)) {
		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void write_outer(const struct addr *to, const struct addr *from, struct sl_path *path)
{
	uint8_t *ip = path->header + 14;

	if (to->family == 4) {
		path->header_len = 34;
		memcpy(ip - 2, (uint8_t[]){8, 0, 0x45}, 3);
		ip[8] = 64;
		memcpy(ip + 12, from->bytes, 4);
		memcpy(ip + 16, to->bytes, 4);
		path->checksum = fold(ip, 20);
	} else {
		path->header_len = 54;
		memcpy(ip - 2, (uint8_t[]){0x86, 0xdd, 0x60}, 3);
		ip[7] = 64;
		memcpy(ip + 8, from->bytes, 16);
		memcpy(ip + 24, to->bytes, 16);
	}
}

enum sl_encapsulation world_encapsulation(enum bench_world kind, enum bench_service service)
{
	if (service == SERVICE_UDP)
		return SL_ENCAP_IPIP;
	return kind == WORLD_GUE ? SL_ENCAP_GUE : kind == WORLD_L2 ? SL_ENCAP_L2 : SL_ENCAP_IPIP;
}

size_t world_overhead(enum bench_world kind, enum bench_service service)
{
	size_t ip = services[service].outer == 4 ? 20 : 40;

	switch (world_encapsulation(kind, service)) {
	case SL_ENCAP_L2:
		return 0;
	case SL_ENCAP_GUE:
		return ip + 8 + 4;
	default:
		return ip;
	}
}

size_t world_tags(enum bench_world kind, enum bench_service service, size_t tags)
{
	return kind == WORLD_VLANS && service == SERVICE_UDP ? SL_TAG : tags * SL_TAG;
}

static void make_path(const struct world *w, enum bench_service service, const struct addr *to,
		      struct sl_path *path)
{
	struct addr from = parse_address(to->family == 4 ? TUNNEL_FROM : TUNNEL_FROM6);

	path->ifindex = w->kind == WORLD_REDIRECT && service == SERVICE_UDP ? w->away : IN_IFINDEX;
	path->family = to->family;
	path->inner_max =
		w->kind == WORLD_TOO_BIG ? FRAME_SIZE / 2 : 1500 - world_overhead(w->kind, service);
	path->tags = SL_TAGS_KEEP;
	if (w->kind == WORLD_VLANS && service == SERVICE_UDP) {
		path->tags = SL_TAG;
		path->tag[0] = htons(0x8100);
		path->tag[1] = htons(VLAN_OUT);
	}
	memcpy(path->header, (uint8_t[]){2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 2}, 12);
	path->header_len = 14;
	path->encapsulation = world_encapsulation(w->kind, service);
	if (w->kind == WORLD_ENTROPY) { /* the last 8 bits */
		from.bytes[addr_size(from.family) - 1] = 0;
		path->entropy = 0xff000000;
	}
	if (path->encapsulation != SL_ENCAP_L2)
		write_outer(to, &from, path);
}

void world_check(int err, const char *what)
{
	if (err)
		fail("%s: cannot be written: %s", what, strerror(-err));
}

static void fill_backends(const struct world *w, enum bench_service service)
{
	for (unsigned int i = 0; services[service].outer && i < BACKENDS + NEWCOMERS; i++) {
		struct addr to = world_backend(service, i);
		struct sl_backend backend = {
			.service = sl_counter_services(&w->view->limits) + service,
			.family = to.family,
		};

		memcpy(backend.address, to.bytes, sizeof(to.bytes));
		make_path(w, service, &to, &backend.path[0]);
		world_check(dataplane_operations()->write_backend(
				    w->dp, world_backend_index(service, i), &backend),
			    "a backend");
	}
}

static void fill_slots(struct world *w, const struct key *key, enum bench_service service)
{
	const struct dataplane_ops *ops = dataplane_operations();
	struct maglev_member members[BACKENDS] = {0};
	struct dataplane_store *stores = mem_array(TABLE_SIZE, sizeof(*stores));
	uint16_t *table = mem_array(TABLE_SIZE, sizeof(*table));

	for (unsigned int i = 0; i < BACKENDS; i++)
		members[i] = (struct maglev_member){world_backend(service, i), 1};
	world_check(maglev_build(key->maglev, services[service].name, members, BACKENDS, TABLE_SIZE,
				 table),
		    "a Maglev table");
	for (uint32_t i = 0; i < TABLE_SIZE; i++) {
		table[i] = services[service].outer ? world_backend_index(service, table[i])
						   : SL_NOBODY;
		stores[i] = (struct dataplane_store){world_slots_base(service) + i, table[i]};
	}
	world_check(ops->store_cold(w->dp, stores, TABLE_SIZE), "cold words");
	world_check(ops->store_hot(w->dp, stores, TABLE_SIZE), "hot words");
	w->backends[service] = table;
	free(stores);
}

static void fill_service(struct world *w, const struct key *key, enum bench_service service)
{
	struct sl_service record = {
		.slots_base = world_slots_base(service),
		.slots = TABLE_SIZE,
		.counters = sl_counter_services(&w->view->limits) + service,
		.idle_ticks = IDLE_TICKS,
	};

	snprintf(record.name, sizeof(record.name), "%s", services[service].name);
	if (w->kind == WORLD_QUIC && service == SERVICE_UDP) {
		record.flags = SL_SERVICE_QUIC;
		record.quic[0] = 2 | 6 << SL_QUIC_NONCE_SHIFT;
	}
	if (w->kind == WORLD_SOURCE && service != SERVICE_UDP)
		record.flags |= SL_SERVICE_BY_SOURCE;
	if (w->kind == WORLD_CLAMP)
		record.mss = CLAMP_TO;
	fill_backends(w, service);
	fill_slots(w, key, service);
	world_check(dataplane_operations()->write_service(w->dp, service, &record), "a service");
}

/* Prefixes and any port, where that is what the world is for. */
static void widen(enum bench_world kind, enum bench_service s, struct dataplane_listener *listener)
{
	struct addr *address = &listener->address;

	if (s != SERVICE_4IN4 && s != SERVICE_6IN6)
		return;
	if (kind == WORLD_ANY_PORT)
		listener->port = 0;
	if (kind != WORLD_PREFIX)
		return;
	listener->length = addr_size(address->family) * 8 - 4;
	address->bytes[addr_size(address->family) - 1] &= 0xf0;
}

static void fill_listeners(const struct world *w)
{
	struct dataplane_listener list[SERVICES + LISTENERS + BACKENDS] = {0};
	size_t count = 0;

	for (enum bench_service s = SERVICE_NONE + 1; s < SERVICES; s++) {
		list[count] = (struct dataplane_listener){.address = world_vip(s),
							  .port = 443,
							  .protocol = services[s].protocol,
							  .service = s,
							  .echo = w->kind == WORLD_ECHO};
		widen(w->kind, s, &list[count++]);
	}
	for (unsigned int i = 0; i < LISTENERS; i++) {
		struct addr filler = {.family = 4, .bytes = {198, 18, i >> 8, i}};

		list[count++] = (struct dataplane_listener){.address = filler,
							    .port = 443,
							    .protocol = IPPROTO_TCP,
							    .service = SERVICE_4IN4};
	}
	for (unsigned int i = 0; w->kind == WORLD_QUIC && i < BACKENDS; i++)
		list[count++] = dataplane_server_id(SERVICE_UDP, (uint8_t[]){0, i}, 2,
						    world_backend_index(SERVICE_UDP, i));
	world_check(dataplane_operations()->write_listeners(w->dp, list, count),
		    "the listener table");
}

static void read_object(const char *path, struct dataplane_options *options)
{
	struct problems p = {0};
	char *data;

	if (file_read(path, 64 << 20, &data, &options->object_size, &p)) {
		problems_print(&p, stderr);
		exit(EXIT_FAILURE);
	}
	options->object = data;
}

static size_t size_of_flows(const struct world *w)
{
	return w->view->limits.flows * sizeof(struct sl_flow);
}

static size_t size_of_answers(const struct world *w)
{
	return w->view->limits.cpus * sizeof(struct sl_answers);
}

static void *map_writable(const struct world *w, const char *name, size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 dataplane_map_fd(w->dp, name), 0);

	if (map == MAP_FAILED)
		fail("the map '%s' cannot be mapped: %s", name, strerror(errno));
	return map;
}

/* None of which a frame comes from: 100.64.0.0/24 and so on, 2001:db8:ffff::/64 and so on. */
static void fill_denied(const struct world *w)
{
	struct prefix *list = mem_array(2 * DENIED, sizeof(*list));
	const struct addr from[2] = {{4, {100, 64}}, {6, {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff}}};
	struct problems p = {0};

	for (int i = 0; i < 2 * DENIED; i++) {
		bool six = i >= DENIED;
		uint8_t *counting = &list[i].addr.bytes[six ? 6 : 1];

		list[i] = (struct prefix){from[six], six ? 64 : 24};
		counting[0] += i % DENIED >> 8;
		counting[1] = i % DENIED & 255;
	}
	if (dataplane_write_denied(w->dp, list, 2 * DENIED, &p)) {
		problems_print(&p, stderr);
		exit(EXIT_FAILURE);
	}
	free(list);
}

/* Services listen to frames without a tag and to those of VLAN_IN. */
static struct sl_vlans *new_vlans(void)
{
	const uint64_t listens[64] = {1 << SL_VLAN_UNTAGGED | 1 << VLAN_IN};
	struct sl_vlans *vlans = mem_alloc(sizeof(*vlans));

	memset(vlans, 0, sizeof(*vlans));
	world_check(vlans_add(vlans, IN_IFINDEX, listens), "the VLANs");
	return vlans;
}

void world_open(struct world *w, enum bench_world kind, const char *object, uint32_t away)
{
	struct dataplane_options options = {
		.limits = {.cpus = sysconf(_SC_NPROCESSORS_CONF),
			   .services = 256,
			   .listeners = 4 << 10,
			   .backends = 4096,
			   .flows = world_kinds[kind].flows ? world_kinds[kind].flows : 1 << 20,
			   .slots = 4 << 20,
			   .fragments = 64 << 10,
			   .deny = 2 * DENIED},
		.features = world_kinds[kind].features,
		.manual_clock = world_kinds[kind].manual_clock,
		.too_big_answers = world_kinds[kind].answers,
	};
	struct sl_vlans *vlans = new_vlans();
	struct problems p = {0};
	struct key key;

	w->kind = kind;
	w->away = away;
	options.vlans = vlans;
	key_derive((const uint8_t[SL_KEY_SIZE]){1, 2, 3, 4, 5, 6, 7, 8}, &key);
	options.key = key.hash;
	if (object)
		read_object(object, &options);
	if (dataplane_open(&options, &w->dp, &p)) {
		problems_print(&p, stderr);
		exit(EXIT_FAILURE);
	}
	free((void *)options.object);
	free(vlans);
	w->view = dataplane_view(w->dp);
	w->flows = map_writable(w, "flows", size_of_flows(w));
	w->answers = map_writable(w, "answers", size_of_answers(w));
	if (kind == WORLD_REDIRECT)
		world_check(dataplane_operations()->open_way(w->dp, away), "a way out");
	world_check(dataplane_operations()->write_longest(w->dp, IDLE_TICKS),
		    "the longest idle-timeout");
	for (enum bench_service s = SERVICE_NONE + 1; s < SERVICES; s++)
		fill_service(w, &key, s);
	fill_listeners(w);
	if (kind == WORLD_DENY)
		fill_denied(w);
}

void world_close(struct world *w)
{
	if (!w->dp)
		return;
	munmap(w->flows, size_of_flows(w));
	munmap(w->answers, size_of_answers(w));
	for (enum bench_service s = 0; s < SERVICES; s++)
		free(w->backends[s]);
	dataplane_close(w->dp);
}

static uint64_t count(const struct world *w, uint32_t line, unsigned int i)
{
	uint64_t counts[SL_COUNTERS_PER_LINE];

	dataplane_count(w->view, line, counts);
	return counts[i];
}

uint64_t world_count(const struct world *w, enum sl_verdict verdict)
{
	uint64_t counts[SL_VERDICTS];

	dataplane_count_verdicts(w->view, counts);
	return counts[verdict];
}

uint64_t world_count_event(const struct world *w, enum sl_event event)
{
	return count(w, SL_VERDICT_LINES + event / SL_COUNTERS_PER_LINE,
		     event % SL_COUNTERS_PER_LINE);
}

uint64_t world_count_newcomers(const struct world *w, enum bench_service service)
{
	uint32_t line =
		sl_counter_backends(&w->view->limits) + world_backend_index(service, BACKENDS);
	uint64_t packets = 0;

	for (uint32_t i = 0; i < NEWCOMERS; i++)
		packets += count(w, line + i, SL_BACKEND_packets);
	return packets;
}
