/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Effective weights and their reasons; overrides. */
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "core/model.h"
#include "unit/support/fake_host.h"
#include "unit/unit.h"

/* Backends by the last byte of their address; fake_host.h says how ways are lost. */
#define ALL                                                                                    \
	" - {name: web, address: 203.0.113.10, port: 443, table-size: 2039, backends: [\n"     \
	"    {address: 10.0.1.1}, {address: 10.0.1.2, weight: 7}, {address: 10.0.1.3, state: " \
	"drain},\n"                                                                            \
	"    {address: 10.0.1.4, state: down, weight: 9}, {address: 10.0.1.5, weight: 0},\n"   \
	"    {address: 10.0.1.6}, {address: 10.0.1.7}, {address: 10.0.1.8, state: down},\n"    \
	"    {address: '2001:db8:1::9'}]}\n"

static struct fake_host host;

static struct model *build(const struct config *config, const struct overrides *overrides)
{
	struct model_sources sources = fake_sources(&host);

	return model_build(config, overrides, &sources);
}

START_TEST(each_backend_has_the_first_reason_that_applies)
{
	static const struct {
		uint32_t weight;
		enum model_reason reason;
		bool has_path;
		const char *text;
	} expected[] = {
		{1, MODEL_TAKES_FLOWS, true, ""},
		{7, MODEL_TAKES_FLOWS, true, ""},
		{0, MODEL_DRAINED, true, "drained by the configuration"},
		{0, MODEL_DISABLED, true, "down by the configuration"},
		{0, MODEL_WEIGHT_ZERO, true, "weight 0 by the configuration"},
		{0, MODEL_NO_WAY, false, "route"},
		{0, MODEL_UNLISTED_WAY, false, "eth2"},
		{0, MODEL_DISABLED, false, "down by the configuration"},
		{1, MODEL_TAKES_FLOWS, true, ""},
	};
	struct config *config = fake_config(ALL);
	struct overrides overrides = {};
	const struct model_service *web;
	struct model *model;
	char text[160];

	host.way[6] = host.way[8] = NET_WAY_NO_ROUTE;
	host.interface[7] = 2; /* eth2, which is not listed */
	model = build(config, &overrides);
	web = model_find_service(model, "web");
	ck_assert_ptr_nonnull(web);
	ck_assert_ptr_null(model_find_service(model, "mail"));
	ck_assert_uint_eq(web->backend_count, ARRAY_SIZE(expected));
	ck_assert_uint_eq(web->ready, 3);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct model_backend *backend = &web->backends[i];

		ck_assert_uint_eq(backend->effective_weight, expected[i].weight);
		ck_assert_int_eq(backend->reason, expected[i].reason);
		ck_assert_int_eq(backend->path.ifindex != 0, expected[i].has_path);
		ck_assert(!backend->state_overridden && !backend->weight_overridden);
		model_reason_text(backend, text);
		ck_assert_msg(strstr(text, expected[i].text) && !text[0] == !expected[i].text[0],
			      "%zu: %s", i, text);
		ck_assert_ptr_eq(model_find_backend(web, &backend->address), backend);
	}
	model_free(model);
	config_free(config);
}
END_TEST

START_TEST(overrides_win_over_the_configuration)
{
	struct config *config = fake_config(ALL);
	struct overrides overrides = {};
	struct addr first = fake_address("10.0.1.1"), down = fake_address("10.0.1.4");
	const struct model_backend *backend;
	struct model *model;
	char text[160];

	overrides_set(&overrides, "web", &first, &(struct override){.has_weight = true});
	overrides_set(&overrides, "web", &down,
		      &(struct override){.has_state = true, .state = CONFIG_UP});
	model = build(config, &overrides);
	backend = model_find_backend(&model->services[0], &first);
	ck_assert_int_eq(backend->reason, MODEL_WEIGHT_ZERO);
	ck_assert(backend->weight_overridden && !backend->state_overridden);
	ck_assert_str_eq(model_reason_text(backend, text), "weight 0 by an operator's override");
	backend = model_find_backend(&model->services[0], &down);
	ck_assert_int_eq(backend->reason, MODEL_TAKES_FLOWS);
	ck_assert(backend->state_overridden);
	ck_assert_uint_eq(backend->effective_weight, 9);
	overrides_set(&overrides, "web", &down,
		      &(struct override){.has_state = true, .state = CONFIG_DRAIN});
	model_free(model);
	model = build(config, &overrides);
	backend = model_find_backend(&model->services[0], &down);
	ck_assert_str_eq(model_reason_text(backend, text), "drained by an operator's override");
	model_free(model);
	overrides_free(&overrides);
	config_free(config);
}
END_TEST

