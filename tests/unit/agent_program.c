/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the balancer is loaded for: nothing but what a configuration, its interfaces and the ways to its backends need, since
 * every packet pays for what is on; and in which order a change of it is put in force.
 */
#include <errno.h>
#include <string.h>

#include "agent/denyfile.h"
#include "agent/interfaces.h"
#include "agent/program.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "core/model.h"
#include "net/net.h"
#include "unit/read_config.h"
#include "unit/unit.h"

/* ---- the kernel -------------------------------------------------------------------------------------- */

static struct net_device eth0, eth1;
static struct dataplane_features loaded;
static struct sl_vlans listens;
static char order[8]; /* of what was set: f, v */
static char failing;  /* one of these */

static void setup(void)
{
	eth0 = (struct net_device){.ifindex = 2, .name = "eth0", .mtu = 1500};
	eth1 = (struct net_device){.ifindex = 3, .name = "eth1", .mtu = 1500};
}

int net_device(struct net *net, const char *name, struct net_device *out)
{
	(void)net;
	if (strcmp(name, "eth0") != 0 && strcmp(name, "eth1") != 0)
		return -ENODEV;
	*out = strcmp(name, "eth0") ? eth1 : eth0;
	return 0;
}

struct dataplane_features dataplane_features(const struct dataplane *dp)
{
	(void)dp;
	return loaded;
}

const struct sl_vlans *dataplane_vlans(const struct dataplane *dp)
{
	(void)dp;
	return &listens;
}

static int set(char what)
{
	order[strlen(order)] = what;
	return what == failing ? -EINVAL : 0;
}

int dataplane_set_features(struct dataplane *dp, struct dataplane_features features,
			   struct problems *p)
{
	(void)dp;
	(void)features;
	(void)p;
	return set('f');
}

int dataplane_set_vlans(struct dataplane *dp, const struct sl_vlans *vlans, struct problems *p)
{
	(void)dp;
	(void)vlans;
	(void)p;
	return set('v');
}

/* ---- what is wanted ---------------------------------------------------------------------------------- */

/* The names of the features that are on, each behind a blank. */
static const char *names(struct dataplane_features features)
{
	static struct text out;

	text_free(&out);
	text_add(&out, "%s", "");
#define DATAPLANE_FEATURE(name, help) text_add(&out, "%s", features.name ? " " #name : "");
#include "dataplane/features.def"
	return out.data;
}

#define BACKENDS "backends: [{address: 10.0.1.11}]"
#define WEB	 "{name: web, address: 203.0.113.10, port: 443, " BACKENDS
/* Of a configuration that needs nothing; `more` follows, and the service has `fields`. */
#define PLAIN(interfaces, more, fields)                                                       \
	"version: 1\ninterfaces: [" interfaces "]\nlimits: {fragments: 0}\n" more             \
	"defaults: {echo: false}\nservices:\n - " WEB ", table-size: 251}\n - {name: other, " \
	"address: '2001:db8:f::1', port: 53, protocol: udp, table-size: 251" fields "}\n"
#define ETH0 "{device: eth0}"
#define QUIC                                                                                      \
	", affinity: quic, quic: {rotation: 0, server-id-length: 1, nonce-length: 4}, backends: " \
	"[{address: 10.0.1.11, server-id: 0a}]"

static const struct {
	const char *text, *features;
} wanted[] = {
	{PLAIN(ETH0, "", ", " BACKENDS), ""},
	{PLAIN(ETH0 ", {device: eth1}", "", ", " BACKENDS), " redirect"},
	{PLAIN(ETH0, "", ", affinity: source, " BACKENDS), " affinity"},
	{PLAIN(ETH0, "", QUIC), " quic"},
	{PLAIN(ETH0, "", ", encapsulation: gue, " BACKENDS), " encaps"},
	{PLAIN(ETH0, "", ", encapsulation: l2, " BACKENDS), " encaps"},
	{PLAIN(ETH0, "tunnel: {entropy: true}\n", ", " BACKENDS), " entropy"},
	{PLAIN(ETH0, "tunnel: {entropy6: '2001:db8:e::/96'}\n", ", " BACKENDS), " entropy"},
	{PLAIN(ETH0, "", ", mss-clamp: 1200, " BACKENDS), " mss_clamp"},
	{PLAIN("{device: eth0, vlans: [7]}", "", ", " BACKENDS), " vlans"},
	{PLAIN("{device: eth0, vlans: any}", "", ", " BACKENDS), " vlans"},
	{PLAIN("{device: eth0, vlans: [untagged, 7]}", "", ", " BACKENDS), " vlans"},
	{PLAIN("{device: eth0, vlans: untagged}", "", ", " BACKENDS), ""},
	{PLAIN("{device: eth9}", "", ", " BACKENDS), ""},
	{PLAIN(ETH0, "security: {deny: [192.0.2.0/24]}\n", ", " BACKENDS), " deny"},
	{PLAIN(ETH0, "", ", echo: true, " BACKENDS), " echo"},
	{"version: 1\ninterfaces: [" ETH0 "]\nservices: [" WEB "}]\n", " echo fragments"},
};

static struct program *want(const char *text, const struct denyfile *denied,
			    const struct model *model)
{
	struct config *config = read_config(text);
	struct program *program = program_wanted(config, denied, NULL, model);

	config_free(config);
	return program;
}

static void expect(const char *text, const struct denyfile *denied, const struct model *model,
		   const char *features)
{
	struct program *program = want(text, denied, model);

	ck_assert_msg(!strcmp(names(program->features), features), "on:%s, expected:%s, for\n%s",
		      names(program->features), features, text);
	free(program);
}

