#pragma once
/* Tells of packages that are installed, upgraded or removed, from dpkg's own log: names and versions, nothing else. */
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "io/clock.h"

struct package;

struct package_options {
        const struct clock *clock;
        struct fact_sink sink;
        const char *log; /* NULL: "/var/log/dpkg.log"; tests bring their own */
        usec_t since;    /* judge time: what happened before it is known already, or no news any more */
};

/* Reads the end of the log, and from then on what is added to it. Without a log there is nothing to see, which is said. */
int package_new(sd_event *event, const struct package_options *options, struct package **ret);
struct package *package_free(struct package *package);

#define PACKAGE_NAME_MAX 64
#define PACKAGE_VERSION_MAX 64

/* A line of the log that says that a package changed. */
struct package_line {
        enum package_change change;
        char name[PACKAGE_NAME_MAX];                                  /* without its architecture */
        char before[PACKAGE_VERSION_MAX], after[PACKAGE_VERSION_MAX]; /* "" none */
        int year, month, day, hour, minute, second;                   /* of the machine's own time zone */
};

/* True for such a line (without its end); everything else in the log is no news. */
bool package_parse(const char *line, size_t length, struct package_line *ret);
