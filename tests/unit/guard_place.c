#include "guard_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#define SIZE_MB 32

bool place_may(void)
{
        return geteuid() == 0;
}

/* Mounts are ours alone: whatever becomes of us, none is left. */
static void leave_the_others(void)
{
        static bool left;

        if (!left && (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
                fail_msg("no mount namespace of our own: %s", strerror(errno));
        left = true;
}

/* Another process may take the free one first: then the next. It is freed with its last user. */
static int attach(struct place *place, int image)
{
        const int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);

        if (control < 0)
                fail_msg("no loop devices: %s", strerror(errno));
        for (unsigned n = 0; n < 100; n++) {
                struct loop_config config = { .fd = (unsigned)image, .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
                const int number = ioctl(control, LOOP_CTL_GET_FREE);
                int device;

                snprintf(place->device, sizeof(place->device), "/dev/loop%d", number);
                device = open(place->device, O_RDWR | O_CLOEXEC);
                if (device >= 0 && ioctl(device, LOOP_CONFIGURE, &config) == 0) {
                        close(control);
                        return device;
                }
                close(device);
        }
        fail_msg("no loop device is to be had: %s", strerror(errno));
        return -1;
}

static void make_ext4(struct place *place)
{
        char command[128];
        int image, device;

        snprintf(place->image, sizeof(place->image), "%s.img", place->path);
        image = open(place->image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(image >= 0);
        assert_int_equal(ftruncate(image, SIZE_MB << 20), 0);
        snprintf(command, sizeof(command), "mke2fs -q -t ext4 -F '%s' >/dev/null", place->image);
        if (system(command) != 0)
                fail_msg("'%s' failed", command);
        device = attach(place, image);
        if (mount(place->device, place->path, "ext4", 0, NULL) < 0)
                fail_msg("%s cannot be mounted: %s", place->device, strerror(errno));
        close(device);
        close(image);
}

void place_make(struct place *place, enum place_kind kind)
{
        *place = (struct place){ .path = "/tmp/guard-XXXXXX" };
        assert_non_null(mkdtemp(place->path));
        leave_the_others();
        if (kind == PLACE_EXT4)
                make_ext4(place);
        else
                assert_int_equal(mount("guard", place->path, "tmpfs", 0, "size=32m"), 0);
}

void place_done(struct place *place)
{
        while (umount2(place->path, MNT_DETACH) == 0)
                ;
        rmdir(place->path);
        if (place->image[0])
                unlink(place->image);
}
