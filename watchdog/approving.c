#include "approving.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "governor_inside.h"
#include "io/cleanup.h"
#include "io/file.h"
#include "io/log.h"
#include "io/sign.h"
#include "orders.h"
#include "rules.h"
#include "views.h"

#define STANDING "approval.standing"
#define LOOKS_MAX 200000 /* a busy day's records */

/* ---- the chain ------------------------------------------------------------------------------------------------------------ */

/* Takes over `details`. */
static int record(struct governor *governor, const char *verb, const char *actor, enum audit_outcome outcome,
                  json_t *details)
{
        struct audit_entry entry = {
                .action = verb, .actor = actor, .subject = "approvers", .outcome = outcome, .details = details
        };
        int r;

        json_object_set_new(details, "at", json_integer((json_int_t)clock_now(&governor->clock)));
        r = chronicle_event(governor->chronicle, &entry);
        json_decref(details);
        return r;
}

static int write_standing(struct governor *governor, const struct approvers *approvers, const char *digest)
{
        const struct recovery *recovery = &governor->approving.recovery;

        return record(governor, STANDING, NULL, AUDIT_INFO,
                      json_pack("{s:o, s:s, s:s, s:b, s:b, s:i}", "approvers", approvers_to_json(approvers), "digest",
                                digest, "policy", governor->approving.ruling, "unknown", governor->approving.unknown,
                                "recovering", recovery->on, "hours", (int)recovery->hours));
}

bool approving_guards(const struct governor *governor)
{
        return governor->approving.approvers.n > 0 || governor->approving.unknown;
}

void approving_rules(struct governor *governor, const char *digest)
{
        struct approving *approving = &governor->approving;

        approving->agreed[0] = '\0';
        if (strcmp(approving->ruling, digest) == 0)
                return;
        text_copy(approving->ruling, sizeof(approving->ruling), digest);
        approving_write(governor);
}

bool approving_stands(const struct governor *governor)
{
        const struct approving *approving = &governor->approving;

        return approving->unknown || approving->approvers.n > 0 || approving->recovery.on;
}

void approving_write(struct governor *governor)
{
        const struct approving *approving = &governor->approving;

        if (approving_stands(governor))
                write_standing(governor, &approving->approvers, approving->digest);
}

static bool is(const struct audit_slice *text, const char *word)
{
        return text->length == strlen(word) && memcmp(text->text, word, text->length) == 0;
}

/* Whoever ends us between the two records hides nothing. */
static bool says_approvers(const struct audit_view *view)
{
        static const char member[] = "\"approvers\":true";

        return memmem(view->details.text, view->details.length, member, sizeof(member) - 1) != NULL;
}

/* The newest one; NULL: nobody approved when this log was last written to. */
static int find_standing(const char *database, json_t **ret)
{
        _cleanup_(audit_reader_closep) struct audit_reader *reader = NULL;
        struct audit_range range = { .to = UINT64_MAX, .newest_first = true };
        struct audit_item item;
        struct audit_view view;
        int r = audit_reader_open(database, &reader);

        *ret = NULL;
        if (r >= 0)
                r = audit_reader_seek(reader, &range);
        if (r < 0)
                return r;
        for (unsigned looks = 0; looks < LOOKS_MAX && (r = audit_reader_next(reader, &item)) > 0; looks++) {
                if (audit_view(item.body, item.length, &view) < 0)
                        continue;
                if (is(&view.action, "judge.start") && !says_approvers(&view))
                        return 0;
                if (!is(&view.action, STANDING))
                        continue;
                *ret = json_loadb(item.body, item.length, 0, NULL);
                return *ret ? 0 : -EBADMSG;
        }
        return r < 0 ? r : 0;
}

/* ---- the file ------------------------------------------------------------------------------------------------------------- */

static int digest_of(const struct approvers *approvers, char ret[DIGEST_HEX_MAX])
{
        _cleanup_free_ char *text = NULL;
        int r = approvers_write(approvers, &text);

        if (r >= 0)
                digest_hex(text, strlen(text), ret);
        return r;
}

