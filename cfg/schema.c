/* The table of every key of proxy.ini: section, name, type, place, default and limits, each told once.
 * Knows no file and parses nothing; all messages about a value follow from its type, in cfg/values.c.
 * Who fills a struct conf by this table is cfg/load.c; docs/proxy.ini.5 explains each key to its users. */
#include "cfg/schema.h"
#include "cfg/conf.h"

#define K (1ull << 10)
#define M (1ull << 20)
#define YEAR (366ull * 24 * 3600 * 1000)
#define KEY_MAX 8192
#define PATH_LONGEST 4000

#define AT(field) .at = offsetof(struct conf, field)
#define LIST(field, count) .at = offsetof(struct conf, field), .count_at = offsetof(struct conf, count)
#define TIME(field, text) CONF_TIME, AT(field), .initial = (text), .max = YEAR
#define SWITCH(field, text) CONF_BOOL, AT(field), .initial = (text)
#define CHOICE(field, no, yes) CONF_CHOICE, AT(field), .initial = (no), .words = { no, yes }
#define ADDRESSES(field, count) CONF_ADDRESSES, .may_be_empty = true, LIST(field, count), .initial = "", .max = UINT32_MAX

const struct conf_row conf_rows[] = {
    { "server", "listen", CONF_LISTEN, LIST(server.listen, server.n_listen), .initial = "0.0.0.0:8000", .max = UINT32_MAX },
    { "server", "workers", CONF_WORKERS, AT(server.workers), .initial = "1", .min = 1, .max = 1024 },
    { "server", "max_connections", CONF_COUNT, AT(server.max_connections), .initial = "10000", .min = 1, .max = 1000000 },
    { "server", "max_header_size", CONF_SIZE, AT(server.max_header_size), .initial = "16k", .min = 1 * K, .max = 60 * K },
    { "server", "max_body_size", CONF_SIZE, AT(server.max_body_size), .initial = "100M", .max = M * M },
    { "server", "header_timeout", TIME(server.header_timeout, "10") },
    { "server", "body_timeout", TIME(server.body_timeout, "60") },
    { "server", "idle_timeout", TIME(server.idle_timeout, "75") },
    { "server", "drain_timeout", TIME(server.drain_timeout, "30") },
    { "server", "user", CONF_USER, .may_be_empty = true, AT(server.user), .initial = "", .max = 128 },

    { "upstream", "base_url", CONF_BASE_URL, AT(upstream.base_url), .initial = "https://api.openai.com", .max = PATH_LONGEST },
    { "upstream", "proxy_url_path", CONF_TARGET, AT(upstream.proxy_url_path), .initial = "/v1/chat/completions",
      .max = PATH_LONGEST },
    { "upstream", "alias_scope", CHOICE(upstream.alias_top_only, "all", "top") },
    { "upstream", "api_key", CONF_SECRET, .may_be_empty = true, AT(upstream.api_key), .initial = "", .max = KEY_MAX },
    { "upstream", "proxy", CONF_PROXY, .may_be_empty = true, AT(upstream.proxy), .initial = "", .max = PATH_LONGEST },
    { "upstream", "timeout", TIME(upstream.timeout, "30") },
    { "upstream", "response_timeout", TIME(upstream.response_timeout, "600") },
    { "upstream", "idle_timeout", TIME(upstream.idle_timeout, "300") },
    { "upstream", "keepalive_timeout", TIME(upstream.keepalive_timeout, "10") },
    { "upstream", "connection_limit", CONF_COUNT, AT(upstream.connection_limit), .initial = "1000", .min = 1, .max = 1000000 },
    { "upstream", "tls_verify", SWITCH(upstream.tls_verify, "yes") },
    { "upstream", "ca_file", CONF_CA_FILE, .may_be_empty = true, AT(upstream.ca_file), .initial = "", .max = PATH_LONGEST },

    { "access", "ip_whitelist", ADDRESSES(access.whitelist, access.n_whitelist) },
    { "access", "ip_blacklist", ADDRESSES(access.blacklist, access.n_blacklist) },
    { "access", "trusted_proxies", ADDRESSES(access.trusted, access.n_trusted) },
    { "access", "unknown_keys", CHOICE(access.pass_unknown_keys, "reject", "pass") },
    { "access", "cors_origins", CONF_ORIGINS, LIST(access.cors_origins, access.n_cors_origins), .initial = "*",
      .max = UINT32_MAX },

    { "log", "level", CONF_LEVEL, AT(log.level), .initial = "info", .words = { "debug", "info", "warning", "error" } },
    { "log", "file", CONF_LOG_FILE, AT(log.file), .initial = "stderr", .max = PATH_LONGEST },
    { "log", "format", CHOICE(log.json, "text", "json") },
    { "log", "log_requests", SWITCH(log.requests, "no") },
    { "log", "log_responses", SWITCH(log.responses, "no") },
    { "log", "body_limit", CONF_SIZE, AT(log.body_limit), .initial = "64k", .min = 1, .max = 16 * M },

    { "key", "key", CONF_SECRET, .at = offsetof(struct conf_key, client), .max = KEY_MAX },
    { "key", "upstream_key", CONF_SECRET, .at = offsetof(struct conf_key, upstream), .max = KEY_MAX },
    { "api_keys", "*", CONF_SECRET, .at = offsetof(struct conf_key, upstream), .max = KEY_MAX },
    { "field_aliases", "*", CONF_TEXT, .at = offsetof(struct conf_pair, value), .max = 4 * K },
    { "defaults", "*", CONF_TEXT, .at = offsetof(struct conf_pair, value), .max = 64 * K },
};

