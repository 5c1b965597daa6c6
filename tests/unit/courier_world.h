#pragma once
/* A governord and a witness on real sockets of this machine, played from a script: what the courier meets outside. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "courier/push.h"

/* A key of the specification's example and a line of it; what the daemon verifies is not the courier's business. */
#define WORLD_VKEY "witness.example/w1+b1c3056e+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin"
#define WORLD_LINE                                                                                                    \
        "— witness.example/w1 scMFbgAAAABpVzXcqwD2xQVQ70SR7oty4SidOwzrM0nSUIgZZBemAVNInXTJQHNPLsay/UI/zKPqayTYuJg7" \
        "ddgqGVaBe5AVV7g+AQ=="

#define WORLD_REPLIES_MAX 4

struct courier_world {
        /* the script: what the witness answers, one after the other; NULL: it hangs up */
        const char *replies[WORLD_REPLIES_MAX];
        size_t endless; /* bytes of 'x' that follow each reply */

        uint64_t sealed;       /* size of the newest checkpoint */
        uint64_t sealed_later; /* ... from the first audit-head on; 0: it does not grow */
        int cosign_exit;       /* the daemon refuses lines with this exit code; 0: it takes them */

        /* what happened */
        char requests[WORLD_REPLIES_MAX + 1][2048]; /* of the witness: head and body */
        unsigned requests_n;
        char asked[512]; /* of the daemon: "add-checkpoint 4, cosign 10, " */
        char line[1200]; /* the last one to be cosigned, or what was told of a refusal */

        char socket[108], url[64];
        int door, port;
        pthread_t daemon, witness;
};

/* The script may be filled in before or after, but before the push. */
void world_open_courier(struct courier_world *world);
void world_close_courier(struct courier_world *world);

/* Pushes as the program does, with `last_size` as what the daemon knows of the witness. */
struct pushed world_push(struct courier_world *world, uint64_t last_size);
