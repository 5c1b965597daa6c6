#include "fake_systemd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "io/bus.h"
#include "io/cleanup.h"
#include "io/file.h"

#define GROUP "/system.slice/"

/* ---- its files -------------------------------------------------------------------------------------------------------- */

static void take_line(struct limits *limits, const char *line)
{
        for (enum limit limit = 0; limit < LIMIT_N; limit++) {
                const char *name = limit_name(limit), *value = line + strlen(name) + 1;
                uint64_t number;
                char *end;

                if (!text_starts(line, name) || line[strlen(name)] != '=')
                        continue;
                number = strtoull(value, &end, 10);
                if (limit == LIMIT_OOM_POLICY)
                        number = oom_policy_from_name(value);
                else if (*end == 'K')
                        number <<= 10;
                else if (*end == 'M')
                        number <<= 20;
                else if (*end == 'G')
                        number <<= 30;
                limits_put(limits, limit, number);
        }
}

static void read_file(struct fake_systemd *fake, enum limits_place place)
{
        _cleanup_free_ char *text = NULL;
        char path[LIMITS_PATH_MAX], full[512], *rest;

        assert_true(limits_path(place, fake->unit, path));
        snprintf(full, sizeof(full), "%s%s", fake->root, path);
        if (file_read(full, 65536, &text, NULL) < 0)
                return;
        fake->read |= 1u << place;
        rest = text;
        for (char *line; (line = strsep(&rest, "\n"));)
                take_line(&fake->in_force, line);
}

static void read_files(struct fake_systemd *fake)
{
        static const uint64_t nothing[LIMIT_N] = {
                [0 ... LIMIT_OOM_POLICY - 1] = LIMIT_INFINITY,
                [LIMIT_OOM_POLICY] = OOM_POLICY_STOP,
        };

        fake->read = 0;
        fake->in_force = (struct limits){ .place = LIMITS_NOWHERE };
        for (enum limit limit = 0; limit < LIMIT_N; limit++)
                limits_put(&fake->in_force, limit, nothing[limit]);
        limits_add(&fake->in_force, &fake->own);
        for (enum limits_place place = LIMITS_NOWHERE + 1; place < LIMITS_PLACE_N; place++)
                read_file(fake, place);
        limits_add(&fake->in_force, &fake->last_word);
}

/* ---- its kernel ------------------------------------------------------------------------------------------------------- */

static void put_file(struct fake_systemd *fake, const char *name, const char *text)
{
        char path[256];

        snprintf(path, sizeof(path), "%s%s", fake->cgroups, name);
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        fputs(text, file);
        fclose(file);
}

void fake_systemd_tell_kernel(struct fake_systemd *fake)
{
        static const char *const files[LIMIT_N] = { "memory.high", "memory.max", "memory.swap.max", "cpu.max", NULL };

        put_file(fake, "/cgroup.controllers", fake->no_controllers ? "\n" : "cpuset cpu io memory pids\n");
        for (enum limit limit = 0; limit < LIMIT_N; limit++) {
                uint64_t value = fake->in_force.value[limit];
                char name[256], number[32], text[64];

                if (!files[limit] || fake->no_controllers)
                        continue;
                snprintf(name, sizeof(name), GROUP "%s/%s", fake->unit, files[limit]);
                if (limit == LIMIT_CPU_QUOTA && value != LIMIT_INFINITY)
                        value *= 1000; /* of a period of 100,000 us */
                snprintf(number, sizeof(number), "%llu", (unsigned long long)value);
                snprintf(text, sizeof(text), "%s%s\n", value == LIMIT_INFINITY ? "max" : number,
                         limit == LIMIT_CPU_QUOTA ? " 100000" : "");
                put_file(fake, name, text);
        }
}

void fake_systemd_process(struct fake_systemd *fake, const char *pids)
{
        char name[256];

        snprintf(name, sizeof(name), GROUP "%s/cgroup.procs", fake->unit);
        put_file(fake, name, pids);
}

/* ---- what it answers ---------------------------------------------------------------------------------------------------- */

static void append_drop_ins(struct fake_systemd *fake, sd_bus_message *reply)
{
        char path[LIMITS_PATH_MAX];

        assert_true(sd_bus_message_open_container(reply, 'e', "sv") >= 0);
        assert_true(sd_bus_message_append(reply, "s", "DropInPaths") >= 0);
        assert_true(sd_bus_message_open_container(reply, 'v', "as") >= 0);
        assert_true(sd_bus_message_open_container(reply, 'a', "s") >= 0);
        assert_true(sd_bus_message_append(reply, "s", "/etc/systemd/system/lily.service.d/override.conf") >= 0);
        for (enum limits_place place = LIMITS_NOWHERE + 1; place < LIMITS_PLACE_N; place++)
                if (fake->read & 1u << place && limits_path(place, fake->unit, path))
                        assert_true(sd_bus_message_append(reply, "s", path) >= 0);
        for (unsigned n = 0; n < 3; n++)
                assert_true(sd_bus_message_close_container(reply) >= 0);
}

