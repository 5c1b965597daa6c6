#pragma once
/* What the daemon has a child of itself do: tasks that read the whole log and must not keep the loop waiting. */
#include "audit/audit.h"

/* In the child, `governord --chore WORDS...`: does it, prints what came of it as JSON, returns the exit status. */
int chores_run(int n, char **words);

/* The words: */
#define CHORE_VERIFY \
        "verify" /* STATE CONFIG-DIRECTORY [SIZE SEALED-SIZE ROOT-IN-HEX]: the report, as govctl prints it, and
                                   "anchors": how many were compared, "anchors_why": what was wrong with their file */
#define CHORE_ARCHIVE "archive" /* STATE BEFORE-USEC [FILE]: struct audit_archiving, and "errno" */

/* What such a child may need: two threads' stacks and little else. */
#ifdef GOVERNOR_SANITIZED
#define CHORE_MEMORY_MOST 0 /* sanitizers reserve a lot and use little */
#else
#define CHORE_MEMORY_MOST (128 << 20)
#endif

/* What the archiving child printed: the result that audit_archive_prepare had there, -EBADMSG when it is nothing of that kind.
 * `ret->why.detail` begins with the code, which itself is NULL. */
int chore_archive_read(const char *text, size_t size, struct audit_archiving *ret);
