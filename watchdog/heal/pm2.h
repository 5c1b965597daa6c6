#pragma once
/* Restarts, stops and starts PM2 apps through their own daemon, one instance at a time, and says what came of it. */
#include <systemd/sd-event.h>

#include "heal/heal.h"
#include "io/pm2_directory.h"

struct pm2_hand;

/* The directory is the observer's and outlives the hand. */
int pm2_hand_new(sd_event *event, struct pm2_directory *directory, struct pm2_hand **ret);

/* Errands under way end with OUTCOME_UNKNOWN. */
struct pm2_hand *pm2_hand_free(struct pm2_hand *hand);
DEFINE_CLEANUP_FUNC(struct pm2_hand *, pm2_hand_free);

/* On top of twice an app's kill timeout, before an order counts as unanswered; 5 s unless told otherwise. */
void pm2_hand_set_patience(struct pm2_hand *hand, usec_t patience);

/* For struct hands: act = pm2_hand_act, self = the hand. -ENOENT: no such agent; -EBUSY: somebody is at it already. */
int pm2_hand_act(void *hand, struct errand *errand);
