#include "audit/export.h"
#include "audit/canon.h"
#include "audit/cleanup.h"
#include "audit/note.h"
#include "audit/text_file.h"

#include <string.h>

/* ---- records -------------------------------------------------------------------------------------------------- */

/* Takes a line without its LF. What is too long, or ends without LF, comes back with something that no record holds, so
 * that it is refused where every record is judged. */
static int read_line(FILE *file, char line[AUDIT_LINE_MAX + 1], size_t *ret_length)
{
        size_t length = 0;
        int c;

        while ((c = getc_unlocked(file)) != EOF && c != '\n')
                if (length < AUDIT_LINE_MAX)
                        line[length++] = (char)c;
        if (ferror(file))
                return -EIO;
        if (c == EOF && length == 0)
                return 0;
        if (c == EOF && length < AUDIT_LINE_MAX)
                line[length++] = '\0';
        *ret_length = length;
        line[length] = '\0';
        return 1;
}

/* A line is the record that it says it is when that leaves out some; it cannot be one that was there before. */
static uint64_t seq_of(const struct audit_export *export, const char *line, size_t length)
{
        struct audit_view view;

        return audit_view(line, length, &view) == 0 && view.seq > export->position ? view.seq : export->position;
}

static int first_record(void *self, struct audit_item *ret)
{
        struct audit_export *export = self;
        int r;

        if (!export->has_first) {
                r = read_line(export->records, export->first, &export->first_length);
                if (r <= 0)
                        return r;
                export->has_first = true;
        }
        *ret = (struct audit_item){ seq_of(export, export->first, export->first_length), export->first,
                                    export->first_length };
        return ret->seq == 0;
}

static int next_record(void *self, struct audit_item *ret)
{
        struct audit_export *export = self;
        int r;

        if (export->has_first) {
                memcpy(export->line, export->first, export->first_length + 1);
                ret->length = export->first_length;
                export->has_first = false;
        } else {
                r = read_line(export->records, export->line, &ret->length);
                if (r <= 0)
                        return r;
        }
        ret->body = export->line;
        ret->seq = seq_of(export, export->line, ret->length);
        export->position = ret->seq + 1;
        return 1;
}

/* A file that reports an error is not read past it. */
static int skip_damage(void *self, uint64_t position, struct audit_item *ret)
{
        (void)self, (void)position, (void)ret;
        return 0;
}

/* ---- notes ---------------------------------------------------------------------------------------------------- */

/* A note ends with the empty line after its second part, the signatures. */
static int read_note(struct audit_export *export, size_t *ret_length)
{
        unsigned empty = 0;
        size_t length = 0;
        int c, before = '\n';

        while ((c = getc_unlocked(export->notes)) != EOF) {
                if (c == '\n' && before == '\n' && ++empty == 2)
                        break;
                if (length < sizeof(export->note) - 1)
                        export->note[length++] = (char)c;
                before = c;
        }
        if (ferror(export->notes))
                return -EIO;
        export->note[length] = '\0';
        *ret_length = length;
        return length > 0;
}

static int next_note(void *self, struct audit_stored_note *ret)
{
        struct audit_export *export = self;
        struct audit_note note;
        int r;

        if (!export->notes)
                return 0;
        *ret = (struct audit_stored_note){ .text = export->note, .epoch = export->epoch };
        r = read_note(export, &ret->length);
        if (r <= 0)
                return r;
        if (audit_note_parse(ret->text, ret->length, &note)) {
                ret->epoch = note.epoch;
                ret->size = note.size;
        }
        export->epoch = ret->epoch + 1;
        return 1;
}

/* ---- subtrees ------------------------------------------------------------------------------------------------- */

static int find_subtree(void *self, const struct audit_subtree *subtree, struct audit_hash *ret)
{
        return audit_rows_find(((struct audit_export *)self)->rows, subtree, ret);
}

static int count_subtrees(void *self, uint64_t *ret)
{
        *ret = audit_rows_count(((struct audit_export *)self)->rows);
        return 1;
}

static int load_tree(void *self, uint64_t size, struct audit_tree *ret)
{
        return audit_rows_load_tree(((struct audit_export *)self)->rows, size, ret);
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

static int open_file(const char *path, FILE **ret)
{
        if (!path)
                return 0;
        return audit_text_open(path, ret);
}

int audit_export_new(const struct audit_export_paths *paths, struct audit_export **ret, struct audit_source *ret_source)
{
        struct audit_export *export = calloc(1, sizeof(*export));
        int r;

        if (!export)
                return -ENOMEM;
        r = open_file(paths->records, &export->records);
        r = r ?: open_file(paths->notes, &export->notes);
        if (r == 0 && paths->subtree)
                r = audit_rows_read(paths->subtree, &export->rows);
        if (r < 0) {
                audit_export_free(export);
                return r;
        }
        *ret_source = (struct audit_source){
                .self = export,
                .first_record = first_record,
                .next_record = next_record,
                .skip_damage = skip_damage,
                .next_note = next_note,
        };
        if (export->rows) {
                ret_source->find_subtree = find_subtree;
                ret_source->count_subtrees = count_subtrees;
                ret_source->load_tree = load_tree;
        }
        *ret = export;
        return 0;
}

struct audit_export *audit_export_free(struct audit_export *export)
{
        if (!export)
                return NULL;
        if (export->records)
                fclose(export->records);
        if (export->notes)
                fclose(export->notes);
        audit_rows_free(export->rows);
        free(export);
        return NULL;
}
