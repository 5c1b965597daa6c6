/* What PM2 has declared of an app, read from real lists of PM2 5, 6 and 7 (tests/data/pm2/declared, made with a fake key). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/pm2_declared.h"
#include "io/pm2_dump.h"

#define SECRET "sk-fixture-0a7e2f9c81d34b6590"
#define APPS_MAX 8

struct list {
        struct pm2_declared declared;
        struct veil *veil;
        char names[APPS_MAX][64];
        char *outlines[APPS_MAX];
        unsigned n;
};

enum { TAG_APP, TAG_NAME };

static const struct json_stream_field fields[] = {
        { { "*" }, TAG_APP },
        { { "*", "name" }, TAG_NAME },
        { { "*", "pm2_env" }, PM2_DECLARED_APP, true },
        { { "*", "pm2_env", "env" }, PM2_DECLARED_ENV, true },
};

static int on_value(void *self, unsigned tag, enum json_stream_kind kind, const char *text, size_t length)
{
        struct list *list = self;

        (void)length;
        if (tag == TAG_NAME)
                snprintf(list->names[list->n], sizeof(list->names[0]), "%s", text);
        if (tag == TAG_APP && kind == JSON_STREAM_OPEN)
                pm2_declared_begin(&list->declared);
        if (tag == TAG_APP && kind == JSON_STREAM_CLOSE) {
                list->outlines[list->n] = pm2_declared_finish(&list->declared);
                assert_non_null(list->outlines[list->n]);
                list->n++;
        }
        return 0;
}

static bool on_member(void *self, unsigned tag, const char *key)
{
        struct list *list = self;

        return pm2_declared_member(&list->declared, tag, key);
}

static void on_raw(void *self, const char *data, size_t size)
{
        struct list *list = self;

        pm2_declared_raw(&list->declared, data, size);
}

static int on_member_end(void *self, enum json_stream_kind kind)
{
        struct list *list = self;

        return pm2_declared_member_end(&list->declared, kind);
}

static void read_text(struct list *list, const char *text, struct veil *veil)
{
        const struct json_stream_sink sink = { on_value, list, on_member, on_raw, on_member_end };
        struct json_stream json;
        size_t size = strlen(text), piece = 11;

        *list = (struct list){ .n = 0 };
        pm2_declared_init(&list->declared, veil);
        json_stream_init(&json, fields, 4);
        for (size_t at = 0; at < size; at += piece)
                assert_int_equal(json_stream_feed(&json, text + at, size - at < piece ? size - at : piece, &sink), 0);
        assert_int_equal(json_stream_end(&json, &sink), 0);
        for (unsigned n = 0; n < list->n; n++)
                assert_null(strstr(list->outlines[n], "sk-"));
}

static void drop(struct list *list)
{
        for (unsigned n = 0; n < list->n; n++)
                free(list->outlines[n]);
        pm2_declared_done(&list->declared);
}

static char *fixture(const char *what, int version)
{
        char path[128], *text;

        snprintf(path, sizeof(path), "tests/data/pm2/declared/%s-%d.json", what, version);
        assert_int_equal(file_read(path, 1 << 20, &text, NULL), 0);
        return text;
}

static struct veil *veil_of(void **state)
{
        return *state;
}

static int set_up(void **state)
{
        return veil_new((struct veil **)state);
}

static int tear_down(void **state)
{
        veil_free(*state);
        return 0;
}

/* ---- what is no drift ---------------------------------------------------------------------------------------------------- */

/* What was captured one after the other, with nothing changed between: whatever PM2 and the session added is not the app's. */
static void nothing_that_people_do_to_an_app_changes_what_is_declared(void **state)
{
        static const char *const steps[] = { "restart",   "update-env", "reload", "start-again",
                                             "resurrect", "stop",       "update" };

        for (int version = 5; version <= 7; version++) {
                char *text = fixture("start", version);
                struct list start, now;

                read_text(&start, text, veil_of(state));
                assert_int_equal(start.n, 4);
                free(text);
                for (unsigned n = 0; n < sizeof(steps) / sizeof(steps[0]); n++) {
                        text = fixture(steps[n], version);
                        read_text(&now, text, veil_of(state));
                        free(text);
                        for (unsigned i = 0; i < now.n; i++)
                                for (unsigned k = 0; k < start.n; k++) {
                                        char words[512];

                                        if (strcmp(start.names[k], now.names[i]) != 0)
                                                continue;
                                        outline_difference(start.outlines[k], now.outlines[i], words, sizeof(words));
                                        if (words[0])
                                                fail_msg("PM2 %d, %s, %s: %s", version, steps[n], now.names[i], words);
                                }
                        drop(&now);
                }
                drop(&start);
        }
}

