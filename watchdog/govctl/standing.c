#include "govctl/standing.h"

#include <stdlib.h>
#include <string.h>

#include "base/agent.h"
#include "base/text.h"
#include "govctl/field.h"

/* clang-format off */
static const enum standing standings[EFFECTIVE_N] = {
        [EFFECTIVE_UNKNOWN]       = STANDING_UNSETTLED,
        [EFFECTIVE_RUNNING]       = STANDING_FINE,
        [EFFECTIVE_STARTING]      = STANDING_FINE,
        [EFFECTIVE_CRASH_LOOPING] = STANDING_LOOPING,
        [EFFECTIVE_HOT_LOOPING]   = STANDING_LOOPING,
        [EFFECTIVE_WAITING]       = STANDING_UNSETTLED,
        [EFFECTIVE_DEAD]          = STANDING_DOWN,
        [EFFECTIVE_STOPPED]       = STANDING_OFF,
        [EFFECTIVE_QUARANTINED]   = STANDING_DOWN,
        [EFFECTIVE_FROZEN]        = STANDING_DOWN,
        [EFFECTIVE_ORPHANED]      = STANDING_DOWN,
        [EFFECTIVE_DUPLICATE]     = STANDING_DOWN,
};

static const enum tint tints[STANDING_N] = {
        [STANDING_OFF]       = TINT_FAINT,
        [STANDING_FINE]      = TINT_GOOD,
        [STANDING_UNSETTLED] = TINT_WATCH,
        [STANDING_FINDING]   = TINT_WATCH,
        [STANDING_DOWN]      = TINT_BAD,
        [STANDING_LOOPING]   = TINT_BAD,
};

static const char *const endings[ENDING_N] = {
        [ENDING_UNKNOWN]    = "ended, cause unknown",
        [ENDING_EXIT]       = "exit",
        [ENDING_SIGNAL]     = "signal",
        [ENDING_OOM]        = "out of memory",
        [ENDING_WATCHDOG]   = "watchdog timeout",
        [ENDING_TIMEOUT]    = "start or stop timeout",
        [ENDING_DEPENDENCY] = "dragged by its base",
        [ENDING_MANUAL]     = "by hand",
        [ENDING_GOVERNOR]   = "by Governor",
        [ENDING_RELOAD]     = "reload",
        [ENDING_CRON]       = "cron restart",
        [ENDING_PACKAGE]    = "package update",
        [ENDING_MEMORY]     = "PM2 memory limit",
        [ENDING_MANAGER]    = "manager went away",
};
/* clang-format on */

enum standing agent_standing(const json_t *agent)
{
        enum standing standing = standings[effective_from_name(field_text(agent, "effective"))];

        if (field_true(agent, "quarantined") && standing < STANDING_DOWN)
                standing = STANDING_DOWN;
        if (field_given(agent, "incident") && standing < STANDING_FINDING)
                standing = STANDING_FINDING;
        return standing;
}

enum tint standing_tint(enum standing standing)
{
        return tints[standing];
}

static int compare_agents(const void *a, const void *b)
{
        const json_t *const *first = a, *const *second = b;
        enum standing one = agent_standing(*first), other = agent_standing(*second);

        if (one != other)
                return one > other ? -1 : 1;
        return strcmp(field_text(*first, "name"), field_text(*second, "name"));
}

json_t *agents_sorted(const json_t *agents)
{
        size_t n = json_array_size(agents);
        json_t **list = calloc(n ? n : 1, sizeof *list), *sorted = json_array();

        if (list && sorted) {
                for (size_t i = 0; i < n; i++)
                        list[i] = json_array_get(agents, i);
                qsort(list, n, sizeof *list, compare_agents);
                for (size_t i = 0; i < n; i++)
                        json_array_append(sorted, list[i]);
        }
        free(list);
        return sorted;
}

char *ending_words(const json_t *last, char buffer[ENDING_WORDS_MAX])
{
        enum ending ending = ending_from_name(field_text(last, "ending"));
        int64_t signal = field_number(last, "signal");
        const char *name = signal > 0 && signal < 65 ? sigabbrev_np((int)signal) : NULL;

        buffer[0] = '\0';
        if (field_number(last, "at") == 0)
                return buffer; /* never seen to end */
        text_copy(buffer, ENDING_WORDS_MAX, endings[ending]);
        if (ending == ENDING_EXIT)
                text_append(buffer, ENDING_WORDS_MAX, " %d", (int)field_number(last, "code"));
        else if (ending == ENDING_SIGNAL && name)
                text_append(buffer, ENDING_WORDS_MAX, " %s", name);
        else if (ending == ENDING_SIGNAL)
                text_append(buffer, ENDING_WORDS_MAX, " %d", (int)signal);
        return buffer;
}

char *manager_words(const json_t *agent, char buffer[MANAGER_WORDS_MAX])
{
        const char *via = field_text(agent, "via");

        snprintf(buffer, MANAGER_WORDS_MAX, "%s%s%s", field_text(agent, "manager"), via[0] ? " via " : "", via);
        return buffer;
}

char *rule_words(const json_t *rule, bool whole, char buffer[RULE_WORDS_MAX])
{
        const char *file = field_text(rule, "file"), *slash = strrchr(file, '/');
        int64_t line = field_number(rule, "line");

        if (json_is_string(rule))
                snprintf(buffer, RULE_WORDS_MAX, "%s", json_string_value(rule));
        else if (file[0] && line > 0)
                snprintf(buffer, RULE_WORDS_MAX, "%s:%d", !whole && slash ? slash + 1 : file, (int)line);
        else
                snprintf(buffer, RULE_WORDS_MAX, "%s", field_text(rule, "name"));
        return buffer;
}

char *lives_words(const json_t *seen, char buffer[LIVES_WORDS_MAX])
{
        int lives = (int)field_number(seen, "lives"), days = (int)field_number(seen, "days");

        buffer[0] = '\0';
        if (lives > 0 || days == 0)
                text_append(buffer, LIVES_WORDS_MAX, "%d %s", lives, lives == 1 ? "life" : "lives");
        if (days > 0)
                text_append(buffer, LIVES_WORDS_MAX, "%s%d day%s", lives > 0 ? " and " : "", days,
                            days == 1 ? "" : "s");
        return buffer;
}

const char *waiting_words(const char *waiting_for)
{
        if (strcmp(waiting_for, "trial") == 0)
                return "a trial";
        if (strcmp(waiting_for, "backoff") == 0)
                return "started again after its backoff";
        if (strcmp(waiting_for, "settling") == 0)
                return "counted as recovered when it stays up";
        return "looked at again";
}

struct tally count_agents(const json_t *agents)
{
        struct tally tally = { .all = (unsigned)json_array_size(agents) };
        size_t i;
        const json_t *agent;

        json_array_foreach ((json_t *)agents, i, agent) {
                tally.by[agent_standing(agent)]++;
                tally.wrong += agent_standing(agent) >= STANDING_FINDING;
        }
        return tally;
}
