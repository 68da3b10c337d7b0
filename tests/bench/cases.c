/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is measured with every knob off, one row each, and the verdicts by name. */
#include <linux/bpf.h>
#include <netinet/tcp.h>

#include "base/mem.h"
#include "bench/bench.h"

const struct bench_case reference_case = {
	.name = "full floor",
	.program = PROGRAM_FULL,
	.frame = {.family = 4, .to = SERVICE_4IN4},
	.flows = 1,
};

/*
 * A row: what the driver sends, through which program, the verdict that every packet must get, and the
 * multiple of the `full` floor that is aimed at.
 */
static const struct bench_case steady[] = {
	{.name = "floor20",
	 .help = "head moved, constant header",
	 .program = PROGRAM_FLOOR20,
	 .frame = {4, SERVICE_4IN4},
	 .flows = 1,
	 .quick = true},
	{.name = "parse",
	 .help = "floor: parse and pass",
	 .program = PROGRAM_PARSE,
	 .frame = {4, SERVICE_4IN4},
	 .flows = 1,
	 .quick = true},
	{.name = "full",
	 .help = "floor: parse, header with lengths and checksum, no map",
	 .program = PROGRAM_FULL,
	 .frame = {4, SERVICE_4IN4},
	 .flows = 1,
	 .quick = true},
	{.name = "full6",
	 .help = "the same floor, IPv6 in IPv4",
	 .program = PROGRAM_FULL,
	 .frame = {6, SERVICE_6IN4},
	 .flows = 1},
	{.name = "one flow",
	 .help = "one established IPv4 TCP flow",
	 .frame = {4, SERVICE_4IN4},
	 .flows = 1,
	 .verdict = SL_SEND_tx,
	 .limit = 1.7,
	 .quick = true},
	{.name = "4,096 flows",
	 .help = "established, IPv4 TCP",
	 .frame = {4, SERVICE_4IN4},
	 .flows = 4096,
	 .verdict = SL_SEND_tx,
	 .limit = 1.7,
	 .quick = true},
	{.name = "65,536 flows",
	 .help = "established, IPv4 TCP",
	 .frame = {4, SERVICE_4IN4},
	 .flows = 65536,
	 .verdict = SL_SEND_tx},
	{.name = "1 M flows",
	 .help = "established, IPv4 TCP, scattered",
	 .frame = {4, SERVICE_4IN4},
	 .flows = 1 << 20,
	 .verdict = SL_SEND_tx,
	 .limit = 1.8,
	 .quick = true},
	{.name = "UDP",
	 .help = "one flow, IPv4",
	 .frame = {4, SERVICE_UDP},
	 .flows = 1,
	 .verdict = SL_SEND_tx,
	 .limit = 1.7,
	 .quick = true},
	{.name = "6in6",
	 .help = "one IPv6 TCP flow",
	 .frame = {6, SERVICE_6IN6},
	 .flows = 1,
	 .verdict = SL_SEND_tx,
	 .limit = 2,
	 .quick = true},
	{.name = "6in4",
	 .help = "one IPv6 TCP flow",
	 .frame = {6, SERVICE_6IN4},
	 .flows = 1,
	 .verdict = SL_SEND_tx,
	 .limit = 2},
	{.name = "4in6",
	 .help = "one IPv4 TCP flow",
	 .frame = {4, SERVICE_4IN6},
	 .flows = 1,
	 .verdict = SL_SEND_tx},
	{.name = "SYN flood",
	 .help = "every packet a new flow",
	 .frame = {4, SERVICE_4IN4, .tcp_flags = TH_SYN},
	 .flows = 0,
	 .verdict = SL_SEND_tx,
	 .limit = 1.7,
	 .quick = true},
	{.name = "options",
	 .help = "one IPv4 TCP flow, 8 bytes of IP options",
	 .frame = {4, SERVICE_4IN4, .options = 2},
	 .flows = 1,
	 .verdict = SL_SEND_tx},
	{.name = "pass: TCP",
	 .help = "to an address that is no VIP",
	 .frame = {4, SERVICE_NONE},
	 .flows = 1,
	 .verdict = SL_PASS_no_listener,
	 .limit = 0.5,
	 .quick = true},
	{.name = "pass: ARP",
	 .help = "not IP",
	 .frame = {0, SERVICE_NONE},
	 .flows = 1,
	 .verdict = SL_PASS_not_ip,
	 .limit = 0.5},
	{.name = "drop: no backend",
	 .help = "to a service without backends",
	 .frame = {4, SERVICE_EMPTY},
	 .flows = 1,
	 .verdict = SL_DROP_no_backend},
};

size_t case_count(void)
{
	return ARRAY_SIZE(steady) + cases_knobs.count + cases_change.count;
}

const struct bench_case *case_at(size_t i)
{
	if (i < ARRAY_SIZE(steady))
		return &steady[i];
	i -= ARRAY_SIZE(steady);
	return i < cases_knobs.count ? &cases_knobs.rows[i]
				     : &cases_change.rows[i - cases_knobs.count];
}

struct bench_case off_case(const struct bench_case *c)
{
	struct bench_case off = *c;

	off.knob = KNOB_NONE;
	off.frame.tags = 0;
	/* Nothing turns it off but that all answers are given. */
	if (c->knob == KNOB_too_big_answers) {
		off.verdict = SL_DROP_too_big;
		return off;
	}
	off.world = WORLD_DEFAULT;
	if (off.frame.fragment)
		off.verdict = SL_DROP_fragment;
	off.after_first = false;
	if (off.verdict == SL_SEND_echo_answered)
		off.verdict = SL_PASS_other_protocol;
	if (verdict_action(off.verdict) == XDP_REDIRECT)
		off.verdict = SL_SEND_tx;
	return off;
}

static const struct {
	const char *name;
	unsigned int action;
} verdicts[SL_VERDICTS] = {
#define ACTION_PASS XDP_PASS
#define ACTION_DROP XDP_DROP
#define ACTION_SEND XDP_TX
#define SL_VERDICT(name, action, help) \
	[SL_##action##_##name] = {#action " " #name, ACTION_##action},
#include <sluice/verdicts.def>
};

const char *verdict_name(enum sl_verdict verdict)
{
	return verdicts[verdict].name;
}

unsigned int verdict_action(enum sl_verdict verdict)
{
	return verdict == SL_SEND_redirect ? XDP_REDIRECT : verdicts[verdict].action;
}
