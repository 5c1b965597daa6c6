#include "courier_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/text.h"
#include "courier/post.h"
#include "io/cleanup.h"

/* ---- the daemon ------------------------------------------------------------------------------------------------------- */

static json_t *refusal(int code, const char *why)
{
        return json_pack("{s:{s:i, s:s, s:{s:i}}}", "error", "code", 1, "message", why, "data", "exit", code);
}

static json_t *checkpoint(const struct courier_world *world, json_int_t old_size)
{
        char body[128];

        if (old_size > (json_int_t)world->sealed)
                return refusal(1, "the log is smaller");
        snprintf(body, sizeof(body), "old %lld\n\norigin\n%llu\n", (long long)old_size,
                 (unsigned long long)world->sealed);
        return json_pack("{s:{s:s, s:I}}", "result", "body", body, "size", (json_int_t)world->sealed);
}

static json_t *cosign(struct courier_world *world, const json_t *params)
{
        text_copy(world->line, sizeof(world->line), json_string_value(json_object_get(params, "line")));
        if (world->cosign_exit)
                return refusal(world->cosign_exit, "it does not verify");
        return json_pack("{s:{s:s, s:I}}", "result", "witness", "witness.example/w1", "time", (json_int_t)1767323100);
}

static json_t *answer(struct courier_world *world, const json_t *request)
{
        const char *method = json_string_value(json_object_get(request, "method"));
        const json_t *params = json_object_get(request, "params");
        json_int_t old_size = json_integer_value(json_object_get(params, "old_size"));
        json_int_t size = json_integer_value(json_object_get(params, "size"));

        text_append(world->asked, sizeof(world->asked), "%s%s", world->asked[0] ? ", " : "", method);
        if (strcmp(method, "add-checkpoint") == 0) {
                text_append(world->asked, sizeof(world->asked), " %lld", (long long)old_size);
                return checkpoint(world, old_size);
        }
        if (strcmp(method, "cosign") == 0) {
                text_append(world->asked, sizeof(world->asked), " %lld", (long long)size);
                return cosign(world, params);
        }
        if (strcmp(method, "witness-refused") == 0) {
                text_append(world->asked, sizeof(world->asked), " %lld", (long long)size);
                text_copy(world->line, sizeof(world->line), json_string_value(json_object_get(params, "text")));
                return json_pack("{s:{}}", "result");
        }
        if (world->sealed_later)
                world->sealed = world->sealed_later;
        return json_pack("{s:{s:I}}", "result", "sealed_size", (json_int_t)world->sealed);
}

static void serve_courier(struct courier_world *world, int fd)
{
        _cleanup_fclose_ FILE *in = fdopen(dup(fd), "r");
        char *line = NULL;
        size_t room = 0;

        while (in && getline(&line, &room, in) > 0) {
                json_t *request = json_loads(line, 0, NULL), *reply = answer(world, request);

                json_object_set(reply, "id", json_object_get(request, "id"));
                json_dumpfd(reply, fd, JSON_COMPACT);
                send(fd, "\n", 1, MSG_NOSIGNAL);
                json_decref(reply);
                json_decref(request);
        }
        free(line);
}

/* ---- the witness ------------------------------------------------------------------------------------------------------ */

/* Head and body; false when the client went. */
static bool read_request(int fd, char *text, size_t size)
{
        size_t have = 0;

        for (;;) {
                const char *end, *length;
                ssize_t n = recv(fd, text + have, size - 1 - have, 0);

                if (n <= 0)
                        return false;
                have += (size_t)n;
                text[have] = '\0';
                end = strstr(text, "\r\n\r\n");
                length = strcasestr(text, "\r\ncontent-length: ");
                if (end && (!length || strlen(end + 4) >= strtoul(length + 18, NULL, 10)))
                        return true;
        }
}

static void send_text(int fd, const char *text, size_t endless)
{
        char filler[4096];

        memset(filler, 'x', sizeof(filler));
        if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
                return;
        for (; endless > 0; endless -= endless < sizeof(filler) ? endless : sizeof(filler))
                if (send(fd, filler, endless < sizeof(filler) ? endless : sizeof(filler), MSG_NOSIGNAL) < 0)
                        return;
}

static void serve_http(struct courier_world *world, int fd)
{
        unsigned now = world->requests_n;

        if (now > WORLD_REPLIES_MAX || !read_request(fd, world->requests[now], sizeof(world->requests[now])))
                return;
        world->requests_n++;
        if (now < WORLD_REPLIES_MAX && world->replies[now])
                send_text(fd, world->replies[now], world->endless);
}

/* ---- both ------------------------------------------------------------------------------------------------------------- */

static void serve(struct courier_world *world, int listener, void (*one)(struct courier_world *, int))
{
        int fd;

        while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                one(world, fd);
                close(fd);
        }
}

static void *play_daemon(void *world)
{
        serve(world, ((struct courier_world *)world)->door, serve_courier);
        return NULL;
}

static void *play_witness(void *world)
{
        serve(world, ((struct courier_world *)world)->port, serve_http);
        return NULL;
}

void world_open_courier(struct courier_world *world)
{
        struct sockaddr_un door = { .sun_family = AF_UNIX };
        struct sockaddr_in port = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(port);
        char directory[] = "/tmp/courier-world-XXXXXX";

        assert_non_null(mkdtemp(directory));
        snprintf(world->socket, sizeof(world->socket), "%s/socket", directory);
        strcpy(door.sun_path, world->socket);
        world->door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(world->door, (struct sockaddr *)&door, sizeof(door)), 0);
        assert_int_equal(listen(world->door, 4), 0);
        world->port = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(world->port, (struct sockaddr *)&port, size), 0);
        assert_int_equal(listen(world->port, 4), 0);
        getsockname(world->port, (struct sockaddr *)&port, &size);
        snprintf(world->url, sizeof(world->url), "http://127.0.0.1:%u/log/", ntohs(port.sin_port));
        assert_int_equal(pthread_create(&world->daemon, NULL, play_daemon, world), 0);
        assert_int_equal(pthread_create(&world->witness, NULL, play_witness, world), 0);
}

void world_close_courier(struct courier_world *world)
{
        shutdown(world->door, SHUT_RDWR);
        shutdown(world->port, SHUT_RDWR);
        pthread_join(world->daemon, NULL);
        pthread_join(world->witness, NULL);
        close(world->door);
        close(world->port);
        unlink(world->socket);
        *strrchr(world->socket, '/') = '\0';
        rmdir(world->socket);
}

struct pushed world_push(struct courier_world *world, uint64_t last_size)
{
        _cleanup_(rpc_closep) struct rpc *core = NULL;
        json_auto_t *witness = json_pack("{s:s, s:s, s:s, s:I}", "name", "witness.example/w1", "vkey", WORLD_VKEY,
                                         "url", world->url, "last_size", (json_int_t)last_size);
        struct pushed pushed;

        assert_int_equal(rpc_open(world->socket, &core), 0);
        push_checkpoint(core, witness, NULL, &pushed);
        return pushed;
}
