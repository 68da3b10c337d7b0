/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The deny list: what is in it, and changes at run time. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alert/event.h"
#include "api/requests.h"
#include "base/mem.h"
#include "base/text.h"

#define PROBLEMS_MAX 20 /* of one request that are told */

/* ---- the list -------------------------------------------------------------------------------- */

static void describe(struct request *request, const struct prefix *prefix, bool configured,
		     uint64_t since_s, struct wire_denied *out)
{
	char text[PREFIX_TEXT_SIZE], time[EVENT_TIME_SIZE];

	out->prefix = arena_string(request->arena, prefix_format(prefix, text));
	out->configured = configured;
	if (since_s)
		out->since = arena_string(request->arena, event_time_text(since_s * 1000, time));
}

enum wire_code answer_deny_list(struct request *request)
{
	const struct api_host *host = &request->api->host;
	const struct config *config = engine_config(request->api->engine);
	struct wire_deny_list *out = arena_alloc(request->arena, sizeof(*out));
	const struct api_denied *added;
	size_t addeds = host->denied(host->self, &added), configured = 0, c = 0, a = 0;

	configured = config ? config->denied_count : 0;
	out->limit = engine_view(request->api->engine)->limits.deny;
	out->prefixes.list = arena_alloc(request->arena,
					 (configured + addeds + 1) * sizeof(*out->prefixes.list));
	while (c < configured || a < addeds) {
		int order = c == configured ? 1
			    : a == addeds   ? -1
					    : memcmp(&config->denied[c], &added[a].prefix,
						     sizeof(added[a].prefix));

		describe(request, order <= 0 ? &config->denied[c] : &added[a].prefix, order <= 0,
			 order >= 0 ? added[a].since_s : 0,
			 &out->prefixes.list[out->prefixes.count++]);
		c += order <= 0;
		a += order >= 0;
	}
	return answer_with(request, WIRE_KIND_deny_list, out);
}

/* ---- changes --------------------------------------------------------------------------------- */

static void refuse_prefix(struct request *request, const char *word, int err)
{
	if (err == -EPROTOTYPE)
		problems_add(
			&request->errors, err, "prefix", word,
			"is IPv4-mapped, and no packet comes from such an address; write it as "
			"IPv4, such as 192.0.2.1");
	else if (err == -EDOM)
		problems_add(&request->errors, err, "prefix", word,
			     "has bits beyond its length; host bits must be zero");
	else
		problems_add(&request->errors, err, "prefix", word,
			     "expected an address or a prefix such as 198.51.100.0/24 or "
			     "2001:db8:e::/64");
}

/* Words, between blanks and commas; from # or ; to the end of a line is a comment. */
static enum wire_code parse(struct request *request, bool adds, struct prefix **out, size_t *count)
{
	char *rest = arena_string(request->arena, request->arguments->prefixes);
	struct prefix *list = NULL;

	*count = 0;
	while (*rest && request->errors.count < PROBLEMS_MAX) {
		char *word = rest;
		int err;

		if (*rest == '#' || *rest == ';') {
			rest += strcspn(rest, "\n");
			continue;
		}
		if (isspace((unsigned char)*rest) || *rest == ',') {
			rest++;
			continue;
		}
		rest += strcspn(rest, " \t\r\n,;#");
		if (*rest == '#' || *rest == ';') {
			*rest++ = '\0';
			rest += strcspn(rest, "\n");
		} else if (*rest) {
			*rest++ = '\0';
		}
		list = mem_grow(list, *count, sizeof(*list));
		err = prefix_parse(word, &list[*count]);
		/* What was added before it was refused can be taken out. */
		if (!err && adds && prefix_is_mapped(&list[*count]))
			err = -EPROTOTYPE;
		*count += !err;
		if (err)
			refuse_prefix(request, word, err);
	}
	if (!*count && !request->errors.count)
		problems_add(&request->errors, -EINVAL, "prefix", NULL,
			     "is missing: there is none in what was given");
	*out = list;
	return request->errors.count ? WIRE_USAGE : WIRE_OK;
}

/* All of a family's sources: it is a slip more often than meant, and ends every service's traffic at once. */
static enum wire_code refuse_everybody(struct request *request, const struct prefix *list,
				       size_t count)
{
	char text[PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < count; i++)
		if (!list[i].length)
			problems_add(&request->errors, -EPERM, "prefix",
				     prefix_format(&list[i], text),
				     "denies every source of IPv%u, so that no service answers "
				     "any; --force does it nevertheless",
				     list[i].addr.family);
	return request->errors.count ? WIRE_REFUSED : WIRE_OK;
}

static void post(struct request *request, const char *what, const struct prefix *first,
		 size_t changed)
{
	const struct api_host *host = &request->api->host;
	char text[PREFIX_TEXT_SIZE];
	const char *uid = arena_format(request->arena, "%u", request->client->uid);

	host->post(host->self,
		   &(struct event){
			   .kind = EVENT_deny,
			   .text = changed == 1
					   ? arena_format(request->arena, "deny %s %s by uid %s",
							  what, prefix_format(first, text), uid)
					   : arena_format(request->arena,
							  "deny %s of %zu prefixes by uid %s", what,
							  changed, uid),
			   .attributes = {{"uid", uid}},
		   });
}

static enum wire_code change(struct request *request, bool adds)
{
	const struct api_host *host = &request->api->host;
	const struct config *config = engine_config(request->api->engine);
	struct wire_deny_change *out = arena_alloc(request->arena, sizeof(*out));
	const struct api_denied *now;
	struct prefix *list = NULL;
	size_t count, changed = 0;
	enum wire_code code = parse(request, adds, &list, &count);

	if (!code && adds && !request->arguments->force)
		code = refuse_everybody(request, list, count);
	if (!code && host->deny(host->self, adds, list, count, &changed, &request->errors))
		code = WIRE_FAILED;
	if (!code && changed)
		post(request, adds ? "add" : "del", list, changed);
	free(list);
	if (code)
		return code;
	*out = (struct wire_deny_change){
		.added = adds ? changed : 0,
		.removed = adds ? 0 : changed,
		.unchanged = count - changed,
		.at_run_time = host->denied(host->self, &now),
		.configured = config ? config->denied_count : 0,
		.limit = engine_view(request->api->engine)->limits.deny,
	};
	return answer_with(request, WIRE_KIND_deny_change, out);
}

enum wire_code answer_deny_add(struct request *request)
{
	return change(request, true);
}

enum wire_code answer_deny_del(struct request *request)
{
	return change(request, false);
}
