#pragma once
/* The parameters of an action: --param NAME=VALUE as typed, and NAME=VALUE as shown. */
#include <jansson.h>

#include "govctl/call.h"

/* Puts what --param gave into `to` as "params"; nothing where nothing was given. Complains. */
enum code parameters_take(const struct call *call, json_t *to);

/* One a line. */
void parameters_print(struct page *page, const json_t *parameters);

/* "usd=1500 symbol=ABC". Returns `buffer`. */
char *parameters_text(const json_t *parameters, char *buffer, size_t size);
