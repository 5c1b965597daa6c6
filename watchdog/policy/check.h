#pragma once
/* Checks a tree against the key table and puts what it says where the table wants it. */
#include "policy/keys.h"
#include "policy/tree.h"

/* A key of a section of which there is one: what it was set to, newest first; lists grow instead, oldest first. */
struct setting {
        const struct node *key;
        struct setting *next;
};

struct rule_entry {
        struct rule rule;
        const struct node *node;
        struct rule_entry *next;
};

struct file_entry {
        struct file_rule rule;
        const struct node *node;
        struct file_entry *next;
};

struct action_entry {
        struct action_rule rule;
        const struct node *node;
        struct action_entry *next;
};

/* A policy with everything that explains where it came from. */
struct loaded {
        struct policy policy; /* first: the one is the other */
        struct source *sources;
        struct setting **settings; /* by row of the table */
        const struct node **unset; /* by row: what holds when nothing is given */
        struct class *classes;
        struct rule_entry *entries;
        unsigned entries_n;
        const struct node **rule_nodes; /* by rule */
        struct file_entry *files;
        unsigned files_n;
        const struct node **file_nodes; /* by file rule */
        struct action_entry *actions;
        unsigned actions_n;
        bool has_agents;
        const struct node *mode; /* of governor.yaml */
};

struct check {
        struct complaints complaints;
        struct policy_arena *arena;
        struct loaded *loaded;
        struct source *source;
        struct rule_entry **entries_tail;
        struct file_entry **files_tail;
        struct file_rule file_blank; /* the table's defaults */
        struct action_entry **actions_tail;
        struct action_rule action_blank; /* the table's defaults */
        struct not_yet {
                const struct node *first;
                unsigned n;
        } * not_yet;       /* by row, for the file at hand */
        bool not_yet_told; /* inside of something that was warned of already */
        bool in_unset;     /* the table's own defaults are read: nothing is noted */
};

int check_init(struct check *check, struct loaded *loaded);

/* Reads the table's defaults into a rule, the blank file rule and the policy. */
int check_unset(struct check *check, struct rule *ret_rule);

/* The root of one file. */
void check_file(struct check *check, const struct node *root, const struct rule *blank);

/* What only shows with all files read: classes, after, rules that never match. Fills policy->rules. 0 or -ENOMEM. */
int check_together(struct check *check);
