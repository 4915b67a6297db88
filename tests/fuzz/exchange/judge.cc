// See judge.h.
#include "tests/fuzz/exchange/judge.h"

#include <algorithm>
#include <set>

namespace judge {

namespace {

using places::config;
using wire::message;
using world::attempt;
using world::fail;
using world::story;

bool has(const std::string &text, const std::string &what)
{
    return text.find(what) != std::string::npos;
}

bool begins(const std::string &s, const std::string &with)
{
    return s.compare(0, with.size(), with) == 0;
}

// What an upstream said to a request: its final response, the interim ones left out.
message said_to(const attempt &a)
{
    std::string text = a.socket->in.substr(0, a.said_end);
    message m = wire::read_response(text, a.said, a.sent.method == "HEAD");

    while (m.state == wire::state::complete && m.status < 200)
        m = wire::read_response(text, m.end, a.sent.method == "HEAD");
    if (m.until_close && !a.socket->fin)
        m.state = wire::state::body;
    return m;
}

// True if the final response, whose head may break the RFC, has a status that declines.
bool is_declined(const attempt &a)
{
    static const std::set<std::string> statuses = {
        "401", "429", "500", "502", "503", "504", "529"
    };
    message m = said_to(a);
    std::string text = a.socket->in.substr(0, a.said_end);

    return (m.head_end > 0 || m.state == wire::state::malformed) && text.size() >= m.begin + 12 &&
        statuses.count(text.substr(m.begin + 9, 3));
}

// True if a client sees on its connection s that the response is complete.
bool is_whole(const message &m, const kernel::sock &s)
{
    return m.state == wire::state::complete && !(m.until_close && (s.closed_by_reset || s.reset));
}

// Whose request an attempt was. ambiguous: somebody else's would look the same.
struct owner {
    size_t client = SIZE_MAX, request = 0;
    bool ambiguous = false;
};

class court {
  public:
    explicit court(const story &s) : told(s), c(*s.play->config)
    {
        for (auto &each : s.clients)
            asked.push_back(world::requests_of(each));
    }

    void check()
    {
        check_lines();
        for (auto &a : told.attempts)
            owners.push_back(owner_of(a));
        for (auto &a : told.attempts)
            check_secrets(a);
        check_tries();
        for (size_t i = 0; i < told.clients.size(); i++)
            if (told.clients[i].socket)
                check_client(i);
    }

    std::string summary();

  private:
    // No line of the log holds a secret or a byte that could fool a reader.
    void check_lines()
    {
        unsigned char before = 0;

        for (unsigned char b : told.lines) {
            if ((b != '\n' && b < 0x20) || b == 0x7f || (before == 0xc2 && b < 0xa0))
                fail("a line of the log has a control character");
            before = b;
        }
        for (auto &secret : places::secrets(c))
            if (has(told.lines, secret))
                fail("a line of the log has a secret: " + secret);
    }

    owner owner_of(const attempt &a)
    {
        std::string why = "nobody asked for it";
        owner o;

        for (auto &who : a.candidates) {
            if (who.request >= asked[who.client].size())
                continue;
            const message &m = asked[who.client][who.request];
            std::string not_this = !m.has_head ? "the request was malformed: " + m.why
                : a.sent.has_head ? places::why_not(c, m, (size_t)a.socket->place, a.sent)
                                  : "";
            if (!not_this.empty()) {
                why = not_this;
                continue;
            }
            o.ambiguous = o.client != SIZE_MAX;
            o.client = who.client;
            o.request = who.request;
        }
        if (o.client == SIZE_MAX)
            fail("upstream " + std::to_string(a.socket->place) + " got what it should not: " + why +
                 "\n" + a.socket->out.substr(a.begin, a.end - a.begin));
        return o;
    }

    // No upstream sees what is for another one or for this proxy, unless a client sent it there.
    void check_secrets(const attempt &a)
    {
        std::string got = a.socket->out.substr(a.begin, a.end - a.begin);

        for (auto &secret : places::secrets(c)) {
            bool own = false;

            for (auto &token : places::tokens_for(c, (size_t)a.socket->place))
                own |= token == secret;
            for (auto &each : told.clients)
                own |= each.socket && has(each.socket->in, secret) &&
                    (a.socket->place == 0 || has(asked_bodies(), secret));
            if (!own && has(got, secret))
                fail("an upstream got a secret of others: " + secret);
        }
    }

    // What clients sent apart from their keys.
    std::string asked_bodies()
    {
        std::string all;

        for (auto &each : asked)
            for (auto &m : each) {
                all += m.body + m.target;
                for (auto &f : m.fields)
                    if (f.first != "authorization" && f.first != "api-key" &&
                        f.first != "x-api-key")
                        all += f.second;
            }
        return all;
    }

