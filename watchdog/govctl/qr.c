#include "govctl/qr.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#include "io/cleanup.h"

#define LIBRARY "libqrencode.so.4"
#define QUIET 2 /* modules of margin; the standard asks for 4, and every reader is content with 2 */

/* What libqrencode declares; its header is not needed to build, the library not to run. */
struct qr_code {
        int version;
        int width;
        unsigned char *data; /* bit 0 of each byte: dark */
};

struct qr_library {
        void *handle;
        struct qr_code *(*encode)(const char *text, int version, int level, int hint, int case_sensitive);
        void (*release)(struct qr_code *code);
};

#define SMALLEST_VERSION 0
#define LEVEL_LOW 0 /* a screen has no scratches, and the symbol must fit on it */
#define HINT_BYTES 2

static void library_close(struct qr_library *library)
{
        if (library->handle)
                dlclose(library->handle);
}

static int library_open(struct qr_library *ret)
{
        ret->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
        if (!ret->handle)
                return -ENOENT;
        *(void **)&ret->encode = dlsym(ret->handle, "QRcode_encodeString");
        *(void **)&ret->release = dlsym(ret->handle, "QRcode_free");
        return ret->encode && ret->release ? 0 : -ENOENT;
}

static bool is_dark(const uint8_t *modules, int width, int x, int y)
{
        return x >= 0 && y >= 0 && x < width && y < width && modules[y * width + x] & 1;
}

/* Two rows of modules in one of text. With colours dark is black, else terminals are taken to write light on dark, and what
 * is written is the light. */
void qr_draw(struct page *page, const uint8_t *modules, unsigned width)
{
        static const char *const blocks[] = { " ", "▄", "▀", "█" }; /* bit 1: the upper half is inked */
        const int n = (int)width;

        for (int y = -QUIET; y < n + QUIET; y += 2) {
                fputs(page->colour ? "\x1b[30;107m" : "", page->out);
                for (int x = -QUIET; x < n + QUIET; x++) {
                        bool upper = is_dark(modules, n, x, y) == page->colour;
                        bool lower = is_dark(modules, n, x, y + 1) == page->colour;

                        /* the row below the last is nothing, not margin */
                        if (y + 1 == n + QUIET)
                                lower = false;
                        fputs(blocks[2 * upper + lower], page->out);
                }
                fputs(page->colour ? "\x1b[0m\n" : "\n", page->out);
        }
}

int qr_show(struct page *page, const char *text)
{
        _cleanup_(library_close) struct qr_library library = { 0 };
        struct qr_code *code;
        int r = page->utf8 ? library_open(&library) : -ENOTSUP;

        if (r < 0)
                return r;
        code = library.encode(text, SMALLEST_VERSION, LEVEL_LOW, HINT_BYTES, true);
        if (!code)
                return -errno;
        if ((unsigned)code->width + 2 * QUIET > page->width)
                r = -EMSGSIZE;
        else
                qr_draw(page, code->data, (unsigned)code->width);
        library.release(code);
        return r;
}
