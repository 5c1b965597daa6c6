#pragma once
/* Ctrl-C as something to wait for beside the daemon, so that verbs that run on can leave the terminal as it was. */
#include "base/usec.h"

/* Blocks SIGINT and SIGTERM and returns a descriptor that becomes readable with them, or a negative errno. */
int interrupt_open(void);

/* Waits for either descriptor (a negative one is left out): 1 for `fd`, 2 for `interrupt`, 0 for neither in time. */
int interrupt_wait(int interrupt, int fd, usec_t patience);
