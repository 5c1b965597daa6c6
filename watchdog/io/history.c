#include "io/history.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/cleanup.h"
#include "io/database.h"

#define APPLICATION_ID 0x676f7668 /* "govh" */
#define VERSION 2
#define PAGE_BYTES 4096
#define MINUTE 60
#define TEN 600
#define HOUR 3600
#define SHORTENINGS_MAX 8

const struct history_limits history_limits = {
        .minutes_for = 24 * HOUR,
        .tens_for = 7 * 24 * HOUR,
        .hours_for = 400 * 24 * HOUR,
        .bytes_most = 64 << 20,
};

static int run_with(sqlite3 *db, const char *sql, int64_t first, int64_t second)
{
        _cleanup_(database_finalizep) sqlite3_stmt *statement = NULL;
        int r = database_prepare(db, sql, &statement);

        if (r < 0)
                return r;
        sqlite3_bind_int64(statement, 1, first);
        sqlite3_bind_int64(statement, 2, second);
        return database_errno(db, sqlite3_step(statement));
}

/* ---- the file ----------------------------------------------------------------------------------------------------------- */

/* Its rows lie in the order in which they are read. Memory (KiB) and CPU are the sums of `n` minutes: averages of averages would
 * lose a little with each. */
static const struct database_kind kind = {
        .application_id = APPLICATION_ID,
        .version = VERSION,
        .schema = "PRAGMA journal_mode=DELETE; BEGIN;"
                  "CREATE TABLE agent(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
                  "CREATE TABLE sample(agent INTEGER NOT NULL, step INTEGER NOT NULL, at INTEGER NOT NULL,"
                  " memory INTEGER NOT NULL, most INTEGER NOT NULL, cpu INTEGER NOT NULL, starts INTEGER NOT NULL,"
                  " n INTEGER NOT NULL, PRIMARY KEY(agent, step, at)) WITHOUT ROWID;"
                  "PRAGMA application_id=1735358056; PRAGMA user_version=2; COMMIT",
};
_Static_assert(APPLICATION_ID == 1735358056 && VERSION == 2, "the schema says the same");

/* ---- writing ------------------------------------------------------------------------------------------------------------ */

static int agent_id(sqlite3 *db, const char *name, int64_t *ret)
{
        static const char *const sql[] = { "INSERT INTO agent(name) VALUES(?) ON CONFLICT DO NOTHING",
                                           "SELECT id FROM agent WHERE name = ?" };

        for (int i = 0; i < 2; i++) {
                _cleanup_(database_finalizep) sqlite3_stmt *statement = NULL;
                int r = database_prepare(db, sql[i], &statement);

                if (r < 0)
                        return r;
                sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
                r = sqlite3_step(statement);
                if (r == SQLITE_ROW)
                        *ret = sqlite3_column_int64(statement, 0);
                if (database_errno(db, r) < 0)
                        return database_errno(db, r);
        }
        return 0;
}

/* Samples of one agent that fall into one row. */
struct row {
        uint64_t at, memory, most, cpu, starts, n;
};

static int put_row(sqlite3 *db, sqlite3_stmt *statement, int64_t agent, uint32_t step, const struct row *row)
{
        sqlite3_reset(statement);
        sqlite3_bind_int64(statement, 1, agent);
        sqlite3_bind_int64(statement, 2, step);
        sqlite3_bind_int64(statement, 3, (int64_t)row->at);
        sqlite3_bind_int64(statement, 4, (int64_t)row->memory);
        sqlite3_bind_int64(statement, 5, (int64_t)row->most);
        sqlite3_bind_int64(statement, 6, (int64_t)row->cpu);
        sqlite3_bind_int64(statement, 7, (int64_t)row->starts);
        sqlite3_bind_int64(statement, 8, (int64_t)row->n);
        return database_errno(db, sqlite3_step(statement));
}

