#pragma once
/* What an agent is called and what can be said of it: ids, managers, the manager's claim, the state we see. */
#include <stdbool.h>
#include <stdint.h>

/*
 * An agent id is `systemd:UNIT` or `pm2:USER/NAME`, with `@HOME` behind it where the user has several PM2 homes.
 * Ids are bounded; an observer that meets a longer name cuts it and ends it with a digest so that it stays unique.
 */
#define AGENT_ID_MAX 272
#define AGENT_WORD_MAX 48 /* the manager's own word for a state, e.g. "activating/auto-restart" */

/* Every instance of the agent; otherwise PM2's pm_id, or 0 under systemd. */
#define INSTANCE_ALL UINT32_MAX

enum manager {
        MANAGER_NONE,
        MANAGER_SYSTEMD,
        MANAGER_PM2,
        MANAGER_N,
};

/* The manager's claim, in our terms. */
enum claimed {
        CLAIMED_UNKNOWN,
        CLAIMED_STARTING, /* systemd activating/start*, PM2 launching */
        CLAIMED_RUNNING,  /* systemd active, PM2 online */
        CLAIMED_STOPPING, /* somebody ordered a stop and it is under way */
        CLAIMED_WAITING,  /* the manager says that it will restart it: auto-restart, "waiting restart" */
        CLAIMED_STOPPED,  /* inactive, stopped */
        CLAIMED_FAILED,   /* the manager gave up: failed, errored */
        CLAIMED_FROZEN,
        CLAIMED_GONE, /* no longer listed */
        CLAIMED_N,
};

/* What the agent really does, whatever its manager claims. */
enum effective {
        EFFECTIVE_UNKNOWN,
        EFFECTIVE_RUNNING,
        EFFECTIVE_STARTING,
        EFFECTIVE_CRASH_LOOPING,
        EFFECTIVE_HOT_LOOPING,
        EFFECTIVE_WAITING,
        EFFECTIVE_DEAD,
        EFFECTIVE_STOPPED,
        EFFECTIVE_QUARANTINED,
        EFFECTIVE_FROZEN,
        EFFECTIVE_ORPHANED,
        EFFECTIVE_DUPLICATE,
        EFFECTIVE_N,
};

/* Why an incarnation ended. */
enum ending {
        ENDING_UNKNOWN,
        ENDING_EXIT,     /* by itself, with an exit code (0 too) */
        ENDING_SIGNAL,   /* killed by a signal nobody ordered through the manager */
        ENDING_OOM,      /* the kernel's OOM killer, or systemd-oomd */
        ENDING_WATCHDOG, /* the manager's watchdog timed out */
        ENDING_TIMEOUT,  /* a start or stop took too long */
        /* from here on: planned, nobody's fault */
        ENDING_DEPENDENCY, /* dragged along by another unit; what that says is judged with the other unit */
        ENDING_MANUAL,     /* a stop or restart ordered through the manager by somebody else than us */
        ENDING_GOVERNOR,   /* ours */
        ENDING_RELOAD,     /* rolled by the manager: pm2 reload */
        ENDING_CRON,       /* the manager's own timetable: PM2 cron_restart */
        ENDING_PACKAGE,    /* inside a package run: needrestart, unattended-upgrades */
        ENDING_MEMORY,     /* the manager's own memory limit: PM2 max_memory_restart */
        ENDING_MANAGER,    /* the manager itself went away or was updated and took it along */
        ENDING_N,
};

/* Whose memory is counted as an agent's. */
enum memory_of {
        MEMORY_OF_PROCESS, /* its main process: RssAnon + RssShmem + VmSwap */
        MEMORY_OF_TREE,    /* the same of it and all its descendants, summed */
        MEMORY_OF_CGROUP,  /* the working set of its unit: memory.current less inactive_file */
        MEMORY_OF_N,
};

const char *manager_name(enum manager manager);
const char *claimed_name(enum claimed claimed);
const char *effective_name(enum effective effective);
const char *ending_name(enum ending ending);
const char *memory_of_name(enum memory_of of);

/* Inverse of the names above; the 0 value of the enum for a stranger. */
enum manager manager_from_name(const char *name);
enum claimed claimed_from_name(const char *name);
enum effective effective_from_name(const char *name);
enum ending ending_from_name(const char *name);
enum memory_of memory_of_from_name(const char *name);

/* A death is an ending that nobody planned. */
static inline bool ending_is_death(enum ending ending)
{
        return ending < ENDING_DEPENDENCY;
}

/* The part of the id that people type: the unit without ".service", or the PM2 app's name. Points into `id`. */
enum manager agent_manager(const char *id);

/* Writes the short name for `id` into `name`: "lily" for "pm2:root/lily", "agent-lily" for "systemd:agent-lily.service". */
void agent_short_name(const char *id, char name[AGENT_ID_MAX]);

/* Whether `word`, as typed by a person, means this agent: its id, its id without the manager, or its short name. */
bool agent_answers_to(const char *id, const char *word);
