/* Writing the access line, field by field. */
#include "proxy/access_log.h"
#include "proxy/plan.h"
#include "proxy/state.h"

#define KEY_MIN 4 /* a shorter one would be found everywhere */

static const char *const endings[] = {
    [END_COMPLETE] = "complete",
    [END_CLIENT_GONE] = "client_gone",
    [END_UPSTREAM_LOST] = "upstream_lost",
    [END_TIMEOUT] = "timeout",
};

const char *access_ending(unsigned ending)
{
    return endings[ending];
}

/* Copies as much of from as there is room for. Returns how much. */
static size_t copy(char *to, size_t room, struct span from)
{
    size_t n = from.n < room ? from.n : room;

    if (n > 0)
        memcpy(to, from.p, n);
    return n;
}

void access_note_key(struct exchange *x, struct span sent)
{
    if (x->id_n == 0 && sent.n >= KEY_MIN)
        x->sent_n = (uint8_t)copy(x->id, sizeof x->id, sent);
}

/* Copies text, its secrets masked if not all of it fits. */
static size_t keep(const struct exchange *x, char *to, size_t room, struct span text)
{
    struct secrets_search search = { .sets = { x->settings->secrets }, .text = text };
    size_t n = 0, at = 0;

    if (text.n <= room)
        return copy(to, room, text);
    while (at < text.n && n < room) {
        struct span secret = secrets_next(&search);

        n += copy(to + n, room - n, (struct span){ text.p + at, (size_t)(secret.p - text.p) - at });
        n += copy(to + n, room - n, secret.n > 0 ? SPAN("***") : SPAN(""));
        at = (size_t)(secret.p - text.p) + secret.n;
    }
    return n;
}

/* Of a long key only the beginning is known, so that all after it is left out. */
static size_t keep_without_key(const struct exchange *x, char *to, size_t room, struct span text)
{
    size_t sent_n = x->id_n == 0 ? x->sent_n : 0, n = 0;
    char sent[LOGGED_ID_MAX];
    const char *hit;

    memcpy(sent, x->id, sent_n); /* to may be the id */
    while (sent_n > 0 && (hit = memmem(text.p, text.n, sent, sent_n))) {
        size_t before = (size_t)(hit - text.p);

        n += keep(x, to + n, room - n, (struct span){ text.p, before });
        n += copy(to + n, room - n, SPAN("***"));
        text = span_skip(text, sent_n < sizeof sent ? before + sent_n : text.n);
    }
    return n + keep(x, to + n, room - n, text);
}

uint8_t access_keep(const struct exchange *x, char *to, size_t room, struct span text)
{
    if (text.n > room || (x->sent_n > 0 && text.n >= x->sent_n))
        return (uint8_t)keep_without_key(x, to, room, text);
    if (text.n > 0)
        memcpy(to, text.p, text.n);
    return (uint8_t)text.n;
}

/* Milliseconds from one moment to another; nothing where one of them never came. */
static void put_ms(struct log *l, const struct log_name *name, uint64_t from, uint64_t to)
{
    if (from && to)
        log_number(l, name, to - from);
    else
        log_no_number(l, name);
}

/* What the request was tried with, where there is a choice. */
static void put_plan(struct log *l, const struct exchange *x)
{
    log_field(l, LOG_NAME("upstream"), span_of(x->tries > 0 ? plan_target(x)->conf->name : NULL));
    log_field(l, LOG_NAME("model"), span_of(x->model));
    log_number(l, LOG_NAME("key_index"), x->key_index);
    log_number(l, LOG_NAME("tries"), x->tries);
}

/* True for a probe that found what it looked for. */
static bool is_probe(const struct exchange *x)
{
    return route_is_probe(x->kind.what) && x->kind.status == 200;
}

void access_log(const struct client *c)
{
    const struct exchange *x = &c->x;
    struct log *l = c->worker->log;
    enum conf_log_level level = is_probe(x) ? LOG_DEBUG_LEVEL : LOG_INFO_LEVEL;
    char ip[ADDR_TEXT_MAX];

    if (!log_enabled(l, level))
        return;
    log_begin(l, level, NULL);
    log_mask_too(l, x->settings->secrets);
    log_word(l, LOG_NAME("client"), span_of(addr_text(&x->from, ip)));
    log_field(l, LOG_NAME("key"), span_of(x->key ? x->key->label : NULL));
    if (x->settings->targets.n > 1 || x->settings->targets.retries)
        put_plan(l, x);
    log_field(l, LOG_NAME("method"), (struct span){ x->method, x->method_n });
    log_field(l, LOG_NAME("path"), (struct span){ x->path, x->path_n });
    log_number(l, LOG_NAME("status"), x->kind.status);
    log_number(l, LOG_NAME("in"), x->bytes_in);
    log_number(l, LOG_NAME("out"), x->bytes_out);
    put_ms(l, LOG_NAME("connect_ms"), x->attempt.started, x->attempt.connected);
    put_ms(l, LOG_NAME("first_byte_ms"), x->started, x->first ? x->started + x->first - 1 : 0);
    log_number(l, LOG_NAME("total_ms"), reactor_now(c->worker->reactor) - x->started);
    log_field(l, LOG_NAME("request_id"), (struct span){ x->id, x->id_n });
    log_field(l, LOG_NAME("client_request_id"), (struct span){ x->client_id, x->client_id_n });
    log_word(l, LOG_NAME("end"), span_of(endings[exchange_ending(x)]));
    log_end(l);
}
