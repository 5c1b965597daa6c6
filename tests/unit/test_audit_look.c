/* What was read ahead and looked at by many threads comes out as one thread would have seen it. */
#include "audit/look.h"
#include "audit_world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { RECORDS = 3000, DAMAGED = 1717, SKIPPED = 10 };

/* A source of records that are all different; some are damage, no text, or too long. */
struct fake {
        uint64_t at;
        bool has_damage;
        uint64_t epoch;
        char body[AUDIT_BODY_MAX + 100];
        char note[64];
};

static size_t length_of(uint64_t seq)
{
        return seq % 500 == 499 ? AUDIT_BODY_MAX + 1 + seq % 50 : seq % 400 == 7 ? AUDIT_BODY_MAX : seq % 611;
}

static int next_record(void *self, struct audit_item *ret)
{
        struct fake *fake = self;

        if (fake->at == RECORDS)
                return 0;
        if (fake->has_damage && fake->at == DAMAGED)
                return -EUCLEAN;
        *ret = (struct audit_item){ .seq = fake->at++ };
        if (ret->seq % 100 == 50)
                return 1;
        ret->length = length_of(ret->seq);
        memset(fake->body, (int)ret->seq, ret->length);
        ret->body = fake->body;
        return 1;
}

static int skip_damage(void *self, uint64_t position, struct audit_item *ret)
{
        struct fake *fake = self;

        assert_int_equal(position, DAMAGED);
        fake->at = DAMAGED + SKIPPED;
        return next_record(fake, ret);
}

static int next_note(void *self, struct audit_stored_note *ret)
{
        struct fake *fake = self;

        if (fake->epoch == 50)
                return -EIO;
        *ret = (struct audit_stored_note){ .epoch = fake->epoch, .size = fake->epoch + 1, .text = fake->note };
        ret->length = (size_t)snprintf(fake->note, sizeof(fake->note), "note %u", (unsigned)fake->epoch++);
        return 1;
}

static struct audit_source source_of(struct fake *fake)
{
        return (struct audit_source){
                .self = fake, .next_record = next_record, .skip_damage = skip_damage, .next_note = next_note
        };
}

static void expect_record(const struct audit_looked *looked, uint64_t seq)
{
        static char body[AUDIT_BODY_MAX + 100];
        const bool is_text = seq % 100 != 50;
        const size_t length = is_text ? length_of(seq) : 0;
        struct audit_hash leaf;

        memset(body, (int)seq, length);
        leaf = audit_leaf_hash(body, length);
        assert_int_equal(looked->item.seq, seq);
        assert_int_equal(looked->item.length, length);
        assert_true(audit_hash_equal(&looked->leaf, &leaf));
        assert_false(looked->is_record);
        if (!is_text || length > AUDIT_BODY_MAX)
                assert_null(looked->item.body);
        else
                assert_memory_equal(looked->item.body, body, length);
}

static void records_come_in_order_whoever_looks_at_them(void **state)
{
        for (unsigned threads = 1; threads <= 9; threads++) {
                struct fake *fake = calloc(1, sizeof(*fake));
                const struct audit_source source = source_of(fake);
                const struct audit_looked *looked;
                struct audit_look *look;

                assert_int_equal(audit_look_new(&source, NULL, threads, &look), 0);
                for (uint64_t seq = 0; seq < RECORDS; seq++) {
                        assert_int_equal(audit_look_next(look, &looked), 1);
                        expect_record(looked, seq);
                }
                assert_int_equal(audit_look_next(look, &looked), 0);
                assert_int_equal(audit_look_next(look, &looked), 0);
                audit_look_free(look);
                free(fake);
        }
}

static void damage_comes_at_its_place_and_is_skipped(void **state)
{
        for (unsigned threads = 1; threads <= 4; threads += 3) {
                struct fake *fake = calloc(1, sizeof(*fake));
                const struct audit_source source = source_of(fake);
                const struct audit_looked *looked;
                struct audit_look *look;

                fake->has_damage = true;
                assert_int_equal(audit_look_new(&source, NULL, threads, &look), 0);
                for (uint64_t seq = 0; seq < DAMAGED; seq++) {
                        assert_int_equal(audit_look_next(look, &looked), 1);
                        expect_record(looked, seq);
                }
                assert_int_equal(audit_look_next(look, &looked), -EUCLEAN);
                assert_int_equal(audit_look_skip_damage(look, DAMAGED, &looked), 1);
                for (uint64_t seq = DAMAGED + SKIPPED; seq < RECORDS; seq++) {
                        expect_record(looked, seq);
                        assert_int_equal(audit_look_next(look, &looked), seq < RECORDS - 1);
                }
                audit_look_free(look);
                free(fake);
        }
}

