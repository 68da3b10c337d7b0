/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend's program: what is taken, to the byte, and what passes or is dropped, each by its verdict. And
 * sluice-decap's pins and links, on the live kernel.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "dataplane/decap.h"
#include "packet/frame.h"
#include "packet/pinned.h"

#define BALANCER4 "192.0.2.10"
#define BALANCER6 "2001:db8::10"
#define SELF4	  "10.0.1.11"
#define SELF6	  "2001:db8:1::11"

static const char *const from_text[] = {BALANCER4, "198.51.100.0/24", "2001:db8::/64"};
static const char *const own_text[] = {SELF4, SELF6, "127.0.0.1"};

static struct prefix from[ARRAY_SIZE(from_text)];
static struct addr own[ARRAY_SIZE(own_text)];

static struct decap_options decap_options(void)
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

static void make_device(void)
{
	pinned_run("ip link add sl-a type veth peer name sl-b");
}

static void detach_all(void)
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

static struct dataplane_link attach(const struct decap_options *options)
{
	struct problems p = {0}, warnings = {0};
	struct dataplane_link link;

	pinned_ok(decap_attach(options, &link, &warnings, &p), &p);
	pinned_ok(warnings.count, &warnings);
	return link;
}

static struct decap_state read_state(const char *device)
{
	struct decap_state state;
	struct problems p = {0};

	pinned_ok(decap_read(pinned_dir, device, &state, &p), &p);
	return state;
}

/* ---- frames ---------------------------------------------------------------------------------------- */

/* How a frame differs from what a balancer sends; all zero: not at all. Offsets are from the frame's start. */
struct damage {
	uint16_t at, and_at; /* bytes put in; at 0: none */
	uint8_t value, and_value;
	bool keep_checksum;
	uint16_t cut; /* the frame ends after so many bytes; 0: as it is */
};