static bool is_as_written(const struct approving *approving)
{
        _cleanup_free_ char *text = NULL;
        char digest[DIGEST_HEX_MAX];
        size_t size;

        if (file_read(approving->file, 64 * 1024, &text, &size) < 0)
                return approving->digest[0] == '\0' && access(approving->file, F_OK) < 0;
        digest_hex(text, size, digest);
        return strcmp(digest, approving->digest) == 0;
}

/* The file follows the list; none is left where nobody approves. */
static int save(struct approving *approving)
{
        _cleanup_free_ char *directory =
                strndup(approving->file, (size_t)(strrchr(approving->file, '/') - approving->file));
        int r;

        approving->digest[0] = '\0';
        if (approving->approvers.n == 0)
                return unlink(approving->file) < 0 && errno != ENOENT ? -errno : 0;
        r = directory ? file_make_directory(directory, 0700) : -ENOMEM;
        if (r >= 0)
                r = approvers_save(approving->file, &approving->approvers);
        return r < 0 ? r : digest_of(&approving->approvers, approving->digest);
}

/* Somebody else wrote the file, or took it away. The chain says who approves; what is not of the chain goes. */
static void put_right(struct governor *governor, const struct approvers *found, const char *wrong)
{
        struct approving *approving = &governor->approving;
        int r;

        snprintf(approving->why, sizeof(approving->why), "%s", wrong);
        if (found)
                approvers_take_locked(&approving->approvers, found);
        r = save(approving);
        if (r < 0)
                log_failure(r, "Cannot write '%s'", approving->file);
        log_error("Approvers: %s: it is as the audit log says again", approving->why);
        record(governor, "approval.edited", NULL, AUDIT_DENIED,
               json_pack("{s:s, s:b, s:o}", "text", approving->why, "written", r >= 0, "found",
                         found ? approvers_to_json(found) : json_null()));
        write_standing(governor, &approving->approvers, approving->digest);
}

/* Before anything rests on it, and whenever it is looked at. */
static void look_at_file(struct governor *governor)
{
        struct approving *approving = &governor->approving;
        struct approvers *found;
        char wrong[APPROVER_WHY_MAX], why[APPROVER_WHY_MAX];
        int r;

        if (approving->unknown || is_as_written(approving))
                return;
        found = calloc(1, sizeof(*found));
        r = found ? approvers_load(approving->file, found, why) : -ENOMEM;
        snprintf(wrong, sizeof(wrong), "'%.100s' %s", approving->file,
                 r == -ENOENT ? "was removed" : "was not written by Governor");
        put_right(governor, r >= 0 ? found : NULL, wrong);
        free(found);
}

/* ---- beginning ------------------------------------------------------------------------------------------------------------ */

/* The log does not know: who approves is what the file says, which nothing proves. */
static void trust_file(struct governor *governor, const char *log)
{
        struct approving *approving = &governor->approving;
        char why[APPROVER_WHY_MAX];
        int r = approvers_load(approving->file, &approving->approvers, why);

        if (r == -ENOENT)
                return;
        approving->unknown = r < 0;
        if (r < 0) {
                text_copy_safe(approving->why, sizeof(approving->why), why);
                log_error("Approvers: %s; nothing that weakens Governor is done", why);
                return;
        }
        digest_of(&approving->approvers, approving->digest);
        text_copy(approving->ruling, sizeof(approving->ruling), RULING_TRUSTED);
        snprintf(approving->why, sizeof(approving->why), "who approves is taken from '%.80s': %s", approving->file,
                 log);
        log_warning("Approvers: %s", approving->why);
}

