/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orders' records, checked and turned into what is done; no order does harm. */
#include <arpa/inet.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "prober/spec.h"
#include "random.h"
#include "unit/support/random_record.h"
#include "unit/unit.h"
#include "wire/prober.h"

extern const struct wire_record wire_probe_record, wire_alert_order_record;

static struct wire_probe good(const char *kind)
{
	return (struct wire_probe){
		.id = 7,
		.kind = kind,
		.service = "web",
		.backend = "10.0.1.11",
		.address = "203.0.113.10",
		.port = 443,
		.interval_ms = 2000,
		.timeout_ms = 1000,
		.retry_ms = 500,
		.verify = true,
		.query_name = "example.org",
		.command = "/bin/true",
	};
}

static struct spec *read_probe(const struct wire_probe *probe)
{
	struct problems p = {};
	struct spec *spec = NULL;

	if (spec_from_probe(probe, &spec, &p)) {
		char *text = problem_text(&p.list[0]);

		ck_abort_msg("%s", text);
	}
	return spec;
}

START_TEST(every_kind_is_known_by_its_name)
{
	static const char *const names[] = {
#define PROBER_KIND(name, class, needs, help) #name,
#include "prober/kinds.def"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct wire_probe probe = good(names[i]);
		struct spec *spec = read_probe(&probe);

		ck_assert_str_eq(spec_kind_name(spec->kind), names[i]);
		ck_assert_uint_eq(spec->id, 7);
		spec_drop(spec);
	}
}
END_TEST

START_TEST(a_target_has_address_port_source_mark_and_device)
{
	struct wire_probe probe = good("tcp");
	struct spec *spec;

	probe.address = "2001:db8::1";
	probe.source = "2001:db8::2";
	probe.mark = 0xffffffff;
	probe.device = "eth0";
	spec = read_probe(&probe);
	ck_assert_int_eq(spec->target.to.any.sa_family, AF_INET6);
	ck_assert_uint_eq(spec->target.length, sizeof(struct sockaddr_in6));
	ck_assert_uint_eq(ntohs(spec->target.to.v6.sin6_port), 443);
	ck_assert_uint_eq(spec->target.from.v6.sin6_port, 0);
	ck_assert_uint_eq(spec->target.from.v6.sin6_addr.s6_addr[15], 2);
	ck_assert_uint_eq(spec->target.mark, 0xffffffff);
	ck_assert_str_eq(spec->target.device, "eth0");
	spec_drop(spec);
}
END_TEST

