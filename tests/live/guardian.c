/*
 * The daemon's hand at one file, for the attacker of the tests: `guardian note` when nothing has happened yet, `guardian seal` when
 * an attacker holds on to the file.
 *
 * FILE and GUARDED, its folder, are in the environment; HELD is a folder for the vault and the manifest, out of the attacker's reach.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "guard/seal.h"

struct hand {
        const char *file, *folder;
        char manifest_path[PATH_MAX], vault_path[PATH_MAX];
        struct manifest *manifest;
        struct sealer sealer;
};

static int failed(const char *what, int r, const char *text)
{
        fprintf(stderr, "guardian: cannot %s: %s %s\n", what, strerror(-r), text);
        return EXIT_FAILURE;
}

/* As it is, and not immutable yet, so that an attacker can get ready. */
static int note(struct hand *hand)
{
        const struct manifest_entry file = { .path = hand->file }, folder = { .path = hand->folder };
        struct seal_outcome outcome;
        int r = seal_take(&hand->sealer, &file, &outcome);

        if (r == 0)
                r = manifest_set(hand->manifest, &outcome.entry);
        if (r == 0)
                r = seal_folder(&hand->sealer, &folder, &outcome);
        if (r == 0)
                r = manifest_set(hand->manifest, &outcome.entry);
        if (r == 0)
                r = manifest_save(hand->manifest, hand->manifest_path, (uint8_t[DIGEST_SIZE]){ 0 });
        return r < 0 ? failed("note", r, outcome.text) : EXIT_SUCCESS;
}

/* A fresh inode, which is immutable, and its folder too. */
static int seal(struct hand *hand)
{
        struct seal_outcome outcome = { 0 };
        struct manifest_entry file, folder;
        uint8_t digest[DIGEST_SIZE];
        int r;

        hand->manifest = manifest_free(hand->manifest);
        r = manifest_load(hand->manifest_path, &hand->manifest, digest);
        if (r < 0)
                return failed("read the manifest", r, hand->manifest_path);
        hand->sealer.manifest = hand->manifest;
        file = *manifest_find(hand->manifest, hand->file);
        folder = *manifest_find(hand->manifest, hand->folder);
        file.immutable = folder.immutable = true;
        r = seal_restore(&hand->sealer, &file, &outcome);
        if (r < 0)
                return failed("seal", r, outcome.text);
        seal_settle(&hand->sealer, &file, &outcome);
        r = seal_folder(&hand->sealer, &folder, &outcome);
        return r < 0 ? failed("seal the folder", r, outcome.text) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
        struct hand hand = { .file = getenv("FILE"), .folder = getenv("GUARDED") };
        const char *held = getenv("HELD");
        int r, code;

        if (argc != 2 || !hand.file || !hand.folder || !held) {
                fputs("usage: FILE=... GUARDED=... HELD=... guardian note|seal\n", stderr);
                return 2;
        }
        text_append(hand.manifest_path, sizeof(hand.manifest_path), "%s/manifest", held);
        text_append(hand.vault_path, sizeof(hand.vault_path), "%s/vault", held);
        r = manifest_new(&hand.manifest);
        if (r == 0)
                r = vault_open(hand.vault_path, &VAULT_LIMITS_DEFAULT, &hand.sealer.vault);
        if (r < 0)
                return failed("open the vault", r, hand.vault_path);
        hand.sealer.manifest = hand.manifest;
        code = strcmp(argv[1], "seal") == 0 ? seal(&hand) : note(&hand);
        vault_free(hand.sealer.vault);
        manifest_free(hand.manifest);
        return code;
}
