#pragma once
/* What govctl says of itself: all verbs, or one explained, from the tables. */
#include "govctl/call.h"

enum code usage_all(struct call *call);
enum code usage_verb(struct call *call, const struct verb *verb);
