#include "audit/anchor.h"
#include "audit/cleanup.h"

#include <string.h>

#define WORD "govaudit1"
#define SIGNATURE_MARK "\xe2\x80\x94 "

int audit_anchors_new(struct audit_anchors **ret)
{
        struct audit_anchors *anchors = calloc(1, sizeof(*anchors));

        if (!anchors)
                return -ENOMEM;
        *ret = anchors;
        return 0;
}

struct audit_anchors *audit_anchors_free(struct audit_anchors *anchors)
{
        if (anchors)
                free(anchors->list);
        free(anchors);
        return NULL;
}

size_t audit_anchors_count(const struct audit_anchors *anchors)
{
        return anchors->n;
}

/* Kept in the order of sizes, so that one pass over the log meets them all. */
static int add(struct audit_anchors *anchors, const struct audit_anchor *anchor)
{
        size_t at = anchors->n;

        if (anchors->n == anchors->room) {
                const size_t room = 2 * anchors->room + 8;
                struct audit_anchor *list = reallocarray(anchors->list, room, sizeof(*list));

                if (!list)
                        return -ENOMEM;
                anchors->list = list;
                anchors->room = room;
        }
        while (at > 0 && anchors->list[at - 1].size > anchor->size)
                at--;
        memmove(anchors->list + at + 1, anchors->list + at, (anchors->n - at) * sizeof(*anchors->list));
        anchors->list[at] = *anchor;
        anchors->n++;
        return 0;
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* The last line need not end in LF: people paste. */
static struct audit_slice line_at(const char *at, const char *end)
{
        const char *lf = memchr(at, '\n', (size_t)(end - at));

        return (struct audit_slice){ at, (size_t)((lf ?: end) - at) };
}

static const char *after(struct audit_slice line, const char *end)
{
        const char *at = line.text + line.length;

        return at < end ? at + 1 : end;
}

static bool take_word(struct audit_slice *rest, struct audit_slice *ret)
{
        const char *space = memchr(rest->text, ' ', rest->length);
        const size_t length = space ? (size_t)(space - rest->text) : rest->length;

        *ret = (struct audit_slice){ rest->text, length };
        rest->text += length + (space != NULL);
        rest->length -= length + (space != NULL);
        return length > 0;
}

/* Size 0 is refused: every log begins with it, so it would prove nothing. */
static bool parse_size(struct audit_slice text, uint64_t *ret)
{
        struct audit_scan scan = audit_scan_begin(text.text, text.length);
        int64_t size;

        if (!audit_scan_integer(&scan, &size) || !audit_scan_done(&scan) || size < 1)
                return false;
        *ret = (uint64_t)size;
        return true;
}

static bool parse_root(struct audit_slice text, struct audit_hash *ret)
{
        return audit_base64_decode(text, ret->bytes, sizeof(ret->bytes));
}

static bool parse_line(struct audit_slice line, struct audit_anchor *ret)
{
        struct audit_slice word, size;

        *ret = (struct audit_anchor){ 0 };
        return take_word(&line, &word) && take_word(&line, &ret->origin) && audit_origin_is_good(ret->origin) &&
               take_word(&line, &size) && parse_size(size, &ret->size) && parse_root(line, &ret->root);
}

static bool starts_with(struct audit_slice text, const char *start)
{
        return text.length >= strlen(start) && memcmp(text.text, start, strlen(start)) == 0;
}

static bool is_anchor_line(struct audit_slice line)
{
        return starts_with(line, WORD) && (line.length == strlen(WORD) || line.text[strlen(WORD)] == ' ');
}

int audit_head_read(const char *anchor, struct audit_head *ret)
{
        const struct audit_slice line = { anchor, strlen(anchor) };
        struct audit_anchor read;

        if (line.length >= sizeof(ret->anchor) || !is_anchor_line(line) || !parse_line(line, &read))
                return -EBADMSG;
        *ret = (struct audit_head){ .size = read.size };
        memcpy(ret->root, read.root.bytes, sizeof(ret->root));
        strcpy(ret->anchor, anchor);
        return 0;
}

/* Do a size, a root, an empty line and a signature follow this line? Then it is the origin of a note, and `ret_end` is
 * where its signatures end. */
static bool is_note(struct audit_slice origin, const char *end, struct audit_anchor *ret, const char **ret_end)
{
        const struct audit_slice size = line_at(after(origin, end), end);
        const struct audit_slice root = line_at(after(size, end), end);
        const struct audit_slice empty = line_at(after(root, end), end);
        struct audit_slice line = line_at(after(empty, end), end);
        struct audit_note note;

        *ret = (struct audit_anchor){ .origin = origin };
        if (!audit_origin_is_good(origin) || !parse_size(size, &ret->size) || !parse_root(root, &ret->root) ||
            empty.length != 0 || !starts_with(line, SIGNATURE_MARK))
                return false;
        while (starts_with(line, SIGNATURE_MARK))
                line = line_at(after(line, end), end);
        *ret_end = line.text;
        ret->note = (struct audit_slice){ origin.text, (size_t)(line.text - origin.text) };
        if (audit_note_parse(ret->note.text, ret->note.length, &note)) {
                ret->epoch = note.epoch;
                ret->has_seal = true;
        }
        return true;
}

int audit_anchors_add(struct audit_anchors *anchors, const char *text, size_t length, unsigned *ret_line)
{
        const char *at = text, *const end = text + length;
        unsigned number = 1;
        int r = 0;

        while (at < end && r == 0) {
                const struct audit_slice line = line_at(at, end);
                const char *next = after(line, end);
                struct audit_anchor anchor;

                if (is_anchor_line(line)) {
                        if (!parse_line(line, &anchor)) {
                                *ret_line = number;
                                return -EBADMSG;
                        }
                        r = add(anchors, &anchor);
                } else if (is_note(line, end, &anchor, &next)) {
                        r = add(anchors, &anchor);
                }
                for (; at < next; at++)
                        number += *at == '\n';
        }
        return r;
}

/* ---- judging -------------------------------------------------------------------------------------------------- */

bool audit_anchor_is_of(const struct audit_anchor *anchor, const char *origin)
{
        return anchor->origin.length == strlen(origin) && memcmp(anchor->origin.text, origin, strlen(origin)) == 0;
}