static void add_to(struct row *row, const struct history_sample *sample)
{
        row->memory += sample->memory_bytes >> 10;
        row->most = sample->memory_most >> 10 > row->most ? sample->memory_most >> 10 : row->most;
        row->cpu += sample->cpu_permille;
        row->starts += sample->starts;
        row->n++;
}

static int put_step(sqlite3 *db, sqlite3_stmt *statement, int64_t agent, uint32_t step,
                    const struct history_sample *samples, size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n && r >= 0;) {
                struct row row = { .at = samples[i].at / step };

                while (i < n && samples[i].at / step == row.at)
                        add_to(&row, &samples[i++]);
                r = put_row(db, statement, agent, step, &row);
        }
        return r;
}

/* A step, and the first moment that is still kept in it: a whole hour, so that no finer step begins within a coarser one. */
struct grain {
        uint32_t step;
        uint64_t from;
};

static void grains_at(const struct history_limits *limits, uint64_t now, struct grain ret[3])
{
        const struct grain ages[] = { { MINUTE, limits->minutes_for },
                                      { TEN, limits->tens_for },
                                      { HOUR, limits->hours_for } };

        for (int i = 0; i < 3; i++)
                ret[i] = (struct grain){ ages[i].step, now > ages[i].from ? (now - ages[i].from) / HOUR * HOUR : 0 };
}

/* Minutes go into their own rows, their tens and their hours at once: nothing is ever read to be thinned out. */
static int put_all(sqlite3 *db, const struct grain grains[3], const struct history_sample *samples, size_t n)
{
        _cleanup_(database_finalizep) sqlite3_stmt *statement = NULL;
        int64_t agent = 0;
        int r = database_prepare(
                db,
                "INSERT INTO sample VALUES(?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "memory = memory + excluded.memory, most = max(most, excluded.most), cpu = cpu + excluded.cpu,"
                "starts = starts + excluded.starts, n = n + excluded.n",
                &statement);

        for (size_t i = 0, end; i < n && r >= 0; i = end) {
                for (end = i + 1; end < n && samples[end].agent == samples[i].agent;)
                        end++;
                r = agent_id(db, samples[i].agent, &agent);
                for (int k = 0; k < 3 && r >= 0; k++)
                        if (samples[end - 1].at >= grains[k].from) /* else it would be forgotten at once */
                                r = put_step(db, statement, agent, grains[k].step, samples + i, end - i);
        }
        return r;
}

/*
 * Each step by its own age: done once an hour, when there is an hour to forget. Agent by agent, so that no row is looked at that
 * stays. What is to come was written while the clock was wrong.
 */
static int forget_old(sqlite3 *db, const struct grain grains[3], uint64_t now)
{
        int r = 0;

        for (int i = 0; i < 3 && r >= 0; i++) {
                r = run_with(db, "DELETE FROM sample WHERE agent IN (SELECT id FROM agent) AND step = ?1 AND at < ?2",
                             grains[i].step, (int64_t)(grains[i].from / grains[i].step));
                if (r >= 0)
                        r = run_with(
                                db,
                                "DELETE FROM sample WHERE agent IN (SELECT id FROM agent) AND step = ?1 AND at > ?2",
                                grains[i].step, (int64_t)((now + HOUR) / grains[i].step));
        }
        if (r >= 0)
                r = database_run(
                        db, "DELETE FROM agent WHERE NOT EXISTS (SELECT 1 FROM sample WHERE sample.agent = agent.id)");
        return r;
}

/* A tenth of the time that each step covers, its oldest. */
static int shorten(sqlite3 *db)
{
        int r = 0;

        for (int step = MINUTE; step <= HOUR && r >= 0; step = step == MINUTE ? TEN : step == TEN ? HOUR : HOUR + 1)
                r = run_with(
                        db,
                        "WITH ends AS (SELECT"
                        " (SELECT min(at) FROM sample WHERE sample.agent = agent.id AND step = ?1) AS first,"
                        " (SELECT max(at) FROM sample WHERE sample.agent = agent.id AND step = ?1) AS last FROM agent)"
                        " DELETE FROM sample WHERE agent IN (SELECT id FROM agent) AND step = ?1 AND at <"
                        " (SELECT ((min(first) + (max(last) - min(first)) / 10) * ?1 / ?2 + 1) * ?2 / ?1 FROM ends)",
                        step, HOUR);
        return r;
}

