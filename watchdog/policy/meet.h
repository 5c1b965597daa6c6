#pragma once
/* Examples of what patterns match: how two rules are found to speak of the same file or agent. */
#include <stdbool.h>
#include <stddef.h>

enum pattern_kind {
        PATTERN_PATH, /* as path_glob() reads it */
        PATTERN_TEXT, /* as text_glob() does */
};

#define MEET_MAX 1024 /* room for an example and its NUL; longer patterns have none */

/*
 * Finds a text that both patterns match, and writes it; false when none was found. What is found has been tried with both
 * patterns. Looking takes time and memory in proportion to the product of their lengths, and none where they begin
 * differently.
 */
bool patterns_meet(enum pattern_kind kind, const char *a, const char *b, char ret[MEET_MAX]);

/*
 * Writes a text that the pattern matches because of its wildcards and for no other reason: an unusual word stands for each.
 * With `deep`, a '**' is two folders. What matches this text, matches all that the pattern does; false when there is none.
 */
bool pattern_example(enum pattern_kind kind, const char *pattern, bool deep, char ret[MEET_MAX]);
