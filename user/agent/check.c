/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/check.h"
#include "agent/hostfiles.h"
#include "api/api.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "config/config.h"

static void print_refusal(const struct options *options, enum wire_code code,
			  const struct problems *p)
{
	char *line;

	if (!options->json) {
		problems_print(p, stderr);
		return;
	}
	line = wire_encode_error(code, p);
	puts(line);
	free(line);
}

static void print_answer(const struct options *options, const struct config *config)
{
	struct arena *arena = arena_new();
	struct wire_check check = {};
	struct text text = {};
	char *line;

	api_check_document(config, NULL, arena, &check);
	if (options->json) {
		line = wire_encode_reply(WIRE_KIND_check, &check);
		puts(line);
		free(line);
	} else {
		for (size_t i = 0; i < config->warnings->count; i++) {
			line = problem_text(&config->warnings->list[i]);
			fprintf(stderr, "warning: %s\n", line);
			free(line);
		}
		wire_check_text(&check, &text);
		fputs(text.data, stdout);
		text_free(&text);
	}
	arena_free(arena);
}

enum wire_code check_run(const struct options *options)
{
	enum wire_code code = WIRE_FAILED;
	struct problems p = {};
	struct hostfiles_users users;
	struct config *config = NULL;
	char *text = NULL;
	size_t length = 0;

	if (file_read(options->config, AGENT_CONFIG_MAX, &text, &length, &p) == 0)
		code = config_read(options->config, text, length, &config, &p) ? WIRE_INVALID
									       : WIRE_OK;
	if (code == WIRE_OK) {
		hostfiles_find_users(true, &users);
		hostfiles_check(config, &users, config->warnings);
	}
	if (code == WIRE_OK)
		print_answer(options, config);
	else
		print_refusal(options, code, &p);
	/* An answer that nobody got is none. */
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "standard output cannot be written: %s\n", strerror(errno));
		code = WIRE_FAILED;
	}
	config_free(config);
	free(text);
	problems_free(&p);
	return code;
}
