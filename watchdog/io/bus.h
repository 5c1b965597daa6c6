#pragma once
/* One connection to systemd's bus, shared by those who look and those who act; it comes back by itself. */
#include <stdbool.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

/* Where calls to systemd go. */
#define BUS_SYSTEMD "org.freedesktop.systemd1"
#define BUS_MANAGER "org.freedesktop.systemd1.Manager"
#define BUS_UNIT "org.freedesktop.systemd1.Unit"
#define BUS_SERVICE "org.freedesktop.systemd1.Service"
#define BUS_OBJECT "/org/freedesktop/systemd1"
#define BUS_UNIT_PATH "/org/freedesktop/systemd1/unit"

struct bus;

/* Somebody who wants to know. Slots made on a connection are of no use after `down`: drop them there. */
struct bus_watcher {
        void (*up)(void *self, sd_bus *connection);
        void (*down)(void *self, int reason); /* negative errno; also told when a first connection cannot be had */
        void *self;
        struct bus_watcher *next; /* the bus's own */
};

/*
 * The system bus; where it cannot be had, root takes systemd's private socket, which needs no dbus-daemon. Reconnects
 * from 50 ms to 5 s apart. Nothing here blocks, and nothing is connected before the event loop runs.
 */
int bus_new(sd_event *event, struct bus **ret);
struct bus *bus_free(struct bus *bus);

/* The watcher must outlive the bus or be dropped. A bus that is up tells it at once. */
void bus_watch(struct bus *bus, struct bus_watcher *watcher);
void bus_unwatch(struct bus *bus, struct bus_watcher *watcher);

/* The connection, NULL while there is none. A loan until the loop runs again. */
sd_bus *bus_connection(struct bus *bus);

/* For a connection that stands but does not answer: close it and begin again, elsewhere if there is an elsewhere. */
void bus_reset(struct bus *bus, int reason);

/*
 * Whether a signal is what it seems. The broker delivers broadcasts only where they match, sender and all; a signal that is
 * addressed to us passes by the matches, and any user of the bus may send one.
 */
bool bus_signal_is_genuine(sd_bus_message *message);
