// See wire.h.
#include "tests/fuzz/exchange/wire.h"

#include <cstring>

namespace wire {

namespace {

bool is_token_byte(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
        (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

bool is_token(const std::string &s)
{
    for (unsigned char c : s)
        if (!is_token_byte(c))
            return false;
    return !s.empty();
}

// Responses are passed on with control bytes in values, which nobody takes for anything else.
bool is_text(const std::string &s, bool response)
{
    for (unsigned char c : s)
        if (c == 0 || c == '\r' || (!response && ((c < 0x20 && c != '\t') || c == 0x7f)))
            return false;
    return true;
}

std::string trimmed(const std::string &s)
{
    size_t first = s.find_first_not_of(" \t"), last = s.find_last_not_of(" \t");

    return first == std::string::npos ? "" : s.substr(first, last - first + 1);
}

std::vector<std::string> elements(const std::string &list)
{
    std::vector<std::string> out;
    size_t at = 0;

    while (at <= list.size()) {
        size_t comma = list.find(',', at);

        if (comma == std::string::npos)
            comma = list.size();
        std::string element = lower(trimmed(list.substr(at, comma - at)));
        if (!element.empty())
            out.push_back(element);
        at = comma + 1;
    }
    return out;
}

class reader {
  public:
    reader(const std::string &t, size_t begin) : text(t), at(begin)
    {
        m.begin = begin;
    }

    // The reader goes on as long as m.state is head or body.
    message request()
    {
        std::string first;

        if (line(&first) && request_line(first) && fields())
            frame_request();
        return finish();
    }

    message response(bool bodiless)
    {
        std::string first;

        is_response = true;
        if (line(&first) && status_line(first) && fields())
            frame_response(bodiless);
        return finish();
    }

  private:
    bool bad(const char *why)
    {
        m.state = state::malformed;
        m.why = why;
        return false;
    }

    // Takes a line that ends with CRLF. False if it is not all there, or has another byte of a line
    // end in it.
    bool line(std::string *out)
    {
        size_t end = text.find('\n', at);

        if (end == std::string::npos) {
            at = text.size();
            return false;
        }
        *out = text.substr(at, end - at);
        at = end + 1;
        if (out->empty() || out->back() != '\r')
            return bad("a line ends with LF alone");
        out->pop_back();
        return is_text(*out, is_response) || bad("a control byte in a line");
    }

    // A later minor version is read as the highest that is known (RFC 9110, 2.5).
    bool version(const std::string &s)
    {
        if (s.size() != 8 || s.compare(0, 7, "HTTP/1.") != 0 || s[7] < '0' || s[7] > '9')
            return bad("the version");
        m.minor = s.back() - '0';
        return true;
    }

    bool request_line(const std::string &s)
    {
        size_t one = s.find(' '), two = s.rfind(' ');

        if (one == std::string::npos || one == two)
            return bad("the request line");
        m.method = s.substr(0, one);
        m.target = s.substr(one + 1, two - one - 1);
        if (!is_token(m.method))
            return bad("the method");
        for (unsigned char c : m.target)
            if (c <= 0x20 || c >= 0x7f || c == '#')
                return bad("the target");
        return version(s.substr(two + 1));
    }

    bool status_line(const std::string &s)
    {
        if (s.size() < 12 || s[8] != ' ' || (s.size() > 12 && s[12] != ' '))
            return bad("the status line");
        for (int i = 9; i < 12; i++) {
            if (s[(size_t)i] < '0' || s[(size_t)i] > '9')
                return bad("the status");
            m.status = m.status * 10 + s[(size_t)i] - '0';
        }
        return m.status >= 100 ? version(s.substr(0, 8)) : bad("the status");
    }

    bool fields()
    {
        std::string s;

        while (line(&s)) {
            size_t colon = s.find(':');

            if (s.empty()) {
                m.head_end = at;
                m.state = state::body;
                return true;
            }
            if (colon == std::string::npos || !is_token(s.substr(0, colon)))
                return bad("the name of a field");
            m.fields.push_back({ lower(s.substr(0, colon)), trimmed(s.substr(colon + 1)) });
        }
        return false;
    }

    // The framing fields of both kinds. False if they are in doubt.
    bool framing(size_t *length)
    {
        std::string text_length = m.field("content-length");

        if (m.count("transfer-encoding") > 1 || m.count("content-length") > 1)
            return bad("a framing field twice");
        if (m.count("transfer-encoding") && m.count("content-length"))
            return bad("both framing fields");
        if (m.count("transfer-encoding")) {
            m.chunked = true;
            if (m.minor == 0)
                return bad("chunked in HTTP/1.0");
            return lower(m.field("transfer-encoding")) == "chunked" || bad("a transfer coding");
        }
        if (!m.count("content-length"))
            return true;
        if (text_length.empty() || text_length.size() > 15 ||
            text_length.find_first_not_of("0123456789") != std::string::npos)
            return bad("the length");
        m.has_length = true;
        *length = (size_t)std::stoull(text_length);
        return true;
    }

    void frame_request()
    {
        size_t length = 0;

        if (m.count("host") > 1 || (m.minor == 1 && m.count("host") == 0)) {
            bad("the Host fields");
            return;
        }
        m.has_head = framing(&length);
        if (m.has_head)
            m.chunked ? chunks() : exactly(length);
    }

    void frame_response(bool bodiless)
    {
        size_t length = 0;

        if (!framing(&length))
            return;
        if ((m.status < 200 || m.status == 204) && (m.chunked || m.has_length)) {
            bad("a framing field where no body can be");
            return;
        }
        m.has_head = true;
        if (bodiless || m.status < 200 || m.status == 204 || m.status == 304) {
            exactly(0);
        } else if (m.chunked) {
            chunks();
        } else if (m.has_length) {
            exactly(length);
        } else {
            m.until_close = true;
            exactly(text.size() - at);
        }
    }

    void exactly(size_t n)
    {
        size_t here = text.size() - at;

        m.body = text.substr(at, n < here ? n : here);
        at += m.body.size();
        if (m.body.size() == n)
            m.state = state::complete;
    }

    bool chunk_size(size_t *n)
    {
        std::string s;
        size_t digits;

        if (!line(&s))
            return false;
        digits = s.find_first_not_of("0123456789abcdefABCDEF");
        if (digits == std::string::npos)
            digits = s.size();
        if (digits == 0 || digits > 8)
            return bad("the size of a chunk");
        if (digits < s.size() && trimmed(s.substr(digits))[0] != ';')
            return bad("what follows the size of a chunk");
        *n = (size_t)std::stoull(s.substr(0, digits), nullptr, 16);
        return true;
    }

    // The bytes of a chunk and the CRLF behind them. False if they are not all there.
    bool chunk(size_t n)
    {
        size_t here = text.size() - at;

        m.body.append(text, at, n < here ? n : here);
        if (here >= n + 2 && text.compare(at + n, 2, "\r\n") == 0) {
            at += n + 2;
            return true;
        }
        if (here >= n + 2 || (here == n + 1 && text[at + n] != '\r'))
            return bad("what follows a chunk");
        at = text.size();
        return false;
    }

    void chunks()
    {
        size_t n;

        while (chunk_size(&n)) {
            if (n == 0) {
                trailers();
                return;
            }
            if (!chunk(n))
                return;
        }
    }

    void trailers()
    {
        std::string s;

        while (line(&s)) {
            size_t colon = s.find(':');

            if (s.empty()) {
                m.state = state::complete;
                return;
            }
            if (colon == std::string::npos || !is_token(s.substr(0, colon))) {
                bad("a trailer");
                return;
            }
        }
    }

    message finish()
    {
        m.end = at;
        return m;
    }

    const std::string &text;
    size_t at;
    bool is_response = false;
    message m;
};

} // namespace

std::string lower(std::string text)
{
    for (char &c : text)
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 'a' - 'A');
    return text;
}

std::string message::field(const std::string &name) const
{
    for (auto &f : fields)
        if (f.first == name)
            return f.second;
    return "";
}

size_t message::count(const std::string &name) const
{
    size_t n = 0;

    for (auto &f : fields)
        n += f.first == name;
    return n;
}

bool message::lists(const std::string &name, const std::string &element) const
{
    for (auto &f : fields)
        if (f.first == name)
            for (auto &e : elements(f.second))
                if (e == element)
                    return true;
    return false;
}

message read_request(const std::string &text, size_t begin)
{
    return reader(text, begin).request();
}

message read_response(const std::string &text, size_t begin, bool bodiless)
{
    return reader(text, begin).response(bodiless);
}

} // namespace wire
