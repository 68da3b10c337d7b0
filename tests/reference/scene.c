/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/path.h"
#include "random.h"
#include "reference/scene.h"

const struct sl_limits scene_limits = {.cpus = 2,
				       .services = 16,
				       .listeners = 256,
				       .backends = 32,
				       .flows = 4096,
				       .slots = 8192,
				       .deny = REFERENCE_DENIED,
				       .fragments = 16384};
uint32_t scene_other_ifindex;

static bool one_in(uint32_t n)
{
	return random_below(n) == 0;
}

/* What the reference knows; another feature stays off until it does. */
static bool is_known(const char *feature)
{
	static const char *const known[] = {"redirect",	 "affinity", "encaps", "entropy",
					    "mss_clamp", "vlans",    "quic",   "deny",
					    "echo",	 "fragments"};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i], feature))
			return true;
	return false;
}

/* ---- making one ------------------------------------------------------------------------------------------ */

/* A few addresses near each other, so that addresses and prefixes cover each other. */
static void make_vip(struct reference_prefix *out)
{
	static const uint8_t lengths[2][5] = {{22, 24, 27, 29, 31}, {48, 64, 70, 120, 127}};
	static const uint8_t net6[6] = {0x20, 0x01, 0x0d, 0xb8, 0, 0x0f};
	bool v6 = one_in(2);
	unsigned int size = v6 ? 16 : 4;

	memset(out, 0, sizeof(*out));
	out->family = v6 ? 6 : 4;
	memcpy(out->bytes, v6 ? net6 : (const uint8_t[]){203, 0, 112}, v6 ? 6 : 3);
	if (!v6)
		out->bytes[2] += random_below(3);
	else if (one_in(3))
		out->bytes[8] = random_below(4);
	out->bytes[size - 1] = random_below(12);
	out->length = one_in(3) ? lengths[v6][random_below(5)] : 8 * size;
	for (unsigned int bit = out->length; bit < 8 * size; bit++)
		out->bytes[bit / 8] &= ~(0x80 >> bit % 8);
}

static bool is_listed(const struct reference *r, const struct reference_listener *l)
{
	for (size_t i = 0; i < r->listeners_count; i++) {
		const struct reference_listener *other = &r->listeners[i];

		if (!memcmp(&other->on, &l->on, sizeof(l->on)) && other->port == l->port &&
		    other->protocol == l->protocol)
			return true;
	}
	return false;
}

static void make_listeners(struct reference *r)
{
	static const uint16_t ports[] = {443, 443, 53, 80, 0, 65535};
	uint32_t count = 1 + random_below(REFERENCE_LISTENERS / 2);
	struct reference_listener l;

	while (count--) {
		memset(&l, 0, sizeof(l));
		make_vip(&l.on);
		l.port = ports[random_below(ARRAY_SIZE(ports))];
		l.protocol = one_in(3) ? IPPROTO_UDP : IPPROTO_TCP;
		l.service = 1 + random_below(r->services_count);
		if (r->services[l.service]
			    .is_quic) /* and TCP is refused (user/config/check_quic.c) */
			l.protocol = IPPROTO_UDP;
		l.echo = one_in(3);
		if (!is_listed(r, &l))
			r->listeners[r->listeners_count++] = l;
	}
}

static void make_quic(const struct reference *r, struct reference_service *service)
{
	service->is_quic = true;
	for (int i = 0; i < 7; i++)
		if (one_in(2))
			service->quic[i] =
				(struct reference_quic){1 + random_below(one_in(3) ? 15 : 2),
							1 + random_below(4), one_in(2)};
	for (int i = 0; i < REFERENCE_IDS; i++) {
		struct reference_server_id *id = &service->ids[service->ids_count++];

		*id = (struct reference_server_id){
			.length = one_in(4) ? 15 : 1 + random_below(2),
			.bytes = {i},
			.backend = 1 + random_below(r->backends_count),
			.is_closed = one_in(4),
		};
	}
}

static void make_services(struct scene *scene)
{
	static const uint16_t primes[] = {251, 257, 401, 503};
	struct reference *r = &scene->reference;

	r->services_count = 1 + random_below(6);
	for (int s = 1; s <= r->services_count; s++) {
		struct reference_service *service = &r->services[s];
		uint8_t takers[4], count = one_in(12) ? 0 : 1 + random_below(4);

		service->by_source = scene->features.affinity && one_in(2);
		service->mss = scene->features.mss_clamp && !one_in(3)
				       ? (uint16_t[]){536, 1220, 1460, 65495}[random_below(4)]
				       : 0;
		service->slots = primes[random_below(ARRAY_SIZE(primes))];
		if (scene->features.quic && !one_in(3))
			make_quic(r, service);
		for (int i = 0; i < count; i++)
			takers[i] = 1 + random_below(r->backends_count);
		for (int i = 0; count && i < service->slots; i++)
			service->slot[i] = takers[random_below(count)];
	}
}