static void take_standing(struct governor *governor, const json_t *details)
{
        struct approving *approving = &governor->approving;
        const char *digest = json_string_value(json_object_get(details, "digest"));
        const char *policy = json_string_value(json_object_get(details, "policy"));

        if (json_is_true(json_object_get(details, "recovering")))
                recovery_begin(&approving->recovery, (unsigned)json_integer_value(json_object_get(details, "hours")),
                               clock_now(&governor->clock));
        approving->unknown = json_is_true(json_object_get(details, "unknown"));
        if (approvers_from_json(json_object_get(details, "approvers"), &approving->approvers) < 0 ||
            approving->unknown) {
                approving->unknown = true;
                snprintf(approving->why, sizeof(approving->why), "the audit log does not say who approves");
                log_error("Approvers: %s; nothing that weakens Governor is done", approving->why);
                return;
        }
        text_copy(approving->digest, sizeof(approving->digest), digest ? digest : "");
        text_copy(approving->ruling, sizeof(approving->ruling), policy ? policy : "");
}

/* What the passphrases lock stands in the file alone. */
static void take_locked(struct approving *approving)
{
        struct approvers *found = calloc(1, sizeof(*found));
        char why[APPROVER_WHY_MAX];

        if (found && is_as_written(approving) && approvers_load(approving->file, found, why) >= 0)
                approvers_take_locked(&approving->approvers, found);
        free(found);
}

static void recall(struct governor *governor)
{
        struct approving *approving = &governor->approving;
        json_t *standing;
        int r = find_standing(governor->database, &standing);

        approving->recalled = r >= 0;
        if (r < 0)
                trust_file(governor, "the audit log cannot be read");
        else if (standing)
                take_standing(governor, json_object_get(standing, "details"));
        else if (governor->audit_how.start != AUDIT_CONTINUED)
                trust_file(governor, "the audit log is new, and does not know");
        if (standing)
                take_locked(approving);
        json_decref(standing);
        look_at_file(governor);
}

