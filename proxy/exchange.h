/* One exchange, from the head of its request to its access line: the only place that knows both
 * directions, begins and ends them, and fails them. What it consists of is proxy/state.h. */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include "http/head.h"
#include "proxy/state.h"

/* What moved bytes since interest was updated last. */
enum {
    MOVED_CLIENT = 1,
    MOVED_UPSTREAM = 2,
};

/* Begins an exchange with the head h, which was head_n bytes long; rest is what came in after it.
 * Returns how much of rest was used. */
size_t exchange_begin(struct client *c, const struct http_head *h, size_t head_n, struct span rest);

/* Begins an exchange whose head was not understood, and fails it; the connection ends with it. h is
 * what there is of a head, or NULL. why goes to the client. */
void exchange_refuse(struct client *c, const struct http_head *h, enum failure f, const char *why);

/* Takes bytes of the request's body. Returns how many were used. */
size_t exchange_feed(struct client *c, struct span in);

/* Passes bytes of the request's body on without reading them, if nobody needs to see them. Returns
 * as request_splice does; -ENOSYS: they have to be read. */
ssize_t exchange_splice(struct client *c);

/* The exchange cannot go on: the client gets an error of the contract's shape, or sees that its
 * response was cut. why goes to the client and the log. */
void exchange_abort(struct client *c, enum failure f, const char *why);

/* True if both directions are done, or the rest of the request is not waited for. */
bool exchange_is_over(const struct client *c);

/* Ends the exchange as x.ending says: writes the access line and lets go of everything. Returns how
 * the client's connection goes on. */
enum close_how exchange_end(struct client *c);

/* How often exchange_look_after is to be called while nothing is waited for from the client. */
struct timer_kind *exchange_look_kind(const struct client *c);

/* Ends the exchange if the side that has to acknowledge bytes has vanished: the upstream before the
 * response begins, the client after. Pings the client of an event stream that was silent. */
void exchange_look_after(struct client *c);

/* Decides what the upstream's side waits for. moved: MOVED_* or 0. */
void exchange_update_interest(struct client *c, unsigned moved);

#endif
