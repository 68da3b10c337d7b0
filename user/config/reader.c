/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML (and JSON, which is YAML) into nodes, by libyaml's events. What makes YAML surprising is
 * refused with its place: anchors, aliases, tags, directives, several documents, keys that are no
 * words, keys given twice. The text may come from anyone: its length, depth and number of nodes are
 * bounded, and nothing recurses.
 *
 * Directives are refused before libyaml sees them, since its time for %TAG lines grows with their
 * square.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/addr.h"
#include "base/mem.h"
#include "base/problem.h"
#include "config/node.h"

struct frame {
	struct node *node;
	struct node *last;	/* child */
	const struct node *key; /* in a map: read, and its value not yet */
};

struct reader {
	struct reading *r;
	const char *text;
	size_t length;
	struct frame stack[READING_DEPTH_MAX];
	size_t depth, nodes;
	struct node *root;
	bool done;
};

static struct config_place place_of_mark(yaml_mark_t mark)
{
	return (struct config_place){mark.line + 1, mark.column + 1};
}

static bool continues_character(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

static struct config_place place_of_offset(const struct reader *reader, size_t offset)
{
	struct config_place place = {1, 1};

	for (size_t i = 0; i < offset && i < reader->length; i++) {
		if (reader->text[i] == '\n') {
			place.line++;
			place.column = 1;
		} else if (!continues_character(reader->text[i])) {
			place.column++;
		}
	}
	return place;
}

/* ---- what libyaml cannot read ------------------------------------------------------------ */

/*
 * The word around a mark, when it is an IPv6 address or prefix that needs quotes ("" else): YAML
 * takes a colon at the end of a word, or inside of brackets at its start, for the one between key
 * and value.
 */
static const char *address_at(const struct reader *reader, yaml_mark_t mark,
			      char word[PREFIX_TEXT_SIZE])
{
	static const char allowed[] = "0123456789abcdefABCDEF:./";
	size_t from = mark.index, to = mark.index;
	struct prefix prefix;

	word[0] = '\0';
	if (mark.index >= reader->length)
		return word;
	while (from && reader->text[from - 1] && strchr(allowed, reader->text[from - 1]))
		from--;
	while (to < reader->length && reader->text[to] && strchr(allowed, reader->text[to]))
		to++;
	if (to - from >= PREFIX_TEXT_SIZE)
		return word;
	memcpy(word, reader->text + from, to - from);
	word[to - from] = '\0';
	if (prefix_parse(word, &prefix) == -EINVAL)
		word[0] = '\0';
	return word;
}

/*
 * The node that a word at which libyaml failed belongs to, as far as is known. libyaml reads ahead,
 * so it may be one that holds it.
 */
static const struct node *node_of_word(const struct reader *reader, const char *word)
{
	const struct frame *frame = reader->depth ? &reader->stack[reader->depth - 1] : NULL;

	if (!frame)
		return NULL;
	if (frame->key)
		return frame->key;
	if (frame->last && frame->last->text && !strncmp(frame->last->text, word, strlen(word) - 1))
		return frame->last;
	return frame->node;
}

/* libyaml's marks count characters; address_at() wants bytes. */
static size_t byte_offset(const struct reader *reader, size_t characters)
{
	size_t at = 0;

	for (; at < reader->length && characters; characters--)
		for (at++; at < reader->length && continues_character(reader->text[at]);)
			at++;
	return at;
}

static void say_syntax(struct reader *reader, const yaml_parser_t *parser)
{
	yaml_mark_t mark = parser->problem_mark;
	struct config_place place = place_of_mark(mark);
	const char *problem = parser->problem ? parser->problem : "unknown error";
	char word[PREFIX_TEXT_SIZE];

	mark.index = byte_offset(reader, mark.index);
	if (*address_at(reader, mark, word))
		reading_bare_address(reader->r, place, node_of_word(reader, word), word);
	else if (mark.index < reader->length && reader->text[mark.index] == '\t')
		reading_error_at(reader->r, place, NULL, NULL,
				 "YAML cannot be indented with tabs: use spaces");
	else if (!strcmp(problem, "mapping values are not allowed in this context"))
		reading_error_at(reader->r, place, NULL, NULL,
				 "a key is not possible here: check the indentation, and put a "
				 "value that has a "
				 "': ' in it or a ':' at its end in quotes");
	else if (parser->context && parser->context_mark.line)
		reading_error_at(reader->r, place, NULL, NULL,
				 "not YAML: %s, %s that begins in line %zu", problem,
				 parser->context, parser->context_mark.line + 1);
	else
		reading_error_at(reader->r, place, NULL, NULL, "not YAML: %s", problem);
}

static void say_why(struct reader *reader, const yaml_parser_t *parser)
{
	if (parser->error == YAML_READER_ERROR)
		reading_error_at(
			reader->r, place_of_offset(reader, parser->problem_offset), NULL, NULL,
			"the text must be UTF-8 without control characters: %s (0x%02x)",
			parser->problem ? parser->problem : "unreadable", parser->problem_value);
	else if (parser->error == YAML_MEMORY_ERROR)
		reading_error_at(reader->r, (struct config_place){}, NULL, NULL, "memory ran out");
	else
		say_syntax(reader, parser);
}

/* ---- nodes ------------------------------------------------------------------------------- */

static struct frame *top(struct reader *reader)
{
	return reader->depth ? &reader->stack[reader->depth - 1] : NULL;
}

static bool wants_key(const struct frame *frame)
{
	return frame && frame->node->kind == NODE_MAP && !frame->key;
}

/* Makes a node where the text is now; NULL and an error if there are too many. */
static struct node *add_node(struct reader *reader, enum node_kind kind, yaml_mark_t mark)
{
	struct frame *frame = top(reader);
	struct node *node;

	if (reader->nodes++ >= READING_NODES_MAX) {
		reading_error_at(reader->r, place_of_mark(mark), NULL, NULL,
				 "more than %u keys and values are not read", READING_NODES_MAX);
		return NULL;
	}
	node = arena_alloc(reader->r->arena, sizeof(*node));
	node->kind = kind;
	node->place = place_of_mark(mark);
	node->text = "";
	if (!frame) {
		reader->root = node;
		return node;
	}
	node->parent = frame->node;
	if (wants_key(frame)) {
		node->key = node; /* so that it has the path of its value */
		frame->key = node;
		return node;
	}
	node->key = frame->key;
	node->index = frame->node->count++;
	*(frame->last ? &frame->last->next : &frame->node->first) = node;
	frame->last = node;
	frame->key = NULL;
	return node;
}

/* Says what YAML can do and a configuration may not. Returns true when something was said. */
static bool refuse_cleverness(struct reader *reader, const struct node *node,
			      const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		reading_error(reader->r, node, NULL,
			      "an anchor (&%s) is not allowed: write the value where it is used",
			      (const char *)anchor);
	if (tag)
		reading_error(reader->r, node, NULL, "a tag (%s) is not allowed: remove it",
			      (const char *)tag);
	return anchor || tag;
}

static int add_scalar(struct reader *reader, const yaml_event_t *event)
{
	bool is_key = wants_key(top(reader));
	struct node *node = add_node(reader, NODE_SCALAR, event->start_mark);
	const char *text = (const char *)event->data.scalar.value;

	if (!node)
		return -EINVAL;
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text = arena_string(reader->r->arena, text);
	if (strlen(text) != event->data.scalar.length) {
		reading_error(reader->r, node, NULL, "a NUL character is not allowed");
		node->kind = NODE_BAD;
	}
	if (refuse_cleverness(reader, node, event->data.scalar.anchor, event->data.scalar.tag) &&
	    !is_key)
		node->kind = NODE_BAD;
	return 0;
}

static int open_collection(struct reader *reader, const yaml_event_t *event)
{
	bool is_map = event->type == YAML_MAPPING_START_EVENT;
	struct node *node;

	if (wants_key(top(reader))) {
		reading_error_at(reader->r, place_of_mark(event->start_mark), NULL, NULL,
				 "a key must be a word, not a list or a map");
		return -EINVAL;
	}
	if (reader->depth == READING_DEPTH_MAX) {
		reading_error_at(reader->r, place_of_mark(event->start_mark), NULL, NULL,
				 "lists and maps nested more than %d deep are not read",
				 READING_DEPTH_MAX);
		return -EINVAL;
	}
	node = add_node(reader, is_map ? NODE_MAP : NODE_LIST, event->start_mark);
	if (!node)
		return -EINVAL;
	reader->stack[reader->depth++] = (struct frame){.node = node};
	if (is_map)
		refuse_cleverness(reader, node, event->data.mapping_start.anchor,
				  event->data.mapping_start.tag);
	else
		refuse_cleverness(reader, node, event->data.sequence_start.anchor,
				  event->data.sequence_start.tag);
	return 0;
}

static int by_key(const void *left, const void *right)
{
	const struct node *const *a = left, *const *b = right;
	int order = strcmp((*a)->key->text, (*b)->key->text);

	return order ? order : (*a)->index < (*b)->index ? -1 : (*a)->index > (*b)->index;
}

/* Sorting finds equal keys whatever their number and whoever chose them. */
static void refuse_duplicates(struct reader *reader, const struct node *map)
{
	struct node **sorted = mem_array(map->count, sizeof(*sorted));
	const struct node *first = NULL;
	size_t count = 0;

	for (struct node *node = map->first; node; node = node->next)
		sorted[count++] = node;
	qsort(sorted, count, sizeof(*sorted), by_key);
	for (size_t i = 0; i < count; i++) {
		struct text path = {};

		if (!first || strcmp(first->key->text, sorted[i]->key->text)) {
			first = sorted[i];
			continue;
		}
		node_path(map, sorted[i]->key->text, &path);
		reading_error_at(reader->r, sorted[i]->key->place, path.data, NULL,
				 "the key is there twice, first in line %u: remove one",
				 first->key->place.line);
		sorted[i]->kind = NODE_BAD;
		text_free(&path);
	}
	free(sorted);
}

static void close_collection(struct reader *reader)
{
	const struct node *node = top(reader)->node;

	if (node->kind == NODE_MAP && node->count > 1)
		refuse_duplicates(reader, node);
	reader->depth--;
}

static int take_event(struct reader *reader, const yaml_event_t *event)
{
	struct node *node;

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (!reader->root)
			return 0;
		reading_error_at(
			reader->r, place_of_mark(event->start_mark), NULL, NULL,
			"a second document is not allowed: a configuration is one document");
		return -EINVAL;
	case YAML_ALIAS_EVENT:
		node = add_node(reader, NODE_BAD, event->start_mark);
		if (!node)
			return -EINVAL;
		reading_error(reader->r, node, NULL,
			      "an alias (*%s) is not allowed: write the value out",
			      (const char *)event->data.alias.anchor);
		return 0;
	case YAML_SCALAR_EVENT:
		return add_scalar(reader, event);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return open_collection(reader, event);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		close_collection(reader);
		return 0;
	case YAML_STREAM_END_EVENT:
		reader->done = true;
		return 0;
	default:
		return 0;
	}
}

