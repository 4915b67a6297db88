// The kernel under a fuzzed exchange: sockets, pipes, look-ups and readiness as Linux has them, and
// a clock that only the test moves. The program's calls end up here by the linker's --wrap and by
// functions of net/poller.h, net/lookup.h and log/ring.h that stand in for the real ones. Nothing
// here knows HTTP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

struct watch;

namespace kernel {

constexpr int clients_place = -1;
constexpr size_t unlimited = SIZE_MAX / 2;

// One end of a connection, as the program sees it.
// 1. in holds what the peer has sent; the program has read the first in_at bytes of it.
// 2. out holds all that the program has written; room is how much more the peer's window takes.
// 3. fault is the socket's pending error, told once, to whoever asks first; reset means that the
//    connection is dead.
struct sock {
    int fd = -1;
    int place = clients_place; // the upstream that it is connected to
    struct watch *watch = nullptr;
    bool changed = false; // the poller has not told of the last change
    std::string in;
    size_t in_at = 0;
    bool fin = false, reset = false;
    int fault = 0;
    std::string out;
    size_t room = unlimited;
    bool starved = false; // a write was cut or refused for want of room
    bool connecting = false, hangs = false;
    bool shut = false, closed = false, closed_by_reset = false;
    int recv_fault = 0, send_fault = 0; // what the next call fails with
    bool vanished = false;              // it acknowledges nothing
};

// What becomes of the next connections, in their order; once used up, all are made.
enum class outcome { made, made_late, refused, refused_at_once, hangs };

// How the test moves the world: called once in each turn of the loop with the milliseconds that the
// loop would wait, -1 for ever.
extern std::function<void(int timeout)> turn;
// Called after each write to a socket, in the program's callback.
extern std::function<void(sock &)> written;

extern std::deque<sock> sockets; // all of this run
extern std::deque<outcome> outcomes;
extern bool no_pipes;     // pipe2 fails
extern uint64_t now;      // milliseconds
extern uint64_t progress; // counts the calls that moved something
extern std::string lines; // of the log

// Starts over.
void begin();

// A connection that a client has made.
sock &arrive();

// The peer's side.
void send(sock &s, const std::string &bytes);
void end(sock &s);
void reset(sock &s);
void take(sock &s, size_t n); // its window opens by n bytes

// Connections under way become what their outcome says, but for those that hang. True if there was
// one.
bool connect_all();

// The look-ups under way get their addresses. True if there was one.
bool look_up_all();

// Something that no peer did: the poller tells of s although nothing has changed.
void wake(sock &s);

// True if the poller has something to tell.
bool pending();

// A descriptor that becomes readable when the test says so.
constexpr int bell_fd = (1 << 20) - 1;
void ring();

// True if the program has let go of all sockets and pipes.
bool all_closed();

} // namespace kernel
