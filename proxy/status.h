/* The page at /status, which is the same for everybody: what is live in it comes by
 * proxy/watch.h. Its source is proxy/status.html. */
#ifndef PROXY_STATUS_H
#define PROXY_STATUS_H

struct client;

/* Responds with the page. */
void status_reply(struct client *c);

#endif
