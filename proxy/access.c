/* Writing the access line.
 * Knows nothing of how lines are written: that is proxy/log.h.
 * The interface is proxy/access.h. */
#include "proxy/access.h"
#include "proxy/exchange.h"

static const char *const endings[] = {
    [END_COMPLETE] = "complete",
    [END_CLIENT_GONE] = "client_gone",
    [END_UPSTREAM_LOST] = "upstream_lost",
    [END_TIMEOUT] = "timeout",
};

/* Copies as much of from as there is room for. Returns how much. */
static size_t copy(char *to, size_t room, struct span from)
{
    size_t n = from.n < room ? from.n : room;

    if (n > 0)
        memcpy(to, from.p, n);
    return n;
}

uint8_t access_keep(const struct exchange *x, char *to, size_t room, struct span text)
{
    size_t n = 0, at = 0;

    if (text.n <= room)
        return (uint8_t)copy(to, room, text);
    while (at < text.n && n < room) {
        struct span secret = secrets_next(x->settings->secrets, NULL, text, at);

        n += copy(to + n, room - n, (struct span){ text.p + at, (size_t)(secret.p - text.p) - at });
        n += copy(to + n, room - n, secret.n > 0 ? SPAN("***") : SPAN(""));
        at = (size_t)(secret.p - text.p) + secret.n;
    }
    return (uint8_t)n;
}

/* Milliseconds from one moment to another; nothing where one of them never came. */
static void put_ms(struct log *l, const char *name, uint64_t from, uint64_t to)
{
    if (from && to)
        log_number(l, name, to - from);
    else
        log_no_number(l, name);
}

void access_log(const struct client *c)
{
    const struct exchange *x = &c->x;
    struct log *l = c->worker->log;
    char ip[ADDR_TEXT_MAX];

    if (!log_enabled(l, LOG_INFO_LEVEL))
        return;
    log_begin(l, LOG_INFO_LEVEL, NULL);
    log_mask_too(l, x->settings->secrets);
    log_field(l, "client", span_of(addr_text(&x->from, ip)));
    log_field(l, "key", span_of(x->key ? x->key->label : NULL));
    log_field(l, "method", (struct span){ x->method, x->method_n });
    log_field(l, "path", (struct span){ x->path, x->path_n });
    log_number(l, "status", (uint64_t)x->status);
    log_number(l, "in", x->bytes_in);
    log_number(l, "out", x->bytes_out);
    put_ms(l, "connect_ms", x->attempt.started, x->attempt.connected);
    put_ms(l, "first_byte_ms", x->started, x->first);
    log_number(l, "total_ms", reactor_now(c->worker->reactor) - x->started);
    log_field(l, "request_id", (struct span){ x->id, x->id_n });
    log_field(l, "client_request_id", (struct span){ x->client_id, x->client_id_n });
    log_field(l, "end", span_of(endings[x->ending]));
    log_end(l);
}
