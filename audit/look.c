#include "audit/look.h"
#include "audit/cleanup.h"
#include "audit/crew.h"

#include <sched.h>
#include <string.h>

/* A batch is large enough that handing it over costs nothing beside looking at it, and holds one record of any size. */
enum {
        THREADS_MAX = 8,
        BATCH_RECORDS = 128,
        BATCH_BYTES = AUDIT_BODY_MAX + 1,
        BATCH_NOTES = 4, /* a signature takes as long as a hundred records */
        NOTES_BYTES = 65536,
        BATCHES_MAX = 2 * THREADS_MAX,
};

struct batch {
        struct audit_job job; /* first, and this first in its kind: the one is found from the other */
        int more;             /* what follows: 1, 0 for the end, or the error that ends the reading */
        unsigned n;
        size_t used; /* of its bytes */
};

struct record_batch {
        struct batch batch;
        struct audit_looked list[BATCH_RECORDS];
        char bytes[BATCH_BYTES];
};

struct note_batch {
        struct batch batch;
        struct audit_looked_note list[BATCH_NOTES];
        char bytes[NOTES_BYTES];
};

/* Batches are filled, given to the crew and handed on in a circle. */
struct ring {
        struct batch *batches[BATCHES_MAX];
        unsigned n;
        void (*fill)(struct audit_look *look, struct batch *batch);
        uint64_t filled, taken; /* so many were, in all */
        bool is_open;           /* number `taken` is being handed on, */
        unsigned at;            /* and this is what comes next of it */
        bool has_ended;         /* nothing more is read */
};

struct audit_look {
        const struct audit_source *source;
        struct audit_crew *crew;
        struct ring records, notes;

        struct audit_item held; /* was read and found no room in the batch before */
        struct audit_stored_note held_note;
        bool has_held, has_held_note;

        bool knows_log_key, knows_seal_key;
        uint8_t log_key[AUDIT_PUBLIC_KEY];
        uint8_t seal_key[AUDIT_PUBLIC_KEY]; /* of the first note of the batch that is filled next */
};

/* ---- looking -------------------------------------------------------------------------------------------------- */

/* Two at a time, which the hash is fastest at. */
static void hash_records(struct record_batch *records)
{
        struct audit_looked *first = NULL;

        for (unsigned i = 0; i < records->batch.n; i++) {
                struct audit_looked *looked = &records->list[i];

                if (!looked->item.body)
                        continue;
                if (!first) {
                        first = looked;
                        continue;
                }
                audit_leaf_hash_two((const void *const[]){ first->item.body, looked->item.body },
                                    (const size_t[]){ first->item.length, looked->item.length },
                                    (struct audit_hash *const[]){ &first->leaf, &looked->leaf });
                first = NULL;
        }
        if (first)
                first->leaf = audit_leaf_hash(first->item.body, first->item.length);
}

static void scan_records(struct record_batch *records)
{
        for (unsigned i = 0; i < records->batch.n; i++) {
                struct audit_looked *looked = &records->list[i];
                const struct audit_item *item = &looked->item;

                looked->is_record = item->body && audit_record_scan(item->body, item->length, &looked->view);
                if (looked->is_record)
                        audit_record_prev(&looked->view, &looked->prev);
        }
}

static void look_at_records(struct audit_job *job)
{
        struct record_batch *records = (struct record_batch *)job;

        hash_records(records);
        scan_records(records);
}

static void look_at_note(struct audit_looked_note *looked)
{
        const struct audit_stored_note *stored = &looked->stored;

        looked->is_note = stored->text && audit_note_parse(stored->text, stored->length, &looked->note);
        if (!looked->is_note)
                return;
        looked->log_signed = looked->knows_log_key && audit_note_log_signed(&looked->note, looked->log_key);
        looked->sealed = looked->knows_seal_key && audit_note_sealed(&looked->note, looked->seal_key);
}

/* The key of a seal is named by the seal before it. */
static void inherit_seal_key(struct audit_looked_note *looked, const struct audit_looked_note *before)
{
        looked->knows_seal_key = before->is_note;
        if (before->is_note)
                memcpy(looked->seal_key, before->note.next, AUDIT_PUBLIC_KEY);
}

static void look_at_notes(struct audit_job *job)
{
        struct note_batch *notes = (struct note_batch *)job;

        for (unsigned i = 0; i < notes->batch.n; i++) {
                if (i > 0)
                        inherit_seal_key(&notes->list[i], &notes->list[i - 1]);
                look_at_note(&notes->list[i]);
        }
}

