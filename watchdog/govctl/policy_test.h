#pragma once
/* Another policy tried on what was recorded: what came of it, for who tells it. */
#include "govctl/call.h"
#include "govctl/events.h"
#include "policy/policy.h"

/* An agent whose sizes another policy judges in another way: what the history cannot say of it. */
struct tried {
        char agent[AGENT_ID_MAX];
        bool sizes;         /* its limits are other ones: the history is asked */
        bool of_changed;    /* whose memory counts is another question, too */
        bool sum;           /* it had several instances: the history holds their sum */
        bool files;         /* some of its declared files nobody watched then */
        uint64_t limit;     /* the new ceiling, or where that is no other one the new budget; bytes, 0: none */
        uint64_t limit_was; /* and that of then */
        unsigned peaks;     /* steps whose peak was above it and did not last */
        uint64_t peak_bytes;
        usec_t peak_at;
        uint32_t peak_step; /* seconds */
};

struct test {
        struct call *call;
        const struct policy *policy; /* that is tried */
        struct policy *waiting;      /* the same, until its time has come */
        struct whatif *then, *other;
        bool then_lost; /* the policy of then is not known: compared with the log itself */
        char digest[POLICY_DIGEST_MAX];
        struct events before, after, real;
        struct samples *samples;
        const char *no_history; /* why there is none; NULL: there is */
        struct tried *tried;
        size_t tried_n;
        usec_t since, first, last;
        uint64_t facts;
        int failed;
};

/* The events of before: of the judge of then, or of the log where its policy is not known. */
struct events *test_before(struct test *test);

/* Prints what would be different; the code of the verb. */
enum code test_show(struct test *test);