static int write_once(sqlite3 *db, const struct history_limits *limits, const struct history_sample *samples, size_t n,
                      uint64_t now, bool shortening)
{
        struct grain grains[3];
        int r = database_run(db, "BEGIN IMMEDIATE");

        if (r < 0)
                return r;
        grains_at(limits, now, grains);
        if (shortening)
                r = shorten(db);
        if (r >= 0 && n > 0 && samples[0].at / HOUR != samples[n - 1].at / HOUR)
                r = forget_old(db, grains, now);
        else if (r >= 0 && n > 0 && samples[0].at % HOUR < TEN)
                r = forget_old(db, grains, now);
        if (r >= 0)
                r = put_all(db, grains, samples, n);
        if (r >= 0)
                r = database_run(db, "COMMIT");
        if (r < 0)
                (void)database_run(db, "ROLLBACK");
        return r;
}

/* At the bound SQLite says that the disk is full: whether it is its own bound, the page count tells. */
static bool is_at_bound(sqlite3 *db, const struct history_limits *limits)
{
        int64_t pages = 0;

        return database_number(db, "PRAGMA page_count", &pages) >= 0 &&
               pages >= (int64_t)(limits->bytes_most / PAGE_BYTES) * 9 / 10;
}

int history_write(const char *path, const struct history_limits *limits, const struct history_sample *samples, size_t n,
                  uint64_t now)
{
        _cleanup_(database_closep) sqlite3 *db = NULL;
        int result = database_open(path, &kind, &db);
        char bound[64];
        int r;

        if (result < 0)
                return result;
        snprintf(bound, sizeof(bound), "PRAGMA max_page_count=%llu",
                 (unsigned long long)(limits->bytes_most / PAGE_BYTES));
        /* it may be lost with the machine's power, and is begun anew then */
        r = database_run(db, "PRAGMA synchronous=OFF; PRAGMA cache_size=-256; PRAGMA temp_store=MEMORY");
        if (r >= 0)
                r = database_run(db, bound);
        if (r >= 0)
                r = write_once(db, limits, samples, n, now, false);
        for (int i = 0; i < SHORTENINGS_MAX && r == -ENOSPC && is_at_bound(db, limits); i++) {
                r = write_once(db, limits, samples, n, now, true);
                result |= HISTORY_SHORTENED;
        }
        if (r == -EUCLEAN) { /* damaged in the middle: next time it is seen at once or again here */
                sqlite3_close(TAKE_PTR(db));
                r = database_set_aside(path);
                return r < 0 ? r : history_write(path, limits, samples, n, now) | HISTORY_SET_ASIDE;
        }
        return r < 0 ? r : result;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------ */

struct history {
        sqlite3 *db;
        sqlite3_stmt *samples;
};

static int open_for_reading(const char *path, sqlite3 **ret)
{
        return access(path, R_OK) < 0 ? -errno : database_open_as_is(path, &kind, SQLITE_OPEN_READONLY, ret);
}

int history_agents(const char *path, void (*take)(void *self, const char *agent), void *self)
{
        _cleanup_(database_closep) sqlite3 *db = NULL;
        _cleanup_(database_finalizep) sqlite3_stmt *statement = NULL;
        int r = open_for_reading(path, &db);

        if (r >= 0)
                r = database_prepare(db, "SELECT name FROM agent ORDER BY name", &statement);
        if (r < 0)
                return r;
        while ((r = sqlite3_step(statement)) == SQLITE_ROW) {
                const char *name = (const char *)sqlite3_column_text(statement, 0);

                if (name)
                        take(self, name);
        }
        return database_errno(db, r);
}

/* Each moment as finely as it is kept: a coarse step ends where the finer ones begin, or, where there are none, never. */
static const char read_sql[] =
        "WITH id AS (SELECT id FROM agent WHERE name = ?1), mine AS (SELECT * FROM sample WHERE agent = (SELECT id FROM id)),"
        " fine AS (SELECT coalesce((SELECT min(at) FROM mine WHERE step = 60) / 10, ?4) AS begins),"
        " mean AS (SELECT coalesce((SELECT min(at) FROM mine WHERE step = 600) / 6, ?4) AS begins)"
        " SELECT step, at * step AS began, (memory + n / 2) / n, most, (cpu + n / 2) / n, starts FROM mine"
        " WHERE step = 60 AND at >= ?2 / 60 AND at < (?3 + 59) / 60"
        " UNION ALL SELECT step, at * step, (memory + n / 2) / n, most, (cpu + n / 2) / n, starts FROM mine"
        " WHERE step = 600 AND at >= ?2 / 600 AND at < min((?3 + 599) / 600, (SELECT begins FROM fine))"
        " UNION ALL SELECT step, at * step, (memory + n / 2) / n, most, (cpu + n / 2) / n, starts FROM mine"
        " WHERE step = 3600 AND at >= ?2 / 3600 AND at < min((?3 + 3599) / 3600, (SELECT begins FROM mean))"
        " ORDER BY began";

int history_open(const char *path, struct history **ret)
{
        struct history *history = calloc(1, sizeof(*history));
        int r = history ? open_for_reading(path, &history->db) : -ENOMEM;

        if (r >= 0)
                r = database_prepare(history->db, read_sql, &history->samples);
        if (r < 0)
                history_close(history);
        else
                *ret = history;
        return r;
}

struct history *history_close(struct history *history)
{
        if (!history)
                return NULL;
        sqlite3_finalize(history->samples);
        sqlite3_close(history->db);
        free(history);
        return NULL;
}

int history_end(struct history *history, uint64_t *ret_end)
{
        int64_t last = -1;
        int r = database_number(
                history->db,
                "SELECT coalesce(max((SELECT max(at) FROM sample WHERE sample.agent = agent.id AND step = 3600)),"
                " -1) FROM agent",
                &last);

        if (r >= 0)
                *ret_end = (uint64_t)(last + 1) * HOUR;
        return r;
}

int history_each(struct history *history, const char *agent, uint64_t since, uint64_t until,
                 void (*take)(void *self, const struct history_sample *sample), void *self)
{
        const uint64_t never = INT64_MAX / HOUR;
        int r;

        sqlite3_bind_text(history->samples, 1, agent, -1, SQLITE_STATIC);
        sqlite3_bind_int64(history->samples, 2, (int64_t)(since < never ? since : never));
        sqlite3_bind_int64(history->samples, 3, (int64_t)(until < never ? until : never));
        sqlite3_bind_int64(history->samples, 4, (int64_t)never);
        while ((r = sqlite3_step(history->samples)) == SQLITE_ROW) {
                struct history_sample sample = {
                        .agent = agent,
                        .step = (uint32_t)sqlite3_column_int64(history->samples, 0),
                        .at = (uint64_t)sqlite3_column_int64(history->samples, 1),
                        .memory_bytes = (uint64_t)sqlite3_column_int64(history->samples, 2) << 10,
                        .memory_most = (uint64_t)sqlite3_column_int64(history->samples, 3) << 10,
                        .cpu_permille = (uint32_t)sqlite3_column_int64(history->samples, 4),
                        .starts = (uint32_t)sqlite3_column_int64(history->samples, 5),
                };

                take(self, &sample);
        }
        sqlite3_reset(history->samples); /* nothing stays locked between two questions */
        return database_errno(history->db, r);
}

int history_read(const char *path, const char *agent, uint64_t since,
                 void (*take)(void *self, const struct history_sample *sample), void *self)
{
        struct history *history;
        int r = history_open(path, &history);

        if (r < 0)
                return r;
        r = history_each(history, agent, since, UINT64_MAX, take, self);
        history_close(history);
        return r;
}
