#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define LOG_TEXT_MAX 2000
#define LOG_FIELD_MAX 400

int log_level(void)
{
        const char *wanted = getenv("GOVERNOR_LOG");

        if (!wanted)
                return LOG_INFO;
        if (strcmp(wanted, "debug") == 0)
                return LOG_DEBUG;
        if (strcmp(wanted, "warning") == 0)
                return LOG_WARNING;
        return strcmp(wanted, "error") == 0 ? LOG_ERR : LOG_INFO;
}

/* Under systemd stderr is the very stream that JOURNAL_STREAM names; a shell under a service inherits only the variable. */
static int stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &st) < 0)
                return 0;
        return st.st_dev == device && st.st_ino == inode;
}

static int send_journal(int priority, const struct log_field *fields, const char *text)
{
        char message[sizeof("MESSAGE=") + LOG_TEXT_MAX], level[sizeof("PRIORITY=") + 2];
        char more[LOG_FIELDS_MAX][LOG_FIELD_MAX];
        struct iovec iov[2 + LOG_FIELDS_MAX];
        int n = 0;

        iov[n++] = (struct iovec){ message, (size_t)snprintf(message, sizeof(message), "MESSAGE=%s", text) };
        iov[n++] = (struct iovec){ level, (size_t)snprintf(level, sizeof(level), "PRIORITY=%d", priority & 7) };
        for (int i = 0; fields && fields[i].name && i < LOG_FIELDS_MAX; i++) {
                if (!fields[i].value)
                        continue;
                snprintf(more[i], sizeof(more[i]), "%s=%s", fields[i].name, fields[i].value);
                iov[n++] = (struct iovec){ more[i], strlen(more[i]) };
        }
        return sd_journal_sendv(iov, n);
}

static void log_text(int priority, const struct log_field *fields, const char *text)
{
        if (priority > log_level())
                return;
        if (stderr_is_journal() && send_journal(priority, fields, text) >= 0)
                return;
        fprintf(stderr, "%s\n", text);
}

void log_with(int priority, const struct log_field *fields, const char *format, ...)
{
        char text[LOG_TEXT_MAX];
        int saved_errno = errno;
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        log_text(priority, fields, text);
        errno = saved_errno;
}

__attribute__((format(printf, 4, 0))) static void log_errno(int priority, int r, const char *end, const char *format,
                                                            va_list ap)
{
        char text[LOG_TEXT_MAX];
        char number[16];
        int saved_errno = errno;

        vsnprintf(text, sizeof(text), format, ap);
        snprintf(number, sizeof(number), "%d", -r);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), ": %s%s", strerror(-r), end);
        log_text(priority, (struct log_field[]){ { "ERRNO", number }, { NULL, NULL } }, text);
        errno = saved_errno;
}

int log_failure(int r, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        log_errno(LOG_ERR, r, "", format, ap);
        va_end(ap);
        return r;
}

int log_ignored(int r, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        log_errno(LOG_WARNING, r, ", ignoring", format, ap);
        va_end(ap);
        return r;
}
