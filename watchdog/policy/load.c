/* Files to policy: which ones, in which order, and what is wrong with a file before it is YAML. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "policy/check.h"

#define FILE_BYTES_MAX (1024 * 1024)
#define FILES_MAX 1000

struct load {
        struct check check;
        struct rule blank;
        struct source **tail;
        unsigned files;
};

static void load_done(struct load *load)
{
        if (!load->check.loaded)
                return;
        for (struct source *source = load->check.loaded->sources; source; source = source->next) {
                free(source->bytes);
                source->bytes = NULL;
        }
        arena_free(load->check.complaints.arena);
        arena_free(load->check.loaded->policy.arena);
        load->check.loaded = NULL;
}

static int load_init(struct load *load)
{
        struct policy_arena *arena = arena_new();
        struct loaded *loaded;
        int r;

        *load = (struct load){ 0 };
        if (!arena)
                return -ENOMEM;
        loaded = arena_take(arena, sizeof(*loaded));
        if (!loaded) {
                arena_free(arena);
                return -ENOMEM;
        }
        loaded->policy.arena = arena;
        load->check.loaded = loaded;
        load->tail = &loaded->sources;
        r = check_init(&load->check, loaded);
        if (r >= 0)
                r = check_unset(&load->check, &load->blank);
        if (r < 0)
                load_done(load);
        return r;
}

static struct source *source_new(struct load *load, const char *name, bool config)
{
        struct policy_arena *arena = load->check.arena;
        struct source *source = arena_take(arena, sizeof(*source));

        if (!source)
                return NULL;
        source->name = arena_text(arena, name, strlen(name));
        if (!source->name)
                return NULL;
        source->config = config;
        source->index = load->files++;
        *load->tail = source;
        load->tail = &source->next;
        return source;
}

/* ---- bytes ---------------------------------------------------------------------------------------------------------- */

/* Bytes of one well-formed UTF-8 character, 0 for anything else. Overlong forms and surrogates are libyaml's to refuse too. */
static size_t utf8_length(const unsigned char *at, size_t left)
{
        size_t length = at[0] < 0x80                    ? 1
                        : at[0] >= 0xC2 && at[0] < 0xE0 ? 2
                        : (at[0] & 0xF0) == 0xE0        ? 3
                        : at[0] >= 0xF0 && at[0] < 0xF5 ? 4
                                                        : 0;

        if (length == 0 || length > left)
                return 0;
        for (size_t i = 1; i < length; i++)
                if ((at[i] & 0xC0) != 0x80)
                        return 0;
        if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF0 && at[1] < 0x90) ||
            (at[0] == 0xF4 && at[1] > 0x8F))
                return 0;
        return length;
}

/* NUL, other control characters and what is not UTF-8 are told by place before the YAML parser sees them. */
static bool bytes_are_text(struct check *check, const struct source *source)
{
        struct place place = { source, 1, 1, 1 };

        for (size_t i = 0, length; i < source->size; i += length) {
                unsigned char byte = (unsigned char)source->bytes[i];

                length = utf8_length((const unsigned char *)source->bytes + i, source->size - i);
                if (length == 0) {
                        complain(&check->complaints, &place, "byte 0x%02x is not UTF-8; save the file as UTF-8", byte);
                        return false;
                }
                if (byte == 0) {
                        complain(&check->complaints, &place, "a NUL byte: this is not a text file");
                        return false;
                }
                if ((byte < 0x20 && !strchr("\t\n\r", byte)) || byte == 0x7F) {
                        complain(&check->complaints, &place, "a control character (0x%02x)", byte);
                        return false;
                }
                if (byte == '\n')
                        place.line++, place.column = 1;
                else
                        place.column++;
        }
        return true;
}

/* Takes the bytes, which must be from malloc(). */
static int load_bytes(struct load *load, struct source *source, char *bytes, size_t size)
{
        struct check *check = &load->check;
        struct node *root = NULL;
        int r;

        source->bytes = bytes;
        source->size = size;
        if (!bytes_are_text(check, source)) {
                source->cut = true;
                return 0;
        }
        r = tree_read(source, &check->complaints, check->arena, &root);
        if (r < 0)
                return r;
        if (root)
                check_file(check, root, &load->blank);
        return arena_failed(check->arena) ? -ENOMEM : 0;
}

