/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/tunnel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "config/config.h"
#include "core/model.h"
#include "core/path.h"
#include "dataplane/probe.h"
#include "net/marked.h"

#define MTU4_MIN 576
#define MTU6_MIN 1280 /* RFC 8200 section 5 */

static const struct net_mark mark = {.value = SL_PROBE_MARK, .mask = SL_PROBE_MARK_MASK};
static const uint8_t families[] = {4, 6}; /* in the order of tunnel_device.vip */

void tunnel_free(struct tunnel *tunnel)
{
	free(tunnel->list);
	tunnelfile_free(&tunnel->done);
	tunnel->list = NULL;
	tunnel->count = 0;
	tunnel->is_loaded = false;
}

static struct tunnel_device *find_device(const struct tunnel *tunnel, const char *name)
{
	for (size_t i = 0; i < tunnel->count; i++)
		if (strcmp(tunnel->list[i].name, name) == 0)
			return &tunnel->list[i];
	return NULL;
}

static struct tunnel_device *add_device(struct tunnel *tunnel, const char *name)
{
	struct tunnel_device *device = find_device(tunnel, name);

	if (device)
		return device;
	tunnel->list = mem_grow(tunnel->list, tunnel->count, sizeof(*tunnel->list));
	device = &tunnel->list[tunnel->count++];
	*device = (struct tunnel_device){};
	snprintf(device->name, sizeof(device->name), "%s", name);
	return device;
}

/* ---- accept_local ---------------------------------------------------------------------------- */

static char *setting_path(const char *device)
{
	return mem_format("/proc/sys/net/ipv4/conf/%s/accept_local", device);
}

static bool accepts_local(const char *device)
{
	char *path = setting_path(device), *text = NULL;
	size_t length;
	bool yes = !file_read(path, 16, &text, &length, NULL) && text[0] == '1';

	free(text);
	free(path);
	return yes;
}

static int set_accept_local(const char *device, bool value, struct problems *p)
{
	char *path = setting_path(device);
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0 || write(fd, value ? "1" : "0", 1) != 1)
		err = errno == ENOENT ? 0
				      : -errno; /* the device has gone, and the setting with it */
	if (fd >= 0)
		close(fd);
	if (err)
		problems_add(p, err, "interface", device,
			     "%s cannot be set to %d, which answers of probes need: %s", path,
			     value, strerror(-err));
	free(path);
	return err;
}

/* ---- what is wanted -------------------------------------------------------------------------- */

static void want_backend(struct tunnel *next, const struct addr *vip, bool is_local,
			 const struct net_nexthop *way)
{
	struct tunnel_device *device = add_device(next, way->device);
	struct addr *sample = &device->vip[vip->family == 6];

	device->ifindex = way->ifindex;
	if (addr_is_none(sample))
		*sample = *vip;
	device->is_local |= is_local && vip->family == 4;
}

static void want_service(struct tunnel *next, const struct config *config,
			 const struct model_service *service)
{
	const struct addr *vip = &service->config->health.address;
	char owner[NET_NAME_SIZE];
	bool is_local = net_has_address(next->net, vip, owner);

	for (size_t i = 0; i < service->backend_count; i++) {
		const struct net_nexthop *way = &service->backends[i].way;

		if (way->ifindex && config_find_interface(config, net_way_out(way)) &&
		    !(is_local && net_device_has(next->net, way->ifindex, vip)))
			want_backend(next, vip, is_local, way);
	}
}

/* A device that probes have left by keeps what it has, unless it has left `interfaces`. */
static void keep_device(struct tunnel *next, const struct tunnel_device *old)
{
	struct tunnel_device *device = add_device(next, old->name);
	struct net_device now;

	for (int f = 0; f < 2; f++)
		if (addr_is_none(&device->vip[f]))
			device->vip[f] = old->vip[f];
	device->ifindex = net_device(next->net, device->name, &now) ? 0 : now.ifindex;
	device->mtu = device->ifindex == old->ifindex ? old->mtu : 0;
}

/* What is under a VLAN device. */
static const char *way_out(const struct tunnel *tunnel, const char *name)
{
	static char parent[NET_NAME_SIZE];
	struct net_device device;

	if (net_device(tunnel->net, name, &device) || !device.parent[0])
		return name;
	return memcpy(parent, device.parent, sizeof(parent));
}

static void want_all(const struct tunnel *tunnel, const struct config *config,
		     const struct model *model, struct tunnel *next)
{
	bool is_any = false;

	for (size_t i = 0; i < model->service_count; i++)
		if (tunnel_probes(model->services[i].config)) {
			want_service(next, config, &model->services[i]);
			is_any = true;
		}
	for (size_t i = 0; is_any && i < tunnel->count; i++)
		if (config_find_interface(config, way_out(tunnel, tunnel->list[i].name)))
			keep_device(next, &tunnel->list[i]);
}

