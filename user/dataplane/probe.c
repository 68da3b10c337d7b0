/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The probes' program on the way out of devices: as a filter of a clsact qdisc, which every kernel has, beside whatever
 * others have there. A filter is ours by its priority, its handle and its program's name.
 *
 * A device is pinned before the filter is made and unpinned after it has gone, so that a crash in between leaves
 * nothing that the next agent, or `down`, would not find.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/problem.h"
#include "dataplane/capture.h"
#include "dataplane/internal.h"
#include "dataplane/probe.h"
#include "dataplane/xdp.h"

/* Folders of pins, by device. */
#define PROBES "probes"
#define CLSACT "clsact"

/* ---- our filter ------------------------------------------------------------------------------------- */

static struct bpf_tc_hook way_out(uint32_t ifindex)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook),
		.ifindex = ifindex,
		.attach_point = BPF_TC_EGRESS,
	};
}

static struct bpf_tc_opts our_filter(void)
{
	return (struct bpf_tc_opts){
		.sz = sizeof(struct bpf_tc_opts),
		.handle = DATAPLANE_PROBE_HANDLE,
		.priority = DATAPLANE_PROBE_PRIORITY,
	};
}

/* ---- the filters of a device ------------------------------------------------------------------------ */

/*
 * By a dump of our own: libbpf's query gives a program's id, and to learn its name from that takes CAP_SYS_ADMIN; the
 * filter itself tells both.
 */
struct filters {
	bool has_ours;	 /* at our place; whose program it is, says the name */
	bool has_others; /* at other places */
	uint32_t id;
	char name[64]; /* "probe:[106526]", as libbpf calls a filter */
};

#define FOR_EACH_ATTRIBUTE(attribute, first, size) \
	for (attribute = (first); RTA_OK(attribute, size); attribute = RTA_NEXT(attribute, size))

static void take_options(struct rtattr *options, struct filters *out)
{
	int size = RTA_PAYLOAD(options);
	struct rtattr *a;

	FOR_EACH_ATTRIBUTE(a, (struct rtattr *)RTA_DATA(options), size)
	{
		if (a->rta_type == TCA_BPF_ID && RTA_PAYLOAD(a) >= sizeof(out->id))
			memcpy(&out->id, RTA_DATA(a), sizeof(out->id));
		else if (a->rta_type == TCA_BPF_NAME)
			snprintf(out->name, sizeof(out->name), "%.*s", (int)RTA_PAYLOAD(a),
				 (const char *)RTA_DATA(a));
	}
}

static void take_filter(const struct nlmsghdr *message, bool is_egress, struct filters *out)
{
	struct tcmsg *tc = NLMSG_DATA(message);
	int size = NLMSG_PAYLOAD(message, sizeof(*tc));
	struct rtattr *a;

	if (size < 0)
		return;
	if (is_egress && TC_H_MAJ(tc->tcm_info) >> 16 == DATAPLANE_PROBE_PRIORITY) {
		/* Each priority is told once more by itself, without a handle. */
		if (tc->tcm_handle == 0)
			return;
		if (tc->tcm_handle == DATAPLANE_PROBE_HANDLE) {
			out->has_ours = true;
			FOR_EACH_ATTRIBUTE(a, TCA_RTA(tc), size)
			if ((a->rta_type & NLA_TYPE_MASK) == TCA_OPTIONS)
				take_options(a, out);
			return;
		}
	}
	out->has_others = true;
}

static int dump_filters(int sock, uint32_t ifindex, bool is_egress, struct filters *out)
{
	struct {
		struct nlmsghdr header;
		struct tcmsg tc;
	} request = {
		.header = {.nlmsg_len = sizeof(request),
			   .nlmsg_type = RTM_GETTFILTER,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.tc = {.tcm_family = AF_UNSPEC,
		       .tcm_ifindex = ifindex,
		       .tcm_parent = TC_H_MAKE(TC_H_CLSACT,
					       is_egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS)},
	};
	_Alignas(struct nlmsghdr) char buffer[32768];

	if (send(sock, &request, sizeof(request), 0) < 0)
		return -errno;
	for (;;) {
		ssize_t size = recv(sock, buffer, sizeof(buffer), 0);
		struct nlmsghdr *message = (void *)buffer;

		if (size < 0)
			return -errno;
		for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
			if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
				return 0; /* also: the device, or its qdisc, is not there */
			take_filter(message, is_egress, out);
		}
	}
}

