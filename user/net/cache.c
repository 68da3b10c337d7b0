/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three kinds of things with one form: an entry has a key, stands in a hash table for look-up and
 * in a list for walks and sweeps, and knows its place there, so that each change costs the same
 * however many there are.
 */
#include "net/cache.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"

/* Compared as bytes, so it has no padding; fields that a kind does not need are zero. */
struct key {
	uint32_t ifindex;
	struct addr addr;
	uint8_t prefix_length;
	uint8_t zero[2];
};
_Static_assert(sizeof(struct key) == 4 + sizeof(struct addr) + 3, "no padding");

struct entry {
	struct key key;
	size_t place;		 /* in the list */
	unsigned int generation; /* of the last dump or message that named it */
	union {
		struct net_link link;
		struct net_address address;
		struct cache_neighbour neighbour;
	};
};

struct kind {
	struct table *table;
	struct entry **list;
	size_t count;
};

struct cache {
	struct kind links, neighbours, addresses;
	unsigned int generation;
};

static struct key make_key(uint32_t ifindex, const struct addr *addr, uint8_t prefix_length)
{
	return (struct key){
		.ifindex = ifindex,
		.addr = addr ? *addr : (struct addr){0},
		.prefix_length = prefix_length,
	};
}

static struct entry *find(const struct kind *kind, struct key key)
{
	return table_get(kind->table, &key, sizeof(key));
}

static struct entry *add(struct kind *kind, struct key key)
{
	struct entry *entry = mem_alloc(sizeof(*entry));

	entry->key = key;
	entry->place = kind->count;
	kind->list = mem_grow(kind->list, kind->count, sizeof(kind->list[0]));
	kind->list[kind->count++] = entry;
	table_set(kind->table, &entry->key, sizeof(entry->key), entry);
	return entry;
}

static void drop(struct kind *kind, struct entry *entry)
{
	struct entry *last = kind->list[--kind->count];

	table_remove(kind->table, &entry->key, sizeof(entry->key));
	kind->list[entry->place] = last;
	last->place = entry->place;
	free(entry);
}

static void kind_free(struct kind *kind)
{
	while (kind->count)
		drop(kind, kind->list[0]);
	free(kind->list);
	table_free(kind->table);
}

struct cache *cache_new(void)
{
	struct cache *cache = mem_alloc(sizeof(*cache));

	cache->links.table = table_new();
	cache->neighbours.table = table_new();
	cache->addresses.table = table_new();
	return cache;
}

void cache_free(struct cache *cache)
{
	if (!cache)
		return;
	kind_free(&cache->links);
	kind_free(&cache->neighbours);
	kind_free(&cache->addresses);
	free(cache);
}

/*
 * The kernel tells each neighbour and address of a device that goes, but may have told before we
 * listened.
 */
static void drop_device(struct kind *kind, uint32_t ifindex)
{
	size_t i = 0;

	while (i < kind->count)
		if (kind->list[i]->key.ifindex == ifindex)
			drop(kind, kind->list[i]);
		else
			i++;
}

