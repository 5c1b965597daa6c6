#pragma once
/* The chronicle is the daemon's pen: it groups what one turn of the loop tells into one transaction of the audit chain,
 * seals when a seal is due, and says so when the chain cannot be written. */
#include <systemd/sd-event.h>

#include "audit/audit.h"
#include "base/decision.h"
#include "base/fact.h"

struct chronicle;

struct chronicle_options {
        const char *state_dir;
        unsigned retention_days;
        const char *reason;            /* stands in the audit.start record */
        void (*committed)(void *self); /* new records are durable; may be NULL */
        /* A chain is open again, often a new one: what it must know is to be told anew. */
        void (*reopened)(void *self, const struct audit_how *how);
        /* the chain was touched by another program, or with an error: it cannot be written, or is about not to be */
        void (*troubled)(void *self, int error, const char *what);
        void (*recovered)(void *self); /* what was told with an error is over */
        void (*touched)(void *self);   /* another program wrote to the chain: it is to be verified */
        void (*sealed)(void *self);    /* there is a new seal */
        void *self;
};

/*
 * Opens the chain for writing (see audit_open) and hangs its commits into the loop. -EBUSY: another daemon writes it. A disk
 * that is full or ill is no failure: the chronicle is not healthy then, tells so, and tries again every few seconds.
 */
int chronicle_new(sd_event *event, const struct chronicle_options *options, struct audit_how *ret_how,
                  struct chronicle **ret);
struct chronicle *chronicle_free(struct chronicle *chronicle); /* commits and seals what is pending */

/* Each of these adds a record that becomes durable at the end of this turn of the loop. 0 or a negative errno. */
int chronicle_fact(struct chronicle *chronicle, const struct fact *fact);
int chronicle_decision(struct chronicle *chronicle, const struct decision *decision, enum audit_outcome outcome,
                       const char *actor, uint64_t *ret_seq);
int chronicle_outcome(struct chronicle *chronicle, const struct fact *fact, uint64_t intent, uint64_t incident);
int chronicle_event(struct chronicle *chronicle, const struct audit_entry *entry); /* policy.load, judge.start, ... */
int chronicle_event_seq(struct chronicle *chronicle, const struct audit_entry *entry, uint64_t *ret_seq);

/* Makes everything told so far durable now, sealed: before an action. On failure nothing may be done that needs a record. */
int chronicle_settle(struct chronicle *chronicle);

/* Answers an auditor, see audit_seal_nonce. -EINVAL: not a nonce. */
int chronicle_seal_nonce(struct chronicle *chronicle, const char *nonce, const char *actor);

/* Ends the log on purpose and begins another, see audit_rotate; durable and sealed on return. `reopened` is called within. */
int chronicle_rotate(struct chronicle *chronicle, const char *reason, const char *actor, struct audit_how *ret_how);

/* Lets what was prepared take the place of the log, see audit_archive_commit. -EBUSY: somebody reads it, try again. */
int chronicle_archive(struct chronicle *chronicle, const struct audit_archiving *archiving, const char *actor);

/* Keeps a witness's line, see audit_cosign. */
int chronicle_cosign(struct chronicle *chronicle, uint64_t size, const char *vkey, const char *line);

/* False while the chain cannot be written. */
bool chronicle_healthy(const struct chronicle *chronicle);

void chronicle_head(const struct chronicle *chronicle, struct audit_head *ret);

/* The note of the newest seal, on loan until the next turn of the loop; "" while there is no chain. */
const char *chronicle_last_note(const struct chronicle *chronicle);
