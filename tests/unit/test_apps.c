#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "observe/apps.h"
#include "observe/apps_group.h"

/* ---- several instances under one name ------------------------------------------------------------------------------------- */

static void check_group(const char *const *before, const char *const *now, const char *expected)
{
        size_t n = 0, k = 0;
        char *one, *other, words[256];

        while (before[n])
                n++;
        while (now[k])
                k++;
        one = apps_group_of(before, n);
        other = apps_group_of(now, k);
        apps_group_difference(one, other, words, sizeof(words));
        assert_string_equal(words, expected);
        assert_int_equal(apps_group_same(one, other), expected[0] == '\0');
        assert_int_equal(apps_group_count(other), k);
        free(one);
        free(other);
}

#define OUTLINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void instances_that_are_alike_are_one_app(void **state)
{
        (void)state;
        check_group(OUTLINES("a=1", "a=1"), OUTLINES("a=1", "a=1"), "");
        check_group(OUTLINES("a=1", "a=1"), OUTLINES("a=2", "a=2"), "a=1 -> 2");
        check_group(OUTLINES("a=1", "a=1"), OUTLINES("a=1", "a=2"), "another app of this name");
        check_group(OUTLINES("a=1"), OUTLINES("a=1", "a=1", "a=1"), "instances 1 -> 3");
        check_group(OUTLINES("a=1"), OUTLINES("a=2", "a=2"), "a=1 -> 2, instances 1 -> 2");
        check_group(OUTLINES("a=1\tenv b#1"), OUTLINES("a=1\t?env b#1"), "");
}

static void apps_that_only_share_a_name_are_told_apart(void **state)
{
        (void)state;
        check_group(OUTLINES("a=1", "b=1"), OUTLINES("a=1", "b=1"), "");
        check_group(OUTLINES("a=1", "b=1"), OUTLINES("a=1", "b=2"), "b=1 -> 2");
        check_group(OUTLINES("a=1", "b=1"), OUTLINES("a=1"), "one app less of this name, instances 2 -> 1");
        check_group(OUTLINES("a=1", "b=1", "b=1"), OUTLINES("a=1", "a=1", "b=1"),
                    "another number of each app of this name");
}

static void more_apps_of_a_name_than_there_is_room_for_are_counted(void **state)
{
        const char *outlines[2 * APPS_GROUP_MAX];
        char texts[2 * APPS_GROUP_MAX][8], *group;

        (void)state;
        for (unsigned n = 0; n < 2 * APPS_GROUP_MAX; n++) {
                snprintf(texts[n], sizeof(texts[n]), "a=%02u", n);
                outlines[n] = texts[n];
        }
        group = apps_group_of(outlines, 2 * APPS_GROUP_MAX);
        assert_int_equal(apps_group_count(group), 2 * APPS_GROUP_MAX);
        free(group);
        group = apps_group_of(outlines, 0);
        assert_string_equal(group, "");
        assert_int_equal(apps_group_count(NULL), 0);
        free(group);
}

/* ---- the observer --------------------------------------------------------------------------------------------------------- */

struct stage {
        char root[64], manifest[80];
        sd_event *event;
        struct clock clock;
        struct veil *veil;
        struct apps *apps;
        bool planned;
        char told[2048];
};

static void take(void *self, const struct fact *fact)
{
        struct stage *stage = self;

        assert_int_equal(fact->kind, FACT_CONFIG);
        assert_int_equal(fact->config.of, CONFIG_OF_APP);
        assert_string_equal(fact->agent, fact->config.path);
        assert_int_equal(fact->manager, MANAGER_PM2);
        text_append(stage->told, sizeof(stage->told), "%s %s %d->%d, %u: %s\n", fact->agent,
                    config_change_name(fact->config.change), (int)fact->config.sealed_size, (int)fact->config.size,
                    fact->config.differing, fact->config.what);
}

static bool planned(void *self, const struct fact *fact)
{
        const struct stage *stage = self;

        (void)fact;
        return stage->planned;
}

