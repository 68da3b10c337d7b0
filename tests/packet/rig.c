/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/bpf.h>

#include "base/problem.h"
#include "packet/frame.h"
#include "packet/rig.h"

#define ETHERNET 14

static const struct {
	const char *v4, *v6;
	uint16_t port;
	bool tcp, udp;
} services[RIG_SERVICES] = {
	[RIG_TCP] = {"203.0.113.1", "2001:db8:f::1", 443, true, false},
	[RIG_UDP] = {"203.0.113.2", "2001:db8:f::2", 53, false, true},
	[RIG_BOTH] = {"203.0.113.3", "2001:db8:f::3", 443, true, true},
};

static int failed(struct problems *p, int err)
{
	if (err)
		problems_print(p, stderr);
	problems_free(p);
	return err;
}

/* The last two bytes of the MAC address are the index. */
static int fill_backends(struct rig *rig, uint32_t count)
{
	int err = 0;

	for (uint32_t b = 1; !err && b <= count; b++) {
		struct sl_backend backend = {.family = 4, .address = {10, 0, b >> 8, b}};
		struct sl_path *path = &backend.path[0];
		uint8_t *h = path->header;

		backend.service = sl_counter_services(&rig->view->limits) + RIG_TCP;
		path->ifindex = 1;
		path->inner_max = 1480;
		path->family = 4;
		path->header_len = 34;
		memcpy(h, (uint8_t[]){2, 0, 0, 1, b >> 8, b, 2, 0, 0, 0, 0, 2, 8, 0, 0x45}, 15);
		h[22] = 64;
		memcpy(h + 26, (uint8_t[]){192, 0, 2, 10, 10, 0, b >> 8, b}, 8);
		err = rig->ops->write_backend(rig->dp, b, &backend);
	}
	return err;
}

int rig_listen(struct rig *rig, const uint32_t records[RIG_SERVICES])
{
	struct dataplane_listener list[4 * RIG_SERVICES + RIG_IDS] = {0};
	size_t count = 0;

	for (int s = RIG_TCP; s < RIG_SERVICES; s++)
		for (int i = 0; records[s] && i < 4; i++) {
			if (!(i & 1 ? services[s].udp : services[s].tcp))
				continue;
			addr_parse(i & 2 ? services[s].v6 : services[s].v4, &list[count].address);
			list[count].port = services[s].port;
			list[count].protocol = i & 1 ? IPPROTO_UDP : IPPROTO_TCP;
			list[count++].service = records[s];
		}
	memcpy(list + count, rig->ids, rig->id_count * sizeof(*list));
	return rig->ops->write_listeners(rig->dp, list, count + rig->id_count);
}

static int fill_services(struct rig *rig)
{
	uint32_t records[RIG_SERVICES] = {0};
	int err = 0;

	for (int s = RIG_TCP; !err && s < RIG_SERVICES; s++) {
		struct sl_service record = {.slots_base = rig_first_slot(rig, s),
					    .slots = rig->slots,
					    .idle_ticks = 100};

		record.counters = sl_counter_services(&rig->view->limits) + s;
		snprintf(record.name, sizeof(record.name), "service %d", s);
		err = rig->ops->write_service(rig->dp, s, &record);
		records[s] = s;
	}
	return err ? err : rig_listen(rig, records);
}

static void make_templates(struct rig *rig)
{
	struct frame frame;

	for (int s = RIG_TCP; s < RIG_SERVICES; s++)
		for (int i = 0; i < 4; i++) {
			bool v6 = i & 2, udp = i & 1;
			struct packet packet = {.source = v6 ? "2001:db8:c::1" : "198.51.100.1",
						.destination = v6 ? services[s].v6 : services[s].v4,
						.source_port = 1,
						.destination_port = services[s].port,
						.protocol = udp ? IPPROTO_UDP : IPPROTO_TCP};

			frame_build(&frame, &packet);
			memcpy(rig->templates[s][v6][udp].bytes, frame.data, frame.length);
			rig->templates[s][v6][udp].length = frame.length;
		}
}

