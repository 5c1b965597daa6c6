/* The control socket takes what it knows, refuses the rest in words, and outlives hostile clients. */
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

#include <errno.h>

#include "control/control.h"
#include "control/rate.h"

struct bench {
        sd_event *event;
        struct control *control;
        char directory[64];
        char path[96];
        struct control_ticket ticket;
        int fd;
        unsigned left; /* clients that hung up */
        unsigned left_client;
        uint64_t left_generation;
};

static void left(void *self, unsigned client, uint64_t generation)
{
        struct bench *bench = self;

        bench->left++;
        bench->left_client = client;
        bench->left_generation = generation;
}

static json_t *echo(void *self, const struct control_request *request, struct control_error *error)
{
        return json_pack("{s:s, s:i}", "method", method_row(request->method)->name, "uid", (int)request->uid);
}

static json_t *put_off(void *self, const struct control_request *request, struct control_error *error)
{
        struct bench *bench = self;

        bench->ticket = *request->later;
        error->later = true;
        return NULL;
}

static json_t *refuse(void *self, const struct control_request *request, struct control_error *error)
{
        return control_refuse(error, 5, "govctl agents", "there is no agent '%s'", "x");
}

static control_call *const calls[METHOD_N] = {
        [METHOD_STATUS] = echo,     [METHOD_AGENTS] = refuse, [METHOD_INCIDENTS] = echo,   [METHOD_WHY] = echo,
        [METHOD_RESTART] = put_off, [METHOD_RELEASE] = echo,  [METHOD_ACKNOWLEDGE] = echo, [METHOD_RELOAD] = echo,
        [METHOD_SAFE_MODE] = echo,  [METHOD_DISARM] = echo,   [METHOD_POLICY] = echo,      [METHOD_DISCOVER] = echo,
        [METHOD_SUBSCRIBE] = echo,  [METHOD_VERSION] = echo,  [METHOD_AUDIT_HEAD] = echo,  [METHOD_ASK] = echo,
};

static int dial(const struct bench *bench)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strcpy(address.sun_path, bench->path);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

static int setup(void **state)
{
        struct bench *bench = calloc(1, sizeof(*bench));
        struct control_options options = { .calls = calls, .left = left, .self = bench };

        strcpy(bench->directory, "/tmp/control-XXXXXX");
        assert_non_null(mkdtemp(bench->directory));
        snprintf(bench->path, sizeof(bench->path), "%s/s", bench->directory);
        options.path = bench->path;
        assert_true(sd_event_new(&bench->event) >= 0);
        assert_int_equal(control_new(bench->event, &options, &bench->control), 0);
        bench->fd = dial(bench);
        *state = bench;
        return 0;
}

static int teardown(void **state)
{
        struct bench *bench = *state;

        close(bench->fd);
        control_free(bench->control);
        assert_int_equal(access(bench->path, F_OK), -1);
        sd_event_unref(bench->event);
        rmdir(bench->directory);
        free(bench);
        return 0;
}

/* Lets the daemon's side work until nothing is left to do. */
static void turn(struct bench *bench)
{
        while (sd_event_run(bench->event, 0) > 0)
                ;
}

static json_t *hear(struct bench *bench, int fd)
{
        static char text[1 << 20];
        ssize_t n = 0, total = 0;

        do {
                turn(bench);
                n = recv(fd, text + total, sizeof(text) - 1 - (size_t)total, MSG_DONTWAIT);
                total += n > 0 ? n : 0;
        } while (n > 0 && text[total - 1] != '\n');
        if (total <= 0)
                return NULL;
        text[total] = '\0';
        return json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);
}

static json_t *ask(struct bench *bench, const char *text)
{
        assert_int_equal(send(bench->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
        return hear(bench, bench->fd);
}

static void expect_error(struct bench *bench, const char *text, int code, int exit_code, const char *why)
{
        json_t *answer = ask(bench, text), *error = json_object_get(answer, "error");

        assert_non_null(error);
        assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(error, "data"), "exit")), exit_code);
        if (!strstr(json_string_value(json_object_get(error, "message")), why))
                fail_msg("'%s' does not say '%s'", json_string_value(json_object_get(error, "message")), why);
        json_decref(answer);
}

static void a_request_gets_its_answer_with_its_id(void **state)
{
        json_t *answer = ask(*state, "{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"status\"}\n");

        assert_string_equal(json_string_value(json_object_get(answer, "id")), "a");
        assert_string_equal(json_string_value(json_object_get(json_object_get(answer, "result"), "method")), "status");
        json_decref(answer);
}

