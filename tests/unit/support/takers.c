/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/support/fake_host.h"
#include "unit/support/takers.h"

static void nexthop(void *self, const struct addr *address, struct net_nexthop *out)
{
	static struct fake_host reachable;

	(void)self;
	fake_nexthop(&reachable, address, out);
}

static void ask(void *self, const char *service, const struct addr *backend,
		struct model_probe *out)
{
	health_of(self, service, backend, out);
}

static const char *why_of(const struct model_service *service)
{
	if (service->is_fallback)
		return " by fallback";
	if (service->is_panic)
		return " by panic";
	for (size_t i = 0; i < service->backend_count; i++)
		if (service->backends[i].kept == MODEL_KEPT_SHARE)
			return " by max-ejected";
	return "";
}

bool takers_describe(const struct config *config, struct health *health, const char *service,
		     struct text *out)
{
	const struct model_sources sources = {health, nexthop, ask};
	struct model *model = model_build(config, &(struct overrides){}, &sources);
	const struct model_service *found = model_find_service(model, service);
	char address[ADDR_TEXT_SIZE];

	if (found)
		text_add(out, "to");
	for (size_t i = 0; found && i < found->backend_count; i++)
		if (found->backends[i].reason == MODEL_TAKES_FLOWS)
			text_add(out, " %s", addr_format(&found->backends[i].address, address));
	if (found)
		text_add(out, "%s", why_of(found));
	model_free(model);
	return found;
}
