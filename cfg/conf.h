/* proxy.ini as one plain struct, every error named by file and line.
 * Knows no sockets and no HTTP: it checks what can be checked from the text (and the files it names) alone.
 * The keys are a table in cfg/schema.c; the reader around inih is cfg/reader.c. */
#ifndef CFG_CONF_H
#define CFG_CONF_H

#include "net/span.h"

#include <stdint.h>
#include <stdio.h>

enum conf_log_level { LOG_DEBUG_LEVEL, LOG_INFO_LEVEL, LOG_WARNING_LEVEL, LOG_ERROR_LEVEL };

/* One address to listen on, and how. */
struct conf_listen {
    char *text;                         /* the address, always written in the same way: "0.0.0.0:8000", "[::]:8000", "unix:/run/x.sock" */
    char *host;                         /* numeric address without brackets, or the path of a unix socket */
    uint16_t port;
    bool is_unix;
    bool loopback;                      /* 127.0.0.0/8, ::1 or a unix socket */
    bool proxy_protocol;                /* connections begin with a PROXY header */
    unsigned mode;                      /* of a unix socket's file */
};

struct conf_pair {                      /* of [field_aliases] and [defaults], in file order */
    char *name, *value;
    int line;
};

struct conf_key {                       /* of [api_keys] and [key LABEL], in file order */
    char *label;                        /* "alice"; for [api_keys] "key1", "key2", … by position: a log may show it */
    char *client, *upstream;
    int line;
};

/* A base_url or proxy URL taken apart. */
struct conf_url {
    char *text;                         /* as written, or as it would be in a file; credentials masked */
    char *scheme;                       /* "http", "https"; for proxies also "socks5", "socks5h"; in lower case */
    char *host;                         /* without brackets, in lower case */
    uint16_t port;                      /* the scheme's own where none is given */
    char *path;                         /* "" or "/prefix", no slash at the end */
    char *user, *password;              /* percent-decoded; NULL: none */
    bool is_address;                    /* host is an IPv4 or IPv6 address */
};

/* True if there is a URL and its scheme is this one. */
static inline bool conf_url_is(const struct conf_url *u, const char *scheme)
{
    return u->host && strcmp(u->scheme, scheme) == 0;
}

/* All times in milliseconds (0 = off), all sizes in bytes. Strings belong to the struct. */
struct conf {
    char *file;                         /* what was read; NULL: built-in defaults */
    struct {
        struct conf_listen *listen;
        unsigned n_listen;
        unsigned workers;               /* 0 = auto */
        unsigned max_connections;
        uint64_t max_header_size;       /* 1k to 60k */
        uint64_t max_body_size;         /* 0 = no limit */
        uint64_t header_timeout, body_timeout, idle_timeout, drain_timeout;
        char *user;                     /* "" = stay */
    } server;
    struct {
        struct conf_url base_url;
        char *proxy_url_path;
        char *target;                   /* path of base_url and proxy_url_path joined, /v1 not doubled */
        bool alias_top_only;
        char *api_key;                  /* "" = none */
        struct conf_url proxy;          /* host == NULL: direct */
        uint64_t timeout, response_timeout, idle_timeout, keepalive_timeout;
        unsigned connection_limit;
        bool tls_verify;
        char *ca_file;                  /* "" = find it */
    } upstream;
    struct conf_pair *aliases;
    unsigned n_aliases;
    struct conf_pair *defaults;
    unsigned n_defaults;
    struct conf_key *keys;
    unsigned n_keys;
    struct {
        char **whitelist, **blacklist, **trusted;   /* addresses and CIDR blocks as written, checked */
        unsigned n_whitelist, n_blacklist, n_trusted;
        bool pass_unknown_keys;
        char **cors_origins;            /* NULL and 0: none; one "*": all */
        unsigned n_cors_origins;
    } access;
    struct {
        enum conf_log_level level;
        char *file;                     /* "stderr", "syslog" or a path */
        bool json;
        bool requests, responses;
        uint64_t body_limit;
    } log;
    int *origin;                        /* for conf_print, by row of cfg/schema.c: the line of file, 0 = default,
        -1 = environment */
};

struct conf_errors;

/* A check by who knows more than this room (the JSON of [defaults], whether a user exists), which adds what is wrong to e with conf_fault (cfg/errors.h). Texts of c
 * may be NULL where they were wrong already. */
typedef void conf_checker(const struct conf *c, struct conf_errors *e);

/* Reads the configuration.
 *   path    the file, or NULL: ./proxy.ini, then /etc/openai-chat-proxy/proxy.ini, then the built-in defaults
 *           with OPENAI_BASE_URL and OPENAI_API_KEY
 *   also    asked for what else is wrong, so that one run tells all; may be NULL
 *   errors  where every error goes, a line each: "FILE:LINE: [section] what is wrong; did you mean 'x'?"
 * Returns 0 with *out, which the caller frees with conf_free; -EINVAL after at least one error was written (*out is NULL
 * then), -ENOMEM. A file that cannot be read is an error of its own, without a line. No secret is ever written to errors. */
int conf_load(struct conf **out, const char *path, conf_checker *also, FILE *errors);

/* As conf_load for a file that is already open, and without a look at OPENAI_*; name is what the errors call it (copied).
 * in stays open and the caller's. */
int conf_load_stream(struct conf **out, FILE *in, const char *name, FILE *errors);

/* Writes one more error in the format of conf_load's: for what can only be found out with a configuration that is whole. c->file names the
 * file; line as struct conf_pair has it, or 0 for none. Returns -EINVAL, always. */
int conf_error(FILE *errors, const struct conf *c, int line, const char *section, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* The line of file where the key name of [section] was set, for conf_error; 0: it has its default or comes from the environment. */
int conf_line_of(const struct conf *c, const char *section, const char *name);

/* What has to be said of tls_verify = no wherever it is in force; takes the text of base_url. */
#define CONF_UNVERIFIED "tls_verify = no: nobody checks who %s is, and whoever answers gets the keys"

/* Writes the effective configuration as an INI file that would give the same, secrets (client keys, real keys, a proxy's
 * credentials) masked as ***. Each line ends with a comment that says where the value came from. The tables of keys are
 * written as [key LABEL] sections. */
void conf_print(const struct conf *c, FILE *to);

/* Writes what b has that a has not, a line for each setting: "[server] idle_timeout = 60 (was 75)"; of tables and secrets only that they have changed, and how.
 * Returns how many lines. cfg/changes.c. */
unsigned conf_changes(const struct conf *a, const struct conf *b, FILE *to);

/* Frees c and all it holds, secrets wiped; NULL is fine. */
void conf_free(struct conf *c);

#endif
