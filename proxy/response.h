/* The response's way down: the upstream's head, rewritten, and the body as it comes, each event at
 * once. It knows nothing of the request. */
#ifndef PROXY_RESPONSE_H
#define PROXY_RESPONSE_H

#include <stdbool.h>

struct client;

#define RESPONSE_HEAD_MAX (60 * 1024) /* the longest head of an upstream */

/* True if the response's way takes bytes: the one rule of its back-pressure. */
bool response_takes(const struct client *c);

/* Reads from the upstream and passes on what comes. may_keep: as far as the request is concerned
 * the client's connection can be used again, which the head says. Returns 1 if bytes came, 0 if
 * none did, or -1 after exchange_fault. x.response tells how far the response is. */
int response_read(struct client *c, bool may_keep);

/* Passes on what has come of a response that declined the request and was set aside: its head at
 * the least. Returns 0, or -1 after exchange_fault. */
int response_resume(struct client *c, bool may_keep);

/* True if the response is an event stream that comment lines may be put into while it is silent. */
bool response_can_be_pinged(const struct client *c);

/* Puts a comment line into the event stream, so that whatever stands before the client does not
 * take it for dead; but only between two events. */
void response_ping(struct client *c);

/* True if the stream under way has said that it is complete, so that nothing that breaks now breaks
 * it. */
bool response_is_whole(const struct client *c);

/* Ends the response under way as a complete one. */
void response_end(struct client *c);

/* The response breaks off after its head is out, for the reason in x.fault: an event stream ends
 * with an error event, any other body is left visibly incomplete. */
void response_cut(struct client *c);

/* The body of the response under way is over, as far as the client is concerned: where it is an
 * event stream, one less is open. */
void response_no_stream(struct client *c);

/* The proxy's own response was handed to the client's side. */
void response_replied(struct client *c);

#endif
