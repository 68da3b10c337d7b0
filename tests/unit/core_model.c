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
	return model_build(config, overrides, fake_nexthop, &host);
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

RUN_TESTS("core_model", each_backend_has_the_first_reason_that_applies,
	  overrides_win_over_the_configuration, a_way_without_source_or_room_says_what_to_set,
	  flags_say_who_failed, overrides_are_sorted_replaced_and_removed,
	  overrides_of_what_is_gone_are_pruned)