static void make_address(uint8_t family, uint8_t last, struct reference_prefix *out)
{
	static const uint8_t start[2][6] = {{10, 0, 1}, {0x20, 0x01, 0x0d, 0xb8, 0, 1}};

	memset(out, 0, sizeof(*out));
	out->family = family;
	out->length = family == 4 ? 32 : 128;
	memcpy(out->bytes, start[family == 6], family == 4 ? 3 : 6);
	out->bytes[out->length / 8 - 1] = last;
}

/* A network that nobody has, of a random length. */
static void make_varied(struct reference_backend *b)
{
	bool v6 = b->address.family == 6;

	memset(b->source.bytes, 0, 16);
	memcpy(b->source.bytes, v6 ? (const uint8_t[]){1, 0} : (const uint8_t[]){198, 18}, 2);
	b->source.length = v6 ? (const uint8_t[]){64, 96, 111, 120}[random_below(4)]
			      : (const uint8_t[]){15, 16, 24, 27}[random_below(4)];
	b->varies = true;
}

static void make_tags(struct reference_backend *b)
{
	b->keep = one_in(3);
	b->tags_count = b->keep ? 0 : random_below(3);
	for (int i = 0; i < b->tags_count; i++)
		b->tags[i] =
			(struct reference_tag){one_in(3) ? 0x88a8 : 0x8100, 1 + random_below(4094)};
}

static void make_backends(struct scene *scene)
{
	static const uint16_t mtus[] = {1500, 1500, 1280, 1420, 700, 4000};
	struct reference *r = &scene->reference;

	r->backends_count = 1 + random_below(REFERENCE_BACKENDS);
	for (int i = 1; i <= r->backends_count; i++) {
		struct reference_backend *b = &r->backends[i];
		uint8_t family = one_in(2) ? 4 : 6;

		make_address(family, i, &b->address);
		make_address(family, 200, &b->source);
		b->ifindex = one_in(10) ? 0 : SCENE_IFINDEX;
		if (b->ifindex && scene->features.redirect && scene_other_ifindex && one_in(3))
			b->ifindex = scene_other_ifindex;
		b->mtu = mtus[random_below(ARRAY_SIZE(mtus))];
		b->encapsulation = scene->features.encaps ? random_below(3) : SL_ENCAP_IPIP;
		if (scene->features.entropy && !one_in(3))
			make_varied(b);
		b->is_down = one_in(5);
		b->is_dead = b->is_down && one_in(2);
		b->keep = true;
		if (scene->features.vlans)
			make_tags(b);
		memcpy(b->mac, (uint8_t[]){2, 0, 0, 0, 1, i}, 6);
		memcpy(b->device_mac, (uint8_t[]){2, 0, 0, 0, 0, 2}, 6);
	}
}

/* Where services listen: some ids that frames often have; where nothing is said, to what is untagged. */
static void make_vlans(struct scene *scene)
{
	struct reference *r = &scene->reference;

	r->vlans = scene->features.vlans;
	r->listens[0] = 1;
	if (one_in(3))
		return;
	r->listens[0] = (random_next() | random_next()) & ~(uint64_t)one_in(2);
	r->listens[63] = random_next();
	for (int i = 1; i < 63; i++)
		r->listens[i] = one_in(2) ? 0 : random_next();
	if (vlans_add(&scene->vlans, SCENE_IFINDEX, r->listens))
		memset(&scene->vlans, 0, sizeof(scene->vlans));
}

/* Parts of where the clients of frames.c are. */
static void make_denied(struct reference *r)
{
	static const uint8_t start[2][6] = {{198, 51}, {0x20, 0x01, 0x0d, 0xb8, 0, 0x0c}};

	r->denied_count = random_below(REFERENCE_DENIED + 1);
	for (size_t i = 0; i < r->denied_count; i++) {
		struct reference_prefix *prefix = &r->denied[i];
		bool v6 = one_in(2);

		memset(prefix, 0, sizeof(*prefix));
		prefix->family = v6 ? 6 : 4;
		prefix->length = (v6 ? 96 : 16) + 3 + random_below(4);
		memcpy(prefix->bytes, start[v6], 6);
		prefix->bytes[v6 ? 12 : 2] = random_below(256) & ~(0xff >> (prefix->length % 8));
		/* None twice. */
		for (size_t other = 0; other < i; other++)
			if (!memcmp(&r->denied[other], prefix, sizeof(*prefix)))
				r->denied_count = i;
	}
}

