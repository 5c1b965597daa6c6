/* What witnesses said, as verify counts it. The log has checkpoints of sizes 1, 2, 12, 22 and 32. */

#include "audit_world.h"

#include "audit/anchor.h"
#include "audit/witness.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WITNESSES = 3, TIME = 1767323045 };

struct witness {
        struct audit_vkey vkey;
        uint8_t secret[AUDIT_SECRET_KEY];
};

static void a_witness(struct witness *witness, unsigned number)
{
        const uint8_t type = AUDIT_KEY_WITNESS;
        uint8_t seed[32] = { (uint8_t)(number + 1) };

        witness->vkey = (struct audit_vkey){ .type = type };
        snprintf(witness->vkey.name, sizeof(witness->vkey.name), "w%u.example/witness", number);
        crypto_sign_seed_keypair(witness->vkey.key, witness->secret, seed);
        audit_key_id((struct audit_slice){ witness->vkey.name, strlen(witness->vkey.name) }, &type, 1,
                     witness->vkey.key, witness->vkey.id);
}

/* Its line over the first three lines of the note. */
static void cosign(const struct witness *witness, const char *note, char ret[static 512])
{
        uint8_t payload[4 + 8 + 64] = { 0 };
        char message[1024], base64[128];
        const int length = snprintf(message, sizeof(message), "cosignature/v1\ntime %d\n%.*s", TIME,
                                    (int)(strstr(note, "\n\n") + 1 - note), note);

        memcpy(payload, witness->vkey.id, 4);
        for (unsigned i = 0; i < 8; i++)
                payload[4 + i] = (uint8_t)((uint64_t)TIME >> (56 - 8 * i));
        crypto_sign_detached(payload + 12, NULL, (const uint8_t *)message, (unsigned long long)length, witness->secret);
        sodium_bin2base64(base64, sizeof(base64), payload, sizeof(payload), sodium_base64_VARIANT_ORIGINAL);
        snprintf(ret, 512, "\xe2\x80\x94 %s %s", witness->vkey.name, base64);
}

struct scene {
        struct audit_world *world;
        struct witness witnesses[WITNESSES];
        struct audit_vkey vkeys[WITNESSES];
};

static struct scene a_scene(void **state)
{
        struct scene scene = { .world = *state };

        audit_world_open(scene.world);
        audit_world_fill(scene.world, 30, 10, AUDIT_SEAL);
        audit_world_close(scene.world);
        for (unsigned i = 0; i < WITNESSES; i++) {
                a_witness(&scene.witnesses[i], i);
                scene.vkeys[i] = scene.witnesses[i].vkey;
        }
        return scene;
}

static char *note_of(struct scene *scene, unsigned size)
{
        char query[80];

        snprintf(query, sizeof(query), "SELECT note FROM checkpoint WHERE size=%u", size);
        return audit_world_text(scene->world, query);
}

static void store(struct scene *scene, unsigned size, const char *line)
{
        char sql[700];

        snprintf(sql, sizeof(sql), "INSERT INTO cosig VALUES(%u, '%s')", size, line);
        assert_int_equal(audit_world_sql(scene->world, sql), 0);
}

static void cosign_stored(struct scene *scene, unsigned witness, unsigned size)
{
        char *note = note_of(scene, size), line[512];

        cosign(&scene->witnesses[witness], note, line);
        store(scene, size, line);
        free(note);
}

static void expect(struct scene *scene, unsigned quorum, int exit_code, const char *codes)
{
        audit_verify(&(struct audit_verify_options){ .state_dir = scene->world->dir,
                                                     .witnesses = scene->vkeys,
                                                     .witnesses_n = WITNESSES,
                                                     .quorum = quorum },
                     &scene->world->report);
        audit_world_expect(scene->world, exit_code, codes);
}

static void a_quorum_makes_the_log_anchored(void **state)
{
        struct scene scene = a_scene(state);

        expect(&scene, 0, 0, "");
        assert_false(scene.world->report.anchored);
        expect(&scene, 1, 7, "NO_ANCHOR");
        cosign_stored(&scene, 0, 22);
        expect(&scene, 1, 0, "");
        assert_true(scene.world->report.anchored);
        expect(&scene, 2, 7, "NO_ANCHOR");
        assert_false(scene.world->report.anchored);
        cosign_stored(&scene, 1, 12); /* each may have seen another size */
        expect(&scene, 2, 0, "");
        expect(&scene, 3, 7, "NO_ANCHOR");
}

static void a_witness_counts_once(void **state)
{
        struct scene scene = a_scene(state);

        cosign_stored(&scene, 0, 12);
        cosign_stored(&scene, 0, 22);
        expect(&scene, 2, 7, "NO_ANCHOR");
        scene.vkeys[1] = scene.vkeys[0];
        expect(&scene, 2, 7, "NO_ANCHOR");
}

