/* The kernel's table of mounts: the names in it are chosen by whoever may mount. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "guard/mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct mount mount;

        if (mounts_parse((const char *)data, size, &mount) < 0)
                return 0;
        assert(mount.point[0] == '/' && mount.by == 0);
        assert(memchr(mount.point, '\0', sizeof(mount.point)) && memchr(mount.root, '\0', sizeof(mount.root)) &&
               memchr(mount.type, '\0', sizeof(mount.type)));
        return 0;
}
