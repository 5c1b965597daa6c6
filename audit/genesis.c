#include "audit/genesis.h"
#include "audit/cleanup.h"
#include "audit/store.h"

#include <sodium.h>
#include <string.h>

#define ACTION "audit.genesis"
#define SUBJECT "audit"
#define SUBJECT_ROTATED "audit:rotated"

int audit_genesis_encode(const struct audit_genesis *genesis, const char *prev_log, const struct audit_place *place,
                         char *space, size_t *ret_length)
{
        char seal_key[sodium_base64_ENCODED_LEN(AUDIT_PUBLIC_KEY, sodium_base64_VARIANT_ORIGINAL)];
        char vkey[AUDIT_VKEY_MAX];
        _cleanup_(drop_json) json_t *details = NULL;

        audit_vkey_write(genesis->origin, genesis->log_key, vkey);
        sodium_bin2base64(seal_key, sizeof(seal_key), genesis->seal_key, AUDIT_PUBLIC_KEY,
                          sodium_base64_VARIANT_ORIGINAL);
        details = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "format", "governor-audit/1", "log_key", vkey, "origin",
                            genesis->origin, "prev_log", prev_log, "retention_days",
                            (json_int_t)genesis->retention_days, "seal_key", seal_key);
        if (!details)
                return -ENOMEM;

        return audit_record_encode(&(struct audit_entry){ .action = ACTION,
                                                          .subject = genesis->rotated ? SUBJECT_ROTATED : SUBJECT,
                                                          .outcome = AUDIT_OK,
                                                          .details = details },
                                   place, space, ret_length);
}

#define LITERAL(scan, text) audit_scan_literal(scan, text, sizeof(text) - 1)

static bool copy_origin(struct audit_slice origin, char ret[static AUDIT_ORIGIN_MAX])
{
        if (!audit_origin_is_good(origin) || memchr(origin.text, '\\', origin.length))
                return false;
        memcpy(ret, origin.text, origin.length);
        ret[origin.length] = '\0';
        return true;
}

bool audit_genesis_parse(const char *body, size_t length, struct audit_genesis *ret)
{
        struct audit_slice log_key, origin, prev_log, seal_key;
        struct audit_genesis genesis;
        struct audit_view record;
        struct audit_scan scan;
        int64_t retention;

        if (!audit_record_scan(body, length, &record) || record.seq != 0 || !audit_slice_is(record.action, ACTION))
                return false;

        scan = audit_scan_begin(record.details.text, record.details.length);
        /* clang-format off */
        if (!(LITERAL(&scan, "{\"format\":\"governor-audit/1\",\"log_key\":") && audit_scan_string(&scan, &log_key) &&
              LITERAL(&scan, ",\"origin\":")         && audit_scan_string(&scan, &origin) &&
              LITERAL(&scan, ",\"prev_log\":")       && audit_scan_string(&scan, &prev_log) &&
              LITERAL(&scan, ",\"retention_days\":") && audit_scan_integer(&scan, &retention) &&
              LITERAL(&scan, ",\"seal_key\":")       && audit_scan_string(&scan, &seal_key) &&
              LITERAL(&scan, "}")                    && audit_scan_done(&scan)))
                /* clang-format on */
                return false;

        if (retention < 1 || !copy_origin(origin, genesis.origin) ||
            !audit_vkey_parse(log_key, genesis.origin, genesis.log_key) ||
            !audit_base64_decode(seal_key, genesis.seal_key, sizeof(genesis.seal_key)))
                return false;
        genesis.retention_days = (uint64_t)retention;
        genesis.continues = prev_log.length > 0;
        genesis.rotated = audit_slice_is(record.subject, SUBJECT_ROTATED);
        *ret = genesis;
        return true;
}

int audit_genesis_read(sqlite3 *log, struct audit_genesis *ret)
{
        _cleanup_(finalize_statement) sqlite3_stmt *statement = NULL;
        struct audit_slice body;
        const int r = audit_store_body(log, 0, &statement, &body);

        if (r < 0)
                return r == -ENOENT ? -EUCLEAN : r;
        return audit_genesis_parse(body.text, body.length, ret) ? 0 : -EUCLEAN;
}
