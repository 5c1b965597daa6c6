#include "io/version.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "io/cleanup.h"
#include "io/vault.h"

#define HEAD "governor-version 1\n"

/* ---- one file ----------------------------------------------------------------------------------------------------------- */

bool file_state_same(const struct file_state *a, const struct file_state *b)
{
        if (!a->there || !b->there)
                return a->there == b->there;
        return a->size == b->size && a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
               memcmp(a->digest, b->digest, DIGEST_SIZE) == 0;
}

void file_state_take(struct file_state *state, const struct stat *st)
{
        state->there = true;
        state->size = S_ISREG(st->st_mode) || S_ISLNK(st->st_mode) ? (uint64_t)st->st_size : 0;
        state->mode = (uint32_t)st->st_mode;
        state->uid = (uint32_t)st->st_uid;
        state->gid = (uint32_t)st->st_gid;
}

void file_state_write(FILE *out, const struct file_state *state)
{
        char hex[DIGEST_HEX_MAX];

        if (!state->there) {
                fputs("- ", out);
                return;
        }
        digest_to_hex(state->digest, hex);
        fprintf(out, "%s:%" PRIu64 ":%o:%" PRIu32 ":%" PRIu32 " ", hex, state->size, state->mode, state->uid,
                state->gid);
}

/* A number up to the separator, which it steps over; written as we would write it. */
static int read_number(const char **at, int base, char separator, uint64_t most, uint64_t *ret)
{
        uint64_t value = 0;
        const char *digit = *at;

        for (; *digit >= '0' && *digit < '0' + base; digit++) {
                if (value > (UINT64_MAX - 9) / (uint64_t)base)
                        return -EBADMSG;
                value = value * (uint64_t)base + (uint64_t)(*digit - '0');
        }
        if (digit == *at || *digit != separator || value > most || (**at == '0' && digit > *at + 1))
                return -EBADMSG;
        *at = digit + 1;
        *ret = value;
        return 0;
}

int file_state_read(const char **at, struct file_state *ret)
{
        struct file_state state = { .there = true };
        uint64_t mode, uid, gid;
        const char *colon = strchr(*at, ':');

        *ret = (struct file_state){ .there = false };
        if ((*at)[0] == '-' && (*at)[1] == ' ') {
                *at += 2;
                return 0;
        }
        if (!colon || strspn(*at, "0123456789abcdef") != (size_t)(colon - *at) ||
            digest_from_hex(*at, (size_t)(colon - *at), state.digest) < 0)
                return -EBADMSG;
        *at = colon + 1;
        if (read_number(at, 10, ':', UINT64_MAX, &state.size) < 0 || read_number(at, 8, ':', UINT32_MAX, &mode) < 0 ||
            read_number(at, 10, ':', UINT32_MAX, &uid) < 0 || read_number(at, 10, ' ', UINT32_MAX, &gid) < 0)
                return -EBADMSG;
        state.mode = (uint32_t)mode;
        state.uid = (uint32_t)uid;
        state.gid = (uint32_t)gid;
        *ret = state;
        return 0;
}

/* ---- several ------------------------------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
        return strcmp(((const struct version_file *)a)->path, ((const struct version_file *)b)->path);
}

int version_write(struct version_file *list, uint32_t n, char **ret, size_t *ret_size)
{
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        bool failed;

        if (!out)
                return -ENOMEM;
        qsort(list, n, sizeof(*list), compare);
        fputs(HEAD, out);
        for (uint32_t i = 0; i < n; i++) {
                file_state_write(out, &list[i].state);
                fprintf(out, "%s\n", list[i].path);
        }
        failed = ferror(out) != 0;
        if (fclose(out) != 0 || failed) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        *ret_size = size;
        return 0;
}

void version_done(struct version *version)
{
        free(version->list);
        free(version->text);
        *version = (struct version){ .n = 0 };
}

static int read_line(struct version *version, const char *line)
{
        struct version_file *file = &version->list[version->n];
        int r = file_state_read(&line, &file->state);

        if (r < 0 || !file->state.there || line[0] != '/' || strlen(line) >= FILE_PATH_MAX)
                return -EBADMSG;
        if (version->n > 0 && strcmp(version->list[version->n - 1].path, line) >= 0)
                return -EBADMSG;
        file->path = line;
        version->n++;
        return 0;
}

static int read_lines(struct version *version)
{
        uint32_t room = 0;
        int r = 0;

        for (const char *at = version->text; (at = strchr(at, '\n')); at++)
                room++;
        if (room > VERSION_FILES_MAX)
                return -EBADMSG;
        version->list = calloc(room + 1, sizeof(*version->list));
        if (!version->list)
                return -ENOMEM;
        for (char *line = version->text, *end; r >= 0 && *line; line = end + 1) {
                end = strchr(line, '\n');
                if (!end)
                        return -EBADMSG;
                *end = '\0';
                r = read_line(version, line);
        }
        return r;
}

int version_read(const char *text, size_t size, struct version *ret)
{
        struct version version = { .n = 0 };
        int r;

        if (size < strlen(HEAD) || size > VERSION_TEXT_MAX || memcmp(text, HEAD, strlen(HEAD)) != 0 ||
            memchr(text, '\0', size))
                return -EBADMSG;
        version.text = strndup(text + strlen(HEAD), size - strlen(HEAD));
        r = version.text ? read_lines(&version) : -ENOMEM;
        if (r < 0) {
                version_done(&version);
                return r;
        }
        *ret = version;
        return 0;
}

int version_get(struct vault *vault, const char *hex, struct version *ret)
{
        _cleanup_free_ char *text = NULL;
        uint8_t digest[DIGEST_SIZE];
        size_t size;
        int r = digest_from_hex(hex, strlen(hex), digest);

        if (r >= 0)
                r = vault ? vault_get(vault, digest, VERSION_TEXT_MAX, &text, &size) : -ENODEV;
        return r < 0 ? r : version_read(text, size, ret);
}

const struct version_file *version_find(const struct version *version, const char *path)
{
        struct version_file wanted = { .path = path };

        if (version->n == 0)
                return NULL;
        return bsearch(&wanted, version->list, version->n, sizeof(*version->list), compare);
}

bool version_next(const struct version *a, const struct version *b, struct version_walk *walk,
                  const struct version_file **ret_a, const struct version_file **ret_b)
{
        const struct version_file *of_a = walk->a < a->n ? &a->list[walk->a] : NULL;
        const struct version_file *of_b = walk->b < b->n ? &b->list[walk->b] : NULL;
        int order = of_a && of_b ? strcmp(of_a->path, of_b->path) : of_a ? -1 : 1;

        if (!of_a && !of_b)
                return false;
        *ret_a = order <= 0 ? of_a : NULL;
        *ret_b = order >= 0 ? of_b : NULL;
        walk->a += order <= 0;
        walk->b += order >= 0;
        return true;
}

bool version_next_different(const struct version *a, const struct version *b, struct version_walk *walk,
                            const struct version_file **ret_a, const struct version_file **ret_b)
{
        while (version_next(a, b, walk, ret_a, ret_b))
                if (!*ret_a || !*ret_b || !file_state_same(&(*ret_a)->state, &(*ret_b)->state))
                        return true;
        return false;
}
