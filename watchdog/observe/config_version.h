#pragma once
/* What the declared files of one rule are together: told as a version, under whose digest the vault has the list of them. */
#include "io/vault.h"
#include "observe/config_files.h"

#define CONFIG_LACKS_MAX 64

struct config_version {
        char digest[DIGEST_HEX_MAX];
        uint32_t files;
        uint64_t since;               /* when the newest of them was changed, in microseconds of Unix time; 0 unknown */
        char lacks[CONFIG_LACKS_MAX]; /* why it could not be put back, "" when all of it is in the vault */
};

/* 0; 1: not all of its files were read yet; or a negative errno. `vault` may be NULL: nothing is kept. */
int config_version_make(const struct config_files *files, uint32_t rule, struct vault *vault,
                        struct config_version *ret);
