/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of interfaces that sluice is attached to, over a kernel of a few devices that does what a test wants: drivers that
 * refuse, links that do not come off, NICs that hide tags.
 */
#include <errno.h>
#include <string.h>

#include "agent/interfaces.h"
#include "agent/program.h"
#include "base/mem.h"
#include "base/problem.h"
#include "net/net.h"
#include "unit/unit.h"

#define ONE_BUFFER 3498

/* ---- the kernel -------------------------------------------------------------------------------------- */

static struct device {
	struct net_device is;
	uint32_t strips;
	bool no_native;	    /* its driver refuses the program */
	bool no_attach;	    /* so does the kernel, in any mode */
	bool sticks;	    /* its link does not come off */
	unsigned int asked; /* for its offloads */
	enum dataplane_mode mode;
	bool attached;
} eth0, eth1;

static struct dataplane_features features;
static struct interfaces now;
static struct problems warnings, problems;

static void setup(void)
{
	eth0 = (struct device){
		.is = {.ifindex = 2, .name = "eth0", .has_ethernet = true, .mtu = 9000}};
	eth1 = (struct device){
		.is = {.ifindex = 3, .name = "eth1", .has_ethernet = true, .mtu = 1500}};
	eth0.is.is_up = eth1.is.is_up = true;
}

static void teardown(void)
{
	interfaces_free(&now);
	problems_free(&warnings);
	problems_free(&problems);
}

static struct device *find(const char *name)
{
	return !strcmp(name, "eth0") ? &eth0 : !strcmp(name, "eth1") ? &eth1 : NULL;
}

int net_device(struct net *net, const char *name, struct net_device *out)
{
	const struct device *device = find(name);

	(void)net;
	if (!device)
		return -ENODEV;
	*out = device->is;
	return 0;
}

const char *net_device_fault(const struct net_device *device, char out[160])
{
	(void)device;
	(void)out;
	return NULL;
}

uint32_t net_strips(const struct net *net, const char *name)
{
	(void)net;
	find(name)->asked++;
	return find(name)->strips;
}

long program_buffer_mtu(void)
{
	return ONE_BUFFER;
}

bool program_needs_buffers(const struct net_device *device)
{
	return device->mtu > ONE_BUFFER;
}

struct dataplane_features dataplane_features(const struct dataplane *dp)
{
	(void)dp;
	return features;
}

uint32_t dataplane_program_id(const struct dataplane *dp)
{
	(void)dp;
	return 7;
}

int dataplane_attach(struct dataplane *dp, const char *name, uint32_t ifindex,
		     enum dataplane_mode mode, struct dataplane_link *out, struct problems *warned,
		     struct problems *p)
{
	struct device *device = find(name);

	(void)dp;
	if (device->no_attach || (device->no_native && mode == DATAPLANE_NATIVE))
		return problems_add(p, -EOPNOTSUPP, "interface", name, "the driver says no");
	device->mode = mode != DATAPLANE_GENERIC && !device->no_native ? DATAPLANE_NATIVE
								       : DATAPLANE_GENERIC;
	if (mode == DATAPLANE_AUTO && device->no_native)
		problems_add(warned, 0, "interface", name, "the driver says no");
	device->attached = true;
	*out = (struct dataplane_link){.ifindex = ifindex, .mode = device->mode, .program_id = 7};
	strcpy(out->device, name);
	return 0;
}

int dataplane_attach_beside(struct dataplane *dp, const char *name, uint32_t ifindex,
			    enum dataplane_mode mode, struct dataplane_link *out,
			    struct problems *warned, struct problems *p)
{
	int err = dataplane_attach(dp, name, ifindex, mode, out, warned, p);

	out->is_beside = !err;
	return err;
}

int dataplane_detach(struct dataplane *dp, const char *name, struct problems *p)
{
	struct device *device = find(name);

	(void)dp;
	if (device->sticks)
		return problems_add(p, -EBUSY, "interface", name, "the link does not come off");
	device->attached = false;
	return 0;
}

