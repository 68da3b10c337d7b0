/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is asked of libxdp. It prints its reasons, and falls back to what nobody wants; so the ground is tried first. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>
#include <xdp/prog_dispatcher.h>

#include "base/mem.h"
#include "dataplane/beside.h"
#include "dataplane/capture.h"
#include "dataplane/pins.h"
#include "dataplane/xdp.h"
#include "dispatcher.skel.h"
#include "member.skel.h"

#define OBJECT	  "xdp-dispatcher.o" /* libxdp's name of it */
#define TEMPORARY "/tmp/sluice-XXXXXX"
#define MEMBERS	  16 /* more than a dispatcher has */

static int refuse(struct beside_answer *out, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int refuse(struct beside_answer *out, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(out->text, sizeof(out->text), format, args);
	va_end(args);
	return out->error = error;
}

/* ---- what is there ---------------------------------------------------------------------------------- */

/* What a device has. */
struct there {
	struct xdp_multiprog *all; /* NULL: nothing */
	bool is_alone;		   /* not a dispatcher: one program, by whoever's hand */
	enum dataplane_mode mode;
};

static enum dataplane_mode mode_of(enum xdp_attach_mode mode)
{
	return mode == XDP_MODE_SKB ? DATAPLANE_GENERIC : DATAPLANE_NATIVE;
}

static int look(uint32_t ifindex, struct there *out)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(ifindex);
	int err = libxdp_get_error(all);

	*out = (struct there){};
	if (err)
		return err == -ENOENT ? 0 : err;
	*out = (struct there){
		.all = all,
		.is_alone = xdp_multiprog__is_legacy(all),
		.mode = mode_of(xdp_multiprog__attach_mode(all)),
	};
	return 0;
}

/* A member is in its place for as long as its link is pinned; libxdp itself does not look at that. */
static bool is_linked(const struct there *there, uint32_t ifindex, unsigned int number)
{
	const char *bpffs = getenv(XDP_BPFFS_ENVVAR);
	uint32_t id = xdp_program__id(xdp_multiprog__main_prog(there->all));
	char *path = mem_format("%s/xdp/dispatch-%u-%u/prog%u-link", bpffs ? bpffs : "/sys/fs/bpf",
				ifindex, id, number);
	bool is = access(path, F_OK) == 0;

	free(path);
	return is;
}

/* Fills in what is there. *unlinked: a member of ours that is in the list and not in its place; NULL: none. */
static struct xdp_program *describe(const struct there *there, uint32_t ifindex, uint32_t map_id,
				    struct beside_answer *out)
{
	struct xdp_program *program = NULL, *ours = NULL;
	unsigned int number = 0;

	out->is_member = false;
	out->others = 0;
	out->mode = there->mode;
	if (!there->all || there->is_alone)
		return NULL;
	while ((program = xdp_multiprog__next_prog(program, there->all))) {
		if (!xdp_uses_map(xdp_program__fd(program), map_id)) {
			out->others++;
		} else {
			ours = program;
			out->is_member = is_linked(there, ifindex, number);
		}
		number++;
	}
	return ours;
}

static int refuse_to_look(struct beside_answer *out, int err)
{
	if (err == -EPERM || err == -EACCES)
		return refuse(
			out, -EPERM,
			"what is on its dispatcher may be seen and changed with CAP_SYS_ADMIN "
			"alone; start sluiced again as root");
	return refuse(out, err, "libxdp cannot say what is on it (%s): %s", strerror(-err),
		      capture_text());
}

/* ---- what libxdp works with ------------------------------------------------------------------------- */

/*
 * libxdp reads the dispatcher from a file. Ours takes programs that change packets also where libxdp's own does not
 * (bpf/dispatcher.bpf.c).
 */
static int write_dispatcher(const char *path)
{
	size_t size;
	const char *bytes = dispatcher_bpf__elf_bytes(&size);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, bytes, size) != (ssize_t)size)
		err = -EIO;
	close(fd);
	return err;
}

/* Calls what makes a dispatcher, with ours where libxdp looks for it. */
static int with_dispatcher(struct xdp_program *program, uint32_t ifindex, enum dataplane_mode mode,
			   int (*call)(struct xdp_program *program, int ifindex,
				       enum xdp_attach_mode mode, unsigned int flags))
{
	char folder[] = TEMPORARY, *path;
	int err;

