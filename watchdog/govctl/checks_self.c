/* What Governor itself cannot do here, and why. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fact.h"
#include "base/text.h"
#include "govctl/check.h"
#include "govctl/field.h"
#include "io/cleanup.h"
#include "io/proc.h"

void look_daemon(struct machine *machine, struct findings *findings)
{
        struct finding *finding;
        bool installed;

        if (!machine->here || machine->status || machine->daemon_denied)
                return;
        installed = machine_has(machine, "/etc/systemd/system/governor.service") ||
                    machine_has(machine, "/usr/local/lib/systemd/system/governor.service") ||
                    machine_has(machine, "/usr/lib/systemd/system/governor.service");
        finding = finding_new(findings, "governor", "the daemon does not answer");
        finding_why(finding, "Nobody watches the agents of this machine now. %s",
                    installed ? "governor.service is installed." : "governor.service is not installed.");
        finding_fix(finding,
                    installed ? "systemctl enable --now governor.service"
                              : "# in Governor's source: make install && systemctl enable --now governor.service");
}

void look_systemd(struct machine *machine, struct findings *findings)
{
        struct finding *finding;

        if (machine_has(machine, "/run/systemd/system") || !machine->here)
                return;
        finding = finding_new(findings, "governor", "systemd does not run here");
        finding_why(finding,
                    "Services can be neither watched nor restarted; PM2 apps can. This is usual in a container.");
        finding_fix(finding, "# run Governor on the host, or boot the container with systemd as its first process");
}

void look_pidfd(struct machine *machine, struct findings *findings)
{
        struct finding *finding;
        long fd;

        if (!machine->here)
                return;
        fd = syscall(SYS_pidfd_open, getpid(), 0);
        if (fd >= 0) {
                close((int)fd);
                return;
        }
        finding = finding_new(findings, "governor", "deaths cannot be seen at once");
        finding_why(finding,
                    "pidfd_open() fails (%s): a death is known only when systemd or PM2 tells of it, and nothing "
                    "proves that a pid "
                    "is still the same process.",
                    strerror(errno));
        finding_fix(finding, "# Linux 5.3 or later is needed, and a container runtime that lets pidfd_open through");
}

void look_pressure(struct machine *machine, struct findings *findings)
{
        struct finding *finding;

        if (!machine->here || machine_has(machine, "/proc/pressure/memory"))
                return;
        finding = finding_new(findings, "governor", "memory pressure cannot be seen");
        finding_why(finding, "The kernel keeps no pressure figures (/proc/pressure): only free memory is known.");
        finding_fix(finding, "# add psi=1 to the kernel's command line, then reboot. Debian and Ubuntu with GRUB:\n"
                             "sed -i 's/^GRUB_CMDLINE_LINUX=\"/&psi=1 /' /etc/default/grub && update-grub");
}

/* Only where some unit counts on it. */
void look_memory_controller(struct machine *machine, struct findings *findings)
{
        _cleanup_free_ char *controllers = NULL;
        const struct setting *limit = NULL;
        struct finding *finding;

        for (size_t i = 0; i < machine->units_n && !limit; i++)
                limit = unit_get(machine->units[i], UNIT_MEMORY_MAX);
        if (!limit || machine_read(machine, "/sys/fs/cgroup/cgroup.controllers", &controllers, NULL) < 0)
                return;
        if (strstr(controllers, "memory"))
                return;
        finding = finding_new(findings, "governor", "memory limits of units do nothing");
        finding_at(finding, limit);
        finding_why(finding, "MemoryMax= is set, and the kernel has no memory controller in the cgroup v2 tree.");
        finding_fix(finding, "# add to the kernel's command line, then reboot:\n"
                             "#   cgroup_enable=memory systemd.unified_cgroup_hierarchy=1");
}

static bool rule_counts_cgroup(const struct machine *machine, enum manager manager, const struct rule **ret)
{
        for (unsigned i = 0; machine->policy && i < machine->policy->rules_n; i++)
                if (machine->policy->rules[i].manager == manager &&
                    machine->policy->rules[i].memory.of == MEMORY_OF_CGROUP) {
                        *ret = &machine->policy->rules[i];
                        return true;
                }
        return false;
}

