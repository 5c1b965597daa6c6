#include "audit/archive.h"
#include "audit/cleanup.h"
#include "audit/files.h"
#include "audit/record.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define UNFINISHED ".new"

/* What stands in each file, and how. */
struct content {
        const char *suffix, *sql, *between, *after;
};

static const struct content records_content = {
        ".jsonl", "SELECT body FROM record NOT INDEXED WHERE seq>=?1 AND seq<?2 ORDER BY seq", "", "\n"
};
static const struct content notes_content = {
        ".ckpt", "SELECT note FROM checkpoint NOT INDEXED WHERE size>?1 AND size<=?2 ORDER BY epoch", "\n", ""
};

/* ---- one file ------------------------------------------------------------------------------------------------- */

struct text_file {
        char *path, *fresh; /* its name, and the one it has until it is complete */
        FILE *out;
        crypto_hash_sha256_state hash;
        uint8_t digest[32];
};

static void done_text_file(struct text_file *file)
{
        if (file->out)
                fclose(file->out);
        if (file->fresh)
                unlink(file->fresh); /* complete or not, it has its other name or none */
        free(file->fresh);
        free(file->path);
}

static int begin_text_file(struct text_file *file, const char *name, const char *suffix)
{
        int fd, r;

        crypto_hash_sha256_init(&file->hash);
        file->path = audit_files_suffixed(name, suffix);
        file->fresh = file->path ? audit_files_suffixed(file->path, UNFINISHED) : NULL;
        if (!file->fresh)
                return -ENOMEM;
        r = audit_files_remove(file->fresh); /* of an attempt that was cut short, or a stranger's */
        if (r < 0)
                return r;
        fd = open(file->fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -errno;
        file->out = fdopen(fd, "w");
        if (file->out)
                return 0;
        close(fd);
        return -ENOMEM;
}

static void put(struct text_file *file, const void *bytes, size_t length)
{
        crypto_hash_sha256_update(&file->hash, bytes, length);
        fwrite(bytes, 1, length, file->out);
}

static int sync_directory_of(const char *path)
{
        const char *slash = strrchr(path, '/');
        _cleanup_(free_memory) char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");

        return directory ? audit_files_sync_directory(directory) : -ENOMEM;
}

/* Others may write where an archive lies, so a link is not followed and nobody is waited for. */
static int digest_of(const char *path, uint8_t ret[static 32])
{
        _cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

        return fd < 0 ? -errno : audit_files_hash(fd, ret);
}

static int end_text_file(struct text_file *file)
{
        uint8_t there[32];
        int r;

        crypto_hash_sha256_final(&file->hash, file->digest);
        if (fflush(file->out) != 0 || fsync(fileno(file->out)) < 0)
                return -errno;
        r = digest_of(file->path, there);
        if (r == 0)
                return memcmp(there, file->digest, sizeof(there)) == 0 ? 0 : -EEXIST;
        if (r != -ENOENT)
                return r;
        if (rename(file->fresh, file->path) < 0)
                return -errno;
        return sync_directory_of(file->path);
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

static int write_rows(sqlite3 *log, const struct audit_archive *archive, const struct content *content,
                      struct text_file *file)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        int r = audit_store_prepare(log, content->sql, &statement);

        if (r < 0)
                return r;
        sqlite3_bind_int64(statement, 1, (sqlite3_int64)archive->from);
        sqlite3_bind_int64(statement, 2, (sqlite3_int64)archive->to);
        for (const char *before = ""; (r = audit_store_step(statement)) > 0; before = content->between) {
                put(file, before, strlen(before));
                put(file, sqlite3_column_text(statement, 0), (size_t)sqlite3_column_bytes(statement, 0));
                put(file, content->after, strlen(content->after));
                if (ferror(file->out))
                        return -errno;
        }
        return r;
}

static int write_file(sqlite3 *log, const struct audit_archive *archive, const struct content *content,
                      uint8_t ret_digest[static 32])
{
        _cleanup_(done_text_file) struct text_file file = { 0 };
        int r = begin_text_file(&file, archive->file, content->suffix);

        r = r ?: write_rows(log, archive, content, &file);
        r = r ?: end_text_file(&file);
        if (r == 0)
                memcpy(ret_digest, file.digest, sizeof(file.digest));
        return r;
}

int audit_archive_write(sqlite3 *log, struct audit_archive *archive)
{
        uint8_t digest[32];
        int r = write_file(log, archive, &notes_content, digest);

        r = r ?: write_file(log, archive, &records_content, digest);
        if (r == 0)
                sodium_bin2hex(archive->sha256, sizeof(archive->sha256), digest, sizeof(digest));
        return r;
}

static bool ends_with(const char *name, const char *end)
{
        const size_t length = strlen(name), n = strlen(end);

        return length > n && strcmp(name + length - n, end) == 0;
}

void audit_archive_remove_unfinished(const char *directory)
{
        DIR *dir = opendir(directory);
        const struct dirent *entry;

        while (dir && (entry = readdir(dir)))
                if (ends_with(entry->d_name, ".jsonl" UNFINISHED) || ends_with(entry->d_name, ".ckpt" UNFINISHED))
                        unlinkat(dirfd(dir), entry->d_name, 0);
        if (dir)
                closedir(dir);
}

/* ---- checking ------------------------------------------------------------------------------------------------- */

/* What is read back, line by line. */
struct reading {
        FILE *in;
        char *line;
        size_t room;
        struct audit_tree tree;
        struct audit_hash last;
        bool has_last;
        crypto_hash_sha256_state hash;
};

static void done_reading(struct reading *reading)
{
        if (reading->in)
                fclose(reading->in);
        free(reading->line);
}

static int begin_reading(sqlite3 *log, const struct audit_archive *archive, struct reading *reading)
{
        _cleanup_(free_memory) char *path = audit_files_suffixed(archive->file, records_content.suffix);

        if (!path)
                return -ENOMEM;
        reading->in = fopen(path, "re");
        if (!reading->in)
                return -errno;
        reading->has_last = archive->from == 0; /* record 0 carries zeros */
        crypto_hash_sha256_init(&reading->hash);
        return audit_store_load_tree(log, archive->from, &reading->tree);
}

static bool take_line(struct reading *reading, size_t length)
{
        struct audit_subtree completed[AUDIT_SUBTREES_MAX];
        struct audit_view view;

        crypto_hash_sha256_update(&reading->hash, (const uint8_t *)reading->line, length);
        if (length == 0 || reading->line[--length] != '\n' || !audit_record_scan(reading->line, length, &view) ||
            view.seq != reading->tree.size || (reading->has_last && !audit_record_follows(&view, &reading->last)))
                return false;
        reading->last = audit_leaf_hash(reading->line, length);
        reading->has_last = true;
        audit_tree_push(&reading->tree, &reading->last, completed);
        return true;
}

static int bad(struct audit_finding *ret_why, const char *code, int64_t seq, const char *detail)
{
        *ret_why = (struct audit_finding){ .code = code, .seq = seq, .epoch = -1 };
        snprintf(ret_why->detail, sizeof(ret_why->detail), "the archive: %s", detail);
        return -EUCLEAN;
}

static int check_end(sqlite3 *log, const struct audit_archive *archive, struct reading *reading,
                     struct audit_finding *ret_why)
{
        struct audit_hash root = audit_tree_root(&reading->tree), kept;
        uint8_t digest[32], wanted[32];
        struct audit_tree tree;
        int r = audit_store_load_tree(log, archive->to, &tree);

        if (r < 0)
                return r;
        kept = audit_tree_root(&tree);
        if (reading->tree.size != archive->to || !audit_hash_equal(&root, &kept))
                return bad(ret_why, "ROOT_MISMATCH", -1, "its records do not lead to the tree of the log");
        crypto_hash_sha256_final(&reading->hash, digest);
        if (sodium_hex2bin(wanted, sizeof(wanted), archive->sha256, strlen(archive->sha256), NULL, NULL, NULL) != 0 ||
            memcmp(digest, wanted, sizeof(digest)) != 0)
                return bad(ret_why, "CORRUPT", -1, "it reads back as other bytes than were written");
        return 0;
}

int audit_archive_check(sqlite3 *log, const struct audit_archive *archive, struct audit_finding *ret_why)
{
        _cleanup_(done_reading) struct reading reading = { 0 };
        ssize_t length;
        int r = begin_reading(log, archive, &reading);

        if (r < 0)
                return r;
        while ((length = getline(&reading.line, &reading.room, reading.in)) >= 0)
                if (!take_line(&reading, (size_t)length))
                        return bad(ret_why, "NOT_CANONICAL", (int64_t)reading.tree.size,
                                   "not the record that belongs here");
        if (ferror(reading.in))
                return -EIO;
        return check_end(log, archive, &reading, ret_why);
}
