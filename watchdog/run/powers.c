#include "run/powers.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Those are the last: where the bounding set cannot be emptied because CAP_SETPCAP is missing, nothing else is lost either. */
static int drop_own(void)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

        return syscall(__NR_capset, &header, none) < 0 ? -errno : 0;
}

/* Root's next program would have what is in the bounding set. The kernel says how many there are by refusing the next one. */
static int drop_bounding(void)
{
        for (unsigned long capability = 0;; capability++) {
                int r = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);

                if (r < 0)
                        return 0;
                if (r > 0 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
                        return -errno;
        }
}

int powers_drop(void)
{
        int r = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ? -errno : 0;

        /* who is not root has no use for the bounding set once nothing may be gained, and may not change it */
        if (r >= 0 && (geteuid() == 0 || getuid() == 0))
                r = drop_bounding();
        return r < 0 ? r : drop_own();
}
