/* What is to be signed: a text for humans, for one thing, for one time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "control/proof.h"

#define NOON (UINT64_C(1796126400) * USEC_PER_SEC) /* 2026-12-01T12:00:00Z */

/* A book, and what the signer in it has signed. */
struct desk {
        struct proof_book *book;
        char signed_text[PROOF_TEXT_MAX];
};

static int setup(void **state)
{
        struct desk *desk = calloc(1, sizeof(*desk));

        assert_int_equal(proof_book_new(&desk->book), 0);
        *state = desk;
        return 0;
}

static int teardown(void **state)
{
        struct desk *desk = *state;

        proof_book_free(desk->book);
        free(desk);
        return 0;
}

static struct proof_subject subject(enum method method, const json_t *params)
{
        return (struct proof_subject){
                .method = method, .params = params, .note = "", .host = "vps1", .log = "vps1/governor/1f2e3d4c"
        };
}

static bool is_signed(void *self, const char *text)
{
        const struct desk *desk = self;

        return strcmp(desk->signed_text, text) == 0;
}

static void ask_and_sign(struct desk *desk, const struct proof_subject *asked, usec_t now)
{
        const char *text;

        assert_int_equal(proof_ask(desk->book, asked, now, &text), 0);
        snprintf(desk->signed_text, sizeof(desk->signed_text), "%s", text);
}

static int take(struct desk *desk, const struct proof_subject *done, usec_t now)
{
        const char *text = NULL;
        const int r = proof_take(desk->book, done, now, is_signed, desk, &text);

        if (r >= 0)
                assert_string_equal(text, desk->signed_text);
        return r;
}

static void the_text_says_to_a_human_what_will_happen(void **state)
{
        struct desk *desk = *state;
        json_t *params = json_pack("{s:b}", "all", true);
        const struct proof_subject disarm = subject(METHOD_DISARM, params);
        char nonce[PROOF_NONCE_MAX], wanted[1024];

        ask_and_sign(desk, &disarm, NOON);
        proof_nonce(desk->signed_text, nonce);
        assert_int_equal(strspn(nonce, "0123456789abcdef"), 32);
        snprintf(wanted, sizeof(wanted),
                 "Governor asks for your approval:\n\n"
                 "  Governor stops acting on this machine, and takes back all that it has set up here.\n\n"
                 "machine: vps1\nlog: vps1/governor/1f2e3d4c\nmethod: disarm\narguments: {\"all\":true}\n"
                 "valid until: 2026-12-01T12:15:00Z\nnonce: %s\n",
                 nonce);
        assert_string_equal(desk->signed_text, wanted);
        json_decref(params);
}

static void a_signature_is_good_once(void **state)
{
        struct desk *desk = *state;
        const struct proof_subject disarm = subject(METHOD_DISARM, NULL);

        ask_and_sign(desk, &disarm, NOON);
        assert_int_equal(take(desk, &disarm, NOON + 1), 0);
        assert_int_equal(take(desk, &disarm, NOON + 2), -ENOENT);
        ask_and_sign(desk, &disarm, NOON);
        assert_int_equal(take(desk, &disarm, NOON + 3), 0);
}

static void a_signature_is_good_for_fifteen_minutes(void **state)
{
        struct desk *desk = *state;
        const struct proof_subject disarm = subject(METHOD_DISARM, NULL);

        ask_and_sign(desk, &disarm, NOON);
        assert_int_equal(take(desk, &disarm, NOON + PROOF_VALID), -ENOENT);
        assert_int_equal(take(desk, &disarm, NOON + PROOF_VALID - 1), 0);
}

static void a_signature_is_for_what_the_text_says(void **state)
{
        struct desk *desk = *state;
        json_t *alice = json_pack("{s:s}", "name", "alice"), *bob = json_pack("{s:s}", "name", "bob");
        const struct proof_subject asked = subject(METHOD_APPROVER_REMOVE, alice);
        struct proof_subject done = asked;

        ask_and_sign(desk, &asked, NOON);
        done.params = bob;
        assert_int_equal(take(desk, &done, NOON), -ENOENT);
        done = asked;
        done.method = METHOD_APPROVER_ADD;
        assert_int_equal(take(desk, &done, NOON), -ENOENT);
        done = asked;
        done.host = "vps2";
        assert_int_equal(take(desk, &done, NOON), -ENOENT);
        done = asked;
        done.log = "vps1/governor/00000000";
        assert_int_equal(take(desk, &done, NOON), -ENOENT);
        done = asked;
        done.note = "one rule less\n";
        assert_int_equal(take(desk, &done, NOON), -ENOENT);
        assert_int_equal(take(desk, &asked, NOON), 0);
        json_decref(alice);
        json_decref(bob);
}

