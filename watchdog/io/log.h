#pragma once
/* Says what happened to whoever runs the daemon: the journal with its fields under systemd, lines on stderr elsewhere. */
#include <stdarg.h>
#include <syslog.h>

/* One more journal field of a message, e.g. { "GOVERNOR_RULE", "keep-db-up" }. A NULL value leaves it out. */
struct log_field {
        const char *name;
        const char *value;
};

#define LOG_FIELDS_MAX 8

/* A message with fields; `fields` ends with a row whose name is NULL, or is NULL. Text is cut at 2,000 bytes. */
__attribute__((format(printf, 3, 4))) void log_with(int priority, const struct log_field *fields, const char *format,
                                                    ...);

#define log_debug(...) log_with(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...) log_with(LOG_INFO, NULL, __VA_ARGS__)
#define log_warning(...) log_with(LOG_WARNING, NULL, __VA_ARGS__)
#define log_error(...) log_with(LOG_ERR, NULL, __VA_ARGS__)

/* "Cannot load policy 'x': Permission denied"; returns r, so that the edge can say and return in one line. */
__attribute__((format(printf, 2, 3))) int log_failure(int r, const char *format, ...);

/* As log_failure(), for what we live with: "..., ignoring". */
__attribute__((format(printf, 2, 3))) int log_ignored(int r, const char *format, ...);

/* Messages below this priority are not written; LOG_INFO unless GOVERNOR_LOG says otherwise ("debug", "warning"). */
int log_level(void);
