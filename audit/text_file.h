#pragma once

/* Opens a file that someone names: a regular one or a pipe, never one that waits for a writer or has no end. */

#include <stdio.h>

/* 0, -ENODEV for what is neither, or a negative errno. A pipe that nobody writes is empty. */
int audit_text_open(const char *path, FILE **ret);
