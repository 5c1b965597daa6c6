#pragma once
/* Who was there when the last run ended, and whom nobody tells of now: what became of him while we were away. */
#include "base/fact.h"
#include "io/clock.h"
#include "io/pm2_directory.h"
#include "judge/judge.h"
#include "observe/systemd.h"

struct absence {
        const struct judge *judge; /* remembers who was there */
        const struct clock *clock;
        struct fact_sink sink;
};

/* systemd may have forgotten them and would not tell of them by itself: it is going to be asked. Before the loop runs. */
void absence_units(const struct absence *absence, struct systemd *systemd);

/* The directory has all apps of this home: those that it lacks are told as gone. */
void absence_apps(const struct absence *absence, const struct pm2_directory *directory, const struct pm2_home *home);
