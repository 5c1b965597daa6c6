/* How long from a death to its record and to the stop: `latency SOCKET UNIT...` kills the main process of each unit, one
 * after the other, and prints two lists of milliseconds as JSON.
 *
 * The clock starts right before SIGKILL is sent. The record counts when the daemon tells its subscribers of it, which it
 * does after the commit is on the disk; the stop counts when systemd announces the job. */
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define UNITS_MAX 64
#define PATIENCE_MS 15000
#define LINE_MAX_BYTES (1 << 20)

struct run {
        FILE *daemon;
        sd_bus *bus;
        const char *unit;
        double killed, recorded, stopped; /* ms; 0: not yet */
};

static double now_ms(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static FILE *subscribe(const char *path)
{
        static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscribe\",\"params\":{}}\n";
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            write(fd, request, sizeof(request) - 1) < 0) {
                perror(path);
                exit(1);
        }
        return fdopen(fd, "r+");
}

static int on_job(sd_bus_message *message, void *userdata, sd_bus_error *error)
{
        struct run *run = userdata;
        const char *job, *unit;
        unsigned id;

        (void)error;
        if (sd_bus_message_read(message, "uos", &id, &job, &unit) >= 0 && run->stopped == 0 && run->unit &&
            strcmp(unit, run->unit) == 0)
                run->stopped = now_ms();
        return 0;
}

/* One line of the daemon: is it the death of this unit? */
static void take_line(struct run *run, const char *line)
{
        json_t *record = json_loads(line, 0, NULL), *params = json_object_get(record, "params");
        const char *subject = json_string_value(json_object_get(params, "subject"));
        const char *action = json_string_value(json_object_get(params, "action"));

        if (subject && action && run->recorded == 0 && strstr(subject, run->unit) &&
            (strcmp(action, "fact.ended") == 0 || strcmp(action, "fact.died") == 0))
                run->recorded = now_ms();
        json_decref(record);
}

static void take(struct run *run, char *line)
{
        struct pollfd fds[] = {
                { .fd = fileno(run->daemon), .events = POLLIN },
                { .fd = sd_bus_get_fd(run->bus), .events = POLLIN },
        };

        poll(fds, 2, 100);
        while (sd_bus_process(run->bus, NULL) > 0)
                ;
        if (fds[0].revents && fgets(line, LINE_MAX_BYTES, run->daemon))
                take_line(run, line);
}

static int main_pid(sd_bus *bus, const char *unit)
{
        char *path = NULL;
        unsigned pid = 0;

        if (sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) >= 0)
                (void)sd_bus_get_property_trivial(bus, "org.freedesktop.systemd1", path,
                                                  "org.freedesktop.systemd1.Service", "MainPID", NULL, 'u', &pid);
        free(path);
        return (int)pid;
}

static void kill_and_wait(struct run *run, sd_bus *asking, char *line)
{
        int pid = main_pid(asking, run->unit);

        run->recorded = run->stopped = 0;
        run->killed = now_ms();
        if (pid <= 0 || kill(pid, SIGKILL) < 0)
                return;
        while ((run->recorded == 0 || run->stopped == 0) && now_ms() - run->killed < PATIENCE_MS)
                take(run, line);
}

int main(int argc, char **argv)
{
        static char line[LINE_MAX_BYTES];
        struct run run = { 0 };
        sd_bus *asking = NULL;

        if (argc < 3 || argc > UNITS_MAX) {
                fputs("latency SOCKET UNIT...\n", stderr);
                return 2;
        }
        run.daemon = subscribe(argv[1]);
        setvbuf(run.daemon, NULL, _IONBF, 0);
        if (sd_bus_open_system(&run.bus) < 0 || sd_bus_open_system(&asking) < 0 ||
            sd_bus_match_signal(run.bus, NULL, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                "org.freedesktop.systemd1.Manager", "JobNew", on_job, &run) < 0 ||
            sd_bus_call_method(run.bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                               "org.freedesktop.systemd1.Manager", "Subscribe", NULL, NULL, "") < 0) {
                fputs("latency: the system bus does not answer\n", stderr);
                return 1;
        }
        for (int i = 2; i < argc; i++) {
                run.unit = argv[i];
                kill_and_wait(&run, asking, line);
                printf("{\"unit\":\"%s\",\"record_ms\":%.2f,\"stop_ms\":%.2f}\n", run.unit,
                       run.recorded > 0 ? run.recorded - run.killed : -1,
                       run.stopped > 0 ? run.stopped - run.killed : -1);
                usleep(300000);
        }
        return 0;
}
