#include "govctl/moment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

usec_t moment_parse_utc(const char *text)
{
        struct tm tm = { 0 };
        const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
        usec_t fraction = 0, unit = USEC_PER_SEC / 10;

        if (!rest)
                return 0;
        if (*rest == '.')
                for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
                        fraction += unit * (usec_t)(*rest - '0');
        time_t seconds = timegm(&tm);

        return seconds < 0 ? 0 : (usec_t)seconds * USEC_PER_SEC + fraction;
}

/* "Z" or "+01:00", as seconds east of Greenwich. */
static bool parse_zone(const char *text, int *ret_seconds)
{
        int hours, minutes, length = 0;

        if ((text[0] == 'Z' || text[0] == 'z') && text[1] == '\0') {
                *ret_seconds = 0;
                return true;
        }
        if ((text[0] != '+' && text[0] != '-') || strspn(text + 1, "0123456789") != 2 ||
            strspn(text + 4, "0123456789") != 2 || sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 ||
            text[1 + length] != '\0' || hours > 23 || minutes > 59)
                return false;
        *ret_seconds = (text[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
        return true;
}

bool moment_parse_rfc3339(const char *text, usec_t *ret)
{
        /* strptime() takes "2026-1-1" too, so the shape is held against this first: 0 is any digit */
        static const char shape[] = "0000-00-00T00:00:00";
        struct tm tm = { 0 };
        usec_t fraction = 0, unit = USEC_PER_SEC / 10;
        const char *rest = text + sizeof shape - 1;
        int zone;

        for (size_t i = 0; i < sizeof shape - 1; i++)
                if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i] && text[i] != 't')
                        return false;
        if (strptime(text, shape[10] == text[10] ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%dt%H:%M:%S", &tm) != rest)
                return false;
        if (*rest == '.') {
                if (rest[1] < '0' || rest[1] > '9')
                        return false;
                for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
                        fraction += unit * (usec_t)(*rest - '0');
        }
        if (!parse_zone(rest, &zone))
                return false;

        struct tm asked = tm;
        time_t seconds = timegm(&tm);

        if (tm.tm_mday != asked.tm_mday || seconds - zone < 0) /* February 30 is March 2 to timegm() */
                return false;
        *ret = (usec_t)(seconds - zone) * USEC_PER_SEC + fraction;
        return true;
}

usec_t moment_of(const json_t *value)
{
        if (json_is_integer(value))
                return json_integer_value(value) > 0 ? (usec_t)json_integer_value(value) : 0;
        return json_is_string(value) ? moment_parse_utc(json_string_value(value)) : 0;
}

/* "10m": that long before now. */
static bool parse_span(const char *text, usec_t now, usec_t *ret)
{
        static const struct {
                char letter;
                usec_t unit;
        } units[] = {
                { 's', USEC_PER_SEC },
                { 'm', USEC_PER_MINUTE },
                { 'h', USEC_PER_HOUR },
                { 'd', USEC_PER_DAY },
        };
        char *end;
        unsigned long count = strtoul(text, &end, 10);

        if (end == text || text[0] < '0' || text[0] > '9' || count > 100000 || strlen(end) != 1)
                return false;
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
                if (units[i].letter == *end) {
                        *ret = usec_since(now, count * units[i].unit);
                        return true;
                }
        return false;
}

static bool whole(const char *text, const char *format, struct tm *tm)
{
        const char *rest = strptime(text, format, tm);

        return rest && *rest == '\0';
}

bool moment_parse_typed(const char *text, usec_t now, usec_t *ret)
{
        static const char *const dates[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S",
                                             "%Y-%m-%d %H:%M", "%Y-%m-%d" };
        time_t seconds = (time_t)(now / USEC_PER_SEC);
        struct tm tm;

        if (parse_span(text, now, ret))
                return true;
        if (text[0] && text[strlen(text) - 1] == 'Z' && moment_parse_utc(text)) {
                *ret = moment_parse_utc(text);
                return true;
        }
        localtime_r(&seconds, &tm);
        tm.tm_sec = 0;
        if (whole(text, "%H:%M", &tm)) {
                tm.tm_isdst = -1;
                time_t at = mktime(&tm);

                *ret = (usec_t)(at > seconds ? at - 86400 : at) * USEC_PER_SEC; /* later than now: yesterday's */
                return true;
        }
        for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
                memset(&tm, 0, sizeof tm);
                if (!whole(text, dates[i], &tm))
                        continue;
                tm.tm_isdst = -1;
                *ret = (usec_t)mktime(&tm) * USEC_PER_SEC;
                return true;
        }
        return false;
}
