#include "io/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/database.h"

#define APPLICATION_ID 0x676f766f /* "govo" */
#define VERSION 1

struct outbox {
        sqlite3 *db;
};

static const struct database_kind kind = {
        .application_id = APPLICATION_ID,
        .version = VERSION,
        .schema = "PRAGMA journal_mode=DELETE; BEGIN;"
                  "CREATE TABLE request(number INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL,"
                  " action TEXT NOT NULL, params TEXT NOT NULL, reason TEXT NOT NULL, agent TEXT NOT NULL,"
                  " uid INTEGER NOT NULL, pid INTEGER NOT NULL, exe TEXT NOT NULL, rule TEXT NOT NULL,"
                  " why TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL,"
                  " asked_seq INTEGER NOT NULL, by TEXT NOT NULL, answer TEXT NOT NULL, granted TEXT NOT NULL,"
                  " answered INTEGER NOT NULL, answer_seq INTEGER NOT NULL);"
                  "CREATE INDEX waiting ON request(expires) WHERE state = 0;"
                  "PRAGMA application_id=1735358063; PRAGMA user_version=1; COMMIT",
};
_Static_assert(APPLICATION_ID == 1735358063 && VERSION == 1 && REQUEST_OPEN == 0, "the schema says the same");

/* ---- names ---------------------------------------------------------------------------------------------------------------- */

static const char *const state_names[REQUEST_STATE_N] = {
        [REQUEST_OPEN] = "open",         [REQUEST_ALLOWED] = "allowed",     [REQUEST_DENIED] = "denied",
        [REQUEST_APPROVED] = "approved", [REQUEST_MODIFIED] = "modified",   [REQUEST_REJECTED] = "rejected",
        [REQUEST_EXPIRED] = "expired",   [REQUEST_WITHDRAWN] = "withdrawn",
};

const char *request_state_name(enum request_state state)
{
        return state_names[state];
}

bool request_is_granted(enum request_state state)
{
        return state == REQUEST_ALLOWED || state == REQUEST_APPROVED || state == REQUEST_MODIFIED;
}

char *request_name(char buffer[REQUEST_NAME_MAX], uint64_t number)
{
        snprintf(buffer, REQUEST_NAME_MAX, "req-%llu", (unsigned long long)number);
        return buffer;
}

uint64_t request_from_name(const char *name)
{
        const char *at = text_starts(name, "req-") ? name + strlen("req-") : name;
        uint64_t number;

        return text_digits(&at, NULL, &number) && !*at && number <= INT64_MAX ? number : 0;
}

/* ---- the file ------------------------------------------------------------------------------------------------------------- */

int outbox_open(const char *path, struct outbox **ret)
{
        struct outbox *outbox = calloc(1, sizeof(*outbox));
        int r = outbox ? database_open(path, &kind, &outbox->db) : -ENOMEM;

        if (r >= 0 && database_run(outbox->db, "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON") < 0)
                r = -EIO;
        if (r < 0) {
                outbox_close(outbox);
                return r;
        }
        *ret = outbox;
        return r == DATABASE_SET_ASIDE ? OUTBOX_SET_ASIDE : 0;
}

struct outbox *outbox_close(struct outbox *outbox)
{
        if (outbox)
                sqlite3_close(outbox->db);
        free(outbox);
        return NULL;
}

/* A statement of one step that gives nothing back. */
static int step(struct outbox *outbox, sqlite3_stmt *statement)
{
        int r = sqlite3_step(statement);

        return r == SQLITE_DONE ? 0 : r == SQLITE_ROW ? -EUCLEAN : database_errno(outbox->db, r);
}

int outbox_next(struct outbox *outbox, uint64_t least, uint64_t *ret)
{
        int64_t last = 0;
        int r = database_number(outbox->db, "SELECT max(seq) FROM sqlite_sequence WHERE name = 'request'", &last);

        if (r < 0)
                return r;
        if (last < 0 || last == INT64_MAX)
                return -EUCLEAN;
        *ret = (uint64_t)last + 1 > least ? (uint64_t)last + 1 : least;
        return 0;
}

