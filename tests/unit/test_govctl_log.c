/* The log and its proof, read from a real chain in a temporary state directory. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/audit.h"
#include "govctl/field.h"
#include "govctl_stage.h"

static char directory[] = "/tmp/govctl-log-XXXXXX";

static uint64_t realtime(void *userdata)
{
        uint64_t *now = userdata;

        return *now += USEC_PER_SEC;
}

static void append(struct audit *audit, const char *action, enum audit_outcome outcome, const char *subject,
                   const char *incident, const char *details)
{
        json_auto_t *json = json_loads(details, 0, NULL);
        struct audit_entry entry = {
                .action = action,
                .subject = subject,
                .incident = incident,
                .outcome = outcome,
                .details = json,
        };
        uint64_t seq;

        assert_non_null(json);
        assert_int_equal(audit_append(audit, &entry, &seq), 0);
}

/* A short life of one agent, a minute before the stage's clock. */
static int write_chain(void **state)
{
        static uint64_t now = STAGE_NOW - 60 * USEC_PER_SEC;
        struct audit_options options = {
                .host = "vps1",
                .clock = { .realtime_usec = realtime,
                           .boottime_usec = realtime,
                           .boot_id = "00000000000000000000000000000000",
                           .userdata = &now },
                .no_ballast = true,
        };
        struct audit *audit;

        assert_non_null(mkdtemp(directory));
        assert_int_equal(audit_open(directory, &options, &audit, NULL), 0);
        append(audit, "fact.ended", AUDIT_INFO, "pm2:root/tamara", "",
               "{\"at\":1,\"ending\":\"exit\",\"code\":1,\"signal\":0,\"pid\":7}");
        append(audit, "finding.crash-loop", AUDIT_INFO, "pm2:root/tamara", "inc-1",
               "{\"at\":1,\"reason\":\"3 deaths in 60s\",\"state\":\"open\"}");
        append(audit, "agent.restart", AUDIT_PENDING, "pm2:root/tamara", "inc-1",
               "{\"at\":1,\"purpose\":\"heal\",\"reason\":\"first rung\"}");
        append(audit, "agent.restart", AUDIT_FAIL, "pm2:root/tamara", "inc-1",
               "{\"at\":1,\"intent\":4,\"outcome\":\"failed\",\"purpose\":\"heal\",\"text\":\"script not found\"}");
        append(audit, "agent.stop", AUDIT_DENIED, "pm2:root/tamara", "inc-1",
               "{\"at\":1,\"purpose\":\"quarantine\",\"reason\":\"a human acted on it in the last 10m\",\"withheld\":\"human\"}");
        append(audit, "agent.restart", AUDIT_OK, "systemd:redis.service", "",
               "{\"at\":1,\"purpose\":\"asked\",\"text\":\"job done\"}");
        assert_int_equal(audit_commit(audit, AUDIT_SEAL), 0);
        audit_close(audit);
        return 0;
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *at)
{
        return remove(path);
}

static int remove_chain(void **state)
{
        return nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void the_log_speaks_in_sentences(void **state)
{
        struct stage stage;

        stage_open(&stage, NULL);
        stage.width = 100;
        assert_int_equal(stage_run(&stage, "log", "--state", directory, NULL), CODE_OK);
        stage_expect_golden(&stage, "log.txt");
        stage.width = 60;
        assert_int_equal(stage_run(&stage, "log", "--all", "--state", directory, "tamara", NULL), CODE_OK);
        stage_expect_golden(&stage, "log-all-60.txt");
        stage_close(&stage);
}

static void the_log_is_cut_to_what_was_asked_for(void **state)
{
        struct stage stage;

        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "log", "--state", directory, "redis", NULL), CODE_OK);
        assert_non_null(strstr(stage.data, "redis"));
        assert_null(strstr(stage.data, "tamara"));
        assert_int_equal(stage_run(&stage, "log", "--state", directory, "inc-1", "-n", "1", NULL), CODE_OK);
        assert_non_null(strstr(stage.data, "withheld: a human acted"));
        assert_null(strstr(stage.data, "first rung"));
        assert_int_equal(stage_run(&stage, "log", "--state", directory, "--since", "1s", NULL), CODE_OK);
        assert_string_equal(stage.data, "");
        assert_int_equal(stage_run(&stage, "log", "--state", directory, "--lines", "many", NULL), CODE_USAGE);
        assert_int_equal(stage_run(&stage, "log", "--state", directory, "--since", "whenever", NULL), CODE_USAGE);
        stage_close(&stage);
}

