#include "govctl/options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "govctl/suggest.h"

#define FLAG(member) offsetof(struct options, member), 0, 0
#define TEXT(member) 0, offsetof(struct options, member), 0
#define BOTH(flag, text) offsetof(struct options, flag), offsetof(struct options, text), 0
#define TEXTS(member) 0, 0, offsetof(struct options, member)

/* clang-format off */
const struct option_row option_rows[] = {
        /* name            letter argument  optional  taken by      stored in            help */
        { "action",         0,   "PATTERN",  false, TAKES_LOG,     TEXT(action),         "only such actions: agent.restart, 'finding.*'" },
        { "against",        0,   "FILE",     false, TAKES_VERIFY,  TEXTS(against),       "anchors or checkpoints kept elsewhere; - reads them; may be repeated" },
        { "all",            'a', NULL,       false, TAKES_ALL,     FLAG(all),            "everything, not only what matters now" },
        { "anchor",         0,   NULL,       false, TAKES_ANCHOR,  FLAG(anchor),         "only the one-line anchor" },
        { "anchors",        0,   "FILE",     false, TAKES_VERIFY,  TEXTS(anchors),       "a chat export, an mbox or a list to take anchors from; may be repeated" },
        { "apply",          0,   NULL,       false, TAKES_LIMITS,  FLAG(apply),          "put the limits on trial: they are taken back unless somebody keeps them" },
        { "archive",        0,   "FILE",     false, TAKES_VERIFY,  TEXTS(archives),      "records that were archived before, oldest first; may be repeated" },
        { "as",             0,   "NAME",     false, TAKES_PROOF,   TEXT(as),             "the approver whose passphrase is asked for, default the first with one" },
        { "ascii",          0,   NULL,       false, TAKES_ASCII,   FLAG(ascii),          "draw with plain characters" },
        { "at",             0,   "TIME",     false, TAKES_VERIFY,  TEXT(at),             "the now that ages are measured from, such as 2026-01-31T14:30:00Z" },
        { "before",         0,   "TIME",     false, TAKES_ARCHIVE, TEXT(before),         "records of then and later stay: 2026-01-31, 500d" },
        { "cancel",         0,   NULL,       false, TAKES_RECOVER, FLAG(cancel),         "stop the recovery that is under way" },
        { "checkpoints",    0,   "FILE",     false, TAKES_EXPORT,  TEXT(checkpoints),    "write the checkpoints, a signed note each; - for here" },
        { "checkpoints",    0,   "FILE",     false, TAKES_VERIFY,  TEXT(checkpoints),    "the checkpoints that belong to --jsonl" },
        { "code",           0,   "FILE",     false, TAKES_RECOVER, TEXT(code),           "the recovery code, from a file; - reads it" },
        { "color",          0,   "WHEN",     false, TAKES_ALWAYS,  TEXT(colour),         "always, never or auto (the default: on a terminal)" },
        { "config",         0,   "FILE",     false, TAKES_POLICY,  TEXT(config),         "governor.yaml to read, default /etc/governor/governor.yaml" },
        { "cpu-quota",      0,   "PERCENT",  false, TAKES_LIMITS,  TEXT(cpu_quota),      "this share of one CPU, such as 50%, and only what you say" },
        { "db",             0,   "FILE",     false, TAKES_DB,      TEXT(db),             "an audit.db elsewhere, such as a copy" },
        { "drop-in",        0,   NULL,       false, TAKES_HARDEN,  FLAG(drop_in),        "print only the file to write" },
        { "follow",         'f', NULL,       false, TAKES_LOG,     FLAG(follow),         "go on with what happens from now on" },
        { "for",            0,   "DURATION", false, TAKES_FOR,     TEXT(span),           "how long at most: 90s, 15m (the default), 2h, at most 7d" },
        { "for",            0,   "DURATION", false, TAKES_LIMITS,  TEXT(span),           "how long the trial lasts: 10s, 10m (the default), at most 1d" },
        { "full",           0,   NULL,       false, TAKES_FULL,    FLAG(full),           "with what looks like a secret; only for root" },
        { "guard",          0,   "PATH",     false, TAKES_HARDEN,  TEXTS(guard),         "not this part of what it may change; may be repeated" },
        { "help",           'h', NULL,       false, TAKES_ALWAYS,  FLAG(help),           "explain the verb" },
        { "hide-bus",       0,   NULL,       false, TAKES_HARDEN,  FLAG(hide_bus),       "hide D-Bus too, as it always is from root" },
        { "json",           'j', NULL,       false, TAKES_ALWAYS,  FLAG(json),           "data as JSON" },
        { "jsonl",          0,   "FILE",     false, TAKES_EXPORT,  TEXT(jsonl),          "write the records, one a line; - for here" },
        { "jsonl",          0,   "FILE",     false, TAKES_VERIFY,  TEXT(jsonl),          "the records of an export" },
        { "key",            0,   "FILE",     false, TAKES_VERIFY,  TEXT(key),            "the seal.key that belongs to --db" },
        { "key",            0,   "FILE",     false, TAKES_ENROL,   TEXT(key),            "a public key of OpenSSH, such as id_ed25519.pub; - reads it" },
        { "lines",          'n', "N",        false, TAKES_LOG,     TEXT(lines),          "only the newest N; 0: all. Sentences: 50 unless said" },
        { "log",            0,   "VKEY",     false, TAKES_LOG_KEY, TEXT(log),            "the verifier key of the log, default that of the log here" },
        { "max-age",        0,   "SECONDS",  false, TAKES_VERIFY,  TEXT(max_age),        "a log sealed longer ago is STALE" },
        { "memory-high",    0,   "SIZE",     false, TAKES_LIMITS,  TEXT(memory_high),    "slowed down above this, such as 300M, and only what you say" },
        { "memory-max",     0,   "SIZE",     false, TAKES_LIMITS,  TEXT(memory_max),     "killed above this, such as 350M, and only what you say" },
        { "no-qr",          0,   NULL,       false, TAKES_QR,      FLAG(no_qr),          "no QR code, on a terminal either" },
        { "nonce",          0,   "HEX",      false, TAKES_NONCE,   TEXT(nonce),          "an auditor's challenge, put into the log before the seal" },
        { "origin",         0,   NULL,       false, TAKES_ORIGIN,  FLAG(origin),         "say for each value where it was set" },
        { "outcome",        0,   "WORD",     false, TAKES_LOG,     TEXT(outcome),        "only those that are pending, ok, fail, denied, unknown or info" },
        { "param",          0,   "NAME=VALUE", false, TAKES_PARAM, TEXTS(parameters),    "a parameter of the action; may be repeated" },
        { "passphrase",     0,   NULL,       false, TAKES_ENROL,   FLAG(passphrase),     "make a key on this machine, under a passphrase" },
        { "policies",       0,   "DIR",      false, TAKES_POLICY,  TEXT(policies),       "policies to read, default /etc/governor/policies.d" },
        { "qr",             0,   NULL,       false, TAKES_QR,      FLAG(qr),             "a QR code too, or say why not" },
        { "quorum",         0,   "K",        false, TAKES_WITNESSES, TEXT(quorum),       "so many of the witnesses must have cosigned, default all" },
        { "reason",         'r', "TEXT",     false, TAKES_REASON,  TEXT(reason),         "kept in the audit log with what you asked for" },
        { "remove",         0,   NULL,       false, TAKES_LIMITS,  FLAG(remove),         "take back what is on trial or kept" },
        { "require-anchor", 0,   NULL,       false, TAKES_VERIFY,  FLAG(require_anchor), "without an anchor the log is not proven" },
        { "root",           0,   "DIR",      false, TAKES_ROOT,    TEXT(root),           "examine the machine whose files are in DIR" },
        { "sign-request",   0,   NULL,       false, TAKES_PROOF,   FLAG(sign_request),   "print the text that an approver is to sign, and do nothing" },
        { "signature",      0,   "FILE",     false, TAKES_PROOF,   TEXT(signature),      "the signature of that text, from ssh-keygen; - reads it" },
        { "since",          's', "TIME",     false, TAKES_LOG | TAKES_SINCE, TEXT(since),          "from then on: 10m, 2h, 14:30, 2026-01-31, 2026-01-31T14:30" },
        { "socket",         0,   "PATH",     false, TAKES_ALWAYS,  TEXT(socket),         "the daemon's socket, default $GOVERNOR_SOCKET or /run/governor/governor.sock" },
        { "state",          0,   "DIR",      false, TAKES_STATE,   TEXT(state),          "state directory, default /var/lib/governor" },
        { "subtree",        0,   "FILE",     false, TAKES_EXPORT,  TEXT(subtree),        "write the subtrees, which a pruned log needs; - for here" },
        { "subtree",        0,   "FILE",     false, TAKES_VERIFY,  TEXT(subtree),        "the subtrees that belong to --jsonl of a pruned log" },
        { "threads",        0,   "N",        false, TAKES_VERIFY,  TEXT(threads),        "so many cores hash, default all, at most 8" },
        { "tiles",          0,   "DIR",      false, TAKES_EXPORT,  TEXT(tiles),          "write or continue tiles as C2SP tlog-tiles has them" },
        { "timeout",        0,   "DURATION", false, TAKES_TIMEOUT, TEXT(timeout),        "no answer in this time means no: 90s, 5m; never longer than the rule says" },
        { "to",             0,   "FILE",     false, TAKES_ARCHIVE, TEXT(to),             "FILE.jsonl and FILE.ckpt, default in the state directory" },
        { "to",             0,   "VERSION",  false, TAKES_TO,      TEXT(to),             "that version, default the last one that was proven" },
        { "until",          0,   "TIME",     false, TAKES_LOG,     TEXT(until),          "up to then, as --since" },
        { "user",           0,   "USER",     false, TAKES_HARDEN,  TEXT(user),           "run it as this user" },
        { "version",        'V', NULL,       false, TAKES_ALWAYS,  FLAG(version),        "print the version of govctl" },
        { "watch",          'w', "SECONDS",  true,  TAKES_WATCH,   BOTH(watch, every),   "show it again at every change and every 2 SECONDS" },
        { "width",          0,   "COLUMNS",  false, TAKES_ALWAYS,  TEXT(width),          "width to write for, default the terminal's or 120" },
        { "witness",        0,   "VKEY",     false, TAKES_WITNESSES, TEXTS(witnesses),   "the verifier key of a witness that must have cosigned; may be repeated" },
        { "write",          0,   "PATH",     false, TAKES_HARDEN,  TEXTS(write),         "it may change this; may be repeated. Default: where it has files open for writing" },
};
/* clang-format on */

