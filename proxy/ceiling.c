/* Each limit of the code, times what it limits. */
#include "proxy/ceiling.h"
#include "base/least.h"
#include "json/rename.h"
#include "log/log.h"
#include "log/secrets.h"
#include "net/tls.h"
#include "proxy/admission.h"
#include "proxy/hide.h"
#include "proxy/replay.h"
#include "proxy/response.h"
#include "proxy/rewrite.h"
#include "proxy/state.h"
#include "upstream/dial.h"

#include <string.h>

#define K ((uint64_t)1024)
#define M (1024 * K)

/* The program and the C library in memory, the buffers of the loop and its spare ones, the threads
 * that look names up. */
#define PROGRAM (6 * M)
/* A quarter more: what the C library's allocator cannot give back, or adds to each piece. */
#define WITH_WASTE(n) ((n) + (n) / 4)
/* What a key of a client or an upstream takes, beside its bytes: in the configuration (with the
 * room that lists grow into), in the table that finds it, and with its forms in base64 in the one
 * that masks it; and how many times its bytes stand there. */
#define KEY_MEMORY 640
#define KEY_COPIES 24
#define ENTRY_MEMORY 512 /* of any other entry of a list or a table */
#define UPSTREAM_MEMORY (96 * K)
#define SETTINGS_MEMORY (128 * K)
#define STORE_COPIES                                                                               \
    5 /* the file, as it is read and sent to workers, and the parsed certificates */
#define CERTIFICATE_MEMORY (64 * K) /* with its chain and its key */
#define DIALOGUE_MEMORY (8 * K)     /* with an outgoing proxy */
#define SENTENCE_MEMORY 512         /* why something failed */

/* Settings */

static uint64_t keys_memory(char *const *texts, unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += KEY_MEMORY + KEY_COPIES * (texts[i] ? strlen(texts[i]) : 0);
    return sum;
}

static uint64_t models_memory(const struct conf_model *list, unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += ENTRY_MEMORY + strlen(list[i].name) + (list[i].to ? strlen(list[i].to) : 0);
    return sum;
}

/* The values of headers are masked as keys are. */
static uint64_t pairs_memory(const struct conf_pair *list, unsigned n)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < n; i++)
        sum += keys_memory(&list[i].value, 1) + ENTRY_MEMORY + 4 * strlen(list[i].name);
    return sum;
}

static uint64_t store_memory(const struct conf_upstream *u, struct files *files)
{
    struct tls_options o = { .files = files, .ca_file = u->ca_file, .verify = u->tls_verify };
    bool tls = conf_url_is(&u->base_url, "https") || conf_url_is(&u->proxy, "https");

    return tls && u->tls_verify ? STORE_COPIES * (uint64_t)tls_store_bytes(&o) : 0;
}

static uint64_t upstream_memory(const struct conf_upstream *u, struct files *files)
{
    return UPSTREAM_MEMORY + store_memory(u, files) + keys_memory(u->api_keys, u->n_api_keys) +
        models_memory(u->models, u->n_models) + pairs_memory(u->headers, u->n_headers) +
        pairs_memory(u->aliases, u->n_aliases) + pairs_memory(u->defaults, u->n_defaults) +
        ENTRY_MEMORY * (uint64_t)(u->n_fallbacks + u->n_pass_paths);
}

static uint64_t settings_memory(const struct conf *c, struct files *files)
{
    uint64_t entries = (uint64_t)c->access.n_whitelist + c->access.n_blacklist +
        c->access.n_trusted + c->access.n_cors_origins + c->server.n_listen;
    uint64_t sum =
        SETTINGS_MEMORY + ENTRY_MEMORY * entries + CERTIFICATE_MEMORY * c->server.n_certificates;

    for (unsigned i = 0; i < c->n_upstreams; i++)
        sum += upstream_memory(&c->upstreams[i], files);
    for (unsigned i = 0; i < c->n_keys; i++)
        sum += keys_memory(&c->keys[i].client, 1) +
            keys_memory(c->keys[i].upstream_keys, c->keys[i].n_upstream_keys) +
            models_memory(c->keys[i].models, c->keys[i].n_models);
    return sum;
}

