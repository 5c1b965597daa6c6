#pragma once
/* What govctl says of itself: all verbs, or one explained, from the tables. */
#include "govctl/call.h"

enum code usage_all(struct call *call);
enum code usage_verb(struct call *call, const struct verb *verb);

/* The verb that the words name, or those that begin with them; complains when there is none. */
enum code usage_words(struct call *call, const char *const *words, unsigned n);