    // A request is sent again only if the try before it was declined, and no two tries are alike.
    void check_tries()
    {
        for (size_t i = 0; i < told.attempts.size(); i++)
            for (size_t k = i + 1; k < told.attempts.size(); k++) {
                const owner &a = owners[i], &b = owners[k];

                if (a.ambiguous || b.ambiguous || a.client != b.client || a.request != b.request)
                    continue;
                if (!is_declined(told.attempts[i]))
                    fail("a request was sent again that may have been acted on");
                if (told.attempts[i].socket->place == told.attempts[k].socket->place &&
                    key_of(told.attempts[i]) == key_of(told.attempts[k]))
                    fail("a request was sent to the same place with the same key");
            }
    }

    static std::string key_of(const attempt &a)
    {
        return a.sent.field("authorization") + "|" + a.sent.field("api-key");
    }

    // The last attempt for a request; NULL: there is none for sure.
    const attempt *last_attempt(size_t client, size_t request, bool *sure)
    {
        const attempt *last = nullptr;

        *sure = true;
        for (size_t i = 0; i < owners.size(); i++) {
            for (auto &who : told.attempts[i].candidates)
                if (who.client == client && who.request == request && owners[i].ambiguous)
                    *sure = false;
            if (owners[i].client == client && owners[i].request == request)
                last = &told.attempts[i];
        }
        return last;
    }

    // The client's n-th response, which begins at that place. Where the proxy refuses before it has
    // seen the method, it may be HEAD for all it knows.
    message response_at(size_t client, size_t n, size_t at) const
    {
        const kernel::sock &s = *told.clients[client].socket;
        bool head =
            n < asked[client].size() && s.in.compare(asked[client][n].begin, 5, "HEAD ") == 0;
        message m = wire::read_response(s.out, at, head);

        if (head && m.lists("connection", "close") && m.status >= 400)
            m = wire::read_response(s.out, at, m.end == s.out.size());
        return m;
    }

    void check_client(size_t i)
    {
        const kernel::sock &s = *told.clients[i].socket;
        size_t at = 0, n = 0;
        bool last = false;

        while (at < s.out.size()) {
            message m = response_at(i, n, at);
            bool whole = is_whole(m, s);

            if (m.state == wire::state::malformed)
                fail("a client got a malformed response: " + m.why);
            if (last)
                fail("a client got more after the last response");
            at = m.end;
            if (whole && m.status < 200)
                continue;
            check_response(i, n++, m, whole);
            last = !whole || m.until_close || m.lists("connection", "close");
        }
        if (n > asked[i].size() + 1)
            fail("a client got a response that it did not ask for");
        if (!told.disturbed && !told.stopped && !last)
            for (size_t k = n; k < asked[i].size(); k++)
                if (asked[i][k].state == wire::state::complete)
                    fail("a request got no response");
    }

    void check_response(size_t client, size_t request, const message &m, bool whole)
    {
        bool sure;
        const attempt *a = last_attempt(client, request, &sure);
        message u = a ? said_to(*a) : message();

        if (!sure || !m.has_head)
            return;
        if (!whole && is_own(m) && !told.disturbed && !told.stopped)
            fail("a response of the proxy's own was cut");
        if (!a || u.state == wire::state::malformed || (!whole && is_own(m)))
            return;
        if (is_own(m) && (m.body != u.body || m.status != u.status)) {
            if (u.state == wire::state::complete && !told.disturbed && !told.stopped &&
                asked[client][request].state == wire::state::complete)
                fail("a response was lost");
            return;
        }
        if (!u.has_head || m.status != u.status)
            fail("a response that nobody gave");
        check_fields(m, u);
        check_body(m, whole, u);
    }

    static bool is_own(const message &m)
    {
        return has(m.field("date"), " 1970 ") && m.status >= 400 &&
            m.field("x-request-id") == "req_00000000000000000000000000000000";
    }

    std::string without_pings(std::string body)
    {
        static const std::string ping = ": ping\n\n";
        size_t at = 0;

        while (c.pings && (at = body.find(ping, at)) != std::string::npos)
            body.erase(at, ping.size());
        return body;
    }

