/* A unit file of anything, in pieces of any size: the same outline always, no value in it that must not be shown, and two of them
 * compared. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/unit_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *outline_in(struct veil *veil, const char *text, size_t size, size_t piece)
{
        static struct unit_text reader;

        unit_text_init(&reader, veil);
        unit_text_begin(&reader);
        for (size_t at = 0; at < size; at += piece)
                unit_text_piece(&reader, text + at, size - at < piece ? size - at : piece);
        return unit_text_end(&reader);
}

/* Whatever is shown is a key of systemd's, and its value is what may be shown. */
static void check_items(const char *outline)
{
        while (*outline) {
                size_t length = strcspn(outline, "\t"), name_length = strcspn(outline, "=#\t");
                char name[OUTLINE_NAME_MAX];

                if (name_length >= sizeof(name) || name_length == length)
                        abort();
                memcpy(name, outline, name_length);
                name[name_length] = '\0';
                if (unit_key_find(name) < 0 && strcmp(name, "other keys") != 0)
                        abort();
                if (outline[name_length] == '=' && !unit_key_is_shown(unit_key_find(name)))
                        abort();
                outline += length + (outline[length] == '\t');
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct veil *veil;
        const char *text = (const char *)data + 2;
        char *whole, *pieces, *half, words[96];

        if (size < 3 || (!veil && veil_new(&veil) < 0))
                return 0;
        size -= 2;
        whole = outline_in(veil, text, size, size);
        pieces = outline_in(veil, text, size, data[0] ? data[0] : 1);
        half = outline_in(veil, text, size * data[1] / 255, size);
        if (!whole || !pieces || !half || strcmp(whole, pieces) != 0 || !outline_same(whole, pieces))
                abort();
        check_items(whole);
        outline_difference(half, whole, words, sizeof(words));
        if (strlen(words) >= sizeof(words) || outline_same(half, whole) != (words[0] == '\0'))
                abort();
        free(whole);
        free(pieces);
        free(half);
        return 0;
}