void scene_make(uint64_t seed, struct scene *out)
{
	uint64_t *words = (uint64_t *)&out->reference.key;

	memset(out, 0, sizeof(*out));
	random_state = (seed + 1) * 0x9e3779b97f4a7c15u;
	for (int i = 0; i < 8; i++)
		random_next();
#define DATAPLANE_FEATURE(name, help) out->features.name = is_known(#name) && one_in(2);
#include "dataplane/features.def"
	for (size_t i = 0; i < sizeof(out->reference.key) / 8; i++)
		words[i] = random_next();
	make_vlans(out);
	out->reference.echo = out->features.echo;
	out->reference.fragments = out->features.fragments;
	if (out->features.deny)
		make_denied(&out->reference);
	make_backends(out);
	make_services(out);
	make_listeners(&out->reference);
}

/* ---- writing it into maps ---------------------------------------------------------------------------------- */

static struct addr addr_of(const struct reference_prefix *from)
{
	struct addr out = {.family = from->family};

	memcpy(out.bytes, from->bytes, sizeof(out.bytes));
	return out;
}

static int fill_backend(const struct scene *scene, int i, const struct dataplane_ops *ops,
			void *self)
{
	const struct reference_backend *b = &scene->reference.backends[i];
	struct path_options options = {.encapsulation = b->encapsulation};
	struct net_nexthop way = {.ifindex = b->ifindex, .mtu = b->mtu};
	struct sl_backend record = {.family = b->address.family,
				    .service = sl_counter_services(&scene_limits) + 1};
	struct addr address = addr_of(&b->address);
	int err = 0;

	record.flags = (b->is_down ? SL_BACKEND_DOWN : 0) | (b->is_dead ? SL_BACKEND_DEAD : 0);
	memcpy(record.address, address.bytes, sizeof(record.address));
	memcpy(way.neighbour_mac, b->mac, sizeof(b->mac));
	memcpy(way.device_mac, b->device_mac, sizeof(b->device_mac));
	way.gateway = address;
	way.carries_vlans = !b->keep;
	way.tag_count = b->tags_count;
	for (int t = 0; t < b->tags_count; t++)
		way.tags[t] = (struct net_tag){b->tags[t].type, b->tags[t].control};
	if (b->varies)
		options.entropy =
			(struct prefix){.addr = addr_of(&b->source), .length = b->source.length};
	/* What does not vary in spite of that is not ipip. */
	options.source = addr_of(&b->source);
	if (b->ifindex)
		err = path_build(&way, &address, &options, &record.path[0]);
	return err ? err : ops->write_backend(self, i, &record);
}

static int fill_service(const struct scene *scene, int s, const struct dataplane_ops *ops,
			void *self)
{
	const struct reference_service *service = &scene->reference.services[s];
	struct dataplane_store stores[REFERENCE_SLOTS];
	struct sl_service record = {
		.slots_base = s * 512,
		.slots = service->slots,
		.counters = sl_counter_services(&scene_limits) + s,
		.flags = service->by_source ? SL_SERVICE_BY_SOURCE : 0,
		.mss = service->mss,
	};
	int err;

	snprintf(record.name, sizeof(record.name), "s%d", s);
	if (service->is_quic)
		record.flags |= SL_SERVICE_QUIC;
	for (int i = 0; i < SL_QUIC_CONFIGS; i++)
		record.quic[i] = service->quic[i].server_id |
				 service->quic[i].nonce << SL_QUIC_NONCE_SHIFT |
				 (service->quic[i].encodes_length ? SL_QUIC_ENCODES_LENGTH : 0);
	for (int i = 0; i < service->slots; i++)
		stores[i] = (struct dataplane_store){record.slots_base + i, service->slot[i]};
	err = ops->store_cold(self, stores, service->slots);
	if (!err)
		err = ops->store_hot(self, stores, service->slots);
	return err ? err : ops->write_service(self, s, &record);
}

static int fill_listeners(const struct scene *scene, const struct dataplane_ops *ops, void *self)
{
	const struct reference *r = &scene->reference;
	struct dataplane_listener list[REFERENCE_LISTENERS + REFERENCE_SERVICES * REFERENCE_IDS];
	size_t count = r->listeners_count;

	for (size_t i = 0; i < r->listeners_count; i++) {
		const struct reference_listener *l = &r->listeners[i];
		bool is_address = l->on.length == (l->on.family == 4 ? 32 : 128);

		list[i] = (struct dataplane_listener){.address = addr_of(&l->on),
						      .port = l->port,
						      .protocol = l->protocol,
						      .length = is_address ? 0 : l->on.length,
						      .echo = l->echo,
						      .service = l->service};
	}
	for (int record = 1; record <= r->services_count; record++) {
		const struct reference_service *service = &r->services[record];

		for (size_t i = 0; i < service->ids_count; i++)
			list[count++] = dataplane_server_id(
				record, service->ids[i].bytes, service->ids[i].length,
				service->ids[i].backend |
					(service->ids[i].is_closed ? SL_SERVER_ID_CLOSED : 0));
	}
	return ops->write_listeners(self, list, count);
}