static void a_look_may_end_while_others_are_at_work(void **state)
{
        for (unsigned taken = 0; taken < 300; taken += 37) {
                struct fake *fake = calloc(1, sizeof(*fake));
                const struct audit_source source = source_of(fake);
                const struct audit_looked *looked;
                struct audit_look *look;

                assert_int_equal(audit_look_new(&source, NULL, 4, &look), 0);
                for (unsigned i = 0; i < taken; i++)
                        assert_int_equal(audit_look_next(look, &looked), 1);
                audit_look_free(look);
                free(fake);
        }
}

static void notes_come_in_order_beside_the_records(void **state)
{
        struct fake *fake = calloc(1, sizeof(*fake));
        const struct audit_source source = source_of(fake);
        const struct audit_looked_note *note;
        const struct audit_looked *looked;
        struct audit_look *look;
        char text[64];

        assert_int_equal(audit_look_new(&source, NULL, 3, &look), 0);
        for (unsigned epoch = 0; epoch < 50; epoch++) {
                assert_int_equal(audit_look_next_note(look, &note), 1);
                assert_int_equal(note->stored.epoch, epoch);
                snprintf(text, sizeof(text), "note %u", epoch);
                assert_memory_equal(note->stored.text, text, note->stored.length);
                assert_false(note->is_note);
                for (unsigned i = 0; i < 20; i++)
                        assert_int_equal(audit_look_next(look, &looked), 1);
                expect_record(looked, epoch * 20 + 19);
        }
        assert_int_equal(audit_look_next_note(look, &note), -EIO);
        audit_look_free(look);
        free(fake);
}

/* ---- whole logs ----------------------------------------------------------------------------------------------- */

static void verify_with(const struct audit_world *world, unsigned threads, struct audit_report *ret)
{
        const struct audit_verify_options options = { .state_dir = world->dir,
                                                      .threads = threads,
                                                      .now_usec = world->realtime };

        audit_verify(&options, ret);
}

static void expect_one_report(struct audit_world *world, int exit_code)
{
        struct audit_report alone, together;

        verify_with(world, 1, &alone);
        assert_int_equal(alone.exit_code, exit_code);
        for (unsigned threads = 2; threads <= 8; threads *= 2) {
                verify_with(world, threads, &together);
                assert_memory_equal(&together, &alone, sizeof(alone));
        }
}

static void every_number_of_threads_gives_one_report(void **state)
{
        static const char *const deeds[] = {
                "UPDATE record SET body=replace(body,'nginx','nginy') WHERE seq IN (3,127,128,1000)",
                "DELETE FROM record WHERE seq BETWEEN 300 AND 600",
                "UPDATE checkpoint SET note=replace(note,'A','B') WHERE epoch IN (1,4,5,17)",
                "DELETE FROM checkpoint WHERE epoch=9",
                "UPDATE record SET body=body||' ' WHERE seq=1200",
                "UPDATE record SET body=hex(zeroblob(40000)) WHERE seq=800",
                "UPDATE checkpoint SET note=hex(zeroblob(40000)) WHERE epoch=2",
        };
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, 1500, 16, AUDIT_SEAL);
        audit_world_close(world);
        expect_one_report(world, 0);
        for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
                audit_world_forge(world, deeds[i]);
                expect_one_report(world, 3);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(records_come_in_order_whoever_looks_at_them),
                cmocka_unit_test(damage_comes_at_its_place_and_is_skipped),
                cmocka_unit_test(a_look_may_end_while_others_are_at_work),
                cmocka_unit_test(notes_come_in_order_beside_the_records),
                AUDIT_WORLD_TEST(every_number_of_threads_gives_one_report),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
