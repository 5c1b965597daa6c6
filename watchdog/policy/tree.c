#include "policy/tree.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/text.h"

#define DEPTH_MAX 16     /* the table needs 7 */
#define NODES_MAX 100000 /* of about 100 bytes */

struct builder {
        yaml_parser_t parser;
        struct source *source;
        struct complaints *complaints;
        struct policy_arena *arena;
        struct node *root;
        struct node *open[DEPTH_MAX], **tails[DEPTH_MAX], *keys[DEPTH_MAX];
        unsigned depth, nodes, documents;
        bool done;
};

static struct place place_of(const struct builder *builder, yaml_mark_t start, yaml_mark_t end)
{
        struct place place = { builder->source, (unsigned)start.line + 1, (unsigned)start.column + 1, 1 };

        if (end.line == start.line && end.column > start.column)
                place.length = (unsigned)(end.column - start.column);
        else if (end.line > start.line)
                place.length = 1000; /* to the end of its first line */
        return place;
}

static struct node *refuse(struct node *node)
{
        node->kind = NODE_REFUSED;
        return node;
}

/* What opens, or just stands, at the innermost open place. */
static void put(struct builder *builder, struct node *node)
{
        struct node *parent = builder->depth > 0 ? builder->open[builder->depth - 1] : NULL;
        struct node **key = builder->depth > 0 ? &builder->keys[builder->depth - 1] : NULL;

        if (!parent)
                builder->root = node;
        else if (parent->kind == NODE_MAPPING && *key) {
                (*key)->value = node;
                *key = NULL;
        } else {
                if (parent->kind == NODE_MAPPING) {
                        if (node->kind != NODE_SCALAR && node->kind != NODE_REFUSED) {
                                complain(builder->complaints, &node->place,
                                         "a key is one word, not a list or a mapping");
                        }
                        *key = node;
                }
                *builder->tails[builder->depth - 1] = node;
                builder->tails[builder->depth - 1] = &node->next;
        }
}

static void stop(struct builder *builder)
{
        builder->done = builder->source->cut = true;
}

static void set_end(struct node *node, yaml_mark_t end)
{
        node->end_line = (unsigned)end.line + 1;
        node->end_column = (unsigned)end.column + 1;
}

static struct node *node_new(struct builder *builder, enum node_kind kind, const yaml_event_t *event)
{
        struct node *node;
        struct place place = place_of(builder, event->start_mark, event->end_mark);

        if (++builder->nodes > NODES_MAX) {
                complain(builder->complaints, &place, "more than %d values in one file", NODES_MAX);
                stop(builder);
                return NULL;
        }
        node = arena_take(builder->arena, sizeof(*node));
        if (!node)
                return NULL;
        node->kind = kind;
        node->place = place;
        return node;
}

/* Anchors, tags and their kind make a file say something else than what stands there. */
static bool is_plain_yaml(struct builder *builder, const struct node *node, const yaml_char_t *anchor,
                          const yaml_char_t *tag)
{
        char shown[48];

        if (anchor) {
                text_copy_safe(shown, sizeof(shown), (const char *)anchor);
                complain(builder->complaints, &node->place,
                         "anchors ('&%s') are not used in a policy: write the value out", shown);
        } else if (tag) {
                complain(builder->complaints, &node->place, "tags ('!') are not used in a policy: remove it");
        }
        return !anchor && !tag;
}

static void take_scalar(struct builder *builder, const yaml_event_t *event)
{
        struct node *node = node_new(builder, NODE_SCALAR, event);
        const char *text = (const char *)event->data.scalar.value;
        size_t length = event->data.scalar.length;

        if (!node)
                return;
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        set_end(node, event->end_mark);
        node->text = arena_text(builder->arena, text, length);
        if (!node->text)
                return;
        if (!is_plain_yaml(builder, node, event->data.scalar.anchor, event->data.scalar.tag))
                refuse(node);
        else if (event->start_mark.line != event->end_mark.line) {
                complain(builder->complaints, &node->place, "a value stands on one line");
                refuse(node);
        } else
                for (size_t i = 0; i < length; i++)
                        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F) {
                                complain(builder->complaints, &node->place,
                                         "a control character (0x%02x) has no place in a value",
                                         (unsigned char)text[i]);
                                refuse(node);
                                break;
                        }
        put(builder, node);
}

