#pragma once
/* Change windows: what a human announced, and whether a death or a changed file falls into one. */
#include "judge/memory.h"

/* FACT_CHANGE. */
void change_take(struct judge *judge, const struct fact *fact);

/* Whether the agent may die and be restarted then: a window of its own is, or was, open at that moment. */
bool change_covers_agent(const struct judge *judge, const struct agent *agent, usec_t at);

/* Whether a window names this file. */
bool change_covers_path(const struct judge *judge, const char *path, usec_t at);

/* Whether there is a window for any files. */
bool change_is_open_for_files(const struct judge *judge, usec_t at);

/*
 * Whether what a FACT_CONFIG is about may change then: by its own path, or because an agent has a window whose rule declares the
 * file, whose unit's file it is, or whose app; or because it is Governor's own work (see hand.h).
 */
bool change_covers(const struct judge *judge, const struct fact *fact);
