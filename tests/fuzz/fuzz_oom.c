/* What the kernel says of memory: its log, half of which was chosen by the processes that it is about, and its counters. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "observe/headroom.h"
#include "observe/kmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct kmsg_kill *kill)
{
        assert(kill->pid > 0 && (kill->by == OOM_BY_MACHINE || kill->by == OOM_BY_LIMIT));
        assert(memchr(kill->comm, '\0', sizeof(kill->comm)) && memchr(kill->cgroup, '\0', sizeof(kill->cgroup)) &&
               memchr(kill->limit, '\0', sizeof(kill->limit)));
        assert(kill->others_n <= KMSG_TASKS);
        for (unsigned i = 0; i < kill->others_n; i++) {
                assert(kill->others[i].pid != kill->pid && kill->others[i].bytes >= kill->others[i].swapped);
                assert(i == 0 || kill->others[i].bytes <= kill->others[i - 1].bytes);
        }
}

/* A record a line, as in a file of them. */
static void read_log(const char *text, size_t size)
{
        struct kmsg_report report = { 0 };
        struct kmsg_record record;
        struct kmsg_kill kill;

        for (const char *end = text + size, *stop; text < end; text = stop + 1) {
                stop = memchr(text, '\n', (size_t)(end - text));
                stop = stop ? stop : end;
                if (kmsg_parse(text, (size_t)(stop - text), &record) < 0)
                        continue;
                assert(memchr(record.text, '\0', sizeof(record.text)));
                if (kmsg_report_take(&report, record.text, &kill))
                        check(&kill);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1);
        struct headroom_events events;
        uint64_t limit;

        if (!text)
                abort();
        memcpy(text, data, size);
        text[size] = '\0';
        read_log(text, size);
        (void)headroom_parse_events(text, &events);
        (void)headroom_parse_limit(text, &limit);
        free(text);
        return 0;
}
