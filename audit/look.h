#pragma once

/* Reads a source ahead of the walk and looks at all that needs no other record on every core: leaf hashes, canonical form,
 * signatures. What it saw comes out in the source's order. */

#include "audit/genesis.h"
#include "audit/source.h"

struct audit_look;

/* A record and what was seen of it, on loan until the next call. */
struct audit_looked {
        struct audit_item item; /* body NULL: no text, or longer than any record */
        struct audit_hash leaf; /* in any case */
        bool is_record;         /* canonical, so that the rest means something: */
        struct audit_view view;
        struct audit_hash prev;
};

/* A stored note, on loan until the next call. */
struct audit_looked_note {
        struct audit_stored_note stored;
        bool is_note; /* well-formed, so that the rest means something: */
        struct audit_note note;

        bool log_signed, sealed; /* by these keys, when they were known: */
        bool knows_log_key, knows_seal_key;
        uint8_t log_key[AUDIT_PUBLIC_KEY], seal_key[AUDIT_PUBLIC_KEY];
};

/* `threads` counts the caller: 1 makes none; 0 means as many as there are cores, and there are never more than 8. `genesis`
 * may be NULL. The source is borrowed until the free, its records and notes are read through the look alone. How much memory
 * this takes is a matter of threads, never of the log. -ENOMEM. */
int audit_look_new(const struct audit_source *source, const struct audit_genesis *genesis, unsigned threads,
                   struct audit_look **ret);
struct audit_look *audit_look_free(struct audit_look *look);

/* As those of a source. An error comes at its place in the order, after all before it. */
int audit_look_next(struct audit_look *look, const struct audit_looked **ret);
int audit_look_skip_damage(struct audit_look *look, uint64_t position, const struct audit_looked **ret);
int audit_look_next_note(struct audit_look *look, const struct audit_looked_note **ret);
int audit_look_skip_note_damage(struct audit_look *look, uint64_t epoch, const struct audit_looked_note **ret);

/* As audit_note_log_signed and audit_note_sealed: from what was seen when it was seen with this key, else anew. */
bool audit_looked_log_signed(const struct audit_looked_note *looked, const uint8_t log_key[AUDIT_PUBLIC_KEY]);
bool audit_looked_sealed(const struct audit_looked_note *looked, const uint8_t seal_key[AUDIT_PUBLIC_KEY]);
