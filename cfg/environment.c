/* What the environment says where the file is silent, or missing. */
#include "cfg/load.h"
#include "cfg/owners.h"
#include "cfg/url.h"

#include <errno.h>
#include <stdlib.h>

/* Stores text, which the environment says, as name of [section]. */
static void store(struct conf_loader *l, const char *section, const char *name, const char *text)
{
    const struct conf_section *s = conf_section_named(section);

    conf_store(l, s, 0, conf_row_find(s, span_of(name)), CONF_ENVIRONMENT, span_of(text));
}

void conf_take_environment(struct conf_loader *l)
{
    const char *url = getenv("OPENAI_BASE_URL"), *key = getenv("OPENAI_API_KEY");

    if (url && *url)
        store(l, "upstream", "base_url", url);
    if (key && *key)
        store(l, "upstream", "api_key", key);
    /* The key is for this machine alone. */
    if (l->c->upstreams[0].n_api_keys > 0)
        store(l, "server", "listen", "127.0.0.1:8000");
}

void conf_take_proxy(struct conf_loader *l, struct conf_upstream *u)
{
    const struct conf_section *s = conf_section_named("upstream");
    const char *variable = NULL, *why = NULL;
    char shown[CONF_SECTION_MAX];
    int err;

    if (!u->proxy.text && u->base_url.host && !conf_has_socket(u))
        variable = conf_proxy_variable(&u->base_url);
    if (!variable)
        return;
    err = conf_url_parse(&u->proxy, span_of(getenv(variable)), URL_PROXY_ENV, &why);
    u->lines[conf_row_find(s, SPAN("proxy")) - s->rows] = CONF_ENVIRONMENT;
    if (err == -EINVAL)
        conf_fault(l->errors, 0, conf_upstream_section(shown, u),
                   "proxy: the URL in the environment's %s %s; with proxy = none no proxy is used",
                   variable, why);
    else if (err)
        l->errors->oom = true;
}
