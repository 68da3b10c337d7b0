/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/interfaces.h"
#include "agent/program.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "net/net.h"

#define LINKS_MAX 256

static const enum dataplane_mode modes[] = {
	[CONFIG_MODE_AUTO] = DATAPLANE_AUTO,
	[CONFIG_MODE_NATIVE] = DATAPLANE_NATIVE,
	[CONFIG_MODE_GENERIC] = DATAPLANE_GENERIC,
};

void interfaces_free(struct interfaces *is)
{
	for (size_t i = 0; i < is->count; i++) {
		free(is->list[i].problem);
		free(is->list[i].seen.problem);
	}
	free(is->list);
	*is = (struct interfaces){};
}

static const struct config_interface *find_beside(const struct config *config)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (config->interfaces[i].attach == CONFIG_ATTACH_DISPATCHER)
			return &config->interfaces[i];
	return NULL;
}

/* One program runs on all interfaces; one that takes several buffers cannot run beside others (the kernel's rule). */
static int check_buffers(const struct config *config, const struct net_device *device,
			 struct problems *p)
{
	const struct config_interface *beside = find_beside(config);

	if (!beside || !program_needs_buffers(device))
		return 0;
	problems_add_at(
		p, config->file, beside->place.line, beside->place.column, "interfaces.attach",
		"dispatcher",
		"beside other programs no frame may come in several buffers, as it may with the "
		"MTU of %s, %u; lower that to %ld, or use `attach: link`",
		device->name, device->mtu, program_buffer_mtu());
	return -EINVAL;
}

int interfaces_find(struct net *net, const struct config *config, struct problems *p)
{
	struct net_device device;
	char why[160];
	int err = 0;

	for (size_t i = 0; i < config->interface_count; i++) {
		const struct config_interface *wanted = &config->interfaces[i];
		const char *fault =
			net_device(net, wanted->device, &device)
				? "there is no such interface; `ip link` lists those there are"
				: net_device_fault(&device, why);

		if (!fault) {
			err = check_buffers(config, &device, p) ?: err;
			continue;
		}
		problems_add_at(p, config->file, wanted->place.line, wanted->place.column,
				"interfaces.device", wanted->device, "%s", fault);
		err = -ENODEV;
	}
	return err;
}

/* Whether frames with tags are to be expected there: by the configuration, or since the host has VLANs on it. */
static bool has_vlans(const struct interface *i, const struct net_device *device)
{
	return i->has_vlans || device->carries_vlans;
}

/* What its offloads hide from XDP; NULL: nothing that matters. The caller frees it. */
static char *hidden_by(struct net *net, const struct interface *i, const struct net_device *device)
{
	uint32_t strips = has_vlans(i, device) ? net_strips(net, device->name) : 0;

	if (!strips)
		return NULL;
	return mem_format("takes VLAN tags off received frames before sluice sees them, so tagged "
			  "frames look untagged; `ethtool -K %s%s%s` ends that",
			  device->name, strips & NET_STRIPS_CUSTOMER ? " rxvlan off" : "",
			  strips & NET_STRIPS_PROVIDER ? " rx-vlan-stag-hw-parse off" : "");
}

static void warn_of_offload(struct net *net, const struct interface *i,
			    const struct net_device *device, struct problems *warnings)
{
	char *hidden = hidden_by(net, i, device);

	if (hidden)
		problems_add(warnings, 0, "interface", device->name, "%s", hidden);
	free(hidden);
}

/* Finds a pinned link by name; `links` is what was attached before this change. */
static const struct dataplane_link *find_link(const struct dataplane_link *links, size_t count,
					      const char *device)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(links[i].device, device) == 0)
			return &links[i];
	return NULL;
}

static int (*const attach_by[])(struct dataplane *dp, const char *device, uint32_t ifindex,
				enum dataplane_mode mode, struct dataplane_link *out,
				struct problems *warnings, struct problems *p) = {
	[CONFIG_ATTACH_LINK] = dataplane_attach,
	[CONFIG_ATTACH_DISPATCHER] = dataplane_attach_beside,
};

/* Goes back to what was there before an interface was switched. */
static void switch_back(struct dataplane *dp, const struct interface *i, struct problems *p)
{
	struct dataplane_link link;

	if (i->before.device[0])
		attach_by[i->before.is_beside](dp, i->before.device, i->before.ifindex,
					       i->before.mode, &link, NULL, p);
	else
		dataplane_detach(dp, i->link.device, p);
}

void interfaces_abort(struct dataplane *dp, struct interfaces *next, struct problems *p)
{
	for (size_t i = 0; i < next->count; i++)
		if (next->list[i].switched)
			switch_back(dp, &next->list[i], p);
	interfaces_free(next);
}