	if (!mkdtemp(folder))
		return -errno;
	path = mem_format("%s/%s", folder, OBJECT);
	err = write_dispatcher(path);
	setenv(XDP_OBJECT_ENVVAR, folder, 1);
	if (!err)
		err = call(program, ifindex,
			   mode == DATAPLANE_GENERIC ? XDP_MODE_SKB : XDP_MODE_NATIVE, 0);
	unsetenv(XDP_OBJECT_ENVVAR);
	unlink(path);
	rmdir(folder);
	free(path);
	return err;
}

static struct bpf_object *open_member(int map_fd)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "sluice_member");
	size_t size;
	const void *bytes = member_bpf__elf_bytes(&size);
	struct bpf_object *object = bpf_object__open_mem(bytes, size, &opts);

	if (object && bpf_map__reuse_fd(bpf_object__find_map_by_name(object, "balancer"), map_fd)) {
		bpf_object__close(object);
		return NULL;
	}
	return object;
}

/* Loads the member in the place of a dispatcher's function, as libxdp is going to. */
static int load_in_place(int dispatcher_fd, int map_fd)
{
	struct bpf_object *object = open_member(map_fd);
	struct bpf_program *program = object ? bpf_object__next_program(object, NULL) : NULL;
	int err = program ? 0 : -EINVAL;

	if (!err) {
		bpf_program__set_type(program, BPF_PROG_TYPE_EXT);
		bpf_program__set_expected_attach_type(program, 0);
		err = bpf_program__set_attach_target(program, dispatcher_fd, "prog0");
	}
	if (!err)
		err = bpf_object__load(object);
	bpf_object__close(object);
	return err;
}

/*
 * Whether the kernel can do it. Else libxdp would attach the member alone, without a dispatcher, and later programs would
 * find the interface taken.
 */
static int try_kernel(int map_fd, struct beside_answer *out)
{
	struct dispatcher_bpf *dispatcher = dispatcher_bpf__open();
	const char *verifier;
	int err = dispatcher ? 0 : -errno;

	if (!err) {
		((struct xdp_dispatcher_config *)&dispatcher->rodata->conf)->num_progs_enabled = 1;
		err = dispatcher_bpf__load(dispatcher);
	}
	if (err) {
		refuse(out, capture_errno(err), "a dispatcher cannot be loaded (%s): %s",
		       strerror(-err), capture_text());
	} else {
		err = load_in_place(bpf_program__fd(dispatcher->progs.xdp_dispatcher), map_fd);
		verifier = capture_verifier();
		if (err)
			refuse(out, -EOPNOTSUPP,
			       "this kernel does not let a program take the place of another one's "
			       "function (freplace), by which libxdp runs several on an interface: "
			       "%s; use `attach: link`",
			       verifier && verifier[0] ? verifier : strerror(-err));
	}
	dispatcher_bpf__destroy(dispatcher);
	return out->error;
}

/* ---- attaching -------------------------------------------------------------------------------------- */

static int attach_in(uint32_t ifindex, int map_fd, enum dataplane_mode mode)
{
	struct bpf_object *object = open_member(map_fd);
	struct xdp_program *program = object ? xdp_program__from_bpf_obj(object, "xdp") : NULL;
	int err;

	if (!program || libxdp_get_error(program)) {
		bpf_object__close(object);
		return -EINVAL;
	}
	err = with_dispatcher(program, ifindex, mode, xdp_program__attach);
	xdp_program__close(program);
	bpf_object__close(object);
	return err;
}

static int attach_as_wished(const struct beside_request *request, int map_fd,
			    enum dataplane_mode wish, struct beside_answer *out)
{
	enum dataplane_mode mode = wish == DATAPLANE_AUTO ? DATAPLANE_NATIVE : wish;
	int err = attach_in(request->ifindex, map_fd, mode);

	if (err && wish == DATAPLANE_AUTO) {
		snprintf(out->warning, sizeof(out->warning),
			 "native mode does not work (%s): %s; attached in generic mode, which is "
			 "slower",
			 strerror(-err), capture_text());
		mode = DATAPLANE_GENERIC;
		err = attach_in(request->ifindex, map_fd, mode);
	}
	if (!err)
		return 0;
	return refuse(out, capture_errno(err), "libxdp cannot attach to it in %s mode (%s): %s",
		      dataplane_mode_name(mode), strerror(-err), capture_text());
}

