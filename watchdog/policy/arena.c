#include "policy/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 4000 /* a family's policy takes a handful */

struct chunk {
        struct chunk *next;
        size_t used, size;
        alignas(max_align_t) char bytes[];
};

struct policy_arena {
        struct chunk *chunks;
        bool failed;
};

struct policy_arena *arena_new(void)
{
        return calloc(1, sizeof(struct policy_arena));
}

struct policy_arena *arena_free(struct policy_arena *arena)
{
        if (!arena)
                return NULL;
        for (struct chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
                next = chunk->next;
                free(chunk);
        }
        free(arena);
        return NULL;
}

void *arena_take(struct policy_arena *arena, size_t size)
{
        struct chunk *chunk = arena->chunks;
        size_t rounded = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

        if (!chunk || chunk->size - chunk->used < rounded) {
                size_t room = rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES;

                chunk = calloc(1, sizeof(*chunk) + room);
                if (!chunk) {
                        arena->failed = true;
                        return NULL;
                }
                chunk->size = room;
                chunk->next = arena->chunks;
                arena->chunks = chunk;
        }
        chunk->used += rounded;
        return chunk->bytes + chunk->used - rounded;
}

bool arena_failed(const struct policy_arena *arena)
{
        return arena->failed;
}

char *arena_text(struct policy_arena *arena, const char *from, size_t length)
{
        char *text = arena_take(arena, length + 1);

        if (text)
                memcpy(text, from, length);
        return text;
}
