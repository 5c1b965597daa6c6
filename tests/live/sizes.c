/*
 * Real agents, measured as the daemon measures them, judged in a time that runs ahead: `sizes NODE SCRIPT HOURS` starts the
 * natures of sizes.js, tells each of them round by round that 75 seconds have passed, waits until they have done what belongs to
 * that, reads their memory from /proc and gives it to a judge. What it finds is printed, one finding a line. A trend takes
 * hours to be seen; agents and their garbage are real, only the hours are not.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "io/cleanup.h"
#include "io/proc.h"
#include "judge/judge.h"
#include "observe/extent.h"

#define EPOCH (1700000000 * USEC_PER_SEC)
#define ROUND (75 * USEC_PER_SEC)
#define PATIENCE_MS 60000 /* for an answer; a loaded machine is slow, not wrong */
#define LIFE_ROUNDS 16    /* of those that are born again */
#define LIVES 10          /* the last one is the large one */

struct agent {
        const char *name;
        char id[64];
        pid_t pid;
        uint64_t start;
        int to, from; /* its standard input and output */
};

struct run {
        const char *node, *script;
        struct proc proc;
        struct policy *policy;
        struct judge *judge;
        usec_t now;
};

static const char policy_text[] = "classes: { tree: { memory: { of: tree } } }\n"
                                  "agents: [ { pm2: \"*\", class: tree } ]\n";

static void fail(const char *what)
{
        fprintf(stderr, "sizes: %s: %s\n", what, strerror(errno));
        exit(1);
}

/* ---- the judge ---------------------------------------------------------------------------------------------------------- */

static void tell(const struct run *run, const struct decision *decision)
{
        char span[TEXT_SPAN_MAX], name[AGENT_ID_MAX];

        if (decision->kind != DECIDE_OPEN && decision->kind != DECIDE_RESOLVE)
                return;
        agent_short_name(decision->agent, name);
        printf("%s %s %s after %s: %s\n", name, cause_name(decision->cause),
               decision->kind == DECIDE_OPEN ? "found" : "over", text_span(span, run->now - EPOCH), decision->reason);
        fflush(stdout);
}

static void step(struct run *run, struct fact *fact)
{
        struct decisions decisions = { .n = 0 };
        struct remembered scratch;
        struct fact memory;

        judge_step(run->judge, fact, &decisions);
        for (unsigned i = 0; i < decisions.n; i++)
                tell(run, &decisions.list[i]);
        while (decisions.remember && judge_remember_due(run->judge, &scratch, &memory)) {
                struct decisions none;

                memory.at = run->now;
                judge_step(run->judge, &memory, &none);
        }
}

static void give(struct run *run, struct fact *fact)
{
        while (judge_deadline(run->judge) < run->now) {
                struct fact tick = { .kind = FACT_TICK, .at = judge_deadline(run->judge), .agent = "" };

                step(run, &tick);
        }
        fact->at = run->now;
        fact->manager = MANAGER_PM2;
        step(run, fact);
}

static void make_judge(struct run *run)
{
        struct judge_limits limits = judge_limits_for(16);
        struct policy_messages messages = { 0 };
        void *memory = calloc(1, judge_size(&limits));

        if (!memory || policy_load_text("sizes.yaml", policy_text, strlen(policy_text), &run->policy, &messages) < 0)
                fail("no judge");
        policy_messages_done(&messages);
        run->judge = judge_init(memory, &limits, run->policy, 1);
}

/* ---- agents ------------------------------------------------------------------------------------------------------------- */

static void start(struct run *run, struct agent *agent, const char *nature)
{
        int to[2], from[2];
        struct proc_stat stat;
        struct fact listed = { .kind = FACT_AGENT, .agent = agent->id }, started = { .kind = FACT_STARTED };

        if (pipe(to) < 0 || pipe(from) < 0)
                fail("pipe");
        agent->pid = fork();
        if (agent->pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                dup2(to[0], STDIN_FILENO);
                dup2(from[1], STDOUT_FILENO);
                for (int fd = 3; fd < 64; fd++)
                        close(fd);
                execl(run->node, "node", run->script, nature, (char *)NULL);
                _exit(127);
        }
        close(to[0]);
        close(from[1]);
        agent->to = to[1];
        agent->from = from[0];
        if (agent->pid < 0 || proc_stat(&run->proc, agent->pid, &stat) < 0)
                fail("cannot start node");
        agent->start = stat.start;
        listed.agent_is.claimed = CLAIMED_RUNNING;
        listed.agent_is.word = "online";
        listed.agent_is.result = "";
        listed.agent_is.pid = agent->pid;
        started.agent = agent->id;
        started.started.pid = agent->pid;
        started.started.start = agent->start;
        started.started.ordered = true;
        give(run, &started);
        give(run, &listed);
}

