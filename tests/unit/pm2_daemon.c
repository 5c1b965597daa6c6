#include "pm2_daemon.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "io/amp.h"
#include "io/cleanup.h"

#define SECRET "\"API_KEY\":\"sk-FAKE-daemon\",\"env\":{\"API_KEY\":\"sk-FAKE-daemon\",\"pid\":1,\"name\":\"no\"}"

/* ---- answers ---- */

static void list_text(const struct pm2_daemon *daemon, char *text, size_t size)
{
        const char *comma = "";
        int used = snprintf(text, size, "j:{\"args\":[[");

        for (uint32_t i = 0; i < DAEMON_APPS; i++) {
                const struct daemon_app *app = &daemon->apps[i];
                char times[96] = "";

                if (!app->listed)
                        continue;
                if (app->began_ms > 0)
                        (void)snprintf(times, sizeof(times), "\"created_at\":%lld,\"pm_uptime\":%lld,",
                                       (long long)app->created_ms, (long long)app->began_ms);
                used += snprintf(text + used, size - (size_t)used,
                                 "%s{\"pid\":%d,\"name\":\"%s\",\"pm2_env\":{\"status\":\"%s\",\"restart_time\":%d,"
                                 "\"exec_mode\":\"%s\",\"kill_timeout\":20,%s" SECRET "},\"pm_id\":%u}",
                                 comma, app->pid, app->name, app->status, app->restarts,
                                 app->cluster ? "cluster_mode" : "fork_mode", times, i);
                comma = ",";
        }
        (void)snprintf(text + used, size - (size_t)used, "]]}");
}

static size_t frame_of(char *frame, size_t size, const char *first, const char *second)
{
        size_t used = amp_put(frame, size, 0, first, strlen(first));

        used = amp_put(frame, size, used, second, strlen(second));
        assert_true(used > 0);
        return used;
}

static void carry_out(struct pm2_daemon *daemon, const char *request)
{
        uint32_t id = 0;
        const char *at = strpbrk(strstr(request, "args"), "0123456789");

        if (at)
                id = (uint32_t)atoi(at);
        daemon->orders++;
        (void)snprintf(daemon->last_order, sizeof(daemon->last_order), "%s", request);
        if (!daemon->obeys || id >= DAEMON_APPS)
                return;

        if (strstr(request, "stopProcessId") || strstr(request, "restartProcessId")) {
                pm2_daemon_kill(daemon, id);
                pm2_daemon_tell(daemon, id, "exit", "stopping");
                (void)snprintf(daemon->apps[id].status, sizeof(daemon->apps[id].status), "stopped");
                pm2_daemon_tell(daemon, id, "exit", "stopped");
        }
        if (strstr(request, "startProcessId") || strstr(request, "restartProcessId")) {
                char name[32];

                (void)snprintf(name, sizeof(name), "%s", daemon->apps[id].name);
                daemon->apps[id].restarts += strstr(request, "restartProcessId") != NULL;
                pm2_daemon_run(daemon, id, name);
                pm2_daemon_tell(daemon, id, "online", "launching");
        }
}

static void answer_text(struct pm2_daemon *daemon, const char *request, char *text, size_t size)
{
        if (strstr(request, "getMonitorData")) {
                daemon->lists++;
                list_text(daemon, text, size);
        } else if (strstr(request, "ping")) {
                daemon->pings++;
                (void)snprintf(text, size, "j:{\"args\":[{\"msg\":\"pong\"}]}");
        } else {
                carry_out(daemon, request);
                (void)snprintf(text, size, "j:{\"args\":[{\"pm_id\":0,\"pm2_env\":{" SECRET "}}]}");
        }
}

/* To whoever is still there: one that waited too long hangs up. */
static void send_all(int fd, const char *data, size_t size)
{
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

        assert_true(n == (ssize_t)size || (n < 0 && errno == EPIPE));
}

static void send_slowly(int fd, const char *data, size_t size, size_t piece)
{
        for (size_t at = 0; at < size; at += piece)
                send_all(fd, data + at, size - at < piece ? size - at : piece);
}

