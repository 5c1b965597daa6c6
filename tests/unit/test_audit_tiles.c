/* tlog-tiles: the layout of C2SP, how an export grows, and an outside opinion on all of it. */

#include "audit_world.h"

#include "audit/genesis.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int export_tiles(struct audit_world *world, const char *name)
{
        struct audit_reader *reader;
        int r;

        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), 0);
        r = audit_export_tiles(reader, audit_world_path(world, name));
        audit_reader_close(reader);
        return r;
}

/* A log of `size` records, all sealed. Two are its own. */
static void make_log(struct audit_world *world, unsigned size)
{
        audit_world_open(world);
        if (size > 2)
                audit_world_fill(world, size - 2, 256, AUDIT_SEAL);
}

static bool is_there(struct audit_world *world, const char *name)
{
        return access(audit_world_path(world, name), F_OK) == 0;
}

static off_t length_of(struct audit_world *world, const char *name)
{
        struct stat st;

        if (stat(audit_world_path(world, name), &st) < 0)
                fail_msg("%s is not there", name);
        return st.st_size;
}

static ino_t inode_of(struct audit_world *world, const char *name)
{
        struct stat st;

        assert_int_equal(stat(audit_world_path(world, name), &st), 0);
        return st.st_ino;
}

static void vkey_of(struct audit_world *world, char ret[AUDIT_VKEY_MAX])
{
        struct audit_genesis genesis;
        char *body = audit_world_text(world, "SELECT body FROM record WHERE seq=0");

        assert_true(audit_genesis_parse(body, strlen(body), &genesis));
        audit_vkey_write(genesis.origin, genesis.log_key, ret);
        free(body);
}

/* What node says, which shares no code with us. */
static void ask_outside(struct audit_world *world, const char *what, const char *name, char *ret, size_t room)
{
        char command[1024], vkey[AUDIT_VKEY_MAX];
        FILE *pipe;

        vkey_of(world, vkey);
        snprintf(command, sizeof(command), "node tests/unit/tlog_outside.js %s '%s' '%s'", what,
                 audit_world_path(world, name), vkey);
        pipe = popen(command, "re");
        assert_non_null(pipe);
        if (!fgets(ret, (int)room, pipe))
                ret[0] = '\0';
        assert_int_equal(pclose(pipe), 0);
        ret[strcspn(ret, "\n")] = '\0';
}

/* `make setup` brings it. */
static bool has_node(void)
{
        return system("node --version >/dev/null 2>&1") == 0;
}

static void expect_outside(struct audit_world *world, const char *name)
{
        struct audit_head head;
        char said[128], wanted[128], *at;

        if (!has_node())
                return;
        audit_head(world->audit, &head);
        at = wanted + sprintf(wanted, "%llu ", (unsigned long long)head.sealed_size);
        for (unsigned i = 0; i < sizeof(head.root); i++)
                at += sprintf(at, "%02x", head.root[i]);
        ask_outside(world, "tiles", name, said, sizeof(said));
        assert_string_equal(said, wanted);
}

/* ---- the layout ------------------------------------------------------------------------------------------------ */

static void a_small_log_is_one_partial_tile(void **state)
{
        struct audit_world *world = *state;

        make_log(world, 5);
        assert_int_equal(export_tiles(world, "t"), 0);
        assert_int_equal(length_of(world, "t/tile/0/000.p/5"), 5 * 32);
        assert_true(is_there(world, "t/tile/entries/000.p/5"));
        assert_false(is_there(world, "t/tile/0/000"));
        assert_false(is_there(world, "t/tile/1"));
        assert_false(is_there(world, "t/.checkpoint.pending"));
        assert_false(is_there(world, "t/.tile.new"));
        expect_outside(world, "t");
}

static void a_full_tile_is_one_hash_above(void **state)
{
        struct audit_world *world = *state;

        make_log(world, 256);
        assert_int_equal(export_tiles(world, "t"), 0);
        assert_int_equal(length_of(world, "t/tile/0/000"), 8192);
        assert_int_equal(length_of(world, "t/tile/1/000.p/1"), 32);
        assert_true(is_there(world, "t/tile/entries/000"));
        assert_false(is_there(world, "t/tile/0/001.p"));
        expect_outside(world, "t");
}

