#pragma once
/* Who mounted what, from fanotify's mount events (Linux 6.14). For mounts.c alone. */
#include <sys/types.h>

struct mounters;

/* -EINVAL: this kernel does not tell; -EPERM: not us. */
int mounters_new(struct mounters **ret);
struct mounters *mounters_free(struct mounters *mounters);

/* Takes what was told; the newest 64 are kept. All of these take NULL for "not told". */
void mounters_take(struct mounters *mounters);

/* Who made the mount that is seen at this place; 0: not known. */
pid_t mounters_find(const struct mounters *mounters, const char *point);
