/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person is told: who holds a device, why a driver refuses, why the kernel does not load a program. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "dataplane/capture.h"
#include "dataplane/xdp.h"

/* ---- who holds a device ----------------------------------------------------------------------------- */

static void add_program(struct text *text, uint32_t id, const char *mode)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd >= 0) {
		bpf_obj_get_info_by_fd(fd, &info, &length);
		close(fd);
	}
	text_add(text, "%s%s (id %u%s)", text->length ? ", " : "",
		 info.name[0] ? info.name : "unnamed", id, mode);
}

/* libxdp runs several programs from a dispatcher; without one there are no members. */
static void add_members(struct text *text, uint32_t ifindex)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(ifindex);
	struct xdp_program *program = NULL;
	const char *joint = " with ";

	if (libxdp_get_error(all))
		return;
	while (!xdp_multiprog__is_legacy(all) &&
	       (program = xdp_multiprog__next_prog(program, all))) {
		text_add(text, "%s%s (id %u)", joint, xdp_program__name(program),
			 xdp_program__id(program));
		joint = ", ";
	}
	xdp_multiprog__close(all);
}

char *xdp_holder(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct text text = {0};

	capture_start();
	if (bpf_xdp_query(ifindex, 0, &query))
		return NULL;
	if (query.drv_prog_id)
		add_program(&text, query.drv_prog_id, ", native");
	if (query.skb_prog_id)
		add_program(&text, query.skb_prog_id, ", generic");
	if (query.hw_prog_id)
		add_program(&text, query.hw_prog_id, ", in hardware");
	if (text.length)
		add_members(&text, ifindex);
	return text.data;
}

/* ---- why a driver refuses --------------------------------------------------------------------------- */

struct request {
	struct nlmsghdr header;
	struct ifinfomsg link;
	struct nlattr xdp;
	struct nlattr fd;
	int32_t fd_value;
	struct nlattr flags;
	uint32_t flags_value;
};

static struct request make_request(int program_fd, uint32_t ifindex, uint32_t flags)
{
	return (struct request){
		.header = {.nlmsg_len = sizeof(struct request),
			   .nlmsg_type = RTM_SETLINK,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.link = {.ifi_index = ifindex},
		.xdp = {sizeof(struct request) - offsetof(struct request, xdp),
			IFLA_XDP | NLA_F_NESTED},
		.fd = {NLA_HDRLEN + sizeof(int32_t), IFLA_XDP_FD},
		.fd_value = program_fd,
		.flags = {NLA_HDRLEN + sizeof(uint32_t), IFLA_XDP_FLAGS},
		.flags_value = flags,
	};
}

/* The kernel's text in an answer that says no; NULL: there is none. */
static char *message_of(const struct nlmsghdr *answer)
{
	const struct nlmsgerr *error = NLMSG_DATA(answer);
	size_t at = NLMSG_HDRLEN + sizeof(*error);

	if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(answer->nlmsg_flags & NLM_F_CAPPED))
		at += error->msg.nlmsg_len - NLMSG_HDRLEN;
	for (at = NLMSG_ALIGN(at); at + NLA_HDRLEN <= answer->nlmsg_len;) {
		const struct nlattr *attr = (const void *)((const char *)answer + at);

		if (attr->nla_len < NLA_HDRLEN || at + attr->nla_len > answer->nlmsg_len)
			break;
		if ((attr->nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG)
			return mem_format("%.*s", (int)(attr->nla_len - NLA_HDRLEN),
					  (const char *)attr + NLA_HDRLEN);
		at += NLA_ALIGN(attr->nla_len);
	}
	return NULL;
}

/* Sends a request; true: the kernel has done it. Else *message is what it said, or NULL. */
static bool ask(int fd, const struct request *request, char **message)
{
	union {
		struct nlmsghdr header;
		char bytes[8192];
	} answer;
	const struct nlmsgerr *error = NLMSG_DATA(&answer.header);
	ssize_t length = send(fd, request, sizeof(*request), 0);

	*message = NULL;
	if (length == sizeof(*request))
		length = recv(fd, &answer, sizeof(answer), 0);
	if (length < (ssize_t)(NLMSG_HDRLEN + sizeof(*error)) ||
	    answer.header.nlmsg_len > (size_t)length || answer.header.nlmsg_type != NLMSG_ERROR)
		return false;
	if (error->error == 0)
		return true;
	*message = message_of(&answer.header);
	return false;
}

char *xdp_refusal(int program_fd, uint32_t ifindex, enum dataplane_mode mode)
{
	uint32_t flags = mode == DATAPLANE_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	struct request attach =
		make_request(program_fd, ifindex, flags | XDP_FLAGS_UPDATE_IF_NOEXIST);
	struct request detach = make_request(-1, ifindex, flags);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), on = 1;
	char *message = NULL, *ignored = NULL;

	if (fd < 0)
		return NULL;
	if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) == 0 &&
	    ask(fd, &attach, &message))
		ask(fd, &detach, &ignored); /* it was only to be asked */
	free(ignored);
	close(fd);
	return message;
}

/* ---- why the kernel does not load a program ---------------------------------------------------------- */

/* What the kernel must have. Asked only after a failure, since each question makes a map or a program. */
static const char *missing_feature(void)
{
	static const struct {
		enum bpf_map_type type;
		const char *name;
	} maps[] = {
		{BPF_MAP_TYPE_ARRAY, "BPF arrays"},
		{BPF_MAP_TYPE_DEVMAP_HASH, "BPF device maps (Linux 5.4)"},
		{BPF_MAP_TYPE_ARRAY_OF_MAPS, "BPF arrays of maps (Linux 4.12)"},
	};
	LIBBPF_OPTS(bpf_map_create_opts, mmapable, .map_flags = BPF_F_MMAPABLE);
	int fd;

	if (libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_XDP, NULL) == 0)
		return "XDP programs (CONFIG_BPF_SYSCALL, CONFIG_XDP_SOCKETS or a driver's XDP)";
	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		if (libbpf_probe_bpf_map_type(maps[i].type, NULL) == 0)
			return maps[i].name;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(__u32), sizeof(__u64), 1, &mmapable);
	if (fd < 0)
		return errno == EINVAL ? "arrays that can be mapped into memory (Linux 5.5)" : NULL;
	close(fd);
	return NULL;
}

int xdp_load_refused(int err, const char *program, struct problems *p)
{
	const char *verifier = capture_verifier(), *feature;

	err = capture_errno(err);
	if (err == -EPERM && !verifier)
		return problems_add(
			p, -EPERM, "BPF", NULL,
			"no permission to load programs; run this as root, or with CAP_BPF, "
			"CAP_NET_ADMIN and CAP_PERFMON");
	if (err == -ENOSYS)
		return problems_add(
			p, -EOPNOTSUPP, "kernel", NULL,
			"was built without BPF (CONFIG_BPF_SYSCALL); Linux 6.1 or later is needed");
	if (verifier)
		return problems_add(p, err, "BPF", program,
				    "the kernel's verifier refused the program: %s", verifier);
	feature = missing_feature();
	if (feature)
		return problems_add(p, -EOPNOTSUPP, "kernel", NULL,
				    "does not support %s; Linux 6.1 or later is needed", feature);
	if (err == -ENOMEM || err == -E2BIG)
		return problems_add(
			p, err, "kernel", NULL,
			"has no memory for maps of this size; lower `limits`, or raise the memory "
			"limit of this service: %s",
			capture_text());
	return problems_add(p, err, "BPF", program, "the kernel does not load it (%s): %s",
			    strerror(-err), capture_text());
}
