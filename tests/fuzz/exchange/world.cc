// The world around the program: clients that speak, upstreams that respond, and the moves that the
// input chooses. See world.h.
#include "tests/fuzz/exchange/world.h"

#include <cerrno>
#include <map>

namespace world {

namespace {

// After so many jumps to the next time-out nothing more is to come of the exchanges under way:
// clients leave. Each of them may take as many again to be gone.
constexpr unsigned jumps_before_leaving = 200, jumps_max = 1000;
constexpr unsigned turns_max = 50000, idle_turns_max = 100;

// What an upstream has still to say on a connection.
struct speech {
    size_t attempt = SIZE_MAX; // under way; SIZE_MAX: none
    std::string text;
    size_t at = 0;
    script::ending ending = script::ending::keep;
    bool over = false; // it has ended or stalled
};

class stage {
  public:
    stage(story *s, bool is_calm) : told(*s), play(*s->play), calm(is_calm)
    {
    }

    void run()
    {
        program = inside_make(play.config->ini.c_str());
        kernel::outcomes.assign(play.outcomes.begin(), play.outcomes.end());
        kernel::no_pipes = play.no_pipes;
        kernel::turn = [this](int timeout) { turn(timeout); };
        kernel::written = [this](kernel::sock &s) {
            s.place == kernel::clients_place ? note_close(s) : written(s);
        };
        told.clients.resize(play.clients.size());
        kernel::ring();
        inside_run(
            program, kernel::bell_fd, [](void *arg) { ((stage *)arg)->accept(); }, this);
        told.stopped = !finished;
        inside_free(program);
        if (!kernel::all_closed())
            fail("a descriptor was left open");
        told.lines = kernel::lines;
        close_attempts();
    }

  private:
    // The next client comes.
    void accept()
    {
        client &c = told.clients[accepted];
        kernel::sock &s = kernel::arrive();

        c.socket = &s;
        s.room = calm ? kernel::unlimited : play.client_room;
        inside_accept(program, s.fd, play.clients[accepted++].last);
    }

    uint8_t next()
    {
        return at < play.moves.size() ? (uint8_t)play.moves[at++] : 0;
    }

    bool has_moves() const
    {
        return !calm && at < play.moves.size();
    }

    void turn(int timeout)
    {
        check_turns();
        if (has_moves()) {
            do
                move();
            while (timeout != 0 && !kernel::pending() && has_moves());
            serve();
        }
        if (timeout == 0 || kernel::pending())
            return;
        if (!has_moves() && !go_on())
            wait(timeout);
    }

    // A turn in which neither the program nor the world did anything is one too many; some are
    // granted, because a wake-up for nothing is no fault.
    void check_turns()
    {
        bool idle = kernel::progress == progress && !moved;

        idle_turns = idle ? idle_turns + 1 : 0;
        progress = kernel::progress;
        moved = false;
        if (idle_turns > idle_turns_max)
            fail("the loop spins");
        if (++turns > turns_max)
            fail("the loop does not end");
    }

    // Everything that can move moves, all of it. False if nothing can.
    bool go_on()
    {
        bool any = kernel::connect_all() | kernel::look_up_all();

        serve();
        for (kernel::sock &s : kernel::sockets)
            if (!s.closed && s.room < kernel::unlimited) {
                any |= s.starved;
                kernel::take(s, kernel::unlimited);
            }
        for (size_t i = 0; i < accepted; i++)
            any |= speak(i, SIZE_MAX);
        for (kernel::sock &s : kernel::sockets)
            any |= say(s, SIZE_MAX);
        if (!any && accepted < told.clients.size() && !draining) {
            kernel::ring();
            any = true;
        }
        moved |= any;
        return any;
    }

    // Nothing moves but the time.
    void wait(int timeout)
    {
        struct inside_counts n = inside_count(program);

        if (n.clients == 0 && n.connections == 0) {
            finish(n);
            return;
        }
        if (!told.disturbed && told.clients.size() == 1) {
            answered(0);
            check_stream(told);
        }
        if (timeout < 0)
            fail("clients or connections wait for nothing");
        pass_time((uint64_t)timeout);
        if (++jumps == jumps_before_leaving)
            leave();
        if (jumps > jumps_max)
            fail("clients or connections do not go");
    }

    void leave()
    {
        told.disturbed = true;
        for (client &c : told.clients)
            if (c.socket && !c.socket->closed)
                kernel::end(*c.socket);
    }

