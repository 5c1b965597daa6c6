/* Shell completion, generated from the tables of verbs and options; agents, incidents, trials, requests and witnesses are asked of the daemon. */
#include <string.h>

#include "base/text.h"
#include "govctl/daemon.h"
#include "govctl/field.h"
#include "govctl/options.h"
#include "govctl/verbs.h"

/* First words of the verbs, each once. */
static void put_first_words(FILE *out, const char *between)
{
        for (size_t i = 0; i < verbs_n; i++) {
                size_t length = strcspn(verbs[i].name, " ");

                if (i > 0 && strncmp(verbs[i].name, verbs[i - 1].name, length) == 0 && verbs[i - 1].name[length] == ' ')
                        continue;
                fprintf(out, "%s%.*s", i > 0 ? between : "", (int)length, verbs[i].name);
        }
}

static bool takes(const struct verb *verb, const struct option_row *row)
{
        return row->takes == TAKES_ALWAYS || (row->takes & verb->takes);
}

/* ---- bash ---- */

static void bash_verb(FILE *out, const struct verb *verb)
{
        fprintf(out, "        '%s' | '%s '*)\n                options='", verb->name, verb->name);
        for (size_t i = 0; i < option_rows_n; i++)
                if (takes(verb, &option_rows[i]))
                        fprintf(out, "%s--%s", i > 0 ? " " : "", option_rows[i].name);
        fputs("'\n", out);
        switch (verb->kind) {
        case ARGUMENT_AGENT: fputs("                words=$(govctl completion agents)\n", out); break;
        case ARGUMENT_INCIDENT: fputs("                words=$(govctl completion incidents)\n", out); break;
        case ARGUMENT_EITHER:
                fputs("                words=\"$(govctl completion agents) $(govctl completion incidents)\"\n", out);
                break;
        case ARGUMENT_WITNESS: fputs("                words=$(govctl completion witnesses)\n", out); break;
        case ARGUMENT_REQUEST: fputs("                words=$(govctl completion requests)\n", out); break;
        case ARGUMENT_TRIAL: fputs("                words=$(govctl completion trials)\n", out); break;
        case ARGUMENT_VERB:
                fputs("                words='", out);
                put_first_words(out, " ");
                fputs("'\n", out);
                break;
        case ARGUMENT_WORDS:
                fputs("                words='", out);
                for (const char *c = verb->arguments; *c; c++)
                        if (!strchr("[]", *c))
                                fputc(*c == '|' ? ' ' : *c, out);
                fputs("'\n", out);
                break;
        case ARGUMENT_FILE: fputs("                files=1\n", out); break;
        case ARGUMENT_NONE: break;
        }
        fputs("                ;;\n", out);
}

/* What may follow `first` in longer verbs, each word once. */
static void put_next_words(FILE *out, const char *first)
{
        size_t length = strlen(first), last_length = 0;
        const char *last = NULL;

        for (size_t i = 0; i < verbs_n; i++) {
                const char *next = verbs[i].name + length + 1;

                if (!text_starts(verbs[i].name, first) || verbs[i].name[length] != ' ')
                        continue;
                if (last && strcspn(next, " ") == last_length && strncmp(next, last, last_length) == 0)
                        continue;
                fprintf(out, "%s%.*s", last ? " " : "", (int)strcspn(next, " "), next);
                last = next;
                last_length = strcspn(next, " ");
        }
}

/* After the first words of a longer verb come its next. */
static void bash_families(FILE *out)
{
        for (size_t i = 0; i < verbs_n; i++)
                for (const char *space = strchr(verbs[i].name, ' '); space; space = strchr(space + 1, ' ')) {
                        char first[64];
                        size_t length = (size_t)(space - verbs[i].name);

                        if (length >= sizeof first ||
                            (i > 0 && strncmp(verbs[i].name, verbs[i - 1].name, length + 1) == 0))
                                continue;
                        memcpy(first, verbs[i].name, length);
                        first[length] = '\0';
                        fprintf(out, "        '%s')\n                words='", first);
                        put_next_words(out, first);
                        fputs("'\n                ;;\n", out);
                }
}