static void a_request_may_arrive_byte_by_byte(void **state)
{
        struct bench *bench = *state;
        const char *text = "{\"id\":1,\"method\":\"version\"}\n";
        json_t *answer;

        for (; *text; text++) {
                assert_int_equal(send(bench->fd, text, 1, 0), 1);
                turn(bench);
        }
        answer = hear(bench, bench->fd);
        assert_non_null(json_object_get(answer, "result"));
        json_decref(answer);
}

static void what_is_wrong_is_said_in_words(void **state)
{
        struct bench *bench = *state;

        expect_error(bench, "nonsense\n", -32700, 2, "not JSON at column");
        expect_error(bench, "[]\n", -32600, 2, "not a JSON-RPC 2.0 request");
        expect_error(bench, "{\"id\":{},\"method\":\"status\"}\n", -32600, 2, "not a JSON-RPC 2.0 request");
        expect_error(bench, "{\"id\":1,\"id\":2,\"method\":\"status\"}\n", -32700, 2, "duplicate");
        expect_error(bench, "{\"id\":1,\"method\":\"statsu\"}\n", -32601, 2, "did you mean 'status'?");
        expect_error(bench, "{\"id\":1,\"method\":\"eat\",\"params\":{}}\n", -32601, 2, "unknown method 'eat'");
        expect_error(bench, "{\"id\":1,\"method\":\"why\"}\n", -32602, 2, "needs the parameter 'what'");
        expect_error(bench, "{\"id\":1,\"method\":\"why\",\"params\":{\"what\":3}}\n", -32602, 2, "must be a string");
        expect_error(bench, "{\"id\":1,\"method\":\"cosign\",\"params\":{\"size\":\"3\",\"line\":\"x\"}}\n", -32602, 2,
                     "must be a whole number");
        expect_error(bench, "{\"id\":1,\"method\":\"cosign\",\"params\":{\"size\":3.0,\"line\":\"x\"}}\n", -32602, 2,
                     "must be a whole number");
        expect_error(bench, "{\"id\":1,\"method\":\"status\",\"params\":[]}\n", -32602, 2, "params must be an object");
        expect_error(bench, "{\"id\":1,\"method\":\"status\",\"params\":{\"x\":1}}\n", -32602, 2,
                     "takes no parameter 'x'");
        expect_error(bench, "{\"id\":1,\"method\":\"agents\"}\n", 1, 5, "there is no agent 'x'");
        expect_error(bench, "{\"id\":1,\"method\":\"why\",\"params\":{\"what\":\"a\\u0000b\"}}\n", -32700, 2,
                     "not JSON");
}

static void a_line_without_end_is_cut_off(void **state)
{
        struct bench *bench = *state;
        char *flood = malloc(CONTROL_LINE_MAX + 1);
        char byte;
        json_t *answer = NULL;

        memset(flood, 'x', CONTROL_LINE_MAX + 1);
        for (size_t sent = 0; sent < CONTROL_LINE_MAX;) {
                ssize_t n = send(bench->fd, flood, CONTROL_LINE_MAX - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n > 0)
                        sent += (size_t)n;
                turn(bench);
        }
        answer = hear(bench, bench->fd);
        assert_non_null(
                strstr(json_string_value(json_object_get(json_object_get(answer, "error"), "message")), "64 KiB"));
        turn(bench);
        assert_int_equal(recv(bench->fd, &byte, 1, MSG_DONTWAIT), 0);
        json_decref(answer);
        free(flood);
}

static void an_answer_may_come_later_even_to_one_who_left(void **state)
{
        struct bench *bench = *state;
        struct control_error error = { .exit_code = 7, .why = "too late" };
        int other = dial(bench);
        const char *text = "{\"id\":9,\"method\":\"restart\",\"params\":{\"agent\":\"x\"}}\n";
        json_t *answer = ask(bench, text);

        assert_null(answer);
        control_answer(bench->control, &bench->ticket, json_pack("{s:s}", "outcome", "ok"), NULL);
        answer = hear(bench, bench->fd);
        assert_int_equal(json_integer_value(json_object_get(answer, "id")), 9);
        json_decref(answer);

        assert_true(send(other, text, strlen(text), 0) > 0);
        turn(bench);
        close(other);
        turn(bench);
        control_answer(bench->control, &bench->ticket, NULL, &error);
        assert_null(bench->ticket.id);
}

