/* Whatever stands in the manifest of the declared files: refused, or read back as it is written again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "observe/config_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct config_manifest *manifest)
{
        struct config_files files = { .n = 0 };
        struct config_manifest again = { .files = &files };
        char *text;
        size_t size;

        if (config_manifest_write(manifest, &text, &size) < 0)
                return;
        if (config_manifest_read(&again, text, size) < 0 || files.n != manifest->files->n ||
            again.patterns_n != manifest->patterns_n)
                abort();
        for (uint32_t n = 0; n < files.n; n++) {
                const struct config_file *a = &files.list[n], *b = &manifest->files->list[n];

                if (strcmp(a->path, b->path) != 0 || !config_state_same(&a->sealed, &b->sealed) ||
                    !config_state_same(&a->seen, &b->seen) || config_files_find(&files, a->path) != n)
                        abort();
        }
        for (uint32_t n = 0; n < again.patterns_n && files.n > 0; n++)
                (void)path_glob(again.patterns[n], files.list[0].path);
        free(text);
        config_manifest_done(&again);
        config_files_done(&files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct config_files files = { .n = 0 };
        struct config_manifest manifest = { .files = &files };

        if (config_manifest_read(&manifest, (const char *)data, size) == 0)
                write_again(&manifest);
        else if (files.n > 0 || manifest.patterns_n > 0)
                abort();
        config_manifest_done(&manifest);
        config_files_done(&files);
        return 0;
}
