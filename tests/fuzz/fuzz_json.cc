// Holds the JSON renamer against RapidJSON and against itself: any way of cutting input and output
// gives the same bytes and the same verdict. The reference is slow and plain: RapidJSON tells where
// keys end, and the text is put together again from the pieces. Build with clang++
// -fsanitize=fuzzer,address,undefined and the objects of json/; the unit tests are in
// tests/unit/test_json_*.c.
extern "C" {
#include "json/rename.h"
#include "json/rules.h"
}

// RapidJSON's stack adds to null pointers; that is none of our business here.
#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#include <rapidjson/document.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#pragma clang attribute pop

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace {

struct rename_case {
    std::vector<std::pair<std::string, std::string>> aliases, defaults;
    bool top_only, model_if_given, usage;
    struct json_rules *rules;
    bool asks;         // that there be one model
    std::string model; // in place of its value, if it is not empty
};

struct outcome {
    bool ok;
    uint64_t offset;
    std::string why, text;
    bool asked;
};

std::string quoted(const std::string &text)
{
    std::string out = "\"";
    char escape[8];

    for (unsigned char c : text) {
        if (c == '"' || c == '\\')
            out += '\\';
        if (c < 0x20) {
            snprintf(escape, sizeof escape, "\\u%04x", c);
            out += escape;
        } else {
            out += (char)c;
        }
    }
    return out + "\"";
}

// Follows RapidJSON through a text and writes the text with its keys renamed.
class reference : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, reference> {
  public:
    reference(const std::string &t, const rename_case &c)
        : text(t), parsed(without_halves(t)), rules(c), stream(parsed.data(), parsed.size())
    {
    }

    // 1 if RapidJSON takes the text, 0 if not, -1 if it cannot say (it refuses numbers that are too
    // big for a double).
    int run()
    {
        rapidjson::Reader reader;
        const unsigned flags = rapidjson::kParseIterativeFlag |
            rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseStopWhenDoneFlag;
        rapidjson::ParseResult result = reader.Parse<flags>(stream, *this);

        if (!result)
            return result.Code() == rapidjson::kParseErrorNumberTooBig ? -1 : 0;
        for (size_t i = stream.Tell(); i < text.size(); i++)
            if (!strchr(" \t\r\n", text[i]) || !text[i])
                return 0;
        out.append(text, copied, std::string::npos);
        return 1;
    }

    bool RawNumber(const char *, rapidjson::SizeType, bool)
    {
        return end_value(stream.Tell());
    }
    bool String(const char *, rapidjson::SizeType, bool)
    {
        return end_value(stream.Tell());
    }
    bool Default()
    {
        return end_value(stream.Tell());
    }
    bool StartArray()
    {
        return enter(false);
    }
    bool StartObject()
    {
        return enter(true);
    }
    bool EndArray(rapidjson::SizeType)
    {
        return leave();
    }

    bool Key(const char *p, rapidjson::SizeType n, bool)
    {
        size_t end = stream.Tell(), begin = end - 2;
        std::string key(p, n), name = key;

        if (replaces)
            return true;
        while (text[begin] != '"' || backslashes_before(begin) % 2)
            begin--;
        bool renames = !rules.top_only || levels.size() == 1;

        if (renames)
            for (auto &alias : rules.aliases)
                if (alias.first == key) {
                    name = alias.second;
                    out.append(text, copied, begin - copied);
                    out += quoted(name);
                    copied = end;
                }
        if (levels.size() == 1)
            sent.insert(name);
        if (levels.size() == 1 && key == "model" && rules.asks) {
            if (named)
                return false;
            named = true;
            replaces = !rules.model.empty();
            value_begin = text.find_first_not_of(" \t\r\n", text.find(':', end) + 1);
        }
        // A key that is renamed, or that another is renamed to, may have no twin.
        auto first = outgoing.back().insert({ name, key });
        return !renames || first.second || first.first->second == key;
    }

    bool EndObject(rapidjson::SizeType members)
    {
        if (levels.size() == 1) {
            size_t brace = stream.Tell(); // told before it is taken

            out.append(text, copied, brace - copied);
            copied = brace;
            for (auto &d : rules.defaults) {
                if (d.first == "model" && rules.model_if_given && rules.model.empty())
                    continue;
                add_default(d.first,
                            d.first == "model" && !rules.model.empty() ? rules.model : d.second,
                            members++ == 0);
            }
        }
        return leave();
    }

    std::string out;

  private:
    void add_default(const std::string &key, const std::string &value, bool first)
    {
        std::string name = key;

        for (auto &alias : rules.aliases)
            if (alias.first == key)
                name = alias.second;
        if (sent.count(name)) {
            if (first)
                bare_again = true;
            return;
        }
        out += (first || bare_again ? "" : ",") + quoted(name) + ":" + value;
        bare_again = false;
    }

    bool enter(bool object)
    {
        levels.push_back(object);
        outgoing.emplace_back();
        return levels.size() <= JSON_DEPTH_MAX;
    }

    bool leave()
    {
        levels.pop_back();
        outgoing.pop_back();
        return end_value(stream.Tell() + 1); // told before the bracket is taken
    }

    // A value ends. The model's, with all that it holds, is another one.
    bool end_value(size_t end)
    {
        if (!replaces || levels.size() != 1)
            return true;
        out.append(text, copied, value_begin - copied);
        out += rules.model;
        copied = end;
        replaces = false;
        return true;
    }

    size_t backslashes_before(size_t at) const
    {
        size_t n = 0;

        while (n < at && text[at - 1 - n] == '\\')
            n++;
        return n;
    }

    // RapidJSON refuses half of a pair on its own: it is shown another character in its place.
    static std::string without_halves(std::string text)
    {
        for (size_t i = 0; i + 1 < text.size(); i++) {
            long code = unit(text, i), next = unit(text, i + 6);

            if (code < 0) {
                i += text[i] == '\\';
                continue;
            }
            if (code >= 0xD800 && code <= 0xDBFF && next >= 0xDC00 && next <= 0xDFFF)
                i += 6;
            else if (code >= 0xD800 && code <= 0xDFFF)
                text.replace(i, 6, "\\uFFFD");
            i += 5;
        }
        return text;
    }

    // The value of the \\uXXXX at i; -1 if there is none.
    static long unit(const std::string &text, size_t i)
    {
        if (i + 6 > text.size() || text[i] != '\\' || text[i + 1] != 'u' ||
            text.find_first_not_of("0123456789abcdefABCDEF", i + 2) < i + 6)
            return -1;
        return std::stol(text.substr(i + 2, 4), nullptr, 16);
    }

    const std::string &text;
    const std::string parsed;
    const rename_case &rules;
    rapidjson::MemoryStream stream;
    std::vector<bool> levels;
    std::vector<std::map<std::string, std::string>> outgoing; // of each open object: name, key
    std::set<std::string> sent;
    size_t copied = 0, value_begin = 0;
    bool named = false, replaces = false;
    bool bare_again = false;
};

// What json_rename_asked tells, and what becomes of a text that was renamed and got its defaults:
// the second pass of the reference, over the members as they go out. Knows no other way to find a
// member than to go through the text from its beginning.
class usage_reference {
  public:
    usage_reference(const std::string &t, const rename_case &c) : text(t), rules(c)
    {
    }

    std::string run()
    {
        size_t at = skip_white(0), end;

        if (at == text.size() || text[at] != '{')
            return text;
        std::vector<member> list = members(at, end);
        out = text.substr(0, at + 1);
        copied = at + 1;
        for (size_t i = 0; i < list.size(); i++)
            take(list[i], i + 1 < list.size());
        out += text.substr(copied, end - copied);
        if (options == MOVED || (options == NONE && streams == 1)) {
            out += bare || list.empty() ? "" : ",";
            out += quoted(name_of("stream_options")) + ":";
            out += streams == 1 ? "{" + quoted(include()) + ":true}" : "null";
        }
        return out + text.substr(end);
    }

    bool asked = false;

  private:
    struct member {
        std::string name;
        size_t begin, value, end;
    };
    enum { NONE, SENT, MOVED } options = NONE;

    std::string name_of(const std::string &key) const
    {
        for (auto &alias : rules.aliases)
            if (alias.first == key)
                return alias.second;
        return key;
    }

    std::string include() const
    {
        return rules.top_only ? "include_usage" : name_of("include_usage");
    }

    size_t skip_white(size_t at) const
    {
        return std::min(text.find_first_not_of(" \t\r\n", at), text.size());
    }

    size_t skip_string(size_t at) const
    {
        for (at++; text[at] != '"'; at++)
            at += text[at] == '\\';
        return at + 1;
    }

    size_t skip_value(size_t at) const
    {
        int depth = 0;

        if (text[at] == '"')
            return skip_string(at);
        if (text[at] != '{' && text[at] != '[')
            return std::min(text.find_first_of(" \t\r\n,]}", at), text.size());
        do {
            depth += text[at] == '{' || text[at] == '[';
            depth -= text[at] == '}' || text[at] == ']';
            at = text[at] == '"' ? skip_string(at) : at + 1;
        } while (depth > 0);
        return at;
    }

    std::string unescaped(const std::string &key) const
    {
        rapidjson::Document d;

        d.Parse(key.data(), key.size());
        return d.HasParseError() ? "half of a pair"
                                 : std::string(d.GetString(), d.GetStringLength());
    }

    std::vector<member> members(size_t at, size_t &end) const
    {
        std::vector<member> list;

        for (at = skip_white(at + 1); text[at] != '}'; at = skip_white(at)) {
            if (text[at] == ',')
                at = skip_white(at + 1);
            member m;
            size_t key = skip_string(m.begin = at);
            m.name = unescaped(text.substr(at, key - at));
            m.value = skip_white(skip_white(key) + 1);
            at = m.end = skip_value(m.value);
            list.push_back(m);
        }
        end = at;
        return list;
    }

    void put(size_t from, size_t to, const std::string &in_place)
    {
        out += text.substr(copied, from - copied) + in_place;
        copied = to;
    }

    void take(const member &m, bool more)
    {
        char c = text[m.value];

        if (m.name == name_of("stream"))
            streams = c == 't';
        if (m.name != name_of("stream_options"))
            return;
        asked = false;
        options = c == 'n' && streams < 0 ? MOVED : SENT;
        if (options == MOVED) {
            put(m.begin, m.end, "");
            bare = !more;
            if (more) // the white space before the comma stays
                put(text.find(',', m.end), text.find(',', m.end) + 1, "");
        } else if (c == 'n' && streams == 1) {
            put(m.value, m.end, "{" + quoted(include()) + ":true}");
        } else if (c == '{') {
            complete(m);
        }
    }

    void complete(const member &options_member)
    {
        size_t end;
        bool has = false;
        std::vector<member> list = members(options_member.value, end);

        for (auto &m : list)
            if (m.name == include()) {
                asked = text[m.value] == 't';
                put(m.value, m.end, "true");
                has = true;
            }
        if (!has)
            put(end, end, (list.empty() ? "" : ",") + quoted(include()) + ":true");
    }

    const std::string &text;
    const rename_case &rules;
    std::string out;
    size_t copied = 0;
    int streams = -1; // not known
    bool bare = false;
};

struct span span_from(const std::string &s)
{
    struct span out = { s.data(), s.size() };
    return out;
}

// The longest aliases share beginnings, some are escaped when written, one is empty, and two would
// chain if anything did.
rename_case make_case(bool with_aliases, bool with_defaults, bool top_only, bool model_if_given,
                      bool usage = false)
{
    rename_case c;
    std::vector<struct json_alias> aliases;
    std::vector<struct json_default> defaults;
    const char *why = "";

    if (with_aliases)
        c.aliases = { { "model", "model_id" },
                      { "a", "b" },
                      { "b", "c" },
                      { "mode", "m" },
                      { "", "empty" },
                      { "q\"\\\n", "say \"\\\n\x01" },
                      { "\xC3\xA9t\xC3\xA9", "summer" },
                      { "\xF0\x9F\x98\x80", "face" },
                      { "\xF0\x9F\x98\x81x", "\xF0\x9F\x98\x80" },
                      { "d", "z" },
                      { "e", "z" },
                      { "q", "q" },
                      { "so", "stream_options" },
                      { "include_usage", "in" },
                      { "stream", "flow" } };
    if (with_defaults)
        c.defaults = { { "a", "1" },
                       { "temperature", "0.6" },
                       { "model_id", "[true]" },
                       { "\xC3\xA9t", "\"x\"" },
                       { "c", "{}" } };
    if (with_defaults && !with_aliases)
        c.defaults.push_back({ "model", "\"m\"" });
    c.top_only = top_only;
    c.model_if_given = model_if_given;
    c.usage = usage;
    for (auto &a : c.aliases)
        aliases.push_back({ span_from(a.first), span_from(a.second) });
    for (auto &d : c.defaults)
        defaults.push_back({ span_from(d.first), span_from(d.second) });
    struct json_rules_spec spec = { aliases.data(),  (unsigned)aliases.size(),
                                    defaults.data(), (unsigned)defaults.size(),
                                    top_only,        model_if_given,
                                    usage,           nullptr };
    if (json_rules_make(&c.rules, &spec, &why)) {
        fprintf(stderr, "rules: %s\n", why);
        abort();
    }
    return c;
}

// How the next run cuts its input and output: always whole, always one byte, or by a small
// generator.
struct cutter {
    int way;
    uint32_t seed;

    size_t next(size_t most)
    {
        seed = seed * 1664525u + 1013904223u;
        size_t n = way == 0 ? most
            : way == 1      ? 1
                            : 1 +
                (seed >> 8) %
                    (way == 2       ? 9
                         : way == 3 ? 200
                                    : 1500);
        return n < most ? n : most;
    }
};

outcome run(const rename_case &c, const std::string &text, cutter in_cut, cutter out_cut)
{
    struct json_renamer r;
    outcome o = { true, 0, "", "", false };
    size_t at = 0, written = 0;
    int e = -EAGAIN;

    std::vector<char> memory(json_rename_memory(c.rules) + 1, '\x5A');

    json_rename_init(&r, c.rules, memory.data());
    if (c.asks)
        json_rename_model(&r, span_from(c.model));
    while (at < text.size() && o.ok) {
        size_t n = in_cut.next(text.size() - at), cap = out_cut.next(6 * n + 3000);
        std::vector<char> in(text.begin() + (long)at, text.begin() + (long)(at + n)), out(cap);
        struct span piece = { in.data(), n };
        ssize_t taken = json_rename(&r, piece, out.data(), cap, &written);

        o.text.append(out.data(), written);
        if (taken < 0)
            o.ok = false;
        else
            at += (size_t)taken;
        struct json_renamer moved = r;
        r = moved;
    }
    while (o.ok && e == -EAGAIN) {
        std::vector<char> out(out_cut.next(1000));

        e = json_rename_end(&r, out.data(), out.size(), &written);
        o.text.append(out.data(), written);
    }
    if (e)
        o.ok = false;
    o.offset = r.offset;
    o.why = r.why ? r.why : "";
    o.asked = o.ok && json_rename_asked(&r);
    return o;
}

void require(bool holds, const char *what, const std::string &text, const outcome &o)
{
    if (holds)
        return;
    fprintf(stderr, "%s\ninput: %s\noutput: %s\nverdict: %d at %llu, %s\n", what, text.c_str(),
            o.text.c_str(), o.ok, (unsigned long long)o.offset, o.why.c_str());
    abort();
}

void check(const rename_case &c, const std::string &text, uint32_t seed)
{
    outcome whole = run(c, text, { 0, 0 }, { 0, 0 });
    reference expected(text, c);
    int verdict = expected.run();

    require(verdict < 0 || whole.ok == (verdict == 1), "RapidJSON says otherwise", text, whole);
    if (whole.ok && verdict == 1) {
        usage_reference usage(expected.out, c);
        std::string wanted = c.usage ? usage.run() : expected.out;

        require(whole.text == wanted, ("the reference writes " + wanted).c_str(), text, whole);
        require(whole.asked == usage.asked, "whether usage was asked for", text, whole);
    }
    if (whole.ok && c.aliases.empty() && c.defaults.empty() && c.model.empty() && !c.usage)
        require(whole.text == text, "without rules the output is the input", text, whole);
    int finest =
        text.size() < JSON_BATCH_BYTES ? 0 : 3; // a long text in the smallest pieces takes too long
    for (int in_way = finest; in_way < 5; in_way++)
        for (int out_way = finest; out_way < 5; out_way++) {
            outcome cut = run(c, text, { in_way, seed }, { out_way, seed ^ 0x5555 });

            require(cut.ok == whole.ok && cut.offset == whole.offset && cut.why == whole.why &&
                        cut.text == whole.text && cut.asked == whole.asked,
                    "cut, it differs", text, cut);
        }
}

// Bytes that JSON forbids stand for what is rarely guessed.
std::string expanded(const uint8_t *data, size_t size)
{
    static const char *const parts[] = { "\"stream\":",
                                         "\"stream_options\":",
                                         "\"include_usage\":",
                                         "\"flow\":true",
                                         "\"so\":",
                                         "\"in\":",
                                         "true",
                                         "null" };
    std::string text;

    for (size_t i = 0; i < size; i++)
        if (data[i] >= 0x10 && data[i] < 0x18)
            text += parts[data[i] - 0x10];
        else
            text += (char)data[i];
    return text;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static auto &cases = *new std::vector<rename_case>{
        make_case(false, false, false, false),       make_case(true, true, false, false),
        make_case(true, true, true, false),          make_case(true, false, false, false),
        make_case(false, true, false, false),        make_case(false, true, false, true),
        make_case(false, false, false, false, true), make_case(true, true, false, false, true),
        make_case(true, false, true, false, true),   make_case(false, true, false, true, true)
    };
    if (size < 2)
        return 0;
    std::string text = expanded(data + 1, size - 1);
    uint32_t seed = data[0] * 2654435761u + (uint32_t)size;
    rename_case &c = cases[data[0] % cases.size()];
    unsigned kernels = 0;

    while (json_kernel_nth(kernels))
        kernels++;
    c.asks = seed >> 16 & 1;
    c.model = c.asks && (seed >> 17 & 1) ? "\"gpt-\\u0034\"" : "";
    c.rules->kernel = json_kernel_nth(data[0] / cases.size() % kernels);
    check(c, text, seed);
    if (text.size() < 60) // where the bulk takes over, everything is met again
        check(c, std::string(70, ' ') + text + std::string(70, ' '), seed);
    if ((seed >> 8 & 7) == 0 &&
        text.size() < JSON_BATCH_BYTES / 2) // in an array, and around the end of a batch
        check(c,
              "[\"" + std::string(JSON_BATCH_BYTES - seed % (text.size() + 8), 'x') + "\"," + text +
                  ",\"\"" + std::string(70, ' ') + "]",
              seed);
    return 0;
}