static bool is_same_link(const struct net_link *a, const struct net_link *b)
{
	return strcmp(a->name, b->name) == 0 && a->is_up == b->is_up &&
	       a->has_ethernet == b->has_ethernet && a->is_vlan == b->is_vlan &&
	       a->parent_ifindex == b->parent_ifindex && a->vlan_id == b->vlan_id &&
	       a->vlan_protocol == b->vlan_protocol && a->mtu == b->mtu &&
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

static int take_link(struct cache *cache, const struct nlmsghdr *message, size_t size)
{
	struct net_link link;
	struct entry *entry;
	bool is_changed;
	int err;

	err = message_read_link(message, size, &link);
	if (err)
		return err;
	entry = find(&cache->links, make_key(link.ifindex, NULL, 0));
	if (message->nlmsg_type == RTM_DELLINK) {
		drop_device(&cache->neighbours, link.ifindex);
		drop_device(&cache->addresses, link.ifindex);
		if (entry)
			drop(&cache->links, entry);
		return entry != NULL;
	}
	is_changed = !entry || !is_same_link(&entry->link, &link);
	if (!entry)
		entry = add(&cache->links, make_key(link.ifindex, NULL, 0));
	entry->link = link;
	entry->generation = cache->generation;
	return is_changed;
}

static int take_address(struct cache *cache, const struct nlmsghdr *message, size_t size)
{
	/*
	 * An address that has these may not be a source; the rest, and lifetimes, come and go with
	 * each router advertisement.
	 */
	const uint32_t matters = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED;
	struct net_address address;
	struct entry *entry;
	struct key key;
	bool is_changed;
	int err;

	err = message_read_address(message, size, &address);
	if (err)
		return err;
	key = make_key(address.ifindex, &address.addr, address.prefix_length);
	entry = find(&cache->addresses, key);
	if (message->nlmsg_type == RTM_DELADDR) {
		if (entry)
			drop(&cache->addresses, entry);
		return entry != NULL;
	}
	is_changed = !entry || ((entry->address.flags ^ address.flags) & matters);
	if (!entry)
		entry = add(&cache->addresses, key);
	entry->address = address;
	entry->generation = cache->generation;
	return is_changed;
}

static enum cache_reach next_reach(enum cache_reach now, const struct net_neighbour *neighbour)
{
	const uint16_t valid =
		NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;

	if ((neighbour->state & valid) && neighbour->has_mac)
		return CACHE_VALID;
	if (neighbour->state & NUD_FAILED)
		return CACHE_FAILED;
	return now == CACHE_FAILED ? CACHE_FAILED : CACHE_UNKNOWN;
}

/*
 * Returns whether somebody wants to know: whether it can be reached, or at which MAC address, has
 * changed.
 */
static bool update_neighbour(struct cache_neighbour *neighbour, const struct net_neighbour *to)
{
	enum cache_reach reach = next_reach(neighbour->reach, to);
	bool is_changed = reach != neighbour->reach ||
			  (reach == CACHE_VALID &&
			   memcmp(neighbour->last.mac, to->mac, sizeof(to->mac)) != 0);

	neighbour->last = *to;
	neighbour->reach = reach;
	return is_changed && neighbour->is_wanted;
}

/*
 * The kernel has no entry any more. One that is wanted stays on record, so that a neighbour that
 * did not answer is not "unknown" again each time the kernel collects it.
 */
static bool forget_neighbour(struct cache *cache, struct entry *entry)
{
	struct net_neighbour none = {.ifindex = entry->key.ifindex, .addr = entry->key.addr};

	if (entry->neighbour.is_wanted)
		return update_neighbour(&entry->neighbour, &none);
	drop(&cache->neighbours, entry);
	return false;
}

static int take_neighbour(struct cache *cache, const struct nlmsghdr *message, size_t size)
{
	struct net_neighbour neighbour;
	struct entry *entry;
	struct key key;
	int err;

	err = message_read_neighbour(message, size, &neighbour);
	if (err)
		return err;
	key = make_key(neighbour.ifindex, &neighbour.addr, 0);
	entry = find(&cache->neighbours, key);
	if (message->nlmsg_type == RTM_DELNEIGH)
		return entry ? forget_neighbour(cache, entry) : 0;
	if (!entry)
		entry = add(&cache->neighbours, key);
	entry->generation = cache->generation;
	return update_neighbour(&entry->neighbour, &neighbour);
}

/* Routes, rules and next hop objects are not kept: whoever asks for a way asks the kernel anew. */
static int take_routing(struct cache *cache, const struct nlmsghdr *message, size_t size)
{
	(void)cache, (void)message, (void)size;
	return 1;
}

typedef int take_function(struct cache *cache, const struct nlmsghdr *message, size_t size);

static take_function *const takers[] = {
	[RTM_NEWLINK - RTM_BASE] = take_link,	    [RTM_DELLINK - RTM_BASE] = take_link,
	[RTM_NEWADDR - RTM_BASE] = take_address,    [RTM_DELADDR - RTM_BASE] = take_address,
	[RTM_NEWNEIGH - RTM_BASE] = take_neighbour, [RTM_DELNEIGH - RTM_BASE] = take_neighbour,
	[RTM_NEWROUTE - RTM_BASE] = take_routing,   [RTM_DELROUTE - RTM_BASE] = take_routing,
	[RTM_NEWRULE - RTM_BASE] = take_routing,    [RTM_DELRULE - RTM_BASE] = take_routing,
	[RTM_NEWNEXTHOP - RTM_BASE] = take_routing, [RTM_DELNEXTHOP - RTM_BASE] = take_routing,
};

int cache_take(struct cache *cache, const struct nlmsghdr *message, size_t size)
{
	size_t type;
	int ret;

	if (size < sizeof(*message) || message->nlmsg_len < sizeof(*message) ||
	    message->nlmsg_len > size)
		return -EBADMSG;
	if (message->nlmsg_type < RTM_BASE)
		return 0;
	type = message->nlmsg_type - RTM_BASE;
	if (type >= ARRAY_SIZE(takers) || !takers[type])
		return 0;
	ret = takers[type](cache, message, size);
	return ret == -ENOMSG ? 0 : ret;
}

void cache_begin(struct cache *cache)
{
	cache->generation++;
}

void cache_sweep(struct cache *cache)
{
	struct kind *kinds[] = {&cache->links, &cache->addresses};
	struct kind *neighbours = &cache->neighbours;

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		for (size_t i = kinds[k]->count; i-- > 0;)
			if (kinds[k]->list[i]->generation != cache->generation)
				drop(kinds[k], kinds[k]->list[i]);
	for (size_t i = neighbours->count; i-- > 0;) {
		struct entry *entry = neighbours->list[i];

		if (!cache_link(cache, entry->key.ifindex))
			drop(neighbours, entry);
		else if (entry->generation != cache->generation)
			forget_neighbour(cache, entry);
	}
}

const struct net_link *cache_link(const struct cache *cache, uint32_t ifindex)
{
	struct entry *entry = find(&cache->links, make_key(ifindex, NULL, 0));

	return entry ? &entry->link : NULL;
}

const struct net_link *cache_link_named(const struct cache *cache, const char *name)
{
	for (size_t i = 0; i < cache->links.count; i++)
		if (strcmp(cache->links.list[i]->link.name, name) == 0)
			return &cache->links.list[i]->link;
	return NULL;
}

bool cache_carries_vlans(const struct cache *cache, uint32_t ifindex)
{
	for (size_t i = 0; i < cache->links.count; i++) {
		const struct net_link *link = &cache->links.list[i]->link;

		if (link->is_vlan && link->parent_ifindex == ifindex)
			return true;
	}
	return false;
}

const struct net_address *cache_address(const struct cache *cache, const struct addr *addr)
{
	for (size_t i = 0; i < cache->addresses.count; i++)
		if (addr_equal(&cache->addresses.list[i]->key.addr, addr))
			return &cache->addresses.list[i]->address;
	return NULL;
}

const struct net_address *cache_address_on(const struct cache *cache, uint32_t ifindex,
					   const struct addr *addr)
{
	for (size_t i = 0; i < cache->addresses.count; i++) {
		const struct net_address *own = &cache->addresses.list[i]->address;

		if (own->ifindex == ifindex && addr_equal(&own->addr, addr))
			return own;
	}
	return NULL;
}

static bool may_be_source(const struct net_address *own)
{
	const uint32_t unsure = IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED;

	return !addr_is_unusable(&own->addr) && !(own->flags & unsure);
}

/* Rather one of a network: what has all bits is often a VIP. */
static bool is_better_source(const struct net_address *a, const struct net_address *b)
{
	unsigned int bits = addr_size(a->addr.family) * 8;
	bool a_alone = a->prefix_length == bits, b_alone = b->prefix_length == bits;

	return a_alone != b_alone ? b_alone : addr_compare(&a->addr, &b->addr) < 0;
}

const struct net_address *cache_own_address(const struct cache *cache, uint32_t ifindex,
					    uint8_t family)
{
	const struct net_address *best = NULL;

	for (size_t i = 0; i < cache->addresses.count; i++) {
		const struct net_address *own = &cache->addresses.list[i]->address;

		if (own->ifindex == ifindex && own->addr.family == family && may_be_source(own) &&
		    (!best || is_better_source(own, best)))
			best = own;
	}
	return best;
}

struct cache_neighbour *cache_want_neighbour(struct cache *cache, uint32_t ifindex,
					     const struct addr *addr)
{
	struct key key = make_key(ifindex, addr, 0);
	struct entry *entry = find(&cache->neighbours, key);

	if (!entry) {
		entry = add(&cache->neighbours, key);
		entry->neighbour.last.ifindex = ifindex;
		entry->neighbour.last.addr = *addr;
		entry->generation = cache->generation;
	}
	entry->neighbour.is_wanted = true;
	return &entry->neighbour;
}