static void arm(struct governor *governor)
{
        struct approving *approving = &governor->approving;

        if (!approving->hour)
                return;
        sd_event_source_set_time(approving->hour, clock_boottime(&governor->clock, approving->recovery.next));
        sd_event_source_set_enabled(approving->hour, approving->recovery.on ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_hour(sd_event_source *source, uint64_t usec, void *userdata);

void approving_begin(struct governor *governor)
{
        struct approving *approving = &governor->approving;

        if (asprintf(&approving->file, "%s/keys/approvers", governor->options.state) < 0) {
                approving->file = NULL;
                approving->unknown = true;
                return;
        }
        if (proof_book_new(&approving->book) < 0 ||
            sd_event_add_time(governor->event, &approving->hour, CLOCK_BOOTTIME, USEC_INFINITY, USEC_PER_SEC, on_hour,
                              governor) < 0) {
                approving->unknown = true;
                return;
        }
        recall(governor);
        arm(governor);
}

void approving_end(struct governor *governor)
{
        struct approving *approving = &governor->approving;

        approving->hour = sd_event_source_disable_unref(approving->hour);
        approving->book = proof_book_free(approving->book);
        free(approving->file);
        approving->file = NULL;
}

void approving_again(struct governor *governor)
{
        struct approving *approving = &governor->approving;

        if (approving->recalled || !approving->file)
                return; /* who approves is in memory, and goes into the new log */
        approving->approvers = (struct approvers){ .n = 0 };
        approving->digest[0] = approving->why[0] = '\0';
        approving->unknown = false;
        recall(governor);
        arm(governor);
}

/* ---- changes --------------------------------------------------------------------------------------------------------------- */

static json_t *not_recorded(struct control_error *error, int r)
{
        return control_refuse(error, 1, "govctl status", "not done: it cannot be recorded: %s", strerror(-r));
}

/* The list becomes another: durable in the chain, then in the file. On failure all is as it was. */
static int change(struct governor *governor, const struct approvers *list)
{
        struct approving *approving = &governor->approving;
        struct approvers old = approving->approvers;
        char digest[DIGEST_HEX_MAX] = "";
        int r = list->n > 0 ? digest_of(list, digest) : 0;

        if (r >= 0)
                r = write_standing(governor, list, digest);
        if (r >= 0)
                r = chronicle_settle(governor->chronicle);
        if (r < 0)
                return r;
        approving->approvers = *list;
        r = save(approving);
        if (r >= 0)
                return 0;
        approving->approvers = old;
        (void)save(approving);
        write_standing(governor, &old, approving->digest);
        return r;
}

static int drop_all(struct governor *governor, const char *how, const char *actor)
{
        const struct approvers none = { .n = 0 };
        int r;

        governor->approving.recovery = (struct recovery){ .on = false };
        arm(governor);
        r = record(governor, "approval.recovered", actor, AUDIT_OK, json_pack("{s:s}", "how", how));
        if (r >= 0)
                governor->approving.unknown = false;
        if (r >= 0)
                r = change(governor, &none);
        if (r >= 0)
                log_warning("Approvers: all are removed (%s): the next one enrols without a signature", how);
        return r;
}

static void announce(struct governor *governor)
{
        const unsigned left = RECOVERY_HOURS - governor->approving.recovery.hours;

        record(governor, "approval.recovery", NULL, AUDIT_INFO, json_pack("{s:i}", "hours_left", (int)left));
        write_standing(governor, &governor->approving.approvers, governor->approving.digest);
        log_warning("Approvers: somebody asked for recovery: in %u hours all approvers are removed. To stop it: govctl "
                    "approver recover --cancel",
                    left);
}

static int on_hour(sd_event_source *source, uint64_t usec, void *userdata)
{
        struct governor *governor = userdata;
        const enum recovery_step step = recovery_look(&governor->approving.recovery, clock_now(&governor->clock));

        (void)source, (void)usec;
        if (step == RECOVERY_ANNOUNCE)
                announce(governor);
        if (step == RECOVERY_OVER && drop_all(governor, "after 72 hours", NULL) < 0)
                recovery_begin(&governor->approving.recovery, RECOVERY_HOURS - 1, clock_now(&governor->clock));
        arm(governor);
        return 0;
}

/* ---- the guard ------------------------------------------------------------------------------------------------------------- */

static bool is_of_trust(enum cause cause)
{
        return cause == CAUSE_GUARD_CHANGE || cause == CAUSE_GUARD_DENIED || cause == CAUSE_GUARD_LEVEL ||
               cause == CAUSE_AUDIT_BROKEN || cause == CAUSE_KILL_SWITCH;
}

static bool closes_trust(const struct governor *governor, const struct control_request *request)
{
        const char *name = json_string_value(json_object_get(request->params, "incident"));
        struct incident_view incident;

        return view_find_incident(governor, incident_from_name(name), &incident) == 0 && incident.open &&
               is_of_trust(incident.cause);
}

static bool turns_safe_mode_on(const struct governor *governor, const struct control_request *request)
{
        const char *set = json_string_value(json_object_get(request->params, "set"));

        return set && strcmp(set, "on") == 0 && !governor->safe_mode;
}

/* What of a looser policy a human reads before signing: its digest stands for the rest. */
#define LOOSER_MAX 4096

/* What is looser in the policy on disk; NULL where it is not, or has errors and will not be loaded. */
static char *looser_on_disk(const struct governor *governor, char digest[POLICY_DIGEST_MAX])
{
        _cleanup_free_ char *looser = NULL;
        const char *more = "";
        char *note, *end;

        if (rules_compare_disk(governor, digest, &looser) < 0 || !looser[0])
                return NULL;
        if (strlen(looser) > LOOSER_MAX) {
                end = memrchr(looser, '\n', LOOSER_MAX);
                looser[end ? end - looser + 1 : LOOSER_MAX] = '\0';
                more = "and more, which the digest stands for\n";
        }
        return asprintf(&note, "policy: %s\nIt is looser in this:\n%s%s", digest, looser, more) < 0 ? NULL : note;
}

/* What is granted, for a human; NULL where there is no such request, which the call itself says better. */
static char *request_note(struct governor *governor, const struct control_request *request)
{
        struct control_error ignored;
        struct kept_request kept;
        json_auto_t *view = NULL, *shown = NULL;
        _cleanup_free_ char *text = NULL;
        char digest[DIGEST_HEX_MAX], *note = NULL;

        if (!request_find(governor, request, &kept, &ignored))
                return NULL;
        view = request_view(governor, &kept.request, false);
        digest_hex(kept.params, strlen(kept.params), digest);
        shown = json_pack("{s:O, s:O, s:O, s:O, s:O, s:O, s:s}", "request", json_object_get(view, "request"), "agent",
                          json_object_get(view, "agent"), "uid", json_object_get(view, "uid"), "action",
                          json_object_get(view, "action"), "params", json_object_get(view, "params"), "reason",
                          json_object_get(view, "reason"), "params_sha256", digest);
        text = shown ? json_dumps(shown, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;
        return text && asprintf(&note, "It asks for this:\n%s\n", text) >= 0 ? note : NULL;
}

/* Whether the call weakens anything, and what its arguments do not say of that. `note` is allocated, or stays NULL. */
static bool needs_proof(struct governor *governor, const struct control_request *request,
                        char digest[POLICY_DIGEST_MAX], char **ret_note)
{
        if (!approving_guards(governor))
                return false;
        if (proof_row(request->method)->need != PROOF_WHEN_WEAKER)
                return proof_row(request->method)->need == PROOF_ALWAYS;
        if (request->method == METHOD_SAFE_MODE)
                return turns_safe_mode_on(governor, request);
        if (request->method == METHOD_ACKNOWLEDGE)
                return closes_trust(governor, request);
        *ret_note =
                request->method == METHOD_RELOAD ? looser_on_disk(governor, digest) : request_note(governor, request);
        return *ret_note != NULL;
}

static json_t *refuse(struct governor *governor, const struct control_request *request, struct control_error *error,
                      const char *why)
{
        const char *method = method_row(request->method)->name;
        char who[64];

        order_from(request, who);
        log_warning("Refused to %s: %s asked for '%s'", who, why, method);
        record(governor, "approval.refused", who, AUDIT_DENIED, json_pack("{s:s, s:s}", "method", method, "text", why));
        return control_refuse(error, 4, "the same with --sign-request, then with --signature FILE", "'%s': %s", method,
                              why);
}

/* Where a text is from: the machine's name, and the origin of its log. */
struct place {
        char host[256];
        char log[AUDIT_ORIGIN_MAX];
};

static struct proof_subject subject_of(const struct governor *governor, const struct control_request *request,
                                       const char *note, struct place *place)
{
        struct audit_head head = { 0 };

        chronicle_head(governor->chronicle, &head);
        *place = (struct place){ .host = "" };
        gethostname(place->host, sizeof(place->host) - 1);
        (void)sscanf(head.anchor, "govaudit1 %287[^ ]", place->log);
        return (struct proof_subject){
                .method = request->method,
                .params = request->params,
                .note = note ? note : "",
                .host = place->host,
                .log = place->log,
        };
}

/* For who signs on this machine. Only root asks. */
static json_t *keys_here(const struct approvers *approvers)
{
        json_t *list = json_array();
        char line[SSH_KEY_LINE_MAX];

        for (size_t i = 0; i < approvers->n; i++)
                if (approvers->list[i].locked[0])
                        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", approvers->list[i].name, "key",
                                                              ssh_key_line(&approvers->list[i].key, line), "locked",
                                                              approvers->list[i].locked));
        return list;
}

static json_t *give_text(struct governor *governor, const struct control_request *request, const char *note,
                         struct control_error *error)
{
        struct approving *approving = &governor->approving;
        struct place place;
        const struct proof_subject subject = subject_of(governor, request, note, &place);
        const char *text;
        int r = proof_ask(approving->book, &subject, clock_now(&governor->clock), &text);

        if (r < 0)
                return control_refuse(error, 1, "govctl status", "there is no text to sign: %s", strerror(-r));
        return json_pack("{s:i, s:s, s:o}", "schema_version", SCHEMA_VERSION, "sign", text, "keys",
                         keys_here(&approving->approvers));
}

struct signing {
        const struct ssh_key *key;
        const char *armor;
};

static bool is_signed(void *self, const char *text)
{
        const struct signing *signing = self;

        return sign_verify(signing->key, signing->armor, strlen(signing->armor), text, strlen(text)) == SIGN_GOOD;
}

static int record_given(struct governor *governor, const struct control_request *request, const char *approver,
                        const char *armor, const char *text)
{
        char who[64], nonce[PROOF_NONCE_MAX];
        int r;

        order_from(request, who);
        proof_nonce(text, nonce);
        r = record(governor, "approval.given", who, AUDIT_OK,
                   json_pack("{s:s, s:s, s:s, s:s, s:s}", "approver", approver, "method",
                             method_row(request->method)->name, "nonce", nonce, "signature", armor, "text", text));
        return r < 0 ? r : chronicle_settle(governor->chronicle);
}

static bool take_signature(struct governor *governor, const struct control_request *request, const char *note,
                           struct control_error *error)
{
        struct approving *approving = &governor->approving;
        const char *armor = json_string_value(json_object_get(request->proof, "signature"));
        struct place place;
        const struct proof_subject subject = subject_of(governor, request, note, &place);
        struct ssh_key key;
        const enum sign_verdict verdict = sign_claims(armor, strlen(armor), &key);
        const struct approver_key *approver =
                verdict == SIGN_GOOD ? approvers_of_key(&approving->approvers, &key) : NULL;
        struct signing signing = { &key, armor };
        const char *text;
        int r;

        if (verdict != SIGN_GOOD)
                refuse(governor, request, error, sign_why(verdict));
        else if (!approver)
                refuse(governor, request, error, "the signature is by none of the approvers");
        else if (proof_take(approving->book, &subject, clock_now(&governor->clock), is_signed, &signing, &text) < 0)
                refuse(governor, request, error,
                       "the signature is for no text that waits: it was used, is too old, or is for something else");
        else if ((r = record_given(governor, request, approver->name, armor, text)) < 0)
                not_recorded(error, r);
        else {
                snprintf(approving->by, sizeof(approving->by), "approver:%s", approver->name);
                return true;
        }
        return false;
}

/* What is loaded then must be what was signed, whoever writes to the disk meanwhile. */
static bool approve(struct governor *governor, const char *digest)
{
        text_copy(governor->approving.agreed, sizeof(governor->approving.agreed), digest);
        return true;
}

bool approving_guard(void *self, const struct control_request *request, json_t **ret, struct control_error *error)
{
        struct governor *governor = self;
        const char *armor = json_string_value(json_object_get(request->proof, "signature"));
        const bool asks = json_is_true(json_object_get(request->proof, "ask"));
        _cleanup_free_ char *note = NULL;
        char digest[POLICY_DIGEST_MAX] = "";

        *ret = NULL;
        governor->approving.by[0] = '\0';
        if (proof_row(request->method)->need == PROOF_NEVER && !asks)
                return true;
        look_at_file(governor);
        if (!needs_proof(governor, request, digest, &note)) {
                if (asks)
                        control_refuse(error, 1, "the same without --sign-request", "this needs no signature now");
                return !asks;
        }
        if (governor->approving.unknown)
                *ret = refuse(governor, request, error, governor->approving.why);
        else if (asks)
                *ret = give_text(governor, request, note, error);
        else if (armor)
                return take_signature(governor, request, note, error) && approve(governor, digest);
        else
                *ret = refuse(governor, request, error, "it weakens Governor, and needs an approver's signature");
        return false;
}

bool approving_proven(const struct governor *governor, char by[64], struct control_error *error)
{
        if (governor->approving.by[0])
                return text_copy(by, 64, governor->approving.by);
        control_refuse(error, 4, "govctl approver add NAME --key FILE",
                       "no approver is enrolled, and root alone approves nothing: an agent may be root");
        return false;
}

/* ---- who approves ---------------------------------------------------------------------------------------------------------- */

static json_t *approver_json(const struct approver_key *approver)
{
        char fingerprint[SSH_FINGERPRINT_MAX], line[SSH_KEY_LINE_MAX];

        return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "name", approver->name, "kind",
                         approver->locked[0] ? "passphrase" : "key", "type", ssh_key_type(approver->key.kind),
                         "fingerprint", ssh_key_fingerprint(&approver->key, fingerprint), "key",
                         ssh_key_line(&approver->key, line), "since", (json_int_t)(approver->since * USEC_PER_SEC),
                         "by", approver->by);
}

