#include "run/allow.h"

#include <string.h>

/* clang-format off */
const struct allow_row allow_rows[] = {
        { "metadata",     ALLOW_METADATA,     "change mode, owner, times, attributes or flags of any file (chmod, touch, cp -p)" },
        { "unix",         ALLOW_UNIX,         "make Unix sockets: PM2, D-Bus or Docker would start programs for it outside of this" },
        { "signals",      ALLOW_SIGNALS,      "signal processes that it did not start" },
        { "namespaces",   ALLOW_NAMESPACES,   "make or enter namespaces" },
        { "debug",        ALLOW_DEBUG,        "trace its children (strace, gdb)" },
        { "capabilities", ALLOW_CAPABILITIES, "use root's powers, being root" },
};
/* clang-format on */

const unsigned allow_rows_n = sizeof allow_rows / sizeof allow_rows[0];

enum allow allow_from_name(const char *name)
{
        for (unsigned i = 0; i < allow_rows_n; i++)
                if (strcmp(allow_rows[i].name, name) == 0)
                        return allow_rows[i].right;
        return ALLOW_NONE;
}
