#include "policy/complain.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define COMPLAINTS_MAX 500 /* who has more than that has given us something else than a policy */
#define TEXT_MAX 600
#define LINE_MAX_BYTES 500 /* a longer source line is not shown: message, line and caret have to fit into one buffer */

struct complaint {
        struct policy_message message;
        const struct source *source;
        size_t sequence;
};

static void add(struct complaints *complaints, const struct place *place, bool warning, const char *text)
{
        struct complaint *complaint;

        if (complaints->n == complaints->room) {
                size_t room = complaints->room ? 2 * complaints->room : 16;
                struct complaint *list = arena_take(complaints->arena, room * sizeof(*list));

                if (!list)
                        return;
                if (complaints->n > 0)
                        memcpy(list, complaints->list, complaints->n * sizeof(*list));
                complaints->list = list;
                complaints->room = room;
        }
        complaint = &complaints->list[complaints->n];
        complaint->message = (struct policy_message){
                .file = arena_text(complaints->arena, place->source->name, strlen(place->source->name)),
                .line = place->line,
                .column = place->column,
                .length = place->length,
                .warning = warning,
                .text = arena_text(complaints->arena, text, strlen(text)),
        };
        complaint->source = place->source;
        complaint->sequence = complaints->n++;
        complaints->errors += !warning;
}

__attribute__((format(printf, 4, 0))) static void complain_v(struct complaints *complaints, const struct place *place,
                                                             bool warning, const char *format, va_list arguments)
{
        char text[TEXT_MAX];

        if (complaints->n > COMPLAINTS_MAX) {
                complaints->errors += !warning; /* counted, so that no error is lost with its message */
                return;
        }
        if (complaints->n == COMPLAINTS_MAX) {
                struct place whole = { .source = place->source };

                snprintf(text, sizeof(text), "more than %d errors and warnings; the rest is not shown", COMPLAINTS_MAX);
                add(complaints, &whole, warning, text);
                return;
        }
        vsnprintf(text, sizeof(text), format, arguments);
        add(complaints, place, warning, text);
}

void complain(struct complaints *complaints, const struct place *place, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        complain_v(complaints, place, false, format, arguments);
        va_end(arguments);
}

void warn_of(struct complaints *complaints, const struct place *place, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        complain_v(complaints, place, true, format, arguments);
        va_end(arguments);
}

char *source_at(const struct source *source, unsigned line, unsigned column)
{
        char *at = source->bytes, *end = at + source->size;

        if (!at)
                return NULL;
        for (; line > 1; line--) {
                at = memchr(at, '\n', (size_t)(end - at));
                if (!at)
                        return NULL;
                at++;
        }
        for (; column > 1 && at < end && *at != '\n'; column--)
                do
                        at++;
                while (at < end && ((unsigned char)*at & 0xC0) == 0x80);
        return at;
}

/* Values of keys that sound like a secret are blotted out wherever a line is shown; references to credentials are not. */
static void blot_secrets(char *line)
{
        static const char *const words[] = { "token", "secret", "passw", "api_key", "apikey", "bearer" };

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                for (char *at = strcasestr(line, words[i]); at; at = strcasestr(at, words[i])) {
                        at += strlen(words[i]);
                        at += strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_\"'");
                        if (*at != ':' && *at != '=')
                                continue;
                        at++;
                        at += strspn(at, " \t\"'");
                        if (text_starts(at, "credential:") || text_starts(at, "file:"))
                                continue;
                        for (; *at && !strchr(" \t,}\"'", *at); at++)
                                *at = '*';
                }
}

static const char *source_line(struct policy_arena *arena, const struct source *source, unsigned number)
{
        const char *start = number > 0 ? source_at(source, number, 1) : NULL, *end;
        char *line;

        if (!start)
                return NULL;
        end = memchr(start, '\n', (size_t)(source->bytes + source->size - start));
        if (!end)
                end = source->bytes + source->size;
        if (end > start && end[-1] == '\r')
                end--;
        if (end - start > LINE_MAX_BYTES || memchr(start, '\0', (size_t)(end - start)))
                return NULL;
        line = arena_text(arena, start, (size_t)(end - start));
        if (line)
                blot_secrets(line);
        return line;
}

