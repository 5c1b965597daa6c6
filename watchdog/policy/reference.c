#include "policy/reference.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "policy/keys.h"
#include "policy/sheet.h"

static void json_text(struct sheet *sheet, const char *text)
{
        sheet_print(sheet, "\"");
        for (; *text; text++)
                sheet_print(sheet, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
        sheet_print(sheet, "\"");
}

static void json_words(struct sheet *sheet, const char *words)
{
        sheet_print(sheet, "\"enum\": [\"");
        for (; *words; words++)
                sheet_print(sheet, *words == ' ' ? "\", \"" : "%c", *words);
        sheet_print(sheet, "\"]");
}

/* Names of sections as definitions: "agents[].heal" becomes "agents.heal". */
static void json_name(struct sheet *sheet, enum section section)
{
        const char *path = section == SECTION_TOP ? "policy" : policy_sections[section].path;

        for (; *path; path++)
                if (*path != '[' && *path != ']')
                        sheet_print(sheet, "%c", *path);
}

static void json_reference(struct sheet *sheet, enum section section)
{
        sheet_print(sheet, "\"$ref\": \"#/definitions/");
        json_name(sheet, section);
        sheet_print(sheet, "\"");
}

static void json_form(struct sheet *sheet, const struct key *key)
{
        switch (key->form) {
        case FORM_SECTION: json_reference(sheet, key->sub); break;
        case FORM_SECTIONS:
        case FORM_WINDOWS:
                sheet_print(sheet, "\"type\": \"array\", \"items\": { ");
                json_reference(sheet, key->sub);
                sheet_print(sheet, " }");
                if (key->form == FORM_WINDOWS)
                        sheet_print(sheet, ", \"minItems\": 1, \"maxItems\": %s", key->most);
                break;
        case FORM_NAMED:
                sheet_print(sheet, "\"type\": \"object\", \"additionalProperties\": { ");
                json_reference(sheet, key->sub);
                sheet_print(sheet, " }");
                break;
        case FORM_AMOUNTS:
                sheet_print(sheet,
                            "\"type\": \"object\", \"minProperties\": 1, \"maxProperties\": %s, "
                            "\"propertyNames\": { \"pattern\": \"^[a-z0-9_]{1,32}$\" }, "
                            "\"additionalProperties\": { \"type\": \"number\", \"minimum\": 0 }",
                            key->most);
                break;
        case FORM_CHOICES:
                sheet_print(sheet, "\"type\": \"array\", \"minItems\": 1, \"maxItems\": %d, \"items\": { ",
                            POLICY_LADDER_MAX);
                json_words(sheet, key->most);
                sheet_print(sheet, " }");
                break;
        case FORM_TEXTS:
                sheet_print(sheet, "\"type\": \"array\", \"maxItems\": %s, \"items\": { \"type\": \"string\" }",
                            key->most);
                break;
        case FORM_PATHS:
                sheet_print(
                        sheet,
                        "\"type\": \"array\", \"maxItems\": %s, \"items\": { \"type\": \"string\", \"pattern\": \"^/\" }",
                        key->most);
                break;
        case FORM_CHOICE: json_words(sheet, key->most); break;
        case FORM_SWITCH: sheet_print(sheet, "\"type\": \"boolean\""); break;
        case FORM_COUNT:
                sheet_print(sheet, "\"type\": \"integer\", \"minimum\": %s, \"maximum\": %s", key->least, key->most);
                break;
        case FORM_SIZE: sheet_print(sheet, "\"type\": \"string\", \"pattern\": \"^[0-9]+[KMG]$\""); break;
        case FORM_DURATION: sheet_print(sheet, "\"type\": \"string\", \"pattern\": \"^[0-9]+(ms|s|m|h|d)$\""); break;
        case FORM_DAYS: sheet_print(sheet, "\"type\": \"string\", \"pattern\": \"^[0-9]+d$\""); break;
        case FORM_PERCENT: sheet_print(sheet, "\"type\": \"string\", \"pattern\": \"^[0-9]+%%$\""); break;
        case FORM_URL: sheet_print(sheet, "\"type\": \"string\", \"pattern\": \"^https?://[^/]\""); break;
        case FORM_CREDENTIAL:
                sheet_print(sheet, "\"type\": \"string\", \"pattern\": \"^(credential:.|file:/.)\"");
                break;
        case FORM_CHAT: sheet_print(sheet, "\"type\": [\"integer\", \"string\"]"); break;
        case FORM_QUIET:
                sheet_print(sheet,
                            "\"type\": \"string\", \"pattern\": \"^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$\"");
                break;
        default: sheet_print(sheet, "\"type\": \"string\", \"minLength\": 1"); break;
        }
}

static void json_key(struct sheet *sheet, const struct key *key)
{
        sheet_print(sheet, "        \"%s\": { ", key->name);
        if (key->form == FORM_SECTION) /* beside a $ref, draft 7 reads nothing */
                sheet_print(sheet, "\"allOf\": [{ ");
        json_form(sheet, key);
        if (key->form == FORM_SECTION)
                sheet_print(sheet, " }]");
        if (key->unset && key->unset[0] != '[') {
                sheet_print(sheet, ", \"default\": ");
                if (key->form == FORM_COUNT || key->form == FORM_SWITCH)
                        sheet_print(sheet, "%s", key->unset);
                else
                        json_text(sheet, key->unset);
        }
        sheet_print(sheet, ",\n          \"description\": ");
        json_text(sheet, key->doc);
        sheet_print(sheet, " }");
}

static void json_required(struct sheet *sheet, enum section section)
{
        const char *before = ",\n      \"required\": [";
        bool any = false;

        for (unsigned i = 0; i < policy_keys_n; i++)
                if (policy_keys[i].section == section && (policy_keys[i].flags & KEY_REQUIRED)) {
                        sheet_print(sheet, "%s\"%s\"", before, policy_keys[i].name);
                        before = ", ";
                        any = true;
                }
        sheet_print(sheet, any ? "]" : "");
        before = ",\n      \"oneOf\": [";
        any = false;
        for (unsigned i = 0; i < policy_keys_n; i++)
                if (policy_keys[i].section == section && (policy_keys[i].flags & KEY_EITHER)) {
                        sheet_print(sheet, "%s{ \"required\": [\"%s\"] }", before, policy_keys[i].name);
                        before = ", ";
                        any = true;
                }
        sheet_print(sheet, any ? "]" : "");
}

static void json_section(struct sheet *sheet, enum section section)
{
        const char *before = "";

        sheet_print(sheet, "%s    \"", section == 0 ? "" : ",\n");
        json_name(sheet, section);
        sheet_print(
                sheet,
                "\": {\n      \"type\": \"object\",\n      \"additionalProperties\": false,\n      \"properties\": {\n");
        for (unsigned i = 0; i < policy_keys_n; i++)
                if (policy_keys[i].section == section) {
                        sheet_print(sheet, "%s", before);
                        json_key(sheet, &policy_keys[i]);
                        before = ",\n";
                }
        sheet_print(sheet, "\n      }");
        json_required(sheet, section);
        sheet_print(sheet, "\n    }");
}

int policy_schema(char **ret)
{
        struct sheet sheet = { 0 };

        sheet_print(
                &sheet,
                "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
                "  \"title\": \"Governor policy\",\n"
                "  \"$comment\": \"Generated from the key table in watchdog/policy/keys.c; a test compares them.\",\n  ");
        json_reference(&sheet, SECTION_TOP);
        sheet_print(&sheet, ",\n  \"definitions\": {\n");
        for (enum section section = 0; section < SECTION_N; section++)
                json_section(&sheet, section);
        sheet_print(&sheet, "\n  }\n}\n");
        return sheet_finish(&sheet, ret);
}

/* ---- mdoc ------------------------------------------------------------------------------------------------------------- */

static const char *const form_words[FORM_N] = {
        [FORM_SECTION] = "keys",
        [FORM_SECTIONS] = "list",
        [FORM_NAMED] = "keys by name",
        [FORM_WINDOWS] = "windows",
        [FORM_AMOUNTS] = "numbers by name",
        [FORM_CHOICES] = "list of words",
        [FORM_TEXTS] = "list of names",
        [FORM_PATHS] = "list of paths",
        [FORM_CHOICE] = "word",
        [FORM_SWITCH] = "true or false",
        [FORM_COUNT] = "number",
        [FORM_SIZE] = "size",
        [FORM_DURATION] = "duration",
        [FORM_DAYS] = "days",
        [FORM_PERCENT] = "percentage",
        [FORM_TEXT] = "text",
        [FORM_UNIT] = "pattern",
        [FORM_APP] = "pattern",
        [FORM_URL] = "URL",
        [FORM_CREDENTIAL] = "credential",
        [FORM_CHAT] = "number",
        [FORM_QUIET] = "hours",
};

#define LINE_MAX_BYTES 78

/* Sentences begin on lines of their own, as mdoc wants it, and no line is long or begins with a control character. */
static void mdoc_text(struct sheet *sheet, const char *text)
{
        size_t column = 0;

        while (*text) {
                size_t length = strcspn(text, " ");
                bool ends = text[length] == ' ' && text[length - 1] == '.';

                if (column > 0)
                        sheet_print(sheet, column + 1 + length > LINE_MAX_BYTES ? "\n" : " ");
                column = column > 0 && column + 1 + length <= LINE_MAX_BYTES ? column + 1 + length : length;
                sheet_print(sheet, "%s%.*s", column == length && (*text == '.' || *text == '\'') ? "\\&" : "",
                            (int)length, text);
                if (ends) {
                        sheet_print(sheet, "\n");
                        column = 0;
                }
                text += length;
                text += strspn(text, " ");
        }
        sheet_print(sheet, "\n");
}

static void mdoc_words(struct sheet *sheet, const char *words)
{
        sheet_print(sheet, "One of\n.Cm ");
        for (; *words; words++)
                sheet_print(sheet, *words == ' ' ? " ,\n.Cm " : "%c", *words);
        sheet_print(sheet, " .\n");
}

static void mdoc_key(struct sheet *sheet, const struct key *key)
{
        sheet_print(sheet, ".It Cm %s : Ar %s\n", key->name, form_words[key->form]);
        mdoc_text(sheet, key->doc);
        if (key->form == FORM_CHOICE || key->form == FORM_CHOICES)
                mdoc_words(sheet, key->most);
        else if (key->least)
                sheet_print(sheet, "From %s to %s.\n", key->least, key->most);
        if (key->flags & KEY_REQUIRED)
                sheet_print(sheet, "Has to be given.\n");
        if (key->unset)
                sheet_print(sheet, "Default:\n.Ql %s .\n", key->unset);
        if (key->flags & KEY_NOT_YET)
                sheet_print(sheet, "Checked, not acted on yet.\n");
}

int policy_manual(char **ret)
{
        struct sheet sheet = { 0 };

        for (enum section section = 0; section < SECTION_N; section++) {
                sheet_print(&sheet, ".Ss %s%s\n", section == SECTION_TOP ? "Top level" : policy_sections[section].path,
                            text_ends(policy_sections[section].path, "]") ? " entry" : "");
                if (policy_sections[section].example)
                        sheet_print(&sheet, "For example:\n.Dl %s\n", policy_sections[section].example);
                sheet_print(&sheet, ".Bl -tag -width Ds\n");
                for (unsigned i = 0; i < policy_keys_n; i++)
                        if (policy_keys[i].section == section)
                                mdoc_key(&sheet, &policy_keys[i]);
                sheet_print(&sheet, ".El\n");
        }
        return sheet_finish(&sheet, ret);
}
