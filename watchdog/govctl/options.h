#pragma once
/* The options of govctl as one table: usage, completion and the man page's test read the same rows. */
#include <stddef.h>
#include <stdint.h>

#include "govctl/call.h"

/* Which verbs take an option; a verb names a set of these. */
enum option_set {
        TAKES_ALWAYS = 0,
        TAKES_WATCH = 1 << 0,
        TAKES_ALL = 1 << 1,
        TAKES_LOG = 1 << 2,
        TAKES_REASON = 1 << 3,
        TAKES_POLICY = 1 << 4,
        TAKES_VERIFY = 1 << 5,
        TAKES_STATE = 1 << 6,
        TAKES_ROOT = 1 << 7,
        TAKES_ORIGIN = 1 << 8,
        TAKES_DB = 1 << 9,
        TAKES_QR = 1 << 10,
        TAKES_ANCHOR = 1 << 11,
        TAKES_NONCE = 1 << 12,
        TAKES_EXPORT = 1 << 13,
        TAKES_WITNESSES = 1 << 14,
        TAKES_LOG_KEY = 1 << 15,
        TAKES_ARCHIVE = 1 << 16,
        TAKES_SINCE = 1 << 17,
        TAKES_FOR = 1 << 18,
        TAKES_ASCII = 1 << 19,
        TAKES_LIMITS = 1 << 20,
        TAKES_TO = 1 << 21,
        TAKES_HARDEN = 1 << 22,
        TAKES_PARAM = 1 << 23,
        TAKES_TIMEOUT = 1 << 24,
        TAKES_FULL = 1 << 25,
        TAKES_PROOF = 1 << 26,
        TAKES_ENROL = 1 << 27,
        TAKES_RECOVER = 1 << 28,
};

struct option_row {
        const char *name;
        char letter;          /* 0: long form only */
        const char *argument; /* what its argument is called; NULL: it takes none */
        bool optional;        /* the argument may be left out: --watch, --watch=5 */
        unsigned takes;       /* 0: every verb */
        size_t flag;          /* offset of a bool in struct options */
        size_t text;          /* offset of a string in struct options, when it takes an argument */
        size_t texts;         /* or of struct texts: it may be given again and again */
        const char *help;
};

extern const struct option_row option_rows[];
extern const size_t option_rows_n;

/*
 * Takes the options of argv[1..] that a verb with these sets has, permuting argv so that the others come last; *ret_first is
 * the index of the first of those. With `leading` it stops before the first word that is no option. Complains and returns
 * CODE_USAGE at a mistake.
 */
enum code options_take(struct call *call, unsigned takes, bool leading, int argc, char **argv, int *ret_first);

/* The value of --NAME, left as it is when it was not given (`text` NULL). Complains of all but a number in these bounds. */
enum code options_number(const struct call *call, const char *name, const char *text, uint64_t least, uint64_t most,
                         uint64_t *ret);