/* What somebody held by being connected is let go of: by whom is known from the ticket of their request. */
static void who_hangs_up_is_told_once(void **state)
{
        struct bench *bench = *state;
        const char *text = "{\"id\":9,\"method\":\"restart\",\"params\":{\"agent\":\"x\"}}\n";
        int other = dial(bench);

        assert_true(send(other, text, strlen(text), 0) > 0);
        turn(bench);
        assert_int_equal(bench->left, 0);
        close(other);
        turn(bench);
        assert_int_equal(bench->left, 1);
        assert_int_equal(bench->left_client, bench->ticket.client);
        assert_int_equal(bench->left_generation, bench->ticket.generation);
        json_decref(bench->ticket.id);
        other = dial(bench);
        assert_true(send(other, text, strlen(text), 0) > 0);
        turn(bench);
        assert_true(bench->ticket.generation != bench->left_generation); /* the same place, another client */
        json_decref(bench->ticket.id);
        close(other);
}

static void a_subscriber_hears_and_one_that_does_not_read_is_dropped(void **state)
{
        struct bench *bench = *state;
        json_t *big = json_object(), *answer = ask(bench, "{\"id\":1,\"method\":\"subscribe\"}\n");
        char *filler = calloc(1, 1 << 20);

        json_decref(answer);
        assert_true(control_has_subscribers(bench->control));
        control_publish(bench->control, "record", big);
        answer = hear(bench, bench->fd);
        assert_string_equal(json_string_value(json_object_get(answer, "method")), "record");
        json_decref(answer);

        memset(filler, 'x', (1 << 20) - 1);
        json_object_set_new(big, "a", json_string(filler));
        for (unsigned i = 0; i < 16 && control_has_subscribers(bench->control); i++)
                control_publish(bench->control, "record", big);
        assert_false(control_has_subscribers(bench->control));
        json_decref(big);
        free(filler);
}

static void the_sixty_fifth_client_is_turned_away_and_a_place_is_free_again(void **state)
{
        struct bench *bench = *state;
        int fds[70];
        char byte;
        int last;

        for (unsigned i = 0; i < 70; i++)
                fds[i] = dial(bench), turn(bench);
        assert_int_equal(recv(fds[69], &byte, 1, MSG_DONTWAIT), 0);
        for (unsigned i = 0; i < 70; i++)
                close(fds[i]);
        turn(bench);
        last = dial(bench);
        assert_true(send(last, "{\"id\":1,\"method\":\"status\"}\n", 27, 0) > 0);
        json_decref(hear(bench, last));
        close(last);
}

static void readers_leave_room_for_root(void **state)
{
        struct control_options options = { .calls = calls, .group = "nogroup" };
        struct bench *bench = *state;
        int fds[70], mine;

        if (geteuid() != 0)
                skip();
        control_free(bench->control);
        options.path = bench->path;
        options.self = bench;
        assert_int_equal(control_new(bench->event, &options, &bench->control), 0);
        assert_int_equal(chmod(bench->directory, 0755), 0);
        for (unsigned i = 0; i < 70; i++) {
                assert_int_equal(setegid(65534) + seteuid(65534), 0);
                fds[i] = dial(bench);
                assert_int_equal(seteuid(0) + setegid(0), 0);
                turn(bench);
        }
        mine = dial(bench);
        assert_true(send(mine, "{\"id\":1,\"method\":\"restart\",\"params\":{\"agent\":\"x\"}}\n", 51, 0) > 0);
        turn(bench);
        assert_non_null(bench->ticket.id);
        json_decref(bench->ticket.id);
        for (unsigned i = 0; i < 70; i++)
                close(fds[i]);
        close(mine);
        turn(bench);
}

/* Connects as another user and asks for `method`; the exit code of the refusal, 0 when it was answered. */
static int asked_as(struct bench *bench, uid_t uid, const char *path, const char *method)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), exit_code, r;
        json_t *answer;
        char text[96];

        strcpy(address.sun_path, path);
        assert_int_equal(setegid(uid) + seteuid(uid), 0);
        r = connect(fd, (struct sockaddr *)&address, sizeof(address));
        assert_int_equal(seteuid(0) + setegid(0), 0);
        if (r < 0) {
                close(fd);
                return -1;
        }
        snprintf(text, sizeof(text), "{\"id\":1,\"method\":\"%s\"}\n", method);
        assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0);
        answer = hear(bench, fd);
        assert_non_null(answer);
        exit_code = (int)json_integer_value(
                json_object_get(json_object_get(json_object_get(answer, "error"), "data"), "exit"));
        json_decref(answer);
        close(fd);
        turn(bench);
        return exit_code;
}

