/* The courier against a daemon and a witness on real sockets: each thing a witness may answer, and what strangers may. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "courier/post.h"
#include "courier/reply.h"
#include "courier_world.h"
#include "io/cleanup.h"

#define OK "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define CONFLICT "HTTP/1.1 409 Conflict\r\nConnection: close\r\nContent-Type: text/x.tlog.size\r\n\r\n"
#define STATUS(number) "HTTP/1.1 " number " X\r\nConnection: close\r\n\r\n"

static void says(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("'%s' is not in: %s", part, text);
}

static int open_curl(void **state)
{
        return post_init();
}

static int close_curl(void **state)
{
        post_done();
        return 0;
}

/* ---- the way it should go --------------------------------------------------------------------------------------------- */

static void a_checkpoint_goes_there_and_its_cosignature_comes_back(void **state)
{
        struct courier_world world = { .sealed = 10, .replies = { OK WORLD_LINE "\n" } };
        struct pushed pushed;

        world_open_courier(&world);
        pushed = world_push(&world, 4);
        world_close_courier(&world);
        assert_int_equal(pushed.end, PUSH_COSIGNED);
        assert_int_equal(pushed.exit_code, 0);
        assert_string_equal(pushed.text, "witness.example/w1: cosigned: 10 records, at 2026-01-02T03:05:00Z");
        assert_string_equal(world.asked, "add-checkpoint 4, cosign 10");
        assert_string_equal(world.line, WORLD_LINE);
        assert_int_equal(world.requests_n, 1);
        assert_memory_equal(world.requests[0], "POST /log/add-checkpoint HTTP/1.1\r\n", 35);
        says(world.requests[0], "\r\n\r\nold 4\n\norigin\n10\n");
}

static void the_request_carries_nothing_that_is_not_needed(void **state)
{
        struct courier_world world = { .sealed = 10, .replies = { OK WORLD_LINE "\n" } };

        setenv("http_proxy", "http://127.0.0.1:1", 1);
        setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
        world_open_courier(&world);
        assert_int_equal(world_push(&world, 0).end, PUSH_COSIGNED);
        world_close_courier(&world);
        unsetenv("http_proxy");
        unsetenv("ALL_PROXY");
        assert_null(strcasestr(world.requests[0], "cookie"));
        assert_null(strcasestr(world.requests[0], "authorization"));
        assert_null(strcasestr(world.requests[0], "expect"));
        says(world.requests[0], "User-Agent: governor-courier\r\n");
}

static void only_lines_of_the_witness_reach_the_daemon(void **state)
{
        struct courier_world world = {
                .sealed = 10,
                .replies = { OK "— witness.example/w2 scMFbgAAAAAA\n"
                                "hello\n"
                                "— witness.example/w1 AAAAbgAAAAAA\n" WORLD_LINE "\n"
                                "— witness.example/w1 scMFbgAAAA A\n"
                                "— witness.example/w1 scMFbgAAAAAA" },
        };

        world_open_courier(&world);
        assert_int_equal(world_push(&world, 10).end, PUSH_COSIGNED);
        world_close_courier(&world);
        assert_string_equal(world.asked, "add-checkpoint 10, cosign 10");
        assert_string_equal(world.line, WORLD_LINE);
}

static void a_chatty_witness_cannot_fill_the_log(void **state)
{
#define EIGHT(text) text text text text text text text text
        struct courier_world world = { .sealed = 10, .replies = { OK EIGHT(WORLD_LINE "\n") } };

        world_open_courier(&world);
        assert_int_equal(world_push(&world, 10).end, PUSH_COSIGNED);
        world_close_courier(&world);
        assert_string_equal(world.asked, "add-checkpoint 10, cosign 10, cosign 10, cosign 10, cosign 10");
}

static void a_witness_that_knows_another_size_is_asked_again_from_there(void **state)
{
        struct courier_world world = { .sealed = 10, .replies = { CONFLICT "7\n", OK WORLD_LINE "\n" } };

        world_open_courier(&world);
        assert_int_equal(world_push(&world, 0).end, PUSH_COSIGNED);
        world_close_courier(&world);
        assert_string_equal(world.asked, "add-checkpoint 0, add-checkpoint 7, cosign 10");
        says(world.requests[1], "old 7\n");
}

