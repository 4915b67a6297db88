/* Verdicts on an exchange, and the one way to its client. */
#include "proxy/state.h"

#include <stdio.h>

enum ending exchange_ending_of(enum failure f)
{
    switch (f) {
    case FAIL_DIAL_TIMEOUT:
    case FAIL_RESPONSE_TIMEOUT:
    case FAIL_REQUEST_TIMEOUT:
        return END_TIMEOUT;
    case FAIL_DNS:
    case FAIL_CONNECT:
    case FAIL_TLS:
    case FAIL_PROXY:
    case FAIL_UPSTREAM:
        return END_UPSTREAM_LOST;
    default:
        return END_COMPLETE;
    }
}

void exchange_ends_as(struct exchange *x, enum ending ending)
{
    if (exchange_ending(x) == END_COMPLETE)
        x->kind.what |= TALLY_WHAT(0, ending);
}

int exchange_fault(struct client *c, enum failure f, const char *why)
{
    if (c->x.fault != FAIL_NONE)
        return -1;
    c->x.fault = f;
    snprintf(c->worker->why, sizeof c->worker->why, "%s", why);
    return -1;
}

int exchange_json_fault(struct client *c, const char *why, uint64_t offset)
{
    char text[256];

    snprintf(text, sizeof text, "the request's body is not valid JSON: %s, at byte %llu", why,
             (unsigned long long)offset);
    return exchange_fault(c, FAIL_INVALID_JSON, text);
}

void client_send(struct client *c, struct iovec *iov, int n)
{
    for (int i = 0; i < n; i++)
        c->x.bytes_out += iov[i].iov_len;
    if (!c->broken && outq_send(&c->out, &c->worker->blocks, c->top, iov, n) == 0)
        return;
    c->x.cut = true;
    if (c->broken)
        return;
    c->broken = true;
    exchange_ends_as(&c->x, END_CLIENT_GONE);
}
