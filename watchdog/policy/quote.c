#include "policy/quote.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool is_plain(const char *text)
{
        static const char *const words[] = { "true", "false", "yes", "no", "on", "off", "null", "y", "n" };

        if (!isalpha((unsigned char)text[0]) && text[0] != '/')
                return false;
        for (const char *at = text; *at; at++)
                if (!isascii(*at) || (!isalnum((unsigned char)*at) && !strchr("_./@:-", *at)))
                        return false;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strcasecmp(text, words[i]) == 0)
                        return false;
        return text[strlen(text) - 1] != ':';
}

void quote_print(struct sheet *sheet, const char *text)
{
        if (is_plain(text)) {
                sheet_print(sheet, "%s", text);
                return;
        }
        sheet_print(sheet, "\"");
        for (; *text; text++)
                if (*text == '"' || *text == '\\')
                        sheet_print(sheet, "\\%c", *text);
                else if ((unsigned char)*text < 0x20 || *text == 0x7F)
                        sheet_print(sheet, "\\x%02x", (unsigned char)*text);
                else
                        sheet_print(sheet, "%c", *text);
        sheet_print(sheet, "\"");
}
