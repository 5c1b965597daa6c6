/* Checks about CPU time: limits that mean nothing here, and a host that takes it away. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "govctl/check.h"
#include "govctl/field.h"
#include "io/cleanup.h"

#define STEAL_TOLD 100 /* permille of the time: a neighbour takes a little now and then */

/* What the host gives to others, or keeps because this guest used up its share. */
void look_steal(struct machine *machine, struct findings *findings)
{
        int64_t steal = field_number(machine->status, "machine.cpu.steal_permille");
        char span[TEXT_SPAN_MAX];
        struct finding *finding;

        if (steal < STEAL_TOLD)
                return;
        finding = finding_new(findings, "machine", "its host takes CPU time away");
        finding_why(finding,
                    "%lld.%lld%% of the time in the last %s was wanted and not given (steal): the host throttles this "
                    "guest, or has sold more CPUs than it has. Everything here is slower by as much.",
                    (long long)steal / 10, (long long)steal % 10,
                    text_span(span, (usec_t)field_number(machine->status, "machine.cpu.over_s") * USEC_PER_SEC));
        finding_fix(finding, "# nothing on this machine changes that: ask the provider, or use less for longer:\n"
                             "govctl history machine --since 7d");
}

static uint64_t cpus_of(struct machine *machine)
{
        _cleanup_free_ char *text = NULL;
        uint64_t cpus = 0;

        if (machine_read(machine, "/proc/stat", &text, NULL) < 0)
                return 0;
        for (const char *at = text; (at = strstr(at, "\ncpu")); at++)
                cpus++;
        return cpus;
}

void look_cpu_limit(struct machine *machine, struct findings *findings)
{
        uint64_t cpus = machine->policy ? cpus_of(machine) : 0;

        for (unsigned i = 0; cpus > 0 && i < machine->policy->rules_n; i++) {
                const struct rule *rule = &machine->policy->rules[i];
                char where[512];
                struct finding *finding;

                if (rule->cpu.above_percent < 100 * cpus)
                        continue;
                snprintf(where, sizeof where, "%s:%u", rule->origin.file, rule->origin.line);
                finding = finding_new(findings, rule->name, "its CPU limit can never be reached");
                finding_in(finding, where);
                finding_why(finding, "It is %llu%% of one CPU, and all CPUs of this machine together are %llu%%.",
                            (unsigned long long)rule->cpu.above_percent, (unsigned long long)(100 * cpus));
                finding_fix(finding, "# 'above' counts in percent of one CPU: less than %llu%%",
                            (unsigned long long)(100 * cpus));
        }
}
