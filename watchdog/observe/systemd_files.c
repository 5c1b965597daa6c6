#include "observe/systemd_files.h"

#include "io/bus.h"
#include "observe/systemd_known.h"

static int on_folders(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct systemd_files *files = userdata;
        char **folders = NULL;

        files->asking = sd_bus_slot_unref(files->asking);
        if (!sd_bus_message_is_method_error(message, NULL) && sd_bus_message_enter_container(message, 'v', "as") > 0 &&
            sd_bus_message_read_strv(message, &folders) >= 0 && folders)
                files->sink->folders(files->sink->self, folders);
        strings_free(folders);
        return 0;
}

int systemd_files_ask(struct systemd_files *files, sd_bus *connection)
{
        if (!files->sink)
                return 0;
        return sd_bus_call_method_async(connection, &files->asking, BUS_SYSTEMD, BUS_OBJECT,
                                        "org.freedesktop.DBus.Properties", "Get", on_folders, files, "ss", BUS_MANAGER,
                                        "UnitPath");
}

void systemd_files_forget(struct systemd_files *files)
{
        files->asking = sd_bus_slot_unref(files->asking);
}

static const char *or_none(const char *text)
{
        return text ? text : "";
}

void systemd_files_tell(const struct systemd_files *files, const char *name, const struct systemd_change *change)
{
        const struct unit_files has = {
                .name = name,
                .fragment = or_none(change->fragment),
                .source = or_none(change->source),
                .drop_ins = change->drop_ins,
                .stale = change->need_reload,
        };

        if (files->sink)
                files->sink->has(files->sink->self, &has);
}

void systemd_files_lost(const struct systemd_files *files, const char *name, bool for_good)
{
        if (files->sink)
                files->sink->lost(files->sink->self, name, for_good);
}

void systemd_files_reloading(const struct systemd_files *files, bool active)
{
        if (files->sink)
                files->sink->reloading(files->sink->self, active);
}
