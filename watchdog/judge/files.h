#pragma once
/*
 * Guarded files. What a rule guards and is not as it was sealed is restored: at once, but no file more than 20 times in ten
 * minutes, then once a minute, and the incident says whose loop that is. When many files of a rule are to be restored at the
 * same time, all of the rule are, in one act. Restores spend nothing of the budget of actions.
 *   guard-change   one incident a rule: which file, by whom, how often; over when all is as it was sealed, and was for an hour
 *   guard-denied   attempts that were refused, likewise
 *   guard-level    what is proven to protect the rule's files is less than before, or nothing; over when it is what it was
 * In a change window that names the file a change of a protected one is planned, and it is not restored; of an untouchable one
 * it never is. A rule
 * that only observes is told, and what would be done. A rule with `on_breach: record` opens no incident.
 */
#include "judge/memory.h"

/* FACT_FILE, and the outcome of an ACTION_RESTORE. */
void files_take(struct judge *judge, const struct fact *fact);
void files_outcome(struct judge *judge, const struct fact *fact);

/* Restores, opens, worsens and resolves: one thing a call, with no more than three decisions. */
void files_look(struct judge *judge, usec_t *due);

/* A change window was opened. */
void files_window(struct judge *judge);

/* A human closed the incident: what comes next is told anew. */
void files_forget(struct judge *judge, uint32_t incident);

/* After an absence: nobody restores any more, and what is not as it was sealed will be told. */
void files_resumed(struct judge *judge);

/* The rule that the open incident is about; NULL when it is none of these. */
const struct file_rule *files_rule_of(const struct judge *judge, uint32_t incident);
