#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "io/amp.h"

/* What was read, as text: "[0:5 hello]." is one argument of five bytes and the end of its frame. */
struct seen {
        char text[512];
        size_t length;
};

static void see(struct seen *seen, const char *data, size_t size)
{
        assert_true(seen->length + size < sizeof(seen->text));
        memcpy(seen->text + seen->length, data, size);
        seen->length += size;
}

static int on_begin(void *self, unsigned argument, uint32_t length)
{
        const char open[] = { '[', (char)('0' + argument), ':' };

        see(self, open, sizeof(open));
        return 0;
}

static int on_piece(void *self, unsigned argument, const char *data, size_t size)
{
        see(self, data, size);
        return 0;
}

static int on_end(void *self)
{
        see(self, ".", 1);
        return 0;
}

static int read_in_pieces(const char *data, size_t size, size_t piece, struct seen *seen)
{
        const struct amp_sink sink = { .begin = on_begin, .piece = on_piece, .end = on_end, .self = seen };
        struct amp amp = { 0 };
        int r = 0;

        *seen = (struct seen){ 0 };
        for (size_t at = 0; r == 0 && at < size; at += piece)
                r = amp_feed(&amp, data + at, size - at < piece ? size - at : piece, &sink);
        return r;
}

static void a_frame_is_read_however_it_is_cut(void **state)
{
        char data[128];
        struct seen seen;
        size_t size;

        size = amp_put(data, sizeof(data), 0, "j:{\"a\":1}", 9);
        size = amp_put(data, sizeof(data), size, "s:x", 3);
        memcpy(data + size, data, size); /* the next frame follows at once */

        for (size_t piece = 1; piece <= 2 * size; piece++) {
                assert_int_equal(read_in_pieces(data, 2 * size, piece, &seen), 0);
                assert_string_equal(seen.text, "[0:j:{\"a\":1}[1:s:x.[0:j:{\"a\":1}[1:s:x.");
        }
}

static void an_empty_argument_is_an_argument(void **state)
{
        struct seen seen;

        assert_int_equal(read_in_pieces("\x12\0\0\0\0\0\0\0\1x", 10, 3, &seen), 0);
        assert_string_equal(seen.text, "[0:[1:x.");
}

static void what_is_not_amp_is_refused_at_its_first_byte(void **state)
{
        struct seen seen;

        assert_int_equal(read_in_pieces("\x22", 1, 1, &seen), -EBADMSG); /* another version */
        assert_int_equal(read_in_pieces("\x10", 1, 1, &seen), -EBADMSG); /* no arguments */
        assert_int_equal(read_in_pieces("GET /", 5, 5, &seen), -EBADMSG);
        assert_int_equal(seen.length, 0);
}

static void a_length_beyond_reason_is_refused(void **state)
{
        struct seen seen;

        assert_int_equal(read_in_pieces("\x11\xff\xff\xff\xff", 5, 2, &seen), -EBADMSG);
        assert_int_equal(read_in_pieces("\x11\x04\0\0\1", 5, 5, &seen), -EBADMSG);
        assert_int_equal(seen.length, 0);
}

static int refuse(void *self, unsigned argument, const char *data, size_t size)
{
        return -ENOSPC;
}

static void a_sink_that_refuses_ends_the_reading(void **state)
{
        struct seen seen = { 0 };
        const struct amp_sink sink = { .begin = on_begin, .piece = refuse, .end = on_end, .self = &seen };
        struct amp amp = { 0 };

        assert_int_equal(amp_feed(&amp, "\x11\0\0\0\1x", 6, &sink), -ENOSPC);
        assert_string_equal(seen.text, "[0:");
}

static void what_does_not_fit_is_not_written(void **state)
{
        char data[16];
        size_t size = 0;

        assert_int_equal(amp_put(data, 0, 0, "x", 1), 0);
        assert_int_equal(amp_put(data, 5, 0, "x", 1), 0);
        assert_int_equal(amp_put(data, 6, 0, "x", 1), 6);
        for (int i = 0; i < 2; i++)
                size = amp_put(data, sizeof(data), size, "", 0);
        assert_int_equal(size, 9);
        assert_int_equal(data[0], 0x12);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_frame_is_read_however_it_is_cut),
                cmocka_unit_test(an_empty_argument_is_an_argument),
                cmocka_unit_test(what_is_not_amp_is_refused_at_its_first_byte),
                cmocka_unit_test(a_length_beyond_reason_is_refused),
                cmocka_unit_test(a_sink_that_refuses_ends_the_reading),
                cmocka_unit_test(what_does_not_fit_is_not_written),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
