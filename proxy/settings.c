/* Making and counting generations of settings.
 * Knows no connections.
 * The interface is proxy/settings.h. */
#include "proxy/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static char *host_value(const struct conf_url *u)
{
    bool standard = u->port == (strcmp(u->scheme, "https") == 0 ? 443 : 80);
    bool v6 = strchr(u->host, ':') != NULL;
    size_t n = strlen(u->host) + 16;
    char *s = malloc(n);

    if (s && standard)
        snprintf(s, n, v6 ? "[%s]" : "%s", u->host);
    else if (s)
        snprintf(s, n, v6 ? "[%s]:%u" : "%s:%u", u->host, (unsigned)u->port);
    return s;
}

static char *bearer(const char *key)
{
    size_t n = strlen(key) + sizeof "Bearer ";
    char *s = malloc(n);

    if (s)
        snprintf(s, n, "Bearer %s", key);
    return s;
}

int settings_make(struct settings **out, struct conf *c)
{
    struct settings *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s) {
        conf_free(c);
        return -ENOMEM;
    }
    s->refs = 1;
    s->conf = c;
    s->host = host_value(&c->upstream.base_url);
    if (c->n_keys == 0 && c->upstream.api_key[0])
        s->api_key = bearer(c->upstream.api_key);
    if (!s->host || (c->n_keys == 0 && c->upstream.api_key[0] && !s->api_key) ||
        (c->n_keys > 0 && key_map_make(&s->keys, c->keys, c->n_keys))) {
        settings_release(s, NULL);
        return -ENOMEM;
    }
    s->timeouts.header.ms = c->server.header_timeout;
    s->timeouts.body.ms = c->server.body_timeout;
    s->timeouts.idle.ms = c->server.idle_timeout;
    s->timeouts.dial.ms = c->upstream.timeout;
    s->timeouts.answer.ms = c->upstream.response_timeout;
    s->timeouts.silence.ms = c->upstream.idle_timeout;
    s->timeouts.keepalive.ms = c->upstream.keepalive_timeout;
    *out = s;
    return 0;
}

struct settings *settings_hold(struct settings *s)
{
    s->refs++;
    return s;
}

void settings_release(struct settings *s, struct reactor *r)
{
    struct timer_kind *kinds = s ? (struct timer_kind *)&s->timeouts : NULL;

    if (!s || --s->refs > 0)
        return;
    for (size_t i = 0; r && i < sizeof s->timeouts / sizeof *kinds; i++)
        timer_kind_forget(r, &kinds[i]);
    key_map_free(s->keys);
    free(s->host);
    free(s->api_key);
    conf_free(s->conf);
    free(s);
}
