/* Finds a way of requests that leads back to where they came in. What only the network knows, such
 * as a name for this machine, is found out when a request comes back. */
#include "base/addr.h"
#include "cfg/conf.h"
#include "cfg/errors.h"

/* True if what connects to `to` reaches a socket that listens at `at`, ports left aside. */
static bool reaches(const struct addr *at, const struct addr *to)
{
    if (at->family != to->family)
        return false;
    return memcmp(at->ip, to->ip, sizeof at->ip) == 0 || (addr_is_any(at) && addr_is_loopback(to));
}

static bool text_reaches(const struct addr *at, const char *to)
{
    struct addr a;

    return addr_parse(&a, span_of(to)) && reaches(at, &a);
}

/* True if u leads to what l listens on. To connect to 0.0.0.0 is to connect to this machine. */
static bool leads_to(const struct conf_url *u, const struct conf_listen *l)
{
    struct addr at, to = { 0 };
    bool here;

    if (!u->host || l->is_unix || l->port != u->port || !addr_parse(&at, span_of(l->host)))
        return false;
    here = strcmp(u->host, "localhost") == 0 || strcmp(u->host, "localhost.") == 0;
    if (u->is_address && addr_parse(&to, span_of(u->host)))
        here |= addr_is_any(&to);
    if (here)
        return text_reaches(&at, "127.0.0.1") || text_reaches(&at, "::1");
    return u->is_address && reaches(&at, &to);
}

static bool leads_back(const struct conf *c, const struct conf_url *u)
{
    for (unsigned i = 0; i < c->server.n_listen; i++)
        if (leads_to(u, &c->server.listen[i]))
            return true;
    return false;
}

static bool socket_leads_back(const struct conf *c, const char *path)
{
    for (unsigned i = 0; i < c->server.n_listen; i++)
        if (c->server.listen[i].is_unix && strcmp(c->server.listen[i].host, path) == 0)
            return true;
    return false;
}

/* Where there is a proxy, the address of base_url is for that one to reach. */
const char *conf_leads_back(const struct conf *c, const struct conf_upstream *u)
{
    if (conf_has_socket(u))
        return socket_leads_back(c, u->socket) ? "socket" : NULL;
    if (u->proxy.host)
        return leads_back(c, &u->proxy) ? "proxy" : NULL;
    return leads_back(c, &u->base_url) ? "base_url" : NULL;
}

void conf_check_loop(const struct conf *c, struct conf_errors *e)
{
    for (unsigned i = 0; i < c->n_upstreams; i++) {
        const struct conf_upstream *u = &c->upstreams[i];
        const char *name = conf_leads_back(c, u), *text = u->base_url.text;
        char section[CONF_SECTION_MAX];
        int line;

        if (!name)
            continue;
        conf_upstream_section(section, u);
        line = conf_line_of(c, section, name);
        if (strcmp(name, "base_url") != 0)
            text = strcmp(name, "proxy") == 0 ? u->proxy.text : u->socket;
        conf_fault(e, line, section,
                   "%s: %s%s is an address that this proxy itself listens on: requests would come "
                   "back",
                   name, text, line ? "" : ", from the environment,");
    }
}
