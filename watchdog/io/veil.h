#pragma once
/*
 * What stands for a value that nobody may see: a digest under a key that never leaves this machine. Two values can be told apart by
 * it, and none can be found by guessing.
 */
#include <stddef.h>
#include <stdint.h>

#include "io/cleanup.h"

struct veil;

/* With the key in that file; a new one is made where there is none that can be used, readable for its owner alone. */
int veil_open(const char *path, struct veil **ret);

/* With a key of this process alone, for what is not kept. */
int veil_new(struct veil **ret);

/* Another one with the same key: values that come in pieces at the same time need one each. */
int veil_copy(const struct veil *veil, struct veil **ret);

struct veil *veil_free(struct veil *veil);
DEFINE_CLEANUP_FUNC(struct veil *, veil_free);

/* A value in pieces. */
void veil_begin(struct veil *veil);
void veil_add(struct veil *veil, const void *data, size_t size);
uint64_t veil_end(struct veil *veil);

/* Tells one key from another: what was veiled under another one cannot be compared. */
uint64_t veil_mark(const struct veil *veil);
