#pragma once
/* Enums and their names: one table each, looked up both ways. */
#include <stddef.h>
#include <string.h>

#include "base/usec.h"

#define NAMES_N(table) (sizeof(table) / sizeof((table)[0]))

/* The name at `value`, "unknown" outside of the table. */
static inline const char *names_at(const char *const *table, size_t n, size_t value)
{
        return value < n && table[value] ? table[value] : "unknown";
}

/* The value with this name, 0 for a stranger and for NULL. */
static inline size_t names_find(const char *const *table, size_t n, const char *name)
{
        for (size_t i = 0; name && i < n; i++)
                if (table[i] && strcmp(table[i], name) == 0)
                        return i;
        return 0;
}

/* Defines `const char *NOUN_name(enum NOUN)` and `enum NOUN NOUN_from_name(const char *)` over a table. */
#define NAMES_DEFINE(noun, table)                                          \
        const char *noun##_name(enum noun value)                           \
        {                                                                  \
                return names_at(table, NAMES_N(table), (size_t)value);     \
        }                                                                  \
        enum noun noun##_from_name(const char *name)                       \
        {                                                                  \
                return (enum noun)names_find(table, NAMES_N(table), name); \
        }
