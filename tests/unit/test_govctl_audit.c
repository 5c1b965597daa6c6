/* The verbs of the audit chain, on a real log in a temporary state directory and without a daemon. */
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/audit.h"
#include "govctl/field.h"
#include "govctl/moment.h"
#include "govctl/options.h"
#include "govctl/qr.h"
#include "govctl_stage.h"

/* A state directory with a log of some records in it, and whatever a test writes beside it. */
struct bed {
        char directory[64];
        uint64_t now;
        struct stage stage;
};

static uint64_t ticking(void *userdata)
{
        uint64_t *now = userdata;

        return *now += USEC_PER_SEC;
}

static const char *path_of(const struct bed *bed, const char *name)
{
        static char paths[8][128];
        static unsigned at;
        char *path = paths[at++ % 8];

        snprintf(path, sizeof paths[0], "%s/%s", bed->directory, name);
        return path;
}

static void write_file(const struct bed *bed, const char *name, const char *text)
{
        FILE *file = fopen(path_of(bed, name), "w");

        assert_non_null(file);
        fputs(text, file);
        fclose(file);
}

static void says(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("'%s' is not in: %s", part, text);
}

static unsigned count_lines(const char *text)
{
        unsigned n = 0;

        for (; *text; text++)
                n += *text == '\n';
        return n;
}

static struct audit *open_log(struct bed *bed)
{
        struct audit_options options = {
                .host = "vps1",
                .clock = { .realtime_usec = ticking,
                           .boottime_usec = ticking,
                           .boot_id = "00000000000000000000000000000000",
                           .userdata = &bed->now },
                .no_ballast = true,
        };
        struct audit *audit;

        assert_int_equal(audit_open(bed->directory, &options, &audit, NULL), 0);
        return audit;
}

static uint64_t append(struct audit *audit, const char *action, enum audit_outcome outcome, const char *details)
{
        json_auto_t *json = json_loads(details, 0, NULL);
        struct audit_entry entry = {
                .action = action,
                .subject = "pm2:root/tamara",
                .incident = "inc-1",
                .outcome = outcome,
                .details = json,
        };
        uint64_t seq;

        assert_non_null(json);
        assert_int_equal(audit_append(audit, &entry, &seq), 0);
        return seq;
}

/* Records 2 to 5 are sealed, 6 is not. */
static void fill(struct bed *bed)
{
        struct audit *audit = open_log(bed);

        append(audit, "agent.restart", AUDIT_PENDING, "{\"reason\":\"first rung\"}");
        append(audit, "agent.restart", AUDIT_FAIL, "{\"intent\":2,\"text\":\"script not found\"}");
        append(audit, "agent.stop", AUDIT_PENDING, "{}");
        append(audit, "finding.crash-loop", AUDIT_INFO, "{\"reason\":\"3 deaths in 60s\"}");
        assert_int_equal(audit_commit(audit, AUDIT_SEAL), 0);
        append(audit, "fact.ended", AUDIT_INFO, "{\"code\":1}");
        assert_int_equal(audit_commit(audit, 0), 0);
        audit_close(audit);
}

static int setup(void **state)
{
        struct bed *bed = calloc(1, sizeof *bed);

        strcpy(bed->directory, "/tmp/govctl-audit-XXXXXX");
        assert_non_null(mkdtemp(bed->directory));
        bed->now = STAGE_NOW - 60 * USEC_PER_SEC;
        stage_open(&bed->stage, NULL);
        setenv("GOVERNOR_STATE", bed->directory, 1);
        *state = bed;
        return 0;
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *at)
{
        return remove(path);
}

