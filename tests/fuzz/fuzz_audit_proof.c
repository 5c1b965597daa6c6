/* The checker of proofs: it accepts what the log of the vectors holds and nothing else, and what it can read has one form. */

#include "audit/tlog_proof.h"
#include "audit/witness.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const keys[] = {
        "vps1.example/governor/1f2e3d4c+16e802f0+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "witness.example/w1+b1c3056e+BJp0jI2O9cW0iVUWIylpI5ibCH171BGV0Gw84InNsJin"
};

/* Nobody can sign for the log, so what is proven must be one of its records. */
static void judge_proven(const struct audit_proved *proved)
{
        static json_t *vectors;
        const char *body;

        if (!vectors)
                vectors = json_load_file("tests/data/audit/vectors.json", JSON_ALLOW_NUL, NULL);
        body = json_string_value(
                json_object_get(json_array_get(json_object_get(vectors, "records"), proved->seq), "body"));
        if (proved->seq >= proved->size || proved->size > 10 || !body || proved->body.length != strlen(body) ||
            memcmp(proved->body.text, body, proved->body.length) != 0)
                abort();
}

/* Reading and writing again gives the same bytes. */
static void judge_form(const char *text, size_t size)
{
        static uint8_t body[AUDIT_BODY_MAX];
        struct audit_tlog_proof proof;
        char *again;
        size_t length;
        FILE *out;

        if (audit_tlog_proof_read(text, size, &proof) || !audit_base64_read(proof.record, body, sizeof(body), &length))
                return;
        proof.record = (struct audit_slice){ (const char *)body, length };
        out = open_memstream(&again, &length);
        if (!out || audit_tlog_proof_write(&proof, out) < 0 || fclose(out) != 0 || length != size ||
            memcmp(again, text, size) != 0)
                abort();
        free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct audit_proved proved;
        struct audit_vkey witness;
        struct audit_trust trust = { .witnesses = &witness, .witnesses_n = 1 };
        char *text = malloc(size ?: 1);

        if (!text || sodium_init() < 0 || audit_vkey_read(keys[0], &trust.log) < 0 ||
            audit_vkey_read(keys[1], &witness) < 0)
                abort();
        memcpy(text, data, size);
        judge_form(text, size);
        for (trust.quorum = 0; trust.quorum < 2; trust.quorum++) {
                const int r = audit_proof_check(text, size, &trust, &proved);

                if (r == 0)
                        judge_proven(&proved);
                else if (!proved.why)
                        abort();
        }
        free(text);
        return 0;
}
