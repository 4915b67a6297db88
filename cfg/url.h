/* URLs of the upstream and of proxies, and which proxy the environment asks for.
 * Knows the text of a URL only: nothing is looked up, nothing is dialled.
 * cfg/values.c calls it for base_url and proxy; net/dial.h is where the result is used. */
#ifndef CFG_URL_H
#define CFG_URL_H

#include "cfg/conf.h"

enum conf_url_kind {
    URL_BASE,                           /* http, https; path allowed, credentials not */
    URL_PROXY,                          /* http, https, socks5, socks5h; credentials allowed, path not */
    URL_PROXY_ENV,                      /* the same as curl reads it: no scheme means http, no port 1080, a path is ignored */
};

/* Takes text apart into *u, whose strings the caller frees with conf_url_free, whatever is returned.
 * Returns 0, -EINVAL with *why (static text without any part of the URL), -ENOMEM. */
int conf_url_parse(struct conf_url *u, struct span text, enum conf_url_kind kind, const char **why);

/* Wipes and frees what u holds and clears it. */
void conf_url_free(struct conf_url *u);

/* True if no_proxy, a list as curl reads it, covers host (without brackets). */
bool conf_no_proxy(const char *no_proxy, const char *host);

/* The variable of the environment that names the proxy for base, or NULL: none does, or no_proxy covers its host. */
const char *conf_proxy_variable(const struct conf_url *base);

/* The path that requests go to: base's path and path joined, a /v1 that both have only once. NULL if memory ran out. */
char *conf_url_join(const struct conf_url *base, const char *path);

#endif
