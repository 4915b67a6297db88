/* A host with its port, as Host, an absolute target and CONNECT name it (RFC 3986, 3.2.2 and
 * 3.2.3). Knows no addresses and no names: it tells only where one ends and the other begins. */
#ifndef HTTP_HOST_H
#define HTTP_HOST_H

#include "base/span.h"

/* True if s is a host, possibly followed by a colon and a port that is empty or at most 65535. The
 * host is an IP literal in brackets, or any visible ASCII but : [ ] / \ @ , ? #. A port needs a
 * host before it; s may be empty, as Host may (RFC 9112, 3.2). */
bool http_is_host(struct span s);

#endif
