/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "packet/backend.h"

static const char *const from_text[] = {BALANCER4, "198.51.100.0/24", "2001:db8::/64"};
static const char *const own_text[] = {SELF4, SELF6, "127.0.0.1"};

static struct prefix from[ARRAY_SIZE(from_text)];
static struct addr own[ARRAY_SIZE(own_text)];

struct decap_options backend_options(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(from_text); i++)
		ck_assert_int_eq(prefix_parse(from_text[i], &from[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(own_text); i++)
		ck_assert_int_eq(addr_parse(own_text[i], &own[i]), 0);
	return (struct decap_options){
		.pin_dir = pinned_dir,
		.device = "sl-a",
		.ifindex = if_nametoindex("sl-a"),
		.from = from,
		.from_count = ARRAY_SIZE(from),
		.own = own,
		.own_count = ARRAY_SIZE(own),
	};
}

void backend_make_device(void)
{
	pinned_run("ip link add sl-a type veth peer name sl-b");
}

void backend_detach_all(void)
{
	char **names;
	size_t count;

	decap_devices(pinned_dir, &names, &count, NULL);
	for (size_t i = 0; i < count; i++) {
		decap_detach(pinned_dir, names[i], NULL);
		free(names[i]);
	}
	free(names);
}

struct dataplane_link backend_attach(const struct decap_options *options)
{
	struct problems p = {0}, warnings = {0};
	struct dataplane_link link;

	pinned_ok(decap_attach(options, &link, &warnings, &p), &p);
	pinned_ok(warnings.count, &warnings);
	return link;
}

char *backend_attach_object(int which)
{
	static const char *const objects[BACKEND_OBJECTS] = {"bpf/decap.bpf.o",
							     "bpf-new/decap.bpf.o"};
	struct decap_options options = backend_options();
	char *object = pinned_object(objects[which], &options.object_size);

	options.object = object;
	backend_attach(&options);
	return object;
}

struct decap_state backend_read(const char *device)
{
	struct decap_state state;
	struct problems p = {0};

	pinned_ok(decap_read(pinned_dir, device, &state, &p), &p);
	return state;
}

void backend_frame(struct frame *frame, const struct packet *packet, const char *source,
		   const char *destination)
{
	backend_frame_of(frame, OUTER_IPIP, packet, source, destination);
}

void backend_frame_of(struct frame *frame, enum outer_kind kind, const struct packet *packet,
		      const char *source, const char *destination)
{
	struct outer outer = {
		.kind = kind,
		.source_port = 54321,
		.source = source,
		.destination = destination,
		.source_mac = {2, 0, 0, 0, 0, 2},
		.destination_mac = {2, 0, 0, 0, 1, 0x11},
		.id = 7,
		.flow_label = 0x12345,
	};
	struct frame inner;

	frame_build(&inner, packet);
	frame_encapsulate(frame, &inner, &outer);
}

int backend_run(const struct frame *in, struct frame *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->data, .data_size_in = in->length,
		    .data_out = out->data, .data_size_out = sizeof(out->data), .repeat = 1);
	int fd = bpf_prog_get_fd_by_id(pinned_program_on("sl-a"));

	ck_assert_int_ge(fd, 0);
	ck_assert_msg(bpf_prog_test_run_opts(fd, &options) == 0, "test run: %m");
	close(fd);
	out->length = options.data_size_out;
	return options.retval;
}

void backend_spoil(struct frame *frame, const struct backend_damage *damage)
{
	uint16_t sum;

	if (damage->at)
		frame->data[damage->at] = damage->value;
	if (damage->and_at)
		frame->data[damage->and_at] = damage->and_value;
	if (frame->data[12] == 0x08 && !damage->keep_checksum) {
		frame->data[24] = frame->data[25] = 0;
		sum = frame_checksum(frame->data + 14, 20, 0);
		frame->data[24] = sum >> 8;
		frame->data[25] = sum;
	}
	if (damage->cut)
		frame->length = damage->cut;
}

void backend_inner(const struct frame *in, struct frame *out)
{
	bool four = in->data[14] >> 4 == 4;
	size_t header = four ? 20 : 40;

	if (in->data[four ? 23 : 20] == IPPROTO_UDP)
		header += 8 + 4;
	memset(out, 0, sizeof(*out));
	memcpy(out->data, in->data, 12);
	memcpy(out->data + 12, in->data[14 + header] >> 4 == 4 ? "\x08\x00" : "\x86\xdd", 2);
	memcpy(out->data + 14, in->data + 14 + header, in->length - 14 - header);
	out->length = in->length - header;
}

void backend_expect(const char *name, const struct frame *in, struct frame *out, int action,
		    enum sl_decap_verdict verdict)
{
	struct decap_state before = backend_read("sl-a"), after;
	int got = backend_run(in, out);

	after = backend_read("sl-a");
	ck_assert_msg(got == action, "%s: action %d, not %d", name, got, action);
	for (int v = 0; v < SL_DECAP_VERDICTS; v++)
		ck_assert_msg(after.count[v] - before.count[v] == (v == (int)verdict),
			      "%s: counter %d moved by %llu", name, v,
			      (unsigned long long)(after.count[v] - before.count[v]));
}

void backend_expect_same(const char *name, const struct frame *got, const struct frame *expected)
{
	ck_assert_msg(got->length == expected->length, "%s: %zu bytes, not %zu", name, got->length,
		      expected->length);
	for (size_t i = 0; i < got->length; i++)
		ck_assert_msg(got->data[i] == expected->data[i], "%s: byte %zu is %02x, not %02x",
			      name, i, got->data[i], expected->data[i]);
}

void backend_expect_taken(enum outer_kind kind, const struct backend_taken *list, size_t count)
{
	struct frame in, out, expected;

	for (const struct backend_taken *taken = list; taken < list + count; taken++) {
		backend_frame_of(&in, kind, &taken->packet, taken->source, taken->destination);
		backend_inner(&in, &expected);
		backend_expect(taken->name, &in, &out, XDP_PASS, taken->verdict);
		backend_expect_same(taken->name, &out, &expected);
	}
}

void backend_expect_left(enum outer_kind kind, const struct backend_left *list, size_t count)
{
	struct frame in, out;

	for (const struct backend_left *left = list; left < list + count; left++) {
		backend_frame_of(&in, kind, &left->packet, left->source, left->destination);
		backend_spoil(&in, &left->damage);
		backend_expect(left->name, &in, &out, left->action, left->verdict);
		backend_expect_same(left->name, &out, &in);
	}
}
