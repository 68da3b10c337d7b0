/* SPDX-License-Identifier: GPL-2.0-or-later */
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

#define OUT_SIZE (FRAME_MAX + 64)

struct outcome {
	uint8_t data[OUT_SIZE];
	size_t length;
	unsigned int action;
};

static void run_one(struct bench *bench, const struct bench_case *c, enum bench_program program,
		    struct outcome *out)
{
	uint8_t frame[FRAME_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame,
		    .data_size_in = frame_size(&c->frame), .data_out = out->data,
		    .data_size_out = sizeof(out->data), .repeat = 1);

	run_prepare(bench, c, program, bench->new_flows, frame);
	if (bpf_prog_test_run_opts(run_driver_fd(bench, c), &options))
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

/* NULL, or what is wrong with the outer header, which was put before `inner` bytes of IP packet. `data`: without tags. */
static const char *wrong_outer(const struct bench_case *c, const uint8_t *data, uint8_t family,
			       size_t inner)
{
	const uint8_t *ip = data + ETH_HLEN;
	unsigned int type = data[12] << 8 | data[13];
	enum sl_encapsulation encapsulation = world_encapsulation(c->world, c->frame.to);
	uint8_t protocol = c->frame.family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;

	if (encapsulation == SL_ENCAP_L2)
		return type == (c->frame.family == 4 ? ETH_P_IP : ETH_P_IPV6) ? NULL : "ethertype";
	if (encapsulation == SL_ENCAP_GUE) {
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

/* Tags that are kept are those that came; else there is the way's. */
static const char *wrong_tags(const struct bench_case *c, const uint8_t *in, const uint8_t *out)
{
	size_t size = world_tags(c->world, c->frame.to, c->frame.tags);

	if (c->world == WORLD_VLANS && c->frame.to == SERVICE_UDP)
		return out[12] == 0x81 && out[15] == VLAN_OUT ? NULL : "tag";
	return memcmp(in + 12, out + 12, size) ? "tags" : NULL;
}

/* The MSS is lowered and the checksum made right, so that the sum over all of it stays; nothing else is changed. */
static const char *wrong_clamped(const uint8_t *in, const uint8_t *out, size_t size)
{
	const uint8_t *tcp = out + 20;

	if ((tcp[22] << 8 | tcp[23]) != CLAMP_TO)
		return "MSS";
	if (sum16(in, size) != sum16(out, size))
		return "TCP checksum";
	return memcmp(in, out, 20 + 16) || memcmp(in + 20 + 24, out + 20 + 24, size - 20 - 24)
		       ? "inner packet"
		       : NULL;
}

/* An answer to the sender: from the VIP, and with the packet's first bytes. */
static const char *wrong_answer(const struct bench_case *c, const struct outcome *in,
				const struct outcome *out)
{
	uint8_t family = c->frame.family;
	size_t at = ETH_HLEN + (family == 4 ? 20 : 40) + 8, address = family == 4 ? 12 : 8;
	struct addr vip = world_vip(c->frame.to);

	if (out->length != ETH_HLEN + frame_answer(family))
		return "length of an answer";
	if (memcmp(out->data + ETH_HLEN + address, vip.bytes, addr_size(family)))
		return "sender of an answer";
	return memcmp(out->data + at, in->data + ETH_HLEN, frame_quoted(family)) ? "quotation"
										 : NULL;
}

static const char *wrong_sent(const struct bench_case *c, const struct outcome *in,
			      const struct outcome *out)
{
	bool is_balancer = c->program == PROGRAM_BALANCER;
	uint8_t family = is_balancer ? world_outer_family(c->frame.to) : 4;
	size_t grown = is_balancer ? world_overhead(c->world, c->frame.to) : 20;
	size_t tags_in = c->frame.tags * 4, tags = world_tags(c->world, c->frame.to, c->frame.tags);
	size_t inner = in->length - ETH_HLEN - tags_in;
	const uint8_t *inner_in = in->data + ETH_HLEN + tags_in,
		      *inner_out = out->data + ETH_HLEN + tags + grown;
	const char *wrong;

	if (out->length != ETH_HLEN + tags + grown + inner)
		return "length";
	wrong = wrong_tags(c, in->data, out->data);
	if (!wrong && c->world == WORLD_CLAMP && c->frame.mss)
		wrong = wrong_clamped(inner_in, inner_out, inner);
	else if (!wrong && memcmp(inner_out, inner_in, inner))
		wrong = "inner packet";
	if (wrong || c->program == PROGRAM_FLOOR20)
		return wrong;
	wrong = wrong_outer(c, out->data + tags, family, inner);
	if (!wrong && is_balancer && grown &&
	    !is_destination(c, family, out->data + tags + ETH_HLEN + (family == 4 ? 16 : 24)))
		wrong = "outer destination";
	return wrong;
}

/* The request with another type, sent back. */
static const char *wrong_echo(const struct bench_case *c, const struct outcome *in,
			      const struct outcome *out)
{
	uint8_t family = c->frame.family, size = addr_size(family);
	size_t from = ETH_HLEN + (family == 4 ? 12 : 8), icmp = ETH_HLEN + (family == 4 ? 20 : 40);

	if (out->length != in->length)
		return "length of an answer";
	if (memcmp(out->data + from, in->data + from + size, size) ||
	    memcmp(out->data + from + size, in->data + from, size))
		return "addresses of an answer";
	if (out->data[icmp] != (family == 4 ? 0 : 129))
		return "ICMP type";
	return memcmp(out->data + icmp + 4, in->data + icmp + 4, in->length - icmp - 4) ? "data"
											: NULL;
}

/* NULL, or what is wrong with what one packet became. */
static const char *wrong_outcome(const struct bench_case *c, const struct outcome *in,
				 const struct outcome *out)
{
	if (c->verdict == SL_SEND_too_big_told)
		return wrong_answer(c, in, out);
	if (c->verdict == SL_SEND_echo_answered)
		return wrong_echo(c, in, out);
	if (out->action == XDP_REDIRECT || (out->action == XDP_TX && c->program != PROGRAM_NULL))
		return wrong_sent(c, in, out);
	return out->length != in->length || memcmp(out->data, in->data, in->length)
		       ? "frame: it was changed"
		       : NULL;
}

void check_case(struct bench *bench, const struct bench_case *c)
{
	struct outcome in = {0}, out = {0};
	const struct world *world = bench_world(bench, c->world);
	uint64_t before;
	const char *wrong;

	run_one(bench, c, PROGRAM_NULL, &in);
	if (in.action != XDP_TX || in.length != frame_size(&c->frame))
		fail("%s: the driver does not reach the null program: action %u, %zu bytes",
		     c->name, in.action, in.length);
	if (c->slots != SLOTS_STABLE)
		change_prepare(bench, c);
	run_first(bench, c);
	before = world_count(world, c->verdict);
	run_one(bench, c, c->program, &out);
	if (out.action != run_action(c, c->program))
		fail("%s: one packet: XDP action %u, expected %u", c->name, out.action,
		     run_action(c, c->program));
	if (c->program == PROGRAM_BALANCER && world_count(world, c->verdict) != before + 1)
		fail("%s: one packet: the verdict was not '%s'", c->name, verdict_name(c->verdict));
	wrong = wrong_outcome(c, &in, &out);
	if (wrong)
		fail("%s: one packet: wrong %s", c->name, wrong);
}