static void what_is_declared_is_the_same_in_all_versions(void **state)
{
        struct list lists[3];
        char words[512];

        for (int version = 5; version <= 7; version++) {
                char *text = fixture("start", version);

                read_text(&lists[version - 5], text, veil_of(state));
                free(text);
        }
        outline_difference(lists[0].outlines[0], lists[1].outlines[0], words, sizeof(words));
        assert_string_equal(words, "");
        outline_difference(lists[0].outlines[0], lists[2].outlines[0], words, sizeof(words));
        assert_string_equal(words, "");
        assert_non_null(strstr(lists[0].outlines[0], "max_memory_restart=209715200\t"));
        assert_non_null(strstr(lists[0].outlines[0], "script=/srv/agents/agent.js"));
        assert_non_null(strstr(lists[0].outlines[0], "env OPENAI_API_KEY#"));
        assert_null(strstr(lists[0].outlines[0], "PM2_"));
        assert_null(strstr(lists[0].outlines[0], "INVOCATION_ID"));
        for (unsigned n = 0; n < 3; n++)
                drop(&lists[n]);
}

/* ---- what is ------------------------------------------------------------------------------------------------------------- */

/* The text with each `from` in it replaced; to be freed. */
static char *replaced(const char *text, const char *from, const char *to)
{
        char *result = malloc(2 * strlen(text) + 1), *out = result;
        unsigned times = 0;

        while (*text)
                if (strncmp(text, from, strlen(from)) == 0) {
                        out = stpcpy(out, to);
                        text += strlen(from);
                        times++;
                } else {
                        *out++ = *text++;
                }
        *out = '\0';
        assert_true(times > 0);
        return result;
}

static void check_change(struct veil *veil, const char *from, const char *to, const char *expected)
{
        char *before = fixture("start", 7), *after = replaced(before, from, to), words[512];
        struct list one, other;

        read_text(&one, before, veil);
        read_text(&other, after, veil);
        outline_difference(one.outlines[0], other.outlines[0], words, sizeof(words));
        assert_string_equal(words, expected);
        drop(&one);
        drop(&other);
        free(before);
        free(after);
}

static void each_change_is_told_and_no_value_that_may_be_a_secret(void **state)
{
        static const char *const changes[][3] = {
                { SECRET, "sk-other", "env OPENAI_API_KEY: other value" },
                { "\"OPENAI_API_KEY\":", "\"OTHER_KEY\":", "env OPENAI_API_KEY removed, env OTHER_KEY added" },
                { "\"--tok\",\"x y\"", "\"--tok\",\"z\"", "args changed" },
                { "\"max_memory_restart\":209715200", "\"max_memory_restart\":300000000",
                  "max_memory_restart=209715200 -> 300000000" },
                { "\"autorestart\":true", "\"autorestart\":false", "autorestart=false added" },
                { "\"exec_mode\":\"fork_mode\"", "\"exec_mode\":\"cluster_mode\"",
                  "exec_mode=fork_mode -> cluster_mode" },
                { "\"exec_interpreter\":\"node\"", "\"exec_interpreter\":\"/tmp/evil\"",
                  "interpreter=node -> /tmp/evil" },
                { "\"node_args\":[]", "\"node_args\":[\"--inspect\"]", "interpreter args added" },
                { "/srv/agents/agent.js", "/tmp/x.js", "script=/srv/agents/agent.js -> /tmp/x.js" },
                { "\"DEBUG\":\"1\"", "\"DEBUG\":\"1\",\"NODE_OPTIONS\":\"--require /tmp/x\"",
                  "env NODE_OPTIONS added" },
                { "\"N\":5", "\"N\":6", "env N: other value" },
                { "\"windowsHide\":true", "\"windowsHide\":false", "" },
                { "\"restart_time\":0", "\"restart_time\":17,\"new_internal\":\"x\",\"newer\":7", "" },
                { "\"PWD\":\"/\"", "\"PWD\":\"/root\",\"SSH_TTY\":\"/dev/pts/1\",\"TERM_PROGRAM\":\"x\"", "" },
                { "\"namespace\":\"default\"", "\"namespace\":\"odd \\\"one\\\"\"", "namespace changed" },
        };

        for (size_t n = 0; n < sizeof(changes) / sizeof(changes[0]); n++)
                check_change(veil_of(state), changes[n][0], changes[n][1], changes[n][2]);
}

#define APP(inside) "[{\"name\":\"lily\",\"pm2_env\":{\"name\":\"lily\"," inside "}}]"

static void check_apps(struct veil *veil, const char *before, const char *after, const char *expected)
{
        struct list one, other;
        char words[512];

        read_text(&one, before, veil);
        read_text(&other, after, veil);
        outline_difference(one.outlines[0], other.outlines[0], words, sizeof(words));
        assert_string_equal(words, expected);
        drop(&one);
        drop(&other);
}

