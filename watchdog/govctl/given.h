#pragma once
/* Files that a person names: `-` is a stream, and a mistake is told with the file's name. */
#include <stddef.h>

#include "govctl/call.h"

/* Reads all of the file, or of the standard input; the text ends in a NUL that the size does not count. Complains. */
enum code given_read(struct call *call, const char *path, char **ret, size_t *ret_size);

/* Complains when the file cannot be opened for reading: for callees that would not say which. */
enum code given_check(struct call *call, const char *path);

/* A file to write, readable by its owner only; `-` is the data stream. What stood there before stays until given_close(). */
struct given_output {
        const char *path;
        char *temporary; /* NULL: written in place */
        FILE *file;
};
enum code given_open(struct call *call, const char *path, struct given_output *ret);

/* Ends the file and puts it in its place, or with an `error` (a negative errno) removes it. Complains. */
enum code given_close(struct call *call, struct given_output *output, int error);
