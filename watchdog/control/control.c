#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "control/client.h"
#include "control/control.h"
#include "control/rate.h"
#include "io/cleanup.h"

#define PEOPLE_MAX 64  /* clients of the first two sockets */
#define READERS_MAX 44 /* the rest is for root and the courier: who may only read cannot keep out who has to act */
#define COURIERS_MAX 4
#define AGENTS_MAX 24   /* have places of their own ... */
#define AGENTS_OF_ONE 4 /* ... and no user has more of them */
#define CLIENTS_MAX (PEOPLE_MAX + AGENTS_MAX)

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum { RPC_PARSE = -32700, RPC_REQUEST = -32600, RPC_METHOD = -32601, RPC_PARAMS = -32602, RPC_REFUSED = 1 };

/* A listening socket. */
struct door {
        char *path;
        int fd; /* negative: there is none */
        sd_event_source *source;
        struct control *control;
};

struct control {
        struct control_options options;
        struct door door;
        struct door courier_door;
        struct door agent_door;
        gid_t group;   /* (gid_t)-1: none */
        uid_t courier; /* (uid_t)-1: none */
        int courier_why, agents_why;
        struct rates rates;
        sd_event *event;
        uint64_t generation;
        struct client clients[CLIENTS_MAX];
};

json_t *control_refuse(struct control_error *error, int exit_code, const char *next, const char *why, ...)
{
        char text[sizeof(error->why)];
        va_list args;

        error->exit_code = exit_code;
        text_copy(error->next, sizeof(error->next), next ? next : "");
        va_start(args, why);
        vsnprintf(text, sizeof(text), why, args);
        va_end(args);
        text_copy_safe(error->why, sizeof(error->why), text); /* the cut may have split a character */
        return NULL;
}

