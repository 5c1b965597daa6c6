/* Anchors as chats, mailers and people hand them back. The note is the cosigned one of the vectors, of size 10. */

#include "audit_world.h"

#include "audit/anchor.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORIGIN "vps1.example/governor/1f2e3d4c"
#define ROOT "eVjmD5fLcl6N7PMDOOFM64H7vD/oGCruSWh9Y3zXLjo="
#define LINE "govaudit1 " ORIGIN " 7 " ROOT

static char note[4096];

static int load_note(void **state)
{
        json_t *vectors = json_load_file("tests/data/audit/vectors.json", JSON_ALLOW_NUL, NULL);

        (void)state;
        snprintf(note, sizeof(note), "%s",
                 json_string_value(json_object_get(json_object_get(vectors, "witness"), "cosigned_note")));
        json_decref(vectors);
        return sodium_init();
}

/* Its sizes are "7", the line's, or "10", the note's, or both. */
static void expect(const char *text, const char *sizes)
{
        struct audit_anchors *anchors;
        char found[256] = "";
        unsigned line = 0;
        int r;

        assert_int_equal(audit_anchors_new(&anchors), 0);
        r = audit_anchors_add(anchors, text, strlen(text), &line);
        if (r < 0)
                fail_msg("%s in line %u of: %s", strerror(-r), line, text);
        for (size_t i = 0; i < anchors->n; i++) {
                const struct audit_anchor *anchor = &anchors->list[i];

                sprintf(found + strlen(found), "%s%llu", i > 0 ? " " : "", (unsigned long long)anchor->size);
                if (anchor->note.length > 0) {
                        assert_int_equal(anchor->note.length, strlen(note));
                        assert_memory_equal(anchor->note.text, note, strlen(note));
                        assert_true(anchor->has_seal);
                }
                assert_true(audit_slice_is(anchor->origin, ORIGIN));
        }
        if (strcmp(found, sizes) != 0)
                fail_msg("found '%s', wanted '%s' in: %s", found, sizes, text);
        audit_anchors_free(anchors);
}

/* Puts `with` in the place of every `what`. */
static char *replace(const char *text, const char *what, const char *with)
{
        char *made = calloc(1, strlen(text) * (strlen(with) + 1) + 1), *to = made;

        while (*text)
                if (strncmp(text, what, strlen(what)) == 0) {
                        to = stpcpy(to, with);
                        text += strlen(what);
                } else
                        *to++ = *text++;
        return made;
}

__attribute__((format(printf, 1, 2))) static char *format(const char *form, ...)
{
        char *text = NULL;
        va_list arguments;

        va_start(arguments, form);
        assert_true(vasprintf(&text, form, arguments) >= 0);
        va_end(arguments);
        return text;
}

/* Bytes as "=XX" where mail needs it, lines of at most 76. */
static char *quoted_printable(const char *text)
{
        char *made = calloc(1, 6 * strlen(text) + 1), *to = made;
        unsigned column = 0;

        for (; *text; text++) {
                const bool is_coded = *text == '=' || (unsigned char)*text > '~';

                if (column >= 70 && *text != '\n') {
                        to = stpcpy(to, "=\n");
                        column = 0;
                }
                to += is_coded ? sprintf(to, "=%02X", (unsigned char)*text) : sprintf(to, "%c", *text);
                column = *text == '\n' ? 0 : column + (is_coded ? 3 : 1);
        }
        return made;
}

static char *base64_lines(const char *text)
{
        const size_t n = strlen(text);
        char *flat = calloc(1, 2 * n + 8), *made = calloc(1, 3 * n + 8), *to = made;

        sodium_bin2base64(flat, 2 * n + 8, (const uint8_t *)text, n, sodium_base64_VARIANT_ORIGINAL);
        for (const char *at = flat; *at; at += strnlen(at, 76))
                to += sprintf(to, "%.76s\r\n", at);
        free(flat);
        return made;
}