/* Both directions: the qdisc serves both. */
static int find_filters(uint32_t ifindex, struct filters *out)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), err;

	*out = (struct filters){.name = "unknown"};
	if (sock < 0)
		return -errno;
	err = dump_filters(sock, ifindex, true, out);
	if (!err)
		err = dump_filters(sock, ifindex, false, out);
	close(sock);
	return err;
}

static bool is_ours(const struct filters *filters)
{
	return filters->has_ours &&
	       strncmp(filters->name, DATAPLANE_PROBE ":", strlen(DATAPLANE_PROBE ":")) == 0;
}

/* ---- attaching -------------------------------------------------------------------------------------- */

/* Loads the program, and pins it, also where somebody has taken the pin away. */
static int load(struct dataplane *dp, struct problems *p)
{
	int err = 0;

	if (!dp->probe)
		err = load_probe(&dp->options, &dp->maps, &dp->probe, &dp->probe_fd, p);
	if (err || !dp->pins.dir)
		return err;
	if (dp->is_probe_pinned && pins_has(&dp->pins, "progs", DATAPLANE_PROBE))
		return 0;
	err = pins_replace(&dp->pins, dp->probe_fd, "progs", DATAPLANE_PROBE, p);
	dp->is_probe_pinned = !err;
	return err;
}

static int refuse(struct problems *p, int err, const char *device, const char *what)
{
	err = capture_errno(err);
	if (err == -ENODEV || err == -ENXIO)
		return problems_add(p, -ENODEV, "interface", device, "has gone");
	return problems_add(p, err, "interface", device, "%s: %s%s%s", what, strerror(-err),
			    capture_text()[0] ? ": " : "", capture_text());
}

/* Remembers a device in a folder of pins. */
static int note(struct dataplane *dp, const char *folder, const char *device, struct problems *p)
{
	char name[16];

	pins_from_device(device, name);
	if (!dp->pins.dir || pins_has(&dp->pins, folder, name))
		return 0;
	return pins_replace(&dp->pins, dp->probe_fd, folder, name, p);
}

/* Makes the qdisc that takes filters, unless there is one. */
static int make_hook(struct dataplane *dp, struct bpf_tc_hook *hook, const char *device,
		     struct problems *p)
{
	int err;

	capture_start();
	err = bpf_tc_hook_create(hook);
	if (err == -EEXIST)
		return 0;
	if (err)
		return refuse(p, err, device,
			      "cannot have the program that probes need (a clsact qdisc)");
	return note(dp, CLSACT, device, p);
}

static int put_filter(struct dataplane *dp, struct bpf_tc_hook *hook, const char *device,
		      bool replaces, struct problems *p)
{
	struct bpf_tc_opts filter = our_filter();
	int err;

	filter.prog_fd = dp->probe_fd;
	filter.flags = replaces ? BPF_TC_F_REPLACE : 0;
	capture_start();
	err = bpf_tc_attach(hook, &filter);
	return err ? refuse(p, err, device, "does not take the program that probes need") : 0;
}

int dataplane_probe_attach(struct dataplane *dp, const char *device, uint32_t ifindex,
			   struct problems *p)
{
	struct bpf_tc_hook hook = way_out(ifindex);
	struct filters filters;
	int err = load(dp, p);

