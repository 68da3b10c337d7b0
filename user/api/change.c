/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checking, comparing and applying configurations, and what operators change at run time. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "alert/event.h"
#include "api/requests.h"
#include "base/mem.h"
#include "core/maglev.h"

#define LIMITS_MAX 16 /* of `limits`' fields */

/* What each errno of a change is to an operator; all others have failed. */
static enum wire_code code_of(int err)
{
	switch (err) {
	case 0:
		return WIRE_OK;
	case -EINVAL:
		return WIRE_INVALID;
	case -EPERM:
		return WIRE_REFUSED;
	default:
		return WIRE_FAILED;
	}
}

/* ---- configurations -------------------------------------------------------------------------- */

static int read_config(struct request *request, struct config **out)
{
	const struct wire_arguments *arguments = request->arguments;
	const struct api_host *host = &request->api->host;
	int err = config_read(arguments->file, arguments->text, strlen(arguments->text), out,
			      &request->errors);

	if (!err)
		host->warn(host->self, *out);
	return err;
}

/*
 * Problems as a document, all in the arena: the configuration that has them may go before the
 * reply.
 */
static struct wire_problem *keep_problems(struct arena *arena, const struct problems *problems)
{
	struct wire_problem *list = wire_problems_from(arena, problems);

	for (size_t i = 0; i < problems->count; i++) {
		list[i].file = arena_string(arena, list[i].file);
		list[i].field = arena_string(arena, list[i].field);
		list[i].value = arena_string(arena, list[i].value);
		list[i].expected = arena_string(arena, list[i].expected);
	}
	return list;
}

/* What `apply` would say of limits that are not those in force. Returns how many. */
static size_t warn_of_limits(const struct config *config, const struct config *running,
			     struct arena *arena, struct wire_problem *out)
{
	struct config_changes changes;
	size_t count = 0;

	config_diff(running, config, &changes);
	for (size_t i = 0; i < changes.count && count < LIMITS_MAX; i++) {
		const struct config_change *change = &changes.list[i];

		if (strncmp(change->path, "limits.", strlen("limits.")))
			continue;
		out[count++] = (struct wire_problem){
			.file = arena_string(arena, config->file),
			.field = arena_string(arena, change->path),
			.value = arena_string(arena, change->after),
			.expected = arena_format(arena,
						 "the maps in force are made for %s, so 'apply' "
						 "will refuse it; a restart of sluiced takes the "
						 "new limit, and forwarding goes on meanwhile",
						 change->before),
		};
	}
	config_changes_free(&changes);
	return count;
}

/* The warnings, and more where the limits are not those in force. */
static void describe_warnings(const struct config *config, const struct config *running,
			      struct arena *arena, struct wire_check *out)
{
	size_t count = config->warnings->count;
	struct wire_problem *list = arena_alloc(arena, (count + LIMITS_MAX) * sizeof(*list));

	memcpy(list, keep_problems(arena, config->warnings), count * sizeof(*list));
	if (running)
		count += warn_of_limits(config, running, arena, list + count);
	out->warnings.list = list;
	out->warnings.count = count;
}

void api_check_document(const struct config *config, const struct config *running,
			struct arena *arena, struct wire_check *out)
{
	*out = (struct wire_check){
		.file = arena_string(arena, config->file),
		.interfaces = config->interface_count,
		.services = config->service_count,
		.slots_needed = config_slots_needed(config),
		.slots_available = running ? running->limits.slots : config->limits.slots,
		.largest_table_size = config_largest_table_size(config),
	};
	for (size_t i = 0; i < config->service_count; i++)
		out->backends += config->services[i].backend_count;
	describe_warnings(config, running, arena, out);
}

/* What `apply` finds amiss on this host is no fault of the file, which may be for another one. */
static void warn_of_refusal(struct request *request, const struct config *config)
{
	const struct api_host *host = &request->api->host;
	struct problems p = {};

	host->find(host->self, config, &p);
	for (size_t i = 0; i < p.count; i++)
		problems_add_at(config->warnings, p.list[i].file, p.list[i].line, p.list[i].column,
				p.list[i].field, p.list[i].value,
				"%s; 'apply' would refuse it on this host", p.list[i].expected);
	problems_free(&p);
}

