/* The connection to systemd, on a bus that a test plays: it may be given up at any moment, and comes back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/usec.h"
#include "fake_systemd.h"
#include "io/bus.h"

#define SOON (20 * USEC_PER_MSEC)
#define STEPS_MOST 10000

struct seen {
        struct bus *bus;
        sd_bus_slot *slot;
        unsigned ups, downs;
        int why;
        bool over;
};

/* Nothing comes: what hangs is given up from within the connection's own callback. */
static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        struct seen *seen = userdata;

        (void)error;
        seen->over = sd_bus_message_is_method_error(message, SD_BUS_ERROR_NO_REPLY);
        bus_reset(seen->bus, -ETIMEDOUT);
        assert_null(bus_connection(seen->bus));
        return 0;
}

static void on_up(void *self, sd_bus *connection)
{
        struct seen *seen = self;
        sd_bus_message *call = NULL;

        if (seen->ups++ > 0)
                return;
        assert_true(sd_bus_message_new_method_call(connection, &call, BUS_SYSTEMD, BUS_OBJECT, BUS_MANAGER, "Reload") >=
                    0);
        assert_true(sd_bus_call_async(connection, &seen->slot, call, on_answer, seen, SOON) >= 0);
        sd_bus_message_unref(call);
}

static void on_down(void *self, int reason)
{
        struct seen *seen = self;

        if (seen->downs++ == 0)
                seen->why = reason;
        seen->slot = sd_bus_slot_unref(seen->slot);
}

static void a_connection_that_hangs_is_given_up_for_another(void **state)
{
        struct fake_systemd fake;
        struct seen seen = { .ups = 0 };
        struct bus_watcher watcher = { .up = on_up, .down = on_down, .self = &seen };
        sd_event *event;

        (void)state;
        assert_true(sd_event_new(&event) >= 0);
        fake_systemd_open(&fake, event, "lily.service");
        fake.mute = true;
        assert_int_equal(bus_new(event, &seen.bus), 0);
        bus_watch(seen.bus, &watcher);
        for (unsigned n = 0; n < STEPS_MOST && seen.ups < 2; n++)
                assert_true(sd_event_run(event, USEC_PER_SEC) >= 0);
        assert_true(seen.over);
        assert_int_equal(seen.ups, 2);
        assert_int_equal(seen.why, -ETIMEDOUT);
        bus_unwatch(seen.bus, &watcher);
        bus_free(seen.bus);
        fake_systemd_close(&fake);
        sd_event_unref(event);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_connection_that_hangs_is_given_up_for_another),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
