#pragma once

/* The evidence chain of governor-audit(5): records that are appended, sealed, read, proven and verified. This header is the
 * whole of libgovaudit; who links it needs libsodium, SQLite (3.37 or later) and jansson too.
 *
 * One process writes (struct audit, guarded by a lock on keys/seal.key); any number read (struct audit_reader) and verify.
 * An object is used by one thread at a time; different objects know nothing of each other.
 *
 * Calls return 0 or a negative errno; -ENOMEM may come from any that returns an int. Out-parameters come last and are
 * untouched on failure, unless it says otherwise. What is "allocated" is the caller's to free; what is "on loan" ends with
 * the next call that is named. Times are microseconds: realtime since 1970, boottime of CLOCK_BOOTTIME. A size
 * counts records: those with a seq below it. Nothing here logs, exits or installs a signal handler.
 *
 * Records are RFC 8785 JSON, the tree is RFC 6962's, notes and what is made of them C2SP's (c2sp.org): signed-note,
 * tlog-checkpoint, tlog-cosignature, tlog-proof, tlog-tiles, tlog-witness. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
        AUDIT_BODY_MAX = 65535,   /* the limit of tlog-tiles */
        AUDIT_ORIGIN_MAX = 288,   /* a host name of 253, "/governor/", 8 hex digits, NUL */
        AUDIT_ANCHOR_MAX = 384,   /* "govaudit1 ORIGIN SIZE ROOT", NUL */
        AUDIT_FINDINGS_MAX = 128, /* a report keeps as many and counts the rest */
        AUDIT_CODE_SHOWN_MAX = 16 /* of one code: one torn page must not hide the other findings */
};

/* A loan of text that does not end in NUL. */
struct audit_slice {
        const char *text;
        size_t length;
};

/* ---- findings ------------------------------------------------------------------------------------------------- */

struct audit_finding {
        const char *code; /* SEQ_GAP, SEAL_SIG ...: governor-audit(5) lists them */
        int64_t seq;      /* -1: of no record */
        int64_t epoch;    /* -1: of no seal */
        char detail[144];
};

/* ---- records -------------------------------------------------------------------------------------------------- */

enum audit_outcome {
        AUDIT_PENDING, /* an intent, durable before the act */
        AUDIT_OK,
        AUDIT_FAIL,
        AUDIT_DENIED,
        AUDIT_UNKNOWN, /* of an intent whose end a crash hid */
        AUDIT_INFO,
        AUDIT_OUTCOME_N,
};

const char *audit_outcome_name(enum audit_outcome outcome);

/* What the caller says; the chain adds seq, prev, boot and the times. All is borrowed for the call. */
struct audit_entry {
        const char *action;   /* a dotted verb; some of audit.* are the chain's own and refused */
        const char *actor;    /* NULL: "governor" */
        const char *subject;  /* NULL: "" */
        const char *incident; /* NULL: "" */
        enum audit_outcome outcome;
        const json_t *details;  /* an object of keys [a-z0-9_]{1,32}, no real numbers; NULL: {} */
        uint64_t realtime_usec; /* 0: the clock's; likewise boottime */
        uint64_t boottime_usec;
};

/* Adds text from outside to an entry's details: as KEY, or where it is no UTF-8 or holds a NUL (paths may), in base64 as
 * KEY_b64. -ENOMEM. */
int audit_details_bytes(json_t *details, const char *key, const void *bytes, size_t length);

/* ---- writing -------------------------------------------------------------------------------------------------- */

struct audit;

/* Where time and boot come from; a zeroed struct means the kernel. */
struct audit_clock {
        uint64_t (*realtime_usec)(void *userdata);
        uint64_t (*boottime_usec)(void *userdata);
        const char *boot_id; /* 32 hex digits; NULL: /proc/sys/kernel/random/boot_id */
        void *userdata;
};