/* ---- files ---------------------------------------------------------------------------------------------------------- */

/* Complains about the file as a whole. */
static void refuse_file(struct load *load, struct source *source, const char *why)
{
        struct place whole = { .source = source };

        source->cut = true;
        complain(&load->check.complaints, &whole, "%s", why);
}

/* Whoever may write a policy decides what root does. */
static void check_permissions(struct load *load, const struct source *source, const struct stat *st)
{
        struct place whole = { .source = source };

        if (st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IWOTH)))
                warn_of(&load->check.complaints, &whole, "%s may write to this file of root's; type: chmod go-w '%s'",
                        st->st_mode & S_IWOTH ? "everybody" : "its group", source->name);
}

/* 0 and the bytes (at most one more than allowed), or a negative errno. */
static int read_all(int fd, char **ret, size_t *ret_size)
{
        char *bytes = malloc(FILE_BYTES_MAX + 2);
        size_t size = 0;

        if (!bytes)
                return -ENOMEM;
        while (size <= FILE_BYTES_MAX) {
                ssize_t n = read(fd, bytes + size, FILE_BYTES_MAX + 1 - size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        int r = -errno;

                        free(bytes);
                        return r;
                }
                if (n == 0)
                        break;
                size += (size_t)n;
        }
        bytes[size] = '\0';
        *ret = bytes;
        *ret_size = size;
        return 0;
}

static int load_open_file(struct load *load, struct source *source, int fd)
{
        struct stat st;
        char *bytes = NULL, text[128];
        size_t size = 0;
        int r;

        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                refuse_file(load, source, "not a regular file");
                return 0;
        }
        check_permissions(load, source, &st);
        r = read_all(fd, &bytes, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                snprintf(text, sizeof(text), "cannot be read: %s", strerror(-r));
                refuse_file(load, source, text);
                return 0;
        }
        if (size > FILE_BYTES_MAX) {
                free(bytes);
                refuse_file(load, source, "larger than 1 MiB: this is no policy");
                return 0;
        }
        char *fitting = realloc(bytes, size + 1);

        return load_bytes(load, source, fitting ? fitting : bytes, size);
}

static int load_file(struct load *load, const char *name, bool config, bool may_be_absent)
{
        struct source *source;
        char text[128];
        int fd, r;

        fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO must not hold us up */
        if (fd < 0 && errno == ENOENT && may_be_absent)
                return 0;
        r = fd < 0 ? errno : 0;
        source = source_new(load, name, config);
        if (!source) {
                if (fd >= 0)
                        close(fd);
                return -ENOMEM;
        }
        if (fd < 0) {
                snprintf(text, sizeof(text), "cannot be opened: %s", strerror(r));
                refuse_file(load, source, text);
                return 0;
        }
        r = load_open_file(load, source, fd);
        close(fd);
        return r;
}

static int is_policy_name(const struct dirent *entry)
{
        return entry->d_name[0] != '.' && (text_ends(entry->d_name, ".yaml") || text_ends(entry->d_name, ".yml"));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name); /* the same in every locale */
}

static int load_entry(struct load *load, const char *directory, const char *name)
{
        char *path;
        int r;

        if (asprintf(&path, "%s%s%s", directory, text_ends(directory, "/") ? "" : "/", name) < 0)
                return -ENOMEM;
        if (text_ends(name, ".yml")) {
                struct source *source = source_new(load, path, false);
                struct place whole = { .source = source };

                if (source)
                        warn_of(&load->check.complaints, &whole, "not read: the names of policies end in .yaml");
                r = source ? 0 : -ENOMEM;
        } else
                r = load_file(load, path, false, false);
        free(path);
        return r;
}

