/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of a configuration and what they stand for. */
#include <errno.h>
#include <string.h>

#include "config/schema.h"

/* clang-format off */
#define NAME(name, value) {(name), (value)}
#define END		  {NULL, 0}
/* clang-format on */

const struct config_name config_names_bool[] = {NAME("false", 0), NAME("true", 1), END};
const struct config_name config_names_entropy[] = {NAME("false", 0), NAME("true", 1), END};
const struct config_name config_names_auto[] = {NAME("auto", 0), END};
const struct config_name config_names_off[] = {NAME("off", 0), END};
const struct config_name config_names_on_off[] = {NAME("off", 0), NAME("on", 1), END};
const struct config_name config_names_any[] = {NAME("any", 0), END};

const struct config_name config_names_mode[] = {NAME("auto", CONFIG_MODE_AUTO),
						NAME("native", CONFIG_MODE_NATIVE),
						NAME("generic", CONFIG_MODE_GENERIC), END};
const struct config_name config_names_attach[] = {
	NAME("link", CONFIG_ATTACH_LINK), NAME("dispatcher", CONFIG_ATTACH_DISPATCHER), END};
const struct config_name config_names_protocol[] = {NAME("tcp", CONFIG_TCP),
						    NAME("udp", CONFIG_UDP), END};
const struct config_name config_names_encapsulation[] = {
	NAME("ipip", CONFIG_IPIP), NAME("gue", CONFIG_GUE), NAME("l2", CONFIG_L2), END};
const struct config_name config_names_affinity[] = {NAME("flow", CONFIG_AFFINITY_FLOW),
						    NAME("source", CONFIG_AFFINITY_SOURCE),
						    NAME("quic", CONFIG_AFFINITY_QUIC), END};
const struct config_name config_names_tracking[] = {NAME("changes", CONFIG_TRACKING_CHANGES),
						    NAME("never", CONFIG_TRACKING_NEVER), END};
const struct config_name config_names_drain_end[] = {NAME("keep", CONFIG_DRAIN_KEEP),
						     NAME("move", CONFIG_DRAIN_MOVE), END};
const struct config_name config_names_state[] = {NAME("up", CONFIG_UP), NAME("drain", CONFIG_DRAIN),
						 NAME("down", CONFIG_DOWN), END};
const struct config_name config_names_log_level[] = {
	NAME("error", LOG_LEVEL_ERROR), NAME("warning", LOG_LEVEL_WARNING),
	NAME("info", LOG_LEVEL_INFO), NAME("debug", LOG_LEVEL_DEBUG), END};
const struct config_name config_names_alert_level[] = {NAME("error", LOG_LEVEL_ERROR),
						       NAME("warning", LOG_LEVEL_WARNING),
						       NAME("info", LOG_LEVEL_INFO), END};
const struct config_name config_names_health_kind[] = {NAME("tcp", CONFIG_HEALTH_TCP),
						       NAME("http", CONFIG_HEALTH_HTTP),
						       NAME("https", CONFIG_HEALTH_HTTPS),
						       NAME("dns", CONFIG_HEALTH_DNS),
						       NAME("udp", CONFIG_HEALTH_UDP),
						       NAME("icmp", CONFIG_HEALTH_ICMP),
						       NAME("exec", CONFIG_HEALTH_EXEC),
						       NAME("none", CONFIG_HEALTH_NONE),
						       END};
const struct config_name config_names_health_via[] = {NAME("tunnel", CONFIG_VIA_TUNNEL),
						      NAME("direct", CONFIG_VIA_DIRECT), END};
const struct config_name config_names_initial[] = {NAME("down", 0), NAME("up", 1), END};
/* RFC 1035, section 3.2.2; AAAA: RFC 3596, section 2.1. */
const struct config_name config_names_query_type[] = {NAME("A", 1),
						      NAME("NS", 2),
						      NAME("SOA", 6),
						      NAME("MX", 15),
						      NAME("TXT", 16),
						      NAME("AAAA", 28),
						      END};
const struct config_name config_names_health_view[] = {NAME("local", 0), NAME("quorum", 1), END};
const struct config_name config_names_peers_mode[] = {
	NAME("primary-backup", 0), NAME("dual-primary", 1), NAME("multi-primary", 2), END};
const struct config_name config_names_announce_via[] = {NAME("interface", 0), NAME("track-file", 1),
							END};

const char *names_find(const struct config_name *names, uint64_t value)
{
	for (; names && names->name; names++)
		if (names->value == value)
			return names->name;
	return NULL;
}

/* The public functions, one each enum. */
#define NAME_FUNCTION(what)                                       \
	const char *config_##what##_name(enum config_##what what) \
	{                                                         \
		return names_find(config_names_##what, what);     \
	}

NAME_FUNCTION(state)
NAME_FUNCTION(protocol)
NAME_FUNCTION(encapsulation)
NAME_FUNCTION(affinity)
NAME_FUNCTION(tracking)
NAME_FUNCTION(drain_end)
NAME_FUNCTION(mode)
NAME_FUNCTION(health_kind)

int config_parse_state(const char *text, enum config_state *out)
{
	for (const struct config_name *name = config_names_state; name->name; name++) {
		if (strcmp(name->name, text))
			continue;
		*out = name->value;
		return 0;
	}
	return -EINVAL;
}
