#pragma once
/* All observers and all hands of this machine as one: started together, each of them going blind by itself. */
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "heal/heal.h"
#include "io/clock.h"
#include "io/vault.h"
#include "judge/judge.h"
#include "policy/policy.h"

struct observers;

struct observers_options {
        const struct clock *clock;
        struct fact_sink sink;
        const struct policy *const *policy; /* where the governor keeps the one that rules now */
        struct judge *const *judge;         /* ... and who is to be watched although no rule names him any more */
        const char *state;                  /* the folder that keeps what was sealed */
        const char *config, *policies;      /* where the policy is */
        usec_t since;                       /* when the run before this one ended, 0 there was none */
        struct vault *vault;                /* keeps what they contain; NULL: nothing is kept */
        void (*settled)(void *self);        /* what observers_look() asked for is done */
        void *self;
};

/* Makes them, and the hands; nothing is looked at yet. */
int observers_new(sd_event *event, const struct observers_options *options, struct observers **ret);

/* Starts all of them; one that cannot start tells so as a FACT_SOURCE and is left out. */
void observers_start(struct observers *observers);
struct observers *observers_free(struct observers *observers);

/* The hands that belong to them: by manager, and those for what is no manager's to do, by action. */
void observers_hands(struct observers *observers, struct hands hands[MANAGER_N], struct hands own[ACTION_N]);

/* A fact went by: begins or ends what has to be watched because of it. */
void observers_follow(struct observers *observers, const struct fact *fact);

/* Looks at all that is declared now, and then calls `settled`; false when it is not watched at all. */
bool observers_look(struct observers *observers);

/* What is declared of that kind for this agent ("": for no single one) is right as it is now. */
void observers_seal(struct observers *observers, enum config_of of, const char *agent);

/* The connection to systemd, NULL while there is none; a loan until the loop runs again. */
sd_bus *observers_bus(struct observers *observers);

/* What all processes of the unit hold, less what the kernel takes back first; where that is not accounted, of its main process
 * and all descendants. -ESRCH: it is gone. */
int observers_working_set(struct observers *observers, const char *agent, pid_t pid, uint64_t *ret_bytes);

/* The limits that the kernel of this machine can keep; a set of bits, one for each enum limit. */
unsigned observers_limits_possible(const struct observers *observers);

/* Whether the process lives in the unit. */
bool observers_lives_in(struct observers *observers, pid_t pid, const char *unit);

/*
 * The agent that the process belongs to: the one whose main process it is or descends from, else that of its unit. False when it
 * belongs to none that is watched.
 */
bool observers_agent_of(struct observers *observers, pid_t pid, char ret[AGENT_ID_MAX]);

/* What the process runs; false: it cannot be told. */
bool observers_exe_of(struct observers *observers, pid_t pid, char *ret, size_t size);

/* Measures what a restart of this instance would free or, with "", of all agents of size: FACT_WEIGHT, from the loop. */
void observers_weigh(struct observers *observers, const char *agent, uint32_t instance);

/* There is room in the vault again. */
void observers_keep_again(struct observers *observers);

/* The policy changed: everything is listed anew. */
void observers_again(struct observers *observers);
