#pragma once
/* The judge's memory as facts: out into the chain, and back from it after the daemon was gone. */
#include "judge/memory.h"

/* FACT_REMEMBERED. */
void remember_take(struct judge *judge, const struct fact *fact);
