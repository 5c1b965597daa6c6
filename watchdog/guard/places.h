#pragma once
/* What is watched: found by its path, and by how the kernel names it in an event. For watch.c alone. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the kernel names a file: its file system and its handle (fanotify), or a watch descriptor (inotify). */
#define IDENTITY_MAX (2 * sizeof(uint32_t) + sizeof(uint32_t) + 128) /* the kernel's MAX_HANDLE_SZ is 128 */

struct identity {
        uint8_t size;
        uint8_t bytes[IDENTITY_MAX];
};

/* Identities are the handle's type and bytes behind the file system's two words; an inotify one is just its descriptor. */
void identity_of_handle(struct identity *identity, const void *fsid, const void *handle, uint32_t handle_bytes,
                        int32_t handle_type);
void identity_of_descriptor(struct identity *identity, int wd);

struct place {
        struct place *next_by_path, *next_by_identity;
        const char *path;
        const uint8_t *identity;
        unsigned roles; /* bits by enum watch_role */
        bool by_inotify;
        bool gone; /* what was watched here is no more: nothing is heard until it is armed again */
        uint8_t identity_size;
        char bytes[]; /* the path with its NUL, then the identity: just as long as they are, there are thousands */
};

struct places {
        struct place **by_path, **by_identity;
        uint32_t room, n; /* room is a power of two */
};

void places_done(struct places *places);
struct place *places_find(const struct places *places, const char *path);

/* The first with this identity, then the next one after `place`; NULL behind the last. */
struct place *places_known(const struct places *places, const struct identity *identity);
struct place *places_next(const struct place *place, const struct identity *identity);
bool place_is(const struct place *place, const struct identity *identity);

/* There must be none with this path. -ENOMEM. */
int places_add(struct places *places, const char *path, const struct identity *identity, struct place **ret);
void places_remove(struct places *places, struct place *place);
