#include "api/http/pages.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "proto/base/buf.h"
#include "proto/base/mem.h"
#include "proto/http/coding.h"

#include "proto/base/banned.h"

enum { NAME_BYTES = 128, PATH_BYTES_MAX = 4096, READ_BYTES = 64 << 10 };

struct blob {
    uint8_t *ptr; /* owned */
    size_t len;
};

struct page_file {
    char name[NAME_BYTES]; /* "index.html", or the name below assets/ */
    struct blob content;
    struct blob packed; /* gzip of it; empty: none */
};

struct pages {
    struct page_file files[PAGES_FILES_MAX];
    size_t count;
    size_t bytes;
};

static const struct {
    const char *ending;
    const char *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".json", "application/json"},
    {".txt", "text/plain; charset=utf-8"},
};

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'";

/* --- loading -------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text);
    size_t end_len = strlen(ending);
    return len > end_len && strcmp(text + len - end_len, ending) == 0;
}

static FALLIBLE file_read(const char *path, size_t bytes_max, struct detail *detail,
                          struct blob *ret_content)
{
    struct buf buf;
    buf_init(&buf, bytes_max);
    FILE *file = fopen(path, "rbe");
    err_t err = file == NULL ? FAIL(BAD_CONFIG) : OK;
    while (err_is_ok(err) && feof(file) == 0) {
        if (!buf_reserve(&buf, READ_BYTES)) {
            err = FAIL(BAD_CONFIG);
            break;
        }
        size_t got = fread(buf.ptr + buf.len, 1, READ_BYTES, file);
        buf_wrote(&buf, got);
        err = ferror(file) != 0 ? FAIL(BAD_CONFIG) : OK;
    }
    if (file != NULL) {
        (void)fclose(file); /* only read from */
    }
    if (err_is_ok(err)) {
        ret_content->ptr = buf_take(&buf, &ret_content->len);
    } else {
        detail_set(detail, "%s cannot be read, or the pages are larger than %d bytes", path,
                   PAGES_BYTES_MAX);
    }
    buf_fini(&buf);
    return err;
}

static struct page_file *file_find(struct pages *pages, const char *name)
{
    for (size_t i = 0; i < pages->count; i++) {
        if (strcmp(pages->files[i].name, name) == 0) {
            return &pages->files[i];
        }
    }
    return NULL;
}

/* The entry of this name, made if need be; NULL: too many or too long. */
static struct page_file *file_of(struct pages *pages, const char *name)
{
    struct page_file *file = file_find(pages, name);
    if (file == NULL && pages->count < PAGES_FILES_MAX && strlen(name) < NAME_BYTES) {
        file = &pages->files[pages->count++];
        (void)snprintf(file->name, sizeof file->name, "%s", name);
    }
    return file;
}

static FALLIBLE file_load(struct pages *pages, const char *directory, const char *name,
                          struct detail *detail)
{
    char path[PATH_BYTES_MAX];
    char plain[NAME_BYTES];
    bool is_packed = ends_with(name, ".gz");
    int len = snprintf(path, sizeof path, "%s/%s", directory, name);
    size_t plain_len = strlen(name) - (is_packed ? 3 : 0);
    if (len < 0 || len >= (int)sizeof path || plain_len >= sizeof plain) {
        detail_set(detail, "a file of the pages in %.200s has too long a name", directory);
        return FAIL(BAD_CONFIG);
    }
    memcpy(plain, name, plain_len);
    plain[plain_len] = '\0';
    struct page_file *file = file_of(pages, plain);
    if (file == NULL) {
        detail_set(detail, "the pages have more than %d files", PAGES_FILES_MAX);
        return FAIL(BAD_CONFIG);
    }
    struct blob *content = is_packed ? &file->packed : &file->content;
    TRY(file_read(path, PAGES_BYTES_MAX - pages->bytes, detail, content));
    pages->bytes += content->len;
    return OK;
}

static FALLIBLE folder_load(struct pages *pages, const char *directory, struct detail *detail)
{
    DIR *folder = opendir(directory);
    if (folder == NULL) {
        detail_set(detail, "the folder %s of the pages cannot be read", directory);
        return FAIL(BAD_CONFIG);
    }
    err_t err = OK;
    const struct dirent *entry = NULL;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own, before any thread
    while (err_is_ok(err) && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.' && strchr(entry->d_name, '.') != NULL) {
            err = file_load(pages, directory, entry->d_name, detail);
        }
    }
    (void)closedir(folder); /* only read from */
    return err;
}