const size_t option_rows_n = sizeof option_rows / sizeof option_rows[0];

/* getopt's values for rows without a letter lie beyond every character. */
#define LONG_ONLY 0x1000

static int row_value(size_t row)
{
        return option_rows[row].letter ? option_rows[row].letter : LONG_ONLY + (int)row;
}

static const struct option_row *row_by_value(int value)
{
        for (size_t i = 0; i < option_rows_n; i++)
                if (row_value(i) == value)
                        return &option_rows[i];
        return NULL;
}

static bool row_taken(const struct option_row *row, unsigned takes)
{
        return row->takes == TAKES_ALWAYS || (row->takes & takes) != 0;
}

static bool store(struct options *options, const struct option_row *row, const char *argument)
{
        char *base = (char *)options;
        struct texts *texts = (struct texts *)(base + row->texts);

        if (row->texts) {
                if (texts->n == sizeof texts->list / sizeof texts->list[0])
                        return false;
                texts->list[texts->n++] = argument;
                return true;
        }
        if (row->flag || !row->argument)
                *(bool *)(base + row->flag) = true;
        if (row->argument && argument)
                *(const char **)(base + row->text) = argument;
        return true;
}

#define ROWS_TAKEN_MAX 48 /* by one verb */

/* What getopt_long() is told: the rows that this verb takes. */
struct getopt_words {
        struct option longs[ROWS_TAKEN_MAX + 1];
        char shorts[80];
};

