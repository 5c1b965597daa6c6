#pragma once
/* A fact is something seen, with the time it was seen. Observers make facts; nobody else does. Strings are loans. */
#include <sys/types.h>

#include "base/agent.h"
#include "base/decision.h"
#include "base/outcome.h"
#include "base/trial.h"
#include "base/usec.h"

enum fact_kind {
        FACT_NONE,
        FACT_AGENT,   /* the manager lists the agent or changed its word about it */
        FACT_STARTED, /* an incarnation began: (agent, instance, pid, start) */
        FACT_ENDED,   /* the manager reports that one ended, and why */
        FACT_DIED,    /* the kernel reports that the process is gone (pidfd), often before the manager does */
        FACT_SAMPLE,  /* memory and CPU of one incarnation */
        FACT_HOST,    /* memory, pressure and load of the machine */
        FACT_DEPENDS, /* the manager ties this agent to another one */
        FACT_SOURCE,  /* a source of facts began or ceased to see; `agent` is empty */
        FACT_PLANNED, /* somebody announced that an agent (or, with "", every agent) may restart until then */
        FACT_STRAY,   /* a process of the agent outside its manager: orphan or second copy */
        FACT_CONFIG, /* what is declared is now so and was sealed otherwise; `agent` is whose, "" several's or the machine's */
        FACT_CHANGE,     /* a human opened or closed a change window for an agent or, with "", for files */
        FACT_OUTCOME,    /* what came of an action */
        FACT_ASKED,      /* a human asked for something over the control socket */
        FACT_REMEMBERED, /* the judge's own memory of one agent, from the chain */
        FACT_BASELINE,   /* the judge's own numbers about an instance or the machine: evidence, or its memory */
        FACT_TICK,       /* the deadline that the judge asked for has come */
        FACT_TRIAL,      /* a human begins, keeps or takes back a change on trial; or it stands, from the chain */
        FACT_WEIGHT,     /* what a restart of one instance would free, measured near the machine's memory floor */
        FACT_OOM,        /* a process was killed for memory, or how near somebody is to it; `agent` "": nobody's */
        FACT_PACKAGE,    /* a Debian package was installed, upgraded or removed; `agent` is empty */
        FACT_VERSION,    /* what all declared files of an agent are together: now, or proven by a life under it */
        FACT_FILE, /* something happened to a guarded file, or to what guards it; `agent` is the writer's, "" none */
        FACT_N,
};

enum source_state {
        SOURCE_UNKNOWN,
        SOURCE_SEEING,
        SOURCE_BLIND,  /* expected to see and cannot; what it would have told is unknown */
        SOURCE_ABSENT, /* there is nothing to see on this machine (no PM2, no systemd) */
        SOURCE_N,
};

enum dependency {
        DEPENDENCY_NONE,
        DEPENDENCY_REQUIRES, /* restarted along with its base, invisibly */
        DEPENDENCY_BINDS,    /* dies with its base and stays dead */
        DEPENDENCY_PART,     /* PartOf=: stopped and restarted along on request */
        DEPENDENCY_N,
};

enum stray {
        STRAY_NONE,
        STRAY_ORPHAN,    /* alive, its manager lost it */
        STRAY_DUPLICATE, /* alive beside the one its manager runs */
        STRAY_OVER,      /* an earlier stray is gone */
        STRAY_N,
};

/* What became of a declared file. */
enum config_change {
        CONFIG_NONE,
        CONFIG_CHANGED, /* content, mode or owner */
        CONFIG_ADDED,   /* a pattern that was looked at before has one more */
        CONFIG_REMOVED,
        CONFIG_RESTORED,  /* it is again as it was sealed */
        CONFIG_SEALED,    /* a human accepted it as it is */
        CONFIG_PENDING,   /* what is on disk is not what is in force: it was not loaded, or cannot be */
        CONFIG_LOADED,    /* what is on disk is in force again */
        CONFIG_FORGOTTEN, /* it is nobody's concern any more: no rule declares it, or its agent is gone */
        CONFIG_N,
};

/* What is declared, and so of what kind a drift is. */
enum config_of {
        CONFIG_OF_FILE,   /* a file that a rule names */
        CONFIG_OF_UNIT,   /* a unit file of systemd's, or a drop-in */
        CONFIG_OF_APP,    /* an app as PM2 has it in its list */
        CONFIG_OF_POLICY, /* Governor's own */
        CONFIG_OF_N,
};

