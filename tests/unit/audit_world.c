#include "audit_world.h"

#include "audit/chain.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define USEC_PER_SEC UINT64_C(1000000)

static uint64_t world_realtime(void *userdata)
{
        return ((struct audit_world *)userdata)->realtime;
}

static uint64_t world_boottime(void *userdata)
{
        return ((struct audit_world *)userdata)->boottime;
}

int audit_world_setup(void **state)
{
        struct audit_world *world = calloc(1, sizeof(*world));

        if (!world)
                return -1;
        strcpy(world->dir, "/tmp/audit-world-XXXXXX");
        world->realtime = UINT64_C(1767323045) * USEC_PER_SEC; /* 2026-01-02T03:04:05Z */
        world->boottime = UINT64_C(1000) * USEC_PER_SEC;
        *state = world;
        return mkdtemp(world->dir) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st, (void)type, (void)ftw;
        return remove(path);
}

int audit_world_teardown(void **state)
{
        struct audit_world *world = *state;

        audit_close(world->audit);
        nftw(world->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
        free(world);
        return 0;
}

int audit_world_try_open(struct audit_world *world)
{
        const struct audit_options options = {
                .host = "vps1.example",
                .no_ballast = true,
                .clock = { .realtime_usec = world_realtime,
                           .boottime_usec = world_boottime,
                           .boot_id = "00112233445566778899aabbccddeeff",
                           .userdata = world },
                .step = world->step,
                .step_userdata = world->step_userdata,
        };

        return audit_open(world->dir, &options, &world->audit, &world->how);
}

void audit_world_open(struct audit_world *world)
{
        assert_int_equal(audit_world_try_open(world), 0);
}

void audit_world_close(struct audit_world *world)
{
        world->audit = audit_close(world->audit);
}

void audit_world_fill(struct audit_world *world, unsigned n, unsigned group, unsigned flags)
{
        for (unsigned i = 1; i <= n; i++) {
                json_t *details = json_pack("{s:i}", "n", (int)i);

                world->realtime += 1000;
                world->boottime += 1000;
                assert_int_equal(audit_append(world->audit,
                                              &(struct audit_entry){ .action = "service.restart",
                                                                     .subject = "unit:nginx.service",
                                                                     .incident = "inc-0001",
                                                                     .outcome = AUDIT_OK,
                                                                     .details = details },
                                              NULL),
                                 0);
                json_decref(details);
                if (i % group == 0 || i == n)
                        assert_int_equal(audit_commit(world->audit, flags), 0);
        }
}

/* ---- archiving ------------------------------------------------------------------------------------------------ */

void audit_world_record_archiving(struct audit_world *world, uint64_t from, uint64_t to, const char *sha256,
                                  unsigned flags)
{
        json_t *details = json_pack("{s:s, s:I, s:s, s:I}", "file", "a.jsonl", "from", (json_int_t)from, "sha256",
                                    sha256, "to", (json_int_t)to);

        world->realtime += 1000;
        assert_int_equal(audit_append_own(world->audit,
                                          &(struct audit_entry){ .action = "audit.archive",
                                                                 .subject = "audit",
                                                                 .outcome = AUDIT_INFO,
                                                                 .details = details },
                                          NULL),
                         0);
        json_decref(details);
        assert_int_equal(audit_commit(world->audit, flags), 0);
}

void audit_world_drop(struct audit_world *world, uint64_t from, uint64_t to)
{
        char sql[128];

        audit_world_close(world);
        snprintf(sql, sizeof(sql), "DELETE FROM record WHERE seq>=%llu AND seq<%llu", (unsigned long long)from,
                 (unsigned long long)to);
        audit_world_forge(world, sql);
}

/* FILE.jsonl and FILE.ckpt as an archiving writes them. */
void audit_world_archive(struct audit_world *world, const char *file, uint64_t from, uint64_t to)
{
        char name[128], query[160], *text;
        FILE *records, *notes;

        snprintf(name, sizeof(name), "%s.jsonl", file);
        records = fopen(audit_world_path(world, name), "we");
        snprintf(name, sizeof(name), "%s.ckpt", file);
        notes = fopen(audit_world_path(world, name), "we");
        assert_true(records && notes);
        for (uint64_t seq = from; seq < to; seq++) {
                snprintf(query, sizeof(query), "SELECT body FROM record WHERE seq=%llu", (unsigned long long)seq);
                text = audit_world_text(world, query);
                fprintf(records, "%s\n", text);
                free(text);
        }
        snprintf(query, sizeof(query),
                 "SELECT group_concat(note, char(10)) FROM (SELECT note FROM checkpoint WHERE size>%llu AND size<=%llu "
                 "ORDER BY epoch)",
                 (unsigned long long)from, (unsigned long long)to);
        text = audit_world_text(world, query);
        fprintf(notes, "%s", text ? text : "");
        free(text);
        fclose(records);
        fclose(notes);
}

/* ---- judging -------------------------------------------------------------------------------------------------- */

void audit_world_verify(struct audit_world *world)
{
        audit_verify(&(struct audit_verify_options){ .state_dir = world->dir }, &world->report);
}

void audit_world_verify_detached(struct audit_world *world)
{
        audit_verify(&(struct audit_verify_options){ .database = audit_world_path(world, "audit.db") }, &world->report);
}

const struct audit_finding *audit_world_finding(const struct audit_world *world, const char *code)
{
        for (size_t i = 0; i < world->report.n_findings; i++)
                if (strcmp(world->report.findings[i].code, code) == 0)
                        return &world->report.findings[i];
        return NULL;
}

bool audit_world_found(const struct audit_world *world, const char *code)
{
        return audit_world_finding(world, code) != NULL;
}

void audit_world_expect(const struct audit_world *world, int exit_code, const char *codes)
{
        char rest[256];
        unsigned wrong = 0;

        snprintf(rest, sizeof(rest), "%s", codes);
        for (char *code = strtok(rest, " "); code; code = strtok(NULL, " "))
                if (!audit_world_found(world, code)) {
                        print_error("not found: %s\n", code);
                        wrong++;
                }
        for (size_t i = 0; i < world->report.n_findings; i++) {
                const struct audit_finding *finding = &world->report.findings[i];

                if (!strstr(codes, finding->code)) {
                        print_error("found: %s seq %lld epoch %lld: %s\n", finding->code, (long long)finding->seq,
                                    (long long)finding->epoch, finding->detail);
                        wrong++;
                }
        }
        assert_int_equal(wrong, 0);
        assert_int_equal(world->report.exit_code, exit_code);
}

/* ---- the attacker's hands ------------------------------------------------------------------------------------- */

const char *audit_world_path(const struct audit_world *world, const char *name)
{
        static char ring[4][256];
        static unsigned next;
        char *path = ring[next++ % 4];

        snprintf(path, sizeof(ring[0]), "%s/%s", world->dir, name);
        return path;
}

int audit_world_sql(struct audit_world *world, const char *sql)
{
        sqlite3 *db;
        int r;

        assert_int_equal(sqlite3_open(audit_world_path(world, "audit.db"), &db), SQLITE_OK);
        r = sqlite3_exec(db, sql, NULL, NULL, NULL);
        sqlite3_close(db);
        return r;
}

char *audit_world_text(struct audit_world *world, const char *sql)
{
        sqlite3_stmt *statement;
        char *text = NULL;
        sqlite3 *db;

        assert_int_equal(sqlite3_open(audit_world_path(world, "audit.db"), &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL)
                text = strdup((const char *)sqlite3_column_text(statement, 0));
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return text;
}

static int collect(void *userdata, int n, char **values, char **names)
{
        char *script = userdata;

        (void)n, (void)names;
        sprintf(script + strlen(script), "%s%s%s;", values[0], values[1] ? " " : "", values[1] ? values[1] : "");
        return 0;
}

void audit_world_forge(struct audit_world *world, const char *sql)
{
        char drop[4096] = "", create[8192] = "", *message = NULL;
        sqlite3 *db;

        assert_int_equal(sqlite3_open(audit_world_path(world, "audit.db"), &db), SQLITE_OK);
        sqlite3_exec(db, "SELECT 'DROP TRIGGER', name FROM sqlite_schema WHERE type='trigger'", collect, drop, NULL);
        sqlite3_exec(db, "SELECT sql, NULL FROM sqlite_schema WHERE type='trigger'", collect, create, NULL);
        assert_int_equal(sqlite3_exec(db, drop, NULL, NULL, NULL), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
                fail_msg("%s", message);
        assert_int_equal(sqlite3_exec(db, create, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

size_t audit_world_read(const struct audit_world *world, const char *name, void *bytes, size_t room)
{
        FILE *file = fopen(audit_world_path(world, name), "re");
        size_t n;

        if (!file)
                return 0;
        n = fread(bytes, 1, room, file);
        fclose(file);
        return n;
}

void audit_world_write(const struct audit_world *world, const char *name, const void *bytes, size_t length)
{
        FILE *file = fopen(audit_world_path(world, name), "we");

        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, length, file), length);
        fclose(file);
}

void audit_world_copy(const struct audit_world *world, const char *from, const char *to)
{
        const size_t room = 8 << 20;
        char *bytes = malloc(room);
        size_t n;

        assert_non_null(bytes);
        assert_int_equal(access(audit_world_path(world, from), F_OK), 0);
        n = audit_world_read(world, from, bytes, room);
        audit_world_write(world, to, bytes, n);
        free(bytes);
}
