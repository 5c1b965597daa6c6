#include "absence.h"

#include <string.h>

#include "base/text.h"
#include "io/log.h"

void absence_units(const struct absence *absence, struct systemd *systemd)
{
        struct agent_view view;

        for (uint32_t n = 0; n < judge_agents(absence->judge); n++) {
                judge_agent(absence->judge, n, clock_now(absence->clock), &view);
                if (view.manager == MANAGER_SYSTEMD && systemd_remember(systemd, view.id + strlen("systemd:")) < 0)
                        log_warning("There is no memory to ask systemd what became of '%s'", view.id);
        }
}

static void tell_gone(const struct absence *absence, const char *id, uint32_t number)
{
        struct fact fact = {
                .kind = FACT_AGENT,
                .at = clock_now(absence->clock),
                .manager = MANAGER_PM2,
                .agent = id,
                .instance = number,
                .agent_is = { .claimed = CLAIMED_GONE, .word = "gone", .result = "" },
        };

        absence->sink.take(absence->sink.self, &fact);
}

static void miss_instances(const struct absence *absence, const struct pm2_directory *directory,
                           const struct pm2_home *home, const char *id)
{
        uint32_t numbers[PM2_APPS_MAX], n = judge_instances(absence->judge, id, numbers, PM2_APPS_MAX);

        for (uint32_t i = 0; i < n; i++)
                if (!pm2_directory_find(directory, home, numbers[i]))
                        tell_gone(absence, id, numbers[i]);
}

/* From the last one on, because who is gone leaves the list. */
void absence_apps(const struct absence *absence, const struct pm2_directory *directory, const struct pm2_home *home)
{
        struct agent_view view;
        char id[AGENT_ID_MAX];

        for (uint32_t n = judge_agents(absence->judge); n-- > 0;) {
                if (n >= judge_agents(absence->judge))
                        continue;
                judge_agent(absence->judge, n, clock_now(absence->clock), &view);
                text_copy(id, sizeof(id), view.id);
                if (pm2_home_has(home, id))
                        miss_instances(absence, directory, home, id);
        }
}
