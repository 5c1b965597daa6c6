/*
 * What guarding files costs, and how fast they are put back, by calls of the guard's own rooms. Prints lines of JSON; guard.sh asks.
 *
 *   guard restore FOLDER BYTES ROUNDS plain|immutable    how long a restore takes; the flag makes ext4 write the content to the disk
 *   guard race FOLDER BYTES PAUSE_US SECONDS seal|lift    a writer, a reader, and a guard that restores on inotify's word
 *   guard sweep FOLDER FILES                     10,000 files: how much memory, how long to look at all of them
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "guard/look.h"
#include "guard/seal.h"
#include "guard/traits.h"
#include "io/file.h"

struct bench {
        const char *folder;
        char path[PATH_MAX];
        char *good, *evil;
        size_t size;
        bool plain; /* no flag is wanted */
        struct vault *vault;
        struct manifest *manifest;
        struct sealer sealer;
        struct manifest_entry entry;
};

static void need(int r, const char *what)
{
        if (r >= 0)
                return;
        fprintf(stderr, "%s: %s\n", what, strerror(-r));
        exit(1);
}

static double now_us(void)
{
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void write_plain(const char *path, const char *text, size_t size)
{
        const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        need(fd < 0 ? -errno : file_write_all(fd, text, size), path);
        close(fd);
}

static void seal(struct bench *bench, const char *path, struct manifest_entry *ret)
{
        const struct manifest_entry wanted = { .path = path, .immutable = !bench->plain };
        struct seal_outcome outcome;

        need(seal_take(&bench->sealer, &wanted, &outcome), outcome.text);
        need(manifest_set(bench->manifest, &outcome.entry), path);
        if (ret)
                *ret = outcome.entry;
}

static void begin(struct bench *bench, const char *folder, size_t size)
{
        const struct vault_limits limits = { .bytes_most = 1 << 30, .content_most = 8 << 20, .contents_most = 65536 };
        char path[PATH_MAX];

        bench->folder = folder;
        bench->size = size;
        bench->good = malloc(size);
        bench->evil = malloc(size);
        memset(bench->good, 'g', size);
        memset(bench->evil, 'E', size);
        snprintf(path, sizeof(path), "%s/vault", folder);
        need(vault_open(path, &limits, &bench->vault), path);
        need(manifest_new(&bench->manifest), "manifest");
        bench->sealer = (struct sealer){ .vault = bench->vault, .manifest = bench->manifest };
        snprintf(path, sizeof(path), "%s/app", folder);
        need(mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0, path);
        snprintf(bench->path, sizeof(bench->path), "%s/app/code", folder);
}

static int compare(const void *a, const void *b)
{
        const double one = *(const double *)a, other = *(const double *)b;

        return (one > other) - (one < other);
}

/* ---- restore ------------------------------------------------------------------------------------------------------------ */

static void bench_restore(struct bench *bench, unsigned rounds)
{
        double *took = calloc(rounds, sizeof(*took));

        write_plain(bench->path, bench->good, bench->size);
        seal(bench, bench->path, &bench->entry);
        for (unsigned n = 0; n < rounds; n++) {
                struct seal_outcome outcome;
                double began;

                need(seal_lift(bench->path), "lift");
                write_plain(bench->path, bench->evil, bench->size);
                began = now_us();
                need(seal_restore(&bench->sealer, &bench->entry, &outcome), outcome.text);
                took[n] = now_us() - began;
                seal_settle(&bench->sealer, &bench->entry, &outcome);
        }
        qsort(took, rounds, sizeof(*took), compare);
        printf("{\"bytes\":%zu,\"immutable\":%s,\"rounds\":%u,\"p50_us\":%.0f,\"p99_us\":%.0f,\"worst_us\":%.0f}\n",
               bench->size, bench->plain ? "false" : "true", rounds, took[rounds / 2], took[rounds * 99 / 100],
               took[rounds - 1]);
        need(seal_lift(bench->path), "lift");
        free(took);
}

/* ---- a race ------------------------------------------------------------------------------------------------------------- */

struct shared {
        atomic_bool stop;
        atomic_ulong tries, written, reads, wrong;
};

static void on_own_account(void)
{
        prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* As root: with `lifts` he takes the immutable flag away first, each time. */
static void write_on(const struct bench *bench, struct shared *shared, unsigned pause_us, bool lifts)
{
        while (!shared->stop) {
                int fd;

                if (lifts)
                        (void)seal_lift(bench->path);
                fd = open(bench->path, O_WRONLY | O_CLOEXEC);
                shared->tries++;
                if (fd >= 0 && pwrite(fd, bench->evil, bench->size, 0) > 0)
                        shared->written++;
                if (fd >= 0)
                        close(fd);
                if (pause_us > 0)
                        usleep(pause_us);
        }
}

static void read_on(const struct bench *bench, struct shared *shared)
{
        char *text = malloc(bench->size);

        while (!shared->stop) {
                const int fd = open(bench->path, O_RDONLY | O_CLOEXEC);
                const ssize_t n = fd < 0 ? -1 : read(fd, text, bench->size);

                shared->reads++;
                shared->wrong += n != (ssize_t)bench->size || memcmp(text, bench->good, bench->size) != 0;
                if (fd >= 0)
                        close(fd);
        }
        free(text);
}

static pid_t start(void)
{
        const pid_t pid = fork();

        need(pid < 0 ? -errno : 0, "fork");
        if (pid == 0)
                on_own_account();
        return pid;
}

/* The place is looked at, for what an event says may be over long ago. */
static bool is_right(struct bench *bench)
{
        struct look_found found;

        return look_at(&bench->entry, LOOK_AT_STAT, &found) >= 0 && found.differences == 0;
}

/* As the daemon does: what was restored is made safe when it was quiet for a second. */
static unsigned guard_on(struct bench *bench, int events, unsigned seconds)
{
        const double end = now_us() + seconds * 1e6;
        struct seal_outcome outcome = { .notes = 0 };
        double last = 0;
        unsigned restores = 0;
        char told[4096];

        while (now_us() < end) {
                struct pollfd wait = { .fd = events, .events = POLLIN };

                if (poll(&wait, 1, 20) > 0)
                        (void)!read(events, told, sizeof(told));
                if (!is_right(bench)) {
                        restores++;
                        if (seal_restore(&bench->sealer, &bench->entry, &outcome) >= 0)
                                bench->entry = outcome.entry;
                        last = now_us();
                } else if (last > 0 && now_us() - last > 1e6) {
                        seal_settle(&bench->sealer, &bench->entry, &outcome);
                        last = 0;
                }
        }
        seal_settle(&bench->sealer, &bench->entry, &outcome);
        return restores;
}

static void bench_race(struct bench *bench, unsigned pause_us, unsigned seconds, bool lifts)
{
        struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        const int events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        char folder[PATH_MAX];
        pid_t writer, reader;
        unsigned restores;

        write_plain(bench->path, bench->good, bench->size);
        seal(bench, bench->path, &bench->entry);
        snprintf(folder, sizeof(folder), "%s/app", bench->folder);
        need(inotify_add_watch(events, folder, IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVE), folder);
        reader = start();
        if (reader == 0) {
                read_on(bench, shared);
                _exit(0);
        }
        if (!lifts) /* he got in once: the flag was off when he came */
                need(seal_lift(bench->path), "lift");
        writer = start();
        if (writer == 0) {
                write_on(bench, shared, pause_us, lifts);
                _exit(0);
        }
        restores = guard_on(bench, events, seconds);
        shared->stop = true;
        waitpid(writer, NULL, 0);
        waitpid(reader, NULL, 0);
        printf("{\"bytes\":%zu,\"pause_us\":%u,\"lifts\":%s,\"tries\":%lu,\"written\":%lu,\"restores\":%u,\"reads\":%lu,"
               "\"wrong\":%lu,\"wrong_percent\":%.3f}\n",
               bench->size, pause_us, lifts ? "true" : "false", shared->tries, shared->written, restores, shared->reads,
               shared->wrong, 100.0 * (double)shared->wrong / (double)shared->reads);
        need(seal_lift(bench->path), "lift");
}

/* ---- all of them -------------------------------------------------------------------------------------------------------- */

static void on_difference(void *self, const struct manifest_entry *entry, int r, const struct look_found *found)
{
        (void)self, (void)r, (void)found;
        fprintf(stderr, "%s differs\n", entry->path);
        exit(1);
}

static double sweep(struct bench *bench, enum look_depth depth)
{
        struct look_sweep all = { .manifest = bench->manifest, .depth = depth, .differs = on_difference };
        const double began = now_us();

        need(look_sweep_begin(&all), "sweep");
        while (look_sweep_on(&all, 500))
                ;
        look_sweep_end(&all);
        return (now_us() - began) / 1e3;
}

static void for_each(struct bench *bench, unsigned files, void (*act)(struct bench *bench, const char *path))
{
        char path[PATH_MAX];

        for (unsigned n = 0; n < files; n++) {
                snprintf(path, sizeof(path), "%s/app/%03u", bench->folder, n / 100);
                (void)mkdir(path, 0755);
                snprintf(path, sizeof(path), "%s/app/%03u/file-%05u.js", bench->folder, n / 100, n);
                act(bench, path);
        }
}

static void write_one(struct bench *bench, const char *path)
{
        memcpy(bench->good, path, strlen(path)); /* each its own */
        write_plain(path, bench->good, bench->size);
}

static void seal_one(struct bench *bench, const char *path)
{
        seal(bench, path, NULL);
}

static void lift_one(struct bench *bench, const char *path)
{
        (void)bench;
        need(seal_lift(path), path);
}

static void bench_sweep(struct bench *bench, unsigned files)
{
        size_t before, after, size;
        double sealed, began;
        char *text;

        for_each(bench, files, write_one);
        sync();
        before = mallinfo2().uordblks + mallinfo2().hblkhd;
        began = now_us();
        for_each(bench, files, seal_one);
        sealed = (now_us() - began) / 1e6;
        after = mallinfo2().uordblks + mallinfo2().hblkhd;
        need(manifest_write(bench->manifest, &text, &size), "manifest");
        free(text);
        sweep(bench, LOOK_AT_STAT);
        printf("{\"files\":%u,\"seal_seconds\":%.1f,\"memory_bytes\":%zu,\"text_bytes\":%zu,\"stat_ms\":%.1f,", files,
               sealed, after - before, size, sweep(bench, LOOK_AT_STAT));
        printf("\"all_ms\":%.0f}\n", sweep(bench, LOOK_AT_ALL));
        for_each(bench, files, lift_one);
}

int main(int argc, char *argv[])
{
        struct bench bench = { .folder = NULL };

        if (argc == 6 && strcmp(argv[1], "restore") == 0) {
                bench.plain = strcmp(argv[5], "plain") == 0;
                begin(&bench, argv[2], strtoul(argv[3], NULL, 10));
                bench_restore(&bench, (unsigned)strtoul(argv[4], NULL, 10));
        } else if (argc == 7 && strcmp(argv[1], "race") == 0) {
                begin(&bench, argv[2], strtoul(argv[3], NULL, 10));
                bench_race(&bench, (unsigned)strtoul(argv[4], NULL, 10), (unsigned)strtoul(argv[5], NULL, 10),
                           strcmp(argv[6], "lift") == 0);
        } else if (argc == 4 && strcmp(argv[1], "sweep") == 0) {
                begin(&bench, argv[2], 8192);
                bench_sweep(&bench, (unsigned)strtoul(argv[3], NULL, 10));
        } else {
                fprintf(stderr, "usage: guard restore|race|sweep ...; see the head of the source\n");
                return 2;
        }
        return 0;
}
