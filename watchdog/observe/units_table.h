#pragma once
/* Which units are governed, which files each of them has, and whose a file is by its place and name. */
#include "base/agent.h"
#include "observe/config_files.h"

#define UNIT_FOLDERS_MAX 16

struct governed {
        char *name;
        char *fragment;   /* NULL: systemd has not told yet, "": it has none */
        char **elsewhere; /* files outside of the folders: what a link leads to, a source, a drop-in of an alias */
        size_t elsewhere_n;
        bool fresh;   /* not looked at yet: whatever files it has, it has them from the start */
        bool looked;  /* a look is under way that began when it was here */
        bool settled; /* all its files were seen in this run */
        bool heard;   /* systemd gave its word on it since it read all units last: */
        bool stale;   /* its files are younger than what is in force */
        bool gone;    /* not loaded: nothing of it is in force */
};

struct units_table {
        const struct config_files *files;
        char *folders[UNIT_FOLDERS_MAX]; /* without links, the first winning */
        unsigned folders_n;
        struct governed **list; /* by name */
        size_t n, room;
};

/* A unit as systemd has it. Loans. */
struct unit_files {
        const char *name;
        const char *fragment, *source; /* "" where it has none */
        char *const *drop_ins;         /* NULL: none */
        bool stale;                    /* systemd's word: the files are younger than what is in force */
};

void units_table_done(struct units_table *table);

/* A folder that systemd looks into, behind those that are there; what it makes there itself is left out. 1: it is a new one. */
int units_table_add_folder(struct units_table *table, const char *folder);

struct governed *units_table_find(const struct units_table *table, const char *name);
int units_table_add(struct units_table *table, const char *name, struct governed **ret);
void units_table_remove(struct units_table *table, struct governed *unit);

/* Takes over which files it has; 1 when they are others than before. */
int units_table_take_files(const struct units_table *table, struct governed *unit, const struct unit_files *files);

/* The units whose file it is: wanted when there are any, known when any of them was looked at before. */
struct unit_users {
        unsigned n;
        const struct governed *first;
        bool all_heard, any_stale, any_known, any_settled;
};

struct unit_users units_table_users(const struct units_table *table, const char *path);

/* The agent that alone has it; "" when several share it. */
void unit_users_agent(const struct unit_users *users, char ret_agent[AGENT_ID_MAX]);

/* systemctl set-property writes there, and what it writes is in force already. */
bool unit_file_is_in_force_at_once(const char *path);
