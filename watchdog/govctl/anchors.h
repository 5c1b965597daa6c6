#pragma once
/* What a person kept elsewhere to hold a log against: anchors out of files, and the keys of a log and of witnesses. */
#include "audit/audit.h"
#include "govctl/call.h"

/* The operator's trusted checkpoints, for the live log. */
#define ANCHORS_FILE "/etc/governor/anchors"

struct anchors_kept {
        struct audit_anchors *anchors; /* NULL: none were given */
        char **texts;                  /* that the anchors are on loan from */
        size_t texts_n;
};

/* Reads the files of --against and --anchors, and ANCHORS_FILE for a log that lives `here`. Complains; a malformed anchor is
 * wrong usage. To be freed in any case. */
enum code anchors_read(struct call *call, bool here, struct anchors_kept *ret);
void anchors_done(struct anchors_kept *kept);

/* Prints an anchor, and its QR code where that is wanted and can be. */
enum code anchor_show(struct call *call, const char *anchor);
