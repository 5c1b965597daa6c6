#pragma once
/* What the process gives up before it touches the network. */

#define COURIER_USER "governor-courier"

/* Closes what it inherited, forgets the environment but for what logging needs, and bounds memory, time, files and core dumps. */
int confine_process(void);

/* Root becomes the user governor-courier for good, with no group but its own; whoever else runs it stays who they are. No program
 * it starts can gain anything. -ESRCH: there is no such user. */
int confine_user(void);
