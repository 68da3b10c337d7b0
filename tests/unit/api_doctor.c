/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the agent found when it looked at itself: all of it by doctor, what it cannot put right by status. */
#include "base/mem.h"
#include "unit/support/asked_api.h"
#include "unit.h"

static void start_ill(void)
{
	asked_start();
	asked.agent.checks[0] =
		(struct api_condition){"maps", API_ERROR, NULL, "1 pin removed", "look"};
	asked.agent.checks[1] =
		(struct api_condition){"interface", API_WARNING, "eth0", "generic", "buy"};
	asked.agent.checks[2] = (struct api_condition){"kernel", API_OK, NULL, "6.18", NULL};
	asked.agent.check_count = 3;
	asked.agent.quick_count = 2;
}

START_TEST(doctor_tells_every_check_and_counts_what_is_wrong)
{
	struct wire_reply reply;

	start_ill();
	reply = ask_as(&asked_reader, WIRE_COMMAND_doctor, NOTHING);
	expect_kind(&reply, WIRE_KIND_doctor);
	ck_assert_uint_eq(reply.doctor->checks.count, 3);
	ck_assert_uint_eq(reply.doctor->errors, 1);
	ck_assert_uint_eq(reply.doctor->warnings, 1);
	ck_assert_str_eq(reply.doctor->checks.list[0].name, "maps");
	ck_assert_str_eq(reply.doctor->checks.list[0].level, "error");
	ck_assert_str_eq(reply.doctor->checks.list[0].advice, "look");
	ck_assert_str_eq(reply.doctor->checks.list[1].about, "eth0");
	ck_assert_str_eq(reply.doctor->checks.list[2].level, "ok");
	ck_assert_ptr_null(reply.doctor->checks.list[2].advice);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

static size_t count_findings(const struct wire_status *status, const char *level, const char *about,
			     const char *what)
{
	size_t found = 0;

	for (size_t i = 0; i < status->findings.count; i++) {
		const struct wire_finding *finding = &status->findings.list[i];

		found += !strcmp(finding->level, level) && !strcmp(finding->about, about) &&
			 !strcmp(finding->what, what);
	}
	return found;
}

START_TEST(status_tells_what_the_agent_cannot_put_right)
{
	struct wire_reply reply;

	start_ill();
	reply = ask(WIRE_COMMAND_status, NOTHING);
	expect_kind(&reply, WIRE_KIND_status);
	ck_assert_uint_eq(count_findings(reply.status, "error", "maps", "1 pin removed"), 1);
	ck_assert_uint_eq(count_findings(reply.status, "warning", "interface eth0", "generic"), 1);
	wire_reply_free(&reply);
	asked_stop();
}
END_TEST

RUN_TESTS("api_doctor", doctor_tells_every_check_and_counts_what_is_wrong,
	  status_tells_what_the_agent_cannot_put_right)
