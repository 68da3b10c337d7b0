/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every tests/config/NAME.yaml is read; NAME.ok has what a good one means, NAME.err the exact lines
 * that a bad one gives. UPDATE_GOLDENS=1 writes what is got instead of comparing it.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "config/config.h"
#include "unit/unit.h"

#define GOLDENS TEST_DIR "/config"

static const char *or_none(const char *text)
{
	return text ? text : "none";
}

static void dump_health(const struct config_service *service, struct text *out)
{
	const struct config_health *health = &service->health;
	char interval[24], timeout[24], retry[24], slow_start[24], address[ADDR_TEXT_SIZE];

	if (service->panic || service->max_ejected != 100 || service->slow_start_ms ||
	    service->damping)
		text_add(out, "  panic %u, max-ejected %u, slow start %s, damping %s\n",
			 service->panic, service->max_ejected,
			 text_format_duration(service->slow_start_ms, slow_start),
			 service->damping ? "on" : "off");
	if (health->kind == CONFIG_HEALTH_NONE)
		return;
	text_add(out,
		 "  health %s via %u to %s port %u, every %s, timeout %s, retry %s, rise %u, "
		 "fall %u, initial %s\n",
		 config_health_kind_name(health->kind), health->via,
		 addr_is_none(&health->address) ? "itself" : addr_format(&health->address, address),
		 health->port, text_format_duration(health->interval_ms, interval),
		 text_format_duration(health->timeout_ms, timeout),
		 text_format_duration(health->retry_ms, retry), health->rise, health->fall,
		 health->initial_up ? "up" : "down");
	if (health->kind == CONFIG_HEALTH_HTTP || health->kind == CONFIG_HEALTH_HTTPS)
		text_add(out, "    %s %s, host %s, status %s, match %s\n", health->method,
			 health->path, or_none(health->host), health->status,
			 or_none(health->match));
	if (health->kind == CONFIG_HEALTH_HTTPS)
		text_add(out, "    verify %d, CA file %s, server name %s\n", health->verify,
			 or_none(health->ca_file), or_none(health->server_name));
	if (health->kind == CONFIG_HEALTH_DNS)
		text_add(out, "    name %s, type %u\n", health->query_name, health->query_type);
	if (health->kind == CONFIG_HEALTH_UDP)
		text_add(out, "    send %s, expect %s\n", or_none(health->send),
			 or_none(health->expect));
	if (health->kind == CONFIG_HEALTH_EXEC)
		text_add(out, "    command %s\n", health->command);
}

static void dump_alert(const struct config_alert *alert, struct text *out)
{
	char hold[24], timeout[24];

	text_add(out,
		 "alert (%u:%u): exec %s, webhook %s, secret file %s, CA file %s, level %u, "
		 "hold %s, timeout %s\n",
		 alert->place.line, alert->place.column, or_none(alert->exec),
		 or_none(alert->webhook), or_none(alert->secret_file), or_none(alert->ca_file),
		 alert->level, text_format_duration(alert->hold_ms, hold),
		 text_format_duration(alert->timeout_ms, timeout));
}

static void dump_service(const struct config_service *service, struct text *out)
{
	char idle[24], drain[24], dead[24], address[ADDR_TEXT_SIZE], length[8];

	text_add(out, "service %s (%u:%u): %s, affinity %s, tracking %s, table-size %u\n",
		 service->name, service->place.line, service->place.column,
		 config_encapsulation_name(service->encapsulation),
		 config_affinity_name(service->affinity), config_tracking_name(service->tracking),
		 service->table_size);
	text_add(out, "  idle %s, drain %s then %s, dead after %s\n",
		 text_format_duration(service->idle_timeout_ms, idle),
		 text_format_duration(service->drain_timeout_ms, drain),
		 service->drain_end == CONFIG_DRAIN_MOVE ? "move" : "keep",
		 text_format_duration(service->dead_after_ms, dead));
	if (!service->echo)
		text_add(out, "  no echo\n");
	if (service->mss_clamp)
		text_add(out, "  MSS at most %u\n", service->mss_clamp);
	for (size_t i = 0; i < service->quic_count; i++)
		text_add(out, "  QUIC-LB %u: server id %u, nonce %u%s\n", service->quic[i].rotation,
			 service->quic[i].server_id_length, service->quic[i].nonce_length,
			 service->quic[i].encodes_length ? ", encodes its length" : "");
	dump_health(service, out);
	for (size_t i = 0; i < service->listener_count; i++) {
		const struct config_listener *listener = &service->listeners[i];

		snprintf(length, sizeof(length), listener->length ? "/%u" : "", listener->length);
		text_add(out, "  listener %s%s port %u %s\n",
			 addr_format(&listener->address, address), length, listener->port,
			 config_protocol_name(listener->protocol));
	}
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct config_backend *backend = &service->backends[i];

		text_add(out, "  %s %s (%u:%u) weight %u %s\n",
			 backend->is_fallback ? "fallback" : "backend",
			 addr_format(&backend->address, address), backend->place.line,
			 backend->place.column, backend->weight, config_state_name(backend->state));
		if (backend->server_ids)
			text_add(out, "    server ids %s\n", backend->server_ids);
	}
}

