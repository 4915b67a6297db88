/* The heads of an upstream's response on their way to the client: what is taken from them, and how
 * they are written. */
#ifndef PROXY_RESPONSE_HEAD_H
#define PROXY_RESPONSE_HEAD_H

#include "http/head.h"
#include "http/body.h"

struct client;

/* Begins the response with its final head h: sets how both bodies are framed, and begins out with
 * the head for the client, which lies in the worker's text. may_keep: see response_read. */
void response_begin(struct client *c, const struct http_head *h, bool may_keep,
                    struct http_writer *out);

/* 1xx: what the client's SDK can use goes on (RFC 9110, 15.2); 100 answers an expectation that was
 * never passed on. */
void response_interim(struct client *c, const struct http_head *h);

#endif
