#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/systemd_change.h"

/* A connection to nobody: only there to make messages with. */
static int set_up(void **state)
{
        sd_bus *bus = NULL;
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_fd(bus, pair[0], pair[0]) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        close(pair[1]);
        *state = bus;
        return 0;
}

static int tear_down(void **state)
{
        sd_bus_close_unref(*state);
        return 0;
}

static sd_bus_message *message_new(sd_bus *bus)
{
        sd_bus_message *message = NULL;

        assert_true(sd_bus_message_new_signal(bus, &message, "/x", "org.freedesktop.DBus.Properties",
                                              "PropertiesChanged") >= 0);
        return message;
}

static int read_it(sd_bus_message *message, struct systemd_change *ret)
{
        assert_true(sd_bus_message_seal(message, 1, 0) >= 0);
        assert_true(sd_bus_message_rewind(message, true) >= 0);
        return systemd_change_read(message, ret);
}

static void what_matters_is_taken_and_the_rest_skipped(void **state)
{
        sd_bus_message *message = message_new(*state);
        struct systemd_change change;

        assert_true(sd_bus_message_append(message, "a{sv}", 7, "MainPID", "u", 42, "StatusText", "s", "busy", "Result",
                                          "s", "exit-code", "ExecMainStatus", "i", 3, "NRestarts", "u", 643, "Job",
                                          "(uo)", 7, "/org/freedesktop/systemd1/job/7",
                                          "ExecMainStartTimestampMonotonic", "t", UINT64_C(123456789012)) >= 0);
        assert_int_equal(read_it(message, &change), 0);
        assert_int_equal(change.main_pid, 42);
        assert_string_equal(change.result, "exit-code");
        assert_int_equal(change.exec_main_status, 3);
        assert_int_equal(change.restarts, 643);
        assert_int_equal(change.job, 7);
        assert_true(change.exec_main_started == UINT64_C(123456789012));
        assert_true(systemd_change_has(&change, PROPERTY_JOB));
        assert_false(systemd_change_has(&change, PROPERTY_ACTIVE_STATE));
        systemd_change_done(&change);
        sd_bus_message_unref(message);
}

static void a_known_name_with_another_type_is_skipped(void **state)
{
        sd_bus_message *message = message_new(*state);
        struct systemd_change change;

        assert_true(sd_bus_message_append(message, "a{sv}", 3, "MainPID", "s", "42", "Requires", "s", "x",
                                          "ActiveState", "s", "active") >= 0);
        assert_int_equal(read_it(message, &change), 0);
        assert_true(change.has == 1 << PROPERTY_ACTIVE_STATE);
        assert_string_equal(change.active, "active");
        systemd_change_done(&change);
        sd_bus_message_unref(message);
}

static void lists_are_our_own_and_the_last_one_counts(void **state)
{
        sd_bus_message *message = message_new(*state);
        struct systemd_change change;

        assert_true(sd_bus_message_append(message, "a{sv}", 3, "Requires", "as", 2, "a.service", "b.service",
                                          "Requires", "as", 1, "c.service", "PartOf", "as", 0) >= 0);
        assert_int_equal(read_it(message, &change), 0);
        assert_string_equal(change.requires[0], "c.service");
        assert_null(change.requires[1]);
        assert_true(systemd_change_has(&change, PROPERTY_PART_OF));
        systemd_change_done(&change);
        systemd_change_done(&change);
        sd_bus_message_unref(message);
}

static void of_the_command_line_only_the_first_path_is_taken(void **state)
{
        sd_bus_message *message = message_new(*state);
        struct systemd_change change;

        assert_true(sd_bus_message_append(message, "a{sv}", 2, "ExecStart", "a(sasbttttuii)", 2, "/usr/bin/node", 2,
                                          "node", "--token=fixture-secret", 0, (uint64_t)0, (uint64_t)0, (uint64_t)0,
                                          (uint64_t)0, 0, 0, 0, "/bin/true", 0, 0, (uint64_t)0, (uint64_t)0,
                                          (uint64_t)0, (uint64_t)0, 0, 0, 0, "Type", "s", "simple") >= 0);
        assert_int_equal(read_it(message, &change), 0);
        assert_string_equal(change.exec_start, "/usr/bin/node");
        assert_string_equal(change.type, "simple");
        systemd_change_done(&change);
        sd_bus_message_unref(message);
}

static void a_message_that_is_something_else_is_an_error(void **state)
{
        sd_bus_message *message = message_new(*state);
        struct systemd_change change = { .has = 77 };

        assert_true(sd_bus_message_append(message, "as", 1, "x") >= 0);
        assert_true(read_it(message, &change) < 0);
        assert_int_equal(change.has, 77);
        sd_bus_message_unref(message);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_matters_is_taken_and_the_rest_skipped),
                cmocka_unit_test(a_known_name_with_another_type_is_skipped),
                cmocka_unit_test(lists_are_our_own_and_the_last_one_counts),
                cmocka_unit_test(of_the_command_line_only_the_first_path_is_taken),
                cmocka_unit_test(a_message_that_is_something_else_is_an_error),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
