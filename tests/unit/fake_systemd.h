#pragma once
/* A systemd played on a socket of its own: it knows one unit, reads Governor's drop-ins of it when told to, and has a kernel of
 * files. Everything happens in the test's own event loop. */
#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "base/limits.h"

struct fake_systemd {
        char directory[64]; /* "root" below is put before the drop-ins' paths, "cgroups" is the kernel's */
        char root[80], cgroups[80], socket[80];
        sd_event *event;
        int listener;
        sd_event_source *accepting;
        sd_bus *connection;
        sd_bus_message *reloading; /* a Reload that is not answered yet */

        const char *unit;        /* "lily.service" */
        struct limits own;       /* what the unit's own files say */
        struct limits last_word; /* what a drop-in says that stands behind ours */
        struct limits in_force;
        unsigned read; /* our drop-ins, as it read them last */

        bool unknown;        /* it has no such unit */
        bool no_controllers; /* the kernel has none */
        bool kernel_is_slow; /* it is told only when the test says so: fake_systemd_tell_kernel() */
        bool mute;           /* Reload is not answered: fake_systemd_answer() does */
        bool refuses;        /* Reload fails */
        unsigned reloads;
};

void fake_systemd_open(struct fake_systemd *fake, sd_event *event, const char *unit);
void fake_systemd_close(struct fake_systemd *fake);

/* The connection breaks; nobody is there until fake_systemd_listen(). */
void fake_systemd_leave(struct fake_systemd *fake);
void fake_systemd_listen(struct fake_systemd *fake);

void fake_systemd_answer(struct fake_systemd *fake);
void fake_systemd_tell_kernel(struct fake_systemd *fake);

/* A process in the unit's control group: cgroup.procs names it. */
void fake_systemd_process(struct fake_systemd *fake, const char *pids);
