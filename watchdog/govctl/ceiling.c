#include "govctl/ceiling.h"

#include <string.h>

#include "base/text.h"

#define MB (UINT64_C(1) << 20)
#define MOST (UINT64_C(1) << 50) /* more than a policy may say is nobody's memory */

static void from_own_limit(uint64_t limit, struct ceiling *ret)
{
        char bytes[TEXT_BYTES_MAX];

        ret->bytes = (limit + MB - 1) / MB * MB;
        text_append(ret->why, sizeof ret->why, "PM2 restarts it at %s by itself (max_memory_restart)",
                    text_bytes(bytes, limit));
}

static void from_samples(const struct used *used, struct ceiling *ret)
{
        char bytes[TEXT_BYTES_MAX], span[TEXT_SPAN_MAX];

        ret->bytes = used_ceiling(used);
        text_append(ret->why, sizeof ret->why, "not above %s in %s99.9%% of %s, and half of it again",
                    text_bytes(bytes, used->p999_bytes), used->estimated ? "an estimated " : "",
                    text_span(span, used->ran));
        if (used->most_bytes > ret->bytes)
                text_append(ret->why, sizeof ret->why, "; it once held %s", text_bytes(bytes, used->most_bytes));
}

void ceiling_propose(const struct used *used, uint64_t own_limit, bool several, struct ceiling *ret)
{
        char span[TEXT_SPAN_MAX], missing[TEXT_SPAN_MAX];

        *ret = (struct ceiling){ .bytes = 0 };
        if (own_limit > 0 && own_limit < MOST)
                from_own_limit(own_limit, ret);
        else if (several)
                text_append(ret->why, sizeof ret->why, "it has several instances, and only their sum is kept");
        else if (used_ceiling(used) == 0)
                text_append(
                        ret->why, sizeof ret->why,
                        "it was seen running for %s; from 24h on there is a ceiling to propose, in %s at the earliest",
                        used->ran > 0 ? text_span(span, used->ran) : "no minute",
                        text_span(missing, USED_ENOUGH - used->ran));
        else
                from_samples(used, ret);
}
