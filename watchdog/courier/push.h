#pragma once
/* Brings the newest checkpoint to one witness and its cosignature back: who is asked, in which order, and how it ends. */
#include <jansson.h>

#include "courier/core.h"

enum push_end {
        PUSH_COSIGNED,
        PUSH_FORK,            /* the witness has cosigned another history under this log's name */
        PUSH_AHEAD,           /* the witness has seen more of this log than there is */
        PUSH_BAD_COSIGNATURE, /* of the right key, over something else */
        PUSH_UNTRUSTED,       /* the witness has another key for this log */
        PUSH_UNKNOWN_LOG,     /* the witness does not know this log */
        PUSH_UNSIGNED,        /* it said yes and sent no cosignature of its key */
        PUSH_OVERTAKEN,       /* somebody else pushes, and is faster */
        PUSH_TIMED_OUT,
        PUSH_UNREACHABLE,
        PUSH_IMPOSTOR, /* TLS did not prove who it is */
        PUSH_BUSY,
        PUSH_MISTAKEN,    /* an answer that the specification does not have */
        PUSH_BAD_ADDRESS, /* no URL of a witness */
        PUSH_NO_CORE,     /* governord did not answer, or refused */
        PUSH_END_N,
};

#define PUSH_TEXT_MAX 768

struct pushed {
        enum push_end end;
        int exit_code; /* as govctl's */
        char text[PUSH_TEXT_MAX];
};

/* `witness` is a row of governord's list: name, vkey, url, last_size. `url` goes before the row's; NULL: the row's. */
void push_checkpoint(struct rpc *core, const json_t *witness, const char *url, struct pushed *ret);
