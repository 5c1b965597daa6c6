#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/pm2_protocol.h"

/* Recorded from real daemons whose apps were given made-up secrets; each of these stands in the recordings. */
static const char *const secrets[] = { "sk-FAKE-8f3b2c", "FAKE-token-77", "FAKE-odd", "OPENAI_API_KEY",
                                       "SECRET_TOKEN" };

#define VERSIONS 3
static const int versions[VERSIONS] = { 5, 6, 7 };

static char *load(const char *what, int version, size_t *ret_size)
{
        char path[128], *data = malloc(1 << 20);
        FILE *file;

        (void)snprintf(path, sizeof(path), "tests/data/pm2/%s-%d.bin", what, version);
        file = fopen(path, "re");
        assert_non_null(file);
        assert_non_null(data);
        *ret_size = fread(data, 1, 1 << 20, file);
        (void)fclose(file);
        return data;
}

static void holds_no_secret(const void *memory, size_t size)
{
        for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
                assert_null(memmem(memory, size, secrets[i], strlen(secrets[i])));
}

static int read_reply(const char *what, int version, size_t piece, struct pm2_reply_reader *reader)
{
        size_t size;
        char *data = load(what, version, &size);
        int r = 0;

        pm2_reply_init(reader, 1, NULL);
        for (size_t at = 0; r == 0 && at < size; at += piece)
                r = pm2_reply_feed(reader, data + at, size - at < piece ? size - at : piece);
        free(data);
        return r;
}

static void every_request_is_one_frame_of_two_arguments(void **state)
{
        /* clang-format off */
        static const struct {
                enum pm2_request request;
                const char *text;
        } expected[] = {
                { PM2_PING,    "j:{\"type\":\"call\",\"method\":\"ping\",\"args\":[{}]}" },
                { PM2_VERSION, "j:{\"type\":\"call\",\"method\":\"getVersion\",\"args\":[{}]}" },
                { PM2_LIST,    "j:{\"type\":\"call\",\"method\":\"getMonitorData\",\"args\":[{}]}" },
                { PM2_RESTART, "j:{\"type\":\"call\",\"method\":\"restartProcessId\",\"args\":[{\"id\":4294967295,\"env\":{}}]}" },
                { PM2_STOP,    "j:{\"type\":\"call\",\"method\":\"stopProcessId\",\"args\":[4294967295]}" },
                { PM2_START,   "j:{\"type\":\"call\",\"method\":\"startProcessId\",\"args\":[4294967295]}" },
                { PM2_RELOAD,  "j:{\"type\":\"call\",\"method\":\"reloadProcessId\",\"args\":[{\"id\":4294967295,\"env\":{}}]}" },
        };
        /* clang-format on */

        assert_int_equal(sizeof(expected) / sizeof(*expected), PM2_REQUEST_N);
        for (size_t i = 0; i < PM2_REQUEST_N; i++) {
                char frame[PM2_FRAME_MAX];
                size_t length = strlen(expected[i].text), size;

                size = pm2_request_frame(expected[i].request, UINT32_MAX, UINT32_MAX, frame);
                assert_int_equal(size, 1 + 4 + length + 4 + strlen("s:governor:4294967295"));
                assert_int_equal(frame[0], 0x12);
                assert_int_equal((unsigned char)frame[4], length);
                assert_memory_equal(frame + 5, expected[i].text, length);
                assert_memory_equal(frame + 5 + length + 4, "s:governor:4294967295", 21);
        }
}

static void lists_of_all_versions_are_read_however_they_are_cut(void **state)
{
        static const size_t pieces[] = { 1, 7, 97, 4096, 1 << 20 };

        for (size_t v = 0; v < VERSIONS; v++)
                for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
                        struct pm2_reply_reader reader;
                        const struct pm2_reply *reply = &reader.reply;

                        assert_int_equal(read_reply("list", versions[v], pieces[i], &reader), 1);
                        assert_false(reply->failed);
                        assert_int_equal(reply->n_apps, 4);
                        assert_string_equal(reply->apps[0].name, "lily");
                        assert_string_equal(reply->apps[0].status, "online");
                        assert_true(reply->apps[0].pid > 0);
                        assert_false(reply->apps[0].cluster);
                        assert_int_equal(reply->apps[0].kill_timeout, 1600 * USEC_PER_MSEC);
                        assert_string_equal(reply->apps[1].name, "we\"ird \xc3\xa9 [x:9]");
                        assert_string_equal(reply->apps[2].name, "pair");
                        assert_true(reply->apps[3].cluster);
                        assert_int_equal(reply->apps[3].pm_id, 3);
                        holds_no_secret(&reader, sizeof(reader));
                        holds_no_secret(reply->apps, reply->n_apps * sizeof(*reply->apps));
                        pm2_reply_done(&reader);
                }
}