size_t dataplane_links(struct dataplane *dp, struct dataplane_link *out, size_t max)
{
	struct device *const devices[] = {&eth0, &eth1};
	size_t count = 0;

	(void)dp;
	for (size_t i = 0; i < ARRAY_SIZE(devices) && count < max; i++) {
		if (!devices[i]->attached)
			continue;
		out[count] = (struct dataplane_link){.ifindex = devices[i]->is.ifindex,
						     .mode = devices[i]->mode,
						     .program_id = 7};
		strcpy(out[count++].device, devices[i]->is.name);
	}
	return count;
}

/* ---- what is asked ----------------------------------------------------------------------------------- */

static struct config_interface wanted[2];
static const struct config config = {.interfaces = wanted, .interface_count = 2};

static void want(enum config_mode mode, const char *vlans)
{
	wanted[0] = (struct config_interface){.device = "eth0", .mode = mode, .vlans = vlans};
	wanted[1] = (struct config_interface){.device = "eth1", .mode = mode, .vlans = "untagged"};
}

static int change(void)
{
	struct interfaces next;
	int err = interfaces_open(NULL, NULL, &config, &now, &next, &warnings, &problems);

	if (!err)
		interfaces_commit(NULL, &now, &next, &problems);
	return err;
}

static void expect(struct problems *p, size_t at, const char *part)
{
	char *text;

	ck_assert_uint_lt(at, p->count);
	text = problem_text(&p->list[at]);
	ck_assert_msg(strstr(text, part), "'%s' has not '%s'", text, part);
	free(text);
}

/* ---- tests ------------------------------------------------------------------------------------------- */

START_TEST(when_one_cannot_be_attached_none_is)
{
	want(CONFIG_MODE_AUTO, "untagged");
	eth1.no_attach = true;
	ck_assert_int_eq(change(), -EOPNOTSUPP);
	ck_assert(!eth0.attached && !eth1.attached);
	ck_assert_uint_eq(problems.count, 1);
	expect(&problems, 0, "eth1': the driver says no");
}
END_TEST

START_TEST(what_does_not_come_off_at_the_end_is_said_and_kept)
{
	want(CONFIG_MODE_AUTO, "untagged");
	ck_assert_int_eq(change(), 0);
	eth0.sticks = true;
	ck_assert_int_eq(interfaces_close(&now, NULL, &problems), -EBUSY);
	expect(&problems, 0, "eth0': the link does not come off");
	ck_assert(eth0.attached && !eth1.attached);
	ck_assert_uint_eq(now.count, 1);
	ck_assert_str_eq(now.list[0].link.device, "eth0");
	/* So that it can be tried again. */
	eth0.sticks = false;
	ck_assert_int_eq(interfaces_close(&now, NULL, &problems), 0);
	ck_assert(!eth0.attached);
	ck_assert_uint_eq(now.count, 0);
	ck_assert_uint_eq(problems.count, 1);
}
END_TEST

START_TEST(the_last_of_several_that_do_not_come_off_is_no_more_than_the_first)
{
	want(CONFIG_MODE_AUTO, "untagged");
	ck_assert_int_eq(change(), 0);
	eth0.sticks = eth1.sticks = true;
	ck_assert_int_eq(interfaces_close(&now, NULL, &problems), -EBUSY);
	ck_assert_uint_eq(problems.count, 2);
	ck_assert_uint_eq(now.count, 2);
	ck_assert_str_eq(now.list[0].link.device, "eth0");
	ck_assert_str_eq(now.list[1].link.device, "eth1");
}
END_TEST

START_TEST(one_that_leaves_and_does_not_come_off_is_said)
{
	static const struct config one = {.interfaces = &wanted[1], .interface_count = 1};
	struct interfaces next;

	want(CONFIG_MODE_AUTO, "untagged");
	ck_assert_int_eq(change(), 0);
	eth0.sticks = true;
	ck_assert_int_eq(interfaces_open(NULL, NULL, &one, &now, &next, &warnings, &problems), 0);
	interfaces_commit(NULL, &now, &next, &problems);
	expect(&problems, 0, "eth0': the link does not come off");
	ck_assert_uint_eq(now.count, 1);
}
END_TEST

