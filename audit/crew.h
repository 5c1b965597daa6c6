#pragma once

/* A few threads for pieces of work that need nothing of each other; whoever waits for one of them helps meanwhile. */

enum audit_job_state { AUDIT_JOB_IDLE, AUDIT_JOB_QUEUED, AUDIT_JOB_RUNNING, AUDIT_JOB_DONE };

/* Embedded in what is worked on. From give to await all of it belongs to whichever thread runs the job. */
struct audit_job {
        void (*run)(struct audit_job *job);
        enum audit_job_state state;
        struct audit_job *next;
};

struct audit_crew;

/* The caller is one of `threads`: 1 makes no thread at all. Threads that cannot be had are done without. -ENOMEM. */
int audit_crew_new(unsigned threads, struct audit_crew **ret);

/* Ends the threads after what they are running now; what is queued is never run. Takes NULL, returns NULL. */
struct audit_crew *audit_crew_free(struct audit_crew *crew);

void audit_crew_give(struct audit_crew *crew, struct audit_job *job);

/* Returns when the job, which was given, is done; runs queued ones until then, the oldest first. */
void audit_crew_await(struct audit_crew *crew, struct audit_job *job);