/* ---- making it so ---------------------------------------------------------------------------- */

/* Remembers what is about to be changed. */
static int note_all(struct tunnel *next, struct problems *p)
{
	bool is_changed = false;

	for (size_t i = 0; i < next->count; i++) {
		const struct tunnel_device *device = &next->list[i];
		struct tunnelfile_device *done = tunnelfile_find(&next->done, device->name);

		if (!done) {
			done = tunnelfile_add(&next->done, device->name);
			is_changed = true;
		}
		if (device->is_local && !done->accept_local && !accepts_local(device->name) &&
		    !accepts_local("all")) {
			done->accept_local = true;
			is_changed = true;
		}
	}
	return is_changed ? tunnelfile_store(next->state_dir, &next->done, p) : 0;
}

static uint32_t inner_mtu(const struct config *config, const struct net_device *device,
			  uint8_t family)
{
	const uint32_t header = path_overhead(SL_ENCAP_GUE, 6); /* the longest */
	uint32_t least = family == 6 ? MTU6_MIN : MTU4_MIN;
	uint32_t mtu = config->mtu && config->mtu < device->mtu ? config->mtu : device->mtu;

	return mtu > least + header ? mtu - header : least;
}

static int open_ways(struct tunnel *next, struct tunnel_device *device,
		     const struct net_device *now, const struct config *config, struct problems *p)
{
	uint32_t mtu = inner_mtu(config, now, 4);
	int err = 0;

	for (int f = 0; f < 2; f++) {
		int failed = 0;

		if (addr_is_none(&device->vip[f]) ||
		    (device->mtu == mtu &&
		     net_marked_goes(next->net, &mark, &device->vip[f], now->ifindex)))
			continue;
		failed = net_marked_add(next->net, families[f], &mark, now,
					inner_mtu(config, now, families[f]));
		if (failed)
			err = problems_add(
				p, failed, "interface", device->name,
				"probes through the tunnel have no way out by it in IPv%d: %s",
				families[f], strerror(-failed));
	}
	device->mtu = err ? 0 : mtu;
	return err;
}

static int set_local(const struct tunnel *next, const struct tunnel_device *device,
		     struct problems *p)
{
	const struct tunnelfile_device *done = tunnelfile_find(&next->done, device->name);

	if (!done->accept_local || device->is_local == accepts_local(device->name))
		return 0;
	return set_accept_local(device->name, device->is_local, p);
}

static int make_device(struct tunnel *next, struct tunnel_device *device,
		       const struct config *config, struct problems *p)
{
	struct net_device now;
	int err, failed;

	/* One that is not there, or down, gets all of it when netlink tells that it is back. */
	if (net_device(next->net, device->name, &now) || !now.is_up) {
		device->mtu = 0;
		return 0;
	}
	device->ifindex = now.ifindex;
	err = dataplane_probe_attach(next->dp, device->name, now.ifindex, p);
	failed = open_ways(next, device, &now, config, p);
	err = failed ?: err;
	failed = set_local(next, device, p);
	return failed ?: err;
}

/* ---- taking it back -------------------------------------------------------------------------- */

static int close_ways(struct net *net, const char *name, struct problems *p)
{
	struct net_device now;
	int err = 0;

	if (net_device(net, name, &now))
		return 0;
	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		int failed = net_marked_remove(net, families[f], &mark, now.ifindex);

		if (failed)
			err = problems_add(p, failed, "interface", name,
					   "the way out of probes cannot be taken away: %s",
					   strerror(-failed));
	}
	return err;
}

static int remove_rules(struct net *net, struct problems *p)
{
	int err = 0;

	for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
		int failed = net_marked_remove(net, families[f], &mark, 0);

		if (failed)
			err = problems_add(p, failed, "routing rule", NULL,
					   "that of probes (fwmark 0x%x) cannot be taken away: %s",
					   mark.value, strerror(-failed));
	}
	return err;
}

/* What was done to a device that is wanted no more. */
static int undo_device(struct net *net, const struct tunnelfile_device *done, struct problems *p)
{
	int err = close_ways(net, done->name, p), failed = 0;

	if (done->accept_local)
		failed = set_accept_local(done->name, false, p);
	return failed ?: err;
}

/*
 * What an earlier agent did is not known: its file is damaged. All but accept_local is found without it, by table, rule
 * and gateways, which nobody else has (net/marked.h).
 */
static int undo_unknown(struct net *net, struct problems *p)
{
	struct if_nameindex *all = if_nameindex();
	int err = 0;

	if (!all)
		err = problems_add(p, -errno, "interfaces", NULL,
				   "cannot be listed to take away the ways out of probes: %s",
				   strerror(errno));
	for (const struct if_nameindex *i = all; i && i->if_name; i++)
		err = close_ways(net, i->if_name, p) ?: err;
	if_freenameindex(all);
	return remove_rules(net, p) ?: err;
}