	if (err)
		return err;
	capture_start();
	err = find_filters(ifindex, &filters);
	if (err)
		return refuse(p, err, device, "its tc filters cannot be listed");
	if (filters.has_ours && !is_ours(&filters))
		return problems_add(p, -EBUSY, "interface", device,
				    "has somebody else's tc program %.*s (id %u) on its way out "
				    "under the priority %d and handle 0x%x that probes through "
				    "the tunnel need; move that one, or use `via: direct`",
				    (int)strcspn(filters.name, ":"), filters.name, filters.id,
				    DATAPLANE_PROBE_PRIORITY, DATAPLANE_PROBE_HANDLE);
	err = note(dp, PROBES, device, p);
	if (err || (filters.has_ours && filters.id == xdp_program_id(dp->probe_fd)))
		return err;
	err = make_hook(dp, &hook, device, p);
	return err ? err : put_filter(dp, &hook, device, filters.has_ours, p);
}

bool dataplane_probe_attached(const struct dataplane *dp, uint32_t ifindex)
{
	uint32_t id = xdp_program_id(dp->probe_fd);
	struct filters filters;

	return id && !find_filters(ifindex, &filters) && filters.has_ours && filters.id == id;
}

/* ---- detaching -------------------------------------------------------------------------------------- */

static int remove_filter(uint32_t ifindex, const char *device, struct problems *p)
{
	struct bpf_tc_hook hook = way_out(ifindex);
	struct bpf_tc_opts filter = our_filter();
	int err;

	capture_start();
	err = bpf_tc_detach(&hook, &filter);
	return err ? refuse(p, err, device, "does not give up the program of probes") : 0;
}

static int remove_hook(uint32_t ifindex, const char *device, struct problems *p)
{
	struct bpf_tc_hook hook = way_out(ifindex);
	int err;

	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	capture_start();
	err = bpf_tc_hook_destroy(&hook);
	/* Somebody else was quicker. */
	if (!err || err == -ENOENT || err == -EINVAL)
		return 0;
	return refuse(p, err, device, "does not give up its clsact qdisc");
}

/* Takes away what is ours on a device. */
static int clear_device(const struct pins *pins, const char *name, const char *device,
			uint32_t ifindex, struct problems *p)
{
	struct filters filters;
	int err;

	capture_start();
	err = find_filters(ifindex, &filters);
	if (err)
		return refuse(p, err, device, "its tc filters cannot be listed");
	if (is_ours(&filters))
		err = remove_filter(ifindex, device, p);
	if (!err && !filters.has_others && (!filters.has_ours || is_ours(&filters)) &&
	    pins_has(pins, CLSACT, name))
		err = remove_hook(ifindex, device, p);
	return err;
}

/* `name`: as it is pinned. */
static int detach(const struct pins *pins, const char *name, struct problems *p)
{
	char device[16];
	uint32_t ifindex;
	int err = 0;

	pins_to_device(name, device);
	ifindex = if_nametoindex(device);
	if (ifindex)
		err = clear_device(pins, name, device, ifindex, p);
	if (err)
		return err;
	pins_remove(pins, CLSACT, name);
	pins_remove(pins, PROBES, name);
	return 0;
}

int dataplane_probe_detach(struct dataplane *dp, const char *device, struct problems *p)
{
	char name[16];

	pins_from_device(device, name);
	return detach(&dp->pins, name, p);
}

struct devices {
	char (*list)[16];
	size_t count, max;
};

static int add_device(void *arg, const char *name)
{
	struct devices *d = arg;

	if (d->count < d->max)
		pins_to_device(name, d->list[d->count++]);
	return 0;
}

static size_t list_devices(const struct pins *pins, char (*out)[16], size_t max)
{
	struct devices d = {.list = out, .max = max};

	pins_each(pins, PROBES, add_device, &d);
	return d.count;
}

size_t dataplane_probe_devices(const struct dataplane *dp, char (*out)[16], size_t max)
{
	return dp->pins.dir ? list_devices(&dp->pins, out, max) : 0;
}

int probe_detach_all(const struct pins *pins, struct problems *p)
{
	char list[DATAPLANE_PROBE_DEVICES][16], name[16];
	size_t count = list_devices(pins, list, DATAPLANE_PROBE_DEVICES);
	int err = 0;

	for (size_t i = 0; i < count; i++) {
		pins_from_device(list[i], name);
		err = detach(pins, name, p) ?: err;
	}
	return err;
}
