// See script.h. The first bytes are slots of a fixed form, so that a mutation of one leaves the
// others alone; then come a text that is put into requests and responses, and the moves.
#include "tests/fuzz/exchange/script.h"

namespace script {

namespace {

constexpr size_t n_slots = 4, filler = 3000, more_filler = 70000, most_filler = 200000;
constexpr int disturbing = 12;     // the first kind of move that does, see world.cc
constexpr size_t chunks_max = 300; // more of them show nothing new

struct bytes {
    const uint8_t *p;
    size_t n;

    uint8_t next()
    {
        if (n == 0)
            return 0;
        n--;
        return *p++;
    }
    std::string take(size_t most)
    {
        std::string s((const char *)p, most < n ? most : n);

        p += s.size();
        n -= s.size();
        return s;
    }
};

// What is done to a text that is otherwise in order.
struct patch {
    uint8_t how, where;

    void apply(std::string *s, const std::string &text) const
    {
        size_t at = s->size() * where / 256;

        switch (how % 16) {
        case 1:
            s->insert(at, text);
            break;
        case 2:
            s->replace(at, text.size(), text);
            break;
        case 3:
            s->erase(at, 1 + how / 16u);
            break;
        case 4:
            if (at < s->size())
                (*s)[at] = (char)((*s)[at] ^ 1 << how / 32);
            break;
        case 5:
            s->insert(at, s->substr(at, 1 + how / 4u));
            break;
        default:
            break;
        }
    }
};

struct request_slot {
    uint8_t what, body, framing, extra;
    script::patch patch;
};

struct response_slot {
    uint8_t what, framing, ending, cut;
    script::patch patch;
};

std::string number(size_t n)
{
    return std::to_string(n);
}

std::string request_body(uint8_t which, const std::string &text)
{
    static const char *const models[] = { "gpt-4o", "gpt-x",  "deepseek-chat", "fast",
                                          "local",  "nobody", "location",      "g\\u0070t-4o" };
    std::string m = std::string("\"") + models[which / 16 % 8] + "\"";
    auto no = [](size_t n) { return std::string(n, 'n'); };

    switch (which % 16) {
    case 0:
        return "{\"model\":" + m + ",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
    case 1:
        return "{\"messages\":[{\"content\":\"hi\",\"a\":1}],\"stream\":true,\"model\":" + m + "}";
    case 2:
        return "{\"messages\":[]}";
    case 3:
        return "{\"model\":" + m + ",\"x\":[1,2],\"model\":" + m + "}";
    case 4:
        return "{\"a\":1,\"model\":" + m + ",\"b\":2}";
    case 5:
        return "[1, {\"a\":{\"a\":\"\\ud83d\\ude00\"}}]";
    case 6:
        return "{\"model\":" + m + ",\"x\":\"" + no(filler) + "\"}";
    case 7:
        return "{\"x\":\"" + no(filler) + "\",\"a\":0,\"model\":" + m + "}";
    case 8:
        return "{\"model\":5,\"a\":[{\"b\":-0.5e+3}]}";
    case 9:
        return "{\"mod\\u0065l\": " + m + " ,\"temperature\":1}";
    case 10:
        return "{\"model\":" + m + ",\"messages\":[";
    case 11:
        return text;
    case 12:
        return "{\"x\":\"" + no(more_filler) + "\",\"model\":" + m + "}";
    case 13:
        return "";
    case 14:
        return which / 128 ? std::string(most_filler, 'b') : "{}";
    default:
        return " { \"model\" : " + m +
            " , \"n\":[{\"model\":\"in\"},{\"a\":{\"a\":1}}],\"k\":\"ck-client-alice\"}\r\n";
    }
}

std::string request_line(uint8_t which, bool old)
{
    static const char *const lines[] = { "POST /v1/chat/completions",
                                         "POST /chat/completions/",
                                         "POST //v1/chat/completions?x=1&y",
                                         "POST http://proxy.test:8000/v1/chat/completions?q",
                                         "GET /v1/models",
                                         "GET /v1/models/gpt-4o",
                                         "POST /v1/embeddings?a=b",
                                         "PUT /v1/files/x%20y?z",
                                         "GET /healthz",
                                         "OPTIONS /v1/chat/completions",
                                         "HEAD /v1/models",
                                         "POST /v1/a/%2e./b",
                                         "GET /nowhere",
                                         "DELETE /v1/files/ck-client-alice",
                                         "POST /v1/chat/completions",
                                         "HEAD /v1/files/2" };

    return lines[which] + std::string(old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
}

std::string key_fields(uint8_t which)
{
    static const char *const fields[] = { "Authorization: Bearer ck-client-alice\r\n",
                                          "",
                                          "api-key: ck-client-alice\r\n",
                                          "Authorization: Bearer ck-client-bob\r\n",
                                          "X-API-Key: ck-client-bob\r\n",
                                          "Authorization: bearer  ck-client-alice \r\n",
                                          "Authorization: Bearer ck-nobody-knows\r\n",
                                          "api-key: a\r\nAuthorization: Bearer b\r\n",
                                          "Authorization: Basic dTpw\r\n" };

    return fields[which % 9];
}

std::string extra_fields(uint8_t bits)
{
    std::string s;

    if (bits & 1)
        s += "Connection: close\r\n";
    if (bits & 4)
        s += "Expect: 100-continue\r\n";
    if (bits & 8)
        s += "Cookie: c\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Host: h\r\nForwarded: for=x\r\n"
             "X-Real-IP: ::1\r\nVia: 1.0 fred\r\nOrigin: http://o\r\nReferer: http://r\r\n"
             "Sec-Fetch-Mode: cors\r\n";
    if (bits & 16)
        s += "Connection: X-Drop,, keep-alive\r\nX-Drop: 1\r\nX-Keep:\t2 \r\nTE: trailers\r\n"
             "Keep-Alive: timeout=5\r\nUpgrade: h2c\r\nX-Keep: 3\r\n";
    if (bits & 32)
        s += "Content-Encoding: gzip\r\n";
    if (bits & 64)
        s += "X-Request-ID: mine-1\r\nX-Extra: theirs\r\n";
    return s;
}

std::string chunked(const std::string &body, size_t each, const char *extension,
                    const char *trailers)
{
    std::string s;
    char size[20];

    if (each < body.size() / chunks_max)
        each = body.size() / chunks_max;
    for (size_t at = 0; at < body.size(); at += each) {
        size_t n = body.size() - at < each ? body.size() - at : each;

        snprintf(size, sizeof size, "%zX", n);
        s += size + std::string(extension) + "\r\n" + body.substr(at, n) + "\r\n";
    }
    return s + "0\r\n" + trailers + "\r\n";
}

std::string length_field(size_t n)
{
    return "Content-Length: " + number(n) + "\r\n";
}

// The framing fields, the empty line, and the body.
std::string framed(uint8_t which, const std::string &body)
{
    const std::string te = "Transfer-Encoding: chunked\r\n";

    switch (which % 12) {
    case 1:
        return te + "\r\n" + chunked(body, 1 << 20, "", "");
    case 2:
        return te + "\r\n" + chunked(body, 1 + which / 12u * 40, "", "");
    case 3:
        return te + "\r\n" + chunked(body, 700, ";a=\"b\"", "X-Trailer: 1\r\n");
    case 4:
        return "\r\n";
    case 5:
        return te + length_field(body.size()) + "\r\n" + body;
    case 6:
        return length_field(body.size()) + length_field(body.size()) + "\r\n" + body;
    case 7:
        return length_field(body.size() + which / 12u) + "\r\n" + body;
    case 8:
        return "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunked(body, 1 << 20, "", "");
    case 9:
        return length_field(body.size() < 10 ? 0 : body.size() - 3) + "\r\n" + body;
    default:
        return length_field(body.size()) + "\r\n" + body;
    }
}

std::string request_of(const request_slot &r, const std::string &text)
{
    uint8_t line = r.what % 16;
    bool bodiless = line == 4 || line == 5 || line == 8 || line == 10 || line == 12 || line == 15;
    std::string s = r.extra & 128 ? "\r\n" : "";

    if (line == 14)
        return text;
    s += request_line(line, r.extra & 2) + "Host: proxy.test\r\n" + key_fields(r.what / 16) +
        extra_fields(r.extra);
    s += bodiless && r.framing < 128 ? "\r\n" : framed(r.framing, request_body(r.body, text));
    r.patch.apply(&s, text);
    return s;
}

std::string event(const std::string &data)
{
    return "data: " + data + "\n\n";
}

std::string delta(int index, const char *text, const char *finish)
{
    return event("{\"id\":\"c\",\"choices\":[{\"index\":" + number((size_t)index) +
                 ",\"delta\":{\"content\":\"" + text + "\"},\"finish_reason\":" + finish + "}]}");
}

std::string stream_body(uint8_t which, const std::string &text)
{
    std::string s = delta(0, "Hel", "null") + ": comment\n\n" + delta(0, "lo", "null");

    switch (which % 8) {
    case 0:
        return s + delta(0, "", "\"stop\"") + event("[DONE]");
    case 1:
        return s;
    case 2:
        return s + delta(1, "x", "null") + delta(0, "", "\"stop\"");
    case 3:
        return "event: e\nid: 7\ndata: x\n\n" + s + event("[DONE]") + "data: more\n\n";
    case 4:
        return s + event("{\"error\":{\"message\":\"no\"}}");
    case 5:
        return s + event("{\"choices\":[],\"usage\":{\"total_tokens\":1}}");
    case 6:
        return s + text + event("[DONE]");
    default:
        return "data: 1\r\n\r\ndata: 2\r\n\r\n" + text;
    }
}

const char json_type[] = "Content-Type: application/json\r\n";

// Status line and fields without framing, and the body.
void response_parts(response *r, const response_slot &slot, const std::string &text)
{
    static const char *const errors[] = { "429 Too Many\r\nRetry-After: 2\r\n",
                                          "401 Unauthorized\r\n",
                                          "500 Internal Server Error\r\n",
                                          "503 Service Unavailable\r\nretry-after-ms: 1500\r\n",
                                          "529 \r\n",
                                          "403 Forbidden\r\n" };
    uint8_t which = slot.what % 16;
    const std::string version =
        slot.framing % 8 == 4 || slot.framing % 8 == 5 ? "HTTP/1.0 " : "HTTP/1.1 ";

    r->body = "{\"id\":\"r\",\"object\":\"sk-secret-b of ck-client-alice\"}";
    if (which < 4) {
        r->head = version + "200 OK\r\nContent-Type: " + stream_type + "\r\n";
        r->body = stream_body(slot.what / 16, text);
    } else if (which < 10) {
        r->head = version + errors[which - 4] + json_type;
        r->body = "{\"err\":\"declined\"}";
    } else if (which == 10) {
        r->head = version + (slot.what & 16 ? "204 No Content\r\n" : "304 Not Modified\r\n");
    } else if (which == 11) {
        r->head = version +
            "307 Temporary Redirect\r\nLocation: /v1/chat/completions?again\r\nSet-Cookie: a\r\n";
    } else if (which == 12) {
        r->head = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" +
            version + "200 OK\r\n" + json_type;
    } else if (which == 13) {
        r->head = version + "200 OK\r\n" + json_type;
        r->body = std::string(slot.what & 16 ? most_filler : more_filler, 'r');
    } else if (which == 14) {
        r->head = version +
            "200\r\nX-Request-Id: sk-real-alice\r\nKeep-Alive: timeout=3\r\nConnection: x-hop\r\n"
            "X-Hop: 1\r\nStrict-Transport-Security: max-age=1\r\nAlt-Svc: h3\r\n"
            "Access-Control-Allow-Origin: *\r\nX-Two: 1\r\nX-Two: 2\r\n";
    } else {
        r->head = version + "200 OK\r\n" + json_type;
    }
}

// Adds the framing to a response.
void frame(response *r, uint8_t which, uint8_t what, const std::string &text)
{
    bool none = what % 16 == 10 && (what & 16);
    const std::string te = "Transfer-Encoding: chunked\r\n\r\n";

    if (what == 255) {
        r->head = text;
        r->body.clear();
    } else if (none || which % 8 == 3 || which % 8 == 5) {
        r->head += "\r\n";
        r->body = none ? "" : r->body;
        if (!none && r->ending == ending::keep)
            r->ending = ending::end;
    } else if (what % 16 == 10) { // 304
        r->head += length_field(r->body.size()) + "\r\n";
        r->body.clear();
    } else if (which % 8 == 1 || which % 8 == 2 || which % 8 == 6) {
        r->head += te;
        r->body = chunked(r->body, which % 8 == 2 ? 1 + which / 8u : 1 << 20,
                          which % 8 == 6 ? " ; x" : "", which % 8 == 6 ? "T: 1\r\n" : "");
    } else if (which % 8 == 7) {
        r->head += length_field(r->body.size() + which / 8u - 4) + "\r\n";
    } else {
        r->head += length_field(r->body.size()) + "\r\n";
    }
}

response response_of(const response_slot &slot, const std::string &text)
{
    response r;

    switch (slot.ending % 16) {
    case 1:
        r.ending = ending::end;
        break;
    case 2:
    case 3:
    case 4:
        r.ending = slot.ending % 16 == 2 ? ending::end
            : slot.ending % 16 == 3      ? ending::reset
                                         : ending::stall;
        r.cut = slot.cut;
        break;
    case 5:
        r.ending = ending::reset;
        break;
    default:
        break;
    }
    r.early = slot.ending & 16;
    response_parts(&r, slot, text);
    if (r.ending == ending::end && slot.ending & 32)
        r.head += "Connection: close\r\n";
    frame(&r, slot.framing, slot.what, text);
    if (r.cut != SIZE_MAX)
        r.cut = (r.head.size() + r.body.size()) * slot.cut / 256;
    slot.patch.apply(slot.patch.how & 128 ? &r.head : &r.body, text);
    return r;
}

size_t room_of(unsigned which)
{
    static const size_t rooms[] = { kernel::unlimited, kernel::unlimited, 65536, 1, 100, 0, 1500,
                                    kernel::unlimited };

    return rooms[which % 8];
}

} // namespace

play read(const uint8_t *data, size_t n)
{
    bytes in = { data, n };
    uint8_t config = in.next(), clients = in.next(), rooms = in.next(), outcomes = in.next();
    uint8_t more = in.next(), requests = in.next();
    request_slot asked[n_slots];
    response_slot said[n_slots];
    std::string text;
    play p;

    for (auto &r : asked)
        r = { in.next(), in.next(), in.next(), in.next(), { in.next(), in.next() } };
    for (auto &r : said)
        r = { in.next(), in.next(), in.next(), in.next(), { in.next(), in.next() } };
    text = in.take(in.next());
    p.config = &places::configs()[config % places::configs().size()];
    for (unsigned i = 0; i < 1u + (clients % 8 >= 6) + (clients % 8 == 7); i++)
        p.clients.push_back({ "", 2 + (clients >> (3 + i) & 1) });
    for (size_t i = 0; i < 1u + requests % n_slots; i++)
        p.clients[i % p.clients.size()].bytes += request_of(asked[i], text);
    for (auto &r : said)
        p.responses.push_back([r, text] { return response_of(r, text); });
    for (int i = 0; i < 4 && outcomes >> (2 * i); i++)
        p.outcomes.push_back((kernel::outcome)((outcomes >> (2 * i) & 3) +
                                               (more >> i & 1 && (outcomes >> (2 * i) & 3) == 3)));
    p.client_room = room_of(rooms);
    p.upstream_room = room_of(rooms / 8u);
    p.no_pipes = more & 128;
    p.moves = in.take(n);
    for (char &move : p.moves)
        if (more & 64 && (uint8_t)move % 16 >= disturbing) // else few plays would have none
            move = (char)(move - 8);
    return p;
}

} // namespace script
