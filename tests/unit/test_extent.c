/* What an agent holds is counted as its rule says, and what cannot be counted is said. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "observe/extent.h"

#define MB (UINT64_C(1) << 20)

struct machine {
        char path[64];
        struct proc proc, cgroups;
};

/* Writes one small file below the machine's root, with all directories on the way. */
static void put(struct machine *machine, const char *file, const char *text)
{
        char path[256];
        FILE *to;

        snprintf(path, sizeof(path), "%s/%s", machine->path, file);
        for (char *slash = path + strlen(machine->path) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                mkdir(path, 0755);
                *slash = '/';
        }
        to = fopen(path, "we");
        assert_non_null(to);
        fputs(text, to);
        fclose(to);
}

static void put_process(struct machine *machine, int pid, unsigned anon_mb, unsigned swap_mb, const char *children)
{
        char file[64], text[256];

        snprintf(file, sizeof(file), "proc/%d/status", pid);
        snprintf(text, sizeof(text),
                 "Name:\tnode\nRssAnon:\t%u kB\nRssFile:\t40960 kB\nRssShmem:\t0 kB\nVmSwap:\t%u kB\n", anon_mb * 1024,
                 swap_mb * 1024);
        put(machine, file, text);
        snprintf(file, sizeof(file), "proc/%d/task/%d/children", pid, pid);
        put(machine, file, children);
        snprintf(file, sizeof(file), "proc/%d/cgroup", pid);
        put(machine, file, "0::/system.slice/lily.service/inner\n");
        snprintf(file, sizeof(file), "proc/%d/stat", pid);
        snprintf(text, sizeof(text), "%d (node) S 1 1 1 0 -1 0 0 0 0 0 %d 0 %d 0 20 0 1 0 1 0\n", pid, pid * 100, pid);
        put(machine, file, text);
}

static int set_up(void **state)
{
        struct machine *machine = calloc(1, sizeof(*machine));
        char path[96];

        strcpy(machine->path, "/tmp/extent.XXXXXX");
        assert_non_null(mkdtemp(machine->path));
        put_process(machine, 10, 30, 5, "11 12 ");
        put_process(machine, 11, 100, 0, "13 ");
        put_process(machine, 12, 1, 0, "");
        put_process(machine, 13, 2, 0, "14 "); /* 14 is gone already */
        put(machine, "cgroup/empty/x", "");
        snprintf(path, sizeof(path), "%s/proc", machine->path);
        assert_int_equal(proc_open(&machine->proc, path), 0);
        snprintf(path, sizeof(path), "%s/cgroup", machine->path);
        assert_int_equal(proc_open(&machine->cgroups, path), 0);
        *state = machine;
        return 0;
}

static int tear_down(void **state)
{
        struct machine *machine = *state;
        char command[96];

        proc_done(&machine->proc);
        proc_done(&machine->cgroups);
        snprintf(command, sizeof(command), "rm -r %s", machine->path);
        assert_int_equal(system(command), 0);
        free(machine);
        return 0;
}

static struct extent read_as(struct machine *machine, const char *agent, enum memory_of of)
{
        struct proc_stat stat;
        struct extent extent;

        assert_int_equal(proc_stat(&machine->proc, 10, &stat), 0);
        extent_read(&machine->proc, &machine->cgroups, agent, of, &(struct extent_main){ 10, 35 * MB, &stat }, &extent);
        return extent;
}

static void a_process_is_counted_alone(void **state)
{
        struct extent extent = read_as(*state, "systemd:lily.service", MEMORY_OF_PROCESS);

        assert_int_equal(extent.of, MEMORY_OF_PROCESS);
        assert_int_equal(extent.bytes, 35 * MB);
        assert_int_equal(extent.most_pid, 10);
}

static void a_tree_is_summed_and_its_largest_process_named(void **state)
{
        struct extent extent = read_as(*state, "systemd:lily.service", MEMORY_OF_TREE);

        assert_int_equal(extent.of, MEMORY_OF_TREE);
        assert_int_equal(extent.bytes, 138 * MB);
        assert_int_equal(extent.most_pid, 11);
        assert_int_equal(extent.most_bytes, 100 * MB);
}

static void a_cgroup_is_counted_without_the_cache_that_goes_first(void **state)
{
        struct machine *machine = *state;
        struct extent extent;

        put(machine, "cgroup/system.slice/lily.service/memory.current", "314572800\n");
        put(machine, "cgroup/system.slice/lily.service/memory.stat",
            "anon 1\nfile 2\nactive_file 7\ninactive_file 104857600\nslab 3\n");
        extent = read_as(machine, "systemd:lily.service", MEMORY_OF_CGROUP);
        assert_int_equal(extent.of, MEMORY_OF_CGROUP);
        assert_int_equal(extent.bytes, 200 * MB);
        assert_int_equal(extent.most_pid, 11);
}

static void without_a_memory_controller_the_tree_is_counted_and_said(void **state)
{
        struct extent extent = read_as(*state, "systemd:lily.service", MEMORY_OF_CGROUP);

        assert_int_equal(extent.of, MEMORY_OF_TREE);
        assert_int_equal(extent.bytes, 138 * MB);
}

/* All apps of a PM2 live in one cgroup. */
static void the_cgroup_of_a_pm2_app_is_not_its_own(void **state)
{
        struct machine *machine = *state;

        put(machine, "cgroup/system.slice/lily.service/memory.current", "314572800\n");
        put(machine, "cgroup/system.slice/lily.service/memory.stat", "inactive_file 0\n");
        assert_int_equal(read_as(machine, "pm2:root/lily", MEMORY_OF_CGROUP).of, MEMORY_OF_TREE);
        assert_int_equal(read_as(machine, "systemd:other.service", MEMORY_OF_CGROUP).of, MEMORY_OF_TREE);
}

