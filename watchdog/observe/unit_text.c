#include "observe/unit_text.h"

#include <string.h>

/* As systemd reads it: a line that ends in a backslash goes on in the next one, comments between the two left out. */
enum state {
        STATE_LINE, /* at its beginning */
        STATE_SKIP, /* a comment, a section, what has no '=' */
        STATE_KEY,
        STATE_BEFORE, /* behind the '=' */
        STATE_VALUE,
        STATE_NEXT,    /* at the beginning of a line that goes on with a value */
        STATE_BETWEEN, /* a comment there */
};

void unit_text_init(struct unit_text *text, struct veil *veil)
{
        *text = (struct unit_text){ .veil = veil };
}

void unit_text_begin(struct unit_text *text)
{
        text->state = STATE_LINE;
        text->keys_n = 0;
}

static bool is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\r';
}

/* ---- a value ------------------------------------------------------------------------------------------------------------- */

static void put(struct unit_text *text, char c)
{
        veil_add(text->veil, &c, 1);
        if (text->value_length < sizeof(text->value) - 1)
                text->value[text->value_length++] = c;
        else
                text->value_length = UINT8_MAX; /* too long to be shown */
}

static void open_value(struct unit_text *text)
{
        while (text->key_length > 0 && is_space(text->key[text->key_length - 1]))
                text->key_length--;
        text->key[text->key_length] = '\0';
        text->value_length = 0;
        text->escaped = text->spaced = false;
        text->state = STATE_BEFORE;
        veil_begin(text->veil);
}

/* The place for this key; the last one is everybody's for whom there is none. */
static struct unit_text_key *place_of(struct unit_text *text, int key)
{
        struct unit_text_key *place;

        for (unsigned n = 0; n < text->keys_n; n++)
                if (text->keys[n].key == key)
                        return &text->keys[n];
        if (text->keys_n == UNIT_TEXT_KEYS_MAX)
                return &text->keys[UNIT_TEXT_KEYS_MAX - 1];
        place = &text->keys[text->keys_n++];
        *place = (struct unit_text_key){ .key = text->keys_n == UNIT_TEXT_KEYS_MAX ? -1 : (int16_t)key };
        return place;
}

static bool is_text(const char *value, size_t length)
{
        for (size_t n = 0; n < length; n++)
                if ((unsigned char)value[n] < 0x20 || (unsigned char)value[n] > 0x7e)
                        return false;
        return true;
}

/* What was given before to the same key stands in front. */
static void show_value(struct unit_text *text, struct unit_text_key *place, bool first)
{
        size_t before = strlen(place->value), gap = before > 0;

        place->hidden |= text->value_length == UINT8_MAX || !is_text(text->value, text->value_length) ||
                         before + gap + text->value_length >= sizeof(place->value);
        if (place->hidden || (!first && text->value_length == 0))
                return;
        memcpy(place->value + before, " ", gap);
        memcpy(place->value + before + gap, text->value, text->value_length);
        place->value[before + gap + text->value_length] = '\0';
}

static void close_value(struct unit_text *text)
{
        uint64_t veiled = veil_end(text->veil);
        int key = unit_key_find(text->key);
        struct unit_text_key *place = place_of(text, key);
        bool first = place->veiled == 0;

        veil_begin(text->veil);
        veil_add(text->veil, &place->veiled, sizeof(place->veiled));
        if (place->key < 0) /* of several keys, which of them it was counts too */
                veil_add(text->veil, text->key, text->key_length);
        veil_add(text->veil, &veiled, sizeof(veiled));
        place->veiled = veil_end(text->veil);
        place->hidden |= !unit_key_is_shown(place->key);
        show_value(text, place, first);
        explicit_bzero(text->value, sizeof(text->value));
        text->state = STATE_LINE;
}

/* White space within counts as one blank, at the end as none. */
static void put_visible(struct unit_text *text, char c)
{
        if (text->spaced && text->value_length > 0)
                put(text, ' ');
        text->spaced = false;
        put(text, c);
}

static void take_value(struct unit_text *text, char c)
{
        bool escaped = text->escaped;

        text->escaped = false;
        if (c == '\n' && escaped) {
                text->state = STATE_NEXT;
                text->spaced = true;
                return;
        }
        if (escaped)
                put_visible(text, '\\');
        if (c == '\n')
                close_value(text);
        else if (is_space(c))
                text->spaced = true;
        else if (c == '\\' && !escaped)
                text->escaped = true;
        else
                put_visible(text, c);
}

/* ---- a line -------------------------------------------------------------------------------------------------------------- */

static void take_key(struct unit_text *text, char c)
{
        if (c == '=')
                open_value(text);
        else if (c == '\n')
                text->state = STATE_LINE; /* systemd ignores it too */
        else if (text->key_length < sizeof(text->key) - 1)
                text->key[text->key_length++] = c;
}

static void begin_line(struct unit_text *text, char c)
{
        if (c == '\n' || is_space(c))
                return;
        text->key_length = 0;
        text->state = c == '#' || c == ';' || c == '[' ? STATE_SKIP : STATE_KEY;
        if (text->state == STATE_KEY)
                take_key(text, c);
}

static void begin_next(struct unit_text *text, char c)
{
        if (is_space(c))
                return;
        text->state = c == '#' || c == ';' ? STATE_BETWEEN : STATE_VALUE;
        if (text->state == STATE_VALUE)
                take_value(text, c);
}

static void take(struct unit_text *text, char c)
{
        switch (text->state) {
        case STATE_LINE: begin_line(text, c); break;
        case STATE_KEY: take_key(text, c); break;
        case STATE_NEXT: begin_next(text, c); break;
        case STATE_VALUE: take_value(text, c); break;
        case STATE_BEFORE:
                if (is_space(c))
                        break;
                text->state = STATE_VALUE;
                take_value(text, c);
                break;
        case STATE_SKIP:
                if (c == '\n')
                        text->state = STATE_LINE;
                break;
        case STATE_BETWEEN:
                if (c == '\n')
                        text->state = STATE_NEXT;
                break;
        default: break;
        }
}

void unit_text_piece(struct unit_text *text, const char *data, size_t size)
{
        for (size_t n = 0; n < size; n++)
                take(text, data[n]);
}

char *unit_text_end(struct unit_text *text)
{
        struct outline outline = { .n = 0 };

        if (text->state == STATE_BEFORE || text->state == STATE_VALUE || text->state == STATE_NEXT ||
            text->state == STATE_BETWEEN) {
                text->state = STATE_VALUE;
                text->escaped = false;
                take_value(text, '\n'); /* the last line need not be ended */
        }
        for (unsigned n = 0; n < text->keys_n; n++)
                if (text->keys[n].hidden)
                        outline_hide(&outline, unit_key_name(text->keys[n].key), text->keys[n].veiled);
                else
                        outline_show(&outline, unit_key_name(text->keys[n].key), text->keys[n].value);
        explicit_bzero(text->keys, sizeof(text->keys));
        explicit_bzero(text->value, sizeof(text->value));
        return outline_finish(&outline);
}
