#pragma once
/* Everything that is declared and watched as one: the files that rules name, the units' files, PM2's apps and the policy itself. */
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "io/vault.h"
#include "io/version.h"
#include "judge/judge.h"
#include "observe/pm2.h"
#include "observe/systemd_files.h"
#include "policy/policy.h"

struct declared;

struct declared_options {
        const struct clock *clock;
        struct fact_sink sink;
        const struct policy *const *policy; /* where the governor keeps the one that rules now */
        struct judge *const *judge;
        const char *state;           /* the folder for what was sealed, and for the key that hides values */
        struct vault *vault;         /* keeps what the rules' files contain; NULL: nothing is kept */
        const char *config, *folder; /* where the policy is: governor.yaml, policies.d */
        bool (*look_at_apps)(
                void *self); /* has PM2 list all it has, and then calls declared_apps()->looked; false: it cannot */
        void (*settled)(void *self); /* what declared_look() asked for is done */
        void *self;
};

/* Nothing is looked at before declared_start(). */
int declared_new(sd_event *event, const struct declared_options *options, struct declared **ret);
struct declared *declared_free(struct declared *declared);

/* Begins to look. What cannot be watched tells so itself, or is the error. */
int declared_start(struct declared *declared);

/* Where the observer of systemd tells of unit files; NULL where nobody would listen. */
const struct systemd_files_sink *declared_units(struct declared *declared);

/* Where the observer of PM2 tells of apps. */
const struct pm2_listed_sink *declared_apps(struct declared *declared);

/* The policy was loaded: what it declares is watched from now on, and it is in force itself. */
int declared_again(struct declared *declared);

/* A fact went by: a window that was closed may have held what is still not in force; files may have an owner now. */
void declared_follow(struct declared *declared, const struct fact *fact);

/* Looks at everything now, and then calls `settled`; false when nothing can be looked at. */
bool declared_look(struct declared *declared);

/* What is of that kind and of that agent ("": nobody's own) is right as it is now. */
void declared_seal(struct declared *declared, enum config_of of, const char *agent);

/* A hand of ours made a rule's file so, or took it away: it is right so. And that were all of them. */
void declared_accept(struct declared *declared, const char *path, const struct file_state *now);
void declared_accepted(struct declared *declared);

/* There is room in the vault again, or it has lost something. */
void declared_keep_again(struct declared *declared);
