#pragma once
/* Memory for everything that one policy (or one run's messages) is made of: given piece by piece, freed at once. */
#include <stdbool.h>
#include <stddef.h>

struct policy_arena;

struct policy_arena *arena_new(void);
struct policy_arena *arena_free(struct policy_arena *arena);

/* Zeroed; NULL when memory is out, and arena_failed() stays true from then on. */
void *arena_take(struct policy_arena *arena, size_t size);
bool arena_failed(const struct policy_arena *arena);

/* Text of that many bytes with a NUL behind it. */
char *arena_text(struct policy_arena *arena, const char *from, size_t length);
