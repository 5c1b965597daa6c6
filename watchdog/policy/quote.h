#pragma once
/* Writes texts so that YAML gives them back as they are. */
#include "policy/sheet.h"

/* Plain where no YAML reader could take it for anything else, otherwise in double quotes. */
void quote_print(struct sheet *sheet, const char *text);
