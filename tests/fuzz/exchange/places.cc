// The promises. See places.h.
#include "tests/fuzz/exchange/places.h"

#include <algorithm>
#include <set>

namespace places {

namespace {

using fields = std::vector<std::pair<std::string, std::string>>;

bool begins(const std::string &s, const std::string &with)
{
    return s.compare(0, with.size(), with) == 0;
}

// What the clients' side of a target is behind scheme and host.
std::string without_origin(const std::string &target)
{
    size_t scheme = wire::lower(target.substr(0, 7)) == "http://" ? 7
        : wire::lower(target.substr(0, 8)) == "https://"          ? 8
                                                                  : 0;
    size_t path = scheme ? target.find_first_of("/?", scheme) : 0;

    if (path == std::string::npos)
        return "/";
    return scheme && target[path] == '?' ? "/" + target.substr(path) : target.substr(path);
}

bool covers(const std::string &pattern, const std::string &path)
{
    if (!pattern.empty() && pattern.back() == '*')
        return begins(path, pattern.substr(0, pattern.size() - 1));
    return pattern == path;
}

bool is_chat(std::string path)
{
    while (begins(path, "//"))
        path.erase(0, 1);
    if (path.size() > 1 && path.back() == '/')
        path.pop_back();
    return path == "/v1/chat/completions" || path == "/chat/completions";
}

const model *best(const std::vector<model> &list, const std::string &name)
{
    const model *found = nullptr;

    for (auto &m : list) {
        bool prefix = m.name.back() == '*';

        if (!prefix && m.name == name)
            return &m;
        if (prefix && covers(m.name, name) && (!found || m.name.size() > found->name.size()))
            found = &m;
    }
    return found;
}

// The place whose list has the model; -1: nobody's.
int place_of(const config &c, const std::string &name)
{
    const model *found = nullptr;
    int at = -1;

    for (size_t i = 0; i < c.all.size(); i++) {
        const model *m = best(c.all[i].models, name);
        bool exact = m && m->name.back() != '*';

        if (!m || (found && found->name.back() != '*'))
            continue;
        if (!found || exact || m->name.size() > found->name.size()) {
            found = m;
            at = (int)i;
        }
    }
    return at;
}

// The key that a client sends; more than one: false.
bool token_of(const wire::message &m, std::string *token)
{
    size_t n = m.count("authorization") + m.count("api-key") + m.count("x-api-key");
    std::string value = m.field("authorization");

    token->clear();
    if (n > 1)
        return false;
    if (m.count("api-key"))
        *token = m.field("api-key");
    else if (m.count("x-api-key"))
        *token = m.field("x-api-key");
    else if (wire::lower(value.substr(0, 7)) == "bearer ")
        *token = value.substr(std::min(value.size(), value.find_first_not_of(' ', 7)));
    return true;
}

const entry *entry_of(const config &c, const std::string &token)
{
    for (auto &e : c.table)
        if (e.key == token)
            return &e;
    return nullptr;
}

bool chooses(const config &c, const entry *e)
{
    bool lists = false;

    for (auto &p : c.all)
        lists |= !p.models.empty();
    for (auto &order : c.orders)
        for (auto &s : order)
            lists |= !s.model.empty();
    if (e && e->pin >= 0 && e->models.empty()) {
        lists = false;
        for (auto &s : c.orders[(size_t)e->pin])
            lists |= !s.model.empty() || !c.all[s.place].models.empty();
    }
    return lists || (e && !e->models.empty());
}

struct key_field {
    bool as_sent; // the client's own Authorization field, if any
    std::string token;
};

// What may be sent in the name of a client with that entry, which may be NULL, and token.
std::vector<key_field> keys_for(const config &c, size_t at, const entry *e,
                                const std::string &token)
{
    const place &p = c.all[at], &first = c.all[0];
    bool unknown = !e && !c.table.empty();
    std::vector<key_field> out;

    if (at != 0 && !p.clients_key) {
        for (auto &k : p.keys)
            out.push_back({ false, k });
    } else if (e) {
        for (auto &k : e->upstream_keys.empty() ? first.keys : e->upstream_keys)
            out.push_back({ false, k });
    } else if (!unknown && !first.keys.empty()) {
        for (auto &k : first.keys)
            out.push_back({ false, k });
    } else {
        out.push_back({ true, token });
    }
    if (out.empty())
        out.push_back({ false, "" });
    return out;
}

bool is_dropped(const config &c, const place &p, const wire::message &asked,
                const std::string &name)
{
    static const std::set<std::string> never = {
        "connection", "keep-alive", "proxy-connection",  "proxy-authenticate",  "te",
        "trailer",    "upgrade",    "transfer-encoding", "proxy-authorization", "expect",
        "host",       "cookie",     "forwarded",         "x-real-ip",           "authorization",
        "api-key",    "x-api-key",  "content-length"
    };

    for (auto &h : p.headers)
        if (h.first == name)
            return true;
    if (c.cors && (name == "origin" || name == "referer" || begins(name, "sec-fetch-")))
        return true;
    return never.count(name) || begins(name, "x-forwarded-") || asked.lists("connection", name);
}

// The fields that place gets but for framing, with that key.
fields expected_fields(const config &c, const wire::message &asked, const place &p,
                       const key_field &key)
{
    fields out = { { "host", p.host } };
    bool own =
        key.as_sent && asked.count("authorization") && (!p.key_in_api_key || key.token.empty());

    for (auto &f : asked.fields) {
        if (own && f.first == "authorization")
            out.push_back(f);
        else if (!is_dropped(c, p, asked, f.first))
            out.push_back(f);
    }
    out.insert(out.end(), p.headers.begin(), p.headers.end());
    if (!own && !key.token.empty())
        out.push_back(p.key_in_api_key
                          ? fields::value_type("api-key", key.token)
                          : fields::value_type("authorization", "Bearer " + key.token));
    out.push_back(
        { "via",
          std::string(asked.minor == 0 ? "1.0 " : "1.1 ") + "openai-chat-proxy-5a5a5a5a5a5a5a5a" });
    if (c.pings)
        out.push_back({ "connection", "close" });
    return out;
}

// By name; those of one name in their order.
fields sorted(fields f)
{
    std::stable_sort(
        f.begin(), f.end(),
        [](const fields::value_type &a, const fields::value_type &b) { return a.first < b.first; });
    return f;
}

bool has_fields(const fields &got, const fields &expected)
{
    fields rest;

    for (auto &f : got)
        if (f.first != "content-length" && f.first != "transfer-encoding")
            rest.push_back(f);
    return sorted(rest) == sorted(expected);
}

std::string path_at(const config &c, const route &r, size_t at)
{
    const place &p = c.all[at];
    bool versioned = r.path == "/v1" || begins(r.path, "/v1/");
    std::string query = r.query;

    if (r.kind == kind::chat) {
        if (!query.empty() && p.chat.find('?') != std::string::npos)
            query[0] = '&';
        return p.chat + query;
    }
    return (versioned ? p.v1 + r.path.substr(3) : p.base + r.path) + query;
}

// The model that [defaults] names.
bool default_model(const config &c, std::string *name)
{
    for (auto &d : c.all[0].rules.defaults)
        if (d.first == "model") {
            *name = d.second.substr(1, d.second.size() - 2);
            return true;
        }
    return false;
}

// What a model is called by the place of a step.
std::string name_at(const place &p, const step &s, const std::string &name)
{
    const model *m = best(p.models, name);

    return !s.model.empty() ? s.model : m && !m->to.empty() ? m->to : name;
}

// The default for the model is this one, or there is one.
void set_default_model(tree::rules *r, const std::string &name)
{
    std::string quoted;

    for (char c : name)
        quoted += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    for (auto &d : r->defaults)
        if (d.first == "model") {
            d.second = "\"" + quoted + "\"";
            return;
        }
    r->defaults.push_back({ "model", "\"" + quoted + "\"" });
}

// The body of a chat completion at the step s.
std::string why_not_json(const config &c, const std::string &body, const step &s, bool reads,
                         const std::string &sent)
{
    const place &p = c.all[s.place];
    std::unique_ptr<tree::value> asked, got;
    tree::verdict verdict = tree::read(body, &asked);
    tree::rules rules = p.rules;
    std::string name;

    if (verdict == tree::verdict::unknown)
        return "";
    if (verdict == tree::verdict::invalid)
        return "the body is no JSON, and was completed";
    if (reads && model_in(body, &name))
        tree::find(*asked, "model")->text = name_at(p, s, name);
    else if (reads && !tree::find(*asked, "model") && default_model(c, &name))
        set_default_model(&rules, name_at(p, s, name));
    if (reads && tree::count(*asked, "model") > 1)
        return "two models, and the body was completed";
    if (!tree::rewrite(*asked, rules))
        return "two keys become one, and the body was completed";
    if (tree::read(sent, &got) != tree::verdict::valid)
        return "what was sent is no JSON";
    return tree::same(*asked, *got) ? "" : "the body is not what the rules make of it";
}

// The first place that is asked; -1: none, which is not said to be so for sure where unsure is set.
int first_place(const config &c, const wire::message &asked, const entry *e, bool reads,
                std::string *why)
{
    bool unknown = !e && !c.table.empty();
    std::string name;
    bool named = reads && model_in(asked.body, &name);
    std::unique_ptr<tree::value> body;
    int at;

    if (reads && !named && tree::read(asked.body, &body) == tree::verdict::valid &&
        !tree::find(*body, "model"))
        named = default_model(c, &name);
    if (e && !e->models.empty() && reads && !(named && best(e->models, name)))
        *why = "this client may not use the model";
    if (e && e->pin >= 0)
        return e->pin;
    if (!reads)
        return 0;
    at = named ? place_of(c, name) : -1;
    if (at > 0 && unknown)
        *why = "a key that is not known got another upstream's model";
    if (at < 0 && !c.all[0].models.empty())
        *why = "nobody has the model";
    return at < 0 ? 0 : at;
}

// The step of the order at which place is; NULL: it may not be asked.
const step *step_of(const config &c, int first, size_t place, bool unknown)
{
    for (auto &s : c.orders[(size_t)first])
        if (s.place == place && (!unknown || &s == &c.orders[(size_t)first][0]))
            return &s;
    return nullptr;
}

std::string why_not_head(const config &c, const wire::message &asked, const route &r, size_t place,
                         const wire::message &sent)
{
    std::string token;
    bool one = token_of(asked, &token);
    const entry *e = entry_of(c, token);

    if (!one)
        return "there were two keys";
    if (!c.table.empty() && !e && (token.empty() || !c.unknown_pass))
        return "the key is not in the table";
    if (r.kind == kind::local)
        return "it should have been answered here";
    if (sent.method != asked.method || sent.minor != 1 || sent.target != path_at(c, r, place))
        return "the request line";
    for (auto &key : keys_for(c, place, e, token))
        if (has_fields(sent.fields, expected_fields(c, asked, c.all[place], key)))
            return "";
    return "the fields are not what they should be";
}

} // namespace

route route_of(const config &c, const wire::message &m)
{
    std::string path = without_origin(m.target);
    size_t mark = path.find('?');
    bool lists;
    route r;

    if (mark != std::string::npos)
        r.query = path.substr(mark);
    r.path = path.substr(0, mark);
    lists = c.all.size() > 1 && (m.method == "GET" || m.method == "HEAD") &&
        (r.path == "/v1/models" || begins(r.path, "/v1/models/"));
    if (is_chat(r.path))
        r.kind = m.method == "POST" ? kind::chat : kind::local;
    else if (r.path != "/healthz" && m.method != "OPTIONS" && m.method != "TRACE" && !lists)
        for (auto &pattern : c.pass)
            if (covers(pattern, r.path))
                r.kind = kind::passed;
    return r;
}

bool model_in(const std::string &body, std::string *model)
{
    std::unique_ptr<tree::value> v;
    tree::value *m;

    if (tree::read(body, &v) != tree::verdict::valid)
        return false;
    m = tree::find(*v, "model");
    if (!m || m->kind != '"')
        return false;
    *model = m->text;
    for (unsigned char b : m->text)
        if (b < 0x20)
            return false;
    return true;
}

std::string why_not(const config &c, const wire::message &asked, size_t place,
                    const wire::message &sent)
{
    route r = route_of(c, asked);
    std::string token, why = why_not_head(c, asked, r, place, sent);
    const entry *e = token_of(asked, &token) ? entry_of(c, token) : nullptr;
    bool reads = r.kind == kind::chat && chooses(c, e), unknown = !e && !c.table.empty();
    std::unique_ptr<tree::value> body;
    int first;
    const step *s;

    if (!why.empty())
        return why;
    if (asked.state != wire::state::complete)
        return sent.state == wire::state::complete ? "the client has not sent all of it" : "";
    if (reads && tree::read(asked.body, &body) != tree::verdict::valid &&
        sent.state != wire::state::complete)
        return ""; // its model may stand before what is wrong with it
    first = first_place(c, asked, e, reads, &why);
    s = step_of(c, first, place, unknown);
    if (!s)
        return "this upstream is not to be asked";
    if (!why.empty() || sent.state != wire::state::complete)
        return why;
    if (r.kind == kind::chat &&
        (reads || !c.all[place].rules.aliases.empty() || !c.all[place].rules.defaults.empty()))
        return why_not_json(c, asked.body, *s, reads, sent.body);
    return asked.body == sent.body ? "" : "the body was changed";
}

std::vector<std::string> tokens_for(const config &c, size_t at)
{
    std::vector<std::string> out;

    for (auto &h : c.all[at].headers)
        out.push_back(h.second);
    for (auto &k : keys_for(c, at, nullptr, ""))
        out.push_back(k.token);
    for (auto &e : c.table)
        for (auto &k : keys_for(c, at, &e, ""))
            out.push_back(k.token);
    return out;
}

std::vector<std::string> secrets(const config &c)
{
    std::vector<std::string> out;

    for (auto &p : c.all) {
        out.insert(out.end(), p.keys.begin(), p.keys.end());
        for (auto &h : p.headers)
            if (h.first == "x-extra")
                out.push_back(h.second);
    }
    for (auto &e : c.table) {
        out.push_back(e.key);
        out.insert(out.end(), e.upstream_keys.begin(), e.upstream_keys.end());
    }
    return out;
}

} // namespace places
