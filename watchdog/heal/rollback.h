#pragma once
/*
 * The hand that puts an agent's configuration back as it was in an earlier version, file by file and a file a turn of the loop, and
 * then has the agent restarted by its own manager's hand.
 */
#include <systemd/sd-event.h>

#include "heal/heal.h"
#include "io/vault.h"
#include "io/version.h"

struct rollback_hand;

struct rollback_options {
        struct vault *vault;       /* outlives the hand; NULL: nothing can be put back */
        const struct hands *hands; /* MANAGER_N of them, as far as they are there: who restarts what */
        /* A file of the agent is so now, by us: called before anybody else can see it. And: that were all, before the restart. */
        void (*changed)(void *self, const char *path, const struct file_state *now);
        void (*changed_all)(void *self);
        void *self;
};

int rollback_hand_new(sd_event *event, const struct rollback_options *options, struct rollback_hand **ret);

/* Errands under way are ended as OUTCOME_UNKNOWN; what was only prepared is taken away. */
struct rollback_hand *rollback_hand_free(struct rollback_hand *hand);

/*
 * For struct hands: errand->from and ->to are digests of versions in hex. OUTCOME_STALE: a file was changed meanwhile, nothing was
 * done. -ENODEV: there is no vault. -EINVAL: what is no errand of this kind.
 */
int rollback_hand_act(void *self, struct errand *errand);
