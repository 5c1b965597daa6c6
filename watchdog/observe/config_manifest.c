/*
 * One line a thing: "p NAME", or "f SEALED SEEN PATH" where a state is "-" or "DIGEST:SIZE:MODE:UID:GID". Behind a file may stand
 * its outlines, "o SEALED" and "n SEEN".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "io/cleanup.h"
#include "observe/config_files.h"

#define HEAD "governor-config 1\n"

/* ---- out ----------------------------------------------------------------------------------------------------------------- */

int config_manifest_write(const struct config_files *files, const struct config_names *names, char **ret,
                          size_t *ret_size)
{
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        bool failed;

        if (!out)
                return -ENOMEM;
        fputs(HEAD, out);
        for (uint32_t n = 0; n < names->n; n++)
                fprintf(out, "p %s\n", names->list[n]);
        for (uint32_t n = 0; n < files->n; n++) {
                fputs("f ", out);
                file_state_write(out, &files->list[n].sealed);
                file_state_write(out, &files->list[n].seen);
                fprintf(out, "%s\n", files->list[n].path);
                if (files->list[n].sealed_outline)
                        fprintf(out, "o %s\n", files->list[n].sealed_outline);
                if (files->list[n].seen_outline)
                        fprintf(out, "n %s\n", files->list[n].seen_outline);
        }
        failed = ferror(out) != 0;
        if (fclose(out) != 0 || failed) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        *ret_size = size;
        return 0;
}

/* ---- in ------------------------------------------------------------------------------------------------------------------ */

static int read_file_line(struct config_files *files, const char *line)
{
        struct file_state sealed, seen;
        uint32_t slot;
        int r = file_state_read(&line, &sealed);

        if (r >= 0)
                r = file_state_read(&line, &seen);
        if (r < 0 || line[0] == '\0' || strlen(line) >= FILE_PATH_MAX ||
            config_files_find(files, line) != CONFIG_NO_FILE)
                return -EBADMSG;
        r = config_files_add(files, line, &slot);
        if (r < 0)
                return r == -ENOSPC ? -EBADMSG : r;
        files->list[slot].sealed = sealed;
        files->list[slot].seen = seen;
        return 0;
}

static int read_name_line(struct config_names *names, const char *line)
{
        int r = line[0] ? config_names_add(names, line) : -EBADMSG;

        return r == -ENOSPC ? -EBADMSG : r < 0 ? r : 0;
}

/* The outline of the file in the line before. */
static int read_outline_line(const struct config_files *files, char kind, const char *line)
{
        struct config_file *file = files->n > 0 ? &files->list[files->n - 1] : NULL;
        char **outline = !file ? NULL : kind == 'o' ? &file->sealed_outline : &file->seen_outline;

        if (!outline || *outline)
                return -EBADMSG;
        *outline = strdup(line);
        return *outline ? 0 : -ENOMEM;
}

static int read_line(struct config_files *files, struct config_names *names, const char *line)
{
        if (line[0] == '\0' || line[1] != ' ')
                return -EBADMSG;
        switch (line[0]) {
        case 'p': return read_name_line(names, line + 2);
        case 'f': return read_file_line(files, line + 2);
        case 'o':
        case 'n': return read_outline_line(files, line[0], line + 2);
        default: return -EBADMSG;
        }
}

static int read_lines(struct config_files *files, struct config_names *names, char *text)
{
        int r = text[0] && text[strlen(text) - 1] == '\n' ? 0 : -EBADMSG;
        char *rest = NULL;

        for (char *line = strtok_r(text, "\n", &rest); r >= 0 && line; line = strtok_r(NULL, "\n", &rest))
                r = read_line(files, names, line);
        return r;
}

int config_manifest_read(struct config_files *files, struct config_names *names, const char *text, size_t size)
{
        _cleanup_free_ char *copy = NULL;
        int r;

        if (size < strlen(HEAD) || memcmp(text, HEAD, strlen(HEAD)) != 0 || memchr(text, '\0', size))
                return -EBADMSG;
        if (size == strlen(HEAD))
                return 0;
        copy = strndup(text + strlen(HEAD), size - strlen(HEAD));
        if (!copy)
                return -ENOMEM;
        r = read_lines(files, names, copy);
        if (r < 0) {
                config_names_done(names);
                config_files_done(files);
        }
        return r;
}
