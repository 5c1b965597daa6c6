#include "base/harden.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Sockets on which somebody acts for whoever asks: Governor for operators, systemd, user managers, containers. And what Governor
 * keeps: keys, the log, copies of guarded files. Its sockets for agents are in /run/governor-agent. */
#define HIDDEN \
        "-/run/governor -/var/lib/governor -/run/systemd/private -/run/user -/run/docker.sock -/run/containerd -/run/podman"
#define BUS " -/run/dbus/system_bus_socket"

/* clang-format off */
static const struct harden_row rows[HARDEN_KEY_N] = {
        [HARDEN_USER]              = { "User",                    NULL,        false, "root cannot be contained: it may kill and debug what other root processes do" },
        [HARDEN_NO_NEW_PRIVILEGES] = { "NoNewPrivileges",         "yes",       false, "sudo and other setuid programs give it nothing" },
        [HARDEN_CAPABILITIES]      = { "CapabilityBoundingSet",   "",          false, "chattr -i, mounts, raw disks, other users' files need one" },
        [HARDEN_AMBIENT]           = { "AmbientCapabilities",     "",          false, "it begins without any" },
        [HARDEN_SYSTEM]            = { "ProtectSystem",           "strict",    false, "it can change nothing but what is named" },
        [HARDEN_WRITE]             = { "ReadWritePaths",          NULL,        true,  "its own files" },
        [HARDEN_GUARD]             = { "ReadOnlyPaths",           NULL,        true,  "guarded within its own files" },
        [HARDEN_HIDDEN]            = { "InaccessiblePaths",       NULL,        true,  "whoever listens there acts for it, outside of its unit" },
        [HARDEN_DEVICES]           = { "PrivateDevices",          "yes",       false, "raw disks are devices" },
        [HARDEN_TMP]               = { "PrivateTmp",              "yes",       false, "other agents' temporary files, and sockets among them" },
        [HARDEN_PROC]              = { "ProtectProc",             "invisible", false, "other users' processes" },
        [HARDEN_CGROUPS]           = { "ProtectControlGroups",    "yes",       false, "cgroup.kill ends any unit" },
        [HARDEN_MODULES]           = { "ProtectKernelModules",    "yes",       false, "a kernel module may do anything" },
        [HARDEN_TUNABLES]          = { "ProtectKernelTunables",   "yes",       false, "core_pattern and its like start programs" },
        [HARDEN_LOGS]              = { "ProtectKernelLogs",       "yes",       false, "traces of what it did" },
        [HARDEN_CLOCK]             = { "ProtectClock",            "yes",       false, "times of what it did" },
        [HARDEN_HOSTNAME]          = { "ProtectHostname",         "yes",       false, "the name under which logs are kept" },
        [HARDEN_NAMESPACES]        = { "RestrictNamespaces",      "yes",       false, "in a namespace of its own it would be root again" },
        [HARDEN_SUID]              = { "RestrictSUIDSGID",        "yes",       false, "it leaves no program that others run as it" },
        [HARDEN_REALTIME]          = { "RestrictRealtime",        "yes",       false, "it cannot keep others from running" },
        [HARDEN_PERSONALITY]       = { "LockPersonality",         "yes",       false, "no other kind of system calls" },
        [HARDEN_KEYRING]           = { "KeyringMode",             "private",   false, "keys of other processes" },
        [HARDEN_ARCHITECTURES]     = { "SystemCallArchitectures", "native",    false, "32-bit calls go around filters" },
        [HARDEN_CALLS]             = { "SystemCallFilter",
                                       "~@mount @raw-io @module @reboot @swap @debug @clock @obsolete bpf perf_event_open "
                                       "io_uring_setup open_by_handle_at fanotify_init userfaultfd",
                                                                                true,  "ways around all of the above" },
        [HARDEN_ERROR]             = { "SystemCallErrorNumber",   "EPERM",     false, "a call that is refused does not kill it" },
};
/* clang-format on */

const struct harden_row *harden_row(enum harden_key key)
{
        return &rows[key];
}

bool harden_key_from_name(const char *name, enum harden_key *ret)
{
        for (enum harden_key key = 0; key < HARDEN_KEY_N; key++)
                if (strcmp(rows[key].name, name) == 0) {
                        *ret = key;
                        return true;
                }
        return false;
}

bool harden_user_fits(const char *user)
{
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

        return user[0] && user[0] != '-' && strlen(user) < HARDEN_USER_MAX && user[strspn(user, allowed)] == '\0';
}

bool harden_path_fits(const char *path)
{
        for (const char *c = path; *c; c++)
                if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("%\\\"'", *c))
                        return false;
        return path[0] == '/';
}

static void hidden(const struct harden *harden, char *buffer)
{
        text_append(buffer, HARDEN_VALUE_MAX, HIDDEN "%s%s%s", harden->hide_bus ? BUS : "", harden->hide[0] ? " " : "",
                    harden->hide);
}

char *harden_value(const struct harden *harden, enum harden_key key, char buffer[HARDEN_VALUE_MAX])
{
        buffer[0] = '\0';
        switch (key) {
        case HARDEN_USER: text_append(buffer, HARDEN_VALUE_MAX, "%s", harden->user ? harden->user : ""); break;
        case HARDEN_WRITE: text_append(buffer, HARDEN_VALUE_MAX, "%s", harden->write); break;
        case HARDEN_GUARD: text_append(buffer, HARDEN_VALUE_MAX, "%s", harden->guard); break;
        case HARDEN_HIDDEN: hidden(harden, buffer); break;
        default: text_append(buffer, HARDEN_VALUE_MAX, "%s", rows[key].value); break;
        }
        return buffer;
}

bool harden_sets(const struct harden *harden, enum harden_key key)
{
        char value[HARDEN_VALUE_MAX];

        return rows[key].value || harden_value(harden, key, value)[0];
}

bool harden_same(const char *wanted, const char *in_force)
{
        static const char *const yes[] = { "yes", "true", "on", "1" };

        if (strcmp(wanted, "yes") != 0)
                return strcmp(wanted, in_force) == 0;
        for (size_t i = 0; i < COUNT(yes); i++)
                if (strcmp(in_force, yes[i]) == 0)
                        return true;
        return false;
}

char *harden_text(const struct harden *harden, char buffer[HARDEN_TEXT_MAX])
{
        char value[HARDEN_VALUE_MAX];

        buffer[0] = '\0';
        text_append(buffer, HARDEN_TEXT_MAX, "[Service]\n");
        for (enum harden_key key = 0; key < HARDEN_KEY_N; key++)
                if (harden_sets(harden, key))
                        text_append(buffer, HARDEN_TEXT_MAX, "%s=%s\n", rows[key].name,
                                    harden_value(harden, key, value));
        return buffer;
}
