#include "govctl/running.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "io/pm2_call.h"

#define WITHIN (3 * USEC_PER_SEC)

struct asking {
        bool done;
        int r;
        struct running *list;
        size_t n;
};

void running_free(struct running *list, size_t n)
{
        for (size_t i = 0; i < n; i++)
                free(list[i].outline);
        free(list);
}

static int take(struct asking *asking, const struct pm2_reply *reply)
{
        asking->list = calloc(reply->n_apps + 1, sizeof(*asking->list));
        if (!asking->list)
                return -ENOMEM;
        for (size_t i = 0; i < reply->n_apps; i++) {
                struct running *one = &asking->list[asking->n];

                text_copy_safe(one->name, sizeof one->name, reply->apps[i].name); /* as names of a saved list are */
                one->outline = reply->apps[i].outline ? strdup(reply->apps[i].outline) : NULL;
                if (!one->outline)
                        return -ENOMEM;
                asking->n++;
        }
        return 0;
}

static void on_answer(void *self, int result, const struct pm2_reply *reply)
{
        struct asking *asking = self;

        asking->done = true;
        asking->r = result < 0 ? result : reply->failed ? -EREMOTEIO : take(asking, reply);
}

static int ask(sd_event *event, const struct pm2_question *question, struct asking *asking)
{
        _cleanup_(pm2_call_freep) struct pm2_call *call = NULL;
        int r = pm2_call_new(event, question, on_answer, asking, &call);

        while (r >= 0 && !asking->done)
                r = sd_event_run(event, UINT64_MAX);
        return r < 0 ? r : asking->r;
}

int running_read(const char *home, uid_t owner, const struct veil *veil, struct running **ret, size_t *ret_n)
{
        const struct pm2_question question = {
                .home = home,
                .owner = owner,
                .request = PM2_LIST,
                .within = WITHIN,
                .veil = veil,
        };
        struct asking asking = { .done = false };
        sd_event *event = NULL;
        int r = sd_event_new(&event);

        if (r >= 0)
                r = ask(event, &question, &asking);
        sd_event_unref(event);
        if (r < 0) {
                running_free(asking.list, asking.n);
                return r;
        }
        *ret = asking.list;
        *ret_n = asking.n;
        return 0;
}
