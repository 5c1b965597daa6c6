#include "observe/config_book.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/file.h"
#include "io/outline.h"
#include "observe/config_read.h"

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
        int r;

        if (!book->manifest)
                return 0;
        r = config_manifest_write(&book->files, &book->known, &text, &size);

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
        if (book->manifest && !is_unsaved(book))
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

static bool is_mark(void *self, const char *name)
{
        (void)self;
        return text_starts(name, "veil ");
}

/* Outlines of another key cannot be compared with those of this one: what stands there now is as good as any. */
static void check_mark(struct config_book *book, uint64_t mark)
{
        char name[32];

        snprintf(name, sizeof(name), "veil %016" PRIx64, mark);
        if (config_names_has(&book->known, name))
                return;
        for (uint32_t n = 0; n < book->files.n; n++) {
                struct config_file *file = &book->files.list[n];

                free(file->sealed_outline);
                free(file->seen_outline);
                file->sealed_outline = file->seen_outline = NULL;
        }
        (void)config_names_drop(&book->known, is_mark, NULL);
        if (config_names_add(&book->known, name) > 0)
                config_book_save_soon(book);
}

int config_book_load(struct config_book *book, uint64_t mark)
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = book->manifest ? file_read(book->manifest, MANIFEST_MAX, &text, &size) : -ENOENT;

        if (r >= 0)
                r = config_manifest_read(&book->files, &book->known, text, size);
        if (mark)
                check_mark(book, mark);
        return r == -ENOENT ? 0 : r;
}

int config_book_init(struct config_book *book, sd_event *event, const struct config_book_options *options,
                     int64_t priority)
{
        int r;

        *book = (struct config_book){ .event = sd_event_ref(event), .options = *options };
        if (options->manifest && !(book->manifest = strdup(options->manifest)))
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
        return !file_state_same(&file->sealed, &file->seen);
}

static bool is_owned_by(const struct config_book *book, const struct config_file *file, const char *agent)
{
        char owner[AGENT_ID_MAX] = "";

        book->options.owner(book->options.self, file, owner);
        return strcmp(owner, agent) == 0;
}

/* Counted when it is needed: changes are rare, and a count that is kept can be wrong. */
static uint32_t count_off(const struct config_book *book, const char *agent)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < book->files.n; i++)
                n += config_file_is_off(&book->files.list[i]) && is_owned_by(book, &book->files.list[i], agent);
        return n;
}

/* A link tells where it leads, and not that it lacks all that the file held. */
static bool say_link(const struct config_file *file, char what[CONFIG_WHAT_MAX])
{
        static const char key[] = CONFIG_LEADS_TO "=";
        const char *outline = file->seen_outline;

        if (!file->seen.there || !S_ISLNK(file->seen.mode) || !outline || !text_starts(outline, key))
                return false;
        outline += sizeof(key) - 1;
        text_copy(what, CONFIG_WHAT_MAX, strcmp(outline, "/dev/null") == 0 ? "masked, it leads to " : "it leads to ");
        text_append(what, CONFIG_WHAT_MAX, "%s", outline);
        return true;
}

static void describe(const struct config_book *book, const struct config_file *file, char what[CONFIG_WHAT_MAX])
{
        what[0] = '\0';
        if (book->options.describe)
                book->options.describe(book->options.self, file, what);
        else if (differs(file) && !say_link(file, what))
                outline_difference(file->sealed.there ? file->sealed_outline : NULL,
                                   file->seen.there ? file->seen_outline : NULL, what, CONFIG_WHAT_MAX);
}

/* What a fact says of the file, with room for what it points to. */
struct telling {
        struct fact fact;
        char agent[AGENT_ID_MAX], digest[DIGEST_HEX_MAX], sealed[DIGEST_HEX_MAX];
};