static void dump(const struct config *config, struct text *out)
{
	static const char *const levels[] = {"error", "warning", "info", "debug"};
	char source[ADDR_TEXT_SIZE], source6[ADDR_TEXT_SIZE], prefix[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		text_add(out, "interface %s (%u:%u) mode %s, attach %u\n", interface->device,
			 interface->place.line, interface->place.column,
			 config_mode_name(interface->mode), interface->attach);
		if (strcmp(interface->vlans, CONFIG_VLAN_UNTAGGED))
			text_add(out, "  VLANs %s\n", interface->vlans);
	}

	text_add(out, "tunnel source %s, source6 %s, mtu %u\n",
		 addr_format(&config->source, source), addr_format(&config->source6, source6),
		 config->mtu);
	if (!addr_is_none(&config->entropy.addr))
		text_add(out, "tunnel entropy %s\n", prefix_format(&config->entropy, prefix));
	if (!addr_is_none(&config->entropy6.addr))
		text_add(out, "tunnel entropy6 %s\n", prefix_format(&config->entropy6, prefix));
	for (size_t i = 0; i < config->denied_count; i++)
		text_add(out, "deny %s\n", prefix_format(&config->denied[i], prefix));
	text_add(out, "limits: %u services, %u listeners, %u backends, %u flows, %u slots\n",
		 config->limits.services, config->limits.listeners, config->limits.backends,
		 config->limits.flows, config->limits.slots);
	if (config->limits.fragments != 64 << 10)
		text_add(out, "fragments: %u packets\n", config->limits.fragments);
	text_add(out, "cluster %s, key file %s\n",
		 config->cluster_name ? config->cluster_name : "none",
		 config->cluster_key_file ? config->cluster_key_file : "none");
	text_add(out, "log-level %s\n", levels[config->log_level]);
	for (size_t i = 0; i < config->service_count; i++)
		dump_service(&config->services[i], out);
	for (size_t i = 0; i < config->alert_count; i++)
		dump_alert(&config->alerts[i], out);
	text_add(out, "slots needed %llu, largest table-size %u\n",
		 (unsigned long long)config_slots_needed(config),
		 config_largest_table_size(config));
	for (size_t i = 0; i < config->warnings->count; i++) {
		char *line = problem_text(&config->warnings->list[i]);

		text_add(out, "warning: %s\n", line);
		free(line);
	}
}

static void dump_problems(const struct problems *p, struct text *out)
{
	for (size_t i = 0; i < p->count; i++) {
		char *line = problem_text(&p->list[i]);

		text_add(out, "%s\n", line);
		free(line);
	}
}

/* Compares with the golden, or writes it. Returns how many mistakes were told. */
static int settle(const char *name, const char *ending, const char *other_ending,
		  const struct text *got)
{
	char *golden = mem_format(GOLDENS "/%s.%s", name, ending);
	char *other = mem_format(GOLDENS "/%s.%s", name, other_ending);
	char *expected = NULL;
	int mistakes = 0;
	size_t length;

	if (getenv("UPDATE_GOLDENS")) {
		unlink(other);
		mistakes = file_write_atomic(golden, 0644, got->data, got->length, NULL) != 0;
	} else if (file_read(golden, 1 << 20, &expected, &length, NULL)) {
		fprintf(stderr, "%s.%s is missing; got:\n%s", name, ending, got->data);
		mistakes = 1;
	} else if (strcmp(expected, got->data)) {
		fprintf(stderr, "%s.%s: expected:\n%sgot:\n%s", name, ending, expected, got->data);
		mistakes = 1;
	} else if (access(other, F_OK) == 0) {
		fprintf(stderr, "%s has both endings, remove one\n", name);
		mistakes = 1;
	}
	free(expected);
	free(golden);
	free(other);
	return mistakes;
}

static int check_file(const char *name)
{
	char *path = mem_format(GOLDENS "/%s.yaml", name), *shown = mem_format("%s.yaml", name),
	     *data;
	struct problems p = {};
	struct config *config;
	struct text got = {};
	size_t length;
	int mistakes, err;

	ck_assert_int_eq(file_read(path, 8 << 20, &data, &length, NULL), 0);
	err = config_read(shown, data, length, &config, &p);
	if (err) {
		dump_problems(&p, &got);
		mistakes = settle(name, "err", "ok", &got);
	} else {
		dump(config, &got);
		mistakes = settle(name, "ok", "err", &got) + (p.count != 0);
		config_free(config);
	}
	problems_free(&p);
	text_free(&got);
	free(data);
	free(path);
	free(shown);
	return mistakes;
}

START_TEST(every_file_means_or_says_what_its_golden_has)
{
	struct dirent **entries;
	int count = scandir(GOLDENS, &entries, NULL, alphasort), mistakes = 0, files = 0;

	ck_assert_int_gt(count, 0);
	for (int i = 0; i < count; i++) {
		char *dot = strrchr(entries[i]->d_name, '.');

		if (dot && !strcmp(dot, ".yaml")) {
			*dot = '\0';
			mistakes += check_file(entries[i]->d_name);
			files++;
		}
		free(entries[i]);
	}
	free(entries);
	ck_assert_int_ge(files, 60);
	ck_assert_msg(mistakes == 0, "%d of %d files differ, see above", mistakes, files);
}
END_TEST

RUN_TESTS("config_goldens", every_file_means_or_says_what_its_golden_has)
