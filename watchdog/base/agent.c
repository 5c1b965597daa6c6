#include "base/agent.h"
#include "base/names.h"
#include "base/text.h"

static const char *const manager_names[] = {
        [MANAGER_NONE] = "none",
        [MANAGER_SYSTEMD] = "systemd",
        [MANAGER_PM2] = "pm2",
};

static const char *const claimed_names[] = {
        [CLAIMED_UNKNOWN] = "unknown",   [CLAIMED_STARTING] = "starting", [CLAIMED_RUNNING] = "running",
        [CLAIMED_STOPPING] = "stopping", [CLAIMED_WAITING] = "waiting",   [CLAIMED_STOPPED] = "stopped",
        [CLAIMED_FAILED] = "failed",     [CLAIMED_FROZEN] = "frozen",     [CLAIMED_GONE] = "gone",
};

static const char *const effective_names[] = {
        [EFFECTIVE_UNKNOWN] = "unknown",
        [EFFECTIVE_RUNNING] = "running",
        [EFFECTIVE_STARTING] = "starting",
        [EFFECTIVE_CRASH_LOOPING] = "crash-looping",
        [EFFECTIVE_HOT_LOOPING] = "hot-looping",
        [EFFECTIVE_WAITING] = "waiting",
        [EFFECTIVE_DEAD] = "dead",
        [EFFECTIVE_STOPPED] = "stopped",
        [EFFECTIVE_QUARANTINED] = "quarantined",
        [EFFECTIVE_FROZEN] = "frozen",
        [EFFECTIVE_ORPHANED] = "orphaned",
        [EFFECTIVE_DUPLICATE] = "duplicate",
};

static const char *const ending_names[] = {
        [ENDING_UNKNOWN] = "unknown",
        [ENDING_EXIT] = "exit",
        [ENDING_SIGNAL] = "signal",
        [ENDING_OOM] = "oom",
        [ENDING_WATCHDOG] = "watchdog",
        [ENDING_TIMEOUT] = "timeout",
        [ENDING_DEPENDENCY] = "dependency",
        [ENDING_MANUAL] = "manual",
        [ENDING_GOVERNOR] = "governor",
        [ENDING_RELOAD] = "reload",
        [ENDING_CRON] = "cron",
        [ENDING_PACKAGE] = "package",
        [ENDING_MEMORY] = "memory-limit",
        [ENDING_MANAGER] = "manager",
};

static const char *const memory_of_names[] = {
        [MEMORY_OF_PROCESS] = "process",
        [MEMORY_OF_TREE] = "tree",
        [MEMORY_OF_CGROUP] = "cgroup",
};

NAMES_DEFINE(manager, manager_names)
NAMES_DEFINE(claimed, claimed_names)
NAMES_DEFINE(effective, effective_names)
NAMES_DEFINE(ending, ending_names)
NAMES_DEFINE(memory_of, memory_of_names)

enum manager agent_manager(const char *id)
{
        if (text_starts(id, "systemd:"))
                return MANAGER_SYSTEMD;
        return text_starts(id, "pm2:") ? MANAGER_PM2 : MANAGER_NONE;
}

/* The id behind "systemd:" or "pm2:". */
static const char *without_manager(const char *id)
{
        const char *colon = strchr(id, ':');

        return agent_manager(id) != MANAGER_NONE && colon ? colon + 1 : id;
}

void agent_short_name(const char *id, char name[AGENT_ID_MAX])
{
        const char *from = without_manager(id);
        const char *slash = strchr(from, '/');

        if (agent_manager(id) == MANAGER_PM2) {
                /* users have no '/' in their names, apps may: the first one ends the user */
                text_copy(name, AGENT_ID_MAX, slash ? slash + 1 : from);
                char *home = strstr(name, "@/");
                if (home && home != name)
                        *home = '\0';
                return;
        }
        text_copy(name, AGENT_ID_MAX, from);
        if (text_ends(name, ".service"))
                name[strlen(name) - strlen(".service")] = '\0';
}

bool agent_answers_to(const char *id, const char *word)
{
        char name[AGENT_ID_MAX];

        if (strcmp(id, word) == 0 || strcmp(without_manager(id), word) == 0)
                return true;
        agent_short_name(id, name);
        return strcmp(name, word) == 0;
}
