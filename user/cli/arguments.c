/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line. Options may stand anywhere; the words that are left are a command of one or two
 * words and its operands. Which options and operands a command has, and every line of help, comes
 * from commands.def.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "cli/cli.h"

struct global_option {
	const char *spelling; /* "--name" or "--name VALUE" */
	char letter;
	enum wire_type type;
	size_t offset; /* in struct cli */
	const char *help;
};

static const struct global_option globals[] = {
#define WIRE_GLOBAL(id, letter, type, spelling, help) \
	{spelling, letter, WIRE_TYPE_##type, offsetof(struct cli, id), help},
#include "wire/commands.def"
};

struct parser {
	struct cli *cli;
	char **argv;
	int argc, next;
	const char **words; /* argc are the most */
	int word_count;
	struct problems *p;
};

/* Whether `argument` is this option, perhaps with "=VALUE". */
static bool is_option(const char *argument, const char *spelling)
{
	size_t length = strcspn(spelling, " ");

	return strncmp(argument, spelling, length) == 0 &&
	       (argument[length] == '\0' || argument[length] == '=');
}

/* "--name" of "--name VALUE" or "--name=VALUE". */
static const char *option_name(struct arena *arena, const char *spelling)
{
	return arena_format(arena, "%.*s", (int)strcspn(spelling, " ="), spelling);
}

static bool is_option_of_command(const struct wire_argument_info *info)
{
	return info->spelling[0] == '-';
}

static bool is_operand(const struct wire_argument_info *info)
{
	return info->spelling[0] != '-' && info->spelling[0] != '\0';
}

/* ---- options --------------------------------------------------------------------------------- */

static int set_value(struct parser *parser, const char *name, enum wire_type type, void *at,
		     const char *value)
{
	uint64_t number;

	switch (type) {
	case WIRE_TYPE_FLAG:
		*(bool *)at = true;
		return 0;
	case WIRE_TYPE_UINT:
		if (text_parse_uint(value, INT32_MAX, &number))
			return problems_add(parser->p, -EINVAL, name, value,
					    "expected a whole number, 0 to %d", INT32_MAX);
		*(uint64_t *)at = number;
		return 0;
	default:
		*(const char **)at = value;
		return 0;
	}
}

static bool is_number(const char *word)
{
	uint64_t number;

	return word && text_parse_uint(word, INT32_MAX, &number) == 0;
}

/* Reads one option with its value, if its spelling has one: after "=", or the next word. */
static int read_option(struct parser *parser, const char *spelling, enum wire_type type, void *at,
		       const char *inline_value)
{
	const char *metavar = strchr(spelling, ' ');
	bool needed = metavar && metavar[1] != '[';
	const char *following = parser->next < parser->argc ? parser->argv[parser->next] : NULL;
	const char *value = inline_value;
	char *name = mem_format("%.*s", (int)strcspn(spelling, " "), spelling);
	int err = 0;

	if (!value && following && (needed || (metavar && is_number(following)))) {
		value = following;
		parser->next++;
	}
	if (!metavar && inline_value)
		err = problems_add(parser->p, -EINVAL, name, inline_value, "takes no value");
	else if (needed && (!value || !*value))
		err = problems_add(parser->p, -EINVAL, name, NULL, "needs a value:%s", metavar);
	else if (value || !metavar)
		err = set_value(parser, name, type, at, value);
	free(name);
	return err;
}

/* Nothing that is known now: something that is to come, or a slip. */
static int refuse_option(struct parser *parser, const char *argument)
{
	const char *names[ARRAY_SIZE(globals) + WIRE_ARGUMENTS + 1] = {NULL}, *nearest;
	struct arena *arena = arena_new();
	size_t count = 0;

	for (size_t i = 0; wire_later[i]; i++) {
		if (!is_option(argument, wire_later[i]))
			continue;
		arena_free(arena);
		return problems_add(parser->p, -EINVAL, wire_later[i], NULL, "not supported yet");
	}
	for (size_t i = 0; i < ARRAY_SIZE(globals); i++)
		names[count++] = option_name(arena, globals[i].spelling);
	for (size_t i = 0; i < WIRE_ARGUMENTS; i++)
		if (is_option_of_command(&wire_argument_table[i]))
			names[count++] = option_name(arena, wire_argument_table[i].spelling);
	nearest = text_nearest(option_name(arena, argument), names);
	problems_add(parser->p, -EINVAL, "option", argument, "is not known%s%s%s",
		     nearest ? "; did you mean '" : "; see --help", nearest ? nearest : "",
		     nearest ? "'?" : "");
	arena_free(arena);
	return -EINVAL;
}

static int read_long(struct parser *parser, const char *argument)
{
	const char *equals = strchr(argument, '=');
	const char *value = equals ? equals + 1 : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(globals); i++)
		if (is_option(argument, globals[i].spelling))
			return read_option(parser, globals[i].spelling, globals[i].type,
					   (char *)parser->cli + globals[i].offset, value);
	for (size_t i = 0; i < WIRE_ARGUMENTS; i++) {
		const struct wire_argument_info *info = &wire_argument_table[i];

		if (!is_option_of_command(info) || !is_option(argument, info->spelling))
			continue;
		parser->cli->arguments.given |= 1u << i;
		return read_option(parser, info->spelling, info->type,
				   (char *)&parser->cli->arguments + info->offset, value);
	}
	return refuse_option(parser, argument);
}