/* ---- evidence that something is wrong --------------------------------------------------------------------------------- */

static void a_witness_that_has_seen_more_than_there_is_means_a_cut_log(void **state)
{
        struct courier_world world = { .sealed = 10, .replies = { CONFLICT "12\n" } };
        struct pushed pushed;

        world_open_courier(&world);
        pushed = world_push(&world, 4);
        world_close_courier(&world);
        assert_int_equal(pushed.end, PUSH_AHEAD);
        assert_int_equal(pushed.exit_code, 3);
        says(pushed.text, "cosigned 12 records");
        says(pushed.text, "there are 10 here");
        assert_string_equal(world.asked, "add-checkpoint 4, audit-head, witness-refused 10");
        assert_string_equal(world.line, pushed.text);
}

static void a_seal_that_another_push_carried_meanwhile_is_no_alarm(void **state)
{
        struct courier_world world = { .sealed = 10,
                                       .sealed_later = 12,
                                       .replies = { CONFLICT "12\n", OK WORLD_LINE "\n" } };

        world_open_courier(&world);
        assert_int_equal(world_push(&world, 4).end, PUSH_COSIGNED);
        world_close_courier(&world);
        assert_string_equal(world.asked, "add-checkpoint 4, audit-head, add-checkpoint 12, cosign 12");
}

static void a_proof_that_does_not_verify_there_means_a_fork(void **state)
{
        struct courier_world world = { .sealed = 10, .replies = { STATUS("422") "bad proof\n" } };
        struct pushed pushed;

        world_open_courier(&world);
        pushed = world_push(&world, 4);
        world_close_courier(&world);
        assert_int_equal(pushed.end, PUSH_FORK);
        assert_int_equal(pushed.exit_code, 3);
        says(pushed.text, "FORK");
        says(pushed.text, "\"bad proof\"");
        assert_string_equal(world.asked, "add-checkpoint 4, witness-refused 10");
        assert_string_equal(world.line, pushed.text);
}

static void another_root_for_the_same_size_means_a_fork(void **state)
{
        static const char *const replies[] = { CONFLICT "10\n", STATUS("409"), STATUS("409") "10\n" };

        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
                struct courier_world world = { .sealed = 10, .replies = { replies[i] } };
                struct pushed pushed;

                world_open_courier(&world);
                pushed = world_push(&world, 10);
                world_close_courier(&world);
                assert_int_equal(pushed.end, PUSH_FORK);
                assert_int_equal(pushed.exit_code, 3);
        }
}

static void a_cosignature_that_does_not_verify_is_loud(void **state)
{
        struct courier_world world = { .sealed = 10, .cosign_exit = 3, .replies = { OK WORLD_LINE "\n" } };
        struct pushed pushed;

        world_open_courier(&world);
        pushed = world_push(&world, 4);
        world_close_courier(&world);
        assert_int_equal(pushed.end, PUSH_BAD_COSIGNATURE);
        assert_int_equal(pushed.exit_code, 3);
}

/* ---- everything else that may come ------------------------------------------------------------------------------------ */

