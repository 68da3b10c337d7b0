/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes of Maglev tables: primes, and how many slots tables take together. */
#include <sluice/abi.h>

#include "config/schema.h"

static bool is_prime(uint32_t n)
{
	if (n < 4)
		return n >= 2;
	if (n % 2 == 0)
		return false;
	for (uint32_t d = 3; (uint64_t)d * d <= n; d += 2)
		if (n % d == 0)
			return false;
	return true;
}

uint32_t prime_at_least(uint32_t n)
{
	while (!is_prime(n))
		n++;
	return n;
}

uint32_t prime_at_most(uint32_t n)
{
	while (n && !is_prime(n))
		n--;
	return n;
}

uint64_t table_slots(uint32_t table_size)
{
	return ((uint64_t)table_size + SL_HOT_PER_LINE - 1) / SL_HOT_PER_LINE * SL_HOT_PER_LINE;
}

uint32_t table_size_that_fits(uint64_t slots, size_t services)
{
	uint64_t each = services ? slots / services / SL_HOT_PER_LINE * SL_HOT_PER_LINE : slots;
	uint32_t size = prime_at_most(each < TABLE_SIZE_MAX ? each : TABLE_SIZE_MAX);

	return size < TABLE_SIZE_MIN ? 0 : size;
}

static size_t server_ids_of(const struct config_service *service)
{
	uint8_t bytes[CONFIG_SERVER_ID_MAX];
	size_t count = 0;

	for (size_t i = 0; i < service->backend_count; i++)
		for (const char *text = service->backends[i].server_ids;
		     config_server_id(&text, bytes);)
			count++;
	return count;
}

size_t config_backend_count(const struct config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->service_count; i++)
		count += config->services[i].backend_count;
	return count;
}

size_t config_listener_count(const struct config *config)
{
	size_t count = 0;

	for (size_t i = 0; i < config->service_count; i++)
		count += config->services[i].listener_count + server_ids_of(&config->services[i]);
	return count;
}

uint64_t config_slots_needed(const struct config *config)
{
	uint64_t slots = 0;

	for (size_t i = 0; i < config->service_count; i++)
		slots += table_slots(config->services[i].table_size);
	return slots;
}

uint32_t config_largest_table_size(const struct config *config)
{
	return table_size_that_fits(config->limits.slots, config->service_count);
}
