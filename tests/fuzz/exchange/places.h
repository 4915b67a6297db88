// The configurations of the fuzzed exchange, and what users are promised of each: where a request
// may go, with which key, and what becomes of its head and body. Written from the manual pages, and
// without a look at proxy/.
#pragma once

#include "tests/fuzz/exchange/tree.h"
#include "tests/fuzz/exchange/wire.h"

#include <string>
#include <vector>

namespace places {

struct model {
    std::string name; // "gpt-*" is a prefix
    std::string to;   // "": as the client calls it
};

// One upstream.
struct place {
    std::string host, chat, base, v1; // base and v1: what passed paths come behind
    std::vector<std::string> keys;
    bool clients_key = false;    // api_key = client
    bool key_in_api_key = false; // auth_header = api-key
    tree::rules rules;
    std::vector<model> models;
    std::vector<std::pair<std::string, std::string>> headers; // names in lower case
};

// One step of the order of asking.
struct step {
    size_t place;
    std::string model; // what fallback calls it there; "": as the lists say
};

// An entry of the table of keys.
struct entry {
    std::string key;
    std::vector<std::string> upstream_keys;
    int pin = -1;
    std::vector<model> models;
};

struct config {
    std::string ini;
    std::vector<place> all;
    std::vector<entry> table;
    bool unknown_pass = false;
    std::vector<std::string> pass = { "/v1/models", "/v1/models/*" };
    std::vector<std::vector<step>> orders; // by first place
    bool cors = true;
    bool pings = false;
};

const std::vector<config> &configs();

enum class kind { local, chat, passed };

// What the proxy does with a request.
struct route {
    places::kind kind = kind::local;
    std::string path, query; // query with its '?'
};
route route_of(const config &c, const wire::message &m);

// The name of the model in a body; false if there is none that counts.
bool model_in(const std::string &body, std::string *model);

// Why the request `sent`, which place got, cannot be what became of `asked`; "" if it can.
std::string why_not(const config &c, const wire::message &asked, size_t place,
                    const wire::message &sent);

// The keys that place may be sent.
std::vector<std::string> tokens_for(const config &c, size_t place);

// All secrets that may not be told to anybody but who is to have them.
std::vector<std::string> secrets(const config &c);

} // namespace places
