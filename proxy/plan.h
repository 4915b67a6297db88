/* With which upstream and key a request is tried, and with which next. It knows what rests and what
 * was tried; the sending is proxy/request.c's, the decision to try again proxy/exchange.c's. */
#ifndef PROXY_PLAN_H
#define PROXY_PLAN_H

#include "http/head.h"
#include "proxy/authorization.h"

struct client;
struct exchange;
struct target;

/* Plans the tries of c's request, which begin at the target first. Returns 0, or -1 after
 * exchange_fault: all keys rest. */
int plan_begin(struct client *c, unsigned first);

/* Notes what the head h of the upstream's final response says of the key that the request took: one
 * that was answered 429 or 401 rests, if there are others. Returns true if the request was declined
 * and another try can follow, so that the response is not passed on. */
bool plan_declines(struct client *c, const struct http_head *h);

/* Goes on to the next try. A response that declined the request is set aside, as far as the limit
 * of connections allows. Returns false, nothing being changed, if no try can follow. */
bool plan_next(struct client *c);

/* Goes back to the try whose response was set aside, and drops the one under way. There is no other
 * try after that. Returns false, nothing being changed, if there is none. */
bool plan_back(struct client *c);

/* The key that the try under way takes to its upstream, auth being what the client has sent. */
struct authorization plan_authorization(const struct exchange *x, const struct authorization *auth);

/* The name that the model has at the upstream of the try under way; model: what the client calls
 * it. Equal to model where nobody renames it. */
struct span plan_model(const struct exchange *x, struct span model);

/* The target of the try under way. */
const struct target *plan_target(const struct exchange *x);

#endif
