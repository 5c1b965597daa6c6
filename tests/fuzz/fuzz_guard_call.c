/* What the kernel says of a system call that waits: numbers whose owner chose most of them. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "guard/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        enum answer_reason reason = ANSWER_REASON_N;
        int64_t call = 0;

        (void)answer_parse_call((const char *)data, size, &reason, &call);
        assert(reason == ANSWER_READS || reason == ANSWER_WRITES || reason == ANSWER_CANNOT_SAY);
        assert(call >= 0 || reason == ANSWER_CANNOT_SAY);
        return 0;
}
