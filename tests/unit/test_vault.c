/* The vault: contents under their own digest, whole or not there, bounded, and refused when they are damaged. */
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
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/vault.h"

struct bed {
        char directory[64], path[96];
        struct vault *vault;
        unsigned damaged;
        uint8_t kept[8][DIGEST_SIZE];
        unsigned kept_n;
};

static const struct vault_limits limits = { .bytes_most = 100000, .content_most = 50000, .contents_most = 20 };

static void on_damage(void *self, const uint8_t digest[DIGEST_SIZE])
{
        struct bed *bed = self;

        (void)digest;
        bed->damaged++;
}

static void open_it(struct bed *bed)
{
        assert_int_equal(vault_open(bed->path, &limits, &bed->vault), 0);
        vault_on_damage(bed->vault, on_damage, bed);
}

static int setup(void **state)
{
        struct bed *bed = calloc(1, sizeof(*bed));

        strcpy(bed->directory, "/tmp/vault-XXXXXX");
        assert_non_null(mkdtemp(bed->directory));
        snprintf(bed->path, sizeof(bed->path), "%s/state/vault", bed->directory);
        open_it(bed);
        *state = bed;
        return 0;
}

static int teardown(void **state)
{
        struct bed *bed = *state;
        char command[96];

        vault_free(bed->vault);
        snprintf(command, sizeof(command), "rm -rf '%s'", bed->directory);
        assert_int_equal(system(command), 0);
        free(bed);
        return 0;
}

static void put(struct bed *bed, const char *text, uint8_t ret[DIGEST_SIZE])
{
        assert_int_equal(vault_put(bed->vault, text, strlen(text), ret), 0);
}

static void expect(struct bed *bed, const uint8_t digest[DIGEST_SIZE], const char *text)
{
        char *found;
        size_t size;

        assert_int_equal(vault_get(bed->vault, digest, 50000, &found, &size), 0);
        assert_int_equal(size, strlen(text));
        assert_string_equal(found, text);
        free(found);
}

static char *path_of(struct bed *bed, const uint8_t digest[DIGEST_SIZE])
{
        static char path[256];
        char hex[DIGEST_HEX_MAX];

        digest_to_hex(digest, hex);
        snprintf(path, sizeof(path), "%s/%.2s/%s", bed->path, hex, hex + 2);
        return path;
}

static void spoil(struct bed *bed, const uint8_t digest[DIGEST_SIZE], const char *with)
{
        int fd = open(path_of(bed, digest), O_WRONLY | O_TRUNC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, with, strlen(with)), (ssize_t)strlen(with));
        close(fd);
}

static void what_is_put_in_comes_out_and_is_there_once(void **state)
{
        struct bed *bed = *state;
        uint8_t one[DIGEST_SIZE], two[DIGEST_SIZE], again[DIGEST_SIZE], none[DIGEST_SIZE];

        put(bed, "{ \"temperature\": 2 }\n", one);
        put(bed, "", none);
        put(bed, "other", two);
        put(bed, "{ \"temperature\": 2 }\n", again);
        assert_memory_equal(one, again, DIGEST_SIZE);
        assert_int_equal(vault_contents(bed->vault), 3);
        assert_int_equal(vault_bytes(bed->vault), 21 + 5);
        assert_true(vault_has(bed->vault, two));
        expect(bed, one, "{ \"temperature\": 2 }\n");
        expect(bed, none, "");
}

static void it_is_still_there_for_the_next_run(void **state)
{
        struct bed *bed = *state;
        uint8_t digest[DIGEST_SIZE];

        put(bed, "prompt", digest);
        assert_int_equal(vault_sync(bed->vault), 0);
        vault_free(bed->vault);
        open_it(bed);
        assert_int_equal(vault_contents(bed->vault), 1);
        assert_int_equal(vault_bytes(bed->vault), 6);
        expect(bed, digest, "prompt");
}

