#pragma once
/* The one door: an intent is recorded, the action is done by the right hand, its outcome is recorded and told as a fact. */
#include <systemd/sd-event.h>

#include "base/decision.h"
#include "base/fact.h"
#include "heal/heal.h"
#include "io/clock.h"
#include "perform/chronicle.h"
#include "perform/footprint.h"

struct perform;

struct perform_options {
        struct chronicle *chronicle;
        const struct clock *clock;
        struct hands hands[MANAGER_N]; /* by the agent's manager; act == NULL: no hand, refused */
        struct hands own[ACTION_N];    /* of actions that are no manager's; act == NULL: the manager's hand does it */
        struct fact_sink sink;         /* outcomes go here, as facts, from the loop */
        struct footprint *footprint;   /* NULL: none is kept */
};

int perform_new(sd_event *event, const struct perform_options *options, struct perform **ret);
struct perform *perform_free(struct perform *perform);

/* Records the decision and, when it is an action, carries it out. Never fails: what goes wrong becomes an outcome. */
void perform_decision(struct perform *perform, const struct decision *decision);

/* A fact went by: what we took down and somebody brought up again no longer outlives us. */
void perform_follow(struct perform *perform, const struct fact *fact);

/* How many actions are under way. */
unsigned perform_under_way(const struct perform *perform);

/* A power of the daemon over the host. The table of them is the whole of its power. */
enum audited {
        AUDIT_BEFORE_AND_AFTER, /* the intent is durable before the act */
        AUDIT_AFTER,            /* the kernel or a reader waits for the act; recorded right after */
};

struct power {
        const char *name;
        enum audited audited;
        bool safety; /* of a dead critical agent: may run, recorded late, while the log cannot be written */
        enum action undone_by;
        const char
                *mark; /* the word for it in the footprint, where its effect outlives the daemon, until it is undone */
        bool marks;    /* it makes the mark; otherwise it takes it away */
};

const struct power *perform_power(enum action action);
