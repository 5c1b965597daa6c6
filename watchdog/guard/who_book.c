#include <arpa/inet.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "guard/who.h"

/* Events in one go at most: then the loop has its turn. */
#define ROUNDS 4096
#define RECEIVE_BYTES (1 << 20)

/* The header's own names are of several headers' making, and differ between them. */
enum {
        FORK = 0x00000001,
        EXEC = 0x00000002,
        UID = 0x00000004,
};

struct who_book {
        int fd;
        struct proc proc;
        struct who
                list[WHO_BOOK_N]; /* at pid modulo N: pids are given out one after the other, so the newest are here */
};

static struct who *entry_of(struct who_book *book, pid_t pid)
{
        return &book->list[(unsigned)pid % WHO_BOOK_N];
}

/* Of all the kernel tells only these three are let through, so that nobody is woken for the rest. */
static int attach_filter(int fd)
{
        const unsigned what = NLMSG_HDRLEN + sizeof(struct cn_msg) + offsetof(struct proc_event, what);
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, what),
                /* in the machine's own order, which is not the one that BPF loads words in */
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(FORK), 3, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(EXEC), 2, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(UID), 1, 0),
                BPF_STMT(BPF_RET | BPF_K, 0),
                BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        };
        struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

/*
 * The kernel answers before send() returns. It says nothing at all to a process that is not in the first namespaces, and would
 * never tell it anything.
 */
static int take_answer(int fd)
{
        char buffer[1024];
        struct proc_event event = { 0 };
        const size_t before = NLMSG_HDRLEN + sizeof(struct cn_msg);
        ssize_t size;

        do { /* somebody else's answers and events may be before ours */
                size = recv(fd, buffer, sizeof(buffer), 0);
                if (size < 0)
                        return errno == EAGAIN ? -EOPNOTSUPP : -errno;
                if ((size_t)size > before)
                        memcpy(&event, buffer + before,
                               (size_t)size - before < sizeof(event) ? (size_t)size - before : sizeof(event));
        } while ((size_t)size <= before || event.what != 0);
        return -(int)event.event_data.ack.err;
}

static int ask_for_events(int fd)
{
        const struct cn_msg connector = { .id = { CN_IDX_PROC, CN_VAL_PROC }, .len = sizeof(enum proc_cn_mcast_op) };
        const enum proc_cn_mcast_op listen = PROC_CN_MCAST_LISTEN;
        char message[NLMSG_SPACE(sizeof(connector) + sizeof(listen))] = { 0 };
        const struct nlmsghdr netlink = { .nlmsg_len = sizeof(message), .nlmsg_type = NLMSG_DONE };

        memcpy(message, &netlink, sizeof(netlink));
        memcpy(message + NLMSG_HDRLEN, &connector, sizeof(connector));
        memcpy(message + NLMSG_HDRLEN + sizeof(connector), &listen, sizeof(listen));
        return send(fd, message, sizeof(message), 0) < 0 ? -errno : 0;
}

int who_book_new(const struct proc *proc, struct who_book **ret)
{
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
        struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC };
        const int room = RECEIVE_BYTES;
        struct who_book *book;
        int r;

        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0 ||
            bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        r = ask_for_events(fd);
        if (r >= 0)
                r = take_answer(fd);
        if (r >= 0)
                r = attach_filter(fd);
        if (r < 0)
                return r;
        book = calloc(1, sizeof(*book));
        if (!book)
                return -ENOMEM;
        book->fd = TAKE_FD(fd);
        book->proc = *proc;
        *ret = book;
        return 0;
}

struct who_book *who_book_free(struct who_book *book)
{
        if (book)
                close_fd(book->fd);
        free(book);
        return NULL;
}

int who_book_fd(const struct who_book *book)
{
        return book->fd;
}

/* A child is what its parent is until it executes something else. */
static void take_fork(struct who_book *book, pid_t parent, pid_t child)
{
        struct who *from = entry_of(book, parent), *to = entry_of(book, child);

        if (from->pid != parent || from->source == WHO_UNKNOWN) {
                struct who who;

                who_read(&book->proc, parent, -EBADF, &who);
                *from = who;
        }
        if (from != to)
                *to = *from;
        to->pid = child;
        to->parent = parent;
        to->start = 0;
        to->source = WHO_BORN;
}

