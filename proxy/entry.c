/* Judging an address, reading a PROXY header, and TLS. */
#include "proxy/entry.h"
#include "net/proxy_protocol.h"
#include "net/tls_server.h"
#include "proxy/admission.h"
#include "proxy/exchange.h"

#include <errno.h>

/* The arithmetic of one handshake takes milliseconds. When it has taken as many within one turn of
 * the loop, the next one waits for the next turn, so that streams do not wait for all of them. */
#define HANDSHAKE_MS_PER_TURN 4

bool entry_admit(struct client *c, bool proxy_header)
{
    struct worker *w = c->worker;
    const struct settings *s = w->settings;
    char ip[ADDR_TEXT_MAX];

    if (proxy_header && !admission_trusts(s, &c->peer)) {
        log_say(w->log, LOG_WARNING_LEVEL, "%s is no trusted proxy, and its connection is closed",
                addr_text(&c->peer, ip));
        return false;
    }
    if (proxy_header || c->admin || admission_trusts(s, &c->peer) || admission_allows(s, &c->peer))
        return true;
    c->denied = w->n_denied < CLIENTS_DENIED_MAX;
    w->n_denied += c->denied;
    return c->denied;
}

size_t entry_take_proxy_header(struct client *c, struct span in)
{
    char ip[ADDR_TEXT_MAX];
    ssize_t n = proxy_protocol_parse(in, &c->peer);

    if (n == -EAGAIN)
        return 0;
    if (n < 0) {
        log_say(c->worker->log, LOG_WARNING_LEVEL,
                "the connection from %s has no PROXY header as it should, and is closed",
                addr_text(&c->peer, ip));
        c->broken = true;
        return in.n;
    }
    c->phase = c->tls ? CLIENT_HANDSHAKE : CLIENT_HEAD;
    return (size_t)n;
}

/* What came behind a PROXY header is the beginning of the handshake. Returns 0 or a negative
 * errno. */
static int put_tls(struct client *c)
{
    struct stream *s;
    int err =
        tls_accept_make(&s, c->worker->settings->tls, c->top, &c->tcp.watch, inbuf_span(&c->in));

    if (err)
        return err;
    inbuf_clear(&c->in);
    c->top = s;
    return 0;
}

/* A client that takes the address for one of plain HTTP can read the error. */
static void refuse_plain_http(struct client *c)
{
    c->top = tls_accept_remove(c->top);
    c->phase = CLIENT_EXCHANGE;
    exchange_refuse(c, NULL, FAIL_BAD_REQUEST,
                    "this address speaks HTTPS, and the request came in plain HTTP");
}

static void tell_failure(const struct client *c)
{
    const char *why = stream_why(c->top);
    char ip[ADDR_TEXT_MAX];

    if (why)
        log_say(c->worker->log, LOG_INFO_LEVEL, "TLS with the client %s failed: %s",
                addr_text(&c->peer, ip), why);
}

bool entry_shake(struct client *c)
{
    int err = client_is_plain(c) ? put_tls(c) : 0;

    if (!err)
        err = reactor_spent(c->worker->reactor) >= HANDSHAKE_MS_PER_TURN ? -EAGAIN
                                                                         : stream_open(c->top);
    if (err == -EAGAIN)
        return false;
    if (!err) {
        c->phase = CLIENT_HEAD;
    } else if (!client_is_plain(c) && tls_accept_saw_http(c->top)) {
        refuse_plain_http(c);
    } else {
        if (!client_is_plain(c))
            tell_failure(c);
        c->broken = true;
    }
    return true;
}
