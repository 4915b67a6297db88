/* Answers to /metrics, sent in pieces as the client takes them. What is in them is
 * proxy/exposition.h; who may ask is proxy/exchange.c's business. */
#ifndef PROXY_SCRAPE_H
#define PROXY_SCRAPE_H

struct client;

/* Begins the response to c's request. */
void scrape_begin(struct client *c);

/* Puts the next piece into c's empty queue, if a response of this kind is under way. */
void scrape_go_on(struct client *c);

/* Lets go of a response that is not complete; without one it does nothing. */
void scrape_end(struct client *c);

#endif