static bool governs(void *self, const char *agent)
{
        (void)self;
        return strstr(agent, "stranger") == NULL;
}

static void begin(struct stage *stage, int expected)
{
        const struct apps_options options = {
                .clock = &stage->clock,
                .sink = { take, stage },
                .manifest = stage->manifest,
                .veil = stage->veil,
                .planned = planned,
                .governs = governs,
                .self = stage,
        };

        assert_int_equal(apps_new(stage->event, &options, &stage->apps), expected);
}

/* The list of a home: pairs of agent and outline. */
static usec_t list_of(struct stage *stage, const char *home, bool asked, const char *const *pairs)
{
        struct app_listed list[8];
        size_t n = 0;

        for (; pairs[2 * n]; n++)
                list[n] = (struct app_listed){ pairs[2 * n], pairs[2 * n + 1] };
        return apps_take(stage->apps, home, list, n, asked);
}

#define LILY "pm2:root/lily"
#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL, NULL })
#define HOME "/root/.pm2"

static void told(struct stage *stage, const char *expected)
{
        assert_string_equal(stage->told, expected);
        stage->told[0] = '\0';
}

static int set_up(void **state)
{
        struct stage *stage = calloc(1, sizeof(*stage));

        strcpy(stage->root, "/tmp/governor-apps.XXXXXX");
        assert_non_null(mkdtemp(stage->root));
        snprintf(stage->manifest, sizeof(stage->manifest), "%s/apps.manifest", stage->root);
        clock_init(&stage->clock, 0);
        assert_int_equal(veil_new(&stage->veil), 0);
        assert_true(sd_event_new(&stage->event) >= 0);
        assert_true(sd_event_run(stage->event, 0) >= 0);
        begin(stage, 0);
        *state = stage;
        return 0;
}

static int tear_down(void **state)
{
        struct stage *stage = *state;

        apps_free(stage->apps);
        veil_free(stage->veil);
        sd_event_unref(stage->event);
        unlink(stage->manifest);
        rmdir(stage->root);
        free(stage);
        return 0;
}

static void an_app_is_sealed_at_first_sight_and_told_when_it_changes(void **state)
{
        struct stage *stage = *state;

        assert_int_equal(list_of(stage, HOME, false, LIST(LILY, "args#1\tenv A#1", "pm2:root/stranger", "a=1")),
                         USEC_INFINITY);
        list_of(stage, HOME, false, LIST(LILY, "args#1\tenv A#1", "pm2:root/stranger", "a=2"));
        told(stage, "");
        list_of(stage, HOME, false, LIST(LILY, "args#1\tenv A#2\tenv B#1"));
        told(stage, LILY " changed 1->1, 1: env A: other value, env B added\n");
        list_of(stage, HOME, false, LIST(LILY, "args#1\tenv A#2\tenv B#1"));
        told(stage, "");
        list_of(stage, HOME, true, LIST(LILY, "args#1\tenv A#1"));
        told(stage, LILY " restored 1->1, 0: \n");
}

static void what_is_announced_is_sealed(void **state)
{
        struct stage *stage = *state;

        list_of(stage, HOME, false, LIST(LILY, "a=1"));
        stage->planned = true;
        list_of(stage, HOME, false, LIST(LILY, "a=2"));
        told(stage, LILY " changed 1->1, 0: a=1 -> 2\n");
        stage->planned = false;
        list_of(stage, HOME, true, LIST(LILY, "a=2"));
        told(stage, "");
        list_of(stage, HOME, true, LIST(LILY, "a=1"));
        apps_seal(stage->apps, LILY);
        told(stage, LILY " changed 1->1, 1: a=2 -> 1\n" LILY " sealed 1->1, 0: \n");
}

static void another_number_of_instances_has_to_stand(void **state)
{
        struct stage *stage = *state;

        list_of(stage, HOME, false, LIST(LILY, "a=1", LILY, "a=1"));
        assert_true(list_of(stage, HOME, false, LIST(LILY, "a=1")) <= 2 * USEC_PER_SEC);
        assert_int_equal(list_of(stage, HOME, false, LIST(LILY, "a=1", LILY, "a=1")), USEC_INFINITY);
        told(stage, "");
        list_of(stage, HOME, true, LIST(LILY, "a=1", LILY, "a=1", LILY, "a=1")); /* somebody wants to know now */
        told(stage, LILY " changed 2->3, 1: instances 2 -> 3\n");
}

