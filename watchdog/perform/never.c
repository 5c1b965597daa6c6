#include <string.h>
#include <unistd.h>

#include "base/agent.h"
#include "base/unit.h"
#include "io/cleanup.h"
#include "io/proc.h"
#include "perform/never.h"

/* Whether the process is an ancestor of this one: stopping it would stop whoever runs us. */
static bool is_ancestor(pid_t pid)
{
        _cleanup_(proc_done) struct proc proc = { .fd = -1 };
        struct proc_stat stat = { .parent = getpid() };

        if (proc_open(&proc, "/proc") < 0)
                return false;
        for (unsigned depth = 0; stat.parent > 1 && depth < 64; depth++) {
                if (stat.parent == pid)
                        return true;
                if (proc_stat(&proc, stat.parent, &stat) < 0)
                        return false;
        }
        return false;
}

const char *never_touch(const char *agent, pid_t pid)
{
        if (pid == 1)
                return "it is PID 1";
        if (pid > 0 && is_ancestor(pid))
                return "Governor itself runs below it";
        if (agent_manager(agent) != MANAGER_SYSTEMD)
                return NULL;
        return unit_is_untouchable(agent + strlen("systemd:")) ? "the machine stands on it, or is reached through it"
                                                               : NULL;
}
