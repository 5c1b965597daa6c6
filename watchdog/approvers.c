#include "approvers.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/file.h"

#define FILE_MAX (32 * 1024)
#define CODE_BYTES 20 /* nobody guesses 160 bits: a plain hash of it is enough */
#define WORDS_MAX 8

static const char head[] =
        "# Approvers: whose signature weakens Governor. Written by: govctl approver add|remove. The audit log knows what\n"
        "# stands here: a file that was edited is refused.\n";

/* ---- the list ------------------------------------------------------------------------------------------------------------ */

struct approver_key *approvers_find(struct approvers *approvers, const char *name)
{
        for (size_t i = 0; i < approvers->n; i++)
                if (strcmp(approvers->list[i].name, name) == 0)
                        return &approvers->list[i];
        return NULL;
}

const struct approver_key *approvers_of_key(const struct approvers *approvers, const struct ssh_key *key)
{
        for (size_t i = 0; i < approvers->n; i++)
                if (ssh_key_same(&approvers->list[i].key, key))
                        return &approvers->list[i];
        return NULL;
}

static bool is_name(const char *name)
{
        const size_t length = strlen(name);

        if (length == 0 || length >= APPROVER_NAME_MAX || !isalnum((unsigned char)*name))
                return false;
        for (; *name; name++)
                if (*name < 0 || (!isalnum((unsigned char)*name) && !strchr("._-@", *name)))
                        return false;
        return true;
}

int approvers_add(struct approvers *approvers, const struct approver_key *approver)
{
        if (!is_name(approver->name))
                return -EINVAL;
        if (approvers_find(approvers, approver->name))
                return -EEXIST;
        if (approvers_of_key(approvers, &approver->key))
                return -ENOTUNIQ;
        if (approvers->n == APPROVERS_MAX)
                return -ENOSPC;
        approvers->list[approvers->n++] = *approver;
        return 0;
}

void approvers_remove(struct approvers *approvers, struct approver_key *approver)
{
        const size_t after = (size_t)(&approvers->list[approvers->n] - approver) - 1;

        memmove(approver, approver + 1, after * sizeof(*approver));
        approvers->n--;
}

bool approvers_same(const struct approvers *a, const struct approvers *b)
{
        if (a->n != b->n || strcmp(a->recovery, b->recovery) != 0)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (strcmp(a->list[i].name, b->list[i].name) != 0 || !ssh_key_same(&a->list[i].key, &b->list[i].key))
                        return false;
        return true;
}

void approvers_take_locked(struct approvers *approvers, const struct approvers *found)
{
        for (size_t i = 0; i < approvers->n; i++) {
                const struct approver_key *same = approvers_of_key(found, &approvers->list[i].key);

                if (same)
                        text_copy(approvers->list[i].locked, LOCKED_KEY_MAX, same->locked);
        }
}

/* ---- the file ------------------------------------------------------------------------------------------------------------ */

static const char *take_since(const char *word, uint64_t *ret)
{
        return text_digits(&word, NULL, ret) && !*word ? NULL : "when it was enrolled is a number of seconds";
}

static const char *add_reason(int r)
{
        switch (r) {
        case -EINVAL: return "a name is letters, digits and . _ - @, at most 32 of them";
        case -EEXIST: return "there is an approver of that name already";
        case -ENOTUNIQ: return "there is an approver with that key already";
        default: return "there are 16 approvers already";
        }
}

/* NAME SINCE BY TYPE BASE64 [LOCKED] */
static const char *take_approver(char *const *words, unsigned n, struct approvers *approvers)
{
        struct approver_key approver = { .since = 0 };
        char line[SSH_KEY_LINE_MAX + 8];
        const char *why;
        int r;

        if (n < 5 || n > 6)
                return "an approver is a name, a time, by whom, and a key";
        if (!text_copy(approver.name, sizeof(approver.name), words[0]) ||
            !text_copy_safe(approver.by, sizeof(approver.by), words[2]))
                return "a word is too long";
        why = take_since(words[1], &approver.since);
        if (why)
                return why;
        if (snprintf(line, sizeof(line), "%s %s", words[3], words[4]) >= (int)sizeof(line))
                return "the key is too long";
        why = ssh_key_read(line, strlen(line), &approver.key);
        if (why)
                return why;
        if (n == 6 && (locked_key_check(words[5]) < 0 || !text_copy(approver.locked, LOCKED_KEY_MAX, words[5])))
                return "what the passphrase locks is damaged";
        r = approvers_add(approvers, &approver);
        return r < 0 ? add_reason(r) : NULL;
}

