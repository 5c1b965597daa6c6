#pragma once

/* Cleanup where it is declared: the few that the chain needs, its own because it stands alone. */

#include <errno.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#define _printf_(format_at, first) __attribute__((format(printf, format_at, first)))
#define _cleanup_(function) __attribute__((cleanup(function)))

#define TAKE_PTR(pointer)                                      \
        ({                                                     \
                __typeof__(pointer) *taken_from_ = &(pointer); \
                __typeof__(pointer) taken_ = *taken_from_;     \
                *taken_from_ = NULL;                           \
                taken_;                                        \
        })

#define TAKE_FD(fd)                        \
        ({                                 \
                int *taken_from_ = &(fd);  \
                int taken_ = *taken_from_; \
                *taken_from_ = -1;         \
                taken_;                    \
        })

static inline void close_fd(int *fd)
{
        int saved = errno;

        if (*fd >= 0)
                close(*fd);
        errno = saved;
}

static inline void free_memory(void *pointer)
{
        free(*(void **)pointer);
}

static inline void drop_json(json_t **json)
{
        json_decref(*json);
}

static inline void finalize_statement(sqlite3_stmt **statement)
{
        sqlite3_finalize(*statement);
}

static inline void close_database(sqlite3 **db)
{
        sqlite3_close(*db);
}
