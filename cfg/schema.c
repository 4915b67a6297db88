/* The tables of every section and key of proxy.ini, each told once. docs/proxy.ini.5 explains them
 * to their users. */
#include "cfg/schema.h"
#include "base/text.h"
#include "cfg/conf.h"

#define K (1ull << 10)
#define M (1ull << 20)
#define YEAR (366ull * 24 * 3600 * 1000)
#define KEY_MAX 8192
#define PATH_LONGEST 4000

#define AT(field) .at = offsetof(struct conf, field)
#define LIST(field, count)                                                                         \
    .at = offsetof(struct conf, field), .count_at = offsetof(struct conf, count)
#define ADDRESSES(field, count)                                                                    \
    CONF_ADDRESSES, .may_be_empty = true, LIST(field, count), .initial = "", .max = UINT32_MAX
#define MILLION 1000000ull
#define REQUESTS CONF_AMOUNT, .min = 1, .max = MILLION
#define TOKENS CONF_AMOUNT, .min = 1, .max = 4000 * MILLION
#define N_ROWS(rows) (sizeof(rows) / sizeof *(rows))

static const struct conf_row server_rows[] = {
    { "listen", CONF_LISTEN, LIST(server.listen, server.n_listen), .initial = "0.0.0.0:8000",
      .max = UINT32_MAX },
    { "certificate", CONF_FILES, .may_be_empty = true,
      LIST(server.certificates, server.n_certificates), .initial = "", .max = UINT32_MAX },
    { "certificate_key", CONF_FILES, .may_be_empty = true,
      LIST(server.certificate_keys, server.n_certificate_keys), .initial = "", .max = UINT32_MAX },
    { "workers", CONF_WORKERS, AT(server.workers), .initial = "1", .min = 1, .max = 1024 },
    { "max_connections", CONF_COUNT, AT(server.max_connections), .initial = "10000", .min = 1,
      .max = 1000000 },
    { "max_header_size", CONF_SIZE, AT(server.max_header_size), .initial = "16k", .min = 1 * K,
      .max = 60 * K },
    { "max_body_size", CONF_SIZE, AT(server.max_body_size), .initial = "100M", .max = M * M },
    { "header_timeout", CONF_TIME, AT(server.header_timeout), .initial = "10", .max = YEAR },
    { "body_timeout", CONF_TIME, AT(server.body_timeout), .initial = "60", .max = YEAR },
    { "idle_timeout", CONF_TIME, AT(server.idle_timeout), .initial = "75", .max = YEAR },
    { "drain_timeout", CONF_TIME, AT(server.drain_timeout), .initial = "30", .max = YEAR },
    { "ping_interval", CONF_TIME, AT(server.ping_interval), .initial = "0", .max = YEAR },
    { "buffer_memory", CONF_SIZE, AT(server.buffer_memory), .initial = "16M", .min = 64 * K,
      .max = M * M },
    { "user", CONF_USER, .may_be_empty = true, AT(server.user), .initial = "", .max = 128 },
    { "sandbox", CONF_BOOL, AT(server.sandbox), .initial = "yes" },
};

