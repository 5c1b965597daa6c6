#include "audit/rows.h"
#include "audit/cleanup.h"
#include "audit/note.h"
#include "audit/text_file.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { ROW_MAX = 128, PLACE = 1 + 32 /* "there is one", and the hash */ };

#define INDEX_MAX (UINT64_C(1) << 36) /* of level 8: 2^44 records are more than anyone has */

struct audit_rows {
        int fd;
        uint64_t lines;
};

/* Rows lie in the order in which a growing log completes them, so that the file has no holes. */
static uint64_t place_of(unsigned level, uint64_t index)
{
        const uint64_t last = ((index + 1) << (level - AUDIT_SUBTREE_STEP)) - 1; /* of level 8 in it */

        return (last + (last >> 8) + (last >> 16) + level / AUDIT_SUBTREE_STEP - 1) * PLACE;
}

static bool is_kept(uint64_t level, uint64_t index)
{
        return (level == 8 || level == 16 || level == 24) && index < INDEX_MAX >> (level - AUDIT_SUBTREE_STEP);
}

static bool parse(struct audit_slice line, struct audit_subtree *ret)
{
        const char *first = memchr(line.text, ' ', line.length);
        const char *second = first ? memchr(first + 1, ' ', (size_t)(line.text + line.length - first - 1)) : NULL;
        const char *end = line.text + line.length;
        uint64_t level, index;
        size_t length;

        if (!second || !audit_size_parse((struct audit_slice){ line.text, (size_t)(first - line.text) }, &level) ||
            !audit_size_parse((struct audit_slice){ first + 1, (size_t)(second - first - 1) }, &index) ||
            !is_kept(level, index) || end - second - 1 != 2 * sizeof(ret->hash.bytes))
                return false;
        for (const char *at = second + 1; at < end; at++)
                if (!strchr("0123456789abcdef", *at))
                        return false;
        *ret = (struct audit_subtree){ .level = (unsigned)level, .index = index };
        return sodium_hex2bin(ret->hash.bytes, sizeof(ret->hash.bytes), second + 1, (size_t)(end - second - 1), NULL,
                              &length, NULL) == 0;
}

static int keep(struct audit_rows *rows, struct audit_slice line)
{
        uint8_t place[PLACE] = { 1 };
        struct audit_subtree row;

        if (!parse(line, &row))
                return 0;
        memcpy(place + 1, row.hash.bytes, sizeof(row.hash.bytes));
        return pwrite(rows->fd, place, sizeof(place), (off_t)place_of(row.level, row.index)) == sizeof(place) ? 0
                                                                                                              : -EIO;
}

/* What is too long for a row, or ends without LF, is kept as a line that is none. */
static int read_lines(struct audit_rows *rows, FILE *file)
{
        char line[ROW_MAX];
        size_t length = 0;
        int c, r = 0;

        while (r == 0 && (c = getc_unlocked(file)) != EOF) {
                if (c != '\n') {
                        line[length < sizeof(line) - 1 ? length++ : length] = (char)c;
                        continue;
                }
                r = keep(rows, (struct audit_slice){ line, length });
                rows->lines++;
                length = 0;
        }
        rows->lines += length > 0;
        return ferror(file) ? -EIO : r;
}

static void close_file(FILE **file)
{
        if (*file)
                fclose(*file);
}

int audit_rows_read(const char *path, struct audit_rows **ret)
{
        _cleanup_(close_file) FILE *file = NULL;
        _cleanup_(close_file) FILE *nameless = NULL;
        struct audit_rows *rows;
        int r = audit_text_open(path, &file);

        if (r < 0)
                return r;
        nameless = tmpfile();
        if (!nameless)
                return -errno;
        rows = calloc(1, sizeof(*rows));
        if (!rows)
                return -ENOMEM;
        rows->fd = dup(fileno(nameless));
        r = rows->fd < 0 ? -errno : read_lines(rows, file);
        if (r < 0) {
                audit_rows_free(rows);
                return r;
        }
        *ret = rows;
        return 0;
}

struct audit_rows *audit_rows_free(struct audit_rows *rows)
{
        if (rows)
                close_fd(&rows->fd);
        free(rows);
        return NULL;
}

uint64_t audit_rows_count(const struct audit_rows *rows)
{
        return rows->lines;
}

int audit_rows_find(const struct audit_rows *rows, const struct audit_subtree *subtree, struct audit_hash *ret)
{
        uint8_t place[PLACE];
        ssize_t n;

        if (!is_kept(subtree->level, subtree->index))
                return 0;
        n = pread(rows->fd, place, sizeof(place), (off_t)place_of(subtree->level, subtree->index));
        if (n < 0)
                return -EIO;
        if (n != sizeof(place) || place[0] == 0)
                return 0;
        memcpy(ret->bytes, place + 1, sizeof(ret->bytes));
        return 1;
}

int audit_rows_load_tree(const struct audit_rows *rows, uint64_t size, struct audit_tree *ret)
{
        struct audit_subtree completed[AUDIT_SUBTREES_MAX], row;
        struct audit_tree tree = { 0 };

        for (unsigned level = AUDIT_SUBTREES_MAX * AUDIT_SUBTREE_STEP; level > 0; level -= AUDIT_SUBTREE_STEP)
                while (tree.size >> level < size >> level) {
                        int r;

                        row = (struct audit_subtree){ .level = level, .index = tree.size >> level };
                        r = audit_rows_find(rows, &row, &row.hash);
                        if (r <= 0)
                                return r;
                        audit_tree_push_node(&tree, level, &row.hash, completed);
                }
        if (tree.size != size)
                return 0;
        *ret = tree;
        return 1;
}
