#pragma once
/* What the process could do beyond its user's rights. */

/* Gives up all capabilities, also those that root gets back when it starts a program. -EPERM: some cannot be given up. */
int powers_drop(void);
