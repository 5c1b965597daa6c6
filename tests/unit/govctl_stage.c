#include "govctl_stage.h"

#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "govctl/field.h"
#include "govctl/verbs.h"
#include "io/cleanup.h"

#define DATA "tests/data/govctl"

/* The answer to METHOD with a parameter P is in METHOD-P.json, else in METHOD.json. */
static json_t *canned(const char *directory, const json_t *request)
{
        const char *method = field_text(request, "method"), *key, *word = NULL;
        char path[512];
        json_t *value, *answer = NULL;

        json_object_foreach ((json_t *)field(request, "params"), key, value) {
                if (!word && json_is_string(value))
                        word = json_string_value(value);
                if (!word && json_is_true(value))
                        word = key;
        }
        if (word) {
                snprintf(path, sizeof path, "%s/%s-%s.json", directory, method, word);
                answer = json_load_file(path, 0, NULL);
        }
        if (!answer) {
                snprintf(path, sizeof path, "%s/%s.json", directory, method);
                answer = json_load_file(path, 0, NULL);
        }
        if (!answer)
                answer = json_pack("{s:{s:i, s:s}}", "error", "code", -32601, "message", "unknown method");
        json_object_set_new(answer, "jsonrpc", json_string("2.0"));
        json_object_set(answer, "id", json_object_get(request, "id"));
        return answer;
}

/* What DIRECTORY/pushed.jsonl holds; false: there is nothing, and a tick will do. */
static bool push_canned(const char *directory, FILE *out)
{
        _cleanup_fclose_ FILE *pushed = NULL;
        char path[512];
        int c;

        snprintf(path, sizeof path, "%s/pushed.jsonl", directory);
        pushed = fopen(path, "re");
        while (pushed && (c = fgetc(pushed)) != EOF)
                fputc(c, out);
        return pushed;
}

static void serve(const char *directory, int fd)
{
        FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
        char *line = NULL;
        size_t room = 0;

        bool leaving = false;

        while (!leaving && getline(&line, &room, in) > 0) {
                json_t *request = json_loads(line, 0, NULL), *answer = canned(directory, request);

                json_dumpf(answer, out, JSON_COMPACT);
                fputc('\n', out);
                if (strcmp(field_text(request, "method"), "subscribe") == 0 && !(leaving = push_canned(directory, out)))
                        fputs("{\"jsonrpc\":\"2.0\",\"method\":\"record\",\"params\":{\"seq\":0,\"action\":\"fact."
                              "tick\"}}\n",
                              out);
                fflush(out);
                json_decref(answer);
                json_decref(request);
        }
        free(line);
        fclose(in);
        fclose(out);
}

/* One client after another; it dies with the test. */
static void play(const struct stage *stage)
{
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
                int fd = accept(stage->listener, NULL, NULL);

                if (fd < 0)
                        _exit(1);
                if (fork() == 0) {
                        serve(stage->directory, fd);
                        _exit(0);
                }
                close(fd);
                while (waitpid(-1, NULL, WNOHANG) > 0)
                        ;
        }
}

void stage_open(struct stage *stage, const char *answers)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        char directory[] = "/tmp/govctl-stage-XXXXXX";

        setlocale(LC_CTYPE, "C.UTF-8");
        setenv("TZ", "UTC", 1);
        tzset();
        *stage = (struct stage){ .width = 120, .listener = -1, .player = -1 };
        assert_non_null(mkdtemp(directory));
        snprintf(stage->socket, sizeof stage->socket, "%s/socket", directory);
        if (!answers)
                return;
        assert_true(asprintf(&stage->directory, DATA "/%s", answers) > 0);
        strcpy(address.sun_path, stage->socket);
        stage->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(stage->listener, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(stage->listener, 8), 0);
        stage->player = fork();
        if (stage->player == 0)
                play(stage);
}

void stage_close(struct stage *stage)
{
        if (stage->player > 0) {
                kill(stage->player, SIGKILL);
                waitpid(stage->player, NULL, 0);
                close(stage->listener);
                unlink(stage->socket);
        }
        *strrchr(stage->socket, '/') = '\0';
        rmdir(stage->socket);
        free(stage->directory);
        free(stage->data);
        free(stage->talk);
}

int stage_run(struct stage *stage, ...)
{
        char *argv[32] = { (char *)"govctl", (char *)"--socket", stage->socket };
        int argc = 3;
        size_t size;
        va_list words;

        va_start(words, stage);
        while ((argv[argc] = va_arg(words, char *)))
                argc++;
        va_end(words);
        free(stage->data);
        free(stage->talk);

        struct call call = {
                .talk = open_memstream(&stage->talk, &size),
                .page = {
                        .out = open_memstream(&stage->data, &size),
                        .width = stage->width,
                        .colour = stage->colour,
                        .utf8 = !stage->plain,
                        .now = STAGE_NOW,
                },
        };
        int code = (int)verb_run(&call, argc, argv);

        fclose(call.page.out);
        fclose(call.talk);
        return code;
}

void stage_expect_golden(const struct stage *stage, const char *name)
{
        const char *mode = getenv("GOLDEN");
        bool write = mode && strcmp(mode, "write") == 0;
        char path[512];

        snprintf(path, sizeof path, DATA "/%s", name);

        FILE *file = fopen(path, write ? "w" : "r");
        char expected[65536];

        assert_non_null(file);
        if (write)
                fputs(stage->data, file);
        else {
                expected[fread(expected, 1, sizeof expected - 1, file)] = '\0';
                assert_string_equal(stage->data, expected);
        }
        fclose(file);
}
