#pragma once
/* Reading JSON that may lack things: a field that is absent or of another type reads as empty. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* `path` may lead through objects: "machine.policy.files". NULL when it leads nowhere. */
const json_t *field(const json_t *object, const char *path);

const char *field_text(const json_t *object, const char *path); /* "" */
int64_t field_number(const json_t *object, const char *path);   /* 0; reals are cut */
bool field_true(const json_t *object, const char *path);        /* false */
bool field_given(const json_t *object, const char *path);       /* false for null too */
