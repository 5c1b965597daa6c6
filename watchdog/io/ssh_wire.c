#include "io/ssh_wire.h"

#include <sodium.h>
#include <string.h>

bool ssh_take_byte(struct ssh_bytes *from, uint8_t *ret)
{
        if (from->size < 1)
                return false;
        *ret = *from->data++;
        from->size--;
        return true;
}

bool ssh_take_number(struct ssh_bytes *from, uint32_t *ret)
{
        const uint8_t *b = from->data;

        if (from->size < 4)
                return false;
        *ret = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        from->data += 4;
        from->size -= 4;
        return true;
}

bool ssh_take_string(struct ssh_bytes *from, struct ssh_bytes *ret)
{
        struct ssh_bytes rest = *from;
        uint32_t size;

        if (!ssh_take_number(&rest, &size) || size > rest.size)
                return false;
        *ret = (struct ssh_bytes){ rest.data, size };
        *from = (struct ssh_bytes){ rest.data + size, rest.size - size };
        return true;
}

bool ssh_is(struct ssh_bytes bytes, const char *text)
{
        return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

void ssh_put(struct ssh_blob *to, const void *data, size_t size)
{
        to->cut |= size > to->room - to->size;
        if (to->cut || size == 0)
                return;
        memcpy(to->data + to->size, data, size);
        to->size += size;
}

void ssh_put_number(struct ssh_blob *to, uint32_t number)
{
        const uint8_t bytes[4] = { number >> 24, number >> 16, number >> 8, number };

        ssh_put(to, bytes, sizeof(bytes));
}

void ssh_put_string(struct ssh_blob *to, const void *data, size_t size)
{
        ssh_put_number(to, (uint32_t)size);
        ssh_put(to, data, size);
}

bool ssh_base64_read(const char *text, size_t length, const char *ignored, uint8_t *ret, size_t room, size_t *ret_size)
{
        for (size_t i = 0; i < length; i++) /* where char is signed, libsodium takes 0xAB and 0xAF for plus and slash */
                if ((unsigned char)text[i] > '~')
                        return false;
        return sodium_base642bin(ret, room, text, length, ignored, ret_size, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
}

char *ssh_base64_write(char *to, size_t room, const void *data, size_t size)
{
        return sodium_bin2base64(to, room, data, size, sodium_base64_VARIANT_ORIGINAL);
}
