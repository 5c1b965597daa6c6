#include "judge/flush_words.h"

#include "base/text.h"
#include "judge/ebb.h"
#include "judge/table.h"

#define KIB 1024

static uint64_t floor_of(const struct judge *judge)
{
        return judge->policy->machine.memory_floor_bytes;
}

void flush_say_sunk(const struct judge *judge, char reason[REASON_MAX])
{
        const struct flush *flush = &judge->flush;
        char available[TEXT_BYTES_MAX], total[TEXT_BYTES_MAX], floor[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];

        text_append(reason, REASON_MAX, "MemAvailable %s of %s, below the floor of %s",
                    text_bytes(available, ebb_available(&flush->ebb)),
                    text_bytes(total, (uint64_t)flush->ebb.total_kib * KIB), text_bytes(floor, floor_of(judge)));
        if (flush->found.lasts >= USEC_PER_SEC)
                text_append(reason, REASON_MAX, " for %s", text_span(span, flush->found.lasts));
        if (flush->found.sign == EBB_PRESSURE)
                text_append(reason, REASON_MAX, "; processes stall for memory (some %u.%02u%%, full %u.%02u%%)",
                            flush->ebb.some / 100, flush->ebb.some % 100, flush->ebb.full / 100, flush->ebb.full % 100);
        else if (flush->found.sign == EBB_FALLS)
                text_append(reason, REASON_MAX, "; at this pace nothing is left in %s",
                            text_span(span, flush->found.gone_in));
        else if (flush->found.sign == EBB_DEEP)
                text_append(reason, REASON_MAX, "; that is next to nothing");
}

void flush_say_restart(const struct judge *judge, const struct instance *instance, char reason[REASON_MAX])
{
        const struct weight *weight = &instance->weight;
        char holds[TEXT_BYTES_MAX], gain[TEXT_BYTES_MAX], available[TEXT_BYTES_MAX], floor[TEXT_BYTES_MAX];

        text_append(reason, REASON_MAX, "MemAvailable %s, floor %s; it holds %s%s (of its %s)",
                    text_bytes(available, ebb_available(&judge->flush.ebb)), text_bytes(floor, floor_of(judge)),
                    weight->how == WEIGHED_STATUS ? "roughly " : "",
                    text_bytes(holds, (uint64_t)weight->frees_kib * KIB), memory_of_name(weight->of));
        if (weight->swap_kib >= KIB)
                text_append(reason, REASON_MAX, " and %s of swap", text_bytes(holds, (uint64_t)weight->swap_kib * KIB));
        text_append(reason, REASON_MAX, ", and a restart frees about %s",
                    text_bytes(gain, (uint64_t)victim_gain(instance) * KIB));
        victim_cost(judge, instance, reason, REASON_MAX);
}

bool flush_is_weighed_anew(const struct judge *judge, const struct instance *instance)
{
        return is_alive(instance) && instance->weight.at > judge->flush.ordered_at &&
               instance->weight.pid == life_seen(instance)->pid;
}

void flush_say_verified(const struct judge *judge, const struct instance *instance, char reason[REASON_MAX])
{
        const struct flush *flush = &judge->flush;
        uint64_t before = (uint64_t)flush->before_kib * KIB, after = ebb_available(&flush->ebb);
        char name[AGENT_ID_MAX], one[TEXT_BYTES_MAX], two[TEXT_BYTES_MAX], three[TEXT_BYTES_MAX];

        agent_short_name(agent_of(judge, instance)->id, name);
        text_append(reason, REASON_MAX, "%s was restarted: MemAvailable %s to %s", name, text_bytes(one, before),
                    text_bytes(two, after));
        text_append(reason, REASON_MAX, ", %s more where about %s were expected",
                    after > before ? text_bytes(one, after - before) : "nothing",
                    text_bytes(three, (uint64_t)flush->expected_kib * KIB));
        if (!is_alive(instance))
                text_append(reason, REASON_MAX, "; it does not run");
        else if (flush_is_weighed_anew(judge, instance))
                text_append(reason, REASON_MAX, "; it holds %s now",
                            text_bytes(one, (uint64_t)instance->weight.frees_kib * KIB));
}

void flush_say_hold(const struct judge *judge, const struct victim_hold *hold, char reason[REASON_MAX])
{
        char name[AGENT_ID_MAX], holds[TEXT_BYTES_MAX];

        agent_short_name(agent_of(judge, hold->instance)->id, name);
        text_append(reason, REASON_MAX, "%s holds %s: %s, not touched", name,
                    text_bytes(holds, (uint64_t)hold->instance->weight.frees_kib * KIB), hold->words);
}

/* Who holds the memory instead: an agent that may not be touched, or a process that is nobody's. */
void flush_say_nobody(const struct judge *judge, const struct victim_choice *choice, char reason[REASON_MAX])
{
        const struct flush *flush = &judge->flush;
        bool stranger = flush->stranger.at >= flush->weighed_at && flush->stranger.pid > 0;
        char holds[TEXT_BYTES_MAX];

        text_append(reason, REASON_MAX,
                    choice->observed > 0  ? "nothing more is done, the others are only observed"
                    : choice->weighed > 0 ? "nothing more can be freed"
                                          : "what restarts free could not be measured");
        if (stranger && (choice->holds_n == 0 || flush->stranger.kib > choice->holds[0].instance->weight.frees_kib))
                text_append(reason, REASON_MAX, ": %s (pid %d) holds %s: no agent, not touched", flush->stranger.name,
                            (int)flush->stranger.pid, text_bytes(holds, (uint64_t)flush->stranger.kib * KIB));
        else
                stranger = false;
        for (uint32_t n = 0; n < choice->holds_n; n++) {
                text_append(reason, REASON_MAX, n > 0 || stranger ? "; " : ": ");
                flush_say_hold(judge, &choice->holds[n], reason);
        }
        if (choice->small > 0)
                text_append(reason, REASON_MAX, "; %u hold%s less than 16M%s", choice->small,
                            choice->small == 1 ? "s" : "", choice->small == 1 ? "" : " each");
}
