/* The outbox keeps what was asked for through restarts, bounds and damage, and gives no number twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/outbox.h"

struct bench {
        char directory[64], path[96], aside[112], journal[112];
        struct outbox *outbox;
};

static int setup(void **state)
{
        struct bench *bench = calloc(1, sizeof(*bench));

        strcpy(bench->directory, "/tmp/outbox-XXXXXX");
        assert_non_null(mkdtemp(bench->directory));
        snprintf(bench->path, sizeof(bench->path), "%s/outbox.db", bench->directory);
        snprintf(bench->aside, sizeof(bench->aside), "%s.damaged", bench->path);
        snprintf(bench->journal, sizeof(bench->journal), "%s-journal", bench->path);
        assert_int_equal(outbox_open(bench->path, &bench->outbox), 0);
        *state = bench;
        return 0;
}

static int teardown(void **state)
{
        struct bench *bench = *state;

        outbox_close(bench->outbox);
        unlink(bench->path);
        unlink(bench->aside);
        unlink(bench->journal);
        assert_int_equal(rmdir(bench->directory), 0);
        free(bench);
        return 0;
}

static struct request a_request(const char *agent, uint64_t number)
{
        return (struct request){ .number = number,
                                 .action = "trade",
                                 .params = "{\"usd\":\"1500\"}",
                                 .reason = "good price",
                                 .agent = agent,
                                 .uid = 1000,
                                 .pid = 42,
                                 .exe = "/usr/bin/node",
                                 .rule = "a.yaml:3",
                                 .why = "usd 1500 is more than 1000",
                                 .created = 100,
                                 .expires = 200 + number,
                                 .asked_seq = 7,
                                 .by = "",
                                 .answer = "",
                                 .granted = "" };
}

static void add(struct bench *bench, const char *agent, uint64_t number)
{
        struct request request = a_request(agent, number);

        assert_int_equal(outbox_add(bench->outbox, &request), 0);
}

static void reopen(struct bench *bench, int wanted)
{
        bench->outbox = outbox_close(bench->outbox);
        assert_int_equal(outbox_open(bench->path, &bench->outbox), wanted);
}

/* What was found, as text. */
static void tell(void *self, const struct request *request)
{
        char *text = self;

        sprintf(text + strlen(text), "%llu %s %s %s %s by '%s': '%s' %s\n", (unsigned long long)request->number,
                request_state_name(request->state), request->agent, request->action, request->params, request->by,
                request->answer, request->granted);
}

static void count(void *self, const struct request *request)
{
        (void)request;
        ++*(unsigned *)self;
}

static void what_was_asked_for_outlives_the_daemon(void **state)
{
        struct bench *bench = *state;
        char text[4096] = "";
        struct stat st;

        add(bench, "pm2:bot/lily", 9);
        reopen(bench, 0);
        assert_int_equal(outbox_get(bench->outbox, 9, tell, text), 0);
        assert_string_equal(text, "9 open pm2:bot/lily trade {\"usd\":\"1500\"} by '': '' \n");
        assert_int_equal(outbox_get(bench->outbox, 8, tell, text), -ENOENT);
        assert_int_equal(stat(bench->path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_request_is_answered_once(void **state)
{
        struct bench *bench = *state;
        struct request answer = a_request("pm2:bot/lily", 9);
        char text[4096] = "";

        add(bench, "pm2:bot/lily", 9);
        answer.state = REQUEST_MODIFIED;
        answer.by = "ada";
        answer.answer = "less";
        answer.granted = "{\"usd\":\"500\"}";
        answer.answer_seq = 11;
        assert_int_equal(outbox_answer(bench->outbox, &answer), 0);
        answer.state = REQUEST_REJECTED;
        assert_int_equal(outbox_answer(bench->outbox, &answer), -ENOENT);
        answer.number = 10;
        assert_int_equal(outbox_answer(bench->outbox, &answer), -ENOENT);
        assert_int_equal(outbox_each(bench->outbox, false, 10, tell, text), 0);
        assert_string_equal(text, "");
        assert_int_equal(outbox_each(bench->outbox, true, 10, tell, text), 0);
        assert_string_equal(text,
                            "9 modified pm2:bot/lily trade {\"usd\":\"1500\"} by 'ada': 'less' {\"usd\":\"500\"}\n");
}

static void numbers_grow_and_are_never_given_twice(void **state)
{
        struct bench *bench = *state;
        uint64_t number = 0;

        assert_int_equal(outbox_next(bench->outbox, 5, &number), 0);
        assert_int_equal(number, 5);
        add(bench, "a", 5);
        assert_int_equal(outbox_next(bench->outbox, 3, &number), 0);
        assert_int_equal(number, 6);
        reopen(bench, 0);
        assert_int_equal(outbox_next(bench->outbox, 0, &number), 0);
        assert_int_equal(number, 6);
        assert_int_equal(outbox_next(bench->outbox, 4711, &number), 0);
        assert_int_equal(number, 4711);
}

static void one_agent_fills_its_own_share_and_all_together_the_whole(void **state)
{
        struct bench *bench = *state;
        uint64_t number = 0;
        char agent[32];

        for (unsigned i = 0; i < OUTBOX_OPEN_OF_ONE; i++)
                add(bench, "greedy", ++number);
        assert_int_equal(outbox_room(bench->outbox, "greedy", 1000), -EDQUOT);
        assert_int_equal(outbox_room(bench->outbox, "modest", 1000), 0);
        assert_int_equal(outbox_room(bench->outbox, "greedy", 1001), 0);
        while (number < OUTBOX_OPEN_MAX) {
                snprintf(agent, sizeof(agent), "agent-%llu", (unsigned long long)number);
                add(bench, agent, ++number);
        }
        assert_int_equal(outbox_room(bench->outbox, "modest", 1000), -ENOBUFS);
}

static void the_first_to_expire_is_found(void **state)
{
        struct bench *bench = *state;
        struct request later = a_request("a", 1);
        uint64_t number = 0;
        usec_t at = 0;

        assert_int_equal(outbox_first_to_expire(bench->outbox, &number, &at), -ENOENT);
        later.expires = 5000;
        assert_int_equal(outbox_add(bench->outbox, &later), 0);
        add(bench, "a", 2);
        assert_int_equal(outbox_first_to_expire(bench->outbox, &number, &at), 0);
        assert_int_equal(number, 2);
        assert_int_equal(at, 202);
}

static void the_oldest_that_are_over_are_forgotten(void **state)
{
        struct bench *bench = *state;
        struct request denied = a_request("a", 1);
        unsigned n = 0;
        char text[512] = "";

        add(bench, "a", 1); /* open: stays */
        denied.state = REQUEST_DENIED;
        for (denied.number = 2; denied.number <= OUTBOX_ANSWERED_MAX + 3; denied.number++)
                assert_int_equal(outbox_add(bench->outbox, &denied), 0);
        assert_int_equal(outbox_each(bench->outbox, true, 1000000, count, &n), 0);
        assert_int_equal(n, OUTBOX_ANSWERED_MAX + 1);
        assert_int_equal(outbox_get(bench->outbox, 1, tell, text), 0);
        assert_int_equal(outbox_get(bench->outbox, 2, tell, text), -ENOENT);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, size), size);
        close(fd);
}

static void what_is_no_outbox_is_set_aside_untouched(void **state)
{
        struct bench *bench = *state;
        char text[64] = "";
        int fd;

        bench->outbox = outbox_close(bench->outbox);
        write_file(bench->path, "somebody's letter", 17);
        assert_int_equal(outbox_open(bench->path, &bench->outbox), OUTBOX_SET_ASIDE);
        add(bench, "a", 1);
        fd = open(bench->aside, O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, text, sizeof(text)), 17);
        assert_string_equal(text, "somebody's letter");
        close(fd);
}