static json_t *recovery_json(const struct recovery *recovery)
{
        return recovery->on ? json_integer((json_int_t)RECOVERY_HOURS - (json_int_t)recovery->hours) : json_null();
}

json_t *approving_list(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const struct approving *approving = &governor->approving;
        json_t *list = json_array();

        (void)request, (void)error;
        look_at_file(governor);
        for (size_t i = 0; i < approving->approvers.n; i++)
                json_array_append_new(list, approver_json(&approving->approvers.list[i]));
        return json_pack("{s:i, s:o, s:b, s:s, s:o, s:b}", "schema_version", SCHEMA_VERSION, "approvers", list,
                         "unknown", approving->unknown, "why", approving->why, "recovery_hours",
                         recovery_json(&approving->recovery), "recovery_code",
                         approving->approvers.recovery[0] != '\0');
}

json_t *approving_view(const struct governor *governor)
{
        const struct approving *approving = &governor->approving;
        int elsewhere = 0;

        for (size_t i = 0; i < approving->approvers.n; i++)
                elsewhere += approving->approvers.list[i].locked[0] == '\0';
        return json_pack("{s:i, s:i, s:b, s:s, s:o}", "enrolled", (int)approving->approvers.n, "elsewhere", elsewhere,
                         "unknown", approving->unknown, "why", approving->why, "recovery_hours",
                         recovery_json(&approving->recovery));
}