static void each_refusal_has_its_own_end(void **state)
{
        static const struct {
                const char *reply;
                enum push_end end;
                int exit_code;
                const char *said;
        } rows[] = {
                { STATUS("400"), PUSH_MISTAKEN, 1, "malformed" },
                { STATUS("403"), PUSH_UNTRUSTED, 4, "another key" },
                { STATUS("404"), PUSH_UNKNOWN_LOG, 5, "does not know this log" },
                { STATUS("418"), PUSH_MISTAKEN, 1, "status 418" },
                { STATUS("429"), PUSH_BUSY, 6, "too often" },
                { STATUS("500"), PUSH_BUSY, 6, "trouble of its own" },
                { STATUS("503"), PUSH_BUSY, 6, "trouble of its own" },
                { STATUS("201") WORLD_LINE "\n", PUSH_MISTAKEN, 1, "status 201" },
                { OK, PUSH_UNSIGNED, 7, "signed by its key" },
                { OK "\n\n\n", PUSH_UNSIGNED, 7, "signed by its key" },
                { CONFLICT, PUSH_MISTAKEN, 1, "without the size" },
                { CONFLICT "4\n", PUSH_MISTAKEN, 1, "without the size" },
                { CONFLICT "-1\n", PUSH_MISTAKEN, 1, "without the size" },
                { CONFLICT "7", PUSH_MISTAKEN, 1, "without the size" },
                { STATUS("409") "7\n", PUSH_MISTAKEN, 1, "without the size" },
                { "SSH-2.0-OpenSSH_9.2\r\n\r\n", PUSH_MISTAKEN, 1, "" },
                { NULL, PUSH_MISTAKEN, 1, "" },
                { "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" WORLD_LINE "\n", PUSH_MISTAKEN, 1, "" },
                { STATUS("500") "\x1b[2J\xff\n", PUSH_BUSY, 6, "\"?[2J?\"" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct courier_world world = { .sealed = 10, .replies = { rows[i].reply } };
                struct pushed pushed;

                world_open_courier(&world);
                pushed = world_push(&world, 4);
                world_close_courier(&world);
                if (pushed.end != rows[i].end || pushed.exit_code != rows[i].exit_code)
                        fail_msg("row %zu ends as %d with %d: %s", i, pushed.end, pushed.exit_code, pushed.text);
                says(pushed.text, rows[i].said);
        }
}

static void a_redirect_is_not_followed(void **state)
{
        struct courier_world world = { .sealed = 10 };
        char reply[256];
        struct pushed pushed;

        world_open_courier(&world);
        snprintf(reply, sizeof(reply), "HTTP/1.1 307 X\r\nLocation: %selse\r\nConnection: close\r\n\r\n", world.url);
        world.replies[0] = world.replies[1] = reply;
        pushed = world_push(&world, 4);
        world_close_courier(&world);
        assert_int_equal(pushed.end, PUSH_MISTAKEN);
        says(pushed.text, "not followed");
        assert_int_equal(world.requests_n, 1);
}

static void an_answer_without_end_is_cut_off(void **state)
{
        static const char *const replies[] = { OK WORLD_LINE "\n", "HTTP/1.1 200 OK\r\nX-Long: " };

        for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
                struct courier_world world = { .sealed = 10, .endless = 64 << 20, .replies = { replies[i] } };
                struct pushed pushed;

                world_open_courier(&world);
                pushed = world_push(&world, 4);
                world_close_courier(&world);
                assert_int_equal(pushed.end, PUSH_MISTAKEN);
                assert_string_equal(world.line, "");
        }
}

static void who_never_agrees_is_not_asked_for_ever(void **state)
{
        struct courier_world world = {
                .sealed = 10,
                .replies = { CONFLICT "5\n", CONFLICT "6\n", CONFLICT "7\n", CONFLICT "8\n" },
        };

        world_open_courier(&world);
        assert_int_equal(world_push(&world, 4).end, PUSH_OVERTAKEN);
        world_close_courier(&world);
        assert_int_equal(world.requests_n, 3);
}

static void nobody_at_home_is_said(void **state)
{
        struct courier_world world = { .sealed = 10 };
        struct pushed pushed;

        world_open_courier(&world);
        strcpy(world.url, "http://127.0.0.1:1");
        pushed = world_push(&world, 4);
        assert_int_equal(pushed.end, PUSH_UNREACHABLE);
        assert_int_equal(pushed.exit_code, 6);
        strcpy(world.url, "gopher://127.0.0.1");
        assert_int_equal(world_push(&world, 4).end, PUSH_BAD_ADDRESS);
        world_close_courier(&world);
}

static void a_daemon_that_has_no_proof_is_quoted(void **state)
{
        struct courier_world world = { .sealed = 10 };
        struct pushed pushed;

        world_open_courier(&world);
        pushed = world_push(&world, 11);
        world_close_courier(&world);
        assert_int_equal(pushed.end, PUSH_NO_CORE);
        assert_int_equal(pushed.exit_code, 1);
        says(pushed.text, "the log is smaller");
}

/* ---- single parts ----------------------------------------------------------------------------------------------------- */

