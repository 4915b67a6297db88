/* proxy.ini as one plain struct, every error named by file and line. It knows no sockets and no
 * HTTP: it checks what can be checked from the text, and the files it names, alone. The keys are
 * tables in cfg/schema.c; the reader around inih is cfg/reader.c. */
#ifndef CFG_CONF_H
#define CFG_CONF_H

#include "base/files.h"
#include "base/quota.h"
#include "base/span.h"

#include <stdint.h>
#include <stdio.h>

#define CONF_SECTION_MAX 64 /* of a section's name in messages, NUL included */

enum conf_log_level { LOG_DEBUG_LEVEL, LOG_INFO_LEVEL, LOG_WARNING_LEVEL, LOG_ERROR_LEVEL };

/* One address to listen on, and how. */
struct conf_listen {
    char *text; /* the address, always written in the same way: "0.0.0.0:8000", "[::]:8000",
                   "unix:/run/x.sock" */
    char *host; /* numeric address without brackets, or the path of a unix socket */
    uint16_t port;
    bool is_unix;
    bool loopback;       /* 127.0.0.0/8, ::1 or a unix socket */
    bool proxy_protocol; /* connections begin with a PROXY header */
    bool tls;            /* clients speak TLS */
    bool admin;          /* for those who look after the program, not for requests */
    unsigned mode;       /* of a unix socket's file */
};

struct conf_pair { /* of [field_aliases], [upstream_headers] and [defaults], in file order */
    char *name, *value;
    int line;
};

/* A name of models, or the beginning of names, in a list. */
struct conf_model {
    char *name;  /* without the '*' at its end */
    bool prefix; /* there is one: every name that begins so */
    char *to;    /* behind "->": the name that the upstream knows; NULL: the same */
};

#define CONF_MODEL_MAX 256 /* the longest name of a model in a list, in bytes */

/* An upstream to ask next. */
struct conf_fallback {
    char *name;
    unsigned upstream; /* its index in conf.upstreams */
    char *model;       /* behind "->": the model to ask it for; NULL: the same */
};

struct conf_key { /* of [api_keys] and [key LABEL], in file order */
    char *label;  /* "alice"; for [api_keys] "key1", "key2", ... by position: a log may show it */
    char *client;
    char **upstream_keys; /* what default gets instead, in turn; 0: an api_key of default's */
    unsigned n_upstream_keys;
    struct conf_model *models; /* what may be asked for; 0: everything */
    unsigned n_models;
    char *upstream; /* the name of the one that gets all; NULL: by model */
    int pin;        /* its index in conf.upstreams; -1: by model */
    struct quota_limits limits;
    unsigned expires; /* the day from which it is refused, of UTC and since 1970-01-01; 0: never */
    bool in_table;    /* of [api_keys] */
    int line;         /* of the section, or of the entry in [api_keys] */
    int *lines;       /* see cfg/owners.h */
    uint64_t tally;   /* what its requests are counted by: room for proxy/settings.c */
    struct quota *quota; /* where it is counted what it uses of limits: room for proxy/limits.c */
};

/* A base_url or proxy URL taken apart. */
struct conf_url {
    char *text;    /* as written, or as it would be in a file; credentials masked */
    char *scheme;  /* "http", "https"; for proxies also "socks5", "socks5h", "socks4", "socks4a" and
                      "socks", which is socks4; in lower case */
    char *host;    /* without brackets, in lower case */
    uint16_t port; /* the scheme's own where none is given */
    char *path;    /* "" or "/prefix", no slash at the end and no two together; of a base_url
                      without /chat/completions at its end */
    char *user, *password; /* percent-decoded; NULL: none */
    bool is_address;       /* host is an IPv4 or IPv6 address */
};

/* True if there is a URL and its scheme is this one. */
static inline bool conf_url_is(const struct conf_url *u, const char *scheme)
{
    return u->host && strcmp(u->scheme, scheme) == 0;
}

