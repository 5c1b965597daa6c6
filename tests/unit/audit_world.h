#pragma once

/* A state directory of its own with a clock that stands still, and the hands of an attacker in it. */

#include "audit/audit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Where something may go wrong at each of a thousand places, sanitizers try every fourth: they look for other mistakes, in the same
 * code, and take three times as long. */
#ifdef GOVERNOR_SANITIZED
#define AUDIT_WORLD_SHARE 4
#else
#define AUDIT_WORLD_SHARE 1
#endif

struct audit_world {
        char dir[64];
        uint64_t realtime, boottime;
        struct audit *audit;
        struct audit_how how;
        struct audit_report report;
        void (*step)(void *userdata, enum audit_step step);
        void *step_userdata;
};

/* For cmocka_unit_test_setup_teardown. */
int audit_world_setup(void **state);
int audit_world_teardown(void **state);

int audit_world_try_open(struct audit_world *world);
void audit_world_open(struct audit_world *world);
void audit_world_close(struct audit_world *world);

/* Adds n records a millisecond apart, and commits (and seals) after each `group` of them and at the end. */
void audit_world_fill(struct audit_world *world, unsigned n, unsigned group, unsigned flags);

/* Appends and commits an audit.archive record; drops records [from, to) of the closed log; writes FILE.jsonl and FILE.ckpt. */
void audit_world_record_archiving(struct audit_world *world, uint64_t from, uint64_t to, const char *sha256,
                                  unsigned flags);
void audit_world_drop(struct audit_world *world, uint64_t from, uint64_t to);
void audit_world_archive(struct audit_world *world, const char *file, uint64_t from, uint64_t to);

/* Verifies the live directory; the result stays in world->report. */
void audit_world_verify(struct audit_world *world);
void audit_world_verify_detached(struct audit_world *world);
bool audit_world_found(const struct audit_world *world, const char *code);
const struct audit_finding *audit_world_finding(const struct audit_world *world, const char *code);

/* Asserts on the report: `codes` are all that were found, in any order, separated by spaces. */
void audit_world_expect(const struct audit_world *world, int exit_code, const char *codes);

/* Runs SQL as whoever holds the file: triggers are taken out of the way and put back as they were. */
void audit_world_forge(struct audit_world *world, const char *sql);

/* The same without touching triggers; returns SQLite's code. */
int audit_world_sql(struct audit_world *world, const char *sql);

char *audit_world_text(struct audit_world *world, const char *sql);

/* "DIR/NAME" in a static ring of buffers. */
const char *audit_world_path(const struct audit_world *world, const char *name);

void audit_world_copy(const struct audit_world *world, const char *from, const char *to);
size_t audit_world_read(const struct audit_world *world, const char *name, void *bytes, size_t room);
void audit_world_write(const struct audit_world *world, const char *name, const void *bytes, size_t length);

#define AUDIT_WORLD_TEST(test) cmocka_unit_test_setup_teardown(test, audit_world_setup, audit_world_teardown)