#define UPSTREAM(field) .at = offsetof(struct conf_upstream, field)
#define UPSTREAM_LIST(field)                                                                       \
    .at = offsetof(struct conf_upstream, field),                                                   \
    .count_at = offsetof(struct conf_upstream, n_##field)
#define INHERITED_TIME(field, text)                                                                \
    CONF_TIME, CONF_INHERITS, UPSTREAM(field), .initial = (text), .max = YEAR

static const struct conf_row upstream_rows[] = {
    { "base_url", CONF_BASE_URL, CONF_NEEDED, UPSTREAM(base_url),
      .initial = "https://api.openai.com", .max = PATH_LONGEST },
    { "proxy_url_path", CONF_TARGET, UPSTREAM(proxy_url_path), .initial = "/v1/chat/completions",
      .max = PATH_LONGEST },
    { "pass_paths", CONF_PATHS, CONF_REFUSED, UPSTREAM_LIST(pass_paths), .words = { "none" },
      .initial = "/v1/models, /v1/models/*", .max = UINT32_MAX },
    { "models", CONF_MODELS, .may_be_empty = true, UPSTREAM_LIST(models), .initial = "",
      .max = UINT32_MAX },
    { "api_key", CONF_KEYS, .may_be_empty = true, UPSTREAM_LIST(api_keys),
      .word_at = offsetof(struct conf_upstream, client_key), .words = { "client" }, .initial = "",
      .max = KEY_MAX },
    { "auth_header", CONF_CHOICE, CONF_INHERITS, UPSTREAM(auth_api_key), .initial = "authorization",
      .words = { "authorization", "api-key" } },
    { "fallback", CONF_FALLBACKS, .may_be_empty = true, UPSTREAM_LIST(fallbacks), .initial = "",
      .max = UINT32_MAX },
    { "retry_buffer", CONF_SIZE, CONF_INHERITS, UPSTREAM(retry_buffer), .initial = "256k",
      .max = M * M },
    { "alias_scope", CONF_CHOICE, CONF_INHERITS, UPSTREAM(alias_top_only), .initial = "all",
      .words = { "all", "top" } },
    { "include_usage", CONF_BOOL, CONF_INHERITS, UPSTREAM(include_usage), .initial = "no" },
    { "proxy", CONF_PROXY, CONF_INHERITS, .may_be_empty = true, UPSTREAM(proxy), .initial = "",
      .max = PATH_LONGEST },
    { "socket", CONF_SOCKET, .may_be_empty = true, UPSTREAM(socket), .initial = "",
      .max = PATH_LONGEST },
    { "timeout", INHERITED_TIME(timeout, "30") },
    { "response_timeout", INHERITED_TIME(response_timeout, "600") },
    { "idle_timeout", INHERITED_TIME(idle_timeout, "300") },
    { "keepalive_timeout", INHERITED_TIME(keepalive_timeout, "10") },
    { "connection_max_age", INHERITED_TIME(connection_max_age, "5m") },
    { "connection_limit", CONF_COUNT, CONF_INHERITS, UPSTREAM(connection_limit), .initial = "1000",
      .min = 1, .max = 1000000 },
    { "tls_verify", CONF_BOOL, CONF_INHERITS, UPSTREAM(tls_verify), .initial = "yes" },
    { "ca_file", CONF_CA_FILE, CONF_INHERITS, .may_be_empty = true, UPSTREAM(ca_file),
      .initial = "", .max = PATH_LONGEST },
};

static const struct conf_row access_rows[] = {
    { "ip_whitelist", ADDRESSES(access.whitelist, access.n_whitelist) },
    { "ip_blacklist", ADDRESSES(access.blacklist, access.n_blacklist) },
    { "trusted_proxies", ADDRESSES(access.trusted, access.n_trusted) },
    { "admin_addresses", ADDRESSES(access.admins, access.n_admins) },
    { "unknown_keys", CONF_CHOICE, AT(access.pass_unknown_keys), .initial = "reject",
      .words = { "reject", "pass" } },
    { "cors_origins", CONF_ORIGINS, LIST(access.cors_origins, access.n_cors_origins),
      .words = { "none" }, .initial = "*", .max = UINT32_MAX },
    { "requests_per_minute", REQUESTS, .may_be_empty = true, AT(access.requests_per_minute),
      .initial = "" },
};

static const struct conf_row log_rows[] = {
    { "level", CONF_LEVEL, AT(log.level), .initial = "info",
      .words = { "debug", "info", "warning", "error" } },
    { "file", CONF_LOG_FILE, AT(log.file), .initial = "stderr", .max = PATH_LONGEST },
    { "format", CONF_CHOICE, AT(log.json), .initial = "text", .words = { "text", "json" } },
    { "log_requests", CONF_BOOL, AT(log.requests), .initial = "no" },
    { "log_responses", CONF_BOOL, AT(log.responses), .initial = "no" },
    { "body_limit", CONF_SIZE, AT(log.body_limit), .initial = "64k", .min = 1, .max = 16 * M },
};

#define OF_KEY(field) .at = offsetof(struct conf_key, field)
#define OF_KEY_LIST(field)                                                                         \
    .at = offsetof(struct conf_key, field), .count_at = offsetof(struct conf_key, n_##field)

static const struct conf_row key_rows[] = {
    { "key", CONF_CLIENT, OF_KEY(client), .max = KEY_MAX },
    { "upstream_key", CONF_KEYS, OF_KEY_LIST(upstream_keys), .max = KEY_MAX },
    { "models", CONF_ALLOWED, OF_KEY_LIST(models), .max = UINT32_MAX },
    { "upstream", CONF_TEXT, OF_KEY(upstream), .max = 49 },
    { "requests_per_minute", REQUESTS, OF_KEY(limits.requests) },
    { "concurrent", REQUESTS, OF_KEY(limits.open) },
    { "tokens_per_minute", TOKENS, OF_KEY(limits.tokens) },
    { "tokens_per_day", TOKENS, OF_KEY(limits.tokens_of_day) },
    { "expires", CONF_DATE, OF_KEY(expires) },
};

static const struct conf_row api_keys_rows[] = {
    { "*", CONF_KEYS, .single = true, OF_KEY_LIST(upstream_keys), .max = KEY_MAX },
};

static const struct conf_row field_aliases_rows[] = {
    { "*", CONF_TEXT, .at = offsetof(struct conf_pair, value), .max = 4 * K },
};

static const struct conf_row defaults_rows[] = {
    { "*", CONF_JSON, .at = offsetof(struct conf_pair, value), .max = 64 * K },
};

static const struct conf_row upstream_headers_rows[] = {
    { "*", CONF_FIELD, .at = offsetof(struct conf_pair, value), .max = KEY_MAX },
};

#define ROWS(section) .rows = section##_rows, .n_rows = N_ROWS(section##_rows)
#define OF_UPSTREAM .label = "NAME", .owner = CONF_UPSTREAM

const struct conf_section conf_sections[] = {
    { "server", ROWS(server), .first = 0 },
    { "upstream", OF_UPSTREAM, ROWS(upstream) },
    { "field_aliases", OF_UPSTREAM, ROWS(field_aliases), .form = CONF_PAIRS,
      UPSTREAM_LIST(aliases) },
    { "upstream_headers", OF_UPSTREAM, ROWS(upstream_headers), .form = CONF_PAIRS,
      .names = CONF_FIELD_NAMES, UPSTREAM_LIST(headers) },
    { "defaults", OF_UPSTREAM, ROWS(defaults), .form = CONF_PAIRS, UPSTREAM_LIST(defaults) },
    { "api_keys", ROWS(api_keys), .owner = CONF_KEY, .form = CONF_CLIENTS },
    { "key", .label = "LABEL", .needs_label = true, ROWS(key), .owner = CONF_KEY },
    { "access", ROWS(access), .first = N_ROWS(server_rows) },
    { "log", ROWS(log), .first = N_ROWS(server_rows) + N_ROWS(access_rows) },
};

const unsigned conf_n_sections = N_ROWS(conf_sections);
const unsigned conf_n_lines = N_ROWS(server_rows) + N_ROWS(access_rows) + N_ROWS(log_rows);

const struct conf_section *conf_section_find(struct span text, struct span *label)
{
    size_t blank = span_find(text, ' '), tab = span_find(text, '\t');
    struct span name = { text.p, blank < tab ? blank : tab };

    *label = text_trim(span_skip(text, name.n));
    for (unsigned i = 0; i < conf_n_sections; i++) {
        const struct conf_section *s = &conf_sections[i];

        if (span_eq(name, span_of(s->name)))
            return (label->n > 0 ? s->label != NULL : !s->needs_label) ? s : NULL;
    }
    return NULL;
}

const struct conf_section *conf_section_named(const char *name)
{
    const struct conf_section *s = conf_sections;

    while (strcmp(s->name, name) != 0)
        s++;
    return s;
}

const struct conf_row *conf_row_find(const struct conf_section *section, struct span name)
{
    for (unsigned i = 0; i < section->n_rows; i++) {
        const struct conf_row *row = &section->rows[i];

        if (row->name[0] == '*' || span_eq(name, span_of(row->name)))
            return row;
    }
    return NULL;
}