static void seventy_thousand_records_take_three_levels(void **state)
{
        struct audit_world *world = *state;
        char *hash;
        uint8_t bytes[32];

        make_log(world, 600);
        assert_int_equal(export_tiles(world, "t"), 0);
        assert_true(is_there(world, "t/tile/1/000.p/2"));
        audit_world_fill(world, 69400, 512, AUDIT_SEAL);
        assert_int_equal(export_tiles(world, "t"), 0);
        assert_false(is_there(world, "t/tile/1/000.p"));
        assert_int_equal(length_of(world, "t/tile/0/272"), 8192);
        assert_int_equal(length_of(world, "t/tile/0/273.p/112"), 112 * 32);
        assert_true(is_there(world, "t/tile/entries/273.p/112"));
        assert_int_equal(length_of(world, "t/tile/1/000"), 8192);
        assert_int_equal(length_of(world, "t/tile/1/001.p/17"), 17 * 32);
        assert_int_equal(length_of(world, "t/tile/2/000.p/1"), 32);
        assert_false(is_there(world, "t/tile/3"));
        expect_outside(world, "t");

        /* what the store keeps is what stands in the tiles above */
        hash = audit_world_text(world, "SELECT lower(hex(hash)) FROM subtree WHERE level=16 AND idx=0");
        assert_int_equal(audit_world_read(world, "t/tile/2/000.p/1", bytes, sizeof(bytes)), 32);
        for (unsigned i = 0; i < sizeof(bytes); i++) {
                char hex[3];

                snprintf(hex, sizeof(hex), "%02x", bytes[i]);
                assert_memory_equal(hash + 2 * i, hex, 2);
        }
        free(hash);
}

/* ---- growing --------------------------------------------------------------------------------------------------- */

static void an_export_grows_and_leaves_full_tiles_alone(void **state)
{
        struct audit_world *world = *state;
        ino_t tile, bundle;

        make_log(world, 300);
        assert_int_equal(export_tiles(world, "t"), 0);
        tile = inode_of(world, "t/tile/0/000");
        bundle = inode_of(world, "t/tile/entries/000");
        assert_true(is_there(world, "t/tile/0/001.p/44"));

        audit_world_fill(world, 100, 10, AUDIT_SEAL);
        assert_int_equal(export_tiles(world, "t"), 0);
        assert_true(is_there(world, "t/tile/0/001.p/44")); /* whoever has the earlier checkpoint needs it */
        assert_true(is_there(world, "t/tile/0/001.p/144"));
        expect_outside(world, "t");

        audit_world_fill(world, 200, 50, AUDIT_SEAL);
        assert_int_equal(export_tiles(world, "t"), 0);
        assert_true(is_there(world, "t/tile/0/001"));
        assert_false(is_there(world, "t/tile/0/001.p"));
        assert_false(is_there(world, "t/tile/entries/001.p"));
        assert_int_equal(inode_of(world, "t/tile/0/000"), tile);
        assert_int_equal(inode_of(world, "t/tile/entries/000"), bundle);
        expect_outside(world, "t");

        assert_int_equal(export_tiles(world, "t"), 0); /* nothing new */
        expect_outside(world, "t");
}

static void an_export_that_broke_off_is_taken_up(void **state)
{
        struct audit_world *world = *state;

        make_log(world, 300);
        assert_int_equal(export_tiles(world, "t"), 0);
        assert_int_equal(
                rename(audit_world_path(world, "t/checkpoint"), audit_world_path(world, "t/.checkpoint.pending")), 0);
        audit_world_write(world, "t/.tile.new", "half", 4);
        audit_world_write(world, "t/tile/0/000", "", 0); /* a power cut can leave this */
        audit_world_fill(world, 300, 10, AUDIT_SEAL);
        assert_int_equal(export_tiles(world, "t"), 0);
        assert_false(is_there(world, "t/.checkpoint.pending"));
        assert_false(is_there(world, "t/.tile.new"));
        expect_outside(world, "t");
}

static void only_what_is_sealed_is_exported(void **state)
{
        struct audit_world *world = *state;

        make_log(world, 10);
        audit_world_fill(world, 5, 5, 0);
        assert_int_equal(export_tiles(world, "t"), 0);
        assert_true(is_there(world, "t/tile/0/000.p/10"));
        assert_false(is_there(world, "t/tile/0/000.p/15"));
}

/* ---- proofs, from outside -------------------------------------------------------------------------------------- */

static void an_outsider_follows_our_proofs(void **state)
{
        static const uint64_t places[] = { 0, 255, 256, 511, 512, 769 };
        struct audit_world *world = *state;
        struct audit_reader *reader;

        make_log(world, 770);
        if (!has_node())
                skip();
        assert_int_equal(audit_reader_open(audit_world_path(world, "audit.db"), &reader), 0);
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
                char said[1024], sql[64], *body, *proof;

                assert_int_equal(audit_prove(reader, places[i], &proof), 0);
                audit_world_write(world, "p.tlog-proof", proof, strlen(proof));
                ask_outside(world, "proof", "p.tlog-proof", said, sizeof(said));
                snprintf(sql, sizeof(sql), "SELECT body FROM record WHERE seq=%u", (unsigned)places[i]);
                body = audit_world_text(world, sql);
                assert_string_equal(said, body);
                free(body);
                free(proof);
        }
        audit_reader_close(reader);
}

/* ---- refusing -------------------------------------------------------------------------------------------------- */

