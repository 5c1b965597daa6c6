#pragma once
/* YAML as a plain tree with places: built from libyaml's events, without anchors, aliases, tags or merge keys. */
#include "policy/complain.h"

enum node_kind {
        NODE_SCALAR,
        NODE_LIST,
        NODE_MAPPING,
        NODE_REFUSED, /* was complained of already */
};

struct node {
        enum node_kind kind;
        bool quoted;
        bool cut;  /* the YAML broke off inside of it */
        bool flow; /* of a list or mapping: in brackets */
        struct place place;
        unsigned end_line, end_column; /* behind a scalar or a closing bracket; a block ends nowhere */
        const char *text;              /* of a scalar */
        struct node *first;            /* of a list: items; of a mapping: scalars that are keys */
        struct node *next;
        struct node *value;    /* of a key */
        const struct key *row; /* of a key, once the table has it */
};

/* The root of the source's one document; NULL when it is empty or nothing of it could be read. 0 or -ENOMEM. */
int tree_read(struct source *source, struct complaints *complaints, struct policy_arena *arena, struct node **ret);

/* The value of a key in a mapping, or NULL. */
const struct node *node_value(const struct node *mapping, const char *key);
