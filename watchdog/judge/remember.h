#pragma once
/* The judge's memory as facts: out into the chain, and back from it after the daemon was gone. */
#include "judge/memory.h"

/* FACT_REMEMBERED. */
void remember_take(struct judge *judge, const struct fact *fact);

/* Of an agent's instance: not of what the judge keeps with the agent under a number of its own. */
bool remember_is_of_instance(const struct fact *fact);
