/* A policy changed by a program: one thing changes, all else stays, and patch and git take the difference. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy/edit.h"

#define M (UINT64_C(1) << 20)

/* What is asked of each text. */
struct wish {
        unsigned rule;     /* from 1 on; 0: only the class */
        const char *class; /* that it is to have */
        uint64_t ceiling;  /* of that class, 0: it is not touched */
        enum memory_of of;
};

static char *run(const char *command)
{
        static char told[4096];
        FILE *pipe = popen(command, "r");
        size_t n = fread(told, 1, sizeof(told) - 1, pipe);

        told[n] = '\0';
        if (pclose(pipe) != 0)
                fail_msg("%s: %s", command, told);
        return told;
}

static char *read_all(const char *path)
{
        char *text = calloc(1, 65536);
        FILE *file = fopen(path, "r");

        assert_non_null(file);
        text[fread(text, 1, 65535, file)] = '\0';
        fclose(file);
        return text;
}

/* The difference makes the one text of the other, as patch and git understand it. */
static void apply(const char *before, const char *diff, const char *after)
{
        static const char *const tools[] = { "patch -s -p0 <diff 2>&1", "git apply -p0 diff 2>&1" };
        char directory[] = "/tmp/policy-edit-XXXXXX", command[256], path[64];

        assert_non_null(mkdtemp(directory));
        for (unsigned i = 0; i < 2; i++) {
                FILE *file;
                char *patched;

                snprintf(path, sizeof(path), "%s/diff", directory);
                file = fopen(path, "w");
                fprintf(file, "lily: a ceiling\n\n%s", diff); /* what else is told does not matter */
                fclose(file);
                snprintf(path, sizeof(path), "%s/10-test.yaml", directory);
                file = fopen(path, "w");
                fputs(before, file);
                fclose(file);
                snprintf(command, sizeof(command), "cd %s && %s", directory, tools[i]);
                assert_string_equal(run(command), "");
                patched = read_all(path);
                assert_string_equal(patched, after);
                free(patched);
        }
        snprintf(command, sizeof(command), "rm -r %s", directory);
        run(command);
}

/* What comes of the text, and that this loads, and is what the difference makes. */
static void expect(const char *before, const struct wish *wish, const char *after)
{
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;
        struct edit *edit = NULL;
        char *text = NULL, *diff = NULL;
        int r;

        assert_int_equal(edit_new(before, strlen(before), &edit), 0);
        if (wish->ceiling > 0)
                assert_int_equal(edit_class_ceiling(edit, wish->class, wish->ceiling, wish->of), 0);
        if (wish->rule > 0)
                assert_int_equal(edit_rule_class(edit, wish->rule - 1, wish->class), 0);
        assert_int_equal(edit_text(edit, &text), 0);
        assert_string_equal(text, after);
        r = policy_load_text("10-test.yaml", text, strlen(text), &policy, &messages);
        for (size_t i = 0; i < messages.n; i++)
                print_error("%u: %s\n", messages.list[i].line, messages.list[i].text);
        assert_int_equal(r, 0);
        policy_messages_done(&messages);
        policy_free(policy);
        assert_int_equal(edit_diff(edit, "10-test.yaml", &diff), 0);
        apply(before, diff, after);
        free(text);
        free(diff);
        edit_free(edit);
}

static void a_rule_in_a_block_gets_a_class(void **state)
{
        (void)state;
        expect("# mine\nmode: observe\n\n# the family\nagents:\n  - name: lily # the best\n    pm2: lily   # in root's\n    "
               "critical: true\n",
               &(struct wish){ 1, "lily", 110 * M, MEMORY_OF_PROCESS },
               "# mine\nmode: observe\n\nclasses:\n  lily: { memory: { ceiling: 110M } }\n\n# the family\nagents:\n  - name: "
               "lily # the best\n    pm2: lily   # in root's\n    class: lily\n    critical: true\n");
}

static void a_rule_in_braces_gets_a_class(void **state)
{
        (void)state;
        expect("agents:\n- { name: lily, pm2: \"lily\" } # mine\n- { systemd: \"agent-*\",\n    critical: true }\n",
               &(struct wish){ 2, "agent-*", 1024 * M, MEMORY_OF_TREE },
               "classes:\n  \"agent-*\": { memory: { ceiling: 1G, of: tree } }\n\nagents:\n- { name: lily, pm2: \"lily\" } # "
               "mine\n- { systemd: \"agent-*\", class: \"agent-*\",\n    critical: true }\n");
}

