#pragma once
/* The hand for systemd's agents: restart, stop and start as jobs of systemd, awaited to their end. */
#include <systemd/sd-event.h>

#include "heal/heal.h"
#include "io/bus.h"
#include "io/proc.h"

struct systemd_hand;

/* Bus and proc must outlive the hand. */
int systemd_hand_new(sd_event *event, struct bus *bus, const struct proc *proc, struct systemd_hand **ret);

/* Errands under way are ended as OUTCOME_UNKNOWN. */
struct systemd_hand *systemd_hand_free(struct systemd_hand *hand);

/*
 * For struct hands: -ENOTCONN while there is no connection, -EINVAL for what is no errand of systemd's. Errands of one
 * unit are done one after the other, in the order given.
 */
int systemd_hand_act(void *self, struct errand *errand);
