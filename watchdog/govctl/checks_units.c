/* What is set up wrongly in services. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/check.h"
#include "govctl/field.h"
#include "io/cleanup.h"

/* systemd's own defaults; system.conf may say otherwise, few do. */
#define RESTART_SEC_DEFAULT (100 * USEC_PER_MSEC)
#define INTERVAL_DEFAULT (10 * USEC_PER_SEC)
#define BURST_DEFAULT 5

/* Services that run on: what ends by itself and Governor's own are not meant. */
static bool runs_on(const struct unit *unit)
{
        return !unit_is(unit, UNIT_TYPE, "oneshot") && unit_get(unit, UNIT_EXEC_START) &&
               !text_starts(unit->name, "governor");
}

static usec_t span_of(const struct unit *unit, enum unit_key key, usec_t otherwise)
{
        const struct setting *setting = unit_get(unit, key);
        usec_t span = otherwise;

        if (setting)
                (void)unit_parse_span(setting->value, &span);
        return span;
}

/* An interval in which a loop of lives up to 10 s is caught, in whole minutes. */
static unsigned minutes_that_catch(usec_t restart_sec, unsigned long burst)
{
        usec_t needed = burst * (restart_sec + 10 * USEC_PER_SEC);

        return (unsigned)(needed / USEC_PER_MINUTE + 1);
}

static void judge_start_limit(const struct unit *unit, struct findings *findings)
{
        usec_t wait = span_of(unit, UNIT_RESTART_SEC, RESTART_SEC_DEFAULT);
        usec_t interval = span_of(unit, UNIT_START_LIMIT_INTERVAL, INTERVAL_DEFAULT);
        unsigned long burst = strtoul(unit_text(unit, UNIT_START_LIMIT_BURST, "5"), NULL, 10);
        char one[TEXT_SPAN_MAX], two[TEXT_SPAN_MAX], three[TEXT_SPAN_MAX], lines[256];
        struct finding *finding;

        /* an interval of 0 means that no limit is wanted */
        if (unit_is(unit, UNIT_RESTART, "no") || !unit_get(unit, UNIT_RESTART) || interval == 0 || burst == 0)
                return;
        if (wait == USEC_INFINITY || wait > USEC_PER_DAY || burst > 100000 || burst * wait < interval)
                return;
        finding = finding_new(findings, unit->name, "its start limit can never be reached");
        finding_at(finding,
                   unit_get(unit, UNIT_RESTART_SEC) ? unit_get(unit, UNIT_RESTART_SEC) : unit_get(unit, UNIT_RESTART));
        finding_why(finding,
                    "%lu starts with %s between them take at least %s, and the limit counts starts within %s only: "
                    "however often it "
                    "crashes, systemd restarts it for ever and never calls it failed.",
                    burst, text_span(one, wait), text_span(two, burst * wait), text_span(three, interval));
        snprintf(lines, sizeof lines, "[Unit]\nStartLimitIntervalSec=%umin\nStartLimitBurst=%lu\n",
                 minutes_that_catch(wait, burst), burst);
        finding_drop_in(finding, unit->name, "start-limit", lines);
}

void look_start_limit(struct machine *machine, struct findings *findings)
{
        for (size_t i = 0; i < machine->units_n; i++)
                if (runs_on(machine->units[i]))
                        judge_start_limit(machine->units[i], findings);
}

/* Whether a start of the base brings the dependent back. */
static bool base_brings_back(struct machine *machine, const char *base, const char *dependent)
{
        static const char *const links[] = { "wants", "requires", "upholds" };
        const struct unit *unit = machine_unit(machine, base);
        char path[768];

        if (unit && (unit_names(unit, UNIT_UPHOLDS, dependent) || unit_names(unit, UNIT_WANTS, dependent) ||
                     unit_names(unit, UNIT_REQUIRES, dependent)))
                return true;
        for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
                char target[512];

                snprintf(path, sizeof path, "/etc/systemd/system/%s.%s/%s", base, links[i], dependent);
                if (machine_link(machine, path, target, sizeof target) == 0)
                        return true;
        }
        return false;
}

static void judge_binding(struct machine *machine, const struct unit *unit, const struct setting *setting,
                          const char *base, struct findings *findings)
{
        struct finding *finding;
        char lines[512];

        if (!text_ends(base, ".service") || base_brings_back(machine, base, unit->name))
                return;
        finding = finding_new(findings, unit->name, "a crash of its base takes it down for good");
        finding_at(finding, setting);
        finding_why(finding,
                    "BindsTo=%s stops it when the base crashes, and nothing starts it when the base is back: Restart= "
                    "does not "
                    "count an ordered stop. It is then inactive, not failed, and no tool reports it.",
                    base);
        snprintf(lines, sizeof lines, "[Unit]\nUpholds=%s\n", unit->name);
        finding_drop_in(finding, base, unit->name, lines);
}

