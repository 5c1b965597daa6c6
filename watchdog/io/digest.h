#pragma once
/* Digests of content, as hex text. */
#include <stddef.h>

#define DIGEST_HEX_MAX 65

/* SHA-256 in lower-case hex. */
void digest_hex(const void *data, size_t size, char hex[DIGEST_HEX_MAX]);
