// The world's side of the sockets. See kernel.h.
#include "tests/fuzz/exchange/kernel.h"
#include "tests/fuzz/exchange/calls.h"
#include "tests/fuzz/exchange/inside.h"

extern "C" {
#include "net/lookup.h"
#include "net/reactor.h"
}

#include <cerrno>
#include <cstring>

namespace kernel {

std::function<void(int)> turn;
std::function<void(sock &)> written;
std::deque<sock> sockets;
std::deque<outcome> outcomes;
bool no_pipes;
uint64_t now, progress;
std::string lines;
bell bells[2];
std::deque<tube> tubes;
std::deque<outcome> under_way;
std::deque<struct lookup *> asked, found;

static void answer(struct lookup *l)
{
    struct lookup_answer *a = &l->answer;

    memset(a, 0, sizeof *a);
    addr_parse(&a->addrs[0], SPAN("::1"));
    addr_parse(&a->addrs[1], SPAN("127.0.0.1"));
    a->n = 2;
    for (unsigned i = 0; i < a->n; i++)
        a->addrs[i].port = l->port;
}

void begin()
{
    sockets = {};
    outcomes = {};
    under_way = {};
    tubes = {};
    asked = {};
    found = {};
    lines = std::string();
    bells[0] = { bell_fd, nullptr, false };
    bells[1] = { lookups_fd, nullptr, false };
    no_pipes = false;
    now = 1000000;
    progress = 0;
}

unsigned readiness(const sock &s)
{
    bool dead = s.reset || s.fault;
    unsigned ready = 0;

    if (s.connecting)
        return 0;
    if (s.in_at < s.in.size() || s.fin || dead)
        ready |= READY_READ;
    if (s.room > 0 || dead)
        ready |= READY_WRITE;
    if (s.fin || dead)
        ready |= READY_HUP;
    return ready;
}

void settle(sock &s, outcome o)
{
    s.connecting = false;
    s.changed = true;
    if (o == outcome::refused) {
        s.fault = ECONNREFUSED;
        s.reset = true;
    }
}

sock &arrive()
{
    sockets.emplace_back();
    under_way.push_back(outcome::made);
    sockets.back().fd = first_socket + (int)sockets.size() - 1;
    return sockets.back();
}

void send(sock &s, const std::string &bytes)
{
    s.in += bytes;
    s.changed = true;
}

void end(sock &s)
{
    s.fin = s.changed = true;
}

void reset(sock &s)
{
    if (s.reset)
        return;
    s.reset = s.changed = true;
    s.fault = ECONNRESET;
}

void take(sock &s, size_t n)
{
    s.room = n > unlimited - s.room ? unlimited : s.room + n;
    s.changed |= s.starved;
    s.starved = false;
}

void wake(sock &s)
{
    s.changed = true;
}

bool connect_all()
{
    bool any = false;

    for (size_t i = 0; i < sockets.size(); i++)
        if (sockets[i].connecting && !sockets[i].closed && under_way[i] != outcome::hangs) {
            settle(sockets[i], under_way[i]);
            any = true;
        }
    return any;
}

bool look_up_all()
{
    bool any = !asked.empty();

    for (struct lookup *l : asked)
        answer(l);
    found.insert(found.end(), asked.begin(), asked.end());
    asked = {};
    bells[1].rung |= any;
    return any;
}

bool pending()
{
    for (const bell &b : bells)
        if (b.rung)
            return true;
    for (const sock &s : sockets)
        if (s.changed && s.watch && readiness(s))
            return true;
    return false;
}

void ring()
{
    bells[0].rung = true;
}

bool all_closed()
{
    for (const sock &s : sockets)
        if (!s.closed)
            return false;
    for (const tube &t : tubes)
        if (t.open[0] || t.open[1])
            return false;
    return true;
}

} // namespace kernel
