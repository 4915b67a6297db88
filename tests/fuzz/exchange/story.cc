// What clients have asked, and the end of a run that went wrong. See world.h.
#include "tests/fuzz/exchange/world.h"

#include <cstdio>
#include <cstdlib>

namespace world {

void fail(const std::string &what)
{
    fprintf(stderr, "exchange: %s\n", what.c_str());
    for (kernel::sock &s : kernel::sockets)
        fprintf(
            stderr,
            "--- socket %d of %s %d, it sent %zu bytes%s%s:\n%.1200s\n--- and got%s%s:\n%.1200s\n",
            s.fd & 0xff, s.place < 0 ? "a client" : "upstream", s.place, s.in.size(),
            s.fin ? ", ended" : "", s.reset ? ", reset" : "", s.in.c_str(),
            s.closed ? ", closed" : "", s.closed_by_reset ? " by a reset" : "", s.out.c_str());
    fprintf(stderr, "--- log:\n%.1200s\n", kernel::lines.c_str());
    abort();
}

std::vector<wire::message> requests_of(const client &c)
{
    std::vector<wire::message> all;
    size_t at = 0;

    while (c.socket && at < c.socket->in.size()) {
        while (c.socket->in.compare(at, 2, "\r\n") == 0)
            at += 2;
        if (at == c.socket->in.size())
            break;
        all.push_back(wire::read_request(c.socket->in, at));
        at = all.back().end;
        if (all.back().state != wire::state::complete)
            break;
    }
    return all;
}

bool is_early(client *c, size_t bytes)
{
    static const std::string close = "\r\nConnection: close\r\n";
    const kernel::sock &s = *c->socket;
    size_t from = c->searched;

    if (c->said == bytes && s.in_at == s.in.size())
        return false;
    c->searched = s.out.size() < close.size() ? 0 : s.out.size() - close.size();
    return s.out.find(close, from) != std::string::npos;
}

// The final response in text from there on, as far as it came.
static wire::message final_response(const std::string &text, size_t begin)
{
    wire::message m = wire::read_response(text, begin, false);

    while (m.state == wire::state::complete && m.status < 200)
        m = wire::read_response(text, m.end, false);
    return m;
}

void check_stream(const story &s)
{
    const attempt *a = s.attempts.empty() ? nullptr : &s.attempts.back();
    const client &c = s.clients[0];

    if (!a || a->candidates.empty() || a->candidates[0].request != c.responses ||
        s.play->config->pings || a->socket->closed || a->socket->fin || c.socket->closed ||
        a->sent.method == "HEAD")
        return;
    wire::message said = final_response(a->socket->in, a->said);
    size_t events = said.body.rfind("\n\n");

    if (said.has_head && said.state != wire::state::malformed && said.status == 200 &&
        events != std::string::npos && said.field("content-type") == script::stream_type &&
        final_response(c.socket->out, c.read).body.size() < events)
        fail("an event is held back");
}

} // namespace world
