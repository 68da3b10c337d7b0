/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "dataplane/audit.h"
#include "dataplane/deny.h"
#include "dataplane/internal.h"

#define PART 1024 /* keys that one call of the kernel gives; a walk's step */

static const __u32 there = 1;

static struct sl_deny_key key_of(const struct prefix *prefix)
{
	struct sl_deny_key key = {
		.bits = SL_DENY_FAMILY_BITS + prefix->length,
		.family = prefix->addr.family,
	};

	memcpy(key.address, prefix->addr.bytes, sizeof(key.address));
	return key;
}

static struct prefix prefix_of_key(const struct sl_deny_key *key)
{
	struct prefix prefix = {.addr.family = key->family,
				.length = key->bits - SL_DENY_FAMILY_BITS};

	memcpy(prefix.addr.bytes, key->address, sizeof(prefix.addr.bytes));
	return prefix;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct prefix));
}

static bool has(const struct deny_list *list, const struct prefix *prefix)
{
	return list->count &&
	       bsearch(prefix, list->list, list->count, sizeof(*prefix), compare) != NULL;
}

static int add(int map_fd, const struct prefix *prefix)
{
	struct sl_deny_key key = key_of(prefix);

	return bpf_map_update_elem(map_fd, &key, &there, BPF_ANY) ? -errno : 0;
}

static int take_out(int map_fd, const struct prefix *prefix)
{
	struct sl_deny_key key = key_of(prefix);

	return bpf_map_delete_elem(map_fd, &key) && errno != ENOENT ? -errno : 0;
}

/*
 * The next keys after *at (is_first: the first ones), at most PART; *at becomes the last one. Returns how many, or a
 * negative errno; *is_last: there are no more.
 */
static int read_part(int map_fd, bool is_first, struct sl_deny_key *at,
		     struct sl_deny_key keys[PART], bool *is_last)
{
	struct sl_deny_key next;
	__u32 values[PART], count = PART;
	int err = bpf_map_lookup_batch(map_fd, is_first ? NULL : at, &next, keys, values, &count,
				       NULL)
			  ? -errno
			  : 0;

	*is_last = err == -ENOENT;
	if (err && !*is_last)
		return err;
	*at = next;
	return count;
}

bool deny_is_empty(int map_fd)
{
	struct sl_deny_key key;

	return bpf_map_get_next_key(map_fd, NULL, &key) != 0;
}

int deny_read(int map_fd, struct deny_list *out)
{
	struct deny_list list = {};
	struct sl_deny_key at, keys[PART];
	bool is_last = deny_is_empty(map_fd);

	for (bool is_first = true; !is_last; is_first = false) {
		int count = read_part(map_fd, is_first, &at, keys, &is_last);

		if (count < 0) {
			free(list.list);
			return count;
		}
		list.list = mem_resize(list.list, list.count + count + 1, sizeof(*list.list));
		for (int i = 0; i < count; i++)
			list.list[list.count++] = prefix_of_key(&keys[i]);
	}
	if (list.count)
		qsort(list.list, list.count, sizeof(*list.list), compare);
	free(out->list);
	*out = list;
	return 0;
}

int deny_fill(int map_fd, const struct deny_list *list)
{
	int err = 0;

	for (size_t i = 0; !err && i < list->count; i++)
		err = add(map_fd, &list->list[i]);
	return err;
}

/* ---- changes --------------------------------------------------------------------------------------- */

/* Calls `change` with what `a` has and `b` has not, up to `end` of them; *done: how many. */
static int each_only_in(const struct deny_list *a, const struct deny_list *b, int map_fd,
			int (*change)(int map_fd, const struct prefix *prefix), size_t end,
			size_t *done)
{
	size_t in_b = 0;
	int err = 0;

	*done = 0;
	for (size_t i = 0; !err && i < a->count && *done < end; i++) {
		while (in_b < b->count && compare(&b->list[in_b], &a->list[i]) < 0)
			in_b++;
		if (in_b < b->count && compare(&b->list[in_b], &a->list[i]) == 0)
			continue;
		err = change(map_fd, &a->list[i]);
		*done += !err;
	}
	return err;
}

int dataplane_write_denied(struct dataplane *dp, const struct prefix *list, size_t count,
			   struct problems *p)
{
	struct deny_list *old = audit_denied(dp->audit), next = {.count = count};
	int fd = dp->maps.fd[MAP_denied], err;
	size_t done, undone;

	if (count > dp->maps.limits.deny)
		return problems_add(p, -ENOSPC, "limits.deny", NULL,
				    "is %u, and %zu prefixes would be denied: raise it and restart "
				    "sluiced, or deny fewer",
				    dp->maps.limits.deny, count);
	next.list = mem_array(count + 1, sizeof(*list));
	if (count)
		memcpy(next.list, list, count * sizeof(*list));
	err = each_only_in(&next, old, fd, add, SIZE_MAX, &done);
	if (err) {
		each_only_in(&next, old, fd, take_out, done, &undone);
		free(next.list);
		return problems_add(p, err, "deny list", NULL, "cannot be changed: %s",
				    strerror(-err));
	}
	/* What stays though it should not is found and mended like what somebody else has put there. */
	each_only_in(old, &next, fd, take_out, SIZE_MAX, &done);
	free(old->list);
	*old = next;
	return 0;
}

bool dataplane_denies(const struct dataplane *dp, const struct addr *source, struct prefix *by)
{
	const struct deny_list *list = audit_denied(dp->audit);

	for (int length = 8 * addr_size(source->family); length >= 0; length--) {
		*by = prefix_of(source, length);
		if (has(list, by))
			return true;
	}
	return false;
}

/* ---- what others have done by hand ------------------------------------------------------------------- */

uint32_t deny_look(int map_fd, struct deny_list *list)
{
	struct sl_deny_key keys[PART];
	bool is_last = true;
	int count = 0;

	if (!deny_is_empty(map_fd))
		count = read_part(map_fd, !list->is_walking, &list->at, keys, &is_last);
	/* Who changes the map meanwhile may have taken away where the walk stood: it begins anew. */
	if (count < 0) {
		list->is_walking = false;
		list->seen = 0;
		return list->damage;
	}
	for (int i = 0; i < count; i++) {
		struct prefix prefix = prefix_of_key(&keys[i]);

		if (has(list, &prefix))
			list->seen++;
		else
			list->damage++;
	}
	list->is_walking = !is_last;
	if (is_last) {
		if (list->seen < list->count)
			list->damage += list->count - list->seen;
		list->seen = 0;
	}
	return list->damage;
}

int deny_mend(int map_fd, struct deny_list *list)
{
	struct deny_list live = {};
	size_t done;
	int err;

	if (!list->damage)
		return 0;
	err = deny_read(map_fd, &live);
	if (!err)
		err = each_only_in(list, &live, map_fd, add, SIZE_MAX, &done);
	if (!err)
		err = each_only_in(&live, list, map_fd, take_out, SIZE_MAX, &done);
	free(live.list);
	if (err)
		return err;
	list->damage = 0;
	list->is_walking = false;
	list->seen = 0;
	return 0;
}
