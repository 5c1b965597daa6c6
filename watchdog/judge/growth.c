#include "judge/growth.h"

#include "base/text.h"
#include "judge/note.h"
#include "judge/table.h"

#define KIB 1024

static bool any_found(const struct judge *judge, const struct agent *agent, enum swell_found found)
{
        for (const struct instance *i = first_instance(judge, agent); i; i = next_instance(judge, i))
                if (!i->gone && swell_found(i) & found)
                        return true;
        return false;
}

/* ---- in words ------------------------------------------------------------------------------------------------------- */

static void describe_jump(const struct swell_told *told, char *reason, size_t size)
{
        char from[TEXT_BYTES_MAX], to[TEXT_BYTES_MAX];

        text_append(reason, size, "its %s jumped from %s to %s and stays there; most of it in process %d",
                    memory_of_name(told->of), text_bytes(from, (uint64_t)told->from_kib * KIB),
                    text_bytes(to, (uint64_t)told->kib * KIB), (int)told->most_pid);
}

static void describe_leak(const struct swell_told *told, const struct rule *rule, char *reason, size_t size)
{
        uint64_t bytes = (uint64_t)told->kib * KIB, ceiling = rule->memory.ceiling_bytes;
        char first[TEXT_BYTES_MAX], second[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];

        text_append(reason, size, "its %s grows by %s an hour for %s, and holds %s now", memory_of_name(told->of),
                    text_bytes(first, told->bytes_an_hour), text_span(span, told->window), text_bytes(second, bytes));
        if (ceiling > bytes && told->bytes_an_hour > 0)
                text_append(reason, size, ": its ceiling of %s in about %s", text_bytes(first, ceiling),
                            text_span(span, (ceiling - bytes) / told->bytes_an_hour * USEC_PER_HOUR +
                                                    (ceiling - bytes) % told->bytes_an_hour * 60 / told->bytes_an_hour *
                                                            USEC_PER_MINUTE));
        text_append(reason, size, "; most of it in process %d", (int)told->most_pid);
}

/* ---- told once ------------------------------------------------------------------------------------------------------ */

/* What a human closed is told again only after it was over. */
static bool may_tell(const struct agent *agent, enum note note)
{
        return agent->noted[note] == NOBODY && !(agent->acknowledged & (1u << note));
}

static void tell_new(struct judge *judge, struct agent *agent, struct instance *instance)
{
        unsigned found = swell_found(instance);
        char reason[REASON_MAX] = "";

        if (found & SWELL_JUMP && may_tell(agent, NOTE_DRIFT)) {
                describe_jump(&instance->swell.told, reason, sizeof(reason));
                note_open(judge, agent, instance, NOTE_DRIFT, reason);
        }
        if (found & SWELL_LEAK && may_tell(agent, NOTE_LEAK) && !is_of_size(instance->cause)) {
                reason[0] = '\0';
                describe_leak(&instance->swell.told, agent->rule, reason, sizeof(reason));
                note_open(judge, agent, instance, NOTE_LEAK, reason);
        }
}

static void tell_over(struct judge *judge, struct agent *agent, enum note note, const char *reason)
{
        agent->acknowledged &= ~(1u << note);
        note_explained(judge, agent, note, reason);
}

void growth_look(struct judge *judge, struct agent *agent, struct instance *instance)
{
        if (agent->noted[NOTE_LEAK] != NOBODY && agent->noted[NOTE_LEAK] == instance->incident)
                agent->noted[NOTE_LEAK] = NOBODY; /* its ceiling made more of it */
        tell_new(judge, agent, instance);
        if (!any_found(judge, agent, SWELL_JUMP))
                tell_over(judge, agent, NOTE_DRIFT, "came back, or began anew");
        if (!any_found(judge, agent, SWELL_LEAK))
                tell_over(judge, agent, NOTE_LEAK, "no longer grows, or began anew");
}
