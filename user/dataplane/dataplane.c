/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening and closing. Nothing outside this process changes before the program has loaded; then what is new is
 * pinned aside, put in force, and put in its place, each by one call that either happens or does not.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/audit.h"
#include "dataplane/flows.h"
#include "dataplane/internal.h"

#define FILES 64 /* two sets of maps, the programs, and what libbpf asks the kernel by */

/* In a tick, by a CPU: as many ICMP messages as the kernel sends a second (icmp_msgs_per_sec). */
#define TOO_BIG_ANSWERS 1000
#define SYN_MS		3000  /* for so long a handshake that does not go on holds its entry */
#define CLOSING_MS	60000 /* for so long a closed flow holds its entry */

/* x86-64 keeps loads in order by itself. */
#ifdef __x86_64__
#define ORDER_LOADS 0
#else
#define ORDER_LOADS 1
#endif

/* ---- limits ---------------------------------------------------------------------------------------- */

/* Fills in the CPUs. What config/ checks in words is only asserted here. */
static int check_limits(struct sl_limits *l, struct problems *p)
{
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return problems_add(p, cpus, "kernel", NULL,
				    "the number of CPUs is unknown (is /sys mounted?): %s",
				    strerror(-cpus));
	if (l->cpus == 0)
		l->cpus = cpus;
	if (l->cpus < (uint32_t)cpus)
		return problems_add(p, -EINVAL, "limits.cpus", NULL,
				    "is %u, but there may be %d CPUs here", l->cpus, cpus);
	if (l->services == 0 || l->listeners == 0 || l->backends == 0 ||
	    l->backends > SL_BACKEND_MAX || l->flows < 2 * SL_FLOWS_PER_BUCKET ||
	    l->flows & (l->flows - 1) || l->slots == 0 || l->slots % SL_HOT_PER_LINE ||
	    l->slots > SL_SLOTS_MAX || (l->fragments && l->fragments < SL_FLOWS_PER_BUCKET) ||
	    l->fragments & (l->fragments - 1))
		return problems_add(p, -EINVAL, "limits", NULL,
				    "one of them is out of range (services %u, listeners %u, "
				    "backends %u, flows "
				    "%u, maglev-slots %u, fragments %u)",
				    l->services, l->listeners, l->backends, l->flows, l->slots,
				    l->fragments);
	return 0;
}

static void fill_meta(struct sl_meta *meta, const struct dataplane_options *options,
		      const uint8_t host_key[16])
{
	const struct sl_limits *l = &options->limits;

	meta->layout = SL_LAYOUT_VERSION;
	meta->cpus = l->cpus;
	meta->services = l->services;
	meta->listeners = l->listeners;
	meta->backends = l->backends;
	meta->flows = l->flows;
	meta->slots = l->slots;
	meta->fragments = l->fragments ? __builtin_ctz(l->fragments) : 0;
	meta->deny = l->deny;
	memcpy(meta->key_id, options->key_id, sizeof(meta->key_id));
	memcpy(meta->host_key, host_key, sizeof(meta->host_key));
}

/* ---- maps and program ------------------------------------------------------------------------------ */

/* The maps whose shape does not follow from limits go over to the new set; the others are copied. */
static int take_over(const struct map_set *pinned, struct map_set *maps)
{
	struct map_shape shapes[MAPS];

	map_shapes(&maps->limits, shapes);
	for (int i = 0; i < MAPS; i++) {
		if (shapes[i].type == BPF_MAP_TYPE_ARRAY || shapes[i].type == BPF_MAP_TYPE_LPM_TRIE)
			continue;
		maps->fd[i] = dup(pinned->fd[i]);
		if (maps->fd[i] < 0)
			return -errno;
	}
	return 0;
}

/* Makes what an update of the grace map puts there, of the shape that bpf/maps.h gives its elements (libbpf
 * forgets it once it has loaded the object). */
static int make_grace_inner(struct dataplane *dp, struct problems *p)
{
	dp->grace_inner_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "grace_inner", sizeof(__u32),
					    sizeof(__u32), 1, NULL);
	if (dp->grace_inner_fd < 0)
		return problems_add(p, -errno, "map", "grace", "its element cannot be made: %s",
				    strerror(errno));
	return 0;
}

static struct sl_knobs knobs_of(const struct dataplane *dp, const struct dataplane_options *options)
{
	const struct flows_places places = flows_places(dp->host_key, options->limits.flows);

	return (struct sl_knobs){
		.counter_lines = sl_counter_lines(&options->limits),
		.backend_lines = sl_counter_backends(&options->limits),
		.half4 = sl_listener_buckets4(&options->limits),
		.half6 = sl_listener_buckets6(&options->limits),
		.flow_mask = places.mask,
		.flow_page = places.page,
		.place_xor = places.xored,
		.place_factor = places.factor,
		.tick_shift = dp->tick_shift,
		.syn_ticks = dataplane_ticks(&dp->view, SYN_MS),
		.closing_ticks = dataplane_ticks(&dp->view, CLOSING_MS),
		.too_big_answers =
			options->too_big_answers ? options->too_big_answers : TOO_BIG_ANSWERS,
		.fragment_mask = sl_fragment_buckets(&options->limits) - 1,
		.fragment_ticks = dataplane_ticks(&dp->view, DATAPLANE_FRAGMENT_MS),
		.manual_clock = options->manual_clock,
		.order_loads = ORDER_LOADS,
#define DATAPLANE_FEATURE(name, help) .name = options->features.name,
#include "dataplane/features.def"
	};
}