bool audit_looked_log_signed(const struct audit_looked_note *looked, const uint8_t log_key[AUDIT_PUBLIC_KEY])
{
        if (looked->knows_log_key && memcmp(looked->log_key, log_key, AUDIT_PUBLIC_KEY) == 0)
                return looked->log_signed;
        return audit_note_log_signed(&looked->note, log_key);
}

bool audit_looked_sealed(const struct audit_looked_note *looked, const uint8_t seal_key[AUDIT_PUBLIC_KEY])
{
        if (looked->knows_seal_key && memcmp(looked->seal_key, seal_key, AUDIT_PUBLIC_KEY) == 0)
                return looked->sealed;
        return audit_note_sealed(&looked->note, seal_key);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* False: it does not fit any more. What is no record in any case is not kept, its hash is. */
static bool put_record(struct record_batch *records, const struct audit_item *item)
{
        struct batch *batch = &records->batch;
        struct audit_looked *looked = &records->list[batch->n];

        looked->item = *item;
        if (!item->body || item->length > AUDIT_BODY_MAX) {
                looked->leaf = audit_leaf_hash(item->body, item->length);
                looked->item.body = NULL;
        } else {
                if (item->length > BATCH_BYTES - batch->used)
                        return false;
                looked->item.body = memcpy(records->bytes + batch->used, item->body, item->length);
                batch->used += item->length;
        }
        batch->n++;
        return true;
}

static void fill_records(struct audit_look *look, struct batch *batch)
{
        const struct audit_source *source = look->source;
        int r = 1;

        while (batch->n < BATCH_RECORDS) {
                if (!look->has_held)
                        r = source->next_record(source->self, &look->held);
                look->has_held = r > 0 && !put_record((struct record_batch *)batch, &look->held);
                if (look->has_held || r <= 0)
                        break;
        }
        batch->more = r;
}

static bool put_note(struct audit_look *look, struct note_batch *notes, const struct audit_stored_note *stored)
{
        struct batch *batch = &notes->batch;
        struct audit_looked_note *looked = &notes->list[batch->n];

        if (stored->length <= NOTES_BYTES && stored->length > NOTES_BYTES - batch->used)
                return false;
        looked->stored = *stored;
        looked->knows_log_key = look->knows_log_key;
        memcpy(looked->log_key, look->log_key, AUDIT_PUBLIC_KEY);
        if (stored->length <= NOTES_BYTES) {
                looked->stored.text = memcpy(notes->bytes + batch->used, stored->text, stored->length);
                batch->used += stored->length;
        } else
                looked->stored.text = NULL; /* no note of ours, nor one with all the witnesses of the world */
        batch->n++;
        return true;
}

/* The last note of a batch names the key of the first of the next, so it is read here already. */
static void pass_seal_key(struct audit_look *look, const struct note_batch *notes)
{
        const struct audit_stored_note *last = &notes->list[notes->batch.n - 1].stored;
        struct audit_note note;

        look->knows_seal_key = last->text && audit_note_parse(last->text, last->length, &note);
        if (look->knows_seal_key)
                memcpy(look->seal_key, note.next, AUDIT_PUBLIC_KEY);
}

static void fill_notes(struct audit_look *look, struct batch *batch)
{
        const struct audit_source *source = look->source;
        struct note_batch *notes = (struct note_batch *)batch;
        int r = 1;

        notes->list[0].knows_seal_key = look->knows_seal_key;
        memcpy(notes->list[0].seal_key, look->seal_key, AUDIT_PUBLIC_KEY);
        while (batch->n < BATCH_NOTES) {
                if (!look->has_held_note)
                        r = source->next_note(source->self, &look->held_note);
                look->has_held_note = r > 0 && !put_note(look, notes, &look->held_note);
                if (look->has_held_note || r <= 0)
                        break;
        }
        batch->more = r;
        if (batch->n > 0)
                pass_seal_key(look, notes);
}

/* ---- handing on ----------------------------------------------------------------------------------------------- */

static void fill_ring(struct audit_look *look, struct ring *ring)
{
        while (!ring->has_ended && ring->filled - ring->taken < ring->n) {
                struct batch *batch = ring->batches[ring->filled++ % ring->n];

                batch->n = 0;
                batch->used = 0;
                ring->fill(look, batch);
                ring->has_ended = batch->more <= 0;
                audit_crew_give(look->crew, &batch->job);
        }
}

/* 1 and the batch that holds the next thing, or how the last one ended, again and again. */
static int next_of(struct audit_look *look, struct ring *ring, struct batch **ret)
{
        for (;;) {
                struct batch *batch = ring->batches[ring->taken % ring->n];

                if (!ring->is_open) {
                        fill_ring(look, ring);
                        audit_crew_await(look->crew, &batch->job);
                        ring->is_open = true;
                        ring->at = 0;
                }
                if (ring->at < batch->n) {
                        *ret = batch;
                        return 1;
                }
                if (batch->more <= 0)
                        return batch->more;
                ring->taken++;
                ring->is_open = false;
        }
}

int audit_look_next(struct audit_look *look, const struct audit_looked **ret)
{
        struct batch *batch;
        const int r = next_of(look, &look->records, &batch);

        if (r > 0)
                *ret = &((struct record_batch *)batch)->list[look->records.at++];
        return r;
}

int audit_look_next_note(struct audit_look *look, const struct audit_looked_note **ret)
{
        struct batch *batch;
        const int r = next_of(look, &look->notes, &batch);

        if (r > 0)
                *ret = &((struct note_batch *)batch)->list[look->notes.at++];
        return r;
}

/* The batch that ended with the error is the last that was filled; after it reading begins anew. */
static void reopen_ring(struct ring *ring)
{
        ring->taken++;
        ring->is_open = ring->has_ended = false;
}

int audit_look_skip_damage(struct audit_look *look, uint64_t position, const struct audit_looked **ret)
{
        const struct audit_source *source = look->source;
        const int r = source->skip_damage(source->self, position, &look->held);

        if (r <= 0)
                return r;
        look->has_held = true;
        reopen_ring(&look->records);
        return audit_look_next(look, ret);
}

int audit_look_skip_note_damage(struct audit_look *look, uint64_t epoch, const struct audit_looked_note **ret)
{
        const struct audit_source *source = look->source;
        const int r = source->skip_note_damage ? source->skip_note_damage(source->self, epoch, &look->held_note) : 0;

        if (r <= 0)
                return r;
        look->has_held_note = true;
        look->knows_seal_key = false;
        reopen_ring(&look->notes);
        return audit_look_next_note(look, ret);
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static unsigned count_threads(unsigned wanted)
{
        unsigned n = wanted;
        cpu_set_t ours;

        if (n == 0)
                n = sched_getaffinity(0, sizeof(ours), &ours) == 0 ? (unsigned)CPU_COUNT(&ours) : 1;
        return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : n;
}

static int make_ring(struct ring *ring, unsigned n, size_t batch_size, void (*run)(struct audit_job *job))
{
        for (ring->n = 0; ring->n < n; ring->n++) {
                struct batch *batch = calloc(1, batch_size);

                if (!batch)
                        return -ENOMEM;
                batch->job.run = run;
                ring->batches[ring->n] = batch;
        }
        return 0;
}

static void free_ring(struct ring *ring)
{
        for (unsigned i = 0; i < ring->n; i++)
                free(ring->batches[i]);
}

/* A batch is looked at, one is read and one waits: two for each thread; alone, one after the other. */
int audit_look_new(const struct audit_source *source, const struct audit_genesis *genesis, unsigned threads,
                   struct audit_look **ret)
{
        const unsigned n_threads = count_threads(threads), n = n_threads > 1 ? 2 * n_threads : 1;
        struct audit_look *look = calloc(1, sizeof(*look));
        int r;

        if (!look)
                return -ENOMEM;
        look->source = source;
        look->records.fill = fill_records;
        look->notes.fill = fill_notes;
        if (genesis) {
                look->knows_log_key = look->knows_seal_key = true;
                memcpy(look->log_key, genesis->log_key, AUDIT_PUBLIC_KEY);
                memcpy(look->seal_key, genesis->seal_key, AUDIT_PUBLIC_KEY);
        }
        r = make_ring(&look->records, n, sizeof(struct record_batch), look_at_records);
        r = r ?: make_ring(&look->notes, n, sizeof(struct note_batch), look_at_notes);
        r = r ?: audit_crew_new(n_threads, &look->crew);
        if (r < 0) {
                audit_look_free(look);
                return r;
        }
        *ret = look;
        return 0;
}

struct audit_look *audit_look_free(struct audit_look *look)
{
        if (!look)
                return NULL;
        audit_crew_free(look->crew); /* before what its threads are working on */
        free_ring(&look->records);
        free_ring(&look->notes);
        free(look);
        return NULL;
}