static int teardown(void **state)
{
        struct bed *bed = *state;

        unsetenv("GOVERNOR_STATE");
        stage_close(&bed->stage);
        nftw(bed->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        free(bed);
        return 0;
}

#define GOVCTL(bed, ...) stage_run(&(bed)->stage, __VA_ARGS__, NULL)

/* ---- init ---- */

static void the_first_init_begins_a_log_and_the_next_only_prints_its_anchor(void **state)
{
        struct bed *bed = *state;
        char *first;

        assert_int_equal(GOVCTL(bed, "audit", "init", "--config", "/nonexistent", "--policies", "/nonexistent"),
                         CODE_OK);
        first = strdup(bed->stage.data);
        assert_int_equal(strncmp(first, "govaudit1 ", 10), 0);
        says(first, " 1 ");
        assert_int_equal(GOVCTL(bed, "audit", "init"), CODE_OK);
        assert_string_equal(first, bed->stage.data);
        assert_int_equal(GOVCTL(bed, "audit", "init", "--json"), CODE_OK);
        says(bed->stage.data, "\"created\":false");

        write_file(bed, "anchors", first);
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--against", path_of(bed, "anchors")), CODE_OK);
        says(bed->stage.data, "continues what was kept elsewhere");
        free(first);
}

static void no_log_is_begun_under_a_policy_with_errors(void **state)
{
        struct bed *bed = *state;

        write_file(bed, "bad.yaml", "retention: 1\n");
        assert_int_equal(
                GOVCTL(bed, "audit", "init", "--config", path_of(bed, "bad.yaml"), "--policies", "/nonexistent"),
                CODE_FAILURE);
        says(bed->stage.talk, "govctl policy check");
        assert_int_equal(access(path_of(bed, "audit.db"), F_OK), -1);
}

static void a_qr_code_is_drawn_in_half_blocks(void **state)
{
        static const uint8_t modules[] = { 1, 0, 1, 0, 1, 0, 1, 1, 1 };
        struct bed *bed = *state;
        char *text;
        size_t size;
        struct page page = { .out = open_memstream(&text, &size), .width = 80, .utf8 = true };

        (void)bed;
        qr_draw(&page, modules, 3);
        fclose(page.out);
        /* what is written is the light, on a terminal that is dark */
        assert_string_equal(text, "███████\n"
                                  "██▄▀▄██\n"
                                  "██▄▄▄██\n"
                                  "▀▀▀▀▀▀▀\n");
        free(text);
        assert_int_equal(qr_show(&(struct page){ .width = 80 }, "x"), -ENOTSUP);
}

/* `make setup` installs libqrencode; govctl has to do without as well. */
static void an_anchor_is_a_symbol_that_fits_a_terminal(void **state)
{
        struct bed *bed = *state;
        int r;

        fill(bed);
        r = GOVCTL(bed, "audit", "init", "--qr");
        if (r == CODE_FAILURE) {
                says(bed->stage.talk, "libqrencode");
                skip();
        }
        assert_int_equal(r, CODE_OK);
        assert_in_range(count_lines(bed->stage.data), 15, 24);
        bed->stage.colour = true;
        assert_int_equal(GOVCTL(bed, "audit", "init", "--qr"), CODE_OK);
        says(bed->stage.data, "\x1b[30;107m");
        assert_int_equal(GOVCTL(bed, "audit", "init", "--qr", "--no-qr"), CODE_OK);
        assert_int_equal(count_lines(bed->stage.data), 1);
        bed->stage.plain = true;
        assert_int_equal(GOVCTL(bed, "audit", "init", "--qr"), CODE_FAILURE);
        says(bed->stage.talk, "UTF-8");
        bed->stage.plain = false;
        bed->stage.width = 40;
        r = GOVCTL(bed, "audit", "init", "--qr");
        if (r != CODE_OK)
                says(bed->stage.talk, "too narrow");
}

/* ---- verify ---- */

static void a_malformed_anchor_is_wrong_usage_and_named_by_its_line(void **state)
{
        struct bed *bed = *state;

        fill(bed);
        write_file(bed, "anchors", "a word\ngovaudit1 vps1/governor/00000000 x\n");
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--against", path_of(bed, "anchors")), CODE_USAGE);
        says(bed->stage.talk, "anchors:2: malformed anchor");
        assert_string_equal(bed->stage.data, "");
}

static void a_file_without_anchors_proves_nothing(void **state)
{
        struct bed *bed = *state;

        fill(bed);
        write_file(bed, "anchors", "nothing here\n");
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--against", path_of(bed, "anchors")), CODE_PENDING);
        says(bed->stage.data, "NO_ANCHOR");
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--against", "/nonexistent"), CODE_NOT_FOUND);
        says(bed->stage.talk, "/nonexistent");
}

static void options_of_verify_that_do_not_go_together_are_refused(void **state)
{
        static const char *const calls[][5] = {
                { "--key", "k" },
                { "--db", "a", "--jsonl", "b" },
                { "--checkpoints", "a" },
                { "--subtree", "a" },
                { "--db", "a", "--state", "b" },
                { "--at", "yesterday" },
                { "--at", "2026-02-30T00:00:00Z" },
                { "--max-age", "-1" },
                { "--max-age", "1h" },
                { "--threads", "0" },
        };
        struct bed *bed = *state;

        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
                assert_int_equal(GOVCTL(bed, "audit", "verify", calls[i][0], calls[i][1], calls[i][2], calls[i][3]),
                                 CODE_USAGE);
                says(bed->stage.talk, "next: ");
        }
}

