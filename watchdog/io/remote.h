#pragma once
/* Whether a file system is one that other machines may write to: our kernel does not hear of what they do. */
#include <stdbool.h>

/* Of the file system that the path, or the open file (O_PATH does), is on. What cannot be asked counts as remote. */
bool remote_path(const char *path);
bool remote_file(int fd);
