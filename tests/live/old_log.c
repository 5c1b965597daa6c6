/* Makes an audit log as an earlier week would have left it: `old_log STATE RECORDS DAYS [VKEY]`, retention of one day. With a
 * witness's key the daemon of that week waited for it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "audit/audit.h"

static uint64_t days_ago(void *userdata)
{
        const uint64_t *days = userdata;
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return ((uint64_t)now.tv_sec - *days * 86400) * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int wait_for(struct audit *audit, const char *vkey, uint64_t since)
{
        json_t *details = json_pack("{s:I, s:I, s:s, s:[{s:s, s:s, s:I, s:I}]}", "waiting_since", (json_int_t)since,
                                    "verified_at", (json_int_t)since, "verdict", "OK", "witnesses", "vkey", vkey, "url",
                                    "https://witness.example/", "size", (json_int_t)0, "at", (json_int_t)0);
        const struct audit_entry entry = {
                .action = "audit.standing", .subject = "audit", .outcome = AUDIT_INFO, .details = details
        };
        int r = audit_append(audit, &entry, NULL);

        json_decref(details);
        return r;
}

int main(int argc, char **argv)
{
        uint64_t days = argc >= 4 ? strtoull(argv[3], NULL, 10) : 0;
        struct audit_options options = { .retention_days = 1,
                                         .clock = { .realtime_usec = days_ago, .userdata = &days } };
        const struct audit_entry entry = { .action = "fact.host", .subject = "machine", .outcome = AUDIT_INFO };
        struct audit *audit = NULL;
        int r = argc >= 4 ? audit_open(argv[1], &options, &audit, NULL) : -1;

        for (unsigned long n = r < 0 ? 0 : strtoul(argv[2], NULL, 10), i = 0; i < n && r >= 0; i++) {
                r = audit_append(audit, &entry, NULL);
                if (r >= 0 && i % 64 == 63)
                        r = audit_commit(audit, AUDIT_SEAL);
        }
        if (r >= 0 && argc > 4)
                r = wait_for(audit, argv[4], days_ago(&days));
        if (r >= 0)
                r = audit_commit(audit, AUDIT_SEAL);
        audit_close(audit);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