START_TEST(what_a_configuration_does_not_need_stays_off)
{
	const struct denyfile none = {};

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		expect(wanted[i].text, &none, NULL, wanted[i].features);
}
END_TEST

START_TEST(sources_that_are_denied_at_run_time_need_the_deny_list)
{
	struct api_denied list[1] = {};

	setup();
	expect(wanted[0].text, &(struct denyfile){.list = list, .count = 1}, NULL, " deny");
}
END_TEST

/* All that fits a buffer beside what the driver keeps there; a page more needs several. */
START_TEST(an_interface_needs_several_buffers_from_an_mtu_on)
{
	const struct denyfile none = {};

	setup();
	eth0.mtu = program_buffer_mtu();
	expect(wanted[0].text, &none, NULL, "");
	eth0.mtu++;
	expect(wanted[0].text, &none, NULL, " multi_buffer");
	eth0.mtu = 1500;
	eth1.mtu = 9000; /* which is not configured */
	expect(wanted[0].text, &none, NULL, "");
	expect(wanted[1].text, &none, NULL, " redirect multi_buffer");
}
END_TEST

START_TEST(vlan_devices_and_ways_over_them_need_vlans)
{
	struct model_backend backends[2] = {{.path = {.ifindex = 2}}, {.path = {.ifindex = 2}}};
	struct model_service service = {
		.backends = backends, .backend_count = 1, .leaving = backends + 1};
	const struct model model = {.services = &service, .service_count = 1};
	const struct denyfile none = {};

	setup();
	eth0.carries_vlans = true;
	expect(wanted[0].text, &none, NULL, " vlans");
	setup();
	expect(wanted[0].text, &none, &model, "");
	backends[0].way.tag_count = 1;
	expect(wanted[0].text, &none, &model, " vlans");
	backends[0].path.ifindex = 0; /* there is no such way */
	expect(wanted[0].text, &none, &model, "");
	backends[1].way.tag_count = 2;
	expect(wanted[0].text, &none, &model, "");
	service.leaving_count = 1;
	expect(wanted[0].text, &none, &model, " vlans");
}
END_TEST

static bool listens_on(const struct sl_vlans *vlans, uint32_t ifindex, uint32_t vlan)
{
	uint32_t row = sl_vlans_row(vlans->factor, ifindex);

	return vlans->row[row].ifindex == ifindex &&
	       vlans->row[row].listens[vlan / 64] >> vlan % 64 & 1;
}

START_TEST(each_interface_has_its_own_vlans)
{
	const struct denyfile none = {};
	struct program *program;

	setup();
	program = want(PLAIN("{device: eth0, vlans: [7, 4094]}, {device: eth1}", "", ", " BACKENDS),
		       &none, NULL);
	ck_assert(listens_on(&program->vlans, 2, 7));
	ck_assert(listens_on(&program->vlans, 2, 4094));
	ck_assert(!listens_on(&program->vlans, 2, SL_VLAN_UNTAGGED));
	ck_assert(!listens_on(&program->vlans, 2, 8));
	ck_assert(listens_on(&program->vlans, 3, SL_VLAN_UNTAGGED));
	ck_assert(!listens_on(&program->vlans, 3, 7));
	free(program);
}
END_TEST

/* ---- a change of it ---------------------------------------------------------------------------------- */

START_TEST(while_a_change_is_made_the_program_does_what_is_wanted_before_and_after)
{
	static struct interface list[1];
	const struct interfaces is = {.list = list, .count = 1};
	struct program *present, *next, *both;
	const struct denyfile none = {};

	setup();
	list[0].link.ifindex = 2;
	loaded = (struct dataplane_features){.entropy = true, .deny = true};
	present = program_present(NULL, &is);
	ck_assert_str_eq(names(present->features), " entropy deny");
	/* Of an interface that is in no table, nothing was said: it listens to what has no tag. */
	ck_assert(listens_on(&present->vlans, 2, SL_VLAN_UNTAGGED));
	next = want(PLAIN("{device: eth0, vlans: [7]}", "", ", " BACKENDS), &none, NULL);
	both = program_both(present, next);
	ck_assert_str_eq(names(both->features), " entropy vlans deny");
	ck_assert(listens_on(&both->vlans, 2, SL_VLAN_UNTAGGED));
	ck_assert(listens_on(&both->vlans, 2, 7));
	ck_assert(!listens_on(&both->vlans, 2, 8));
	free(present);
	free(next);
	free(both);
}
END_TEST

/* A list that the program does not read yet, or no longer, may change: it never reads one that is not meant for it. */
START_TEST(lists_of_vlans_change_while_nobody_reads_them)
{
	struct program *program = mem_alloc(sizeof(*program));
	struct problems p = {};

	memset(program, 0, sizeof(*program));
	ck_assert_int_eq(program_set(NULL, program, &p), 0);
	ck_assert_str_eq(order, "fv");
	memset(order, 0, sizeof(order));
	program->features.vlans = true;
	ck_assert_int_eq(program_set(NULL, program, &p), 0);
	ck_assert_str_eq(order, "vf");
	memset(order, 0, sizeof(order));
	failing = 'v';
	ck_assert_int_eq(program_set(NULL, program, &p), -EINVAL);
	ck_assert_str_eq(order, "v");
	free(program);
}
END_TEST

RUN_TESTS("agent_program", what_a_configuration_does_not_need_stays_off,
	  sources_that_are_denied_at_run_time_need_the_deny_list,
	  an_interface_needs_several_buffers_from_an_mtu_on,
	  vlan_devices_and_ways_over_them_need_vlans, each_interface_has_its_own_vlans,
	  while_a_change_is_made_the_program_does_what_is_wanted_before_and_after,
	  lists_of_vlans_change_while_nobody_reads_them)