/* Breaks lines at their last space before `width`, as mailers do. */
static char *wrapped(const char *text, size_t width, const char *break_with)
{
        char *made = calloc(1, 4 * strlen(text) + 1), *to = made, *space = NULL;
        size_t column = 0;

        for (; *text; text++) {
                *to++ = *text;
                column = *text == '\n' ? 0 : column + 1;
                if (*text == '\n')
                        space = NULL;
                else if (*text == ' ' && column > 4)
                        space = to - 1;
                if (column > width && space) {
                        const size_t rest = (size_t)(to - space) - 1;

                        memmove(space + strlen(break_with), space + 1, rest);
                        memcpy(space, break_with, strlen(break_with));
                        to = space + strlen(break_with) + rest;
                        column = rest;
                        space = NULL;
                }
        }
        return made;
}

static void expect_and_free(char *text, const char *sizes)
{
        expect(text, sizes);
        free(text);
}

static void a_list_may_be_quoted_indented_and_of_another_system(void **state)
{
        char *both = format("Anchors:\n%s\n" LINE "\n\nThat is %s\n", note, "all");

        (void)state;
        expect(both, "7 10");
        expect_and_free(replace(both, "\n", "\r\n"), "7 10");
        expect_and_free(replace(both, "\n", "\n> "), "7 10");
        expect_and_free(replace(both, "\n", "\n>> \t"), "7 10");
        expect_and_free(replace(both, "\n", "  \n    "), "7 10");
        expect_and_free(replace(both, "\n", "\n\n"), "7 10");
        expect_and_free(format("\xef\xbb\xbf%s%s", LINE "\n", note), "7 10");
        expect("Nov 21 09:53:03 vps1 governord[123]: " LINE "\n", "7");
        expect("the anchor is `" LINE "`, keep it\n", "7");
        expect(LINE, "7");
        free(both);
}

static void talk_about_anchors_is_none(void **state)
{
        (void)state;
        expect("", "");
        expect("a line that begins with govaudit1 is an anchor\n", "");
        expect("govaudit1x " ORIGIN " 7 nothing\n", "");
        expect("the word govaudit1 " ORIGIN " 7 and no root\n", "");
        expect(ORIGIN "\n10\nnot a root\n\n\xe2\x80\x94 x y\n", "");
        expect("12\n13\n14\n\n15\n", "");
        expect("{\"text\": \"the first word is govaudit1\"}", "");
}

static void what_a_mailer_broke_is_put_together(void **state)
{
        char *both = format("%s" LINE "\n%s", note, "Regards\n");

        (void)state;
        for (size_t width = 20; width < 150; width++) {
                expect_and_free(wrapped(both, width, "\n"), "7 10");
                expect_and_free(wrapped(both, width, " \r\n"), "7 10"); /* format=flowed */
                expect_and_free(wrapped(both, width, "\n> "), "7 10");
        }
        expect(LINE "\n" LINE "\n", "7");
        expect("govaudit1 " ORIGIN " 7\neVjmD5fLcl6N7PMDOOFM64H7\nvD/oGCruSWh9Y3zXLjo=\nand more\n", "7");
        free(both);
}

