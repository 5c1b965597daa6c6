/* Whatever bytes a client of the control socket sends: each request is answered or refused, and the daemon goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/control.h"

static struct {
        sd_event *event;
        struct control *control;
        struct sockaddr_un address;
} bench;

static json_t *call(void *self, const struct control_request *request, struct control_error *error)
{
        const char *key;
        json_t *value;

        json_object_foreach ((json_t *)(uintptr_t)request->params, key, value)
                if (json_is_string(value) && strlen(json_string_value(value)) > 8)
                        return control_refuse(error, 5, "", "there is no '%s'", json_string_value(value));
        return json_pack("{s:s}", "method", method_row(request->method)->name);
}

static void turn(void)
{
        while (sd_event_run(bench.event, 0) > 0)
                ;
}

static void begin(void)
{
        static control_call *calls[METHOD_N];
        struct control_options options = { .calls = calls };
        char directory[] = "/tmp/fuzz-control-XXXXXX";

        for (unsigned i = 0; i < METHOD_N; i++)
                calls[i] = call;
        bench.address.sun_family = AF_UNIX;
        if (!mkdtemp(directory))
                abort();
        snprintf(bench.address.sun_path, sizeof(bench.address.sun_path), "%s/s", directory);
        options.path = bench.address.sun_path;
        if (sd_event_new(&bench.event) < 0 || control_new(bench.event, &options, &bench.control) < 0)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char answer[65536];
        int fd;

        if (!bench.event)
                begin();
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connect(fd, (struct sockaddr *)&bench.address, sizeof(bench.address)) < 0)
                abort();
        for (size_t sent = 0; sent < size;) {
                ssize_t n = send(fd, data + sent, size - sent, MSG_NOSIGNAL);

                turn();
                while (recv(fd, answer, sizeof(answer), 0) > 0)
                        turn();
                if (n < 0)
                        break; /* it was cut off, as it may be */
                sent += (size_t)n;
        }
        turn();
        close(fd);
        turn();
        return 0;
}