static void what_is_not_there_is_named(void **state)
{
        struct bed *bed = *state;

        assert_int_equal(GOVCTL(bed, "audit", "verify", "--db", path_of(bed, "none.db")), CODE_NOT_FOUND);
        says(bed->stage.talk, "none.db");
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--db", path_of(bed, "none.db"), "--json"), CODE_NOT_FOUND);
        says(bed->stage.data, "\"exit\":5");
        says(bed->stage.data, "NOT_FOUND");
}

static void ages_are_measured_from_the_time_that_is_given(void **state)
{
        struct bed *bed = *state;

        fill(bed);
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--at", "2026-11-20T02:45:10Z", "--max-age", "3600"), CODE_OK);
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--at", "2026-11-20T09:45:10+01:00", "--max-age", "3600"),
                         CODE_PENDING);
        says(bed->stage.data, "STALE");
}

static void times_with_their_zone_are_read_to_the_letter(void **state)
{
        static const char *const wrong[] = { "2026-11-20T02:45:10",        "2026-11-20",
                                             "2026-11-20 02:45:10Z",       "2026-11-20T02:45:10+1:00",
                                             "2026-11-20T02:45:10.Z",      "2026-11-20T25:45:10Z",
                                             "2026-11-20T02:45:10+01:00x", "2026-1-20T02:45:10Z",
                                             "1969-12-31T23:59:59Z",       "",
                                             "2026-02-29T00:00:00Z",       "2026-11-20T02:45:10+24:00" };
        usec_t at;

        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
                if (moment_parse_rfc3339(wrong[i], &at))
                        fail_msg("'%s' was taken", wrong[i]);
        assert_true(moment_parse_rfc3339("2026-11-20T02:45:10Z", &at));
        assert_int_equal(at, STAGE_NOW);
        assert_true(moment_parse_rfc3339("2026-11-20t03:45:10.25+01:00", &at));
        assert_int_equal(at, STAGE_NOW + 250000);
        assert_true(moment_parse_rfc3339("2026-11-19T21:15:10-05:30", &at));
        assert_int_equal(at, STAGE_NOW);
}

static void a_daemon_that_remembers_another_log_is_a_finding(void **state)
{
        struct bed *bed = *state;

        fill(bed);
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--at", "2026-11-20T02:45:10Z"), CODE_OK);
        says(bed->stage.talk, "governord does not run");
        stage_close(&bed->stage);
        stage_open(&bed->stage, "");
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--at", "2026-11-20T02:45:10Z"), CODE_FINDING);
        says(bed->stage.data, "HEAD_MISMATCH");
        /* a copy is none of its business */
        assert_int_equal(
                GOVCTL(bed, "audit", "verify", "--at", "2026-11-20T02:45:10Z", "--db", path_of(bed, "audit.db")),
                CODE_OK);
        assert_string_equal(bed->stage.talk, "");
}

