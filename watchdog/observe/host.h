#pragma once
/*
 * Watches the machine: memory, CPU, pressure and load every 15 seconds, and whether packages are being installed.
 *
 * The nearer free memory is to its floor, the more often it is looked at, twice a second below it; far above it that costs
 * nothing more. A pressure trigger of the kernel (PSI) wakes it up sooner. Where the kernel has no pressure or gives out no
 * trigger, that is told, and memory is looked at every five seconds once a quarter of it or less is left above the floor.
 */
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"
#include "io/proc.h"

struct host;
struct host_watch;

struct host_options {
        const struct clock *clock;
        const struct proc *proc;
        struct fact_sink sink;
        const char *dpkg;                       /* NULL: "/var/lib/dpkg"; tests bring their own */
        struct host_watch (*watch)(void *self); /* asked at each sample; NULL: no floor */
        void *self;
};

/* How closely memory is to be watched. */
struct host_watch {
        uint64_t floor_bytes; /* 0: none */
        bool closely;         /* something is done about it */
};

/* Samples come in the same wakeup as those of processes; a first one as soon as the loop runs. */
int host_new(sd_event *event, const struct host_options *options, struct host **ret);
struct host *host_free(struct host *host);

/* The policy changed: takes a sample soon. */
void host_again(struct host *host);

#define HOST_SAMPLE_NEAR (500 * USEC_PER_MSEC)

/*
 * How long until the next sample is wanted. It is assumed that a machine may fill itself within two minutes, or twice as fast
 * as it did since the sample before; USEC_INFINITY: the usual grid is soon enough.
 */
struct host_tide {
        uint64_t total_bytes, available_bytes;
        uint64_t before_bytes; /* available at the sample before ... */
        usec_t passed;         /* ... so long ago, 0: there was none */
        bool trigger;          /* the kernel wakes us up */
};
usec_t host_period(const struct host_watch *watch, const struct host_tide *tide);

/*
 * Whether packages are being installed right now: dpkg is locked, or needrestart or unattended-upgrades runs. Costs two
 * system calls where dpkg is locked and one walk through /proc (2 ms) where it is not: ask only when it matters.
 */
bool host_package_run(const struct host *host);

/* The parsers behind it. "some avg10=1.23 avg60=..." gives 123 for `line` "some"; -ENODATA when there is no such line. */
int host_parse_pressure(const char *text, const char *line, uint32_t *ret_hundredths);
int host_parse_load(const char *text, uint32_t *ret_hundredths);
