#pragma once
/* Watches folders with inotify, so that a change is heard at once; says which of them it cannot watch. */
#include <stdbool.h>
#include <stdint.h>

#define CONFIG_WATCHES_MAX 4096 /* folders */

struct config_watch {
        int fd; /* of inotify; negative: there is none */
        struct {
                int wd;
                char *path; /* NULL: no longer watched */
        } * list;           /* by descriptor: the kernel gives them in rising order */
        uint32_t n, room;
};

int config_watch_init(struct config_watch *watch);
void config_watch_done(struct config_watch *watch);

/* Watches the folder; 0, or a negative errno when changes in it will not be heard. -EOPNOTSUPP: its file system has them made
 * elsewhere. */
int config_watch_folder(struct config_watch *watch, const char *path);

/*
 * Takes what was heard: `heard` once a name in a folder; `is_folder`: whatever is in there may be new. False: something was
 * lost, or a watched folder is no longer what it was, and everything has to be looked at.
 */
bool config_watch_take(struct config_watch *watch,
                       void (*heard)(void *self, const char *folder, const char *name, bool is_folder), void *self);
