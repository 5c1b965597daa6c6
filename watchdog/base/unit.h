#pragma once
/* What a systemd unit looks like, and whether that is the look of an agent or of something nobody may touch. */
#include <stdbool.h>

struct unit_looks {
        const char *name;       /* "agent-lily.service" */
        const char *fragment;   /* FragmentPath, "" when it has none */
        const char *type;       /* "simple", "exec", "notify", "notify-reload", "forking", "dbus", "oneshot", "idle" */
        const char *executable; /* last component of ExecStart's path, "" unknown */
        bool masked;
};

/*
 * Discovery's one criterion: a long-running service that an administrator installed, or one named like a deployed agent
 * wherever it came from; never something of the system's own.
 */
bool unit_looks_like_agent(const struct unit_looks *looks);

/* Units that no policy may act on: systemd's own, dbus, ssh, login, network managers and tunnels, slices and scopes, Governor. */
bool unit_is_untouchable(const char *name);

/*
 * Whether a file is one of the unit's by its place and name: the unit itself or its template, or a drop-in of it, its template,
 * a prefix that ends in a dash (`agent-.service.d/`) or of all services.
 */
bool unit_has_path(const char *name, const char *path);

/* What the file is for, by its name: "lily.service", "agent-@.service", "agent-.service", "service"; false for no unit's file. */
#define UNIT_NAME_MAX 256
bool unit_path_name(const char *path, char ret_name[UNIT_NAME_MAX]);