    void check_body(const message &m, bool whole, const message &u)
    {
        std::string body = without_pings(m.body), said = without_pings(u.body);
        bool stream = begins(wire::lower(u.field("content-type")), "text/event-stream");
        bool cut = u.state != wire::state::complete;
        const std::string error = "\n\ndata: {\"error\":{\"message\":";

        if (!whole) {
            if (!begins(said, body) && !stream)
                fail("a response was changed");
            if (!cut && !told.disturbed && !told.stopped)
                fail("a response was cut that the upstream completed");
        } else if (body == said) {
            if (cut && !(stream && (has(said, "[DONE]") || has(said, "\"error\""))))
                fail("a response looks complete that was cut");
            if (m.status == 200 && is_unfinished(u))
                fail("a stream looks complete that was never finished");
        } else {
            size_t at = body.rfind(error);

            if (!stream || at == std::string::npos || !begins(said, body.substr(0, at)))
                fail("a response was changed");
            if (has(body.substr(0, at), "\n\ndata: [DONE]\n\n"))
                fail("a response has an error after its end");
            if (!cut && !told.disturbed && !told.stopped && at != said.size())
                fail("a stream was cut that the upstream completed");
        }
    }

    // A stream of completion chunks, of which the first is as it should be, that has nothing in it
    // that could finish it.
    static bool is_unfinished(const message &u)
    {
        bool any = false;

        for (auto word : { "[DONE]", "\"error\"", "\"usage\"", "\"finish_reason\":\"", "\\" })
            any |= has(u.body, word);
        return !any && u.field("content-type") == script::stream_type &&
            u.count("content-encoding") == 0 &&
            begins(u.body,
                   "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"},"
                   "\"finish_reason\":null}]}\n\n");
    }

    // The end-to-end fields of a response, but for those that the proxy has a say in.
    static std::vector<std::pair<std::string, std::string>> kept_fields(const message &m,
                                                                        const message &hops)
    {
        static const std::set<std::string> never = { "connection",
                                                     "keep-alive",
                                                     "proxy-connection",
                                                     "proxy-authenticate",
                                                     "proxy-authorization",
                                                     "te",
                                                     "trailer",
                                                     "transfer-encoding",
                                                     "upgrade",
                                                     "content-length",
                                                     "set-cookie",
                                                     "alt-svc",
                                                     "nel",
                                                     "report-to",
                                                     "strict-transport-security",
                                                     "clear-site-data",
                                                     "public-key-pins",
                                                     "public-key-pins-report-only",
                                                     "location",
                                                     "x-request-id",
                                                     "x-accel-buffering",
                                                     "vary" };
        std::vector<std::pair<std::string, std::string>> out;

        for (auto &f : m.fields)
            if (!never.count(f.first) && !begins(f.first, "access-control-") &&
                !hops.lists("connection", f.first))
                out.push_back(f);
        std::stable_sort(out.begin(), out.end(),
                         [](auto &a, auto &b) { return a.first < b.first; });
        return out;
    }

    void check_fields(const message &m, const message &u)
    {
        if (kept_fields(m, u) != kept_fields(u, u))
            fail("the fields of a response were changed");
        if (m.count("set-cookie") || m.count("alt-svc") || m.count("strict-transport-security"))
            fail("a field that speaks for the upstream's origin came through");
    }

    const story &told;
    const config &c;
    std::vector<std::vector<message>> asked;
    std::vector<owner> owners;
};

std::string fields_of(const message &m)
{
    std::vector<std::pair<std::string, std::string>> all = m.fields;
    std::string s;

    std::stable_sort(all.begin(), all.end(), [](auto &a, auto &b) { return a.first < b.first; });
    for (auto &f : all)
        if (f.first != "connection" && f.first != "transfer-encoding")
            s += f.first + ": " + f.second + "\n";
    return s;
}

std::string court::summary()
{
    std::string s;

    for (size_t i = 0; i < told.clients.size(); i++) {
        const kernel::sock *k = told.clients[i].socket;
        size_t at = 0, n = 0;

        while (k && at < k->out.size()) {
            message m = response_at(i, n, at);
            bool whole = is_whole(m, *k);

            at = m.end;
            if (m.status < 200)
                continue;
            s += "response " + std::to_string(m.status) + (whole ? " whole\n" : " cut\n") +
                fields_of(m) + "\n" + m.body + "\n";
            n++;
        }
    }
    // How much goes on of a request that turns out to be none depends on when it does.
    for (auto &a : told.attempts)
        if (a.sent.state == wire::state::complete)
            s += "request to " + std::to_string(a.socket->place) + " " + a.sent.method + " " +
                a.sent.target + "\n" + fields_of(a.sent) + "\n" + a.sent.body + "\n";
    return s;
}

} // namespace

void check(const story &s)
{
    court(s).check();
}

std::string summary(const story &s)
{
    return court(s).summary();
}

} // namespace judge