    void pass_time(uint64_t ms)
    {
        kernel::now += ms;
        moved = true;
    }

    void finish(const struct inside_counts &n)
    {
        if (n.denied || n.kept)
            fail("a counter is not back at 0");
        finished = moved = true;
        inside_stop(program);
    }

    // A client sends up to n bytes. False if it has nothing to send.
    bool speak(size_t i, size_t n)
    {
        client &c = told.clients[i];
        const std::string &all = play.clients[i].bytes;

        if (!c.socket || c.socket->closed || c.socket->fin || c.socket->reset ||
            c.said == all.size())
            return false;
        kernel::send(*c.socket, all.substr(c.said, n));
        c.said = n < all.size() - c.said ? c.said + n : all.size();
        return true;
    }

    // An upstream says up to n bytes. False if it has nothing to say.
    bool say(kernel::sock &s, size_t n)
    {
        auto found = speeches.find(&s);
        speech *it = found == speeches.end() ? nullptr : &found->second;

        if (!it || it->over || s.closed || s.reset || s.fin || it->attempt == SIZE_MAX ||
            !told.attempts[it->attempt].responded || told.attempts[it->attempt].said_whole)
            return false;
        n = n < it->text.size() - it->at ? n : it->text.size() - it->at;
        if (n > 0)
            kernel::send(s, it->text.substr(it->at, n));
        it->at += n;
        if (it->at == it->text.size())
            say_end(s, it);
        return true;
    }

    void say_end(kernel::sock &s, speech *it)
    {
        told.attempts[it->attempt].said_whole = true;
        it->over = it->ending != script::ending::keep;
        if (it->ending == script::ending::end)
            kernel::end(s);
        if (it->ending == script::ending::reset) {
            told.disturbed = true; // it may overtake what the program writes
            kernel::reset(s);
        }
    }

    void note_close(const kernel::sock &s)
    {
        for (size_t i = 0; i < accepted; i++)
            if (told.clients[i].socket == &s)
                told.disturbed |= is_early(&told.clients[i], play.clients[i].bytes.size());
    }

    // Bytes were written to an upstream: those of the request under way, or the first ones of
    // another.
    void written(kernel::sock &s)
    {
        speech &it = speeches[&s];

        if (it.attempt == SIZE_MAX)
            begin(s, &it, 0);
        attempt &a = told.attempts[it.attempt];

        if (!a.said_whole)
            return;
        a.sent = wire::read_request(s.out, a.begin);
        if (a.sent.state == wire::state::complete && a.sent.end < s.out.size()) {
            a.end = a.sent.end;
            a.said_end = s.in.size();
            begin(s, &it, a.end);
        }
    }

    void begin(kernel::sock &s, speech *it, size_t from)
    {
        attempt a = {};

        a.socket = &s;
        a.begin = from;
        a.said = s.in.size();
        for (size_t i = 0; i < accepted; i++)
            a.candidates.push_back({ i, answered(i) });
        if (s.room == kernel::unlimited && !calm)
            s.room = play.upstream_room;
        it->attempt = told.attempts.size();
        it->text.clear();
        it->at = 0;
        told.attempts.push_back(a);
    }

    // How many responses the client at i has been sent, which is the number of the request under
    // way.
    size_t answered(size_t i)
    {
        client &c = told.clients[i];
        std::vector<wire::message> asked = requests_of(c);

        while (c.read < c.socket->out.size()) {
            bool head = c.responses < asked.size() && asked[c.responses].method == "HEAD";
            wire::message m = wire::read_response(c.socket->out, c.read, head);

            if (m.state != wire::state::complete || m.until_close)
                break;
            c.read = m.end;
            c.responses += m.status >= 200;
        }
        return c.responses;
    }

    // Upstreams look at what they got.
    void serve()
    {
        for (kernel::sock &s : kernel::sockets) {
            auto it = speeches.find(&s);

            if (it == speeches.end() || it->second.attempt == SIZE_MAX)
                continue;
            attempt &a = told.attempts[it->second.attempt];

            if (!a.responded && !s.closed)
                look(s, &it->second, &a);
        }
    }

