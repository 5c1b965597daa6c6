/* One bit flipped anywhere. In an export every one is found. In a database file there are bits that mean nothing (free space,
 * hints of SQLite's): what passes must read exactly as before. GOVERNOR_BITS=20000 for more. */

#include "audit_world.h"

#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OLD = 300, DAY_SEC = 24 * 3600, BITS = 2000 / AUDIT_WORLD_SHARE, ROOM = 1 << 20 };

static unsigned bits_wanted(void)
{
        const char *wanted = getenv("GOVERNOR_BITS");

        return wanted ? (unsigned)atoi(wanted) : BITS;
}

static size_t next_random(uint64_t *seed, size_t below)
{
        *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        return (size_t)(*seed >> 33) % below;
}

/* ---- exports -------------------------------------------------------------------------------------------------- */

struct part {
        const char *name;
        int (*write)(struct audit_reader *reader, FILE *out);
        char bytes[ROOM];
        size_t length;
};

static int write_records(struct audit_reader *reader, FILE *out)
{
        return audit_export_jsonl(reader, NULL, out);
}

/* A log whose first 256 records are in an archive. */
static void prune(struct audit_world *world)
{
        struct audit_archiving archiving;

        world->realtime -= 500 * DAY_SEC * UINT64_C(1000000);
        audit_world_open(world);
        audit_world_fill(world, OLD, 60, AUDIT_SEAL);
        world->realtime += 500 * DAY_SEC * UINT64_C(1000000);
        audit_world_fill(world, 5, 5, AUDIT_SEAL);
        assert_int_equal(
                audit_archive_prepare(&(struct audit_archive_options){ .state_dir = world->dir,
                                                                       .before_usec = world->realtime -
                                                                                      450 * DAY_SEC * UINT64_C(1000000),
                                                                       .now_usec = world->realtime },
                                      &archiving),
                0);
        assert_int_equal(audit_archive_commit(world->audit, &archiving, NULL), 0);
        audit_world_close(world);
}

static void export(struct audit_world *world, struct part *parts, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                struct audit_reader *reader;
                FILE *out = fopen(audit_world_path(world, parts[i].name), "we");

                assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), 0);
                assert_int_equal(parts[i].write(reader, out), 0);
                audit_reader_close(reader);
                assert_int_equal(fclose(out), 0);
                parts[i].length = audit_world_read(world, parts[i].name, parts[i].bytes, ROOM);
                assert_true(parts[i].length > 0 && parts[i].length < ROOM);
        }
}

static void verify_export(struct audit_world *world)
{
        audit_verify(&(struct audit_verify_options){ .jsonl = audit_world_path(world, "x.jsonl"),
                                                     .checkpoints = audit_world_path(world, "x.ckpt"),
                                                     .subtree = audit_world_path(world, "x.subtree"),
                                                     .threads = 1 },
                     &world->report);
}

static void flip_in(struct audit_world *world, struct part *part, size_t bit)
{
        part->bytes[bit / 8] ^= (char)(1 << bit % 8);
        audit_world_write(world, part->name, part->bytes, part->length);
        verify_export(world);
        part->bytes[bit / 8] ^= (char)(1 << bit % 8);
        if (world->report.exit_code != 3)
                fail_msg("%s: byte %zu of %zu, bit %zu: exit %d", part->name, bit / 8, part->length, bit % 8,
                         world->report.exit_code);
}

static void any_bit_of_an_export_is_found(void **state)
{
        struct audit_world *world = *state;
        struct part *parts = calloc(3, sizeof(*parts));
        uint64_t seed = 1;

        parts[0] = (struct part){ .name = "x.jsonl", .write = write_records };
        parts[1] = (struct part){ .name = "x.ckpt", .write = audit_export_checkpoints };
        parts[2] = (struct part){ .name = "x.subtree", .write = audit_export_subtree };
        prune(world);
        export(world, parts, 3);
        verify_export(world);
        audit_world_expect(world, 0, "");

        for (unsigned i = 0; i < bits_wanted(); i++) {
                struct part *part = &parts[i % 3];

                flip_in(world, part, next_random(&seed, part->length * 8));
                audit_world_write(world, part->name, part->bytes, part->length);
        }
        verify_export(world);
        audit_world_expect(world, 0, "");
        free(parts);
}

