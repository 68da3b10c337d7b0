/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/internal.h"
#include "packet/world.h"

enum world_service { WEB_V4 = 1, WEB_V6, ANY, EMPTY, LOST, SPREAD, SERVICES };

static const struct {
	const char *name;
	enum world_backend backend;
} services[SERVICES] = {
	[WEB_V4] = {"web4", WORLD_V4},	 [WEB_V6] = {"web6", WORLD_V6},
	[ANY] = {"any", WORLD_V4},	 [EMPTY] = {"empty", WORLD_NOBODY},
	[LOST] = {"lost", WORLD_NO_WAY}, [SPREAD] = {"spread", WORLD_NOBODY},
};

static const struct {
	const char *address;
	uint16_t port;
	uint8_t protocol; /* 0: TCP and UDP */
	enum world_service service;
} listeners[] = {
	{"203.0.113.10", 443, 0, WEB_V4},
	{"2001:db8:f::10", 443, 0, WEB_V4},
	{"203.0.113.11", 443, 0, WEB_V6},
	{"2001:db8:f::11", 443, 0, WEB_V6},
	{"203.0.113.12", 0, IPPROTO_TCP, ANY},
	{"2001:db8:f::12", 0, IPPROTO_TCP, ANY},
	{"203.0.113.20", 443, 0, EMPTY},
	{"2001:db8:f::20", 443, 0, EMPTY},
	{"203.0.113.21", 443, 0, LOST},
	{"203.0.113.22", 443, IPPROTO_TCP, SPREAD},
	{"2001:db8:f::22", 443, IPPROTO_TCP, SPREAD},
};

static const struct {
	const char *address, *source;
	uint8_t mac[6];
} backends[WORLD_BACKENDS] = {
	[WORLD_V4] = {"10.0.1.11", "192.0.2.10", {2, 0, 0, 0, 1, 0x11}},
	[WORLD_V6] = {"2001:db8:1::12", "2001:db8::10", {2, 0, 0, 0, 1, 0x12}},
	[WORLD_NO_WAY] = {"10.0.1.13", NULL, {0}},
	[WORLD_V4B] = {"10.0.1.14", "192.0.2.10", {2, 0, 0, 0, 1, 0x14}},
};

static const uint8_t device_mac[6] = {2, 0, 0, 0, 0, 2};

static void address(const char *text, struct addr *out)
{
	ck_assert_int_eq(addr_parse(text, out), 0);
}