/* "pm2 start FILE" of an app that runs leaves in "env" only what the file says; what it runs with stands among the settings. */
static void a_variable_counts_as_the_app_is_started_with_it(void **state)
{
        check_apps(veil_of(state), APP("\"env\":{\"foo\":\"1\"},\"foo\":\"1\""), APP("\"env\":{},\"foo\":\"1\""), "");
        check_apps(veil_of(state), APP("\"env\":{\"foo\":\"1\"},\"foo\":\"1\""), APP("\"env\":{},\"foo\":\"2\""),
                   "env foo: other value");
        check_apps(veil_of(state), APP("\"env\":{\"FOO\":\"1\"},\"FOO\":\"2\""), APP("\"env\":{},\"FOO\":\"2\""), "");
        check_apps(veil_of(state), APP("\"env\":{},\"http_proxy\":\"1\""), APP("\"env\":{},\"http_proxy\":\"2\""),
                   "env http_proxy: other value");
        check_apps(veil_of(state), APP("\"env\":{},\"some_setting\":\"1\""), APP("\"env\":{},\"some_setting\":\"2\""),
                   "");
        check_apps(veil_of(state), APP("\"env\":{\"status\":\"1\"},\"status\":\"online\""),
                   APP("\"env\":{\"status\":\"2\"},\"status\":\"stopped\""), "env status: other value");
}

static void what_pm2_counts_its_instances_by_is_its_own(void **state)
{
        check_apps(veil_of(state), APP("\"instance_var\":\"MY_ID\",\"env\":{\"MY_ID\":0},\"MY_ID\":0,\"lily\":\"{}\""),
                   APP("\"instance_var\":\"MY_ID\",\"env\":{\"MY_ID\":1,\"lily\":\"{}\"},\"MY_ID\":1"), "");
}

static void long_and_nested_values_are_told_apart(void **state)
{
        char before[4096], after[4096], value[1000];

        memset(value, 'x', sizeof(value) - 1);
        value[sizeof(value) - 1] = '\0';
        snprintf(before, sizeof(before), APP("\"env\":{\"LONG\":\"%s1\",\"DEEP\":{\"a\":[1, {}]}},\"args\":\"%s\""),
                 value, value);
        snprintf(after, sizeof(after), APP("\"env\":{\"LONG\":\"%s2\",\"DEEP\":{\"a\":[2, {}]}},\"args\":\"%s\""),
                 value, value);
        check_apps(veil_of(state), before, after, "env DEEP: other value, env LONG: other value");
        check_apps(veil_of(state), APP("\"env\":{\"A\":{\"b\":[1,2]}}"),
                   APP("\"env\" : { \"A\" :{ \"b\" : [ 1 , 2 ] } }"), "");
}

static void more_variables_than_there_is_room_for_are_said(void **state)
{
        char *text = malloc(1 << 17), *at = text;
        struct list list;

        at += sprintf(at, "[{\"name\":\"lily\",\"pm2_env\":{");
        for (unsigned n = 0; n < PM2_VARIABLES_MAX + 10; n++)
                at += sprintf(at, "\"V%u\":\"%u\",", n, n);
        sprintf(at, "\"env\":{}}}]");
        read_text(&list, text, veil_of(state));
        assert_string_equal(list.outlines[0], "more variables than are compared=");
        drop(&list);
        free(text);
}

/* ---- the saved list ------------------------------------------------------------------------------------------------------ */

static int compare_saved(void *self, const struct pm2_saved *saved)
{
        const struct list *list = self;
        unsigned found = 0;

        assert_null(strstr(saved->outline, "sk-"));
        for (unsigned n = 0; n < list->n; n++)
                if (strcmp(list->names[n], saved->name) == 0)
                        found += outline_same(saved->outline, list->outlines[n]);
        if (found == 0)
                fail_msg("%s is saved otherwise", saved->name);
        return 0;
}

static void the_saved_list_says_the_same_as_the_one_that_runs(void **state)
{
        for (int version = 5; version <= 7; version++) {
                char *text = fixture("start-again", version), *saved = fixture("dump", version);
                struct list list;

                read_text(&list, text, veil_of(state));
                assert_int_equal(pm2_dump_read(saved, strlen(saved), veil_of(state), compare_saved, &list), 0);
                drop(&list);
                free(text);
                free(saved);
        }
}

static int refuse(void *self, const struct pm2_saved *saved)
{
        (void)self, (void)saved;
        return -7;
}

static void a_saved_list_that_is_none_is_refused(void **state)
{
        static const char *const texts[] = { "", "[", "[{\"name\":\"a\"", "{}x", "[{\"name\":}]", "null" };

        for (size_t n = 0; n < 5; n++)
                assert_true(pm2_dump_read(texts[n], strlen(texts[n]), veil_of(state), refuse, NULL) < 0);
        assert_int_equal(pm2_dump_read("[]", 2, veil_of(state), refuse, NULL), 0);
        assert_int_equal(pm2_dump_read("[{\"name\":\"a\"}]", 14, veil_of(state), refuse, NULL), -7);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_that_people_do_to_an_app_changes_what_is_declared),
                cmocka_unit_test(what_is_declared_is_the_same_in_all_versions),
                cmocka_unit_test(each_change_is_told_and_no_value_that_may_be_a_secret),
                cmocka_unit_test(a_variable_counts_as_the_app_is_started_with_it),
                cmocka_unit_test(what_pm2_counts_its_instances_by_is_its_own),
                cmocka_unit_test(long_and_nested_values_are_told_apart),
                cmocka_unit_test(more_variables_than_there_is_room_for_are_said),
                cmocka_unit_test(the_saved_list_says_the_same_as_the_one_that_runs),
                cmocka_unit_test(a_saved_list_that_is_none_is_refused),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