/* All programs of a device run in one mode. */
static int check_mode(const struct beside_request *request, struct beside_answer *out)
{
	if (!out->others || request->mode == DATAPLANE_AUTO || request->mode == out->mode)
		return 0;
	return refuse(
		out, -EBUSY,
		"has a dispatcher with %u other program%s in %s mode, which all of them share; "
		"choose `auto` or `%s`",
		out->others, out->others == 1 ? "" : "s", dataplane_mode_name(out->mode),
		dataplane_mode_name(out->mode));
}

static int detach(const struct beside_request *request, uint32_t map_id, struct beside_answer *out);

static int attach(const struct beside_request *request, int map_fd, uint32_t map_id,
		  struct there *there, struct beside_answer *out)
{
	struct xdp_program *ours = describe(there, request->ifindex, map_id, out);
	enum dataplane_mode wish = request->mode, was = out->mode;
	bool had = out->is_member;
	char *holder;
	int err;

	if (there->is_alone) {
		holder = xdp_holder(request->ifindex);
		refuse(out, -EBUSY,
		       "has the XDP program %s, which libxdp's dispatcher did not attach, so "
		       "nothing can run beside it; detach it first (ip link set dev %s xdp off, or "
		       "by the tool that attached it)",
		       holder ? holder : "of another", request->device);
		free(holder);
		return out->error;
	}
	if (had && (wish == DATAPLANE_AUTO || wish == was))
		return 0;
	err = check_mode(request, out);
	if (!err)
		err = try_kernel(map_fd, out);
	if (!err && ours)
		err = detach(request, map_id, out);
	if (err)
		return err;
	if (out->others)
		wish = was;
	err = attach_as_wished(request, map_fd, wish, out);
	if (err && had)
		attach_in(request->ifindex, map_fd, was);
	return err;
}

/* A dispatcher is made anew without the member, or goes with the last of its programs. */
static int detach(const struct beside_request *request, uint32_t map_id, struct beside_answer *out)
{
	for (int i = 0; i < MEMBERS; i++) {
		struct beside_answer ignored;
		struct xdp_program *ours;
		struct there there;
		int err = look(request->ifindex, &there);

		if (err)
			return refuse_to_look(out, err);
		ours = describe(&there, request->ifindex, map_id, &ignored);
		if (ours)
			err = with_dispatcher(ours, request->ifindex, there.mode,
					      xdp_program__detach);
		xdp_multiprog__close(there.all);
		if (err)
			return refuse(out, capture_errno(err),
				      "libxdp does not take sluice's program off it (%s): %s",
				      strerror(-err), capture_text());
		if (!ours)
			return 0;
	}
	return 0;
}

/* ---- a request -------------------------------------------------------------------------------------- */

static int open_map(const char *pin_dir, const char *device, uint32_t *id)
{
	struct bpf_map_info info = {};
	uint32_t length = sizeof(info);
	char name[IFNAMSIZ], *path;
	int fd;

	pins_from_device(device, name);
	path = mem_format("%s/beside/%s", pin_dir, name);
	fd = bpf_obj_get(path);
	free(path);
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) || info.type != BPF_MAP_TYPE_PROG_ARRAY) {
		close(fd);
		return -EINVAL;
	}
	*id = info.id;
	return fd;
}

static void carry_out(const struct beside_request *request, int map_fd, uint32_t map_id,
		      struct beside_answer *out)
{
	struct there there;
	int err = look(request->ifindex, &there);

	if (err) {
		refuse_to_look(out, err);
		return;
	}
	if (request->what == BESIDE_ATTACH)
		attach(request, map_fd, map_id, &there, out);
	xdp_multiprog__close(there.all);
	if (request->what == BESIDE_DETACH)
		detach(request, map_id, out);
	if (out->error || look(request->ifindex, &there))
		return;
	describe(&there, request->ifindex, map_id, out);
	xdp_multiprog__close(there.all);
	if (request->what == BESIDE_ATTACH && !out->is_member)
		refuse(out, -EIO, "libxdp says that sluice's program is attached, and it is not");
}

void beside_ask(const char *pin_dir, const struct beside_request *request,
		struct beside_answer *out)
{
	uint32_t map_id = 0;
	int map_fd;

	*out = (struct beside_answer){};
	capture_start();
	map_fd = open_map(pin_dir, request->device, &map_id);
	if (map_fd < 0) {
		refuse(out, map_fd, "its map of programs below %s/beside cannot be opened: %s",
		       pin_dir, strerror(-map_fd));
		return;
	}
	carry_out(request, map_fd, map_id, out);
	close(map_fd);
}