static void say_how_it_is(struct telling *telling, const struct config_file *file, const struct file_state *sealed)
{
        struct fact *fact = &telling->fact;

        fact->config.path = file->path;
        fact->config.digest = telling->digest;
        fact->config.sealed = telling->sealed;
        fact->config.size = file->seen.size;
        fact->config.sealed_size = sealed->size;
        fact->config.mode = file->seen.mode;
        fact->config.sealed_mode = sealed->mode;
        fact->config.uid = file->seen.uid;
        fact->config.sealed_uid = sealed->uid;
        fact->config.gid = file->seen.gid;
        fact->config.sealed_gid = sealed->gid;
        fact->config.modified = file->seen.there ? (usec_t)file->changed_ns / 1000 : 0;
        if (file->seen.there)
                digest_to_hex(file->seen.digest, telling->digest);
        if (sealed->there)
                digest_to_hex(sealed->digest, telling->sealed);
}

static void begin_telling(const struct config_book *book, const struct config_file *file, struct telling *ret)
{
        *ret = (struct telling){
                .fact = { .kind = FACT_CONFIG,
                          .at = clock_now(book->options.clock),
                          .agent = ret->agent,
                          .instance = INSTANCE_ALL,
                          .config = { .of = book->options.of, .path = file->path, .what = "" } },
        };
        book->options.owner(book->options.self, file, ret->agent);
        ret->fact.manager = agent_manager(ret->agent);
}

static bool is_planned(const struct config_book *book, const struct config_file *file)
{
        struct telling telling;

        begin_telling(book, file, &telling);
        return book->options.planned(book->options.self, &telling.fact);
}

/* Whose it is may not be known any more when it is over. */
static void keep_owner(struct config_file *file, const char *agent)
{
        char *owner = config_file_is_off(file) ? strdup(agent) : NULL;

        free(file->owner);
        file->owner = owner;
}

static void tell(struct config_book *book, struct config_file *file, enum config_change change,
                 const struct file_state *sealed, const char *what)
{
        struct telling telling;

        begin_telling(book, file, &telling);
        say_how_it_is(&telling, file, sealed);
        telling.fact.config.change = change;
        telling.fact.config.what = what;
        telling.fact.config.differing = count_off(book, telling.agent);
        keep_owner(file, telling.agent);
        config_book_save_soon(book);
        book->options.sink.take(book->options.sink.self, &telling.fact);
}

static enum config_change change_of(const struct config_file *file)
{
        return !differs(file)        ? CONFIG_RESTORED
               : !file->seen.there   ? CONFIG_REMOVED
               : !file->sealed.there ? CONFIG_ADDED
                                     : CONFIG_CHANGED;
}

/* ---- what was seen ------------------------------------------------------------------------------------------------------- */

static void seal(struct config_file *file)
{
        file->sealed = file->seen;
        if (file->seen_outline || !file->seen.there) {
                free(file->sealed_outline);
                file->sealed_outline = TAKE_PTR(file->seen_outline);
        }
}

/* Of one that is as it was sealed one outline is enough, and the newest is as this Governor makes them. */
static void take_outline(struct config_file *file, char *outline)
{
        char **place = differs(file) ? &file->seen_outline : &file->sealed_outline;

        free(file->seen_outline);
        file->seen_outline = NULL;
        if (!outline)
                return;
        if (place == &file->sealed_outline)
                free(file->sealed_outline);
        *place = outline;
}

void config_book_take(struct config_book *book, struct config_file *file, const struct file_state *now, char *outline,
                      bool known)
{
        struct file_state sealed = file->sealed;
        bool first = !file->sealed.there && !file->seen.there && !known, same = file_state_same(&file->seen, now);
        bool planned;
        char what[CONFIG_WHAT_MAX];
        enum config_change change;

        file->fresh = false;
        file->seen = *now;
        take_outline(file, outline);
        if (same)
                return;
        if (first) {
                seal(file);
                config_book_save_soon(book);
                return;
        }
        change = change_of(file);
        describe(book, file, what);
        planned = is_planned(book, file);
        file->hushed = planned && book->options.needs_loading;
        if (planned && !book->options.needs_loading)
                seal(file);
        file->quiet_until = now_of(book) + (QUIET_LEAST << file->told_n);
        file->told_n += file->told_n < QUIET_DOUBLED_MAX && !planned;
        tell(book, file, change, &sealed, what);
}

