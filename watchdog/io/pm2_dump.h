#pragma once
/* The list of apps that `pm2 save` wrote, dump.pm2: what is declared of each. It holds each app's environment, which stays there. */
#include <stddef.h>

#include "io/pm2_declared.h"
#include "io/pm2_protocol.h"

/* An instance of an app as it was saved; loans for the call. */
struct pm2_saved {
        char name[PM2_NAME_MAX];
        char status[PM2_STATUS_MAX];
        const char *outline;
};

/* Calls `each` for the apps in turn until it returns something else than 0. -EBADMSG: it is no such list. */
int pm2_dump_read(const char *text, size_t size, struct veil *veil,
                  int (*each)(void *self, const struct pm2_saved *saved), void *self);
