/* bus_tls: TLS of the bus between machines, both sides with a certificate that the same authority signed. Internal to
 * proto/bus; thread: any.
 *
 * An authority of the bus' own: whoever holds a certificate that it signed for clients may send what an api sends. The
 * certificate's use is checked (clientAuth at the api, serverAuth at the correlator), and at the client the server's name,
 * which must be a name: mbedTLS 2 compares no addresses. */
#ifndef CALLTRACE_BUS_TLS_H
#define CALLTRACE_BUS_TLS_H

#include <nng/nng.h>

#include "proto/base/err.h"
#include "proto/bus/bus.h"

/* Is it an address that this is for? */
bool bus_tls_is_address(const char *address);

/* Nothing for other addresses. Errors: BAD_CONFIG (a file is missing or no PEM), MEMORY; detail says. */
FALLIBLE bus_tls_dialer(nng_dialer dialer, const char *address, const struct bus_tls *tls,
                        struct detail *detail);
FALLIBLE bus_tls_listener(nng_listener listener, const char *address, const struct bus_tls *tls,
                          struct detail *detail);

#endif
