/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stands between this host and an answer to a probe: before a configuration is taken, and afterwards. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tunnel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "config/config.h"
#include "core/model.h"
#include "net/marked.h"

#define MOVE_IT                                                                                    \
	"the host would answer its own probes, and a dead backend would look healthy; move it to " \
	"another device (lo, or one made for VIPs), or probe `via: direct`"

bool tunnel_probes(const struct config_service *service)
{
	return service->health.kind != CONFIG_HEALTH_NONE &&
	       service->health.via & CONFIG_VIA_TUNNEL;
}

/* ---- before it is put in force ---------------------------------------------------------------- */

static int check_service(struct net *net, const struct config *config,
			 const struct config_service *service, struct problems *p)
{
	const struct addr *vip = &service->health.address;
	char text[ADDR_TEXT_SIZE], backend[ADDR_TEXT_SIZE], owner[NET_NAME_SIZE];

	if (!net_has_address(net, vip, owner))
		return 0;
	for (size_t i = 0; i < service->backend_count; i++) {
		struct net_nexthop way;
		char *field;

		net_nexthop(net, &service->backends[i].address, &way);
		if (!way.ifindex || !net_device_has(net, way.ifindex, vip))
			continue;
		field = mem_format("services[%s].health.address", service->name);
		problems_add_at(p, config->file, service->place.line, service->place.column, field,
				addr_format(vip, text),
				"is an address of %s, by which the backend %s is reached: " MOVE_IT,
				way.device, addr_format(&service->backends[i].address, backend));
		free(field);
		return -EADDRINUSE;
	}
	return 0;
}

int tunnel_check(struct net *net, const struct config *config, struct problems *p)
{
	int err = 0;

	for (size_t i = 0; i < config->service_count; i++)
		if (tunnel_probes(&config->services[i]))
			err = check_service(net, config, &config->services[i], p) ?: err;
	return err;
}

/* ---- ways --------------------------------------------------------------------------------- */

/* The inner source, of the VIP's family: as configured, as routing would take it, or some address of the device. */
static bool find_source(struct net *net, const struct config *config, const struct addr *vip,
			const struct net_nexthop *way, struct addr *out)
{
	const struct addr *configured = vip->family == 4 ? &config->source : &config->source6;

	if (!addr_is_none(configured))
		*out = *configured;
	else if (way->source.family == vip->family && !addr_equal(&way->source, vip))
		*out = way->source;
	else
		return net_device_address(net, way->ifindex, vip->family, out);
	return true;
}

int tunnel_way(struct net *net, const struct config *config, const struct addr *vip, uint32_t index,
	       const struct net_nexthop *way, struct probe_way *out, char why[160])
{
	struct probe_way found = {.index = index, .device = way->device};
	char text[ADDR_TEXT_SIZE];

	if (!way->ifindex || !way->device[0]) {
		snprintf(why, 160, "no device leads to the backend");
		return -EHOSTUNREACH;
	}
	if (net_device_has(net, way->ifindex, vip)) {
		snprintf(why, 160,
			 "%s is an address of %s, by which the backend is reached; move it to "
			 "another device",
			 addr_format(vip, text), way->device);
		return -EADDRINUSE;
	}
	if (!find_source(net, config, vip, way, &found.source)) {
		snprintf(why, 160, "%s has no IPv%d address to probe from; set tunnel.source%s",
			 way->device, vip->family, vip->family == 6 ? "6" : "");
		return -EADDRNOTAVAIL;
	}
	*out = found;
	return 0;
}

/* ---- afterwards ------------------------------------------------------------------------------ */

/* A number in net.ipv4.conf.DEVICE; the larger one of the device's and that of `all` counts for both that are asked for. */
static long setting(const char *device, const char *name)
{
	const char *const places[] = {device, "all"};
	long largest = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		char *path = mem_format("/proc/sys/net/ipv4/conf/%s/%s", places[i], name);
		char *text = NULL;
		size_t length;
		long value;

		if (!file_read(path, 16, &text, &length, NULL)) {
			value = strtol(text, NULL, 10);
			largest = value > largest ? value : largest;
		}
		free(text);
		free(path);
	}
	return largest;
}

