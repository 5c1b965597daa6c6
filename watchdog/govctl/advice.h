#pragma once
/* The one line below the status that says what to do first. */
#include <jansson.h>

#include "govctl/page.h"

/* `sorted` are the agents, worst first; nothing is said when there is nothing to do. */
void advice_show(struct page *page, const json_t *status, const json_t *sorted);

/* Whether an incident of the machine is not told by a line of its own already. */
bool incident_is_news(const json_t *incident);
