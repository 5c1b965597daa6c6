#include "courier/confine.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/cleanup.h"

/* clang-format off */
static const struct {
        int what;
        rlim_t most;
} limits[] = {
        { RLIMIT_CORE,   0 },
        { RLIMIT_CPU,    60 },
        { RLIMIT_FSIZE,  1024 * 1024 }, /* its output may be a file; it writes no other */
        { RLIMIT_NOFILE, 64 },
#ifndef GOVERNOR_SANITIZED /* sanitizers reserve terabytes */
        { RLIMIT_AS,     (rlim_t)1024 * 1024 * 1024 }, /* address space: the resolver's threads reserve much and use little */
#endif
};
/* clang-format on */

static int set_limits(void)
{
        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
                struct rlimit now;

                if (getrlimit(limits[i].what, &now) < 0)
                        return -errno;
                if (now.rlim_max > limits[i].most)
                        now.rlim_max = limits[i].most;
                if (now.rlim_cur > now.rlim_max)
                        now.rlim_cur = now.rlim_max;
                if (setrlimit(limits[i].what, &now) < 0)
                        return -errno;
        }
        return 0;
}

/* Resolver, TLS and curl all take orders from the environment: proxies, key logs, other root certificates. */
static int forget_environment(void)
{
        static const char *const kept[] = { "JOURNAL_STREAM", "GOVERNOR_LOG" };
        char *values[sizeof(kept) / sizeof(kept[0])] = { NULL };
        int r = 0;

        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
                const char *value = getenv(kept[i]);

                values[i] = value ? strdup(value) : NULL;
        }
        clearenv();
        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
                if (values[i] && setenv(kept[i], values[i], 1) < 0)
                        r = -errno;
                free(values[i]);
        }
        return r;
}

int confine_process(void)
{
        int r = forget_environment();

        if (r < 0)
                return r;
        if (close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
                return -errno;
        umask(0077);
        return set_limits();
}

/* Read from the file and not through NSS, whose modules would be loaded into a process that is still root. */
static int find_user(uid_t *ret_uid, gid_t *ret_gid)
{
        _cleanup_fclose_ FILE *file = fopen("/etc/passwd", "re");
        const struct passwd *user = NULL;

        while (file && (user = fgetpwent(file)) && strcmp(user->pw_name, COURIER_USER) != 0)
                ;
        if (!user || user->pw_uid == 0)
                return -ESRCH;
        *ret_uid = user->pw_uid;
        *ret_gid = user->pw_gid;
        return 0;
}

static int become(uid_t uid, gid_t gid)
{
        if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
                return -errno;
        /* there is no way back, or there was no point in going */
        return setresuid(0, 0, 0) < 0 && setresgid(0, 0, 0) < 0 ? 0 : -EPERM;
}

int confine_user(void)
{
        uid_t uid;
        gid_t gid;
        int r;

        if (geteuid() == 0 || getuid() == 0) {
                r = find_user(&uid, &gid);
                if (r >= 0)
                        r = become(uid, gid);
                if (r < 0)
                        return r;
        }
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        return 0;
}