/* The order that makes every crash harmless; a test may end the process after each of these. */
enum audit_step {
        AUDIT_STEP_NEXT_KEY,  /* the key after this seal is on disk */
        AUDIT_STEP_BEGUN,     /* rows are inserted, nothing is committed */
        AUDIT_STEP_COMMITTED, /* the transaction is durable */
        AUDIT_STEP_ERASED,    /* the key that signed is gone */
        AUDIT_STEP_LINKED,    /* set aside: the old files have their second name */
        AUDIT_STEP_STAGED,    /* a new log is complete under its temporary names */
        AUDIT_STEP_SWAPPED,   /* new keys in place, database not yet */
        AUDIT_STEP_ARCHIVED,  /* the files of an archive are complete */
        AUDIT_STEP_PRUNED,    /* the log without its records is staged */
        AUDIT_STEP_CAUGHT_UP, /* and has all that the log has, which is one file now */
        AUDIT_STEP_REPLACED,  /* and has its name */
        AUDIT_STEP_N,
};

struct audit_options {
        const char *host;        /* first part of a new log's origin; NULL: gethostname() */
        unsigned retention_days; /* fixed in a new log's genesis; 0: 400 */
        const char *reason;      /* stands in the audit.start record; NULL: "start" */
        struct audit_clock clock;
        bool no_ballast; /* without the 16 MiB kept for a full disk */

        void (*step)(void *userdata, enum audit_step step); /* for tests */
        void *step_userdata;
};

enum audit_start {
        AUDIT_CREATED,   /* there was no log */
        AUDIT_CONTINUED, /* the last seal, its root and the live key fit */
        AUDIT_SET_ASIDE, /* the old log may not be continued: it is kept untouched, a new one names it as prev_log */
        AUDIT_ROTATED,   /* the old log was ended on purpose; the rest as SET_ASIDE, but nothing was found */
};

/* How audit_open began. */
struct audit_how {
        enum audit_start start;
        const char *finding; /* set aside: the code (KEY_AHEAD, KEY_MISSING, ROOT_MISMATCH ...), else NULL */
        char detail[160];    /* set aside: what was found */
        char aside[1024];    /* set aside or rotated: the directory that the old files are in, "" when not known */
        bool adopted;        /* records after the last seal were taken over, these: */
        uint64_t adopted_from;
        uint64_t adopted_to;
        char genesis_anchor[AUDIT_ANCHOR_MAX]; /* the trust anchor, to be kept elsewhere */
};

/* Opens the log in `state_dir` for writing: creates it at the first start, continues it, or sets it aside and opens a new
 * one. An audit.start record, sealed, is durable on return. -EBUSY: another daemon holds the lock. After any other
 * error the call may be repeated. `ret_how` may be NULL.
 *
 * The writing process must not open audit.db by itself: closing any descriptor of it would drop SQLite's locks. */
int audit_open(const char *state_dir, const struct audit_options *options, struct audit **ret,
               struct audit_how *ret_how);

/* After -EUCLEAN: lets go of the file and begins as audit_open does, which mostly sets it aside. What was pending has a new
 * place in the log that is open now, and waits for a commit again. After an error it may be called again. */
int audit_reopen(struct audit *audit, const char *reason, struct audit_how *ret_how);

/* Ends without a seal; what is pending and not committed is lost. Takes NULL, returns NULL. */
struct audit *audit_close(struct audit *audit);

/* Adds a record to the pending group in memory; its seq is final. -EINVAL: it has no canonical form; -EMSGSIZE: larger
 * than AUDIT_BODY_MAX; -ENOBUFS: 8192 records wait for a commit.
 *
 * While commits fail, `details.late` is added, because the record will be written long after it was made, and 1024 may
 * wait: what finds no room then is lost, and counted in an audit.gap record. */
int audit_append(struct audit *audit, const struct audit_entry *entry, uint64_t *ret_seq);

enum { AUDIT_SEAL = 1 << 0 }; /* flags of audit_commit */

/* A non-negative result of audit_commit is a mask of these; 0 is the rule. */
enum audit_committed {
        AUDIT_FOREIGN_WRITE = 1 << 0, /* someone else wrote to the file: recorded; alert and verify at once */
        AUDIT_KEY_FAULT = 1 << 1,     /* durable, but seal.key failed: there is no seal, or its key lingers */
        AUDIT_DISK_FULL = 1 << 2,     /* the disk failed or needed the ballast: recorded; see audit_degraded() */
};