/* What became of a package. */
enum package_change {
        PACKAGE_NONE,
        PACKAGE_INSTALLED,
        PACKAGE_UPGRADED, /* or downgraded: the versions say so */
        PACKAGE_REMOVED,
        PACKAGE_N,
};

enum version_step {
        VERSION_NONE,
        VERSION_SEEN,    /* the files are so now */
        VERSION_HEALTHY, /* a life under it has proven it; the judge's own to say */
        VERSION_KNOWN,   /* it was seen before: the judge's memory of it */
        VERSION_N,
};

/* What happened to a guarded file. */
enum file_event {
        FILE_EVENT_NONE,
        FILE_CHANGED, /* content, mode, owner or attributes are not as they were sealed */
        FILE_REMOVED,
        FILE_ADDED,  /* a file that is new where a rule guards */
        FILE_MOVED,  /* it, or a folder above it, was renamed away */
        FILE_BOUND,  /* something was mounted over it */
        FILE_DENIED, /* somebody tried, and was refused */
        FILE_BACK,   /* it is as it was sealed again, and that was not our work */
        FILE_LEVEL,  /* what is proven to protect the files of a rule is another level than before */
        FILE_EVENT_N,
};

/* How the writer was found out, best first but for the first, which is a value of its own: nobody knows who it was. */
enum file_by {
        FILE_BY_UNKNOWN,
        FILE_BY_OPENER, /* it waited in its open while we looked */
        FILE_BY_AUDIT,  /* the kernel's audit record names it */
        FILE_BY_PIDFD,  /* the notification named it, and it lived long enough to be looked at */
        FILE_BY_N,
};

/* What protects a file, see the levels in governor-policy(5); each has what those before it have. */
enum file_level {
        FILE_LEVEL_NONE, /* nothing does: it cannot be guarded */
        FILE_LEVEL_0,    /* detected, and restored */
        FILE_LEVEL_1,    /* opens for writing are refused */
        FILE_LEVEL_2,    /* immutable, and refused attempts are seen */
        FILE_LEVEL_3,
        FILE_LEVEL_N,
};

enum change_step {
        CHANGE_STEP_NONE,
        CHANGE_OPEN,
        CHANGE_CLOSE,
        CHANGE_STEP_N,
};

/* How it was found out what a restart would free. */
enum weighed {
        WEIGHED_NOT,    /* it vanished meanwhile, or may not be read */
        WEIGHED_ROLLUP, /* /proc/PID/smaps_rollup of each process: its share of what is not in a file */
        WEIGHED_CGROUP, /* memory.stat of its unit: anonymous memory and what the kernel keeps for it */
        WEIGHED_STATUS, /* /proc/PID/status alone: pages shared within the tree count once each */
        WEIGHED_N,
};

enum oom_what {
        OOM_NONE,
        OOM_KILLED,
        OOM_NEAR, /* how near a cgroup is to its limit, or the machine to its end; far from it too, when it was near before */
        OOM_N,
};

/* Who kills, and why. */
enum oom_by {
        OOM_BY_UNKNOWN,
        OOM_BY_MACHINE, /* the kernel: the machine has no memory left */
        OOM_BY_LIMIT,   /* the kernel: a cgroup is at its memory.max */
        OOM_BY_OOMD,    /* systemd-oomd: too much pressure, or swap is used up */
        OOM_BY_N,
};

enum ask {
        ASK_NONE,
        ASK_RESTART,
        ASK_RELEASE,     /* out of quarantine */
        ASK_ENFORCE_OFF, /* disarm: no more actions until the policy is reloaded */
        ASK_SAFE_MODE_ON,
        ASK_SAFE_MODE_OFF,
        ASK_ACKNOWLEDGE, /* close incident `number` */
        ASK_PLANNED,     /* incident `number` was no drift: somebody wanted it so */
        ASK_ROLLBACK,    /* back to version `number` of its configuration */
        ASK_N,
};

/* What the numbers of a FACT_BASELINE are about: `remembered.state`. */
enum baseline_of {
        BASELINE_SIZE,  /* how large it is, see judge/swell.h */
        BASELINE_LOAD,  /* how busy it is */
        BASELINE_HABIT, /* how large its lives usually are, see judge/growth.h */
        BASELINE_FLOOR, /* how much memory the machine has left against its floor, see judge/flush.h */
        BASELINE_OF_N,
};