void config_book_accept(struct config_book *book, struct config_file *file, const struct file_state *now)
{
        file->sealed = *now;
        config_book_take(book, file, now, NULL, true);
        file->told_n = 0;
        file->quiet_until = 0;
        config_book_save_soon(book);
}

void config_book_calm(const struct config_book *book, struct config_file *file)
{
        if (file->told_n > 0 && file->quiet_until + (QUIET_LEAST << QUIET_DOUBLED_MAX) < now_of(book))
                file->told_n = 0;
}

/* ---- what is in force ---------------------------------------------------------------------------------------------------- */

void config_book_set_pending(struct config_book *book, struct config_file *file, bool pending)
{
        char what[CONFIG_WHAT_MAX] = "";

        if (pending == file->pending)
                return;
        file->pending = pending;
        file->hushed = pending && is_planned(book, file);
        if (pending && book->options.describe)
                describe(book, file, what);
        tell(book, file, pending ? CONFIG_PENDING : CONFIG_LOADED, &file->sealed, what);
}

void config_book_tell_hushed(struct config_book *book)
{
        for (uint32_t n = 0; n < book->files.n; n++) {
                struct config_file *file = &book->files.list[n];
                char what[CONFIG_WHAT_MAX];

                if (!file->hushed || !config_file_is_off(file) || is_planned(book, file))
                        continue;
                file->hushed = false;
                describe(book, file, what);
                if (file->pending)
                        tell(book, file, CONFIG_PENDING, &file->sealed, "");
                else
                        tell(book, file, change_of(file), &file->sealed, what);
        }
}

void config_book_seal(struct config_book *book, const char *agent, bool loaded)
{
        for (uint32_t n = 0; n < book->files.n; n++) {
                struct config_file *file = &book->files.list[n];
                struct file_state before = file->sealed;

                if (!config_file_is_off(file) || (agent && !is_owned_by(book, file, agent)))
                        continue;
                seal(file);
                file->told_n = 0;
                file->pending = file->hushed = false;
                tell(book, file, loaded ? CONFIG_LOADED : CONFIG_SEALED, &before, "");
        }
        config_book_save(book);
}

/* ---- what is nobody's concern -------------------------------------------------------------------------------------------- */

static void tell_forgotten(struct config_book *book, const struct config_file *file, const char *owner)
{
        struct telling telling;

        begin_telling(book, file, &telling);
        text_copy(telling.agent, sizeof(telling.agent), owner); /* what it is now is not what it was */
        telling.fact.manager = agent_manager(telling.agent);
        say_how_it_is(&telling, file, &file->sealed);
        telling.fact.config.change = CONFIG_FORGOTTEN;
        telling.fact.config.differing = count_off(book, telling.agent);
        book->options.sink.take(book->options.sink.self, &telling.fact);
}

void config_book_leave(struct config_book *book, struct config_file *file)
{
        _cleanup_free_ char *owner = TAKE_PTR(file->owner);

        file->generation = 0;
        if (!config_file_is_off(file))
                return;
        file->seen = file->sealed;
        file->pending = file->hushed = false;
        free(file->seen_outline);
        file->seen_outline = NULL;
        config_book_save_soon(book);
        if (owner)
                tell_forgotten(book, file, owner);
}

void config_book_drop(struct config_book *book, bool (*unwanted)(void *self, const struct config_file *file),
                      void *self)
{
        uint32_t n = book->files.n;

        for (uint32_t i = 0; i < book->files.n; i++)
                if (unwanted(self, &book->files.list[i]))
                        config_book_leave(book, &book->files.list[i]);
        config_files_drop(&book->files, unwanted, self);
        if (book->files.n < n)
                config_book_save_soon(book);
}
