/* Bodies for the log, where the configuration asks for them: the beginnings of a request's, as it was forwarded, and of its answer's.
 * Knows no HTTP and changes nothing: it is shown what passes by. An exchange whose bodies are not logged has none of this.
 * The lines are written by proxy/log.h. */
#ifndef PROXY_BODYLOG_H
#define PROXY_BODYLOG_H

#include "net/span.h"

struct bodylog;
struct client;

enum bodylog_side { BODYLOG_REQUEST, BODYLOG_ANSWER };

/* Begins for c's exchange, if its settings want any body logged. Without memory nothing is logged, and the exchange goes on. */
void bodylog_begin(struct client *c);

/* Says that a body is coded (a Content-Encoding), so that its bytes mean nothing to a reader: only their number is logged. */
void bodylog_coded(struct client *c, enum bodylog_side side, struct span coding);

/* Shows what passes by. Fine if there is nothing to be logged. */
void bodylog_show(struct client *c, enum bodylog_side side, struct span data);

/* Writes the lines, and lets go of everything. To be called when the exchange ends, before its access line. Fine if there is nothing. */
void bodylog_end(struct client *c);

#endif
