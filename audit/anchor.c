#include "audit/anchor.h"
#include "audit/cleanup.h"
#include "audit/plain.h"

#include <string.h>

#define WORD "govaudit1"

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
        if (!anchors)
                return NULL;
        for (size_t i = 0; i < anchors->texts_n; i++)
                free(anchors->texts[i]);
        free(anchors->texts);
        free(anchors->list);
        free(anchors);
        return NULL;
}

size_t audit_anchors_count(const struct audit_anchors *anchors)
{
        return anchors->n;
}

static int add(struct audit_anchors *anchors, const struct audit_anchor *anchor)
{
        if (anchors->n == anchors->room) {
                const size_t room = 2 * anchors->room + 8;
                struct audit_anchor *list = reallocarray(anchors->list, room, sizeof(*list));

                if (!list)
                        return -ENOMEM;
                anchors->list = list;
                anchors->room = room;
        }
        anchors->list[anchors->n++] = *anchor;
        return 0;
}

static int compare_slices(struct audit_slice a, struct audit_slice b)
{
        const size_t least = a.length < b.length ? a.length : b.length;
        const int r = least > 0 ? memcmp(a.text, b.text, least) : 0;

        return r != 0 ? r : (a.length > b.length) - (a.length < b.length);
}

static int compare(const void *one, const void *other)
{
        const struct audit_anchor *a = one, *b = other;
        int r = (a->size > b->size) - (a->size < b->size);

        r = r ?: compare_slices(a->origin, b->origin);
        r = r ?: memcmp(a->root.bytes, b->root.bytes, sizeof(a->root.bytes));
        return r ?: compare_slices(a->note, b->note);
}

/* In the order of sizes one pass over the log meets them all. A mail says everything twice. */
static void sort(struct audit_anchors *anchors)
{
        size_t n = 0;

        if (anchors->n > 0)
                qsort(anchors->list, anchors->n, sizeof(*anchors->list), compare);
        for (size_t i = 0; i < anchors->n; i++)
                if (n == 0 || compare(&anchors->list[n - 1], &anchors->list[i]) != 0)
                        anchors->list[n++] = anchors->list[i];
        anchors->n = n;
}

/* Takes over the text, in which anchors lie. */
static int keep(struct audit_anchors *anchors, char *text)
{
        char **texts = text ? reallocarray(anchors->texts, anchors->texts_n + 1, sizeof(*texts)) : NULL;

        if (!texts) {
                free(text);
                return -ENOMEM;
        }
        anchors->texts = texts;
        texts[anchors->texts_n++] = text;
        return 0;
}

/* ---- words ---------------------------------------------------------------------------------------------------- */

/* Where the reading stands. Every line ends in LF, and nothing stands at either end of one that does not belong there. */
struct reading {
        const char *at, *end;
};

static struct audit_slice line_at(const struct reading *reading)
{
        const char *lf = memchr(reading->at, '\n', (size_t)(reading->end - reading->at));

        return (struct audit_slice){ reading->at, (size_t)((lf ?: reading->end) - reading->at) };
}

static void next_line(struct reading *reading)
{
        const struct audit_slice line = line_at(reading);

        reading->at += line.length;
        if (reading->at < reading->end)
                reading->at++;
}

/* The next word of the line, or nothing at its end. */
static bool word_in_line(struct reading *reading, struct audit_slice *ret)
{
        const char *at;

        while (reading->at < reading->end && *reading->at == ' ')
                reading->at++;
        for (at = reading->at; at < reading->end && *at != ' ' && *at != '\n';)
                at++;
        *ret = (struct audit_slice){ reading->at, (size_t)(at - reading->at) };
        reading->at = at;
        return ret->length > 0;
}

/* The next word wherever it stands: a mailer may have broken the line. */
static bool next_word(struct reading *reading, struct audit_slice *ret)
{
        while (!word_in_line(reading, ret)) {
                if (reading->at == reading->end)
                        return false;
                reading->at++;
        }
        return true;
}

/* Size 0 is refused: every log begins with it, so it would prove nothing. */
static bool parse_size(struct audit_slice text, uint64_t *ret)
{
        return audit_size_parse(text, ret) && *ret > 0;
}

static bool parse_root(struct audit_slice text, struct audit_hash *ret)
{
        return audit_base64_decode(text, ret->bytes, sizeof(ret->bytes));
}

static bool starts_with(struct audit_slice text, const char *start)
{
        return text.length >= strlen(start) && memcmp(text.text, start, strlen(start)) == 0;
}

static bool is_base64(char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
               c == '=';
}

/* Letters of base64 up to `length` of them, whatever lines they were broken into. */
static size_t gather_base64(struct reading *reading, char *ret, size_t length)
{
        struct reading rest = *reading;
        struct audit_slice word;
        size_t n = 0;

        while (n < length && next_word(&rest, &word) && word.length <= length - n) {
                size_t i = 0;

                while (i < word.length && is_base64(word.text[i]))
                        i++;
                if (i < word.length)
                        break;
                memcpy(ret + n, word.text, word.length);
                n += word.length;
                *reading = rest;
        }
        return n;
}