static void build(struct frame *frame, const struct packet *packet, const char *source,
		  const char *destination)
{
	struct outer outer = {
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

static void spoil(struct frame *frame, const struct damage *damage)
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

/* The outer header taken out of a frame, by its own length fields. */
static void expect_inner(const struct frame *in, struct frame *out)
{
	size_t header = in->data[14] >> 4 == 4 ? 20 : 40;

	memset(out, 0, sizeof(*out));
	memcpy(out->data, in->data, 12);
	memcpy(out->data + 12, in->data[14 + header] >> 4 == 4 ? "\x08\x00" : "\x86\xdd", 2);
	memcpy(out->data + 14, in->data + 14 + header, in->length - 14 - header);
	out->length = in->length - header;
}

static int run(const struct frame *in, struct frame *out)
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

/* Runs one frame, and expects this action and this one counter to move. */
static void run_and_expect(const char *name, const struct frame *in, struct frame *out, int action,
			   enum sl_decap_verdict verdict)
{
	struct decap_state before = read_state("sl-a"), after;
	int got = run(in, out);

	after = read_state("sl-a");
	ck_assert_msg(got == action, "%s: action %d, not %d", name, got, action);
	for (int v = 0; v < SL_DECAP_VERDICTS; v++)
		ck_assert_msg(after.count[v] - before.count[v] == (v == (int)verdict),
			      "%s: counter %d moved by %llu", name, v,
			      (unsigned long long)(after.count[v] - before.count[v]));
}

static void expect_same(const char *name, const struct frame *got, const struct frame *expected)
{
	ck_assert_msg(got->length == expected->length, "%s: %zu bytes, not %zu", name, got->length,
		      expected->length);
	for (size_t i = 0; i < got->length; i++)
		ck_assert_msg(got->data[i] == expected->data[i], "%s: byte %zu is %02x, not %02x",
			      name, i, got->data[i], expected->data[i]);
}

#define PACKET4(...)                                                                            \
	{                                                                                       \
		.source = "203.0.113.200", .destination = "203.0.113.10", .source_port = 40000, \
		.destination_port = 443, __VA_ARGS__                                            \
	}
#define PACKET6(...)                                                                              \
	{                                                                                         \
		.source = "2001:db8:c::7", .destination = "2001:db8:f::10", .source_port = 40000, \
		.destination_port = 443, __VA_ARGS__                                              \
	}
#define TCP .protocol = IPPROTO_TCP
#define UDP .protocol = IPPROTO_UDP

static const char *const objects[] = {"bpf/decap.bpf.o", "bpf-new/decap.bpf.o"};

/* ---- what is taken ----------------------------------------------------------------------------------- */

static const struct {
	const char *name, *source, *destination;
	struct packet packet;
	enum sl_decap_verdict verdict;
} taken[] = {
	{"4in4", BALANCER4, SELF4, PACKET4(TCP, .payload = 100), SL_DECAP_TAKE_ipv4_in_ipv4},
	{"4in4 udp, id", BALANCER4, SELF4, PACKET4(UDP, .payload = 7, .clear_df = true),
	 SL_DECAP_TAKE_ipv4_in_ipv4},
	{"4in4 from a prefix", "198.51.100.77", SELF4, PACKET4(TCP), SL_DECAP_TAKE_ipv4_in_ipv4},
	{"4in4 padded", BALANCER4, SELF4, PACKET4(TCP, .padding = 11), SL_DECAP_TAKE_ipv4_in_ipv4},
	{"4in4 inner options", BALANCER4, SELF4, PACKET4(TCP, .options = 8, .payload = 3),
	 SL_DECAP_TAKE_ipv4_in_ipv4},
	{"4in4 inner fragment", BALANCER4, SELF4, PACKET4(UDP, .fragment = 0x2000, .payload = 64),
	 SL_DECAP_TAKE_ipv4_in_ipv4},
	{"6in4", BALANCER4, SELF4, PACKET6(TCP, .payload = 100), SL_DECAP_TAKE_ipv6_in_ipv4},
	{"4in6", BALANCER6, SELF6, PACKET4(UDP, .payload = 100), SL_DECAP_TAKE_ipv4_in_ipv6},
	{"6in6", BALANCER6, SELF6, PACKET6(TCP, .payload = 100), SL_DECAP_TAKE_ipv6_in_ipv6},
	{"6in6 from a prefix", "2001:db8::abcd", SELF6, PACKET6(UDP), SL_DECAP_TAKE_ipv6_in_ipv6},
	{"6in6 traffic class", BALANCER6, SELF6, PACKET6(UDP, .tos = 0xbb),
	 SL_DECAP_TAKE_ipv6_in_ipv6},
	{"6in6 large", BALANCER6, SELF6, PACKET6(TCP, .payload = 1400), SL_DECAP_TAKE_ipv6_in_ipv6},
};

START_TEST(what_a_balancer_sends_comes_out_byte_for_byte)
{
	struct decap_options options = decap_options();
	char *object = pinned_object(objects[_i], &options.object_size);
	struct frame in, out, expected;

	options.object = object;
	attach(&options);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		build(&in, &taken[i].packet, taken[i].source, taken[i].destination);
		expect_inner(&in, &expected);
		run_and_expect(taken[i].name, &in, &out, XDP_PASS, taken[i].verdict);
		expect_same(taken[i].name, &out, &expected);
	}
	free(object);
}
END_TEST

/* ---- what is not ------------------------------------------------------------------------------------- */

/* Outer header from byte 14; inner from 34 (outer IPv4) or 54 (outer IPv6). */
static const struct {
	const char *name, *source, *destination;
	struct packet packet;
	struct damage damage;
	int action;
	enum sl_decap_verdict verdict;
} others[] = {
#define PASS(verdict)	  XDP_PASS, SL_DECAP_PASS_##verdict
#define DROP(verdict)	  XDP_DROP, SL_DECAP_DROP_##verdict
#define BYTE(at_, value_) .at = at_, .value = value_
#define AND(at_, value_)  .and_at = at_, .and_value = value_
	{"stranger v4", "192.0.2.11", SELF4, PACKET4(TCP), {0}, PASS(stranger)},
	{"stranger v6", "2001:db8:0:1::10", SELF6, PACKET6(TCP), {0}, PASS(stranger)},
	{"stranger just below a prefix", "198.51.99.255", SELF4, PACKET4(TCP), {0}, PASS(stranger)},
	{"stranger: the balancer's bytes in the other family",
	 "c000:20a::",
	 SELF6,
	 PACKET6(TCP),
	 {0},
	 PASS(stranger)},
	{"not own v4", BALANCER4, "10.0.1.12", PACKET4(TCP), {0}, PASS(not_own)},
	{"not own v6", BALANCER6, "2001:db8:1::12", PACKET4(TCP), {0}, PASS(not_own)},
	{"not own: own bytes in the other family",
	 BALANCER6,
	 "a00:10b::",
	 PACKET6(TCP),
	 {0},
	 PASS(not_own)},
	{"a stranger's rubbish", "192.0.2.11", SELF4, PACKET4(TCP), {BYTE(34, 0)}, PASS(stranger)},

	{"tcp", BALANCER4, SELF4, PACKET4(TCP), {BYTE(23, IPPROTO_TCP)}, PASS(no_tunnel)},
	{"gre", BALANCER4, SELF4, PACKET4(TCP), {BYTE(23, IPPROTO_GRE)}, PASS(no_tunnel)},
	{"udp in v6", BALANCER6, SELF6, PACKET4(TCP), {BYTE(20, IPPROTO_UDP)}, PASS(no_tunnel)},
	{"arp", BALANCER4, SELF4, PACKET4(TCP), {BYTE(12, 8), AND(13, 6)}, PASS(no_tunnel)},
	{"802.1Q", BALANCER4, SELF4, PACKET4(TCP), {BYTE(12, 0x81), AND(13, 0)}, PASS(tagged)},
	{"802.1ad", BALANCER4, SELF4, PACKET4(TCP), {BYTE(12, 0x88), AND(13, 0xa8)}, PASS(tagged)},

	{"first outer fragment", BALANCER4, SELF4, PACKET4(TCP), {BYTE(20, 0x20)}, PASS(fragment)},
	{"later outer fragment", BALANCER4, SELF4, PACKET4(TCP), {BYTE(21, 0x04)}, PASS(fragment)},
	{"outer fragment v6",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {BYTE(20, IPPROTO_FRAGMENT), AND(54, IPPROTO_IPIP)},
	 PASS(fragment)},
	{"fragment of something else v6",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {BYTE(20, IPPROTO_FRAGMENT), AND(54, IPPROTO_TCP)},
	 PASS(no_tunnel)},
	{"fragment header cut short",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {BYTE(20, IPPROTO_FRAGMENT), .cut = 61},
	 PASS(unreadable)},
	{"outer options", BALANCER4, SELF4, PACKET4(TCP), {BYTE(14, 0x46)}, PASS(options)},

	{"outer checksum",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(22, 63), .keep_checksum = true},
	 PASS(unreadable)},
	{"outer version 5", BALANCER4, SELF4, PACKET4(TCP), {BYTE(14, 0x55)}, PASS(unreadable)},
	{"outer ihl 4", BALANCER4, SELF4, PACKET4(TCP), {BYTE(14, 0x44)}, PASS(unreadable)},
	{"outer version 7", BALANCER6, SELF6, PACKET4(TCP), {BYTE(14, 0x70)}, PASS(unreadable)},
	{"outer longer than the frame",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(17, 61)},
	 PASS(unreadable)},
	{"outer shorter than its header",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(17, 19)},
	 PASS(unreadable)},
	{"outer v6 longer than the frame",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {BYTE(19, 41)},
	 PASS(unreadable)},
	{"outer header cut short", BALANCER4, SELF4, PACKET4(TCP), {.cut = 33}, PASS(unreadable)},
	{"outer v6 header cut short",
	 BALANCER6,
	 SELF6,
	 PACKET4(TCP),
	 {.cut = 53},
	 PASS(unreadable)},
	{"frame cut within the inner packet",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {.cut = 73},
	 PASS(unreadable)},

	{"inner version 6 where 4 is said",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(34, 0x65)},
	 DROP(inner_header)},
	{"inner version 4 where 6 is said",
	 BALANCER4,
	 SELF4,
	 PACKET6(TCP),
	 {BYTE(34, 0x45)},
	 DROP(inner_header)},
	{"inner ihl 4", BALANCER6, SELF6, PACKET4(TCP), {BYTE(54, 0x44)}, DROP(inner_header)},
	{"inner shorter than its header",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(37, 19)},
	 DROP(inner_header)},
	{"inner longer than the outer",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(37, 41)},
	 DROP(inner_length)},
	{"inner v6 longer than the outer",
	 BALANCER6,
	 SELF6,
	 PACKET6(TCP),
	 {BYTE(59, 21)},
	 DROP(inner_length)},
	{"padding is no inner packet",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP, .padding = 20),
	 {BYTE(37, 50)},
	 DROP(inner_length)},
	{"nothing inside",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(17, 20), .cut = 34},
	 DROP(inner_length)},
	{"19 bytes inside",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(17, 39), .cut = 53},
	 DROP(inner_length)},
	{"39 bytes inside where an IPv6 header is said",
	 BALANCER6,
	 SELF6,
	 PACKET6(TCP),
	 {BYTE(19, 39), .cut = 93},
	 DROP(inner_length)},
	{"19 bytes inside, and padding",
	 BALANCER4,
	 SELF4,
	 PACKET4(TCP),
	 {BYTE(17, 39)},
	 DROP(inner_length)},
};