/* What it was before says nothing of the program that it is now. */
static void take_exec(struct who_book *book, pid_t pid)
{
        struct who *entry = entry_of(book, pid), before = *entry, now;

        who_read(&book->proc, pid, -EBADF, &now);
        now.source = WHO_BORN;
        if (now.start == 0 && before.pid == pid) { /* gone already: its place and its parent are what they were */
                now.parent = before.parent;
                text_copy(now.cgroup, sizeof(now.cgroup), before.cgroup);
                text_copy(now.unit, sizeof(now.unit), before.unit);
        }
        *entry = now;
}

static void take_uid(struct who_book *book, pid_t pid, uid_t uid)
{
        struct who *entry = entry_of(book, pid);

        if (entry->pid != pid)
                return;
        entry->has_uid = true;
        entry->uid = uid;
}

/* Threads are told of as well: they are not processes of their own. */
static void take_event(struct who_book *book, const struct proc_event *event)
{
        switch ((unsigned)event->what) {
        case FORK:
                if (event->event_data.fork.child_pid == event->event_data.fork.child_tgid)
                        take_fork(book, event->event_data.fork.parent_tgid, event->event_data.fork.child_tgid);
                break;
        case EXEC: take_exec(book, event->event_data.exec.process_tgid); break;
        case UID: take_uid(book, event->event_data.id.process_tgid, event->event_data.id.e.euid); break;
        default: break;
        }
}

/* One message of the kernel's, and of nobody else's. */
static void take_message(struct who_book *book, const char *bytes, size_t size)
{
        struct nlmsghdr netlink;
        struct cn_msg connector;
        struct proc_event event = { 0 };
        const size_t before = NLMSG_HDRLEN + sizeof(connector);

        if (size < before + offsetof(struct proc_event, event_data))
                return;
        memcpy(&netlink, bytes, sizeof(netlink));
        memcpy(&connector, bytes + NLMSG_HDRLEN, sizeof(connector));
        if (netlink.nlmsg_len > size || connector.id.idx != CN_IDX_PROC || connector.id.val != CN_VAL_PROC)
                return;
        memcpy(&event, bytes + before, size - before < sizeof(event) ? size - before : sizeof(event));
        take_event(book, &event);
}

void who_book_take(struct who_book *book)
{
        char buffer[1024];

        for (unsigned n = 0; n < ROUNDS; n++) {
                struct sockaddr_nl from = { 0 };
                socklen_t from_size = sizeof(from);
                ssize_t size = recvfrom(book->fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &from_size);

                if (size < 0 && errno == ENOBUFS)
                        memset(book->list, 0, sizeof(book->list));
                else if (size < 0 && errno != EINTR)
                        return;
                else if (size > 0 && from.nl_pid == 0)
                        take_message(book, buffer, (size_t)size);
        }
}

static void fill(char *to, size_t size, const char *from)
{
        if (!to[0])
                text_copy(to, size, from);
}

void who_book_fill(struct who_book *book, struct who *who)
{
        const struct who *entry;

        if (!book || who->pid <= 0)
                return;
        who_book_take(book);
        entry = entry_of(book, who->pid);
        if (entry->pid != who->pid || (who->start && entry->start && who->start != entry->start))
                return;
        if (who->source == WHO_EVENT)
                who->source = WHO_BORN;
        fill(who->comm, sizeof(who->comm), entry->comm);
        fill(who->exe, sizeof(who->exe), entry->exe);
        fill(who->command, sizeof(who->command), entry->command);
        fill(who->cgroup, sizeof(who->cgroup), entry->cgroup);
        fill(who->unit, sizeof(who->unit), entry->unit);
        who->parent = who->parent ? who->parent : entry->parent;
        if (!who->has_uid && entry->has_uid) {
                who->has_uid = true;
                who->uid = entry->uid;
        }
}
