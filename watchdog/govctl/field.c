#include "govctl/field.h"

#include <string.h>

const json_t *field(const json_t *object, const char *path)
{
        for (;;) {
                size_t length = strcspn(path, ".");
                char key[64];

                if (length >= sizeof key)
                        return NULL;
                memcpy(key, path, length);
                key[length] = '\0';
                object = json_object_get(object, key);
                if (!object || path[length] == '\0')
                        return object;
                path += length + 1;
        }
}

const char *field_text(const json_t *object, const char *path)
{
        const char *text = json_string_value(field(object, path));

        return text ? text : "";
}

int64_t field_number(const json_t *object, const char *path)
{
        const json_t *number = field(object, path);

        return json_is_integer(number) ? json_integer_value(number) : (int64_t)json_number_value(number);
}

bool field_true(const json_t *object, const char *path)
{
        return json_is_true(field(object, path));
}

bool field_given(const json_t *object, const char *path)
{
        const json_t *value = field(object, path);

        return value && !json_is_null(value);
}
