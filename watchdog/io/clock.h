#pragma once
/* The one clock: judge time, which never runs backwards, runs on through suspend, and stays close to Unix time. */
#include <time.h>

#include "base/usec.h"

/* Judge time is CLOCK_BOOTTIME plus this; set once at start so that it continues the chain's last time across restarts. */
struct clock {
        usec_t epoch;
};

/* Sets the epoch from the real-time clock, but never earlier than `last` (judge time of the newest record, 0 none). */
void clock_init(struct clock *clock, usec_t last);

/* One of the kernel's clocks, for what needs another than the judge's; a time before 1970 is 0. */
usec_t clock_read(clockid_t id);

usec_t clock_now(const struct clock *clock);

/* CLOCK_BOOTTIME moment for a judge time, for timers. */
usec_t clock_boottime(const struct clock *clock, usec_t at);

/* Judge time at which a process with this start time (ticks since boot, /proc/PID/stat field 22) began. */
usec_t clock_of_ticks(const struct clock *clock, uint64_t ticks);