static void anchors_are_found_in_the_export_of_a_chat(void **state)
{
        struct bed *bed = *state;
        char chat[1024], anchor[512];

        fill(bed);
        assert_int_equal(GOVCTL(bed, "audit", "checkpoint", "--anchor"), CODE_OK);
        snprintf(anchor, sizeof anchor, "%.*s", (int)strcspn(bed->stage.data, "\n"), bed->stage.data);
        snprintf(chat, sizeof chat,
                 "{\"name\":\"alerts\",\"type\":\"private_channel\",\"messages\":[{\"id\":1,\"type\":\"message\","
                 "\"text\":\"all is well\\n%s\"}]}\n",
                 anchor);
        write_file(bed, "result.json", chat);
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--at", "2026-11-20T02:45:10Z", "--anchors",
                                path_of(bed, "result.json")),
                         CODE_OK);
        says(bed->stage.data, "continues what was kept elsewhere");
}

static void keys_of_witnesses_are_counted_and_checked(void **state)
{
        static const char vkey[] = "w1.example+2983e820+AThmR7yrQzE3NXufs29TFWbVy1bl77LvLWy0fQeqrV0F"; /* of a log */
        struct bed *bed = *state;

        fill(bed);
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--quorum", "1"), CODE_USAGE);
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--witness", "x"), CODE_USAGE);
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--witness", vkey), CODE_USAGE);
        says(bed->stage.talk, "--witness takes a verifier key of its kind");
}

/* ---- log ---- */

static void records_are_chosen_by_what_they_are(void **state)
{
        static const struct {
                const char *words[5];
                unsigned lines;
        } calls[] = {
                { { NULL }, 7 },
                { { "--action", "agent.*" }, 3 },
                { { "--action", "agent.restart", "--outcome", "fail" }, 1 },
                { { "--outcome", "pending" }, 2 },
                { { "inc-1" }, 5 },
                { { "tamara", "-n", "2" }, 2 },
                { { "--since", "2026-11-20T00:00" }, 7 },
                { { "--until", "2026-11-20T00:00" }, 0 },
                { { "lily" }, 0 },
        };
        struct bed *bed = *state;

        fill(bed);
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
                const char *const *words = calls[i].words;

                assert_int_equal(GOVCTL(bed, "audit", "log", words[0], words[1], words[2], words[3]), CODE_OK);
                if (count_lines(bed->stage.data) != calls[i].lines)
                        fail_msg("%s: %s", words[0], bed->stage.data);
        }
        assert_int_equal(GOVCTL(bed, "audit", "log", "--outcome", "failed"), CODE_USAGE);
        says(bed->stage.talk, "did you mean: --outcome fail");
        assert_int_equal(GOVCTL(bed, "audit", "log", "--until", "whenever"), CODE_USAGE);
}

/* ---- show and checkpoint ---- */

static void a_record_is_shown_with_its_hash_its_other_half_and_its_seal(void **state)
{
        struct bed *bed = *state;
        char *prev;

        fill(bed);
        assert_int_equal(GOVCTL(bed, "audit", "show", "2"), CODE_OK);
        says(bed->stage.data, "record 2  agent.restart  pending");
        says(bed->stage.data, "record 3 says how it ended");
        says(bed->stage.data, "checkpoint of size 6");
        /* its hash is what the next one carries */
        prev = strdup(strstr(bed->stage.data, "hash"));
        assert_int_equal(GOVCTL(bed, "audit", "show", "#3"), CODE_OK);
        says(bed->stage.data, "record 2 announced it");
        prev[4 + strspn(prev + 4, " ") + 64] = '\0';
        says(bed->stage.data, prev + 4 + strspn(prev + 4, " "));
        free(prev);

        assert_int_equal(GOVCTL(bed, "audit", "show", "4"), CODE_OK);
        says(bed->stage.data, "not known yet");
        assert_int_equal(GOVCTL(bed, "audit", "show", "6"), CODE_OK);
        says(bed->stage.data, "not yet: 1 of 7 records");
        assert_int_equal(GOVCTL(bed, "audit", "show", "7"), CODE_NOT_FOUND);
        says(bed->stage.talk, "the last one is record 6");
        assert_int_equal(GOVCTL(bed, "audit", "show", "last"), CODE_USAGE);
        assert_int_equal(GOVCTL(bed, "audit", "show", "-1"), CODE_USAGE);
}

