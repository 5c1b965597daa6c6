#include "audit/crew.h"
#include "audit/cleanup.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

enum { THREADS_MAX = 8 };

struct audit_crew {
        pthread_mutex_t lock; /* guards all below, and the state of each job that was given */
        pthread_cond_t given, done;
        struct audit_job *first, *last;
        bool ending;

        pthread_t threads[THREADS_MAX];
        unsigned n_threads;
};

/* Takes the oldest job, runs it without the lock. */
static void run_first(struct audit_crew *crew)
{
        struct audit_job *job = crew->first;

        crew->first = job->next;
        job->state = AUDIT_JOB_RUNNING;

        pthread_mutex_unlock(&crew->lock);
        job->run(job);
        pthread_mutex_lock(&crew->lock);

        job->state = AUDIT_JOB_DONE;
        pthread_cond_signal(&crew->done); /* only the owner of the crew waits for it */
}

static void *work(void *userdata)
{
        struct audit_crew *crew = userdata;

        pthread_mutex_lock(&crew->lock);
        while (!crew->ending)
                if (crew->first)
                        run_first(crew);
                else
                        pthread_cond_wait(&crew->given, &crew->lock);
        pthread_mutex_unlock(&crew->lock);
        return NULL;
}

/* Signals are for the thread that expects them. */
static void start_threads(struct audit_crew *crew, unsigned wanted)
{
        sigset_t all, before;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        while (crew->n_threads < wanted && crew->n_threads < THREADS_MAX &&
               pthread_create(&crew->threads[crew->n_threads], NULL, work, crew) == 0)
                crew->n_threads++;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int audit_crew_new(unsigned threads, struct audit_crew **ret)
{
        struct audit_crew *crew = calloc(1, sizeof(*crew));

        if (!crew)
                return -ENOMEM;
        pthread_mutex_init(&crew->lock, NULL);
        pthread_cond_init(&crew->given, NULL);
        pthread_cond_init(&crew->done, NULL);
        start_threads(crew, threads - 1);
        *ret = crew;
        return 0;
}

struct audit_crew *audit_crew_free(struct audit_crew *crew)
{
        if (!crew)
                return NULL;
        pthread_mutex_lock(&crew->lock);
        crew->ending = true;
        pthread_cond_broadcast(&crew->given);
        pthread_mutex_unlock(&crew->lock);
        for (unsigned i = 0; i < crew->n_threads; i++)
                pthread_join(crew->threads[i], NULL);

        pthread_cond_destroy(&crew->done);
        pthread_cond_destroy(&crew->given);
        pthread_mutex_destroy(&crew->lock);
        free(crew);
        return NULL;
}

void audit_crew_give(struct audit_crew *crew, struct audit_job *job)
{
        job->next = NULL;
        job->state = AUDIT_JOB_QUEUED;

        pthread_mutex_lock(&crew->lock);
        if (crew->first)
                crew->last->next = job;
        else
                crew->first = job;
        crew->last = job;
        pthread_cond_signal(&crew->given);
        pthread_mutex_unlock(&crew->lock);
}

void audit_crew_await(struct audit_crew *crew, struct audit_job *job)
{
        pthread_mutex_lock(&crew->lock);
        assert(job->state != AUDIT_JOB_IDLE);
        while (job->state != AUDIT_JOB_DONE)
                if (crew->first)
                        run_first(crew);
                else
                        pthread_cond_wait(&crew->done, &crew->lock);
        job->state = AUDIT_JOB_IDLE;
        pthread_mutex_unlock(&crew->lock);
}
