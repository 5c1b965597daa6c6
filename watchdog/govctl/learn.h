#pragma once
/* How learn shows what it found, to people. */
#include "govctl/call.h"

/* The report as `govctl learn --json` has it. */
void learn_show(struct page *page, const json_t *report);