/* Makes the pending group durable in one transaction, sealed if asked to. A seal with nothing to seal does nothing; when
 * the last seal is an hour old it appends audit.heartbeat first. -ENOSPC, -EIO, -EBUSY: nothing was written, the group
 * stays pending, call again. -EUCLEAN: the file is no longer the log that this process wrote; audit_reopen. */
int audit_commit(struct audit *audit, unsigned flags);

size_t audit_pending_count(const struct audit *audit);

/* Commits fail, or succeed only thanks to the ballast: nothing discretionary should be begun. */
bool audit_degraded(const struct audit *audit);

/* When (CLOCK_BOOTTIME) a seal is due by the sealing rule: 10 s after the first unsealed record, at once from 256 of them,
 * an hour after the last seal. */
uint64_t audit_seal_deadline(const struct audit *audit);
bool audit_seal_due(const struct audit *audit, uint64_t boottime_usec);

/* The newest committed state, for alerts and for HEAD_MISMATCH. `ret_anchor` is the one-line anchor. */
struct audit_head {
        uint64_t size;
        uint64_t sealed_size;
        uint8_t root[32];
        char anchor[AUDIT_ANCHOR_MAX];
};
void audit_head(const struct audit *audit, struct audit_head *ret);

/* Reads a one-line anchor (without LF) into size, root and anchor, as a head that another process told; `sealed_size` is
 * left at 0. -EBADMSG. */
int audit_head_read(const char *anchor, struct audit_head *ret);

/* The note of the newest seal, on loan until the next commit. */
const char *audit_last_note(const struct audit *audit);

/* Answers an auditor: an audit.nonce record with `nonce` (16 to 128 hex digits, else -EINVAL), sealed at once. A log that was
 * cut before cannot. Result as audit_commit, but a seal.key that fails is -EIO: durable, not sealed. */
int audit_seal_nonce(struct audit *audit, const char *nonce, const char *actor);

/* Ends this log on purpose: a last record audit.rotate, sealed, then it is set aside whole and a new one opens that names
 * its last seal as prev_log. Result as audit_commit. After an error of the commit nothing has changed but that the record
 * waits; after any other audit_reopen goes on with whichever log is there. */
int audit_rotate(struct audit *audit, const char *reason, const char *actor, struct audit_how *ret_how);

/* The same with no daemon: opens, rotates, closes. A log that may not be continued is set aside by opening it, and that is
 * all then. -EBUSY: a daemon runs, ask it. -ENOENT: there is no log. */
int audit_rotate_offline(const char *state_dir, const struct audit_options *options, const char *reason,
                         const char *actor, struct audit_how *ret_how);

/* Stores a witness's cosignature line (without LF) of the checkpoint of `size`, durable on return. The line must be by the key
 * in `vkey` and verify over that checkpoint: -EKEYREJECTED. -EINVAL: no vkey. -ENOENT: no checkpoint has this size.
 * -ENOSPC, -EIO, -EBUSY, -EUCLEAN as audit_commit. Storing it again: 0. What is pending stays pending. */
int audit_cosign(struct audit *audit, uint64_t size, const char *vkey, struct audit_slice line);

/* ---- retention ------------------------------------------------------------------------------------------------ */

/* Old records leave the log for an archive of two text files; what stays verifies from the genesis on. Two steps: the long
 * one reads only and may run in any process, the short one belongs to the writer. */
struct audit_archiving {
        uint64_t from, to; /* records [from, to) leave; `to` is a multiple of 256 */
        char file[1024];   /* FILE.jsonl and FILE.ckpt */
        char sha256[65];   /* of FILE.jsonl */
        char staged[1024]; /* the database that takes the place of audit.db, complete up to `staged_size` */
        uint64_t staged_size;
        struct audit_finding why; /* code NULL, or what forbids it */
};