static int load_directory(struct load *load, const char *directory)
{
        struct dirent **entries;
        int n = scandir(directory, &entries, is_policy_name, by_name), r = 0;

        if (n < 0 && errno == ENOENT)
                return 0;
        if (n < 0) {
                char text[128];
                struct source *source;

                snprintf(text, sizeof(text), "cannot be listed: %s", strerror(errno));
                source = source_new(load, directory, false);
                if (!source)
                        return -ENOMEM;
                refuse_file(load, source, text);
                return 0;
        }
        for (int i = 0; i < n; i++) {
                if (r >= 0)
                        r = load_entry(load, directory, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        return r;
}

/* ---- the calls ------------------------------------------------------------------------------------------------------ */

static void settle_fallback(struct load *load)
{
        struct policy *policy = &load->check.loaded->policy;
        const struct setting *machine = load->check.loaded->settings[key_find(SECTION_TOP, "machine") - policy_keys];

        policy->fallback = load->blank;
        policy->fallback.name = "discovered";
        policy->fallback.pattern = "*";
        policy->fallback.mode = MODE_OBSERVE;
        policy->fallback.origin.file = "";
        policy->machine.origin.file = "";
        if (machine)
                policy->machine.origin =
                        (struct policy_origin){ machine->key->place.source->name, machine->key->place.line };
}

static int load_finish(struct load *load, struct policy **ret, struct policy_messages *ret_messages)
{
        struct loaded *loaded = load->check.loaded;
        struct policy_messages messages;
        int r;

        r = check_together(&load->check);
        if (r >= 0)
                r = complaints_finish(&load->check.complaints, &messages);
        if (r < 0) {
                load_done(load);
                return r;
        }
        settle_fallback(load);
        load->check.complaints.arena = NULL; /* the messages have it now */
        *ret_messages = messages;
        if (messages.errors > 0 || arena_failed(loaded->policy.arena)) {
                load_done(load);
                return -EINVAL;
        }
        *ret = &loaded->policy;
        loaded->policy.arena = load->check.arena;
        for (struct source *source = loaded->sources; source; source = source->next) {
                free(source->bytes);
                source->bytes = NULL;
        }
        return 0;
}

int policy_load(const char *config, const char *directory, struct policy **ret, struct policy_messages *ret_messages)
{
        struct load load;
        int r = load_init(&load);

        if (r >= 0 && config)
                r = load_file(&load, config, true, true);
        if (r >= 0 && directory)
                r = load_directory(&load, directory);
        if (r < 0) {
                load_done(&load);
                return r;
        }
        return load_finish(&load, ret, ret_messages);
}

static bool is_config_name(const char *path)
{
        const char *slash = strrchr(path, '/');

        return strcmp(slash ? slash + 1 : path, "governor.yaml") == 0;
}

int policy_load_files(const char *const *files, size_t n, struct policy **ret, struct policy_messages *ret_messages)
{
        struct load load;
        int r = load_init(&load);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = load_file(&load, files[i], is_config_name(files[i]), false);
        if (r < 0) {
                load_done(&load);
                return r;
        }
        return load_finish(&load, ret, ret_messages);
}

static int load_text(struct load *load, const char *name, const char *text, size_t size)
{
        struct source *source = source_new(load, name, is_config_name(name));
        char *copy = source ? malloc(size + 1) : NULL;

        if (!copy)
                return -ENOMEM;
        memcpy(copy, text, size);
        copy[size] = '\0';
        return load_bytes(load, source, copy, size);
}

int policy_load_texts(const struct policy_text *texts, size_t n, struct policy **ret,
                      struct policy_messages *ret_messages)
{
        struct load load;
        int r = load_init(&load);

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = load_text(&load, texts[i].name, texts[i].text, strlen(texts[i].text));
        if (r < 0) {
                load_done(&load);
                return r;
        }
        return load_finish(&load, ret, ret_messages);
}

int policy_load_text(const char *name, const char *text, size_t size, struct policy **ret,
                     struct policy_messages *ret_messages)
{
        struct load load;
        int r = load_init(&load);

        if (r >= 0)
                r = load_text(&load, name, text, size);
        if (r < 0) {
                load_done(&load);
                return r;
        }
        return load_finish(&load, ret, ret_messages);
}

int policy_discovered(struct policy **ret)
{
        struct policy_messages messages = { 0 };
        int r = policy_load(NULL, NULL, ret, &messages);

        policy_messages_done(&messages);
        return r;
}

struct policy *policy_free(struct policy *policy)
{
        if (policy)
                arena_free(policy->arena);
        return NULL;
}
