/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our own copy of what is in the maps that packets only read, so that what somebody else has written over can be
 * told and mended (dataplane_audit()). The slots' words and the flow table are not among it: packets write there, and
 * core/ looks after them.
 */
#ifndef DATAPLANE_AUDIT_H
#define DATAPLANE_AUDIT_H

#include <stddef.h>

struct audit;
struct deny_list;
struct dataplane;

/* Takes what is in the maps now for right. */
struct audit *audit_new(const struct dataplane *dp);
void audit_free(struct audit *audit); /* NULL is fine */

/* These bytes of a map were written by us just now. NULL: there is no copy yet, and nothing is done. */
void audit_note(struct audit *audit, const void *at, size_t size);
/* What the map of denied sources should hold; for deny.c to change. */
struct deny_list *audit_denied(struct audit *audit);
/* Packets may be redirected out by this interface. */
void audit_note_way(struct audit *audit, uint32_t ifindex);

#endif
