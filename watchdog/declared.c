#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "base/unit.h"
#include "declared.h"
#include "io/cleanup.h"
#include "io/file.h"
#include "io/log.h"
#include "observe/apps.h"
#include "observe/config.h"
#include "observe/units.h"

#define POLICY_PATIENCE (5 * USEC_PER_SEC) /* who edits a policy loads it a moment later */

struct declared {
        sd_event *event;
        struct declared_options options;
        struct veil *veil;
        struct config *files, *policy;
        struct units *units;
        struct apps *apps;
        struct systemd_files_sink units_sink;
        struct pm2_listed_sink apps_sink;
        char *config, *policies; /* where the policy is */
        char *keys, *key, *files_manifest, *units_manifest, *apps_manifest;
        bool awaited[CONFIG_OF_N]; /* a look of theirs is not done yet */
        bool looked_at_policy;
};

/* ---- what all of them ask ------------------------------------------------------------------------------------------------- */

static bool may_change(void *self, const struct fact *fact)
{
        const struct declared *declared = self;

        return judge_may_change(*declared->options.judge, fact);
}

static void look_done(struct declared *declared, enum config_of of)
{
        bool was_awaited = declared->awaited[of];

        declared->awaited[of] = false;
        for (enum config_of other = 0; other < CONFIG_OF_N; other++)
                if (declared->awaited[other])
                        return;
        if (was_awaited)
                declared->options.settled(declared->options.self);
}

/* What the manifest lost is taken as it is now, and said. */
static int say_damaged(int r, const char *manifest, const char *what)
{
        if (r != -EBADMSG && r != -EFBIG && r != -EBADF)
                return r;
        log_warning("'%s' makes no sense: %s are taken as they are now", manifest, what);
        return 0;
}

/* ---- the files of the rules ------------------------------------------------------------------------------------------------ */

static uint32_t owned(const struct declared *declared, uint32_t rule, const char **ret_id)
{
        const struct policy *policy = *declared->options.policy;

        *ret_id = "";
        return rule < policy->rules_n ? judge_owned(*declared->options.judge, &policy->rules[rule], ret_id) : 0;
}

/* The one agent that the rule owns; files that several share are nobody's own. */
static void owner_of(void *self, uint32_t rule, const char *path, char ret_agent[AGENT_ID_MAX])
{
        const char *id;
        uint32_t n = owned(self, rule, &id);

        (void)path;
        text_copy(ret_agent, AGENT_ID_MAX, n == 1 ? id : "");
}

/* What several agents share is not put back for one of them, and need not be kept. */
static bool keeps(void *self, uint32_t rule)
{
        const char *id;

        return owned(self, rule, &id) < 2;
}

static void on_files_settled(void *self)
{
        look_done(self, CONFIG_OF_FILE);
}

