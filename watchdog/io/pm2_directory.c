#include "io/pm2_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

static struct pm2_home *home_free(struct pm2_home *home)
{
        if (home)
                free(home->path);
        free(home);
        return NULL;
}
DEFINE_CLEANUP_FUNC(struct pm2_home *, home_free);

int pm2_directory_init(struct pm2_directory *directory, const char *proc_root)
{
        *directory = (struct pm2_directory){ 0 };
        return proc_open(&directory->proc, proc_root);
}

void pm2_directory_done(struct pm2_directory *directory)
{
        for (size_t i = 0; i < directory->n_instances; i++)
                free(directory->instances[i]);
        for (size_t i = 0; i < directory->n_homes; i++)
                home_free(directory->homes[i]);
        free(directory->instances);
        free(directory->homes);
        proc_done(&directory->proc);
        *directory = (struct pm2_directory){ 0 };
}

/* Reads /etc/passwd itself: name services may ask the network and wait. */
static void name_user(uid_t uid, char user[PM2_USER_MAX], char *home, size_t home_size)
{
        _cleanup_fclose_ FILE *file = fopen("/etc/passwd", "re");
        struct passwd entry, *found;
        char buffer[2048];

        (void)snprintf(user, PM2_USER_MAX, "%u", uid);
        home[0] = '\0';
        while (file && fgetpwent_r(file, &entry, buffer, sizeof(buffer), &found) == 0) {
                if (found->pw_uid != uid)
                        continue;
                (void)text_copy_safe(user, PM2_USER_MAX, found->pw_name);
                (void)text_copy(home, home_size, found->pw_dir);
                return;
        }
}

/*
 * The user's own ~/.pm2 has plain ids. Another home has them only while it is the user's first and ~/.pm2 is not there,
 * so that an id never changes because a second home turns up.
 */
static bool needs_suffix(const struct pm2_directory *directory, const struct pm2_home *home, const char *user_home)
{
        char usual[512];
        struct stat st;
        bool there;

        (void)snprintf(usual, sizeof(usual), "%s/.pm2", user_home);
        there = user_home[0] && stat(usual, &st) == 0;
        if (there && st.st_dev == home->device && st.st_ino == home->inode)
                return false;
        for (size_t i = 0; i < directory->n_homes; i++)
                if (directory->homes[i]->uid == home->uid)
                        return true;
        return there;
}

/*
 * Whose home it is and where it really is, both of the very same directory: a path of another user's making may be a link
 * to somebody's home, and a moment later to another one.
 */
static int find_home(const char *path, struct pm2_home *home)
{
        _cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        char link[32], real[PATH_MAX];
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, real, sizeof(real) - 1);
        if (n < 0)
                return -errno;
        real[n] = '\0';

        home->uid = st.st_uid;
        home->device = st.st_dev;
        home->inode = st.st_ino;
        home->path = strdup(real);
        return home->path ? 0 : -ENOMEM;
}

static bool has_too_many(const struct pm2_directory *directory, uid_t uid)
{
        size_t n = 0;

        for (size_t i = 0; i < directory->n_homes; i++)
                n += directory->homes[i]->uid == uid;
        return directory->n_homes >= PM2_HOMES_MAX || (uid != 0 && n >= PM2_HOMES_OF_USER_MAX);
}

static struct pm2_home *home_at(const struct pm2_directory *directory, const char *path)
{
        for (size_t i = 0; i < directory->n_homes; i++)
                if (strcmp(directory->homes[i]->path, path) == 0)
                        return directory->homes[i];
        return NULL;
}

int pm2_directory_add_home(struct pm2_directory *directory, const char *path, struct pm2_home **ret)
{
        _cleanup_(home_freep) struct pm2_home *home = NULL;
        struct pm2_home **homes, *known = home_at(directory, path);
        char user_home[256];
        int r;

        if (known) {
                *ret = known;
                return 0;
        }
        home = calloc(1, sizeof(*home));
        if (!home)
                return -ENOMEM;
        r = find_home(path, home);
        if (r < 0)
                return r;
        known = home_at(directory, home->path);
        if (known) {
                *ret = known;
                return 0;
        }
        if (has_too_many(directory, home->uid))
                return -ENOSPC;
        homes = reallocarray(directory->homes, directory->n_homes + 1, sizeof(*homes));
        if (!homes)
                return -ENOMEM;
        directory->homes = homes;
        name_user(home->uid, home->user, user_home, sizeof(user_home));
        home->suffixed = needs_suffix(directory, home, user_home);
        *ret = homes[directory->n_homes++] = TAKE_PTR(home);
        return 0;
}

