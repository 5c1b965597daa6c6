#include "govctl/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#define SIGNATURE_MARK "\xe2\x80\x94 "

static bool take_line(struct audit_slice *rest, struct audit_slice *ret)
{
        const char *end = memchr(rest->text, '\n', rest->length);

        if (!end)
                return false;
        *ret = (struct audit_slice){ rest->text, (size_t)(end - rest->text) };
        rest->text += ret->length + 1;
        rest->length -= ret->length + 1;
        return true;
}

bool checkpoint_read(const char *note, size_t length, struct checkpoint *ret)
{
        struct audit_slice rest = { note, length }, empty;
        struct checkpoint checkpoint;
        char *end;

        if (!take_line(&rest, &checkpoint.origin) || !take_line(&rest, &checkpoint.size_text) ||
            !take_line(&rest, &checkpoint.root) || !take_line(&rest, &empty) || empty.length > 0)
                return false;
        if (checkpoint.size_text.length == 0 || checkpoint.size_text.length > 19 ||
            checkpoint.size_text.text[0] < '0' || checkpoint.size_text.text[0] > '9')
                return false;
        checkpoint.size = strtoull(checkpoint.size_text.text, &end, 10); /* a line feed ends it */
        if (end != checkpoint.size_text.text + checkpoint.size_text.length)
                return false;
        checkpoint.signatures = rest;
        *ret = checkpoint;
        return true;
}

char *checkpoint_anchor(const struct checkpoint *checkpoint, char buffer[AUDIT_ANCHOR_MAX])
{
        snprintf(buffer, AUDIT_ANCHOR_MAX, "govaudit1 %.*s %.*s %.*s", (int)checkpoint->origin.length,
                 checkpoint->origin.text, (int)checkpoint->size_text.length, checkpoint->size_text.text,
                 (int)checkpoint->root.length, checkpoint->root.text);
        return buffer;
}

/* The log signs under its origin, and seals under its origin with "/seal". */
static bool is_the_logs(struct audit_slice origin, struct audit_slice name)
{
        static const char seal[] = "/seal";

        if (name.length < origin.length || memcmp(name.text, origin.text, origin.length) != 0)
                return false;
        return name.length == origin.length || (name.length == origin.length + sizeof seal - 1 &&
                                                memcmp(name.text + origin.length, seal, sizeof seal - 1) == 0);
}

bool checkpoint_next_witness(const struct checkpoint *checkpoint, const char **at, struct audit_slice *ret_name)
{
        const char *begin = *at ? *at : checkpoint->signatures.text;
        const char *end = checkpoint->signatures.text + checkpoint->signatures.length;
        struct audit_slice rest = { begin, (size_t)(end - begin) }, line;

        while (take_line(&rest, &line)) {
                const size_t mark = sizeof SIGNATURE_MARK - 1;
                const char *name = line.text + mark;
                const char *space = line.length > mark ? memchr(name, ' ', line.length - mark) : NULL;

                if (!space || memcmp(line.text, SIGNATURE_MARK, mark) != 0)
                        continue;
                *ret_name = (struct audit_slice){ name, (size_t)(space - name) };
                if (is_the_logs(checkpoint->origin, *ret_name))
                        continue;
                *at = rest.text;
                return true;
        }
        return false;
}