enum wire_code answer_check(struct request *request)
{
	struct wire_check *out = arena_alloc(request->arena, sizeof(*out));
	struct config *config;
	int err = read_config(request, &config);

	if (err)
		return code_of(err);
	warn_of_refusal(request, config);
	api_check_document(config, engine_config(request->api->engine), request->arena, out);
	config_free(config);
	return answer_with(request, WIRE_KIND_check, out);
}

static void describe_changes(struct arena *arena, const struct config_changes *changes,
			     struct wire_plan *out)
{
	static const char *const kinds[] = {
		[CONFIG_ADDED] = "added",
		[CONFIG_REMOVED] = "removed",
		[CONFIG_CHANGED] = "changed",
	};

	out->changes.list = arena_alloc(arena, changes->count * sizeof(*out->changes.list));
	out->changes.count = changes->count;
	for (size_t i = 0; i < changes->count; i++)
		out->changes.list[i] = (struct wire_change){
			.kind = kinds[changes->list[i].kind],
			.path = arena_string(arena, changes->list[i].path),
			.before = arena_string(arena, changes->list[i].before),
			.after = arena_string(arena, changes->list[i].after),
		};
}

/* Those whose backend the new configuration does not have will go, and are not listed. */
static void describe_overrides(struct request *request, const struct config *config,
			       struct wire_plan *out)
{
	const struct overrides *overrides = engine_overrides(request->api->engine);
	struct wire_override *list = arena_alloc(request->arena, overrides->count * sizeof(*list));
	char address[ADDR_TEXT_SIZE];

	out->overrides.list = list;
	for (size_t i = 0; i < overrides->count; i++) {
		const struct overrides_entry *entry = &overrides->list[i];
		const struct config_service *service = config_find_service(config, entry->service);
		const struct override *value = &entry->value;

		if (!service || !config_find_backend(service, &entry->backend))
			continue;
		list[out->overrides.count++] = (struct wire_override){
			.service = arena_string(request->arena, entry->service),
			.address =
				arena_string(request->arena, addr_format(&entry->backend, address)),
			.state = value->has_state ? config_state_name(value->state) : NULL,
			.weight = value->has_weight
					  ? arena_format(request->arena, "%u", value->weight)
					  : NULL,
		};
	}
}

/* One more. */
static void add_warning(struct arena *arena, const char *warning, struct wire_plan *out)
{
	size_t count = out->warnings.count;
	struct wire_problem *list = arena_alloc(arena, (count + 1) * sizeof(*list));

	memcpy(list, out->warnings.list, count * sizeof(*list));
	list[count] = (struct wire_problem){
		.field = "limits.flows",
		.expected = arena_string(arena, warning),
	};
	out->warnings.list = list;
	out->warnings.count = count + 1;
}

static void describe_forecast(struct request *request, const struct engine_forecast *forecast,
			      struct wire_plan *out)
{
	struct arena *arena = request->arena;
	const char **operations =
		arena_alloc(arena, forecast->operation_count * sizeof(*operations));

	for (size_t i = 0; i < forecast->operation_count; i++)
		operations[i] = arena_string(arena, forecast->operations[i]);
	describe_changes(arena, &forecast->changes, out);
	out->services_added = forecast->services_added;
	out->services_removed = forecast->services_removed;
	out->services_changed = forecast->services_changed;
	out->backends_added = forecast->backends_added;
	out->backends_removed = forecast->backends_removed;
	out->slots_total = forecast->slots_total;
	out->slots_moved = forecast->slots_moved;
	out->slots_later = forecast->slots_later;
	out->slots_tracked = forecast->slots_tracked;
	out->flows_kept = forecast->flows_kept;
	out->flows_moved = forecast->flows_moved;
	out->slots_cut = forecast->slots_cut;
	out->flows_cut = forecast->flows_cut;
	out->flows_ended = forecast->flows_ended;
	if (forecast->warning)
		add_warning(arena, forecast->warning, out);
	out->operations.list = operations;
	out->operations.count = forecast->operation_count;
	if (forecast->force_needed)
		out->unsafe = arena_string(arena, forecast->unsafe);
	out->revision = engine_revision(request->api->engine);
}

