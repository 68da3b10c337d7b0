/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pinned maps: taken as they are, or copied into new ones when the limits have changed.
 *
 * Story: struct sl_meta says what the pinned maps were made for. Another layout or another hash key is
 * refused, since no flow would keep its backend. The same limits: the maps are taken. Other limits: what does not
 * depend on them is taken, the rest is made anew and filled while packets still read the old maps; only their
 * counters change meanwhile, so that what is counted during the copy (milliseconds) is lost, and nothing else.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "dataplane/deny.h"
#include "dataplane/flows.h"
#include "dataplane/internal.h"
#include "dataplane/xdp.h"

#define START_AFRESH "run `sluiced --down` and start again; flows will then move"

static int open_map(const struct pins *pins, const struct map_shape *shape, int *fd,
		    struct problems *p)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	char *path = pins_path(pins, "maps", shape->name);
	int err = 0;

	*fd = bpf_obj_get(path);
	if (*fd < 0 || bpf_obj_get_info_by_fd(*fd, &info, &length)) {
		err = -errno;
		if (err == -ENOENT)
			err = problems_add(p, -EPROTO, "pinned map", path,
					   "is missing beside the other maps; " START_AFRESH);
		else
			problems_add(p, err, "pinned map", path, "cannot be opened: %s%s",
				     strerror(-err),
				     err == -EPERM || err == -EACCES ? "; run this as root" : "");
	} else if (info.type != shape->type || info.key_size != shape->key_size ||
		   info.value_size != shape->value_size || info.max_entries != shape->entries) {
		err = problems_add(p, -EPROTO, "pinned map", path,
				   "has %u entries of %u bytes where its meta record says %u of "
				   "%u; " START_AFRESH,
				   info.max_entries, info.value_size, shape->entries,
				   shape->value_size);
	}
	free(path);
	return err;
}

static struct sl_limits limits_of(const struct sl_meta *meta)
{
	return (struct sl_limits){
		.cpus = meta->cpus,
		.services = meta->services,
		.listeners = meta->listeners,
		.backends = meta->backends,
		.flows = meta->flows,
		.slots = meta->slots,
		.fragments = meta->fragments ? 1u << meta->fragments : 0,
		.deny = meta->deny,
	};
}

static int check_meta(const struct sl_meta *meta, const struct dataplane_options *options,
		      struct problems *p)
{
	char pinned[2 * sizeof(meta->key_id) + 1], wanted[2 * sizeof(meta->key_id) + 1];

	if (meta->layout != SL_LAYOUT_VERSION)
		return problems_add(
			p, -EPROTO, "pinned maps", options->pin_dir,
			"have layout %u, this program has layout %u; run the version that made "
			"them, or " START_AFRESH,
			meta->layout, SL_LAYOUT_VERSION);
	if (memcmp(meta->key_id, options->key_id, sizeof(meta->key_id)) == 0)
		return 0;
	return problems_add(p, -EPROTO, "pinned maps", options->pin_dir,
			    "were filled under the hash key %s, the cluster's key is %s; restore "
			    "that key, or " START_AFRESH,
			    text_format_hex(meta->key_id, sizeof(meta->key_id), pinned),
			    text_format_hex(options->key_id, sizeof(options->key_id), wanted));
}

static int make_host_key(uint8_t host_key[16], struct problems *p)
{
	if (getrandom(host_key, 16, 0) == 16)
		return 0;
	return problems_add(p, -errno, "kernel", NULL, "gives no random numbers: %s",
			    strerror(errno));
}

int adopt_look(const struct pins *pins, const struct dataplane_options *options,
	       enum adopt_how *how, struct map_set *pinned, uint8_t host_key[16],
	       struct problems *p)
{
	struct map_shape shapes[MAPS];
	struct sl_meta meta;
	struct stat is;
	char *maps;
	int err;

	map_set_init(pinned, &options->limits);
	*how = ADOPT_NOTHING;
	if (!pins->dir)
		return make_host_key(host_key, p);
	maps = pins_path(pins, "maps", NULL);
	err = stat(maps, &is);
	free(maps);
	if (err)
		return make_host_key(host_key, p);

