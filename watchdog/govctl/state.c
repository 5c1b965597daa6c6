#include "govctl/state.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define STATE_DEFAULT "/var/lib/governor"

const char *state_directory(const struct call *call)
{
        const char *set = getenv("GOVERNOR_STATE");

        if (call->options.state)
                return call->options.state;
        return set && set[0] ? set : STATE_DEFAULT;
}

bool state_is_default(const struct call *call)
{
        return strcmp(state_directory(call), STATE_DEFAULT) == 0;
}

bool state_is_daemons(const struct call *call)
{
        const char *socket = getenv("GOVERNOR_SOCKET");
        bool socket_chosen = call->options.socket || (socket && socket[0]);

        return socket_chosen || state_is_default(call);
}

enum code state_complain(struct call *call, int error, const char *path)
{
        char what[PATH_MAX + 32];

        snprintf(what, sizeof what, "cannot read the audit log %s", path);
        switch (error) {
        case -ENOENT:
                return call_complain(call, CODE_NOT_FOUND, what,
                                     "there is no such file: governord has not run here yet",
                                     "govctl --state DIR, --db FILE, or: govctl doctor");
        case -EACCES:
        case -EPERM:
                return call_complain(call, CODE_DENIED, what, "the evidence is root's alone", "the same with sudo");
        case -EUCLEAN: return call_complain(call, CODE_FAILURE, what, "it is not an audit log", "govctl audit verify");
        default: return call_complain(call, CODE_FAILURE, what, strerror(-error), "govctl audit verify");
        }
}

enum code state_open_log(struct call *call, struct audit_reader **ret)
{
        char path[PATH_MAX];
        int r;

        if (call->options.db)
                snprintf(path, sizeof path, "%s", call->options.db);
        else
                snprintf(path, sizeof path, "%s/audit.db", state_directory(call));
        r = audit_reader_open(path, ret);
        return r < 0 ? state_complain(call, r, path) : CODE_OK;
}