/* One program is for all interfaces: the one with small packets pays for the other's. */
START_TEST(a_driver_that_refuses_several_buffers_is_explained)
{
	want(CONFIG_MODE_NATIVE, "untagged");
	features.multi_buffer = true;
	eth1.no_native = true;
	ck_assert_int_eq(change(), -EOPNOTSUPP);
	ck_assert_uint_eq(problems.count, 2);
	expect(&problems, 0, "eth1': the driver says no");
	expect(&problems, 1,
	       "eth1': sluice is loaded for frames of several buffers, which not every driver "
	       "takes "
	       "in native mode, since the MTU of some interface is over 3498 (of this one it is "
	       "1500)");
	ck_assert(!eth0.attached);
}
END_TEST

START_TEST(in_generic_mode_it_is_a_warning_at_the_first_time)
{
	want(CONFIG_MODE_AUTO, "untagged");
	features.multi_buffer = true;
	eth0.no_native = true;
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(problems.count, 0);
	ck_assert_uint_eq(warnings.count, 2);
	expect(&warnings, 0, "eth0': the driver says no");
	expect(&warnings, 1, "over 3498 (of this one it is 9000)");
	ck_assert_int_eq(now.list[0].link.mode, DATAPLANE_GENERIC);
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(warnings.count, 2);
}
END_TEST

START_TEST(a_driver_that_refuses_small_frames_is_not_explained)
{
	want(CONFIG_MODE_NATIVE, "untagged");
	features.multi_buffer = false;
	eth0.no_native = true;
	ck_assert_int_eq(change(), -EOPNOTSUPP);
	ck_assert_uint_eq(problems.count, 1);
}
END_TEST

START_TEST(hidden_tags_are_nothing_where_there_are_none)
{
	want(CONFIG_MODE_AUTO, "untagged");
	eth0.strips = eth1.strips = NET_STRIPS_CUSTOMER | NET_STRIPS_PROVIDER;
	ck_assert_int_eq(change(), 0);
	interfaces_look(&now, NULL, NULL);
	ck_assert_uint_eq(warnings.count, 0);
	ck_assert_ptr_null(now.list[0].seen.problem);
	ck_assert_uint_eq(eth0.asked + eth1.asked, 0);
}
END_TEST

START_TEST(hidden_tags_are_a_warning_once_a_vlan_is_configured)
{
	want(CONFIG_MODE_AUTO, "untagged");
	eth0.strips = NET_STRIPS_PROVIDER;
	ck_assert_int_eq(change(), 0);
	want(CONFIG_MODE_AUTO, "10,untagged");
	ck_assert_int_eq(change(), 0);
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(warnings.count, 1);
	expect(&warnings, 0, "`ethtool -K eth0 rx-vlan-stag-hw-parse off` ends that");
	eth0.strips |= NET_STRIPS_CUSTOMER;
	interfaces_look(&now, NULL, NULL);
	ck_assert_ptr_nonnull(strstr(now.list[0].seen.problem,
				     "`ethtool -K eth0 rxvlan off rx-vlan-stag-hw-parse off`"));
	ck_assert_ptr_null(now.list[1].seen.problem);
}
END_TEST

START_TEST(hidden_tags_are_a_warning_where_the_host_has_vlans)
{
	want(CONFIG_MODE_AUTO, "untagged");
	eth1.strips = NET_STRIPS_CUSTOMER;
	eth1.is.carries_vlans = true;
	ck_assert_int_eq(change(), 0);
	ck_assert_uint_eq(warnings.count, 1);
	expect(&warnings, 0, "`ethtool -K eth1 rxvlan off` ends that");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		when_one_cannot_be_attached_none_is,
		what_does_not_come_off_at_the_end_is_said_and_kept,
		the_last_of_several_that_do_not_come_off_is_no_more_than_the_first,
		one_that_leaves_and_does_not_come_off_is_said,
		a_driver_that_refuses_several_buffers_is_explained,
		in_generic_mode_it_is_a_warning_at_the_first_time,
		a_driver_that_refuses_small_frames_is_not_explained,
		hidden_tags_are_nothing_where_there_are_none,
		hidden_tags_are_a_warning_once_a_vlan_is_configured,
		hidden_tags_are_a_warning_where_the_host_has_vlans,
	};
	TCase *cases = unit_cases("agent_interfaces");

	tcase_add_checked_fixture(cases, setup, teardown);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(cases, tests[i]);
	return unit_run_cases("agent_interfaces", cases);
}