/* What is counted instead is the tree of processes: honest, and not what the rule says. */
void look_memory_of(struct machine *machine, struct findings *findings)
{
        _cleanup_free_ char *controllers = NULL;
        const struct rule *rule = NULL;
        struct finding *finding;

        if (rule_counts_cgroup(machine, MANAGER_PM2, &rule)) {
                finding = finding_new(findings, rule->name, "a rule counts the control group of a PM2 app");
                finding_why(finding,
                            "Rule '%s' says of: cgroup, and all apps of one PM2 live in one control group: the "
                            "app and its descendants are counted instead.",
                            rule->name);
                finding_fix(finding, "# in the rule's class: of: tree");
        }
        if (!rule_counts_cgroup(machine, MANAGER_SYSTEMD, &rule) ||
            machine_read(machine, "/sys/fs/cgroup/cgroup.controllers", &controllers, NULL) < 0 ||
            strstr(controllers, "memory"))
                return;
        finding = finding_new(findings, rule->name, "a rule counts control groups, and none is accounted");
        finding_why(finding,
                    "Rule '%s' says of: cgroup, and the kernel has no memory controller in the cgroup v2 tree: "
                    "main processes and their descendants are counted instead.",
                    rule->name);
        finding_fix(finding, "# add to the kernel's command line, then reboot:\n"
                             "#   cgroup_enable=memory systemd.unified_cgroup_hierarchy=1");
}

/* ---- the memory floor ---- */

static uint64_t floor_of(const struct machine *machine)
{
        return machine->policy ? machine->policy->machine.memory_floor_bytes : 0;
}

static struct finding *floor_finding(struct machine *machine, struct findings *findings, const char *what)
{
        const struct policy_origin *origin = &machine->policy->machine.origin;
        struct finding *finding = finding_new(findings, "machine", what);
        char where[512] = "";

        if (origin->file && origin->file[0])
                snprintf(where, sizeof where, "%s:%u", origin->file, origin->line);
        finding_in(finding, where);
        return finding;
}

/* A floor of all the memory there is would restart everybody for ever, so Governor does not go by it. */
void look_memory_floor(struct machine *machine, struct findings *findings)
{
        _cleanup_free_ char *text = NULL;
        char floor[TEXT_BYTES_MAX], total[TEXT_BYTES_MAX];
        struct finding *finding;
        uint64_t kilobytes = 0;

        if (floor_of(machine) == 0 || machine_read(machine, "/proc/meminfo", &text, NULL) < 0 ||
            proc_parse_number(text, strlen(text), "MemTotal", &kilobytes) < 0 ||
            floor_of(machine) / 1024 < kilobytes / 4 * 3)
                return;
        text_bytes(floor, floor_of(machine));
        text_bytes(total, kilobytes * 1024);
        if (floor_of(machine) / 1024 >= kilobytes) {
                finding = floor_finding(machine, findings, "the memory floor is larger than the machine");
                finding_why(
                        finding,
                        "memory_floor is %s and the machine has %s: there is never so much, and nobody is restarted "
                        "for what no restart can bring.",
                        floor, total);
        } else {
                finding = floor_finding(machine, findings, "the memory floor is most of the machine's memory");
                finding_why(
                        finding,
                        "memory_floor is %s of %s: agents are restarted, each every half an hour and then less often, "
                        "for as long as they and all others need more than the rest.",
                        floor, total);
        }
        finding_fix(finding, "# memory_floor is what must stay free, a tenth of the memory for example: %lluM",
                    (unsigned long long)(kilobytes / 10 / 1024));
}

void look_floor_victims(struct machine *machine, struct findings *findings)
{
        struct finding *finding;

        if (floor_of(machine) == 0)
                return;
        for (unsigned i = 0; i < machine->policy->rules_n; i++)
                if (machine->policy->rules[i].mode == MODE_ENFORCE && !machine->policy->rules[i].critical)
                        return;
        finding = floor_finding(machine, findings, "nobody may be restarted for the memory floor");
        finding_why(finding,
                    "Every rule only observes or is critical: below the floor that is told, and nothing is done.");
        finding_fix(finding, "# mode: enforce, in at least one rule that is not critical");
}