/* Its children's time is a process's own only when its rule says so; children that ended left theirs to who waited. */
static void cpu_time_is_of_those_whose_memory_is_counted(void **state)
{
        struct machine *machine = *state;
        struct extent extent = read_as(machine, "systemd:lily.service", MEMORY_OF_PROCESS);
        usec_t tick = proc_usec_of_ticks(1);

        assert_int_equal(extent.cpu_of, MEMORY_OF_PROCESS);
        assert_int_equal(extent.cpu, 1000 * tick);
        extent = read_as(machine, "systemd:lily.service", MEMORY_OF_TREE);
        assert_int_equal(extent.cpu_of, MEMORY_OF_TREE);
        assert_int_equal(extent.cpu, (1000 + 1100 + 1200 + 1300 + 10 + 11 + 12 + 13) * tick);
        assert_int_equal(read_as(machine, "systemd:lily.service", MEMORY_OF_CGROUP).cpu_of, MEMORY_OF_TREE);
}

/* cpu.stat is there without any controller, memory.current is not. */
static void a_cgroup_may_have_one_account_and_not_the_other(void **state)
{
        struct machine *machine = *state;
        struct extent extent;

        put(machine, "cgroup/system.slice/lily.service/cpu.stat", "usage_usec 7654321\nuser_usec 1\nsystem_usec 2\n");
        extent = read_as(machine, "systemd:lily.service", MEMORY_OF_CGROUP);
        assert_int_equal(extent.of, MEMORY_OF_TREE);
        assert_int_equal(extent.cpu_of, MEMORY_OF_CGROUP);
        assert_int_equal(extent.cpu, 7654321);
        assert_int_equal(read_as(machine, "pm2:root/lily", MEMORY_OF_CGROUP).cpu_of, MEMORY_OF_TREE);
}

/* Which is what a quota holds. */
static void the_whole_unit_may_be_counted_by_itself(void **state)
{
        struct machine *machine = *state;
        const struct proc *proc = &machine->proc, *cgroups = &machine->cgroups;
        usec_t cpu = 7;

        assert_int_equal(extent_cpu_of_unit(proc, cgroups, "systemd:lily.service", 10, &cpu), -ENOENT);
        put(machine, "cgroup/system.slice/lily.service/cpu.stat", "usage_usec 7654321\nuser_usec 1\n");
        assert_int_equal(extent_cpu_of_unit(proc, cgroups, "systemd:other.service", 10, &cpu), -ENOENT);
        assert_int_equal(extent_cpu_of_unit(proc, cgroups, "pm2:root/lily", 10, &cpu), -ENOENT);
        assert_int_equal(extent_cpu_of_unit(proc, NULL, "systemd:lily.service", 10, &cpu), -ENOENT);
        assert_int_equal(cpu, 7);
        assert_int_equal(extent_cpu_of_unit(proc, cgroups, "systemd:lily.service", 10, &cpu), 0);
        assert_int_equal(cpu, 7654321);
}

static void what_the_kernel_never_writes_is_refused(void **state)
{
        struct machine *machine = *state;
        uint64_t bytes;

        put(machine, "cgroup/a/memory.current", "max\n");
        put(machine, "cgroup/a/memory.stat", "anon 1\n");
        assert_int_equal(extent_of_cgroup(&machine->cgroups, "/a", &bytes), -EBADMSG);
        put(machine, "cgroup/a/memory.current", "4096\n");
        assert_int_equal(extent_of_cgroup(&machine->cgroups, "/a", &bytes), -EBADMSG);
        assert_int_equal(extent_of_cgroup(NULL, "/a", &bytes), -ENOENT);
        assert_int_equal(extent_of_cgroup(&machine->cgroups, "/b", &bytes), -ENOENT);
}

static void what_the_end_of_a_cgroup_frees_is_no_page_cache(void **state)
{
        struct machine *machine = *state;
        uint64_t bytes = 0, swap = 7;

        put(machine, "cgroup/system.slice/lily.service/memory.stat",
            "anon 1000\nfile 500000\nkernel_stack 100\npagetables 20\nshmem 4000\nslab_reclaimable 900\n"
            "slab_unreclaimable 3\n");
        assert_int_equal(extent_freed_of_cgroup(&machine->cgroups, "/system.slice/lily.service", &bytes, &swap), 0);
        assert_int_equal(bytes, 1123);
        assert_int_equal(swap, 0);
        put(machine, "cgroup/system.slice/lily.service/memory.swap.current", "4096\n");
        assert_int_equal(extent_freed_of_cgroup(&machine->cgroups, "/system.slice/lily.service", &bytes, &swap), 0);
        assert_int_equal(swap, 4096);
        assert_int_equal(extent_freed_of_cgroup(&machine->cgroups, "/system.slice/rosa.service", &bytes, &swap),
                         -ENOENT);
        put(machine, "cgroup/bad/memory.stat", "file 500000\n");
        assert_int_equal(extent_freed_of_cgroup(&machine->cgroups, "/bad", &bytes, &swap), -EBADMSG);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_process_is_counted_alone, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_tree_is_summed_and_its_largest_process_named, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_cgroup_is_counted_without_the_cache_that_goes_first, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(without_a_memory_controller_the_tree_is_counted_and_said, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(the_cgroup_of_a_pm2_app_is_not_its_own, set_up, tear_down),
                cmocka_unit_test_setup_teardown(cpu_time_is_of_those_whose_memory_is_counted, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_cgroup_may_have_one_account_and_not_the_other, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_whole_unit_may_be_counted_by_itself, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_the_kernel_never_writes_is_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_the_end_of_a_cgroup_frees_is_no_page_cache, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
