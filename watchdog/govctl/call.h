#pragma once
/* One call of govctl: what was asked, where its data and its talk go, and how it ends. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "govctl/page.h"

/* What scripts rely on; design and man page list them. */
enum code {
        CODE_OK = 0,
        CODE_FAILURE = 1,
        CODE_USAGE = 2,
        CODE_FINDING = 3, /* only of verbs that look for findings */
        CODE_DENIED = 4,
        CODE_NOT_FOUND = 5,
        CODE_UNREACHABLE = 6,
        CODE_PENDING = 7, /* timed out, not known yet, or not proven */
        CODE_INTERRUPTED = 130,
};

/* Values of an option that may be given again and again; more than fit is a usage error. */
struct texts {
        const char *list[256];
        size_t n;
};

/* Options as given; NULL or false when not. The table in options.c says which is which. */
struct options {
        bool json, help, version;
        bool all, follow, watch, origin, require_anchor, qr, no_qr, anchor, ascii, apply, remove, hide_bus, drop_in;
        bool full;
        bool sign_request, passphrase, cancel;
        const char *socket, *colour, *width;
        const char *state, *config, *policies, *root;
        const char *every, *since, *until, *action, *outcome, *lines, *reason, *nonce, *span;
        const char *db, *key, *max_age, *at, *threads;
        const char *jsonl, *checkpoints, *subtree, *tiles;
        const char *log, *quorum, *before, *to;
        const char *timeout, *memory_high, *memory_max, *cpu_quota;
        const char *user;
        const char *signature, *as, *code;
        struct texts against, anchors, archives, witnesses, write, guard, parameters;
};

struct verb;

struct call {
        const struct verb *verb;
        struct options options;
        const char *const *arguments;
        unsigned arguments_n;
        struct page page; /* data */
        FILE *talk;       /* whatever is not data */
};

/* Says on the talk stream what is wrong, why, and what to type next (each but the first may be ""), and returns `code`. */
enum code call_complain(const struct call *call, enum code code, const char *what, const char *why, const char *next);

/* Says on the talk stream what is good to know beside the data. */
void call_tell(const struct call *call, const char *text);

/* Memory ended; there is nothing to explain. */
enum code call_out_of_memory(const struct call *call);

/* Prints JSON data: one line, indented for a person. */
enum code call_print_json(struct call *call, const json_t *json, enum code code);

/* The first argument as the number of a record. Complains. */
enum code call_take_seq(const struct call *call, uint64_t *ret);

/* Who acts when govctl does it itself, as the daemon would name them: "uid:0 pid:4711". */
#define CALL_ACTOR_MAX 64
char *call_actor(char buffer[CALL_ACTOR_MAX]);

/* The first argument, or "". */
const char *call_argument(const struct call *call);