/* Its words are the daemon's, which tried. */
void look_floor_trigger(struct machine *machine, struct findings *findings)
{
        size_t i;
        const json_t *source;

        json_array_foreach ((json_t *)field(machine->status, "sources"), i, source) {
                const char *why = field_text(source, "why");
                struct finding *finding;

                if (floor_of(machine) == 0 || strcmp(field_text(source, "name"), "host") != 0 ||
                    !text_starts(why, "without a pressure trigger"))
                        continue;
                finding = finding_new(findings, "governor", "the kernel does not wake it when memory gets short");
                finding_why(
                        finding,
                        "It works %s. Free memory is looked at every 5 seconds instead, and more often near its floor.",
                        why);
                if (strstr(why, "CAP_SYS_RESOURCE"))
                        finding_drop_in(finding, "governor.service", "pressure",
                                        "[Service]\nCapabilityBoundingSet=CAP_SYS_RESOURCE\n");
                else
                        finding_fix(finding, "# Linux 5.2 or later is needed, and a /proc that may be written to");
        }
}

/* ---- the daemon's own ---- */

/* It sees less than it could; in a container, where the log is the host's, there is nothing to be done. */
void look_kernel_log(struct machine *machine, struct findings *findings)
{
        struct finding *finding;
        const json_t *source;
        size_t i;

        json_array_foreach ((json_t *)field(machine->status, "sources"), i, source) {
                if (strcmp(field_text(source, "name"), "oom") != 0 ||
                    source_state_from_name(field_text(source, "state")) != SOURCE_SEEING ||
                    !text_starts(field_text(source, "why"), "the kernel's log cannot be read"))
                        continue;
                finding = finding_new(findings, "governor", "who is killed for memory cannot be named");
                finding_why(finding, "%s. The unit that Governor ships with has CAP_SYSLOG and /dev/kmsg for that.",
                            field_text(source, "why"));
                finding_fix(finding, "systemctl cat governor.service   # CAP_SYSLOG, DeviceAllow=/dev/kmsg r");
        }
}

void look_state(struct machine *machine, struct findings *findings)
{
        char word[SHELL_WORD_MAX];
        struct finding *finding;
        struct stat stat;

        if (machine_stat(machine, machine->state, &stat) < 0 || (stat.st_mode & 077) == 0)
                return;
        finding = finding_new(findings, "governor", "its state directory is open to others");
        finding_why(finding, "%s has mode %04o; the audit log and its keys belong to root alone.", machine->state,
                    stat.st_mode & 07777);
        finding_fix(finding, "chmod 0700 %s", shell_word(machine->state, word));
}

void look_group(struct machine *machine, struct findings *findings)
{
        _cleanup_free_ char *groups = NULL;
        struct finding *finding;

        if (!machine_has(machine, machine->state) || machine_read(machine, "/etc/group", &groups, NULL) < 0)
                return;
        if (text_starts(groups, "governor:") || strstr(groups, "\ngovernor:"))
                return;
        finding = finding_new(findings, "governor", "nobody but root may ask the daemon");
        finding_why(finding, "There is no group governor; its members may look without being root.");
        finding_fix(finding, "groupadd --system governor && systemctl restart governor.service\n"
                             "# then for each who may look: usermod -aG governor USER");
}

void look_blind(struct machine *machine, struct findings *findings)
{
        size_t i;
        const json_t *source;

        json_array_foreach ((json_t *)field(machine->status, "sources"), i, source) {
                const char *name = field_text(source, "name"), *home = strchr(name, '@');
                char word[SHELL_WORD_MAX];
                struct finding *finding;

                if (source_state_from_name(field_text(source, "state")) != SOURCE_BLIND)
                        continue;
                finding = finding_new(findings, name, "Governor should see this and does not");
                finding_why(finding, "%s.", field_text(source, "why"));
                if (text_starts(name, "pm2:") && home)
                        finding_fix(
                                finding,
                                "ls -l %s   # its sockets; then, as its owner and only while its daemon runs: pm2 ping",
                                shell_word(home + 1, word));
                else
                        finding_fix(finding, "journalctl -u governor.service -n 50");
        }
}

void look_anchor(struct machine *machine, struct findings *findings)
{
        struct finding *finding;

        if (!field_true(machine->status, "machine.audit.anchored.unanchored"))
                return;
        finding = finding_new(findings, "audit log", "it is UNANCHORED: only this machine knows it");
        finding_why(finding,
                    "Whoever becomes root here can exchange the log and its keys as a whole, and nothing would show "
                    "it. A witness on another machine refuses that; so does any checkpoint kept elsewhere.");
        finding_fix(finding,
                    "govctl audit witness add VKEY URL\n"
                    "# or, on another machine, now and then:\n"
                    "# ssh THIS-MACHINE govctl audit checkpoint >>anchors; its copy here is /etc/governor/anchors");
}

