/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/addr.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "prober/dns.h"
#include "prober/spec.h"
#include "wire/prober.h"

#define PERIOD_MAX_MS (24 * 3600 * 1000)
#define STATUS_PRESET "200-399"
#define QUERY_A	      1

static const struct {
	const char *name;
	unsigned int needs;
} kinds[SPEC_KINDS] = {
#define PROBER_KIND(name, class, needs, help) [SPEC_KIND_##name] = {#name, needs},
#include "prober/kinds.def"
	[SPEC_KIND_alert_exec] = {"alert exec", 0},
	[SPEC_KIND_alert_webhook] = {"alert webhook", 0},
};

const char *spec_kind_name(enum spec_kind kind)
{
	return kinds[kind].name;
}

/* ---- memory: thousands of specs, of a few hundred bytes each, come and go one by one ---------- */

static void *own(struct spec *spec, void *memory)
{
	spec->owned = mem_grow(spec->owned, spec->owned_count, sizeof(*spec->owned));
	spec->owned[spec->owned_count++] = memory;
	return memory;
}

static char *own_string(struct spec *spec, const char *text)
{
	return text ? own(spec, mem_string(text)) : NULL;
}

static char *own_format(struct spec *spec, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static char *own_format(struct spec *spec, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = mem_vformat(format, args);
	va_end(args);
	return own(spec, text);
}

/* ---- complaints ------------------------------------------------------------------------------ */

/* The order that is looked at, and where complaints go. */
struct reading {
	struct spec *spec;
	const char *what; /* "probe" */
	struct problems *p;
};

static int refuse(const struct reading *r, const char *field, const char *value, const char *why)
{
	char *name = mem_format("%s %u: %s", r->what, r->spec->id, field);

	problems_add(r->p, -EINVAL, name, value, "%s", why);
	free(name);
	return -EINVAL;
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static int read_address(const struct reading *r, const char *field, const char *text, uint16_t port,
			union spec_address *out)
{
	struct addr addr;

	if (addr_parse(text, &addr))
		return refuse(r, field, text, "is no IPv4 or IPv6 address");
	if (addr.family == 4) {
		out->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
		memcpy(&out->v4.sin_addr, addr.bytes, 4);
	} else {
		out->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
		memcpy(&out->v6.sin6_addr, addr.bytes, 16);
	}
	return 0;
}

static int read_target(const struct reading *r, const struct wire_probe *probe)
{
	struct spec_target *target = &r->spec->target;
	/* To a raw socket of IPv6 a port would be a protocol. */
	uint16_t port = r->spec->kind == SPEC_KIND_icmp ? 0 : r->spec->port;
	int err = read_address(r, "address", probe->address, port, &target->to);

	if (err)
		return err;
	target->length =
		target->to.any.sa_family == AF_INET ? sizeof(target->to.v4) : sizeof(target->to.v6);
	if (probe->mark > UINT32_MAX)
		return refuse(r, "mark", NULL, "is more than 32 bits");
	target->mark = probe->mark;
	target->device = own_string(r->spec, probe->device);
	if (!probe->source)
		return 0;
	err = read_address(r, "source", probe->source, 0, &target->from);
	if (!err && target->from.any.sa_family != target->to.any.sa_family)
		err = refuse(r, "source", probe->source, "is not of the family of the address");
	return err;
}

static int read_status(const struct reading *r, const char *text)
{
	struct spec_range *list = NULL;
	char *copy = own_string(r->spec, text ? text : STATUS_PRESET), *save = NULL;
	size_t count = 0;

	r->spec->status_text = own_string(r->spec, copy);
	list = own(r->spec, mem_alloc((strlen(copy) + 1) * sizeof(*list)));
	for (char *piece = strtok_r(copy, ",", &save); piece; piece = strtok_r(NULL, ",", &save)) {
		char *dash = strchr(piece, '-');
		uint64_t first, last;

		if (dash)
			*dash = '\0';
		if (text_parse_uint(piece, 999, &first) ||
		    text_parse_uint(dash ? dash + 1 : piece, 999, &last) || first > last)
			return refuse(r, "status", text, "is no list as '200,204,300-399'");
		list[count++] = (struct spec_range){first, last};
	}
	if (!count)
		return refuse(r, "status", text, "is empty");
	r->spec->status = list;
	r->spec->status_count = count;
	return 0;
}

static int read_hex(const struct reading *r, const char *field, const char *text,
		    struct spec_bytes *out)
{
	size_t length = text ? strlen(text) / 2 : 0;
	uint8_t *bytes;

	if (!text)
		return 0;
	bytes = own(r->spec, mem_alloc(length + 1));
	if (strlen(text) % 2 || text_parse_hex(text, bytes, length))
		return refuse(r, field, text, "is no even number of hexadecimal digits");
	*out = (struct spec_bytes){bytes, length};
	return 0;
}

/* What goes into a request's head: a line's end in it would begin another one. */
static int check_line(const struct reading *r, const char *field, const char *text)
{
	for (const char *c = text; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return refuse(r, field, text, "holds a control character");
	return 0;
}

/*
 * The URL names whom the certificate is for, connect_to whom the packets are for, and the header
 * what the server is asked for.
 */
static int read_http(const struct reading *r, const struct wire_probe *probe, bool is_tls)
{
	struct spec *spec = r->spec;
	bool is_v6 = spec->target.to.any.sa_family == AF_INET6;
	const char *path = probe->path ? probe->path : "/", *name = probe->server_name;
	char *literal = own_format(spec, is_v6 ? "[%s]" : "%s", probe->address);
	int err = check_line(r, "host", probe->host);

	if (!err)
		err = check_line(r, "path", path);
	if (!err)
		err = check_line(r, "method", probe->method);
	if (!err && path[0] != '/')
		err = refuse(r, "path", path, "does not begin with /");
	if (!err && name && (!name[0] || strpbrk(name, ":/?#@ \t\r\n")))
		err = refuse(r, "server_name", name, "is no host name");
	if (err)
		return err;
	if (is_tls && !name && probe->host && !strpbrk(probe->host, ":/@"))
		name = probe->host;
	spec->url = own_format(spec, "%s://%s:%u%s", is_tls ? "https" : "http",
			       is_tls && name ? name : literal, spec->port, path);
	spec->connect_to = own_format(spec, "::%s:%u", literal, spec->port);
	spec->host = own_string(spec, probe->host);
	spec->method = own_string(spec, probe->method ? probe->method : "GET");
	spec->match = own_string(spec, probe->match);
	spec->ca_file = own_string(spec, probe->ca_file);
	spec->verify = probe->verify;
	return read_status(r, probe->status);
}

static int read_times(const struct reading *r, const struct wire_probe *probe)
{
	struct spec *spec = r->spec;

	if (!probe->interval_ms || probe->interval_ms > PERIOD_MAX_MS)
		return refuse(r, "interval_ms", NULL, "is not from 1 to a day");
	if (!probe->timeout_ms || probe->timeout_ms > probe->interval_ms)
		return refuse(r, "timeout_ms", NULL, "is not from 1 to the interval");
	if (probe->retry_ms > probe->interval_ms)
		return refuse(r, "retry_ms", NULL, "is more than the interval");
	spec->interval_ms = probe->interval_ms;
	spec->timeout_ms = probe->timeout_ms;
	spec->retry_ms = probe->retry_ms;
	return 0;
}

/* ---- a probe --------------------------------------------------------------------------------- */

static int find_kind(const struct reading *r, const char *name)
{
	for (int i = 0; i < SPEC_KIND_alert_exec; i++) {
		if (strcmp(kinds[i].name, name))
			continue;
		r->spec->kind = i;
		return 0;
	}
	return refuse(r, "kind", name, "is no kind of probe");
}

static int check_needs(const struct reading *r, const struct wire_probe *probe)
{
	unsigned int needs = kinds[r->spec->kind].needs;

	if (needs & SPEC_PORT && !probe->port)
		return refuse(r, "port", NULL, "is missing");
	if (probe->port > UINT16_MAX)
		return refuse(r, "port", NULL, "is more than 65535");
	if (needs & SPEC_QUERY_NAME && !probe->query_name)
		return refuse(r, "query_name", NULL, "is missing");
	if (probe->query_type > UINT16_MAX)
		return refuse(r, "query_type", NULL, "is more than 65535");
	if (needs & SPEC_COMMAND && (!probe->command || probe->command[0] != '/'))
		return refuse(r, "command", probe->command, "is no absolute path");
	return 0;
}

static int fill_from_probe(const struct reading *r, const struct wire_probe *probe)
{
	struct spec *spec = r->spec;
	uint8_t query[DNS_QUERY_MAX];
	int err = find_kind(r, probe->kind);

	if (!err)
		err = check_needs(r, probe);
	if (!err)
		err = read_times(r, probe);
	if (err)
		return err;
	spec->service = own_string(spec, probe->service);
	spec->backend = own_string(spec, probe->backend);
	spec->address_text = own_string(spec, probe->address);
	spec->port = probe->port;
	err = read_target(r, probe);
	if (!err && (spec->kind == SPEC_KIND_http || spec->kind == SPEC_KIND_https))
		err = read_http(r, probe, spec->kind == SPEC_KIND_https);
	if (err)
		return err;
	if (probe->query_name && !dns_query(0, probe->query_name, QUERY_A, query))
		return refuse(r, "query_name", probe->query_name, "is no domain name");
	spec->query_name = own_string(spec, probe->query_name);
	spec->query_type = probe->query_type ? probe->query_type : QUERY_A;
	spec->command = own_string(spec, probe->command);
	err = read_hex(r, "send", probe->send, &spec->send);
	return err ? err : read_hex(r, "expect", probe->expect, &spec->expect);
}

/* ---- an alert -------------------------------------------------------------------------------- */

static int fill_from_alert(const struct reading *r, const struct wire_alert_order *alert)
{
	struct spec *spec = r->spec;
	bool is_exec = strcmp(alert->sink, "exec") == 0;

	if (!is_exec && strcmp(alert->sink, "webhook"))
		return refuse(r, "sink", alert->sink, "is neither exec nor webhook");
	if (is_exec && alert->target[0] != '/')
		return refuse(r, "target", alert->target, "is no absolute path");
	if (!alert->timeout_ms || alert->timeout_ms > PERIOD_MAX_MS)
		return refuse(r, "timeout_ms", NULL, "is not from 1 to a day");
	if (check_line(r, "signature", alert->signature))
		return -EINVAL;
	spec->kind = is_exec ? SPEC_KIND_alert_exec : SPEC_KIND_alert_webhook;
	spec->timeout_ms = alert->timeout_ms;
	spec->command = spec->url = own_string(spec, alert->target);
	spec->body = own_string(spec, alert->body);
	spec->signature = own_string(spec, alert->signature);
	spec->ca_file = own_string(spec, alert->ca_file);
	spec->method = "POST";
	spec->verify = true;
	return read_status(r, "200-299");
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* An id that is too long is refused, as 0 would be another's. */
static struct reading begin(const char *what, uint64_t id, struct problems *p)
{
	struct reading r = {.spec = mem_alloc(sizeof(*r.spec)), .what = what, .p = p};

	r.spec->holders = 1;
	r.spec->id = id;
	return r;
}

static int finish(const struct reading *r, uint64_t id, int err, struct spec **out)
{
	if (!err && id > UINT32_MAX)
		err = refuse(r, "id", NULL, "is more than 32 bits");
	if (err)
		spec_drop(r->spec);
	else
		*out = r->spec;
	return err;
}

int spec_from_probe(const struct wire_probe *probe, struct spec **out, struct problems *p)
{
	struct reading r = begin("probe", probe->id, p);

	return finish(&r, probe->id, fill_from_probe(&r, probe), out);
}

int spec_from_alert(const struct wire_alert_order *alert, struct spec **out, struct problems *p)
{
	struct reading r = begin("alert", alert->id, p);

	return finish(&r, alert->id, fill_from_alert(&r, alert), out);
}

struct spec *spec_hold(struct spec *spec)
{
	spec->holders++;
	return spec;
}

void spec_drop(struct spec *spec)
{
	if (!spec || --spec->holders)
		return;
	for (size_t i = 0; i < spec->owned_count; i++)
		free(spec->owned[i]);
	free(spec->owned);
	free(spec);
}

bool spec_accepts_status(const struct spec *spec, unsigned int status)
{
	for (size_t i = 0; i < spec->status_count; i++)
		if (status >= spec->status[i].first && status <= spec->status[i].last)
			return true;
	return false;
}