/* Answers come from the VIP to the probe's source, in by the device. */
static void find_refusal(const struct tunnel *tunnel, const struct addr *vip,
			 const struct addr *source, const struct net_nexthop *way,
			 struct problems *findings)
{
	char text[ADDR_TEXT_SIZE], owner[NET_NAME_SIZE];
	bool is_local = net_has_address(tunnel->net, vip, owner);
	long rp_filter = setting(way->device, "rp_filter");

	addr_format(vip, text);
	if (net_takes(tunnel->net, vip, source, way->ifindex))
		return;
	if (is_local && !setting(way->device, "accept_local"))
		problems_add(findings, 0, "interface", way->device,
			     "answers to probes of %s are dropped, since that is an address of "
			     "this host and accept_local is 0; sysctl -w "
			     "net.ipv4.conf.%s.accept_local=1",
			     text, way->device);
	else if (rp_filter)
		problems_add(findings, 0, "interface", way->device,
			     "answers to probes of %s are dropped, since rp_filter is %ld and the "
			     "host has no route to %s by this interface; sysctl -w "
			     "net.ipv4.conf.%s.rp_filter=%s net.ipv4.conf.all.rp_filter=0",
			     text, rp_filter, text, way->device, is_local ? "2" : "0");
	else
		problems_add(findings, 0, "interface", way->device,
			     "answers to probes, from %s to %s, are dropped by the kernel; see "
			     "ip rule, and ip route get %s from %s iif %s",
			     text, addr_format(source, (char[ADDR_TEXT_SIZE]){0}),
			     addr_format(source, (char[ADDR_TEXT_SIZE]){0}), text, way->device);
}

/* It speaks for all services that have its VIP (is_told()). */
static void add_unprobed(const struct config *config, const struct model_service *service,
			 const struct net_nexthop *way, const char *why, struct problems *findings)
{
	char others[64] = "";
	size_t count = 0;

	for (size_t i = 0; i < config->service_count; i++)
		count += tunnel_probes(&config->services[i]) &&
			 addr_equal(&config->services[i].health.address,
				    &service->config->health.address);
	if (count > 1)
		snprintf(others, sizeof(others), " (and %zu more with its address)", count - 1);
	problems_add(findings, 0, "interface", way->device,
		     "service %s%s is not probed through the tunnel: %s", service->name, others,
		     why);
}

static void find_in_service(const struct tunnel *tunnel, const struct config *config,
			    const struct model_service *service, const struct net_nexthop *way,
			    struct problems *findings)
{
	const struct addr *vip = &service->config->health.address;
	struct probe_way out;
	char why[160];
	int err = tunnel_way(tunnel->net, config, vip, 1, way, &out, why);

	if (!err)
		find_refusal(tunnel, vip, &out.source, way, findings);
	else
		add_unprobed(config, service, way, why, findings);
}

/* The first backend behind a device speaks for all of the service's there. */
static const struct net_nexthop *find_way(const struct model_service *service, const char *device)
{
	for (size_t i = 0; i < service->backend_count; i++)
		if (service->backends[i].way.ifindex &&
		    strcmp(net_way_out(&service->backends[i].way), device) == 0)
			return &service->backends[i].way;
	return NULL;
}

/* Whether an earlier service with the same VIP has spoken for this device. */
static bool is_told(const struct model *model, size_t service, const char *device)
{
	const struct addr *vip = &model->services[service].config->health.address;

	for (size_t i = 0; i < service; i++)
		if (tunnel_probes(model->services[i].config) &&
		    addr_equal(&model->services[i].config->health.address, vip) &&
		    find_way(&model->services[i], device))
			return true;
	return false;
}

void tunnel_findings(const struct tunnel *tunnel, const struct config *config,
		     const struct model *model, struct problems *findings)
{
	for (size_t i = 0; i < model->service_count; i++)
		for (size_t k = 0; k < config->interface_count; k++) {
			const struct model_service *service = &model->services[i];
			const struct net_nexthop *way =
				find_way(service, config->interfaces[k].device);

			if (way && tunnel_probes(service->config) &&
			    !is_told(model, i, net_way_out(way)))
				find_in_service(tunnel, config, service, way, findings);
		}
}
