#pragma once
/* Governor's own hand on the limits of units: the drop-ins that it writes and takes back are its own work, and nobody's drift. */
#include "judge/memory.h"

/* A decision of this step. */
void hand_decided(struct judge *judge, const struct decision *decision);

/* FACT_OUTCOME. */
void hand_outcome(struct judge *judge, const struct fact *fact);

/* Whether what a FACT_CONFIG tells of a unit's file is that hand's work. */
bool hand_did(const struct judge *judge, const struct fact *fact);