static void answers_to_orders_are_told_from_refusals(void **state)
{
        /* clang-format off */
        static const struct {
                const char *what;
                bool failed;
                const char *text;
        } cases[] = {
                { "ping",    false, NULL                    },
                { "restart", false, NULL                    },
                { "stop",    false, NULL                    },
                { "start",   false, NULL                    },
                { "already", true,  "process already online" },
                { "refused", true,  "77 : id unknown"        },
        };
        /* clang-format on */

        for (size_t v = 0; v < VERSIONS; v++)
                for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                        struct pm2_reply_reader reader;

                        assert_int_equal(read_reply(cases[i].what, versions[v], 97, &reader), 1);
                        assert_int_equal(reader.reply.failed, cases[i].failed);
                        if (cases[i].text)
                                assert_string_equal(reader.reply.text, cases[i].text);
                        assert_int_equal(reader.reply.n_apps, 0);
                        holds_no_secret(&reader, sizeof(reader));
                        pm2_reply_done(&reader);
                }
}

static void the_version_is_read(void **state)
{
        struct pm2_reply_reader reader;

        assert_int_equal(read_reply("version", 7, 5, &reader), 1);
        assert_string_equal(reader.reply.text, "7.0.4");
        pm2_reply_done(&reader);
}

static void a_list_that_is_cut_short_is_no_list(void **state)
{
        struct pm2_reply_reader reader;
        size_t size;
        char *data = load("list", 7, &size);

        pm2_reply_init(&reader, 1, NULL);
        assert_int_equal(pm2_reply_feed(&reader, data, size - 1), 0);
        assert_false(reader.whole);
        pm2_reply_done(&reader);
        free(data);
}

static void a_strangers_answer_is_passed_over(void **state)
{
        struct pm2_reply_reader reader;
        char frame[512];
        size_t size;

        pm2_reply_init(&reader, 2, NULL);
        size = amp_put(frame, sizeof(frame), 0, "j:{\"error\":\"not for you\"}", 25);
        size = amp_put(frame, sizeof(frame), size, "s:governor:1", 12);
        assert_int_equal(pm2_reply_feed(&reader, frame, size), 0);

        size = amp_put(frame, sizeof(frame), 0, "j:{\"args\":[\"7.0.4\"]}", 20);
        size = amp_put(frame, sizeof(frame), size, "s:governor:2", 12);
        assert_int_equal(pm2_reply_feed(&reader, frame, size), 1);
        assert_false(reader.reply.failed);
        assert_string_equal(reader.reply.text, "7.0.4");
        pm2_reply_done(&reader);
}

static void rows_without_a_whole_id_are_left_out(void **state)
{
        static const char list[] =
                "j:{\"args\":[[{\"pm_id\":-1},{\"pm_id\":\"_old_3\",\"pid\":5},{\"pm_id\":1e3},{\"pm_id\":2147483648},"
                "{\"pid\":9},{\"pm_id\":\"1\"},{\"pm_id\":7,\"pid\":-4,\"name\":5,\"pm2_env\":[1]}]]}";
        struct pm2_reply_reader reader;
        char frame[512];
        size_t size;

        pm2_reply_init(&reader, 1, NULL);
        size = amp_put(frame, sizeof(frame), 0, list, sizeof(list) - 1);
        size = amp_put(frame, sizeof(frame), size, "s:governor:1", 12);
        assert_int_equal(pm2_reply_feed(&reader, frame, size), 1);
        assert_int_equal(reader.reply.n_apps, 1);
        assert_int_equal(reader.reply.apps[0].pm_id, 7);
        assert_int_equal(reader.reply.apps[0].pid, 0);
        pm2_reply_done(&reader);
}

static void long_names_that_begin_alike_are_two(void **state)
{
        struct pm2_reply_reader reader;
        char list[1024], x[200], frame[1200];
        size_t size;

        memset(x, 'x', sizeof(x) - 1);
        x[sizeof(x) - 1] = '\0';
        (void)snprintf(list, sizeof(list),
                       "j:{\"args\":[[{\"pm_id\":1,\"name\":\"%sa\"},{\"pm_id\":2,\"name\":\"%sb\"}]]}", x, x);
        pm2_reply_init(&reader, 1, NULL);
        size = amp_put(frame, sizeof(frame), 0, list, strlen(list));
        size = amp_put(frame, sizeof(frame), size, "s:governor:1", 12);
        assert_int_equal(pm2_reply_feed(&reader, frame, size), 1);
        assert_int_equal(reader.reply.n_apps, 2);
        assert_int_equal(strlen(reader.reply.apps[0].name), PM2_NAME_MAX - 1);
        assert_string_not_equal(reader.reply.apps[0].name, reader.reply.apps[1].name);
        pm2_reply_done(&reader);
}

/* ---- events ---- */

struct told {
        unsigned n[PM2_TOPIC_N];
        unsigned lines[PM2_LINE_N];
        unsigned old;
        unsigned killed_by_9;
        char sequence[4096]; /* of app 0: "exit/stopped online/launching ..." */
};

