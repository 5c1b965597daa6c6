#pragma once
/* One question to one PM2 daemon: its own connection, its own deadline, exactly one answer to the asker. */
#include <systemd/sd-event.h>

#include "base/usec.h"
#include "io/cleanup.h"
#include "io/pm2_protocol.h"

/*
 * Connects to HOME/NAME without waiting. The other end must run as the owner of the home: -EPERM otherwise.
 * -ENOENT: nobody is there; -ECONNREFUSED: somebody was, and was killed; -EAGAIN: somebody is and takes no more.
 */
int pm2_connect(const char *home, const char *name, uid_t owner, pid_t *ret_god);

struct pm2_call;

/*
 * The end of a call: 0 with the reply (which may be a refusal), or -ETIMEDOUT, -ECONNRESET, -EBADMSG and the like, with
 * NULL. The reply is a loan until the call is freed, which may be done right here.
 */
typedef void (*pm2_call_done)(void *self, int result, const struct pm2_reply *reply);

struct pm2_question {
        const char *home;
        uid_t owner;
        enum pm2_request request;
        uint32_t pm_id;
        usec_t within;
        const struct veil *veil; /* for outlines of the apps of a list; NULL: none are wanted */
};

/* Asks. On failure nothing was sent and `done` is not called. */
int pm2_call_new(sd_event *event, const struct pm2_question *question, pm2_call_done done, void *self,
                 struct pm2_call **ret);

/* Forgets the call; PM2 may still carry it out. */
struct pm2_call *pm2_call_free(struct pm2_call *call);
DEFINE_CLEANUP_FUNC(struct pm2_call *, pm2_call_free);