struct pm2_instance *pm2_directory_find(const struct pm2_directory *directory, const struct pm2_home *home,
                                        uint32_t pm_id)
{
        for (size_t i = 0; i < directory->n_instances; i++)
                if (directory->instances[i]->pm_id == pm_id && directory->instances[i]->home == home)
                        return directory->instances[i];
        return NULL;
}

int pm2_directory_add(struct pm2_directory *directory, struct pm2_home *home, const struct pm2_app *app,
                      struct pm2_instance **ret)
{
        _cleanup_free_ struct pm2_instance *instance = NULL;

        if (home->n_instances >= PM2_APPS_MAX)
                return -ENOSPC;
        if (directory->n_instances == directory->room) {
                size_t room = directory->room ? 2 * directory->room : 32;
                struct pm2_instance **instances = reallocarray(directory->instances, room, sizeof(*instances));

                if (!instances)
                        return -ENOMEM;
                directory->instances = instances;
                directory->room = room;
        }
        instance = calloc(1, sizeof(*instance));
        if (!instance)
                return -ENOMEM;

        instance->home = home;
        home->n_instances++;
        instance->pm_id = app->pm_id;
        (void)text_copy(instance->name, sizeof(instance->name), app->name);
        pm2_agent_id(home, app->name, instance->agent);
        *ret = directory->instances[directory->n_instances++] = TAKE_PTR(instance);
        return 0;
}

void pm2_directory_remove(struct pm2_directory *directory, struct pm2_instance *instance)
{
        for (size_t i = 0; i < directory->n_instances; i++) {
                if (directory->instances[i] != instance)
                        continue;
                memmove(&directory->instances[i], &directory->instances[i + 1],
                        (directory->n_instances - i - 1) * sizeof(*directory->instances));
                directory->n_instances--;
                instance->home->n_instances--;
                free(instance);
                return;
        }
}

struct pm2_instance *pm2_directory_nth(const struct pm2_directory *directory, const char *agent, size_t n)
{
        for (size_t i = 0; i < directory->n_instances; i++)
                if (strcmp(directory->instances[i]->agent, agent) == 0 && n-- == 0)
                        return directory->instances[i];
        return NULL;
}

static uint64_t fnv1a(const char *text)
{
        uint64_t hash = 0xcbf29ce484222325;

        for (; *text; text++)
                hash = (hash ^ (uint8_t)*text) * 0x100000001b3;
        return hash;
}

bool pm2_home_has(const struct pm2_home *home, const char *agent)
{
        size_t user = strlen(home->user);
        const char *at;

        if (!text_starts(agent, "pm2:") || strncmp(agent + 4, home->user, user) != 0 || agent[4 + user] != '/')
                return false;
        at = strstr(agent, "@/");
        return home->suffixed ? at && strcmp(at + 1, home->path) == 0 : !at;
}

void pm2_agent_id(const struct pm2_home *home, const char *name, char id[AGENT_ID_MAX])
{
        char whole[sizeof("pm2:/@") + PM2_USER_MAX + PM2_NAME_MAX + 4096], safe[PM2_NAME_MAX];
        bool posing = strstr(name, "@/"); /* as an app of another home: these are not to share an id */

        (void)text_copy_safe(safe, sizeof(safe), name[0] ? name : "?");
        for (char *at = safe; (at = strstr(at, "@/"));)
                at[1] = '?';
        (void)snprintf(whole, sizeof(whole), "pm2:%s/%s%s%s", home->user, safe, home->suffixed ? "@" : "",
                       home->suffixed ? home->path : "");
        if (strlen(whole) < AGENT_ID_MAX && !posing) {
                memcpy(id, whole, strlen(whole) + 1);
                return;
        }
        (void)text_copy(id, AGENT_ID_MAX - 18, whole);
        (void)snprintf(id + strlen(id), 18, "~%016llx", (unsigned long long)fnv1a(whole));
}

enum claimed pm2_claimed(const char *word)
{
        /* clang-format off */
        static const struct {
                const char *word;
                enum claimed claimed;
        } words[] = {
                { "online",          CLAIMED_RUNNING  },
                { "launching",       CLAIMED_STARTING },
                { "stopping",        CLAIMED_STOPPING },
                { "stopped",         CLAIMED_STOPPED  },
                { "waiting restart", CLAIMED_WAITING  },
                { "errored",         CLAIMED_FAILED   },
        };
        /* clang-format on */

        for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
                if (strcmp(words[i].word, word) == 0)
                        return words[i].claimed;
        return CLAIMED_UNKNOWN;
}
