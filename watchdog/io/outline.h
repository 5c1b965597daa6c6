#pragma once
/*
 * What is declared of a thing, key by key, so that two states of it can be compared in words. A value stands in it only where it
 * may be shown, else what is told of it is that it is another one. As text: "Restart=always", "Environment#1f0c...", one a tab.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTLINE_ITEMS_MAX 4096 /* of a thing with more nothing is told but that */
#define OUTLINE_NAME_MAX 96
#define OUTLINE_VALUE_MAX 64

struct outline {
        char **items;
        uint32_t n, room;
        bool failed; /* out of memory */
};

/* Adds a key: with its value, or with what stands for it (io/veil.h). A value that is too long to show is hidden by the caller. */
void outline_show(struct outline *outline, const char *name, const char *value);
void outline_hide(struct outline *outline, const char *name, uint64_t veiled);

/* ... that may be no key at all: it counts only beside one of that name that is. */
void outline_guess(struct outline *outline, const char *name, uint64_t veiled);

/* The text, sorted; NULL when memory ended. What was gathered is gone then. */
char *outline_finish(struct outline *outline);
void outline_done(struct outline *outline);

/* How `now` differs: "Restart=always -> no, ExecStart changed, env DEBUG added"; "" when it does not. NULL is an empty one. */
void outline_difference(const char *before, const char *now, char *words, size_t size);
bool outline_same(const char *before, const char *now);
