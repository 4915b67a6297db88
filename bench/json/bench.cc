// How fast bodies flow through the renamer, next to memcpy, simdjson's DOM parse and RapidJSON's
// parse and write, in one run. The machine may be noisy: the contestants take turns, and the median
// of the rounds counts. The inputs are made here, always the same. Built and run by `make
// bench-json` (Debian: libsimdjson-dev rapidjson-dev); ROUNDS=3 is three times the usual number of
// rounds. Exit 2: a goal was missed.
extern "C" {
#include "json/rename.h"
#include "json/rules.h"
}

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace {

const size_t buffer = 64 * 1024; // as the proxy reads and writes

uint32_t seed = 1;

unsigned draw(unsigned below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

const char *pick(const std::vector<const char *> &from)
{
    return from[draw((unsigned)from.size())];
}

std::string make_image()
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string s = "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
                    "\"text\",\"text\":\"What is this?\"},"
                    "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,";

    for (int i = 0; i < 20 * 1000 * 1000; i++)
        s += digits[draw(64)];
    return s + "\"}}]}],\"stream\":true}";
}

std::string make_chat()
{
    const std::vector<const char *> english = { "the ",
                                                "proxy ",
                                                "sends ",
                                                "every ",
                                                "event ",
                                                "as it ",
                                                "comes in, ",
                                                "and ",
                                                "keeps ",
                                                "nothing. ",
                                                "why?\\n",
                                                "\\n\\n",
                                                "said \\\"yes\\\" ",
                                                "C:\\\\tmp ",
                                                "a list:\\n- ",
                                                "`code` " };
    const std::vector<const char *> chinese = {
        "你好，", "请问", "这个", "问题",       "怎么",  "解决？",
        "我们",   "可以", "使用", "代理服务器", "。\\n", "\\u4f60\\u597d "
    };
    std::string s =
        "{\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful assistant.\"}";

    while (s.size() < 1000 * 1000) {
        bool zh = draw(3) == 0;

        s += draw(2) ? ",{\"role\":\"user\",\"content\":\""
                     : ",{\"role\":\"assistant\",\"content\":\"";
        for (unsigned words = 5 + draw(80); words > 0; words--)
            s += pick(zh ? chinese : english);
        s += "\"}";
    }
    return s + "],\"model\":\"gpt-4o\",\"temperature\":0.7}";
}

std::string number()
{
    char text[32];

    switch (draw(4)) {
    case 0:
        snprintf(text, sizeof text, "%u", draw(100));
        break;
    case 1:
        snprintf(text, sizeof text, "%u", draw(10000000));
        break;
    case 2:
        snprintf(text, sizeof text, "-%u.%u", draw(1000), draw(100));
        break;
    default:
        snprintf(text, sizeof text, "%u.%06ue-%u", draw(10), draw(1000000), draw(30));
        break;
    }
    return text;
}

std::string make_dense()
{
    const std::vector<const char *> words = { "red",     "green", "x",       "north",
                                              "alpha-7", "",      "running", "ok" };
    std::string s = "{\"model\":\"gpt-4o\",\"rows\":[";

    for (unsigned id = 0; s.size() < 1000 * 1000; id++) {
        s += (id ? ",{\"id\":" : "{\"id\":") + std::to_string(100000 + id) + ",\"name\":\"" +
            pick(words) + "\",\"on\":" + pick({ "true", "false", "null" });
        s += ",\"at\":[" + number() + "," + number() + "],\"tags\":[";
        for (unsigned n = draw(4); n > 0; n--)
            s += std::string("\"") + pick(words) + (n > 1 ? "\"," : "\"");
        s += "],\"size\":{\"w\":" + number() + ",\"h\":" + number() + "}";
        if (draw(2))
            s += ",\"note\":\"" + std::string(pick(words)) + "\"";
        s += "}";
    }
    return s + "]}";
}

void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

// Sends text through the renamer in buffers; returns how many bytes came out.
size_t flow(const json_rules *rules, const std::string &text)
{
    static char out[buffer];
    struct json_renamer r;
    size_t total = 0, at = 0, written;

    std::vector<uint64_t> memory(json_rename_memory(rules) / 8 + 1);
    json_rename_init(&r, rules, memory.data());
    while (at < text.size()) {
        struct span piece = { text.data() + at, std::min(buffer, text.size() - at) };
        ssize_t n = json_rename(&r, piece, out, sizeof out, &written);

        require(n >= 0, "the renamer refuses its input");
        at += (size_t)n;
        total += written;
    }
    require(json_rename_end(&r, out, sizeof out, &written) == 0,
            "the renamer refuses the end of its input");
    return total + written;
}

size_t copy(const std::string &text)
{
    static char out[buffer];

    for (size_t at = 0; at < text.size(); at += buffer)
        memcpy(out, text.data() + at, std::min(buffer, text.size() - at));
    return (size_t)out[0] + 1;
}

size_t copy_whole(const std::string &text)
{
    static std::vector<char> out(32 * 1000 * 1000);

    memcpy(out.data(), text.data(), text.size());
    return (size_t)out[text.size() / 2] + 1;
}

size_t simdjson_parse(simdjson::dom::parser &parser, const simdjson::padded_string &text)
{
    simdjson::dom::element root;

    require(parser.parse(text).get(root) == simdjson::SUCCESS, "simdjson refuses its input");
    return root.is_object();
}

size_t rapidjson_rewrite(const std::string &text)
{
    rapidjson::Document document;
    rapidjson::StringBuffer out;
    rapidjson::Writer<rapidjson::StringBuffer> writer(out);

    document.Parse(text.data(), text.size());
    require(!document.HasParseError(), "RapidJSON refuses its input");
    document.Accept(writer);
    return out.GetSize();
}

double seconds(const std::function<size_t()> &work)
{
    auto start = std::chrono::steady_clock::now();

    require(work() > 0, "nothing came out");
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct contestant {
    const char *name;
    std::function<size_t()> work;
    std::vector<double> times;
    double speed(size_t bytes)
    {
        std::sort(times.begin(), times.end());
        return (double)bytes / times[times.size() / 2] / 1e9;
    }
};

struct goal {
    double gigabytes, of_memcpy, of_simdjson, of_rapidjson;
};

bool measure(const char *name, const std::string &text, json_rules *rules, const goal &g,
             int rounds)
{
    simdjson::padded_string padded(text);
    simdjson::dom::parser parser;
    std::vector<contestant> all = {
        { "memcpy, 64 KiB buffers", [&] { return copy(text); }, {} },
        { "memcpy, whole", [&] { return copy_whole(text); }, {} },
        { "simdjson DOM parse", [&] { return simdjson_parse(parser, padded); }, {} },
        { "RapidJSON parse + write", [&] { return rapidjson_rewrite(text); }, {} }
    };
    size_t peers = all.size();

    for (unsigned i = 0; json_kernel_nth(i); i++) {
        const json_kernel *kernel = json_kernel_nth(i);

        all.push_back({ kernel->name,
                        [&text, rules, kernel] {
                            rules->kernel = kernel;
                            return flow(rules, text);
                        },
                        {} });
    }
    for (int round = 0; round < rounds; round++)
        for (auto &c : all)
            c.times.push_back(seconds(c.work));
    printf("\n%s, %.1f MB, median of %d rounds, GB/s of input\n", name, (double)text.size() / 1e6,
           rounds);
    for (size_t i = 0; i < all.size(); i++)
        printf("  %s%-26s %8.2f\n", i < peers ? "" : "renamer, ", all[i].name,
               all[i].speed(text.size()));
    double ours = all.back().speed(text.size()), memcpy_speed = all[1].speed(text.size());
    double simd = all[2].speed(text.size()), rapid = all[3].speed(text.size());
    bool met = ours >= g.gigabytes && ours >= g.of_memcpy * memcpy_speed &&
        ours >= g.of_simdjson * simd && ours >= g.of_rapidjson * rapid;
    printf("  %.2f of memcpy (goal %.2f), %.2f x simdjson (goal %.0f), %.1f x RapidJSON (goal "
           "%.0f), %.1f GB/s (goal %.0f): %s\n",
           ours / memcpy_speed, g.of_memcpy, ours / simd, g.of_simdjson, ours / rapid,
           g.of_rapidjson, ours, g.gigabytes, met ? "met" : "MISSED");
    return met;
}

} // namespace

int main(int argc, char **argv)
{
    struct json_alias alias = { { "model", 5 }, { "model_id", 8 } };
    struct json_default temperature = { { "temperature", 11 }, { "0.6", 3 } };
    struct json_rules_spec spec = { &alias, 1, &temperature, 1, false, nullptr };
    struct json_rules *rules;
    const char *why;
    int scale = argc > 1 ? atoi(argv[1]) : 1;

    require(json_rules_make(&rules, &spec, &why) == 0, "the rules are refused");
    printf("simdjson uses %s; a renamer takes %zu bytes\n",
           simdjson::get_active_implementation()->name().c_str(), sizeof(struct json_renamer));
    bool met = measure("one long string", make_image(), rules, { 10, 1.0 / 3, 0, 4 }, 21 * scale);
    met &= measure("chat history", make_chat(), rules, { 4, 0, 2, 4 }, 201 * scale);
    met &= measure("dense JSON", make_dense(), rules, { 2, 0, 1, 4 }, 201 * scale);
    json_rules_free(rules);
    return met ? 0 : 2;
}
