#pragma once
/* Watches systemd's services over its bus and tells what happens to those that are wanted. */
#include <systemd/sd-event.h>

#include "base/fact.h"
#include "base/unit.h"
#include "io/bus.h"
#include "io/clock.h"
#include "io/proc.h"
#include "observe/systemd_files.h"

struct systemd;

/* Everything but `self`, `files` and `package_run` is needed, and must outlive the observer. */
struct systemd_options {
        sd_event *event;
        struct bus *bus;
        const struct clock *clock;
        const struct proc *proc;
        struct fact_sink sink;
        /* Whether a service is one to watch: the policy's word, or discovery's (base/unit.h). Asked once a unit. */
        bool (*wants)(void *self, const struct unit_looks *looks);
        /* Whether packages are being installed now; NULL: never. */
        bool (*package_run)(void *self);
        const struct systemd_files_sink *files; /* who cares for the files behind the services, NULL: nobody */
        void *self;
};

/* Starts to look as soon as the bus is up. A machine without systemd is told as SOURCE_ABSENT, once the loop runs. */
int systemd_new(const struct systemd_options *options, struct systemd **ret);
struct systemd *systemd_free(struct systemd *systemd);

/* One that was there before we came: what became of it is told even when systemd has it loaded no more. Before the loop runs. */
int systemd_remember(struct systemd *systemd, const char *name);

/* What is wanted may have changed: asks `wants` again about every service; what is not wanted any more is told as gone. */
void systemd_again(struct systemd *systemd);
