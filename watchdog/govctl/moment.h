#pragma once
/* Moments as text: those of the daemon's JSON, and those that a person types behind --since. */
#include <jansson.h>
#include <stdbool.h>

#include "base/usec.h"

/* Unix microseconds from an integer or from "2026-01-31T14:30:00.123456Z"; 0 for anything else. */
usec_t moment_of(const json_t *value);

/* "2026-01-31T14:30:00.123456Z" */
usec_t moment_parse_utc(const char *text);

/* "2026-01-31T14:30:00Z", "2026-01-31T15:30:00.5+01:00": with its zone, and nothing else. */
bool moment_parse_rfc3339(const char *text, usec_t *ret);

/* As typed: "10m", "2h", "3d" ago; "14:30" today or yesterday; "2026-01-31" and "2026-01-31T14:30[:05]" local time. */
bool moment_parse_typed(const char *text, usec_t now, usec_t *ret);