static uint16_t sum_of(const uint8_t *bytes, size_t size, uint32_t sum)
{
	uint16_t word;

	for (size_t i = 0; i < size; i += 2) {
		memcpy(&word, bytes + i, 2);
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static size_t overhead(const struct world_way *way, int family)
{
	size_t ip = family == 4 ? 20 : 40;

	return way->encapsulation == SL_ENCAP_L2    ? 0
	       : way->encapsulation == SL_ENCAP_GUE ? ip + 8 + 4
						    : ip;
}

/* The tail of an Ethernet header, and an IP header. */
static void make_outer(struct sl_path *path, const struct addr *from, const struct addr *to)
{
	uint8_t *h = path->header;

	if (to->family == 4) {
		path->header_len = 34;
		memcpy(h + 12, (uint8_t[]){8, 0, 0x45}, 3);
		h[22] = 64;
		memcpy(h + 26, from->bytes, 4);
		memcpy(h + 30, to->bytes, 4);
		path->checksum = sum_of(h + 14, 20, 0);
	} else {
		path->header_len = 54;
		memcpy(h + 12, (uint8_t[]){0x86, 0xdd, 0x60}, 3);
		h[21] = 64;
		memcpy(h + 22, from->bytes, 16);
		memcpy(h + 38, to->bytes, 16);
		if (path->encapsulation == SL_ENCAP_GUE) /* protocol 17, port 6080 */
			path->checksum = sum_of(h + 22, 32, 0x1100 + 0xc017);
	}
}

/* A path by the words of abi.h, written without the agent's builder. */
static void make_path(const struct world_way *way, enum world_backend b, uint32_t ifindex,
		      struct sl_path *path)
{
	bool varies = way->entropy && way->encapsulation == SL_ENCAP_IPIP;
	struct addr to, from;

	memset(path, 0, sizeof(*path));
	if (!backends[b].source)
		return;
	address(backends[b].address, &to);
	address(!varies ? backends[b].source : to.family == 4 ? "198.18.0.0" : "100::", &from);
	path->ifindex = ifindex;
	path->family = to.family;
	path->encapsulation = way->encapsulation;
	path->inner_max = (way->mtu ? way->mtu : WORLD_MTU) - overhead(way, to.family);
	memcpy(path->header, backends[b].mac, 6);
	memcpy(path->header + 6, device_mac, 6);
	if (way->tags) {
		path->tags = 4 * way->tags->count;
		for (size_t i = 0; i < 2 * way->tags->count; i++)
			path->tag[i] = htons(way->tags->words[i]);
	}
	if (way->keep_tags)
		path->tags = SL_TAGS_KEEP;
	if (varies) /* 17 bits, or 32 */
		path->entropy = to.family == 4 ? 0xffff0100 : 0xffffffff;
	if (way->encapsulation == SL_ENCAP_L2)
		path->header_len = 14;
	else
		make_outer(path, &from, &to);
}

static void fill_backends(struct world *w)
{
	struct sl_backend backend;
	struct addr to;

	for (int b = 1; b < WORLD_BACKENDS; b++) {
		memset(&backend, 0, sizeof(backend));
		address(backends[b].address, &to);
		backend.family = to.family;
		memcpy(backend.address, to.bytes, 16);
		backend.service = sl_counter_services(&w->view->limits) + WEB_V4;
		make_path(&w->way, b, 1, &backend.path[0]);
		ck_assert_int_eq(w->ops->write_backend(w->dp, b, &backend), 0);
	}
}

static void fill_services(struct world *w)
{
	struct dataplane_store stores[WORLD_SLOTS];
	struct sl_service record;

	for (int s = 1; s < SERVICES; s++) {
		memset(&record, 0, sizeof(record));
		record.slots_base = s * 256;
		record.slots = WORLD_SLOTS;
		record.counters = sl_counter_services(&w->view->limits) + s;
		snprintf(record.name, sizeof(record.name), "%s", services[s].name);
		for (uint32_t i = 0; i < WORLD_SLOTS; i++)
			stores[i] = (struct dataplane_store){
				record.slots_base + i,
				s == SPREAD ? (uint32_t[]){WORLD_V4, WORLD_V6, WORLD_V4B}[i % 3]
					    : services[s].backend};
		ck_assert_int_eq(w->ops->store_cold(w->dp, stores, WORLD_SLOTS), 0);
		ck_assert_int_eq(w->ops->store_hot(w->dp, stores, WORLD_SLOTS), 0);
		ck_assert_int_eq(w->ops->write_service(w->dp, s, &record), 0);
	}
}

struct dataplane_listener world_listener(const char *on, uint16_t port, uint8_t protocol,
					 uint16_t service)
{
	struct dataplane_listener listener = {
		.port = port, .protocol = protocol, .service = service};
	struct prefix prefix;

	ck_assert_int_eq(prefix_parse(on, &prefix), 0);
	listener.address = prefix.addr;
	listener.length = prefix_is_host(&prefix) ? 0 : prefix.length;
	return listener;
}

static void fill_listeners(struct world *w)
{
	struct dataplane_listener list[2 * sizeof(listeners) / sizeof(listeners[0])];
	size_t count = 0;

	for (size_t i = 0; i < sizeof(listeners) / sizeof(listeners[0]); i++)
		for (int protocol = IPPROTO_TCP; protocol;
		     protocol = protocol == IPPROTO_TCP ? IPPROTO_UDP : 0) {
			if (listeners[i].protocol && listeners[i].protocol != protocol)
				continue;
			list[count++] = world_listener(listeners[i].address, listeners[i].port,
						       protocol, listeners[i].service);
		}
	ck_assert_int_eq(w->ops->write_listeners(w->dp, list, count), 0);
}

/* The object of PACKET_OBJECT, or NULL for the built-in one. */
static void *object(size_t *size)
{
	const char *path = getenv("PACKET_OBJECT");
	char *data = NULL;

	if (path)
		ck_assert_int_eq(file_read(path, 64 << 20, &data, size, NULL), 0);
	return data;
}

void world_open(struct world *w, bool redirect)
{
	world_open_way(w, &(struct world_way){.features.redirect = redirect});
}

void world_open_way(struct world *w, const struct world_way *way)
{
	struct dataplane_options options = {.features = way->features,
					    .manual_clock = way->manual_clock,
					    .limits = {.cpus = 2,
						       .services = 16,
						       .listeners = 64,
						       .backends = 16,
						       .flows = 4096,
						       .slots = 4096,
						       .fragments = 64,
						       .deny = 128}};
	struct problems p = {0};
	for (size_t i = 0; i < sizeof(options.key) / 8; i++)
		((uint64_t *)&options.key)[i] = (i + 1) * 0x9e3779b97f4a7c15ULL ^ i << 60;
	w->way = *way;
#define DATAPLANE_FEATURE(name, help) options.features.name |= way->all_features;
#include "dataplane/features.def"
	options.features.encaps |= way->encapsulation != SL_ENCAP_IPIP;
	options.features.entropy |= way->entropy;
	options.features.vlans |= way->tags || way->keep_tags || way->vlans;
	options.vlans = way->vlans;
	options.object = w->object = object(&options.object_size);
	if (dataplane_open(&options, &w->dp, &p)) {
		problems_print(&p, stderr);
		ck_abort_msg("the balancer does not load");
	}
	w->key = options.key;
	w->ops = dataplane_operations();
	w->view = dataplane_view(w->dp);
	fill_backends(w);
	fill_services(w);
	fill_listeners(w);
}

void world_deny(struct world *w, const char *const *sources, size_t count)
{
	struct problems p = {0};
	struct prefix list[8];

	ck_assert_uint_le(count, sizeof(list) / sizeof(list[0]));
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(prefix_parse(sources[i], &list[i]), 0);
	ck_assert_int_eq(dataplane_write_denied(w->dp, list, count, &p), 0);
	problems_free(&p);
}

void world_set_tick(struct world *w, uint16_t tick)
{
	__atomic_store_n(&w->dp->maps.control->tick, tick, __ATOMIC_RELEASE);
}

void world_close(struct world *w)
{
	dataplane_close(w->dp);
	free(w->object);
}

void world_set_way(struct world *w, enum world_backend b, const struct world_way *way,
		   uint32_t ifindex)
{
	struct sl_path path;

	make_path(way, b, ifindex, &path);
	ck_assert_int_eq(w->ops->write_path(w->dp, b, &path), 0);
}

void world_set_ifindex(struct world *w, uint32_t ifindex)
{
	for (int b = 1; b < WORLD_BACKENDS; b++)
		world_set_way(w, b, &w->way, ifindex);
}

size_t world_overhead(const struct world *w, enum world_backend b)
{
	return overhead(&w->way, b == WORLD_V6 ? 6 : 4);
}

static uint32_t word(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, 4);
	return value;
}

uint64_t world_hash(const struct world *w, const struct frame *in)
{
	const uint8_t *ip = in->data + 14, *next;
	uint32_t s[4], d[4];
	uint8_t protocol = ip[6];

	if (ip[0] >> 4 == 4)
		return sl_hash4(&w->key, word(ip + 12), word(ip + 16), word(ip + (ip[0] & 15) * 4),
				ip[9]);
	for (int i = 0; i < 4; i++) {
		s[i] = word(ip + 8 + i * 4);
		d[i] = word(ip + 24 + i * 4);
	}
	for (next = ip + 40; protocol != IPPROTO_TCP && protocol != IPPROTO_UDP;) {
		size_t length = protocol == IPPROTO_FRAGMENT ? 8
				: protocol == IPPROTO_AH     ? (next[1] + 2) * 4
							     : 8 + next[1] * 8;

		protocol = next[0];
		next += length;
	}
	return sl_hash6(&w->key, s, d, word(next), protocol);
}

/* The source that a hash gives, which is mixed in as it lies in memory. */
static const char *varied_source(enum world_backend b, uint64_t hash)
{
	static char text[ADDR_TEXT_SIZE];
	const uint8_t h[] = {hash, hash >> 8, hash >> 16, hash >> 24};

	if (b == WORLD_V6)
		snprintf(text, sizeof(text), "100::%02x%02x:%02x%02x", h[0], h[1], h[2], h[3]);
	else
		snprintf(text, sizeof(text), "198.%u.%u.%u", 18 + (h[1] & 1), h[2], h[3]);
	return text;
}

void world_outer(const struct world *w, enum world_backend b, const struct frame *in,
		 struct outer *out)
{
	world_outer_of(w, b, in, world_hash(w, in), out);
}

void world_outer_of(const struct world *w, enum world_backend b, const struct frame *in,
		    uint64_t hash, struct outer *out)
{
	memset(out, 0, sizeof(*out));
	out->kind = (enum outer_kind[]){
		[SL_ENCAP_IPIP] = OUTER_IPIP,
		[SL_ENCAP_GUE] = OUTER_GUE,
		[SL_ENCAP_L2] = OUTER_L2,
	}[w->way.encapsulation];
	out->source = w->way.entropy && out->kind == OUTER_IPIP ? varied_source(b, hash)
								: backends[b].source;
	out->destination = backends[b].address;
	memcpy(out->source_mac, device_mac, 6);
	memcpy(out->destination_mac, backends[b].mac, 6);
	/* In the packet's byte order: the id's two bytes are mixed with the hash's lowest two as they lie in memory. */
	out->id = (uint16_t)((in->data[18] ^ (hash & 0xff)) << 8 |
			     (in->data[19] ^ (hash >> 8 & 0xff)));
	out->flow_label = hash & 0xfffff;
	out->source_port = 0xc000 | (hash & 0x3fff);
}

int world_run(struct world *w, const struct frame *in, struct frame *out, uint32_t ifindex)
{
	struct xdp_md context = {.data_end = in->length, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = in->length,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	ck_assert_msg(bpf_prog_test_run_opts(dataplane_program_fd(w->dp), &options) == 0,
		      "test run: %m");
	out->length = options.data_size_out;
	return options.retval;
}

void world_count(const struct world *w, struct world_counts *out)
{
	const struct sl_limits *l = &w->view->limits;

	dataplane_count_verdicts(w->view, out->verdict);
	for (int s = 0; s < 16; s++)
		dataplane_count_service(w->view, sl_counter_services(l) + s, out->service[s]);
	for (int b = 0; b < WORLD_BACKENDS; b++)
		dataplane_count(w->view, sl_counter_backends(l) + b, out->backend[b]);
}

static const struct {
	const char *name;
	enum xdp_action action;
} verdicts[SL_VERDICTS] = {
	[SL_GO_ON] = {"go_on", XDP_ABORTED},
#define ACTION_PASS XDP_PASS
#define ACTION_DROP XDP_DROP
#define ACTION_SEND XDP_TX
#define SL_VERDICT(name, action, help) \
	[SL_##action##_##name] = {#action " " #name, ACTION_##action},
#include <sluice/verdicts.def>
};

const char *world_verdict_name(enum sl_verdict verdict)
{
	return verdict < SL_VERDICTS ? verdicts[verdict].name : "?";
}

enum xdp_action world_verdict_action(enum sl_verdict verdict)
{
	return verdicts[verdict].action;
}

void world_expect_verdict(const char *name, const struct world_counts *before,
			  const struct world_counts *after, enum sl_verdict verdict)
{
	for (int v = 1; v < SL_VERDICTS; v++) {
		uint64_t counted = after->verdict[v] - before->verdict[v];

		ck_assert_msg(counted == (v == (int)verdict), "%s: %s counted %lu, expected %s",
			      name, world_verdict_name(v), counted, world_verdict_name(verdict));
	}
}

uint64_t world_dropped(const struct world_counts *counts)
{
	uint64_t sum = 0;

	for (size_t s = 0; s < ARRAY_SIZE(counts->service); s++)
		sum += counts->service[s][SL_SERVICE_dropped];
	return sum;
}

void world_run_counted(struct world *world, const char *name, const struct frame *in,
		       enum sl_verdict verdict, struct world_ran *out)
{
	world_count(world, &out->before);
	out->action = world_run(world, in, &out->out, 1);
	world_count(world, &out->after);
	world_expect_verdict(name, &out->before, &out->after, verdict);
}

void world_expect_frame(const char *name, const struct frame *got, const struct frame *expected)
{
	ck_assert_msg(got->length == expected->length, "%s: %zu bytes, expected %zu", name,
		      got->length, expected->length);
	for (size_t b = 0; b < got->length; b++)
		ck_assert_msg(got->data[b] == expected->data[b],
			      "%s: byte %zu is 0x%02x, expected 0x%02x", name, b, got->data[b],
			      expected->data[b]);
}
