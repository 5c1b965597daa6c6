#include "observe/config_book.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/file.h"

#define SAVE_AFTER (1 * USEC_PER_SEC)
#define SAVE_AGAIN (30 * USEC_PER_SEC)
#define QUIET_LEAST (1 * USEC_PER_SEC) /* between two changes of one file: doubled each time */
#define QUIET_DOUBLED_MAX 9
#define MANIFEST_MAX (64 << 20)

static usec_t now_of(const struct config_book *book)
{
        usec_t now = 0;

        sd_event_now(book->event, CLOCK_BOOTTIME, &now);
        return now;
}

/* ---- on disk ------------------------------------------------------------------------------------------------------------- */

static bool is_unsaved(const struct config_book *book)
{
        int enabled = SD_EVENT_OFF;

        if (book->save)
                sd_event_source_get_enabled(book->save, &enabled);
        return enabled != SD_EVENT_OFF;
}

static int write_down(struct config_book *book)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = config_manifest_write(&book->files, &book->known, &text, &size);

        if (r >= 0)
                r = file_write_atomic(book->manifest, text, size, 0600);
        if (r >= 0)
                sd_event_source_set_enabled(book->save, SD_EVENT_OFF);
        return r;
}

static void save_at(struct config_book *book, usec_t at)
{
        sd_event_source_set_time(book->save, at);
        sd_event_source_set_enabled(book->save, SD_EVENT_ONESHOT);
}

void config_book_save_soon(struct config_book *book)
{
        if (!is_unsaved(book))
                save_at(book, now_of(book) + SAVE_AFTER);
}

void config_book_save(struct config_book *book)
{
        if (is_unsaved(book) && write_down(book) < 0) /* the disk may be full for now */
                save_at(book, now_of(book) + SAVE_AGAIN);
}

static int on_save(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct config_book *book = userdata;

        (void)source;
        save_at(book, usec); /* a source that fires only once is off by now, and it is not written down yet */
        config_book_save(book);
        return 0;
}

int config_book_load(struct config_book *book)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = file_read(book->manifest, MANIFEST_MAX, &text, &size);

        if (r >= 0)
                r = config_manifest_read(&book->files, &book->known, text, size);
        return r == -ENOENT ? 0 : r;
}

int config_book_init(struct config_book *book, sd_event *event, const struct config_book_options *options,
                     int64_t priority)
{
        int r;

        *book = (struct config_book){ .event = sd_event_ref(event), .options = *options };
        book->manifest = strdup(options->manifest);
        if (!book->manifest)
                return -ENOMEM;
        r = sd_event_add_time(event, &book->save, CLOCK_BOOTTIME, USEC_INFINITY, USEC_PER_SEC, on_save, book);
        if (r >= 0)
                r = sd_event_source_set_enabled(book->save, SD_EVENT_OFF);
        return r < 0 ? r : sd_event_source_set_priority(book->save, priority);
}

void config_book_done(struct config_book *book)
{
        if (is_unsaved(book))
                (void)write_down(book);
        sd_event_source_disable_unref(book->save);
        config_files_done(&book->files);
        config_names_done(&book->known);
        free(book->manifest);
        sd_event_unref(book->event);
        *book = (struct config_book){ .event = NULL };
}

/* ---- telling ------------------------------------------------------------------------------------------------------------- */

static bool differs(const struct config_file *file)
{
        return !config_state_same(&file->sealed, &file->seen);
}

/* Counted when it is needed: changes are rare, and a count that is kept can be wrong. */
static uint32_t count_differing(const struct config_book *book, uint32_t rule)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < book->files.n; i++)
                n += book->files.list[i].rule == rule && differs(&book->files.list[i]);
        return n;
}

static void tell(struct config_book *book, const struct config_file *file, enum config_change change,
                 const struct config_state *sealed)
{
        char agent[AGENT_ID_MAX] = "", digest[DIGEST_HEX_MAX] = "", before[DIGEST_HEX_MAX] = "";
        struct fact fact = {
                .kind = FACT_CONFIG,
                .at = clock_now(book->options.clock),
                .agent = agent,
                .instance = INSTANCE_ALL,
                .config = { .change = change,
                            .path = file->path,
                            .digest = digest,
                            .sealed = before,
                            .size = file->seen.size,
                            .sealed_size = sealed->size,
                            .mode = file->seen.mode,
                            .sealed_mode = sealed->mode,
                            .uid = file->seen.uid,
                            .sealed_uid = sealed->uid,
                            .gid = file->seen.gid,
                            .sealed_gid = sealed->gid,
                            .modified = file->seen.there ? (usec_t)file->changed_ns / 1000 : 0,
                            .differing = count_differing(book, file->rule),
                            .what = "" },
        };

        book->options.owner(book->options.self, file, agent);
        fact.manager = agent_manager(agent);
        if (file->seen.there)
                digest_to_hex(file->seen.digest, digest);
        if (sealed->there)
                digest_to_hex(sealed->digest, before);
        book->options.sink.take(book->options.sink.self, &fact);
}

static bool is_planned(const struct config_book *book, const struct config_file *file)
{
        struct fact fact = {
                .kind = FACT_CONFIG,
                .at = clock_now(book->options.clock),
                .agent = "",
                .config = { .path = file->path },
        };

        return book->options.planned(book->options.self, &fact);
}

static enum config_change change_of(const struct config_file *file)
{
        return !differs(file)        ? CONFIG_RESTORED
               : !file->seen.there   ? CONFIG_REMOVED
               : !file->sealed.there ? CONFIG_ADDED
                                     : CONFIG_CHANGED;
}

void config_book_take(struct config_book *book, struct config_file *file, const struct config_state *now, bool known)
{
        struct config_state sealed = file->sealed;
        enum config_change change;
        bool first = !file->sealed.there && !file->seen.there && !known;

        file->fresh = false;
        if (config_state_same(&file->seen, now))
                return;
        file->seen = *now;
        config_book_save_soon(book);
        if (first) {
                file->sealed = *now;
                return;
        }
        change = change_of(file);
        if (is_planned(book, file))
                file->sealed = *now;
        file->quiet_until = now_of(book) + (QUIET_LEAST << file->told_n);
        file->told_n += file->told_n < QUIET_DOUBLED_MAX;
        tell(book, file, change, &sealed);
}

void config_book_calm(const struct config_book *book, struct config_file *file)
{
        if (file->told_n > 0 && file->quiet_until + (QUIET_LEAST << QUIET_DOUBLED_MAX) < now_of(book))
                file->told_n = 0;
}

void config_book_seal(struct config_book *book, uint32_t rule)
{
        for (uint32_t n = 0; n < book->files.n; n++) {
                struct config_file *file = &book->files.list[n];
                struct config_state before = file->sealed;

                if (file->rule != rule || !differs(file))
                        continue;
                file->sealed = file->seen;
                file->told_n = 0;
                config_book_save_soon(book);
                tell(book, file, CONFIG_SEALED, &before);
        }
        config_book_save(book);
}
