#pragma once
/* What a PM2 daemon runs now: it is asked for its list over its own socket, and for nothing else. */
#include <stddef.h>
#include <sys/types.h>

#include "io/pm2_protocol.h"
#include "io/veil.h"

/* An instance of an app. */
struct running {
        char name[PM2_NAME_MAX];
        char *outline; /* io/pm2_declared.h */
};

/* A negative errno when it does not answer, or we may not ask it. */
int running_read(const char *home, uid_t owner, const struct veil *veil, struct running **ret, size_t *ret_n);
void running_free(struct running *list, size_t n);
