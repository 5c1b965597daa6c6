#include "loads.h"

#define EVERY (15 * S)

void user_sample(struct world *world, struct user *user)
{
        struct actor *actor = user->actor;
        bool unit = actor->manager == MANAGER_SYSTEMD && user->quota > 0;
        struct fact fact = { .kind = FACT_SAMPLE,
                             .manager = actor->manager,
                             .agent = actor->id,
                             .instance = actor->number,
                             .sample = { .pid = actor->pid,
                                         .start = actor->start,
                                         .memory_bytes = 1 << 20,
                                         .of = user->of,
                                         .most_pid = actor->pid,
                                         .cpu = user->used,
                                         .cpu_of = unit ? MEMORY_OF_CGROUP : user->of,
                                         .voluntary = user->voluntary,
                                         .involuntary = user->involuntary } };

        if (actor->up)
                world_send(world, &fact);
}

void user_use(struct world *world, struct user *user, unsigned percent, usec_t time)
{
        for (usec_t passed = 0; passed < time; passed += EVERY) {
                bool held = user->actor->limited && user->quota > 0 && percent > user->quota;

                world_run(world, EVERY);
                if (user->pid != user->actor->pid)
                        user->used = 0;
                user->pid = user->actor->pid;
                user->used += EVERY / 100 * (held ? user->quota : percent);
                user_sample(world, user);
        }
}

void user_use_unseen(struct world *world, struct user *user, unsigned percent, usec_t time)
{
        world_run(world, time);
        user->used += time / 100 * percent;
}

struct user user_alone(struct world *world, const char *id, const struct cpu_limits *limits)
{
        struct user user = { .of = MEMORY_OF_PROCESS, .quota = (unsigned)limits->quota_percent };

        world_init(world, 1);
        world_rule(world, "thick", agent_manager(id), "*")->cpu = *limits;
        user.actor = world_add(world, id);
        world_judge(world);
        world_start(world);
        world_run(world, 15 * MIN);
        world_forget_trace(world);
        return user;
}
