/* The reader of anchors in any text, mail and chats among it: what it takes out is in the order of sizes. */

#include "audit/anchor.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct audit_anchors *anchors;
        char *text = malloc(size ?: 1);
        unsigned line;

        if (!text || sodium_init() < 0 || audit_anchors_new(&anchors) < 0)
                return 0;
        memcpy(text, data, size);
        audit_anchors_add(anchors, text, size, &line);
        for (size_t i = 0; i < anchors->n; i++) {
                const struct audit_anchor *anchor = &anchors->list[i];
                struct audit_note note;

                if (anchor->size < 1 || (i > 0 && anchors->list[i - 1].size > anchor->size))
                        abort();
                if (anchor->note.length > 0) {
                        if (anchor->note.length > AUDIT_NOTE_ROOM)
                                abort();
                        audit_note_parse_loose(anchor->note.text, anchor->note.length, &note);
                }
        }
        audit_anchors_free(anchors);
        free(text);
        return 0;
}
