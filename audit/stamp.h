#pragma once

/* Times: the kernel's clocks in microseconds, and the ts of a record. */

#include <stdint.h>
#include <time.h>

#define AUDIT_USEC_PER_SEC UINT64_C(1000000)
#define AUDIT_USEC_PER_DAY (24 * 60 * 60 * AUDIT_USEC_PER_SEC)

uint64_t audit_clock_usec(clockid_t clock);

/* "2026-01-02T03:04:05.000000Z" and back; the text must be well formed. */
enum { AUDIT_TS_LENGTH = 27 };
void audit_ts_format(uint64_t realtime_usec, char ret[static AUDIT_TS_LENGTH + 1]);
uint64_t audit_ts_parse(const char *ts);
