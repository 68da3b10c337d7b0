/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <unistd.h>

#include "agent/denyfile.h"
#include "agent/interfaces.h"
#include "agent/program.h"
#include "base/mem.h"
#include "config/config.h"
#include "core/model.h"
#include "net/net.h"

static const uint64_t untagged[64] = {UINT64_C(1) << SL_VLAN_UNTAGGED};

static void want_services(const struct config *config, struct dataplane_features *features)
{
	for (size_t i = 0; i < config->service_count; i++) {
		features->affinity |= config->services[i].affinity == CONFIG_AFFINITY_SOURCE;
		features->quic |= config->services[i].affinity == CONFIG_AFFINITY_QUIC;
		features->encaps |= config->services[i].encapsulation != CONFIG_IPIP;
		features->echo |= config->services[i].echo;
		features->mss_clamp |= config->services[i].mss_clamp != 0;
	}
}

/*
 * What a driver gives a program in one buffer: a memory page without XDP's headroom (256 bytes), the kernel's
 * skb_shared_info at its end (320), and an Ethernet header with two VLAN tags. A driver that needs several for less
 * refuses the program, and says why.
 */
#define BESIDES_PACKET (256 + 320 + 22)

long program_buffer_mtu(void)
{
	return sysconf(_SC_PAGESIZE) - BESIDES_PACKET;
}

bool program_needs_buffers(const struct net_device *device)
{
	return device->mtu > program_buffer_mtu();
}

/* Of interfaces that there are: where services listen, whether ways may lead over VLANs, and how long frames are. */
static void want_interfaces(const struct config *config, struct net *net, struct program *out)
{
	for (size_t i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];
		struct net_device device;
		uint64_t listens[64];

		out->features.vlans |= config_vlans(interface, listens);
		if (net_device(net, interface->device, &device))
			continue;
		out->features.vlans |= device.carries_vlans;
		out->features.multi_buffer |= program_needs_buffers(&device);
		/* As many as may be configured have room. */
		vlans_add(&out->vlans, device.ifindex, listens);
	}
}

static bool is_tagged(const struct model_backend *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].path.ifindex && list[i].way.tag_count)
			return true;
	return false;
}

static bool has_tagged_ways(const struct model *model)
{
	for (size_t s = 0; model && s < model->service_count; s++)
		if (is_tagged(model->services[s].backends, model->services[s].backend_count) ||
		    is_tagged(model->services[s].leaving, model->services[s].leaving_count))
			return true;
	return false;
}

struct program *program_wanted(const struct config *config, const struct denyfile *denied,
			       struct net *net, const struct model *model)
{
	struct program *program = mem_alloc(sizeof(*program));

	*program = (struct program){};
	program->features.redirect = config->interface_count > 1;
	program->features.entropy =
		!addr_is_none(&config->entropy.addr) || !addr_is_none(&config->entropy6.addr);
	program->features.fragments = config->limits.fragments != 0;
	program->features.deny = config->denied_count || denied->count;
	program->features.vlans = has_tagged_ways(model);
	want_services(config, &program->features);
	want_interfaces(config, net, program);
	return program;
}

struct program *program_present(const struct dataplane *dp, const struct interfaces *is)
{
	struct program *program = mem_alloc(sizeof(*program));

	program->features = dataplane_features(dp);
	program->vlans = *dataplane_vlans(dp);
	for (size_t i = 0; i < is->count; i++) {
		uint32_t ifindex = is->list[i].link.ifindex;
		uint32_t row = sl_vlans_row(program->vlans.factor, ifindex);

		if (program->vlans.row[row].ifindex != ifindex)
			vlans_add(&program->vlans, ifindex, untagged);
	}
	return program;
}

struct program *program_both(const struct program *present, const struct program *next)
{
	struct program *program = mem_alloc(sizeof(*program));

	*program = *present;
	program->features = dataplane_features_or(present->features, next->features);
	if (vlans_add_all(&program->vlans, &next->vlans))
		program->vlans = next->vlans;
	return program;
}

/* VLANs change for nothing while the feature is off. */
int program_set(struct dataplane *dp, const struct program *program, struct problems *p)
{
	bool is_off = !program->features.vlans;
	int err = is_off ? dataplane_set_features(dp, program->features, p) : 0;

	if (!err)
		err = dataplane_set_vlans(dp, &program->vlans, p);
	if (!err && !is_off)
		err = dataplane_set_features(dp, program->features, p);
	return err;
}
