/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is posted is kept, logged and handed to the sinks of the configuration, signed where they have a secret. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/events.h"
#include "alert/history.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/config.h"
#include "core/key.h"
#include "core/signature.h"
#include "unit/unit.h"
#include "wire/prober.h"

#define FOREVER_MS (UINT64_C(1) << 50)

static struct events *events;
static struct config_alert sinks[2];
static struct config config = {.alerts = sinks};
static char secret_file[64];
static unsigned int listened;

static struct {
	unsigned int count;
	uint32_t id;
	char sink[16], target[64], signature[SIGNATURE_SIZE], *body;
	bool is_signed;
} sent;

static void on_posted(void *self)
{
	(void)self;
	listened++;
}

static void send_order(void *self, const struct wire_alert_order *order)
{
	(void)self;
	free(sent.body);
	sent.body = mem_string(order->body);
	sent.count++;
	sent.id = order->id;
	snprintf(sent.sink, sizeof(sent.sink), "%s", order->sink);
	snprintf(sent.target, sizeof(sent.target), "%s", order->target);
	sent.is_signed = order->signature != NULL;
	snprintf(sent.signature, sizeof(sent.signature), "%s",
		 order->signature ? order->signature : "");
}

static void start(size_t count)
{
	ck_assert_int_eq(key_init(), 0);
	snprintf(secret_file, sizeof(secret_file), "/tmp/sluice-secret-%d", getpid());
	config.alert_count = count;
	events = events_new();
	events_listen(events, on_posted, NULL);
	events_configure(events, &config);
}

static void stop(void)
{
	events_free(events);
	free(sent.body);
	unlink(secret_file);
}

static void post(void)
{
	event_say(events, (struct event){.kind = EVENT_apply_refused, .service = "web"}, "%s",
		  "no");
}

static void send_all(void)
{
	events_send(events, send_order, NULL, FOREVER_MS);
}

START_TEST(an_event_is_kept_and_whoever_listens_is_told)
{
	const struct history *history;

	start(0);
	ck_assert(!events_has_sinks(events));
	post();
	history = events_history(events);
	ck_assert_uint_eq(history_last(history), 1);
	ck_assert_str_eq(history_get(history, 1)->text, "no");
	ck_assert_uint_gt(history_get(history, 1)->wall_ms, 0);
	ck_assert_uint_eq(listened, 1);
	send_all();
	ck_assert_uint_eq(sent.count, 0);
	stop();
}
END_TEST

START_TEST(a_program_gets_its_document_until_it_has_taken_it)
{
	sinks[0] = (struct config_alert){
		.exec = "/etc/on-alert", .level = LOG_LEVEL_WARNING, .timeout_ms = 5000};
	start(1);
	ck_assert(events_has_sinks(events));
	post();
	send_all();
	ck_assert_uint_eq(sent.count, 1);
	ck_assert_str_eq(sent.sink, "exec");
	ck_assert_str_eq(sent.target, "/etc/on-alert");
	ck_assert(!sent.is_signed);
	ck_assert_ptr_nonnull(strstr(sent.body, "\"alert\":\"apply_refused\""));
	/* The prober dies with it. */
	events_unsent(events);
	send_all();
	ck_assert_uint_eq(sent.count, 2);
	events_sent(events, sent.id, true, "", FOREVER_MS);
	send_all();
	ck_assert_uint_eq(sent.count, 2);
	stop();
}
END_TEST

START_TEST(a_webhook_is_signed_by_the_secret_of_the_moment)
{
	char expected[SIGNATURE_SIZE];
	unsigned long long time_s;

	sinks[0] = (struct config_alert){.webhook = "https://alerts.example",
					 .secret_file = secret_file,
					 .level = LOG_LEVEL_DEBUG};
	start(1);
	ck_assert_int_eq(file_write_quick(secret_file, 0600, "s3cret\n", 7, NULL), 0);
	post();
	send_all();
	ck_assert_uint_eq(sent.count, 1);
	ck_assert_str_eq(sent.sink, "webhook");
	ck_assert_int_eq(sscanf(sent.signature, "t=%llu,", &time_s), 1);
	ck_assert_str_eq(sent.signature, signature_make("s3cret", 6, time_s, sent.body, expected));
	stop();
}
END_TEST

/* Each time the sink is asked a long while later, so that the pause is over. */
static void give_up(const char *why)
{
	const struct event *lost;

	post();
	for (int i = 1; i <= ALERT_TRIES; i++)
		events_send(events, send_order, NULL,
			    FOREVER_MS + i * (uint64_t)ALERT_PAUSE_MAX_MS);
	ck_assert_uint_eq(sent.count, 0);
	ck_assert_uint_eq(history_last(events_history(events)), 2);
	lost = history_get(events_history(events), 2);
	ck_assert_int_eq(lost->kind, EVENT_alert_lost);
	ck_assert_msg(strstr(lost->text, "alerts for https://alerts.example/... are lost: 1") &&
			      !strstr(lost->attributes[0].value, "hidden") &&
			      strstr(lost->text, why),
		      "%s", lost->text);
}

START_TEST(without_its_secret_nothing_is_sent_and_that_is_said)
{
	sinks[0] =
		(struct config_alert){.webhook = "https://me:hidden@alerts.example/hidden?hidden",
				      .secret_file = secret_file,
				      .level = LOG_LEVEL_WARNING};
	start(1);
	give_up("No such file");
	stop();
}
END_TEST

START_TEST(an_empty_secret_is_none)
{
	sinks[0] =
		(struct config_alert){.webhook = "https://me:hidden@alerts.example/hidden?hidden",
				      .secret_file = secret_file,
				      .level = LOG_LEVEL_WARNING};
	start(1);
	ck_assert_int_eq(file_write_quick(secret_file, 0600, "\n", 1, NULL), 0);
	give_up("is empty; write the secret into it");
	stop();
}
END_TEST

START_TEST(what_is_quiet_is_kept_all_the_same)
{
	start(0);
	event_post(events, &(struct event){.kind = EVENT_apply, .text = "x", .is_quiet = true});
	ck_assert_uint_eq(history_last(events_history(events)), 1);
	event_post(NULL, &(struct event){.kind = EVENT_apply, .text = "x"});
	stop();
}
END_TEST

/* Without an end, if it were opened. */
START_TEST(a_pipe_is_no_secret)
{
	sinks[0] =
		(struct config_alert){.webhook = "https://me:hidden@alerts.example/hidden?hidden",
				      .secret_file = secret_file,
				      .level = LOG_LEVEL_WARNING};
	start(1);
	unlink(secret_file);
	ck_assert_int_eq(mkfifo(secret_file, 0600), 0);
	give_up("is no regular file");
	stop();
}
END_TEST

RUN_TESTS("agent_events", an_event_is_kept_and_whoever_listens_is_told,
	  a_program_gets_its_document_until_it_has_taken_it,
	  a_webhook_is_signed_by_the_secret_of_the_moment,
	  without_its_secret_nothing_is_sent_and_that_is_said, an_empty_secret_is_none,
	  a_pipe_is_no_secret, what_is_quiet_is_kept_all_the_same)