	/* The meta record first: it tells the shapes of the others. */
	map_shapes(&options->limits, shapes);
	err = open_map(pins, &shapes[MAP_meta], &pinned->fd[MAP_meta], p);
	if (!err && bpf_map_lookup_elem(pinned->fd[MAP_meta], &(__u32){0}, &meta))
		err = problems_add(p, -errno, "pinned map", "meta", "cannot be read: %s",
				   strerror(errno));
	if (!err)
		err = check_meta(&meta, options, p);
	if (err)
		return err;
	memcpy(host_key, meta.host_key, sizeof(meta.host_key));
	pinned->limits = limits_of(&meta);
	map_shapes(&pinned->limits, shapes);
	for (int i = 0; !err && i < MAPS; i++)
		if (i != MAP_meta)
			err = open_map(pins, &shapes[i], &pinned->fd[i], p);
	*how = memcmp(&pinned->limits, &options->limits, sizeof(options->limits)) ? ADOPT_COPY
										  : ADOPT_ALL;
	return err;
}

/* ---- a switch that was cut off -------------------------------------------------------------------- */

static uint32_t map_id(const char *path)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		info.id = 0;
	close(fd);
	return info.id;
}

static int program_of(const char *path)
{
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);
	int fd = bpf_obj_get(path), err;

	if (fd < 0)
		return -errno;
	err = bpf_obj_get_info_by_fd(fd, &info, &length);
	close(fd);
	return err ? err : bpf_prog_get_fd_by_id(info.prog_id);
}

struct user {
	const struct pins *pins;
	uint32_t map;
};

/* Whether a program uses a map; the descriptor is closed. */
static int uses(int fd, uint32_t map)
{
	int is_used = fd >= 0 && xdp_uses_map(fd, map);

	if (fd >= 0)
		close(fd);
	return is_used;
}

static int link_uses(void *arg, const char *name)
{
	const struct user *user = arg;
	char *path = pins_at(user->pins, "links", name);
	int is_used = uses(program_of(path), user->map);

	free(path);
	return is_used;
}

static int member_uses(void *arg, const char *name)
{
	const struct user *user = arg;
	uint32_t id = beside_program(user->pins, name);

	return id ? uses(bpf_prog_get_fd_by_id(id), user->map) : 0;
}

int adopt_finish(struct pins *pins, struct problems *p)
{
	struct user user = {.pins = pins};
	char *path;

	if (!pins->dir)
		return 0;
	path = pins_at(pins, "new/maps", "control");
	user.map = map_id(path);
	free(path);
	if (!user.map || (!pins_each(pins, "links", link_uses, &user) &&
			  !pins_each(pins, "beside", member_uses, &user)))
		return 0;
	return pins_commit_maps(pins, p);
}

/* ---- copying -------------------------------------------------------------------------------------- */

static int too_small(struct problems *p, const char *limit, uint32_t value, uint64_t needed)
{
	char field[32], text[16];

	snprintf(field, sizeof(field), "limits.%s", limit);
	snprintf(text, sizeof(text), "%u", value);
	return problems_add(
		p, -EBUSY, field, text,
		"cuts off what is in use; at least %llu is needed until it is taken out of the "
		"configuration",
		(unsigned long long)needed);
}

#define COPY(to, from, elements) memcpy(to, from, sizeof(*(to)) * (elements))

static uint32_t max32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static int check_services(const struct map_set *from, const struct map_set *to, struct problems *p)
{
	uint32_t services = 0, slots = 0;

	for (uint32_t i = 1; i < sl_service_records(&from->limits); i++) {
		const struct sl_service *s = &from->services[i];

		if (s->name[0] == '\0')
			continue;
		/* Each service brings two records, from 1 (sl_service_records()), and a line of counters. */
		services = max32(services, (i + 1) / 2);
		if (s->counters >= sl_counter_services(&from->limits))
			services = max32(services,
					 s->counters + 1 - sl_counter_services(&from->limits));
		slots = max32(slots, s->slots_base + s->slots);
	}
	if (services > to->limits.services)
		return too_small(p, "services", to->limits.services, services);
	return slots > to->limits.slots ? too_small(p, "maglev-slots", to->limits.slots, slots) : 0;
}

static int check_backends(const struct map_set *from, const struct map_set *to, struct problems *p)
{
	uint32_t last = 0;

	for (uint32_t i = 1; i <= from->limits.backends; i++)
		if (from->backends[i].family)
			last = i;
	return last > to->limits.backends ? too_small(p, "backends", to->limits.backends, last) : 0;
}

