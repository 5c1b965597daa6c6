/* Signatures of OpenSSH: made by ssh-keygen and taken by us, made by us and taken by ssh-keygen, and each way in which one is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sodium.h>
#include <unistd.h>

#include "io/cleanup.h"
#include "io/file.h"
#include "io/locked_key.h"
#include "io/sign.h"

#define DATA "tests/data/sign/"
#define MESSAGE "hello\n"
#define BLOB 2048

static char *data(const char *name, size_t *ret_size)
{
        char path[128], *text;

        snprintf(path, sizeof(path), DATA "%s", name);
        assert_int_equal(file_read(path, 8192, &text, ret_size), 0);
        return text;
}

static struct ssh_key key_of(const char *name)
{
        size_t size;
        _cleanup_free_ char *text = data(name, &size);
        struct ssh_key key;
        const char *why = ssh_key_read(text, size, &key);

        if (why)
                fail_msg("%s: %s", name, why);
        return key;
}

static enum sign_verdict verify(const char *key, const char *armor, const char *message)
{
        struct ssh_key read = key_of(key);

        return sign_verify(&read, armor, strlen(armor), message, strlen(message));
}

static void expect(enum sign_verdict got, enum sign_verdict wanted)
{
        if (got != wanted)
                fail_msg("got \"%s\", wanted \"%s\"", sign_why(got), sign_why(wanted));
}

/* ---- keys ---------------------------------------------------------------------------------------------------------------- */

static void a_public_key_is_read_and_named_as_ssh_keygen_names_it(void **state)
{
        struct ssh_key key = key_of("alice.pub");
        char line[SSH_KEY_LINE_MAX], fingerprint[SSH_FINGERPRINT_MAX];
        size_t size;
        _cleanup_free_ char *text = data("alice.pub", &size), *wanted = data("alice.fingerprint", &size);

        ssh_key_line(&key, line);
        assert_int_equal(strncmp(text, line, strlen(line)), 0);
        assert_string_equal(strtok(wanted, "\n"), ssh_key_fingerprint(&key, fingerprint));
}

static const char *refusal(const char *text)
{
        struct ssh_key key = { .kind = SSH_KEY_KIND_N };
        const char *why = ssh_key_read(text, strlen(text), &key);

        assert_non_null(why);
        assert_int_equal(key.kind, SSH_KEY_KIND_N);
        return why;
}