/* ---- anchors in one line --------------------------------------------------------------------------------------- */

enum { BASE64_OF_32 = 44, BASE64_OF_68 = 92, BASE64_OF_76 = 104, BASE64_OF_108 = 144 };

/* After the first word. `is_alone`: nothing may follow in the line that the root ends in, unless it was broken. */
static bool read_line_anchor(struct reading *reading, bool is_alone, struct audit_anchor *ret)
{
        const struct reading begin = *reading;
        char root[BASE64_OF_32];
        struct audit_slice size, rest;

        *ret = (struct audit_anchor){ 0 };
        if (!next_word(reading, &ret->origin) || !audit_origin_is_good(ret->origin) || !next_word(reading, &size) ||
            !parse_size(size, &ret->size))
                return false;
        if (!is_alone) { /* in a sentence: the root ends where its letters do */
                if (!next_word(reading, &rest) || rest.length < sizeof(root))
                        return false;
                reading->at = rest.text + sizeof(root);
                if (rest.length > sizeof(root) && is_base64(*reading->at))
                        return false;
                return parse_root((struct audit_slice){ rest.text, sizeof(root) }, &ret->root);
        }
        if (gather_base64(reading, root, sizeof(root)) != sizeof(root) ||
            !parse_root((struct audit_slice){ root, sizeof(root) }, &ret->root))
                return false;
        return memchr(begin.at, '\n', (size_t)(reading->at - begin.at)) || !word_in_line(reading, &rest);
}

int audit_head_read(const char *anchor, struct audit_head *ret)
{
        struct reading reading = { anchor + strlen(WORD), anchor + strlen(anchor) };
        struct audit_anchor read;

        if (strncmp(anchor, WORD " ", strlen(WORD " ")) != 0 || strlen(anchor) >= sizeof(ret->anchor) ||
            strchr(anchor, '\n') || !read_line_anchor(&reading, true, &read))
                return -EBADMSG;
        *ret = (struct audit_head){ .size = read.size };
        memcpy(ret->root, read.root.bytes, sizeof(ret->root));
        strcpy(ret->anchor, anchor);
        return 0;
}

/* The first word at the beginning of a line says that it is an anchor; inside one it may be talk. */
static int take_anchor_lines(struct audit_anchors *anchors, struct reading *reading)
{
        struct audit_slice line = line_at(reading);
        const char *const end = line.text + line.length;
        struct audit_anchor anchor;
        int r = 0;

        for (const char *at = line.text; r == 0 && (at = memmem(at, (size_t)(end - at), WORD, strlen(WORD)));) {
                struct reading words = { at + strlen(WORD), reading->end };
                const bool is_alone = at == line.text;

                at += strlen(WORD);
                if (at < end && *at != ' ')
                        continue;
                if (read_line_anchor(&words, is_alone, &anchor)) {
                        r = add(anchors, &anchor);
                        if (words.at > end) {
                                reading->at = words.at;
                                break;
                        }
                } else if (is_alone)
                        return -EBADMSG;
        }
        return r;
}

/* ---- notes ----------------------------------------------------------------------------------------------------- */

static size_t expected_length(const struct audit_anchor *anchor, struct audit_slice name)
{
        const size_t n = anchor->origin.length;

        if (name.length < n || memcmp(name.text, anchor->origin.text, n) != 0)
                return BASE64_OF_76;
        if (name.length == n)
                return BASE64_OF_68;
        return name.length == n + 5 && memcmp(name.text + n, "/seal", 5) == 0 ? BASE64_OF_108 : BASE64_OF_76;
}

static bool is_payload(struct audit_slice base64)
{
        uint8_t bytes[AUDIT_PAYLOAD_MAX];
        size_t length;

        return audit_base64_read(base64, bytes, sizeof(bytes), &length) && length > AUDIT_KEY_ID;
}

static void out_signature(struct audit_out *out, struct audit_slice name, struct audit_slice base64)
{
        audit_out_text(out, AUDIT_SIGNATURE_MARK);
        audit_out_bytes(out, name.text, name.length);
        audit_out_text(out, " ");
        audit_out_bytes(out, base64.text, base64.length);
        audit_out_text(out, "\n");
}

/* One signature, its mark passed already, written as it was before its line was broken. A stranger's that cannot be read
 * is left out; ours says that the note was spoiled. */
static bool take_signature(struct reading *reading, const struct audit_anchor *anchor, struct audit_out *out)
{
        struct audit_slice name, word, whole;
        char base64[BASE64_OF_108];
        struct reading pieces;
        size_t expected;

        if (!next_word(reading, &name) || memchr(name.text, '+', name.length))
                return false;
        expected = expected_length(anchor, name);
        pieces = *reading;
        whole = (struct audit_slice){ base64, gather_base64(&pieces, base64, expected) };
        if (whole.length == expected && is_payload(whole)) {
                out_signature(out, name, whole);
                *reading = pieces;
                return true;
        }
        if (next_word(reading, &word) && is_payload(word)) {
                out_signature(out, name, word);
                return true;
        }
        return expected == BASE64_OF_76;
}