/* "-j", or several flags as "-jh", or "-sPATH". */
static int read_short(struct parser *parser, const char *argument)
{
	for (const char *letter = argument + 1; *letter; letter++) {
		const struct global_option *option = NULL;
		bool takes_value;
		int err;

		for (size_t i = 0; i < ARRAY_SIZE(globals) && !option; i++)
			if (globals[i].letter == *letter)
				option = &globals[i];
		if (!option)
			return problems_add(parser->p, -EINVAL, "option", argument,
					    "is not known; see --help");
		takes_value = option->type != WIRE_TYPE_FLAG;
		err = read_option(parser, option->spelling, option->type,
				  (char *)parser->cli + option->offset,
				  takes_value && letter[1] ? letter + 1 : NULL);
		if (err || takes_value)
			return err;
	}
	return 0;
}

static int read_words(struct parser *parser)
{
	bool only_words = false;
	int err = 0;

	while (!err && parser->next < parser->argc) {
		const char *argument = parser->argv[parser->next++];

		if (only_words || argument[0] != '-' || argument[1] == '\0') {
			parser->words[parser->word_count++] = argument;
		} else if (strcmp(argument, "--") == 0) {
			only_words = true;
		} else {
			err = argument[1] == '-' ? read_long(parser, argument)
						 : read_short(parser, argument);
		}
	}
	return err;
}

/* ---- command and operands -------------------------------------------------------------------- */

/* How many of the words are this name: 1, 2, or 0. */
static int words_of_name(const struct parser *parser, const char *name)
{
	const char *space = strchr(name, ' ');
	size_t first = space ? (size_t)(space - name) : strlen(name);

	if (parser->word_count == 0 || strlen(parser->words[0]) != first ||
	    strncmp(parser->words[0], name, first))
		return 0;
	if (!space)
		return 1;
	return parser->word_count > 1 && strcmp(parser->words[1], space + 1) == 0 ? 2 : 0;
}

/* "service" alone, or with a second word that is none of its commands: lists them. */
static int refuse_group(const struct parser *parser)
{
	size_t length = strlen(parser->words[0]);
	struct text list = {};
	int err = 0;

	for (size_t i = 0; i < WIRE_COMMANDS; i++) {
		const char *name = wire_command_table[i].name;

		if (strncmp(name, parser->words[0], length) == 0 && name[length] == ' ')
			text_add(&list, "%s%s", list.length ? ", " : "", name);
	}
	if (list.length)
		err = problems_add(parser->p, -EINVAL, parser->words[0],
				   parser->word_count > 1 ? parser->words[1] : NULL,
				   "expected one of: %s", list.data);
	text_free(&list);
	return err;
}