static void a_key_that_is_not_taken_says_why(void **state)
{
        size_t size;
        _cleanup_free_ char *rsa = data("rsa.pub", &size), *ecdsa = data("ecdsa.pub", &size);
        _cleanup_free_ char *alice = data("alice.pub", &size);
        char text[1024];

        assert_non_null(strstr(refusal(rsa), "kinds of keys that are taken"));
        assert_non_null(strstr(refusal(ecdsa), "kinds of keys that are taken"));
        assert_non_null(strstr(refusal(""), "kinds of keys that are taken"));
        assert_non_null(strstr(refusal("-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"), "private key"));
        snprintf(text, sizeof(text), "%s%s", alice, alice);
        assert_non_null(strstr(refusal(text), "more than one line"));
        snprintf(text, sizeof(text), "command=\"true\" %s", alice);
        assert_non_null(strstr(refusal(text), "kinds of keys that are taken"));
        snprintf(text, sizeof(text), "sk-ssh-ed25519@openssh.com %s", strchr(alice, ' ') + 1);
        assert_non_null(strstr(refusal(text), "another kind than its line says"));
        alice[40] = '!';
        assert_non_null(strstr(refusal(alice), "damaged"));
        assert_non_null(strstr(
                refusal("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "weak"));
        assert_non_null(strstr(refusal("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
                               "damaged"));
}

/* ---- what ssh-keygen signed ---------------------------------------------------------------------------------------------- */

static void what_ssh_keygen_signed_is_taken(void **state)
{
        size_t size;
        _cleanup_free_ char *long_hash = data("sha512.sig", &size), *short_hash = data("sha256.sig", &size);
        char pasted[2048];

        expect(verify("alice.pub", long_hash, MESSAGE), SIGN_GOOD);
        expect(verify("alice.pub", short_hash, MESSAGE), SIGN_GOOD);
        snprintf(pasted, sizeof(pasted), "\n  %s\r\n\n", long_hash); /* by a terminal, or a mail program */
        expect(verify("alice.pub", pasted, MESSAGE), SIGN_GOOD);
}

static void a_signature_is_for_one_text_one_key_and_one_purpose(void **state)
{
        size_t size;
        _cleanup_free_ char *good = data("sha512.sig", &size), *other = data("namespace.sig", &size);
        struct ssh_key key = key_of("alice.pub");

        expect(verify("alice.pub", good, "hello"), SIGN_FORGED);
        expect(verify("alice.pub", good, ""), SIGN_FORGED);
        expect(verify("alice.pub", other, MESSAGE), SIGN_OTHER_NAMESPACE);
        crypto_scalarmult_ed25519_base_noclamp(key.public_key, (const uint8_t[32]){ 5 }); /* some other point */
        expect(sign_verify(&key, good, strlen(good), MESSAGE, strlen(MESSAGE)), SIGN_OTHER_KEY);
}

static void other_kinds_of_keys_are_told_by_their_kind(void **state)
{
        size_t size;
        _cleanup_free_ char *rsa = data("rsa.sig", &size), *ecdsa = data("ecdsa.sig", &size);

        expect(verify("alice.pub", rsa, MESSAGE), SIGN_OTHER_KIND);
        expect(verify("alice.pub", ecdsa, MESSAGE), SIGN_OTHER_KIND);
}

static void no_letter_of_a_signature_can_be_another(void **state)
{
        size_t size;
        _cleanup_free_ char *armor = data("sha512.sig", &size);
        struct ssh_key key = key_of("alice.pub");

        for (size_t i = 0; i + 1 < size; i++) { /* the last one is the end of a line, where white space may be */
                const char was = armor[i];

                if (was == '\n')
                        continue;
                armor[i] = was == 'B' ? 'C' : 'B';
                if (sign_verify(&key, armor, size, MESSAGE, strlen(MESSAGE)) == SIGN_GOOD)
                        fail_msg("letter %zu may be another", i);
                armor[i] = was;
        }
        for (size_t cut = 0; cut + 1 < size; cut++)
                if (sign_verify(&key, armor, cut, MESSAGE, strlen(MESSAGE)) == SIGN_GOOD)
                        fail_msg("cut after %zu it is taken", cut);
        expect(sign_verify(&key, armor, size, MESSAGE, strlen(MESSAGE)), SIGN_GOOD);
}

static void what_is_no_signature_says_so(void **state)
{
        char *large = calloc(1, 9000);

        expect(verify("alice.pub", "", MESSAGE), SIGN_NO_ARMOR);
        expect(verify("alice.pub", "yes", MESSAGE), SIGN_NO_ARMOR);
        expect(verify("alice.pub", "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n", MESSAGE),
               SIGN_DAMAGED);
        expect(verify("alice.pub", "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n", MESSAGE),
               SIGN_DAMAGED);
        memset(large, 'A', 8999);
        expect(verify("alice.pub", large, MESSAGE), SIGN_NO_ARMOR);
        free(large);
}

/* ---- a security key, played ---------------------------------------------------------------------------------------------- */

static void put_inner(struct ssh_blob *to, const struct ssh_blob *inner)
{
        ssh_put_string(to, inner->data, inner->size);
}

struct played {
        uint8_t secret[SIGN_SECRET_KEY];
        struct ssh_key key;
        uint8_t flags, version;
        const char *hash_name;
};

static struct played play(void)
{
        struct played played = { .key = { .kind = SSH_KEY_SECURITY, .application = "ssh:" },
                                 .flags = 1,
                                 .version = 1,
                                 .hash_name = "sha512" };

        crypto_sign_keypair(played.key.public_key, played.secret);
        return played;
}

/* What a security key signs of what ssh-keygen gives it. */
static void sign_as_hardware(const struct played *played, const struct ssh_blob *framed, uint8_t ret[crypto_sign_BYTES])
{
        uint8_t text[69] = { 0 };

        crypto_hash_sha256(text, (const uint8_t *)played->key.application, strlen(played->key.application));
        text[32] = played->flags;
        text[36] = 7; /* its counter */
        crypto_hash_sha256(text + 37, framed->data, framed->size);
        crypto_sign_detached(ret, NULL, text, sizeof(text), played->secret);
}

static void played_signature(const struct played *played, const char *message, char armor[SIGN_ARMOR_MAX])
{
        uint8_t bytes[BLOB], part[BLOB], hash[crypto_hash_sha512_BYTES], signature[crypto_sign_BYTES];
        struct ssh_blob framed = { .data = part, .room = BLOB }, inner = { .data = part, .room = BLOB };
        struct ssh_blob blob = { .data = bytes, .room = BLOB };
        char base64[SSH_BASE64_MAX(BLOB)];

        crypto_hash_sha512(hash, (const uint8_t *)message, strlen(message));
        ssh_put(&framed, "SSHSIG", 6);
        ssh_put_string(&framed, "governor", 8);
        ssh_put_string(&framed, "", 0);
        ssh_put_string(&framed, "sha512", 6);
        ssh_put_string(&framed, hash, sizeof(hash));
        sign_as_hardware(played, &framed, signature);
        ssh_put(&blob, "SSHSIG", 6);
        ssh_put_number(&blob, played->version);
        ssh_key_put(&played->key, &inner);
        put_inner(&blob, &inner);
        ssh_put_string(&blob, "governor", 8);
        ssh_put_string(&blob, "", 0);
        ssh_put_string(&blob, played->hash_name, strlen(played->hash_name));
        inner.size = 0;
        ssh_put_string(&inner, "sk-ssh-ed25519@openssh.com", 26);
        ssh_put_string(&inner, signature, sizeof(signature));
        ssh_put(&inner, &played->flags, 1);
        ssh_put_number(&inner, 7);
        put_inner(&blob, &inner);
        snprintf(armor, SIGN_ARMOR_MAX, "-----BEGIN SSH SIGNATURE-----\n%s\n-----END SSH SIGNATURE-----\n",
                 ssh_base64_write(base64, sizeof(base64), bytes, blob.size));
}

static enum sign_verdict play_and_verify(const struct played *played)
{
        char armor[SIGN_ARMOR_MAX];

        played_signature(played, MESSAGE, armor);
        return sign_verify(&played->key, armor, strlen(armor), MESSAGE, strlen(MESSAGE));
}

static void a_security_key_counts_only_when_it_was_touched(void **state)
{
        struct played played = play();
        char armor[SIGN_ARMOR_MAX];

        expect(play_and_verify(&played), SIGN_GOOD);
        played.flags = 1 | 4; /* touched, and a PIN was given */
        expect(play_and_verify(&played), SIGN_GOOD);
        played.flags = 4;
        expect(play_and_verify(&played), SIGN_NOT_TOUCHED);
        played.flags = 0;
        expect(play_and_verify(&played), SIGN_NOT_TOUCHED);
        played.flags = 1;
        played_signature(&played, MESSAGE, armor);
        strcpy(played.key.application, "ssh:other"); /* the same secret, enrolled for something else */
        expect(sign_verify(&played.key, armor, strlen(armor), MESSAGE, strlen(MESSAGE)), SIGN_OTHER_KEY);
}

static void other_versions_and_hashes_are_not_guessed_at(void **state)
{
        struct played played = play();

        played.version = 2;
        expect(play_and_verify(&played), SIGN_OTHER_VERSION);
        played.version = 1;
        played.hash_name = "md5";
        expect(play_and_verify(&played), SIGN_OTHER_HASH);
        played.hash_name = "sha256"; /* another one than was signed with */
        expect(play_and_verify(&played), SIGN_FORGED);
}

/* ---- the other way round ------------------------------------------------------------------------------------------------- */

/* Whether the real ssh-keygen takes it. */
static bool ssh_keygen_takes(const struct ssh_key *key, const char *armor, const char *message)
{
        char directory[] = "/tmp/test-sign-XXXXXX", path[64], line[SSH_KEY_LINE_MAX], text[512], command[512];
        int status;

        if (system("command -v ssh-keygen >/dev/null") != 0)
                skip(); /* `make setup` brings it */
        assert_non_null(mkdtemp(directory));
        snprintf(text, sizeof(text), "alice %s\n", ssh_key_line(key, line));
        snprintf(path, sizeof(path), "%s/allowed", directory);
        assert_int_equal(file_write_atomic(path, text, strlen(text), 0600), 0);
        snprintf(path, sizeof(path), "%s/sig", directory);
        assert_int_equal(file_write_atomic(path, armor, strlen(armor), 0600), 0);
        snprintf(path, sizeof(path), "%s/message", directory);
        assert_int_equal(file_write_atomic(path, message, strlen(message), 0600), 0);
        snprintf(command, sizeof(command),
                 "cd %s && ssh-keygen -Y verify -f allowed -I alice -n governor -s sig <message >out 2>&1", directory);
        status = system(command);
        snprintf(command, sizeof(command), "rm -r %s", directory);
        assert_int_equal(system(command), 0);
        return status == 0;
}

static void ssh_keygen_takes_what_we_sign(void **state)
{
        uint8_t secret[SIGN_SECRET_KEY];
        struct ssh_key key = { .kind = SSH_KEY_ED25519 }, claimed;
        char armor[SIGN_ARMOR_MAX];

        crypto_sign_keypair(key.public_key, secret);
        sign_make(secret, MESSAGE, strlen(MESSAGE), armor);
        expect(sign_verify(&key, armor, strlen(armor), MESSAGE, strlen(MESSAGE)), SIGN_GOOD);
        expect(sign_claims(armor, strlen(armor), &claimed), SIGN_GOOD);
        assert_true(ssh_key_same(&key, &claimed));
        assert_true(ssh_keygen_takes(&key, armor, MESSAGE));
        assert_false(ssh_keygen_takes(&key, armor, "hello, and more\n"));
}

/* Our player of a security key is right about what one signs. */
static void ssh_keygen_takes_the_played_security_key(void **state)
{
        struct played played = play();
        char armor[SIGN_ARMOR_MAX];

        played_signature(&played, MESSAGE, armor);
        assert_true(ssh_keygen_takes(&played.key, armor, MESSAGE));
}

/* ---- under a passphrase -------------------------------------------------------------------------------------------------- */

#define PASSPHRASE "a horse that is correct"

static void a_locked_key_signs_for_whom_knows_its_passphrase(void **state)
{
        char text[LOCKED_KEY_MAX], armor[SIGN_ARMOR_MAX] = "";
        struct ssh_key key, other = key_of("alice.pub");

        assert_int_equal(locked_key_make(PASSPHRASE, &key, text), 0);
        assert_int_equal(locked_key_check(text), 0);
        assert_int_equal(locked_key_sign(text, &key, PASSPHRASE, MESSAGE, strlen(MESSAGE), armor), 0);
        expect(sign_verify(&key, armor, strlen(armor), MESSAGE, strlen(MESSAGE)), SIGN_GOOD);
        armor[0] = '\0';
        assert_int_equal(locked_key_sign(text, &key, "another", MESSAGE, strlen(MESSAGE), armor), -EKEYREJECTED);
        assert_int_equal(locked_key_sign(text, &other, PASSPHRASE, MESSAGE, strlen(MESSAGE), armor), -EKEYREJECTED);
        assert_string_equal(armor, "");
}

static void two_locked_keys_have_nothing_in_common(void **state)
{
        char one[LOCKED_KEY_MAX], other[LOCKED_KEY_MAX];
        struct ssh_key a, b;

        assert_int_equal(locked_key_make(PASSPHRASE, &a, one), 0);
        assert_int_equal(locked_key_make(PASSPHRASE, &b, other), 0);
        assert_false(ssh_key_same(&a, &b));
        assert_string_not_equal(one, other);
}

static void a_locked_key_that_somebody_wrote_is_refused_before_it_costs(void **state)
{
        static const struct {
                const char *text;
                int r;
        } cases[] = {
                { "", -EINVAL },
                { "argon2id", -EINVAL },
                { "argon2i:4:134217728:AAAA:AAAA:AAAA", -EINVAL },
                { "argon2id:4:134217728:AAAA:AAAA:AAAA", -EINVAL },
                { "argon2id:4:134217728:", -EINVAL },
#define REST                                                          \
        ":AAAAAAAAAAAAAAAAAAAAAA==:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:" \
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                { "argon2id:4:8192" REST, 0 },
                { "argon2id:4:8192" REST ":", -EINVAL },
                { "argon2id:4:8192" REST "A", -EINVAL },
                { "argon2id:0:8192" REST, -EINVAL },
                { "argon2id:4:0" REST, -EINVAL },
                { "argon2id:17:8192" REST, -E2BIG },
                { "argon2id:4:99999999999999999999" REST, -EINVAL },
                { "argon2id:4:1073741825" REST, -E2BIG },
        };

        for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                if (locked_key_check(cases[i].text) != cases[i].r)
                        fail_msg("%s: %d", cases[i].text, locked_key_check(cases[i].text));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_public_key_is_read_and_named_as_ssh_keygen_names_it),
                cmocka_unit_test(a_key_that_is_not_taken_says_why),
                cmocka_unit_test(what_ssh_keygen_signed_is_taken),
                cmocka_unit_test(a_signature_is_for_one_text_one_key_and_one_purpose),
                cmocka_unit_test(other_kinds_of_keys_are_told_by_their_kind),
                cmocka_unit_test(no_letter_of_a_signature_can_be_another),
                cmocka_unit_test(what_is_no_signature_says_so),
                cmocka_unit_test(a_security_key_counts_only_when_it_was_touched),
                cmocka_unit_test(other_versions_and_hashes_are_not_guessed_at),
                cmocka_unit_test(ssh_keygen_takes_what_we_sign),
                cmocka_unit_test(ssh_keygen_takes_the_played_security_key),
                cmocka_unit_test(a_locked_key_signs_for_whom_knows_its_passphrase),
                cmocka_unit_test(two_locked_keys_have_nothing_in_common),
                cmocka_unit_test(a_locked_key_that_somebody_wrote_is_refused_before_it_costs),
        };

        return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