/* What a driver may have against the program that it would not have against one for smaller MTUs. */
static void explain_buffers(const struct dataplane *dp, const struct net_device *device, int err,
			    struct problems *p)
{
	if (dataplane_features(dp).multi_buffer)
		problems_add(p, err, "interface", device->name,
			     "sluice is loaded for frames of several buffers, which not every "
			     "driver takes in native mode, since the MTU of some interface is over "
			     "%ld (of this one it is %u); it is not while none is",
			     program_buffer_mtu(), device->mtu);
}

/* Attaches one interface, or gives its pinned link the present program. */
static int attach(struct dataplane *dp, const struct net_device *device, struct interface *i,
		  const struct dataplane_link *before, struct problems *warnings,
		  struct problems *p)
{
	bool was_there = before && before->ifindex == device->ifindex;
	int err = attach_by[i->wanted_attach](dp, device->name, device->ifindex, modes[i->wanted],
					      &i->link, warnings, p);

	if (err) {
		explain_buffers(dp, device, err, p);
		return err;
	}
	if (i->wanted == CONFIG_MODE_AUTO && i->link.mode == DATAPLANE_GENERIC && !was_there)
		explain_buffers(dp, device, 0, warnings);
	i->attached = true;
	i->switched = !was_there || before->mode != i->link.mode ||
		      before->is_beside != i->link.is_beside;
	if (was_there)
		i->before = *before;
	return 0;
}

/*
 * Whether the kernel has the link, with the program in force: somebody may have detached it, or put another
 * program into it, by hand.
 */
static bool is_linked(const struct dataplane *dp, const struct dataplane_link *link,
		      uint32_t ifindex)
{
	return link && link->ifindex == ifindex && link->mode != DATAPLANE_AUTO &&
	       link->program_id == dataplane_program_id(dp);
}

/*
 * One that is attached as wanted, and that the kernel still has, is left alone; its link is
 * `now`'s.
 */
static const struct interface *find_unchanged(const struct dataplane *dp,
					      const struct interfaces *now,
					      const struct config_interface *wanted,
					      const struct dataplane_link *linked, uint32_t ifindex)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct interface *old = &now->list[i];
		enum dataplane_mode mode = modes[wanted->mode];

		if (strcmp(old->link.device, wanted->device) == 0)
			return old->attached && old->link.ifindex == ifindex &&
					       old->wanted_attach == wanted->attach &&
					       is_linked(dp, linked, ifindex) &&
					       (mode == DATAPLANE_AUTO || mode == old->link.mode)
				       ? old
				       : NULL;
	}
	return NULL;
}

int interfaces_open(struct dataplane *dp, struct net *net, const struct config *config,
		    const struct interfaces *now, struct interfaces *out, struct problems *warnings,
		    struct problems *p)
{
	struct dataplane_link *links = mem_array(LINKS_MAX, sizeof(*links));
	size_t link_count = dataplane_links(dp, links, LINKS_MAX);
	struct interfaces next = {};
	int err = interfaces_find(net, config, p);

	next.list = mem_array(config->interface_count, sizeof(*next.list));
	for (size_t i = 0; !err && i < config->interface_count; i++) {
		const struct config_interface *wanted = &config->interfaces[i];
		struct interface *to = &next.list[next.count];
		const struct dataplane_link *linked = find_link(links, link_count, wanted->device);
		const struct interface *same;
		struct net_device device;
		uint64_t listens[64];

		err = net_device(net, wanted->device, &device);
		if (err)
			break;
		to->wanted = wanted->mode;
		to->wanted_attach = wanted->attach;
		to->has_vlans = config_vlans(wanted, listens);
		same = find_unchanged(dp, now, wanted, linked, device.ifindex);
		if (same) {
			to->link = same->link;
			to->attached = true;
		} else {
			err = attach(dp, &device, to, linked, warnings, p);
			if (err)
				break;
		}
		if (!same || !has_vlans(same, &device))
			warn_of_offload(net, to, &device, warnings);
		next.count++;
	}
	free(links);
	if (err)
		interfaces_abort(dp, &next, p);
	else
		*out = next;
	return err;
}

void interfaces_commit(struct dataplane *dp, struct interfaces *now, struct interfaces *next,
		       struct problems *p)
{
	struct dataplane_link *links = mem_array(LINKS_MAX, sizeof(*links));
	size_t count = dataplane_links(dp, links, LINKS_MAX);

	for (size_t i = 0; i < count; i++) {
		bool stays = false;

		for (size_t k = 0; k < next->count; k++)
			stays |= strcmp(next->list[k].link.device, links[i].device) == 0;
		if (!stays)
			dataplane_detach(dp, links[i].device, p);
	}
	free(links);
	for (size_t i = 0; i < next->count; i++)
		next->list[i].switched = false;
	interfaces_free(now);
	*now = *next;
	*next = (struct interfaces){};
}

