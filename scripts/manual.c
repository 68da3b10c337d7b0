/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fills the manual's lists in: copies a page in mdoc(7) from standard input to standard output, and
 * where a line says `.\" GENERATE name`, writes that list from the same tables that the programs
 * are made of.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/options.h"
#include "base/mem.h"
#include "base/text.h"
#include "config/schema.h"
#include "decap/command.h"
#include "wire/wire.h"

#define MARK ".\\\" GENERATE "

/* ---- roff ------------------------------------------------------------------------------------ */

/* Text of a paragraph. A line may not begin like a request. */
static void put_text(const char *text)
{
	bool at_start = true;

	for (; *text; text++) {
		if (at_start && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
		at_start = *text == '\n';
	}
}

/* The same as an argument of a macro: quotes keep it one. */
static void put_argument(const char *text)
{
	fputs(" \"", stdout);
	for (; *text; text++) {
		if (*text == '"')
			fputs("\\(dq", stdout);
		else if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else
			putchar(*text);
	}
	putchar('"');
}

static void put_item(const char *macro, const char *name, const char *help)
{
	printf(".It %s", macro);
	put_argument(name);
	putchar('\n');
	put_text(help);
	putchar('\n');
}

static void begin_list(void)
{
	puts(".Bl -tag -width Ds -compact");
}

static void end_list(void)
{
	puts(".El");
}

/* ---- commands -------------------------------------------------------------------------------- */

/* "--name VALUE" or "--name [VALUE]" as macros within a line. */
static void put_option(const char *spelling)
{
	const char *space = strchr(spelling, ' ');
	char *name = mem_format("%.*s", (int)strcspn(spelling, " ") - 1, spelling + 1);

	fputs(" Fl", stdout);
	put_argument(name);
	if (space && space[1] == '[')
		printf(" Oo Ar %.*s Oc", (int)strcspn(space + 2, "]"), space + 2);
	else if (space)
		printf(" Ar %s", space + 1);
	free(name);
}

static void put_arguments(uint32_t needs, uint32_t may, bool options)
{
	for (size_t i = 0; i < WIRE_ARGUMENTS; i++) {
		const char *spelling = wire_argument_table[i].spelling;
		bool is_option = spelling[0] == '-';

		if (!spelling[0] || is_option != options || !((needs | may) & 1u << i))
			continue;
		if (may & 1u << i)
			fputs(" Oo", stdout);
		if (is_option)
			put_option(spelling);
		else
			printf(" Ar %s", spelling);
		if (may & 1u << i)
			fputs(" Oc", stdout);
	}
}

static void generate_commands(void)
{
	puts(".Bl -tag -width Ds");
	for (size_t i = 0; i < WIRE_COMMANDS; i++) {
		const struct wire_command_info *command = &wire_command_table[i];

		fputs(".It Ic", stdout);
		put_argument(command->name);
		put_arguments(command->needs, command->may, true);
		put_arguments(command->needs, command->may, false);
		putchar('\n');
		put_text(command->help);
		puts(command->access == WIRE_ACCESS_CHANGE ? ".\n.Pq root or the agent's user"
							   : ".");
	}
	end_list();
}

static void generate_arguments(void)
{
	begin_list();
	for (size_t i = 0; i < WIRE_ARGUMENTS; i++) {
		const struct wire_argument_info *argument = &wire_argument_table[i];

		if (!argument->spelling[0])
			continue;
		fputs(".It", stdout);
		if (argument->spelling[0] == '-')
			put_option(argument->spelling);
		else
			printf(" Ar %s", argument->spelling);
		putchar('\n');
		put_text(argument->help);
		putchar('\n');
	}
	end_list();
}

static void put_global(char letter, const char *spelling, const char *help)
{
	printf(".It Fl %c ,", letter);
	put_option(spelling);
	putchar('\n');
	put_text(help);
	putchar('\n');
}

static void generate_options(void)
{
	begin_list();
#define WIRE_GLOBAL(id, letter, type, spelling, help) put_global(letter, spelling, help);
#include "wire/commands.def"
	end_list();
}

static void generate_codes(void)
{
	begin_list();
#define WIRE_CODE(id, code, help) put_item("Li", #code, help);
#include "wire/commands.def"
	end_list();
}

/* ---- documents ------------------------------------------------------------------------------- */

static void begin_record(const char *name, const char *help)
{
	put_item("Sy", name, help);
	begin_list();
}

static void put_field(const char *name, const char *type, const char *help)
{
	printf(".It Li");
	put_argument(name);
	printf(" (%s)\n", type);
	put_text(help);
	putchar('\n');
}

#define TYPE_MUST(type) type
#define TYPE_MAY(type)	type ", may be absent"

static void generate_documents(void)
{
	begin_list();
#define WIRE_KIND(kind, record, help) put_item("Sy", #kind, "the reply to " help);
#include "wire/documents.def"
	end_list();
	puts(".Pp\nAn object with the name of its kind is the reply's data; the others are within "
	     "these:\n.Bl -tag "
	     "-width Ds");
#define WIRE_RECORD(record, help)	    begin_record(#record, help);
#define WIRE_TEXT(record, need, name, help) put_field(#name, TYPE_##need("string"), help);
#define WIRE_UINT(record, need, name, help) put_field(#name, TYPE_##need("integer"), help);
#define WIRE_BOOL(record, name, help)	    put_field(#name, "boolean", help);
#define WIRE_TEXTS(record, name, help)	    put_field(#name, "list of strings", help);
#define WIRE_UINTS(record, name, help)	    put_field(#name, "list of integers", help);
#define WIRE_LIST(record, name, of, help)   put_field(#name, "list of " #of, help);
#define WIRE_END(record)		    end_list();
#include "wire/documents.def"
	end_list();
}

/* ---- counters -------------------------------------------------------------------------------- */

static void put_verdict(const char *name, const char *action, const char *help)
{
	printf(".It Li");
	put_argument(name);
	fputs(" (", stdout);
	for (; *action; action++)
		putchar(tolower((unsigned char)*action));
	puts(")");
	put_text(help);
	putchar('\n');
}

static void generate_verdicts(void)
{
	begin_list();
#define SL_VERDICT(name, action, help) put_verdict(#name, #action, help);
#include <sluice/verdicts.def>
	end_list();
}

static void generate_service_counters(void)
{
	begin_list();
#define SL_SERVICE_COUNTER(name, help) put_item("Li", #name, help);
#include <sluice/counters.def>
	end_list();
}

static void generate_backend_counters(void)
{
	begin_list();
#define SL_BACKEND_COUNTER(name, help) put_item("Li", #name, help);
#include <sluice/counters.def>
	end_list();
}

static void generate_events(void)
{
	begin_list();
#define SL_EVENT(name, help) put_item("Li", #name, help);
#include <sluice/events.def>
	end_list();
}

static void put_event_kind(const char *name, const char *level, const char *help)
{
	char *text = mem_format("%s: %s", level, help);

	put_item("Li", name, text);
	free(text);
}

static void generate_event_kinds(void)
{
	begin_list();
#define EVENT_KIND(id, level, ends, help) put_event_kind(#id, #level, help);
#include "alert/kinds.def"
	end_list();
}

/* ---- the configuration ----------------------------------------------------------------------- */

static void put_config_field(const struct field *field)
{
	struct text what = {};

	if (field->flags & REFUSED)
		return;
	if (field->section)
		text_add(&what,
			 field->kind == KIND_MAP || field->flags & LIST ? "a map, %s"
									: "a list of maps, %s",
			 field->section->name);
	else
		kind_expect(field, &what);
	text_add(&what, "%s%s%s%s", field->flags & LIST ? ", or a list" : "",
		 field->flags & REQUIRED ? "; required" : "", field->preset ? "; default " : "",
		 field->preset ? field->preset : "");
	printf(".It Cm");
	put_argument(field->key);
	putchar('\n');
	put_text(field->help);
	printf(".\n");
	put_text("Takes ");
	put_text(what.data);
	printf(".\n");
	if (field->flags & LATER)
		printf(".Em Not supported yet :\nany other value than the default is refused.\n");
	text_free(&what);
}

static void generate_fields(void)
{
	for (size_t i = 0; i < schema_section_count; i++) {
		const struct section *section = schema_sections[i];

		fputs(".Ss", stdout);
		put_argument(i ? section->name : "At the top");
		puts("\n.Bl -tag -width Ds");
		for (unsigned int f = 0; f < section->count; f++)
			put_config_field(&section->fields[f]);
		end_list();
	}
}

/* ---- probes ---------------------------------------------------------------------------------- */

static void generate_probes(void)
{
	begin_list();
#define PROBER_KIND(name, class, needs, help) put_item("Cm", #name, "is fine when " help ".");
#include "prober/kinds.def"
	end_list();
}

/* ---- the other programs' --help -------------------------------------------------------------- */

static void put_literal(void (*help)(FILE *to))
{
	char *text = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);

	if (!to)
		exit(EXIT_FAILURE);
	help(to);
	fclose(to);
	puts(".Bd -literal");
	put_text(text);
	puts(".Ed");
	free(text);
}

static void generate_sluiced_help(void)
{
	put_literal(options_help);
}

static void generate_decap_help(void)
{
	put_literal(command_help);
}

/* ---- pages ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*generate)(void);
} lists[] = {
	{"commands", generate_commands},
	{"arguments", generate_arguments},
	{"options", generate_options},
	{"codes", generate_codes},
	{"documents", generate_documents},
	{"verdicts", generate_verdicts},
	{"service-counters", generate_service_counters},
	{"backend-counters", generate_backend_counters},
	{"events", generate_events},
	{"event-kinds", generate_event_kinds},
	{"fields", generate_fields},
	{"probes", generate_probes},
	{"sluiced-help", generate_sluiced_help},
	{"decap-help", generate_decap_help},
};

static bool generate(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		if (strcmp(lists[i].name, name))
			continue;
		lists[i].generate();
		return true;
	}
	fprintf(stderr, "manual: '%s': there is no such list\n", name);
	return false;
}

int main(void)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		if (strncmp(line, MARK, strlen(MARK))) {
			fputs(line, stdout);
			continue;
		}
		line[strcspn(line, "\n")] = '\0';
		if (!generate(line + strlen(MARK)))
			return EXIT_FAILURE;
	}
	free(line);
	return fflush(stdout) || ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
