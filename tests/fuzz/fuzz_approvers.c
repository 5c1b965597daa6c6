/* Whatever stands in the file of the approvers: refused with the line and why, or written and read again as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "approvers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct approvers *read)
{
        struct approvers again = { .n = 0 };
        char why[APPROVER_WHY_MAX], *text;
        json_t *json = approvers_to_json(read);

        if (!json || approvers_from_json(json, &again) < 0 || !approvers_same(read, &again))
                abort();
        json_decref(json);
        if (approvers_write(read, &text) < 0 || approvers_parse(text, strlen(text), &again, why) < 0 ||
            !approvers_same(read, &again))
                abort();
        for (size_t i = 0; i < read->n; i++)
                if (strcmp(read->list[i].locked, again.list[i].locked) != 0)
                        abort();
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct approvers approvers = { .n = 0 };
        char why[APPROVER_WHY_MAX] = "";

        if (approvers_parse((const char *)data, size, &approvers, why) == 0)
                write_again(&approvers);
        else if (approvers.n > 0 || !why[0])
                abort();
        return 0;
}
