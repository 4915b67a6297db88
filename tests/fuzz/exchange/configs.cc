// The table of configurations. See places.h.
#include "tests/fuzz/exchange/places.h"

namespace places {

namespace {

#define SERVER "[server]\nlisten = 127.0.0.1:8000\n"

place plain(int number)
{
    place p;

    p.host = "127.0.0.1:" + std::to_string(9001 + number);
    p.chat = "/v1/chat/completions";
    p.v1 = "/v1";
    return p;
}

// Nothing but an upstream with a key.
config one_key()
{
    config c;

    c.ini = SERVER "[upstream]\nbase_url = http://127.0.0.1:9001\napi_key = sk-secret-default\n"
                   "pass_paths = /v1/models, /v1/*\n";
    c.all = { plain(0) };
    c.all[0].keys = { "sk-secret-default" };
    c.pass = { "/v1/models", "/v1/*" };
    c.orders = { { { 0, "" } } };
    return c;
}

// The client's key goes on, to a path below a prefix; bodies are logged.
config clients_key()
{
    config c;

    c.ini = SERVER "[upstream]\nbase_url = http://127.0.0.1:9001/up/v3\n"
                   "pass_paths = /v1/models, /v1/files/*\nauth_header = api-key\n"
                   "[access]\ncors_origins = none\n[log]\nformat = json\nlog_requests = yes\n"
                   "log_responses = yes\nbody_limit = 200\n";
    c.all = { plain(0) };
    c.all[0].chat = "/up/v3/chat/completions";
    c.all[0].base = "/up/v3";
    c.all[0].v1 = "/up/v3";
    c.all[0].key_in_api_key = true;
    c.pass = { "/v1/models", "/v1/files/*" };
    c.orders = { { { 0, "" } } };
    c.cors = false;
    return c;
}

// Renaming at every depth, defaults, a table of keys and a field of our own.
config renaming()
{
    config c;

    c.ini = SERVER "max_body_size = 100k\n[upstream]\nbase_url = http://127.0.0.1:9001\n"
                   "[field_aliases]\nmodel = model_id\na = b\n"
                   "[defaults]\ntemperature = 0.6\na = [1]\n"
                   "[upstream_headers]\nX-Extra = sk-extra-header\n"
                   "[api_keys]\nck-client-alice = sk-real-alice\nck-client-bob = sk-real-bob\n"
                   "[log]\nlog_requests = yes\n";
    c.all = { plain(0) };
    c.all[0].rules.aliases = { { "model", "model_id" }, { "a", "b" } };
    c.all[0].rules.defaults = { { "temperature", "0.6" }, { "a", "[1]" } };
    c.all[0].headers = { { "x-extra", "sk-extra-header" } };
    c.table = { { "ck-client-alice", { "sk-real-alice" }, -1, {} },
                { "ck-client-bob", { "sk-real-bob" }, -1, {} } };
    c.orders = { { { 0, "" } } };
    return c;
}

// The model chooses.
config by_model()
{
    config c;

    c.ini = SERVER "buffer_memory = 100k\n[upstream]\nbase_url = http://127.0.0.1:9001\n"
                   "models = gpt-4o, gpt-* -> gpt-big\napi_key = sk-secret-default\n"
                   "[defaults]\nmodel = \"gpt-4o\"\n"
                   "[upstream b]\nbase_url = http://127.0.0.1:9002/b/v1\n"
                   "models = deepseek-*, fast -> deepseek-\"chat\"\napi_key = sk-secret-b\n"
                   "[field_aliases b]\na = b\n[defaults b]\nn = 1\n"
                   "[upstream c]\nsocket = /up.2\nmodels = local -> l, loc*\n";
    c.all = { plain(0), plain(1), plain(2) };
    c.all[0].keys = { "sk-secret-default" };
    c.all[0].models = { { "gpt-4o", "" }, { "gpt-*", "gpt-big" } };
    c.all[0].rules.defaults = { { "model", "\"gpt-4o\"" } };
    c.all[1].chat = "/b/v1/chat/completions";
    c.all[1].base = c.all[1].v1 = "/b/v1";
    c.all[1].keys = { "sk-secret-b" };
    c.all[1].models = { { "deepseek-*", "" }, { "fast", "deepseek-\"chat\"" } };
    c.all[1].rules.aliases = { { "a", "b" } };
    c.all[1].rules.defaults = { { "n", "1" } };
    c.all[2].host = "localhost";
    c.all[2].models = { { "local", "l" }, { "loc*", "" } };
    c.orders = { { { 0, "" } }, { { 1, "" } }, { { 2, "" } } };
    return c;
}

// Several keys, of the upstream and of a client.
config several_keys()
{
    config c;

    c.ini = SERVER "[upstream]\nbase_url = http://127.0.0.1:9001\n"
                   "api_key = sk-secret-one, sk-secret-two, sk-secret-three\n"
                   "pass_paths = /v1/*\nretry_buffer = 2k\n"
                   "[key alice]\nkey = ck-client-alice\n"
                   "upstream_key = sk-real-alice, sk-real-other\n"
                   "[key bob]\nkey = ck-client-bob\n";
    c.all = { plain(0) };
    c.all[0].keys = { "sk-secret-one", "sk-secret-two", "sk-secret-three" };
    c.table = { { "ck-client-alice", { "sk-real-alice", "sk-real-other" }, -1, {} },
                { "ck-client-bob", {}, -1, {} } };
    c.pass = { "/v1/*" };
    c.orders = { { { 0, "" } } };
    return c;
}

// Others are asked when one fails: one with a name to look up, one behind a local socket.
config fallback()
{
    config c;

    c.ini =
        SERVER "[upstream]\nbase_url = http://127.0.0.1:9001\n"
               "api_key = sk-secret-one, sk-secret-two\npass_paths = /v1/*\n"
               "fallback = b -> m2, c\ntimeout = 5\nresponse_timeout = 30\n[field_aliases]\na = b\n"
               "[upstream b]\nbase_url = http://up.test:9002\napi_key = sk-secret-b\n"
               "fallback = d\n"
               "[upstream c]\nsocket = /up.2\nmodels = local\napi_key = client\n"
               "[upstream d]\nbase_url = http://127.0.0.1:9004\nauth_header = api-key\n"
               "api_key = sk-secret-d1, sk-secret-d2\n[defaults d]\nx = null\n";
    c.all = { plain(0), plain(1), plain(2), plain(3) };
    c.all[0].keys = { "sk-secret-one", "sk-secret-two" };
    c.all[0].rules.aliases = { { "a", "b" } };
    c.all[1].host = "up.test:9002";
    c.all[1].keys = { "sk-secret-b" };
    c.all[2].host = "localhost";
    c.all[2].clients_key = true;
    c.all[2].models = { { "local", "" } };
    c.all[3].keys = { "sk-secret-d1", "sk-secret-d2" };
    c.all[3].key_in_api_key = true;
    c.all[3].rules.defaults = { { "x", "null" } };
    c.pass = { "/v1/*" };
    c.orders = { { { 0, "" }, { 1, "m2" }, { 2, "" }, { 3, "" } },
                 { { 1, "" }, { 3, "" } },
                 { { 2, "" } },
                 { { 3, "" } } };
    return c;
}

// A table with a client that is pinned, one that may use some models, and others that pass.
config pinned()
{
    config c;

    c.ini = SERVER "[upstream]\nbase_url = http://127.0.0.1:9001\nfallback = b\n"
                   "pass_paths = /v1/*\n"
                   "[upstream b]\nbase_url = http://127.0.0.1:9002\napi_key = sk-secret-b\n"
                   "models = fast -> slow\n"
                   "[key alice]\nkey = ck-client-alice\nupstream = b\n"
                   "[key bob]\nkey = ck-client-bob\nupstream_key = sk-real-bob\n"
                   "models = fast, gpt-*\n"
                   "[access]\nunknown_keys = pass\n[log]\nlog_requests = yes\n"
                   "log_responses = yes\n";
    c.all = { plain(0), plain(1) };
    c.all[1].keys = { "sk-secret-b" };
    c.all[1].models = { { "fast", "slow" } };
    c.table = { { "ck-client-alice", {}, 1, {} },
                { "ck-client-bob", { "sk-real-bob" }, -1, { { "fast", "" }, { "gpt-*", "" } } } };
    c.unknown_pass = true;
    c.pass = { "/v1/*" };
    c.orders = { { { 0, "" }, { 1, "" } }, { { 1, "" } } };
    return c;
}

// Everything is small: head, memory, time-outs, the number of connections. Streams are pinged.
config small()
{
    config c;

    c.ini = SERVER "max_connections = 2\nmax_header_size = 1k\nmax_body_size = 50k\n"
                   "buffer_memory = 64k\nping_interval = 1\nheader_timeout = 2\nbody_timeout = 4\n"
                   "idle_timeout = 2\n"
                   "[upstream]\nbase_url = http://127.0.0.1:9001\npass_paths = /*\n"
                   "fallback = b\ntimeout = 1\nresponse_timeout = 3\nidle_timeout = 3\n"
                   "keepalive_timeout = 0\nconnection_limit = 1\nalias_scope = top\n"
                   "[field_aliases]\na = b\nb = c\n"
                   "[upstream b]\nbase_url = http://127.0.0.1:9002\nmodels = fast -> \\u0066\n"
                   "api_key = client\nalias_scope = all\n[field_aliases b]\nmessages = m\n";
    c.all = { plain(0), plain(1) };
    c.all[0].rules.aliases = { { "a", "b" }, { "b", "c" } };
    c.all[0].rules.top_only = true;
    c.all[1].models = { { "fast", "\\u0066" } };
    c.all[1].clients_key = true;
    c.all[1].rules.aliases = { { "messages", "m" } };
    c.pass = { "/*" };
    c.orders = { { { 0, "" }, { 1, "" } }, { { 1, "" } } };
    c.pings = true;
    return c;
}

// A proxy that forwards requests stands between.
config outgoing()
{
    config c;

    c.ini = SERVER "[upstream]\nbase_url = http://up.test/deep\napi_key = sk-secret-default\n"
                   "proxy = http://user:pr0xy-secret@127.0.0.1:9001\npass_paths = /v1/*, /x/*\n"
                   "proxy_url_path = /gen?k=v\n";
    c.all = { plain(0) };
    c.all[0].host = "up.test";
    c.all[0].chat = "http://up.test/deep/gen?k=v";
    c.all[0].base = "http://up.test/deep";
    c.all[0].v1 = "http://up.test/deep/v1";
    c.all[0].keys = { "sk-secret-default" };
    c.all[0].headers = { { "proxy-authorization", "Basic dXNlcjpwcjB4eS1zZWNyZXQ=" },
                         { "connection", "keep-alive" } };
    c.pass = { "/v1/*", "/x/*" };
    c.orders = { { { 0, "" } } };
    return c;
}

} // namespace

const std::vector<config> &configs()
{
    static const auto &all =
        *new std::vector<config>{ one_key(),  clients_key(), renaming(), by_model(), several_keys(),
                                  fallback(), pinned(),      small(),    outgoing() };

    return all;
}

} // namespace places
