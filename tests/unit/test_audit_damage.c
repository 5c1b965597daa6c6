/* Pages that cannot be read: what lies behind them is judged as if they were not there. 600 records in groups of 20. */

#include "audit_world.h"

#include "audit/anchor.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 600, GROUP = 20, PAGE = 4096 };

static char file[4 << 20];

static struct audit_world *a_log(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, RECORDS, GROUP, AUDIT_SEAL);
        audit_world_close(world);
        return world;
}

static size_t load(struct audit_world *world)
{
        return audit_world_read(world, "audit.db", file, sizeof(file));
}

/* The page that holds what this query finds. */
static size_t page_of(struct audit_world *world, const char *query)
{
        char *needle = audit_world_text(world, query);
        const char *at = memmem(file, load(world), needle, strlen(needle));

        assert_non_null(at);
        free(needle);
        return (size_t)(at - file) / PAGE;
}

static void smash(struct audit_world *world, size_t page)
{
        const size_t n = load(world);

        memset(file + page * PAGE, 0xa5, PAGE);
        audit_world_write(world, "audit.db", file, n);
}

static void expect(struct audit_world *world, int exit_code, const char *codes)
{
        audit_world_verify(world);
        audit_world_expect(world, exit_code, codes);
}

/* Can the record be read from the smashed file? */
static bool reads(struct audit_world *world, unsigned seq)
{
        char query[80];
        sqlite3_stmt *statement;
        sqlite3 *db;
        bool does;

        snprintf(query, sizeof(query), "SELECT body FROM record WHERE seq=%u", seq);
        sqlite3_open(audit_world_path(world, "audit.db"), &db);
        sqlite3_prepare_v2(db, query, -1, &statement, NULL);
        does = sqlite3_step(statement) == SQLITE_ROW;
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return does;
}

static void smashed_seals_are_damage_and_no_cut(void **state)
{
        static const char *const queries[] = {
                "SELECT substr(note, 40, 40) FROM checkpoint WHERE epoch=0",
                "SELECT substr(note, 40, 40) FROM checkpoint WHERE epoch=12",
                "SELECT substr(note, 40, 40) FROM checkpoint WHERE epoch=31",
        };
        struct audit_world *world = a_log(state);

        audit_world_copy(world, "audit.db", "kept.db");
        for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
                smash(world, page_of(world, queries[i]));
                expect(world, 1, "CORRUPT");
                audit_world_copy(world, "kept.db", "audit.db");
        }
}

static void seals_behind_damage_are_still_judged(void **state)
{
        struct audit_world *world = a_log(state);
        const size_t page = page_of(world, "SELECT substr(note, 40, 40) FROM checkpoint WHERE epoch=3");

        audit_world_forge(world,
                          "UPDATE checkpoint SET note=(SELECT note FROM checkpoint WHERE epoch=28) WHERE epoch=29");
        smash(world, page);
        audit_world_verify(world);
        assert_int_equal(world->report.exit_code, 3);
        assert_true(audit_world_found(world, "CORRUPT"));
        assert_int_equal(audit_world_finding(world, "SEAL_SIG")->epoch, 29);
}

static void the_first_record_behind_damage_is_judged(void **state)
{
        struct audit_world *world = a_log(state);
        const size_t page = page_of(world, "SELECT '\"seq\":300,'");
        unsigned first = 300;
        char sql[128];

        audit_world_copy(world, "audit.db", "kept.db");
        smash(world, page);
        while (!reads(world, first))
                first++;
        audit_world_copy(world, "kept.db", "audit.db");
        snprintf(sql, sizeof(sql), "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=%u", first);
        audit_world_forge(world, sql);
        smash(world, page);
        audit_world_verify(world);
        assert_int_equal(world->report.exit_code, 3);
        assert_int_equal(audit_world_finding(world, "PREV_MISMATCH")->seq, first + 1);
}

static void the_last_records_behind_damage_are_judged(void **state)
{
        struct audit_world *world = a_log(state);
        size_t page;

        audit_world_forge(world, "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=600");
        page = page_of(world, "SELECT '\"seq\":580,'");
        assert_true(page != page_of(world, "SELECT '\"seq\":600,'"));
        smash(world, page);
        audit_world_verify(world);
        assert_int_equal(world->report.exit_code, 3);
        assert_true(audit_world_found(world, "PREV_MISMATCH"));
        assert_int_equal(world->report.size, RECORDS + 2);
}

static void the_end_that_cannot_be_read_is_no_cut(void **state)
{
        struct audit_world *world = a_log(state);
        struct audit_anchors *anchors;
        unsigned line;
        char anchor[AUDIT_ANCHOR_MAX];

        snprintf(anchor, sizeof(anchor), "%s", world->how.genesis_anchor);
        assert_int_equal(audit_anchors_new(&anchors), 0);
        assert_int_equal(audit_anchors_add(anchors, anchor, strlen(anchor), &line), 0);
        smash(world, page_of(world, "SELECT '\"seq\":601,'"));
        audit_verify(&(struct audit_verify_options){ .state_dir = world->dir, .anchors = anchors }, &world->report);
        audit_world_expect(world, 1, "CORRUPT");
        assert_true(world->report.anchored);
        audit_anchors_free(anchors);
}

static void a_shortened_file_is_damage(void **state)
{
        struct audit_world *world = a_log(state);
        const size_t n = load(world);

        audit_world_write(world, "audit.db", file, n / 2 / PAGE * PAGE);
        expect(world, 1, "CORRUPT");
        audit_world_write(world, "audit.db", file, 100);
        expect(world, 1, "CORRUPT");
}

static void smashed_subtrees_are_damage(void **state)
{
        struct audit_world *world = a_log(state);
        char *hash = audit_world_text(world, "SELECT hex(hash) FROM subtree WHERE idx=1");
        char needle[32];
        const char *at;
        size_t n = load(world);

        for (unsigned i = 0; i < 32; i++)
                sscanf(hash + 2 * (size_t)i, "%2hhx", (unsigned char *)&needle[i]);
        at = memmem(file, n, needle, sizeof(needle));
        assert_non_null(at);
        smash(world, (size_t)(at - file) / PAGE);
        expect(world, 1, "CORRUPT");
        free(hash);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(smashed_seals_are_damage_and_no_cut),
                AUDIT_WORLD_TEST(seals_behind_damage_are_still_judged),
                AUDIT_WORLD_TEST(the_first_record_behind_damage_is_judged),
                AUDIT_WORLD_TEST(the_last_records_behind_damage_are_judged),
                AUDIT_WORLD_TEST(the_end_that_cannot_be_read_is_no_cut),
                AUDIT_WORLD_TEST(a_shortened_file_is_damage),
                AUDIT_WORLD_TEST(smashed_subtrees_are_damage),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
