#pragma once
/* Finds the files that are to be guarded: all that the patterns match and the manifest does not have yet. No link is followed. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "guard/manifest.h"
#include "io/walk.h"

/* Names of our own, beside what is being sealed, begin so: they are nobody's files. */
#define SCAN_OWN_NAMES ".governor-"

struct scan {
        const char *const *patterns; /* as path_glob() reads them; all of these are loans until the end */
        uint32_t patterns_n;
        const struct manifest *manifest;
        /* Whether a rule owns the file: says class, rule and immutable, the path is there already. */
        bool (*owns)(void *self, struct manifest_entry *wanted);
        bool (*enters)(void *self, const char *folder); /* NULL: into every folder */
        /* A file of whatever kind, and each folder that leads to some: not in the manifest yet. May add it there. */
        void (*found)(void *self, const struct manifest_entry *wanted, const struct stat *st);
        void (*folder)(void *self, const char *path); /* NULL: nobody asks */
        /* Something of a pattern is not seen, and why: for people. */
        void (*left_out)(void *self, const char *pattern, const char *why);
        void *self;

        uint32_t at; /* the pattern */
        bool walking;
        struct walk walk;
};

/* The members above `at` are the caller's to set before. */
void scan_begin(struct scan *scan);
bool scan_on(struct scan *scan, unsigned entries); /* looks at up to so many more; false: that was all */
void scan_end(struct scan *scan);                  /* wherever it is */