static int by_place(const void *a_pointer, const void *b_pointer)
{
        const struct complaint *a = a_pointer, *b = b_pointer;

        if (a->source->index != b->source->index)
                return a->source->index < b->source->index ? -1 : 1;
        if (a->message.line != b->message.line)
                return a->message.line < b->message.line ? -1 : 1;
        if (a->message.column != b->message.column)
                return a->message.column < b->message.column ? -1 : 1;
        return a->sequence < b->sequence ? -1 : 1;
}

int complaints_finish(struct complaints *complaints, struct policy_messages *ret)
{
        struct policy_messages messages = { .n = complaints->n, .errors = complaints->errors };

        messages.list = arena_take(complaints->arena, (complaints->n + 1) * sizeof(*messages.list));
        if (arena_failed(complaints->arena))
                return -ENOMEM;
        if (complaints->n > 0)
                qsort(complaints->list, complaints->n, sizeof(complaints->list[0]), by_place);
        for (size_t i = 0; i < complaints->n; i++) {
                messages.list[i] = complaints->list[i].message;
                messages.list[i].source =
                        source_line(complaints->arena, complaints->list[i].source, messages.list[i].line);
        }
        if (arena_failed(complaints->arena))
                return -ENOMEM;
        messages.arena = complaints->arena;
        *ret = messages;
        return 0;
}

void policy_messages_done(struct policy_messages *messages)
{
        arena_free(messages->arena);
        *messages = (struct policy_messages){ 0 };
}

/* Characters, as columns count them. */
static unsigned characters(const char *text)
{
        unsigned n = 0;

        for (; *text; text++)
                n += ((unsigned char)*text & 0xC0) != 0x80;
        return n;
}

static void append_source(const struct policy_message *message, bool colour, char *buffer)
{
        char raw[LINE_MAX_BYTES + 1], line[LINE_MAX_BYTES + 1];
        unsigned width = characters(message->source), column, length = message->length;

        text_copy(raw, sizeof(raw), message->source);
        for (char *at = raw; *at; at++)
                if (*at == '\t')
                        *at = ' ';
        text_copy_safe(line, sizeof(line), raw);
        text_append(buffer, POLICY_RENDER_MAX, "%5u | %s\n      | ", message->line, line);
        column = message->column <= width + 1 ? message->column : width + 1;
        if (column + length > width + 1)
                length = width + 1 - column;
        text_append(buffer, POLICY_RENDER_MAX, "%*s%s^", (int)column - 1, "", colour ? "\x1b[1;32m" : "");
        for (unsigned i = 1; i < length; i++)
                text_append(buffer, POLICY_RENDER_MAX, "~");
        text_append(buffer, POLICY_RENDER_MAX, "%s\n", colour ? "\x1b[0m" : "");
}

char *policy_message_render(const struct policy_message *message, bool colour, char buffer[POLICY_RENDER_MAX])
{
        const char *bold = colour ? "\x1b[1m" : "", *plain = colour ? "\x1b[0m" : "";
        const char *kind = !colour ? "" : message->warning ? "\x1b[1;35m" : "\x1b[1;31m";
        char file[300];

        text_copy_safe(file, sizeof(file), message->file);
        buffer[0] = '\0';
        text_append(buffer, POLICY_RENDER_MAX, "%s%s:", bold, file);
        if (message->line > 0)
                text_append(buffer, POLICY_RENDER_MAX, "%u:%u:", message->line, message->column);
        text_append(buffer, POLICY_RENDER_MAX, " %s%s:%s %s\n", kind, message->warning ? "warning" : "error", plain,
                    message->text);
        if (message->source && message->line > 0)
                append_source(message, colour, buffer);
        return buffer;
}