struct drip {
        int fd;
        size_t at;
};

static int on_drip(sd_event_source *source, uint64_t usec, void *self)
{
        struct drip *drip = self;
        static const char frame[] = "\x12\0\0\0\xffj:{\"args\":[";

        if (drip->at == sizeof(frame) - 1 || send(drip->fd, frame + drip->at++, 1, MSG_NOSIGNAL) < 0) {
                (void)close(drip->fd);
                free(drip);
                sd_event_source_disable_unref(source);
                return 0;
        }
        (void)sd_event_source_set_time(source, usec + 2000);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void drip_away(struct pm2_daemon *daemon, int fd)
{
        struct drip *drip = calloc(1, sizeof(*drip));
        sd_event_source *source;

        assert_non_null(drip);
        drip->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        assert_int_equal(sd_event_add_time_relative(daemon->event, &source, CLOCK_MONOTONIC, 0, 1, on_drip, drip), 0);
}

/* Returns whether the connection stays open. */
static bool answer(struct pm2_daemon *daemon, int fd, const char *request, const char *id)
{
        static char text[200000], frame[200100];
        unsigned orders;
        size_t size;

        if (daemon->manner == MANNER_MUTE)
                return true;
        orders = daemon->orders;
        answer_text(daemon, request, text, sizeof(text));
        if (daemon->orders > orders && daemon->manner == MANNER_MUTE_ORDERS)
                return true;
        if (daemon->orders > orders && daemon->manner == MANNER_HANG_UP_ORDERS)
                return false;
        switch (daemon->manner) {
        case MANNER_BAD_JSON: (void)snprintf(text, sizeof(text), "j:{\"args\":[[{\"pid\":1,}]]}"); break;
        case MANNER_NESTED:
                memset(text, '[', 100002);
                memcpy(text, "j:", 2);
                text[100002] = '\0';
                break;
        case MANNER_REFUSE:
                (void)snprintf(text, sizeof(text), "j:{\"error\":\"%s\",\"stack\":\"sk-FAKE-stack\"}",
                               daemon->refusal ? daemon->refusal : "no \\u0007such\\nthing");
                break;
        default: break;
        }
        size = frame_of(frame, sizeof(frame), text, daemon->manner == MANNER_STRANGER ? "s:governor:999" : id);

        switch (daemon->manner) {
        case MANNER_HANG_UP: send_all(fd, frame, size / 2); return false;
        case MANNER_HALF: send_all(fd, frame, size / 2); break;
        case MANNER_ENDLESS: send_all(fd, "\x12\xff\xff\xff\xffj:", 7); break;
        case MANNER_OTHER: send_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28); break;
        case MANNER_DRIP: drip_away(daemon, fd); break;
        case MANNER_PIECES: send_slowly(fd, frame, size, 97); break;
        case MANNER_STRANGER_FIRST:
                size = frame_of(frame, sizeof(frame), "j:{\"error\":\"for somebody else\"}", "s:1:2");
                send_all(fd, frame, size);
                size = frame_of(frame, sizeof(frame), text, id);
                __attribute__((fallthrough));
        default: send_all(fd, frame, size);
        }
        return true;
}

/* ---- connections: the loop owns their sources, so that what is still open at the end of a test ends with it ---- */

static void give_to_loop(sd_event_source *source)
{
        assert_true(sd_event_source_set_floating(source, true) >= 0);
        sd_event_source_unref(source);
}

static void take_from_loop(sd_event_source *source)
{
        sd_event_source_ref(source);
        assert_true(sd_event_source_set_floating(source, false) >= 0);
        sd_event_source_disable_unref(source);
}

static int on_request(sd_event_source *source, int fd, uint32_t events, void *self)
{
        struct pm2_daemon *daemon = self;
        char data[512], request[256], id[64];
        ssize_t n = read(fd, data, sizeof(data));
        size_t length;

        if (n > 0) { /* requests are far smaller than what the kernel delivers at once */
                length = (unsigned char)data[4];
                memcpy(request, data + 5, length);
                request[length] = '\0';
                memcpy(id, data + 5 + length + 4, (size_t)n - 9 - length);
                id[(size_t)n - 9 - length] = '\0';
                if (answer(daemon, fd, request, id))
                        return 0;
        }
        take_from_loop(source);
        return 0;
}

