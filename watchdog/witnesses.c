#include "witnesses.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/file.h"

#define FILE_MAX (64 * 1024)
#define TYPE_COSIGNATURE 0x04 /* of C2SP: a witness's key, not a log's */

static const char head[] =
        "# Witnesses of the audit log: VERIFIER-KEY URL. Written by: govctl audit witness add|remove\n";

static int refuse(char why[WITNESS_WHY_MAX], const char *what)
{
        text_copy_safe(why, WITNESS_WHY_MAX, what);
        return -EINVAL;
}

static bool is_plain(const char *text)
{
        for (; *text; text++)
                if (*text <= ' ' || *text > '~')
                        return false;
        return true;
}

/* A URL ends up in an argument list and in the log: it may hold no password. */
static int check_url(const char *url, char why[WITNESS_WHY_MAX])
{
        const char *rest = text_starts(url, "https://")  ? url + strlen("https://")
                           : text_starts(url, "http://") ? url + strlen("http://")
                                                         : NULL;

        if (!rest || strchr("/?#:", *rest)) /* the end, too */
                return refuse(why, "the URL must begin with https:// or http:// and a host");
        if (!is_plain(url) || strlen(url) >= WITNESS_URL_MAX)
                return refuse(why, "the URL must be printable ASCII of at most 511 characters");
        if (memchr(rest, '@', strcspn(rest, "/?#")))
                return refuse(why, "the URL must not hold a user or password");
        if (strpbrk(url, "?#\"'\\`"))
                return refuse(why, "the URL must be a plain prefix, without query, fragment or quotes");
        return 0;
}

int witness_read(const char *vkey, const char *url, struct witness *ret, char why[WITNESS_WHY_MAX])
{
        struct witness witness = { 0 };

        if (strlen(vkey) >= sizeof(witness.vkey) || !is_plain(vkey) || audit_vkey_read(vkey, &witness.key) < 0)
                return refuse(why, "not a verifier key (NAME+ID+BASE64)");
        if (witness.key.type != TYPE_COSIGNATURE)
                return refuse(why, "this verifier key is not a witness's (it must be of type 04)");
        if (check_url(url, why) < 0)
                return -EINVAL;
        text_copy(witness.vkey, sizeof(witness.vkey), vkey);
        text_copy(witness.url, sizeof(witness.url), url);
        *ret = witness;
        return 0;
}

/* ---- the list ------------------------------------------------------------------------------------------------------------ */

struct witness *witnesses_find(struct witnesses *witnesses, const char *name)
{
        for (size_t i = 0; i < witnesses->n; i++)
                if (strcmp(witnesses->list[i].key.name, name) == 0)
                        return &witnesses->list[i];
        return NULL;
}

int witnesses_add(struct witnesses *witnesses, const struct witness *witness)
{
        if (witnesses_find(witnesses, witness->key.name))
                return -EEXIST;
        if (witnesses->n == WITNESSES_MAX)
                return -ENOSPC;
        witnesses->list[witnesses->n++] = *witness;
        return 0;
}

void witnesses_remove(struct witnesses *witnesses, struct witness *witness)
{
        size_t after = (size_t)(&witnesses->list[witnesses->n] - witness) - 1;

        memmove(witness, witness + 1, after * sizeof(*witness));
        witnesses->n--;
}

bool witness_name_in(const char *line, char ret[AUDIT_ORIGIN_MAX])
{
        static const char dash[] = "\xe2\x80\x94 ";
        size_t length;

        if (!text_starts(line, dash))
                return false;
        line += strlen(dash);
        length = strcspn(line, " ");
        if (length == 0 || length >= AUDIT_ORIGIN_MAX || line[length] != ' ')
                return false;
        memcpy(ret, line, length);
        ret[length] = '\0';
        return true;
}

/* ---- the file ------------------------------------------------------------------------------------------------------------ */

/* Takes a line that ends in NUL, and cuts it. */
static int parse_line(char *line, struct witnesses *witnesses, char why[WITNESS_WHY_MAX])
{
        const char *vkey = strtok_r(line, " \t\r", &line), *url = vkey ? strtok_r(NULL, " \t\r", &line) : NULL;
        struct witness witness;
        int r;

        if (!vkey || *vkey == '#')
                return 0;
        if (!url || strtok_r(NULL, " \t\r", &line))
                return refuse(why, "a line is a verifier key and a URL");
        r = witness_read(vkey, url, &witness, why);
        if (r < 0)
                return r;
        r = witnesses_add(witnesses, &witness);
        if (r == -EEXIST)
                return refuse(why, "there is a witness of that name already");
        return r < 0 ? refuse(why, "more than 16 witnesses") : 0;
}

int witnesses_parse(const char *text, size_t size, struct witnesses *ret, char why[WITNESS_WHY_MAX])
{
        _cleanup_free_ char *copy = strndup(text, size);
        _cleanup_free_ struct witnesses *witnesses = calloc(1, sizeof(*witnesses));
        unsigned number = 1;

        if (!copy || !witnesses)
                return -ENOMEM;
        if (memchr(text, '\0', size))
                return refuse(why, "1: the file holds a NUL byte");
        for (char *line = copy, *next; line; line = next, number++) {
                char what[WITNESS_WHY_MAX];

                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                if (parse_line(line, witnesses, what) < 0) {
                        snprintf(why, WITNESS_WHY_MAX, "%u: %.140s", number, what);
                        return -EINVAL;
                }
        }
        *ret = *witnesses;
        return 0;
}

int witnesses_load(const char *path, struct witnesses *ret, char why[WITNESS_WHY_MAX])
{
        _cleanup_free_ char *text = NULL;
        char what[WITNESS_WHY_MAX];
        size_t size;
        int r = file_read(path, FILE_MAX, &text, &size);

        if (r == -ENOENT) {
                ret->n = 0;
                return 0;
        }
        if (r < 0) {
                snprintf(why, WITNESS_WHY_MAX, "%.100s: %s", path, strerror(-r));
                return r;
        }
        r = witnesses_parse(text, size, ret, what);
        if (r == -EINVAL)
                snprintf(why, WITNESS_WHY_MAX, "%.60s:%.96s", path, what);
        return r;
}

int witnesses_save(const char *path, const struct witnesses *witnesses)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        _cleanup_fclose_ FILE *out = open_memstream(&text, &size);

        if (!out)
                return -ENOMEM;
        fputs(head, out);
        for (size_t i = 0; i < witnesses->n; i++)
                fprintf(out, "%s %s\n", witnesses->list[i].vkey, witnesses->list[i].url);
        return fflush(out) == 0 ? file_write_atomic(path, text, size, 0644) : -ENOMEM;
}