static void a_shown_body_is_the_stored_one(void **state)
{
        struct bed *bed = *state;
        char *shown;

        fill(bed);
        assert_int_equal(GOVCTL(bed, "audit", "show", "3", "--json"), CODE_OK);
        shown = strdup(bed->stage.data);
        assert_int_equal(GOVCTL(bed, "audit", "log"), CODE_OK);
        says(bed->stage.data, shown);
        free(shown);
}

static void the_newest_checkpoint_is_an_anchor_of_its_log(void **state)
{
        struct bed *bed = *state;

        fill(bed);
        assert_int_equal(GOVCTL(bed, "audit", "checkpoint"), CODE_OK);
        says(bed->stage.data, "\n6\n");
        write_file(bed, "note", bed->stage.data);
        assert_int_equal(GOVCTL(bed, "audit", "checkpoint", "--anchor"), CODE_OK);
        assert_int_equal(strncmp(bed->stage.data, "govaudit1 vps1/governor/", 24), 0);
        write_file(bed, "line", bed->stage.data);
        assert_int_equal(GOVCTL(bed, "audit", "checkpoint", "--json"), CODE_OK);
        says(bed->stage.data, "\"size\":6");
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--at", "2026-11-20T02:45:10Z", "--against",
                                path_of(bed, "note"), "--against", path_of(bed, "line")),
                         CODE_OK);
        says(bed->stage.data, "continues what was kept elsewhere");
}

/* ---- orders to the keeper of the log ---- */

static void without_a_daemon_a_log_is_rotated_here(void **state)
{
        struct bed *bed = *state;

        fill(bed);
        assert_int_equal(GOVCTL(bed, "audit", "rotate"), CODE_USAGE);
        says(bed->stage.talk, "--reason is needed");
        assert_int_equal(GOVCTL(bed, "audit", "rotate", "--reason", "a new disk", "--config", "/nonexistent",
                                "--policies", "/nonexistent"),
                         CODE_OK);
        says(bed->stage.talk, "the old log is whole in ");
        write_file(bed, "anchors", bed->stage.data);
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--against", path_of(bed, "anchors")), CODE_OK);
}

static void a_log_that_is_written_is_not_rotated_behind_its_daemons_back(void **state)
{
        struct bed *bed = *state;
        struct audit *audit = open_log(bed);

        assert_int_equal(GOVCTL(bed, "audit", "rotate", "--reason", "x", "--config", "/nonexistent", "--policies",
                                "/nonexistent"),
                         CODE_FAILURE);
        says(bed->stage.talk, "--socket");
        audit_close(audit);
}

/* ---- exports and proofs ---- */

static void an_export_verifies_without_the_database(void **state)
{
        struct bed *bed = *state;

        fill(bed);
        assert_int_equal(GOVCTL(bed, "audit", "export", "--jsonl", path_of(bed, "a.jsonl"), "--checkpoints",
                                path_of(bed, "a.ckpt"), "--subtree", path_of(bed, "a.subtree")),
                         CODE_OK);
        assert_string_equal(bed->stage.data, "");
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--at", "2026-11-20T02:45:10Z", "--jsonl",
                                path_of(bed, "a.jsonl"), "--checkpoints", path_of(bed, "a.ckpt"), "--subtree",
                                path_of(bed, "a.subtree")),
                         CODE_OK);
        assert_int_equal(GOVCTL(bed, "audit", "export", "--tiles", path_of(bed, "tiles")), CODE_OK);
        assert_int_equal(access(path_of(bed, "tiles/checkpoint"), R_OK), 0);
}

