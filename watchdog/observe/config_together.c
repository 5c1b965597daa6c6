#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "observe/config_inside.h"

int config_together_make(const struct config *config, const struct config_declared *list, uint32_t n,
                         struct config_together **ret, uint32_t *ret_n)
{
        uint32_t rules = 0;

        *ret = NULL;
        *ret_n = 0;
        if (config->options.of != CONFIG_OF_FILE)
                return 0;
        for (uint32_t i = 0; i < n; i++)
                rules = list[i].rule >= rules ? list[i].rule + 1 : rules;
        *ret = calloc(rules + 1, sizeof(**ret));
        if (!*ret)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++)
                (*ret)[list[i].rule] = (struct config_together){ .declared = true, .due = true };
        *ret_n = rules;
        return 0;
}

void config_together_note(struct config *config, const struct config_file *file, bool removed)
{
        struct config_together *together = file->rule < config->together_n ? &config->together[file->rule] : NULL;

        if (!together)
                return;
        together->due = true;
        if (removed)
                together->removed_at = clock_now(config->options.clock);
}

/* All files of the rule were read and are as they are: whoever owns them hears which version that is, once. */
static void tell_version(struct config *config, uint32_t rule)
{
        struct config_together *together = &config->together[rule];
        struct config_version version;
        char agent[AGENT_ID_MAX] = "";
        struct fact fact = {
                .kind = FACT_VERSION, .at = clock_now(config->options.clock), .agent = agent, .instance = INSTANCE_ALL
        };

        config->options.owner(config->options.self, rule, "", agent);
        if (!agent[0] || config_version_make(&config->book.files, rule, config->options.vault, &version) != 0)
                return;
        together->due = false;
        if (strcmp(version.digest, together->digest) == 0 && strcmp(version.lacks, together->lacks) == 0)
                return;
        memcpy(together->digest, version.digest, sizeof(together->digest));
        memcpy(together->lacks, version.lacks, sizeof(together->lacks));
        fact.manager = agent_manager(agent);
        fact.version.step = VERSION_SEEN;
        fact.version.digest = version.digest;
        fact.version.since = version.since > together->removed_at ? version.since : together->removed_at;
        fact.version.files = version.files;
        fact.version.lacks = version.lacks;
        config->options.sink.take(config->options.sink.self, &fact);
}

void config_together_tell(struct config *config)
{
        for (uint32_t rule = 0; rule < config->together_n; rule++)
                if (config->together[rule].declared && config->together[rule].due)
                        tell_version(config, rule);
}

bool config_together_is_due(const struct config *config)
{
        for (uint32_t rule = 0; rule < config->together_n; rule++)
                if (config->together[rule].declared && config->together[rule].due)
                        return true;
        return false;
}