/* Fills in what was given; false with an error. */
static bool read_approver(struct governor *governor, const struct control_request *request, struct approver_key *ret,
                          struct control_error *error)
{
        const char *name = json_string_value(json_object_get(request->params, "name"));
        const char *key = json_string_value(json_object_get(request->params, "key"));
        const char *locked = json_string_value(json_object_get(request->params, "locked"));
        const char *why = ssh_key_read(key, strlen(key), &ret->key);

        ret->since = clock_now(&governor->clock) / USEC_PER_SEC;
        snprintf(ret->by, sizeof(ret->by), "uid:%u", (unsigned)request->uid);
        if (why)
                control_refuse(error, 2, "govctl approver add NAME --key FILE.pub", "%s", why);
        else if (locked && locked_key_check(locked) < 0)
                control_refuse(error, 2, "govctl approver add NAME --passphrase", "what is locked is no key of ours");
        else if (!text_copy(ret->name, sizeof(ret->name), name))
                control_refuse(error, 2, "govctl approver add NAME", "a name has at most 32 letters");
        else {
                text_copy(ret->locked, sizeof(ret->locked), locked ? locked : "");
                return true;
        }
        return false;
}

static json_t *not_added(struct control_error *error, const struct approver_key *approver, int r)
{
        switch (r) {
        case -EINVAL:
                return control_refuse(error, 2, "govctl approver add NAME", "a name is letters, digits and . _ - @");
        case -EEXIST:
                return control_refuse(error, 1, "govctl approver list", "there is an approver '%s' already",
                                      approver->name);
        case -ENOTUNIQ:
                return control_refuse(error, 1, "govctl approver list", "there is an approver with this key already");
        default:
                return control_refuse(error, 1, "govctl approver list", "there are %d approvers already",
                                      APPROVERS_MAX);
        }
}

