/* Setting a log aside: its files get a second name in a directory of their own, where nobody touches them again. */

#include "audit/chain.h"
#include "audit/cleanup.h"
#include "audit/files.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define ASIDE "set-aside"

static const char *const kept_files[] = { "audit.db", "audit.db-wal", "audit.db-journal", "keys/log.key",
                                          "keys/seal.key" };

enum { KEPT_FILES_N = sizeof(kept_files) / sizeof(kept_files[0]) };

/* Where this file goes; `name` is "set-aside/WHEN". */
static char *kept_path(const struct audit *audit, const char *name, const char *file)
{
        const char *slash = strrchr(file, '/');
        _cleanup_(free_memory) char *kept = audit_files_join(name, slash ? slash + 1 : file);

        return kept ? audit_path(audit, kept) : NULL;
}

static int make_aside(const struct audit *audit, uint64_t realtime_usec, char *ret_name, size_t room)
{
        const time_t now = (time_t)(realtime_usec / 1000000);
        char stamp[32];
        struct tm tm;

        gmtime_r(&now, &tm);
        strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);

        for (unsigned i = 1; i < 1000; i++) {
                _cleanup_(free_memory) char *path = NULL;

                snprintf(ret_name, room, i == 1 ? ASIDE "/%s" : ASIDE "/%s-%u", stamp, i);
                path = audit_path(audit, ret_name);
                if (!path)
                        return -ENOMEM;
                if (mkdir(path, 0700) == 0)
                        return 0;
                if (errno != EEXIST)
                        return -errno;
        }
        return -EEXIST;
}

static int link_files(const struct audit *audit, const char *name)
{
        for (size_t i = 0; i < KEPT_FILES_N; i++) {
                _cleanup_(free_memory) char *from = audit_path(audit, kept_files[i]);
                _cleanup_(free_memory) char *to = kept_path(audit, name, kept_files[i]);

                if (!from || !to)
                        return -ENOMEM;
                if (link(from, to) < 0 && errno != ENOENT)
                        return -errno;
        }
        return 0;
}

/* A second name and not a move: until the new log is staged, the old files are where they were. */
int audit_set_aside(struct audit *audit, char *ret_name, size_t room)
{
        _cleanup_(free_memory) char *all = audit_path(audit, ASIDE);
        char name[128];
        int r;

        if (!all)
                return -ENOMEM;
        if (mkdir(all, 0700) < 0 && errno != EEXIST)
                return -errno;
        r = make_aside(audit, audit_realtime_usec(audit), name, sizeof(name));
        r = r ?: link_files(audit, name);
        r = r ?: audit_sync_directory(audit, name);
        r = r ?: audit_sync_directory(audit, ASIDE);
        if (r < 0)
                return r;
        audit_step_done(audit, AUDIT_STEP_LINKED);
        snprintf(ret_name, room, "%s", name);
        return 0;
}

/* ---- what came to nothing --------------------------------------------------------------------------------------- */

/* Files that are still the log's own are not set aside. Once one is, those after it in the list go with it: a WAL may have
 * been made anew since. */
static void take_back(const struct audit *audit, const char *when)
{
        _cleanup_(free_memory) char *name = audit_files_join(ASIDE, when);
        _cleanup_(free_memory) char *path = name ? audit_path(audit, name) : NULL;
        bool is_live = false;

        if (!path)
                return;
        for (size_t i = 0; i < KEPT_FILES_N; i++) {
                _cleanup_(free_memory) char *live = audit_path(audit, kept_files[i]);
                _cleanup_(free_memory) char *kept = kept_path(audit, name, kept_files[i]);

                is_live = is_live || (live && kept && audit_files_are_same(live, kept));
                if (is_live && kept)
                        audit_files_remove(kept);
        }
        rmdir(path); /* unless something is in it */
}

void audit_take_back(const struct audit *audit)
{
        _cleanup_(free_memory) char *all = audit_path(audit, ASIDE);
        DIR *dir = all ? opendir(all) : NULL;
        const struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        take_back(audit, entry->d_name);
        if (dir)
                closedir(dir);
        if (all)
                rmdir(all);
}