static int on_caller(sd_event_source *source, int fd, uint32_t events, void *self)
{
        struct pm2_daemon *daemon = self;
        sd_event_source *connection;
        int caller = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

        assert_true(caller >= 0);
        assert_int_equal(sd_event_add_io(daemon->event, &connection, caller, EPOLLIN, on_request, daemon), 0);
        (void)sd_event_source_set_io_fd_own(connection, true);
        give_to_loop(connection);
        return 0;
}

static int on_subscriber(sd_event_source *source, int fd, uint32_t events, void *self)
{
        struct pm2_daemon *daemon = self;

        (void)close_fd(daemon->subscriber);
        daemon->subscriber = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        assert_true(daemon->subscriber >= 0);
        return 0;
}

static int listen_at(const struct pm2_daemon *daemon, const char *name)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", daemon->home, name);
        (void)unlink(address.sun_path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 16), 0);
        return fd;
}

void pm2_daemon_listen(struct pm2_daemon *daemon)
{
        daemon->rpc = listen_at(daemon, "rpc.sock");
        daemon->pub = listen_at(daemon, "pub.sock");
        assert_int_equal(sd_event_add_io(daemon->event, &daemon->rpc_source, daemon->rpc, EPOLLIN, on_caller, daemon),
                         0);
        assert_int_equal(
                sd_event_add_io(daemon->event, &daemon->pub_source, daemon->pub, EPOLLIN, on_subscriber, daemon), 0);
        assert_int_equal(chmod(daemon->home, 0755), 0); /* as PM2 does with its sockets: a nudge for who waits */
}

void pm2_daemon_begin(struct pm2_daemon *daemon, sd_event *event)
{
        char pids[80];

        *daemon = (struct pm2_daemon){ .event = event, .subscriber = -EBADF, .home = "/tmp/pm2-test-XXXXXX" };
        assert_non_null(mkdtemp(daemon->home));
        (void)snprintf(pids, sizeof(pids), "%s/pids", daemon->home);
        assert_int_equal(mkdir(pids, 0755), 0);
        pm2_daemon_listen(daemon);
}

static void remove_file(const struct pm2_daemon *daemon, const char *name)
{
        char path[128];

        (void)snprintf(path, sizeof(path), "%s/%s", daemon->home, name);
        (void)unlink(path);
}

void pm2_daemon_end(struct pm2_daemon *daemon, bool announced)
{
        if (announced) {
                pm2_daemon_publish(daemon, "s:pm2:kill", "j:{\"status\":\"killed\",\"msg\":\"pm2 has been killed\"}");
                remove_file(daemon, "rpc.sock");
                remove_file(daemon, "pub.sock");
        }
        daemon->rpc_source = sd_event_source_disable_unref(daemon->rpc_source);
        daemon->pub_source = sd_event_source_disable_unref(daemon->pub_source);
        daemon->rpc = close_fd(daemon->rpc);
        daemon->pub = close_fd(daemon->pub);
        daemon->subscriber = close_fd(daemon->subscriber);
}

void pm2_daemon_remove(struct pm2_daemon *daemon)
{
        char pids[80];

        for (uint32_t i = 0; i < DAEMON_APPS; i++)
                pm2_daemon_kill(daemon, i);
        pm2_daemon_end(daemon, false);
        remove_file(daemon, "rpc.sock");
        remove_file(daemon, "pub.sock");
        (void)snprintf(pids, sizeof(pids), "%s/pids", daemon->home);
        (void)rmdir(pids);
        (void)rmdir(daemon->home);
}

/* ---- apps ---- */

static void pid_file_of(const struct pm2_daemon *daemon, uint32_t id, char path[128])
{
        (void)snprintf(path, 128, "%s/pids/%s-%u.pid", daemon->home, daemon->apps[id].name, id);
}

