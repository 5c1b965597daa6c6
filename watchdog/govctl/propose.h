#pragma once
/* Changes of the policy to propose from what was learned, as edits of the files in force. Nothing is written. */
#include "govctl/ceiling.h"
#include "govctl/draft.h"
#include "govctl/lesson.h"
#include "policy/policy.h"

/* One agent, as far as it was seen. `lesson` is a loan. */
struct pupil {
        char id[AGENT_ID_MAX];
        struct used used;
        const struct lesson *lesson;
        uint64_t own_limit;      /* at which its PM2 restarts it, 0 none */
        const struct rule *rule; /* that owns it, NULL none */
};

struct proposal {
        const struct rule *rule;
        char key[96];    /* "classes.thin.memory.ceiling", "agents[lily].restarts" */
        char value[160]; /* as it would be written */
        char was[160];   /* "" nothing */
        char why[512];
        bool by_hand; /* it stands in a form that no program changes: it is not in the difference */
};

/* What is not proposed, and why not (yet). */
struct postponed {
        const struct rule *rule;
        char why[512];
};

struct proposals {
        struct proposal *list;
        size_t n;
        struct postponed *postponed;
        size_t postponed_n;
        char *diff;    /* "" when nothing is proposed */
        char *mistake; /* ours: the changed files would not load, so that the difference was dropped; NULL: it was not */
};

/* `only`: what concerns this rule, NULL all. 0 or a negative errno. */
int propose_changes(const struct draft_of *of, const struct rule *only, const struct pupil *pupils, size_t n,
                    struct proposals *ret);

/* Where there is no policy: a whole file, `path` below the root, with a rule for each. */
int propose_file(const char *path, const struct pupil *pupils, size_t n, struct proposals *ret);

void proposals_done(struct proposals *proposals);