static int declare_files(struct declared *declared)
{
        const struct policy *policy = *declared->options.policy;
        struct config_declared *list;
        uint32_t n = 0;
        int r;

        for (unsigned i = 0; i < policy->rules_n; i++)
                n += policy->rules[i].config_n;
        list = calloc(n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        n = 0;
        for (unsigned i = 0; i < policy->rules_n; i++)
                for (unsigned k = 0; k < policy->rules[i].config_n; k++)
                        list[n++] = (struct config_declared){ .rule = i, .pattern = policy->rules[i].config[k] };
        r = config_declare(declared->files, list, n);
        free(list);
        return say_damaged(r, declared->files_manifest, "the declared files");
}

static int start_files(struct declared *declared)
{
        const struct config_options options = {
                .clock = declared->options.clock,
                .sink = declared->options.sink,
                .source = "config",
                .manifest = declared->files_manifest,
                .of = CONFIG_OF_FILE,
                .planned = may_change,
                .owner = owner_of,
                .keeps = keeps,
                .vault = declared->options.vault,
                .settled = on_files_settled,
                .self = declared,
        };
        int r = config_new(declared->event, &options, &declared->files);

        return r < 0 ? r : declare_files(declared);
}

/* ---- unit files ------------------------------------------------------------------------------------------------------------ */

static void on_units_settled(void *self)
{
        look_done(self, CONFIG_OF_UNIT);
}

static void take_folders(void *self, char *const *folders)
{
        const struct declared *declared = self;

        if (units_add_folders(declared->units, folders) < 0)
                log_ignored(-ENOMEM, "Cannot watch all folders of unit files");
}

static void take_unit(void *self, const struct unit_files *files)
{
        const struct declared *declared = self;

        if (units_take(declared->units, files) < 0)
                log_ignored(-ENOMEM, "Cannot watch the files of '%s'", files->name);
}

static void lose_unit(void *self, const char *name, bool for_good)
{
        const struct declared *declared = self;

        units_drop(declared->units, name, for_good);
}

static void take_reloading(void *self, bool active)
{
        const struct declared *declared = self;

        units_reloading(declared->units, active);
}

/* Of a unit that is not loaded there is only its name, and what was known of it when it was. */
static bool is_governed_unit(void *self, const char *name)
{
        const struct declared *declared = self;
        const struct policy *policy = *declared->options.policy;
        char id[AGENT_ID_MAX];

        snprintf(id, sizeof(id), "systemd:%s", name);
        return policy->discovered || (policy_wants(policy, id) && !unit_is_untouchable(name));
}

static int start_units(struct declared *declared)
{
        const struct units_options options = {
                .clock = declared->options.clock,
                .sink = declared->options.sink,
                .manifest = declared->units_manifest,
                .veil = declared->veil,
                .planned = may_change,
                .settled = on_units_settled,
                .self = declared,
        };
        int r = units_new(declared->event, &options, &declared->units);

        if (r > 0)
                say_damaged(-EBADMSG, declared->units_manifest, "the files of units");
        if (r >= 0)
                units_keep(declared->units, is_governed_unit, declared);
        return r;
}

const struct systemd_files_sink *declared_units(struct declared *declared)
{
        return declared->units ? &declared->units_sink : NULL;
}

/* ---- PM2's apps ------------------------------------------------------------------------------------------------------------ */

static bool is_governed_app(void *self, const char *agent)
{
        const struct declared *declared = self;
        const struct policy *policy = *declared->options.policy;

        return policy->discovered || policy_wants(policy, agent);
}

static usec_t take_apps(void *self, const char *home, struct app_listed *list, size_t n, bool asked)
{
        const struct declared *declared = self;

        return apps_take(declared->apps, home, list, n, asked);
}

static void on_apps_looked(void *self)
{
        look_done(self, CONFIG_OF_APP);
}

static int start_apps(struct declared *declared)
{
        const struct apps_options options = {
                .clock = declared->options.clock,
                .sink = declared->options.sink,
                .manifest = declared->apps_manifest,
                .veil = declared->veil,
                .planned = may_change,
                .governs = is_governed_app,
                .self = declared,
        };
        int r = apps_new(declared->event, &options, &declared->apps);

        if (r > 0)
                say_damaged(-EBADMSG, declared->apps_manifest, "the apps of PM2");
        declared->apps_sink.veil = declared->veil;
        return r;
}

const struct pm2_listed_sink *declared_apps(struct declared *declared)
{
        return declared->apps ? &declared->apps_sink : NULL;
}

/* ---- the policy ------------------------------------------------------------------------------------------------------------ */

static void nobodys(void *self, uint32_t rule, const char *path, char ret_agent[AGENT_ID_MAX])
{
        (void)self, (void)rule, (void)path;
        ret_agent[0] = '\0';
}

/* Whether what is on disk could be loaded; the first file with an error, "" when there is none. */
static unsigned count_errors(const struct declared *declared, char ret_file[PATH_MAX])
{
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;
        unsigned errors = 0;
        int r = policy_load(declared->config, declared->policies, &policy, &messages);

        ret_file[0] = '\0';
        for (size_t n = 0; r == -EINVAL && n < messages.n; n++)
                if (!messages.list[n].warning && errors++ == 0 && messages.list[n].file)
                        text_copy(ret_file, PATH_MAX, messages.list[n].file);
        policy_messages_done(&messages);
        policy_free(policy);
        return errors;
}

static void describe_policy(void *self, const char *path, char what[CONFIG_WHAT_MAX])
{
        char file[PATH_MAX];
        unsigned errors = count_errors(self, file);

        if (errors > 0)
                text_append(what, CONFIG_WHAT_MAX, "%s %u error%s, see govctl policy check",
                            strcmp(file, path) == 0 ? "it has" : "the policy has", errors, errors == 1 ? "" : "s");
}

/* A policy that could not be loaded at start is told once it is known which files there are. */
static void on_policy_settled(void *self)
{
        struct declared *declared = self;
        struct config_book *book = config_book_of(declared->policy);
        char file[PATH_MAX];
        uint32_t slot;

        if (!declared->looked_at_policy && count_errors(declared, file) > 0) {
                slot = config_files_find(&book->files, file);
                if (slot != CONFIG_NO_FILE)
                        config_book_set_pending(book, &book->files.list[slot], true);
        }
        declared->looked_at_policy = true;
        look_done(declared, CONFIG_OF_POLICY);
}

static int declare_policy(struct declared *declared)
{
        _cleanup_free_ char *glob = NULL;
        struct config_declared list[2];
        uint32_t n = 0;

        if (asprintf(&glob, "%s/*.yaml", declared->policies) < 0)
                return -ENOMEM;
        if (path_is_plain(declared->config))
                list[n++] = (struct config_declared){ .pattern = declared->config };
        if (path_is_plain(declared->policies))
                list[n++] = (struct config_declared){ .pattern = glob };
        return config_declare(declared->policy, list, n);
}

static int start_policy(struct declared *declared)
{
        const struct config_options options = {
                .clock = declared->options.clock,
                .sink = declared->options.sink,
                .source = "policy",
                .of = CONFIG_OF_POLICY,
                .needs_loading = true,
                .planned = may_change,
                .owner = nobodys,
                .describe = describe_policy,
                .settled = on_policy_settled,
                .self = declared,
                .settle = POLICY_PATIENCE,
        };
        int r = config_new(declared->event, &options, &declared->policy);

        if (r >= 0)
                r = declare_policy(declared);
        if (r >= 0)
                config_look(declared->policy);
        return r;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------------- */

int declared_again(struct declared *declared)
{
        int r = declared->files ? declare_files(declared) : 0;

        if (declared->units)
                units_keep(declared->units, is_governed_unit, declared);
        if (declared->apps)
                apps_again(declared->apps);
        if (declared->policy)
                config_loaded(declared->policy);
        return r;
}

void declared_follow(struct declared *declared, const struct fact *fact)
{
        if (declared->files && fact->kind == FACT_AGENT && fact->agent_is.first)
                config_owners(declared->files);
        if (fact->kind != FACT_CHANGE || fact->change.step != CHANGE_CLOSE)
                return;
        if (declared->units)
                units_window_closed(declared->units);
        if (declared->policy)
                config_window_closed(declared->policy);
}

void declared_accept(struct declared *declared, const char *path, const struct file_state *now)
{
        if (declared->files)
                config_accept(declared->files, path, now);
}

void declared_accepted(struct declared *declared)
{
        if (declared->files)
                config_accepted(declared->files);
}

void declared_keep_again(struct declared *declared)
{
        if (declared->files)
                config_keep_again(declared->files);
}

bool declared_look(struct declared *declared)
{
        declared->awaited[CONFIG_OF_FILE] = declared->files != NULL;
        declared->awaited[CONFIG_OF_UNIT] = declared->units != NULL;
        declared->awaited[CONFIG_OF_POLICY] = declared->policy != NULL;
        declared->awaited[CONFIG_OF_APP] = declared->apps && declared->options.look_at_apps(declared->options.self);
        if (declared->files)
                config_look(declared->files);
        if (declared->units)
                units_look(declared->units);
        if (declared->policy)
                config_look(declared->policy);
        return declared->files || declared->units || declared->policy || declared->awaited[CONFIG_OF_APP];
}

void declared_seal(struct declared *declared, enum config_of of, const char *agent)
{
        switch (of) {
        case CONFIG_OF_FILE:
                if (declared->files)
                        config_seal(declared->files, agent);
                break;
        case CONFIG_OF_UNIT:
                if (declared->units)
                        units_seal(declared->units, agent);
                break;
        case CONFIG_OF_APP:
                if (declared->apps)
                        apps_seal(declared->apps, agent);
                break;
        case CONFIG_OF_POLICY:
                if (declared->policy)
                        config_seal(declared->policy, agent);
                break;
        default: break;
        }
}

/* A key that cannot be kept serves this run: what is hidden by it cannot be compared with what an earlier run saw. */
static int open_veil(struct declared *declared)
{
        int r = file_make_directory(declared->keys, 0700);

        if (r >= 0)
                r = veil_open(declared->key, &declared->veil);
        if (r >= 0)
                return 0;
        log_ignored(r, "Cannot keep the key '%s'", declared->key);
        return veil_new(&declared->veil);
}

int declared_start(struct declared *declared)
{
        int r = open_veil(declared);

        if (r >= 0)
                r = start_files(declared);
        if (r >= 0)
                r = start_units(declared);
        if (r >= 0)
                r = start_apps(declared);
        return r < 0 ? r : start_policy(declared);
}

/* A path that is relative to where we were started. */
static int make_absolute(const char *path, char **ret)
{
        _cleanup_free_ char *here = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
        size_t length = strlen(path);

        while (length > 1 && path[length - 1] == '/')
                length--;
        if (!here)
                return -errno;
        return asprintf(ret, "%s%s%.*s", here, path[0] == '/' ? "" : "/", (int)length, path) < 0 ? -ENOMEM : 0;
}

int declared_new(sd_event *event, const struct declared_options *options, struct declared **ret)
{
        struct declared *declared = calloc(1, sizeof(*declared));

        if (!declared)
                return -ENOMEM;
        declared->event = sd_event_ref(event);
        declared->options = *options;
        declared->units_sink = (struct systemd_files_sink){
                .folders = take_folders,
                .has = take_unit,
                .lost = lose_unit,
                .reloading = take_reloading,
                .self = declared,
        };
        declared->apps_sink = (struct pm2_listed_sink){ .take = take_apps, .looked = on_apps_looked, .self = declared };
        if (make_absolute(options->config, &declared->config) < 0 ||
            make_absolute(options->folder, &declared->policies) < 0 ||
            asprintf(&declared->keys, "%s/keys", options->state) < 0 ||
            asprintf(&declared->key, "%s/keys/declared.key", options->state) < 0 ||
            asprintf(&declared->files_manifest, "%s/config.manifest", options->state) < 0 ||
            asprintf(&declared->units_manifest, "%s/units.manifest", options->state) < 0 ||
            asprintf(&declared->apps_manifest, "%s/apps.manifest", options->state) < 0) {
                declared_free(declared);
                return -ENOMEM;
        }
        *ret = declared;
        return 0;
}

struct declared *declared_free(struct declared *declared)
{
        if (!declared)
                return NULL;
        config_free(declared->files);
        config_free(declared->policy);
        units_free(declared->units);
        apps_free(declared->apps);
        veil_free(declared->veil);
        free(declared->config);
        free(declared->policies);
        free(declared->keys);
        free(declared->key);
        free(declared->files_manifest);
        free(declared->units_manifest);
        free(declared->apps_manifest);
        sd_event_unref(declared->event);
        free(declared);
        return NULL;
}