/* The command that two words are a slip of, or the first one alone. */
static const char *nearest_command(const struct parser *parser, const char *const *names)
{
	bool two = parser->word_count > 1;
	char *words =
		mem_format("%s%s%s", parser->words[0], two ? " " : "", two ? parser->words[1] : "");
	const char *nearest = text_nearest(words, names);

	free(words);
	return nearest ? nearest : text_nearest(parser->words[0], names);
}

static int refuse_command(const struct parser *parser)
{
	const char *names[WIRE_COMMANDS + 1] = {NULL}, *nearest;
	int err;

	for (size_t i = 0; wire_later[i]; i++)
		if (words_of_name(parser, wire_later[i]))
			return problems_add(parser->p, -EINVAL, wire_later[i], NULL,
					    "not supported yet");
	err = refuse_group(parser);
	if (err)
		return err;
	for (size_t i = 0; i < WIRE_COMMANDS; i++)
		names[i] = wire_command_table[i].name;
	nearest = nearest_command(parser, names);
	return problems_add(parser->p, -EINVAL, "command", parser->words[0], "is not known%s%s%s",
			    nearest ? "; did you mean '" : "; see --help", nearest ? nearest : "",
			    nearest ? "'?" : "");
}

static bool takes_the_rest(const struct wire_argument_info *info)
{
	size_t length = strlen(info->spelling);

	return length > 3 && strcmp(info->spelling + length - 3, "...") == 0;
}

/* All words from `word` on, a line each. */
static const char *join_words(struct parser *parser, int word)
{
	struct text joined = {};

	for (; word < parser->word_count; word++)
		text_add(&joined, "%s%s", joined.length ? "\n" : "", parser->words[word]);
	parser->cli->joined = joined.data;
	return joined.data;
}

static int read_operands(struct parser *parser, int word)
{
	struct cli *cli = parser->cli;
	const struct wire_command_info *command = &wire_command_table[cli->command];
	char *usage = cli_usage(cli->command);
	int err = 0;

	for (size_t i = 0; i < WIRE_ARGUMENTS && !err; i++) {
		const struct wire_argument_info *info = &wire_argument_table[i];

		if (!is_operand(info) || !((command->needs | command->may) & 1u << i))
			continue;
		if (word < parser->word_count && takes_the_rest(info)) {
			cli->arguments.given |= 1u << i;
			*(const char **)((char *)&cli->arguments + info->offset) =
				join_words(parser, word);
			word = parser->word_count;
		} else if (word < parser->word_count) {
			cli->arguments.given |= 1u << i;
			err = set_value(parser, info->spelling, info->type,
					(char *)&cli->arguments + info->offset,
					parser->words[word++]);
		} else if (command->needs & 1u << i) {
			err = problems_add(parser->p, -EINVAL, info->spelling, NULL,
					   "is missing; usage: sluicectl %s", usage);
		}
	}
	if (!err && word < parser->word_count)
		err = problems_add(parser->p, -EINVAL, "argument", parser->words[word],
				   "is one too many; usage: sluicectl %s", usage);
	free(usage);
	return err;
}

static int check_options(const struct cli *cli, struct problems *p)
{
	const struct wire_command_info *command = &wire_command_table[cli->command];

	for (size_t i = 0; i < WIRE_ARGUMENTS; i++) {
		char *usage;

		if (!(cli->arguments.given & ~(command->needs | command->may) & 1u << i))
			continue;
		usage = cli_usage(cli->command);
		problems_add(p, -EINVAL, "option", wire_argument_table[i].spelling,
			     "is none of '%s'; usage: sluicectl %s", command->name, usage);
		free(usage);
		return -EINVAL;
	}
	return 0;
}

