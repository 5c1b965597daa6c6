/* The parser of signed notes: whatever it accepts can be judged, and says the same when it is read again. */

#include "audit/note.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const uint8_t key[AUDIT_PUBLIC_KEY] = { 0x03, 0xa1, 0x07, 0xbf };
        char *text = malloc(size ?: 1);
        struct audit_note note;

        if (!text || sodium_init() < 0)
                return 0;
        memcpy(text, data, size);
        if (audit_note_parse(text, size, &note)) {
                if (note.text.length + 1 + note.signatures.length != size || note.text.text != text)
                        abort();
                audit_note_log_signed(&note, key);
                audit_note_sealed(&note, key);
        }
        free(text);
        return 0;
}
