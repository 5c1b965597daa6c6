#pragma once
/*
 * All instances of an app as one text: each different outline among them with how many have it. Most apps have one, and a number
 * of instances; but PM2 lets any two apps have the same name.
 */
#include <stdbool.h>
#include <stddef.h>

#define APPS_GROUP_MAX 16 /* different outlines that are told apart; of more only the number is */

/* From the outlines of n instances, sorted. NULL: out of memory. */
char *apps_group_of(const char *const *outlines, size_t n);

/* How many instances there are in it. */
unsigned apps_group_count(const char *group);

/* How `now` differs: the first outlines that have no like on the other side, and the number of instances. */
void apps_group_difference(const char *before, const char *now, char *words, size_t size);
bool apps_group_same(const char *before, const char *now);

/* ... in nothing but how many instances there are. */
bool apps_group_same_but_count(const char *before, const char *now);