static void a_strangers_word_does_not_count(void **state)
{
        struct scene scene = a_scene(state);
        struct witness stranger;
        char *note = note_of(&scene, 22), line[512];

        a_witness(&stranger, 77);
        cosign(&stranger, note, line);
        store(&scene, 22, line);
        store(&scene, 22, "anything");
        expect(&scene, 1, 7, "NO_ANCHOR");
        expect(&scene, 0, 0, "");
        free(note);
}

static void a_known_witness_that_does_not_verify_is_tampering(void **state)
{
        struct scene scene = a_scene(state);
        char *note = note_of(&scene, 22), line[512];

        cosign(&scene.witnesses[0], note, line);
        store(&scene, 32, line); /* of another size */
        expect(&scene, 0, 3, "ANCHOR_SIG");
        expect(&scene, 1, 3, "ANCHOR_SIG NO_ANCHOR");
        free(note);
}

static void a_broken_line_of_a_known_witness_is_tampering(void **state)
{
        struct scene scene = a_scene(state);
        char *note = note_of(&scene, 22), line[512];

        cosign(&scene.witnesses[0], note, line);
        line[strlen(line) - 20] = '!';
        store(&scene, 22, line);
        expect(&scene, 0, 3, "ANCHOR_SIG");
        free(note);
}

static void a_cosignature_without_its_checkpoint_is_tampering(void **state)
{
        struct scene scene = a_scene(state);
        char *note = note_of(&scene, 22), line[512];

        cosign(&scene.witnesses[0], note, line);
        store(&scene, 23, line);
        expect(&scene, 0, 3, "ANCHOR_SIG");
        free(note);
}

static void a_cosignature_of_what_the_records_do_not_make_does_not_count(void **state)
{
        struct scene scene = a_scene(state);

        cosign_stored(&scene, 0, 22);
        audit_world_forge(scene.world, "UPDATE record SET body=replace(body, 'nginx', 'mginx') WHERE seq=20");
        expect(&scene, 1, 3, "PREV_MISMATCH ROOT_MISMATCH NO_ANCHOR");
}

static void cosignatures_inside_an_anchor_count(void **state)
{
        struct scene scene = a_scene(state);
        char *note = note_of(&scene, 22), line[512], text[4096], *seal;
        struct audit_anchors *anchors;
        unsigned number;

        cosign(&scene.witnesses[2], note, line);
        snprintf(text, sizeof(text), "%s%s\n", note, line);
        assert_int_equal(audit_anchors_new(&anchors), 0);
        assert_int_equal(audit_anchors_add(anchors, text, strlen(text), &number), 0);
        {
                struct audit_verify_options options = { .state_dir = scene.world->dir,
                                                        .witnesses = scene.vkeys,
                                                        .witnesses_n = WITNESSES,
                                                        .quorum = 1,
                                                        .anchors = anchors };

                audit_verify(&options, &scene.world->report);
                audit_world_expect(scene.world, 0, "");
                assert_true(scene.world->report.anchored);
                audit_anchors_free(anchors);

                /* what a witness keeps has no seal line, its own word takes the place */
                seal = strstr(text, "/seal ");
                while (strncmp(seal, "\xe2\x80\x94 ", 4) != 0)
                        seal--;
                memmove(seal, strchr(seal, '\n') + 1, strlen(strchr(seal, '\n') + 1) + 1);
                assert_int_equal(audit_anchors_new(&anchors), 0);
                assert_int_equal(audit_anchors_add(anchors, text, strlen(text), &number), 0);
                options.anchors = anchors;
                audit_verify(&options, &scene.world->report);
                audit_world_expect(scene.world, 0, "");
                options.witnesses_n = options.quorum = 0;
                audit_verify(&options, &scene.world->report);
                audit_world_expect(scene.world, 7, "NO_SEAL");

                text[strlen(text) - 12] = text[strlen(text) - 12] == 'A' ? 'B' : 'A'; /* base64 still */
                audit_anchors_free(anchors);
                assert_int_equal(audit_anchors_new(&anchors), 0);
                assert_int_equal(audit_anchors_add(anchors, text, strlen(text), &number), 0);
                options.anchors = anchors;
                options.witnesses_n = WITNESSES;
                audit_verify(&options, &scene.world->report);
                audit_world_expect(scene.world, 3, "ANCHOR_SIG");
        }
        audit_anchors_free(anchors);
        free(note);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(a_quorum_makes_the_log_anchored),
                AUDIT_WORLD_TEST(a_witness_counts_once),
                AUDIT_WORLD_TEST(a_strangers_word_does_not_count),
                AUDIT_WORLD_TEST(a_known_witness_that_does_not_verify_is_tampering),
                AUDIT_WORLD_TEST(a_broken_line_of_a_known_witness_is_tampering),
                AUDIT_WORLD_TEST(a_cosignature_without_its_checkpoint_is_tampering),
                AUDIT_WORLD_TEST(a_cosignature_of_what_the_records_do_not_make_does_not_count),
                AUDIT_WORLD_TEST(cosignatures_inside_an_anchor_count),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