/* The same program on the same maps, with the constants of the test. */
static int load_with_knobs(struct rig *rig, const struct rig_options *o, struct problems *p)
{
	struct dataplane_options options = rig->dp->options;
	uint32_t buckets = o->flows / SL_FLOWS_PER_BUCKET;
	struct load_programs programs;
	int err;

	options.object = o->object;
	options.object_size = o->object_size;
	rig->knobs = (struct sl_knobs){
		.counter_lines = sl_counter_lines(&rig->view->limits),
		.backend_lines = sl_counter_backends(&rig->view->limits),
		.half4 = sl_listener_buckets4(&rig->view->limits),
		.half6 = sl_listener_buckets6(&rig->view->limits),
		.flow_mask = buckets - 1,
		.flow_page = buckets < 64 ? buckets : 64,
		.place_xor = o->place_xor,
		.place_factor = o->place_factor ? o->place_factor : 1,
		.syn_ticks = o->syn_ticks,
		.closing_ticks = o->closing_ticks,
		.manual_clock = 1,
		.order_loads = o->order_loads,
		.quic = o->quic,
	};
	err = load_open(&options, &rig->object, p);
	if (!err)
		err = load_run(rig->object,
			       &(struct load_constants){.knobs = &rig->knobs, .key = &rig->key},
			       &rig->dp->maps, &programs, p);
	if (!err)
		rig->program_fd = programs.balancer;
	return err;
}

int rig_open(struct rig *rig, const struct rig_options *o)
{
	uint32_t lines = (o->slots + SL_HOT_PER_LINE - 1) / SL_HOT_PER_LINE * SL_HOT_PER_LINE;
	struct dataplane_options options = {.limits = {.services = RIG_SERVICES,
						       .listeners = 64,
						       .backends = o->backends,
						       .flows = o->flows,
						       .slots = RIG_SERVICES * lines},
					    .manual_clock = true};
	struct problems p = {0};
	int err;

	*rig = (struct rig){.slots = o->slots, .program_fd = -1};
	for (size_t i = 0; i < sizeof(options.key) / 8; i++)
		((uint64_t *)&options.key)[i] = (i + 1) * 0x9e3779b97f4a7c15ULL ^ i << 60;
	rig->key = options.key;
	err = dataplane_open(&options, &rig->dp, &p);
	if (err)
		return failed(&p, err);
	rig->ops = dataplane_operations();
	rig->view = dataplane_view(rig->dp);
	err = load_with_knobs(rig, o, &p);
	if (!err)
		err = fill_backends(rig, o->backends);
	if (!err)
		err = fill_services(rig);
	make_templates(rig);
	return failed(&p, err);
}

void rig_close(struct rig *rig)
{
	bpf_object__close(rig->object);
	dataplane_close(rig->dp);
}

void rig_set_tick(struct rig *rig, uint16_t tick)
{
	__atomic_store_n(&rig->dp->maps.control->tick, tick, __ATOMIC_RELEASE);
}

void rig_set_idle(struct rig *rig, enum rig_service service, uint16_t ticks)
{
	__atomic_store_n(&rig->dp->maps.services[service].idle_ticks, ticks, __ATOMIC_RELEASE);
}

void rig_set_longest(struct rig *rig, uint16_t ticks)
{
	__atomic_store_n(&rig->dp->maps.control->longest_ticks, ticks, __ATOMIC_RELEASE);
}

uint32_t rig_first_slot(const struct rig *rig, enum rig_service service)
{
	return service * ((rig->slots + SL_HOT_PER_LINE - 1) / SL_HOT_PER_LINE * SL_HOT_PER_LINE);
}