    void look(kernel::sock &s, speech *it, attempt *a)
    {
        if (looked[&s] == s.out.size())
            return;
        looked[&s] = s.out.size();
        a->sent = wire::read_request(s.out, a->begin);
        if (a->sent.state == wire::state::malformed)
            fail("an upstream got a malformed request: " + a->sent.why);
        if (a->sent.state == wire::state::complete && a->sent.end < s.out.size())
            fail("an upstream got more than a request");
        if (!a->sent.has_head)
            return;
        script::response r = play.responses[responses % play.responses.size()]();

        if (a->sent.state != wire::state::complete && !r.early)
            return;
        told.disturbed |= r.early;
        a->responded = true;
        responses++;
        it->ending = r.ending;
        it->text = a->sent.method == "HEAD" ? r.head : r.head + r.body;
        it->text.resize(r.cut < it->text.size() ? r.cut : it->text.size());
    }

    void close_attempts()
    {
        for (attempt &a : told.attempts) {
            if (!a.end) {
                a.end = a.socket->out.size();
                a.said_end = a.socket->in.size();
            }
            a.sent = wire::read_request(a.socket->out.substr(0, a.end), a.begin);
            if (a.sent.state == wire::state::malformed)
                fail("an upstream got a malformed request: " + a.sent.why);
        }
    }

    // One move of the input: what, and to whom.
    void move()
    {
        static const size_t sizes[] = { 1, 2, 3, 7, 30, 200, 2000, 70000 };
        uint8_t what = next(), much = what / 16;
        size_t n = sizes[much % 8];

        moved = true;
        switch (what % 16) {
        case 0:
        case 1:
        case 2:
        case 3:
            if (accepted > 0)
                speak(much / 8u % accepted, n);
            break;
        case 4:
        case 5:
        case 6:
            serve();
            if (kernel::sock *s = one_of(false, much / 8u))
                say(*s, n);
            break;
        case 7:
            if (kernel::sock *s = one_of(much & 8, next()))
                kernel::take(*s, n);
            break;
        case 8:
            kernel::connect_all();
            break;
        case 9:
            kernel::look_up_all();
            break;
        case 10:
            if (accepted < told.clients.size() && !draining)
                kernel::ring();
            break;
        case 11:
            if (kernel::sock *s = one_of(much & 8, next()))
                kernel::wake(*s);
            break;
        default:
            disturb(what % 16, much);
        }
    }

    // Moves whose outcome depends on when they come.
    void disturb(unsigned what, unsigned much)
    {
        static const uint64_t times[] = { 1, 300, 1100, 2100, 5000, 16000, 61000, 700000 };
        static const int recv_faults[] = { ECONNRESET, ETIMEDOUT, ENOBUFS, EINTR },
                         send_faults[] = { EPIPE, ECONNRESET, ENOBUFS, EINTR };
        kernel::sock *s = what == 13 || what == 14 ? one_of(much & 8, next()) : nullptr;

        told.disturbed = true;
        if (what == 12) {
            pass_time(times[much % 8]);
        } else if (s && what == 13) {
            much & 4 ? kernel::reset(*s) : kernel::end(*s);
        } else if (s && what == 14) {
            (much & 4 ? s->recv_fault : s->send_fault) =
                (much & 4 ? recv_faults : send_faults)[much % 4];
        } else if (what == 15) {
            change(much);
        }
    }

    void change(unsigned how)
    {
        if (how < 8) {
            if (reloads++ < 2) // they are what takes longest
                inside_reload(program, play.config->ini.c_str());
        } else if (how < 12) {
            draining = true;
            inside_drain(program);
        } else if (kernel::sock *s = one_of(how & 1, next())) {
            s->vanished = true;
        }
    }

    // An open socket of a client, or of an upstream.
    kernel::sock *one_of(bool clients, size_t which)
    {
        std::vector<kernel::sock *> open;

        for (kernel::sock &s : kernel::sockets)
            if (!s.closed && !s.connecting && (s.place == kernel::clients_place) == clients)
                open.push_back(&s);
        return open.empty() ? nullptr : open[which % open.size()];
    }

    story &told;
    const script::play &play;
    bool calm;
    struct inside *program = nullptr;
    std::map<kernel::sock *, speech> speeches;
    std::map<kernel::sock *, size_t> looked;
    size_t at = 0, accepted = 0, responses = 0;
    unsigned turns = 0, idle_turns = 0, jumps = 0, reloads = 0;
    uint64_t progress = 0;
    bool moved = false, draining = false, finished = false;
};

} // namespace

story run(const script::play &p, bool calm)
{
    story s = {};

    s.play = &p;
    kernel::begin();
    stage(&s, calm).run();
    kernel::turn = nullptr;
    kernel::written = nullptr;
    return s;
}

} // namespace world
