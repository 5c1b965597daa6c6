#include "guard/traits.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/text.h"

_Static_assert(TRAITS_FLAGS == (FS_SYNC_FL | FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL),
               "the kernel's own numbers, which manifests on disk are made of");
_Static_assert(TRAITS_FIXED == (FS_IMMUTABLE_FL | FS_APPEND_FL) && TRAITS_IMMUTABLE == FS_IMMUTABLE_FL, "the same");

/* ---- flags -------------------------------------------------------------------------------------------------------------- */

/* What file systems say that have no flags, or not this one. */
static int why(int error)
{
        return error == ENOTTY || error == ENOSYS || error == EINVAL ? -EOPNOTSUPP : -error;
}

int traits_flags(int fd, uint32_t *ret)
{
        int flags = 0;

        if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
                return why(errno);
        *ret = (uint32_t)flags & TRAITS_FLAGS;
        return 0;
}

int traits_set_flags(int fd, uint32_t flags, uint32_t mask)
{
        int old = 0, new;

        if (ioctl(fd, FS_IOC_GETFLAGS, &old) < 0)
                return why(errno);
        new = (int)(((uint32_t)old & ~mask) | (flags & mask));
        if (new == old)
                return 0;
        return ioctl(fd, FS_IOC_SETFLAGS, &new) < 0 ? why(errno) : 0;
}

/* ---- extended attributes ------------------------------------------------------------------------------------------------ */

static bool counts(const char *name)
{
        return strcmp(name, "security.evm") != 0 && strcmp(name, "security.ima") != 0 &&
               !text_starts(name, "trusted.overlay.");
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names, one behind the other. */
static int list_names(int fd, char **ret, size_t *ret_size)
{
        _cleanup_free_ char *names = malloc(XATTR_LIST_MAX);
        ssize_t size = names ? flistxattr(fd, names, XATTR_LIST_MAX) : 0;

        if (!names)
                return -ENOMEM;
        if (size < 0)
                size = errno == EOPNOTSUPP || errno == ENOSYS ? 0 : -errno;
        if (size < 0)
                return (int)size;
        *ret = TAKE_PTR(names);
        *ret_size = (size_t)size;
        return 0;
}

/* Those that count, in their order; how many. */
static int sort_names(char *names, size_t size, const char ***ret)
{
        const char **list;
        int n = 0;

        for (size_t at = 0; at < size; at += strlen(names + at) + 1)
                n++;
        list = calloc((size_t)n + 1, sizeof(char *));
        if (!list)
                return -ENOMEM;
        n = 0;
        for (size_t at = 0; at < size; at += strlen(names + at) + 1)
                if (counts(names + at))
                        list[n++] = names + at;
        qsort(list, (size_t)n, sizeof(char *), compare);
        *ret = list;
        return n;
}

/* One more at the end of the list. Returns its new size; one that is gone by now is none. */
static ssize_t add_value(int fd, const char *name, char *list, size_t size)
{
        size_t length = strlen(name) + 1, head = length + sizeof(uint32_t);
        ssize_t n;

        if (size + head > TRAITS_XATTRS_MAX)
                return -E2BIG;
        n = fgetxattr(fd, name, list + size + head, TRAITS_XATTRS_MAX - size - head);
        if (n < 0)
                return errno == ENODATA ? (ssize_t)size : errno == ERANGE ? -E2BIG : -errno;
        memcpy(list + size, name, length);
        for (unsigned byte = 0; byte < sizeof(uint32_t); byte++)
                list[size + length + byte] = (char)((uint32_t)n >> 8 * byte);
        return (ssize_t)(size + head + (size_t)n);
}

int traits_xattrs(int fd, char **ret, size_t *ret_size)
{
        _cleanup_free_ const char **sorted = NULL;
        _cleanup_free_ char *names = NULL, *list = NULL;
        size_t names_size;
        ssize_t size = 0;
        int n = list_names(fd, &names, &names_size);

        if (n >= 0)
                n = sort_names(names, names_size, &sorted);
        if (n < 0)
                return n;
        list = n > 0 ? malloc(TRAITS_XATTRS_MAX) : NULL;
        if (n > 0 && !list)
                return -ENOMEM;
        for (int i = 0; size >= 0 && i < n; i++)
                size = add_value(fd, sorted[i], list, (size_t)size);
        if (size < 0)
                return (int)size;
        *ret = size > 0 ? TAKE_PTR(list) : NULL;
        *ret_size = (size_t)size;
        return 0;
}

/* The next of a list at `*at`, which moves behind it; false at its end, or where it is no list. */
static bool next_value(const char *list, size_t size, size_t *at, const char **ret_name, const char **ret_value,
                       size_t *ret_length)
{
        const char *name = list + *at, *end = memchr(name, '\0', size - *at);
        uint32_t length = 0;

        if (*at >= size || !end || (size_t)(list + size - end - 1) < sizeof(length))
                return false;
        for (unsigned byte = 0; byte < sizeof(length); byte++)
                length |= (uint32_t)(uint8_t)end[1 + byte] << 8 * byte;
        end += 1 + sizeof(length);
        if ((size_t)(list + size - end) < length)
                return false;
        *ret_name = name;
        *ret_value = end;
        *ret_length = length;
        *at = (size_t)(end - list) + length;
        return true;
}

static bool has(const char *list, size_t size, const char *wanted)
{
        const char *name, *value;
        size_t length, at = 0;

        while (size > 0 && next_value(list, size, &at, &name, &value, &length))
                if (strcmp(name, wanted) == 0)
                        return true;
        return false;
}

/* An ACL comes from the folder's default, a label from the kernel: what was not there at first is not to be there. */
static int remove_others(int fd, const char *list, size_t size)
{
        _cleanup_free_ char *names = NULL;
        size_t names_size;
        int r = list_names(fd, &names, &names_size);

        for (size_t at = 0; r >= 0 && at < names_size; at += strlen(names + at) + 1)
                if (counts(names + at) && !has(list, size, names + at) && fremovexattr(fd, names + at) < 0)
                        r = -errno;
        return r;
}

int traits_set_xattrs(int fd, const char *list, size_t size)
{
        const char *name, *value;
        size_t length, at = 0;
        int r = remove_others(fd, list, size);

        while (size > 0 && next_value(list, size, &at, &name, &value, &length))
                if (fsetxattr(fd, name, value, length, 0) < 0 && r >= 0)
                        r = -errno;
        return r < 0 ? r : at == size ? 0 : -EBADMSG;
}

/* ---- all of it ---------------------------------------------------------------------------------------------------------- */

static int64_t nanoseconds(const struct timespec *time)
{
        return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

static int take_xattrs(int fd, uint8_t ret[DIGEST_SIZE])
{
        _cleanup_free_ char *list = NULL;
        size_t size = 0;
        int r = traits_xattrs(fd, &list, &size);

        memset(ret, 0, DIGEST_SIZE);
        if (r >= 0 && size > 0)
                digest_whole(list, size, ret);
        return r;
}

int traits_take(int fd, struct manifest_entry *entry)
{
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        file_state_take(&entry->state, &st);
        entry->device = st.st_dev;
        entry->inode = st.st_ino;
        entry->changed_ns = nanoseconds(&st.st_ctim);
        entry->modified_ns = nanoseconds(&st.st_mtim);
        entry->flags = 0;
        if (S_ISLNK(st.st_mode)) {
                memset(entry->attributes, 0, DIGEST_SIZE);
                return 0;
        }
        r = traits_flags(fd, &entry->flags);
        return r < 0 && r != -EOPNOTSUPP ? r : take_xattrs(fd, entry->attributes);
}
