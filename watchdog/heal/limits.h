#pragma once
/*
 * The hand that limits units: it writes a drop-in, lets systemd read it, and believes neither before both systemd and, where
 * it can, the kernel say that it is so. What does not come out so is taken back at once. Errands are done one after the other,
 * because systemd reads the files of all units together.
 */
#include <systemd/sd-event.h>

#include "heal/heal.h"
#include "io/bus.h"
#include "io/proc.h"

struct limits_hand;

struct limits_hand_options {
        struct bus *bus; /* all of them must outlive the hand */
        const struct proc *proc, *cgroups;
        const char *root;   /* before the paths of files: "" but for tests */
        usec_t kernel_most; /* how long the kernel may take to have what systemd has; 0: 3 s */
};

int limits_hand_new(sd_event *event, const struct limits_hand_options *options, struct limits_hand **ret);

/* Errands under way are ended as OUTCOME_UNKNOWN. */
struct limits_hand *limits_hand_free(struct limits_hand *hand);

/* For struct hands: -EINVAL for what is no errand about limits of a systemd unit. Without a connection it waits for one. */
int limits_hand_act(void *self, struct errand *errand);
