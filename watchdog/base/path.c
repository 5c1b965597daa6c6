#include "base/path.h"

#include <string.h>

void path_folder(const char *path, char ret[FILE_PATH_MAX])
{
        const char *slash = strrchr(path, '/');
        size_t length = slash && slash > path ? (size_t)(slash - path) : 1;

        memmove(ret, path, length);
        ret[length] = '\0';
}

bool path_is_within(const char *path, const char *folder)
{
        size_t n = strlen(folder);

        return strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* "[a-z]" at `*pattern` against `c`; moves the pattern behind it. A set that is not closed is the character '['. */
static bool set_has(const char **pattern, char c)
{
        const char *p = *pattern + 1;
        bool not = *p == '!' || *p == '^', found = false;

        p += not ;
        for (const char *first = p; *p && (*p != ']' || p == first); p++) {
                unsigned char low = (unsigned char)*p, high = low;

                if (p[1] == '-' && p[2] && p[2] != ']') {
                        high = (unsigned char)p[2];
                        p += 2;
                }
                found |= (unsigned char)c >= low && (unsigned char)c <= high;
        }
        if (*p != ']') {
                *pattern += 1;
                return c == '[';
        }
        *pattern = p + 1;
        return found != not &&c != '/';
}

/* One character of the path against one of the pattern; moves the pattern behind it when they match. */
static bool one(const char **pattern, char c)
{
        const char *p = *pattern;
        bool same;

        switch (*p) {
        case '\0': return false;
        case '?': same = c != '/'; break;
        case '[':
                same = set_has(&p, c);
                if (same)
                        *pattern = p;
                return same;
        case '\\':
                if (p[1])
                        p++;
                same = *p == c;
                break;
        default: same = *p == c; break;
        }
        if (same)
                *pattern = p + 1;
        return same;
}

/*
 * Each kind of star needs to be tried again only at its last occurrence; a '*' that has come to the end of its folder falls
 * back to the '**' before it. `leads`: the path is the beginning of one, and where it ends before the pattern all is well.
 */
static bool match(const char *pattern, const char *path, bool leads)
{
        const char *star = NULL, *star_path = NULL, *deep = NULL, *deep_path = NULL;
        bool folders = false; /* the '**' stands for whole folders: a '/' follows it */

        for (;;) {
                if (pattern[0] == '*' && pattern[1] == '*') {
                        while (*pattern == '*')
                                pattern++;
                        folders = *pattern == '/'; /* for none too: "a/b" matches "a", a slash, "**" and "/b" */
                        deep = pattern += folders;
                        deep_path = path;
                        star = NULL;
                        continue;
                }
                if (*pattern == '*') {
                        star = ++pattern;
                        star_path = path;
                        continue;
                }
                if (!*path && (leads || !*pattern))
                        return true;
                if (*path && one(&pattern, *path)) {
                        path++;
                        continue;
                }
                if (star && *star_path && *star_path != '/') {
                        pattern = star;
                        path = ++star_path;
                } else if (deep && *(deep_path += folders ? strcspn(deep_path, "/") : 0)) {
                        pattern = deep;
                        path = ++deep_path;
                        star = NULL;
                } else {
                        return false;
                }
        }
}

/* A folder stands for all that is below it. */
static bool match_any(const char *pattern, const char *path, bool leads)
{
        char below[FILE_PATH_MAX + 4];
        size_t length = strlen(pattern);

        if (length == 0 || length >= FILE_PATH_MAX)
                return false;
        memcpy(below, pattern, length + 1);
        if (pattern[length - 1] == '/')
                memcpy(below + length, "**", 3);
        return match(below, path, leads);
}

bool path_glob(const char *pattern, const char *path)
{
        return match_any(pattern, path, false);
}

bool path_may_lead(const char *pattern, const char *folder)
{
        char inside[FILE_PATH_MAX + 2];
        size_t length = strlen(folder);

        if (length >= FILE_PATH_MAX)
                return false;
        memcpy(inside, folder, length + 1);
        if (length == 0 || folder[length - 1] != '/')
                memcpy(inside + length, "/", 2);
        return match_any(pattern, inside, true);
}

size_t path_base(const char *pattern)
{
        size_t wild = strcspn(pattern, "*?[\\"), base = 0;

        for (size_t n = 0; n < wild; n++)
                if (pattern[n] == '/')
                        base = n;
        return base;
}

bool path_is_plain(const char *pattern)
{
        size_t length = strlen(pattern);

        return pattern[strcspn(pattern, "*?[\\")] == '\0' && length > 0 && pattern[length - 1] != '/';
}

bool path_excepted(const char *exception, const char *path)
{
        char name[FILE_PATH_MAX];

        if (exception[0] == '/')
                return path_glob(exception, path);
        while (*path) {
                size_t length = strcspn(path, "/");

                if (length > 0 && length < sizeof(name)) {
                        memcpy(name, path, length);
                        name[length] = '\0';
                        if (path_glob(exception, name))
                                return true;
                }
                path += length + (path[length] == '/');
        }
        return false;
}
