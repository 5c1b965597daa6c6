#pragma once
/* The limits of a unit: as systemd has them in force, and as the kernel keeps them. */
#include <systemd/sd-bus.h>

#include "base/limits.h"
#include "base/usec.h"
#include "io/proc.h"

struct unit_limits {
        bool loaded;          /* systemd has such a unit */
        bool stale;           /* its files were changed since systemd read them */
        struct limits limits; /* in force; LIMIT_INFINITY: no limit. What systemd did not say is not set */
        unsigned read;        /* a bit for each enum limits_place whose drop-in systemd has read */
        pid_t main_pid;
        char control_group[PROC_CGROUP_MAX]; /* "/system.slice/x.service", "" while it does not run */
};

/* Asks systemd for all of it, as of one moment. The answer is for unit_limits_read(). */
int unit_limits_ask(sd_bus *connection, const char *unit, usec_t within, sd_bus_message_handler_t answered,
                    void *userdata, sd_bus_slot **ret_slot);

/* -EBADMSG: an answer that cannot be understood. */
int unit_limits_read(sd_bus_message *answer, const char *unit, struct unit_limits *ret);

/* What the kernel keeps for the control group below `cgroups`; what it has no file for is not set. */
void unit_limits_kernel(const struct proc *cgroups, const char *control_group, struct limits *ret);

/* The limits that the kernel could keep, because it has their controller; as a set of bits. */
unsigned unit_limits_possible(const struct proc *cgroups);

/* The limits of `wanted` that are not so in `are`, where that says anything of them; as a set of bits. */
unsigned unit_limits_differing(const struct limits *wanted, const struct limits *are);

/* "max 100000" of cpu.max and "134217728" or "max" of the others; false when it is neither. */
bool unit_limits_parse(enum limit limit, const char *text, uint64_t *ret);
