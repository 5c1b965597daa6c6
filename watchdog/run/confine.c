#include "run/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "run/allow.h"
#include "run/filter.h"
#include "run/landlock.h"
#include "run/powers.h"

/* Without these no program starts, finds a name or prints a sentence. */
static const char *const system_files[] = {
        "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/proc", "/run/systemd/resolve", "/run/resolvconf"
};

static const char *const devices[] = { "/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                       "/dev/urandom", "/dev/tty",  "/dev/ptmx", "/dev/pts" };

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char *temporary_folder(void)
{
        const char *folder = getenv("TMPDIR");

        return folder && folder[0] == '/' ? folder : "/tmp";
}

/* ---- looked up --------------------------------------------------------------------------------------------------------- */

static int complain_of(FILE *talk, const char *option, const char *path, int r)
{
        const char *hint = r == -ENOENT  ? ": make it first, or leave it out"
                           : r == -EPERM ? ": it lies within a part that --guard names"
                           : r == -E2BIG ? ": more than 512 entries lie beside the guarded part; name fewer folders"
                                         : "";

        fprintf(talk, "governor-run: cannot use %s %s: %s%s\n", option, path, strerrordesc_np(-r), hint);
        return r;
}

static int prepare_guards(struct confine *confine, FILE *talk)
{
        const struct order_paths *paths = &confine->order->guard;

        for (size_t i = 0; i < paths->n; i++) {
                int r = grants_guard(&confine->grants, paths->list[i]);

                if (r < 0)
                        return complain_of(talk, "--guard", paths->list[i], r);
        }
        return 0;
}

static int prepare_paths(struct confine *confine, enum grant_kind kind, const struct order_paths *paths, FILE *talk)
{
        for (size_t i = 0; i < paths->n; i++) {
                int r = grants_add(&confine->grants, kind, paths->list[i]);

                if (r < 0)
                        return complain_of(talk, kind == GRANT_READ ? "--read" : "--write", paths->list[i], r);
        }
        return 0;
}

static int prepare_own(struct grants *grants)
{
        int r = 0;

        for (size_t i = 0; i < COUNT(devices) && r >= 0; i++)
                r = grants_add_if_there(grants, GRANT_DEVICE, devices[i]);
        for (size_t i = 0; i < COUNT(system_files) && r >= 0 && grants->read_some; i++)
                r = grants_add_if_there(grants, GRANT_READ, system_files[i]);
        return r;
}

static int prepare_temporary(struct grants *grants, FILE *talk)
{
        const char *folder = temporary_folder();
        int r = grants_add_if_there(grants, GRANT_WRITE, folder);

        if (r == -EPERM) /* guarded as a whole: then it has none */
                return 0;
        return r < 0 ? complain_of(talk, "the temporary folder", folder, r) : 0;
}

int confine_prepare(const struct order *order, int abi, FILE *talk, struct confine *ret)
{
        int r;

        *ret = (struct confine){ .order = order, .abi = abi };
        r = grants_init(&ret->grants);
        if (r >= 0)
                r = prepare_guards(ret, talk);
        ret->grants.read_some = order->read.n > 0;
        if (r >= 0)
                r = prepare_paths(ret, GRANT_READ, &order->read, talk);
        if (r >= 0)
                r = prepare_paths(ret, GRANT_WRITE, &order->write, talk);
        if (r >= 0)
                r = prepare_temporary(&ret->grants, talk);
        if (r >= 0)
                r = prepare_own(&ret->grants);
        if (r < 0)
                confine_done(ret);
        return r;
}

void confine_done(struct confine *confine)
{
        grants_done(&confine->grants);
}

/* ---- told -------------------------------------------------------------------------------------------------------------- */

unsigned confine_say_gaps(const struct confine *confine, FILE *talk)
{
        unsigned n = 0;

        for (unsigned i = 0; i < landlock_gaps_n; i++) {
                if (confine->abi >= landlock_gaps[i].since)
                        continue;
                fprintf(talk, "governor-run: not confined: %s (needs Landlock ABI %d, ", landlock_gaps[i].open,
                        landlock_gaps[i].since);
                if (confine->abi)
                        fprintf(talk, "this kernel has %d)\n", confine->abi);
                else
                        fputs("here there is none)\n", talk);
                n++;
        }
        return n;
}

static void explain_grants(const struct confine *confine, enum grant_kind kind, const char *label, FILE *data)
{
        for (size_t i = 0; i < confine->grants.n; i++) {
                const struct grant *grant = &confine->grants.list[i];

                if (grant->kind != kind)
                        continue;
                fprintf(data, "  %-9s %s%s\n", label, grant->path, grant->directory ? "/" : "");
                label = "";
        }
}

static void explain_denied(const struct confine *confine, FILE *data)
{
        const char *label = "denied";

        for (unsigned i = 0; i < allow_rows_n; i++) {
                if (confine->order->allowed & allow_rows[i].right)
                        continue;
                fprintf(data, "  %-9s to %s [--allow %s]\n", label, allow_rows[i].denied, allow_rows[i].name);
                label = "";
        }
        fprintf(data,
                "  %-9s mounts, io_uring, BPF, kernel modules, file handles, 32-bit programs, setuid programs' rights\n",
                label);
}

/* What was opened before stays usable whatever the path allows. */
static void explain_inherited(FILE *data)
{
        _cleanup_closedir_ DIR *descriptors = opendir("/proc/self/fd");
        const char *label = "inherits";
        const struct dirent *entry;

        while (descriptors && (entry = readdir(descriptors))) {
                char path[PATH_MAX];
                int fd = atoi(entry->d_name), flags = fcntl(fd, F_GETFL);
                ssize_t length = readlinkat(dirfd(descriptors), entry->d_name, path, sizeof path - 1);

                if (length <= 0 || path[0] != '/' || flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY)
                        continue;
                path[length] = '\0';
                fprintf(data, "  %-9s descriptor %d, open for writing: %s\n", label, fd, path);
                label = "";
        }
}

void confine_explain(const struct confine *confine, FILE *data)
{
        const struct grants *grants = &confine->grants;

        fprintf(data, "%s would run as uid %u, under Landlock ABI %d:\n", confine->order->command[0],
                (unsigned)geteuid(), confine->abi);
        if (grants->read_some)
                explain_grants(confine, GRANT_READ, "reads", data);
        else
                fprintf(data, "  %-9s everything that this user may read\n", "reads");
        explain_grants(confine, GRANT_WRITE, "changes", data);
        explain_grants(confine, GRANT_ENTRY, "in part", data);
        explain_grants(confine, GRANT_DEVICE, "devices", data);
        for (size_t i = 0; i < grants->guards_n; i++)
                fprintf(data, "  %-9s %s\n", i ? "" : "guarded", grants->guards[i]);
        if (grants->guards_n)
                fprintf(data, "  %-9s in folders above a guarded part nothing can be made, removed or renamed\n", "");
        explain_denied(confine, data);
        explain_inherited(data);
}

/* ---- put into force ---------------------------------------------------------------------------------------------------- */

static int complain_of_step(FILE *talk, const char *step, int r)
{
        if (r < 0)
                fprintf(talk, "governor-run: cannot %s: %s\n", step, strerrordesc_np(-r));
        return r;
}

int confine_enter(const struct confine *confine, FILE *talk)
{
        unsigned allowed = confine->order->allowed;
        int r = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;

        if (r < 0)
                return complain_of_step(talk, "promise to gain no rights", r);
        if (!(allowed & ALLOW_CAPABILITIES)) {
                r = powers_drop();
                if (r < 0)
                        return complain_of_step(talk, "give up capabilities; add --allow capabilities to keep them", r);
        }
        if (confine->abi > 0) {
                r = landlock_enter(confine->abi, &confine->grants, allowed & ALLOW_SIGNALS);
                if (r < 0)
                        return complain_of_step(talk, "confine it with Landlock", r);
        }
        r = filter_enter(allowed, confine->abi > 0 && confine->abi < 3);
        return complain_of_step(talk, "filter its system calls", r);
}
