#include "proto/http/tls.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include <gnutls/x509.h>
#include <utlist.h>

#include "proto/base/buf.h"
#include "proto/base/mem.h"

#include "proto/base/banned.h"

/* A certificate with its chain and key. */
struct identity {
    gnutls_pcert_st chain[TLS_CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
    int64_t ends_s;
    struct mono_ns retired_at;
    struct identity *next; /* among the retired */
};

/* What tells one state of a file from another. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec changed;
};

struct stamps {
    struct stamp cert;
    struct stamp key;
};

struct tls {
    char cert_path[PATH_MAX];
    char key_path[PATH_MAX];
    unsigned handshake_s;
    pthread_mutex_t lock; /* guards what follows */
    struct stamps read;   /* of the files when they were last read */
    struct identity *current;
    struct identity *retired;
};

static pthread_mutex_t served_lock = PTHREAD_MUTEX_INITIALIZER; /* before a tls' own */
static struct tls *served; /* a fifth global: see the header for why the callback needs one */

/* --- files ------------------------------------------------------------------------------------------ */

static struct stamp stamp_of(const char *path)
{
    struct stat found;
    if (stat(path, &found) != 0) {
        return (struct stamp){0}; /* gone for a moment, or for good: reading it says so */
    }
    return (struct stamp){found.st_dev, found.st_ino, found.st_size, found.st_mtim};
}

static struct stamps stamps_of(const struct tls *tls)
{
    return (struct stamps){stamp_of(tls->cert_path), stamp_of(tls->key_path)};
}

static bool stamp_equal(const struct stamp *a, const struct stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* The whole file, given. */
static err_t pem_read(const char *path, struct detail *detail, struct buf *buf)
{
    char chunk[4096];
    size_t got = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        char text[128];
        detail_set(detail, "%s: %s", path, strerror_r(errno, text, sizeof text));
        return FAIL(BAD_CONFIG);
    }
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) {
        buf_add(buf, bytes_of(chunk, got));
    }
    bool is_read = ferror(file) == 0;
    (void)fclose(file); /* only read */
    gnutls_memset(chunk, 0, sizeof chunk);
    if (!is_read || !err_is_ok(buf_err(buf))) {
        detail_set(detail, "%s cannot be read as a PEM file", path);
        return FAIL(BAD_CONFIG);
    }
    return OK;
}

/* --- identities --------------------------------------------------------------------------------------- */

static void identity_free(struct identity *identity)
{
    if (identity == NULL) {
        return;
    }
    for (unsigned i = 0; i < identity->count; i++) {
        gnutls_pcert_deinit(&identity->chain[i]);
    }
    if (identity->key != NULL) {
        gnutls_privkey_deinit(identity->key);
    }
    mem_free(identity);
}

static err_t pem_failed(const char *path, int code, struct detail *detail)
{
    detail_set(detail, "%s: %s", path, gnutls_strerror(code));
    return code == GNUTLS_E_MEMORY_ERROR ? FAIL(MEMORY) : FAIL(BAD_CONFIG);
}

/* Do certificate and key belong together? GnuTLS looks when it takes them as credentials. */
static int pair_check(const gnutls_datum_t *cert, const gnutls_datum_t *key)
{
    gnutls_certificate_credentials_t credentials = NULL;
    int code = gnutls_certificate_allocate_credentials(&credentials);
    if (code == GNUTLS_E_SUCCESS) {
        code = gnutls_certificate_set_x509_key_mem2(credentials, cert, key, GNUTLS_X509_FMT_PEM,
                                                    NULL, 0);
        gnutls_certificate_free_credentials(credentials);
    }
    return code < 0 ? code : GNUTLS_E_SUCCESS; /* else how many it took */
}

static int ends_read(struct identity *identity)
{
    gnutls_x509_crt_t leaf = NULL;
    int code = gnutls_pcert_export_x509(&identity->chain[0], &leaf);
    if (code == GNUTLS_E_SUCCESS) {
        identity->ends_s = gnutls_x509_crt_get_expiration_time(leaf);
        gnutls_x509_crt_deinit(leaf);
    }
    return code;
}