static void skip_empty_lines(struct reading *reading)
{
        while (reading->at < reading->end && *reading->at == '\n')
                reading->at++;
}

/* The three lines that are signed, whatever empty lines were put between them. */
static bool take_text(struct reading *reading, struct audit_anchor *ret, struct audit_out *out)
{
        struct audit_slice lines[3];

        for (unsigned i = 0; i < 3; i++) {
                lines[i] = line_at(reading);
                next_line(reading);
                skip_empty_lines(reading);
                audit_out_bytes(out, lines[i].text, lines[i].length);
                audit_out_text(out, "\n");
        }
        audit_out_text(out, "\n");
        *ret = (struct audit_anchor){ .origin = lines[0] };
        return parse_size(lines[1], &ret->size) && parse_root(lines[2], &ret->root) &&
               starts_with(line_at(reading), AUDIT_SIGNATURE_MARK);
}

/* Cheap, because it is asked of every line. */
static bool may_be_origin(const struct reading *reading)
{
        struct reading second = *reading;
        struct audit_slice size;
        uint64_t number;

        if (!audit_origin_is_good(line_at(reading)))
                return false;
        next_line(&second);
        skip_empty_lines(&second);
        size = line_at(&second);
        return audit_size_parse(size, &number);
}

static int write_note(struct reading *reading, struct audit_anchor *anchor, struct audit_out *out)
{
        while (starts_with(line_at(reading), AUDIT_SIGNATURE_MARK)) {
                reading->at += strlen(AUDIT_SIGNATURE_MARK);
                if (!take_signature(reading, anchor, out))
                        return -EBADMSG;
                next_line(reading);
                skip_empty_lines(reading);
        }
        return 0;
}

/* 1 and the reading behind it, 0 when no note begins here, -EBADMSG when one of ours was spoiled. */
static int take_note(struct audit_anchors *anchors, struct reading *reading)
{
        struct audit_out out = { .bytes = NULL };
        struct reading after = *reading;
        struct audit_anchor anchor;
        struct audit_note note;
        int r;

        if (!may_be_origin(reading))
                return 0;
        out.room = (size_t)(reading->end - reading->at) + 64;
        if (out.room > AUDIT_NOTE_ROOM)
                out.room = AUDIT_NOTE_ROOM;
        out.bytes = malloc(out.room);
        if (!out.bytes)
                return -ENOMEM;
        if (!take_text(&after, &anchor, &out)) {
                free(out.bytes);
                return 0;
        }
        r = write_note(&after, &anchor, &out);
        if (r < 0 || out.full) {
                free(out.bytes);
                return r;
        }
        r = keep(anchors, out.bytes);
        if (r < 0)
                return r;
        anchor.origin.text = out.bytes;
        anchor.note = (struct audit_slice){ out.bytes, out.length };
        if (audit_note_parse(out.bytes, out.length, &note)) {
                anchor.epoch = note.epoch;
                anchor.has_seal = true;
        }
        *reading = after;
        r = add(anchors, &anchor);
        return r < 0 ? r : 1;
}

/* ---- the whole text -------------------------------------------------------------------------------------------- */

static unsigned number_of(const struct audit_plain *plain, const char *at)
{
        size_t line = 0;

        for (const char *c = plain->text; c < at; c++)
                line += *c == '\n';
        return line < plain->n ? plain->numbers[line] : 0;
}

static int read_plain(struct audit_anchors *anchors, const struct audit_plain *plain, unsigned *ret_line)
{
        struct reading reading = { plain->text, plain->text + plain->length };
        int r = 0;

        while (reading.at < reading.end && r >= 0) {
                const char *const begin = reading.at;

                r = take_note(anchors, &reading);
                if (r == 0)
                        r = take_anchor_lines(anchors, &reading);
                if (r == -EBADMSG)
                        *ret_line = number_of(plain, begin);
                if (reading.at == begin || (reading.at > begin && reading.at[-1] != '\n'))
                        next_line(&reading);
        }
        return r < 0 ? r : 0;
}

int audit_anchors_add(struct audit_anchors *anchors, const char *text, size_t length, unsigned *ret_line)
{
        struct audit_plain plain;
        int r = audit_plain_read(text, length, &plain);

        if (r < 0)
                return r;
        r = plain.length > 0 ? keep(anchors, TAKE_PTR(plain.text)) : 0;
        if (r == 0 && plain.length > 0) {
                plain.text = anchors->texts[anchors->texts_n - 1];
                r = read_plain(anchors, &plain, ret_line);
                sort(anchors);
                plain.text = NULL;
        }
        audit_plain_done(&plain);
        return r;
}