/* Connections */

/* True if requests may be kept: to find their model, or to send them again. */
static bool keeps(const struct conf *c)
{
    bool any = c->n_upstreams > 1;

    for (unsigned i = 0; i < c->n_upstreams; i++)
        any |= c->upstreams[i].n_api_keys > 1 || c->upstreams[i].n_models > 0 ||
            c->upstreams[i].n_fallbacks > 0;
    for (unsigned i = 0; i < c->n_keys; i++)
        any |= c->keys[i].n_models > 0 || c->keys[i].n_upstream_keys > 1;
    return any;
}

/* What a client may have sent before it is used: a head that is not complete, and one read. */
static uint64_t input(const struct conf *c)
{
    return c->server.max_header_size + WORKER_READ_SIZE;
}

/* A renamer, with its head and its body until their framing is known. */
static uint64_t rewrite_memory(const struct conf *c)
{
    uint64_t names = 0;

    for (unsigned i = 0; i < c->n_upstreams; i++)
        names = larger(names,
                       2 * (uint64_t)c->upstreams[i].n_aliases + c->upstreams[i].n_defaults +
                           c->upstreams[i].include_usage);
    if (names == 0)
        return 0;
    return sizeof(struct rewrite) + JSON_DEPTH_MAX * (names / 8 + 1) +
        outq_memory(WORKER_TEXT_SIZE) + outq_memory(WORKER_READ_SIZE);
}

/* What reads a response, and an event of it that may have to be hidden. */
static uint64_t reader_memory(const struct conf *c)
{
    for (unsigned i = 0; i < c->n_upstreams; i++)
        if (c->upstreams[i].include_usage)
            return sizeof(struct hide) + outq_memory(TOKENS_EVENT_MAX);
    return sizeof(struct tokens);
}

/* Both bodies for the log, and what masks a key that nobody configured. */
static uint64_t bodylog_memory(const struct conf *c)
{
    uint64_t longest = 0, sides = (uint64_t)c->log.requests + c->log.responses;

    if (sides == 0)
        return 0;
    for (unsigned i = 0; i < c->n_keys; i++)
        longest = larger(longest, strlen(c->keys[i].client));
    longest = larger(longest, c->server.max_header_size);
    return sides * outq_memory((size_t)(c->log.body_limit + 6 * longest)) + 4 * K +
        KEY_COPIES * c->server.max_header_size;
}

/* What a response may have to wait for a client: a head with one read behind it, or the list of
 * models. */
static uint64_t output(const struct conf *c)
{
    uint64_t list = 0;

    for (unsigned i = 0; c->n_upstreams > 1 && i < c->n_upstreams; i++)
        list += models_memory(c->upstreams[i].models, c->upstreams[i].n_models);
    return larger(list, WORKER_TEXT_SIZE + RESPONSE_HEAD_MAX + WORKER_READ_SIZE);
}

static bool serves_tls(const struct conf *c)
{
    for (unsigned i = 0; i < c->server.n_listen; i++)
        if (c->server.listen[i].tls)
            return true;
    return false;
}

static uint64_t client_memory(const struct conf *c)
{
    uint64_t tls = serves_tls(c) ? tls_stream_memory() : 0;
    uint64_t kept = keeps(c) ? sizeof(struct replay) + CONF_MODEL_MAX + outq_memory(0) : 0;

    return sizeof(struct client) + inbuf_memory((size_t)input(c)) + outq_memory((size_t)output(c)) +
        kept + tls + rewrite_memory(c) + bodylog_memory(c) + reader_memory(c) + SENTENCE_MEMORY;
}

