#pragma once
/* Showing the status again and again in place, at every change and every few seconds, until Ctrl-C. */
#include "govctl/call.h"

enum code watch_status(struct call *call);