static err_t identity_fill(const struct tls *tls, const gnutls_datum_t *cert,
                           const gnutls_datum_t *key, struct detail *detail,
                           struct identity *identity)
{
    unsigned count = TLS_CHAIN_MAX;
    int code = gnutls_pcert_list_import_x509_raw(identity->chain, &count, cert, GNUTLS_X509_FMT_PEM,
                                                 GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED |
                                                     GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
    if (code < 0) {
        return pem_failed(tls->cert_path, code, detail);
    }
    identity->count = count;
    code = gnutls_privkey_init(&identity->key);
    if (code == GNUTLS_E_SUCCESS) {
        code = gnutls_privkey_import_x509_raw(identity->key, key, GNUTLS_X509_FMT_PEM, NULL, 0);
    }
    if (code == GNUTLS_E_SUCCESS) {
        code = pair_check(cert, key);
    }
    if (code == GNUTLS_E_SUCCESS) {
        code = ends_read(identity);
    }
    return code == GNUTLS_E_SUCCESS ? OK : pem_failed(tls->key_path, code, detail);
}

static err_t identity_read(const struct tls *tls, struct detail *detail,
                           struct identity **ret_identity)
{
    struct buf cert;
    struct buf key;
    buf_init(&cert, TLS_PEM_BYTES_MAX);
    buf_init(&key, TLS_PEM_BYTES_MAX);
    struct identity *identity = mem_zero(1, sizeof *identity);
    err_t err = identity == NULL ? FAIL(MEMORY) : OK;
    if (err_is_ok(err)) {
        err = pem_read(tls->cert_path, detail, &cert);
    }
    if (err_is_ok(err)) {
        err = pem_read(tls->key_path, detail, &key);
    }
    if (err_is_ok(err)) {
        const gnutls_datum_t cert_text = {cert.ptr, (unsigned)cert.len};
        const gnutls_datum_t key_text = {key.ptr, (unsigned)key.len};
        err = identity_fill(tls, &cert_text, &key_text, detail, identity);
    }
    if (key.ptr != NULL) {
        gnutls_memset(key.ptr, 0, key.len);
    }
    buf_fini(&key);
    buf_fini(&cert);
    if (err_is_ok(err)) {
        *ret_identity = identity;
    } else {
        identity_free(identity);
    }
    return err;
}

/* With the lock held. */
static void retired_sweep(struct tls *tls, struct mono_ns now)
{
    struct identity *one = NULL;
    struct identity *after = NULL;
    LL_FOREACH_SAFE(tls->retired, one, after)
    {
        if (mono_ms_between(one->retired_at, now) > (int64_t)tls->handshake_s * MS_PER_S) {
            LL_DELETE(tls->retired, one);
            identity_free(one);
        }
    }
}

/* --- life --------------------------------------------------------------------------------------------- */

static bool path_keep(const char *path, char ret_path[PATH_MAX])
{
    size_t len = strlen(path);
    if (len >= PATH_MAX) {
        return false;
    }
    memcpy(ret_path, path, len + 1);
    return true;
}

static bool serve(struct tls *tls)
{
    (void)pthread_mutex_lock(&served_lock);
    bool is_free = served == NULL;
    served = is_free ? tls : served;
    (void)pthread_mutex_unlock(&served_lock);
    return is_free;
}

err_t tls_new(const char *cert_path, const char *key_path, unsigned handshake_s,
              struct detail *detail, struct tls **ret_tls)
{
    struct tls *tls = mem_zero(1, sizeof *tls);
    if (tls == NULL) {
        return FAIL(MEMORY);
    }
    (void)pthread_mutex_init(&tls->lock, NULL); /* does not fail on Linux */
    tls->handshake_s = handshake_s;
    err_t err = OK;
    if (!path_keep(cert_path, tls->cert_path) || !path_keep(key_path, tls->key_path)) {
        detail_set(detail, "the path of the certificate or its key is too long");
        err = FAIL(BAD_CONFIG);
        goto out;
    }
    tls->read = stamps_of(tls);
    TRY_OUT(identity_read(tls, detail, &tls->current));
    if (!serve(tls)) {
        detail_set(detail, "this process serves HTTPS with another certificate already");
        err = FAIL(BAD_CONFIG);
        goto out;
    }
    *ret_tls = tls;
    tls = NULL;
out:
    tls_free(tls);
    return err;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&served_lock);
    served = served == tls ? NULL : served;
    (void)pthread_mutex_unlock(&served_lock);
    while (tls->retired != NULL) {
        struct identity *one = tls->retired;
        LL_DELETE(tls->retired, one);
        identity_free(one);
    }
    identity_free(tls->current);
    (void)pthread_mutex_destroy(&tls->lock);
    mem_free(tls);
}

bool tls_is_changed(struct tls *tls)
{
    struct stamps now = stamps_of(tls);
    (void)pthread_mutex_lock(&tls->lock);
    bool is_changed =
        !stamp_equal(&now.cert, &tls->read.cert) || !stamp_equal(&now.key, &tls->read.key);
    (void)pthread_mutex_unlock(&tls->lock);
    return is_changed;
}

err_t tls_reload(struct tls *tls, struct detail *detail)
{
    struct identity *fresh = NULL;
    struct stamps stamps =
        stamps_of(tls); /* before reading: a change meanwhile is seen the next time */
    err_t err = identity_read(tls, detail, &fresh);
    struct mono_ns now = clock_mono();
    (void)pthread_mutex_lock(&tls->lock);
    tls->read = stamps;
    if (err_is_ok(err)) {
        tls->current->retired_at = now;
        LL_PREPEND(tls->retired, tls->current);
        tls->current = fresh;
    }
    retired_sweep(tls, now);
    (void)pthread_mutex_unlock(&tls->lock);
    return err;
}

int64_t tls_ends_s(struct tls *tls)
{
    (void)pthread_mutex_lock(&tls->lock);
    int64_t ends_s = tls->current->ends_s;
    (void)pthread_mutex_unlock(&tls->lock);
    return ends_s;
}

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authorities_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithms_count,
                 gnutls_pcert_st **ret_chain, unsigned *ret_count, gnutls_privkey_t *ret_key)
{
    (void)session; /* there is one certificate, whatever a client asks for */
    (void)authorities;
    (void)authorities_count;
    (void)algorithms;
    (void)algorithms_count;
    (void)pthread_mutex_lock(&served_lock);
    struct tls *tls = served;
    if (tls != NULL) {
        (void)pthread_mutex_lock(&tls->lock);
        *ret_chain = tls->current->chain;
        *ret_count = tls->current->count;
        *ret_key = tls->current->key;
        (void)pthread_mutex_unlock(&tls->lock);
    }
    (void)pthread_mutex_unlock(&served_lock);
    return tls == NULL ? -1 : 0;
}