int interfaces_close(struct interfaces *is, struct dataplane *dp, struct problems *p)
{
	size_t left = 0;
	int err = 0;

	for (size_t k = 0; k < is->count; k++) {
		struct interface *i = &is->list[k];
		int failed = i->attached ? dataplane_detach(dp, i->link.device, p) : 0;

		if (failed) {
			err = failed;
			is->list[left++] = *i;
			continue;
		}
		free(i->problem);
		free(i->seen.problem);
	}
	is->count = left;
	if (!left)
		interfaces_free(is);
	return err;
}

static void set_problem(struct interface *i, const char *problem)
{
	free(i->problem);
	i->problem = mem_string(problem);
}

/* What fails is one problem, of the device. */
static int attach_again(struct dataplane *dp, const struct net_device *device, struct interface *i,
			struct problems *warnings, struct problems *lost)
{
	struct problems p = {};
	int err = attach(dp, device, i, NULL, warnings, &p);
	char *why = err && p.count ? problem_text(&p.list[0]) : NULL;

	if (err)
		problems_add(lost, err, "interface", device->name,
			     "is back, and sluice could not be attached: %s",
			     why ? why : strerror(-err));
	free(why);
	problems_free(&p);
	return err;
}

bool interfaces_follow(struct interfaces *is, struct dataplane *dp, struct net *net,
		       struct problems *warnings, struct problems *found, struct problems *lost)
{
	bool changed = false;

	for (size_t k = 0; k < is->count; k++) {
		struct interface *i = &is->list[k];
		struct net_device device;

		if (net_device(net, i->link.device, &device)) {
			if (i->attached)
				problems_add(lost, 0, "interface", i->link.device,
					     "has gone: no packet is taken there until it is back");
			changed |= i->attached;
			i->attached = false;
			i->failed_ifindex = 0;
			set_problem(i, "the interface has gone");
		} else if (!i->attached || device.ifindex != i->link.ifindex) {
			if (device.ifindex == i->failed_ifindex)
				continue;
			changed = true;
			i->attached = false;
			if (attach_again(dp, &device, i, warnings, lost)) {
				i->failed_ifindex = device.ifindex;
				set_problem(
					i,
					"the interface is back, and sluice could not be attached");
				continue;
			}
			i->switched = false;
			set_problem(i, NULL);
			warn_of_offload(net, i, &device, warnings);
			problems_add(found, 0, "interface", i->link.device,
				     "is back: attached in %s mode",
				     dataplane_mode_name(i->link.mode));
		}
	}
	return changed;
}

static struct interface_state look_at(const struct interface *i, const struct dataplane *dp,
				      const struct dataplane_link *link, struct net *net)
{
	struct net_device device;

	if (i->problem || !i->attached || net_device(net, i->link.device, &device))
		return (struct interface_state){
			.problem = mem_string(i->problem ? i->problem : "the interface has gone")};
	if (!is_linked(dp, link, device.ifindex))
		return (struct interface_state){
			.is_detached = true,
			.problem = mem_string(
				"somebody has detached sluice from it by hand, so its "
				"packets pass unbalanced; sluice attaches itself again")};
	return (struct interface_state){
		.attached = true,
		.mode = link->mode,
		.others = link->others,
		.problem = device.is_up ? hidden_by(net, i, &device)
					: mem_string("is down or has no carrier: nothing arrives"),
	};
}

void interfaces_look(struct interfaces *is, struct dataplane *dp, struct net *net)
{
	struct dataplane_link *links = mem_array(LINKS_MAX, sizeof(*links));
	size_t count = dataplane_links(dp, links, LINKS_MAX);

	for (size_t k = 0; k < is->count; k++) {
		struct interface *i = &is->list[k];

		free(i->seen.problem);
		i->seen = look_at(i, dp, find_link(links, count, i->link.device), net);
	}
	free(links);
}

int interfaces_mend(struct interfaces *is, struct dataplane *dp, struct net *net,
		    struct problems *warnings, struct problems *p)
{
	struct dataplane_link *links = mem_array(LINKS_MAX, sizeof(*links));
	size_t count = dataplane_links(dp, links, LINKS_MAX);
	int err = 0;

	for (size_t k = 0; k < is->count; k++) {
		struct interface *i = &is->list[k];
		const struct dataplane_link *link = find_link(links, count, i->link.device);
		struct net_device device;
		int failed;

		/* One that has gone comes back by interfaces_follow(). */
		if (!i->attached || net_device(net, i->link.device, &device) ||
		    is_linked(dp, link, device.ifindex))
			continue;
		failed = attach(dp, &device, i, NULL, warnings, p);
		i->attached =
			true; /* as far as it is for us to know: it is not for want of a device */
		i->switched = false;
		err = failed ? failed : err;
	}
	free(links);
	return err;
}

void interfaces_summary(const struct interfaces *is, struct text *out)
{
	for (size_t i = 0; i < is->count; i++)
		text_add(out, "%s%s %s", i ? ", " : "", is->list[i].link.device,
			 is->list[i].attached ? dataplane_mode_name(is->list[i].link.mode)
					      : "gone");
}
