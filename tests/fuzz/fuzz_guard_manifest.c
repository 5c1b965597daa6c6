/* Whatever stands in the place of the manifest: refused, or written again to the same letter, and each of its files found. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "guard/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void find_all(const struct manifest *manifest)
{
        for (uint32_t n = 0; n < manifest_count(manifest); n++) {
                const struct manifest_entry *entry = manifest_at(manifest, n);

                if (manifest_find(manifest, entry->path) != entry ||
                    !manifest_find_inode(manifest, entry->device, entry->inode) ||
                    !manifest_names(manifest, entry->state.digest))
                        abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct manifest *manifest = NULL;
        char *text;
        size_t length;

        if (manifest_read((const char *)data, size, &manifest) < 0) {
                if (manifest)
                        abort();
                return 0;
        }
        find_all(manifest);
        if (manifest_write(manifest, &text, &length) >= 0) {
                if (length != size || memcmp(text, data, size) != 0)
                        abort();
                free(text);
        }
        while (manifest_count(manifest) > 0)
                if (manifest_drop(manifest, manifest_at(manifest, manifest_count(manifest) / 2)->path) < 0)
                        abort();
        manifest_free(manifest);
        return 0;
}
