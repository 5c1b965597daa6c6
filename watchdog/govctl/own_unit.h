#pragma once
/* How a PM2 app gets a unit of its own, which can be limited: the unit, and what to type. */
#include "govctl/call.h"

/* `answer` is the daemon's refusal to limit the app: its agent, the PM2 home, and why. */
enum code own_unit_show(struct call *call, const json_t *answer);
