/* Secrets are left out of what people are shown; what explains a change is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/redact.h"

struct pair {
        const char *line, *shown;
};

static void check(const struct pair *pairs, size_t n)
{
        char shown[REDACT_LINE_MAX + 64];

        for (size_t i = 0; i < n; i++) {
                bool hid = redact_line(pairs[i].line, strlen(pairs[i].line), shown, sizeof(shown));

                if (strcmp(shown, pairs[i].shown) != 0 || hid != (strcmp(pairs[i].line, pairs[i].shown) != 0))
                        fail_msg("'%s' is shown as '%s', not as '%s'", pairs[i].line, shown, pairs[i].shown);
        }
}

static void values_of_telling_names_go(void **state)
{
        static const struct pair pairs[] = {
                { "OPENAI_API_KEY=abc", "OPENAI_API_KEY=***" },
                { "export TOKEN='a b c' # mine", "export TOKEN='***' # mine" },
                { "password: hunter2", "password: ***" },
                { "  \"api_key\": \"hunter2\",", "  \"api_key\": \"***\"," },
                { "{\"apiKey\":\"x\",\"model\":\"large\"}", "{\"apiKey\":\"***\",\"model\":\"large\"}" },
                { "botToken = \"1:2\"", "botToken = \"***\"" },
                { "client-secret: 'a\\'b'", "client-secret: '***'" },
                { "db.password=p w d; retries=3", "db.password=***; retries=3" },
                { "DATABASE_DSN=whatever", "DATABASE_DSN=***" },
                { "sim_pin: 1234", "sim_pin: ***" },
                { "chat_token: 123456789012", "chat_token: ***" },
                { "Authorization: Bearer abcdefghijk", "Authorization: ***" },
                { "-H 'X: Bearer abcdefghijk'", "-H 'X: Bearer ***'" },
                { "https://ann:pa55@example.org/x", "https://ann:***@example.org/x" },
                { "redis://:pa55@127.0.0.1:6379", "redis://:***@127.0.0.1:6379" },
                { "url?token=abc&limit=3", "url?token=***&limit=3" },
        };

        (void)state;
        check(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void keys_of_known_shapes_go(void **state)
{
        static const struct pair pairs[] = {
                { "use sk-fixture-0a7e2f9c81d34b6590 here", "use *** here" },
                { "AKIAIOSFODNN7EXAMPLE", "***" },
                { "x: ghp_0123456789abcdef0123456789abcdef0123", "x: ***" },
                { "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def", "jwt ***" },
                { "xoxb-123456-abcdef", "***" },
                { "token=[sk-fixture-0a7e2f9c81d34b6590", "token=[***" },
        };

        (void)state;
        check(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void what_looks_like_chance_goes(void **state)
{
        static const struct pair pairs[] = {
                { "salted 9f86d081884c7d659a2feaa0c55ad015", "salted ***" },
                { "v=Zk3pQ9xT7uB2mN8wL5rY", "v=***" },
                { "id: 123456:AAH9xT7uB2mN8wL5rYq0Zk3pQ9xT7uB2mN8", "id: 123456:***" },
                { "/srv/x/9f86d081884c7d659a2feaa0c55ad015/y", "***" },
        };

        (void)state;
        check(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void what_explains_a_change_stays(void **state)
{
        static const struct pair pairs[] = {
                { "temperature: 0.7", "temperature: 0.7" },
                { "\"model\": \"claude-sonnet-4-20250514\",", "\"model\": \"claude-sonnet-4-20250514\"," },
                { "max_tokens: 4096", "max_tokens: 4096" },
                { "sessionTimeout: 30", "sessionTimeout: 30" },
                { "listen 127.0.0.1:3001;", "listen 127.0.0.1:3001;" },
                { "/opt/agents/lily/prompts/morning-greeting.md", "/opt/agents/lily/prompts/morning-greeting.md" },
                { "You are Lily, a helpful assistant.", "You are Lily, a helpful assistant." },
                { "version: 1.2.3-20250131", "version: 1.2.3-20250131" },
                { "use_password: true", "use_password: true" },
                { "token: null", "token: null" },
                { "TOKEN=$TOKEN", "TOKEN=$TOKEN" },
                { "keyboard: german", "keyboard: german" },
                { "monkey=banana", "monkey=banana" },
                { "antidisestablishmentarianism_everywhere", "antidisestablishmentarianism_everywhere" },
                { "http://example.org:8080/health", "http://example.org:8080/health" },
                { "", "" },
        };

        (void)state;
        check(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void armoured_keys_are_seen_line_by_line(void **state)
{
        static const struct {
                const char *line;
                bool armoured;
        } lines[] = {
                { "key: |", false },
                { "-----BEGIN OPENSSH PRIVATE KEY-----", false },
                { "b3BlbnNzaC1rZXktdjEAAAAA", true },
                { "short", true },
                { "-----END OPENSSH PRIVATE KEY-----", false },
                { "after", false },
        };
        bool inside = false;

        (void)state;
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                assert_int_equal(redact_is_armoured(lines[i].line, strlen(lines[i].line), &inside), lines[i].armoured);
}

static void long_lines_and_small_places_do_no_harm(void **state)
{
        char line[5000], shown[REDACT_LINE_MAX + 64], small[8];

        (void)state;
        memset(line, 'x', sizeof(line));
        (void)redact_line(line, sizeof(line), shown, sizeof(shown));
        assert_int_equal(strlen(shown), REDACT_LINE_MAX);
        (void)redact_line("a=b c=d e=f", 11, small, sizeof(small));
        assert_string_equal(small, "a=b c=d");
        (void)redact_line("a\tb\001c", 5, shown, sizeof(shown));
        assert_string_equal(shown, "a b?c");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_of_telling_names_go),
                cmocka_unit_test(keys_of_known_shapes_go),
                cmocka_unit_test(what_looks_like_chance_goes),
                cmocka_unit_test(what_explains_a_change_stays),
                cmocka_unit_test(armoured_keys_are_seen_line_by_line),
                cmocka_unit_test(long_lines_and_small_places_do_no_harm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
