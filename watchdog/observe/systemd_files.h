#pragma once
/* What systemd tells of the files behind its services, passed on to whoever cares. */
#include <systemd/sd-bus.h>

#include "observe/systemd_change.h"
#include "observe/units_table.h"

struct systemd_files_sink {
        void (*folders)(void *self, char *const *folders); /* where systemd looks for them; NULL-terminated, a loan */
        void (*has)(void *self,
                    const struct unit_files *files); /* of a wanted one, each time that all was read of it */
        void (*lost)(void *self, const char *name, bool for_good); /* not loaded any more; for good: or not wanted */
        void (*reloading)(void *self, bool active);                /* systemd reads all of them again, or has */
        void *self;
};

struct systemd_files {
        const struct systemd_files_sink *sink; /* NULL: nobody cares */
        sd_bus_slot *asking;
};

/* Asks where systemd looks for unit files; the answer goes to the sink. */
int systemd_files_ask(struct systemd_files *files, sd_bus *connection);
void systemd_files_forget(struct systemd_files *files); /* the connection is gone */

void systemd_files_tell(const struct systemd_files *files, const char *name, const struct systemd_change *change);
void systemd_files_lost(const struct systemd_files *files, const char *name, bool for_good);
void systemd_files_reloading(const struct systemd_files *files, bool active);
