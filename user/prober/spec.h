/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a probe or an alert is to do: an order's record, checked and turned into what the kinds work
 * with. Immutable; a probe and a `check` of it share one.
 */
#ifndef PROBER_SPEC_H
#define PROBER_SPEC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct problems;
struct wire_alert_order;
struct wire_probe;

enum spec_kind {
#define PROBER_KIND(name, class, needs, help) SPEC_KIND_##name,
#include "prober/kinds.def"
	SPEC_KIND_alert_exec,
	SPEC_KIND_alert_webhook,
	SPEC_KINDS
};

#define SPEC_PORT	0x1
#define SPEC_QUERY_NAME 0x2
#define SPEC_COMMAND	0x4

/* Where a socket goes to, and what it is bound to. */
struct spec_target {
	union spec_address {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to, from;	  /* from: family AF_UNSPEC where the kernel chooses; its port is 0 */
	socklen_t length; /* of either */
	uint32_t mark;	  /* 0: none */
	const char *device;
};

struct spec_range {
	unsigned int first, last;
};

struct spec_bytes {
	const uint8_t *bytes;
	size_t length;
};

struct spec {
	unsigned int holders;
	void **owned; /* memory that goes with it */
	size_t owned_count;
	uint32_t id;
	enum spec_kind kind;
	const char *service, *backend, *address_text;
	uint16_t port;
	struct spec_target target;
	uint64_t interval_ms, timeout_ms, retry_ms;

	/* http(s) and webhook */
	const char *url, *method;
	const char *connect_to; /* curl's "::ADDRESS:PORT"; NULL: as the URL says */
	const char *host;	/* the Host header; NULL: as the URL says */
	const char *match, *ca_file, *status_text;
	const struct spec_range *status;
	size_t status_count;
	bool verify;

	const char *query_name; /* dns */
	uint16_t query_type;
	struct spec_bytes send, expect; /* udp */
	const char *command;		/* exec and alert_exec */
	const char *body;		/* alerts */
	const char *signature;		/* webhook; NULL: none */
};

const char *spec_kind_name(enum spec_kind kind);

/* Return 0 and *out, which the caller holds, or -EINVAL, explained in `p` by the probe's id. */
int spec_from_probe(const struct wire_probe *probe, struct spec **out, struct problems *p);
int spec_from_alert(const struct wire_alert_order *alert, struct spec **out, struct problems *p);

struct spec *spec_hold(struct spec *spec);
void spec_drop(struct spec *spec); /* NULL is fine */

bool spec_accepts_status(const struct spec *spec, unsigned int status);

#endif
