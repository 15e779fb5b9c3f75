/* mend: makes a message decodable by readers that insist on UTF-8. One odd text would otherwise cost them the
 * whole trace. Nothing changes its length: a lone surrogate's three octets become U+FFFD, any other octet
 * that is not UTF-8 becomes '?'. Messages without such texts stay as they are. Thread: any. */
#ifndef CALLTRACE_OTLP_MEND_H
#define CALLTRACE_OTLP_MEND_H

#include "proto/otlp/schema.h"

/* Mends the texts of the message whose octets are the last ones in `out`, `len` of them. */
void mend_texts(enum schema_message message, struct buf *out, size_t len);

#endif
