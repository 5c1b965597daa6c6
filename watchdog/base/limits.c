#include "base/limits.h"

#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "base/text.h"

static const char *const limit_names[] = {
        [LIMIT_MEMORY_HIGH] = "MemoryHigh", [LIMIT_MEMORY_MAX] = "MemoryMax", [LIMIT_MEMORY_SWAP_MAX] = "MemorySwapMax",
        [LIMIT_CPU_QUOTA] = "CPUQuota",     [LIMIT_OOM_POLICY] = "OOMPolicy",
};

static const char *const oom_policy_names[] = {
        [OOM_POLICY_NONE] = "none",
        [OOM_POLICY_CONTINUE] = "continue",
        [OOM_POLICY_STOP] = "stop",
        [OOM_POLICY_KILL] = "kill",
};

static const char *const limits_place_names[] = {
        [LIMITS_NOWHERE] = "nowhere",
        [LIMITS_KEPT] = "kept",
        [LIMITS_TRIAL] = "trial",
        [LIMITS_QUOTA] = "quota",
};

static const struct {
        const char *directory, *file;
} places[LIMITS_PLACE_N] = {
        [LIMITS_KEPT] = { "/etc/systemd/system/", "50-governor-limits.conf" },
        [LIMITS_TRIAL] = { "/run/systemd/system/", "60-governor-limits-trial.conf" },
        [LIMITS_QUOTA] = { "/run/systemd/system/", "70-governor-quota.conf" },
};

NAMES_DEFINE(oom_policy, oom_policy_names)
NAMES_DEFINE(limits_place, limits_place_names)

const char *limit_name(enum limit limit)
{
        return names_at(limit_names, NAMES_N(limit_names), (size_t)limit);
}

bool limits_have(const struct limits *limits, enum limit limit)
{
        return limits->set & 1u << limit;
}

void limits_put(struct limits *limits, enum limit limit, uint64_t value)
{
        limits->set |= 1u << limit;
        limits->value[limit] = value;
}

void limits_add(struct limits *limits, const struct limits *more)
{
        for (enum limit limit = 0; limit < LIMIT_N; limit++)
                if (limits_have(more, limit))
                        limits_put(limits, limit, more->value[limit]);
}

static char *bytes_text(uint64_t bytes, char buffer[LIMIT_TEXT_MAX])
{
        static const char units[] = "GMK";
        unsigned shift = 30;

        for (const char *unit = units; *unit; unit++, shift -= 10)
                if (bytes > 0 && bytes % ((uint64_t)1 << shift) == 0) {
                        snprintf(buffer, LIMIT_TEXT_MAX, "%llu%c", (unsigned long long)(bytes >> shift), *unit);
                        return buffer;
                }
        snprintf(buffer, LIMIT_TEXT_MAX, "%llu", (unsigned long long)bytes);
        return buffer;
}

char *limit_text(enum limit limit, uint64_t value, char buffer[LIMIT_TEXT_MAX])
{
        if (limit == LIMIT_OOM_POLICY)
                snprintf(buffer, LIMIT_TEXT_MAX, "%s", oom_policy_name((enum oom_policy)value));
        else if (value == LIMIT_INFINITY)
                snprintf(buffer, LIMIT_TEXT_MAX, "infinity");
        else if (limit == LIMIT_CPU_QUOTA)
                snprintf(buffer, LIMIT_TEXT_MAX, "%llu%%", (unsigned long long)value);
        else
                bytes_text(value, buffer);
        return buffer;
}

char *limits_text(const struct limits *limits, char buffer[LIMITS_TEXT_MAX])
{
        char value[LIMIT_TEXT_MAX];

        buffer[0] = '\0';
        for (enum limit limit = 0; limit < LIMIT_N; limit++)
                if (limits_have(limits, limit))
                        text_append(buffer, LIMITS_TEXT_MAX, "%s%s=%s", buffer[0] ? " " : "", limit_name(limit),
                                    limit_text(limit, limits->value[limit], value));
        return buffer;
}

/* systemd's own rule for names, less what only templates without an instance are. */
static bool is_unit_name(const char *name, size_t length)
{
        static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@";

        return length > 0 && length < 256 && name[0] != '.' && strspn(name, allowed) >= length &&
               memchr(name, '.', length);
}

bool limits_path(enum limits_place place, const char *unit, char path[LIMITS_PATH_MAX])
{
        if ((unsigned)place >= LIMITS_PLACE_N || !places[place].file || !is_unit_name(unit, strlen(unit)))
                return false;
        return snprintf(path, LIMITS_PATH_MAX, "%s%s.d/%s", places[place].directory, unit, places[place].file) <
               LIMITS_PATH_MAX;
}

enum limits_place limits_place_of(const char *path, char unit[LIMITS_PATH_MAX])
{
        for (enum limits_place place = LIMITS_NOWHERE + 1; place < LIMITS_PLACE_N; place++) {
                const char *name, *end;

                if (!text_starts(path, places[place].directory))
                        continue;
                name = path + strlen(places[place].directory);
                end = strstr(name, ".d/");
                if (!end || strcmp(end + strlen(".d/"), places[place].file) != 0 ||
                    !is_unit_name(name, (size_t)(end - name)))
                        continue;
                snprintf(unit, LIMITS_PATH_MAX, "%.*s", (int)(end - name), name);
                return place;
        }
        return LIMITS_NOWHERE;
}