static void what_changes_again_and_again_is_told_ever_more_rarely(void **state)
{
        struct stage *stage = *state;
        unsigned lines = 0;

        list_of(stage, HOME, false, LIST(LILY, "a=1"));
        for (unsigned n = 0; n < 100; n++)
                assert_true(list_of(stage, HOME, false, LIST(LILY, n % 2 ? "a=2" : "a=3")) > 0);
        for (const char *at = stage->told; *at; at++)
                lines += *at == '\n';
        assert_int_equal(lines, 1);
}

static void an_app_that_is_gone_is_no_drift_and_known_when_it_is_back(void **state)
{
        struct stage *stage = *state;

        list_of(stage, HOME, false, LIST(LILY, "a=1"));
        list_of(stage, HOME, false, LIST(LILY, "a=2"));
        list_of(stage, "/home/other/.pm2", false, LIST("pm2:other/x", "a=1")); /* another home says nothing of it */
        told(stage, LILY " changed 1->1, 1: a=1 -> 2\n");
        list_of(stage, HOME, false, LIST(NULL));
        told(stage, LILY " forgotten 1->1, 0: \n");
        list_of(stage, HOME, true, LIST(LILY, "a=1"));
        told(stage, "");
        list_of(stage, HOME, true, LIST(LILY, "a=2"));
        told(stage, LILY " changed 1->1, 1: a=1 -> 2\n");
}

static void what_was_sealed_outlives_the_daemon(void **state)
{
        struct stage *stage = *state;

        list_of(stage, HOME, false, LIST(LILY, "a=1"));
        stage->apps = apps_free(stage->apps);
        begin(stage, 0);
        list_of(stage, HOME, false, LIST(LILY, "a=2"));
        told(stage, LILY " changed 1->1, 1: a=1 -> 2\n");
        stage->apps = apps_free(stage->apps);
        begin(stage, 0);
        list_of(stage, HOME, false, LIST(LILY, "a=2"));
        told(stage, ""); /* told once */
}

static void under_another_key_all_is_seen_for_the_first_time(void **state)
{
        struct stage *stage = *state;

        list_of(stage, HOME, false, LIST(LILY, "env A#1"));
        stage->apps = apps_free(stage->apps);
        veil_free(stage->veil);
        assert_int_equal(veil_new(&stage->veil), 0);
        begin(stage, 0);
        list_of(stage, HOME, false, LIST(LILY, "env A#2"));
        told(stage, "");
}

static void a_manifest_that_makes_no_sense_is_said(void **state)
{
        struct stage *stage = *state;
        FILE *file;

        list_of(stage, HOME, false, LIST(LILY, "a=1"));
        stage->apps = apps_free(stage->apps);
        file = fopen(stage->manifest, "a");
        assert_non_null(file);
        fputs("nonsense\n", file);
        fclose(file);
        begin(stage, 1);
        list_of(stage, HOME, false, LIST(LILY, "a=2"));
        told(stage, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(instances_that_are_alike_are_one_app),
                cmocka_unit_test(apps_that_only_share_a_name_are_told_apart),
                cmocka_unit_test(more_apps_of_a_name_than_there_is_room_for_are_counted),
                TEST(an_app_is_sealed_at_first_sight_and_told_when_it_changes),
                TEST(what_is_announced_is_sealed),
                TEST(another_number_of_instances_has_to_stand),
                TEST(what_changes_again_and_again_is_told_ever_more_rarely),
                TEST(an_app_that_is_gone_is_no_drift_and_known_when_it_is_back),
                TEST(what_was_sealed_outlives_the_daemon),
                TEST(under_another_key_all_is_seen_for_the_first_time),
                TEST(a_manifest_that_makes_no_sense_is_said),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