json_t *approving_add(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        struct approvers list = governor->approving.approvers;
        struct approver_key approver = { .since = 0 };
        char code[RECOVERY_CODE_MAX] = "", who[64];
        const bool first = list.n == 0;
        json_t *answer;
        int r;

        if (!read_approver(governor, request, &approver, error))
                return NULL;
        r = approvers_add(&list, &approver);
        if (r < 0)
                return not_added(error, &approver, r);
        r = first ? recovery_code_make(&list, code) : 0;
        order_from(request, who);
        if (r >= 0)
                r = record(governor, "approval.enrolled", who, AUDIT_OK, approver_json(&approver));
        if (r >= 0)
                r = change(governor, &list);
        if (r >= 0 && first)
                rules_keep(governor); /* from now on nobody loosens it alone */
        answer = r < 0 ? not_recorded(error, r)
                       : json_pack("{s:i, s:o, s:s}", "schema_version", SCHEMA_VERSION, "approver",
                                   approver_json(&approver), "recovery_code", code);
        explicit_bzero(code, sizeof(code));
        return answer;
}

json_t *approving_remove(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        const char *name = json_string_value(json_object_get(request->params, "name"));
        struct approvers list = governor->approving.approvers;
        struct approver_key *found = approvers_find(&list, name), removed;
        char who[64], safe[64];
        int r;

        if (!found) {
                text_copy_safe(safe, sizeof(safe), name);
                return control_refuse(error, 5, "govctl approver list", "there is no approver '%s'", safe);
        }
        removed = *found;
        approvers_remove(&list, found);
        if (list.n == 0)
                list.recovery[0] = '\0';
        order_from(request, who);
        r = record(governor, "approval.removed", who, AUDIT_OK, approver_json(&removed));
        if (r >= 0)
                r = change(governor, &list);
        return r < 0 ? not_recorded(error, r)
                     : json_pack("{s:i, s:o, s:i}", "schema_version", SCHEMA_VERSION, "approver",
                                 approver_json(&removed), "left", (int)list.n);
}

