/* The writer's life: what audit_open is given, and what audit_close gives back. */

#include "audit/chain.h"
#include "audit/cleanup.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { RETENTION_DAYS = 400 };

static int read_boot_id(char ret[static 33])
{
        _cleanup_(close_fd) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        char text[64] = "";
        size_t n = 0;

        if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
                return -errno;
        for (const char *at = text; *at && n < 32; at++)
                if (strchr("0123456789abcdef", *at))
                        ret[n++] = *at;
        ret[n] = '\0';
        return n == 32 ? 0 : -EBADMSG;
}

int audit_replace_reason(struct audit *audit, const char *reason)
{
        char *copy = strdup(reason);

        if (!copy)
                return -ENOMEM;
        free(audit->reason);
        audit->reason = copy;
        return 0;
}

static int take_options(struct audit *audit, const struct audit_options *options)
{
        static const struct audit_options defaults;
        int r;

        options = options ?: &defaults;
        audit->clock = options->clock;
        audit->clock.boot_id = NULL;
        audit->retention_days = options->retention_days ?: RETENTION_DAYS;
        audit->no_ballast = options->no_ballast;
        audit->step = options->step;
        audit->step_userdata = options->step_userdata;
        r = audit_replace_reason(audit, options->reason ?: "start");
        if (r < 0)
                return r;

        if (options->host)
                snprintf(audit->host, sizeof(audit->host), "%s", options->host);
        else if (gethostname(audit->host, sizeof(audit->host) - 1) < 0)
                return -errno;
        if (!options->clock.boot_id)
                return read_boot_id(audit->boot_id);
        if (strlen(options->clock.boot_id) != 32)
                return -EINVAL;
        strcpy(audit->boot_id, options->clock.boot_id);
        return 0;
}

static int audit_new(const char *state_dir, const struct audit_options *options, struct audit **ret)
{
        struct audit *audit = calloc(1, sizeof(*audit));
        int r;

        if (!audit)
                return -ENOMEM;
        audit->lock_fd = -1;
        audit->dir = strdup(state_dir);
        audit->space = malloc(AUDIT_BODY_MAX);
        audit->keys = sodium_malloc(sizeof(*audit->keys));
        r = audit->dir && audit->space && audit->keys ? take_options(audit, options) : -ENOMEM;
        if (r < 0) {
                audit_close(audit);
                return r;
        }
        *ret = audit;
        return 0;
}

static int make_directories(const struct audit *audit)
{
        _cleanup_(free_memory) char *keys = audit_path(audit, "keys");

        if (!keys)
                return -ENOMEM;
        if (mkdir(audit->dir, 0700) < 0 && errno != EEXIST)
                return -errno;
        return mkdir(keys, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static void close_audit(struct audit **audit)
{
        audit_close(*audit);
}

int audit_open(const char *state_dir, const struct audit_options *options, struct audit **ret,
               struct audit_how *ret_how)
{
        _cleanup_(close_audit) struct audit *audit = NULL;
        struct audit_how how = { 0 };
        int r;

        if (sodium_init() < 0)
                return -EIO;
        r = audit_new(state_dir, options, &audit);
        r = r ?: make_directories(audit);
        r = r ?: audit_start(audit, &how);
        if (r < 0)
                return r;

        if (ret_how)
                *ret_how = how;
        *ret = TAKE_PTR(audit);
        return 0;
}

int audit_reopen(struct audit *audit, const char *reason, struct audit_how *ret_how)
{
        _cleanup_(audit_pending_done) struct audit_pending waiting = audit->pending;
        struct audit_how how = { 0 };
        size_t moved = 0;
        int r;

        audit->pending = (struct audit_pending){ 0 };
        audit_close_log(audit);
        close_fd(&audit->lock_fd);
        audit->lock_fd = -1;
        audit->next_stored = audit->foreign_noted = false;

        r = audit_replace_reason(audit, reason);
        r = r ?: audit_start(audit, &how);
        if (r < 0) {
                audit_pending_done(&audit->pending);
                audit_close_log(audit);
                audit->pending = waiting; /* they wait for a call that succeeds */
                waiting = (struct audit_pending){ 0 };
                return r;
        }

        for (; moved < waiting.n && r == 0; moved += r == 0)
                r = audit_append_again(audit, waiting.bytes + waiting.list[moved].offset, waiting.list[moved].length);
        audit->lost += waiting.n - moved; /* an audit.gap record will tell */
        if (ret_how)
                *ret_how = how;
        return r;
}

struct audit *audit_close(struct audit *audit)
{
        if (!audit)
                return NULL;
        audit_close_log(audit);
        close_fd(&audit->lock_fd);
        sodium_free(audit->keys);
        audit_pending_done(&audit->pending);
        free(audit->space);
        free(audit->reason);
        free(audit->dir);
        free(audit);
        return NULL;
}
