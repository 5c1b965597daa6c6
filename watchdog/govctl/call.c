#include "govctl/call.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

static enum code complain_in_json(const struct call *call, enum code code, const char *what, const char *why,
                                  const char *next)
{
        json_auto_t *json = json_pack("{s:i, s:{s:i, s:s, s:s, s:s}}", "schema_version", 1, "error", "exit", (int)code,
                                      "what", what, "why", why, "next", next);

        if (json) {
                json_dumpf(json, call->talk, JSON_COMPACT);
                fputc('\n', call->talk);
        }
        return code;
}

static void complain_line(const struct call *call, const char *label, const char *text)
{
        char safe[2048];

        if (!text || text[0] == '\0')
                return;
        text_copy_safe(safe, sizeof safe, text);
        fprintf(call->talk, "%s%s\n", label, safe);
}

enum code call_complain(const struct call *call, enum code code, const char *what, const char *why, const char *next)
{
        if (call->options.json)
                return complain_in_json(call, code, what, why ? why : "", next ? next : "");
        fflush(call->page.out);
        complain_line(call, "govctl: ", what);
        if (why && strcmp(why, what) != 0)
                complain_line(call, "  why:  ", why);
        complain_line(call, "  next: ", next);
        return code;
}

void call_tell(const struct call *call, const char *text)
{
        json_auto_t *json = call->options.json ? json_pack("{s:i, s:s}", "schema_version", 1, "note", text) : NULL;

        fflush(call->page.out);
        if (json) {
                json_dumpf(json, call->talk, JSON_COMPACT);
                fputc('\n', call->talk);
        } else
                complain_line(call, "govctl: ", text);
}

enum code call_out_of_memory(const struct call *call)
{
        return call_complain(call, CODE_FAILURE, "out of memory", "", "govctl doctor");
}

enum code call_print_json(struct call *call, const json_t *json, enum code code)
{
        size_t flags = call->page.terminal ? JSON_INDENT(2) : JSON_COMPACT;

        if (json_dumpf(json, call->page.out, flags | JSON_ENCODE_ANY) < 0)
                return call_complain(call, CODE_FAILURE, "cannot write the answer", "it has no JSON form", "");
        fputc('\n', call->page.out);
        return code;
}

const char *call_argument(const struct call *call)
{
        return call->arguments_n > 0 ? call->arguments[0] : "";
}

enum code call_take_seq(const struct call *call, uint64_t *ret)
{
        const char *text = call_argument(call);

        text += text[0] == '#'; /* as sentences show them */
        if (text[0] == '\0' || strlen(text) > 18 || strspn(text, "0123456789") != strlen(text))
                return call_complain(call, CODE_USAGE, "a record is named by its number", call_argument(call),
                                     "govctl audit log -n 1 shows the last one");
        *ret = strtoull(text, NULL, 10);
        return CODE_OK;
}

char *call_actor(char buffer[CALL_ACTOR_MAX])
{
        snprintf(buffer, CALL_ACTOR_MAX, "uid:%u pid:%d", (unsigned)getuid(), (int)getpid());
        return buffer;
}