/* Who the packets are for, who the certificate is for, and what is asked for are three things. */
START_TEST(an_https_probe_is_sent_to_the_address_and_asks_for_the_names)
{
	static const struct {
		const char *address, *host, *server_name, *url, *connect_to;
	} cases[] = {
		{"203.0.113.10", NULL, NULL, "https://203.0.113.10:443/", "::203.0.113.10:443"},
		{"2001:db8::1", NULL, NULL, "https://[2001:db8::1]:443/", "::[2001:db8::1]:443"},
		{"203.0.113.10", "a.org", NULL, "https://a.org:443/", "::203.0.113.10:443"},
		{"203.0.113.10", "a.org:8443", NULL, "https://203.0.113.10:443/",
		 "::203.0.113.10:443"},
		{"203.0.113.10", "a.org", "b.org", "https://b.org:443/", "::203.0.113.10:443"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_probe probe = good("https");
		struct spec *spec;

		probe.address = cases[i].address;
		probe.host = cases[i].host;
		probe.server_name = cases[i].server_name;
		spec = read_probe(&probe);
		ck_assert_str_eq(spec->url, cases[i].url);
		ck_assert_str_eq(spec->connect_to, cases[i].connect_to);
		ck_assert_pstr_eq(spec->host, cases[i].host);
		spec_drop(spec);
	}
}
END_TEST

START_TEST(a_status_is_accepted_by_the_list_and_by_nothing_else)
{
	struct wire_probe probe = good("http");
	struct spec *spec = read_probe(&probe);

	ck_assert(spec_accepts_status(spec, 200) && spec_accepts_status(spec, 399));
	ck_assert(!spec_accepts_status(spec, 199) && !spec_accepts_status(spec, 400));
	spec_drop(spec);
	probe.status = "204,500-502";
	spec = read_probe(&probe);
	ck_assert(spec_accepts_status(spec, 204) && spec_accepts_status(spec, 501));
	ck_assert(!spec_accepts_status(spec, 200) && !spec_accepts_status(spec, 503));
	spec_drop(spec);
}
END_TEST

START_TEST(a_probe_and_its_check_share_one_spec)
{
	struct wire_probe probe = good("udp");
	struct spec *spec;

	probe.send = "00ff";
	probe.expect = "61";
	spec = read_probe(&probe);
	ck_assert_ptr_eq(spec_hold(spec), spec);
	spec_drop(spec);
	ck_assert_uint_eq(spec->send.length, 2);
	ck_assert_uint_eq(spec->send.bytes[1], 0xff);
	ck_assert_uint_eq(spec->expect.length, 1);
	spec_drop(spec);
}
END_TEST

#define REFUSE_PROBE(field, is, value, complaint)                        \
	{                                                                \
		struct wire_probe probe = good(is);                      \
		struct problems p = {};                                  \
		struct spec *spec = NULL;                                \
		char *text;                                              \
                                                                         \
		probe.field = value;                                     \
		ck_assert_int_lt(spec_from_probe(&probe, &spec, &p), 0); \
		ck_assert_ptr_null(spec);                                \
		ck_assert_uint_eq(p.count, 1);                           \
		text = problem_text(&p.list[0]);                         \
		ck_assert_msg(strstr(text, complaint), "%s", text);      \
		free(text);                                              \
		problems_free(&p);                                       \
	}

START_TEST(a_wrong_probe_is_refused_by_its_id_and_field)
{
	REFUSE_PROBE(kind, "smtp", "smtp", "probe 7: kind 'smtp': is no kind of probe");
	REFUSE_PROBE(kind, "alert exec", "alert exec", "is no kind of probe");
	REFUSE_PROBE(id, "tcp", 1ULL << 32, "id: is more than 32 bits");
	REFUSE_PROBE(address, "tcp", "web1", "probe 7: address 'web1': is no IPv4 or IPv6");
	REFUSE_PROBE(source, "tcp", "2001:db8::1", "source '2001:db8::1': is not of the family");
	REFUSE_PROBE(source, "tcp", "x", "source 'x': is no IPv4 or IPv6 address");
	REFUSE_PROBE(port, "tcp", 0, "port: is missing");
	REFUSE_PROBE(port, "tcp", 65536, "port: is more than 65535");
	REFUSE_PROBE(mark, "tcp", 1ULL << 32, "mark: is more than 32 bits");
	REFUSE_PROBE(interval_ms, "tcp", 0, "interval_ms: is not from 1 to a day");
	REFUSE_PROBE(timeout_ms, "tcp", 2001, "timeout_ms: is not from 1 to the interval");
	REFUSE_PROBE(timeout_ms, "tcp", 0, "timeout_ms: is not from 1 to the interval");
	REFUSE_PROBE(retry_ms, "tcp", 2001, "retry_ms: is more than the interval");
	REFUSE_PROBE(path, "http", "x", "path 'x': does not begin with /");
	REFUSE_PROBE(path, "http", "/a\r\nb", "holds a control character");
	REFUSE_PROBE(host, "http", "a\nb", "host 'a\\nb': holds a control character");
	REFUSE_PROBE(method, "http", "GET\n", "holds a control character");
	REFUSE_PROBE(server_name, "https", "a/b", "server_name 'a/b': is no host name");
	REFUSE_PROBE(status, "http", "2xx", "status '2xx': is no list as '200,204,300-399'");
	REFUSE_PROBE(status, "http", "300-200", "is no list");
	REFUSE_PROBE(status, "http", "", "status '': is empty");
	REFUSE_PROBE(query_name, "dns", NULL, "query_name: is missing");
	REFUSE_PROBE(query_name, "dns", "a..b", "query_name 'a..b': is no domain name");
	REFUSE_PROBE(query_type, "dns", 65536, "query_type: is more than 65535");
	REFUSE_PROBE(send, "udp", "0", "send '0': is no even number of hexadecimal digits");
	REFUSE_PROBE(expect, "udp", "zz", "expect 'zz': is no even number of hexadecimal digits");
	REFUSE_PROBE(command, "exec", NULL, "command: is no absolute path");
	REFUSE_PROBE(command, "exec", "true", "command 'true': is no absolute path");
}
END_TEST

static const struct {
	struct wire_alert_order alert;
	const char *complaint;
} alerts[] = {
	{{.sink = "mail", .target = "/x", .body = "{}", .timeout_ms = 1},
	 "neither exec nor webhook"},
	{{.sink = "exec", .target = "x", .body = "{}", .timeout_ms = 1}, "is no absolute path"},
	{{.sink = "exec", .target = "/x", .body = "{}"}, "timeout_ms: is not from 1 to a day"},
	{{.sink = "webhook",
	  .target = "https://a/",
	  .body = "{}",
	  .timeout_ms = 1,
	  .signature = "a\n"},
	 "signature 'a\\n': holds a control character"},
	{{.id = 1ULL << 32, .sink = "exec", .target = "/x", .body = "{}", .timeout_ms = 1},
	 "id: is more than 32 bits"},
};

START_TEST(a_wrong_alert_is_refused_by_its_id_and_field)
{
	for (size_t i = 0; i < ARRAY_SIZE(alerts); i++) {
		struct problems p = {};
		struct spec *spec = NULL;
		char *text;

		ck_assert_int_lt(spec_from_alert(&alerts[i].alert, &spec, &p), 0);
		ck_assert_ptr_null(spec);
		text = problem_text(&p.list[0]);
		ck_assert_msg(strstr(text, alerts[i].complaint), "%s", text);
		free(text);
		problems_free(&p);
	}
}
END_TEST

/* Records as a decoder gives them, with anything in them: taken or refused, never a crash. */
START_TEST(random_records_do_no_harm)
{
	static const char *const words[] = {"tcp", "http", "https", "dns", "udp", "icmp", "exec"};

	for (int round = 0; round < 20000; round++) {
		struct arena *arena = arena_new();
		struct wire_probe probe = {};
		struct wire_alert_order alert = {};
		struct problems p = {};
		struct spec *spec = NULL;

		random_record(arena, &wire_probe_record, &probe);
		if (random_below(4)) {
			probe.kind = words[random_below(ARRAY_SIZE(words))];
			probe.address = random_below(2) ? "10.0.0.1" : "2001:db8::1";
			probe.interval_ms = 1 + random_below(5000);
			probe.timeout_ms = 1 + random_below((uint32_t)probe.interval_ms);
			probe.retry_ms = random_below(5000);
			probe.port = random_below(70000);
			probe.id &= 0xffffffff;
		}
		if (spec_from_probe(&probe, &spec, &p) == 0)
			spec_drop(spec);
		else
			ck_assert_uint_eq(p.count, 1);
		problems_free(&p);
		random_record(arena, &wire_alert_order_record, &alert);
		if (spec_from_alert(&alert, &spec, &p) == 0)
			spec_drop(spec);
		problems_free(&p);
		arena_free(arena);
	}
}
END_TEST

RUN_TESTS("prober_spec", every_kind_is_known_by_its_name,
	  a_target_has_address_port_source_mark_and_device,
	  an_https_probe_is_sent_to_the_address_and_asks_for_the_names,
	  a_status_is_accepted_by_the_list_and_by_nothing_else,
	  a_probe_and_its_check_share_one_spec, a_wrong_probe_is_refused_by_its_id_and_field,
	  a_wrong_alert_is_refused_by_its_id_and_field, random_records_do_no_harm)
