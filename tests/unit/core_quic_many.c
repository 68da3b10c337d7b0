/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A service of ten thousand backends with server ids: what is planned when all of them, or half, are others. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "core/engine.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

#define BACKENDS 10000
#define SLOTS	 10007

static const struct sl_limits limits = {.cpus = 1,
					.services = 8,
					.listeners = 32768,
					.backends = 32767,
					.flows = 4096,
					.slots = 32768,
					.fragments = 64 << 10,
					.deny = 64 << 10};

static struct fake_host host;
static uint64_t now_ms;

/* Backends from a number on; the first `borrowed` of them have server ids from 0 on, all others their numbers. */
static struct config *configured(unsigned int first, unsigned int borrowed)
{
	struct text text = {};
	struct config *config;

	text_add(&text,
		 "version: 1\ninterfaces: [{device: eth0}, {device: eth1}]\n"
		 "limits: {services: 8, listeners: 32k, backends: 32767, flows: 4096, "
		 "maglev-slots: 32k}\n"
		 "services:\n - {name: web, address: 203.0.113.10, port: 443, protocol: "
		 "udp, affinity: quic, tracking: changes, idle-timeout: 60s, "
		 "drain-timeout: 2m, table-size: %u, "
		 "quic: {rotation: 0, server-id-length: 2, nonce-length: 6}, backends: [\n",
		 SLOTS);
	for (unsigned int i = first; i < first + BACKENDS; i++)
		text_add(&text, "{address: 10.1.%u.%u, server-id: %04x},\n", i >> 8, i & 255,
			 i < first + borrowed ? i - first : i);
	text_add(&text, "]}\n");
	config = fake_config_text(text.data);
	free(text.data);
	return config;
}

static void apply(unsigned int first, unsigned int borrowed)
{
	struct problems p = {};
	int err = engine_apply(host.engine, configured(first, borrowed), true, now_ms, NULL, &p);

	problems_print(&p, stderr);
	ck_assert_int_eq(err, 0);
}

static uint16_t index_of(unsigned int number)
{
	char *text = mem_format("10.1.%u.%u", number >> 8, number & 255);
	struct engine_backend_place place = fake_place(&host, "web", text);

	free(text);
	return place.index;
}

START_TEST(ten_thousand_backends_are_replaced_and_those_that_leave_keep_what_nobody_has_taken)
{
	const unsigned int second = BACKENDS, borrowed = 500;

	fake_host_init(&host, &limits);
	host.fake->is_checked = false; /* after each of 10,000 operations: too long */
	host.fake->now = 1000;
	now_ms = 1000000;
	fake_host_start(&host);
	apply(0, 0);
	for (unsigned int i = 0; i < BACKENDS; i += 999)
		ck_assert_uint_eq(fake_named(&host, "web", i), index_of(i));
	/* All are others; the first of them have ids of such as leave. */
	apply(second, borrowed);
	for (unsigned int i = 0; i < BACKENDS; i += 495) {
		if (i < borrowed)
			ck_assert_uint_eq(fake_named(&host, "web", i), index_of(second + i));
		else
			ck_assert_uint_eq(fake_named(&host, "web", i),
					  index_of(i) | SL_SERVER_ID_CLOSED);
		ck_assert_uint_eq(fake_named(&host, "web", second + i),
				  i < borrowed ? 0 : index_of(second + i));
	}
	/* Their drain is over: all go at once. */
	for (int i = 0; i < 130; i++) {
		host.fake->now++;
		now_ms += 1000;
		engine_tick(host.engine, now_ms);
	}
	ck_assert_int_eq(engine_track_error(host.engine), 0);
	for (unsigned int i = borrowed; i < BACKENDS; i += 495) {
		ck_assert_uint_eq(fake_named(&host, "web", i), 0);
		ck_assert_uint_eq(fake_named(&host, "web", second + i), index_of(second + i));
	}
	fake_host_free(&host);
}
END_TEST

RUN_TESTS("core_quic_many",
	  ten_thousand_backends_are_replaced_and_those_that_leave_keep_what_nobody_has_taken)
