/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent's look at itself and its host, as a document. */
#include "api/requests.h"
#include "base/mem.h"

static const char *const levels[] = {
	[API_OK] = "ok",
	[API_NOTE] = "note",
	[API_WARNING] = "warning",
	[API_ERROR] = "error",
};

enum wire_code answer_doctor(struct request *request)
{
	const struct api_host *host = &request->api->host;
	struct wire_doctor *out = arena_alloc(request->arena, sizeof(*out));
	struct api_condition *checks;

	*out = (struct wire_doctor){};
	out->checks.count = host->conditions(host->self, false, request->arena, &checks);
	out->checks.list =
		arena_alloc(request->arena, out->checks.count * sizeof(*out->checks.list));
	for (size_t i = 0; i < out->checks.count; i++) {
		const struct api_condition *check = &checks[i];

		out->errors += check->level == API_ERROR;
		out->warnings += check->level == API_WARNING;
		out->checks.list[i] = (struct wire_doctor_check){
			.name = check->name,
			.level = levels[check->level],
			.about = check->about,
			.evidence = check->evidence,
			.advice = check->advice,
		};
	}
	return answer_with(request, WIRE_KIND_doctor, out);
}
