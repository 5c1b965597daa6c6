#include "base/decimal.h"

#include <stdio.h>
#include <string.h>

#define WHOLE_DIGITS_MAX 12
#define DECIMALS 6

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* The decimals behind the point, in millionths; moves behind them. */
static int64_t read_decimals(const char **text)
{
        int64_t value = 0;
        unsigned n = 0;
        bool finer = false;

        for (; is_digit(**text); (*text)++, n++)
                if (n < DECIMALS)
                        value = value * 10 + (**text - '0');
                else
                        finer |= **text != '0';
        for (; n < DECIMALS; n++)
                value *= 10;
        return value + finer;
}

bool decimal_read(const char *text, int64_t *ret_millionths)
{
        bool negative = *text == '-';
        int64_t value = 0;
        unsigned n = 0;

        for (text += negative; is_digit(*text); text++, n++) {
                if (n == WHOLE_DIGITS_MAX)
                        return false;
                value = value * 10 + (*text - '0');
        }
        if (n == 0)
                return false;
        value *= DECIMAL_ONE;
        if (*text == '.') {
                if (!is_digit(*++text))
                        return false;
                value += read_decimals(&text);
        }
        if (*text)
                return false;
        *ret_millionths = negative ? -value : value;
        return true;
}

char *decimal_text(int64_t millionths, char buffer[DECIMAL_TEXT_MAX])
{
        uint64_t value = millionths < 0 ? -(uint64_t)millionths : (uint64_t)millionths;
        size_t length;

        snprintf(buffer, DECIMAL_TEXT_MAX, "%s%llu.%06llu", millionths < 0 ? "-" : "",
                 (unsigned long long)(value / DECIMAL_ONE), (unsigned long long)(value % DECIMAL_ONE));
        for (length = strlen(buffer); buffer[length - 1] == '0'; length--)
                ;
        buffer[buffer[length - 1] == '.' ? length - 1 : length] = '\0';
        return buffer;
}