static void an_address_is_a_prefix_and_a_call(void **state)
{
        static const struct {
                const char *prefix, *address;
        } rows[] = {
                { "https://w.example", "https://w.example/add-checkpoint" },
                { "https://w.example/", "https://w.example/add-checkpoint" },
                { "http://w.example:8080/a/b//", "http://w.example:8080/a/b/add-checkpoint" },
                { "https://[::1]:7/x", "https://[::1]:7/x/add-checkpoint" },
                { "w.example", NULL },
                { "", NULL },
                { "file:///etc/passwd", NULL },
                { "ftp://w.example", NULL },
                { "https://user@w.example", NULL },
                { "https://user:pass@w.example", NULL },
                { "https://w.example/?q", NULL },
                { "https://w.example/#f", NULL },
                { "https://w.example/\r\nX: y", NULL },
                { "https://", NULL },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                _cleanup_free_ char *address = NULL;
                char why[POST_WHY_MAX];
                int r = post_address(rows[i].prefix, "add-checkpoint", &address, why);

                if (r != (rows[i].address ? 0 : -EINVAL))
                        fail_msg("'%s' gives %d, '%s'", rows[i].prefix, r, address ? address : "");
                if (rows[i].address)
                        assert_string_equal(address, rows[i].address);
        }
}

static void a_size_is_digits_and_a_line_end(void **state)
{
        static const char *const wrong[] = { "",
                                             "\n",
                                             "1",
                                             "01\n",
                                             "1 \n",
                                             " 1\n",
                                             "1\n\n",
                                             "+1\n",
                                             "-1\n",
                                             "1\r\n",
                                             "0x1\n",
                                             "99999999999999999\n",
                                             "9007199254740993\n" };
        uint64_t size = 7;

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_int_equal(reply_size((struct reply_text){ wrong[i], strlen(wrong[i]) }, &size), -EBADMSG);
        assert_int_equal(size, 7);
        assert_int_equal(reply_size((struct reply_text){ "0\n", 2 }, &size), 0);
        assert_int_equal(size, 0);
        assert_int_equal(reply_size((struct reply_text){ "9007199254740992\n", 17 }, &size), 0);
        assert_int_equal(size, (uint64_t)1 << 53);
}

static void a_verifier_key_has_a_name_and_an_id(void **state)
{
        static const char *const wrong[] = {
                "", "+", "w", "w+", "w+b1c3056", "w+b1c3056e", "w+B1C3056E+x", "a b+b1c3056e+x", "+b1c3056e+x"
        };
        struct signer signer;

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_int_equal(signer_read(wrong[i], &signer), -EINVAL);
        assert_int_equal(signer_read(WORLD_VKEY, &signer), 0);
        assert_string_equal(signer.name, "witness.example/w1");
        assert_memory_equal(signer.id, "\xb1\xc3\x05\x6e", 4);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_checkpoint_goes_there_and_its_cosignature_comes_back),
                cmocka_unit_test(the_request_carries_nothing_that_is_not_needed),
                cmocka_unit_test(only_lines_of_the_witness_reach_the_daemon),
                cmocka_unit_test(a_chatty_witness_cannot_fill_the_log),
                cmocka_unit_test(a_witness_that_knows_another_size_is_asked_again_from_there),
                cmocka_unit_test(a_witness_that_has_seen_more_than_there_is_means_a_cut_log),
                cmocka_unit_test(a_seal_that_another_push_carried_meanwhile_is_no_alarm),
                cmocka_unit_test(a_proof_that_does_not_verify_there_means_a_fork),
                cmocka_unit_test(another_root_for_the_same_size_means_a_fork),
                cmocka_unit_test(a_cosignature_that_does_not_verify_is_loud),
                cmocka_unit_test(each_refusal_has_its_own_end),
                cmocka_unit_test(a_redirect_is_not_followed),
                cmocka_unit_test(an_answer_without_end_is_cut_off),
                cmocka_unit_test(who_never_agrees_is_not_asked_for_ever),
                cmocka_unit_test(nobody_at_home_is_said),
                cmocka_unit_test(a_daemon_that_has_no_proof_is_quoted),
                cmocka_unit_test(an_address_is_a_prefix_and_a_call),
                cmocka_unit_test(a_size_is_digits_and_a_line_end),
                cmocka_unit_test(a_verifier_key_has_a_name_and_an_id),
        };

        return cmocka_run_group_tests(tests, open_curl, close_curl);
}
