#pragma once
/* What a D-Bus message says about a unit: the properties that matter, taken from PropertiesChanged or GetAll. */
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

enum systemd_property {
        PROPERTY_ACTIVE_STATE,
        PROPERTY_SUB_STATE,
        PROPERTY_LOAD_STATE,
        PROPERTY_FREEZER_STATE,
        PROPERTY_FRAGMENT_PATH,
        PROPERTY_REQUIRES,
        PROPERTY_BINDS_TO,
        PROPERTY_PART_OF,
        PROPERTY_JOB,
        PROPERTY_START_LIMIT_BURST,
        PROPERTY_TYPE,
        PROPERTY_MAIN_PID,
        PROPERTY_N_RESTARTS,
        PROPERTY_RESULT,
        PROPERTY_EXEC_MAIN_PID,
        PROPERTY_EXEC_MAIN_STARTED,
        PROPERTY_EXEC_MAIN_CODE,
        PROPERTY_EXEC_MAIN_STATUS,
        PROPERTY_EXEC_START,
        PROPERTY_CONTROL_GROUP,
        PROPERTY_SOURCE_PATH,
        PROPERTY_DROP_IN_PATHS,
        PROPERTY_NEED_RELOAD,
        PROPERTY_N,
};

/* Strings are loans from the message; lists are our own. A member is valid when its bit in `has` is set. */
struct systemd_change {
        uint32_t has;
        const char *active, *sub, *load, *freezer, *fragment, *source, *type, *result, *exec_start, *control_group;
        char **requires, **binds_to, **part_of, **drop_ins;
        int need_reload; /* the files are younger than what is in force, as far as systemd looks */
        uint32_t job;    /* id, 0 none */
        uint32_t start_limit_burst;
        uint32_t main_pid, exec_main_pid;
        uint32_t restarts;
        uint64_t exec_main_started; /* CLOCK_MONOTONIC */
        int32_t exec_main_code;     /* CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0 while it runs */
        int32_t exec_main_status;
};

static inline bool systemd_change_has(const struct systemd_change *change, enum systemd_property property)
{
        return change->has & (UINT32_C(1) << property);
}

/* Reads an a{sv} at the message's position. Unknown names and unexpected types are skipped; a broken message is an error. */
int systemd_change_read(sd_bus_message *message, struct systemd_change *ret);
void systemd_change_done(struct systemd_change *change);
