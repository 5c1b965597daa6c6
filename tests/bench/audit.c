/* How fast the evidence is: one measurement a run, a line of JSON for each thing measured on stdout.
 *
 *      audit write DIR RECORDS GROUP         a new log in DIR, a sealed commit for each GROUP of records
 *      audit append DIR ROWS GROUP ROUNDS    a new log in DIR beside SQLite by itself, which writes the rows of the log in ROWS
 *                                            in the same transactions: all ways in turn, ROUNDS times
 *      audit hash DIR                        SHA-256 of each record of the log in DIR, as a leaf; reading is not timed
 *      audit verify DIR THREADS
 *      audit lines COUNT                     so many messages to journald, each as long as a record
 *
 * It is built twice: with the CPU's SHA instructions, and with libsodium's SHA-256 alone. */
#include "audit/audit.h"
#include "audit/cleanup.h"
#include "audit/sha256.h"
#include "audit/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

static double now(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(int r, const char *what)
{
        if (r >= 0)
                return;
        fprintf(stderr, "audit: %s: %s\n", what, strerror(-r));
        exit(1);
}

static double cpu_seconds(const struct rusage *usage)
{
        return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
               (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static void print(const char *what, uint64_t records, double seconds)
{
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        printf("{\"what\":\"%s\",\"records\":%llu,\"seconds\":%.4f,\"per_second\":%.0f,\"cpu_seconds\":%.2f,"
               "\"max_rss_kb\":%ld}\n",
               what, (unsigned long long)records, seconds, (double)records / seconds, cpu_seconds(&usage),
               usage.ru_maxrss);
        fflush(stdout);
}

static const char *path_in(const char *dir, const char *name)
{
        static char path[4096];

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        return path;
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

/* 317 bytes a record, on the average of a million. */
static void append(struct audit *audit, unsigned i)
{
        json_t *details = json_pack("{s:i}", "exit", 1);
        char subject[32], incident[16];
        const struct audit_entry entry = {
                .action = "agent.start",
                .subject = subject,
                .incident = incident,
                .outcome = i % 2 == 0 ? AUDIT_PENDING : AUDIT_OK,
                .details = details,
        };

        snprintf(subject, sizeof(subject), "unit:agent-%03u", i % 300);
        snprintf(incident, sizeof(incident), "i-%04x", i % 0xffff);
        check(audit_append(audit, &entry, NULL), "append");
        json_decref(details);
}

static struct audit *new_log(const char *dir)
{
        const struct audit_options options = { .host = "vps1.example", .no_ballast = true };
        struct audit *audit;

        mkdir(dir, 0700);
        check(audit_open(dir, &options, &audit, NULL), "open");
        return audit;
}

/* Commits after each `group`, the last one too. */
static double write_records(struct audit *audit, unsigned records, unsigned group)
{
        const double began = now();

        for (unsigned i = 1; i <= records; i++) {
                append(audit, i);
                if (i % group == 0 || i == records)
                        check(audit_commit(audit, AUDIT_SEAL), "commit");
        }
        return now() - began;
}

static void write_log(const char *dir, unsigned records, unsigned group)
{
        struct audit *audit = new_log(dir);

        print("write", records, write_records(audit, records, group));
        audit_close(audit);
}

/* ---- SQLite by itself ----------------------------------------------------------------------------------------- */

/* All rows of a log; `size` is a checkpoint's. */
struct row {
        sqlite3_int64 number, size;
        char *text;
};

struct rows {
        struct row *list;
        size_t n;
};

static struct rows load_rows(sqlite3 *db, const char *sql)
{
        struct rows rows = { 0 };
        sqlite3_stmt *statement;

        check(audit_store_prepare(db, sql, &statement), "prepare");
        while (sqlite3_step(statement) == SQLITE_ROW) {
                if (rows.n % 4096 == 0)
                        rows.list = reallocarray(rows.list, rows.n + 4096, sizeof(*rows.list));
                rows.list[rows.n++] =
                        (struct row){ sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1),
                                      strdup((const char *)sqlite3_column_text(statement, 2)) };
        }
        sqlite3_finalize(statement);
        return rows;
}

/* A log's own schema with its triggers, its pragmas and its rows; no hash, no signature. */
struct plain {
        sqlite3 *db;
        sqlite3_stmt *record, *checkpoint;
        size_t at, at_note;
        int key_fd; /* -1, or a file of which 512 bytes are written and synced before and after each commit, as a seal does */
};

static void insert(sqlite3_stmt *statement, const struct row *row, int text)
{
        sqlite3_bind_int64(statement, 1, row->number);
        if (text == 3)
                sqlite3_bind_int64(statement, 2, row->size);
        sqlite3_bind_text(statement, text, row->text, -1, SQLITE_STATIC);
        if (sqlite3_step(statement) != SQLITE_DONE)
                check(-EIO, "insert");
        sqlite3_reset(statement);
}

static void write_key(int fd)
{
        static const char slot[512];

        if (fd >= 0 && (pwrite(fd, slot, sizeof(slot), 0) < 0 || fdatasync(fd) < 0))
                check(-errno, "key");
}

static void commit_plainly(struct plain *plain, const struct rows *records, const struct row *note)
{
        write_key(plain->key_fd);
        check(audit_store_run(plain->db, "BEGIN IMMEDIATE"), "begin");
        while (plain->at < records->n && records->list[plain->at].number < note->size)
                insert(plain->record, &records->list[plain->at++], 2);
        insert(plain->checkpoint, note, 3);
        check(audit_store_run(plain->db, "COMMIT"), "commit");
        write_key(plain->key_fd);
}

static void open_plain(struct plain *plain, const char *dir, const char *name, bool with_key)
{
        const char *path = path_in(dir, name);
        sqlite3 *db;

        check(audit_store_create(path, &db), "create");
        check(audit_store_run(db, "COMMIT; PRAGMA journal_mode=WAL"), "commit");
        sqlite3_close(db);
        check(audit_store_open(path, &plain->db), "open");
        check(audit_store_prepare(plain->db, "INSERT INTO record(seq, body) VALUES(?1, ?2)", &plain->record),
              "prepare");
        check(audit_store_prepare(plain->db, "INSERT INTO checkpoint(epoch, size, note) VALUES(?1, ?2, ?3)",
                                  &plain->checkpoint),
              "prepare");
        plain->key_fd = with_key ? open(path_in(dir, "key"), O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
}

/* As many commits as one round has. */
static double write_plainly(struct plain *plain, const struct rows *records, const struct rows *notes, size_t commits)
{
        const double began = now();

        for (size_t i = 0; i < commits && plain->at_note < notes->n; i++)
                commit_plainly(plain, records, &notes->list[plain->at_note++]);
        return now() - began;
}

static void append_in_turn(const char *dir, const char *rows, unsigned group, unsigned rounds)
{
        struct plain plain = { 0 }, with_syncs = { 0 };
        struct rows records, notes;
        struct audit *audit;
        sqlite3 *db;
        size_t commits;

        check(audit_store_open_reader(path_in(rows, "audit.db"), &db), "open");
        records = load_rows(db, "SELECT seq, 0, body FROM record ORDER BY seq");
        notes = load_rows(db, "SELECT epoch, size, note FROM checkpoint ORDER BY epoch");
        sqlite3_close(db);
        commits = (notes.n - 2) / rounds;

        audit = new_log(dir);
        open_plain(&plain, dir, "plain.db", false);
        open_plain(&with_syncs, dir, "with-syncs.db", true);
        write_plainly(&plain, &records, &notes, 2); /* what a new log begins with */
        write_plainly(&with_syncs, &records, &notes, 2);
        for (unsigned i = 0; i < rounds; i++) {
                const unsigned n = (unsigned)commits * group;

                print("sealed", n, write_records(audit, n, group));
                print("sqlite, one sync", n, write_plainly(&plain, &records, &notes, commits));
                print("sqlite, three syncs", n, write_plainly(&with_syncs, &records, &notes, commits));
        }
        audit_close(audit);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

enum { CHUNK = 64 << 20, CHUNK_RECORDS = 1 << 20 };

/* Two at a time, as verify does. */
static double hash_chunk(const char *bytes, const size_t *ends, size_t n)
{
        const double began = now();
        uint8_t one[32], other[32];

        for (size_t i = 0; i + 1 < n; i += 2) {
                const size_t begin = i > 0 ? ends[i - 1] : 0;

                audit_sha256_prefixed_two(0, (const void *const[]){ bytes + begin, bytes + ends[i] },
                                          (const size_t[]){ ends[i] - begin, ends[i + 1] - ends[i] },
                                          (uint8_t *const[]){ one, other });
        }
        if (n % 2 == 1)
                audit_sha256_prefixed(0, bytes + (n > 1 ? ends[n - 2] : 0), ends[n - 1] - (n > 1 ? ends[n - 2] : 0),
                                      one);
        return now() - began;
}

static void hash_all(const char *dir)
{
        char *bytes = malloc(CHUNK);
        size_t *ends = calloc(CHUNK_RECORDS, sizeof(*ends)), n = 0;
        struct audit_reader *reader;
        struct audit_item item;
        uint64_t records = 0;
        double seconds = 0;

        check(audit_reader_open(path_in(dir, "audit.db"), &reader), "open");
        while (audit_reader_next(reader, &item) > 0) {
                size_t used = n > 0 ? ends[n - 1] : 0;

                if (used + item.length > CHUNK || n == CHUNK_RECORDS) {
                        seconds += hash_chunk(bytes, ends, n);
                        used = n = 0;
                }
                memcpy(bytes + used, item.body, item.length);
                ends[n++] = used + item.length;
                records++;
        }
        seconds += hash_chunk(bytes, ends, n);
        print("hash", records, seconds);
}

static int verify(const char *dir, unsigned threads)
{
        const struct audit_verify_options options = { .state_dir = dir, .threads = threads };
        static struct audit_report report;
        const double began = now();

        audit_verify(&options, &report);
        print("verify", report.size, now() - began);
        if (report.exit_code != 0)
                fprintf(stderr, "audit: verify: %s, %s %s\n", audit_verdict_name(report.verdict),
                        report.findings[0].code, report.findings[0].detail);
        return report.exit_code;
}

/* ---- journald ------------------------------------------------------------------------------------------------- */

/* The fields that a record has are about 250 bytes; journald adds as many of its own. */
static void send_lines(unsigned count)
{
        const struct sockaddr_un address = { AF_UNIX, "/run/systemd/journal/socket" };
        const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        const double began = now();
        char line[512];

        for (unsigned i = 0; i < count; i++) {
                const int length = snprintf(line, sizeof(line), "PRIORITY=6\nMESSAGE=%08u %0291d\n", i, 0);

                if (sendto(fd, line, (size_t)length, 0, (const struct sockaddr *)&address, sizeof(address)) < 0)
                        check(-errno, "the journal's socket");
        }
        print("lines", count, now() - began);
}

int main(int argc, char **argv)
{
        const char *verb = argc > 2 ? argv[1] : "";

        if (strcmp(verb, "write") == 0 && argc == 5)
                write_log(argv[2], (unsigned)atoi(argv[3]), (unsigned)atoi(argv[4]));
        else if (strcmp(verb, "append") == 0 && argc == 6)
                append_in_turn(argv[2], argv[3], (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]));
        else if (strcmp(verb, "hash") == 0)
                hash_all(argv[2]);
        else if (strcmp(verb, "verify") == 0 && argc == 4)
                return verify(argv[2], (unsigned)atoi(argv[3]));
        else if (strcmp(verb, "lines") == 0)
                send_lines((unsigned)atoi(argv[2]));
        else {
                fputs("audit write|append|hash|verify|lines ...; see the head of tests/bench/audit.c\n", stderr);
                return 2;
        }
        return 0;
}