START_TEST(a_way_without_source_or_room_says_what_to_set)
{
	struct config *config = fake_config(ALL);
	struct overrides overrides = {};
	const struct model_service *web;
	struct model *model;
	char text[160];

	host.no_source = true;
	model = build(config, &overrides);
	web = &model->services[0];
	ck_assert_uint_eq(web->ready, 0);
	ck_assert_int_eq(web->backends[0].reason, MODEL_NO_WAY);
	ck_assert_str_eq(model_reason_text(&web->backends[0], text),
			 "no IPv4 source address for the outer header; set tunnel.source");
	ck_assert_str_eq(model_reason_text(&web->backends[8], text),
			 "no IPv6 source address for the outer header; set tunnel.source6");
	model_free(model);
	config->source = fake_address("192.0.2.77");
	config->mtu = 20; /* which config_read() would not let pass */
	model = build(config, &overrides);
	ck_assert_ptr_nonnull(
		strstr(model_reason_text(&model->services[0].backends[0], text), "no room"));
	model_free(model);
	config_free(config);
}
END_TEST

START_TEST(flags_say_who_failed)
{
	ck_assert_uint_eq(model_flags(MODEL_TAKES_FLOWS), 0);
	ck_assert_uint_eq(model_flags(MODEL_DRAINED), 0);
	ck_assert_uint_eq(model_flags(MODEL_WEIGHT_ZERO), 0);
	ck_assert_uint_eq(model_flags(MODEL_DISABLED), SL_BACKEND_DOWN);
	ck_assert_uint_eq(model_flags(MODEL_NO_WAY), SL_BACKEND_DOWN);
	ck_assert_uint_eq(model_flags(MODEL_UNLISTED_WAY), SL_BACKEND_DOWN);
}
END_TEST

/* ---- overrides ------------------------------------------------------------------------------- */

START_TEST(overrides_are_sorted_replaced_and_removed)
{
	static const char *const services[] = {"b", "a", "c", "a"};
	static const char *const addresses[] = {"10.0.1.2", "10.0.1.9", "10.0.1.1", "10.0.1.3"};
	struct override weight = {.has_weight = true, .weight = 3}, none = {};
	struct overrides overrides = {}, copy;
	struct addr address;

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		address = fake_address(addresses[i]);
		overrides_set(&overrides, services[i], &address, &weight);
	}
	ck_assert_uint_eq(overrides.count, 4);
	ck_assert_str_eq(overrides.list[0].service, "a");
	ck_assert_uint_eq(overrides.list[0].backend.bytes[3], 3);
	ck_assert_uint_eq(overrides.list[1].backend.bytes[3], 9);
	ck_assert_str_eq(overrides.list[3].service, "c");
	weight.weight = 5;
	overrides_set(&overrides, "a", &overrides.list[1].backend, &weight);
	ck_assert_uint_eq(overrides.count, 4);
	ck_assert_uint_eq(overrides.list[1].value.weight, 5);
	overrides_copy(&overrides, &copy);
	address = fake_address("10.0.1.2");
	overrides_set(&overrides, "b", &address, &none);
	ck_assert_uint_eq(overrides.count, 3);
	ck_assert_ptr_null(overrides_find(&overrides, "b", &address));
	ck_assert_ptr_nonnull(overrides_find(&copy, "b", &address));
	overrides_set(&overrides, "b", &address, &none); /* there is none */
	ck_assert_uint_eq(overrides.count, 3);
	overrides_free(&overrides);
	overrides_free(&copy);
	ck_assert_uint_eq(copy.count, 0);
}
END_TEST

START_TEST(overrides_of_what_is_gone_are_pruned)
{
	struct config *config = fake_config(ALL);
	struct override down = {.has_state = true, .state = CONFIG_DOWN};
	struct addr here = fake_address("10.0.1.1"), gone = fake_address("10.0.1.99");
	struct overrides overrides = {};

	overrides_set(&overrides, "web", &here, &down);
	overrides_set(&overrides, "web", &gone, &down);
	overrides_set(&overrides, "mail", &here, &down);
	overrides_set(&overrides, "zoo", &here, &down);
	ck_assert_uint_eq(overrides_prune(&overrides, config), 3);
	ck_assert_uint_eq(overrides.count, 1);
	ck_assert_ptr_nonnull(overrides_find(&overrides, "web", &here));
	ck_assert_uint_eq(overrides_prune(&overrides, config), 0);
	overrides_free(&overrides);
	config_free(config);
}
END_TEST

