/* How a client comes in, before its first request: by its address, a PROXY header and TLS. The
 * connection itself is proxy/client.h. */
#ifndef PROXY_ENTRY_H
#define PROXY_ENTRY_H

#include "proxy/state.h"

#define CLIENTS_DENIED_MAX 128 /* with a denied address, that are served at once */

/* Decides about an address as early as it is known to be the client's. A denied address may still
 * ask for /healthz: with a short time-out, and at most CLIENTS_DENIED_MAX at once.
 *   proxy_header  the connection begins with a PROXY header, and the address is that of a proxy
 * False: the connection is closed without being read. */
bool entry_admit(struct client *c, bool proxy_header);

/* Takes the header in which a trusted proxy names the client, which is then judged as one that
 * connected itself. Returns how many bytes of in were used; 0: it is not complete. */
size_t entry_take_proxy_header(struct client *c, struct span in);

/* Goes on with the handshake. Returns true once it is over, well or not: in CLIENT_HEAD, with an
 * error as the response in CLIENT_EXCHANGE, or with the connection broken. */
bool entry_shake(struct client *c);

#endif
