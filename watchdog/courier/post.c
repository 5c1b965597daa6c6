#include "courier/post.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "io/cleanup.h"

#define CONNECT_SECONDS 10L
#define WHOLE_SECONDS 30L

typedef CURL *easy;
typedef CURLU *url_parts;
typedef struct curl_slist *header_list;

static void easy_donep(easy *curl)
{
        curl_easy_cleanup(*curl);
}

static void url_donep(url_parts *url)
{
        curl_url_cleanup(*url);
}

static void headers_donep(header_list *headers)
{
        curl_slist_free_all(*headers);
}

static void curl_textp(char **text)
{
        curl_free(*text);
}

int post_init(void)
{
        return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

void post_done(void)
{
        curl_global_cleanup();
}

/* ---- the address ------------------------------------------------------------------------------------------------------ */

static int refuse_address(char why[POST_WHY_MAX], const char *text)
{
        text_copy(why, POST_WHY_MAX, text);
        return -EINVAL;
}

static bool has_part(CURLU *url, CURLUPart part)
{
        _cleanup_(curl_textp) char *text = NULL;

        return curl_url_get(url, part, &text, 0) == CURLUE_OK;
}

static bool has_scheme(CURLU *url, const char *name)
{
        _cleanup_(curl_textp) char *scheme = NULL;

        return curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && strcmp(scheme, name) == 0;
}

static int add_to_path(CURLU *url, const char *call)
{
        _cleanup_(curl_textp) char *path = NULL;
        _cleanup_free_ char *whole = NULL;
        size_t length;

        if (curl_url_get(url, CURLUPART_PATH, &path, 0) != CURLUE_OK)
                return -ENOMEM;
        length = strlen(path);
        while (length > 0 && path[length - 1] == '/')
                length--;
        if (asprintf(&whole, "%.*s/%s", (int)length, path, call) < 0)
                return -ENOMEM;
        return curl_url_set(url, CURLUPART_PATH, whole, 0) == CURLUE_OK ? 0 : -ENOMEM;
}

int post_address(const char *prefix, const char *call, char **ret, char why[POST_WHY_MAX])
{
        _cleanup_(url_donep) url_parts url = curl_url();
        _cleanup_(curl_textp) char *whole = NULL;
        char *address;
        int r;

        if (!url)
                return -ENOMEM;
        if (curl_url_set(url, CURLUPART_URL, prefix, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
                return refuse_address(why, "it is not a URL such as https://witness.example/path");
        if (!has_scheme(url, "https") && !has_scheme(url, "http"))
                return refuse_address(why, "only http and https lead to a witness");
        if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
                return refuse_address(why, "a witness asks for no name and password");
        if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT))
                return refuse_address(why, "a prefix has no '?' and no '#'");
        r = add_to_path(url, call);
        if (r < 0)
                return r;
        if (curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK)
                return -ENOMEM;
        address = strdup(whole);
        if (!address)
                return -ENOMEM;
        *ret = address;
        return 0;
}

/* ---- sending ---------------------------------------------------------------------------------------------------------- */

/* What comes in while the answer is read. */
struct incoming {
        struct post_reply *reply;
        size_t headers;
};

static size_t take_body(char *bytes, size_t one, size_t n, void *userdata)
{
        struct post_reply *reply = ((struct incoming *)userdata)->reply;

        (void)one; /* always 1 */
        if (n > POST_REPLY_MAX - reply->length)
                return 0; /* ends the transfer */
        memcpy(reply->body + reply->length, bytes, n);
        reply->length += n;
        return n;
}

static size_t take_header(char *bytes, size_t one, size_t n, void *userdata)
{
        struct incoming *incoming = userdata;

        (void)bytes, (void)one;
        if (n > POST_REPLY_MAX - incoming->headers)
                return 0;
        incoming->headers += n;
        return n;
}

static void allow_http_only(CURL *curl)
{
#if LIBCURL_VERSION_NUM >= 0x075500
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
#else
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static void set_up(CURL *curl, const char *address, const char *body, struct incoming *incoming)
{
        allow_http_only(curl);
        curl_easy_setopt(curl, CURLOPT_URL, address);
        curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* also not from the environment */
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
        curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, WHOLE_SECONDS);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_USERAGENT, "governor-courier");
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, incoming);
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, incoming);
}

static int error_of(CURLcode code)
{
        switch (code) {
        case CURLE_OPERATION_TIMEDOUT: return -ETIMEDOUT;
        case CURLE_WRITE_ERROR:
        case CURLE_OUT_OF_MEMORY: return -EMSGSIZE; /* the second is what curl calls a header line without end */
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE: return -EKEYREJECTED;
        case CURLE_WEIRD_SERVER_REPLY:
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
        case CURLE_PARTIAL_FILE:
        case CURLE_GOT_NOTHING:
        case CURLE_RECV_ERROR: return -EPROTO;
        default: return -EHOSTUNREACH;
        }
}

static void say_why(char why[POST_WHY_MAX], CURLcode code, const char *told)
{
        if (error_of(code) == -EMSGSIZE)
                told = "its answer is longer than 16 KiB";
        text_copy_safe(why, POST_WHY_MAX, told[0] ? told : curl_easy_strerror(code));
}

static void take_facts(CURL *curl, struct post_reply *reply)
{
        const char *type = NULL;

        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
        curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
        text_copy_safe(reply->type, sizeof(reply->type), type ? type : "");
        reply->body[reply->length] = '\0';
}

int post_send(const char *address, const char *body, struct post_reply *ret, char why[POST_WHY_MAX])
{
        _cleanup_(easy_donep) easy curl = curl_easy_init();
        _cleanup_(headers_donep) header_list headers =
                curl_slist_append(NULL, "Content-Type: text/plain; charset=utf-8");
        struct incoming incoming = { .reply = ret };
        char told[CURL_ERROR_SIZE] = "";
        CURLcode code;

        if (!curl || !headers)
                return -ENOMEM;
        ret->length = 0;
        set_up(curl, address, body, &incoming);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, told);
        code = curl_easy_perform(curl);
        if (code != CURLE_OK) {
                say_why(why, code, told);
                return error_of(code);
        }
        take_facts(curl, ret);
        return 0;
}
