#pragma once
/* Orders that an approver must sign: printing the text, handing in the signature, or signing here with a passphrase. */
#include "govctl/daemon.h"

/*
 * As daemon_ask_once(), for verbs that take --sign-request and --signature. Where only the text was asked for it is printed, and
 * *ret stays NULL with CODE_OK. On a terminal, an approver whose key is on this machine is asked for the passphrase.
 */
enum code proof_ask_once(struct call *call, const char *method, json_t *parameters, usec_t patience, json_t **ret);

/* A file of text, or what is read from here for "-". Complains. Free with free(). */
enum code proof_read(const struct call *call, const char *option, const char *path, size_t most, char **ret);

/* Asks for a passphrase on the terminal, unseen; not in time, or interrupted, is no passphrase. Complains. */
enum code proof_passphrase(const struct call *call, const char *question, char *ret, size_t size);
