#pragma once
/* What the audit log tells of each agent: how its lives ended, what was found, what would have been done, what changed. */
#include <stdbool.h>

#include "audit/audit.h"
#include "base/agent.h"
#include "base/decision.h"
#include "base/finding.h"
#include "judge/growth.h"

#define LESSON_ENDS_MAX 12 /* kinds of ends; more of them are counted as unknown */
#define LESSON_FILES_MAX 32
#define LESSON_INSTANCES_MAX 64

struct lesson_end {
        enum ending ending;
        int code, signal;
        unsigned n;
        usec_t at; /* the newest */
};

/* What a rule that enforces would have done. */
enum would {
        WOULD_RESTART, /* slowed ones too */
        WOULD_QUARANTINE,
        WOULD_N,
};

struct lesson_finding {
        unsigned n; /* incidents of this cause */
        char incident[INCIDENT_NAME_MAX];
        char reason[REASON_MAX]; /* of the newest */
        bool open;
};

struct lesson_death {
        usec_t at;
        uint32_t instance;
        bool clean; /* it ended by itself, with success */
};

struct lesson {
        char id[AGENT_ID_MAX]; /* "": the machine */
        unsigned lives;        /* that began, as far as they are recorded one by one: those of a fast loop are not */
        struct lesson_end ends[LESSON_ENDS_MAX];
        unsigned ends_n;
        struct lesson_death *deaths;
        size_t deaths_n;
        struct lesson_finding findings[CAUSE_N];
        unsigned would[WOULD_N][CAUSE_N];
        char *files[LESSON_FILES_MAX]; /* declared ones that changed */
        unsigned files_n, files_more;
        uint32_t instances[LESSON_INSTANCES_MAX]; /* that are listed */
        unsigned instances_n;
        bool learned_known;
        struct learned learned; /* as last written down */
        usec_t acted_until;     /* what ends until then is Governor's doing */
        usec_t planned_until;   /* or was announced, to be one of these */
        enum ending planned;
};

struct lessons {
        struct lesson *list; /* the machine's first */
        size_t n;
        usec_t first, last; /* judge time of the records that were read; 0: there were none */
        usec_t since;
};

/* Reads the log from the judge.start before `since` on and counts what happened since. 0 or a negative errno. */
int lessons_read(struct audit_reader *audit, usec_t since, struct lessons *ret);
void lessons_done(struct lessons *lessons);

/* The lesson about this agent, or NULL. */
const struct lesson *lessons_find(const struct lessons *lessons, const char *id);

/* The most deaths of one instance within that time, and whether all that were so many were clean ends. */
unsigned lesson_most_within(const struct lesson *lesson, usec_t within, bool *ret_clean);
