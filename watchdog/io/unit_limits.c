#include "io/unit_limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/bus.h"
#include "io/cleanup.h"

#define USEC_PER_PERCENT 10000 /* of a second of one CPU */
#define PAGE 4096 /* the kernel keeps whole pages; where they are larger this still tells apart what matters */

/* clang-format off */
static const struct {
        const char *property;         /* of systemd */
        const char *file, *controller; /* of the kernel; NULL: it is systemd's own */
} names[LIMIT_N] = {
        [LIMIT_MEMORY_HIGH]     = { "MemoryHigh",          "memory.high",     "memory" },
        [LIMIT_MEMORY_MAX]      = { "MemoryMax",           "memory.max",      "memory" },
        [LIMIT_MEMORY_SWAP_MAX] = { "MemorySwapMax",       "memory.swap.max", "memory" },
        [LIMIT_CPU_QUOTA]       = { "CPUQuotaPerSecUSec",  "cpu.max",         "cpu" },
        [LIMIT_OOM_POLICY]      = { "OOMPolicy",           NULL,              NULL },
};
/* clang-format on */

/* ---- systemd --------------------------------------------------------------------------------------------------------- */

/* With an empty interface one message holds the unit's and the service's properties of one moment. */
int unit_limits_ask(sd_bus *connection, const char *unit, usec_t within, sd_bus_message_handler_t answered,
                    void *userdata, sd_bus_slot **ret_slot)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        _cleanup_free_ char *path = NULL;
        int r = sd_bus_path_encode(BUS_UNIT_PATH, unit, &path);

        if (r >= 0)
                r = sd_bus_message_new_method_call(connection, &call, BUS_SYSTEMD, path,
                                                   "org.freedesktop.DBus.Properties", "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", "");
        return r < 0 ? r : sd_bus_call_async(connection, ret_slot, call, answered, userdata, within);
}

static int read_drop_ins(sd_bus_message *message, const char *unit, struct unit_limits *limits)
{
        char owner[LIMITS_PATH_MAX];
        const char *path;
        int r = sd_bus_message_enter_container(message, 'v', "as");

        if (r >= 0)
                r = sd_bus_message_enter_container(message, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(message, "s", &path)) > 0) {
                enum limits_place place = limits_place_of(path, owner);

                if (place != LIMITS_NOWHERE && strcmp(owner, unit) == 0)
                        limits->read |= 1u << place;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int read_text(sd_bus_message *message, char *to, size_t size)
{
        const char *text;
        int r = sd_bus_message_read(message, "v", "s", &text);

        if (r >= 0)
                text_copy(to, size, text);
        return r;
}

static int read_limit(sd_bus_message *message, enum limit limit, struct limits *limits)
{
        char policy[16];
        uint64_t value;
        int r;

        if (limit == LIMIT_OOM_POLICY) {
                r = read_text(message, policy, sizeof(policy));
                value = oom_policy_from_name(policy);
        } else {
                r = sd_bus_message_read(message, "v", "t", &value);
        }
        if (r < 0)
                return r;
        if (limit == LIMIT_CPU_QUOTA && value != LIMIT_INFINITY)
                value = (value + USEC_PER_PERCENT / 2) / USEC_PER_PERCENT;
        if (limit != LIMIT_OOM_POLICY || value != OOM_POLICY_NONE)
                limits_put(limits, limit, value);
        return 0;
}

static int read_one(sd_bus_message *message, const char *unit, struct unit_limits *limits)
{
        char text[16];
        const char *name;
        uint32_t pid;
        int r = sd_bus_message_read(message, "s", &name), flag;

        if (r < 0)
                return r;
        for (enum limit limit = 0; limit < LIMIT_N; limit++)
                if (strcmp(name, names[limit].property) == 0)
                        return read_limit(message, limit, &limits->limits);
        if (strcmp(name, "ControlGroup") == 0)
                return read_text(message, limits->control_group, sizeof(limits->control_group));
        if (strcmp(name, "DropInPaths") == 0)
                return read_drop_ins(message, unit, limits);
        if (strcmp(name, "LoadState") == 0) {
                r = read_text(message, text, sizeof(text));
                limits->loaded = r >= 0 && strcmp(text, "loaded") == 0;
                return r;
        }
        if (strcmp(name, "NeedDaemonReload") == 0) {
                r = sd_bus_message_read(message, "v", "b", &flag);
                limits->stale = r >= 0 && flag;
                return r;
        }
        if (strcmp(name, "MainPID") == 0) {
                r = sd_bus_message_read(message, "v", "u", &pid);
                limits->main_pid = r >= 0 ? (pid_t)pid : 0;
                return r;
        }
        return sd_bus_message_skip(message, "v");
}

int unit_limits_read(sd_bus_message *answer, const char *unit, struct unit_limits *ret)
{
        struct unit_limits limits = { .loaded = false };
        int r = sd_bus_message_enter_container(answer, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(answer, 'e', "sv")) > 0)
                if ((r = read_one(answer, unit, &limits)) >= 0)
                        r = sd_bus_message_exit_container(answer);
        if (r < 0)
                return -EBADMSG;
        *ret = limits;
        return 0;
}

