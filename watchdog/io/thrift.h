#pragma once
/* Gives back the memory that starting up took and running does not need. */

/*
 * Free heap pages go back to the kernel, and the code pages of program and libraries leave this process: they stay in the page
 * cache, and the few that running needs come back at a microsecond each. Worth it once, when all is up and the loop is quiet.
 */
void thrift(void);
