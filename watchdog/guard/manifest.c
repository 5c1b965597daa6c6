/* A line is "CLASS RULE WANTED DEVICE INODE CHANGED MODIFIED FLAGS ATTRIBUTES STATE PATH", in the order of paths. */
#include "guard/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "guard/traits.h"
#include "io/file.h"

#define HEAD "governor-files 1\n"
#define TEXT_MAX (64U << 20)
#define ROOM_FIRST 64
#define NONE UINT32_MAX

static const char *const class_names[GUARD_CLASS_N] = {
        [GUARD_UNTOUCHABLE] = "untouchable", [GUARD_PROTECTED] = "protected"
};

/* What an entry is found by. */
enum key {
        KEY_PATH,
        KEY_INODE,
        KEY_CONTENT,
        KEY_ATTRIBUTES,
        KEY_N,
};

struct slot {
        struct manifest_entry entry;
        uint32_t next[KEY_N]; /* with the same remainder */
};

struct manifest {
        struct slot *slots;
        uint32_t *first[KEY_N]; /* `room` of each */
        uint32_t n, room;       /* a power of two */
};

bool manifest_is_folder(const struct manifest_entry *entry)
{
        return S_ISDIR(entry->state.mode);
}

int manifest_new(struct manifest **ret)
{
        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

static void free_path(const struct slot *slot)
{
        free((void *)(uintptr_t)slot->entry.path);
}

struct manifest *manifest_free(struct manifest *manifest)
{
        if (!manifest)
                return NULL;
        for (uint32_t n = 0; n < manifest->n; n++)
                free_path(&manifest->slots[n]);
        for (unsigned key = 0; key < KEY_N; key++)
                free(manifest->first[key]);
        free(manifest->slots);
        free(manifest);
        return NULL;
}

/* ---- found -------------------------------------------------------------------------------------------------------------- */

static uint32_t hash_inode(uint64_t device, uint64_t inode)
{
        uint64_t mixed = (inode ^ device << 32) * UINT64_C(0x9e3779b97f4a7c15);

        return (uint32_t)(mixed >> 32);
}

static uint32_t hash_digest(const uint8_t digest[DIGEST_SIZE])
{
        uint32_t hash;

        memcpy(&hash, digest, sizeof(hash));
        return hash;
}

static uint32_t hash_of(const struct manifest_entry *entry, enum key key)
{
        switch (key) {
        case KEY_PATH: return text_hash(entry->path);
        case KEY_INODE: return hash_inode(entry->device, entry->inode);
        case KEY_CONTENT: return hash_digest(entry->state.digest);
        default: return hash_digest(entry->attributes);
        }
}

static uint32_t *chain_of(const struct manifest *manifest, enum key key, uint32_t hash)
{
        return &manifest->first[key][hash & (manifest->room - 1)];
}

static void link_slot(struct manifest *manifest, uint32_t n)
{
        struct slot *slot = &manifest->slots[n];

        for (unsigned key = 0; key < KEY_N; key++) {
                uint32_t *first = chain_of(manifest, key, hash_of(&slot->entry, key));

                slot->next[key] = *first;
                *first = n;
        }
}

static void unlink_slot(struct manifest *manifest, uint32_t n)
{
        const struct slot *slot = &manifest->slots[n];

        for (unsigned key = 0; key < KEY_N; key++) {
                uint32_t *at = chain_of(manifest, key, hash_of(&slot->entry, key));

                while (*at != n)
                        at = &manifest->slots[*at].next[key];
                *at = slot->next[key];
        }
}

/* The first of that hash, NONE when there is none. */
static uint32_t begin(const struct manifest *manifest, enum key key, uint32_t hash)
{
        return manifest->room > 0 ? *chain_of(manifest, key, hash) : NONE;
}

static uint32_t find(const struct manifest *manifest, const char *path)
{
        uint32_t n = begin(manifest, KEY_PATH, text_hash(path));

        while (n != NONE && strcmp(manifest->slots[n].entry.path, path) != 0)
                n = manifest->slots[n].next[KEY_PATH];
        return n;
}

static const struct manifest_entry *entry_of(const struct manifest *manifest, uint32_t n)
{
        return n == NONE ? NULL : &manifest->slots[n].entry;
}

uint32_t manifest_count(const struct manifest *manifest)
{
        return manifest->n;
}

const struct manifest_entry *manifest_at(const struct manifest *manifest, uint32_t n)
{
        return n < manifest->n ? &manifest->slots[n].entry : NULL;
}

const struct manifest_entry *manifest_find(const struct manifest *manifest, const char *path)
{
        return entry_of(manifest, find(manifest, path));
}

const struct manifest_entry *manifest_find_inode(const struct manifest *manifest, uint64_t device, uint64_t inode)
{
        uint32_t n = begin(manifest, KEY_INODE, hash_inode(device, inode));

        while (n != NONE && (manifest->slots[n].entry.inode != inode || manifest->slots[n].entry.device != device))
                n = manifest->slots[n].next[KEY_INODE];
        return entry_of(manifest, n);
}

static bool is_named(const struct manifest *manifest, enum key key, const uint8_t digest[DIGEST_SIZE])
{
        uint32_t n = begin(manifest, key, hash_digest(digest));

        while (n != NONE &&
               memcmp(key == KEY_CONTENT ? manifest->slots[n].entry.state.digest : manifest->slots[n].entry.attributes,
                      digest, DIGEST_SIZE) != 0)
                n = manifest->slots[n].next[key];
        return n != NONE;
}

bool manifest_names(const struct manifest *manifest, const uint8_t digest[DIGEST_SIZE])
{
        return is_named(manifest, KEY_CONTENT, digest) || is_named(manifest, KEY_ATTRIBUTES, digest);
}

/* ---- changed ------------------------------------------------------------------------------------------------------------ */

static int grow(struct manifest *manifest)
{
        uint32_t room = manifest->room ? manifest->room * 2 : ROOM_FIRST;
        struct slot *slots = realloc(manifest->slots, room * sizeof(*slots));

        if (!slots)
                return -ENOMEM;
        manifest->slots = slots;
        for (unsigned key = 0; key < KEY_N; key++) {
                uint32_t *first = realloc(manifest->first[key], room * sizeof(*first));

                if (!first)
                        return -ENOMEM; /* larger tables than the old room needs harm nobody */
                manifest->first[key] = first;
        }
        manifest->room = room;
        for (unsigned key = 0; key < KEY_N; key++)
                memset(manifest->first[key], 0xff, room * sizeof(*manifest->first[key]));
        for (uint32_t n = 0; n < manifest->n; n++)
                link_slot(manifest, n);
        return 0;
}

/* Absolute, each of its names one that stands for itself, and fit to be shown. */
static bool is_path(const char *path)
{
        char safe[FILE_PATH_MAX];

        if (path[0] != '/' || !text_copy_safe(safe, sizeof(safe), path) || strcmp(safe, path) != 0)
                return false;
        for (const char *name = path + 1, *end;; name = end + 1) {
                size_t length = strcspn(name, "/");

                end = name + length;
                if (length == 0 || (length <= 2 && strspn(name, ".") >= length))
                        return false;
                if (!*end)
                        return true;
        }
}

static bool is_entry(const struct manifest_entry *entry)
{
        uint32_t mode = entry->state.mode;

        return entry->path && is_path(entry->path) && entry->class < GUARD_CLASS_N && entry->state.there &&
               (entry->flags & ~TRAITS_FLAGS) == 0 && mode <= (S_IFMT | 07777) &&
               (S_ISREG(mode) || S_ISLNK(mode) || S_ISDIR(mode));
}

int manifest_set(struct manifest *manifest, const struct manifest_entry *entry)
{
        uint32_t n;
        char *path;

        if (!is_entry(entry))
                return -EINVAL;
        n = find(manifest, entry->path);
        if (n != NONE) {
                struct manifest_entry *old = &manifest->slots[n].entry;
                const char *kept = old->path;

                unlink_slot(manifest, n);
                *old = *entry;
                old->path = kept;
                link_slot(manifest, n);
                return 0;
        }
        if (manifest->n == MANIFEST_ENTRIES_MAX)
                return -ENOSPC;
        if (manifest->n == manifest->room && grow(manifest) < 0)
                return -ENOMEM;
        path = strdup(entry->path);
        if (!path)
                return -ENOMEM;
        manifest->slots[manifest->n].entry = *entry;
        manifest->slots[manifest->n].entry.path = path;
        link_slot(manifest, manifest->n++);
        return 0;
}

int manifest_drop(struct manifest *manifest, const char *path)
{
        uint32_t n = find(manifest, path), last = manifest->n - 1;

        if (n == NONE)
                return -ENOENT;
        unlink_slot(manifest, n);
        free_path(&manifest->slots[n]);
        if (n != last) {
                unlink_slot(manifest, last);
                manifest->slots[n] = manifest->slots[last];
                link_slot(manifest, n);
        }
        manifest->n--;
        return 0;
}

static int compare(const void *a, const void *b)
{
        const struct manifest_entry *const *one = a, *const *other = b;

        return strcmp((*one)->path, (*other)->path);
}

int manifest_sort(const struct manifest *manifest, const struct manifest_entry ***ret)
{
        const struct manifest_entry **list = calloc(manifest->n + 1, sizeof(struct manifest_entry *));

        if (!list)
                return -ENOMEM;
        for (uint32_t n = 0; n < manifest->n; n++)
                list[n] = &manifest->slots[n].entry;
        qsort(list, manifest->n, sizeof(struct manifest_entry *), compare);
        *ret = list;
        return 0;
}

/* ---- as a text ---------------------------------------------------------------------------------------------------------- */

static bool is_zero(const uint8_t digest[DIGEST_SIZE])
{
        static const uint8_t zero[DIGEST_SIZE];

        return memcmp(digest, zero, DIGEST_SIZE) == 0;
}

static void write_entry(FILE *out, const struct manifest_entry *entry)
{
        char attributes[DIGEST_HEX_MAX] = "-";

        if (!is_zero(entry->attributes))
                digest_to_hex(entry->attributes, attributes);
        fprintf(out, "%s %" PRIu32 " %c %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRIx32 " %s ",
                class_names[entry->class], entry->rule, entry->immutable ? 'i' : '-', entry->device, entry->inode,
                entry->changed_ns, entry->modified_ns, entry->flags, attributes);
        file_state_write(out, &entry->state);
        fprintf(out, "%s\n", entry->path);
}

int manifest_write(const struct manifest *manifest, char **ret, size_t *ret_size)
{
        _cleanup_free_ const struct manifest_entry **list = NULL;
        char *text = NULL;
        size_t size = 0;
        FILE *out;
        bool failed;
        int r = manifest_sort(manifest, &list);

        if (r < 0)
                return r;
        out = open_memstream(&text, &size);
        if (!out)
                return -ENOMEM;
        fputs(HEAD, out);
        for (uint32_t n = 0; n < manifest->n; n++)
                write_entry(out, list[n]);
        failed = ferror(out);
        if (fclose(out) != 0 || failed) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        *ret_size = size;
        return 0;
}

/* The word up to the blank, into a buffer; steps behind the blank. */
static int take_word(const char **at, char *word, size_t room)
{
        size_t length = strcspn(*at, " \n");

        if ((*at)[length] != ' ' || length >= room)
                return -EBADMSG;
        memcpy(word, *at, length);
        word[length] = '\0';
        *at += length + 1;
        return 0;
}

/* What was written is written the same: that alone is asked for, for the whole text is compared in the end. */
static int read_numbers(const char **at, struct manifest_entry *entry)
{
        char wanted;
        int length = 0;

        if (sscanf(*at, "%" SCNu32 " %c %" SCNu64 " %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNx32 "%n", &entry->rule,
                   &wanted, &entry->device, &entry->inode, &entry->changed_ns, &entry->modified_ns, &entry->flags,
                   &length) != 7 ||
            (*at)[length] != ' ')
                return -EBADMSG;
        entry->immutable = wanted == 'i';
        *at += length + 1;
        return 0;
}

static int read_class(const char **at, enum guard_class *ret)
{
        char word[sizeof("untouchable")];

        if (take_word(at, word, sizeof(word)) < 0)
                return -EBADMSG;
        for (unsigned class = 0; class < GUARD_CLASS_N; class ++)
                if (strcmp(word, class_names[class]) == 0) {
                        *ret = class;
                        return 0;
                }
        return -EBADMSG;
}

static int read_attributes(const char **at, uint8_t ret[DIGEST_SIZE])
{
        char word[DIGEST_HEX_MAX];

        if (take_word(at, word, sizeof(word)) < 0)
                return -EBADMSG;
        if (strcmp(word, "-") == 0)
                return 0;
        return digest_from_hex(word, strlen(word), ret) < 0 ? -EBADMSG : 0;
}

/* One line, without its end. */
static int read_entry(struct manifest *manifest, const char *line)
{
        struct manifest_entry entry = { .path = NULL };
        int r;

        if (read_class(&line, &entry.class) < 0 || read_numbers(&line, &entry) < 0 ||
            read_attributes(&line, entry.attributes) < 0 || file_state_read(&line, &entry.state) < 0)
                return -EBADMSG;
        entry.path = line;
        r = manifest_set(manifest, &entry);
        return r == -EINVAL || r == -ENOSPC ? -EBADMSG : r;
}

static int read_lines(struct manifest *manifest, char *text)
{
        int r = 0;

        for (char *line = text, *end; r >= 0 && *line; line = end + 1) {
                end = strchr(line, '\n');
                if (!end)
                        return -EBADMSG;
                *end = '\0';
                r = read_entry(manifest, line);
        }
        return r;
}

/* One text for one manifest: no other spelling, no other order, nothing twice. */
static int check_letters(const struct manifest *manifest, const char *text, size_t size)
{
        _cleanup_free_ char *again = NULL;
        size_t length;
        int r = manifest_write(manifest, &again, &length);

        if (r < 0)
                return r;
        return length == size && memcmp(again, text, size) == 0 ? 0 : -EBADMSG;
}

int manifest_read(const char *text, size_t size, struct manifest **ret)
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        _cleanup_free_ char *copy = NULL;
        int r;

        if (size > TEXT_MAX || size < strlen(HEAD) || memcmp(text, HEAD, strlen(HEAD)) != 0 || memchr(text, '\0', size))
                return -EBADMSG;
        copy = strndup(text + strlen(HEAD), size - strlen(HEAD));
        r = copy ? manifest_new(&manifest) : -ENOMEM;
        if (r >= 0)
                r = read_lines(manifest, copy);
        if (r >= 0)
                r = check_letters(manifest, text, size);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(manifest);
        return 0;
}

int manifest_save(const struct manifest *manifest, const char *path, uint8_t ret[DIGEST_SIZE])
{
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = manifest_write(manifest, &text, &size);

        if (r >= 0)
                r = file_write_atomic(path, text, size, 0600);
        if (r >= 0)
                digest_whole(text, size, ret);
        return r;
}

int manifest_load(const char *path, struct manifest **ret, uint8_t ret_digest[DIGEST_SIZE])
{
        _cleanup_(manifest_freep) struct manifest *manifest = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = file_read(path, TEXT_MAX, &text, &size);

        if (r >= 0)
                r = manifest_read(text, size, &manifest);
        if (r < 0)
                return r;
        digest_whole(text, size, ret_digest);
        *ret = TAKE_PTR(manifest);
        return 0;
}
