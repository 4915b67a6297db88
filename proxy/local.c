/* Health, preflights, and refusals of paths and methods. */
#include "proxy/local.h"
#include "base/text.h"
#include "proxy/cors.h"
#include "proxy/reply.h"
#include "proxy/scrape.h"
#include "proxy/snapshot.h"
#include "proxy/state.h"
#include "proxy/status.h"
#include "proxy/watch.h"

#include <stdio.h>
#include <stdlib.h>

static void reply_health(struct client *c)
{
    struct out o;

    reply_begin(c, &o, 200);
    reply_end(c, &o, SPAN("{\"status\":\"ok\"}"));
}

/* 503 tells whoever hands out requests to hand them to another instance. */
static void reply_ready(struct client *c)
{
    struct worker *w = c->worker;
    bool fails = snapshot_all_fail(w->tallies, c->x.settings->conf, *w->now);
    struct out o;

    reply_begin(c, &o, w->draining || fails ? 503 : 200);
    reply_end(c, &o,
              w->draining ? SPAN("{\"status\":\"draining\"}")
                  : fails ? SPAN("{\"status\":\"no upstream can be reached\"}")
                          : SPAN("{\"status\":\"ok\"}"));
}

static void reply_options(struct client *c, const struct http_head *h, struct span allow)
{
    struct out o;

    reply_begin(c, &o, 204);
    http_put_field(&o, SPAN("Allow"), allow);
    if (http_find(h, HTTP_ACCESS_CONTROL_REQUEST_METHOD))
        cors_put_preflight(&o, h, allow, c->x.cors);
    reply_end(c, &o, SPAN(""));
}

static void reply_wrong_method(struct client *c, struct span allow)
{
    char fields[128];
    struct out o;

    out_init(&o, fields, sizeof fields);
    http_put_field(&o, SPAN("Allow"), allow);
    reply_error(c, FAIL_METHOD, SPAN("this path does not know this method"), out_span(&o));
}

void local_narrow(const struct client *c, const struct http_head *h, struct route *r)
{
    const struct settings *s = c->x.settings;

    if (c->admin)
        *r = route_find_admin(h);
    else if (route_is_private(h) && !addrset_has(s->admins, &c->x.from))
        *r = route_find_public(h, &s->pass);
}

void local_respond(struct client *c, const struct http_head *h, const struct route *r)
{
    switch (r->handler) {
    case ROUTE_HEALTH:
        reply_health(c);
        break;
    case ROUTE_READY:
        reply_ready(c);
        break;
    case ROUTE_METRICS:
        scrape_begin(c);
        break;
    case ROUTE_STATUS:
        status_reply(c);
        break;
    case ROUTE_EVENTS:
        watch_begin(c);
        break;
    case ROUTE_OPTIONS:
        reply_options(c, h, r->allow);
        break;
    case ROUTE_METHOD:
        reply_wrong_method(c, r->allow);
        break;
    case ROUTE_PATH:
        reply_error(c, FAIL_BAD_REQUEST, SPAN("\".\" and \"..\" may not stand in a path"),
                    SPAN(""));
        break;
    default:
        reply_error(c, FAIL_URL,
                    SPAN("unknown path: it is neither /v1/chat/completions nor in pass_paths"),
                    SPAN(""));
    }
}

void local_go_on(struct client *c)
{
    scrape_go_on(c);
}

void local_end(struct client *c)
{
    scrape_end(c);
    watch_end(c);
}

#define MODELS SPAN("/v1/models")
#define LIST_MAX (4 * 1024 * 1024)

bool local_lists_models(const struct http_head *h, const struct route *r, const struct settings *s)
{
    if (r->handler != ROUTE_PASS || s->targets.n < 2 || r->path.n < MODELS.n ||
        !(span_eq(h->method, SPAN("GET")) || span_eq(h->method, SPAN("HEAD"))) ||
        memcmp(r->path.p, MODELS.p, MODELS.n) != 0)
        return false;
    return r->path.n == MODELS.n || r->path.p[MODELS.n] == '/';
}

/* The path's last segment, its percent-encoding undone (RFC 3986, 2.1): names have slashes in them.
 * Returns the length of what is written into out, which has room for path.n bytes. */
static size_t model_in(struct span path, char *out)
{
    struct span rest = span_skip(path, path.n > MODELS.n ? MODELS.n + 1 : MODELS.n);
    size_t n = 0;

    while (rest.n > 0) {
        int high = rest.n >= 3 && rest.p[0] == '%' ? text_hex(rest.p[1]) : -1;
        int low = high >= 0 ? text_hex(rest.p[2]) : -1;

        out[n++] = (char)(low >= 0 ? high << 4 | low : rest.p[0]);
        rest = span_skip(rest, low >= 0 ? 3 : 1);
    }
    return n;
}

/* Writes the list into the worker's out, or where that is too small into memory of its own. */
static bool put_list(struct client *c, struct out *o, struct span only)
{
    const struct settings *s = c->x.settings;
    struct worker *w = c->worker;
    size_t room = sizeof w->out;
    bool found;

    out_init(o, w->out, room);
    found = models_put(o, s->conf, s->models, c->x.key, only);
    while (o->overflow && room < LIST_MAX) {
        char *larger = realloc(o->p == w->out ? NULL : o->p, room *= 2);

        if (!larger)
            break;
        out_init(o, larger, room);
        found = models_put(o, s->conf, s->models, c->x.key, only);
    }
    return found;
}

void local_list_models(struct client *c, const struct route *r)
{
    char *only = malloc(r->path.n + 1), why[200];
    struct span name = { only, only ? model_in(r->path, only) : 0 };
    struct out head, body;
    bool found = put_list(c, &body, name);

    if (!found) {
        snprintf(why, sizeof why, "The model `%.*s` does not exist",
                 name.n < 100 ? (int)name.n : 100, only);
        reply_error(c, FAIL_MODEL, span_of(why), SPAN(""));
    } else if (body.overflow) {
        reply_error(c, FAIL_INTERNAL, SPAN("the list of models is too long"), SPAN(""));
    } else {
        reply_begin(c, &head, 200);
        reply_end(c, &head, out_span(&body));
    }
    if (body.p != c->worker->out)
        free(body.p);
    free(only);
}