/* Zeros in the place of VLANs that no program would read. */
static struct load_constants constants_of(const struct dataplane_options *options,
					  const struct sl_knobs *knobs)
{
	return (struct load_constants){
		.knobs = knobs,
		.key = &options->key,
		.vlans = options->features.vlans ? options->vlans : NULL,
	};
}

static int load(struct dataplane *dp, const struct dataplane_options *options, enum adopt_how how,
		struct map_set *pinned, struct problems *p)
{
	const struct sl_knobs knobs = knobs_of(dp, options);
	const struct load_constants constants = constants_of(options, &knobs);
	int err = 0;

	if (how == ADOPT_ALL) {
		dp->maps = *pinned;
		map_set_init(pinned, &pinned->limits);
	} else if (how == ADOPT_COPY) {
		err = take_over(pinned, &dp->maps);
	}
	if (!err)
		err = load_open(options, &dp->object, p);
	if (!err)
		err = load_run(dp->object, &constants, &dp->maps, &dp->programs, p);
	if (!err)
		err = map_set_mmap(&dp->maps, p);
	if (!err)
		err = make_grace_inner(dp, p);
	if (!err && how == ADOPT_COPY)
		err = map_set_mmap(pinned, p);
	if (!err && how == ADOPT_COPY) {
		err = adopt_hold(pinned, dp);
		if (!err)
			err = adopt_copy(pinned, &dp->maps, p);
		if (err)
			adopt_release(pinned);
	}
	if (!err && how != ADOPT_ALL)
		fill_meta(dp->maps.meta, options, dp->host_key);
	return err;
}

/* ---- the public part ------------------------------------------------------------------------------- */

static void set_view(struct dataplane *dp)
{
	dp->view.limits = dp->maps.limits;
	dp->view.places = flows_places(dp->host_key, dp->maps.limits.flows);
	dp->view.clock_shift = dp->options.manual_clock ? 0 : dp->tick_shift;
#define SL_ARRAY(name, value, entries) dp->view.name = dp->maps.name;
#include <sluice/maps.def>
}

static struct dataplane *dataplane_new(const struct dataplane_options *options)
{
	struct dataplane *dp = mem_alloc(sizeof(*dp));

	dp->options = *options;
	dp->options.pin_dir = NULL;  /* the caller's memory; `pins` has it */
	dp->options.host_key = NULL; /* likewise; it stands below */
	map_set_init(&dp->maps, &options->limits);
	dp->programs = (struct load_programs){-1, -1};
	dp->probe_fd = -1;
	dp->beside_fd = -1;
	dp->grace_inner_fd = -1;
	dp->graces = 1;
	dp->path_left = mem_array((size_t)options->limits.backends + 1, sizeof(*dp->path_left));
	return dp;
}

/*
 * Whether the start will have enough descriptors: libbpf goes on without a map that it could not open, and the
 * verifier's words about that help nobody.
 */
static int check_files(struct problems *p)
{
	int fds[FILES], count = 0, err = 0;

	while (!err && count < FILES) {
		fds[count] = epoll_create1(EPOLL_CLOEXEC);
		if (fds[count] < 0)
			err = -errno;
		else
			count++;
	}
	while (count)
		close(fds[--count]);
	if (!err)
		return 0;
	return problems_add(p, err, "open files", NULL,
			    "%s: a start needs %d more; raise the limit (ulimit -n, LimitNOFILE= "
			    "of a service)",
			    strerror(-err), FILES);
}

int dataplane_open(const struct dataplane_options *given, struct dataplane **out,
		   struct problems *p)
{
	struct dataplane_options options = *given;
	struct map_set pinned;
	struct dataplane *dp;
	enum adopt_how how;
	int err;

	err = check_files(p);
	if (!err)
		err = check_limits(&options.limits, p);
	if (err)
		return err;
	dp = dataplane_new(&options);
	map_set_init(&pinned, &options.limits);
	if (options.pin_dir)
		err = pins_open(&dp->pins, options.pin_dir, p);
	if (!err)
		err = adopt_finish(&dp->pins, p);
	if (!err)
		err = adopt_look(&dp->pins, &options, &how, &pinned, dp->host_key, p);
	if (!err && how == ADOPT_NOTHING && options.host_key)
		memcpy(dp->host_key, options.host_key, sizeof(dp->host_key));
	if (!err)
		err = clock_shift(&dp->tick_shift, &dp->view.tick_ns, p);
	if (!err && how != ADOPT_NOTHING)
		adopt_features(&pinned, &options.features);
	dp->options.features = options.features;
	if (options.vlans)
		dp->vlans = *options.vlans;
	dp->options.vlans = &dp->vlans;
	if (!err)
		err = load(dp, &options, how, &pinned, p);
	/* Spares that the last agent left just before it ended may still be read. */
	if (!err && how != ADOPT_NOTHING)
		err = dataplane_operations()->grace(dp);
	dp->beside_fd = beside_open(&dp->pins);
	if (!err && dp->pins.dir)
		err = install_all(dp, how, p);
	pins_tidy(&dp->pins);
	map_set_close(&pinned);
	if (err) {
		dataplane_close(dp);
		return err;
	}
	dp->pins.made = false;
	dp->adopted = how != ADOPT_NOTHING;
	set_view(dp);
	dp->audit = audit_new(dp);
	*out = dp;
	return 0;
}

