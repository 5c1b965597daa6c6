#include <string.h>
#include <unistd.h>

#include "base/agent.h"
#include "base/names.h"
#include "base/text.h"
#include "io/cleanup.h"
#include "io/proc.h"
#include "perform/never.h"

/* Without these the machine cannot be reached, logged into or told anything. */
static const struct {
        const char *pattern;
        const char *why;
} units[] = {
        { "init.scope", "it is PID 1" },
        { "systemd-*", "it belongs to systemd" },
        { "dbus*", "it is the message bus" },
        { "polkit*", "it decides who may do what" },
        { "ssh*", "it is the way in" },
        { "dropbear*", "it is the way in" },
        { "*getty*", "it is the way in" },
        { "login*", "it is the way in" },
        { "NetworkManager*", "it is the network" },
        { "network*", "it is the network" },
        { "ifup@*", "it is the network" },
        { "wpa_supplicant*", "it is the network" },
        { "dhc*", "it is the network" },
        { "connman*", "it is the network" },
        { "netplan*", "it is the network" },
        { "tailscaled*", "it is a tunnel" },
        { "wg-quick@*", "it is a tunnel" },
        { "openvpn*", "it is a tunnel" },
        { "strongswan*", "it is a tunnel" },
        { "zerotier*", "it is a tunnel" },
        { "cloudflared*", "it is a tunnel" },
        { "autossh*", "it is a tunnel" },
        { "session-*.scope", "it is a login session" },
        { "user@*", "it is a user's whole session" },
        { "user-*.slice", "it is a user's whole session" },
        { "*.slice", "a slice holds other units" },
        { "governor*", "it is Governor" },
};

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
        for (size_t i = 0; i < NAMES_N(units); i++)
                if (text_glob(units[i].pattern, agent + strlen("systemd:")))
                        return units[i].why;
        return NULL;
}