/* They are there for as long as slots change, whatever the configuration says. */
static int refuse_flows(struct problems *p, const struct map_set *from, uint32_t flows)
{
	char text[16];
	uint32_t used = 0;

	for (uint32_t i = 0; i < from->limits.flows; i++)
		used += sl_flow_in_use(from->flows[0].entry[i].data);
	snprintf(text, sizeof(text), "%u", flows);
	return problems_add(
		p, -EBUSY, "limits.flows", text,
		"has no room for the %u entries of flows that are in use: take more (%u "
		"had room), or wait until no slot moves or settles",
		used, from->limits.flows);
}

/* A flow's buckets follow from their number, so the entries find their places anew. */
static int copy_flows(const struct map_set *from, struct map_set *to, struct problems *p)
{
	const struct flows_places places = flows_places(from->meta->host_key, to->limits.flows);

	if (from->limits.flows == to->limits.flows) {
		flows_copy_same(from->flows, to->limits.flows, to->flows);
		return 0;
	}
	if (!flows_copy(from->flows, from->limits.flows, to->flows, &places))
		return 0;
	return refuse_flows(p, from, to->limits.flows);
}

/*
 * What packets write while their maps are copied is lost. It does no harm where new flows go to the base like all
 * others: every window begins anew with the next agent, and flows write themselves down once more. `dp->maps` has the
 * map that the grace period is waited with.
 */
int adopt_hold(struct map_set *from, struct dataplane *dp)
{
	for (uint32_t slot = 0; slot < from->limits.slots; slot++) {
		uint16_t hot = from->hot[slot / SL_HOT_PER_LINE].word[slot % SL_HOT_PER_LINE];
		__u32 *cold = &from->cold[slot / SL_COLD_PER_LINE].word[slot % SL_COLD_PER_LINE];

		if (hot & SL_HOT_LOOK && (hot & SL_HOT_NOW) != (*cold & SL_COLD_BASE))
			__atomic_fetch_or(cold, SL_COLD_HOLD_TCP | SL_COLD_HOLD_UDP,
					  __ATOMIC_SEQ_CST);
	}
	return dataplane_operations()->grace(dp);
}

/*
 * A start that is refused leaves the hold to the next agent, which may be long in coming. Not where the base is down: new
 * flows would be sent there all the time.
 */
void adopt_release(struct map_set *from)
{
	for (uint32_t slot = 0; slot < from->limits.slots; slot++) {
		__u32 *cold = &from->cold[slot / SL_COLD_PER_LINE].word[slot % SL_COLD_PER_LINE];
		uint32_t base = *cold & SL_COLD_BASE;

		if (base <= from->limits.backends && from->backends[base].flags & SL_BACKEND_DOWN)
			__atomic_fetch_and(cold, ~(SL_COLD_HOLD_TCP | SL_COLD_HOLD_UDP),
					   __ATOMIC_SEQ_CST);
	}
}

static int copy_listeners(const struct map_set *from, struct map_set *to, struct problems *p)
{
	const struct dataplane_view old = {
		.limits = from->limits,
		.control = from->control,
		.listeners4 = from->listeners4,
		.listeners6 = from->listeners6,
	};
	size_t count = dataplane_listeners(&old, NULL, 0), families[2] = {0};
	uint64_t word = 0;
	struct dataplane_listener *list = mem_array(count + 1, sizeof(*list));
	int err = 0;

	dataplane_listeners(&old, list, count);
	for (size_t i = 0; i < count; i++)
		families[list[i].address.family == 6]++;
	for (int i = 0; !err && i < 2; i++)
		if (families[i] > to->limits.listeners)
			err = too_small(p, "listeners", to->limits.listeners, families[i]);
	if (!err && count) {
		err = listeners_build(list, count, to->listeners4,
				      sl_listener_buckets4(&to->limits), to->listeners6,
				      sl_listener_buckets6(&to->limits), &word);
		if (err)
			problems_add(
				p, err, "limits.listeners", NULL,
				"the listeners in force do not fit a table of this size; raise it");
	}
	to->control->listeners = word;
	free(list);
	return err;
}