int outbox_room(struct outbox *outbox, const char *agent, uid_t uid)
{
        _cleanup_(database_finalizep) sqlite3_stmt *statement = NULL;
        int64_t open = 0;
        int r = database_number(outbox->db, "SELECT count(*) FROM request WHERE state = 0", &open);

        if (r < 0)
                return r;
        if (open >= OUTBOX_OPEN_MAX)
                return -ENOBUFS;
        r = database_prepare(outbox->db, "SELECT count(*) FROM request WHERE state = 0 AND agent = ?1 AND uid = ?2",
                             &statement);
        if (r < 0)
                return r;
        sqlite3_bind_text(statement, 1, agent, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 2, uid);
        r = sqlite3_step(statement);
        if (r != SQLITE_ROW)
                return database_errno(outbox->db, r) ?: -EUCLEAN;
        return sqlite3_column_int64(statement, 0) >= OUTBOX_OPEN_OF_ONE ? -EDQUOT : 0;
}

/* ---- writing -------------------------------------------------------------------------------------------------------------- */

static int insert(struct outbox *outbox, const struct request *request)
{
        _cleanup_(database_finalizep) sqlite3_stmt *statement = NULL;
        const char *texts[] = { request->action, request->params, request->reason, request->agent,  request->exe,
                                request->rule,   request->why,    request->by,     request->answer, request->granted };
        const int64_t numbers[] = { (int64_t)request->number,
                                    request->state,
                                    request->uid,
                                    request->pid,
                                    (int64_t)request->created,
                                    (int64_t)request->expires,
                                    (int64_t)request->asked_seq,
                                    (int64_t)request->answered,
                                    (int64_t)request->answer_seq };
        const int n = sizeof(texts) / sizeof(texts[0]);
        int r = database_prepare(outbox->db,
                                 "INSERT INTO request(action, params, reason, agent, exe, rule, why, by, answer,"
                                 " granted, number, state, uid, pid, created, expires, asked_seq, answered, answer_seq)"
                                 " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                                 &statement);

        if (r < 0)
                return r;
        for (int i = 0; i < n; i++)
                sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_STATIC);
        for (int i = 0; i < (int)(sizeof(numbers) / sizeof(numbers[0])); i++)
                sqlite3_bind_int64(statement, n + i + 1, numbers[i]);
        return step(outbox, statement);
}

static int forget_old(struct outbox *outbox)
{
        char sql[192];

        snprintf(sql, sizeof(sql),
                 "DELETE FROM request WHERE state <> 0 AND number <= (SELECT number FROM request WHERE state <> 0"
                 " ORDER BY number DESC LIMIT 1 OFFSET %d)",
                 OUTBOX_ANSWERED_MAX);
        return database_run(outbox->db, sql);
}

int outbox_add(struct outbox *outbox, const struct request *request)
{
        int r = database_run(outbox->db, "BEGIN IMMEDIATE");

        if (r < 0)
                return r;
        r = insert(outbox, request);
        if (r >= 0)
                r = forget_old(outbox);
        if (r >= 0)
                r = database_run(outbox->db, "COMMIT");
        if (r < 0)
                (void)database_run(outbox->db, "ROLLBACK");
        return r;
}

int outbox_answer(struct outbox *outbox, const struct request *request)
{
        _cleanup_(database_finalizep) sqlite3_stmt *statement = NULL;
        int r = database_prepare(outbox->db,
                                 "UPDATE request SET state = ?1, by = ?2, answer = ?3, granted = ?4, answered = ?5,"
                                 " answer_seq = ?6 WHERE number = ?7 AND state = 0",
                                 &statement);

        if (r < 0)
                return r;
        sqlite3_bind_int(statement, 1, (int)request->state);
        sqlite3_bind_text(statement, 2, request->by, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, request->answer, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 4, request->granted, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 5, (int64_t)request->answered);
        sqlite3_bind_int64(statement, 6, (int64_t)request->answer_seq);
        sqlite3_bind_int64(statement, 7, (int64_t)request->number);
        r = step(outbox, statement);
        return r < 0 ? r : sqlite3_changes(outbox->db) == 1 ? 0 : -ENOENT;
}

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