void rig_build(const struct rig *rig, const struct rig_flow *flow, struct rig_frame *out)
{
	size_t source_end = ETHERNET + (flow->v6 ? 24 : 16);
	size_t transport = ETHERNET + (flow->v6 ? 40 : 20);
	uint16_t port = htons(flow->port);

	out->length = rig->templates[flow->service][flow->v6][flow->udp].length;
	memcpy(out->bytes, rig->templates[flow->service][flow->v6][flow->udp].bytes, out->length);
	memcpy(out->bytes + source_end - 4, &flow->client, 4);
	memcpy(out->bytes + transport, &port, 2);
	out->flags_at = flow->udp ? 0 : transport + 13;
}

void rig_set_payload(struct rig_frame *frame, const struct rig_flow *flow, const uint8_t *bytes,
		     size_t length)
{
	size_t transport = ETHERNET + (flow->v6 ? 40 : 20);
	uint16_t udp = htons(8 + length), ip = htons(flow->v6 ? 8 + length : 28 + length);

	memcpy(frame->bytes + ETHERNET + (flow->v6 ? 4 : 2), &ip, 2);
	memcpy(frame->bytes + transport + 4, &udp, 2);
	memcpy(frame->bytes + transport + 8, bytes, length);
	frame->length = transport + 8 + length;
}

static uint32_t word(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, 4);
	return value;
}

uint64_t rig_hash(const struct rig *rig, const struct rig_flow *flow)
{
	struct rig_frame f;
	const uint8_t *ip = f.bytes + ETHERNET;
	uint32_t s[4], d[4];

	rig_build(rig, flow, &f);
	if (!flow->v6)
		return sl_hash4(&rig->key, word(ip + 12), word(ip + 16), word(ip + 20), ip[9]);
	for (int i = 0; i < 4; i++) {
		s[i] = word(ip + 8 + i * 4);
		d[i] = word(ip + 24 + i * 4);
	}
	return sl_hash6(&rig->key, s, d, word(ip + 40), ip[6]);
}

uint32_t rig_slot(const struct rig *rig, const struct rig_flow *flow)
{
	return rig_first_slot(rig, flow->service) + sl_hash_slot(rig_hash(rig, flow), rig->slots);
}

int rig_send(const struct rig *rig, struct rig_frame *frame, uint8_t tcp_flags)
{
	uint8_t out[RIG_FRAME_MAX + SL_HEADER_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes,
		    .data_size_in = frame->length, .data_out = out, .data_size_out = sizeof(out),
		    .repeat = 1);

	if (frame->flags_at)
		frame->bytes[frame->flags_at] = tcp_flags;
	if (bpf_prog_test_run_opts(rig->program_fd, &options))
		return -1;
	if (options.retval == XDP_DROP)
		return SL_NOBODY;
	if (options.retval != XDP_TX || out[3] != 1)
		return -1;
	return out[4] << 8 | out[5];
}

void rig_set_hot(struct rig *rig, uint32_t slot, uint16_t word_)
{
	rig->ops->store_hot(rig->dp, &(struct dataplane_store){slot, word_}, 1);
}

void rig_set_cold(struct rig *rig, uint32_t slot, uint32_t word_)
{
	rig->ops->store_cold(rig->dp, &(struct dataplane_store){slot, word_}, 1);
}

struct sl_flow *rig_entry(const struct rig *rig, uint32_t index)
{
	return &rig->dp->maps.flows[index / SL_FLOWS_PER_BUCKET].entry[index % SL_FLOWS_PER_BUCKET];
}

static uint64_t count(const struct rig *rig, uint32_t line, unsigned int number)
{
	uint64_t counts[SL_COUNTERS_PER_LINE];

	dataplane_count(rig->view, line + number / SL_COUNTERS_PER_LINE, counts);
	return counts[number % SL_COUNTERS_PER_LINE];
}

uint64_t rig_event(const struct rig *rig, enum sl_event event)
{
	return count(rig, SL_VERDICT_LINES, event);
}

uint64_t rig_verdict(const struct rig *rig, enum sl_verdict verdict)
{
	return count(rig, 0, verdict);
}
