#pragma once
/* What --allow gives back: rights that a command is denied unless its caller names them. */

enum allow {
        ALLOW_NONE = 0, /* denied whatever is asked for */
        ALLOW_METADATA = 1 << 0,
        ALLOW_UNIX = 1 << 1,
        ALLOW_SIGNALS = 1 << 2,
        ALLOW_NAMESPACES = 1 << 3,
        ALLOW_DEBUG = 1 << 4,
        ALLOW_CAPABILITIES = 1 << 5,
};

struct allow_row {
        const char *name;
        enum allow right;
        const char *denied; /* what the command may not do without it */
};

extern const struct allow_row allow_rows[];
extern const unsigned allow_rows_n;

/* The right of this name, ALLOW_NONE for a stranger. */
enum allow allow_from_name(const char *name);