#define COLUMNS                                                                                                     \
        "number, state, action, params, reason, agent, uid, pid, exe, rule, why, created, expires, asked_seq, by, " \
        "answer, granted, answered, answer_seq"

/* Never NULL: whoever wrote to the file may have put anything anywhere. */
static const char *text_at(sqlite3_stmt *statement, int column)
{
        const char *text = (const char *)sqlite3_column_text(statement, column);

        return text ? text : "";
}

static uint64_t number_at(sqlite3_stmt *statement, int column)
{
        int64_t number = sqlite3_column_int64(statement, column);

        return number > 0 ? (uint64_t)number : 0;
}

static bool read_row(sqlite3_stmt *statement, struct request *ret)
{
        uint64_t state = number_at(statement, 1);

        *ret = (struct request){
                .number = number_at(statement, 0),
                .state = (enum request_state)state,
                .action = text_at(statement, 2),
                .params = text_at(statement, 3),
                .reason = text_at(statement, 4),
                .agent = text_at(statement, 5),
                .uid = (uid_t)number_at(statement, 6),
                .pid = (pid_t)number_at(statement, 7),
                .exe = text_at(statement, 8),
                .rule = text_at(statement, 9),
                .why = text_at(statement, 10),
                .created = number_at(statement, 11),
                .expires = number_at(statement, 12),
                .asked_seq = number_at(statement, 13),
                .by = text_at(statement, 14),
                .answer = text_at(statement, 15),
                .granted = text_at(statement, 16),
                .answered = number_at(statement, 17),
                .answer_seq = number_at(statement, 18),
        };
        return state < REQUEST_STATE_N && ret->number > 0;
}

/* Rows that cannot be right are passed over. Returns how many were taken, or a negative errno. */
static int take_rows(struct outbox *outbox, sqlite3_stmt *statement,
                     void (*take)(void *self, const struct request *request), void *self)
{
        struct request request;
        int taken = 0, r;

        while ((r = sqlite3_step(statement)) == SQLITE_ROW)
                if (read_row(statement, &request)) {
                        take(self, &request);
                        taken++;
                }
        return r == SQLITE_DONE ? taken : database_errno(outbox->db, r);
}

int outbox_get(struct outbox *outbox, uint64_t number, void (*take)(void *self, const struct request *request),
               void *self)
{
        _cleanup_(database_finalizep) sqlite3_stmt *statement = NULL;
        int r = database_prepare(outbox->db, "SELECT " COLUMNS " FROM request WHERE number = ?", &statement);

        if (r < 0)
                return r;
        sqlite3_bind_int64(statement, 1, (int64_t)number);
        r = take_rows(outbox, statement, take, self);
        return r < 0 ? r : r > 0 ? 0 : -ENOENT;
}

int outbox_each(struct outbox *outbox, bool all, unsigned most, void (*take)(void *self, const struct request *request),
                void *self)
{
        _cleanup_(database_finalizep) sqlite3_stmt *statement = NULL;
        int r = database_prepare(outbox->db,
                                 "SELECT * FROM (SELECT " COLUMNS " FROM request WHERE state = 0 OR ?1"
                                 " ORDER BY number DESC LIMIT ?2) ORDER BY number",
                                 &statement);

        if (r < 0)
                return r;
        sqlite3_bind_int(statement, 1, all);
        sqlite3_bind_int64(statement, 2, most);
        r = take_rows(outbox, statement, take, self);
        return r < 0 ? r : 0;
}

int outbox_first_to_expire(struct outbox *outbox, uint64_t *ret_number, usec_t *ret_at)
{
        _cleanup_(database_finalizep) sqlite3_stmt *statement = NULL;
        int r = database_prepare(
                outbox->db, "SELECT number, expires FROM request WHERE state = 0 ORDER BY expires LIMIT 1", &statement);

        if (r < 0)
                return r;
        r = sqlite3_step(statement);
        if (r != SQLITE_ROW)
                return database_errno(outbox->db, r) ?: -ENOENT;
        *ret_number = number_at(statement, 0);
        *ret_at = number_at(statement, 1);
        return 0;
}