static void the_first_key_may_stand_behind_the_dash(void **state)
{
        (void)state;
        expect("agents:\n  -   pm2: lily\n  - pm2: rosa\n", &(struct wish){ 1, "lily", 64 * M, MEMORY_OF_PROCESS },
               "classes:\n  lily: { memory: { ceiling: 64M } }\n\nagents:\n  -   pm2: lily\n      class: lily\n  - pm2: "
               "rosa\n");
}

static void a_new_class_joins_the_others(void **state)
{
        (void)state;
        expect("classes:\n  # small ones\n  thin: { memory: { ceiling: 200M } }\nagents:\n  - { pm2: lily }\n",
               &(struct wish){ 1, "lily", 110 * M, MEMORY_OF_PROCESS },
               "classes:\n  # small ones\n  thin: { memory: { ceiling: 200M } }\n  lily: { memory: { ceiling: 110M } "
               "}\nagents:\n  - { pm2: lily, class: lily }\n");
        expect("classes: { thin: { memory: { ceiling: 200M } } }\nagents: [ { pm2: lily } ]\n",
               &(struct wish){ 1, "lily", 110 * M, MEMORY_OF_PROCESS },
               "classes: { thin: { memory: { ceiling: 200M } }, lily: { memory: { ceiling: 110M } } }\nagents: [ { pm2: lily, "
               "class: lily } ]\n");
}

/* A block ends nowhere that a parser knows of: what is new comes before it. */
static void a_new_class_stands_before_one_that_is_a_block(void **state)
{
        (void)state;
        expect("classes:\n  # big ones\n  thick:\n    memory:\n      budget: 1G\n\n# all\nagents:\n  - { pm2: lily }\n",
               &(struct wish){ 1, "lily", 110 * M, MEMORY_OF_PROCESS },
               "classes:\n  lily: { memory: { ceiling: 110M } }\n  # big ones\n  thick:\n    memory:\n      budget: 1G\n\n# "
               "all\nagents:\n  - { pm2: lily, class: lily }\n");
}

static void the_ceiling_of_a_class_is_replaced_or_added(void **state)
{
        (void)state;
        expect("classes:\n  thin: { memory: { ceiling: 200M, of: tree } } # old\nagents: [ { pm2: lily, class: thin } ]\n",
               &(struct wish){ 0, "thin", 260 * M, MEMORY_OF_PROCESS },
               "classes:\n  thin: { memory: { ceiling: 260M, of: tree } } # old\nagents: [ { pm2: lily, class: thin } ]\n");
        expect("classes:\n  thin: { memory: { budget: 65M } }\nagents: [ { pm2: lily, class: thin } ]\n",
               &(struct wish){ 0, "thin", 260 * M, MEMORY_OF_PROCESS },
               "classes:\n  thin: { memory: { budget: 65M, ceiling: 260M } }\nagents: [ { pm2: lily, class: thin } ]\n");
        expect("classes:\n  thin:\n    memory:\n      # what it needs\n      budget: 65M\nagents: [ { pm2: lily, class: thin } ]\n",
               &(struct wish){ 0, "thin", 260 * M, MEMORY_OF_PROCESS },
               "classes:\n  thin:\n    memory:\n      # what it needs\n      budget: 65M\n      ceiling: 260M\nagents: [ { pm2: "
               "lily, class: thin } ]\n");
}

static void a_class_that_a_rule_has_is_exchanged(void **state)
{
        (void)state;
        expect("classes: { a: { memory: { budget: 1G } }, b: { memory: { budget: 2G } } }\nagents:\n  - pm2: lily\n    class: 'a' "
               "# for now\n",
               &(struct wish){ 1, "b", 0, MEMORY_OF_PROCESS },
               "classes: { a: { memory: { budget: 1G } }, b: { memory: { budget: 2G } } }\nagents:\n  - pm2: lily\n    class: b # "
               "for now\n");
}

/* Files of other systems, names of other alphabets, a last line that does not end. */
static void line_ends_and_alphabets_stay(void **state)
{
        (void)state;
        expect("mode: observe\r\nagents:\r\n  - pm2: lily\r\n    critical: true\r\n",
               &(struct wish){ 1, "lily", 110 * M, MEMORY_OF_PROCESS },
               "mode: observe\r\nclasses:\r\n  lily: { memory: { ceiling: 110M } }\r\n\r\nagents:\r\n  - pm2: lily\r\n    class: "
               "lily\r\n    critical: true\r\n");
        expect("agents: [ { name: \"日本語\", pm2: \"エージェント\", critical: true } ]",
               &(struct wish){ 1, "日本語", 110 * M, MEMORY_OF_PROCESS },
               "classes:\n  \"日本語\": { memory: { ceiling: 110M } }\n\nagents: [ { name: \"日本語\", pm2: "
               "\"エージェント\", class: \"日本語\", critical: true } ]");
        expect("agents:\n  - pm2: lily", &(struct wish){ 1, "lily", 110 * M, MEMORY_OF_PROCESS },
               "classes:\n  lily: { memory: { ceiling: 110M } }\n\nagents:\n  - pm2: lily\n    class: lily\n");
}