#define FACT_DEATHS_MAX 64 /* times kept exactly; the largest `more_than` is one less */

#define REMEMBERED_MORE_MAX 640

/* The judge's memory of one agent's instance (or, with no agent, of the machine), as it stands in the chain and comes back. */
struct remembered {
        uint32_t
                state; /* the ladder's state, rung and attempt: the judge's own numbers; of a baseline its baseline_of */
        uint32_t rung;
        uint32_t attempts;
        uint32_t flags;
        usec_t until;      /* when the state's wait ends */
        usec_t since;      /* when the state began */
        usec_t human_at;   /* last act of a human on it */
        usec_t backoff;    /* next wait */
        uint64_t incident; /* open incident, 0 none */
        uint32_t cause;
        usec_t opened;
        uint64_t count;
        uint64_t restarts; /* the manager's counter when last seen */
        pid_t pid;
        uint64_t start;
        usec_t started_at;
        uint32_t deaths_n; /* the newest deaths, oldest first */
        usec_t deaths[FACT_DEATHS_MAX];
        uint32_t more_n; /* everything else, in the judge\'s own order */
        uint64_t more[REMEMBERED_MORE_MAX];
};

struct fact {
        enum fact_kind kind;
        usec_t at;            /* judge time: microseconds, never runs backwards, close to Unix time */
        enum manager manager; /* who told it */
        const char *agent;    /* id; "" where the fact is about the machine */
        uint32_t instance;    /* PM2's pm_id, 0 under systemd, INSTANCE_ALL */
        union {
                struct {
                        enum claimed claimed;
                        const char *word;   /* the manager's own: "online", "activating/auto-restart" */
                        pid_t pid;          /* as the manager has it; 0 none, -1 it did not say */
                        uint64_t restarts;  /* the manager's counter */
                        const char *result; /* systemd's Result ("exit-code", "start-limit-hit"), "" otherwise */
                        bool first;         /* first sight: a counter that is already high was high before we came */
                } agent_is;
                struct {
                        pid_t pid;
                        uint64_t start; /* clock ticks since boot, /proc/PID/stat field 22 */
                        usec_t since; /* judge time at which it began, when it was already running at first sight; else = at */
                        bool ordered; /* by somebody through the manager, not by its automatic restart */
                        bool by_hand; /* at first sight: its manager's notes say that an order began this life */
                } started;
                struct {
                        pid_t pid;
                        uint64_t start; /* 0 when the manager could not say */
                        enum ending ending;
                        int code;   /* exit code for ENDING_EXIT */
                        int signal; /* for ENDING_SIGNAL and ENDING_OOM */
                } ended;            /* FACT_ENDED; FACT_DIED has ENDING_UNKNOWN where the kernel tells no more */
                struct {
                        pid_t pid;
                        uint64_t start;
                        uint64_t memory_bytes; /* private memory, as `of` says whose */
                        enum memory_of of;   /* what could be measured: less than the rule wants where that cannot be */
                        pid_t most_pid;      /* the process among them that holds the most ... */
                        uint64_t most_bytes; /* ... and how much */
                        usec_t cpu;          /* user + system time of this incarnation so far */
                        enum memory_of cpu_of; /* ... and whose */
                        /* how often its main thread left the CPU, to wait for something or pushed off it */
                        uint64_t voluntary, involuntary;
                } sample;
                struct {
                        uint64_t total_bytes, available_bytes, swap_free_bytes;
                        uint32_t memory_some_avg10, memory_full_avg10; /* PSI, hundredths of a percent */
                        uint32_t cpu_some_avg10;
                        uint32_t load1; /* hundredths */
                        uint32_t cpus;
                        usec_t uptime;
                        /* all CPUs together since boot; cpu_given 0: unknown */
                        usec_t cpu_busy, cpu_given; /* in use, and all that there was: idle too */
                        usec_t cpu_steal;           /* wanted besides, and taken by the host of this guest */
                        uint64_t switches;          /* from one thread to another */
                } host;
                struct {
                        pid_t pid;
                        uint64_t start;
                        uint64_t frees_bytes; /* MemAvailable would be higher by so much */
                        uint64_t swap_bytes;  /* ... and so much less swap in use, which MemAvailable does not count */
                        enum memory_of of;    /* its process, its tree or its cgroup */
                        enum weighed how;
                        bool carries;     /* a PM2 daemon lives in it: with it every app would go down */
                        uint32_t left;    /* how many more come of what was asked for */
                        const char *name; /* of a process that is no agent's (then `agent` is empty); else "" */
                } weight;
                struct {
                        const char *on; /* id of the base */
                        enum dependency dependency;
                } depends;
                struct {
                        const char *name; /* "systemd", "pm2:root@/root/.pm2", "process", "host" */
                        enum source_state state;
                        const char *why; /* for people; "" when seeing */
                        pid_t pid;       /* PM2's God, 0 otherwise */
                        uint64_t start;
                        bool suffixed; /* a PM2 home whose agents' ids end with "@HOME": it tells of no others */
                } source;
                struct {
                        enum ending ending; /* what the endings until then are: MANUAL, PACKAGE, RELOAD, MANAGER */
                        usec_t until;
                        const char *by;
                } planned;
                struct {
                        enum stray stray;
                        pid_t pid;
                        uint64_t start;
                } stray;
                struct {
                        enum config_change change;
                        const char *path; /* of an app: its agent's id */
                        const char *digest,
                                *sealed; /* BLAKE2b-256 of the content now and as sealed, in hex; "" no file */
                        uint64_t size, sealed_size;
                        uint32_t mode, sealed_mode; /* st_mode; 0 no file */
                        uint32_t uid, sealed_uid, gid, sealed_gid;
                        usec_t modified; /* when the kernel says that it was (ctime), 0 unknown */
                        uint32_t
                                differing; /* of the same owner and kind that are not as they were sealed, this one counted */
                        enum config_of of;
                        const char *what; /* changed in it, key by key and without any secret; "" is not known */
                        bool again;       /* it was told before: the judge's memory of what changed last */
                } config;
                struct {
                        enum change_step step;
                        uint64_t number;     /* of the window */
                        const char *pattern; /* of files; "" for an agent's window */
                        usec_t since, until;
                        const char *by;
                        const char *reason;
                        bool deploy; /* a command is, or was, run in it ... */
                        bool exited; /* ... to its end, with this exit status */
                        int exit;
                } change;
                struct {
                        enum oom_what what;
                        enum oom_by by;
                        uint32_t killed;    /* how many processes; 0 where none was */
                        pid_t pid;          /* the victim, 0 unknown; it need not be a main process */
                        const char *comm;   /* its name, made safe */
                        const char *cgroup; /* it was in, or that is near its limit; "" unknown, or the machine */
                        const char
                                *limit; /* the cgroup whose memory.max was met; "" the machine's memory, or unknown */
                        uint64_t limit_bytes; /* so much may be held at most; 0 unknown */
                        uint64_t
                                held_bytes; /* private memory of the victim; the cgroup's working set; what is not available */
                        uint64_t before_bytes; /* of the two latter, so long before */
                        usec_t before;         /* 0: not known yet */
                        uint32_t
                                pressure; /* PSI of the last 10 s, hundredths of a percent: a cgroup's some, the machine's full */
                        uint32_t pushes; /* times that the kernel had to take memory back from it in the last minute */
                        uint64_t swap_free_bytes; /* of the machine */
                        const char *others;       /* what else was large, for people; "" unknown */
                } oom;
                struct {
                        enum package_change change;
                        const char *name;
                        const char *before, *after; /* versions, "" none */
                        usec_t since;               /* when dpkg says that it was */
                        uint32_t more;              /* others of the same run that were not told one by one */
                } package;
                struct {
                        enum version_step step;
                        const char *digest; /* of its text (io/version.h), in hex */
                        usec_t since;       /* its newest file was changed then */
                        uint32_t files;
                        const char *lacks; /* why it could not be put back, "" when all of it is kept */
                        /* memory */
                        uint64_t number;
                        usec_t seen, healthy, failed;
                        bool present;
                } version;
                struct {
                        enum file_event event;
                        const char *path; /* "" for a level */
                        const char *rule; /* name of the file rule */
                        /* as in `config`: BLAKE2b-256 in hex, "" no file; modes 0 no file */
                        const char *digest, *sealed;
                        uint64_t size, sealed_size;
                        uint32_t mode, sealed_mode;
                        uint32_t uid, sealed_uid, gid, sealed_gid;
                        const char *what;   /* else is not as it was, in a few words: "a link now"; "" nothing */
                        uint32_t times;     /* so often, told as one: refused attempts; at least 1 */
                        uint32_t differing; /* files of the rule that are not as they were sealed, this one counted */
                        /* the writer: what could not be found out is 0, "" and UINT32_MAX */
                        enum file_by by;
                        pid_t pid;
                        uint64_t start;
                        const char *exe;
                        uint32_t writer; /* its uid */
                        const char *cgroup;
                        /* FILE_LEVEL: */
                        enum file_level level, before;
                        const char *why;
                } file;
                struct {
                        enum action action;
                        enum purpose purpose;
                        enum outcome outcome;
                        const char *text; /* the manager's words, cut and made safe */
                        uint64_t trial;   /* the trial that the action belongs to, 0 none */
                        const char *path; /* of ACTION_RESTORE; NULL or "" for others */
                } outcome;
                struct {
                        enum trial_step step;
                        enum trial_of of;
                        uint64_t number;
                        enum trial_state state; /* where it stands already, else TRIAL_NONE */
                        usec_t span;            /* how long it has to prove itself */
                        struct limits limits;   /* of TRIAL_OF_LIMITS */
                        const char *by;
                        const char *reason;
                        /* where it stands already: */
                        usec_t since, until, due; /* when it was made, when it ends, when something is to be done */
                        uint32_t tries;           /* to take it back */
                        uint64_t incident;        /* that ends it, 0 none */
                        const char *why;          /* it ends */
                        usec_t began;             /* when it was asked for */
                        unsigned input;           /* happened to it, not looked at yet: a number of the judge's own */
                } trial;
                struct {
                        enum ask ask;
                        uint64_t number;
                        const char *who;
                        const char *reason;
                } asked;
                const struct remembered *remembered;
        };
};