static void one_part_of_an_export_may_be_a_stream(void **state)
{
        struct bed *bed = *state;
        char *bodies;

        fill(bed);
        assert_int_equal(GOVCTL(bed, "audit", "export", "--jsonl", "-"), CODE_OK);
        bodies = strdup(bed->stage.data);
        assert_int_equal(count_lines(bodies), 7);
        assert_int_equal(GOVCTL(bed, "audit", "export", "--json"), CODE_OK);
        assert_string_equal(bodies, bed->stage.data);
        free(bodies);
        assert_int_equal(GOVCTL(bed, "audit", "export"), CODE_USAGE);
        assert_int_equal(GOVCTL(bed, "audit", "export", "--jsonl", "-", "--checkpoints", "-"), CODE_USAGE);
}

static void an_export_that_failed_leaves_what_was_there(void **state)
{
        struct bed *bed = *state;

        write_file(bed, "a.jsonl", "precious\n");
        assert_int_equal(GOVCTL(bed, "audit", "export", "--jsonl", path_of(bed, "a.jsonl")), CODE_NOT_FOUND);
        assert_int_equal(GOVCTL(bed, "audit", "export", "--jsonl", path_of(bed, "none/a.jsonl")), CODE_NOT_FOUND);

        char text[16] = "";
        FILE *file = fopen(path_of(bed, "a.jsonl"), "r");

        assert_non_null(fgets(text, sizeof text, file));
        fclose(file);
        assert_string_equal(text, "precious\n");
}

/* log_key of record 0 */
static char *key_of_log(struct bed *bed)
{
        json_t *genesis;
        char *key;

        assert_int_equal(GOVCTL(bed, "audit", "show", "0", "--json"), CODE_OK);
        genesis = json_loads(bed->stage.data, 0, NULL);
        key = strdup(field_text(genesis, "details.log_key"));
        json_decref(genesis);
        return key;
}

static void a_proof_is_checked_with_nothing_but_the_key_of_the_log(void **state)
{
        struct bed *bed = *state;
        char *key, *at;

        fill(bed);
        key = key_of_log(bed);
        assert_int_equal(GOVCTL(bed, "audit", "prove", "3"), CODE_OK);
        write_file(bed, "proof", bed->stage.data);
        at = strstr(bed->stage.data, "extra ");
        at[20] = at[20] == 'A' ? 'B' : 'A';
        write_file(bed, "forged", bed->stage.data);

        setenv("GOVERNOR_STATE", "/nonexistent", 1);
        assert_int_equal(GOVCTL(bed, "audit", "check-proof", path_of(bed, "proof"), "--log", key), CODE_OK);
        says(bed->stage.data, "PROVEN: record 3 of vps1/governor/");
        says(bed->stage.data, "script not found");
        assert_int_equal(GOVCTL(bed, "audit", "check-proof", path_of(bed, "proof"), "--log", key, "--json"), CODE_OK);
        says(bed->stage.data, "\"proven\":true");
        assert_int_equal(GOVCTL(bed, "audit", "check-proof", path_of(bed, "forged"), "--log", key), CODE_PENDING);
        says(bed->stage.talk, "this proves nothing");
        assert_int_equal(GOVCTL(bed, "audit", "check-proof", path_of(bed, "proof")), CODE_NOT_FOUND);
        assert_int_equal(GOVCTL(bed, "audit", "check-proof", "/nonexistent", "--log", key), CODE_NOT_FOUND);
        assert_int_equal(GOVCTL(bed, "audit", "check-proof", path_of(bed, "proof"), "--log", "x"), CODE_USAGE);
        assert_int_equal(GOVCTL(bed, "audit", "check-proof", path_of(bed, "proof"), "--log", key, "--quorum", "1"),
                         CODE_USAGE);
        setenv("GOVERNOR_STATE", bed->directory, 1);
        assert_int_equal(GOVCTL(bed, "audit", "check-proof", path_of(bed, "proof")), CODE_OK);
        says(bed->stage.talk, key);
        free(key);
}

