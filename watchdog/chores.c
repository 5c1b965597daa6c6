#include "chores.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/digest.h"
#include "io/file.h"
#include "witnesses.h"

#define ANCHORS_MAX (16 << 20) /* years of exported chat */

static void anchors_freep(struct audit_anchors **anchors)
{
        audit_anchors_free(*anchors);
}

static int print(json_t *json, const char *key, json_t *value)
{
        int r = !json || !value || json_object_set_new(json, key, value) < 0 ||
                json_dumpf(json, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) < 0 || fflush(stdout) != 0;

        json_decref(json);
        return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- verify ---------------------------------------------------------------------------------------------------------- */

/* What the operator keeps: a line that is wrong there must not keep the log from being verified, and must not be passed over. */
static int read_anchors(const char *directory, struct audit_anchors *anchors, char **ret_text, char *why, size_t size)
{
        _cleanup_free_ char *path = NULL;
        unsigned line = 0;
        size_t length;
        int r = asprintf(&path, "%s/anchors", directory) < 0 ? -ENOMEM
                                                             : file_read(path, ANCHORS_MAX, ret_text, &length);

        if (r == -ENOENT)
                return 0;
        if (r >= 0)
                r = audit_anchors_add(anchors, *ret_text, length, &line);
        if (r == -EBADMSG)
                snprintf(why, size, "%s:%u: not an anchor", path, line);
        else if (r < 0)
                snprintf(why, size, "%s: %s", path ? path : "anchors", strerror(-r));
        return r;
}

static size_t read_witnesses(const char *directory, struct audit_vkey keys[WITNESSES_MAX])
{
        _cleanup_free_ struct witnesses *witnesses = calloc(1, sizeof(*witnesses));
        _cleanup_free_ char *path = NULL;
        char why[WITNESS_WHY_MAX];

        if (!witnesses || asprintf(&path, "%s/witnesses", directory) < 0 || witnesses_load(path, witnesses, why) < 0)
                return 0; /* the daemon says so itself */
        for (size_t i = 0; i < witnesses->n; i++)
                keys[i] = witnesses->list[i].key;
        return witnesses->n;
}

static int verify(int n, char **words)
{
        _cleanup_(anchors_freep) struct audit_anchors *anchors = NULL;
        _cleanup_free_ struct audit_report *report = calloc(1, sizeof(*report));
        _cleanup_free_ char *text = NULL;
        struct audit_vkey keys[WITNESSES_MAX];
        struct audit_head head = { 0 };
        char why[256] = "";
        struct audit_verify_options options = { .state_dir = words[0], .threads = 1, .witnesses = keys };
        json_t *json;

        if (!report || audit_anchors_new(&anchors) < 0)
                return EXIT_FAILURE;
        if (read_anchors(words[1], anchors, &text, why, sizeof(why)) >= 0 && audit_anchors_count(anchors) > 0)
                options.anchors = anchors;
        options.witnesses_n = read_witnesses(words[1], keys);
        if (n == 5) {
                head.size = strtoull(words[2], NULL, 10);
                head.sealed_size = strtoull(words[3], NULL, 10);
                if (digest_from_hex(words[4], strlen(words[4]), head.root) < 0)
                        return 2;
                options.head = &head;
        }
        audit_verify(&options, report);
        json = audit_report_json(report);
        if (json)
                json_object_set_new(json, "anchors", json_integer((json_int_t)audit_anchors_count(anchors)));
        return print(json, "anchors_why", json_string(why));
}

/* ---- archive --------------------------------------------------------------------------------------------------------- */

static int archive(int n, char **words)
{
        const struct audit_archive_options options = {
                .state_dir = words[0],
                .before_usec = strtoull(words[1], NULL, 10),
                .file = n > 2 ? words[2] : NULL,
        };
        _cleanup_free_ struct audit_archiving *archiving = calloc(1, sizeof(*archiving));
        char why[sizeof(archiving->why.detail)] = "", raw[256];
        int r = archiving ? audit_archive_prepare(&options, archiving) : -ENOMEM;

        if (!archiving)
                return EXIT_FAILURE;
        if (archiving->why.code) {
                snprintf(raw, sizeof(raw), "%s: %s", archiving->why.code, archiving->why.detail);
                text_copy_safe(why, sizeof(why), raw);
        }
        return print(json_pack("{s:I, s:I, s:s, s:s, s:s, s:I, s:s}", "from", (json_int_t)archiving->from, "to",
                               (json_int_t)archiving->to, "file", archiving->file, "sha256", archiving->sha256,
                               "staged", archiving->staged, "staged_size", (json_int_t)archiving->staged_size, "why",
                               why),
                     "errno", json_integer(r));
}

static bool copy_member(const json_t *json, const char *key, char *to, size_t size)
{
        const char *text = json_string_value(json_object_get(json, key));

        return text && text_copy(to, size, text);
}

int chore_archive_read(const char *text, size_t size, struct audit_archiving *ret)
{
        _cleanup_(json_decrefp) json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
        const json_t *result = json_object_get(json, "errno");

        memset(ret, 0, sizeof(*ret));
        ret->from = (uint64_t)json_integer_value(json_object_get(json, "from"));
        ret->to = (uint64_t)json_integer_value(json_object_get(json, "to"));
        ret->staged_size = (uint64_t)json_integer_value(json_object_get(json, "staged_size"));
        if (!json_is_integer(result) || !copy_member(json, "file", ret->file, sizeof(ret->file)) ||
            !copy_member(json, "sha256", ret->sha256, sizeof(ret->sha256)) ||
            !copy_member(json, "staged", ret->staged, sizeof(ret->staged)) ||
            !copy_member(json, "why", ret->why.detail, sizeof(ret->why.detail)))
                return -EBADMSG;
        return (int)json_integer_value(result);
}

/* ---- which ----------------------------------------------------------------------------------------------------------- */

int chores_run(int n, char **words)
{
        static const struct {
                const char *name;
                int least, most;
                int (*run)(int n, char **words);
        } chores[] = {
                { CHORE_VERIFY, 2, 5, verify },
                { CHORE_ARCHIVE, 2, 3, archive },
        };

        prctl(PR_SET_NAME, "governord-chore");
        for (size_t i = 0; i < sizeof(chores) / sizeof(chores[0]) && n > 0; i++)
                if (strcmp(chores[i].name, words[0]) == 0 && n - 1 >= chores[i].least && n - 1 <= chores[i].most)
                        return chores[i].run(n - 1, words + 1);
        return 2;
}
