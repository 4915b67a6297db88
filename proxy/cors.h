/* Cross-origin resource sharing (WHATWG Fetch, 3.2): which pages in a browser may call the proxy,
 * and the fields that tell the browser so. Knows nothing of keys: a preflight carries none. Errors
 * get the fields too, or a page could not read them. */
#ifndef PROXY_CORS_H
#define PROXY_CORS_H

#include "cfg/conf.h"
#include "http/emit.h"
#include "http/head.h"

/* What a request's origin gets: the value for Access-Control-Allow-Origin ("*", or the origin's own
 * entry of the list, which lives as long as c), or NULL where the request came from no page or from
 * one that is not allowed. h may be a head that was refused, or NULL where none came: then it may
 * have come from a page. */
const char *cors_origin(const struct conf *c, const struct http_head *h);

/* Writes the fields for an answer or error; origin is what cors_origin gave. Varies by origin only
 * where there is a list. */
void cors_put(struct out *o, const struct conf *c, const char *origin);

/* Writes the further fields for the answer to a preflight: methods, and the requested headers
 * reflected. */
void cors_put_preflight(struct out *o, const struct http_head *h, struct span methods,
                        const char *origin);

#endif
