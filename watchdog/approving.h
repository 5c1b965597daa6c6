#pragma once
/* Approving: what weakens Governor is done only with an approver's signature, once there is one. Who that is stands in the chain. */
#include <jansson.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "approvers.h"
#include "base/usec.h"
#include "control/control.h"
#include "control/proof.h"
#include "policy/policy.h"

struct governor;

#define RULING_TRUSTED "?" /* no log knows what was kept: it is taken as it is */

struct approving {
        char *file;
        struct approvers approvers;
        char digest[DIGEST_HEX_MAX];    /* of the file as we wrote it; "": there is none */
        bool recalled;                  /* the chain could be asked who approves */
        bool unknown;                   /* who approves cannot be told: nobody does, and nothing that weakens is done */
        char why[APPROVER_WHY_MAX];     /* what was wrong with the file since the start, or "" */
        char ruling[DIGEST_HEX_MAX];    /* of the text that the ruling policy is kept as; "": it is not kept */
        char agreed[POLICY_DIGEST_MAX]; /* of the looser policy that was signed, until it is loaded */
        char by[64];                    /* who signed for the call at hand; "": nobody */
        struct recovery recovery;
        struct proof_book *book;
        sd_event_source *hour;
};

/* Recalls from the chain who approves, and holds the file against it. */
void approving_begin(struct governor *governor);
void approving_end(struct governor *governor);

/* Who approves goes into the chain, where the next start finds it close to the end; nothing where nobody ever did. The
 * judge.start before it says whether it follows. */
bool approving_stands(const struct governor *governor);
void approving_write(struct governor *governor);

/* Whether anything needs a signature: somebody approves, or it cannot be told who. */
bool approving_guards(const struct governor *governor);

/* The ruling policy is kept under this digest from now on, so that it goes on ruling after a restart. */
void approving_rules(struct governor *governor, const char *digest);

/* Another log is open now, or the same one again. */
void approving_again(struct governor *governor);

/* Whether a call may go on; see control_options. */
bool approving_guard(void *self, const struct control_request *request, json_t **ret, struct control_error *error);

/* Who signed for this call, which has passed the guard. False with an error: nobody did. */
bool approving_proven(const struct governor *governor, char by[64], struct control_error *error);

json_t *approving_list(void *self, const struct control_request *request, struct control_error *error);
json_t *approving_add(void *self, const struct control_request *request, struct control_error *error);
json_t *approving_remove(void *self, const struct control_request *request, struct control_error *error);
json_t *approving_recover(void *self, const struct control_request *request, struct control_error *error);

/* {enrolled, elsewhere, unknown, why, recovery_hours}, for status. */
json_t *approving_view(const struct governor *governor);
