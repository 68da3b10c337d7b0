// SPDX-License-Identifier: GPL-2.0-or-later
/* Does one packet do what its case says? Verdict, length, outer header, and every byte of the inner packet. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/run.h"

#define OUT_SIZE (FRAME_SIZE + 64)

struct outcome {
	uint8_t data[OUT_SIZE];
	size_t length;
	unsigned int action;
};

static void run_one(struct bench *bench, const struct bench_case *c, enum bench_program program,
		    struct outcome *out)
{
	uint8_t frame[FRAME_SIZE];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame),
		    .data_out = out->data, .data_size_out = sizeof(out->data), .repeat = 1);

	run_prepare(bench, c, program, bench->new_flows, frame);
	if (bpf_prog_test_run_opts(run_driver_fd(bench), &options))
		fail("%s: BPF_PROG_TEST_RUN: %s", c->name, strerror(errno));
	out->length = options.data_size_out;
	out->action = options.retval;
}

static uint32_t sum16(const uint8_t *bytes, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static bool is_destination(const struct bench_case *c, uint8_t family, const uint8_t *address)
{
	unsigned int first = c->to_newcomers ? BACKENDS : 0;

	for (unsigned int i = 0; i < BACKENDS; i++) {
		struct addr backend = world_backend(c->frame.to, first + i);

		if (backend.family == family && !memcmp(backend.bytes, address, addr_size(family)))
			return true;
	}
	return false;
}

/* NULL, or what is wrong with the outer header, which was put before `inner` bytes of IP packet. */
static const char *wrong_outer(const struct bench_case *c, const uint8_t *data, uint8_t family,
			       size_t inner)
{
	const uint8_t *ip = data + ETH_HLEN;
	unsigned int type = data[12] << 8 | data[13];
	uint8_t protocol = c->frame.family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;

	if (c->knobs == KNOBS_L2)
		return type == (c->frame.family == 4 ? ETH_P_IP : ETH_P_IPV6) ? NULL : "ethertype";
	if (c->knobs == KNOBS_GUE) {
		protocol = IPPROTO_UDP;
		inner += 8 + 4;
	}
	if (type != (family == 4 ? ETH_P_IP : ETH_P_IPV6))
		return "ethertype";
	if (family == 6) {
		if (ip[0] >> 4 != 6 || ip[6] != protocol || ip[7] != 64)
			return "outer IPv6 version, next header or hop limit";
		return (size_t)(ip[4] << 8 | ip[5]) == inner ? NULL : "outer IPv6 length";
	}
	if (ip[0] != 0x45 || ip[9] != protocol || ip[8] != 64)
		return "outer IPv4 version, protocol or ttl";
	if ((size_t)(ip[2] << 8 | ip[3]) != inner + 20)
		return "outer IPv4 length";
	return sum16(ip, 20) == 0xffff ? NULL : "outer IPv4 checksum";
}

static const char *wrong_sent(const struct bench_case *c, const struct outcome *in,
			      const struct outcome *out)
{
	uint8_t family = c->program == PROGRAM_BALANCER ? world_outer_family(c->frame.to) : 4;
	size_t grown = world_overhead(c->knobs, family), inner = in->length - ETH_HLEN;
	const char *wrong;

	if (out->length != in->length + grown)
		return "length";
	if (memcmp(out->data + ETH_HLEN + grown, in->data + ETH_HLEN, inner))
		return "inner packet";
	if (c->program == PROGRAM_FLOOR20)
		return NULL;
	wrong = wrong_outer(c, out->data, family, inner);
	if (!wrong && c->program == PROGRAM_BALANCER && c->knobs != KNOBS_L2 &&
	    !is_destination(c, family, out->data + ETH_HLEN + (family == 4 ? 16 : 24)))
		wrong = "outer destination";
	return wrong;
}

void check_case(struct bench *bench, const struct bench_case *c)
{
	struct outcome in = {0}, out = {0};
	const struct world *world = &bench->worlds[c->knobs];
	uint64_t before;
	const char *wrong = NULL;

	run_one(bench, c, PROGRAM_NULL, &in);
	if (in.action != XDP_TX || in.length != FRAME_SIZE)
		fail("%s: the driver does not reach the null program: action %u, %zu bytes",
		     c->name, in.action, in.length);
	if (c->slots != SLOTS_STABLE)
		change_prepare(bench, c);
	before = world_count(world, c->verdict);
	run_one(bench, c, c->program, &out);
	if (out.action != run_action(c, c->program))
		fail("%s: one packet: XDP action %u, expected %u", c->name, out.action,
		     run_action(c, c->program));
	if (c->program == PROGRAM_BALANCER && world_count(world, c->verdict) != before + 1)
		fail("%s: one packet: the verdict was not '%s'", c->name, verdict_name(c->verdict));
	if (out.action == XDP_TX && c->program != PROGRAM_NULL)
		wrong = wrong_sent(c, &in, &out);
	else if (out.length != in.length || memcmp(out.data, in.data, in.length))
		wrong = "the frame was changed";
	if (wrong)
		fail("%s: one packet: wrong %s", c->name, wrong);
}
