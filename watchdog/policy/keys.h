#pragma once
/*
 * The key table: one row for each key a policy may hold. The parser, its messages, the JSON Schema and the reference in
 * governor-policy(5) are all made from it; a new key is a new row.
 */
#include "policy/policy.h"

enum section {
        SECTION_TOP,
        SECTION_DAEMON,
        SECTION_AUDIT,
        SECTION_MACHINE,
        SECTION_CPU,
        SECTION_ACTIONS,
        SECTION_CLASS,
        SECTION_MEMORY,
        SECTION_CLASS_CPU,
        SECTION_AGENT,
        SECTION_AGENT_CPU,
        SECTION_WINDOW,
        SECTION_HEALTH,
        SECTION_HEARTBEAT,
        SECTION_HEAL,
        SECTION_BACKOFF,
        SECTION_FILES,
        SECTION_APPROVE,
        SECTION_ACTION,
        SECTION_ACTION_APPROVE,
        SECTION_ALERT,
        SECTION_TELEGRAM,
        SECTION_WEBHOOK,
        SECTION_N,
};

enum form {
        FORM_SECTION,  /* a mapping of its own */
        FORM_SECTIONS, /* a list of mappings */
        FORM_NAMED,    /* mappings under names that the user chooses */
        FORM_WINDOWS,
        FORM_AMOUNTS, /* numbers under names that the user chooses */
        FORM_CHOICES, /* a list of words out of `most` */
        FORM_TEXTS,
        FORM_PATHS,
        FORM_CHOICE, /* one of the words in `most`, in the order of the enum it becomes */
        FORM_SWITCH,
        FORM_COUNT,
        FORM_SIZE,
        FORM_DURATION,
        FORM_DAYS,
        FORM_PERCENT,
        FORM_TEXT,
        FORM_UNIT,
        FORM_APP,
        FORM_URL,
        FORM_CREDENTIAL,
        FORM_CHAT,
        FORM_QUIET,
        FORM_N,
};

enum key_flags {
        KEY_REQUIRED = 1,
        KEY_EITHER = 2,      /* exactly one of the keys marked so is given */
        KEY_CONFIG_ONLY = 4, /* belongs in governor.yaml */
        KEY_NOT_YET = 8,     /* checked in full, acted on by a later version */
};

#define INTO_NOTHING SIZE_MAX

struct key {
        enum section section;
        const char *name;
        enum form form;
        enum section sub; /* of the forms that hold keys */
        size_t into,
                count; /* offsets in the section's struct (policy, rule, class, window); INTO_NOTHING: only checked */
        const char *unset; /* what holds when the key is not given, as it would be written; NULL nothing */
        const char *least, *most;
        unsigned flags;
        const char *doc;
};

struct section_title {
        const char *path;    /* "agents[].heal.backoff" */
        const char *noun;    /* "a rule", as messages say it */
        const char *example; /* for the reference */
};

/* One entry of `classes:`. */
struct class
{
        const char *name;
        struct memory_limits memory;
        struct cpu_limits cpu;
        const struct node *key;
        const struct node *replaced;
        struct class *next;
};

extern const struct key policy_keys[];
extern const unsigned policy_keys_n;
extern const struct section_title policy_sections[SECTION_N];

const struct key *key_find(enum section section, const char *name);