static void mail_is_decoded(void **state)
{
        static const char head[] =
                "From root@vps1 Sat Nov 21 10:00:00 2026\nReturn-Path: <root@vps1>\nSubject: a\n b: c\n";
        char *both = format("Head\n%s\n" LINE "\n%s", note, "-- \nroot\n"), *encoded, *text, *html;

        (void)state;
        expect_and_free(format("%s\n%s", head, both), "7 10");

        encoded = quoted_printable(both);
        text = format("%sContent-Transfer-Encoding: quoted-printable\n\n%s", head, encoded);
        expect(text, "7 10");
        expect_and_free(replace(text, "\n", "\r\n"), "7 10");
        expect_and_free(format("%s\n\n%s", text, text), "7 10");
        free(text);
        text = format("Subject: x\nContent-Type: multipart/mixed;\n boundary=\"=_x\"\n\n--=_x\nContent-Type: "
                      "text/plain\nContent-Transfer-Encoding: Quoted-Printable\n\n%s--=_x\n\n%s\n--=_x--\n",
                      encoded, "nothing");
        expect_and_free(text, "7 10");
        free(encoded);

        encoded = base64_lines(both);
        expect_and_free(format("%sContent-Transfer-Encoding: base64\n\n%s", head, encoded), "7 10");
        text = format("MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b1\n\n--b1\nContent-Type: "
                      "text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n%s\n--b1\n%s--b1--\n",
                      encoded, "Content-Type: text/html\n\n<p>hello</p>\n");
        expect_and_free(text, "7 10");
        free(encoded);

        html = replace(both, "\n", "<br>\n");
        encoded = quoted_printable(html);
        expect_and_free(format("%sContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: "
                               "quoted-printable\n\n<html><body>%s</body></html>\n",
                               head, encoded),
                        "7 10");
        free(encoded);
        free(html);
        expect_and_free(format("%s\nbody\n\nFrom the beginning\n%s", head, both), "7 10");
        free(both);
}

static void a_chat_is_read_as_json_and_as_html(void **state)
{
        json_t *whole =
                json_pack("{s:s, s:[{s:i, s:s, s:s}, {s:i, s:s, s:[s, {s:s, s:s}, s], s:[{s:s, s:s}]}]}", "name",
                          "governor", "messages", "id", 1, "type", "message", "text", note, "id", 2, "type", "message",
                          "text", "Healed nginx\ngovaudit1 ", "type", "link", "text", "vps1.example",
                          "/governor/1f2e3d4c 7 " ROOT, "text_entities", "type", "plain", "text", "govaudit1 ");
        char *text, *other;

        (void)state;
        assert_non_null(whole);
        text = json_dumps(whole, JSON_INDENT(1));
        expect_and_free(text, "7 10");
        text = json_dumps(whole, JSON_ENSURE_ASCII);
        expect(text, "7 10");
        other = format("{\"MESSAGE\": \"x\"}\n%s\n{\"MESSAGE\": \"%s\"}\n", text, LINE);
        expect_and_free(other, "7 10");
        free(text);
        json_decref(whole);

        text = replace(note, "\n", "<br>");
        other = format(
                "<!DOCTYPE html>\n<html>\n <body><div class=\"text\">\n%s       </div><div>govaudit1 <a "
                "href=\"http://vps1.example\">vps1.example</a>/governor/1f2e3d4c&nbsp;7 %s</div></body></html>\n",
                text, "eVjmD5fLcl6N7PMDOOFM64H7vD&#x2F;oGCruSWh9Y3zXLjo&#61;");
        expect(other, "7 10");
        expect_and_free(replace(other, "\xe2\x80\x94", "&mdash;"), "7 10");
        free(other);
        free(text);
}

static void a_spoiled_note_is_named_by_its_line(void **state)
{
        struct audit_anchors *anchors;
        char *text = format("one\r\n\r\n%s%s", note, ""), *at = strstr(text, "\n\n\xe2\x80\x94 ") + 40;
        unsigned line = 0;

        (void)state;
        *at = '!';
        assert_int_equal(audit_anchors_new(&anchors), 0);
        assert_int_equal(audit_anchors_add(anchors, text, strlen(text), &line), -EBADMSG);
        assert_int_equal(line, 3);
        audit_anchors_free(anchors);
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_list_may_be_quoted_indented_and_of_another_system),
                cmocka_unit_test(talk_about_anchors_is_none),
                cmocka_unit_test(what_a_mailer_broke_is_put_together),
                cmocka_unit_test(mail_is_decoded),
                cmocka_unit_test(a_chat_is_read_as_json_and_as_html),
                cmocka_unit_test(a_spoiled_note_is_named_by_its_line),
        };

        return cmocka_run_group_tests(tests, load_note, NULL);
}