struct audit_archive_options {
        const char *state_dir;
        const char *file;     /* without the suffixes; NULL: STATE/archive/ORIGIN-LAST_PART.FROM-TO */
        uint64_t before_usec; /* `to` is made before this realtime */
        uint64_t now_usec;    /* 0: the clock's */

        void (*step)(void *userdata, enum audit_step step); /* for tests */
        void *step_userdata;
};

/* Verifies the log, writes and syncs the archive, verifies it alone, stages the pruned database and verifies that. One at a
 * time, while the writer goes on: in a thread of the writer or in another program, but not in a mere fork of the writer,
 * which would inherit what SQLite believes about its locks (that holds for all reading).
 *
 * -ENODATA: no record is old enough (`retention_days` of the genesis, and `before`); -EUCLEAN: the log or the archive does
 * not verify, see `why`; -EEXIST: another file has the archive's name. What is left of an attempt that did not end is used
 * or replaced by the next. `ret` is filled in as far as it went. */
int audit_archive_prepare(const struct audit_archive_options *options, struct audit_archiving *ret);

/* Appends audit.archive, seals, brings the staged database up to date, puts it in place of audit.db. Result as audit_commit.
 * After each of these the log is as good as before: -EBUSY: someone reads the log, call again later. -ENODATA: by the clock
 * of now `to` is too young. -ESTALE: what is staged is of another log or range, or a stranger wrote meanwhile: prepare
 * again. -EIO: seal.key fails. -EUCLEAN: as in audit_commit. */
int audit_archive_commit(struct audit *audit, const struct audit_archiving *archiving, const char *actor);

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* An ordinary reader of the file: works while the daemon writes and without one, never writes. */
struct audit_reader;

/* `database` is the path of an audit.db. -ENOENT, -EACCES, -EUCLEAN (not a log), ... */
int audit_reader_open(const char *database, struct audit_reader **ret);
struct audit_reader *audit_reader_close(struct audit_reader *reader);

/* For variables that close themselves: `__attribute__((cleanup(audit_reader_closep))) struct audit_reader *reader = NULL;` */
static inline void audit_reader_closep(struct audit_reader **reader)
{
        audit_reader_close(*reader);
}

struct audit_range {
        uint64_t from;
        uint64_t to; /* inclusive; UINT64_MAX: the end */
        bool newest_first;
};

/* Starts over with what is committed now. NULL: everything, oldest first (as a fresh reader does). */
int audit_reader_seek(struct audit_reader *reader, const struct audit_range *range);

/* One stored record; the slices of `body` are raw JSON text, on loan until the next call. */
struct audit_item {
        uint64_t seq;
        const char *body;
        size_t length;
};

/* 1 and the next record, 0 at the end, or a negative errno. */
int audit_reader_next(struct audit_reader *reader, struct audit_item *ret);

/* The notes of all checkpoints, oldest first; each on loan until the next call. A seek starts this over too. */
int audit_reader_next_note(struct audit_reader *reader, struct audit_slice *ret);

/* Number of records, all and sealed, as stored: what verify proves, this merely says. */
int audit_reader_head(struct audit_reader *reader, uint64_t *ret_size, uint64_t *ret_sealed_size);

/* The one-line anchor of the genesis, as `audit init` prints it on an existing log. -ENODATA: there is no record 0;
 * -EUCLEAN: it is no genesis. */
int audit_reader_genesis_anchor(struct audit_reader *reader, char ret_anchor[AUDIT_ANCHOR_MAX]);

/* The note of the newest seal, allocated. -ENODATA: there is none. */
int audit_reader_last_note(struct audit_reader *reader, char **ret_note);

/* The checkpoint of the greatest size that is at most `size`, with its cosignatures, allocated: a note that stands alone.
 * -ENOENT: there is none. */
int audit_reader_note_of(struct audit_reader *reader, uint64_t size, char **ret_note, uint64_t *ret_size);

/* Reads some members of a body without building JSON. The text is raw: escapes as stored, on loan from `body`. */
struct audit_view {
        struct audit_slice action, actor, subject, incident, ts, boot, prev, details;
        enum audit_outcome outcome;
        uint64_t seq;
        uint64_t boottime_usec;
};