static void nobody_else_may_look_in(void **state)
{
        struct bed *bed = *state;
        uint8_t digest[DIGEST_SIZE];
        struct stat st;

        put(bed, "secret", digest);
        assert_int_equal(stat(path_of(bed, digest), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(stat(bed->path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        assert_int_equal(chmod(bed->path, 0755), 0);
        vault_free(bed->vault);
        open_it(bed);
        assert_int_equal(stat(bed->path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
}

static void a_large_content_comes_in_pieces_and_goes_out_so(void **state)
{
        struct bed *bed = *state;
        struct vault_writer *writer;
        uint8_t digest[DIGEST_SIZE];
        char piece[1000], out[96];
        struct stat st;
        int fd;

        memset(piece, 'x', sizeof(piece));
        assert_int_equal(vault_put_begin(bed->vault, &writer), 0);
        for (unsigned n = 0; n < 40; n++)
                assert_int_equal(vault_put_add(writer, piece, sizeof(piece)), 0);
        assert_int_equal(vault_put_end(writer, digest), 0);
        snprintf(out, sizeof(out), "%s/out", bed->directory);
        fd = open(out, O_RDWR | O_CREAT, 0600);
        assert_int_equal(vault_copy(bed->vault, digest, fd), 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, 40000);
        close(fd);
}

static void what_is_too_large_or_too_much_is_refused_and_leaves_nothing(void **state)
{
        struct bed *bed = *state;
        char *large = calloc(1, 50001);
        uint8_t digest[DIGEST_SIZE];
        char text[32];

        assert_int_equal(vault_put(bed->vault, large, 50001, digest), -EFBIG);
        assert_int_equal(vault_put(bed->vault, large, 50000, digest), 0);
        large[0] = 1;
        assert_int_equal(vault_put(bed->vault, large, 50000, digest), 0);
        large[0] = 2;
        assert_int_equal(vault_put(bed->vault, large, 1, digest), -EDQUOT);
        assert_int_equal(vault_bytes(bed->vault), 100000);
        vault_sweep_begin(bed->vault);
        free(large);

        vault_free(bed->vault);
        assert_int_equal(
                vault_open(bed->path,
                           &(struct vault_limits){ .bytes_most = 1 << 20, .content_most = 100, .contents_most = 5 },
                           &bed->vault),
                0);
        for (unsigned n = 0; n < 3; n++) {
                snprintf(text, sizeof(text), "content %u", n);
                put(bed, text, digest);
        }
        assert_int_equal(vault_put(bed->vault, "one more", 8, digest), -EDQUOT);
}

static void a_damaged_content_is_told_never_used_and_may_come_again(void **state)
{
        struct bed *bed = *state;
        uint8_t digest[DIGEST_SIZE];
        char *text;
        size_t size;
        int fd = open("/dev/null", O_WRONLY);

        static const char *const damages[] = { "prompT", "prompt!", "", "p" };

        for (unsigned n = 0; n < 4; n++) {
                put(bed, "prompt", digest);
                spoil(bed, digest, damages[n]);
                if (n % 2)
                        assert_int_equal(vault_get(bed->vault, digest, 100, &text, &size), -EBADMSG);
                else
                        assert_int_equal(vault_copy(bed->vault, digest, fd), -EBADMSG);
                assert_int_equal(bed->damaged, n + 1);
                assert_false(vault_has(bed->vault, digest));
                assert_int_equal(vault_get(bed->vault, digest, 100, &text, &size), -ENOENT);
        }
        put(bed, "prompt", digest);
        expect(bed, digest, "prompt");
        assert_int_equal(vault_contents(bed->vault), 1);
        close(fd);
}

/* Cut short by a disk without journal, say: putting it in again heals it, for its size is not right. */
static void a_torn_content_is_written_anew(void **state)
{
        struct bed *bed = *state;
        uint8_t digest[DIGEST_SIZE];

        put(bed, "prompt", digest);
        spoil(bed, digest, "pro");
        put(bed, "prompt", digest);
        expect(bed, digest, "prompt");
        vault_free(bed->vault);
        open_it(bed);
        assert_int_equal(vault_contents(bed->vault), 1);
        assert_int_equal(vault_bytes(bed->vault), 6);
}

static void no_link_is_followed(void **state)
{
        struct bed *bed = *state;
        uint8_t digest[DIGEST_SIZE];
        char elsewhere[96], *text;
        size_t size;
        struct vault *other;

        put(bed, "prompt", digest);
        snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", bed->directory);
        assert_int_equal(rename(path_of(bed, digest), elsewhere), 0);
        assert_int_equal(symlink(elsewhere, path_of(bed, digest)), 0);
        assert_false(vault_has(bed->vault, digest));
        assert_int_equal(vault_get(bed->vault, digest, 100, &text, &size), -EBADMSG);
        assert_int_equal(access(elsewhere, F_OK), 0);

        snprintf(elsewhere, sizeof(elsewhere), "%s/link", bed->directory);
        assert_int_equal(symlink(bed->path, elsewhere), 0);
        assert_int_equal(vault_open(elsewhere, &limits, &other), -ENOTDIR);
}

static void a_fifo_in_the_place_of_a_content_stops_nobody(void **state)
{
        struct bed *bed = *state;
        uint8_t digest[DIGEST_SIZE];
        char *text;
        size_t size;

        put(bed, "prompt", digest);
        assert_int_equal(unlink(path_of(bed, digest)), 0);
        assert_int_equal(mkfifo(path_of(bed, digest), 0600), 0);
        assert_false(vault_has(bed->vault, digest));
        assert_int_equal(vault_get(bed->vault, digest, 100, &text, &size), -EBADMSG);
}

static bool is_kept(void *self, const uint8_t digest[DIGEST_SIZE])
{
        const struct bed *bed = self;

        for (unsigned n = 0; n < bed->kept_n; n++)
                if (memcmp(bed->kept[n], digest, DIGEST_SIZE) == 0)
                        return true;
        return false;
}

static void sweep(struct bed *bed)
{
        while (vault_sweep_on(bed->vault, is_kept, bed) > 0)
                ;
}

/* As if it had been put in a minute ago. */
static void age(struct bed *bed, const uint8_t digest[DIGEST_SIZE])
{
        struct timespec times[2];

        clock_gettime(CLOCK_REALTIME, &times[0]);
        times[0].tv_sec -= 60;
        times[1] = times[0];
        assert_int_equal(utimensat(AT_FDCWD, path_of(bed, digest), times, 0), 0);
}

static void what_nobody_names_is_swept_out(void **state)
{
        struct bed *bed = *state;
        uint8_t named[DIGEST_SIZE], unnamed[DIGEST_SIZE], asked[DIGEST_SIZE], late[DIGEST_SIZE], again[DIGEST_SIZE];

        put(bed, "named", named);
        put(bed, "unnamed", unnamed);
        put(bed, "asked for", asked);
        put(bed, "put in again", again);
        age(bed, named), age(bed, unnamed), age(bed, asked), age(bed, again);
        memcpy(bed->kept[bed->kept_n++], named, DIGEST_SIZE);
        vault_sweep_begin(bed->vault);
        put(bed, "late", late); /* whoever put it in has not named it yet */
        put(bed, "put in again", again);
        assert_true(vault_has(bed->vault, asked));
        sweep(bed);
        assert_true(vault_has(bed->vault, named));
        assert_false(vault_has(bed->vault, unnamed));
        assert_true(vault_has(bed->vault, asked));
        assert_true(vault_has(bed->vault, late));
        assert_true(vault_has(bed->vault, again));
        assert_int_equal(vault_contents(bed->vault), 4);
        assert_int_equal(vault_bytes(bed->vault),
                         strlen("named") + strlen("late") + strlen("asked for") + strlen("put in again"));
}

static void what_is_to_be_forgotten_is_gone_and_may_come_again(void **state)
{
        struct bed *bed = *state;
        uint8_t secret[DIGEST_SIZE], other[DIGEST_SIZE];
        char *text;
        size_t size;

        put(bed, "a secret", secret);
        put(bed, "another", other);
        assert_int_equal(vault_forget(bed->vault, secret), 0);
        assert_false(vault_has(bed->vault, secret));
        assert_int_equal(vault_get(bed->vault, secret, 100, &text, &size), -ENOENT);
        assert_int_equal(vault_contents(bed->vault), 1);
        assert_int_equal(vault_bytes(bed->vault), strlen("another"));
        assert_int_equal(vault_forget(bed->vault, secret), -ENOENT);
        assert_int_equal(vault_contents(bed->vault), 1);
        assert_int_equal(bed->damaged, 0);
        put(bed, "a secret", secret);
        assert_true(vault_has(bed->vault, secret));
}

static void what_was_never_finished_is_thrown_away_at_the_next_start(void **state)
{
        struct bed *bed = *state;
        struct vault_writer *writer;
        char path[128];
        uint8_t digest[DIGEST_SIZE];

        assert_int_equal(vault_put_begin(bed->vault, &writer), 0);
        assert_int_equal(vault_put_add(writer, "half", 4), 0);
        vault_put_cancel(writer);
        snprintf(path, sizeof(path), "%s/new/1", bed->path);
        assert_int_equal(access(path, F_OK), -1);

        snprintf(path, sizeof(path), "%s/new/7", bed->path);
        close(open(path, O_WRONLY | O_CREAT, 0600));
        vault_free(bed->vault);
        open_it(bed);
        assert_int_equal(access(path, F_OK), -1);
        put(bed, "whole", digest);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_is_put_in_comes_out_and_is_there_once, setup, teardown),
                cmocka_unit_test_setup_teardown(it_is_still_there_for_the_next_run, setup, teardown),
                cmocka_unit_test_setup_teardown(nobody_else_may_look_in, setup, teardown),
                cmocka_unit_test_setup_teardown(a_large_content_comes_in_pieces_and_goes_out_so, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_too_large_or_too_much_is_refused_and_leaves_nothing, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_damaged_content_is_told_never_used_and_may_come_again, setup,
                                                teardown),
                cmocka_unit_test_setup_teardown(a_torn_content_is_written_anew, setup, teardown),
                cmocka_unit_test_setup_teardown(no_link_is_followed, setup, teardown),
                cmocka_unit_test_setup_teardown(a_fifo_in_the_place_of_a_content_stops_nobody, setup, teardown),
                cmocka_unit_test_setup_teardown(what_nobody_names_is_swept_out, setup, teardown),
                cmocka_unit_test_setup_teardown(what_is_to_be_forgotten_is_gone_and_may_come_again, setup, teardown),
                cmocka_unit_test_setup_teardown(what_was_never_finished_is_thrown_away_at_the_next_start, setup,
                                                teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
