#pragma once
/* A checkpoint as a person sees it: the three lines that a note signs, and who signed. Nothing is verified here. */
#include "audit/audit.h"
#include "govctl/call.h"

struct checkpoint {
        struct audit_slice origin, size_text, root; /* on loan from the note */
        uint64_t size;
        struct audit_slice signatures; /* the lines after the empty one */
};

/* False when the text is not of a note's shape. */
bool checkpoint_read(const char *note, size_t length, struct checkpoint *ret);

/* "govaudit1 ORIGIN SIZE ROOT" */
char *checkpoint_anchor(const struct checkpoint *checkpoint, char buffer[AUDIT_ANCHOR_MAX]);

/* The names of signers other than the log itself, one after another: true and the next, which begins at *at; begin with NULL. */
bool checkpoint_next_witness(const struct checkpoint *checkpoint, const char **at, struct audit_slice *ret_name);

/* Prints a note as the options say: whole, as one-line anchor, or as JSON. */
enum code checkpoint_show(struct call *call, const char *note);