static void who_follows_the_log_goes_on_with_a_new_one(void **state)
{
        struct stage stage;

        stage_open(&stage, "rotated");
        assert_int_equal(stage_run(&stage, "log", "--follow", "--state", directory, NULL), CODE_UNREACHABLE);
        assert_non_null(strstr(stage.talk, "a new one begins"));
        assert_non_null(strstr(stage.data, "the log begins"));
        assert_non_null(strstr(stage.data, "lily"));
        assert_null(strstr(stage.data, "shown-before"));
        stage_close(&stage);
}

static void raw_records_come_as_they_were_hashed(void **state)
{
        struct stage stage;
        unsigned lines = 0;

        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "audit", "log", "--state", directory, NULL), CODE_OK);
        for (char *line = stage.data, *end; (end = strchr(line, '\n')); line = end + 1) {
                json_t *record = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, NULL);

                assert_int_equal(field_number(record, "seq"), lines++);
                json_decref(record);
        }
        assert_int_equal(lines, 8); /* genesis and start are the chain's own */
        stage_close(&stage);
}

static void a_whole_log_is_proven_and_says_that_it_is_unanchored(void **state)
{
        struct stage stage;
        json_t *json;

        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "audit", "verify", "--state", directory, NULL), CODE_OK);
        assert_int_equal(strncmp(stage.data, "OK: ", 4), 0);
        assert_non_null(strstr(stage.data, "UNANCHORED"));
        assert_int_equal(stage_run(&stage, "audit", "verify", "--json", "--state", directory, NULL), CODE_OK);
        json = json_loads(stage.data, 0, NULL);
        assert_string_equal(field_text(json, "verdict"), "OK");
        json_decref(json);
        assert_int_equal(stage_run(&stage, "audit", "verify", "--state", directory, "--require-anchor", NULL),
                         CODE_PENDING);
        assert_non_null(strstr(stage.data, "NO_ANCHOR"));
        stage_close(&stage);
}

static void a_changed_log_is_a_finding(void **state)
{
        struct stage stage;
        char copy[128], command[512];

        snprintf(copy, sizeof copy, "%s/copy.db", directory);
        snprintf(command, sizeof command, "cp %s/audit.db %s", directory, copy);
        assert_int_equal(system(command), 0);

        FILE *file = fopen(copy, "r+");
        char *bytes = malloc(1 << 20), *at;
        size_t n = fread(bytes, 1, 1 << 20, file);

        at = memmem(bytes, n, "script not found", 16);
        assert_non_null(at);
        assert_int_equal(fseek(file, at - bytes, SEEK_SET), 0);
        assert_int_equal(fwrite("script was fine.", 1, 16, file), 16);
        fclose(file);
        free(bytes);

        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "audit", "verify", "--db", copy, NULL), CODE_FINDING);
        assert_int_equal(strncmp(stage.data, "TAMPERED: ", 10), 0);
        stage_close(&stage);
        unlink(copy);
}

static void a_log_that_is_not_there_is_not_found(void **state)
{
        struct stage stage;

        stage_open(&stage, NULL);
        assert_int_equal(stage_run(&stage, "log", "--state", "/nonexistent", NULL), CODE_NOT_FOUND);
        assert_int_equal(stage_run(&stage, "audit", "verify", "--state", "/nonexistent", NULL), CODE_NOT_FOUND);
        assert_int_equal(stage_run(&stage, "audit", "verify", "--db", "/nonexistent", NULL), CODE_NOT_FOUND);
        assert_int_equal(stage_run(&stage, "audit", "verify", "--key", "/nonexistent", NULL), CODE_USAGE);
        assert_int_equal(stage_run(&stage, "audit", "verify", "--max-age", "old", NULL), CODE_USAGE);
        stage_close(&stage);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_log_speaks_in_sentences),
                cmocka_unit_test(the_log_is_cut_to_what_was_asked_for),
                cmocka_unit_test(who_follows_the_log_goes_on_with_a_new_one),
                cmocka_unit_test(raw_records_come_as_they_were_hashed),
                cmocka_unit_test(a_whole_log_is_proven_and_says_that_it_is_unanchored),
                cmocka_unit_test(a_changed_log_is_a_finding),
                cmocka_unit_test(a_log_that_is_not_there_is_not_found),
        };

        return cmocka_run_group_tests(tests, write_chain, remove_chain);
}
