#pragma once

/* The writer: what struct audit holds, shared by the files that start, replace and extend a log. */

#include "audit/genesis.h"
#include "audit/pending.h"
#include "audit/sealkey.h"
#include "audit/store.h"

/* In memory that is locked, guarded and erased (sodium_malloc). */
struct audit_keys {
        uint8_t log[AUDIT_SECRET_KEY];
        uint8_t seal[AUDIT_SECRET_KEY]; /* of the next seal, `epoch` */
        uint8_t next[AUDIT_SECRET_KEY]; /* of the one after, once it is on disk */
};

struct audit {
        char *dir;
        struct audit_clock clock;
        char boot_id[33];
        char host[254];
        char *reason;
        unsigned retention_days;
        bool no_ballast;
        void (*step)(void *userdata, enum audit_step step);
        void *step_userdata;

        int lock_fd; /* keys/seal.key, flock'ed */
        struct audit_keys *keys;
        bool next_stored; /* keys->next is in its slot; it stays the next key until a seal with it is durable */

        sqlite3 *db;
        sqlite3_stmt *begin, *commit, *insert_record, *insert_subtree, *insert_checkpoint, *data_version;
        int64_t data_version_seen;
        bool foreign_noted; /* and its record waits */

        struct audit_genesis genesis;
        struct audit_tree tree; /* of what is committed */
        struct audit_hash last; /* of the last record, waiting ones included */
        uint64_t epoch;         /* of the next seal */
        uint64_t sealed_size;
        char note[AUDIT_NOTE_MAX]; /* of the last seal */

        uint64_t sealed_at, unsealed_since, retry_at; /* CLOCK_BOOTTIME */

        bool failing; /* the last commit did */
        bool has_ballast;
        bool ballast_given;  /* and is not back yet */
        bool degraded;       /* and its record is among the pending, or written */
        bool degraded_noted; /* and the caller was not told yet */
        uint64_t lost;       /* records that found no room among the pending while that lasted */

        struct audit_pending pending;
        char *space; /* AUDIT_BODY_MAX, where a body is written before it has a length */
};

void audit_step_done(const struct audit *audit, enum audit_step step);

/* "DIR/NAME", allocated; NULL when memory is short. */
char *audit_path(const struct audit *audit, const char *name);

uint64_t audit_boottime_usec(const struct audit *audit);
uint64_t audit_realtime_usec(const struct audit *audit);

/* Records that no seal covers, waiting ones included. */
uint64_t audit_unsealed(const struct audit *audit);

/* In the state directory. A file that is not there is removed already, and renamed already. */
int audit_sync_directory(const struct audit *audit, const char *name);
int audit_remove_file(const struct audit *audit, const char *name);
int audit_rename_file(const struct audit *audit, const char *from, const char *to);

/* audit.db-wal and the like: left beside another audit.db they would be taken for its own. */
int audit_remove_companions(const struct audit *audit);

/* A pruned log that was staged and never put in place. */
int audit_remove_staged(const struct audit *audit);

/* The next record's place, and the clock's reading for what an entry does not say. */
struct audit_place audit_next_place(const struct audit *audit);

/* audit_append without the names that are reserved. */
int audit_append_own(struct audit *audit, const struct audit_entry *entry, uint64_t *ret_seq);

/* A record that the chain makes about itself. `actor` NULL: nobody asked for it. */
int audit_append_remark(struct audit *audit, const char *action, const char *actor, const json_t *details);

/* Adds a body that had its place in another log: all of it stays but prev and seq. */
int audit_append_again(struct audit *audit, const char *body, size_t length);

/* Locks, then continues what is there or puts a new log in its place; what is sealed by the end of it is durable. */
int audit_start(struct audit *audit, struct audit_how *how);
int audit_replace_reason(struct audit *audit, const char *reason);

/* A database that was judged good becomes the one that is written to. */
int audit_begin_writing(struct audit *audit);
int audit_prepare_statements(struct audit *audit);
int audit_close_log(struct audit *audit);

/* Does the file end with the record and the seal that we wrote last? -EUCLEAN. */
int audit_compare_end(struct audit *audit);

/* One transaction of the writer, after a look at what others did. The end commits, or takes back when `r` is negative,
 * and returns it or what the commit says. */
int audit_begin_transaction(struct audit *audit);
int audit_end_transaction(struct audit *audit, int r);

/* Lays the ballast down unless it is there or space is short; deletes it, true when that freed something. */
void audit_keep_ballast(struct audit *audit);
bool audit_give_ballast(struct audit *audit);

/* Is what is in the directory ours to continue? Then everything above is filled in but the statements. Else why not is in
 * `how`, and audit->note is the last note of it that can be read, or "". A negative errno: that cannot be told. */
enum { AUDIT_JUDGED_GOOD, AUDIT_JUDGED_NONE, AUDIT_JUDGED_BAD };
int audit_judge(struct audit *audit, struct audit_how *how);
int audit_judge_database(struct audit *audit, struct audit_how *how); /* audit->db, whatever its name */

/* Replaces what is in the directory by a new, sealed log: stages its files, then swaps them in. `prev_log` is a note or "",
 * `rotated` says that the log before ended on purpose. What is staged completely is swapped in by the next start if need
 * be. */
int audit_begin_log(struct audit *audit, const char *prev_log, bool rotated);

/* Ends what audit_begin_log had staged before a crash. 1 when there was something to end. */
int audit_finish_swap(struct audit *audit);

/* Before that: gives the old files a second name in a directory of their own, "set-aside/WHEN". */
int audit_set_aside(struct audit *audit, char *ret_name, size_t room);

/* Ends what audit_set_aside had begun for a log that is still in place. A failure costs nothing but the names. */
void audit_take_back(const struct audit *audit);