static unsigned tls_layers(const struct conf_upstream *u)
{
    return conf_url_is(&u->base_url, "https") + conf_url_is(&u->proxy, "https");
}

/* A connection to an upstream: one head with a read behind it in each direction, or as much of a
 * body that is kept as one call may write. */
static uint64_t conn_memory(const struct conf *c)
{
    uint64_t kept = keeps(c) ? outq_memory(HTTP_WRITER_IOV * 4096) : 0;
    unsigned layers = 0;

    for (unsigned i = 0; i < c->n_upstreams; i++)
        layers = (unsigned)larger(layers, tls_layers(&c->upstreams[i]));
    return sizeof(struct conn) + sizeof(struct dial) + DIALOGUE_MEMORY +
        inbuf_memory(RESPONSE_HEAD_MAX + WORKER_READ_SIZE) +
        outq_memory(WORKER_TEXT_SIZE + (size_t)larger(input(c), kept)) +
        layers * tls_stream_memory();
}

/* A connection that waits has nothing in its buffers. */
static uint64_t warm_memory(const struct conf *c)
{
    unsigned layers = 0;

    for (unsigned i = 0; i < c->n_upstreams; i++)
        layers = (unsigned)larger(layers, tls_layers(&c->upstreams[i]));
    return sizeof(struct conn) + layers * (tls_stream_memory() / 4);
}

void ceiling_of(struct ceiling *out, const struct conf *c, struct files *files)
{
    struct client_limits limits = admission_limits(c, UINT64_MAX);
    uint64_t n_clients = (uint64_t)c->server.max_connections + limits.refused;
    uint64_t n_upstream = 0, most = n_clients;

    for (unsigned i = 0; i < c->n_upstreams; i++)
        n_upstream += c->upstreams[i].connection_limit;
    if (keeps(c))
        most *= 2; /* the one under way, and one that was set aside */
    *out = (struct ceiling){
        .n_clients = n_clients,
        .client = client_memory(c),
        .upstream = conn_memory(c),
        .warm = warm_memory(c),
        .held = keeps(c) ? c->server.buffer_memory + c->server.buffer_memory / 64 : 0,
        .log = log_memory(c),
        .settings = settings_memory(c, files),
        .program = PROGRAM,
    };
    out->n_upstream = smaller(n_upstream, most);
    out->n_warm = n_upstream - out->n_upstream;
    out->total = WITH_WASTE(out->n_clients * out->client + out->n_upstream * out->upstream +
                            out->n_warm * out->warm + out->held + out->log + 2 * out->settings) +
        out->program;
}

static unsigned long long kib(uint64_t bytes)
{
    return (unsigned long long)((bytes + K - 1) / K);
}

void ceiling_print(const struct ceiling *m, FILE *to)
{
    fprintf(to,
            "\n; memory: at most %llu MiB for each worker, if all peers do their worst at once\n",
            (unsigned long long)((m->total + M - 1) / M));
    fprintf(to, ";   %llu clients (max_connections, and some that are refused) of up to %llu KiB\n",
            (unsigned long long)m->n_clients, kib(m->client));
    fprintf(to, ";   %llu connections to upstreams (connection_limit) of up to %llu KiB",
            (unsigned long long)m->n_upstream, kib(m->upstream));
    if (m->n_warm > 0)
        fprintf(to, ", %llu that wait of %llu KiB", (unsigned long long)m->n_warm, kib(m->warm));
    fprintf(to,
            "\n;   %llu KiB of settings, twice for a reload; older ones that streams still use\n"
            ";     come on top\n",
            kib(m->settings));
    if (m->held > 0)
        fprintf(to, ";   %llu KiB of requests that are held back (buffer_memory)\n", kib(m->held));
    fprintf(to,
            ";   %llu KiB of log lines; for the allocator a quarter of all that; for the program "
            "%llu KiB\n",
            kib(m->log), kib(m->program));
}
