#include "govctl/lesson.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/field.h"
#include "govctl/relive.h"
#include "judge/remember.h"

#define ACT_EXPLAINS (30 * USEC_PER_SEC) /* what ends so long after an act of Governor's is its doing */

static struct lesson *lesson_of(struct lessons *lessons, const char *id)
{
        struct lesson *list;

        for (size_t i = 0; i < lessons->n; i++)
                if (strcmp(lessons->list[i].id, id) == 0)
                        return &lessons->list[i];
        list = reallocarray(lessons->list, lessons->n + 1, sizeof *list);
        if (!list)
                return NULL;
        lessons->list = list;
        list[lessons->n] = (struct lesson){ .lives = 0 };
        text_copy(list[lessons->n].id, sizeof list->id, id);
        return &list[lessons->n++];
}

const struct lesson *lessons_find(const struct lessons *lessons, const char *id)
{
        for (size_t i = 0; i < lessons->n; i++)
                if (strcmp(lessons->list[i].id, id) == 0)
                        return &lessons->list[i];
        return NULL;
}

void lessons_done(struct lessons *lessons)
{
        for (size_t i = 0; i < lessons->n; i++) {
                free(lessons->list[i].deaths);
                for (unsigned k = 0; k < lessons->list[i].files_n; k++)
                        free(lessons->list[i].files[k]);
        }
        free(lessons->list);
        *lessons = (struct lessons){ .n = 0 };
}

/* ---- how lives end ---------------------------------------------------------------------------------------------------- */

/* Whose will it was, of what the log says. */
static enum ending attribute(const struct lessons *lessons, const struct lesson *lesson, const struct fact *fact)
{
        const struct lesson *machine = &lessons->list[0];
        enum ending ending = fact->ended.ending;

        if (ending != ENDING_MANUAL && !ending_is_death(ending))
                return ending;
        if (fact->at <= lesson->acted_until)
                return ENDING_GOVERNOR;
        if (fact->at <= lesson->planned_until)
                return lesson->planned;
        return fact->at <= machine->planned_until ? machine->planned : ending;
}

static void count_end(struct lesson *lesson, enum ending ending, const struct fact *fact)
{
        int code = ending == ENDING_EXIT ? fact->ended.code : 0;
        int signal = ending == ENDING_SIGNAL || ending == ENDING_OOM ? fact->ended.signal : 0;
        struct lesson_end *end = NULL;

        for (unsigned i = 0; i < lesson->ends_n && !end; i++)
                if (lesson->ends[i].ending == ending && lesson->ends[i].code == code &&
                    lesson->ends[i].signal == signal)
                        end = &lesson->ends[i];
        if (!end && lesson->ends_n == LESSON_ENDS_MAX)
                end = &lesson->ends[LESSON_ENDS_MAX - 1];
        if (!end) {
                end = &lesson->ends[lesson->ends_n++];
                *end = (struct lesson_end){ .ending = ending, .code = code, .signal = signal };
        }
        end->n++;
        end->at = fact->at;
}

static int take_end(struct lessons *lessons, struct lesson *lesson, const struct fact *fact)
{
        enum ending ending = attribute(lessons, lesson, fact);
        struct lesson_death *deaths;

        if (fact->at < lessons->since)
                return 0;
        count_end(lesson, ending, fact);
        if (!ending_is_death(ending))
                return 0;
        deaths = reallocarray(lesson->deaths, lesson->deaths_n + 1, sizeof *deaths);
        if (!deaths)
                return -ENOMEM;
        lesson->deaths = deaths;
        deaths[lesson->deaths_n++] = (struct lesson_death){
                .at = fact->at,
                .instance = fact->instance,
                .clean = ending == ENDING_EXIT && fact->ended.code == 0,
        };
        return 0;
}

static unsigned within_from(const struct lesson *lesson, size_t first, usec_t within)
{
        const struct lesson_death *deaths = lesson->deaths;
        unsigned n = 0;

        for (size_t i = first; i < lesson->deaths_n && deaths[i].at - deaths[first].at <= within; i++)
                n += deaths[i].instance == deaths[first].instance;
        return n;
}

unsigned lesson_most_within(const struct lesson *lesson, usec_t within, bool *ret_clean)
{
        unsigned most = 0;

        *ret_clean = true;
        for (size_t i = 0; i < lesson->deaths_n; i++) {
                unsigned n = within_from(lesson, i, within);

                most = n > most ? n : most;
                *ret_clean &= lesson->deaths[i].clean;
        }
        return most;
}

/* ---- facts ------------------------------------------------------------------------------------------------------------ */

static void note_instance(struct lesson *lesson, uint32_t instance, bool gone)
{
        unsigned place = 0;

        while (place < lesson->instances_n && lesson->instances[place] != instance)
                place++;
        if (gone && place < lesson->instances_n)
                lesson->instances[place] = lesson->instances[--lesson->instances_n];
        else if (!gone && place == lesson->instances_n && place < LESSON_INSTANCES_MAX)
                lesson->instances[lesson->instances_n++] = instance;
}

