#include "audit/stamp.h"

#include <stdio.h>
#include <string.h>

uint64_t audit_clock_usec(clockid_t clock)
{
        struct timespec now;

        clock_gettime(clock, &now);
        return (uint64_t)now.tv_sec * AUDIT_USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

static char *put_digits(char *at, unsigned value, unsigned n)
{
        for (unsigned i = n; i-- > 0; value /= 10)
                at[i] = (char)('0' + value % 10);
        return at + n;
}

/* Each record has one, and strftime takes as long as the hash. */
void audit_ts_format(uint64_t realtime_usec, char ret[static AUDIT_TS_LENGTH + 1])
{
        const time_t seconds = (time_t)(realtime_usec / AUDIT_USEC_PER_SEC);
        char *at = ret;
        struct tm tm;

        gmtime_r(&seconds, &tm);
        at = put_digits(at, (unsigned)tm.tm_year + 1900, 4);
        *at++ = '-';
        at = put_digits(at, (unsigned)tm.tm_mon + 1, 2);
        *at++ = '-';
        at = put_digits(at, (unsigned)tm.tm_mday, 2);
        *at++ = 'T';
        at = put_digits(at, (unsigned)tm.tm_hour, 2);
        *at++ = ':';
        at = put_digits(at, (unsigned)tm.tm_min, 2);
        *at++ = ':';
        at = put_digits(at, (unsigned)tm.tm_sec, 2);
        *at++ = '.';
        at = put_digits(at, (unsigned)(realtime_usec % AUDIT_USEC_PER_SEC), 6);
        strcpy(at, "Z");
}

uint64_t audit_ts_parse(const char *ts)
{
        struct tm tm = { 0 };
        unsigned micros = 0;

        sscanf(ts, "%4d-%2d-%2dT%2d:%2d:%2d.%6uZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec, &micros);
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        return (uint64_t)timegm(&tm) * AUDIT_USEC_PER_SEC + micros;
}
