#pragma once
/* Paths of files and the patterns that people declare them with: '*' and '?' stay within a folder, '**' does not. */
#include <stdbool.h>
#include <stddef.h>

#define FILE_PATH_MAX 1024 /* a longer one is not watched */

/* Whether the path is this folder, or below it; for cgroups too. The folder has no '/' at its end. */
bool path_is_within(const char *path, const char *folder);

/* The folder that an absolute path shorter than FILE_PATH_MAX is in; of "/" itself "/". Both may be the same memory. */
void path_folder(const char *path, char ret[FILE_PATH_MAX]);

/* Whether the whole path matches. A pattern that ends in '/' means everything below. Takes polynomial time. */
bool path_glob(const char *pattern, const char *path);

/* Whether anything in this folder, or below it, could match. */
bool path_may_lead(const char *pattern, const char *folder);

/* Length of the part of the pattern that is a folder without wildcards, its last '/' not counted: where to look from. */
size_t path_base(const char *pattern);

/* Whether the pattern is one path and no more. */
bool path_is_plain(const char *pattern);

/* Whether an exception takes the path out: a pattern that begins with '/', or a name that the file or a folder above has. */
bool path_excepted(const char *exception, const char *path);
