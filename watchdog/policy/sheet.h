#pragma once
/* Text that grows while it is written. What fails is remembered and told at the end. */
#include <stdbool.h>
#include <stddef.h>

struct sheet {
        char *text;
        size_t n, room;
        bool failed;
};

__attribute__((format(printf, 2, 3))) void sheet_print(struct sheet *sheet, const char *format, ...);

/* Gives the text away: 0, or -ENOMEM (then it is freed). */
int sheet_finish(struct sheet *sheet, char **ret);
