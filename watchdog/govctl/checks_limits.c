/* What Governor itself left on units. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/text.h"
#include "base/trial.h"
#include "govctl/check.h"
#include "govctl/field.h"
#include "io/cleanup.h"

struct search {
        struct machine *machine;
        struct findings *findings;
        const char *footprint; /* its text */
        const char *directory;
};

static bool is_listed(const char *footprint, const char *line)
{
        size_t length = strlen(line);

        for (const char *at = footprint; (at = strstr(at, line)); at += length)
                if ((at == footprint || at[-1] == '\n') && (at[length] == '\n' || at[length] == '\0'))
                        return true;
        return false;
}

static void consider_file(struct search *search, const char *unit, const char *path)
{
        char line[2 * LIMITS_PATH_MAX], word[SHELL_WORD_MAX];
        struct finding *finding;

        snprintf(line, sizeof line, "limits systemd:%s %s", unit, path);
        if (!machine_has(search->machine, path) || is_listed(search->footprint, line))
                return;
        finding = finding_new(search->findings, unit, "limits of Governor's that it no longer knows of");
        finding_in(finding, path);
        finding_why(finding, "The file is Governor's, and its footprint does not list it: nothing will take it back.");
        finding_fix(finding, "rm %s && systemctl daemon-reload", shell_word(path, word));
}

static int consider_folder(void *self, const char *name)
{
        struct search *search = self;
        char unit[256], path[LIMITS_PATH_MAX];

        if (!text_ends(name, ".service.d") || strlen(name) >= sizeof unit)
                return 0;
        snprintf(unit, sizeof unit, "%.*s", (int)(strlen(name) - strlen(".d")), name);
        for (enum limits_place place = LIMITS_NOWHERE + 1; place < LIMITS_PLACE_N; place++)
                if (limits_path(place, unit, path) && text_starts(path, search->directory))
                        consider_file(search, unit, path);
        return 0;
}

void look_limits_left(struct machine *machine, struct findings *findings)
{
        static const char *const directories[] = { "/etc/systemd/system", "/run/systemd/system" };
        _cleanup_free_ char *footprint = NULL;
        struct search search = { .machine = machine, .findings = findings };
        char path[512];
        int r;

        snprintf(path, sizeof path, "%s/footprint", machine->state);
        r = machine_read(machine, path, &footprint, NULL);
        if (r < 0 && r != -ENOENT)
                return; /* it may not be read: nothing is known of it */
        search.footprint = footprint ? footprint : "";
        for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
                search.directory = directories[i];
                (void)machine_each(machine, directories[i], consider_folder, &search);
        }
}

void look_trials(struct machine *machine, struct findings *findings)
{
        const json_t *trial;
        size_t i;

        json_array_foreach ((json_t *)field(machine->status, "trials"), i, trial) {
                long long number = (long long)field_number(trial, "number");
                struct finding *finding;

                if (trial_state_from_name(field_text(trial, "state")) != TRIAL_STUCK)
                        continue;
                finding = finding_new(findings, field_text(trial, "agent"), "a trial that cannot be taken back");
                finding_why(finding, "Trial %lld (%s) is over, and taking it back failed: it is tried again.", number,
                            field_text(trial, "text"));
                finding_fix(finding, "govctl log --outcome fail --lines 5\ngovctl undo %lld", number);
        }
}
