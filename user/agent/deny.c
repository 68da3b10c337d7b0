/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/deny.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "config/config.h"
#include "dataplane/dataplane.h"

#define PROBLEMS_MAX 20 /* of one request that are told */

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct prefix));
}

/* Both lists in one, in order; returns how many. */
static size_t merge(const struct config *config, const struct denyfile *file, struct prefix *out)
{
	size_t configured = config ? config->denied_count : 0, c = 0, f = 0, count = 0;

	while (c < configured || f < file->count) {
		int order = c == configured    ? 1
			    : f == file->count ? -1
					       : compare(&config->denied[c], &file->list[f].prefix);

		out[count++] = order <= 0 ? config->denied[c] : file->list[f].prefix;
		c += order <= 0;
		f += order >= 0;
	}
	return count;
}

static struct prefix *merged(const struct config *config, const struct denyfile *file,
			     size_t *count)
{
	struct prefix *list =
		mem_array((config ? config->denied_count : 0) + file->count + 1, sizeof(*list));

	*count = merge(config, file, list);
	return list;
}

static int check(const struct config *config, const struct denyfile *file, uint32_t limit,
		 struct problems *p)
{
	size_t count;
	char text[16];

	free(merged(config, file, &count));
	if (count <= limit)
		return 0;
	snprintf(text, sizeof(text), "%u", limit);
	return problems_add(p, -ENOSPC, "limits.deny", text,
			    "has no room for %zu prefixes (%zu configured, %zu added at run time); "
			    "raise it and restart sluiced, or deny fewer",
			    count, config ? config->denied_count : 0, file->count);
}

int deny_check(const struct agent *agent, const struct config *config, struct problems *p)
{
	return check(config, &agent->denied, config->limits.deny, p);
}

int deny_write(const struct agent *agent, const struct config *config, struct dataplane *dp,
	       struct problems *p)
{
	size_t count;
	struct prefix *list = merged(config, &agent->denied, &count);
	int err = dataplane_write_denied(dp, list, count, p);

	free(list);
	return err;
}

/* ---- at run time ----------------------------------------------------------------------------- */

static int put_in_force(struct agent *agent, const struct config *config,
			const struct denyfile *next, struct problems *p)
{
	struct dataplane_features features = dataplane_features(agent->dp);
	size_t count;
	struct prefix *list = merged(config, next, &count);
	int err;

	features.deny |= count != 0;
	err = dataplane_set_features(agent->dp, features, p);
	if (!err)
		err = dataplane_write_denied(agent->dp, list, count, p);
	free(list);
	return err;
}

/* Takes `next` over. */
static int change(struct agent *agent, struct denyfile *next, struct problems *p)
{
	const struct config *config = engine_config(agent->engine);
	const char *dir = agent->options.state_dir;
	struct problems undone = {};
	int err = check(config, next, dataplane_view(agent->dp)->limits.deny, p);

	if (!err)
		err = agent_kept(agent, denyfile_store(dir, next, p), p);
	if (!err) {
		err = put_in_force(agent, config, next, p);
		if (err)
			denyfile_store(dir, &agent->denied, &undone);
	}
	log_and_free_problems(LOG_LEVEL_ERROR, &undone);
	if (err) {
		denyfile_free(next);
		return err;
	}
	denyfile_free(&agent->denied);
	agent->denied = *next;
	return 0;
}

static bool is_configured(const struct agent *agent, const struct prefix *prefix)
{
	const struct config *config = engine_config(agent->engine);

	return config && config->denied_count &&
	       bsearch(prefix, config->denied, config->denied_count, sizeof(*prefix), compare);
}

int deny_add(struct agent *agent, const struct prefix *list, size_t count, size_t *changed,
	     struct problems *p)
{
	struct prefix *new = mem_array(count + 1, sizeof(*new));
	struct denyfile next;
	size_t news = 0;
	int err = 0;

	for (size_t i = 0; i < count; i++)
		if (!is_configured(agent, &list[i]) && !denyfile_find(&agent->denied, &list[i]))
			new[news++] = list[i];
	denyfile_with(&agent->denied, new, news, time(NULL), &next);
	*changed = next.count - agent->denied.count;
	free(new);
	if (*changed)
		err = change(agent, &next, p);
	else
		denyfile_free(&next);
	return err;
}

static int refuse_removal(const struct agent *agent, const struct prefix *prefix,
			  struct problems *p)
{
	char text[PREFIX_TEXT_SIZE];

	prefix_format(prefix, text);
	if (is_configured(agent, prefix))
		return problems_add(p, -EBUSY, "prefix", text,
				    "is denied by the configuration (security.deny): take it out "
				    "there and apply that");
	return problems_add(p, -ENOENT, "prefix", text,
			    "is not in the deny list; see 'sluicectl deny list'");
}

int deny_remove(struct agent *agent, const struct prefix *list, size_t count, size_t *changed,
		struct problems *p)
{
	struct denyfile next;
	size_t refused = 0;
	int err = 0;

	for (size_t i = 0; i < count && refused < PROBLEMS_MAX; i++)
		if (!denyfile_find(&agent->denied, &list[i])) {
			err = refuse_removal(agent, &list[i], p);
			refused++;
		}
	if (err)
		return err;
	denyfile_without(&agent->denied, list, count, &next);
	*changed = agent->denied.count - next.count;
	return change(agent, &next, p);
}