static int parse(struct parser *parser)
{
	struct cli *cli = parser->cli;
	int used = 0, err = read_words(parser);

	if (err)
		return err;
	if (parser->word_count && strcmp(parser->words[0], "help") == 0) {
		cli->help = true;
		parser->word_count--;
		memmove(parser->words, parser->words + 1,
			parser->word_count * sizeof(parser->words[0]));
	}
	if (parser->word_count == 0) {
		if (cli->help || cli->version)
			return 0;
		return problems_add(parser->p, -EINVAL, "command", NULL, "is missing; see --help");
	}
	for (int i = 0; i < WIRE_COMMANDS && !used; i++) {
		used = words_of_name(parser, wire_command_table[i].name);
		cli->command = i;
	}
	if (!used)
		return refuse_command(parser);
	cli->has_command = true;
	if (cli->help)
		return 0;
	err = check_options(cli, parser->p);
	return err ? err : read_operands(parser, used);
}

int cli_parse(int argc, char **argv, struct cli *cli, struct problems *p)
{
	struct parser parser = {
		.cli = cli,
		.argv = argv,
		.argc = argc,
		.next = 1,
		.words = mem_array(argc + 1, sizeof(*parser.words)),
		.p = p,
	};
	int err = parse(&parser);

	free(parser.words);
	return err;
}

/* ---- help ------------------------------------------------------------------------------------ */

char *cli_usage(enum wire_command command)
{
	const struct wire_command_info *info = &wire_command_table[command];
	struct text usage = {};

	text_add(&usage, "%s", info->name);
	for (int options = 1; options >= 0; options--) {
		for (size_t i = 0; i < WIRE_ARGUMENTS; i++) {
			const struct wire_argument_info *argument = &wire_argument_table[i];
			bool wanted =
				options ? is_option_of_command(argument) : is_operand(argument);

			if (wanted && (info->needs | info->may) & 1u << i)
				text_add(&usage, info->needs & 1u << i ? " %s" : " [%s]",
					 argument->spelling);
		}
	}
	return usage.data;
}

static void help_globals(FILE *to)
{
	fputs("\nOptions of every command:\n", to);
	for (size_t i = 0; i < ARRAY_SIZE(globals); i++)
		fprintf(to, "  -%c, %-20s %s\n", globals[i].letter, globals[i].spelling,
			globals[i].help);
}

static void help_command(enum wire_command command, FILE *to)
{
	const struct wire_command_info *info = &wire_command_table[command];
	char *usage = cli_usage(command);

	fprintf(to, "usage: sluicectl %s\n\n%s\n", usage, info->help);
	free(usage);
	if (info->needs | info->may)
		fputc('\n', to);
	for (size_t i = 0; i < WIRE_ARGUMENTS; i++)
		if (wire_argument_table[i].spelling[0] && (info->needs | info->may) & 1u << i)
			fprintf(to, "  %-24s %s\n", wire_argument_table[i].spelling,
				wire_argument_table[i].help);
	help_globals(to);
}

void cli_help(const struct cli *cli, FILE *to)
{
	if (cli->has_command) {
		help_command(cli->command, to);
		return;
	}
	fputs("usage: sluicectl [--socket PATH] [-j] COMMAND ...\n\n"
	      "Looks at and changes a running sluice load balancer.\n\n",
	      to);
	for (int i = 0; i < WIRE_COMMANDS; i++) {
		char *usage = cli_usage(i);

		fprintf(to, "  %s\n        %s\n", usage, wire_command_table[i].help);
		free(usage);
	}
	help_globals(to);
	fputs("\nExit codes:\n"
#define WIRE_CODE(id, code, help) "  " #code "\t" help "\n"
#include "wire/commands.def"
	      ,
	      to);
}