static void open_node(struct builder *builder, enum node_kind kind, const yaml_event_t *event,
                      const yaml_char_t *anchor, const yaml_char_t *tag)
{
        struct node *node = node_new(builder, kind, event);

        if (!node)
                return;
        node->flow = event->type == YAML_MAPPING_START_EVENT
                             ? event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE
                             : event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
        is_plain_yaml(builder, node, anchor, tag);
        if (builder->depth == DEPTH_MAX) {
                complain(builder->complaints, &node->place, "nested more than %d deep", DEPTH_MAX);
                stop(builder);
                return;
        }
        put(builder, node);
        builder->open[builder->depth] = node;
        builder->tails[builder->depth] = &node->first;
        builder->keys[builder->depth] = NULL;
        builder->depth++;
}

static void close_node(struct builder *builder, const yaml_event_t *event)
{
        struct node *node = builder->open[--builder->depth];

        if (node->flow)
                set_end(node, event->end_mark);
}

static void take_alias(struct builder *builder, const yaml_event_t *event)
{
        struct node *node = node_new(builder, NODE_SCALAR, event);
        char shown[48];

        if (!node)
                return;
        text_copy_safe(shown, sizeof(shown), (const char *)event->data.alias.anchor);
        complain(builder->complaints, &node->place,
                 "aliases ('*%s') are not used in a policy: write the value out, or quote a pattern: \"*%s\"", shown,
                 shown);
        node->text = arena_text(builder->arena, "", 0);
        put(builder, refuse(node));
}

static void take_document(struct builder *builder, const yaml_event_t *event)
{
        struct place place = place_of(builder, event->start_mark, event->end_mark);

        if (++builder->documents > 1) {
                complain(builder->complaints, &place,
                         "one file holds one document: remove this '---' or make two files");
                builder->done = true;
        }
}

