#include "guard/who.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/names.h"
#include "base/redact.h"
#include "base/text.h"

/* clang-format off */
static const char *const source_names[WHO_SOURCE_N] = {
        [WHO_UNKNOWN] = "unknown",
        [WHO_EVENT]   = "event",
        [WHO_BORN]    = "born",
        [WHO_PROC]    = "proc",
        [WHO_BLOCKED] = "blocked",
};
/* clang-format on */

NAMES_DEFINE(who_source, source_names)

/* The value of an option is judged together with its name: "--token abc" is what "--token=abc" is. */
static bool hides_value(const char *option, const char *value)
{
        char pair[REDACT_LINE_MAX] = "", told[REDACT_LINE_MAX + 16];

        if (option[0] != '-' || strchr(option, '='))
                return false;
        text_append(pair, sizeof(pair), "%.128s=%s", option, value);
        return redact_line(pair, strlen(pair), told, sizeof(told));
}

/* Word by word: a shell's argument is a command line of its own. Then as a whole: "Authorization: Bearer abc" is one thing. */
void who_command(const char *arguments, size_t size, char ret[WHO_COMMAND_MAX])
{
        char word[REDACT_LINE_MAX], before[REDACT_LINE_MAX] = "", line[REDACT_LINE_MAX] = "";
        const char *at = arguments, *end = arguments + size;

        while (at < end) {
                size_t length = 0;

                while (at + length < end && at[length] != '\0' && at[length] != ' ')
                        length++;
                word[0] = '\0';
                text_append(word, sizeof(word), "%.*s", (int)(length < sizeof(word) ? length : sizeof(word)), at);
                text_append(line, sizeof(line), "%s%s", at > arguments ? " " : "",
                            hides_value(before, word) ? "***" : word);
                text_copy(before, sizeof(before), word);
                at += length + 1;
        }
        (void)redact_line(line, strlen(line), ret, WHO_COMMAND_MAX);
}

static int open_of(const struct proc *proc, pid_t pid, const char *name)
{
        char path[64];

        snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
        return openat(proc->fd, path, O_RDONLY | O_CLOEXEC);
}

/* As much of the file as there is room for: the rest of a long command line is not wanted. */
static size_t read_some(const struct proc *proc, pid_t pid, const char *name, char *buffer, size_t size)
{
        _cleanup_close_ int fd = open_of(proc, pid, name);
        ssize_t n = fd < 0 ? -1 : read(fd, buffer, size - 1);

        n = n > 0 ? n : 0;
        buffer[n] = '\0';
        return (size_t)n;
}

static void read_uid(const struct proc *proc, pid_t pid, struct who *who)
{
        char text[2048];
        const char *at;
        uint64_t uid;

        (void)read_some(proc, pid, "status", text, sizeof(text));
        at = strstr(text, "\nUid:\t");
        at = at ? strchr(at + 6, '\t') : NULL; /* the real one is first */
        if (!at)
                return;
        at++;
        who->has_uid = text_digits(&at, NULL, &uid) && uid <= UINT32_MAX;
        who->uid = who->has_uid ? (uid_t)uid : 0;
}

static void read_exe(const struct proc *proc, pid_t pid, struct who *who)
{
        char path[64], exe[WHO_PATH_MAX];
        ssize_t n;

        snprintf(path, sizeof(path), "%d/exe", (int)pid);
        n = readlinkat(proc->fd, path, exe, sizeof(exe) - 1);
        if (n <= 0)
                return;
        exe[n] = '\0';
        (void)text_copy_safe(who->exe, sizeof(who->exe), exe);
}

static void read_command(const struct proc *proc, pid_t pid, struct who *who)
{
        char arguments[1024];

        who_command(arguments, read_some(proc, pid, "cmdline", arguments, sizeof(arguments)), who->command);
}

/* Whether it is still there, if only to be waited for: then nobody else can have its pid. */
static bool is_held(int pidfd)
{
        return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) >= 0 || errno == EPERM;
}

void who_glance(const struct proc *proc, pid_t pid, struct who *ret)
{
        struct proc_stat stat;

        *ret = (struct who){ .source = pid > 0 ? WHO_EVENT : WHO_UNKNOWN, .pid = pid > 0 ? pid : 0 };
        if (pid <= 0 || proc_stat(proc, pid, &stat) < 0)
                return;
        ret->source = WHO_PROC;
        ret->start = stat.start;
        ret->parent = stat.parent;
        (void)text_copy_safe(ret->comm, sizeof(ret->comm), stat.comm);
        read_uid(proc, pid, ret);
        read_exe(proc, pid, ret);
        if (proc_cgroup(proc, pid, ret->cgroup) < 0)
                ret->cgroup[0] = '\0';
        if (!ret->cgroup[0] || proc_unit_of_cgroup(ret->cgroup, ret->unit) < 0)
                ret->unit[0] = '\0';
}

void who_read(const struct proc *proc, pid_t pid, int pidfd, struct who *ret)
{
        who_glance(proc, pid, ret);
        if (ret->source != WHO_PROC)
                return;
        read_command(proc, pid, ret);
        if (pidfd >= 0 && !is_held(pidfd))
                *ret = (struct who){ .source = WHO_EVENT, .pid = pid };
}

char *who_text(const struct who *who, char buffer[WHO_TEXT_MAX])
{
        buffer[0] = '\0';
        if (who->source == WHO_UNKNOWN)
                text_append(buffer, WHO_TEXT_MAX, "unknown");
        else
                text_append(buffer, WHO_TEXT_MAX, "pid %d %s", (int)who->pid,
                            who->exe[0]    ? who->exe
                            : who->comm[0] ? who->comm
                                           : "unknown program");
        if (who->source == WHO_UNKNOWN)
                return buffer;
        if (who->has_uid)
                text_append(buffer, WHO_TEXT_MAX, " (uid %u, ", (unsigned)who->uid);
        else
                text_append(buffer, WHO_TEXT_MAX, " (uid unknown, ");
        text_append(buffer, WHO_TEXT_MAX, "%s)",
                    who->unit[0]     ? who->unit
                    : who->cgroup[0] ? who->cgroup
                                     : "unit unknown");
        return buffer;
}
