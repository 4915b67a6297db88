// A strict reading of HTTP/1.1 messages (RFC 9112), written without a look at http/: whatever is
// not plainly one message is malformed.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace wire {

enum class state {
    malformed,
    head,     // the head is not all there
    body,     // the head is, the body is not
    complete, // until_close: if the connection ended cleanly
};

struct message {
    wire::state state = wire::state::head;
    std::string why; // malformed
    size_t begin = 0, head_end = 0, end = 0;
    std::string method, target; // of requests
    int status = 0;             // of responses
    int minor = 1;
    std::vector<std::pair<std::string, std::string>> fields; // names in lower case, values trimmed
    bool chunked = false, has_length = false, until_close = false;
    std::string body;      // as much as is there, decoded
    bool has_head = false; // nothing is wrong with the head, whatever comes of the body

    // The value of the only field of that name; "" if there is none.
    std::string field(const std::string &name) const;
    size_t count(const std::string &name) const;
    // True if one of the elements of the lists of that name is it, in lower case.
    bool lists(const std::string &name, const std::string &element) const;
};

// Reads the request at begin.
message read_request(const std::string &text, size_t begin);

// Reads the response at begin. bodiless: to a request with HEAD.
message read_response(const std::string &text, size_t begin, bool bodiless);

std::string lower(std::string text);

} // namespace wire
