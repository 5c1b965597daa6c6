#include "govctl/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "govctl/field.h"
#include "io/cleanup.h"
#include "io/file.h"
#include "io/locked_key.h"

/* ---- what is read -------------------------------------------------------------------------------------------------------- */

static int read_here(size_t most, char **ret)
{
        _cleanup_free_ char *text = malloc(most + 1);
        size_t n;

        if (!text)
                return -ENOMEM;
        n = fread(text, 1, most + 1, stdin);
        if (ferror(stdin))
                return -EIO;
        if (n > most)
                return -EFBIG;
        text[n] = '\0';
        *ret = TAKE_PTR(text);
        return 0;
}

enum code proof_read(const struct call *call, const char *option, const char *path, size_t most, char **ret)
{
        const int r = strcmp(path, "-") == 0 ? read_here(most, ret) : file_read(path, most, ret, NULL);
        char what[160];

        if (r >= 0)
                return CODE_OK;
        snprintf(what, sizeof what, "--%s %s cannot be read", option, path);
        return call_complain(call, CODE_USAGE, what, r == -EFBIG ? "it is too large" : strerror(-r), "");
}

/* ---- the passphrase ------------------------------------------------------------------------------------------------------ */

/* Up to the end of the line; -EMSGSIZE: longer than the room. */
static int read_line(int fd, char *ret, size_t size)
{
        size_t n = 0;
        char c;

        for (;;) {
                const ssize_t got = read(fd, &c, 1);

                if (got < 0)
                        return -errno;
                if (got == 0 || c == '\n')
                        break;
                if (n + 1 == size)
                        return -EMSGSIZE;
                ret[n++] = c;
        }
        ret[n] = '\0';
        return n > 0 ? 0 : -ENODATA;
}

/* The terminal is as it was when a signal ends us meanwhile: they wait. */
static int read_unseen(int tty, const char *question, char *ret, size_t size)
{
        struct termios was, unseen;
        sigset_t all, before;
        int r;

        if (tcgetattr(tty, &was) < 0)
                return -errno;
        unseen = was;
        unseen.c_lflag &= ~(tcflag_t)ECHO;
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, &before);
        r = tcsetattr(tty, TCSAFLUSH, &unseen) < 0 || dprintf(tty, "%s: ", question) < 0 ? -errno : 0;
        if (r >= 0)
                r = read_line(tty, ret, size);
        dprintf(tty, "\n");
        tcsetattr(tty, TCSAFLUSH, &was);
        sigprocmask(SIG_SETMASK, &before, NULL);
        return r;
}

enum code proof_passphrase(const struct call *call, const char *question, char *ret, size_t size)
{
        _cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
        int r = tty < 0 ? -errno : 0;

        fflush(call->page.out);
        if (r >= 0)
                r = read_unseen(tty, question, ret, size);
        if (r >= 0)
                return CODE_OK;
        return call_complain(call, CODE_USAGE, "there is no passphrase",
                             r == -ENODATA    ? "nothing was typed"
                             : r == -EMSGSIZE ? "it is too long"
                                              : strerror(-r),
                             "the same on a terminal");
}

/* ---- signing here -------------------------------------------------------------------------------------------------------- */

/* The approver that is meant among those whose keys are here; NULL with a complaint, or with *ret CODE_OK where there is none. */
static const json_t *key_meant(const struct call *call, const json_t *keys, enum code *ret)
{
        const json_t *key;
        size_t i;

        *ret = CODE_OK;
        json_array_foreach ((json_t *)keys, i, key)
                if (!call->options.as || strcmp(call->options.as, field_text(key, "name")) == 0)
                        return key;
        if (call->options.as)
                *ret = call_complain(call, CODE_NOT_FOUND, "no key of that approver is on this machine",
                                     call->options.as, "govctl approver list");
        return NULL;
}

static enum code complain_signing(const struct call *call, int r)
{
        if (r == -EKEYREJECTED)
                return call_complain(call, CODE_DENIED, "this is not the passphrase", "", "the same again");
        return call_complain(call, CODE_FAILURE, "nothing was signed", strerror(-r), "govctl approver list");
}

static enum code sign_here(const struct call *call, const json_t *key, const char *text, char armor[SIGN_ARMOR_MAX])
{
        char question[128], passphrase[PASSPHRASE_MAX];
        const char *line = field_text(key, "key");
        struct ssh_key public_key;
        enum code code;
        int r;

