#include "guard/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "io/straight.h"

static void on_file(void *self, const char *path, const struct stat *st)
{
        struct scan *scan = self;
        struct manifest_entry wanted = { .path = path };

        if (text_starts(strrchr(path, '/') + 1, SCAN_OWN_NAMES) || manifest_find(scan->manifest, path))
                return;
        if (scan->owns(scan->self, &wanted))
                scan->found(scan->self, &wanted, st);
}

static void on_folder(void *self, const char *path, int fd)
{
        struct scan *scan = self;

        (void)fd;
        if (scan->folder && !manifest_find(scan->manifest, path))
                scan->folder(scan->self, path);
}

static bool enters(void *self, const char *path)
{
        const struct scan *scan = self;

        return !scan->enters || scan->enters(scan->self, path);
}

void scan_begin(struct scan *scan)
{
        scan->at = 0;
        scan->walking = false;
        scan->walk =
                (struct walk){ .straight = true, .enters = enters, .folder = on_folder, .file = on_file, .self = scan };
}

void scan_end(struct scan *scan)
{
        if (scan->walking)
                walk_end(&scan->walk);
        scan->walking = false;
        scan->at = scan->patterns_n;
}

static const char *why(int error)
{
        switch (error) {
        case -ELOOP: return "a symbolic link is on the way, which is not followed";
        case -ENOTDIR: return "what should be a folder on the way is none";
        case -ENOENT: return "it is not there";
        default: return "it cannot be reached";
        }
}

/* One file, whose folder may hold a million others. */
static void look_at_plain(struct scan *scan, const char *path)
{
        char folder[FILE_PATH_MAX];
        const char *slash = strrchr(path, '/');
        const size_t length = slash > path ? (size_t)(slash - path) : 1;
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        memcpy(folder, path, length);
        folder[length] = '\0';
        r = fd = straight_open(folder, O_PATH | O_DIRECTORY);
        if (r >= 0 && fstatat(fd, slash + 1, &st, AT_SYMLINK_NOFOLLOW) < 0)
                r = -errno;
        if (r < 0) {
                scan->left_out(scan->self, path, why(r));
                return;
        }
        on_folder(scan, folder, fd);
        if (!S_ISDIR(st.st_mode))
                on_file(scan, path, &st);
        else
                scan->left_out(scan->self, path, "it is a folder: what is in it is meant by a '/' at the end");
}

static void end_walk(struct scan *scan)
{
        const char *pattern = scan->patterns[scan->at++];

        scan->walking = false;
        if (scan->walk.missing)
                scan->left_out(scan->self, pattern, "the folder it begins with is not there, or a link is on the way");
        else if (scan->walk.cut)
                scan->left_out(scan->self, pattern, scan->walk.cut);
}

bool scan_on(struct scan *scan, unsigned entries)
{
        const char *pattern;

        if (scan->at == scan->patterns_n)
                return false;
        pattern = scan->patterns[scan->at];
        if (!scan->walking && path_is_plain(pattern)) {
                look_at_plain(scan, pattern);
                return ++scan->at < scan->patterns_n;
        }
        if (!scan->walking)
                walk_begin(&scan->walk, pattern, 0);
        scan->walking = true;
        if (!walk_on(&scan->walk, entries))
                end_walk(scan);
        return scan->at < scan->patterns_n;
}
