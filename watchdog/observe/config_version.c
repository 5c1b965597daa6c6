#include "observe/config_version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"

#define NAME_SHOWN 28

/* Why a file is not kept. The first that fits. */
static void say_lack(const struct config_file *file, const struct vault *vault, char lacks[CONFIG_LACKS_MAX])
{
        static const struct {
                int error;
                const char *what;
        } words[] = {
                { -ELOOP, "is reached through a link" }, { -EPERM, "has a set-ID bit" },
                { -EBADF, "is no file and no link" },    { -ENOSPC, "had no room on the disk" },
                { -EDQUOT, "had no room in the vault" }, { -EINVAL, "has \"..\" in its path" },
        };
        const char *name = strrchr(file->path, '/') + 1;
        char shown[NAME_SHOWN], bytes[TEXT_BYTES_MAX];

        text_copy(shown, sizeof(shown), name);
        if (!vault) {
                snprintf(lacks, CONFIG_LACKS_MAX, "there is no vault to keep it in");
                return;
        }
        if (file->kept == -EFBIG) {
                snprintf(lacks, CONFIG_LACKS_MAX, "%s is larger than %s", shown,
                         text_bytes(bytes, vault_limits(vault)->content_most));
                return;
        }
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (words[i].error == file->kept) {
                        snprintf(lacks, CONFIG_LACKS_MAX, "%s %s", shown, words[i].what);
                        return;
                }
        snprintf(lacks, CONFIG_LACKS_MAX, "%s could not be kept", shown);
}

/* The files of the rule, as they are now; 1: one was not read yet. */
static int collect(const struct config_files *files, uint32_t rule, const struct vault *vault,
                   struct version_file *list, struct config_version *version)
{
        for (uint32_t n = 0; n < files->n; n++) {
                const struct config_file *file = &files->list[n];

                if (file->rule != rule)
                        continue;
                if (!file->read)
                        return 1;
                if (!file->seen.there)
                        continue;
                if (version->files == VERSION_FILES_MAX)
                        return -E2BIG;
                list[version->files++] = (struct version_file){ .path = file->path, .state = file->seen };
                if (file->changed_ns > 0 && (uint64_t)file->changed_ns / 1000 > version->since)
                        version->since = (uint64_t)file->changed_ns / 1000;
                if ((file->kept != 0 || !vault) && !version->lacks[0])
                        say_lack(file, vault, version->lacks);
        }
        return 0;
}

static int digest_text(const char *text, size_t size, uint8_t ret[DIGEST_SIZE])
{
        struct digest *digest;
        int r = digest_new(&digest);

        if (r < 0)
                return r;
        digest_add(digest, text, size);
        digest_end(digest, ret);
        digest_free(digest);
        return 0;
}

/* The list is kept too; a version whose list is not there could not even be shown. */
static int keep(const char *text, size_t size, struct vault *vault, struct config_version *version)
{
        uint8_t digest[DIGEST_SIZE];
        int r = digest_text(text, size, digest), kept = 0;

        if (r < 0)
                return r;
        if (vault && !vault_has(vault, digest))
                kept = vault_put(vault, text, size, digest);
        if (vault && kept >= 0)
                kept = vault_sync(vault);
        if (kept < 0 && !version->lacks[0])
                snprintf(version->lacks, sizeof(version->lacks), "the list of its files could not be kept");
        digest_to_hex(digest, version->digest);
        return 0;
}

int config_version_make(const struct config_files *files, uint32_t rule, struct vault *vault,
                        struct config_version *ret)
{
        _cleanup_free_ struct version_file *list = calloc(VERSION_FILES_MAX, sizeof(*list));
        _cleanup_free_ char *text = NULL;
        struct config_version version = { .files = 0 };
        size_t size;
        int r;

        if (!list)
                return -ENOMEM;
        r = collect(files, rule, vault, list, &version);
        if (r == -E2BIG) { /* too many to tell one such version from another */
                version = (struct config_version){ .files = 0 };
                snprintf(version.lacks, sizeof(version.lacks), "more than %u files are declared", VERSION_FILES_MAX);
                r = 0;
        }
        if (r == 0)
                r = version_write(list, version.files, &text, &size);
        if (r == 0)
                r = keep(text, size, vault, &version);
        if (r == 0)
                *ret = version;
        return r;
}