static void stop(struct run *run, struct agent *agent)
{
        struct fact ended = { .kind = FACT_ENDED, .agent = agent->id };

        close(agent->to);
        close(agent->from);
        kill(agent->pid, SIGKILL);
        waitpid(agent->pid, NULL, 0);
        ended.ended.pid = agent->pid;
        ended.ended.start = agent->start;
        ended.ended.ending = ENDING_MANUAL;
        give(run, &ended);
}

/* 75 seconds have passed: the agent says when it has done what belongs to them. */
static void pass_time(struct agent *agents, unsigned n)
{
        for (unsigned i = 0; i < n; i++)
                if (write(agents[i].to, "\n", 1) != 1)
                        fail("an agent is gone");
        for (unsigned i = 0; i < n; i++) {
                struct pollfd fd = { .fd = agents[i].from, .events = POLLIN };
                char byte;

                if (poll(&fd, 1, PATIENCE_MS) != 1 || read(agents[i].from, &byte, 1) != 1)
                        fail("an agent does not answer");
        }
}

static void sample(struct run *run, const struct agent *agent)
{
        struct fact fact = { .kind = FACT_SAMPLE, .agent = agent->id };
        struct extent extent;
        uint64_t bytes;

        if (proc_memory(&run->proc, agent->pid, &bytes) < 0)
                fail("an agent cannot be measured");
        extent_read(&run->proc, NULL, agent->id, MEMORY_OF_TREE,
                    &(struct extent_main){ .pid = agent->pid, .bytes = bytes }, &extent);
        fact.sample.pid = agent->pid;
        fact.sample.start = agent->start;
        fact.sample.memory_bytes = extent.bytes;
        fact.sample.of = extent.of;
        fact.sample.most_pid = extent.most_pid;
        fact.sample.most_bytes = extent.most_bytes;
        give(run, &fact);
        if (getenv("SIZES_CURVE"))
                fprintf(stderr, "%" PRIu64 " %s %" PRIu64 "\n", (run->now - EPOCH) / USEC_PER_MINUTE, agent->name,
                        extent.bytes >> 10);
}

/* The last of them is born again every 20 minutes, and the last of its lives is the large one. */
static void bear_again(struct run *run, struct agent *agent, unsigned round)
{
        unsigned life = round / LIFE_ROUNDS;

        if (round % LIFE_ROUNDS != 0 || life == 0 || life >= LIVES)
                return;
        stop(run, agent);
        start(run, agent, life == LIVES - 1 ? "large" : "usual");
}

int main(int argc, char *argv[])
{
        static const char *const natures[] = { "leak", "sawtooth", "jump", "warm-up", "child", "usual" };
        enum { AGENTS = sizeof natures / sizeof natures[0] };
        struct agent agents[AGENTS] = { { 0 } };
        struct run run = { .node = argv[1], .script = argv[2], .now = EPOCH };

        if (argc != 4 || proc_open(&run.proc, "/proc") < 0)
                fail("sizes NODE SCRIPT HOURS");
        signal(SIGPIPE, SIG_IGN);
        make_judge(&run);
        for (unsigned i = 0; i < AGENTS; i++) {
                agents[i].name = i == AGENTS - 1 ? "reborn" : natures[i];
                snprintf(agents[i].id, sizeof agents[i].id, "pm2:root/%s", agents[i].name);
                start(&run, &agents[i], natures[i]);
        }
        for (unsigned round = 0; round < strtoul(argv[3], NULL, 10) * USEC_PER_HOUR / ROUND; round++) {
                bear_again(&run, &agents[AGENTS - 1], round);
                pass_time(agents, AGENTS);
                run.now += ROUND;
                for (unsigned i = 0; i < AGENTS; i++)
                        sample(&run, &agents[i]);
        }
        printf("done\n");
        return 0;
}