/* Whoever holds something for this client lets go of it. */
static void leave(struct client *client)
{
        struct control *control = client->owner;
        unsigned index = (unsigned)(client - control->clients);
        uint64_t generation = client->generation;

        client_done(client);
        if (control->options.left)
                control->options.left(control->options.self, index, generation);
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

static int send_and_free(struct client *client, json_t *object)
{
        int r = object ? client_send(client, object) : -ENOMEM;

        json_decref(object);
        return r;
}

/* `id` is a loan. */
static int send_error(struct client *client, json_t *id, int code, const struct control_error *error)
{
        return send_and_free(client, json_pack("{s:s, s:O?, s:{s:i, s:s, s:{s:i, s:s, s:s}}}", "jsonrpc", "2.0", "id",
                                               id, "error", "code", code, "message", error->why, "data", "exit",
                                               error->exit_code, "why", error->why, "next", error->next));
}

/* `result` is taken, `id` is a loan. */
static int send_result(struct client *client, json_t *id, json_t *result)
{
        return send_and_free(client, json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0", "id", id, "result", result));
}

static int refuse(struct client *client, json_t *id, int code, int exit_code, const char *why)
{
        struct control_error error = { .exit_code = exit_code };

        text_copy(error.why, sizeof(error.why), why);
        return send_error(client, id, code, &error);
}

/* ---- requests --------------------------------------------------------------------------------------------------------- */

static int refuse_method(struct client *client, json_t *id, const char *name, const char *near)
{
        struct control_error error = { .exit_code = 2 };
        char safe[64];

        text_copy_safe(safe, sizeof(safe), name);
        control_refuse(&error, 2, "govctl help",
                       near ? "unknown method '%s'; did you mean '%s'?" : "unknown method '%s'", safe, near);
        return send_error(client, id, RPC_METHOD, &error);
}

static json_t *guarded_call(struct control *control, const struct control_request *request, struct control_error *error)
{
        json_t *result = NULL;

        if (control->options.guard && !control->options.guard(control->options.self, request, &result, error))
                return result;
        return control->options.calls[request->method](control->options.self, request, error);
}

static int call_method(struct client *client, enum method method, json_t *id, const json_t *params, const json_t *proof)
{
        struct control *control = client->owner;
        struct control_ticket later = {
                .client = (unsigned)(client - control->clients),
                .generation = client->generation,
                .id = id,
        };
        struct control_request request = {
                .method = method,
                .params = params,
                .proof = proof,
                .uid = client->uid,
                .pid = client->pid,
                .pidfd = client->pidfd,
                .role = client->role,
                .later = &later,
        };
        struct control_error error = { .exit_code = 1 };
        json_t *result = guarded_call(control, &request, &error);

        if (error.later) {
                json_incref(id); /* the ticket keeps it */
                return 0;
        }
        if (!result)
                return send_error(client, id, RPC_REFUSED, &error);
        if (method == METHOD_SUBSCRIBE)
                client->subscribed = true;
        return send_result(client, id, result);
}

/* Whose the method is, for whoever may not ask for it. */
static void say_whose(const struct method_row *row, const struct client *client, char *text, size_t size)
{
        if (client->role == ROLE_AGENT)
                snprintf(text, size, "'%s' is not for agents; those may ask, request and withdraw", row->name);
        else if (method_is_for(row, ROLE_AGENT))
                snprintf(text, size, "'%s' is for agents, on their own socket", row->name);
        else
                snprintf(text, size, "'%s' is for root%s; you are uid %u", row->name,
                         method_is_for(row, ROLE_READER) ? " and group 'governor'" : "", (unsigned)client->uid);
}

static int take_request(struct client *client, const json_t *request)
{
        json_t *id = json_object_get(request, "id");
        const char *name = json_string_value(json_object_get(request, "method"));
        const json_t *params = json_object_get(request, "params");
        const struct method_row *row;
        const char *near;
        char text[192];
        enum method method;

        if (!json_is_object(request) || !name || (id && !json_is_string(id) && !json_is_integer(id)))
                return refuse(client, NULL, RPC_REQUEST, 2, "not a JSON-RPC 2.0 request: method and id are needed");
        method = method_find(name, &near);
        if (method == METHOD_N)
                return refuse_method(client, id, name, near);
        row = method_row(method);
        if (!method_is_for(row, client->role)) {
                say_whose(row, client, text, sizeof(text));
                return refuse(client, id, RPC_REFUSED, 4, text);
        }
        if (method_check(row, params, text, sizeof(text)) < 0)
                return refuse(client, id, RPC_PARAMS, 2, text);
        return call_method(client, method, id, params, json_object_get(request, "proof"));
}

static bool may_ask_now(struct client *client)
{
        struct control *control = client->owner;
        usec_t now = 0;

        sd_event_now(control->event, CLOCK_BOOTTIME, &now);
        return rate_take(&control->rates, client->uid, now);
}

static int on_line(struct client *client, char *text, size_t size)
{
        json_error_t where;
        json_t *request;
        int r;

        if (size == 0)
                return 0;
        if (client->role == ROLE_AGENT && !may_ask_now(client))
                return refuse(client, NULL, RPC_REFUSED, 7, "this user asks too often; wait some seconds");
        request = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
        if (!request) {
                char why[160], safe[96];

                text_copy_safe(safe, sizeof(safe), where.text);
                snprintf(why, sizeof(why), "not JSON at column %d: %s", where.column, safe);
                return refuse(client, NULL, RPC_PARSE, 2, why);
        }
        r = take_request(client, request);
        json_decref(request);
        return r;
}

/* ---- connections ------------------------------------------------------------------------------------------------------ */

static int on_client(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        struct client *client = userdata;
        int r = 0;

        (void)source, (void)fd;
        if (events & EPOLLOUT)
                r = client_flush(client);
        if (r >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                r = client_receive(client, on_line);
        if (r == -EMSGSIZE) {
                client->closing = true;
                refuse(client, NULL, RPC_REQUEST, 2, "the request is longer than 64 KiB");
        }
        if (r < 0)
                leave(client);
        return 0;
}

static bool in_group(gid_t group, const struct ucred *who)
{
        char path[64], line[4096];
        FILE *status;
        bool found = who->gid == group;

        /* supplementary groups stand in /proc only, which is enough: they can be dropped meanwhile, never gained */
        snprintf(path, sizeof(path), "/proc/%d/status", (int)who->pid);
        status = found || group == (gid_t)-1 ? NULL : fopen(path, "re");
        while (status && !found && fgets(line, sizeof(line), status)) {
                if (!text_starts(line, "Groups:"))
                        continue;
                for (char *at = line + strlen("Groups:"), *end; !found; at = end) {
                        unsigned long gid = strtoul(at, &end, 10);

                        if (end == at)
                                break;
                        found = gid == group;
                }
        }
        if (status)
                fclose(status);
        return found;
}

static enum role role_of(const struct control *control, const struct ucred *who)
{
        if (who->uid == 0 || who->uid == geteuid())
                return ROLE_OPERATOR;
        if (who->uid == control->courier)
                return ROLE_COURIER; /* and never more, whatever groups it is in */
        return in_group(control->group, who) ? ROLE_READER : ROLE_NONE;
}

static struct client *free_place(struct control *control, enum role role, uid_t uid)
{
        struct client *place = NULL;
        unsigned readers = 0, couriers = 0, agents = 0, people = 0, its_own = 0;

        for (unsigned i = 0; i < CLIENTS_MAX; i++) {
                if (control->clients[i].fd < 0) {
                        place = &control->clients[i];
                        continue;
                }
                if (control->clients[i].role == ROLE_AGENT) {
                        agents++;
                        its_own += control->clients[i].uid == uid;
                        continue;
                }
                people++;
                readers += control->clients[i].role <= ROLE_READER;
                couriers += control->clients[i].role == ROLE_COURIER;
        }
        if (role == ROLE_AGENT)
                return agents < AGENTS_MAX && its_own < AGENTS_OF_ONE ? place : NULL;
        if (people >= PEOPLE_MAX)
                return NULL;
        if (role <= ROLE_READER)
                return readers < READERS_MAX ? place : NULL;
        return role == ROLE_COURIER && couriers >= COURIERS_MAX ? NULL : place;
}

/* Best effort: the socket is new, so a line fits. */
static void turn_away(int fd)
{
        static const char full[] =
                "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"too many connections\",\"data\":{"
                "\"exit\":7,\"why\":\"this user, or all together, hold as many as there may be\",\"next\":\"close some\"}}}\n";

        (void)send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        close(fd);
}

static int pidfd_of_peer(int fd)
{
        int pidfd = -1;
        socklen_t size = sizeof(pidfd);

        return getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) < 0 ? -1 : pidfd;
}

static void accept_client(struct door *door, int fd)
{
        struct control *control = door->control;
        struct client *client = NULL;
        enum role role = ROLE_NONE;
        struct ucred who;
        socklen_t size = sizeof(who);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) >= 0) {
                role = door == &control->agent_door ? ROLE_AGENT : role_of(control, &who);
                client = free_place(control, role, who.uid);
        }
        if (!client && door == &control->agent_door)
                return turn_away(fd);
        if (!client) {
                close(fd);
                return;
        }
        *client = (struct client){
                .fd = fd,
                .generation = ++control->generation,
                .uid = who.uid,
                .pid = who.pid,
                .pidfd = role == ROLE_AGENT ? pidfd_of_peer(fd) : -1,
                .role = role,
                .owner = control,
        };
        if (sd_event_add_io(control->event, &client->source, fd, EPOLLIN, on_client, client) < 0)
                return client_done(client);
        if (client->role == ROLE_NONE) {
                client->closing = true;
                if (refuse(client, NULL, RPC_REFUSED, 4, "only root and members of group 'governor' may ask") < 0)
                        client_done(client);
        }
}