void dataplane_close(struct dataplane *dp)
{
	if (!dp)
		return;
	for (size_t i = 0; i < dp->links_count; i++)
		close(dp->links[i].fd);
	free(dp->links);
	if (dp->beside_fd >= 0)
		close(dp->beside_fd);
	if (dp->grace_inner_fd >= 0)
		close(dp->grace_inner_fd);
	bpf_object__close(dp->object);
	bpf_object__close(dp->probe);
	audit_free(dp->audit);
	map_set_close(&dp->maps);
	pins_close(&dp->pins);
	free(dp->path_left);
	free(dp);
}

struct dataplane_features dataplane_features(const struct dataplane *dp)
{
	return dp->options.features;
}

static bool same_features(struct dataplane_features a, struct dataplane_features b)
{
	bool same = true;

#define DATAPLANE_FEATURE(name, help) same &= a.name == b.name;
#include "dataplane/features.def"
	return same;
}

/* Loads the program anew, by other options of which only what it is loaded with differs, and puts it into every link. */
static int reload(struct dataplane *dp, const struct dataplane_options *options, struct problems *p)
{
	const struct sl_knobs knobs = knobs_of(dp, options);
	const struct load_constants constants = constants_of(options, &knobs);
	struct bpf_object *object;
	struct load_programs programs;
	int err;

	err = load_open(options, &object, p);
	if (err)
		return err;
	err = load_run(object, &constants, &dp->maps, &programs, p);
	if (!err)
		err = install_program(dp, programs.balancer, p);
	if (err) {
		bpf_object__close(object);
		return err;
	}
	bpf_object__close(dp->object);
	dp->object = object;
	dp->programs = programs;
	return 0;
}

int dataplane_set_features(struct dataplane *dp, struct dataplane_features features,
			   struct problems *p)
{
	struct dataplane_options options = dp->options;
	int err;

	if (same_features(features, options.features))
		return 0;
	options.features = features;
	err = reload(dp, &options, p);
	if (!err)
		dp->options.features = features;
	return err;
}

int dataplane_set_vlans(struct dataplane *dp, const struct sl_vlans *vlans, struct problems *p)
{
	struct dataplane_options options = dp->options;
	int err = 0;

	if (!memcmp(vlans, &dp->vlans, sizeof(*vlans)))
		return 0;
	options.vlans = vlans;
	if (options.features.vlans)
		err = reload(dp, &options, p);
	if (!err)
		dp->vlans = *vlans;
	return err;
}

const struct sl_vlans *dataplane_vlans(const struct dataplane *dp)
{
	return &dp->vlans;
}

bool dataplane_adopted(const struct dataplane *dp)
{
	return dp->adopted;
}

const struct dataplane_view *dataplane_view(const struct dataplane *dp)
{
	return &dp->view;
}

int dataplane_program_fd(const struct dataplane *dp)
{
	return dp->programs.balancer;
}

size_t dataplane_map_fds(const struct dataplane *dp, int *out, size_t max)
{
	size_t count = 0;

	for (int i = 0; i < MAPS && count < max; i++)
		if (dp->maps.fd[i] >= 0)
			out[count++] = dp->maps.fd[i];
	return count;
}

int dataplane_map_fd(const struct dataplane *dp, const char *name)
{
	struct map_shape shapes[MAPS];

	map_shapes(&dp->maps.limits, shapes);
	for (int i = 0; i < MAPS; i++)
		if (strcmp(shapes[i].name, name) == 0)
			return dp->maps.fd[i];
	return -ENOENT;
}

/* What cannot be detached stays pinned, so that it can be tried again. */
static int take_down(struct pins *pins, const struct beside_by *by, struct problems *p)
{
	int err = probe_detach_all(pins, p), failed = beside_detach_all(pins, by, p);

	return pins_remove_all(pins, p) ?: failed ?: err;
}

int dataplane_destroy(struct dataplane *dp, struct problems *p)
{
	int err = dp->pins.dir ? take_down(&dp->pins, &dp->beside_by, p) : 0;

	dataplane_close(dp);
	return err;
}

int dataplane_down(const char *pin_dir, struct problems *p)
{
	struct pins pins = {0};
	int err = pins_open_existing(&pins, pin_dir, p);

	if (!err)
		err = take_down(&pins, &(struct beside_by){}, p);
	pins_close(&pins);
	return err == -ENOENT ? 0 : err;
}
