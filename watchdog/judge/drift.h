#pragma once
/* Configuration drift: a declared file is not as it was sealed, and nobody announced that. Named, never acted on. */
#include "judge/memory.h"

/* FACT_CONFIG: judged at the next look. */
void drift_take(struct judge *judge, const struct fact *fact);

/* Opens, worsens or resolves the incident. */
void drift_look(struct judge *judge);

/* A human says that it was no drift: the incident is closed as planned. */
void drift_planned(struct judge *judge, uint32_t incident);

/* The incident was closed by other means. */
void drift_forget(struct judge *judge, uint32_t incident);
