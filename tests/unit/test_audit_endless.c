/* A hostile log may say anything of itself, but not keep whoever verifies it busy for ever. */

#include "audit_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 300, GROUP = 20, PAGE = 4096, ENOUGH_SEC = 10 };

static struct audit_world *a_log(void **state)
{
        struct audit_world *world = *state;

        audit_world_open(world);
        audit_world_fill(world, RECORDS, GROUP, AUDIT_SEAL);
        audit_world_close(world);
        return world;
}

/* Whoever does not come back is killed, which fails the test. */
static void verify(struct audit_world *world)
{
        alarm(ENOUGH_SEC);
        audit_world_verify(world);
        alarm(0);
        assert_int_equal(world->report.exit_code, 3);
}

static void a_gap_of_a_quintillion_records_is_passed_at_once(void **state)
{
        struct audit_world *world = a_log(state);

        audit_world_forge(world,
                          "INSERT INTO record VALUES(1<<60, '{}'); DELETE FROM record WHERE seq BETWEEN 1 AND 999");
        verify(world);
        assert_true(audit_world_found(world, "SEQ_GAP"));
}

static void damage_behind_the_last_number_there_can_be_ends_the_log(void **state)
{
        static char file[4 << 20];
        struct audit_world *world = a_log(state);
        char *last;
        size_t length;

        audit_world_forge(world,
                          "WITH RECURSIVE n(i) AS (VALUES(40) UNION ALL SELECT i-1 FROM n WHERE i>0) "
                          "INSERT INTO record SELECT 9223372036854775807-i, printf('%d:%.*c', i, 900, 'x') FROM n");
        length = audit_world_read(world, "audit.db", file, sizeof(file));
        last = memmem(file, length, "0:xxxxxxxx", strlen("0:xxxxxxxx"));
        for (char *at = last; at; at = memmem(at + 1, (size_t)(file + length - at - 1), "0:xxxxxxxx", 10))
                if (at[-1] < '0' || at[-1] > '9')
                        last = at; /* "10:" is another */
        assert_non_null(last);
        memset(file + (size_t)(last - file) / PAGE * PAGE, 0xa5, PAGE);
        audit_world_write(world, "audit.db", file, length);
        verify(world);
        assert_true(audit_world_found(world, "CORRUPT"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                AUDIT_WORLD_TEST(a_gap_of_a_quintillion_records_is_passed_at_once),
                AUDIT_WORLD_TEST(damage_behind_the_last_number_there_can_be_ends_the_log),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