static void the_courier_has_a_door_of_its_own_and_may_carry_only(void **state)
{
        struct control_options options = { .calls = calls, .courier = "nobody" };
        struct bench *bench = *state;
        char door[128];
        struct stat st;

        if (geteuid() != 0)
                skip();
        control_free(bench->control);
        snprintf(door, sizeof(door), "%s/c", bench->directory);
        options.path = bench->path;
        options.courier_path = door;
        options.self = bench;
        assert_int_equal(control_new(bench->event, &options, &bench->control), 0);
        assert_int_equal(control_hears_courier(bench->control), 0);
        assert_int_equal(chmod(bench->directory, 0755), 0);

        assert_int_equal(stat(door, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(st.st_uid, 65534);
        assert_int_equal(asked_as(bench, 65534, door, "audit-head"), 0);
        assert_int_equal(asked_as(bench, 65534, door, "status"), 4);
        assert_int_equal(asked_as(bench, 65534, door, "reload"), 4);
        assert_int_equal(asked_as(bench, 0, door, "status"), 0);
        assert_int_equal(asked_as(bench, 1, door, "audit-head"), -1);
        assert_int_equal(asked_as(bench, 65534, bench->path, "audit-head"), -1);
}

static void without_its_user_there_is_no_door_for_the_courier(void **state)
{
        struct control_options options = { .calls = calls, .courier = "nobody of that name" };
        struct bench *bench = *state;
        char door[128];

        control_free(bench->control);
        snprintf(door, sizeof(door), "%s/c", bench->directory);
        options.path = bench->path;
        options.courier_path = door;
        options.self = bench;
        assert_int_equal(control_new(bench->event, &options, &bench->control), 0);
        assert_int_equal(control_hears_courier(bench->control), -ESRCH);
        assert_int_equal(access(door, F_OK), -1);
}

static void a_second_daemon_is_told_and_a_dead_ones_socket_is_replaced(void **state)
{
        struct bench *bench = *state;
        struct control_options options = { .calls = calls, .path = bench->path };
        struct control *second = NULL;
        char dead[128];
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        assert_int_equal(control_new(bench->event, &options, &second), -EADDRINUSE);
        snprintf(dead, sizeof(dead), "%s/dead", bench->directory);
        strcpy(address.sun_path, dead);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd);
        options.path = dead;
        assert_int_equal(control_new(bench->event, &options, &second), 0);
        control_free(second);
}

/* A door for agents beside that for people, and somebody at it. */
static int open_for_agents(struct bench *bench, char path[128])
{
        struct control_options options = { .calls = calls, .left = left, .self = bench, .path = bench->path };
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(path, 128, "%s/ask.sock", bench->directory);
        options.agent_path = path;
        bench->control = control_free(bench->control);
        assert_int_equal(control_new(bench->event, &options, &bench->control), 0);
        assert_int_equal(control_hears_agents(bench->control), 0);
        strcpy(address.sun_path, path);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

static int dial_agents(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strcpy(address.sun_path, path);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

static json_t *say(struct bench *bench, int fd, const char *text)
{
        turn(bench);
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
        return hear(bench, fd);
}

#define ASK "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ask\",\"params\":{\"action\":\"trade\"}}\n"
#define STATUS "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n"

static void check_refusal(json_t *answer, int exit_code, const char *message)
{
        json_t *error = json_object_get(answer, "error");

        assert_string_equal(json_string_value(json_object_get(error, "message")), message);
        assert_int_equal(json_integer_value(json_object_get(json_object_get(error, "data"), "exit")), exit_code);
        json_decref(answer);
}

static void an_agent_asks_for_itself_and_nothing_else_whoever_it_is(void **state)
{
        struct bench *bench = *state;
        char path[128];
        int fd = open_for_agents(bench, path), people = dial(bench);
        struct stat st;
        json_t *answer = say(bench, fd, ASK);

        assert_string_equal(json_string_value(json_object_get(json_object_get(answer, "result"), "method")), "ask");
        json_decref(answer);
        check_refusal(say(bench, fd, STATUS), 4, "'status' is not for agents; those may ask, request and withdraw");
        check_refusal(say(bench, people, ASK), 4, "'ask' is for agents, on their own socket");
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0666);
        close(fd);
        close(people);
}

static void a_user_who_asks_without_end_is_told_to_wait(void **state)
{
        struct bench *bench = *state;
        char path[128];
        int fd = open_for_agents(bench, path), people = dial(bench);
        unsigned answered = 0;
        json_t *answer;

        for (unsigned i = 0; i < 200; i++) {
                answer = say(bench, fd, ASK);
                answered += json_object_get(answer, "result") != NULL;
                json_decref(answer);
        }
        assert_in_range(answered, RATE_BURST, 199);
        answer = say(bench, people, STATUS); /* people do not wait for agents */
        assert_non_null(json_object_get(answer, "result"));
        json_decref(answer);
        close(fd);
        close(people);
}

static void a_user_holds_few_connections_and_takes_none_from_people(void **state)
{
        struct bench *bench = *state;
        char path[128];
        int fds[40] = { open_for_agents(bench, path) }, people;
        json_t *answer;

        turn(bench);
        for (unsigned i = 1; i < 40; i++) {
                fds[i] = dial_agents(path);
                turn(bench);
        }
        answer = say(bench, fds[3], ASK);
        assert_non_null(json_object_get(answer, "result"));
        json_decref(answer);
        check_refusal(hear(bench, fds[4]), 7, "too many connections");
        check_refusal(hear(bench, fds[39]), 7, "too many connections");
        people = dial(bench);
        answer = say(bench, people, STATUS);
        assert_non_null(json_object_get(answer, "result"));
        json_decref(answer);
        close(fds[0]);
        turn(bench);
        close(fds[5]);
        fds[5] = dial_agents(path);
        answer = say(bench, fds[5], ASK);
        assert_non_null(json_object_get(answer, "result"));
        json_decref(answer);
        for (unsigned i = 1; i < 40; i++)
                close(fds[i]);
        close(people);
}

static void tokens_come_back_and_are_each_users_own(void **state)
{
        struct rates *rates = calloc(1, sizeof(*rates));
        usec_t now = 1000 * USEC_PER_SEC;

        for (unsigned i = 0; i < RATE_BURST; i++)
                assert_true(rate_take(rates, 1000, now));
        assert_false(rate_take(rates, 1000, now));
        assert_true(rate_take(rates, 1001, now));
        assert_true(rate_take(rates, 1000, now + RATE_EVERY));
        assert_false(rate_take(rates, 1000, now + RATE_EVERY));
        for (uid_t uid = 5000; uid < 5000 + 3 * RATE_USERS_MAX; uid++) /* more users than there is room for */
                assert_true(rate_take(rates, uid, now + RATE_EVERY));
        assert_false(rate_take(rates, 1000, now + RATE_EVERY)); /* who spent most is not forgotten for them */
        for (unsigned i = 0; i < RATE_BURST; i++)
                assert_true(rate_take(rates, 1000, now + 100 * RATE_EVERY));
        assert_false(rate_take(rates, 1000, now + 100 * RATE_EVERY));
        free(rates);
}

static void every_method_has_a_name_and_someone_it_is_for(void **state)
{
        const char *near;

        for (unsigned i = 0; i < METHOD_N; i++) {
                assert_non_null(method_row((enum method)i)->name);
                assert_true(method_is_for(method_row((enum method)i), ROLE_OPERATOR) !=
                            method_is_for(method_row((enum method)i), ROLE_AGENT));
                assert_false(method_is_for(method_row((enum method)i), ROLE_NONE));
                assert_int_equal(method_find(method_row((enum method)i)->name, &near), i);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_request_gets_its_answer_with_its_id, setup, teardown),
                cmocka_unit_test_setup_teardown(a_request_may_arrive_byte_by_byte, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_wrong_is_said_in_words, setup, teardown),
                cmocka_unit_test_setup_teardown(a_line_without_end_is_cut_off, setup, teardown),
                cmocka_unit_test_setup_teardown(an_answer_may_come_later_even_to_one_who_left, setup, teardown),
                cmocka_unit_test_setup_teardown(who_hangs_up_is_told_once, setup, teardown),
                cmocka_unit_test_setup_teardown(a_subscriber_hears_and_one_that_does_not_read_is_dropped, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(the_sixty_fifth_client_is_turned_away_and_a_place_is_free_again, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(readers_leave_room_for_root, setup, teardown),
                cmocka_unit_test_setup_teardown(the_courier_has_a_door_of_its_own_and_may_carry_only, setup, teardown),
                cmocka_unit_test_setup_teardown(without_its_user_there_is_no_door_for_the_courier, setup, teardown),
                cmocka_unit_test_setup_teardown(a_second_daemon_is_told_and_a_dead_ones_socket_is_replaced, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(an_agent_asks_for_itself_and_nothing_else_whoever_it_is, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_user_who_asks_without_end_is_told_to_wait, setup, teardown),
                cmocka_unit_test_setup_teardown(a_user_holds_few_connections_and_takes_none_from_people, setup,
                                                teardown),
                cmocka_unit_test(tokens_come_back_and_are_each_users_own),
                cmocka_unit_test(every_method_has_a_name_and_someone_it_is_for),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