/* Where facts go. */
struct fact_sink {
        void (*take)(void *self, const struct fact *fact);
        void *self;
};

/* Its payload is `remembered`. */
static inline bool fact_is_memory(enum fact_kind kind)
{
        return kind == FACT_REMEMBERED || kind == FACT_BASELINE;
}

/* Whether it is something that somebody did to it. */
static inline bool config_is_change(enum config_change change)
{
        return change == CONFIG_CHANGED || change == CONFIG_ADDED || change == CONFIG_REMOVED ||
               change == CONFIG_RESTORED;
}

/* Of the judge's own making: not a moment in time, and nothing is judged before all of it is back. */
static inline bool fact_is_recalled(const struct fact *fact)
{
        return fact_is_memory(fact->kind) || (fact->kind == FACT_TRIAL && fact->trial.step == TRIAL_STANDS);
}

const char *fact_kind_name(enum fact_kind kind);
const char *source_state_name(enum source_state state);
const char *dependency_name(enum dependency dependency);
const char *stray_name(enum stray stray);
const char *ask_name(enum ask ask);
const char *config_change_name(enum config_change change);
const char *config_of_name(enum config_of of);
const char *change_step_name(enum change_step step);
const char *baseline_of_name(enum baseline_of of);
const char *weighed_name(enum weighed weighed);
const char *oom_what_name(enum oom_what what);
const char *oom_by_name(enum oom_by by);
const char *package_change_name(enum package_change change);
const char *file_event_name(enum file_event event);
const char *file_by_name(enum file_by by);
const char *file_level_name(enum file_level level);
const char *version_step_name(enum version_step step);
enum fact_kind fact_kind_from_name(const char *name);
enum source_state source_state_from_name(const char *name);
enum dependency dependency_from_name(const char *name);
enum stray stray_from_name(const char *name);
enum ask ask_from_name(const char *name);
enum config_change config_change_from_name(const char *name);
enum config_of config_of_from_name(const char *name);
enum change_step change_step_from_name(const char *name);
enum baseline_of baseline_of_from_name(const char *name);
enum weighed weighed_from_name(const char *name);
enum oom_what oom_what_from_name(const char *name);
enum oom_by oom_by_from_name(const char *name);
enum package_change package_change_from_name(const char *name);
enum file_event file_event_from_name(const char *name);
enum file_by file_by_from_name(const char *name);
enum file_level file_level_from_name(const char *name);
enum version_step version_step_from_name(const char *name);