static void words_make(struct getopt_words *words, unsigned takes, bool leading)
{
        unsigned n = 0;

        memset(words, 0, sizeof *words);
        /* ':' in front tells a missing argument from an unknown option */
        text_append(words->shorts, sizeof words->shorts, "%s:", leading ? "+" : "");
        for (size_t i = 0; i < option_rows_n; i++) {
                const struct option_row *row = &option_rows[i];

                if (!row_taken(row, takes))
                        continue;
                assert(n < ROWS_TAKEN_MAX);
                words->longs[n++] = (struct option){
                        .name = row->name,
                        .has_arg = !row->argument  ? no_argument
                                   : row->optional ? optional_argument
                                                   : required_argument,
                        .val = row_value(i),
                };
                if (row->letter)
                        text_append(words->shorts, sizeof words->shorts, "%c%s", row->letter,
                                    !row->argument  ? ""
                                    : row->optional ? "::"
                                                    : ":");
        }
}

static enum code complain_unknown(const struct call *call, unsigned takes, const char *word)
{
        const char *candidates[ROWS_TAKEN_MAX];
        char what[256], next[256] = "govctl help", name[64];
        size_t n = 0;

        for (size_t i = 0; i < option_rows_n; i++)
                if (row_taken(&option_rows[i], takes))
                        candidates[n++] = option_rows[i].name;
        while (*word == '-')
                word++;
        text_copy(name, sizeof name, word);
        name[strcspn(name, "=")] = '\0';
        snprintf(what, sizeof what, "unknown option '%s%s'", name[0] && name[1] ? "--" : "-", name);