/* ---- health ---------------------------------------------------------------------------------- */

#define PROBED(more, backends)                                                               \
	" - {name: web, address: 203.0.113.10, port: 443, table-size: 2039, health: {}" more \
	", backends: [" backends "]}\n"
#define TEN                                                                                    \
	"{address: 10.0.1.1, weight: 10}, {address: 10.0.1.2, weight: 10}, {address: "         \
	"10.0.1.3, weight: 10}, {address: 10.0.1.4, weight: 10}, {address: 10.0.1.5, weight: " \
	"10}, {address: 10.0.1.6, weight: 10}, {address: 10.0.1.7, weight: 10}, {address: "    \
	"10.0.1.8, weight: 10}, {address: 10.0.1.9, weight: 10}, {address: 10.0.1.10, "        \
	"weight: 10}"

static void reset_health(void)
{
	memset(host.way, 0, sizeof(host.way));
	memset(host.interface, 0, sizeof(host.interface));
	memset(host.health, 0, sizeof(host.health));
	memset(host.health_since_ms, 0, sizeof(host.health_since_ms));
	memset(host.share, 0, sizeof(host.share));
}

/*
 * The backends of web as letters, by address: T takes flows, N is new, F fails, D is damped, P and S are kept by panic
 * or by the share, other reasons are a dot.
 */
static void expect_backends(const char *services, const char *expected, bool is_panic)
{
	struct config *config = fake_config(services);
	struct overrides overrides = {};
	struct model *model = build(config, &overrides);
	const struct model_service *web = model_find_service(model, "web");
	size_t ready = 0;

	ck_assert_uint_eq(web->backend_count, strlen(expected));
	for (size_t i = 0; i < web->backend_count; i++) {
		const struct model_backend *b = &web->backends[i];
		char letter = "-PS"[b->kept];

		if (!b->kept)
			letter = b->reason == MODEL_TAKES_FLOWS	  ? 'T'
				 : b->reason == MODEL_UNPROBED	  ? 'N'
				 : b->reason == MODEL_PROBES_FAIL ? 'F'
				 : b->reason == MODEL_DAMPED	  ? 'D'
				 : b->reason == MODEL_STANDS_BY	  ? 'B'
								  : '.';
		ck_assert_msg(letter == expected[i], "%zu: %c, expected %s", i, letter, expected);
		ck_assert_int_eq(b->effective_weight != 0, b->reason == MODEL_TAKES_FLOWS);
		ck_assert(!b->kept || b->reason == MODEL_TAKES_FLOWS);
		ready += b->reason == MODEL_TAKES_FLOWS;
	}
	ck_assert_uint_eq(web->ready, ready);
	ck_assert_int_eq(web->is_panic, is_panic);
	model_free(model);
	config_free(config);
}

START_TEST(failed_probes_take_out_whoever_nothing_else_takes_out_already)
{
	char text[160];
	const struct model_backend backend = {.reason = MODEL_PROBES_FAIL};

	reset_health();
	host.health[2] = FAKE_FAILS;
	host.health[3] = FAKE_FLAPS;
	host.health[4] = FAKE_NEW;
	host.health[5] = host.health[6] = host.health[7] = FAKE_FAILS;
	host.way[7] = NET_WAY_FAILED;
	expect_backends(PROBED("", "{address: 10.0.1.1}, {address: 10.0.1.2}, {address: 10.0.1.3}, "
				   "{address: 10.0.1.4}, {address: 10.0.1.5, state: drain}, "
				   "{address: 10.0.1.6, weight: 0}, {address: 10.0.1.7}"),
			"TFDN...", false);
	/* A new one may be taken in until it is known to fail. */
	expect_backends(" - {name: web, address: 203.0.113.10, port: 443, table-size: 2039, "
			"health: {initial: up}, backends: [{address: 10.0.1.2}, {address: "
			"10.0.1.4}]}\n",
			"FT", false);
	/* Without health nobody is asked. */
	expect_backends(" - {name: web, address: 203.0.113.10, port: 443, table-size: 2039, "
			"backends: [{address: 10.0.1.2}, {address: 10.0.1.3}]}\n",
			"TT", false);
	ck_assert_str_eq(model_reason_text(&backend, text), "its probes fail");
	ck_assert_uint_eq(model_flags(MODEL_PROBES_FAIL), SL_BACKEND_DOWN);
	ck_assert_int_eq(model_health(MODEL_PROBES_FAIL), TRACK_DOWN);
	/* What is new or flaps answers: its flows stay there, as if it was drained. */
	ck_assert_uint_eq(model_flags(MODEL_UNPROBED) | model_flags(MODEL_DAMPED), 0);
	ck_assert_int_eq(model_health(MODEL_UNPROBED), TRACK_UP);
	ck_assert_int_eq(model_health(MODEL_DAMPED), TRACK_UP);
}
END_TEST

