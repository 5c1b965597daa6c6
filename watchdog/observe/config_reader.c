#include "observe/config_reader.h"

#include <stdlib.h>
#include <string.h>

#define TURN (5 * USEC_PER_MSEC) /* what one turn of the loop may cost */

int config_reader_init(struct config_reader *reader, const struct veil *veil)
{
        int r = config_read_init(&reader->small.read, veil);

        reader->small.file = reader->large.file = CONFIG_NO_FILE;
        return r < 0 ? r : config_read_init(&reader->large.read, veil);
}

void config_reader_done(struct config_reader *reader)
{
        config_read_done(&reader->small.read);
        config_read_done(&reader->large.read);
}

void config_reader_want(struct config_reader *reader, struct config_file *file)
{
        uint32_t n = (uint32_t)(file - reader->files->list);

        if (n == reader->small.file || n == reader->large.file)
                return; /* what is written to it meanwhile is seen at the end */
        if (!file->queued)
                reader->queued_n++;
        if (file->parked)
                reader->parked_n--;
        file->queued = true;
        file->parked = false;
}

void config_reader_again(struct config_reader *reader, struct config_file *file)
{
        struct config_reading *both[] = { &reader->small, &reader->large };
        uint32_t n = (uint32_t)(file - reader->files->list);

        for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
                if (both[i]->file != n)
                        continue;
                config_read_end(&both[i]->read);
                both[i]->file = CONFIG_NO_FILE;
                config_reader_want(reader, file);
        }
}

void config_reader_forget(struct config_reader *reader)
{
        config_read_end(&reader->small.read);
        config_read_end(&reader->large.read);
        reader->small.file = reader->large.file = CONFIG_NO_FILE;
        reader->at = reader->queued_n = reader->parked_n = 0;
        for (uint32_t n = 0; n < reader->files->n; n++)
                reader->files->list[n].queued = reader->files->list[n].parked = false;
}

bool config_reader_has_small(const struct config_reader *reader)
{
        return reader->small.file != CONFIG_NO_FILE || reader->queued_n > reader->parked_n;
}

bool config_reader_has_large(const struct config_reader *reader)
{
        return reader->large.file != CONFIG_NO_FILE || reader->parked_n > 0;
}

static struct config_file *file_of(const struct config_reader *reader, const struct config_reading *reading)
{
        return &reader->files->list[reading->file];
}

static void end(struct config_reader *reader, struct config_reading *reading, int r, struct config_found *found)
{
        struct config_file *file = file_of(reader, reading);

        reading->file = CONFIG_NO_FILE;
        reader->ended(reader->self, file, r, found, usec_since(clock_now(reader->clock), reading->began));
        free(found->outline);
}

/* The next that waits, taken from the queue; there is one. */
static uint32_t next_of(struct config_reader *reader, bool parked)
{
        const struct config_files *files = reader->files;
        struct config_file *file;

        do
                file = &files->list[reader->at++ % files->n];
        while (!file->queued || file->parked != parked);
        reader->at %= files->n;
        file->queued = file->parked = false;
        reader->queued_n--;
        reader->parked_n -= parked;
        return (uint32_t)(file - files->list);
}

/* A large one goes to the place for those, or waits for it. */
static void set_aside(struct config_reader *reader)
{
        struct config_file *file = file_of(reader, &reader->small);
        struct config_reading large = reader->large;

        if (reader->large.file == CONFIG_NO_FILE) {
                reader->large = reader->small;
                reader->small = large;
        } else {
                config_read_end(&reader->small.read);
                file->queued = file->parked = true;
                reader->queued_n++;
                reader->parked_n++;
        }
        reader->small.file = CONFIG_NO_FILE;
}

static void begin(struct config_reader *reader, struct config_reading *reading, uint32_t n)
{
        const struct config_file *file = &reader->files->list[n];
        struct config_found found = { .path = file->path };
        int r;

        reading->file = n;
        reading->began = clock_now(reader->clock);
        reading->read.vault = reader->vault && reader->keeps(reader->self, file) ? reader->vault : NULL;
        r = config_read_begin(&reading->read, file->follow, &found);
        if (r <= 0)
                end(reader, reading, r, &found);
        else if (found.st.st_size > CONFIG_LARGE && reading == &reader->small)
                set_aside(reader);
}

static void go_on(struct config_reader *reader, struct config_reading *reading)
{
        struct config_found found = { .path = file_of(reader, reading)->path };
        int r = config_read_on(&reading->read, &found);

        if (r != 1)
                end(reader, reading, r, &found);
}

static void piece(struct config_reader *reader)
{
        if (reader->small.file != CONFIG_NO_FILE)
                go_on(reader, &reader->small);
        else if (reader->queued_n > reader->parked_n)
                begin(reader, &reader->small, next_of(reader, false));
        else if (reader->large.file != CONFIG_NO_FILE)
                go_on(reader, &reader->large);
        else if (reader->parked_n > 0)
                begin(reader, &reader->large, next_of(reader, true));
}

void config_reader_turn(struct config_reader *reader)
{
        usec_t began = clock_now(reader->clock);
        bool small = config_reader_has_small(reader);

        do
                piece(reader);
        while (small == config_reader_has_small(reader) && (small || config_reader_has_large(reader)) &&
               usec_since(clock_now(reader->clock), began) < TURN);
}