static void what_cannot_be_proven_says_why(void **state)
{
        struct bed *bed = *state;

        fill(bed);
        assert_int_equal(GOVCTL(bed, "audit", "prove", "6"), CODE_PENDING);
        says(bed->stage.talk, "govctl audit seal");
        assert_int_equal(GOVCTL(bed, "audit", "prove", "7"), CODE_NOT_FOUND);
        write_file(bed, "text", "a text\n");
        assert_int_equal(GOVCTL(bed, "audit", "check-proof", path_of(bed, "text")), CODE_FAILURE);
        says(bed->stage.talk, "this is not a proof");
}

/* ---- retention ---- */

static void old_records_leave_for_an_archive_and_the_log_still_verifies(void **state)
{
        struct bed *bed = *state;
        struct audit *audit;
        char line[256];

        bed->now = STAGE_NOW - 500 * USEC_PER_DAY;
        audit = open_log(bed);
        for (unsigned i = 0; i < 300; i++)
                append(audit, "fact.tick", AUDIT_INFO, "{}");
        assert_int_equal(audit_commit(audit, AUDIT_SEAL), 0);
        audit_close(audit);
        assert_int_equal(GOVCTL(bed, "audit", "init"), CODE_OK);
        write_file(bed, "anchors", bed->stage.data);

        assert_int_equal(GOVCTL(bed, "audit", "archive"), CODE_USAGE);
        assert_int_equal(GOVCTL(bed, "audit", "archive", "--before", "soon"), CODE_USAGE);
        assert_int_equal(GOVCTL(bed, "audit", "archive", "--before", "600d"), CODE_NOT_FOUND);
        assert_int_equal(GOVCTL(bed, "audit", "archive", "--before", "400d", "--to", path_of(bed, "old")), CODE_OK);
        says(bed->stage.data, "old.jsonl");
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--against", path_of(bed, "anchors")), CODE_OK);
        snprintf(line, sizeof line, "%s/old.jsonl", bed->directory);
        assert_int_equal(GOVCTL(bed, "audit", "verify", "--archive", line), CODE_OK);
        assert_int_equal(GOVCTL(bed, "audit", "show", "100"), CODE_NOT_FOUND);
        says(bed->stage.talk, "archive");
        assert_int_equal(GOVCTL(bed, "audit", "prove", "100"), CODE_NOT_FOUND);
        says(bed->stage.talk, "archive");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(the_first_init_begins_a_log_and_the_next_only_prints_its_anchor),
                TEST(no_log_is_begun_under_a_policy_with_errors),
                TEST(a_qr_code_is_drawn_in_half_blocks),
                TEST(an_anchor_is_a_symbol_that_fits_a_terminal),
                TEST(a_malformed_anchor_is_wrong_usage_and_named_by_its_line),
                TEST(a_file_without_anchors_proves_nothing),
                TEST(options_of_verify_that_do_not_go_together_are_refused),
                TEST(what_is_not_there_is_named),
                TEST(ages_are_measured_from_the_time_that_is_given),
                TEST(times_with_their_zone_are_read_to_the_letter),
                TEST(a_daemon_that_remembers_another_log_is_a_finding),
                TEST(anchors_are_found_in_the_export_of_a_chat),
                TEST(keys_of_witnesses_are_counted_and_checked),
                TEST(records_are_chosen_by_what_they_are),
                TEST(a_record_is_shown_with_its_hash_its_other_half_and_its_seal),
                TEST(a_shown_body_is_the_stored_one),
                TEST(the_newest_checkpoint_is_an_anchor_of_its_log),
                TEST(without_a_daemon_a_log_is_rotated_here),
                TEST(an_export_verifies_without_the_database),
                TEST(one_part_of_an_export_may_be_a_stream),
                TEST(an_export_that_failed_leaves_what_was_there),
                TEST(a_proof_is_checked_with_nothing_but_the_key_of_the_log),
                TEST(what_cannot_be_proven_says_why),
                TEST(old_records_leave_for_an_archive_and_the_log_still_verifies),
                TEST(a_log_that_is_written_is_not_rotated_behind_its_daemons_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
