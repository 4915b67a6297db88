/* Asking for a tunnel and reading the answer.
 * Knows no sockets.
 * The interface is upstream/http_tunnel.h. */
#include "upstream/http_tunnel.h"
#include "http/emit.h"
#include "http/head.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (16 * 1024)

struct http_tunnel {
    struct dialogue dialogue;
    bool has_credentials;
    size_t n;
    char text[]; /* what is said */
};

static struct http_tunnel *tunnel_of(struct dialogue *d)
{
    return container_of(d, struct http_tunnel, dialogue);
}

/* The reason phrase is not repeated: it is the proxy's, which knows the credentials. */
static ssize_t refuse(struct http_tunnel *t, int status)
{
    struct span reason = http_reason(status);
    const char *hint = "";

    if (status == 407)
        hint = t->has_credentials
            ? ": it does not accept the user and the password, or not by Basic"
            : ": it wants a user and a password";
    snprintf(t->dialogue.why, sizeof t->dialogue.why, "refused a tunnel with %d %.*s%s", status,
             (int)reason.n, reason.p, hint);
    return -EPROTO;
}

/* Any 2xx opens the tunnel, and has no body whatever its fields say. */
static ssize_t hear(struct dialogue *d, struct span in)
{
    struct http_head h;
    ssize_t used = 0;

    for (;;) {
        ssize_t n = http_connect_response_parse(&h, span_skip(in, (size_t)used), ANSWER_MAX);

        if (n == -EAGAIN && in.n >= ANSWER_MAX) {
            snprintf(d->why, sizeof d->why, "answers CONNECT without coming to an end");
            return -EPROTO;
        }
        if (n == -EAGAIN)
            return -EAGAIN;
        if (n < 0) {
            snprintf(d->why, sizeof d->why, "does not answer CONNECT in HTTP/1.1 as it should: %s",
                     h.fault->why);
            return -EPROTO;
        }
        used += n;
        if (h.status >= 200 || h.status == 101)
            break;
    }
    d->done = h.status / 100 == 2;
    return d->done ? used : refuse(tunnel_of(d), h.status);
}

static void wipe_and_free(struct dialogue *d)
{
    struct http_tunnel *t = tunnel_of(d);

    wipe(t->text, t->n);
    free(t);
}

int http_tunnel_make(struct dialogue **out, const char *authority, const char *credentials)
{
    size_t n = 128 + 3 * strlen(authority) + (credentials ? strlen(credentials) : 0);
    struct http_tunnel *t = calloc(1, sizeof *t + n);
    struct out o;

    *out = NULL;
    if (!t)
        return -ENOMEM;
    t->n = n;
    t->has_credentials = credentials != NULL;
    out_init(&o, t->text, n);
    out_put(&o, SPAN("CONNECT "));
    out_put(&o, span_of(authority));
    out_put(&o, SPAN(" HTTP/1.1\r\n"));
    http_put_field(&o, SPAN("Host"), span_of(authority));
    if (credentials)
        http_put_field(&o, SPAN("Proxy-Authorization"), span_of(credentials));
    out_put(&o, SPAN("\r\n"));
    t->dialogue.say = out_span(&o);
    t->dialogue.hear = hear;
    t->dialogue.free = wipe_and_free;
    *out = &t->dialogue;
    return 0;
}