static int answer_all(struct fake_systemd *fake, sd_bus_message *call)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        static const char *const names[LIMIT_N] = { "MemoryHigh", "MemoryMax", "MemorySwapMax", "CPUQuotaPerSecUSec",
                                                    NULL };
        char group[256];

        snprintf(group, sizeof(group), GROUP "%s", fake->unit);
        assert_true(sd_bus_message_new_method_return(call, &reply) >= 0);
        assert_true(sd_bus_message_open_container(reply, 'a', "{sv}") >= 0);
        for (enum limit limit = 0; limit < LIMIT_N; limit++) {
                uint64_t value = fake->in_force.value[limit];

                if (limit == LIMIT_CPU_QUOTA && value != LIMIT_INFINITY)
                        value *= 10000;
                if (names[limit])
                        assert_true(sd_bus_message_append(reply, "{sv}", names[limit], "t", value) >= 0);
        }
        assert_true(sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}", "OOMPolicy", "s",
                                          oom_policy_name((enum oom_policy)fake->in_force.value[LIMIT_OOM_POLICY]),
                                          "LoadState", "s", fake->unknown ? "not-found" : "loaded", "ControlGroup", "s",
                                          fake->unknown ? "" : group, "MainPID", "u", 4711, "NeedDaemonReload", "b",
                                          false, "Environment", "as", 1, "KEY=sk-fixture") >= 0);
        append_drop_ins(fake, reply);
        assert_true(sd_bus_message_close_container(reply) >= 0);
        return sd_bus_send(NULL, reply, NULL);
}

void fake_systemd_answer(struct fake_systemd *fake)
{
        assert_non_null(fake->reloading);
        assert_true(sd_bus_reply_method_return(fake->reloading, NULL) >= 0);
        fake->reloading = sd_bus_message_unref(fake->reloading);
}

static int answer_reload(struct fake_systemd *fake, sd_bus_message *call)
{
        if (fake->refuses)
                return sd_bus_reply_method_errorf(call, SD_BUS_ERROR_LIMITS_EXCEEDED, "reloaded too often");
        fake->reloads++;
        read_files(fake);
        if (!fake->kernel_is_slow)
                fake_systemd_tell_kernel(fake);
        if (!fake->mute)
                return sd_bus_reply_method_return(call, NULL);
        fake->reloading = sd_bus_message_ref(call);
        return 1;
}

static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        struct fake_systemd *fake = userdata;

        (void)error;
        if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus", "Hello"))
                return sd_bus_reply_method_return(message, "s", ":1.7");
        if (sd_bus_message_is_method_call(message, "org.freedesktop.DBus.Properties", "GetAll"))
                return answer_all(fake, message);
        if (sd_bus_message_is_method_call(message, BUS_MANAGER, "Reload"))
                return answer_reload(fake, message);
        return 0;
}

/* ---- its door ----------------------------------------------------------------------------------------------------------- */

static int on_accept(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        struct fake_systemd *fake = userdata;
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        (void)source, (void)revents;
        assert_true(client >= 0);
        sd_bus_close_unref(fake->connection);
        assert_true(sd_bus_new(&fake->connection) >= 0);
        assert_true(sd_bus_set_fd(fake->connection, client, client) >= 0);
        assert_true(sd_bus_set_server(fake->connection, 1,
                                      SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, a, b, c, d, e, f, 10)) >= 0);
        assert_true(sd_bus_set_anonymous(fake->connection, 1) >= 0);
        assert_true(sd_bus_add_filter(fake->connection, NULL, on_message, fake) >= 0);
        assert_true(sd_bus_start(fake->connection) >= 0);
        assert_true(sd_bus_attach_event(fake->connection, fake->event, 0) >= 0);
        return 0;
}

void fake_systemd_listen(struct fake_systemd *fake)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        strcpy(address.sun_path, fake->socket);
        fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fake->listener, 4), 0);
        assert_true(sd_event_add_io(fake->event, &fake->accepting, fake->listener, EPOLLIN, on_accept, fake) >= 0);
}

void fake_systemd_leave(struct fake_systemd *fake)
{
        fake->reloading = sd_bus_message_unref(fake->reloading);
        fake->connection = sd_bus_close_unref(fake->connection);
        fake->accepting = sd_event_source_disable_unref(fake->accepting);
        fake->listener = close_fd(fake->listener);
        unlink(fake->socket);
}

void fake_systemd_open(struct fake_systemd *fake, sd_event *event, const char *unit)
{
        char path[256], address[128];

        *fake = (struct fake_systemd){ .directory = "/tmp/fake-systemd-XXXXXX",
                                       .event = sd_event_ref(event),
                                       .unit = unit };
        assert_non_null(mkdtemp(fake->directory));
        snprintf(fake->root, sizeof(fake->root), "%s/root", fake->directory);
        snprintf(fake->cgroups, sizeof(fake->cgroups), "%s/cgroups", fake->directory);
        snprintf(fake->socket, sizeof(fake->socket), "%s/bus", fake->directory);
        snprintf(path, sizeof(path), "%s" GROUP "%s", fake->cgroups, unit);
        assert_int_equal(file_make_directory(path, 0755), 0);
        snprintf(path, sizeof(path), "%s/etc/systemd/system", fake->root);
        assert_int_equal(file_make_directory(path, 0755), 0);
        snprintf(path, sizeof(path), "%s/run/systemd/system", fake->root);
        assert_int_equal(file_make_directory(path, 0755), 0);
        snprintf(address, sizeof(address), "unix:path=%s", fake->socket);
        assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", address, 1), 0);
        read_files(fake);
        fake_systemd_tell_kernel(fake);
        fake_systemd_process(fake, "");
        fake_systemd_listen(fake);
}

void fake_systemd_close(struct fake_systemd *fake)
{
        char command[128];

        fake_systemd_leave(fake);
        sd_event_unref(fake->event);
        snprintf(command, sizeof(command), "rm -rf '%s'", fake->directory);
        assert_int_equal(system(command), 0);
}
