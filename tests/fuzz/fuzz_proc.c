/* Files of /proc: half of what stands in them was chosen by the process that they are about. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "io/proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *text = (const char *)data;
        char cgroup[PROC_CGROUP_MAX], unit[PROC_UNIT_MAX];
        struct proc_stat stat;
        struct proc_rollup rollup;
        struct proc_totals totals = { 0 };
        struct proc_status status;
        uint64_t bytes;

        if (proc_parse_stat(text, size, &stat) == 0)
                assert(memchr(stat.comm, '\0', sizeof(stat.comm)) && stat.parent >= 0);
        if (proc_parse_totals(text, size, &totals))
                assert(totals.busy_ticks <= totals.given_ticks);
        (void)proc_parse_status(text, size, &status);
        (void)proc_parse_rollup(text, size, &rollup);
        (void)proc_parse_flat(text, size, "anon", &bytes);
        if (proc_parse_cgroup(text, size, cgroup) == 0 && proc_unit_of_cgroup(cgroup, unit) == 0)
                assert(strstr(cgroup, unit));
        return 0;
}
