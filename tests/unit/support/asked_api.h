/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking the api as a client does, over the real engine with its maps in plain memory, and an agent
 * that notes what it is told.
 */
#ifndef TESTS_ASKED_API_H
#define TESTS_ASKED_API_H

#include "alert/history.h"
#include "api/requests.h"
#include "health/health.h"
#include "unit/support/fake_host.h"

/* Two services: web (one of three backends drained) and dns (one backend). */
#define API_TEXT                                                                               \
	FAKE_HEAD "services:\n"                                                                \
		  " - name: web\n   address: [203.0.113.10, '2001:db8::10']\n   port: 443\n"   \
		  "   table-size: 251\n   backends: [{address: 10.0.1.11}, {address: "         \
		  "10.0.1.12}, {address: 10.0.1.13, state: drain}]\n"                          \
		  " - name: dns\n   address: 203.0.113.53\n   port: 53\n   protocol: udp\n   " \
		  "table-size: 251\n"                                                          \
		  "   backends: [{address: 10.0.1.21}]\n"

#define ABSENT_DEVICE "eth9" /* of a configuration: the agent does not find it */

struct asked_agent {
	struct api_interface interfaces[2];
	size_t interface_count;
	struct api_condition checks[4];
	size_t check_count, quick_count; /* a quick look sees the first ones */
	bool fails;
	const char *unprobed;	     /* why service web is not probed */
	struct api_denied denied[8]; /* the last that were asked for */
	size_t denied_count;
	unsigned int downs;
	char *logged;
	uint64_t now_ms;	     /* 60 s after its start, at first */
	api_probed_function *probed; /* of the last check that was asked for */
	void *probed_arg;
	uint64_t traced;    /* the first packet of the last request to trace; 0: there was none */
	char *kept;	    /* the reply to what was promised */
	bool drops_replies; /* there are several */
};

#define ASKED_RUN 77

struct asked_api {
	struct fake_host host;
	struct history *history;
	struct asked_agent agent;
	struct health *health; /* knows nobody until a test configures it */
	struct api api;
};
extern struct asked_api asked;

extern const struct api_client asked_root, asked_reader; /* may change; may not */

void asked_start(void);
void asked_stop(void);

/* Each gives a reply, which the caller frees; an answer that is no document fails the test. */
struct wire_reply ask_line(const struct api_client *client, const char *line);
struct wire_reply ask_as(const struct api_client *client, enum wire_command command,
			 struct wire_arguments arguments);
struct wire_reply ask(enum wire_command command, struct wire_arguments arguments); /* as root */

/* Asks, as a reader, what is promised an answer; and the reply, when it was kept. */
void ask_for_later(enum wire_command command, struct wire_arguments arguments);
struct wire_reply asked_later(void);

#define NOTHING ((struct wire_arguments){})
struct wire_arguments file_of(const char *text); /* named a.yaml */
struct wire_arguments backend_of(const char *service, const char *address);

void expect_kind(const struct wire_reply *reply, enum wire_kind kind);
/* That the first error says this, and the code; and frees the reply. */
void expect_error(struct wire_reply reply, enum wire_code code, const char *complaint);

/* Applies a configuration, which must do. */
void ask_apply(const char *text);

#endif