/* What a configuration would change; `config` stays the caller's. */
static enum wire_code answer_plan(struct request *request, const struct config *config,
				  struct wire_plan *out)
{
	const struct api_host *host = &request->api->host;
	struct engine_forecast forecast = {};
	int err = host->find(host->self, config, &request->errors);

	/* Over an interface that is absent no backend is reached, and the forecast would speak of that alone. */
	if (!err)
		err = engine_plan(request->api->engine, config, &forecast, &request->errors);
	if (err)
		return code_of(err);
	describe_forecast(request, &forecast, out);
	engine_forecast_free(&forecast);
	return answer_with(request, WIRE_KIND_plan, out);
}

static const char *uid_text(const struct request *request)
{
	return arena_format(request->arena, "%u", request->client->uid);
}

/* The answer is seen by the client alone: the event says why, too, with the first of the reasons. */
static const char *refusal(struct request *request)
{
	char *why = request->errors.count ? problem_text(&request->errors.list[0]) : NULL;
	const char *what = arena_format(request->arena, "refused: %s", why ?: "no reason known");

	free(why);
	return what;
}

/* `before`: the revision that was in force. */
static void post_apply(struct request *request, int err, uint64_t before)
{
	const struct api_host *host = &request->api->host;
	const struct wire_arguments *arguments = request->arguments;
	uint64_t now = engine_revision(request->api->engine);
	const char *revision = arena_format(request->arena, "%" PRIu64, now);
	const char *what = err		   ? refusal(request)
			   : now == before ? "nothing differs"
					   : arena_format(request->arena, "revision %s", revision);

	host->post(host->self,
		   &(struct event){
			   .kind = err ? EVENT_apply_refused : EVENT_apply,
			   .text = arena_format(request->arena, "apply %s%s by uid %u: %s",
						arguments->file, arguments->force ? " --force" : "",
						request->client->uid, what),
			   .attributes = {{"file", arguments->file},
					  {"uid", uid_text(request)},
					  {"revision", revision}},
		   });
}

/* Puts `config`, which is taken over, in force. */
static enum wire_code apply(struct request *request, struct config *config, struct wire_plan *out)
{
	const struct api_host *host = &request->api->host;
	struct engine_forecast forecast = {};
	const struct wire_arguments *arguments = request->arguments;
	uint64_t before = engine_revision(request->api->engine);
	int err = host->apply(host->self, config, arguments->force, &forecast, &request->errors);

	post_apply(request, err, before);
	if (err)
		return code_of(err);
	describe_forecast(request, &forecast, out);
	engine_forecast_free(&forecast);
	out->applied = true;
	return answer_with(request, WIRE_KIND_plan, out);
}

static enum wire_code plan_or_apply(struct request *request, bool applies)
{
	struct wire_plan *out = arena_alloc(request->arena, sizeof(*out));
	struct config *config;
	enum wire_code code;
	int err = read_config(request, &config);

	if (err)
		return code_of(err);
	out->warnings.list = keep_problems(request->arena, config->warnings);
	out->warnings.count = config->warnings->count;
	describe_overrides(request, config, out);
	if (applies)
		return apply(request, config, out);
	code = answer_plan(request, config, out);
	config_free(config);
	return code;
}

enum wire_code answer_diff(struct request *request)
{
	return plan_or_apply(request, false);
}

enum wire_code answer_apply(struct request *request)
{
	return plan_or_apply(request, !request->arguments->dry_run);
}

/* ---- overrides ------------------------------------------------------------------------------- */

/* What the backend is configured as, without overrides. */
static const struct config_backend *configured(const struct model_service *service,
					       const struct model_backend *backend)
{
	return config_find_backend(service->config, &backend->address);
}

