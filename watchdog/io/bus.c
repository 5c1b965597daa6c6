#include "io/bus.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "base/usec.h"
#include "io/cleanup.h"

#define SYSTEM_ADDRESS "unix:path=/run/dbus/system_bus_socket"
#define PRIVATE_ADDRESS "unix:path=/run/systemd/private"
#define RETRY_FIRST (50 * USEC_PER_MSEC)
#define RETRY_MOST (5 * USEC_PER_SEC)
#define CONNECT_MOST (3 * USEC_PER_SEC) /* a stopped dbus-daemon accepts and says nothing */

struct bus {
        sd_event *event;
        sd_event_source *timer; /* the next attempt, or the end of patience with this one */
        sd_bus *connection;
        sd_bus *given_up; /* closed by the loop: sd-bus aborts when one is closed in its own callback of a timeout */
        sd_event_source *closing;
        bool connected;
        bool private_next; /* what failed last is not what is tried next */
        usec_t retry;
        struct bus_watcher *watchers;
};

DEFINE_CLEANUP_FUNC(struct bus *, bus_free);

static void bus_arm(struct bus *bus, usec_t wait)
{
        (void)sd_event_source_set_time_relative(bus->timer, wait);
        (void)sd_event_source_set_enabled(bus->timer, SD_EVENT_ONESHOT);
}

static void give_up_connection(struct bus *bus)
{
        if (!bus->connection)
                return;
        (void)sd_bus_detach_event(bus->connection);
        sd_bus_close_unref(bus->given_up);
        bus->given_up = TAKE_PTR(bus->connection);
        (void)sd_event_source_set_enabled(bus->closing, SD_EVENT_ONESHOT);
}

static int on_given_up(sd_event_source *source, void *userdata)
{
        struct bus *bus = userdata;

        bus->given_up = sd_bus_close_unref(bus->given_up);
        return 0;
}

static void bus_drop(struct bus *bus, int reason)
{
        struct bus_watcher *next;

        bus->connected = false;
        give_up_connection(bus);
        bus_arm(bus, bus->retry);
        bus->retry = bus->retry * 2 < RETRY_MOST ? bus->retry * 2 : RETRY_MOST;
        for (struct bus_watcher *watcher = bus->watchers; watcher; watcher = next) {
                next = watcher->next;
                watcher->down(watcher->self, reason);
        }
}

void bus_reset(struct bus *bus, int reason)
{
        bus->private_next = geteuid() == 0 && !bus->private_next;
        bus_drop(bus, reason);
}

static int on_connected(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct bus *bus = userdata;
        struct bus_watcher *next;

        if (bus->connected || sd_bus_message_get_bus(message) != bus->connection)
                return 0;
        bus->connected = true;
        bus->retry = RETRY_FIRST;
        bus->private_next = false;
        (void)sd_event_source_set_enabled(bus->timer, SD_EVENT_OFF);
        for (struct bus_watcher *watcher = bus->watchers; watcher && bus->connected; watcher = next) {
                next = watcher->next;
                watcher->up(watcher->self, bus->connection);
        }
        return 0;
}

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
        struct bus *bus = userdata;

        if (sd_bus_message_get_bus(message) == bus->connection)
                bus_drop(bus, -ECONNRESET);
        return 0;
}

static int match_local(struct bus *bus, sd_bus *connection, const char *member, sd_bus_message_handler_t handler)
{
        return sd_bus_match_signal_async(connection, NULL, "org.freedesktop.DBus.Local", "/org/freedesktop/DBus/Local",
                                         "org.freedesktop.DBus.Local", member, handler, NULL, bus);
}

static int bus_open(struct bus *bus, bool private)
{
        _cleanup_(sd_bus_close_unrefp) sd_bus *connection = NULL;
        const char *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
        int r;

        r = sd_bus_new(&connection);
        if (r < 0)
                return r;
        address = private ? PRIVATE_ADDRESS : address ? address : SYSTEM_ADDRESS;
        if ((r = sd_bus_set_address(connection, address)) < 0 ||
            (r = sd_bus_set_bus_client(connection, !private)) < 0 ||
            (r = sd_bus_set_description(connection, "governor")) < 0 ||
            (r = sd_bus_set_connected_signal(connection, true)) < 0 ||
            (r = match_local(bus, connection, "Connected", on_connected)) < 0 ||
            (r = match_local(bus, connection, "Disconnected", on_disconnected)) < 0 ||
            (r = sd_bus_start(connection)) < 0 ||
            (r = sd_bus_attach_event(connection, bus->event, SD_EVENT_PRIORITY_NORMAL)) < 0)
                return r;
        bus->connection = TAKE_PTR(connection);
        return 0;
}

/* Time for another attempt, or the attempt under way took too long. */
static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct bus *bus = userdata;
        int r;

        if (bus->connection) {
                bus_reset(bus, -ETIMEDOUT);
                return 0;
        }
        r = bus_open(bus, bus->private_next);
        if (r < 0 && !bus->private_next && geteuid() == 0)
                r = bus_open(bus, true);
        if (r < 0) {
                bus->private_next = false;
                bus_drop(bus, r);
                return 0;
        }
        bus_arm(bus, CONNECT_MOST);
        return 0;
}

int bus_new(sd_event *event, struct bus **ret)
{
        _cleanup_(bus_freep) struct bus *bus = calloc(1, sizeof(*bus));
        int r;

        if (!bus)
                return -ENOMEM;
        bus->event = sd_event_ref(event);
        bus->retry = RETRY_FIRST;
        r = sd_event_add_time_relative(event, &bus->timer, CLOCK_BOOTTIME, 0, 1, on_timer, bus);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(bus->timer, "bus-retry");
        r = sd_event_add_defer(event, &bus->closing, on_given_up, bus);
        if (r < 0)
                return r;
        (void)sd_event_source_set_enabled(bus->closing, SD_EVENT_OFF);
        if (sd_booted() <= 0 && !secure_getenv("DBUS_SYSTEM_BUS_ADDRESS")) /* nobody will ever answer: do not knock */
                (void)sd_event_source_set_enabled(bus->timer, SD_EVENT_OFF);
        *ret = TAKE_PTR(bus);
        return 0;
}

struct bus *bus_free(struct bus *bus)
{
        if (!bus)
                return NULL;
        sd_event_source_disable_unref(bus->timer);
        give_up_connection(bus);
        sd_bus_close_unref(bus->given_up);
        sd_event_source_disable_unref(bus->closing);
        sd_event_unref(bus->event);
        free(bus);
        return NULL;
}

void bus_watch(struct bus *bus, struct bus_watcher *watcher)
{
        watcher->next = bus->watchers;
        bus->watchers = watcher;
        if (bus->connected)
                watcher->up(watcher->self, bus->connection);
}

void bus_unwatch(struct bus *bus, struct bus_watcher *watcher)
{
        for (struct bus_watcher **at = &bus->watchers; *at; at = &(*at)->next)
                if (*at == watcher) {
                        *at = watcher->next;
                        return;
                }
}

sd_bus *bus_connection(struct bus *bus)
{
        return bus->connected ? bus->connection : NULL;
}

bool bus_signal_is_genuine(sd_bus_message *message)
{
        return sd_bus_message_get_destination(message) == NULL;
}