/* Options whose value is a path. */
static void put_path_options(FILE *out)
{
        const char *between = "";

        for (size_t i = 0; i < option_rows_n; i++) {
                const char *argument = option_rows[i].argument;

                if (!argument ||
                    (strcmp(argument, "FILE") != 0 && strcmp(argument, "DIR") != 0 && strcmp(argument, "PATH") != 0))
                        continue;
                fprintf(out, "%s--%s", between, option_rows[i].name);
                between = " | ";
        }
}

static void put_bash(FILE *out)
{
        fputs("# bash completion for govctl, printed by `govctl completion bash`\n"
              "\n"
              "_govctl() {\n"
              "        local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} typed= i\n"
              "        local options= words= files=\n"
              "        for ((i = 1; i < COMP_CWORD; i++)); do\n"
              "                [[ ${COMP_WORDS[i]} == -* ]] || typed+=${typed:+ }${COMP_WORDS[i]}\n"
              "        done\n"
              "        case $before in\n"
              "        ",
              out);
        put_path_options(out);
        fputs(") COMPREPLY=($(compgen -f -- \"$word\")) && return ;;\n"
              "        esac\n"
              "        case $typed in\n"
              "        '')\n"
              "                options='",
              out);
        for (size_t i = 0; i < option_rows_n; i++)
                if (option_rows[i].takes == TAKES_ALWAYS)
                        fprintf(out, "--%s ", option_rows[i].name);
        fputs("'\n                words='", out);
        put_first_words(out, " ");
        fputs("'\n                ;;\n", out);
        bash_families(out);
        for (size_t i = 0; i < verbs_n; i++)
                bash_verb(out, &verbs[i]);
        fputs("        esac\n"
              "        case $word in\n"
              "        -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
              "        *)\n"
              "                COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
              "                [ -z \"$files\" ] || COMPREPLY+=($(compgen -f -- \"$word\"))\n"
              "                ;;\n"
              "        esac\n"
              "}\n"
              "complete -F _govctl govctl\n",
              out);
}

/* ---- zsh ---- */

/* Text inside a zsh '...' specification: its own marks are escaped. */
static void put_zsh_text(FILE *out, const char *text)
{
        for (const char *c = text; *c; c++) {
                if (*c == '\'')
                        fputs("'\\'", out);
                else if (strchr(":[]\\", *c))
                        fputc('\\', out);
                fputc(*c, out);
        }
}

static void zsh_option(FILE *out, const struct option_row *row)
{
        const char *argument = row->argument;
        bool path = argument &&
                    (strcmp(argument, "FILE") == 0 || strcmp(argument, "DIR") == 0 || strcmp(argument, "PATH") == 0);

        fprintf(out, " \\\n                        '--%s%s[", row->name, !argument ? "" : row->optional ? "=-" : "=");
        put_zsh_text(out, row->help);
        fputc(']', out);
        if (argument)
                fprintf(out, ":%s:%s", argument, path ? "_files" : "");
        fputc('\'', out);
}

static void zsh_argument(FILE *out, const struct verb *verb)
{
        switch (verb->kind) {
        case ARGUMENT_AGENT: fputs(" \\\n                        '*:agent:($(govctl completion agents))'", out); break;
        case ARGUMENT_INCIDENT:
                fputs(" \\\n                        '*:incident:($(govctl completion incidents))'", out);
                break;
        case ARGUMENT_EITHER:
                fputs(" \\\n                        '*:agent or incident:($(govctl completion agents) $(govctl "
                      "completion incidents))'",
                      out);
                break;
        case ARGUMENT_WITNESS:
                fputs(" \\\n                        '*:witness:($(govctl completion witnesses))'", out);
                break;
        case ARGUMENT_REQUEST:
                fputs(" \\\n                        '*:request:($(govctl completion requests))'", out);
                break;
        case ARGUMENT_TRIAL: fputs(" \\\n                        '*:trial:($(govctl completion trials))'", out); break;
        case ARGUMENT_FILE: fputs(" \\\n                        '*:file:_files'", out); break;
        case ARGUMENT_VERB:
                fputs(" \\\n                        '*:verb:(", out);
                put_first_words(out, " ");
                fputs(")'", out);
                break;
        case ARGUMENT_WORDS:
                fputs(" \\\n                        '*:word:(", out);
                for (const char *c = verb->arguments; *c; c++)
                        if (!strchr("[]", *c))
                                fputc(*c == '|' ? ' ' : *c, out);
                fputs(")'", out);
                break;
        case ARGUMENT_NONE: break;
        }
}