START_TEST(below_the_panic_threshold_health_is_ignored_and_only_health)
{
	reset_health();
	for (int i = 1; i <= 5; i++)
		host.health[i] = i % 2 ? FAKE_FAILS : FAKE_FLAPS;
	expect_backends(PROBED(", panic: 50", TEN), "FDFDFTTTTT", false);
	expect_backends(PROBED(", panic: 51", TEN), "PPPPPTTTTT", true);
	/* Those without a way count neither as healthy nor as failed, and stay out. */
	host.way[6] = NET_WAY_NO_ROUTE;
	expect_backends(PROBED(", panic: 45", TEN), "PPPPP.TTTT", true);
	expect_backends(PROBED(", panic: 44", TEN), "FDFDF.TTTT", false);
	/* Nor does who waits for its first success; but health is ignored for it, too. */
	host.health[7] = host.health[8] = FAKE_NEW;
	expect_backends(PROBED(", panic: 28", TEN), "FDFDF.NNTT", false);
	expect_backends(PROBED(", panic: 29", TEN), "PPPPP.PPTT", true);
	/* All are new: nobody knows, and nobody panics. */
	for (int i = 0; i < 256; i++)
		host.health[i] = FAKE_NEW;
	expect_backends(PROBED(", panic: 100", TEN), "NNNNN.NNNN", false);
	for (int i = 0; i < 256; i++)
		host.health[i] = FAKE_FAILS;
	expect_backends(PROBED("", TEN), "FFFFF.FFFF", false);
	expect_backends(PROBED(", panic: 1", TEN), "PPPPP.PPPP", true);
}
END_TEST

START_TEST(at_most_the_ejected_share_is_out_and_those_that_fail_for_longest)
{
	reset_health();
	for (int i = 1; i <= 5; i++) {
		host.health[i] = FAKE_FAILS;
		host.health_since_ms[i] = 1000 - 100 * i; /* the fifth for longest */
	}
	expect_backends(PROBED(", max-ejected: 30", TEN), "SSFFFTTTTT", false);
	expect_backends(PROBED(", max-ejected: 39", TEN), "SSFFFTTTTT", false);
	expect_backends(PROBED(", max-ejected: 9", TEN), "SSSSSTTTTT", false);
	expect_backends(PROBED(", max-ejected: 50", TEN), "FFFFFTTTTT", false);
	/* Whoever flaps answers, and is kept first; equals by their addresses. */
	host.health[5] = FAKE_FLAPS;
	host.health_since_ms[3] = host.health_since_ms[4];
	expect_backends(PROBED(", max-ejected: 10", TEN), "SSFSSTTTTT", false);
	/* Panic comes before it. */
	expect_backends(PROBED(", max-ejected: 10, panic: 60", TEN), "PPPPPTTTTT", true);
	/* Who is new was never in, so it is not ejected. */
	host.health[6] = host.health[7] = FAKE_NEW;
	expect_backends(PROBED(", max-ejected: 25", TEN), "SSFFSNNTTT", false);
}
END_TEST

/* Backends 1 to 3, and two fallbacks, 8 and 9. */
#define WITH_FALLBACK(more)                                                              \
	PROBED(", fallback: [{address: 10.0.1.8}, {address: 10.0.1.9, weight: 3}]" more, \
	       "{address: 10.0.1.1}, {address: 10.0.1.2}, {address: 10.0.1.3}")