static void set_state(struct override *override, const struct config_backend *configured_as,
		      enum config_state state)
{
	override->has_state = configured_as->state != state;
	override->state = state;
}

static enum wire_code override_backend(struct request *request,
				       void (*edit)(const struct request *request,
						    const struct config_backend *configured_as,
						    struct override *override))
{
	struct engine *engine = request->api->engine;
	const struct api_host *host = &request->api->host;
	const struct model_service *service = find_service(request);
	const struct model_backend *backend = service ? find_backend(request, service) : NULL;
	struct wire_backend *out = arena_alloc(request->arena, sizeof(*out));
	const struct override *old;
	struct override override = {};
	struct addr address;
	int err;

	if (!backend)
		return WIRE_FAILED;
	address = backend->address;
	old = overrides_find(engine_overrides(engine), service->name, &address);
	if (old)
		override = *old;
	edit(request, configured(service, backend), &override);
	err = engine_override(engine, request->arguments->service, &address, &override,
			      request->arguments->force, host->now_ms(host->self),
			      &request->errors);
	if (err)
		return err == -EPERM ? WIRE_REFUSED : WIRE_FAILED;
	/* The model is another one now. */
	service = find_service(request);
	backend = service ? find_backend(request, service) : NULL;
	if (!backend)
		return WIRE_FAILED;
	describe_backend(request, service, backend, out);
	host->post(host->self,
		   &(struct event){
			   .kind = EVENT_override,
			   .service = service->name,
			   .backend = out->address,
			   .text = arena_format(request->arena,
						"backend %s %s by uid %u: state %s, weight %u",
						service->name, out->address, request->client->uid,
						out->state, backend->weight),
			   .attributes = {{"uid", uid_text(request)}},
		   });
	return answer_with(request, WIRE_KIND_backend, out);
}

static void edit_drain(const struct request *request, const struct config_backend *configured_as,
		       struct override *override)
{
	(void)request;
	set_state(override, configured_as, CONFIG_DRAIN);
}

static void edit_enable(const struct request *request, const struct config_backend *configured_as,
			struct override *override)
{
	(void)request;
	set_state(override, configured_as, CONFIG_UP);
}

static void edit_disable(const struct request *request, const struct config_backend *configured_as,
			 struct override *override)
{
	(void)request;
	set_state(override, configured_as, CONFIG_DOWN);
}

static void edit_weight(const struct request *request, const struct config_backend *configured_as,
			struct override *override)
{
	override->weight = request->arguments->weight;
	override->has_weight = configured_as->weight != override->weight;
}

enum wire_code answer_backend_drain(struct request *request)
{
	return override_backend(request, edit_drain);
}

enum wire_code answer_backend_enable(struct request *request)
{
	return override_backend(request, edit_enable);
}

enum wire_code answer_backend_disable(struct request *request)
{
	return override_backend(request, edit_disable);
}

enum wire_code answer_backend_weight(struct request *request)
{
	/* Before it is made narrower. */
	if (request->arguments->weight > MAGLEV_WEIGHT_MAX) {
		problems_add(&request->errors, -ERANGE, "weight",
			     arena_format(request->arena, "%llu",
					  (unsigned long long)request->arguments->weight),
			     "expected 0 to %u", MAGLEV_WEIGHT_MAX);
		return WIRE_USAGE;
	}
	return override_backend(request, edit_weight);
}

/* ---- down ------------------------------------------------------------------------------------ */

enum wire_code answer_down(struct request *request)
{
	static const struct wire_down down = {.what = "everything is detached and unpinned"};
	const struct api_host *host = &request->api->host;
	int err = host->down(host->self, &request->errors);

	host->post(host->self,
		   &(struct event){
			   .kind = EVENT_down,
			   .text = arena_format(request->arena, "down by uid %u: %s",
						request->client->uid, err ? "failed" : "done"),
			   .attributes = {{"uid", uid_text(request)}},
		   });
	return err ? WIRE_FAILED : answer_with(request, WIRE_KIND_down, &down);
}
