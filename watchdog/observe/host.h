#pragma once
/* Watches the machine: memory, pressure and load every 15 seconds, and whether packages are being installed. */
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "io/proc.h"

struct host;

struct host_options {
        const struct clock *clock;
        const struct proc *proc;
        struct fact_sink sink;
        const char *dpkg; /* NULL: "/var/lib/dpkg"; tests bring their own */
};

/* Samples come in the same wakeup as those of processes; a first one as soon as the loop runs. */
int host_new(sd_event *event, const struct host_options *options, struct host **ret);
struct host *host_free(struct host *host);

/*
 * Whether packages are being installed right now: dpkg is locked, or needrestart or unattended-upgrades runs. Costs two
 * system calls where dpkg is locked and one walk through /proc (2 ms) where it is not: ask only when it matters.
 */
bool host_package_run(const struct host *host);

/* The parsers behind it. "some avg10=1.23 avg60=..." gives 123 for `line` "some"; -ENODATA when there is no such line. */
int host_parse_pressure(const char *text, const char *line, uint32_t *ret_hundredths);
int host_parse_load(const char *text, uint32_t *ret_hundredths);