START_TEST(all_else_passes_untouched_or_is_dropped_by_name)
{
	struct decap_options options = decap_options();
	char *object = pinned_object(objects[_i], &options.object_size);
	struct frame in, out;

	options.object = object;
	attach(&options);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		build(&in, &others[i].packet, others[i].source, others[i].destination);
		spoil(&in, &others[i].damage);
		run_and_expect(others[i].name, &in, &out, others[i].action, others[i].verdict);
		expect_same(others[i].name, &out, &in);
	}
	free(object);
}
END_TEST

START_TEST(no_cut_frame_is_read_past_its_end_or_taken)
{
	struct decap_options options = decap_options();
	struct frame whole, in, out;

	attach(&options);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		struct packet packet = taken[i].packet;

		/* Where the frame ends is where the inner packet ends. */
		packet.padding = 0;
		packet.payload = packet.payload > 100 ? 100 : packet.payload;
		build(&whole, &packet, taken[i].source, taken[i].destination);
		for (size_t length = 14; length < whole.length; length++) {
			in = whole;
			in.length = length;
			run_and_expect(taken[i].name, &in, &out, XDP_PASS,
				       SL_DECAP_PASS_unreadable);
			expect_same(taken[i].name, &out, &in);
		}
	}
}
END_TEST

/* ---- pins and links ---------------------------------------------------------------------------------- */

