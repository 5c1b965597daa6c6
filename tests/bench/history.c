/* What a year of history takes: `history AGENTS DAYS` writes the minutes of a machine at rest into a file of its own, ten at a
 * time as the daemon does, and prints a row of the table: agents, days, samples, the file at its largest and at its end, CPU
 * a batch, and how long it takes to read one agent's year. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/history.h"

#define BATCH 10
#define BEGAN 1767225600u /* 2026-01-01 */

static double cpu_ms(void)
{
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static double megabytes(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 ? (double)st.st_size / (1 << 20) : 0;
}

/* Numbers of every length, as they are in life. */
static struct history_sample minute_of(const char *agent, unsigned number, uint64_t at)
{
        uint64_t memory = ((uint64_t)(number % 7 + 1) << 24) + (at / 60 * 7919 + number * 104729) % (1 << 22);

        return (struct history_sample){
                .agent = agent,
                .at = at,
                .step = 60,
                .memory_bytes = memory,
                .memory_most = memory,
                .cpu_permille = (uint32_t)((at / 60 + number) % 40),
                .starts = at / 60 % 9973 == number,
        };
}

static void count(void *self, const struct history_sample *sample)
{
        (void)sample;
        ++*(unsigned *)self;
}

static int write_days(const char *path, unsigned agents, unsigned days, double *largest)
{
        struct history_sample *samples = calloc((size_t)agents * BATCH, sizeof(*samples));
        char(*names)[32] = calloc(agents, sizeof(*names));

        for (unsigned i = 0; i < agents; i++)
                snprintf(names[i], sizeof(names[i]), "systemd:agent-%u.service", i);
        for (uint64_t at = BEGAN; at < BEGAN + days * 86400ull; at += BATCH * 60) {
                for (unsigned i = 0; i < agents * BATCH; i++)
                        samples[i] = minute_of(names[i / BATCH], i / BATCH, at + i % BATCH * 60);

                int r = history_write(path, &history_limits, samples, (size_t)agents * BATCH, at + BATCH * 60);

                if (r < 0 || r & HISTORY_SET_ASIDE)
                        return fprintf(stderr, "history: a write failed: %d\n", r), 1;
                if (megabytes(path) > *largest)
                        *largest = megabytes(path);
        }
        free(samples);
        free(names);
        return 0;
}

int main(int argc, char **argv)
{
        unsigned agents = argc == 3 ? (unsigned)atoi(argv[1]) : 0, days = agents ? (unsigned)atoi(argv[2]) : 0,
                 rows = 0;
        char folder[] = "/var/tmp/governor-bench.XXXXXX", path[64];
        double began, wrote, largest = 0;

        if (days == 0 || !mkdtemp(folder))
                return fputs("history AGENTS DAYS\n", stderr), 2;
        snprintf(path, sizeof(path), "%s/history.db", folder);
        began = cpu_ms();
        if (write_days(path, agents, days, &largest) != 0)
                return 1;
        wrote = cpu_ms();
        history_read(path, "systemd:agent-0.service", BEGAN, count, &rows);
        printf("| %u | %u | %.1f million | %.1f MB | %.1f MB | %.2f ms | %u rows in %.1f ms |\n", agents, days,
               agents * 1440.0 * days / 1e6, largest, megabytes(path), (wrote - began) / (days * 1440.0 / BATCH), rows,
               cpu_ms() - wrote);
        unlink(path);
        return rmdir(folder) != 0;
}