static void a_strange_directory_is_left_alone(void **state)
{
        struct audit_world *world = *state;

        make_log(world, 10);
        mkdir(audit_world_path(world, "t"), 0755);
        audit_world_write(world, "t/holiday.jpg", "x", 1);
        assert_int_equal(export_tiles(world, "t"), -EEXIST);
        assert_false(is_there(world, "t/tile"));

        audit_world_write(world, "t/checkpoint", "other.example/log\n1\n", 20);
        assert_int_equal(export_tiles(world, "t"), -EEXIST);
        unlink(audit_world_path(world, "t/checkpoint"));
        assert_int_equal(symlink("/etc/passwd", audit_world_path(world, "t/checkpoint")), 0);
        assert_int_equal(export_tiles(world, "t"), -EEXIST);
        assert_false(is_there(world, "t/tile"));
        assert_int_equal(export_tiles(world, "t/holiday.jpg"), -ENOTDIR);
        assert_int_equal(export_tiles(world, "none/t"), -ENOENT);
}

static void another_log_does_not_grow_this_export(void **state)
{
        struct audit_world *world = *state;
        struct audit_how how;

        make_log(world, 300);
        assert_int_equal(export_tiles(world, "t"), 0);
        audit_world_close(world);
        audit_world_copy(world, "audit.db", "kept.db");
        unlink(audit_world_path(world, "keys/seal.key"));
        assert_int_equal(audit_world_try_open(world), 0); /* set aside: another origin */
        how = world->how;
        assert_int_equal(how.start, AUDIT_SET_ASIDE);
        audit_world_fill(world, 400, 100, AUDIT_SEAL);
        assert_int_equal(export_tiles(world, "t"), -EEXIST);
}

static void a_log_that_was_cut_does_not_go_back_in_its_export(void **state)
{
        struct audit_world *world = *state;

        make_log(world, 300);
        assert_int_equal(export_tiles(world, "t"), 0);
        audit_world_close(world);
        audit_world_forge(world, "DELETE FROM checkpoint WHERE size>258; DELETE FROM record WHERE seq>=258");
        assert_int_equal(export_tiles(world, "t"), -ERANGE);
}

static void damage_writes_nothing(void **state)
{
        struct audit_world *world = *state;

        make_log(world, 300);
        audit_world_close(world);
        audit_world_forge(world, "UPDATE record SET body=replace(body,'nginx','apache') WHERE seq=280");
        assert_int_equal(export_tiles(world, "t"), -EUCLEAN);
        assert_false(is_there(world, "t/tile"));
        assert_false(is_there(world, "t/checkpoint"));
        audit_world_forge(world, "UPDATE record SET body=replace(body,'apache','nginx') WHERE seq=280");
        assert_int_equal(export_tiles(world, "t"), 0);

        audit_world_forge(world, "UPDATE subtree SET hash=zeroblob(32)");
        assert_int_equal(export_tiles(world, "t"), -EUCLEAN);
}

static void a_pruned_log_lacks_what_tiles_need(void **state)
{
        struct audit_world *world = *state;

        make_log(world, 1000);
        assert_int_equal(export_tiles(world, "t"), 0);
        assert_int_equal(export_tiles(world, "late"), 0);
        audit_world_fill(world, 500, 100, AUDIT_SEAL);
        audit_world_forge(world, "DELETE FROM record WHERE seq>0 AND seq<768");
        assert_int_equal(export_tiles(world, "new"), -ESTALE);
        assert_false(is_there(world, "new"));
        assert_int_equal(export_tiles(world, "t"), 0); /* what is archived is there already */
        expect_outside(world, "t");
        audit_world_forge(world, "DELETE FROM record WHERE seq>0 AND seq<1280");
        assert_int_equal(export_tiles(world, "t"), 0);
        assert_int_equal(export_tiles(world, "late"), -ESTALE);
}

static void one_export_at_a_time(void **state)
{
        struct audit_world *world = *state;
        int fd;

        make_log(world, 10);
        mkdir(audit_world_path(world, "t"), 0755);
        fd = open(audit_world_path(world, "t"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        assert_int_equal(export_tiles(world, "t"), -EBUSY);
        close(fd);
        assert_int_equal(export_tiles(world, "t"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(a_small_log_is_one_partial_tile),
                AUDIT_WORLD_TEST(a_full_tile_is_one_hash_above),
                AUDIT_WORLD_TEST(seventy_thousand_records_take_three_levels),
                AUDIT_WORLD_TEST(an_export_grows_and_leaves_full_tiles_alone),
                AUDIT_WORLD_TEST(an_export_that_broke_off_is_taken_up),
                AUDIT_WORLD_TEST(only_what_is_sealed_is_exported),
                AUDIT_WORLD_TEST(an_outsider_follows_our_proofs),
                AUDIT_WORLD_TEST(a_strange_directory_is_left_alone),
                AUDIT_WORLD_TEST(another_log_does_not_grow_this_export),
                AUDIT_WORLD_TEST(a_log_that_was_cut_does_not_go_back_in_its_export),
                AUDIT_WORLD_TEST(damage_writes_nothing),
                AUDIT_WORLD_TEST(a_pruned_log_lacks_what_tiles_need),
                AUDIT_WORLD_TEST(one_export_at_a_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
