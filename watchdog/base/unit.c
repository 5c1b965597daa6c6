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

/* ---- its files ----------------------------------------------------------------------------------------------------------- */

#define SUFFIX ".service"
#define ALL "service" /* drop-ins in service.d are for all of them */

bool unit_path_name(const char *path, char ret_name[UNIT_NAME_MAX])
{
        const char *name = strrchr(path, '/'), *end = path + strlen(path);

        if (!name)
                return false;
        if (text_ends(path, ".conf")) { /* in a folder NAME.d */
                end = name;
                name = memrchr(path, '/', (size_t)(name - path));
                if (!name || end - name < 3 || memcmp(end - 2, ".d", 2) != 0)
                        return false;
                end -= 2;
        }
        name++;
        if (end <= name || (size_t)(end - name) >= UNIT_NAME_MAX)
                return false;
        memcpy(ret_name, name, (size_t)(end - name));
        ret_name[end - name] = '\0';
        return text_ends(ret_name, SUFFIX) || strcmp(ret_name, ALL) == 0;
}

/* "agent-@.service" is the template of "agent-@7.service". */
static bool is_template_of(const char *template, const char *name)
{
        const char *at = strchr(template, '@');
        size_t length = at ? (size_t)(at - template) + 1 : 0;

        return at && strcmp(at + 1, SUFFIX) == 0 && strncmp(name, template, length) == 0;
}

/* "agent-.service" is a prefix of "agent-lily.service", for drop-ins only. */
static bool is_prefix_of(const char *prefix, const char *name)
{
        size_t length = strlen(prefix) - strlen(SUFFIX);

        return length > 0 && prefix[length - 1] == '-' && strncmp(name, prefix, length) == 0 &&
               memchr(name, '@', length) == NULL;
}

bool unit_has_path(const char *name, const char *path)
{
        char of[UNIT_NAME_MAX];

        if (!text_ends(name, SUFFIX) || !unit_path_name(path, of))
                return false;
        if (!text_ends(path, ".conf"))
                return strcmp(of, name) == 0 || is_template_of(of, name);
        return strcmp(of, ALL) == 0 || strcmp(of, name) == 0 || is_template_of(of, name) || is_prefix_of(of, name);
}