/* A server that requests go to, with everything filled in that it has of [upstream]. */
struct conf_upstream {
    char *name;    /* "default" for [upstream] */
    int line;      /* the first that names it; 0: none */
    bool declared; /* there is an [upstream NAME] */
    struct conf_url base_url;
    char *proxy_url_path; /* as set, or what goes with base_url */
    char *target;         /* the path that chat completions are asked at */
    char *url;            /* the same as a whole URL, for people */
    bool versioned;       /* base_url stands for a client's "/v1": a passed /v1/x is x there */
    char **pass_paths;    /* of default alone: other paths to pass on, a '*' for any rest */
    unsigned n_pass_paths;
    struct conf_model *models;
    unsigned n_models;
    char **api_keys; /* used in turn */
    unsigned n_api_keys;
    bool client_key;   /* api_key = client: it gets what default would get */
    bool auth_api_key; /* the key is sent as "api-key: KEY", not "Authorization: Bearer KEY" */
    struct conf_fallback *fallbacks; /* in the order that they are asked */
    unsigned n_fallbacks;
    uint64_t retry_buffer;
    bool alias_top_only;
    bool include_usage;    /* streams are asked for their tokens */
    struct conf_url proxy; /* host == NULL: direct */
    char *socket;          /* the path of a unix socket to connect to; "" = the host of base_url */
    uint64_t timeout, response_timeout, idle_timeout, keepalive_timeout;
    uint64_t connection_max_age;
    unsigned connection_limit;
    bool tls_verify;
    char *ca_file; /* "" = find it */
    struct conf_pair *aliases;
    unsigned n_aliases;
    struct conf_pair *headers; /* fields set on every request; the values are secrets */
    unsigned n_headers;
    struct conf_pair *defaults;
    unsigned n_defaults;
    int *lines; /* see cfg/owners.h */
};

/* True if u is connected to by a unix socket. */
static inline bool conf_has_socket(const struct conf_upstream *u)
{
    return u->socket && u->socket[0];
}

/* All times in milliseconds (0 = off), all sizes in bytes. Strings belong to the struct. */
struct conf {
    char *file; /* what was read; NULL: built-in defaults */
    struct {
        struct conf_listen *listen;
        unsigned n_listen;
        unsigned workers; /* 0 = auto */
        unsigned max_connections;
        uint64_t max_header_size; /* 1k to 60k */
        uint64_t max_body_size;   /* 0 = no limit */
        uint64_t header_timeout, body_timeout, idle_timeout, drain_timeout;
        uint64_t ping_interval;
        uint64_t buffer_memory; /* what all requests of a worker are held back, together */
        char *user;             /* "" = stay */
        bool sandbox;
        char **certificates, **certificate_keys; /* paths, a key for each certificate */
        unsigned n_certificates, n_certificate_keys;
    } server;
    struct conf_upstream *upstreams; /* default first, the others in file order */
    unsigned n_upstreams;            /* at least 1 */
    struct conf_key *keys;
    unsigned n_keys;
    struct {
        /* addresses and CIDR blocks as written, checked */
        char **whitelist, **blacklist, **trusted, **admins;
        unsigned n_whitelist, n_blacklist, n_trusted, n_admins;
        unsigned requests_per_minute; /* of an address; 0 = no limit */
        bool pass_unknown_keys;
        char **cors_origins; /* NULL and 0: none; one "*": all */
        unsigned n_cors_origins;
    } access;
    struct {
        enum conf_log_level level;
        char *file; /* "stderr", "stdout", "syslog" or a path */
        bool json;
        bool requests, responses;
        uint64_t body_limit;
    } log;
    int *lines; /* see cfg/owners.h */
};

struct conf_errors;

/* A check by a room that knows more than this one (the JSON of [defaults], whether a user exists),
 * which adds what is wrong to e with conf_fault (cfg/errors.h). Texts of c may be NULL, and lists
 * empty, where they were wrong already. */
