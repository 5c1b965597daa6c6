#pragma once
/* One POST to a witness, with nothing on it that is not needed: no proxy, no redirect, no cookie, little time, a small answer. */
#include <stddef.h>

#define POST_REPLY_MAX (16 * 1024)
#define POST_WHY_MAX 256

struct post_reply {
        long status;
        char type[64]; /* Content-Type, "" for none */
        size_t length;
        char body[POST_REPLY_MAX + 1]; /* ends in a NUL that `length` does not count */
};

/* Once in a process, before all others. */
int post_init(void);
void post_done(void);

/* The address of `call` below a prefix that somebody typed: http or https, no user, no query. -EINVAL with a reason. */
int post_address(const char *prefix, const char *call, char **ret, char why[POST_WHY_MAX]);

/* A witness that answers at all is success, whatever the status. Else `why` says what happened, and: -EHOSTUNREACH: nobody there;
 * -ETIMEDOUT; -EKEYREJECTED: TLS did not prove who it is; -EMSGSIZE: the answer has no end; -EPROTO: it is no HTTP. */
int post_send(const char *address, const char *body, struct post_reply *ret, char why[POST_WHY_MAX]);