        fflush(call->page.out);
        fprintf(call->talk, "%s\n", text);
        snprintf(question, sizeof question, "Passphrase of %s, to sign this", field_text(key, "name"));
        code = proof_passphrase(call, question, passphrase, sizeof passphrase);
        if (code != CODE_OK)
                return code;
        r = ssh_key_read(line, strlen(line), &public_key)
                    ? -EINVAL
                    : locked_key_sign(field_text(key, "locked"), &public_key, passphrase, text, strlen(text), armor);
        explicit_bzero(passphrase, sizeof passphrase);
        return r < 0 ? complain_signing(call, r) : CODE_OK;
}

/* ---- asking -------------------------------------------------------------------------------------------------------------- */

/* One order on its way, which may be asked more than once. */
struct order {
        struct call *call;
        struct rpc *daemon;
        const char *method;
        json_t *parameters; /* ours */
        usec_t patience;
};

/* `proof` is taken over. */
static enum code ask(const struct order *order, json_t *proof, json_t **ret)
{
        return daemon_ask_proven(order->call, order->daemon, order->method, json_incref(order->parameters), proof,
                                 order->patience, ret);
}

static json_t *proof_of(const char *armor)
{
        return json_pack("{s:s}", "signature", armor);
}

static enum code print_text(struct call *call, json_t *answer)
{
        json_object_del(answer, "keys"); /* they are for signing here, not for a file */
        if (call->options.json)
                return call_print_json(call, answer, CODE_OK);
        fputs(field_text(answer, "sign"), call->page.out);
        call_tell(call, "save this text as FILE, sign it with: ssh-keygen -Y sign -n governor -f KEY FILE, and hand in "
                        "FILE.sig with --signature, all within 15 minutes");
        return CODE_OK;
}

static enum code ask_for_text(const struct order *order)
{
        json_auto_t *answer = NULL;
        const enum code code = ask(order, json_pack("{s:b}", "ask", true), &answer);

        return code == CODE_OK ? print_text(order->call, answer) : code;
}

static enum code ask_with_signature(const struct order *order, json_t **ret)
{
        _cleanup_free_ char *armor = NULL;
        const enum code code =
                proof_read(order->call, "signature", order->call->options.signature, SIGN_ARMOR_MAX, &armor);

        return code == CODE_OK ? ask(order, proof_of(armor), ret) : code;
}

/* Whether there is something to sign is the daemon's to say, without a word where not. */
static bool ask_quietly(const struct order *order, json_t **ret)
{
        struct call quiet = *order->call;
        struct order again = *order;
        _cleanup_fclose_ FILE *nowhere = fopen("/dev/null", "we");

        if (!nowhere)
                return false;
        quiet.talk = nowhere;
        again.call = &quiet;
        return ask(&again, json_pack("{s:b}", "ask", true), ret) == CODE_OK;
}

static enum code ask_on_terminal(const struct order *order, json_t **ret)
{
        json_auto_t *request = NULL;
        const json_t *key;
        char armor[SIGN_ARMOR_MAX];
        enum code code;

        if (!ask_quietly(order, &request))
                return ask(order, NULL, ret);
        key = key_meant(order->call, field(request, "keys"), &code);
        if (code != CODE_OK)
                return code;
        if (!key)
                return ask(order, NULL, ret); /* it says how else */
        code = sign_here(order->call, key, field_text(request, "sign"), armor);
        return code == CODE_OK ? ask(order, proof_of(armor), ret) : code;
}

enum code proof_ask_once(struct call *call, const char *method, json_t *parameters, usec_t patience, json_t **ret)
{
        _cleanup_(rpc_closep) struct rpc *daemon = NULL;
        json_auto_t *ours = parameters;
        struct order order = { .call = call, .method = method, .parameters = ours, .patience = patience };
        enum code code = daemon_open(call, &daemon);

        if (code != CODE_OK)
                return code;
        order.daemon = daemon;
        if (call->options.sign_request)
                return ask_for_text(&order);
        if (call->options.signature)
                return ask_with_signature(&order, ret);
        return isatty(STDIN_FILENO) ? ask_on_terminal(&order, ret) : ask(&order, NULL, ret);
}
