#include "guard/places.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void identity_of_handle(struct identity *identity, const void *fsid, const void *handle, uint32_t handle_bytes,
                        int32_t handle_type)
{
        uint8_t *at = identity->bytes;

        assert(handle_bytes <= 128);
        memcpy(at, fsid, 8);
        memcpy(at + 8, &handle_type, sizeof(handle_type));
        memcpy(at + 12, handle, handle_bytes);
        identity->size = (uint8_t)(12 + handle_bytes);
}

void identity_of_descriptor(struct identity *identity, int wd)
{
        memcpy(identity->bytes, &wd, sizeof(wd));
        identity->size = sizeof(wd);
}

bool place_is(const struct place *place, const struct identity *identity)
{
        return place->identity_size == identity->size && memcmp(place->identity, identity->bytes, identity->size) == 0;
}

/* FNV-1a, as text_hash(), of bytes that may be NUL. */
static uint32_t hash(const uint8_t *bytes, size_t size)
{
        uint32_t sum = 2166136261U;

        for (size_t n = 0; n < size; n++)
                sum = (sum ^ bytes[n]) * 16777619U;
        return sum;
}

static struct place **head_by_path(const struct places *places, const char *path)
{
        return &places->by_path[text_hash(path) & (places->room - 1)];
}

static struct place **head_by_identity(const struct places *places, const uint8_t *bytes, size_t size)
{
        return &places->by_identity[hash(bytes, size) & (places->room - 1)];
}

void places_done(struct places *places)
{
        for (uint32_t n = 0; n < places->room; n++)
                for (struct place *place = places->by_path[n], *next; place; place = next) {
                        next = place->next_by_path;
                        free(place);
                }
        free(places->by_path);
        free(places->by_identity);
        *places = (struct places){ 0 };
}

struct place *places_find(const struct places *places, const char *path)
{
        struct place *place = places->room ? *head_by_path(places, path) : NULL;

        while (place && strcmp(place->path, path) != 0)
                place = place->next_by_path;
        return place;
}

static struct place *next_known(struct place *place, const struct identity *identity)
{
        while (place && !place_is(place, identity))
                place = place->next_by_identity;
        return place;
}

struct place *places_known(const struct places *places, const struct identity *identity)
{
        if (!places->room)
                return NULL;
        return next_known(*head_by_identity(places, identity->bytes, identity->size), identity);
}

struct place *places_next(const struct place *place, const struct identity *identity)
{
        return next_known(place->next_by_identity, identity);
}

static void link_in(struct places *places, struct place *place)
{
        struct place **by_path = head_by_path(places, place->path);
        struct place **by_identity = head_by_identity(places, place->identity, place->identity_size);

        place->next_by_path = *by_path;
        *by_path = place;
        place->next_by_identity = *by_identity;
        *by_identity = place;
}

static int grow(struct places *places)
{
        struct places wider = { .room = places->room ? 2 * places->room : 64, .n = places->n };

        wider.by_path = calloc(wider.room, sizeof(struct place *));
        wider.by_identity = calloc(wider.room, sizeof(struct place *));
        if (!wider.by_path || !wider.by_identity) {
                free(wider.by_path);
                free(wider.by_identity);
                return -ENOMEM;
        }
        for (uint32_t n = 0; n < places->room; n++)
                for (struct place *place = places->by_path[n], *next; place; place = next) {
                        next = place->next_by_path;
                        link_in(&wider, place);
                }
        free(places->by_path);
        free(places->by_identity);
        *places = wider;
        return 0;
}

int places_add(struct places *places, const char *path, const struct identity *identity, struct place **ret)
{
        size_t size = strlen(path) + 1;
        struct place *place;

        if (places->n == places->room && grow(places) < 0)
                return -ENOMEM;
        place = calloc(1, sizeof(*place) + size + identity->size);
        if (!place)
                return -ENOMEM;
        place->path = memcpy(place->bytes, path, size);
        place->identity = memcpy(place->bytes + size, identity->bytes, identity->size);
        place->identity_size = identity->size;
        link_in(places, place);
        places->n++;
        *ret = place;
        return 0;
}

void places_remove(struct places *places, struct place *place)
{
        struct place **at = head_by_path(places, place->path);

        while (*at != place)
                at = &(*at)->next_by_path;
        *at = place->next_by_path;
        at = head_by_identity(places, place->identity, place->identity_size);
        while (*at != place)
                at = &(*at)->next_by_identity;
        *at = place->next_by_identity;
        places->n--;
        free(place);
}