int scene_fill(const struct scene *scene, const struct dataplane_ops *ops, void *self)
{
	int err = 0;

	for (int i = 1; !err && i <= scene->reference.backends_count; i++)
		err = fill_backend(scene, i, ops, self);
	for (int s = 1; !err && s <= scene->reference.services_count; s++)
		err = fill_service(scene, s, ops, self);
	return err ? err : fill_listeners(scene, ops, self);
}

static int compare_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct prefix));
}

size_t scene_denied(const struct scene *scene, struct prefix out[REFERENCE_DENIED])
{
	const struct reference *r = &scene->reference;

	memset(out, 0, REFERENCE_DENIED * sizeof(*out));
	for (size_t i = 0; i < r->denied_count; i++) {
		out[i].addr = addr_of(&r->denied[i]);
		out[i].length = r->denied[i].length;
	}
	qsort(out, r->denied_count, sizeof(*out), compare_bytes);
	return r->denied_count;
}

/* ---- telling ------------------------------------------------------------------------------------------------ */

static const char *prefix_text(const struct reference_prefix *prefix, char text[64])
{
	struct addr addr = addr_of(prefix);
	char address[ADDR_TEXT_SIZE];

	snprintf(text, 64, "%s/%u", addr_format(&addr, address), prefix->length);
	return text;
}

void scene_print(const struct scene *scene)
{
	static const char *const encapsulations[] = {"ipip", "gue", "l2"};
	const struct reference *r = &scene->reference;
	char text[64], source[64];

	printf("  knobs on:");
#define DATAPLANE_FEATURE(name, help) printf("%s", scene->features.name ? " " #name : "");
#include "dataplane/features.def"
	printf("\n");
	if (r->vlans) {
		printf("  VLANs, a bit each, 64 a word:");
		for (int i = 0; i < 64; i++)
			printf(" %llx", (unsigned long long)r->listens[i]);
		printf("\n");
	}
	for (size_t i = 0; i < r->denied_count; i++)
		printf("  %s is denied\n", prefix_text(&r->denied[i], text));
	for (size_t i = 0; i < r->listeners_count; i++)
		printf("  service %u listens on %s port %u protocol %u%s\n",
		       r->listeners[i].service, prefix_text(&r->listeners[i].on, text),
		       r->listeners[i].port, r->listeners[i].protocol,
		       r->listeners[i].echo ? ", echo" : "");
	for (int s = 1; s <= r->services_count; s++) {
		const struct reference_service *service = &r->services[s];
		uint32_t seen = 0;

		for (int i = 0; i < 7; i++)
			if (service->quic[i].server_id)
				printf("  service %d: connection ids of rotation %d: %u, %u%s\n", s,
				       i, service->quic[i].server_id, service->quic[i].nonce,
				       service->quic[i].encodes_length ? ", with length" : "");
		for (size_t i = 0; i < service->ids_count; i++)
			printf("  service %d: id %02x of %u bytes names %u%s\n", s,
			       service->ids[i].bytes[0], service->ids[i].length,
			       service->ids[i].backend,
			       service->ids[i].is_closed ? ", closed" : "");
		printf("  service %d: %u slots, affinity %s, mss %u, backends", s, service->slots,
		       service->by_source ? "source" : "flow", service->mss);
		for (int i = 0; i < service->slots; i++)
			seen |= 1u << service->slot[i];
		for (int i = 0; i <= r->backends_count; i++)
			if (seen >> i & 1)
				printf(" %d", i);
		printf("\n");
	}
	for (int i = 1; i <= r->backends_count; i++) {
		printf("  backend %d: %s by %s, from %s%s, out by %u, mtu %u, %stags%s", i,
		       prefix_text(&r->backends[i].address, text),
		       encapsulations[r->backends[i].encapsulation],
		       prefix_text(&r->backends[i].source, source),
		       r->backends[i].varies ? " (varied)" : "", r->backends[i].ifindex,
		       r->backends[i].mtu,
		       r->backends[i].is_dead	? "dead, "
		       : r->backends[i].is_down ? "down, "
						: "",
		       r->backends[i].keep ? " kept" : ":");
		for (int t = 0; t < r->backends[i].tags_count; t++)
			printf(" %04x %u", r->backends[i].tags[t].type,
			       r->backends[i].tags[t].control);
		printf("\n");
	}
}