void look_binds_to(struct machine *machine, struct findings *findings)
{
        /* bases read on the way are appended behind this and are not ours to judge */
        size_t n = machine->units_n;

        for (size_t i = 0; i < n; i++) {
                const struct unit *unit = machine->units[i];

                for (const struct setting *s = NULL; runs_on(unit) && (s = unit_next(unit, UNIT_BINDS_TO, s));) {
                        char names[512], *rest = names;

                        text_copy(names, sizeof names, s->value);
                        for (char *base; (base = strsep(&rest, " \t"));)
                                judge_binding(machine, unit, s, base, findings);
                }
        }
}

bool unit_is_agent(const struct machine *machine, const struct unit *unit)
{
        char id[288];

        if (!runs_on(unit) || unit_is_pm2(unit))
                return false;
        snprintf(id, sizeof id, "systemd:%s", unit->name);
        if (machine->policy && !machine->policy->discovered)
                return policy_wants(machine->policy, id);
        return !machine->status || machine_agent(machine, id);
}

void look_unit_root(struct machine *machine, struct findings *findings)
{
        for (size_t i = 0; i < machine->units_n; i++) {
                const struct unit *unit = machine->units[i];
                struct finding *finding;
                char lines[256], user[64], word[SHELL_WORD_MAX];

                if (!unit_runs_as_root(unit) || !unit_is_agent(machine, unit))
                        continue;
                finding = finding_new(findings, unit->name, "it runs as root");
                finding_in(finding, unit->path);
                finding_why(
                        finding,
                        "What an agent is talked into doing it does with all rights, and nothing on this machine can "
                        "be kept from it.");
                text_copy(user, sizeof user, unit->name);
                user[strcspn(user, ".@")] = '\0';
                snprintf(lines, sizeof lines, "[Service]\nUser=%s\nNoNewPrivileges=yes\n", user);
                finding_fix(finding, "useradd --system --home-dir / --shell /usr/sbin/nologin %s",
                            shell_word(user, word));
                finding_drop_in(finding, unit->name, "user", lines);
                finding_fix(finding, "# give that user the files that it writes, then:\n# systemctl restart %s",
                            shell_word(unit->name, word));
                finding_fix(finding, "# and for a sandbox around it: govctl harden %s", shell_word(unit->name, word));
        }
}

void look_unit_pid_file(struct machine *machine, struct findings *findings)
{
        for (size_t i = 0; i < machine->units_n; i++) {
                const struct setting *pid_file = unit_get(machine->units[i], UNIT_PID_FILE);
                _cleanup_free_ char *text = NULL;
                char word[SHELL_WORD_MAX], other[SHELL_WORD_MAX];
                struct finding *finding;
                pid_t pid;

                if (!pid_file || unit_is_pm2(machine->units[i]) ||
                    machine_read(machine, pid_file->value, &text, NULL) < 0)
                        continue;
                pid = (pid_t)strtol(text, NULL, 10);
                if (pid <= 0 || machine_process(machine, pid))
                        continue;
                finding = finding_new(findings, machine->units[i]->name, "its pid file names a process that is gone");
                finding_at(finding, pid_file);
                finding_why(finding, "%s says %d. Whoever trusts it may signal another process that got this number.",
                            pid_file->value, (int)pid);
                finding_fix(finding, "systemctl is-active %s || rm %s", shell_word(machine->units[i]->name, word),
                            shell_word(pid_file->value, other));
        }
}

void look_unit_healers(struct machine *machine, struct findings *findings)
{
        for (size_t i = 0; machine->policy && i < machine->units_n; i++) {
                const struct unit *unit = machine->units[i];
                const struct setting *limit = unit_get(unit, UNIT_MEMORY_MAX);
                char id[288], one[TEXT_BYTES_MAX], two[TEXT_BYTES_MAX];
                struct finding *finding;
                uint64_t most = 0, ceiling;

                snprintf(id, sizeof id, "systemd:%s", unit->name);
                const struct rule *rule = policy_rule(machine->policy, id);

                ceiling = rule ? rule->memory.ceiling_bytes : 0;
                if (!limit || !ceiling || !unit_parse_bytes(limit->value, &most) || most > ceiling)
                        continue;
                finding = finding_new(findings, unit->name, "the kernel kills it before Governor's ceiling");
                finding_at(finding, limit);
                finding_why(finding,
                            "MemoryMax=%s lies at or below the ceiling of %s in its rule (%s:%u): it dies of the limit "
                            "instead of "
                            "being restarted in order. MemoryMax= should be the net below, a quarter higher.",
                            text_bytes(one, most), text_bytes(two, ceiling), rule->origin.file ? rule->origin.file : "",
                            rule->origin.line);
                snprintf(id, sizeof id, "[Service]\nMemoryMax=%lluM\n", (unsigned long long)(ceiling * 5 / 4 >> 20));
                finding_drop_in(finding, unit->name, "memory", id);
        }
}
