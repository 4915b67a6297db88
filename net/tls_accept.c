/* A client's TLS stream: what the server's side has beside net/tls_stream.c. */
#include "net/tls_server.h"
#include "net/tls_inside.h"

#include <errno.h>
#include <stdlib.h>

int tls_accept_make(struct stream **out, struct tls_context *c, struct stream *below,
                    struct watch *bottom, struct span sent)
{
    int err = tls_after_fork();
    struct tls *t = err ? NULL : tls_new(c, below, bottom);

    *out = NULL;
    if (!t)
        return err ? err : -ENOMEM;
    if (tls_prepare(t, c->config))
        goto fail;
    if (sent.n > 0) {
        t->carrier.in = t->carrier.in_kept = malloc(sent.n);
        if (!t->carrier.in)
            goto fail;
        memcpy(t->carrier.in, sent.p, sent.n);
        t->carrier.in_n = (uint32_t)sent.n;
    }
    *out = &t->stream;
    return 0;
fail:
    tls_free(t);
    return -ENOMEM;
}

bool tls_accept_saw_http(const struct stream *s)
{
    return tls_of(s)->plain_http;
}

struct stream *tls_accept_remove(struct stream *s)
{
    struct tls *t = tls_of(s);
    struct stream *below = t->carrier.below;

    tls_free(t);
    return below;
}

bool tls_accept_can_hear(const struct stream *s)
{
    return !tls_holds_input(tls_of(s));
}

/* A read of nothing goes on to the next record, and keeps it. */
bool tls_accept_has_left(struct stream *s)
{
    char none;
    ssize_t n = tls_holds_input(tls_of(s)) ? -EAGAIN : stream_read(s, &none, 0);

    return n != -EAGAIN && n != -ENOMEM;
}

int tls_accept_end(struct stream *s)
{
    return tls_announce_end(tls_of(s));
}

void tls_accept_break(struct stream *s)
{
    tls_of(s)->write_error = -EPIPE;
}