const unsigned conf_n_rows = sizeof(conf_rows) / sizeof(conf_rows[0]);
const unsigned conf_n_fixed = sizeof(conf_rows) / sizeof(conf_rows[0]) - 5;

static bool is(struct span s, const char *word)
{
    return span_eq(s, span_of(word));
}

const struct conf_row *conf_row_find(struct span section, struct span name)
{
    for (unsigned i = 0; i < conf_n_rows; i++) {
        const struct conf_row *row = &conf_rows[i];
        if (is(section, row->section) && (is(name, row->name) || row->name[0] == '*'))
            return row;
    }
    return NULL;
}

bool conf_section_known(struct span section)
{
    for (unsigned i = 0; i < conf_n_rows; i++)
        if (is(section, conf_rows[i].section))
            return true;
    return false;
}

void conf_unknown_section(struct conf_errors *e, int line, struct span section)
{
    struct conf_nearest nearest = { .word = section };
    struct conf_quoted hint;
    char shown[64];
    snprintf(shown, sizeof(shown), "%.*s", (int)section.n, section.p);
    for (unsigned i = 0; i < conf_n_rows; i++)
        conf_nearest_try(&nearest, strcmp(conf_rows[i].section, "key") == 0 ? "key LABEL" : conf_rows[i].section);
    if (is(section, "key") || is(section, "keys"))
        nearest.best = "key LABEL";
    conf_fault(e, line, shown, "unknown section%s", conf_nearest_hint(&nearest, &hint));
}

/* The section, other than section itself, that has a key called name; NULL if there is none. */
static const char *home_of(struct span section, struct span name)
{
    for (unsigned i = 0; i < conf_n_rows; i++)
        if (conf_rows[i].name[0] != '*' && !is(section, conf_rows[i].section) && is(name, conf_rows[i].name))
            return conf_rows[i].section;
    return NULL;
}

/* True if a name that nobody knows may be shown: a client's key that strayed into the wrong section is long or has digits. */
static bool looks_harmless(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] >= '0' && name.p[i] <= '9' && name.n > 12)
            return false;
    return name.n <= 32;
}

void conf_unknown_name(struct conf_errors *e, int line, const char *shown, struct span name)
{
    struct span section = strncmp(shown, "key ", 4) == 0 ? SPAN("key") : span_of(shown);
    struct conf_nearest nearest = { .word = name };
    struct conf_quoted quoted, hint;
    const char *home = home_of(section, name);
    if (home) {
        conf_fault(e, line, shown, "unknown key %s here; did you mean it for [%s%s]?", conf_quote(&quoted, name), home,
                   strcmp(home, "key") == 0 ? " LABEL" : "");
        return;
    }
    for (unsigned i = 0; i < conf_n_rows; i++)
        if (is(section, conf_rows[i].section))
            conf_nearest_try(&nearest, conf_rows[i].name);
    bool show = nearest.best || looks_harmless(name);
    conf_fault(e, line, shown, "unknown key %s%s", show ? conf_quote(&quoted, name) : "(not shown: it may be a secret)",
               conf_nearest_hint(&nearest, &hint));
}
