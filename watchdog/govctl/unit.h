#pragma once
/* A systemd service as its unit file and drop-ins say, read from disk without asking systemd. */
#include <stdbool.h>
#include <stddef.h>

#include "base/harden.h"
#include "base/usec.h"

struct machine;

/* Only these settings are kept: Environment= may hold secrets. */
enum unit_key {
        UNIT_BINDS_TO,
        UNIT_UPHOLDS,
        UNIT_WANTS,
        UNIT_REQUIRES,
        UNIT_START_LIMIT_INTERVAL,
        UNIT_START_LIMIT_BURST,
        UNIT_TYPE,
        UNIT_RESTART,
        UNIT_RESTART_SEC,
        UNIT_OOM_POLICY,
        UNIT_EXEC_START,
        UNIT_EXEC_STOP,
        UNIT_PID_FILE,
        UNIT_USER,
        UNIT_DYNAMIC_USER,
        UNIT_MEMORY_MAX,
        UNIT_MEMORY_HIGH,
        UNIT_MEMORY_SWAP_MAX,
        UNIT_CPU_QUOTA,
        UNIT_KEY_N,
};

/* Settings of enum harden_key are kept behind the others. */
#define UNIT_HARDEN(key) ((enum unit_key)((unsigned)UNIT_KEY_N + (unsigned)(key)))

struct setting {
        enum unit_key key;
        char *value;
        char *file;
        unsigned line;
};

struct unit {
        char *name;
        char *path; /* of the unit file */
        struct setting *settings;
        size_t settings_n;
};

/* -ENOENT when there is no such file, or it is masked. */
int unit_read(struct machine *machine, const char *name, struct unit **ret);
struct unit *unit_free(struct unit *unit);

/* Takes the settings of one file, whose text is taken apart in place, over those of earlier ones. */
int unit_parse(struct unit *unit, const char *file, char *text);

/* The value in force, or NULL. Of a list: its last item; unit_next() walks them all, from NULL on. */
const struct setting *unit_get(const struct unit *unit, enum unit_key key);
const struct setting *unit_next(const struct unit *unit, enum unit_key key, const struct setting *after);

/* The value's text, or `otherwise`. */
const char *unit_text(const struct unit *unit, enum unit_key key, const char *otherwise);
bool unit_is(const struct unit *unit, enum unit_key key, const char *value);

bool unit_runs_as_root(const struct unit *unit);

/* Whether some item of the list setting names this word. */
bool unit_names(const struct unit *unit, enum unit_key key, const char *word);

/* "1min 30s", "100ms", "5", "infinity"; false when it is no time span. */
bool unit_parse_span(const char *text, usec_t *ret);

/* "512M", "2G", "infinity", bytes; a percentage is none: false. */
bool unit_parse_bytes(const char *text, uint64_t *ret);
