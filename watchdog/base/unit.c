#include "base/unit.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static bool matches(const char *name, const char *const *patterns, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (text_glob(patterns[i], name))
                        return true;
        return false;
}

bool unit_is_untouchable(const char *name)
{
        static const char *const own[] = {
                "governor*",          "systemd-*",   "dbus*",    "init.scope",   "-.slice",        "user@*",
                "user-runtime-dir@*", "session-*",   "polkit*",  "ssh.service",  "ssh@*",          "sshd*",
                "dropbear*",          "telnet*",     "getty*",   "autovt@*",     "serial-getty@*", "console-getty*",
                "container-getty@*",  "emergency.*", "rescue.*", "debug-shell*", "*login*",        "*display-manager*",
        };
        static const char *const network[] = {
                "NetworkManager*",
                "networking.*",
                "network*",
                "ifup@*",
                "ifupdown*",
                "netplan*",
                "connman*",
                "dhcp*",
                "isc-dhcp*",
                "wpa_supplicant*",
                "iwd*",
                "nftables*",
                "iptables*",
                "ip6tables*",
                "netfilter*",
                "ufw*",
                "firewalld*",
                "fail2ban*",
                "openvpn*",
                "wg-quick@*",
                "wireguard*",
                "strongswan*",
                "ipsec*",
                "tailscale*",
                "zerotier*",
                "cloudflared*",
                "autossh*",
                "frpc*",
                "ngrok*",
                "tunnel*",
                "*-tunnel*",
                "cloud-*",
                "google-*",
                "amazon-ssm-agent*",
                "snap.amazon-ssm-agent*",
                "walinuxagent*",
                "waagent*",
                "qemu-guest-agent*",
                "hv-*",
                "vmtoolsd*",
                "open-vm-tools*",
                "resolvconf*",
                "unbound*",
                "dnsmasq*",
        };

        if (!text_ends(name, ".service"))
                return true; /* only services are ever acted on */
        return matches(name, own, ELEMENTS(own)) || matches(name, network, ELEMENTS(network));
}

static bool runs_long(const char *type)
{
        static const char *const types[] = { "simple", "exec", "notify", "notify-reload", "forking", "dbus", "idle" };

        for (size_t i = 0; i < ELEMENTS(types); i++)
                if (strcmp(type, types[i]) == 0)
                        return true;
        return false;
}

/* Where administrators put units; packages use /lib, generators /run/systemd/generator*, systemd-run /run/systemd/transient. */
static bool installed_by_hand(const char *fragment)
{
        return text_starts(fragment, "/etc/systemd/system/") || text_starts(fragment, "/run/systemd/system/") ||
               text_starts(fragment, "/usr/local/lib/systemd/system/");
}

static bool named_like_agent(const char *name)
{
        static const char *const names[] = {
                "agent*.service", "bot*.service",      "*-agent.service",
                "*-bot.service",  "*-agent@*.service", "*-bot@*.service",
        };

        return matches(name, names, ELEMENTS(names));
}

bool unit_looks_like_agent(const struct unit_looks *looks)
{
        if (looks->masked || unit_is_untouchable(looks->name) || !runs_long(looks->type))
                return false;
        return installed_by_hand(looks->fragment) || named_like_agent(looks->name);
}
