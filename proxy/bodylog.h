/* Bodies for the log, where the configuration asks for them: the beginning of the request's, as it
 * was forwarded, and of the response's. It changes nothing: it is shown what passes. An exchange
 * whose bodies are not logged has none of this. */
#ifndef PROXY_BODYLOG_H
#define PROXY_BODYLOG_H

#include "base/span.h"

struct bodylog;
struct client;

enum bodylog_side { BODYLOG_REQUEST, BODYLOG_RESPONSE };

/* Begins for c's exchange, if its settings want any body logged. Without memory nothing is logged,
 * and the exchange goes on. sent, to be masked, is the key that the client sent and that nobody has
 * configured; it may be empty. */
void bodylog_begin(struct client *c, struct span sent);

/* Says that a body is coded (a Content-Encoding), so that its bytes mean nothing to a reader: only
 * their number is logged. */
void bodylog_coded(struct client *c, enum bodylog_side side, struct span coding);

/* Shows what passes by. Fine if there is nothing to be logged. */
void bodylog_show(struct client *c, enum bodylog_side side, struct span data);

/* The request is sent again: what was shown of its body does not count. */
void bodylog_again(struct client *c);

/* Writes the lines, and lets go of everything. To be called when the exchange ends, before its
 * access line. Fine if there is nothing. */
void bodylog_end(struct client *c);

#endif
