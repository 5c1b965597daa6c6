#include "govctl/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "govctl/daemon.h"
#include "io/cleanup.h"

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

int state_try_log(struct call *call, char path[static PATH_MAX], struct audit_reader **ret)
{
        if (call->options.db)
                snprintf(path, PATH_MAX, "%s", call->options.db);
        else
                snprintf(path, PATH_MAX, "%s/audit.db", state_directory(call));
        return audit_reader_open(path, ret);
}

enum code state_open_log(struct call *call, struct audit_reader **ret)
{
        char path[PATH_MAX];
        int r = state_try_log(call, path, ret);

        return r < 0 ? state_complain(call, r, path) : CODE_OK;
}

enum code state_complain_writing(struct call *call, int error, const char *done)
{
        char what[PATH_MAX + 64];

        snprintf(what, sizeof what, "the audit log in %s was not %s", state_directory(call), done);
        switch (error) {
        case -EBUSY:
                return call_complain(call, CODE_FAILURE, what,
                                     "another process has it: a governord that was not asked, or a reader",
                                     "the same with the --socket of that daemon, or again in a moment");
        case -EACCES:
        case -EPERM:
        case -EROFS: return call_complain(call, CODE_DENIED, what, "only root may write it", "the same with sudo");
        case -ENOENT:
                return call_complain(call, CODE_NOT_FOUND, what, "there is no log",
                                     "govctl --state DIR, or: govctl audit init");
        default: return call_complain(call, CODE_FAILURE, what, strerror(-error), "df -h, then: govctl audit verify");
        }
}

enum code state_ask_or_here(struct call *call, const char *method, json_t *parameters, json_t **ret_answer,
                            bool *ret_here)
{
        _cleanup_(rpc_closep) struct rpc *daemon = NULL;
        enum code code = state_is_daemons(call) ? daemon_open_quietly(call, &daemon) : CODE_UNREACHABLE;

        *ret_here = code == CODE_UNREACHABLE;
        if (code == CODE_OK)
                return daemon_ask(call, daemon, method, parameters, DAEMON_WORK, ret_answer);
        json_decref(parameters);
        /* once more, for the complaint */
        return *ret_here ? CODE_OK : daemon_open(call, &daemon);
}
