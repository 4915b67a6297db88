/* Event streams of /status/events: the state once a second, while somebody looks. What is in an
 * event is proxy/picture.h; who may ask is proxy/exchange.c's business. */
#ifndef PROXY_WATCH_H
#define PROXY_WATCH_H

struct client;
struct worker;

/* Begins the response to c's request, with the state of this moment. */
void watch_begin(struct client *c);

/* c watches no more; if it did not, nothing is done. */
void watch_end(struct client *c);

/* Ends all streams of w in order: who is still there and may still look comes again. */
void watch_end_all(struct worker *w);

#endif