/* -EBADMSG when the body is not one that the chain writes. */
int audit_view(const char *body, size_t length, struct audit_view *ret);

/* A member of `details` that is an integer, such as "intent"; false when there is none. */
bool audit_view_integer(const struct audit_view *view, const char *key, int64_t *ret);

/* Calls `found` for each intent (outcome pending, from `from_seq` on) that no later record's details.intent names, oldest
 * first. After a crash each gets an `unknown` outcome. A negative result of `found` ends the search. */
int audit_open_intents(struct audit_reader *reader, uint64_t from_seq,
                       int (*found)(void *userdata, const struct audit_item *intent), void *userdata);

/* ---- proofs --------------------------------------------------------------------------------------------------- */

/* A tlog-proof@v1 (C2SP) of record `seq`, the record's bytes in `extra`; allocated. It stands under the checkpoint that most
 * witnesses have cosigned, of those that hold the record, else under the newest. Nothing is handed out that does not lead
 * to a root which the log has signed. -ENOENT: no such record; -ENODATA: not sealed yet; -ESTALE: in an archive now;
 * -EUCLEAN: the stored log does not prove it. */
int audit_prove(struct audit_reader *reader, uint64_t seq, char **ret_proof);

/* What a C2SP verifier key says: of a log ("ORIGIN+KEYID+BASE64", type 0x01) or a witness (type 0x04). */
struct audit_vkey {
        char name[AUDIT_ORIGIN_MAX];
        uint8_t id[4];
        uint8_t type;
        uint8_t key[32];
};
int audit_vkey_read(const char *text, struct audit_vkey *ret); /* -EINVAL */

/* Whom a checker trusts. */
struct audit_trust {
        struct audit_vkey log;
        const struct audit_vkey *witnesses;
        size_t witnesses_n;
        unsigned quorum; /* so many of them must have cosigned */
};

struct audit_proved {
        uint64_t seq, size;
        struct audit_slice body; /* on loan from `space` */
        char space[AUDIT_BODY_MAX + 1];
        const char *why; /* of -EKEYREJECTED and -EBADMSG: which check failed */
};

/* -EBADMSG: not a proof; -EKEYREJECTED: it proves nothing; -EINVAL: the keys in `trust` are not of the kinds they should be.
 * Memory is constant, the bytes may be anyone's. */
int audit_proof_check(const char *proof, size_t length, const struct audit_trust *trust, struct audit_proved *ret);

/* The body of a C2SP add-checkpoint request for the newest checkpoint: "old N", the consistency proof from `old_size`, the note
 * without its cosignatures; allocated. -ERANGE: `old_size` is larger than the checkpoint; -ESTALE: what it needs is in an
 * archive now; -ENODATA: there is no checkpoint; -EUCLEAN: the stored tree does not lead to the sealed root. */
int audit_add_checkpoint_body(struct audit_reader *reader, uint64_t old_size, char **ret_body, uint64_t *ret_size);

/* RFC 6962, 2.1.2. `proof` holds `n` hashes of 32 bytes. Nothing is consistent with size 0: it proves nothing. */
bool audit_consistent(uint64_t old_size, const uint8_t old_root[32], uint64_t new_size, const uint8_t new_root[32],
                      const uint8_t *proof, size_t n);

/* Is the line (without LF) a cosignature (type 0x04) by this witness over the note's text? Its POSIX time. -ENOKEY: it
 * names another key, whose word is ignored; -EKEYREJECTED: it names this one and does not verify; -EBADMSG: malformed. */
int audit_cosignature_check(const char *note, size_t length, struct audit_slice line, const struct audit_vkey *witness,
                            uint64_t *ret_time);

/* ---- exports -------------------------------------------------------------------------------------------------- */

/* Each writes a whole export and reports the first failure to write. `range` NULL: everything. All are of the reader's
 * snapshot, so what one reader wrote without a seek in between verifies together. Checkpoints carry their cosignatures. */
