#pragma once
/*
 * Shortage of memory: who was killed for it, and who is about to be. Named, never acted on: what a restart can do about size is
 * swell.h's.
 *
 *   near      a cgroup that holds 90 % of its limit or more and is held back by it (pressure of 10 %, or the kernel had to
 *             take memory back in the last minute) or fills it within five minutes as it grows; one that holds three
 *             quarters and fills it within one. The machine, with less than 15 % available and none of it left within five
 *             minutes; or with a tenth of all time lost to memory, no swap left and less than 10 % available.
 *             Over when it was below 85 % of its limit (the machine: above 15 % available), or gone, for ten minutes.
 *   killed    each process that was. The first ten are told, then the 100th and so on. Over when for a day nobody was, and
 *             nothing is near.
 *
 * A victim that belongs to no governed agent is the machine's. A manager that cannot tell who sent a SIGKILL (PM2 never can,
 * systemd not with OOMPolicy=continue) is corrected: the life ended by ENDING_OOM. A death that the manager calls one for
 * memory, and of which nobody else told for three seconds, is told by its word.
 */
#include "judge/memory.h"

/* FACT_OOM: judged now, told at the next look. */
void shortage_take(struct judge *judge, const struct fact *fact);

/* Whether this life is the victim of a kill that was told. */
bool shortage_took(const struct judge *judge, const struct agent *agent, const struct life *life);

/* Its manager says that it died for memory. */
void shortage_said(struct judge *judge, const struct agent *agent, usec_t at);

/* Opens, worsens and resolves; one decision a look. */
void shortage_look(struct judge *judge, usec_t *due);

/* The incident was closed by other means. */
void shortage_forget(struct judge *judge, uint32_t incident);

/* The agent's slot becomes another's. */
void shortage_forget_agent(struct judge *judge, uint32_t agent);

/* The agent's open incident, NOBODY when there is none. */
uint32_t shortage_incident(const struct judge *judge, uint32_t agent);