static void take(struct builder *builder, const yaml_event_t *event)
{
        switch (event->type) {
        case YAML_DOCUMENT_START_EVENT: take_document(builder, event); break;
        case YAML_SCALAR_EVENT: take_scalar(builder, event); break;
        case YAML_ALIAS_EVENT: take_alias(builder, event); break;
        case YAML_SEQUENCE_START_EVENT:
                open_node(builder, NODE_LIST, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
                break;
        case YAML_MAPPING_START_EVENT:
                open_node(builder, NODE_MAPPING, event, event->data.mapping_start.anchor,
                          event->data.mapping_start.tag);
                break;
        case YAML_SEQUENCE_END_EVENT:
        case YAML_MAPPING_END_EVENT: close_node(builder, event); break;
        case YAML_STREAM_END_EVENT: builder->done = true; break;
        default: break;
        }
}

/* What libyaml says, and what its user should do about it. The first row whose words and byte fit is told. */
static const struct advice {
        const char *problem;
        char at; /* the byte it stumbled over; 0 any */
        bool at_context;
        const char *text;
} advices[] = {
        { "found character that cannot start any token", '\t', false, "a tab cannot indent YAML: use spaces" },
        { "found character that cannot start any token", '@', false,
          "a value cannot begin with '@': put it in quotes" },
        { "found character that cannot start any token", '`', false,
          "a value cannot begin with '`': put it in quotes" },
        { "found character that cannot start any token", '%', false,
          "a value cannot begin with '%': put it in quotes" },
        { "found a tab character", 0, false, "a tab cannot indent YAML: use spaces" },
        { "did not find expected alphabetic or numeric character", 0, true,
          "a value that begins with '*' or '&' needs quotes: \"*\"" },
        { "mapping values are not allowed in this context", 0, false,
          "a ':' is not allowed here: indent the line as its neighbours, or put a value that holds ': ' in quotes" },
        { "found unexpected end of stream", 0, true, "this quote is not closed" },
        { "found unexpected document indicator", 0, true, "this quote is not closed" },
        { "could not find expected ':'", 0, true, "a ':' and a value are expected after this key" },
        { "did not find expected ',' or ']'", 0, true,
          "this '[' is not closed: ',' or ']' is expected after each entry" },
        { "did not find expected ',' or '}'", 0, true,
          "this '{' is not closed: ',' or '}' is expected after each entry" },
        { "did not find expected '-' indicator", 0, false, "this line is not indented as the list above it" },
        { "did not find expected key", 0, false, "a key is expected here: is the line indented as its neighbours?" },
        { "block sequence entries are not allowed in this context", 0, false,
          "a '- ' entry is not allowed here: begin it on a line of its own" },
        { "did not find expected node content", 0, false, "a value is expected here" },
        { "did not find expected <document start>", 0, false,
          "the text above has ended here: is this line indented as the others?" },
        { "found unknown escape character", 0, false,
          "unknown escape: '\\' is taken literally only in 'single' quotes" },
        { "found undefined tag handle", 0, false, "tags ('!') are not used in a policy: remove it" },
};

static void explain(struct builder *builder)
{
        const yaml_parser_t *parser = &builder->parser;
        const char *problem = parser->problem ? parser->problem : "cannot be read as YAML";
        struct place place = place_of(builder, parser->problem_mark, parser->problem_mark);
        const char *at = source_at(builder->source, place.line, place.column);
        char byte = at && at < builder->source->bytes + builder->source->size ? *at : '\0';

        for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
                if (strcmp(advices[i].problem, problem) != 0 || (advices[i].at && advices[i].at != byte))
                        continue;
                if (advices[i].at_context && parser->context)
                        place = place_of(builder, parser->context_mark, parser->context_mark);
                complain(builder->complaints, &place, "%s", advices[i].text);
                return;
        }
        complain(builder->complaints, &place, "not YAML: %s", problem);
}

/* What was open when the YAML broke off is not blamed for what it lacks. */
static void mark_cut(struct builder *builder)
{
        for (unsigned i = 0; i < builder->depth; i++)
                builder->open[i]->cut = true;
}

static int build(struct builder *builder)
{
        while (!builder->done && !arena_failed(builder->arena)) {
                yaml_event_t event;

                if (!yaml_parser_parse(&builder->parser, &event)) {
                        if (builder->parser.error == YAML_MEMORY_ERROR)
                                return -ENOMEM;
                        explain(builder);
                        stop(builder);
                        break;
                }
                take(builder, &event);
                yaml_event_delete(&event);
        }
        mark_cut(builder);
        return arena_failed(builder->arena) ? -ENOMEM : 0;
}

int tree_read(struct source *source, struct complaints *complaints, struct policy_arena *arena, struct node **ret)
{
        struct builder builder = { .source = source, .complaints = complaints, .arena = arena };
        int r;

        if (!yaml_parser_initialize(&builder.parser))
                return -ENOMEM;
        yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&builder.parser, (const unsigned char *)source->bytes, source->size);
        r = build(&builder);
        yaml_parser_delete(&builder.parser);
        if (r < 0)
                return r;
        *ret = builder.root;
        return 0;
}

const struct node *node_value(const struct node *mapping, const char *key)
{
        if (!mapping || mapping->kind != NODE_MAPPING)
                return NULL;
        for (const struct node *at = mapping->first; at; at = at->next)
                if (at->kind == NODE_SCALAR && strcmp(at->text, key) == 0)
                        return at->value;
        return NULL;
}