        const char *near = suggest(name, candidates, n);

        if (near)
                snprintf(next, sizeof next, "did you mean --%s? (govctl help shows all)", near);
        for (size_t i = 0; i < option_rows_n; i++)
                if (strcmp(option_rows[i].name, name) == 0)
                        return call_complain(call, CODE_USAGE, what, "this verb does not take it, others do", next);
        return call_complain(call, CODE_USAGE, what, "govctl has no such option", next);
}

static enum code complain_missing(const struct call *call, int value)
{
        const struct option_row *row = row_by_value(value);
        char what[128], next[256];

        snprintf(what, sizeof what, "--%s needs a value", row->name);
        snprintf(next, sizeof next, "--%s %s: %s", row->name, row->argument, row->help);
        return call_complain(call, CODE_USAGE, what, "nothing follows it", next);
}

static enum code complain_too_many(const struct call *call, const struct option_row *row)
{
        char what[128];

        snprintf(what, sizeof what, "--%s is given too often", row->name);
        return call_complain(call, CODE_USAGE, what, "256 times is the most", "several calls, each with some of them");
}

enum code options_take(struct call *call, unsigned takes, bool leading, int argc, char **argv, int *ret_first)
{
        struct getopt_words words;

        words_make(&words, takes, leading);
        opterr = 0;
        optind = 0; /* 0, not 1: glibc begins anew, also within a bundle of letters */
        for (;;) {
                int value = getopt_long(argc, argv, words.shorts, words.longs, NULL);
                char letter[2] = { (char)optopt, '\0' };

                if (value < 0)
                        break;
                if (value == ':')
                        return complain_missing(call, optopt);
                if (value == '?')
                        return complain_unknown(call, takes,
                                                optopt > 0 && optopt < LONG_ONLY && argv[optind - 1][1] != '-'
                                                        ? letter
                                                        : argv[optind - 1]);
                if (!store(&call->options, row_by_value(value), optarg))
                        return complain_too_many(call, row_by_value(value));
        }
        *ret_first = optind;
        return CODE_OK;
}

enum code options_number(const struct call *call, const char *name, const char *text, uint64_t least, uint64_t most,
                         uint64_t *ret)
{
        char what[128], next[128], *end;
        unsigned long long value = 0;

        if (!text)
                return CODE_OK;
        errno = 0;
        /* strtoull() takes "-1" for the greatest number there is */
        if (text[0] >= '0' && text[0] <= '9' && (value = strtoull(text, &end, 10), *end == '\0') && errno == 0 &&
            value >= least && value <= most) {
                *ret = value;
                return CODE_OK;
        }
        snprintf(what, sizeof what, "--%s takes a number from %llu to %llu", name, (unsigned long long)least,
                 (unsigned long long)most);
        snprintf(next, sizeof next, "--%s %llu", name, (unsigned long long)least);
        return call_complain(call, CODE_USAGE, what, text, next);
}