static int on_connection(sd_event_source *source, int listener, uint32_t events, void *userdata)
{
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        (void)source, (void)events;
        if (fd >= 0)
                accept_client(userdata, fd);
        return 0;
}

/* ---- listening -------------------------------------------------------------------------------------------------------- */

/* A daemon that died leaves its socket behind: nobody answers there, so it may be replaced. */
static int is_answered(const struct sockaddr_un *address)
{
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return -errno;
        return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN;
}

static int bind_door(struct door *door)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -1;
        int r;

        if (strlen(door->path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, door->path, strlen(door->path) + 1);
        r = is_answered(&address);
        if (r != 0)
                return r < 0 ? r : -EADDRINUSE;
        unlink(door->path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        door->fd = TAKE_FD(fd);
        return 0;
}

static int open_door(struct control *control, struct door *door)
{
        if (listen(door->fd, 64) < 0)
                return -errno;
        door->control = control;
        return sd_event_add_io(control->event, &door->source, door->fd, EPOLLIN, on_connection, door);
}

static void close_door(struct door *door)
{
        sd_event_source_disable_unref(door->source);
        if (door->fd >= 0) {
                close(door->fd);
                unlink(door->path);
        }
        free(door->path);
        *door = (struct door){ .fd = -1 };
}

static int listen_for_people(struct control *control)
{
        struct door *door = &control->door;
        int r;

        door->path = strdup(control->options.path);
        r = door->path ? bind_door(door) : -ENOMEM;
        if (r < 0)
                return r;
        if (control->group != (gid_t)-1 && chown(door->path, (uid_t)-1, control->group) < 0)
                control->group = (gid_t)-1; /* not root: then only our own user can connect anyway */
        return chmod(door->path, 0660) < 0 ? -errno : open_door(control, door);
}

/* A door of its own, so that its user needs to be in no group: on the other one it could only knock. */
static int listen_for_courier(struct control *control)
{
        struct door *door = &control->courier_door;
        int r;

        if (control->courier == (uid_t)-1)
                return -ESRCH;
        door->path = strdup(control->options.courier_path);
        r = door->path ? bind_door(door) : -ENOMEM;
        if (r < 0)
                return r;
        if (chmod(door->path, 0600) < 0 || chown(door->path, control->courier, (gid_t)-1) < 0)
                return -errno;
        return open_door(control, door);
}

/* A door for everybody: what is behind it is counted by user, and asks for itself. */
static int listen_for_agents(struct control *control)
{
        struct door *door = &control->agent_door;
        int r;

        door->path = strdup(control->options.agent_path);
        r = door->path ? bind_door(door) : -ENOMEM;
        if (r < 0)
                return r;
        return chmod(door->path, 0666) < 0 ? -errno : open_door(control, door);
}

/* Read from the file and not through NSS, which would load its modules into a daemon that asks once. */
static gid_t group_id(const char *name)
{
        _cleanup_fclose_ FILE *file = fopen("/etc/group", "re");
        const struct group *group = NULL;

        while (file && name && (group = fgetgrent(file)) && strcmp(group->gr_name, name) != 0)
                ;
        return group ? group->gr_gid : (gid_t)-1;
}

static uid_t user_id(const char *name)
{
        _cleanup_fclose_ FILE *file = fopen("/etc/passwd", "re");
        const struct passwd *user = NULL;

        while (file && name && (user = fgetpwent(file)) && strcmp(user->pw_name, name) != 0)
                ;
        return user ? user->pw_uid : (uid_t)-1;
}

int control_new(sd_event *event, const struct control_options *options, struct control **ret)
{
        struct control *control = calloc(1, sizeof(*control));
        int r;

        if (!control)
                return -ENOMEM;
        control->options = *options;
        control->event = sd_event_ref(event);
        control->door.fd = control->courier_door.fd = control->agent_door.fd = -1;
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                control->clients[i].fd = control->clients[i].pidfd = -1;
        control->group = group_id(options->group);
        control->courier = user_id(options->courier);
        r = listen_for_people(control);
        if (r < 0) {
                control_free(control);
                return r;
        }
        r = options->courier_path ? listen_for_courier(control) : 0;
        if (r < 0)
                close_door(&control->courier_door);
        control->courier_why = r < 0 ? r : 0;
        r = options->agent_path ? listen_for_agents(control) : 0;
        if (r < 0)
                close_door(&control->agent_door);
        control->agents_why = r < 0 ? r : 0;
        *ret = control;
        return 0;
}

struct control *control_free(struct control *control)
{
        if (!control)
                return NULL;
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                client_done(&control->clients[i]);
        close_door(&control->door);
        close_door(&control->courier_door);
        close_door(&control->agent_door);
        sd_event_unref(control->event);
        free(control);
        return NULL;
}

int control_hears_courier(const struct control *control)
{
        return control->courier_why;
}

int control_hears_agents(const struct control *control)
{
        return control->agents_why;
}

/* ---- words that come later ---------------------------------------------------------------------------------------------- */

void control_answer(struct control *control, struct control_ticket *ticket, json_t *result,
                    const struct control_error *error)
{
        struct client *client = &control->clients[ticket->client];
        int r = 0;

        if (client->fd >= 0 && client->generation == ticket->generation)
                r = result ? send_result(client, ticket->id, json_incref(result))
                           : send_error(client, ticket->id, RPC_REFUSED, error);
        if (r < 0)
                leave(client);
        json_decref(result);
        json_decref(ticket->id);
        *ticket = (struct control_ticket){ 0 };
}

bool control_has_subscribers(const struct control *control)
{
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
                if (control->clients[i].fd >= 0 && control->clients[i].subscribed)
                        return true;
        return false;
}

void control_publish(struct control *control, const char *method, const json_t *params)
{
        json_t *object = json_pack("{s:s, s:s, s:O}", "jsonrpc", "2.0", "method", method, "params", params);

        for (unsigned i = 0; object && i < CLIENTS_MAX; i++) {
                struct client *client = &control->clients[i];

                /* a subscriber that does not read is dropped: it must not grow the daemon */
                if (client->fd >= 0 && client->subscribed && client_send(client, object) < 0)
                        leave(client);
        }
        json_decref(object);
}
