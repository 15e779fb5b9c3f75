/* tls: the certificate of the HTTPS listener, which may change while it serves. Internal to proto/http.
 *
 * libmicrohttpd asks for a certificate at each handshake through a callback of GnuTLS, which hands no pointer of ours
 * along: what it answers is the process' one `struct tls`, behind this file. A certificate that was replaced lives on
 * until every handshake that may have got it is over; open connections do not need it any more.
 *
 * Thread: any; one lock inside, taken alone. */
#ifndef CALLTRACE_HTTP_TLS_H
#define CALLTRACE_HTTP_TLS_H

#include <gnutls/abstract.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"

struct tls;

enum { TLS_CHAIN_MAX = 16, TLS_PEM_BYTES_MAX = 1 << 20 };

/* Gives the process' certificate, read from PEM files whose paths are copied. `handshake_s`: no handshake takes
 * longer. Errors: BAD_CONFIG (a file, certificate and key that do not belong together, a second one in this process),
 * MEMORY; detail says. */
FALLIBLE tls_new(const char *cert_path, const char *key_path, unsigned handshake_s,
                 struct detail *detail, struct tls **ret_tls);
/* After the last handshake. NULL is fine. */
void tls_free(struct tls *tls);

/* Have the files changed since they were last read, whatever came of that? */
bool tls_is_changed(struct tls *tls);

/* Reads the files anew. On an error the certificate in use stays. Errors: as tls_new. */
FALLIBLE tls_reload(struct tls *tls, struct detail *detail);

/* When the certificate in use ends, in seconds since 1970. */
int64_t tls_ends_s(struct tls *tls);

/* What libmicrohttpd gives to GnuTLS. */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authorities_count,
                 const gnutls_pk_algorithm_t *algorithms, int algorithms_count,
                 gnutls_pcert_st **ret_chain, unsigned *ret_count, gnutls_privkey_t *ret_key);

#endif