START_TEST(attach_pins_below_the_device_and_detach_leaves_nothing)
{
	struct decap_options options = decap_options();
	struct dataplane_link link = attach(&options);
	struct problems p = {0};
	char **names;
	size_t count;

	ck_assert_int_eq(link.mode, DATAPLANE_NATIVE);
	ck_assert(pinned_exists("sl-a/links/sl-a"));
	ck_assert_uint_eq(pinned_count("sl-a/maps"), 3);
	ck_assert(!pinned_exists("sl-a/new"));
	pinned_ok(decap_devices(pinned_dir, &names, &count, &p), &p);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(names[0], "sl-a");
	free(names[0]);
	free(names);
	pinned_ok(decap_detach(pinned_dir, "sl-a", &p), &p);
	ck_assert_uint_eq(pinned_program_on("sl-a"), 0);
	ck_assert(!pinned_exists(""));
	ck_assert_int_eq(decap_detach(pinned_dir, "sl-a", &p), -ENOENT);
	pinned_expect(&p, "sluice-decap is not attached there");
	pinned_ok(decap_devices(pinned_dir, &names, &count, &p), &p);
	ck_assert_uint_eq(count, 0);
}
END_TEST

static uint32_t link_id(void)
{
	char *path = mem_format("%s/sl-a/links/sl-a", pinned_dir);
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);
	int fd = bpf_obj_get(path);

	free(path);
	ck_assert_int_eq(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
	close(fd);
	return info.id;
}

