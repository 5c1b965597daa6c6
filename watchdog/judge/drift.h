#pragma once
/* Drift: what is declared (files, unit files, PM2's apps, the policy) is not as it was sealed, or not in force, and nobody
 * announced that. Named, never acted on. */
#include "judge/memory.h"

static inline bool is_drift(enum cause cause)
{
        return cause == CAUSE_CONFIG_DRIFT || cause == CAUSE_UNIT_DRIFT;
}

/* FACT_CONFIG: judged at the next look. */
void drift_take(struct judge *judge, const struct fact *fact);

/* Opens, worsens or resolves the incident. */
void drift_look(struct judge *judge);

/* A human says that it was no drift: the incident is closed as planned. */
void drift_planned(struct judge *judge, uint32_t incident);

/* The incident was closed by other means. */
void drift_forget(struct judge *judge, uint32_t incident);
