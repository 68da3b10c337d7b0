/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a NIC does with frames before XDP sees them, by the ethtool ioctl. Features have no numbers, but names: a bit of
 * each device's mask belongs to the string at the same place of a set that the kernel tells.
 */
#include <linux/ethtool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/internal.h"
#include "net/net.h"

static const struct {
	const char *name;
	enum net_strips strips;
} offloads[] = {
	{"rx-vlan-hw-parse", NET_STRIPS_CUSTOMER},
	{"rx-vlan-stag-hw-parse", NET_STRIPS_PROVIDER},
};

/* How many strings the set has; 0: there is none. */
static uint32_t count_features(const struct net *net, const char *device)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} set = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1 << ETH_SS_FEATURES}};

	return net_ask_ethtool(net, device, &set) || !set.info.sset_mask ? 0 : set.count;
}

static struct ethtool_gstrings *read_names(const struct net *net, const char *device,
					   uint32_t count)
{
	struct ethtool_gstrings *set = mem_alloc(sizeof(*set) + (size_t)count * ETH_GSTRING_LEN);

	*set = (struct ethtool_gstrings){
		.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = count};
	if (!net_ask_ethtool(net, device, set))
		return set;
	free(set);
	return NULL;
}

static struct ethtool_gfeatures *read_features(const struct net *net, const char *device,
					       uint32_t count)
{
	uint32_t blocks = (count + 31) / 32;
	struct ethtool_gfeatures *features =
		mem_alloc(sizeof(*features) + blocks * sizeof(features->features[0]));

	features->cmd = ETHTOOL_GFEATURES;
	features->size = blocks;
	if (!net_ask_ethtool(net, device, features))
		return features;
	free(features);
	return NULL;
}

static uint32_t named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(offloads); i++)
		if (!strncmp(name, offloads[i].name, ETH_GSTRING_LEN))
			return offloads[i].strips;
	return 0;
}

uint32_t net_strips(const struct net *net, const char *device)
{
	uint32_t count = count_features(net, device);
	struct ethtool_gstrings *set = read_names(net, device, count);
	struct ethtool_gfeatures *features = read_features(net, device, count);
	uint32_t strips = 0;

	for (uint32_t i = 0; set && features && i < count; i++)
		if (features->features[i / 32].active >> i % 32 & 1)
			strips |= named((const char *)set->data + (size_t)i * ETH_GSTRING_LEN);
	free(set);
	free(features);
	return strips;
}