static void look_approvers_wrong(const json_t *approvers, struct findings *findings)
{
        struct finding *finding;

        if (field_text(approvers, "why")[0]) {
                finding = finding_new(findings, "approvers", "their file was not as it should be");
                finding_why(finding, "Since the daemon started: %s.", field_text(approvers, "why"));
                finding_fix(finding, "govctl approver list\ngovctl audit log --action 'approval.*'");
        }
        if (field_given(approvers, "recovery_hours")) {
                finding = finding_new(findings, "approvers", "a recovery is under way");
                finding_why(finding, "In %lld hours all approvers are removed.",
                            (long long)field_number(approvers, "recovery_hours"));
                finding_fix(finding, "# unless it was you: govctl approver recover --cancel");
        }
}

static void look_policy_held(const struct machine *machine, struct findings *findings)
{
        struct finding *finding;

        if (!field_true(machine->status, "machine.policy.held"))
                return;
        finding = finding_new(findings, "policy", "what is on disk does not rule");
        finding_why(finding,
                    "It is looser than the policy that ruled before, or has errors, and no approver signed it: the old "
                    "one goes on.");
        finding_fix(finding, "govctl policy check\ngovctl reload --sign-request");
}

void look_approvers(struct machine *machine, struct findings *findings)
{
        const json_t *approvers = field(machine->status, "machine.approvers");
        struct finding *finding;

        if (!approvers)
                return; /* no daemon, or an older one */
        look_approvers_wrong(approvers, findings);
        look_policy_held(machine, findings);
        if (field_number(approvers, "elsewhere") > 0 || field_true(approvers, "unknown"))
                return;
        finding = finding_new(findings, "approvers",
                              field_number(approvers, "enrolled") > 0 ? "every key that approves is on this machine"
                                                                      : "it is guarded by uid 0 only");
        finding_why(finding, "An agent that becomes root can %s. A key whose secret half is elsewhere prevents that.",
                    field_number(approvers, "enrolled") > 0
                            ? "watch a passphrase being typed, and then weaken Governor"
                            : "disarm Governor, or close what it found, in its own name");
        finding_fix(finding, "# on another machine: ssh-keygen -t ed25519, then here, with its public half:\n"
                             "govctl approver add NAME --key FILE.pub");
}

/* Known before it is needed: the rung would be skipped. */
void look_rollback(struct machine *machine, struct findings *findings)
{
        size_t i;
        const json_t *agent;

        json_array_foreach ((json_t *)field(machine->status, "agents"), i, agent) {
                const char *lacks = field_text(agent, "configuration.lacks");
                char word[SHELL_WORD_MAX];
                struct finding *finding;

                if (!lacks[0] || !field_true(agent, "configuration.rollback"))
                        continue;
                finding = finding_new(findings, field_text(agent, "name"), "its configuration could not be put back");
                finding_why(finding, "Its ladder has the rung rollback, which would be skipped: %s.", lacks);
                finding_fix(
                        finding,
                        "govctl versions %s\n# then declare under config only what can be kept for this agent alone, "
                        "or take rollback out of its ladder",
                        shell_word(field_text(agent, "name"), word));
        }
}

void look_mode(struct machine *machine, struct findings *findings)
{
        struct finding *finding;

        if (field_true(machine->status, "machine.safe_mode")) {
                finding = finding_new(findings, "governor", "it is in safe mode");
                finding_why(finding, "It observes and does nothing, after crashes or because somebody asked for it.");
                finding_fix(finding, "journalctl -u governor.service -p warning -n 50\ngovctl safe-mode off");
        }
        if (field_true(machine->status, "machine.disarmed")) {
                finding = finding_new(findings, "governor", "it is disarmed");
                finding_why(
                        finding,
                        "Somebody ran govctl disarm: it observes and does nothing until the policy is loaded again.");
                finding_fix(finding, "govctl reload");
        }
        if (field_true(machine->status, "machine.policy.bad")) {
                finding = finding_new(findings, "governor", "its policy has errors and is not in force");
                finding_why(finding, "Until it is right Governor observes what it discovers and acts on nothing.");
                finding_fix(finding, "govctl policy check\ngovctl reload");
        }
}
