#include "courier/reply.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define DASH "\xe2\x80\x94 " /* every signature line of a note begins with it */
#define SIZE_MOST ((uint64_t)1 << 53)

static int hex_value(char c)
{
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int base64_value(char c)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *at = c ? strchr(digits, c) : NULL;

        return at ? (int)(at - digits) : -1;
}

static bool read_hex_id(const char *text, uint8_t id[4])
{
        for (unsigned i = 0; i < 4; i++) {
                int high = hex_value(text[2 * i]), low = high < 0 ? -1 : hex_value(text[2 * i + 1]);

                if (low < 0)
                        return false;
                id[i] = (uint8_t)(high << 4 | low);
        }
        return true;
}

int signer_read(const char *vkey, struct signer *ret)
{
        size_t length = strcspn(vkey, "+");
        struct signer signer = { 0 };

        if (length == 0 || length >= sizeof(signer.name) || vkey[length] != '+')
                return -EINVAL;
        if (memchr(vkey, ' ', length) || memchr(vkey, '\n', length))
                return -EINVAL;
        if (!read_hex_id(vkey + length + 1, signer.id) || vkey[length + 9] != '+')
                return -EINVAL;
        memcpy(signer.name, vkey, length);
        *ret = signer;
        return 0;
}

/* The four bytes that the base64 of a signature begins with. */
static bool read_base64_id(const char *text, uint8_t id[4])
{
        uint64_t bits = 0;

        for (unsigned i = 0; i < 6; i++) {
                int value = base64_value(text[i]);

                if (value < 0)
                        return false;
                bits = bits << 6 | (unsigned)value;
        }
        for (unsigned i = 0; i < 4; i++)
                id[i] = (uint8_t)(bits >> (28 - 8 * i));
        return true;
}

static bool is_base64(const char *text, size_t length)
{
        size_t padding = 0;

        while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
                padding++;
        for (size_t i = 0; i < length - padding; i++)
                if (base64_value(text[i]) < 0)
                        return false;
        return length % 4 == 0;
}

static bool is_signed_by(struct reply_text line, const struct signer *signer)
{
        size_t name = strlen(signer->name), dash = strlen(DASH);
        const char *signature = line.text + dash + name + 1;
        uint8_t id[4];

        if (line.length > REPLY_LINE_MAX || line.length < dash + name + 1 + 8 || memcmp(line.text, DASH, dash) != 0)
                return false;
        if (memcmp(line.text + dash, signer->name, name) != 0 || signature[-1] != ' ')
                return false;
        return is_base64(signature, (size_t)(line.text + line.length - signature)) && read_base64_id(signature, id) &&
               memcmp(id, signer->id, sizeof(id)) == 0;
}

bool reply_next_line(struct reply_text *rest, const struct signer *signer, struct reply_text *ret)
{
        for (;;) {
                const char *end = rest->length > 0 ? memchr(rest->text, '\n', rest->length) : NULL;
                struct reply_text line;

                if (!end) /* a line without its end may be half of one */
                        return false;
                line = (struct reply_text){ rest->text, (size_t)(end - rest->text) };
                rest->text += line.length + 1;
                rest->length -= line.length + 1;
                if (is_signed_by(line, signer)) {
                        *ret = line;
                        return true;
                }
        }
}

int reply_size(struct reply_text body, uint64_t *ret)
{
        uint64_t size = 0;

        if (body.length < 2 || body.length > 17 || body.text[body.length - 1] != '\n')
                return -EBADMSG;
        for (size_t i = 0; i + 1 < body.length; i++) {
                if (body.text[i] < '0' || body.text[i] > '9')
                        return -EBADMSG;
                size = size * 10 + (uint64_t)(body.text[i] - '0');
        }
        if ((body.text[0] == '0' && body.length > 2) || size > SIZE_MOST)
                return -EBADMSG;
        *ret = size;
        return 0;
}
