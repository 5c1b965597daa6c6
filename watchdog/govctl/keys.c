#include "govctl/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "govctl/field.h"
#include "govctl/options.h"
#include "govctl/state.h"
#include "io/cleanup.h"

#define TYPE_LOG 0x01 /* C2SP signed-note: Ed25519 */
#define TYPE_WITNESS 0x04

static enum code complain_key(struct call *call, const char *option, const char *text)
{
        char what[64];

        snprintf(what, sizeof what, "%s takes a verifier key of its kind", option);
        return call_complain(call, CODE_USAGE, what, text,
                             strcmp(option, "--log") == 0 ? "log_key in: govctl audit show 0 --json"
                                                          : "govctl audit witness list --json");
}

void keys_done(struct keys_trusted *keys)
{
        free(keys->witnesses);
        *keys = (struct keys_trusted){ 0 };
}

enum code keys_read(struct call *call, struct keys_trusted *ret)
{
        const struct texts *texts = &call->options.witnesses;
        struct audit_vkey *list = texts->n ? calloc(texts->n, sizeof *list) : NULL;
        uint64_t quorum = texts->n;
        enum code code;

        *ret = (struct keys_trusted){ .witnesses = list, .witnesses_n = texts->n };
        if (texts->n && !list)
                return call_out_of_memory(call);
        for (size_t i = 0; i < texts->n; i++)
                if (audit_vkey_read(texts->list[i], &list[i]) < 0 || list[i].type != TYPE_WITNESS)
                        return complain_key(call, "--witness", texts->list[i]);
        if (call->options.quorum && texts->n == 0)
                return call_complain(call, CODE_USAGE, "--quorum needs witnesses", "there is no --witness to count",
                                     "--witness VKEY --quorum 1");
        code = options_number(call, "quorum", call->options.quorum, 1, texts->n, &quorum);
        ret->quorum = (unsigned)quorum;
        return code;
}

static int read_genesis_key(struct audit_reader *reader, char ret[static 512])
{
        const struct audit_range first = { 0 };
        struct audit_item item;
        int r = audit_reader_seek(reader, &first);

        if (r >= 0)
                r = audit_reader_next(reader, &item);
        if (r <= 0)
                return r < 0 ? r : -ENODATA;

        json_auto_t *record = json_loadb(item.body, item.length, 0, NULL);

        snprintf(ret, 512, "%s", field_text(record, "details.log_key"));
        return 0;
}

enum code keys_of_log(struct call *call, struct audit_vkey *ret)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        char text[512], told[640];
        enum code code;
        int r;

        if (call->options.log)
                return audit_vkey_read(call->options.log, ret) < 0 || ret->type != TYPE_LOG
                               ? complain_key(call, "--log", call->options.log)
                               : CODE_OK;
        code = state_open_log(call, &reader);
        if (code != CODE_OK)
                return code;
        r = read_genesis_key(reader, text);
        if (r < 0 || audit_vkey_read(text, ret) < 0 || ret->type != TYPE_LOG)
                return call_complain(call, CODE_FAILURE, "the log here names no key", "its first record is damaged",
                                     "govctl audit verify, or --log VKEY");
        snprintf(told, sizeof told, "checked with the key of the log here; elsewhere: --log %s", text);
        call_tell(call, told);
        return CODE_OK;
}