static void the_order_of_the_arguments_does_not_matter(void **state)
{
        struct desk *desk = *state;
        json_t *one = json_pack("{s:s, s:s}", "name", "alice", "key", "k");
        json_t *other = json_pack("{s:s, s:s}", "key", "k", "name", "alice");
        const struct proof_subject asked = subject(METHOD_APPROVER_ADD, one);
        const struct proof_subject done = subject(METHOD_APPROVER_ADD, other);

        ask_and_sign(desk, &asked, NOON);
        assert_int_equal(take(desk, &done, NOON), 0);
        json_decref(one);
        json_decref(other);
}

static void what_a_passphrase_locks_is_named_by_its_digest(void **state)
{
        struct desk *desk = *state;
        json_t *one = json_pack("{s:s, s:s}", "name", "carol", "locked", "argon2id:one");
        json_t *other = json_pack("{s:s, s:s}", "name", "carol", "locked", "argon2id:other");
        const struct proof_subject asked = subject(METHOD_APPROVER_ADD, one);
        const struct proof_subject done = subject(METHOD_APPROVER_ADD, other);

        ask_and_sign(desk, &asked, NOON);
        assert_null(strstr(desk->signed_text, "argon2id"));
        assert_int_equal(take(desk, &done, NOON), -ENOENT);
        assert_int_equal(take(desk, &asked, NOON), 0);
        json_decref(one);
        json_decref(other);
}

/* An argument may hold whatever somebody chose: it stays one line of plain letters, and its nonce is not the nonce. */
static void no_argument_passes_for_another_line(void **state)
{
        struct desk *desk = *state;
        json_t *params = json_pack("{s:s}", "incident", "x\nnonce: 00\nmethod: approve\u202e");
        const struct proof_subject asked = subject(METHOD_ACKNOWLEDGE, params);
        char nonce[PROOF_NONCE_MAX];

        ask_and_sign(desk, &asked, NOON);
        proof_nonce(desk->signed_text, nonce);
        assert_int_equal(strlen(nonce), 32);
        assert_null(strstr(desk->signed_text, "\nnonce: 00\n"));
        for (const char *at = desk->signed_text; *at; at++)
                assert_true(*at == '\n' || (*at >= ' ' && *at <= '~'));
        json_decref(params);
}

static void the_book_is_bounded_and_the_newest_texts_are_in_it(void **state)
{
        struct desk *desk = *state;
        const struct proof_subject disarm = subject(METHOD_DISARM, NULL);
        char first[PROOF_TEXT_MAX];

        ask_and_sign(desk, &disarm, NOON);
        strcpy(first, desk->signed_text);
        for (unsigned i = 1; i <= PROOF_WAITING_MAX; i++)
                ask_and_sign(desk, &disarm, NOON + i);
        assert_int_equal(take(desk, &disarm, NOON + 100), 0);
        strcpy(desk->signed_text, first);
        assert_int_equal(take(desk, &disarm, NOON + 100), -ENOENT);
}

static void a_text_that_no_human_would_read_is_not_made(void **state)
{
        struct desk *desk = *state;
        char *large = calloc(1, PROOF_TEXT_MAX + 1);
        const char *text = NULL;
        json_t *params;
        struct proof_subject asked;

        memset(large, 'x', PROOF_TEXT_MAX);
        params = json_pack("{s:s}", "name", large);
        asked = subject(METHOD_APPROVER_ADD, params);
        assert_int_equal(proof_ask(desk->book, &asked, NOON, &text), -E2BIG);
        json_decref(params);
        free(large);
}

/* Only who may order can weaken anything; a reader is never asked for a proof. */
static void what_needs_a_proof_is_for_operators_and_says_what_happens(void **state)
{
        unsigned n = 0;

        for (unsigned i = 0; i < METHOD_N; i++) {
                if (proof_row((enum method)i)->need == PROOF_NEVER)
                        continue;
                assert_non_null(proof_row((enum method)i)->what);
                assert_false(method_is_for(method_row((enum method)i), ROLE_READER));
                assert_false(method_is_for(method_row((enum method)i), ROLE_COURIER));
                n++;
        }
        assert_true(n >= 6);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(the_text_says_to_a_human_what_will_happen, setup, teardown),
                cmocka_unit_test_setup_teardown(a_signature_is_good_once, setup, teardown),
                cmocka_unit_test_setup_teardown(a_signature_is_good_for_fifteen_minutes, setup, teardown),
                cmocka_unit_test_setup_teardown(a_signature_is_for_what_the_text_says, setup, teardown),
                cmocka_unit_test_setup_teardown(the_order_of_the_arguments_does_not_matter, setup, teardown),
                cmocka_unit_test_setup_teardown(what_a_passphrase_locks_is_named_by_its_digest, setup, teardown),
                cmocka_unit_test_setup_teardown(no_argument_passes_for_another_line, setup, teardown),
                cmocka_unit_test_setup_teardown(the_book_is_bounded_and_the_newest_texts_are_in_it, setup, teardown),
                cmocka_unit_test_setup_teardown(a_text_that_no_human_would_read_is_not_made, setup, teardown),
                cmocka_unit_test(what_needs_a_proof_is_for_operators_and_says_what_happens),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