static void zsh_verb(FILE *out, const struct verb *verb)
{
        fprintf(out, "        '%s')\n                _arguments", verb->name);
        for (size_t i = 0; i < option_rows_n; i++)
                if (takes(verb, &option_rows[i]))
                        zsh_option(out, &option_rows[i]);
        zsh_argument(out, verb);
        fputs("\n                ;;\n", out);
}

static void put_zsh(FILE *out)
{
        fputs("#compdef govctl\n"
              "# zsh completion for govctl, printed by `govctl completion zsh`\n"
              "\n"
              "_govctl() {\n"
              "        local -a verbs\n"
              "        verbs=(",
              out);
        for (size_t i = 0; i < verbs_n; i++) {
                fputs("\n                '", out);
                put_zsh_text(out, verbs[i].name);
                fputc(':', out);
                put_zsh_text(out, verbs[i].help);
                fputc('\'', out);
        }
        fputs("\n        )\n"
              "        local -a typed\n"
              "        typed=(${${words[2,CURRENT-1]}:#-*})\n"
              "        local verb= n\n"
              "        for n in 3 2 1 3; do # the words that are a verb, else all of them\n"
              "                verb=${(j: :)typed[1,n]}\n"
              "                [[ -z ${(M)verbs:#$verb:*} ]] || break\n"
              "        done\n"
              "        case $verb in\n",
              out);
        for (size_t i = 0; i < verbs_n; i++)
                zsh_verb(out, &verbs[i]);
        fputs("        *)\n"
              "                local -aU nexts\n"
              "                local next first=\"${verb:+$verb }\"\n"
              "                for next in ${(M)verbs:#$first*}; do\n"
              "                        next=${next#$first}\n"
              "                        [[ ${next%%:*} != *' '* ]] || next=${next%% *}\n"
              "                        nexts+=($next)\n"
              "                done\n"
              "                _describe verb nexts\n"
              "                ;;\n"
              "        esac\n"
              "}\n"
              "\n"
              "_govctl \"$@\"\n",
              out);
}

/* ---- what the scripts ask for while somebody types: one word a line, silence when there is no daemon ---- */

static void put_words(struct call *call, const char *method, const char *key)
{
        json_auto_t *answer = NULL;
        size_t i;
        const json_t *item;

        (void)daemon_ask_quietly(call, method, NULL, &answer);
        json_array_foreach ((json_t *)field(answer, method), i, item) {
                page_put(&call->page, TINT_PLAIN, field_text(item, key));
                page_end(&call->page);
        }
}

enum code run_completion(struct call *call)
{
        const char *shell = call_argument(call);

        if (strcmp(shell, "bash") == 0)
                put_bash(call->page.out);
        else if (strcmp(shell, "zsh") == 0)
                put_zsh(call->page.out);
        else if (strcmp(shell, "agents") == 0)
                put_words(call, "agents", "name");
        else if (strcmp(shell, "incidents") == 0)
                put_words(call, "incidents", "id");
        else if (strcmp(shell, "witnesses") == 0)
                put_words(call, "witnesses", "name");
        else if (strcmp(shell, "requests") == 0)
                put_words(call, "requests", "request");
        else if (strcmp(shell, "trials") == 0)
                put_words(call, "trials", "agent");
        else
                return call_complain(call, CODE_USAGE, "completion knows bash and zsh", shell,
                                     "govctl completion bash");
        return CODE_OK;
}
