/* govctl: shows what Governor sees and asks it to act. From argv to exit. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "govctl/verbs.h"

static bool colour_wanted(bool terminal)
{
        const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

        return terminal && !(none && none[0]) && term && strcmp(term, "dumb") != 0;
}

/* Only text is taken from the user's locale: numbers and times are the same everywhere. */
static bool utf8_wanted(void)
{
        setlocale(LC_CTYPE, "");

        bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;

        setlocale(LC_CTYPE, "C.UTF-8"); /* how wide characters are, whatever can be shown */
        return utf8;
}

static struct page page_of(FILE *out)
{
        const char *columns = getenv("COLUMNS");
        unsigned chosen = columns ? (unsigned)strtoul(columns, NULL, 10) : 0;
        struct page page = {
                .out = out,
                .width = chosen >= 40 && chosen <= 1000 ? chosen : 120,
                .width_chosen = chosen >= 40 && chosen <= 1000,
                .terminal = isatty(fileno(out)),
                .utf8 = utf8_wanted(),
        };

        page.colour = colour_wanted(page.terminal);
        page_renew(&page);
        page.height = 0; /* what scrolls needs no limit */
        return page;
}

int main(int argc, char **argv)
{
        struct call call = { .talk = stderr, .page = page_of(stdout) };
        enum code code;

        /* `govctl log | head` ends quietly, also under a parent that ignores the signal */
        signal(SIGPIPE, SIG_DFL);
        code = verb_run(&call, argc, argv);
        if (fflush(stdout) != 0 || ferror(stdout))
                return call_complain(&call, CODE_FAILURE, "cannot write the output", strerror(errno), "df -h");
        return (int)code;
}