err_t pages_load(const char *directory, struct detail *detail, struct pages **ret_pages)
{
    char assets[PATH_BYTES_MAX];
    struct pages *pages = mem_zero(1, sizeof *pages);
    if (pages == NULL) {
        return FAIL(MEMORY);
    }
    int len = snprintf(assets, sizeof assets, "%s/assets", directory);
    err_t err = len < 0 || len >= (int)sizeof assets ? FAIL(BAD_CONFIG) : OK;
    if (err_is_ok(err)) {
        err = folder_load(pages, directory, detail);
    }
    if (err_is_ok(err)) {
        err = folder_load(pages, assets, detail);
    }
    const struct page_file *index = file_find(pages, "index.html");
    if (err_is_ok(err) && (index == NULL || index->content.len == 0)) {
        detail_set(detail, "%s holds no index.html", directory);
        err = FAIL(BAD_CONFIG);
    }
    if (!err_is_ok(err)) {
        pages_free(pages);
        return err;
    }
    *ret_pages = pages;
    return OK;
}

void pages_free(struct pages *pages)
{
    for (size_t i = 0; pages != NULL && i < pages->count; i++) {
        mem_free(pages->files[i].content.ptr);
        mem_free(pages->files[i].packed.ptr);
    }
    mem_free(pages);
}

/* --- serving -------------------------------------------------------------------------------------------- */

static const char *type_of(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (ends_with(name, types[i].ending)) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

/* NULL: not asked for, or the page came over plain HTTP, where browsers take no notice. */
static const char *hsts_of(struct exchange *exchange)
{
    unsigned long long seconds = exchange_api(exchange)->conf->hsts_s;
    bool is_wanted = seconds > 0 && http_is_tls(exchange_http(exchange));
    return is_wanted ? arena_printf(exchange_arena(exchange), "max-age=%llu", seconds) : NULL;
}

static void file_answer(struct exchange *exchange, const struct page_file *file,
                        const char *caching)
{
    bool is_packed = file->packed.len > 0 &&
                     coding_accepts_gzip(http_header(exchange_http(exchange), "accept-encoding"));
    const struct blob *blob = is_packed ? &file->packed : &file->content;
    struct http_answer answer = {
        .status = 200,
        .content_type = type_of(file->name),
        .body = bytes_of(blob->ptr, blob->len),
        .headers = {{"x-content-type-options", "nosniff"},
                    {"cache-control", caching},
                    {"content-security-policy", policy},
                    {"referrer-policy", "no-referrer"},
                    {"cross-origin-opener-policy", "same-origin"},
                    {"vary", "accept-encoding"}},
    };
    const char *hsts = hsts_of(exchange);
    size_t count = 6;
    if (is_packed) {
        answer.headers[count++] = (struct http_header){"content-encoding", "gzip"};
    }
    if (hsts != NULL) {
        answer.headers[count++] = (struct http_header){"strict-transport-security", hsts};
    }
    exchange_answer(exchange, &answer);
}

static struct pages *pages_of(struct exchange *exchange)
{
    struct pages *pages = exchange_api(exchange)->pages;
    if (pages == NULL) {
        exchange_error(exchange, 404, "no_pages",
                       "this calltrace runs without its web pages (row pages_dir); the API answers "
                       "below /v1");
    }
    return pages;
}

void pages_index(struct exchange *exchange)
{
    struct pages *pages = pages_of(exchange);
    if (pages != NULL) {
        file_answer(exchange, file_find(pages, "index.html"), "no-cache");
    }
}

void pages_asset(struct exchange *exchange)
{
    struct pages *pages = pages_of(exchange);
    if (pages == NULL) {
        return;
    }
    const struct page_file *file = file_find(pages, exchange_path_part(exchange, 0));
    if (file == NULL || file->content.len == 0) {
        exchange_error(exchange, 404, "not_found", "the pages have no such file");
        return;
    }
    file_answer(exchange, file, "public, max-age=31536000, immutable");
}