/* Changes far from each other are hunks of their own, and each is applied where it belongs. */
static void distant_changes_are_hunks_of_their_own(void **state)
{
        static const char windows[] = "[ { more_than: 3, within: 1m }, { more_than: 30, within: 1d } ]";
        char before[8192] = "classes:\n  old: { memory: { budget: 9M } }\nagents:\n", *text = NULL, *diff = NULL, *hunk;
        struct edit *edit = NULL;
        unsigned hunks = 0;

        (void)state;
        for (unsigned n = 0; n < 60; n++)
                snprintf(before + strlen(before), sizeof(before) - strlen(before), "  - { pm2: app-%u }\n", n);
        assert_int_equal(edit_new(before, strlen(before), &edit), 0);
        assert_int_equal(edit_class_ceiling(edit, "new", 10 * M, MEMORY_OF_PROCESS), 0);
        assert_int_equal(edit_rule_class(edit, 10, "new"), 0);
        assert_int_equal(edit_rule_key(edit, 11, "restarts", windows), 0);
        assert_int_equal(edit_rule_class(edit, 14, "old"), 0);
        assert_int_equal(edit_rule_class(edit, 59, "new"), 0);
        assert_int_equal(edit_text(edit, &text), 0);
        assert_int_equal(edit_diff(edit, "10-test.yaml", &diff), 0);
        for (hunk = strstr(diff, "\n@@ "); hunk; hunk = strstr(hunk + 1, "\n@@ "))
                hunks++;
        assert_int_equal(hunks, 3);
        assert_non_null(
                strstr(text, "app-11, restarts: [ { more_than: 3, within: 1m }, { more_than: 30, within: 1d } ] }"));
        apply(before, diff, text);
        free(text);
        free(diff);
        edit_free(edit);
}

static void nothing_changed_is_no_difference(void **state)
{
        static const char before[] = "agents: [ { pm2: lily } ]\n";
        struct edit *edit = NULL;
        char *text = NULL;

        (void)state;
        assert_int_equal(edit_new(before, strlen(before), &edit), 0);
        assert_int_equal(edit_rule_class(edit, 7, "thin"), -ENOENT);
        assert_int_equal(edit_diff(edit, "10-test.yaml", &text), 0);
        assert_string_equal(text, "");
        free(text);
        assert_int_equal(edit_text(edit, &text), 0);
        assert_string_equal(text, before);
        free(text);
        edit_free(edit);
}

static void what_is_no_policy_is_not_changed(void **state)
{
        static const char lines[] = "agents:\n  - pm2: a\n    restarts:\n      - { more_than: 1, within: 60s }\n";
        static const char *const texts[] = { "agents: [", "- a\n- b\n", "agents: &x [ { pm2: a } ]\n" };
        struct edit *edit = NULL;

        (void)state;
        for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                assert_int_equal(edit_new(texts[i], strlen(texts[i]), &edit), -EINVAL);
        assert_int_equal(edit_new("a\0b", 3, &edit), -EINVAL);
        assert_int_equal(edit_new("", 0, &edit), 0);
        assert_int_equal(edit_class_ceiling(edit, "thin", M, MEMORY_OF_PROCESS), -ENOENT);
        assert_int_equal(edit_rule_class(edit, 0, "thin"), -ENOENT);
        edit_free(edit);
        /* a key over several lines is a person's to change */
        assert_int_equal(edit_new(lines, strlen(lines), &edit), 0);
        assert_int_equal(edit_rule_key(edit, 0, "restarts", "[ { more_than: 1, within: 1m } ]"), -EINVAL);
        edit_free(edit);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_rule_in_a_block_gets_a_class),
                cmocka_unit_test(a_rule_in_braces_gets_a_class),
                cmocka_unit_test(the_first_key_may_stand_behind_the_dash),
                cmocka_unit_test(a_new_class_joins_the_others),
                cmocka_unit_test(a_new_class_stands_before_one_that_is_a_block),
                cmocka_unit_test(the_ceiling_of_a_class_is_replaced_or_added),
                cmocka_unit_test(a_class_that_a_rule_has_is_exchanged),
                cmocka_unit_test(line_ends_and_alphabets_stay),
                cmocka_unit_test(distant_changes_are_hunks_of_their_own),
                cmocka_unit_test(nothing_changed_is_no_difference),
                cmocka_unit_test(what_is_no_policy_is_not_changed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
