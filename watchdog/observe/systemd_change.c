#include "observe/systemd_change.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "io/cleanup.h"

#define AT(member) offsetof(struct systemd_change, member)

struct row {
        const char *name;
        const char *type; /* D-Bus signature of the variant */
        size_t offset;
};

/* clang-format off */
static const struct row rows[PROPERTY_N] = {
        [PROPERTY_ACTIVE_STATE]      = { "ActiveState",                     "s",              AT(active) },
        [PROPERTY_SUB_STATE]         = { "SubState",                        "s",              AT(sub) },
        [PROPERTY_LOAD_STATE]        = { "LoadState",                       "s",              AT(load) },
        [PROPERTY_FREEZER_STATE]     = { "FreezerState",                    "s",              AT(freezer) },
        [PROPERTY_FRAGMENT_PATH]     = { "FragmentPath",                    "s",              AT(fragment) },
        [PROPERTY_REQUIRES]          = { "Requires",                        "as",             AT(requires) },
        [PROPERTY_BINDS_TO]          = { "BindsTo",                         "as",             AT(binds_to) },
        [PROPERTY_PART_OF]           = { "PartOf",                          "as",             AT(part_of) },
        [PROPERTY_JOB]               = { "Job",                             "(uo)",           AT(job) },
        [PROPERTY_START_LIMIT_BURST] = { "StartLimitBurst",                 "u",              AT(start_limit_burst) },
        [PROPERTY_TYPE]              = { "Type",                            "s",              AT(type) },
        [PROPERTY_MAIN_PID]          = { "MainPID",                         "u",              AT(main_pid) },
        [PROPERTY_N_RESTARTS]        = { "NRestarts",                       "u",              AT(restarts) },
        [PROPERTY_RESULT]            = { "Result",                          "s",              AT(result) },
        [PROPERTY_EXEC_MAIN_PID]     = { "ExecMainPID",                     "u",              AT(exec_main_pid) },
        [PROPERTY_EXEC_MAIN_STARTED] = { "ExecMainStartTimestampMonotonic", "t",              AT(exec_main_started) },
        [PROPERTY_EXEC_MAIN_CODE]    = { "ExecMainCode",                    "i",              AT(exec_main_code) },
        [PROPERTY_EXEC_MAIN_STATUS]  = { "ExecMainStatus",                  "i",              AT(exec_main_status) },
        [PROPERTY_EXEC_START]        = { "ExecStart",                       "a(sasbttttuii)", AT(exec_start) },
        [PROPERTY_CONTROL_GROUP]     = { "ControlGroup",                    "s",              AT(control_group) },
        [PROPERTY_SOURCE_PATH]       = { "SourcePath",                      "s",              AT(source) },
        [PROPERTY_DROP_IN_PATHS]     = { "DropInPaths",                     "as",             AT(drop_ins) },
        [PROPERTY_NEED_RELOAD]       = { "NeedDaemonReload",                "b",              AT(need_reload) },
};
/* clang-format on */

static const struct row *row_of(const char *name)
{
        for (size_t i = 0; i < PROPERTY_N; i++)
                if (strcmp(rows[i].name, name) == 0)
                        return &rows[i];
        return NULL;
}

/* The path of the first command; the rest of the line may hold secrets and is never looked at. */
static int read_command(sd_bus_message *message, const char **ret)
{
        const char *path = "";
        int r;

        r = sd_bus_message_enter_container(message, 'a', "(sasbttttuii)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'r', "sasbttttuii")) > 0) {
                const char *one;

                r = sd_bus_message_read(message, "s", &one);
                if (r < 0)
                        return r;
                if (!*path)
                        path = one;
                if ((r = sd_bus_message_skip(message, "asbttttuii")) < 0 ||
                    (r = sd_bus_message_exit_container(message)) < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = path;
        return sd_bus_message_exit_container(message);
}

static int read_job(sd_bus_message *message, uint32_t *ret)
{
        const char *path;

        return sd_bus_message_read(message, "(uo)", ret, &path);
}

static void list_free(char **list)
{
        for (char **one = list; one && *one; one++)
                free(*one);
        free(list);
}

static int read_list(sd_bus_message *message, char ***ret)
{
        char **list = NULL;
        int r = sd_bus_message_read_strv(message, &list);

        if (r < 0)
                return r;
        list_free(*ret); /* the same name twice: the later one counts */
        *ret = list;
        return 0;
}

static int read_value(sd_bus_message *message, const struct row *row, struct systemd_change *change)
{
        void *into = (char *)change + row->offset;

        if (strcmp(row->type, "as") == 0)
                return read_list(message, into);
        if (row->type[0] == '(')
                return read_job(message, into);
        if (row->type[0] == 'a')
                return read_command(message, into);
        return sd_bus_message_read_basic(message, row->type[0], into);
}

static int read_property(sd_bus_message *message, struct systemd_change *change)
{
        const struct row *row;
        const char *name, *contents;
        char type;
        int r;

        if ((r = sd_bus_message_read(message, "s", &name)) < 0 ||
            (r = sd_bus_message_peek_type(message, &type, &contents)) < 0)
                return r;
        row = type == SD_BUS_TYPE_VARIANT ? row_of(name) : NULL;
        if (!row || strcmp(row->type, contents) != 0)
                return sd_bus_message_skip(message, "v");
        if ((r = sd_bus_message_enter_container(message, 'v', contents)) < 0 ||
            (r = read_value(message, row, change)) < 0)
                return r;
        change->has |= UINT32_C(1) << (row - rows);
        return sd_bus_message_exit_container(message);
}

int systemd_change_read(sd_bus_message *message, struct systemd_change *ret)
{
        _cleanup_(systemd_change_done) struct systemd_change change = { .has = 0 };
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0)
                if ((r = read_property(message, &change)) < 0 || (r = sd_bus_message_exit_container(message)) < 0)
                        return r;
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(message);
        if (r < 0)
                return r;
        *ret = change;
        change = (struct systemd_change){ .has = 0 };
        return 0;
}

void systemd_change_done(struct systemd_change *change)
{
        list_free(change->requires);
        list_free(change->binds_to);
        list_free(change->part_of);
        list_free(change->drop_ins);
        change->requires = change->binds_to = change->part_of = change->drop_ins = NULL;
}
