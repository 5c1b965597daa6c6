/* Whatever stands in the manifest of the declared files: refused, or read back as it is written again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "observe/config_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_text(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}

static void write_again(const struct config_files *read, const struct config_names *names)
{
        struct config_files files = { .n = 0 };
        struct config_names again = { .n = 0 };
        char *text;
        size_t size;

        if (config_manifest_write(read, names, &text, &size) < 0)
                return;
        if (config_manifest_read(&files, &again, text, size) < 0 || files.n != read->n || again.n != names->n)
                abort();
        for (uint32_t n = 0; n < files.n; n++) {
                const struct config_file *a = &files.list[n], *b = &read->list[n];

                if (strcmp(a->path, b->path) != 0 || !file_state_same(&a->sealed, &b->sealed) ||
                    !file_state_same(&a->seen, &b->seen) || config_files_find(&files, a->path) != n ||
                    !same_text(a->sealed_outline, b->sealed_outline) || !same_text(a->seen_outline, b->seen_outline))
                        abort();
        }
        for (uint32_t n = 0; n < again.n && files.n > 0; n++)
                (void)path_glob(again.list[n], files.list[0].path);
        free(text);
        config_names_done(&again);
        config_files_done(&files);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct config_files files = { .n = 0 };
        struct config_names names = { .n = 0 };

        if (config_manifest_read(&files, &names, (const char *)data, size) == 0)
                write_again(&files, &names);
        else if (files.n > 0 || names.n > 0)
                abort();
        config_names_done(&names);
        config_files_done(&files);
        return 0;
}
