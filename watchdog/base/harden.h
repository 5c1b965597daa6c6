#pragma once
/* What an agent's unit is taken away so that the agent can change only its own files: settings under systemd's own names. Pure. */
#include <stdbool.h>
#include <stddef.h>

enum harden_key {
        HARDEN_USER,
        HARDEN_NO_NEW_PRIVILEGES,
        HARDEN_CAPABILITIES,
        HARDEN_AMBIENT,
        HARDEN_SYSTEM,
        HARDEN_WRITE,
        HARDEN_GUARD,
        HARDEN_HIDDEN,
        HARDEN_DEVICES,
        HARDEN_TMP,
        HARDEN_PROC,
        HARDEN_CGROUPS,
        HARDEN_MODULES,
        HARDEN_TUNABLES,
        HARDEN_LOGS,
        HARDEN_CLOCK,
        HARDEN_HOSTNAME,
        HARDEN_NAMESPACES,
        HARDEN_SUID,
        HARDEN_REALTIME,
        HARDEN_PERSONALITY,
        HARDEN_KEYRING,
        HARDEN_ARCHITECTURES,
        HARDEN_CALLS,
        HARDEN_ERROR,
        HARDEN_KEY_N,
};

/* A row of the table. `value` NULL: it depends on the agent. */
struct harden_row {
        const char *name;
        const char *value;
        bool list; /* several assignments add up; an empty one takes back what was set before */
        const char *why;
};

const struct harden_row *harden_row(enum harden_key key);
bool harden_key_from_name(const char *name, enum harden_key *ret);

/* Whether a user name or a path can stand in a unit file as it is: no blank, quote, '%', '\\' or control character. */
#define HARDEN_USER_MAX 33
bool harden_user_fits(const char *user);
bool harden_path_fits(const char *path);

/* What is the agent's own. All are loans; lists are separated by blanks, "" none. */
struct harden {
        const char *user; /* NULL: the unit's own */
        bool hide_bus;    /* D-Bus: for root always, since systemd starts anything for root */
        const char *write, *guard, *hide;
};

/* The value of that setting; "" for one that is not set, but for the capabilities, which are set to nothing. */
#define HARDEN_VALUE_MAX 2048
char *harden_value(const struct harden *harden, enum harden_key key, char buffer[HARDEN_VALUE_MAX]);
bool harden_sets(const struct harden *harden, enum harden_key key);

/* Whether a value in force is as good as the wanted one: "true" for "yes", another name of the same. */
bool harden_same(const char *wanted, const char *in_force);

/* The settings as a section of a unit file. Returns `buffer`. */
#define HARDEN_TEXT_MAX 8192
char *harden_text(const struct harden *harden, char buffer[HARDEN_TEXT_MAX]);