static int copy_denied(const struct map_set *from, struct map_set *to, struct problems *p)
{
	struct deny_list list = {};
	int err = deny_read(from->fd[MAP_denied], &list);

	if (err)
		problems_add(p, err, "map", "denied", "cannot be read: %s", strerror(-err));
	else if (list.count > to->limits.deny)
		err = too_small(p, "deny", to->limits.deny, list.count);
	else
		err = deny_fill(to->fd[MAP_denied], &list);
	free(list.list);
	return err;
}

static uint32_t min32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* A row's three parts keep their order, but their places follow from the limits. */
static void copy_counters(const struct map_set *from, struct map_set *to)
{
	const struct sl_limits *old = &from->limits, *new = &to->limits;

	for (uint64_t cpu = 0; cpu < min32(old->cpus, new->cpus); cpu++) {
		const struct sl_counter_line *source = from->counters + cpu * sl_counter_lines(old);
		struct sl_counter_line *target = to->counters + cpu * sl_counter_lines(new);

		COPY(target, source, SL_VERDICT_LINES + SL_EVENT_LINES);
		COPY(target + sl_counter_services(new), source + sl_counter_services(old),
		     min32(old->services, new->services));
		COPY(target + sl_counter_backends(new), source + sl_counter_backends(old),
		     min32(old->backends, new->backends) + 1);
	}
}

static bool has_tags(const struct sl_path *path)
{
	return path->tags && path->tags != SL_TAGS_KEEP;
}

/* The maps are not mapped yet: the program is loaded before that. */
void adopt_features(const struct map_set *pinned, struct dataplane_features *out)
{
	struct sl_service service;
	struct sl_backend backend;
	struct sl_control control;
	uint32_t only = 0;

	for (uint32_t i = 1; i < sl_service_records(&pinned->limits); i++)
		if (!bpf_map_lookup_elem(pinned->fd[MAP_services], &i, &service)) {
			out->affinity |= service.flags & SL_SERVICE_BY_SOURCE;
			out->mss_clamp |= service.mss != 0;
			out->quic |= service.flags & SL_SERVICE_QUIC;
		}
	if (!bpf_map_lookup_elem(pinned->fd[MAP_control], &only, &control))
		out->echo |= (control.listeners & SL_LISTENERS_ECHO) != 0;
	out->fragments |= pinned->limits.fragments != 0;
	out->deny |= !deny_is_empty(pinned->fd[MAP_denied]);
	for (uint32_t i = 1; i <= pinned->limits.backends; i++) {
		if (bpf_map_lookup_elem(pinned->fd[MAP_backends], &i, &backend) || !backend.family)
			continue;
		for (int which = 0; which < 2; which++) {
			out->encaps |= backend.path[which].encapsulation != SL_ENCAP_IPIP;
			out->entropy |= backend.path[which].entropy != 0;
			out->vlans |= has_tags(&backend.path[which]);
		}
	}
}

int adopt_copy(const struct map_set *from, struct map_set *to, struct problems *p)
{
	const struct sl_limits *old = &from->limits, *new = &to->limits;
	uint32_t slots = min32(old->slots, new->slots);
	int err = 0, errors[] = {check_services(from, to, p), check_backends(from, to, p)};

	for (size_t i = 0; !err && i < ARRAY_SIZE(errors); i++)
		err = errors[i];
	if (err)
		return err;
	err = copy_listeners(from, to, p);
	if (!err)
		err = copy_flows(from, to, p);
	if (!err)
		err = copy_denied(from, to, p);
	if (err)
		return err;
	/* Of another size, it begins empty: what it knew would not lie where it is looked for. */
	if (old->fragments == new->fragments)
		flows_copy_same(from->fragments, new->fragments, to->fragments);
	COPY(to->services, from->services, min32(sl_service_records(old), sl_service_records(new)));
	COPY(to->hot, from->hot, slots / SL_HOT_PER_LINE);
	COPY(to->cold, from->cold, slots / SL_COLD_PER_LINE);
	COPY(to->backends, from->backends, min32(old->backends, new->backends) + 1);
	to->control->longest_ticks = from->control->longest_ticks;
	copy_counters(from, to);
	to->meta->revision = from->meta->revision;
	memcpy(to->meta->host_key, from->meta->host_key, sizeof(to->meta->host_key));
	return 0;
}
