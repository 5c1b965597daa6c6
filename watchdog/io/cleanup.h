#pragma once

/* Freeing where it is declared: what _cleanup_() variables and handed-over pointers and descriptors need. */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A variable may be there only to be freed at the end of its block; clang calls that unused. */
#define _cleanup_(f) __attribute__((__cleanup__(f), __unused__))

/* For `struct x *x_free(struct x *)`: makes x_freep() of it, to be named in _cleanup_(x_freep). */
#define DEFINE_CLEANUP_FUNC(type, function)     \
        static inline void function##p(type *p) \
        {                                       \
                if (*p)                         \
                        function(*p);           \
        }                                       \
        struct cleanup_needs_a_semicolon

/* The value leaves the variable, and with it the duty to free: `*ret = TAKE_PTR(x);` */
#define TAKE_PTR(variable)                                       \
        ({                                                       \
                __typeof__(variable) *taken_from_ = &(variable); \
                __typeof__(variable) taken_ = *taken_from_;      \
                *taken_from_ = NULL;                             \
                taken_;                                          \
        })

#define TAKE_FD(variable)                       \
        ({                                      \
                int *taken_from_ = &(variable); \
                int taken_ = *taken_from_;      \
                *taken_from_ = -EBADF;          \
                taken_;                         \
        })

/* The cleanups below keep errno: they run after the return value was read off it. */

static inline void cleanup_free(void *p)
{
        int saved_errno = errno;

        free(*(void **)p);
        errno = saved_errno;
}

/* Takes any negative number for "not open" and returns one, so that `fd = close_fd(fd)` cannot close twice. */
static inline int close_fd(int fd)
{
        int saved_errno = errno;

        if (fd >= 0)
                (void)close(fd); /* Linux closes also when it says EINTR or EIO */
        errno = saved_errno;
        return -EBADF;
}

static inline void closep(const int *fd)
{
        (void)close_fd(*fd);
}

static inline void fclosep(FILE **file)
{
        int saved_errno = errno;

        if (*file)
                (void)fclose(*file);
        errno = saved_errno;
}

static inline void closedirp(DIR **dir)
{
        int saved_errno = errno;

        if (*dir)
                (void)closedir(*dir);
        errno = saved_errno;
}

#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)
#define _cleanup_closedir_ _cleanup_(closedirp)
