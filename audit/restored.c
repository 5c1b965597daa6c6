#include "audit/restored.h"
#include "audit/cleanup.h"
#include "audit/files.h"
#include "audit/text_file.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

struct reading {
        struct audit_export *export;
        struct audit_source source;
};

struct archive {
        char *records, *notes; /* paths */
        char sha256[2 * crypto_hash_sha256_BYTES + 1];
        uint64_t first, end; /* it holds records [first, end); told when it was read */

        struct reading seals;          /* archives may tell of the same epochs, so all are read side by side */
        struct audit_stored_note note; /* was read, and belongs to a later epoch than the one asked for */
        bool has_note, notes_ended;
};

struct audit_restored {
        struct audit_source base;
        struct archive *list;
        size_t n;
        struct reading records; /* of one at a time: a reader has buffers for lines of any length */
        size_t at;              /* in the list */

        bool has_begun; /* record 0 was passed on */
        struct audit_hash genesis;
        bool has_genesis;
        struct audit_item held; /* the first record that remains after it */
        bool has_held, base_ended;
};

/* ---- files ---------------------------------------------------------------------------------------------------- */

static void close_reading(struct reading *reading)
{
        reading->export = audit_export_free(reading->export);
}

/* Opens the one whose turn it is. 1, 0: all are read. */
static int open_records(struct audit_restored *restored)
{
        struct reading *reading = &restored->records;
        int r;

        if (restored->at == restored->n)
                return 0;
        if (reading->export)
                return 1;
        r = audit_export_new(&(struct audit_export_paths){ .records = restored->list[restored->at].records },
                             &reading->export, &reading->source);
        if (r < 0)
                return r;
        if (restored->at > 0) /* a first line that cannot be read is what comes next, not a second beginning */
                reading->export->position = restored->list[restored->at - 1].end;
        return 1;
}

static void end_records(struct audit_restored *restored)
{
        close_reading(&restored->records);
        restored->at++;
}

/* ---- records -------------------------------------------------------------------------------------------------- */

/* What remains is read up to its first record after record 0: nothing of it may come twice. */
static int hold_base(struct audit_restored *restored)
{
        const int r = restored->has_held || restored->base_ended
                              ? 1
                              : restored->base.next_record(restored->base.self, &restored->held);

        if (r < 0)
                return r;
        restored->has_held = restored->has_held || r > 0;
        restored->base_ended = !restored->has_held;
        return 0;
}

static bool is_superfluous(const struct audit_restored *restored, const struct audit_item *item)
{
        struct audit_hash leaf;

        if (item->seq == 0 && restored->has_genesis) {
                leaf = audit_leaf_hash(item->body, item->length);
                return audit_hash_equal(&leaf, &restored->genesis);
        }
        return restored->has_held && item->seq >= restored->held.seq;
}

static int next_archived(struct audit_restored *restored, struct audit_item *ret)
{
        struct reading *reading = &restored->records;
        int r;

        while ((r = open_records(restored)) > 0) {
                struct archive *archive = &restored->list[restored->at];

                r = reading->source.next_record(reading->source.self, ret);
                if (r < 0)
                        return r;
                if (r == 0) {
                        end_records(restored);
                        continue;
                }
                archive->end = ret->seq + 1;
                if (!is_superfluous(restored, ret))
                        return 1;
        }
        return r;
}

/* Record 0 that remains, the archives, and the rest that remains. */
static int next_record(void *self, struct audit_item *ret)
{
        struct audit_restored *restored = self;
        int r = hold_base(restored);

        if (r < 0)
                return r;
        if (!restored->has_begun && restored->has_held && restored->held.seq == 0) {
                *ret = restored->held;
                restored->genesis = audit_leaf_hash(ret->body, ret->length);
                restored->has_genesis = restored->has_begun = true;
                restored->has_held = false;
                return 1;
        }
        restored->has_begun = true;
        r = next_archived(restored, ret);
        if (r != 0)
                return r;
        if (restored->base_ended)
                return 0;
        *ret = restored->held;
        restored->has_held = false;
        return 1;
}

/* A file that reports an error is not read past it, but the next one is. */
static int skip_damage(void *self, uint64_t position, struct audit_item *ret)
{
        struct audit_restored *restored = self;
        int r;

        if (restored->has_held || restored->base_ended)
                end_records(restored);
        else {
                r = restored->base.skip_damage(restored->base.self, position, &restored->held);
                if (r < 0)
                        return r;
                restored->has_held = r > 0;
                restored->base_ended = r == 0;
        }
        return next_record(restored, ret);
}

static int first_record(void *self, struct audit_item *ret)
{
        struct audit_restored *restored = self;

        return restored->base.first_record(restored->base.self, ret);
}

/* ---- notes ---------------------------------------------------------------------------------------------------- */

/* Reads on when the last note is done with. A file of notes that is not there says nothing. */
static bool has_note(struct archive *archive)
{
        struct reading *reading = &archive->seals;
        const struct audit_export_paths paths = { .notes = archive->notes };

        if (archive->has_note || archive->notes_ended)
                return archive->has_note;
        if (!reading->export && audit_export_new(&paths, &reading->export, &reading->source) < 0)
                archive->notes_ended = true;
        else if (reading->source.next_note(reading->source.self, &archive->note) > 0)
                archive->has_note = true;
        else {
                close_reading(reading);
                archive->notes_ended = true;
        }
        return archive->has_note;
}