static const char *take_recovery(char *const *words, unsigned n, struct approvers *approvers)
{
        uint8_t digest[DIGEST_SIZE];

        if (n != 1 || digest_from_hex(words[0], strlen(words[0]), digest) < 0 || approvers->recovery[0])
                return "the recovery code's hash stands here once, as 64 hex digits";
        digest_to_hex(digest, approvers->recovery);
        return NULL;
}

/* Takes a line that ends in NUL, and cuts it. */
static const char *take_line(char *line, struct approvers *approvers)
{
        char *words[WORDS_MAX], *rest = NULL;
        unsigned n = 0;

        for (char *word = strtok_r(line, " ", &rest); word && n < WORDS_MAX; word = strtok_r(NULL, " ", &rest))
                words[n++] = word;
        if (n == 0 || words[0][0] == '#')
                return NULL;
        if (strcmp(words[0], "approver") == 0)
                return take_approver(words + 1, n - 1, approvers);
        if (strcmp(words[0], "recovery") == 0)
                return take_recovery(words + 1, n - 1, approvers);
        return "a line begins with 'approver' or 'recovery'";
}

int approvers_parse(const char *text, size_t size, struct approvers *ret, char why[APPROVER_WHY_MAX])
{
        _cleanup_free_ struct approvers *approvers = calloc(1, sizeof(*approvers));
        _cleanup_free_ char *copy = strndup(text, size);
        unsigned number = 1;

        if (!approvers || !copy)
                return -ENOMEM;
        if (strlen(copy) != size) {
                snprintf(why, APPROVER_WHY_MAX, "1: the file holds a NUL byte");
                return -EINVAL;
        }
        for (char *line = copy, *next; line; line = next, number++) {
                const char *wrong;

                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                wrong = take_line(line, approvers);
                if (!wrong)
                        continue;
                snprintf(why, APPROVER_WHY_MAX, "%u: %s", number, wrong);
                return -EINVAL;
        }
        *ret = *approvers;
        return 0;
}

int approvers_write(const struct approvers *approvers, char **ret_text)
{
        size_t size = 0;
        FILE *out = open_memstream(ret_text, &size);
        char line[SSH_KEY_LINE_MAX];

        if (!out)
                return -ENOMEM;
        fputs(head, out);
        for (size_t i = 0; i < approvers->n; i++) {
                const struct approver_key *approver = &approvers->list[i];

                fprintf(out, "approver %s %" PRIu64 " %s %s%s%s\n", approver->name, approver->since, approver->by,
                        ssh_key_line(&approver->key, line), approver->locked[0] ? " " : "", approver->locked);
        }
        if (approvers->recovery[0])
                fprintf(out, "recovery %s\n", approvers->recovery);
        return fclose(out) == 0 ? 0 : -ENOMEM;
}

int approvers_load(const char *path, struct approvers *ret, char why[APPROVER_WHY_MAX])
{
        _cleanup_free_ char *text = NULL;
        char wrong[APPROVER_WHY_MAX];
        size_t size;
        int r = file_read(path, FILE_MAX, &text, &size);

        if (r < 0) {
                snprintf(why, APPROVER_WHY_MAX, "%.100s: %s", path, strerror(-r));
                return r;
        }
        r = approvers_parse(text, size, ret, wrong);
        if (r == -EINVAL)
                snprintf(why, APPROVER_WHY_MAX, "%.80s:%.100s", path, wrong);
        return r;
}

int approvers_save(const char *path, const struct approvers *approvers)
{
        _cleanup_free_ char *text = NULL;
        int r = approvers_write(approvers, &text);

        return r < 0 ? r : file_write_atomic(path, text, strlen(text), 0600);
}

/* ---- the chain ------------------------------------------------------------------------------------------------------------ */

