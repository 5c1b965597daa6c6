#pragma once
/* The judge's memory, into the chain and out of it again: no second state file. */
#include "governor_inside.h"

/* Clock, judge and modes continue where the chain says that they were. */
int memory_recall(struct governor *governor);

/* judge.start and what the judge remembers: from here on the chain can be lived through. `again`: the same run, once more. */
void memory_write(struct governor *governor, bool again);

/* judge.stop: this run ended cleanly. */
void memory_write_end(struct governor *governor);

/* Actions that a crash cut off get an outcome, `unknown`, and the judge hears of it. */
void memory_close_intents(struct governor *governor);

/* Timer: once a day the memory is written again, so that recalling it never takes longer than a day's records. */
int memory_on_day(sd_event_source *source, uint64_t usec, void *userdata);
