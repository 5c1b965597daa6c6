#pragma once
/*
 * What PM2 has declared of an app, out of its own list or its saved one: script, arguments, limits, and the variables of its
 * environment by name. Values that may be secrets pass by and leave nothing but what stands for them (io/veil.h).
 */
#include "io/json_stream.h"
#include "io/outline.h"
#include "io/veil.h"

#define PM2_VARIABLES_MAX 2048 /* of one app; with more nothing is told of its environment but that */

/* Tags of the two objects that it reads, for the caller's table of fields; `members` must be set. */
enum pm2_declared_tag {
        PM2_DECLARED_APP = 1000, /* PM2's own settings, and all variables flattened among them */
        PM2_DECLARED_ENV,        /* the "env" within it: the variables that are surely some */
};

struct pm2_variable;

struct pm2_declared {
        struct veil *veil;
        struct outline outline;
        struct pm2_variable *variables;
        uint32_t variables_n, room;
        bool failed; /* out of memory */

        /* of the member under way */
        const struct pm2_setting *setting; /* NULL: it is a variable, */
        char name[OUTLINE_NAME_MAX];       /* of this name */
        bool in_env;
        char raw[OUTLINE_VALUE_MAX + 2]; /* as much of it as could be shown, in its quotes */
        uint8_t raw_length;              /* UINT8_MAX: it was longer */

        char app[OUTLINE_NAME_MAX], counter[OUTLINE_NAME_MAX]; /* variables that PM2 itself adds: not the app's */
};

/* The veil is a loan, and the reader's alone while an app is read. */
void pm2_declared_init(struct pm2_declared *declared, struct veil *veil);
void pm2_declared_done(struct pm2_declared *declared);

/* A new app begins; what was read of it, NULL when memory ended. */
void pm2_declared_begin(struct pm2_declared *declared);
char *pm2_declared_finish(struct pm2_declared *declared);

/* What a json_stream_sink hands over. */
bool pm2_declared_member(struct pm2_declared *declared, unsigned tag, const char *key);
void pm2_declared_raw(struct pm2_declared *declared, const char *data, size_t size);
int pm2_declared_member_end(struct pm2_declared *declared, enum json_stream_kind kind);
