/* The vault on a disk that loses power or fails: what was made safe is there, and what is there is whole. */
#include "disk/disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>

#include "io/vault.h"

enum { CONTENTS = 12, CUTS_EACH = 6 };

struct bed {
        char directory[64], before[96], after[96];
        struct disk *disk;
        unsigned damaged;
        char texts[CONTENTS][6000];
        uint8_t digests[CONTENTS][DIGEST_SIZE];
        size_t safe_at[CONTENTS]; /* the step of the disk from which it has to be there; 0: never */
};

static int setup(void **state)
{
        struct bed *bed = calloc(1, sizeof(*bed));

        strcpy(bed->directory, "/tmp/vault-XXXXXX");
        assert_non_null(mkdtemp(bed->directory));
        snprintf(bed->before, sizeof(bed->before), "%s/before", bed->directory);
        snprintf(bed->after, sizeof(bed->after), "%s/after", bed->directory);
        assert_int_equal(mkdir(bed->before, 0700), 0);
        assert_int_equal(mkdir(bed->after, 0700), 0);
        bed->disk = disk_new(bed->before);
        for (unsigned n = 0; n < CONTENTS; n++)
                for (unsigned k = 0; k < 500 * n; k++)
                        bed->texts[n][k] = (char)('a' + (n + k) % 26);
        *state = bed;
        return 0;
}

static int teardown(void **state)
{
        struct bed *bed = *state;
        char command[96];

        disk_free(bed->disk);
        snprintf(command, sizeof(command), "rm -rf '%s'", bed->directory);
        assert_int_equal(system(command), 0);
        free(bed);
        return 0;
}

static void on_damage(void *self, const uint8_t digest[DIGEST_SIZE])
{
        struct bed *bed = self;

        (void)digest;
        bed->damaged++;
}

/* Puts all in, made safe by threes; what fails is left out. */
static void live(struct bed *bed)
{
        struct vault *vault = NULL;

        disk_watch(bed->disk);
        while (vault_open(bed->before, &VAULT_LIMITS_DEFAULT, &vault) < 0)
                assert_true(disk_calls(bed->disk) < 100000);
        for (unsigned n = 0, safe = 0; n < CONTENTS; n++) {
                if (vault_put(vault, bed->texts[n], strlen(bed->texts[n]), bed->digests[n]) < 0)
                        memset(bed->digests[n], 0, DIGEST_SIZE);
                if (n % 3 == 2 && vault_sync(vault) >= 0)
                        for (; safe <= n; safe++)
                                bed->safe_at[safe] = disk_steps(bed->disk);
        }
        disk_unwatch();
        vault_free(vault);
}

static bool is_put(const struct bed *bed, unsigned n)
{
        static const uint8_t none[DIGEST_SIZE];

        return memcmp(bed->digests[n], none, DIGEST_SIZE) != 0;
}

static void check(struct bed *bed, const char *path, size_t at)
{
        struct vault *vault;

        assert_int_equal(vault_open(path, &VAULT_LIMITS_DEFAULT, &vault), 0);
        vault_on_damage(vault, on_damage, bed);
        for (unsigned n = 0; n < CONTENTS; n++) {
                char *text;
                size_t size;
                int r = is_put(bed, n) ? vault_get(vault, bed->digests[n], 6000, &text, &size) : -ENOENT;

                if (r < 0 && r != -ENOENT)
                        fail_msg("content %u after a cut at step %zu: %s", n, at, strerror(-r));
                if (r < 0 && is_put(bed, n) && bed->safe_at[n] > 0 && bed->safe_at[n] <= at)
                        fail_msg("content %u is lost by a cut at step %zu (%s), safe since %zu", n, at,
                                 disk_step_name(bed->disk, at - 1), bed->safe_at[n]);
                if (r < 0)
                        continue;
                assert_int_equal(size, strlen(bed->texts[n]));
                assert_string_equal(text, bed->texts[n]);
                free(text);
        }
        assert_int_equal(bed->damaged, 0);
        vault_free(vault);
}

static void a_power_cut_leaves_contents_whole_and_loses_none_that_was_safe(void **state)
{
        struct bed *bed = *state;

        live(bed);
        for (size_t at = 1; at <= disk_steps(bed->disk); at++)
                for (unsigned way = 0; way < CUTS_EACH; way++) {
                        struct disk_cut cut = { .at = at,
                                                .kept = (enum disk_kept)(way % DISK_KEPT_N),
                                                .journaled = way % 2,
                                                .seed = at * 7 + way };

                        disk_cut(bed->disk, &cut, bed->after);
                        check(bed, bed->after, at);
                }
}

static void a_call_that_fails_leaves_no_half_content(void **state)
{
        struct bed *bed = *state;
        static const int errors[] = { ENOSPC, EIO };
        size_t calls;

        live(bed);
        calls = disk_calls(bed->disk);
        for (size_t from = 0; from < calls; from++)
                for (unsigned n = 0; n < 2; n++) {
                        char command[128];

                        bed->disk = disk_free(bed->disk);
                        snprintf(command, sizeof(command), "rm -rf '%s'/*", bed->before);
                        assert_int_equal(system(command), 0);
                        bed->disk = disk_new(bed->before);
                        memset(bed->safe_at, 0, sizeof(bed->safe_at));
                        disk_fail(bed->disk, from, 1 + from % 3, errors[n]);
                        live(bed);
                        disk_fail(bed->disk, 0, 0, 0);
                        check(bed, bed->before, disk_steps(bed->disk));
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_power_cut_leaves_contents_whole_and_loses_none_that_was_safe, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_call_that_fails_leaves_no_half_content, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
