#include "policy/amount.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

struct unit {
        const char *name;
        uint64_t worth;
        const char *aliases; /* between spaces, lower case */
};

static const struct unit durations[] = {
        { "d", USEC_PER_DAY, " d day days " },
        { "h", USEC_PER_HOUR, " h hr hrs hour hours std " },
        { "m", USEC_PER_MINUTE, " m min mins minute minutes " },
        { "s", USEC_PER_SEC, " s sec secs second seconds " },
        { "ms", USEC_PER_MSEC, " ms msec msecs millis milliseconds " },
        { NULL, 7 * USEC_PER_DAY, " w week weeks " }, /* guessed at, never written */
        { 0 },
};
static const struct unit days[] = { { "d", USEC_PER_DAY, " d day days " },
                                    { NULL, 7 * USEC_PER_DAY, " w week weeks " },
                                    { NULL, 365 * USEC_PER_DAY, " y year years " },
                                    { 0 } };
static const struct unit sizes[] = {
        { "G", UINT64_C(1) << 30, " g gb gib gi " },
        { "M", UINT64_C(1) << 20, " m mb mib mi " },
        { "K", UINT64_C(1) << 10, " k kb kib ki " },
        { NULL, UINT64_C(1) << 40, " t tb tib ti " },
        { NULL, 1, " b byte bytes " },
        { 0 },
};
static const struct unit percents[] = { { "%", 1, " % percent pct " }, { 0 } };

static const struct unit *units_of(enum form form)
{
        switch (form) {
        case FORM_SIZE: return sizes;
        case FORM_PERCENT: return percents;
        case FORM_DAYS: return days;
        default: return durations;
        }
}

bool amount_read(enum form form, const char *text, uint64_t *ret)
{
        uint64_t number;

        if (!text_digits(&text, NULL, &number))
                return false;
        for (const struct unit *unit = units_of(form); unit->worth; unit++)
                if (unit->name && strcmp(unit->name, text) == 0)
                        return !__builtin_mul_overflow(number, unit->worth, ret);
        return false;
}

char *amount_write(enum form form, uint64_t value, char buffer[AMOUNT_MAX])
{
        const struct unit *unit = units_of(form), *least = unit;

        for (; unit->name && (value == 0 || value % unit->worth != 0); unit++)
                least = unit;
        if (!unit->name)
                unit = least;
        snprintf(buffer, AMOUNT_MAX, "%llu%s", (unsigned long long)(value / unit->worth), unit->name);
        return buffer;
}

static const struct unit *unit_called(enum form form, const char *word, size_t length)
{
        char wanted[20];

        if (length == 0 || length > sizeof(wanted) - 3)
                return NULL;
        wanted[0] = ' ';
        for (size_t i = 0; i < length; i++)
                wanted[i + 1] = (char)tolower((unsigned char)word[i]);
        wanted[length + 1] = ' ';
        wanted[length + 2] = '\0';
        for (const struct unit *unit = units_of(form); unit->worth; unit++)
                if (strstr(unit->aliases, wanted))
                        return unit;
        return NULL;
}

/* One number with at most three decimals, and its unit. */
static bool guess_part(enum form form, const char **text, uint64_t *sum)
{
        uint64_t whole, decimals = 0, scale = 1, part;
        const struct unit *unit;
        size_t length;

        if (!text_digits(text, NULL, &whole))
                return false;
        if ((**text == '.' || **text == ',') && isdigit((unsigned char)(*text)[1])) {
                (*text)++;
                for (; isdigit((unsigned char)**text); (*text)++)
                        if (scale < 1000)
                                decimals = decimals * 10 + (uint64_t)(**text - '0'), scale *= 10;
        }
        *text += strspn(*text, " _");
        length = strcspn(*text, " 0123456789.,");
        unit = unit_called(form, *text, length);
        if (!unit || __builtin_mul_overflow(whole, unit->worth, &part) ||
            __builtin_add_overflow(part, unit->worth * decimals / scale, &part) ||
            __builtin_add_overflow(*sum, part, sum))
                return false;
        *text += length;
        *text += strspn(*text, " ");
        return true;
}

bool amount_guess(enum form form, const char *text, uint64_t *ret)
{
        uint64_t sum = 0;
        const struct unit *smallest = NULL;

        while (*text == ' ' || *text == '+')
                text++;
        do
                if (!guess_part(form, &text, &sum))
                        return false;
        while (*text);
        for (const struct unit *unit = units_of(form); unit->worth; unit++)
                if (unit->name)
                        smallest = unit;
        if (sum == 0 || sum % smallest->worth != 0)
                return false;
        *ret = sum;
        return true;
}
