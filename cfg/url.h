/* URLs of the upstream and of proxies, and which proxy the environment asks for. It knows the text
 * of a URL only: nothing is looked up, nothing is dialled. */
#ifndef CFG_URL_H
#define CFG_URL_H

#include "cfg/conf.h"

enum conf_url_kind {
    URL_BASE,      /* http, https; path allowed, credentials not */
    URL_PROXY,     /* http, https, any socks; credentials allowed, path not */
    URL_PROXY_ENV, /* the same as curl reads it: no scheme means http, no port 1080, a path is
                      ignored */
};

/* Takes text apart into *u, whose strings the caller frees with conf_url_free, whatever is
 * returned. Returns 0, -EINVAL with *why (static text without any part of the URL), -ENOMEM. */
int conf_url_parse(struct conf_url *u, struct span text, enum conf_url_kind kind, const char **why);

/* Makes *to a copy of *from, to be freed with conf_url_free whatever is returned: 0 or -ENOMEM. */
int conf_url_copy(struct conf_url *to, const struct conf_url *from);

/* Wipes and frees what u holds and clears it. */
void conf_url_free(struct conf_url *u);

/* True if no_proxy, a list as curl reads it, covers host (without brackets). */
bool conf_no_proxy(const char *no_proxy, const char *host);

/* The variable of the environment that names the proxy for base, or NULL: none does, or no_proxy
 * covers its host. */
const char *conf_proxy_variable(const struct conf_url *base);

#endif
