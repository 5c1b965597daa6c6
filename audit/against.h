#pragma once

/* What was kept elsewhere (anchors, cosignatures, the daemon's memory) against the tree, at the moment it has their size. */

#include "audit/walk.h"

/* Before the first record. -ENOMEM. */
int audit_against_begin(struct audit_walk *walk);

/* A stored note was read that `seal_key` sealed, or should have; NULL: that key is not known. */
void audit_against_note(struct audit_walk *walk, const struct audit_note *note, const uint8_t *seal_key);

/* The walk leaves the checkpoint that is due; `fits`: its root was made by the records. */
int audit_against_checkpoint(struct audit_walk *walk, bool fits);

/* The walk has passed walk->position records. */
void audit_against_reached(struct audit_walk *walk);

void audit_against_end(struct audit_walk *walk);
void audit_against_done(struct audit_walk *walk);