static int read_events(struct reader *reader, yaml_parser_t *parser)
{
	yaml_event_t event;
	int err = 0;

	while (!err && !reader->done) {
		if (!yaml_parser_parse(parser, &event)) {
			say_why(reader, parser);
			return -EINVAL;
		}
		err = take_event(reader, &event);
		yaml_event_delete(&event);
		if (reading_is_hopeless(reader->r))
			return -EINVAL;
	}
	return err;
}

/* True after each of the line breaks that YAML 1.1 knows: LF, CR, NEL, LS, PS. */
static bool begins_line(const struct reader *reader, size_t at)
{
	static const char *const breaks[] = {"\n", "\r", "\xc2\x85", "\xe2\x80\xa8",
					     "\xe2\x80\xa9"};

	for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
		size_t size = strlen(breaks[i]);

		if (at >= size && !memcmp(reader->text + at - size, breaks[i], size))
			return true;
	}
	return at == 0;
}

/* A line that begins with % is a directive wherever a document may begin, and nothing useful
 * elsewhere. */
static int refuse_directives(struct reader *reader)
{
	const char *end = reader->text + reader->length, *at = reader->text;

	for (; at < end && (at = memchr(at, '%', end - at)); at++) {
		if (!begins_line(reader, at - reader->text))
			continue;
		reading_error_at(
			reader->r, place_of_offset(reader, at - reader->text), NULL, NULL,
			"a line that begins with %% (a YAML directive) is not allowed: remove it");
		return -EINVAL;
	}
	return 0;
}

struct node *node_read(struct reading *r, const char *text, size_t length)
{
	struct reader reader = {.r = r, .text = text, .length = length};
	yaml_parser_t parser;
	int err;

	if (length > READING_TEXT_MAX) {
		reading_error_at(r, (struct config_place){}, NULL, NULL,
				 "the text has %zu bytes; at most %u (4 MiB) are read", length,
				 READING_TEXT_MAX);
		return NULL;
	}
	if (length >= 3 &&
	    !memcmp(text, "\xef\xbb\xbf", 3)) { /* a byte order mark says nothing in UTF-8 */
		reader.text += 3;
		reader.length -= 3;
	}
	if (refuse_directives(&reader))
		return NULL;
	if (!yaml_parser_initialize(&parser)) {
		reading_error_at(r, (struct config_place){}, NULL, NULL, "memory ran out");
		return NULL;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)reader.text, reader.length);
	err = read_events(&reader, &parser);
	yaml_parser_delete(&parser);
	if (!err && !reader.root)
		reading_error_at(r, (struct config_place){1, 1}, NULL, NULL,
				 "the configuration is empty; it begins with \"version: 1\"");
	return err ? NULL : reader.root;
}
