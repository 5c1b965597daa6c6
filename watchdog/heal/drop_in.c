#include "heal/drop_in.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/file.h"

#define HEADER "# Written by Governor, "
#define TEXT_MAX (64 * 1024) /* ours are below 2 kB */

bool drop_in_is_ours(const char *text)
{
        return text_starts(text, HEADER);
}

/* "2026-11-20 02:45:10 UTC" */
#define MOMENT_MAX 32
static char *moment(char buffer[MOMENT_MAX], usec_t at)
{
        time_t seconds = (time_t)(at / USEC_PER_SEC);
        struct tm parts;

        if (!gmtime_r(&seconds, &parts) || strftime(buffer, MOMENT_MAX, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
                text_copy(buffer, MOMENT_MAX, "an unknown time");
        return buffer;
}

static void tell_purpose(FILE *file, const struct drop_in *drop_in)
{
        unsigned long long trial = drop_in->trial;

        switch (drop_in->limits->place) {
        case LIMITS_TRIAL:
                fprintf(file, "# On trial: it is taken back by itself, or with a reboot, unless somebody keeps it.\n");
                fprintf(file, "# Keep it: govctl keep %llu   Take it back: govctl undo %llu\n", trial, trial);
                break;
        case LIMITS_KEPT: fprintf(file, "# A human keeps it. Take it back: govctl undo %llu\n", trial); break;
        default: fprintf(file, "# A step of healing: it is taken back when it is no longer needed.\n"); break;
        }
}

char *drop_in_text(const struct drop_in *drop_in)
{
        char when[MOMENT_MAX], why[512], value[LIMIT_TEXT_MAX], *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        if (!file)
                return NULL;
        text_copy_safe(why, sizeof(why), drop_in->why); /* one line whatever it holds */
        fprintf(file, HEADER "%s: limits of %s.\n", moment(when, drop_in->at), drop_in->unit);
        fprintf(file, "# Why: %s\n", why);
        tell_purpose(file, drop_in);
        fprintf(file, "# Without Governor: remove this file, then: systemctl daemon-reload\n[Service]\n");
        for (enum limit limit = 0; limit < LIMIT_N; limit++)
                if (limits_have(drop_in->limits, limit))
                        fprintf(file, "%s=%s\n", limit_name(limit),
                                limit_text(limit, drop_in->limits->value[limit], value));
        if (fclose(file) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

static int full_path(const char *root, const char *path, char full[PATH_MAX])
{
        return snprintf(full, PATH_MAX, "%s%s", root, path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int drop_in_read(const char *root, const char *path, char **ret_text)
{
        _cleanup_free_ char *text = NULL;
        char full[PATH_MAX];
        struct stat stat;
        int r = full_path(root, path, full);

        if (r < 0)
                return r;
        if (lstat(full, &stat) < 0) {
                if (errno != ENOENT && errno != ENOTDIR)
                        return -errno;
                *ret_text = NULL;
                return 0;
        }
        if (!S_ISREG(stat.st_mode)) /* a link to /dev/null hides a drop-in: that is somebody's word */
                return -EEXIST;
        r = file_read(full, TEXT_MAX, &text, NULL);
        if (r == -EFBIG || (r >= 0 && !drop_in_is_ours(text)))
                return -EEXIST;
        if (r >= 0)
                *ret_text = TAKE_PTR(text);
        return r;
}

/* Readable for everybody, whatever our umask is: `systemctl cat` shows it to users too. */
static int make_folder_of(const char *full)
{
        char folder[PATH_MAX];

        text_copy(folder, sizeof(folder), full);
        *strrchr(folder, '/') = '\0';
        if (mkdir(folder, 0755) < 0)
                return errno == EEXIST ? 0 : errno == ENOENT ? file_make_directory(folder, 0755) : -errno;
        return chmod(folder, 0755) < 0 ? -errno : 0;
}

static int take_away(const char *full)
{
        char folder[PATH_MAX];

        if (unlink(full) < 0 && errno != ENOENT && errno != ENOTDIR)
                return -errno;
        text_copy(folder, sizeof(folder), full);
        *strrchr(folder, '/') = '\0';
        (void)rmdir(folder); /* unless there is more in it */
        return 0;
}

int drop_in_set(const char *root, const char *path, const char *text)
{
        _cleanup_free_ char *before = NULL;
        char full[PATH_MAX];
        int r = drop_in_read(root, path, &before);

        if (r >= 0)
                r = full_path(root, path, full);
        if (r < 0 || (!text && !before))
                return r;
        if (!text)
                return take_away(full);
        r = make_folder_of(full);
        return r < 0 ? r : file_write_atomic(full, text, strlen(text), 0644);
}