void pm2_daemon_run(struct pm2_daemon *daemon, uint32_t id, const char *name)
{
        struct daemon_app *app = &daemon->apps[id];
        char path[128], text[16];
        int fd, n, ready[2];

        app->listed = true;
        (void)snprintf(app->name, sizeof(app->name), "%s", name);
        (void)snprintf(app->status, sizeof(app->status), "online");
        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        app->pid = fork();
        assert_true(app->pid >= 0);
        if (app->pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)close_range(3, UINT_MAX, 0); /* the daemon's sockets end with the daemon */
                for (;;)
                        (void)pause();
        }
        (void)close(ready[1]);
        assert_int_equal(read(ready[0], text, 1), 0); /* it has let go of all that is ours */
        (void)close(ready[0]);

        pid_file_of(daemon, id, path);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        n = snprintf(text, sizeof(text), "%d", app->pid);
        assert_int_equal(write(fd, text, (size_t)n), n);
        (void)close(fd);
}

void pm2_daemon_kill(struct pm2_daemon *daemon, uint32_t id)
{
        struct daemon_app *app = &daemon->apps[id];
        char path[128];

        if (app->pid <= 0)
                return;
        assert_int_equal(kill(app->pid, SIGKILL), 0);
        assert_int_equal(waitpid(app->pid, NULL, 0), app->pid);
        app->pid = 0;
        pid_file_of(daemon, id, path);
        (void)unlink(path);
}

void pm2_daemon_publish(struct pm2_daemon *daemon, const char *topic, const char *payload)
{
        char frame[8192];
        size_t size = frame_of(frame, sizeof(frame), topic, payload);

        if (daemon->subscriber >= 0)
                send_slowly(daemon->subscriber, frame, size, 97);
}

void pm2_daemon_tell(struct pm2_daemon *daemon, uint32_t id, const char *what, const char *status)
{
        const struct daemon_app *app = &daemon->apps[id];
        char text[4096], path[128];

        pid_file_of(daemon, id, path);
        (void)snprintf(
                text, sizeof(text),
                "j:{\"event\":\"%s\",\"manually\":false,\"process\":{\"name\":\"%s\",\"pm_id\":%u,\"status\":\"%s\","
                "\"restart_time\":%d,\"exec_mode\":\"%s\",\"kill_timeout\":20,\"exit_code\":0,\"pm_pid_path\":\"%s\","
                "\"pm_uptime\":1000000," SECRET "},\"at\":1000010}",
                what, app->name, id, status, app->restarts, app->cluster ? "cluster_mode" : "fork_mode", path);
        pm2_daemon_publish(daemon, "s:process:event", text);
}

void pm2_daemon_log(struct pm2_daemon *daemon, const char *line)
{
        char text[512];

        (void)snprintf(text, sizeof(text),
                       "j:{\"process\":{\"pm_id\":\"PM2\",\"name\":\"PM2\",\"rev\":null},\"at\":1000500,"
                       "\"data\":\"%s\\n\"}",
                       line);
        pm2_daemon_publish(daemon, "s:log:PM2", text);
}

void pm2_daemon_crash(struct pm2_daemon *daemon, uint32_t id, int code, const char *signal_name)
{
        struct daemon_app *app = &daemon->apps[id];
        char line[128], name[32];

        (void)snprintf(name, sizeof(name), "%s", app->name);
        (void)snprintf(line, sizeof(line), "App [%s:%u] exited with code [%d] via signal [%s]", name, id, code,
                       signal_name);
        pm2_daemon_kill(daemon, id);
        pm2_daemon_log(daemon, line);
        pm2_daemon_tell(daemon, id, "exit", "stopped");
        app->restarts++;
        pm2_daemon_run(daemon, id, name);
        pm2_daemon_tell(daemon, id, "online", "launching");
        (void)snprintf(line, sizeof(line), "App [%s:%u] online", name, id);
        pm2_daemon_log(daemon, line);
}
