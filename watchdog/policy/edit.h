#pragma once
/* Changes a policy file where its parser says that something stands, and nothing else in it: comments and layout stay. */
#include <stddef.h>

#include "policy/policy.h"

struct edit;

/* The file's text is copied. -EINVAL: it cannot be read as a policy. */
int edit_new(const char *text, size_t size, struct edit **ret);
struct edit *edit_free(struct edit *edit);

/* Each of these changes one thing, or nothing and returns a negative errno: -ENOENT, there is no such place; -EINVAL, it
 * stands there in a form that is not for a program to change. `rule` counts the rules of the file from 0. */
int edit_rule_class(struct edit *edit, unsigned rule, const char *class_name);
int edit_rule_key(struct edit *edit, unsigned rule, const char *key, const char *value); /* as it is to stand there */

bool edit_has_class(const struct edit *edit, const char *class_name);

/* The class's ceiling. A class that this file does not have is made, and then `of` says whose memory it is. */
int edit_class_ceiling(struct edit *edit, const char *class_name, uint64_t bytes, enum memory_of of);

/* The text as it would be. Allocated. */
int edit_text(const struct edit *edit, char **ret);

/* A unified diff, as patch -p0 and git apply -p0 take it; "" when nothing was changed. Allocated. */
int edit_diff(const struct edit *edit, const char *path, char **ret);