START_TEST(a_second_attach_changes_the_prefixes_and_keeps_link_and_counters)
{
	struct decap_options options = decap_options();
	struct frame in, out;
	uint32_t id;

	attach(&options);
	id = link_id();
	build(&in, &taken[0].packet, taken[0].source, taken[0].destination);
	ck_assert_int_eq(run(&in, &out), XDP_PASS);
	options.from++;
	options.from_count--;
	attach(&options);
	ck_assert_uint_eq(link_id(), id);
	ck_assert_uint_eq(pinned_count("sl-a/maps"), 3);
	ck_assert(!pinned_exists("sl-a/new"));
	ck_assert_int_eq(run(&in, &out), XDP_PASS);
	ck_assert_uint_eq(out.length, in.length);
	ck_assert_uint_eq(read_state("sl-a").count[SL_DECAP_TAKE_ipv4_in_ipv4], 1);
	ck_assert_uint_eq(read_state("sl-a").count[SL_DECAP_PASS_stranger], 1);
}
END_TEST

START_TEST(two_devices_are_apart)
{
	struct decap_options a = decap_options(), b = a;
	struct problems p = {0};

	b.device = "sl-b";
	b.ifindex = if_nametoindex("sl-b");
	attach(&a);
	attach(&b);
	pinned_ok(decap_detach(pinned_dir, "sl-a", &p), &p);
	ck_assert_uint_eq(pinned_program_on("sl-a"), 0);
	ck_assert_uint_ne(pinned_program_on("sl-b"), 0);
	ck_assert_str_eq(read_state("sl-b").link.device, "sl-b");
}
END_TEST

START_TEST(a_failed_attach_leaves_what_was_there)
{
	struct decap_options options = decap_options(), other = options;
	struct problems p = {0}, warnings = {0};
	struct dataplane_link link;
	uint32_t program;

	/* Nothing was there. */
	pinned_run("ip link set sl-b mtu 9000");
	other.mode = DATAPLANE_NATIVE;
	other.ifindex = if_nametoindex("lo");
	other.device = "lo";
	ck_assert_int_eq(decap_attach(&other, &link, &warnings, &p), -EOPNOTSUPP);
	pinned_expect(&p, "Underlying driver does not support XDP in native mode");
	ck_assert(!pinned_exists(""));

	/* An object that is none. */
	attach(&options);
	program = pinned_program_on("sl-a");
	other = options;
	other.object = "rubbish";
	other.object_size = 7;
	ck_assert_int_eq(decap_attach(&other, &link, &warnings, &p), -EINVAL);
	pinned_expect(&p, "cannot be read");
	ck_assert_uint_eq(pinned_program_on("sl-a"), program);
	ck_assert_uint_eq(read_state("sl-a").link.ifindex, options.ifindex);
	pinned_ok(warnings.count, &warnings);
}
END_TEST

START_TEST(a_pin_directory_on_no_bpf_file_system_is_refused_and_stays)
{
	struct decap_options options = decap_options();
	char dir[] = "/tmp/sl-test-XXXXXX";
	struct dataplane_link link;
	struct problems p = {0};

	ck_assert_ptr_nonnull(mkdtemp(dir));
	options.pin_dir = dir;
	ck_assert_int_eq(decap_attach(&options, &link, &p, &p), -EINVAL);
	pinned_expect(&p, "is not on a BPF file system");
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

Suite *decap_suite(void)
{
	Suite *suite = suite_create("decap");
	TCase *tc = tcase_create("decap");

	pinned_add_fixtures(tc);
	tcase_add_unchecked_fixture(tc, NULL, detach_all);
	tcase_add_checked_fixture(tc, make_device, detach_all);
	tcase_add_loop_test(tc, what_a_balancer_sends_comes_out_byte_for_byte, 0,
			    ARRAY_SIZE(objects));
	tcase_add_loop_test(tc, all_else_passes_untouched_or_is_dropped_by_name, 0,
			    ARRAY_SIZE(objects));
	tcase_add_test(tc, no_cut_frame_is_read_past_its_end_or_taken);
	tcase_add_test(tc, attach_pins_below_the_device_and_detach_leaves_nothing);
	tcase_add_test(tc, a_second_attach_changes_the_prefixes_and_keeps_link_and_counters);
	tcase_add_test(tc, two_devices_are_apart);
	tcase_add_test(tc, a_failed_attach_leaves_what_was_there);
	tcase_add_test(tc, a_pin_directory_on_no_bpf_file_system_is_refused_and_stays);
	suite_add_tcase(suite, tc);
	return suite;
}
