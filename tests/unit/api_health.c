/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What operators are told of probes: by service show, backend list and status. */
#include <string.h>

#include "base/mem.h"
#include "unit/support/asked_api.h"
#include "unit/unit.h"

#define CONFIG(via, more)                                                                      \
	FAKE_HEAD "services:\n"                                                                \
		  " - name: web\n   address: 203.0.113.10\n   port: 443\n   table-size: 251\n" \
		  "   health: {kind: http, path: /healthz, via: " via "}\n" more               \
		  "   backends: [{address: 10.0.1.11}, {address: 10.0.1.12}]\n"                \
		  " - name: dns\n   address: 203.0.113.53\n   port: 53\n   protocol: udp\n   " \
		  "table-size: 251\n   backends: [{address: 10.0.1.21}]\n"

static void start(const char *text)
{
	asked_start();
	ask_apply(text);
	health_configure(asked.health, engine_config(asked.host.engine), false, asked.agent.now_ms);
}

/* One more result of a backend's probe, a second later. */
static void hear(const char *address, enum config_health_via via, bool ok, const char *what)
{
	const struct health_probe *probes[2];
	struct addr backend = fake_address(address);
	size_t count = health_probes_of(asked.health, "web", &backend, probes);

	asked.agent.now_ms += 1000;
	for (size_t i = 0; i < count; i++)
		if (probes[i]->via == via)
			health_result(asked.health, probes[i]->id, ok, 1234, what,
				      asked.agent.now_ms);
}

static struct wire_reply show(void)
{
	struct wire_reply reply =
		ask(WIRE_COMMAND_service_show,
		    (struct wire_arguments){.service = "web", .given = WIRE_BIT(service)});

	expect_kind(&reply, WIRE_KIND_service);
	return reply;
}

START_TEST(a_service_says_how_it_is_probed)
{
	struct wire_reply reply;

	start(CONFIG("tunnel", ""));
	reply = show();
	ck_assert_str_eq(reply.service->health, "http through the tunnel to 203.0.113.10:443, "
						"every 2s, timeout 1s, rise 2, fall 3");
	ck_assert_ptr_null(reply.service->panic);
	ck_assert_ptr_null(reply.service->unprobed);
	wire_reply_free(&reply);
	asked.agent.unprobed = "the host would answer itself";
	reply = show();
	ck_assert_str_eq(reply.service->unprobed, "the host would answer itself");
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(a_service_that_is_probed_both_ways_says_so)
{
	struct wire_reply reply;

	start(CONFIG("[tunnel, direct]", ""));
	reply = show();
	ck_assert_str_eq(reply.service->health,
			 "http through the tunnel and directly to 203.0.113.10:443, every 2s, "
			 "timeout 1s, rise 2, fall 3");
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(a_backend_says_what_its_last_probe_found)
{
	const struct wire_backend *backend;
	struct wire_reply reply;

	start(CONFIG("tunnel", ""));
	reply = show();
	backend = &reply.service->backends.list[0];
	ck_assert_str_eq(backend->health, "new");
	ck_assert_ptr_null(backend->probe);
	wire_reply_free(&reply);
	hear("10.0.1.11", CONFIG_VIA_TUNNEL, true, "status 200");
	hear("10.0.1.11", CONFIG_VIA_TUNNEL, true, "status 204");
	asked.agent.now_ms += 500;
	reply = show();
	backend = &reply.service->backends.list[0];
	ck_assert_str_eq(backend->health, "up");
	ck_assert_uint_eq(backend->health_for_ms, 1500);
	ck_assert_str_eq(backend->probe, "ok");
	ck_assert_str_eq(backend->probe_what, "status 204");
	ck_assert_uint_eq(backend->probe_ago_ms, 500);
	ck_assert_uint_eq(backend->probe_latency_us, 1234);
	ck_assert_uint_eq(backend->probes_in_row, 2);
	ck_assert_ptr_null(backend->direct);
	ck_assert_ptr_null(backend->diagnosis);
	ck_assert_ptr_null(backend->dead);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(a_broken_tunnel_is_told_from_a_dead_server)
{
	const struct wire_backend *backend;
	struct wire_reply reply;

	start(CONFIG("[tunnel, direct]", ""));
	for (int i = 0; i < 4; i++) {
		/* Before both ways were tried since it went down nobody knows. */
		if (i == 3) {
			reply = show();
			ck_assert_str_eq(reply.service->backends.list[0].health, "down");
			ck_assert_ptr_null(reply.service->backends.list[0].diagnosis);
			wire_reply_free(&reply);
		}
		hear("10.0.1.11", CONFIG_VIA_TUNNEL, false, "connect: timed out");
		hear("10.0.1.11", CONFIG_VIA_DIRECT, true, "status 200");
		hear("10.0.1.12", CONFIG_VIA_TUNNEL, false, "connect: timed out");
		hear("10.0.1.12", CONFIG_VIA_DIRECT, false, "connect: connection refused");
	}
	reply = show();
	backend = &reply.service->backends.list[0];
	ck_assert_str_eq(backend->health, "down");
	ck_assert_str_eq(backend->probe, "failed");
	ck_assert_str_eq(backend->direct, "ok");
	ck_assert_str_eq(backend->direct_what, "status 200");
	ck_assert_str_eq(backend->diagnosis, "tunnel broken, server answers directly");
	backend = &reply.service->backends.list[1];
	ck_assert_str_eq(backend->direct, "failed");
	ck_assert_str_eq(backend->diagnosis, "server down");
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

START_TEST(who_is_not_probed_has_no_health)
{
	struct wire_reply reply;

	start(CONFIG("tunnel", ""));
	reply = ask(WIRE_COMMAND_service_show,
		    (struct wire_arguments){.service = "dns", .given = WIRE_BIT(service)});
	ck_assert_ptr_null(reply.service->health);
	ck_assert_ptr_null(reply.service->backends.list[0].health);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

RUN_TESTS("api_health", a_service_says_how_it_is_probed, a_service_that_is_probed_both_ways_says_so,
	  a_backend_says_what_its_last_probe_found, a_broken_tunnel_is_told_from_a_dead_server,
	  who_is_not_probed_has_no_health)
