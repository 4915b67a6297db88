/* Error bodies in the shape of the OpenAI API: {"error":{"message","type","param","code"}}. Knows
 * the shape only; proxy/failure.h tells which failure has which status and code. */
#ifndef HTTP_ERROR_H
#define HTTP_ERROR_H

#include "http/emit.h"

struct http_error {
    struct span message; /* any bytes; escaped here */
    struct span type;    /* such as "invalid_request_error"; plain ASCII */
    struct span param;   /* empty: null */
    struct span code;    /* empty: null; plain ASCII */
};

/* Appends the JSON object, without a line end. Sets o->overflow if it does not fit. */
void http_put_error(struct out *o, const struct http_error *e);

#endif
