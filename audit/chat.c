/* The texts in a JSON document: Telegram's export, where a text may be an array of pieces, and any other. */

#include "audit/cleanup.h"
#include "audit/plain.h"

#include <string.h>

#define WORD "govaudit1"

struct chat {
        struct audit_plain *plain;
        const char *at, *end; /* the document, up to the last anchor that was passed on */
        unsigned number;      /* of the line of `at` */
        bool is_one_line;
};

/* JSON does not say where a string stood. Anchors are met in the order of the document, so it is found there again. */
static void follow(struct chat *chat, const char *text, size_t length)
{
        const char *found, *next, *const end = text + length;

        for (; (found = memmem(text, (size_t)(end - text), WORD, strlen(WORD))); text = found + strlen(WORD)) {
                next = memmem(chat->at, (size_t)(chat->end - chat->at), WORD, strlen(WORD));
                if (!next)
                        return;
                for (; chat->at < next + strlen(WORD); chat->at++)
                        chat->number += !chat->is_one_line && *chat->at == '\n';
        }
}

static void put_string(struct chat *chat, const json_t *string)
{
        const char *text = json_string_value(string);
        const size_t length = json_string_length(string);

        /* line by line, since each may hold another anchor */
        for (const char *at = text, *const end = text + length; at < end;) {
                const char *lf = memchr(at, '\n', (size_t)(end - at)), *next = lf ? lf + 1 : end;

                follow(chat, at, (size_t)(next - at));
                audit_plain_put(chat->plain, at, (size_t)(next - at), chat->number);
                at = next;
        }
}

/* Pieces of one text: strings, and objects for what is marked up. */
static void put_pieces(struct chat *chat, const json_t *pieces)
{
        const json_t *piece;
        size_t i;

        json_array_foreach (pieces, i, piece) {
                const json_t *text = json_is_object(piece) ? json_object_get(piece, "text") : piece;

                if (json_is_string(text))
                        put_string(chat, text);
        }
}

static void put_value(struct chat *chat, const char *key, const json_t *value)
{
        const json_t *member;
        const char *name;
        size_t i;

        if (json_is_string(value))
                put_string(chat, value);
        else if (json_is_array(value) && strcmp(key, "text") == 0)
                put_pieces(chat, value);
        else if (json_is_array(value))
                json_array_foreach (value, i, member)
                        put_value(chat, "", member);
        else if (json_is_object(value))
                json_object_foreach ((json_t *)value, name, member) {
                        /* Telegram says the same again in text_entities */
                        if (strcmp(name, "text_entities") != 0 && strcmp(name, "type") != 0)
                                put_value(chat, name, member);
                }
        audit_plain_end_line(chat->plain);
}

bool audit_plain_json(struct audit_plain *plain, const char *text, size_t length, unsigned number, bool is_one_line)
{
        struct chat chat = { plain, text, text + length, number, is_one_line };
        json_t *root = json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);

        if (!root)
                return false;
        audit_plain_end_line(plain);
        put_value(&chat, "", root);
        json_decref(root);
        return true;
}