static void take(void *self, const struct pm2_event *event)
{
        struct told *told = self;
        size_t used = strlen(told->sequence);

        holds_no_secret(event, sizeof(*event));
        told->n[event->topic]++;
        told->lines[event->line]++;
        told->old += event->app.old;
        told->killed_by_9 += event->signal == SIGKILL;
        if (event->topic == PM2_TOPIC_PROCESS && event->app.has_id && event->app.pm_id == 0 && !event->app.old)
                (void)snprintf(told->sequence + used, sizeof(told->sequence) - used, "%s/%s ", event->what,
                               event->app.status);
}

static void read_events(int version, size_t piece, struct told *told)
{
        const struct pm2_event_sink sink = { .take = take, .self = told };
        struct pm2_event_reader reader = { 0 };
        size_t size;
        char *data = load("events", version, &size);

        *told = (struct told){ 0 };
        for (size_t at = 0; at < size; at += piece)
                assert_int_equal(pm2_event_feed(&reader, data + at, size - at < piece ? size - at : piece, &sink), 0);
        holds_no_secret(&reader, sizeof(reader));
        free(data);
}

static void events_of_all_versions_are_read_however_they_are_cut(void **state)
{
        static const size_t pieces[] = { 1, 97, 16384 };

        for (size_t v = 0; v < VERSIONS; v++) {
                struct told first, told;

                for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
                        read_events(versions[v], pieces[i], &told);
                        if (i == 0)
                                first = told;
                        assert_memory_equal(&told, &first, sizeof(told));
                }
                assert_int_equal(told.killed_by_9, 2);
                assert_int_equal(told.old, 2 * 4); /* two workers replaced: two events and two log lines each */
                assert_true(told.lines[PM2_LINE_EXITED] >= 20);
                assert_true(told.lines[PM2_LINE_STOPPING] >= 5);
                assert_non_null(strstr(told.sequence, "exit/stopped online/"));               /* kill -9 */
                assert_non_null(strstr(told.sequence, "exit/stopping exit/stopped online/")); /* pm2 restart */
        }
}

static void line(const char *text, enum pm2_line expected, uint32_t pm_id, int code, int sig)
{
        struct pm2_event event = { 0 };

        pm2_line_parse(text, &event);
        assert_int_equal(event.line, expected);
        if (expected == PM2_LINE_NONE)
                return;
        assert_int_equal(event.app.pm_id, pm_id);
        assert_int_equal(event.app.exit_code, code);
        assert_int_equal(event.signal, sig);
}

static void gods_log_lines_tell_what_its_events_lack(void **state)
{
        line("App [lily:7] exited with code [3] via signal [SIGINT]\n", PM2_LINE_EXITED, 7, 3, 0);
        line("App [lily:7] exited with code [0] via signal [SIGKILL]\n", PM2_LINE_EXITED, 7, 0, SIGKILL);
        line("App [a] exited with code [1]:9] exited with code [0] via signal [SIGSEGV]", PM2_LINE_EXITED, 9, 0,
             SIGSEGV);
        line("App [x:_old_4] exited with code [0] via signal [SIGINT]", PM2_LINE_EXITED, 4, 0, 0);
        line("App [lily:7] online\n", PM2_LINE_ONLINE, 7, 0, 0);
        line("App [lily:7] online again", PM2_LINE_NONE, 0, 0, 0);
        line("App [lily:7] starting in -fork mode-\n", PM2_LINE_NONE, 0, 0, 0);
        line("Stopping app:my app id:12\n", PM2_LINE_STOPPING, 12, 0, 0);
        line("Stopping app:my app\n", PM2_LINE_NONE, 0, 0, 0);
        line("[PM2][WORKER] Process 5 restarted because it exceeds --max-memory-restart value (current_memory=1 "
             "max_memory_limit=2 [octets])\n",
             PM2_LINE_MEMORY, 5, 0, 0);
        line("App [lily:9999999999999999999999999] online", PM2_LINE_NONE, 0, 0, 0);
        line("App [", PM2_LINE_NONE, 0, 0, 0);
        line("", PM2_LINE_NONE, 0, 0, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_request_is_one_frame_of_two_arguments),
                cmocka_unit_test(lists_of_all_versions_are_read_however_they_are_cut),
                cmocka_unit_test(answers_to_orders_are_told_from_refusals),
                cmocka_unit_test(the_version_is_read),
                cmocka_unit_test(a_list_that_is_cut_short_is_no_list),
                cmocka_unit_test(a_strangers_answer_is_passed_over),
                cmocka_unit_test(rows_without_a_whole_id_are_left_out),
                cmocka_unit_test(long_names_that_begin_alike_are_two),
                cmocka_unit_test(events_of_all_versions_are_read_however_they_are_cut),
                cmocka_unit_test(gods_log_lines_tell_what_its_events_lack),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
