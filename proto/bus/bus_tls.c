#include "proto/bus/bus_tls.h"

#include <nng/supplemental/tls/tls.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/bytes.h"
#include "proto/bus/bus_address.h"

#include "proto/base/banned.h"

static const char scheme[] = "tls+tcp://";

bool bus_tls_is_address(const char *address)
{
    return bytes_start_with(bytes_of_text(address), scheme);
}

/* nng says of a file that cannot be read or is no PEM only that something is invalid. */
static FALLIBLE files_use(nng_tls_config *config, const struct bus_tls *tls, struct detail *detail)
{
    int result = nng_tls_config_ca_file(config, tls->ca);
    if (result != 0) {
        return bus_open_failed(result, "reading bus_tls_ca", tls->ca, detail);
    }
    result = nng_tls_config_cert_key_file(config, tls->cert, NULL);
    if (result != 0) {
        return bus_open_failed(result, "reading certificate and key of bus_tls_cert", tls->cert,
                               detail);
    }
    return OK;
}

/* Gives a configuration that asks the peer for its certificate, whichever side it is on. */
static FALLIBLE config_make(nng_tls_mode mode, const struct bus_tls *tls, struct detail *detail,
                            nng_tls_config **ret_config)
{
    nng_tls_config *config = NULL;
    int result = nng_tls_config_alloc(&config, mode);
    if (result != 0) {
        return bus_open_failed(result, "opening", "TLS", detail);
    }
    err_t err = OK;
    /* nng 1.5 knows TLS 1.3, the mbedTLS 2 beneath it does not: what is asked for is the least. */
    result = nng_tls_config_version(config, NNG_TLS_1_2, NNG_TLS_1_2);
    if (result == 0) {
        result = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    }
    err = result == 0 ? files_use(config, tls, detail)
                      : bus_open_failed(result, "setting up", "TLS", detail);
    if (err_is_ok(err)) {
        *ret_config = config;
    } else {
        nng_tls_config_free(config);
    }
    return err;
}

/* "tls+tcp://host:port" -> host. */
static void host_of(const char *address, char ret_host[BUS_ADDRESS_BYTES])
{
    const char *host = address + sizeof scheme - 1;
    const char *colon = strrchr(host, ':');
    size_t len = colon == NULL ? strlen(host) : (size_t)(colon - host);
    memcpy(ret_host, host, len); /* shorter than the address */
    ret_host[len] = '\0';
}

err_t bus_tls_dialer(nng_dialer dialer, const char *address, const struct bus_tls *tls,
                     struct detail *detail)
{
    nng_tls_config *config = NULL;
    char host[BUS_ADDRESS_BYTES];
    if (!bus_tls_is_address(address)) {
        return OK;
    }
    TRY(config_make(NNG_TLS_MODE_CLIENT, tls, detail, &config));
    host_of(address, host);
    int result = nng_tls_config_server_name(config, host);
    if (result == 0) {
        result = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
    }
    nng_tls_config_free(config); /* the dialer holds it */
    return result == 0 ? OK : bus_open_failed(result, "dialing", address, detail);
}

err_t bus_tls_listener(nng_listener listener, const char *address, const struct bus_tls *tls,
                       struct detail *detail)
{
    nng_tls_config *config = NULL;
    if (!bus_tls_is_address(address)) {
        return OK;
    }
    TRY(config_make(NNG_TLS_MODE_SERVER, tls, detail, &config));
    int result = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, config);
    nng_tls_config_free(config); /* the listener holds it */
    return result == 0 ? OK : bus_open_failed(result, "listening on", address, detail);
}
