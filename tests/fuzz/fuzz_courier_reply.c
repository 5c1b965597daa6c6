/* What a witness answers: a line that is taken for a cosignature lies in the answer, is whole, safe to show and of the signer. */
#include <stdlib.h>
#include <string.h>

#include "courier/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lines(const char *text, size_t size, const struct signer *signer)
{
        struct reply_text rest = { text, size }, line;

        while (reply_next_line(&rest, signer, &line)) {
                if (line.text < text || line.text + line.length >= text + size || line.text[line.length] != '\n')
                        abort();
                if (line.length > REPLY_LINE_MAX || !memmem(line.text, line.length, signer->name, strlen(signer->name)))
                        abort();
                for (size_t i = 3; i < line.length; i++)
                        if (line.text[i] < ' ' && !strchr(signer->name, line.text[i]))
                                abort();
        }
}

/* A verifier key up to the first NUL, then the answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1);
        struct signer signer = { .name = "w", .id = { 0xb1, 0xc3, 0x05, 0x6e } };
        uint64_t number = 0;
        size_t key;

        if (!text)
                return 0;
        memcpy(text, data, size);
        text[size] = '\0';
        key = strlen(text);
        if (signer_read(text, &signer) >= 0 && (signer.name[0] == '\0' || strchr(signer.name, ' ')))
                abort();
        if (key < size) {
                char *body = malloc(size - key); /* its own, so that a read past its end is seen */

                if (body) {
                        memcpy(body, text + key + 1, size - key - 1);
                        check_lines(body, size - key - 1, &signer);
                        if (reply_size((struct reply_text){ body, size - key - 1 }, &number) >= 0 &&
                            number > (uint64_t)1 << 53)
                                abort();
                }
                free(body);
        }
        free(text);
        return 0;
}