START_TEST(fallbacks_take_flows_while_no_other_backend_is_healthy)
{
	char text[160];
	const struct model_backend backend = {.reason = MODEL_STANDS_BY};

	reset_health();
	expect_backends(WITH_FALLBACK(""), "TTTBB", false);
	host.health[1] = FAKE_FAILS;
	host.way[2] = NET_WAY_NO_ROUTE;
	expect_backends(WITH_FALLBACK(""), "F.TBB", false);
	host.health[3] = FAKE_FLAPS;
	expect_backends(WITH_FALLBACK(""), "F.DTT", false);
	/* Fallbacks are probed, too; one that fails takes none, and is not told to stand by. */
	host.health[8] = FAKE_FAILS;
	expect_backends(WITH_FALLBACK(""), "F.DFT", false);
	/* A healthy fallback goes before panic and the largest share; without one these are as ever. */
	expect_backends(WITH_FALLBACK(", panic: 50"), "F.DFT", false);
	expect_backends(WITH_FALLBACK(", max-ejected: 0"), "F.DFT", false);
	host.health[9] = FAKE_FAILS;
	expect_backends(WITH_FALLBACK(""), "F.DFF", false);
	expect_backends(WITH_FALLBACK(", panic: 50"), "P.PFF", true);
	expect_backends(WITH_FALLBACK(", max-ejected: 0"), "S.SFF", false);
	/* One that is back is enough, though it is fewer than panic asks for: fallbacks count for no share. */
	host.health[3] = FAKE_WELL;
	host.health[8] = host.health[9] = FAKE_WELL;
	expect_backends(WITH_FALLBACK(""), "F.TBB", false);
	expect_backends(WITH_FALLBACK(", panic: 60"), "P.TBB", true);
	ck_assert_ptr_nonnull(strstr(model_reason_text(&backend, text), "a fallback"));
	/* It is no fault: flows that are there stay. */
	ck_assert_uint_eq(model_flags(MODEL_STANDS_BY), 0);
	ck_assert_int_eq(model_health(MODEL_STANDS_BY), TRACK_UP);
}
END_TEST

START_TEST(fallbacks_take_flows_when_all_others_are_drained_or_there_are_none)
{
	reset_health();
	expect_backends(PROBED(", fallback: [{address: 10.0.1.8}]",
			       "{address: 10.0.1.1, state: drain}, {address: 10.0.1.2, weight: 0}"),
			"..T", false);
	expect_backends(PROBED(", fallback: [{address: 10.0.1.8}]", ""), "T", false);
	expect_backends(PROBED(", fallback: [{address: 10.0.1.8, state: down}]",
			       "{address: 10.0.1.1, state: drain}"),
			"..", false);
}
END_TEST

START_TEST(a_slow_start_gives_whole_weights_of_at_least_one)
{
	static const struct {
		uint16_t share;
		uint32_t weight, expected;
	} cases[] = {
		{100, 10, 1}, {300, 10, 3},  {1000, 10, 10},   {100, 1, 1}, {500, 1, 1},
		{100, 15, 1}, {900, 15, 13}, {100, 1000, 100}, {300, 5, 1}, {600, 999, 599},
	};

	reset_health();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *services =
			mem_format(PROBED("", "{address: 10.0.1.1, weight: %u}"), cases[i].weight);
		struct config *config = fake_config(services);
		struct overrides overrides = {};
		struct model *model;

		host.share[1] = cases[i].share;
		model = build(config, &overrides);
		ck_assert_uint_eq(model->services[0].backends[0].effective_weight,
				  cases[i].expected);
		ck_assert_uint_eq(model->services[0].backends[0].weight, cases[i].weight);
		model_free(model);
		config_free(config);
		free(services);
	}
	reset_health();
}
END_TEST

RUN_TESTS("core_model", failed_probes_take_out_whoever_nothing_else_takes_out_already,
	  below_the_panic_threshold_health_is_ignored_and_only_health,
	  at_most_the_ejected_share_is_out_and_those_that_fail_for_longest,
	  fallbacks_take_flows_while_no_other_backend_is_healthy,
	  fallbacks_take_flows_when_all_others_are_drained_or_there_are_none,
	  a_slow_start_gives_whole_weights_of_at_least_one,
	  each_backend_has_the_first_reason_that_applies, overrides_win_over_the_configuration,
	  a_way_without_source_or_room_says_what_to_set, flags_say_who_failed,
	  overrides_are_sorted_replaced_and_removed, overrides_of_what_is_gone_are_pruned)
