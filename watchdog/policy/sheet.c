#include "policy/sheet.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool make_room(struct sheet *sheet, size_t wanted)
{
        size_t room = sheet->room ? sheet->room : 1024;
        char *text;

        while (room - sheet->n < wanted)
                room *= 2;
        if (room == sheet->room)
                return true;
        text = realloc(sheet->text, room);
        if (!text) {
                sheet->failed = true;
                return false;
        }
        sheet->text = text;
        sheet->room = room;
        return true;
}

void sheet_print(struct sheet *sheet, const char *format, ...)
{
        va_list arguments;
        int length;

        if (sheet->failed)
                return;
        va_start(arguments, format);
        length = vsnprintf(NULL, 0, format, arguments);
        va_end(arguments);
        if (length < 0 || !make_room(sheet, (size_t)length + 1)) {
                sheet->failed = true;
                return;
        }
        va_start(arguments, format);
        vsnprintf(sheet->text + sheet->n, (size_t)length + 1, format, arguments);
        va_end(arguments);
        sheet->n += (size_t)length;
}

int sheet_finish(struct sheet *sheet, char **ret)
{
        sheet_print(sheet, "%s", "");
        if (sheet->failed) {
                free(sheet->text);
                return -ENOMEM;
        }
        *ret = sheet->text;
        return 0;
}
