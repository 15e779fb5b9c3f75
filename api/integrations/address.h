/* address: is an address on the public internet? PURE.
 *
 * What a stranger names is fetched only from public addresses, so that nobody reads our own network through us
 * (loopback, private networks, the metadata services of clouds on link-local). Thread: any. */
#ifndef CALLTRACE_INTEGRATIONS_ADDRESS_H
#define CALLTRACE_INTEGRATIONS_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* False for loopback, private, shared, link-local, multicast, reserved and documentation addresses, for IPv6 that
 * only wraps an IPv4 address (mapped, compatible, 6to4, Teredo), and for every family but IPv4 and IPv6. An
 * address of NAT64's well-known prefix is judged by the IPv4 address in it, because hosts without IPv4 reach all
 * of that internet so. */
bool address_is_public(const struct sockaddr *address, socklen_t len);

/* The same for an address as it stands in a URL ("192.0.2.1", "[2001:db8::1]"); true for a name. */
bool address_text_may_be_public(const char *host);

#endif