int audit_export_jsonl(struct audit_reader *reader, const struct audit_range *range, FILE *out);
int audit_export_checkpoints(struct audit_reader *reader, FILE *out);
int audit_export_subtree(struct audit_reader *reader, FILE *out);

/* C2SP tlog-tiles under `directory`, up to the newest checkpoint, which is written last. The directory is new, empty or holds an
 * earlier export of this log, which grows: what is full is never written again. -EEXIST: it holds something else; -ERANGE: an
 * export of a later size; -EBUSY: another export is at work; -ENODATA: nothing is sealed; -ESTALE: the log is pruned, the
 * records that tiles need are in archives; -EUCLEAN: the records do not lead to the sealed root, or to the exported one. */
int audit_export_tiles(struct audit_reader *reader, const char *directory);

/* ---- verifying ------------------------------------------------------------------------------------------------ */

enum audit_verdict { AUDIT_VERDICT_OK, AUDIT_VERDICT_UNPROVEN, AUDIT_VERDICT_UNREADABLE, AUDIT_VERDICT_TAMPERED };

struct audit_report {
        enum audit_verdict verdict;
        int exit_code; /* govctl's: 0 ok, 3 tampered, 1 unreadable, 7 unproven, 4 not permitted, 5 no such file */
        char origin[AUDIT_ORIGIN_MAX];
        uint64_t size;
        uint64_t sealed_size;
        uint8_t root[32];
        bool anchored;
        size_t n_findings; /* kept below */
        uint64_t n_all;    /* found */
        struct audit_finding findings[AUDIT_FINDINGS_MAX];
};

/* Checkpoints that were kept elsewhere. A text may hold one-line anchors and notes with anything else between them: plain
 * lines, a mailbox, a chat that was exported (JSON, HTML), quoted, broken or encoded on the way. -EBADMSG: an anchor that is
 * malformed, the number of whose line is in `ret_line`. */
struct audit_anchors;
int audit_anchors_new(struct audit_anchors **ret);
struct audit_anchors *audit_anchors_free(struct audit_anchors *anchors);
int audit_anchors_add(struct audit_anchors *anchors, const char *text, size_t length, unsigned *ret_line);
size_t audit_anchors_count(const struct audit_anchors *anchors);

/* What to verify is one of state_dir, database and jsonl; the rest may be zero. */
struct audit_verify_options {
        const char *state_dir;       /* the live log: audit.db and keys/seal.key in it */
        const char *database;        /* or a copy of it ... */
        const char *seal_key;        /* ... with its key file; NULL: a detached copy */
        const char *jsonl;           /* or an export: its records ... */
        const char *checkpoints;     /* ... and its checkpoints; NULL: NO_SEAL */
        const char *subtree;         /* ... and, of a pruned log, its subtrees */
        const char *const *archives; /* FILE.jsonl of what was archived, in any order; FILE.ckpt stands beside it */
        size_t archives_n;
        const struct audit_vkey *witnesses; /* whose cosignatures are checked */
        size_t witnesses_n;
        unsigned quorum;                     /* NO_ANCHOR when fewer of them cosigned a checkpoint of this log */
        unsigned threads;                    /* 0: as many as there are cores, at most 8 */
        const struct audit_anchors *anchors; /* to compare with; NO_ANCHOR when none is of this log */
        bool require_anchor;                 /* NO_ANCHOR also when there are no anchors */
        const struct audit_head *head;       /* what the running daemon answered just before; NULL: it was not asked */
        bool has_max_age;
        uint64_t max_age_usec; /* STALE when the last sealed record is older */
        uint64_t now_usec;     /* what ages are measured from; 0: CLOCK_REALTIME */
};

/* Checks everything in one pass in constant memory and goes on after each finding. Always fills in the report; a failure
 * to read is a finding in it. */
void audit_verify(const struct audit_verify_options *options, struct audit_report *ret);

const char *audit_verdict_name(enum audit_verdict verdict);

/* The report as `govctl audit verify --json` prints it; NULL when memory is short. */
json_t *audit_report_json(const struct audit_report *report);

#ifdef __cplusplus
}
#endif