/* ---- recovery --------------------------------------------------------------------------------------------------------------- */

static json_t *recovery_answer(const struct governor *governor)
{
        return json_pack("{s:i, s:i, s:o}", "schema_version", SCHEMA_VERSION, "enrolled",
                         (int)governor->approving.approvers.n, "recovery_hours",
                         recovery_json(&governor->approving.recovery));
}

static json_t *cancel(struct governor *governor, struct control_error *error, const char *who)
{
        if (!governor->approving.recovery.on)
                return control_refuse(error, 5, "govctl approver list", "no recovery is under way");
        governor->approving.recovery = (struct recovery){ .on = false };
        arm(governor);
        record(governor, "approval.recovery", who, AUDIT_OK, json_pack("{s:b}", "cancelled", true));
        write_standing(governor, &governor->approving.approvers, governor->approving.digest);
        return recovery_answer(governor);
}

static json_t *take_code(struct governor *governor, const struct control_request *request, struct control_error *error,
                         const char *code)
{
        char who[64];
        int r;

        order_from(request, who);
        if (!recovery_code_is(&governor->approving.approvers, code)) {
                record(governor, "approval.refused", who, AUDIT_DENIED,
                       json_pack("{s:s, s:s}", "method", "approver-recover", "text", "another recovery code"));
                return control_refuse(error, 4, "govctl approver recover, which waits 72 hours",
                                      "this is not the recovery code");
        }
        r = drop_all(governor, "by its code", who);
        return r < 0 ? not_recorded(error, r) : recovery_answer(governor);
}

json_t *approving_recover(void *self, const struct control_request *request, struct control_error *error)
{
        struct governor *governor = self;
        struct approving *approving = &governor->approving;
        const char *code = json_string_value(json_object_get(request->params, "code"));
        char who[64];

        order_from(request, who);
        look_at_file(governor);
        if (json_is_true(json_object_get(request->params, "cancel")))
                return cancel(governor, error, who);
        if (approving->approvers.n == 0 && !approving->unknown)
                return control_refuse(error, 1, "govctl approver add NAME --key FILE.pub",
                                      "nobody is enrolled: there is nothing to recover");
        if (code)
                return take_code(governor, request, error, code);
        if (approving->recovery.on)
                return control_refuse(error, 1, "govctl approver recover --cancel", "recovery is under way already");
        recovery_begin(&approving->recovery, 0, clock_now(&governor->clock));
        record(governor, "approval.recovery", who, AUDIT_OK, json_pack("{s:i}", "hours_left", RECOVERY_HOURS));
        announce(governor);
        arm(governor);
        return recovery_answer(governor);
}
