#pragma once
/*
 * A dead-man's switch: a process of its own, as small as can be, that kills this one when its pulse stops. Whoever waits for an answer
 * of ours would else wait for as long as we are stopped; when we are gone the kernel lets them go on.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "base/usec.h"
#include "io/cleanup.h"

struct deadman;

/* Begins to watch; the pulse has to be felt from now on. Neither file nor lock of ours is kept in that process. */
int deadman_new(usec_t limit, struct deadman **ret);
struct deadman *deadman_free(struct deadman *deadman);
DEFINE_CLEANUP_FUNC(struct deadman *, deadman_free);

/* The pulse; may be felt by any thread. */
void deadman_feel(struct deadman *deadman);

/* Whether somebody ended it; then another one is begun. A negative errno: it could not be. Takes the process that calls it for the
 * one that began it. */
int deadman_check(struct deadman *deadman);