/* ---- the kernel ------------------------------------------------------------------------------------------------------ */

static bool parse_number(const char **text, uint64_t *ret)
{
        char *end;

        if (strncmp(*text, "max", strlen("max")) == 0) {
                *ret = LIMIT_INFINITY;
                *text += strlen("max");
                return true;
        }
        errno = 0;
        *ret = strtoull(*text, &end, 10);
        if (errno || **text < '0' || **text > '9')
                return false;
        *text = end;
        return true;
}

bool unit_limits_parse(enum limit limit, const char *text, uint64_t *ret)
{
        uint64_t value, period = 1;

        if (!parse_number(&text, &value))
                return false;
        if (limit == LIMIT_CPU_QUOTA && (*text++ != ' ' || !parse_number(&text, &period) || period == 0))
                return false;
        if (*text != '\0' && strcmp(text, "\n") != 0)
                return false;
        if (limit == LIMIT_CPU_QUOTA && value != LIMIT_INFINITY) {
                if (value > UINT64_MAX / 200 || period == LIMIT_INFINITY)
                        return false;
                value = (value * 200 / period + 1) / 2; /* rounded */
        }
        *ret = value;
        return true;
}

void unit_limits_kernel(const struct proc *cgroups, const char *control_group, struct limits *ret)
{
        char path[PROC_CGROUP_MAX + 32], text[64];
        uint64_t value;

        *ret = (struct limits){ .place = LIMITS_NOWHERE };
        for (enum limit limit = 0; limit < LIMIT_N && cgroups->fd >= 0 && strlen(control_group) > 1; limit++) {
                if (!names[limit].file)
                        continue;
                snprintf(path, sizeof(path), "%s/%s", control_group + 1, names[limit].file);
                if (proc_read(cgroups, path, text, sizeof(text)) > 0 && unit_limits_parse(limit, text, &value))
                        limits_put(ret, limit, value);
        }
}

unsigned unit_limits_possible(const struct proc *cgroups)
{
        char text[512], *rest = text;
        unsigned possible = 0;

        if (cgroups->fd < 0 || proc_read(cgroups, "cgroup.controllers", text, sizeof(text)) < 0)
                return 0;
        for (char *word; (word = strsep(&rest, " \n"));)
                for (enum limit limit = 0; limit < LIMIT_N; limit++)
                        if (names[limit].controller && strcmp(names[limit].controller, word) == 0)
                                possible |= 1u << limit;
        return possible;
}

static bool is_same(enum limit limit, uint64_t a, uint64_t b)
{
        bool bytes = limit != LIMIT_CPU_QUOTA && limit != LIMIT_OOM_POLICY;

        return a == b || (bytes && a != LIMIT_INFINITY && b != LIMIT_INFINITY && a / PAGE == b / PAGE);
}

unsigned unit_limits_differing(const struct limits *wanted, const struct limits *are)
{
        unsigned differing = 0;

        for (enum limit limit = 0; limit < LIMIT_N; limit++)
                if (limits_have(wanted, limit) && limits_have(are, limit) &&
                    !is_same(limit, wanted->value[limit], are->value[limit]))
                        differing |= 1u << limit;
        return differing;
}
