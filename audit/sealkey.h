#pragma once

/* keys/seal.key: two slots overwritten in place, so that the key that signed a seal can be erased, and the lock of the
 * one writer. */

#include "audit/note.h"

enum { AUDIT_SLOT_SIZE = 512, AUDIT_SLOTS = 2 };

/* What a slot says; a slot whose hash is wrong, or whose seed does not make its public key, is empty. */
struct audit_slot {
        bool valid;
        uint64_t epoch;
        uint8_t public_key[AUDIT_PUBLIC_KEY];
};

/* Opens (creates, 0600) and locks for life. -EBUSY: another process holds it. */
int audit_sealkey_lock(const char *path, int *ret_fd);

/* Opens for looking only, unlocked: verify reads it before and after its snapshot. */
int audit_sealkey_look(const char *path, struct audit_slot ret_slots[AUDIT_SLOTS]);

int audit_sealkey_read(int fd, struct audit_slot ret_slots[AUDIT_SLOTS]);

/* The secret of the slot of this epoch. -ENOKEY when that slot holds something else. */
int audit_sealkey_load(int fd, uint64_t epoch, uint8_t ret_secret[AUDIT_SECRET_KEY]);

/* Writes the slot of this epoch, or zeroes it, and syncs. */
int audit_sealkey_store(int fd, uint64_t epoch, const uint8_t secret[AUDIT_SECRET_KEY]);
int audit_sealkey_erase(int fd, uint64_t epoch);
