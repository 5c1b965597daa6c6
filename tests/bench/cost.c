/* What a process costs while it is looked at: `cost SECONDS NAME PID...` prints one line of JSON for each.
 * `cost SECONDS NAME every SECONDS COMMAND...` runs a command again and again and prints what all its runs cost.
 *
 * CPU is the sum of /proc/PID/task/TID/schedstat, which counts nanoseconds where utime counts ticks; wakeups are voluntary
 * context switches; PSS is read last, because reading it costs the process's mmap lock. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 64

struct usage {
        unsigned long long cpu_ns, wakeups;
};

static unsigned long long number_after(const char *path, const char *key)
{
        char line[256];
        unsigned long long number = 0;
        FILE *file = fopen(path, "re");

        while (file && fgets(line, sizeof(line), file))
                if (strncmp(line, key, strlen(key)) == 0) {
                        sscanf(line + strlen(key), "%llu", &number);
                        break;
                }
        if (file)
                fclose(file);
        return number;
}

static struct usage look(int pid)
{
        struct usage usage = { 0 };
        struct dirent *task;
        char path[256];
        DIR *tasks;

        snprintf(path, sizeof(path), "/proc/%d/task", pid);
        tasks = opendir(path);
        while (tasks && (task = readdir(tasks))) {
                if (task->d_name[0] == '.')
                        continue;
                snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", pid, task->d_name);
                usage.cpu_ns += number_after(path, "");
                snprintf(path, sizeof(path), "/proc/%d/task/%.20s/status", pid, task->d_name);
                usage.wakeups += number_after(path, "voluntary_ctxt_switches:");
        }
        if (tasks)
                closedir(tasks);
        return usage;
}

static void print(const char *name, double seconds, double cpu_ms, double wakeups, unsigned long long pss_kb)
{
        printf("{\"name\":\"%s\",\"seconds\":%.1f,\"cpu_ms_per_minute\":%.2f,\"wakeups_per_minute\":%.1f,\"pss_kb\":%llu}\n",
               name, seconds, cpu_ms * 60 / seconds, wakeups * 60 / seconds, pss_kb);
}

static double now(void)
{
        struct timespec time;

        clock_gettime(CLOCK_BOOTTIME, &time);
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void watch(double seconds, int n, char **arguments)
{
        struct usage before[PROCESSES_MAX];
        double began = now();

        for (int i = 0; i < n && i < PROCESSES_MAX; i++)
                before[i] = look(atoi(arguments[2 * i + 1]));
        usleep((useconds_t)(seconds * 1e6));
        for (int i = 0; i < n && i < PROCESSES_MAX; i++) {
                int pid = atoi(arguments[2 * i + 1]);
                struct usage after = look(pid);
                double took = now() - began;
                char path[64];

                snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
                print(arguments[2 * i], took, (double)(after.cpu_ns - before[i].cpu_ns) / 1e6,
                      (double)(after.wakeups - before[i].wakeups), number_after(path, "Pss:"));
        }
}

static void run(char **command)
{
        pid_t pid = fork();

        if (pid == 0) {
                if (!freopen("/dev/null", "w", stdout))
                        _exit(126);
                execvp(command[0], command);
                _exit(127);
        }
        if (pid > 0)
                waitpid(pid, NULL, 0);
}

/* Its memory is the largest resident set of any run: a process that is gone cannot be asked for its PSS. */
static void repeat(double seconds, const char *name, double every, char **command)
{
        struct rusage usage;
        double began = now(), next = began;

        while (now() - began < seconds) {
                double wait = next - now();

                if (wait > 0)
                        usleep((useconds_t)(wait * 1e6));
                run(command);
                next += every;
        }
        getrusage(RUSAGE_CHILDREN, &usage);
        print(name, now() - began,
              (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
                      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3,
              (double)usage.ru_nvcsw, (unsigned long long)usage.ru_maxrss);
}

int main(int argc, char **argv)
{
        bool repeats = argc > 5 && strcmp(argv[3], "every") == 0;

        if (argc < 4 || (!repeats && argc % 2 != 0)) {
                fputs("cost SECONDS (NAME PID)... | cost SECONDS NAME every SECONDS COMMAND...\n", stderr);
                return 2;
        }
        if (repeats)
                repeat(atof(argv[1]), argv[2], atof(argv[4]), argv + 5);
        else
                watch(atof(argv[1]), (argc - 2) / 2, argv + 2);
        return 0;
}
