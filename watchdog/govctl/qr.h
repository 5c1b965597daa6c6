#pragma once
/* A short text as a QR code on a terminal, so that a phone can keep it: drawn in half blocks, made by libqrencode where
 * that is installed. */
#include <stdint.h>

#include "govctl/page.h"

/* 0; -ENOENT: no libqrencode here; -ENOTSUP: the page shows no UTF-8; -EMSGSIZE: it is wider than the page. */
int qr_show(struct page *page, const char *text);

/* The symbol as it is drawn: `width` rows of `width` modules, dark where bit 0 is set. */
void qr_draw(struct page *page, const uint8_t *modules, unsigned width);