static int note_file(struct lesson *lesson, const char *path)
{
        for (unsigned i = 0; i < lesson->files_n; i++)
                if (strcmp(lesson->files[i], path) == 0)
                        return 0;
        if (lesson->files_n == LESSON_FILES_MAX) {
                lesson->files_more++;
                return 0;
        }
        lesson->files[lesson->files_n] = strdup(path);
        return lesson->files[lesson->files_n++] ? 0 : -ENOMEM;
}

/* A change window that is closed ends then. */
static void note_change(struct lesson *lesson, const struct fact *fact)
{
        if (*fact->change.pattern)
                return;
        lesson->planned = ENDING_MANUAL;
        lesson->planned_until = fact->change.step == CHANGE_OPEN ? fact->change.until : fact->at;
}

static int take_fact(struct lessons *lessons, struct lesson *lesson, const struct fact *fact)
{
        bool counts = fact->at >= lessons->since;

        switch (fact->kind) {
        case FACT_REMEMBERED:
                if (remember_is_of_instance(fact))
                        note_instance(lesson, fact->instance, false);
                return 0;
        case FACT_BASELINE:
                if (fact->remembered->state == BASELINE_HABIT)
                        lesson->learned_known |= growth_read(fact, &lesson->learned);
                return 0;
        case FACT_AGENT: note_instance(lesson, fact->instance, fact->agent_is.claimed == CLAIMED_GONE); return 0;
        case FACT_STARTED: lesson->lives += counts; return 0;
        case FACT_ENDED: return take_end(lessons, lesson, fact);
        case FACT_PLANNED:
                lesson->planned = fact->planned.ending;
                lesson->planned_until = fact->planned.until;
                return 0;
        case FACT_CHANGE: note_change(lesson, fact); return 0;
        case FACT_CONFIG:
                if (!counts || fact->config.change == CONFIG_SEALED || fact->config.change == CONFIG_RESTORED)
                        return 0;
                return note_file(lesson, fact->config.path);
        default: return 0;
        }
}

static int on_fact(void *self, const struct fact *fact, bool memory)
{
        struct lessons *lessons = self;
        struct lesson *lesson = lesson_of(lessons, fact->agent);

        (void)memory;
        lessons->last = fact->at > lessons->last ? fact->at : lessons->last;
        return lesson ? take_fact(lessons, lesson, fact) : -ENOMEM;
}

/* ---- decisions -------------------------------------------------------------------------------------------------------- */

static void take_finding(struct lesson *lesson, const json_t *record)
{
        const char *state = field_text(record, "details.state"), *incident = field_text(record, "incident");
        enum cause cause = cause_from_name(field_text(record, "action") + strlen("finding."));
        struct lesson_finding *finding = &lesson->findings[cause];

        if (strcmp(state, "open") == 0) {
                finding->n++;
                finding->open = true;
                text_copy(finding->incident, sizeof finding->incident, incident);
                text_copy_safe(finding->reason, sizeof finding->reason, field_text(record, "details.reason"));
        } else if (strcmp(state, "resolve") == 0 && strcmp(finding->incident, incident) == 0) {
                finding->open = false;
        }
}

/* The start after a pause belongs to the stop before it. */
static void take_act(struct lesson *lesson, usec_t at, const json_t *record, bool counts)
{
        enum action action = action_from_verb(field_text(record, "action"));
        enum cause cause = cause_from_name(field_text(record, "details.cause"));
        bool quarantine = strcmp(field_text(record, "details.purpose"), "quarantine") == 0;

        if (field_given(record, "details.withheld"))
                return;
        if (field_true(record, "details.enforce"))
                lesson->acted_until = at + ACT_EXPLAINS;
        else if (counts && (action == ACTION_STOP || action == ACTION_RESTART || action == ACTION_ROLLBACK))
                lesson->would[quarantine ? WOULD_QUARANTINE : WOULD_RESTART][cause]++;
}

static int on_decision(void *self, uint64_t seq, usec_t at, const json_t *record)
{
        struct lessons *lessons = self;
        struct lesson *lesson = lesson_of(lessons, field_text(record, "subject"));

        (void)seq;
        if (!lesson)
                return -ENOMEM;
        lessons->last = at > lessons->last ? at : lessons->last;
        if (action_is_verb(field_text(record, "action")))
                take_act(lesson, at, record, at >= lessons->since);
        else if (at >= lessons->since)
                take_finding(lesson, record);
        return 0;
}

/* ---- the log ------------------------------------------------------------------------------------------------------------ */

static int on_start(void *self, const struct relive_start *start)
{
        struct lessons *lessons = self;

        if (lessons->first == 0)
                lessons->first = start->at;
        lessons->last = start->at > lessons->last ? start->at : lessons->last;
        return 0;
}

int lessons_read(struct audit_reader *audit, usec_t since, struct lessons *ret)
{
        struct lessons lessons = { .since = since };
        const struct relive_reader reader = {
                .start = on_start, .fact = on_fact, .decision = on_decision, .self = &lessons
        };
        uint64_t from = 0;
        int r = relive_look_back(audit, since, &from);

        if (r >= 0)
                r = lesson_of(&lessons, "") ? relive_read(audit, from, &reader) : -ENOMEM;
        if (r < 0) {
                lessons_done(&lessons);
                return r;
        }
        *ret = lessons;
        return 0;
}
