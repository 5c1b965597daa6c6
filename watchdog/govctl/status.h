#pragma once
/* The machine and its agents at a glance: the screen that people look at all day. */
#include "govctl/call.h"
#include "govctl/daemon.h"

/* Asks for the status object, and adds the machine's own open incidents as machine.incidents. */
enum code status_ask(struct call *call, struct rpc *daemon, json_t **ret);

/* Shows the daemon's status object and says how to end: CODE_FINDING when somebody should look. */
enum code status_show(struct page *page, const json_t *status);

/* Whether there is anything that somebody should look at. */
enum code status_code(const json_t *status);

/* The lines about the machine alone: host, mode, health, memory, load, sources that see nothing. */
void status_show_machine(struct page *page, const json_t *status);
