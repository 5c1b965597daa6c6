#pragma once
/* Limits of an agent's unit: values under systemd's own names, and the drop-in file that each of them stands in. Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum limit {
        LIMIT_MEMORY_HIGH,
        LIMIT_MEMORY_MAX,
        LIMIT_MEMORY_SWAP_MAX,
        LIMIT_CPU_QUOTA,
        LIMIT_OOM_POLICY,
        LIMIT_N,
};

/* What systemd does with a unit of which the kernel killed one process for memory. */
enum oom_policy {
        OOM_POLICY_NONE,
        OOM_POLICY_CONTINUE,
        OOM_POLICY_STOP,
        OOM_POLICY_KILL,
        OOM_POLICY_N,
};

/* Whose they are. Each has a file of its own, so that nothing of one is lost when another is taken back. */
enum limits_place {
        LIMITS_NOWHERE,
        LIMITS_KEPT,  /* in /etc: a human keeps them */
        LIMITS_TRIAL, /* in /run, on trial: a reboot ends it, whatever becomes of Governor */
        LIMITS_QUOTA, /* in /run, a step of healing: until it is well again */
        LIMITS_PLACE_N,
};

#define LIMIT_INFINITY UINT64_MAX

struct limits {
        enum limits_place place;
        unsigned set;            /* a bit for each enum limit that has a value; the others are left as they are */
        uint64_t value[LIMIT_N]; /* bytes; percent of one CPU; enum oom_policy */
};

const char *limit_name(enum limit limit); /* "MemoryMax", as in a unit file */
const char *oom_policy_name(enum oom_policy policy);
const char *limits_place_name(enum limits_place place);
enum oom_policy oom_policy_from_name(const char *name);
enum limits_place limits_place_from_name(const char *name);

bool limits_have(const struct limits *limits, enum limit limit);
void limits_put(struct limits *limits, enum limit limit, uint64_t value);

/* Adds what `more` sets to what is set, over it. */
void limits_add(struct limits *limits, const struct limits *more);

/* The value as a unit file has it: "128M", "0", "infinity", "20%", "kill". Returns `buffer`. */
#define LIMIT_TEXT_MAX 32
char *limit_text(enum limit limit, uint64_t value, char buffer[LIMIT_TEXT_MAX]);

/* "MemoryMax=128M CPUQuota=20%". Returns `buffer`. */
#define LIMITS_TEXT_MAX 192
char *limits_text(const struct limits *limits, char buffer[LIMITS_TEXT_MAX]);

/*
 * The drop-in of that place for the unit; false when the name is no unit's. The names begin with digits: what an administrator
 * writes with `systemctl edit` (override.conf) stands behind them and has the last word.
 */
#define LIMITS_PATH_MAX 352
bool limits_path(enum limits_place place, const char *unit, char path[LIMITS_PATH_MAX]);

/* Which place a path is the drop-in of, and of which unit; LIMITS_NOWHERE for any other path. */
enum limits_place limits_place_of(const char *path, char unit[LIMITS_PATH_MAX]);
