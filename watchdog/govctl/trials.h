#pragma once
/* Trials in words for people. */
#include "govctl/call.h"

/* One line: what is on trial of whom, for how long, what to type. */
void trial_show(struct page *page, const json_t *trial);

/* What came of an order to begin one. */
enum code trial_say_begun(struct call *call, const json_t *answer);