/* Forgets only what has been taken back. */
static int undo_rest(struct tunnel *next, struct problems *p)
{
	bool is_changed = false;
	int err = 0;
	size_t i = 0;

	while (i < next->done.count) {
		struct tunnelfile_device *done = &next->done.list[i];
		const struct tunnel_device *device = find_device(next, done->name);
		int failed = 0;

		if (device) {
			/* Set back by set_local(). */
			is_changed |= done->accept_local && !device->is_local;
			done->accept_local &= device->is_local;
			i++;
			continue;
		}
		failed = dataplane_probe_detach(next->dp, done->name, p);
		failed = undo_device(next->net, done, p) ?: failed;
		if (failed) {
			err = failed;
			i++;
			continue;
		}
		tunnelfile_remove(&next->done, done);
		is_changed = true;
	}
	if (is_changed && !next->done.count)
		err = remove_rules(next->net, p) ?: err;
	if (is_changed)
		err = tunnelfile_store(next->state_dir, &next->done, p) ?: err;
	return err;
}

/* Of a damaged one what can be found is taken back, and its devices are those that have the program. */
static int load(struct tunnel *next, struct problems *p)
{
	int err = tunnelfile_load(next->state_dir, &next->done, p);
	char devices[DATAPLANE_PROBE_DEVICES][16];
	size_t count;

	if (err != -EBADMSG || undo_unknown(next->net, p))
		return err;
	count = dataplane_probe_devices(next->dp, devices, ARRAY_SIZE(devices));
	for (size_t i = 0; i < count; i++)
		tunnelfile_add(&next->done, devices[i]);
	tunnelfile_store(next->state_dir, &next->done, p);
	return err;
}

int tunnel_configure(struct tunnel *tunnel, const struct config *config, const struct model *model,
		     struct problems *p)
{
	struct tunnel next = *tunnel;
	int err = 0, failed;

	if (!next.is_loaded)
		err = load(&next, p);
	next.is_loaded = true;
	next.list = NULL;
	next.count = 0;
	want_all(tunnel, config, model, &next);
	failed = note_all(&next, p);
	err = failed ?: err;
	for (size_t i = 0; !failed && i < next.count; i++)
		err = make_device(&next, &next.list[i], config, p) ?: err;
	err = undo_rest(&next, p) ?: err;
	free(tunnel->list);
	*tunnel = next;
	return err;
}

int tunnel_down(const char *state_dir, struct problems *p)
{
	struct tunnelfile done;
	struct net *net = NULL;
	int unread = tunnelfile_load(state_dir, &done, p), err;

	if (!unread && !done.count)
		return 0;
	err = net_open(&net, p);
	for (size_t i = 0; net && i < done.count; i++)
		err = undo_device(net, &done.list[i], p) ?: err;
	if (net)
		err = (unread ? undo_unknown(net, p) : remove_rules(net, p)) ?: err;
	net_close(net);
	if (!err)
		tunnelfile_free(&done);
	/* One that is damaged goes when it stands for nothing more; one that cannot be read may be whole. */
	if (!unread || (unread == -EBADMSG && !err))
		err = tunnelfile_store(state_dir, &done, p) ?: err;
	tunnelfile_free(&done);
	return unread ?: err;
}

/* ---- looking --------------------------------------------------------------------------------- */

static void look_at_device(const struct tunnel *tunnel, const struct tunnel_device *device,
			   struct text *what)
{
	const struct tunnelfile_device *done = tunnelfile_find(&tunnel->done, device->name);
	const char *missing = NULL;

	if (!dataplane_probe_attached(tunnel->dp, device->ifindex))
		missing = "the program that probes need has been taken off its way out";
	for (int f = 0; f < 2 && !missing; f++)
		if (!addr_is_none(&device->vip[f]) &&
		    !net_device_has(tunnel->net, device->ifindex, &device->vip[f]) &&
		    !net_marked_goes(tunnel->net, &mark, &device->vip[f], device->ifindex))
			missing = f ? "the rule, route or neighbour of probes is missing in IPv6"
				    : "the rule, route or neighbour of probes is missing in IPv4";
	if (!missing && device->is_local && done && done->accept_local &&
	    !accepts_local(device->name))
		missing = "accept_local has been set back to 0, so answers to probes are dropped";
	if (missing)
		text_add(what, "%sinterface %s: %s", what->length ? "; " : "", device->name,
			 missing);
}

char *tunnel_look(const struct tunnel *tunnel)
{
	struct text what = {};

	for (size_t i = 0; i < tunnel->count; i++) {
		struct net_device now;

		/* Netlink tells when one is back. */
		if (!net_device(tunnel->net, tunnel->list[i].name, &now) && now.is_up &&
		    now.ifindex == tunnel->list[i].ifindex)
			look_at_device(tunnel, &tunnel->list[i], &what);
	}
	return what.data;
}
