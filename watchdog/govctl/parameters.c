#include "govctl/parameters.h"

#include <string.h>

#include "base/text.h"

enum code parameters_take(const struct call *call, json_t *to)
{
        const struct texts *given = &call->options.parameters;
        json_auto_t *parameters = json_object();

        for (size_t i = 0; i < given->n; i++) {
                const char *equals = strchr(given->list[i], '=');
                char name[64];

                if (!equals || equals == given->list[i] || (size_t)(equals - given->list[i]) >= sizeof name)
                        return call_complain(call, CODE_USAGE, "--param takes NAME=VALUE", given->list[i],
                                             "such as --param usd=1500");
                memcpy(name, given->list[i], (size_t)(equals - given->list[i]));
                name[equals - given->list[i]] = '\0';
                if (json_object_get(parameters, name))
                        return call_complain(call, CODE_USAGE, "a parameter is given twice", name, "");
                if (json_object_set_new(parameters, name, json_string(equals + 1)) < 0)
                        return call_complain(call, CODE_USAGE, "a parameter is no UTF-8", name, "");
        }
        if (given->n > 0)
                json_object_set(to, "params", parameters);
        return CODE_OK;
}

void parameters_print(struct page *page, const json_t *parameters)
{
        const char *name;
        json_t *value;

        json_object_foreach ((json_t *)(uintptr_t)parameters, name, value) {
                page_text(page, TINT_PLAIN, "%s=%s", name, json_string_value(value) ? json_string_value(value) : "");
                page_end(page);
        }
}

char *parameters_text(const json_t *parameters, char *buffer, size_t size)
{
        const char *name;
        json_t *value;

        buffer[0] = '\0';
        json_object_foreach ((json_t *)(uintptr_t)parameters, name, value)
                text_append(buffer, size, "%s%s=%s", buffer[0] ? " " : "", name,
                            json_string_value(value) ? json_string_value(value) : "");
        return buffer;
}
