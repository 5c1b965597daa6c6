#pragma once
/* Reads JSON from a stream and hands over only the fields named in a table: nothing else is ever stored. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_STREAM_FIELDS_MAX 32
#define JSON_STREAM_PATH_MAX 6
#define JSON_STREAM_DEPTH_MAX 64
#define JSON_STREAM_TOKEN_MAX 256 /* longer strings are cut, longer keys match nothing */

enum json_stream_kind {
        JSON_STREAM_STRING,
        JSON_STREAM_NUMBER, /* its text */
        JSON_STREAM_TRUE,
        JSON_STREAM_FALSE,
        JSON_STREAM_NULL,
        JSON_STREAM_OPEN,  /* the field is an object or an array that begins here */
        JSON_STREAM_CLOSE, /* ... and ends here */
        JSON_STREAM_NAME,  /* of a member, where the field is JSON_STREAM_NAMES */
};

/* At the end of a path: the names of the object's members, and never their values. */
#define JSON_STREAM_NAMES "?"

/* One wanted field: the keys down to it, "*" for the elements of an array. */
struct json_stream_field {
        const char *path[JSON_STREAM_PATH_MAX + 1]; /* NULL-terminated */
        unsigned tag;
        bool members; /* it is an object, and the sink is asked about each key in it */
};

struct json_stream_sink {
        /* `text` is ended with a NUL and may hold anything else; a loan for the call. */
        int (*value)(void *self, unsigned tag, enum json_stream_kind kind, const char *text, size_t length);
        void *self;

        /*
         * Of fields with members, and never called where there are none: a key, cut like other texts; true, and its value comes raw
         * and in pieces, as it stands there but for the white space between things, and then its end. Values are stored nowhere.
         */
        bool (*member)(void *self, unsigned tag, const char *key);
        void (*raw)(void *self, const char *data, size_t size);
        int (*member_end)(void *self, enum json_stream_kind kind);
};

struct json_stream {
        const struct json_stream_field *fields;
        unsigned n_fields;
        uint8_t state;
        uint8_t depth;
        uint8_t word; /* position within true, false, null */
        uint8_t hex;  /* digits of \uXXXX read so far */
        bool in_key;
        bool keep; /* the token is wanted */
        bool cut;
        bool raw_next;  /* the value behind this colon is wanted raw */
        bool raw;       /* ... and is under way */
        bool raw_ended; /* ... or ended with this byte */
        uint8_t raw_depth;
        enum json_stream_kind raw_kind;
        uint16_t unit;                           /* the \uXXXX under way */
        uint16_t high;                           /* first half of a surrogate pair */
        uint64_t arrays;                         /* bit per depth: an array and not an object */
        uint32_t may[JSON_STREAM_DEPTH_MAX + 1]; /* fields whose path still matches, by depth of the container */
        uint32_t here;                           /* fields that may match the value under way */
        uint16_t length;
        char token[JSON_STREAM_TOKEN_MAX];
};

void json_stream_init(struct json_stream *json, const struct json_stream_field *fields, unsigned n_fields);

/* Takes what came. -EBADMSG: not JSON; -E2BIG: nested too deep; or what the sink returned. */
int json_stream_feed(struct json_stream *json, const char *data, size_t size, const struct json_stream_sink *sink);

/* Whether one whole value was read and nothing else; -EBADMSG otherwise. Call at the end of the input. */
int json_stream_end(struct json_stream *json, const struct json_stream_sink *sink);

/* Forgets every byte that passed through. */
void json_stream_wipe(struct json_stream *json);

/* A JSON number as a whole number. */
bool json_stream_integer(enum json_stream_kind kind, const char *text, int64_t *ret);
