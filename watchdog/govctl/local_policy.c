#include "govctl/local_policy.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "govctl/relive.h"
#include "govctl/verbs.h"
#include "io/digest.h"
#include "io/file.h"

#define TEXT_BYTES_MOST (1024 * 1024) /* the daemon reads no larger policy either */

const char *local_config(const struct call *call)
{
        return call->options.config ? call->options.config : "/etc/governor/governor.yaml";
}

const char *local_policies(const struct call *call)
{
        return call->options.policies ? call->options.policies : "/etc/governor/policies.d";
}

static void below_root(const struct call *call, const char *root, char config[PATH_MAX], char policies[PATH_MAX])
{
        bool here = strcmp(root, "/") == 0;

        snprintf(config, PATH_MAX, "%s%s", here ? "" : root, local_config(call));
        snprintf(policies, PATH_MAX, "%s%s", here ? "" : root, local_policies(call));
}

struct policy *local_policy(struct call *call, const char *root)
{
        char config[PATH_MAX], policies[PATH_MAX];
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;

        below_root(call, root, config, policies);
        (void)policy_load(config, policies, &policy, &messages);
        policy_messages_done(&messages);
        return policy;
}

/* A file that is not there is none, as for the daemon. */
static int add_text(struct local_texts *texts, const char *path)
{
        struct policy_text *list;
        char *text = NULL;
        int r = file_read(path, TEXT_BYTES_MOST, &text, NULL);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        list = reallocarray(texts->list, texts->n + 1, sizeof *list);
        if (!list) {
                free(text);
                return -ENOMEM;
        }
        texts->list = list;
        list[texts->n++] = (struct policy_text){ .name = strdup(path), .text = text };
        return list[texts->n - 1].name ? 0 : -ENOMEM;
}

static int is_policy_name(const struct dirent *entry)
{
        return entry->d_name[0] != '.' && text_ends(entry->d_name, ".yaml");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_entry(struct local_texts *texts, const char *directory, const char *name)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s%s%s", directory, text_ends(directory, "/") ? "" : "/", name) < 0)
                return -ENOMEM;
        return add_text(texts, path);
}

static int add_directory(struct local_texts *texts, const char *directory)
{
        struct dirent **entries;
        int n = scandir(directory, &entries, is_policy_name, by_name), r = 0;

        if (n < 0)
                return errno == ENOENT ? 0 : -errno;
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = add_entry(texts, directory, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        return r;
}

int local_texts(struct call *call, const char *root, struct local_texts *ret)
{
        char config[PATH_MAX], policies[PATH_MAX];
        struct local_texts texts = { .n = 0 };
        int r;

        below_root(call, root, config, policies);
        r = add_text(&texts, config);
        if (r >= 0)
                r = add_directory(&texts, policies);
        if (r < 0)
                local_texts_done(&texts);
        else
                *ret = texts;
        return r;
}

void local_texts_done(struct local_texts *texts)
{
        for (size_t i = 0; i < texts->n; i++) {
                free((char *)(uintptr_t)texts->list[i].name);
                free((char *)(uintptr_t)texts->list[i].text);
        }
        free(texts->list);
        *texts = (struct local_texts){ .n = 0 };
}

static bool has_digest(const struct policy *policy, const char *wanted)
{
        _cleanup_free_ char *text = NULL;
        char digest[DIGEST_HEX_MAX];

        if (policy_normalise(policy, &text) < 0)
                return false;
        digest_hex(text, strlen(text), digest);
        return strcmp(digest, wanted) == 0;
}

struct policy *local_policy_then(const struct call *call, const struct relive_start *start)
{
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;

        if (start->policy)
                (void)policy_load_text("governor.yaml", start->policy, strlen(start->policy), &policy, &messages);
        else if (policy_load(local_config(call), local_policies(call), &policy, &messages) >= 0 &&
                 !has_digest(policy, start->digest))
                policy = policy_free(policy);
        policy_messages_done(&messages);
        return policy;
}

enum code local_retention(struct call *call, unsigned *ret_days)
{
        struct policy_messages messages = { 0 };
        struct policy *policy = NULL;
        int r = policy_load(local_config(call), local_policies(call), &policy, &messages);

        policy_messages_done(&messages);
        if (r < 0)
                return call_complain(call, CODE_FAILURE, "no log was begun",
                                     "the policy has errors, and a log keeps the retention it begins with",
                                     "govctl policy check, then the same again");
        *ret_days = policy->audit.retention_days;
        policy_free(policy);
        return CODE_OK;
}

enum code local_check_readable(const struct call *call)
{
        for (unsigned i = 0; i < call->arguments_n; i++) {
                char what[512], next[64];

                if (access(call->arguments[i], R_OK) == 0)
                        continue;
                snprintf(what, sizeof what, "cannot read %.400s", call->arguments[i]);
                snprintf(next, sizeof next, "govctl %s FILE...", call->verb->name);
                return call_complain(call,
                                     errno == ENOENT   ? CODE_NOT_FOUND
                                     : errno == EACCES ? CODE_DENIED
                                                       : CODE_FAILURE,
                                     what, strerror(errno), next);
        }
        return CODE_OK;
}
