#include "observe/kmsg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/text.h"

#define FACILITY_SHIFT 3
#define COMM_BYTES 15 /* of a process; the kernel cuts there */
#define NUMBERS_MAX 16
#define KIB 1024

/* ---- a record -------------------------------------------------------------------------------------------------------- */

static int hex_of(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What is not plain ASCII comes as \xNN, a backslash too. */
static void undo_escapes(const char *at, const char *end, char to[KMSG_TEXT_MAX])
{
        size_t n = 0;

        while (at < end && *at != '\n' && n < KMSG_TEXT_MAX - 1) {
                bool escaped =
                        end - at >= 4 && at[0] == '\\' && at[1] == 'x' && hex_of(at[2]) >= 0 && hex_of(at[3]) >= 0;
                char c = escaped ? (char)(hex_of(at[2]) << 4 | hex_of(at[3])) : *at;

                to[n++] = c ? c : '?';
                at += escaped ? 4 : 1;
        }
        to[n] = '\0';
}

int kmsg_parse(const char *record, size_t size, struct kmsg_record *ret)
{
        const char *at = record, *end = record + size, *text = memchr(record, ';', size);
        uint64_t priority, seq, usec;

        if (!text || !text_digits(&at, text, &priority) || *at++ != ',' || !text_digits(&at, text, &seq) ||
            *at++ != ',' || !text_digits(&at, text, &usec) || *at != ',' || priority >> FACILITY_SHIFT > UINT32_MAX)
                return -EBADMSG;
        ret->facility = (uint32_t)(priority >> FACILITY_SHIFT);
        ret->seq = seq;
        undo_escapes(text + 1, end, ret->text);
        return 0;
}

/* ---- the table of processes ------------------------------------------------------------------------------------------ */

static uint64_t in_bytes(uint64_t count, uint64_t unit)
{
        uint64_t bytes;

        return __builtin_mul_overflow(count, unit, &bytes) ? UINT64_MAX : bytes;
}

static uint64_t sum_of(uint64_t a, uint64_t b)
{
        uint64_t sum;

        return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* "[  pid  ]   uid  tgid total_vm      rss ... name": newer kernels have more columns, so they are found by their names. */
static bool take_header(struct kmsg_report *report, const char *text)
{
        char words[KMSG_TEXT_MAX], *rest = words, *word;
        int column = 0;

        if (!text_starts(text, "[  pid  ] "))
                return false;
        text_copy(words, sizeof(words), text + strlen("[  pid  ]"));
        report->table.pid = report->table.rss = report->table.swap = -1;
        report->table.n = 0;
        report->tasks_n = 0;
        while ((word = strsep(&rest, " ")) && strcmp(word, "name") != 0) {
                if (!*word)
                        continue;
                if (strcmp(word, "tgid") == 0)
                        report->table.pid = column;
                else if (strcmp(word, "rss") == 0)
                        report->table.rss = column;
                else if (strcmp(word, "swapents") == 0)
                        report->table.swap = column;
                column++;
        }
        if (word && report->table.pid >= 0 && report->table.rss >= 0 && column <= NUMBERS_MAX)
                report->table.n = column;
        return true;
}

static void keep_task(struct kmsg_report *report, const struct kmsg_task *task)
{
        unsigned place = report->tasks_n;

        while (place > 0 && report->tasks[place - 1].bytes < task->bytes)
                place--;
        if (place == KMSG_TASKS)
                return;
        if (report->tasks_n < KMSG_TASKS)
                report->tasks_n++;
        memmove(report->tasks + place + 1, report->tasks + place,
                (report->tasks_n - 1 - place) * sizeof(*report->tasks));
        report->tasks[place] = *task;
}

/* Pages, as long as the numbers are not signed: oom_score_adj may be, and is not needed. */
static bool take_row(struct kmsg_report *report, const char *text)
{
        const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        uint64_t numbers[NUMBERS_MAX] = { 0 };
        struct kmsg_task task;
        const char *at = strchr(text, ']'), *end = text + strlen(text);

        if (report->table.n == 0 || *text != '[' || !at)
                return false;
        at++;
        for (int n = 0; n < report->table.n; n++) {
                at += strspn(at, " ");
                at += *at == '-';
                if (!text_digits(&at, end, &numbers[n]))
                        return false;
        }
        if (*at != ' ' || numbers[report->table.pid] == 0 || numbers[report->table.pid] > INT32_MAX)
                return false;
        task.pid = (pid_t)numbers[report->table.pid];
        task.swapped = report->table.swap >= 0 ? in_bytes(numbers[report->table.swap], page) : 0;
        task.bytes = sum_of(in_bytes(numbers[report->table.rss], page), task.swapped);
        text_copy_safe(task.comm, sizeof(task.comm), at + 1);
        keep_task(report, &task);
        return true;
}

/* ---- the lines of a report ------------------------------------------------------------------------------------------- */

/* "memory: usage 40960kB, limit 40960kB, failcnt 3877": of the cgroup at its limit. */
static bool take_usage(struct kmsg_report *report, const char *text)
{
        const char *limit = strstr(text, ", limit "), *end = text + strlen(text);
        uint64_t kib;

        if (!text_starts(text, "memory: usage ") || !limit)
                return false;
        limit += strlen(", limit ");
        if (text_digits(&limit, end, &kib) && text_starts(limit, "kB"))
                report->limit_bytes = in_bytes(kib, KIB);
        return true;
}

static bool cut_out(char *to, size_t size, const char *from, const char *end)
{
        if (!from || !end || end < from || (size_t)(end - from) >= size)
                return false;
        memcpy(to, from, (size_t)(end - from));
        to[end - from] = '\0';
        return true;
}

/* Where ",task=" stands before the name, which is at most so long and may hold anything, also another ",task=". */
static const char *find_task(const char *text, const char *end)
{
        static const char key[] = ",task=";
        const char *from =
                end - text > COMM_BYTES + (ptrdiff_t)sizeof(key) ? end - COMM_BYTES - (ptrdiff_t)sizeof(key) + 1 : text;

        for (; from < end; from++)
                if (text_starts(from, key))
                        return from;
        return NULL;
}

/* ",pid=123,uid=0" at the end, whatever stands before. */
static const char *find_pid(const char *text, pid_t *ret)
{
        const char *pid = NULL, *end = text + strlen(text);
        uint64_t number, uid;

        for (const char *next = text; (next = strstr(next, ",pid=")); next++)
                pid = next;
        if (!pid)
                return NULL;
        const char *at = pid + strlen(",pid=");
        if (!text_digits(&at, end, &number) || number == 0 || number > INT32_MAX || !text_starts(at, ",uid="))
                return NULL;
        at += strlen(",uid=");
        if (!text_digits(&at, end, &uid) || *at)
                return NULL;
        *ret = (pid_t)number;
        return pid;
}

/* Who is killed for a limit is in the cgroup that has it: names that say otherwise were made to look like something else. */
static bool is_within(const char *cgroup, const char *limit)
{
        return strlen(limit) <= 1 || path_is_within(cgroup, limit);
}

/*
 * "oom-kill:constraint=CONSTRAINT_MEMCG,...,oom_memcg=/a.slice,task_memcg=/a.slice/x.service,task=node,pid=123,uid=0". The
 * pid is read from the end, where no name stands.
 */
static bool take_constraint(struct kmsg_report *report, const char *text)
{
        const char *pid, *task, *member, *limit;

        if (!text_starts(text, "oom-kill:constraint="))
                return false;
        report->pid = 0;
        report->cgroup[0] = report->limit[0] = '\0';
        pid = find_pid(text, &report->pid);
        task = pid ? find_task(text, pid) : NULL;
        member = strstr(text, ",task_memcg=");
        limit = strstr(text, ",oom_memcg=");
        if (!task || !member || task < member)
                return true;
        (void)cut_out(report->cgroup, sizeof(report->cgroup), member + strlen(",task_memcg="), task);
        if (limit && limit < member)
                (void)cut_out(report->limit, sizeof(report->limit), limit + strlen(",oom_memcg="), member);
        if (!is_within(report->cgroup, report->limit))
                report->cgroup[0] = report->limit[0] = '\0';
        return true;
}

/* "Tasks in /system.slice/x.service are going to be killed due to memory.oom.group set" */
static bool take_group(struct kmsg_report *report, const char *text)
{
        const char *end = strstr(text, " are going to be killed due to memory.oom.group set");

        if (!text_starts(text, "Tasks in ") || !end)
                return false;
        report->in_group = cut_out(report->cgroup, sizeof(report->cgroup), text + strlen("Tasks in "), end);
        return true;
}

/* ---- its last line --------------------------------------------------------------------------------------------------- */

static bool find_kib(const char *text, const char *key, uint64_t *ret)
{
        const char *at = strstr(text, key), *end = text + strlen(text);
        uint64_t kib;

        if (!at)
                return false;
        at += strlen(key);
        if (!text_digits(&at, end, &kib) || !text_starts(at, "kB")) /* a number that was cut is another number */
                return false;
        *ret = kib;
        return true;
}

static void take_others(const struct kmsg_report *report, struct kmsg_kill *kill)
{
        for (unsigned i = 0; i < report->tasks_n; i++)
                if (report->tasks[i].pid != kill->pid)
                        kill->others[kill->others_n++] = report->tasks[i];
}

static uint64_t swapped_of(const struct kmsg_report *report, pid_t pid)
{
        for (unsigned i = 0; i < report->tasks_n; i++)
                if (report->tasks[i].pid == pid)
                        return report->tasks[i].swapped;
        return 0;
}

/* What the report said, when it was about this one. */
static void take_report(const struct kmsg_report *report, struct kmsg_kill *kill)
{
        bool about = report->pid == kill->pid;

        if (!about && !report->in_group)
                return;
        text_copy(kill->cgroup, sizeof(kill->cgroup), report->cgroup);
        if (kill->by == OOM_BY_LIMIT) {
                text_copy(kill->limit, sizeof(kill->limit), report->limit);
                kill->limit_bytes = report->limit_bytes;
        }
        kill->held_bytes = sum_of(kill->held_bytes, swapped_of(report, kill->pid));
        if (about)
                take_others(report, kill);
}

/* The name stands in parentheses and may hold some: it ends at the last that can be its end. */
static const char *end_of_comm(const char *comm)
{
        const char *found = NULL;

        for (const char *next = comm; (next = strstr(next, ") total-vm:")); next++)
                found = next;
        return found;
}

/* "Memory cgroup out of memory: Killed process 191 (python3) total-vm:51788kB, anon-rss:40676kB, file-rss:..." */
static bool take_kill(struct kmsg_report *report, const char *text, struct kmsg_kill *ret)
{
        static const char limit[] = "Memory cgroup out of memory: Killed process ",
                          machine[] = "Out of memory: Killed process ",
                          asked[] = "Out of memory (oom_kill_allocating_task): Killed process ";
        const char *at = text_starts(text, limit)     ? text + sizeof(limit) - 1
                         : text_starts(text, machine) ? text + sizeof(machine) - 1
                         : text_starts(text, asked)   ? text + sizeof(asked) - 1
                                                      : NULL,
                   *end = at ? end_of_comm(at) : NULL;
        char comm[KMSG_COMM_MAX];
        uint64_t pid, anon, shared = 0;

        if (!end || !text_digits(&at, end, &pid) || pid == 0 || pid > INT32_MAX || !text_starts(at, " (") ||
            !find_kib(end, " anon-rss:", &anon))
                return false;
        (void)find_kib(end, " shmem-rss:", &shared);
        if (!cut_out(comm, sizeof(comm), at + 2, end))
                return false;
        *ret = (struct kmsg_kill){ .by = text_starts(text, limit) ? OOM_BY_LIMIT : OOM_BY_MACHINE,
                                   .pid = (pid_t)pid,
                                   .held_bytes = in_bytes(sum_of(anon, shared), KIB) };
        text_copy_safe(ret->comm, sizeof(ret->comm), comm);
        take_report(report, ret);
        return true;
}

bool kmsg_report_take(struct kmsg_report *report, const char *text, struct kmsg_kill *ret)
{
        if (strstr(text, " invoked oom-killer: ")) {
                *report = (struct kmsg_report){ .pid = 0 };
                return false;
        }
        if (take_usage(report, text) || take_header(report, text) || take_row(report, text) ||
            take_constraint(report, text) || take_group(report, text))
                return false;
        return take_kill(report, text, ret);
}