json_t *approvers_to_json(const struct approvers *approvers)
{
        json_t *list = json_array();
        char line[SSH_KEY_LINE_MAX];

        for (size_t i = 0; i < approvers->n; i++) {
                const struct approver_key *approver = &approvers->list[i];

                json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I, s:s}", "name", approver->name, "kind",
                                                      approver->locked[0] ? "passphrase" : "key", "key",
                                                      ssh_key_line(&approver->key, line), "since",
                                                      (json_int_t)approver->since, "by", approver->by));
        }
        return json_pack("{s:o, s:s}", "list", list, "recovery", approvers->recovery);
}

static int approver_from_json(const json_t *json, struct approver_key *ret)
{
        const char *name = json_string_value(json_object_get(json, "name"));
        const char *key = json_string_value(json_object_get(json, "key"));
        const char *by = json_string_value(json_object_get(json, "by"));

        *ret = (struct approver_key){ .since = (uint64_t)json_integer_value(json_object_get(json, "since")) };
        if (!name || !key || !by || ssh_key_read(key, strlen(key), &ret->key))
                return -EBADMSG;
        return text_copy(ret->name, sizeof(ret->name), name) && text_copy(ret->by, sizeof(ret->by), by) ? 0 : -EBADMSG;
}

int approvers_from_json(const json_t *json, struct approvers *ret)
{
        _cleanup_free_ struct approvers *approvers = calloc(1, sizeof(*approvers));
        const char *recovery = json_string_value(json_object_get(json, "recovery"));
        struct approver_key approver;
        const json_t *row;
        size_t i;

        if (!approvers)
                return -ENOMEM;
        json_array_foreach (json_object_get(json, "list"), i, row)
                if (approver_from_json(row, &approver) < 0 || approvers_add(approvers, &approver) < 0)
                        return -EBADMSG;
        if (!recovery || !text_copy(approvers->recovery, sizeof(approvers->recovery), recovery))
                return -EBADMSG;
        *ret = *approvers;
        return 0;
}

/* ---- the recovery code ---------------------------------------------------------------------------------------------------- */

int recovery_code_make(struct approvers *approvers, char ret[RECOVERY_CODE_MAX])
{
        uint8_t bytes[CODE_BYTES];
        char plain[2 * CODE_BYTES + 1];

        if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
                return -EIO;
        ret[0] = '\0';
        for (unsigned i = 0; i < CODE_BYTES; i++) {
                snprintf(plain + 2 * i, 3, "%02x", bytes[i]);
                text_append(ret, RECOVERY_CODE_MAX, "%s%02x", i > 0 && i % 2 == 0 ? "-" : "", bytes[i]);
        }
        digest_hex(plain, strlen(plain), approvers->recovery);
        explicit_bzero(plain, sizeof(plain));
        return 0;
}

/* However it was typed: the dashes and spaces are for the eye. */
bool recovery_code_is(const struct approvers *approvers, const char *code)
{
        char plain[2 * CODE_BYTES + 1] = "", hash[DIGEST_HEX_MAX];
        size_t n = 0;

        for (; *code; code++) {
                if (strchr("- \n", *code))
                        continue;
                if (n == 2 * CODE_BYTES)
                        return false;
                plain[n++] = (char)tolower((unsigned char)*code);
        }
        digest_hex(plain, n, hash);
        explicit_bzero(plain, sizeof(plain));
        return n == 2 * CODE_BYTES && approvers->recovery[0] && strcmp(hash, approvers->recovery) == 0;
}

/* ---- waiting instead ------------------------------------------------------------------------------------------------------ */

void recovery_begin(struct recovery *recovery, unsigned hours, usec_t now)
{
        *recovery = (struct recovery){ .on = true, .hours = hours, .next = now + USEC_PER_HOUR };
}

enum recovery_step recovery_look(struct recovery *recovery, usec_t now)
{
        if (!recovery->on || now < recovery->next)
                return RECOVERY_WAITS;
        recovery->hours++;
        recovery->next = now + USEC_PER_HOUR; /* never two at once, however late we look */
        if (recovery->hours < RECOVERY_HOURS)
                return RECOVERY_ANNOUNCE;
        *recovery = (struct recovery){ .on = false };
        return RECOVERY_OVER;
}