typedef void conf_checker(const struct conf *c, struct conf_errors *e);

/* Reads the configuration.
 *   path    the file, or NULL: ./proxy.ini, then /etc/openai-chat-proxy/proxy.ini, then the
 *           built-in defaults with OPENAI_BASE_URL and OPENAI_API_KEY
 *   files   reads it, and the files that it names
 *   also    asked for what else is wrong, so that one run tells all; may be NULL
 *   errors  where every error goes, a line each:
 *           "FILE:LINE: [section] what is wrong; did you mean 'x'?"
 * Returns 0 with *out, which the caller frees with conf_free; -EINVAL after at least one error was
 * written (*out is NULL then), -ENOMEM. A file that cannot be read is an error of its own, without
 * a line. No secret is ever written to errors. */
int conf_load(struct conf **out, const char *path, struct files *files, conf_checker *also,
              FILE *errors);

/* As conf_load for the text of a file, and without a look at OPENAI_*; name is what the errors call
 * it (copied). */
int conf_load_text(struct conf **out, struct span text, const char *name, struct files *files,
                   FILE *errors);

/* Writes one more error in the format of conf_load's: for what can only be found out with a
 * configuration that is whole. c->file names the file; line as struct conf_pair has it, or 0 for
 * none. Returns -EINVAL, always. */
int conf_error(FILE *errors, const struct conf *c, int line, const char *section, const char *fmt,
               ...) __attribute__((format(printf, 5, 6)));

/* The line of file where the key name of [section] was set, for conf_error; 0: it has its default
 * or comes from the environment. */
int conf_line_of(const struct conf *c, const char *section, const char *name);

/* The upstream whose api_key every client may use, because there is no table of keys and no list of
 * addresses to let in; NULL if there is none. */
const struct conf_upstream *conf_gives_key(const struct conf *c);

/* The setting of u that leads requests back to an address that c listens on, "base_url", "proxy" or
 * "socket"; NULL if none surely does. What only the network knows is not asked. */
const char *conf_leads_back(const struct conf *c, const struct conf_upstream *u);

/* The upstream that serves model for a client that is not pinned: exact names before prefixes,
 * longer prefixes before shorter, and default for what nobody lists, unless default has a list of
 * its own. Returns its index in c->upstreams with *match, the entry of its list (NULL: none), or -1
 * if nobody serves it. Goes through all lists: a choice for each request needs a table. */
int conf_choose(const struct conf *c, struct span model, const struct conf_model **match);

/* True if key has a limit, which an end is not. */
bool conf_is_limited(const struct conf_key *key);

/* Warns in errors of limits of tokens that an upstream need not report in streams, once: it can be
 * meant so. */
void conf_warn_tokens(const struct conf *c, FILE *errors);

/* How messages name the section of u: "upstream", "upstream deepseek". Returns out. */
const char *conf_upstream_section(char out[CONF_SECTION_MAX], const struct conf_upstream *u);

/* Says where requests would come back: a conf_checker, for a test alone; a start only warns. */
void conf_check_loop(const struct conf *c, struct conf_errors *e);

/* What has to be said of tls_verify = no wherever it is in force; takes the text of base_url. */
#define CONF_UNVERIFIED                                                                            \
    "tls_verify = no: nobody checks who %s is, and whoever answers gets the keys"

/* Writes the effective configuration as an INI file that would give the same, secrets (client keys,
 * real keys, a proxy's credentials) masked as ***. Each line ends with a comment that says where
 * the value came from. The tables of keys are written as [key LABEL] sections. */
void conf_print(const struct conf *c, FILE *to);

/* Writes what b has that a has not, a line for each setting: "[server] idle_timeout = 60 (was 75)";
 * of tables and secrets only that they have changed, and how. Returns how many lines. */
unsigned conf_changes(const struct conf *a, const struct conf *b, FILE *to);

/* Frees c and all it holds, secrets wiped; NULL is fine. */
void conf_free(struct conf *c);

#endif
