#pragma once
/* One unit's story: turns property changes and jobs, in the order they come, into facts. Asks its world, never the machine. */
#include <sys/types.h>

#include "base/fact.h"
#include "observe/systemd_change.h"

/* What the tracker must ask. Each may be answered from a script. */
struct systemd_world {
        struct fact_sink sink;
        /* Start time of a living process, and when that was in judge time; false when it is gone. */
        bool (*began)(void *self, pid_t pid, uint64_t *ret_start, usec_t *ret_since);
        /* Whether packages are being installed right now. Asked only when somebody ordered an end. */
        bool (*package_run)(void *self);
        void *self;
};

#define SYSTEMD_WORD_PART 24

struct systemd_unit {
        char agent[AGENT_ID_MAX];
        /* systemd's own words, as last signalled */
        char active[SYSTEMD_WORD_PART], sub[SYSTEMD_WORD_PART], result[SYSTEMD_WORD_PART];
        bool frozen;
        pid_t main_pid;
        uint32_t restarts, start_limit_burst;
        int exec_code, exec_status;
        /* the newest incarnation */
        struct {
                bool open; /* told as started, not yet as ended */
                pid_t pid;
                uint64_t start;   /* ticks; 0 when it was gone before we could look */
                uint64_t started; /* systemd's own timestamp: two quick lives differ in it, even with one pid */
        } life;
        uint32_t job;     /* id of the job that is queued or runs, 0 none */
        bool job_ends;    /* it came while the process lived: it stops or restarts it */
        bool restarted;   /* the counter grew since the last end: the next start is systemd's own */
        bool was_waiting; /* between auto-restart and the next life: failing here means that the start limit was hit */
        struct {
                enum claimed claimed;
                char word[AGENT_WORD_MAX], result[SYSTEMD_WORD_PART];
                uint32_t restarts;
        } told;
        usec_t settle; /* when what may be transient is told if it still stands; 0 nothing waits */
};

/* How long `failed/failed` and `inactive/dead` must stand: on the way through a restart they last about a millisecond. */
#define SYSTEMD_SETTLE (50 * USEC_PER_MSEC)

/*
 * First sight: tells FACT_AGENT, and FACT_STARTED for a process that already runs. `change` should hold everything. `fresh`: the
 * unit was not loaded when we looked before, so its restarts so far happened since then and not before we came.
 */
void systemd_unit_first(struct systemd_unit *unit, const char *name, const struct systemd_change *change, bool fresh,
                        usec_t at, const struct systemd_world *world);

/* `missed`: changes before this one may have been missed (reconnect, re-list), so what they told is inferred. */
void systemd_unit_change(struct systemd_unit *unit, const struct systemd_change *change, bool missed, usec_t at,
                         const struct systemd_world *world);

void systemd_unit_job_new(struct systemd_unit *unit, uint32_t job);
void systemd_unit_job_removed(struct systemd_unit *unit, uint32_t job);

/* Call at unit->settle or later. */
void systemd_unit_settle(struct systemd_unit *unit, usec_t at, const struct systemd_world *world);

/* What the cgroup says: systemd before 256 freezes and thaws without a signal. */
void systemd_unit_frozen(struct systemd_unit *unit, bool frozen, usec_t at, const struct systemd_world *world);

/* The manager no longer has it; nor one that was there before we came. */
void systemd_unit_missing(const char *name, usec_t at, const struct systemd_world *world);
void systemd_unit_gone(struct systemd_unit *unit, usec_t at, const struct systemd_world *world);