/* ---- a database ----------------------------------------------------------------------------------------------- */

static bool hash_rows(sqlite3 *db, const char *sql, crypto_hash_sha256_state *hash)
{
        sqlite3_stmt *statement;
        int r;

        if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
                return false;
        while ((r = sqlite3_step(statement)) == SQLITE_ROW)
                for (int i = 0; i < sqlite3_column_count(statement); i++) {
                        const int head[] = { sqlite3_column_type(statement, i), sqlite3_column_bytes(statement, i) };

                        crypto_hash_sha256_update(hash, (const void *)head, sizeof(head));
                        crypto_hash_sha256_update(hash, sqlite3_column_blob(statement, i),
                                                  (unsigned long long)sqlite3_column_bytes(statement, i));
                }
        sqlite3_finalize(statement);
        return r == SQLITE_DONE;
}

/* Of all that the file says. */
static bool content_of(struct audit_world *world, uint8_t ret[32])
{
        static const char *const all[] = { "PRAGMA application_id",
                                           "PRAGMA user_version",
                                           "PRAGMA encoding",
                                           "SELECT type, name, tbl_name, sql FROM sqlite_schema",
                                           "SELECT * FROM record NOT INDEXED ORDER BY seq",
                                           "SELECT * FROM checkpoint NOT INDEXED ORDER BY epoch",
                                           "SELECT * FROM subtree ORDER BY level, idx",
                                           "SELECT * FROM cosig ORDER BY size, line" };
        crypto_hash_sha256_state hash;
        bool good = true;
        sqlite3 *db;

        crypto_hash_sha256_init(&hash);
        assert_int_equal(sqlite3_open(audit_world_path(world, "audit.db"), &db), SQLITE_OK);
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
                good = hash_rows(db, all[i], &hash) && good;
        sqlite3_close(db);
        crypto_hash_sha256_final(&hash, ret);
        return good;
}

static void restore(struct audit_world *world, const char *bytes, size_t length)
{
        unlink(audit_world_path(world, "audit.db-wal"));
        unlink(audit_world_path(world, "audit.db-shm"));
        unlink(audit_world_path(world, "audit.db-journal"));
        audit_world_write(world, "audit.db", bytes, length);
}

static void any_bit_of_a_database_that_says_something_is_found(void **state)
{
        struct audit_world *world = *state;
        char *bytes = malloc(ROOM);
        uint8_t content[32], now[32];
        unsigned silent = 0;
        uint64_t seed = 2;
        size_t length;

        audit_world_open(world);
        audit_world_fill(world, 262, 131, AUDIT_SEAL);
        audit_world_close(world);
        length = audit_world_read(world, "audit.db", bytes, ROOM);
        assert_true(content_of(world, content));

        for (unsigned i = 0; i < bits_wanted(); i++) {
                /* every second in the first pages, where header, schema and small tables are */
                const size_t bit = next_random(&seed, (i % 2 ? length : 6 * (size_t)4096) * 8);

                bytes[bit / 8] ^= (char)(1 << bit % 8);
                restore(world, bytes, length);
                audit_world_verify(world);
                restore(world, bytes, length);
                bytes[bit / 8] ^= (char)(1 << bit % 8);
                if (world->report.exit_code == 0 && (!content_of(world, now) || memcmp(now, content, 32) != 0))
                        fail_msg("byte %zu, bit %zu: it reads otherwise, and nobody noticed", bit / 8, bit % 8);
                if (world->report.exit_code != 0 && world->report.exit_code != 1 && world->report.exit_code != 3)
                        fail_msg("byte %zu, bit %zu: exit %d", bit / 8, bit % 8, world->report.exit_code);
                silent += world->report.exit_code == 0;
        }
        print_message("# of %u bits %u mean nothing\n", bits_wanted(), silent);
        restore(world, bytes, length);
        audit_world_verify(world);
        audit_world_expect(world, 0, "");
        free(bytes);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(any_bit_of_an_export_is_found),
                AUDIT_WORLD_TEST(any_bit_of_a_database_that_says_something_is_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
