#pragma once
/* A chore is a long task done by a child of ours, which may claim nothing that anybody else wants: no CPU, no disk, no memory. */
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "base/usec.h"

struct chore;

/* What came of it; a loan for the call. */
struct chore_result {
        const char *output; /* what it wrote to its standard output, ended by NUL */
        size_t size;
        const char *failure; /* NULL when it ended by itself with status 0; else for people what happened instead */
};

struct chore_options {
        const char *program;
        char *const *arguments;                                      /* as execv() takes them */
        usec_t patience;                                             /* killed when it takes longer */
        size_t output_most;                                          /* ... or writes more */
        uint64_t memory_most;                                        /* bytes of its own; 0: no limit */
        void (*done)(void *self, const struct chore_result *result); /* once, from the loop; may free the chore */
        void *self;
};

/* Starts it. It dies with us. */
int chore_new(sd_event *event, const struct chore_options *options, struct chore **ret);

/* Ends it, whatever it is doing; `done` is not called any more. Takes NULL, returns NULL. */
struct chore *chore_free(struct chore *chore);