int audit_restored_note(struct audit_restored *restored, uint64_t epoch, struct audit_stored_note *ret)
{
        for (size_t i = 0; i < restored->n; i++) {
                struct archive *archive = &restored->list[i];

                if (!has_note(archive) || archive->note.epoch > epoch)
                        continue;
                archive->has_note = false;
                *ret = archive->note;
                return 1;
        }
        return 0;
}

/* ---- the rest of the source is what remains --------------------------------------------------------------------- */

static int next_note(void *self, struct audit_stored_note *ret)
{
        struct audit_restored *restored = self;

        return restored->base.next_note(restored->base.self, ret);
}

static int skip_note_damage(void *self, uint64_t epoch, struct audit_stored_note *ret)
{
        struct audit_restored *restored = self;

        return restored->base.skip_note_damage(restored->base.self, epoch, ret);
}

static int next_cosig(void *self, struct audit_cosig *ret)
{
        struct audit_restored *restored = self;

        return restored->base.next_cosig(restored->base.self, ret);
}

static int find_subtree(void *self, const struct audit_subtree *subtree, struct audit_hash *ret)
{
        struct audit_restored *restored = self;

        return restored->base.find_subtree(restored->base.self, subtree, ret);
}

static int count_subtrees(void *self, uint64_t *ret)
{
        struct audit_restored *restored = self;

        return restored->base.count_subtrees(restored->base.self, ret);
}

static int load_tree(void *self, uint64_t size, struct audit_tree *ret)
{
        struct audit_restored *restored = self;

        return restored->base.load_tree(restored->base.self, size, ret);
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

int audit_restored_new(struct audit_source *source, struct audit_restored **ret)
{
        struct audit_restored *restored = calloc(1, sizeof(*restored));

        if (!restored)
                return -ENOMEM;
        restored->base = *source;
        *source = (struct audit_source){
                .self = restored,
                .first_record = first_record,
                .next_record = next_record,
                .skip_damage = skip_damage,
                .next_note = next_note,
                .skip_note_damage = restored->base.skip_note_damage ? skip_note_damage : NULL,
                .next_cosig = restored->base.next_cosig ? next_cosig : NULL,
                .find_subtree = restored->base.find_subtree ? find_subtree : NULL,
                .count_subtrees = restored->base.count_subtrees ? count_subtrees : NULL,
                .load_tree = restored->base.load_tree ? load_tree : NULL,
        };
        *ret = restored;
        return 0;
}

struct audit_restored *audit_restored_free(struct audit_restored *restored)
{
        if (!restored)
                return NULL;
        close_reading(&restored->records);
        for (size_t i = 0; i < restored->n; i++) {
                close_reading(&restored->list[i].seals);
                free(restored->list[i].records);
                free(restored->list[i].notes);
        }
        free(restored->list);
        free(restored);
        return NULL;
}

static int hash_file(const char *path, char ret[static 2 * crypto_hash_sha256_BYTES + 1])
{
        uint8_t hash[crypto_hash_sha256_BYTES];
        FILE *file;
        int r = audit_text_open(path, &file);

        if (r < 0)
                return r;
        r = audit_files_hash(fileno(file), hash);
        fclose(file);
        if (r == 0)
                sodium_bin2hex(ret, 2 * sizeof(hash) + 1, hash, sizeof(hash));
        return r;
}

static int read_first(struct archive *archive)
{
        struct audit_export *export;
        struct audit_source source;
        struct audit_item item = { 0 };
        int r = audit_export_new(&(struct audit_export_paths){ .records = archive->records }, &export, &source);

        if (r < 0)
                return r;
        r = source.next_record(source.self, &item);
        archive->first = archive->end = r > 0 ? item.seq : 0;
        audit_export_free(export);
        return r < 0 ? r : r == 0 ? -ENODATA : 0;
}

/* FILE.jsonl and FILE.ckpt. */
static int name_files(const char *path, struct archive *ret)
{
        const size_t length = strlen(path), suffix = strlen(".jsonl");
        const bool has_suffix = length > suffix && strcmp(path + length - suffix, ".jsonl") == 0;

        ret->records = strdup(path);
        if (ret->records && asprintf(&ret->notes, "%.*s.ckpt", (int)(length - (has_suffix ? suffix : 0)), path) >= 0)
                return 0;
        free(ret->records);
        return -ENOMEM;
}

int audit_restored_add(struct audit_restored *restored, const char *path)
{
        struct archive archive = { 0 }, *list;
        size_t at = restored->n;
        int r = name_files(path, &archive);

        if (r < 0)
                return r;
        r = hash_file(path, archive.sha256);
        r = r ?: read_first(&archive);
        list = r < 0 ? NULL : reallocarray(restored->list, restored->n + 1, sizeof(*list));
        if (!list) {
                free(archive.records);
                free(archive.notes);
                return r ?: -ENOMEM;
        }
        restored->list = list;
        for (; at > 0 && list[at - 1].first > archive.first; at--)
                list[at] = list[at - 1];
        list[at] = archive;
        restored->n++;
        return 0;
}

/* Ranges may say 0 or 1: record 0 stays whether it is copied or not. */
bool audit_restored_fits(const struct audit_restored *restored, const struct audit_archived *archived)
{
        for (size_t i = 0; i < restored->n; i++) {
                const struct archive *archive = &restored->list[i];

                if (archive->end == archived->to &&
                    (archive->first == archived->from || (archive->first <= 1 && archived->from <= 1)) &&
                    !audit_slice_is(archived->sha256, archive->sha256))
                        return false;
        }
        return true;
}