static uint32_t chance(uint32_t *seed)
{
        *seed ^= *seed << 13;
        *seed ^= *seed >> 17;
        return *seed ^= *seed << 5;
}

/* All that is done with an outbox, whatever it holds. */
static void use(struct bench *bench)
{
        struct request request = a_request("a", 1);
        unsigned n = 0;
        uint64_t number = 1;
        usec_t at;

        outbox_each(bench->outbox, true, 1000, count, &n);
        outbox_get(bench->outbox, 2, count, &n);
        outbox_first_to_expire(bench->outbox, &number, &at);
        outbox_room(bench->outbox, "a", 1000);
        outbox_next(bench->outbox, 1, &request.number);
        outbox_add(bench->outbox, &request);
        request.state = REQUEST_EXPIRED;
        outbox_answer(bench->outbox, &request);
}

/* Bytes changed anywhere in the file: errors, never a crash, and an outbox that works is there in the end. */
static void damage_anywhere_is_an_error_and_no_crash(void **state)
{
        struct bench *bench = *state;
        static char whole[1 << 20];
        ssize_t size;
        int fd;

        for (uint64_t number = 1; number <= 20; number++)
                add(bench, "a", number);
        bench->outbox = outbox_close(bench->outbox);
        fd = open(bench->path, O_RDONLY | O_CLOEXEC);
        size = read(fd, whole, sizeof(whole));
        assert_true(size > 0 && size < (ssize_t)sizeof(whole));
        close(fd);
        for (uint32_t round = 1; round <= 200; round++) {
                uint32_t seed = round * 2654435761U;
                char *damaged = malloc((size_t)size);

                memcpy(damaged, whole, (size_t)size);
                for (uint32_t n = chance(&seed) % 20 + 1; n > 0; n--)
                        damaged[chance(&seed) % (uint32_t)size] = (char)chance(&seed);
                write_file(bench->path, damaged, round % 10 ? (size_t)size : chance(&seed) % (uint32_t)size);
                free(damaged);
                if (outbox_open(bench->path, &bench->outbox) >= 0)
                        use(bench);
                bench->outbox = outbox_close(bench->outbox);
                unlink(bench->journal);
        }
        unlink(bench->path);
        assert_int_equal(outbox_open(bench->path, &bench->outbox), 0);
}

static void a_name_is_typed_with_and_without_its_prefix(void **state)
{
        char name[REQUEST_NAME_MAX];

        (void)state;
        assert_string_equal(request_name(name, UINT64_MAX), "req-18446744073709551615");
        assert_int_equal(request_from_name("req-7"), 7);
        assert_int_equal(request_from_name("7"), 7);
        assert_int_equal(request_from_name("req-"), 0);
        assert_int_equal(request_from_name("req-7x"), 0);
        assert_int_equal(request_from_name("inc-7"), 0);
        assert_int_equal(request_from_name("req-18446744073709551615"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_was_asked_for_outlives_the_daemon, setup, teardown),
                cmocka_unit_test_setup_teardown(a_request_is_answered_once, setup, teardown),
                cmocka_unit_test_setup_teardown(numbers_grow_and_are_never_given_twice, setup, teardown),
                cmocka_unit_test_setup_teardown(one_agent_fills_its_own_share_and_all_together_the_whole, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(the_first_to_expire_is_found, setup, teardown),
                cmocka_unit_test_setup_teardown(the_oldest_that_are_over_are_forgotten, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_no_outbox_is_set_aside_untouched, setup, teardown),
                cmocka_unit_test_setup_teardown(damage_anywhere_is_an_error_and_no_crash, setup, teardown),
                cmocka_unit_test(a_name_is_typed_with_and_without_its_prefix),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
