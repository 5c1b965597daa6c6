#include "archiving.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "chores.h"
#include "governor_inside.h"
#include "io/chore.h"
#include "io/cleanup.h"
#include "io/log.h"
#include "orders.h"
#include "views.h"

#define PATIENCE (2 * USEC_PER_HOUR)
#define TRY_AGAIN USEC_PER_SEC /* while somebody reads the log */
#define TRIES_MAX 60
#define OUTPUT_MOST 16384

/* ---- the answer ------------------------------------------------------------------------------------------------------------ */

static void finish(struct governor *governor, json_t *result, const struct control_error *error)
{
        struct archiving *archiving = &governor->archiving;

        archiving->chore = chore_free(archiving->chore);
        archiving->retry = sd_event_source_disable_unref(archiving->retry);
        free(archiving->ready);
        archiving->ready = NULL;
        control_answer(governor->control, &archiving->ticket, result, error);
}

static void fail(struct governor *governor, int error, const struct audit_archiving *ready)
{
        struct control_error refusal = { .exit_code = 1 };

        switch (error) {
        case -ENODATA:
                control_refuse(&refusal, 5, "a later --before; the retention stands in: govctl audit show 0",
                               "no 256 records from before then are as old as the retention of this log demands");
                break;
        case -EUCLEAN:
                control_refuse(&refusal, 1, "govctl audit verify", "nothing was archived, the log does not verify: %s",
                               ready && ready->why.detail[0] ? ready->why.detail
                                                             : "it is not the one that this daemon wrote");
                break;
        case -EEXIST:
                control_refuse(&refusal, 1, "another --to", "there is another file of the archive's name: %s",
                               ready ? ready->file : "");
                break;
        case -ESTALE:
                control_refuse(&refusal, 1, "the same again", "nothing was archived: the log was changed meanwhile");
                break;
        case -EBUSY:
                control_refuse(&refusal, 7, "the same again, when nobody reads the log",
                               "nothing was archived: somebody reads the log");
                break;
        default: control_refuse(&refusal, 1, "govctl status", "nothing was archived: %s", strerror(-error));
        }
        log_warning("Archiving: %s", refusal.why);
        finish(governor, NULL, &refusal);
}

/* ---- taking its place ---------------------------------------------------------------------------------------------------------- */

static void swap(struct governor *governor);

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
        (void)source, (void)usec;
        swap(userdata);
        return 0;
}

static int try_again(struct governor *governor)
{
        struct archiving *archiving = &governor->archiving;

        if (++archiving->tries >= TRIES_MAX)
                return -EBUSY;
        archiving->retry = sd_event_source_disable_unref(archiving->retry);
        return sd_event_add_time_relative(governor->event, &archiving->retry, CLOCK_BOOTTIME, TRY_AGAIN, TRY_AGAIN / 10,
                                          on_retry, governor);
}

static void swap(struct governor *governor)
{
        const struct audit_archiving *ready = governor->archiving.ready;
        int r = chronicle_archive(governor->chronicle, ready, governor->archiving.who);

        if (r == -EBUSY && try_again(governor) >= 0)
                return;
        if (r < 0) {
                fail(governor, r, ready);
                return;
        }
        log_info("Archived records %llu to %llu in %s.jsonl", (unsigned long long)ready->from,
                 (unsigned long long)ready->to - 1, ready->file);
        finish(governor,
               json_pack("{s:i, s:I, s:I, s:s, s:s}", "schema_version", SCHEMA_VERSION, "from", (json_int_t)ready->from,
                         "to", (json_int_t)ready->to, "file", ready->file, "sha256", ready->sha256),
               NULL);
}

/* ---- what the child says --------------------------------------------------------------------------------------------------------- */

static void on_done(void *self, const struct chore_result *result)
{
        struct governor *governor = self;
        struct audit_archiving *ready = calloc(1, sizeof(*ready));
        int r = -ENOMEM;

        governor->archiving.ready = ready;
        if (result->failure) {
                log_error("The archive could not be made: %s", result->failure);
                r = -ECHILD;
        } else if (ready) {
                r = chore_archive_read(result->output, result->size, ready);
        }
        governor->archiving.chore = chore_free(governor->archiving.chore);
        if (r < 0)
                fail(governor, r, ready);
        else
                swap(governor);
}

/* ---- the order ----------------------------------------------------------------------------------------------------------------- */

/* "2026-01-31T14:30:00Z" */
static int read_moment(const char *text, uint64_t *ret_usec)
{
        static const char shape[] = "0000-00-00T00:00:00Z";
        struct tm tm = { 0 };
        time_t seconds;

        if (strlen(text) != strlen(shape))
                return -EINVAL;
        for (size_t i = 0; shape[i]; i++)
                if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
                        return -EINVAL;
        if (!strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm))
                return -EINVAL;
        seconds = timegm(&tm);
        if (seconds < 0)
                return -EINVAL;
        *ret_usec = (uint64_t)seconds * USEC_PER_SEC;
        return 0;
}

static int start(struct governor *governor, uint64_t before, const char *file)
{
        char usec[24];
        char *arguments[] = {
                (char *)"governord",
                (char *)"--chore",
                (char *)CHORE_ARCHIVE,
                (char *)(uintptr_t)governor->options.state,
                usec,
                (char *)(uintptr_t)file,
                NULL,
        };
        struct chore_options options = {
                .program = "/proc/self/exe",
                .arguments = arguments,
                .patience = PATIENCE,
                .output_most = OUTPUT_MOST,
                .memory_most = CHORE_MEMORY_MOST,
                .done = on_done,
                .self = governor,
        };

        snprintf(usec, sizeof(usec), "%llu", (unsigned long long)before);
        return chore_new(governor->event, &options, &governor->archiving.chore);
}

json_t *archiving_order(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        struct archiving *archiving = &governor->archiving;
        const char *file = json_string_value(json_object_get(request->params, "file"));
        uint64_t before;
        int r;

        if (archiving->chore || archiving->ready)
                return control_refuse(error, 7, "the same again later", "an archive is being made already");
        if (read_moment(json_string_value(json_object_get(request->params, "before")), &before) < 0)
                return control_refuse(error, 2, "govctl audit archive --before 2026-01-01",
                                      "'before' is a time such as 2026-01-31T14:30:00Z");
        if (file && (file[0] != '/' || strlen(file) > 512))
                return control_refuse(error, 2, "govctl audit archive --before 2026-01-01 --to /srv/archive/2025",
                                      "'file' is an absolute path of at most 512 bytes");
        r = start(governor, before, file);
        if (r < 0)
                return control_refuse(error, 1, "govctl status", "the archive cannot be begun: %s", strerror(-r));
        order_from(request, archiving->who);
        archiving->tries = 0;
        archiving->ticket = *request->later;
        error->later = true;
        return NULL;
}

void archiving_again(struct governor *governor)
{
        if (governor->archiving.chore || governor->archiving.ready)
                fail(governor, -ESTALE, NULL);
}

void archiving_end(struct governor *governor)
{
        struct archiving *archiving = &governor->archiving;

        archiving->chore = chore_free(archiving->chore);
        archiving->retry = sd_event_source_disable_unref(archiving->retry);
        free(archiving->ready);
        json_decref(archiving->ticket.id);
        *archiving = (struct archiving){ 0 };
}
