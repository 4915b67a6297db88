// Holds the reading of the tokens in "usage" against itself and against RapidJSON: however the text
// is cut, they are the same, and of a text that RapidJSON takes they are what its members say. The
// first byte says how the text is cut. Bytes below 0x10 that are no white space stand for parts of
// a text.
extern "C" {
#include "json/usage.h"
}

#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#pragma clang attribute pop

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct outcome {
    bool found;
    uint64_t input, output;

    bool operator==(const outcome &o) const
    {
        return found == o.found && input == o.input && output == o.output;
    }
};

const char *const parts[16] = {
    "{\"usage\":{",
    "\"usage\":",
    "\"prompt_tokens\":1",
    "\"completion_tokens\":2",
    "\"input_tokens\":34",
    "\"output_tokens\":5",
    "},\"x\":{",
    "{\"details\":{",
    "\"x\":[",
    "\t",
    "\n",
    "},\"x\":{\"input_tokens\":7},",
    "null,",
    "\r",
    "}}",
    "99999999999999999999,",
};

std::string expand(const uint8_t *data, size_t n)
{
    std::string text;

    for (size_t i = 0; i < n; i++)
        if (data[i] < 16)
            text += parts[data[i]];
        else
            text += (char)data[i];
    return text;
}

// Reads text in pieces of their own; step 0 is all of it.
outcome run(const std::string &text, size_t step)
{
    json_usage u;

    json_usage_init(&u);
    for (size_t at = 0; at < text.size();) {
        size_t left = text.size() - at, n = step == 0 || step > left ? left : step;
        std::vector<char> piece(text.begin() + (long)at, text.begin() + (long)(at + n));

        json_usage_read(&u, { piece.data(), n });
        at += n;
        step = step <= 1 ? step : step * 7 % 131 + 1;
    }
    return { u.found, u.input, u.output };
}

// What RapidJSON's events say. Numbers come as they are written.
struct events : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, events> {
    outcome o = {};
    unsigned depth = 0;
    bool in_usage = false;
    std::string key;

    uint64_t *counted()
    {
        if (depth != 2 || !in_usage)
            return nullptr;
        if (key == "prompt_tokens" || key == "input_tokens")
            return &o.input;
        return key == "completion_tokens" || key == "output_tokens" ? &o.output : nullptr;
    }
    bool Key(const char *p, rapidjson::SizeType n, bool)
    {
        key.assign(p, n);
        if (uint64_t *count = counted())
            *count = 0;
        return true;
    }
    // The digits that it begins with, the most where they are too many.
    bool RawNumber(const char *p, rapidjson::SizeType n, bool)
    {
        uint64_t *count = counted();

        for (size_t i = 0; count && i < n && p[i] >= '0' && p[i] <= '9'; i++) {
            auto digit = (uint64_t)(p[i] - '0');
            *count = *count > (UINT64_MAX - digit) / 10 ? UINT64_MAX : *count * 10 + digit;
        }
        return true;
    }
    bool StartObject()
    {
        if (depth == 1 && key == "usage") {
            in_usage = true;
            o = { true, 0, 0 };
        }
        depth++;
        key.clear();
        return true;
    }
    bool EndObject(rapidjson::SizeType)
    {
        depth--;
        in_usage = in_usage && depth > 1;
        key.clear();
        return true;
    }
    bool StartArray()
    {
        depth++;
        key.clear();
        return true;
    }
    bool EndArray(rapidjson::SizeType)
    {
        return EndObject(0);
    }
};

void require(bool holds, const char *what, const std::string &text, const outcome &o)
{
    if (holds)
        return;
    fprintf(stderr, "%s\ninput: %s\nfound %d, input %llu, output %llu\n", what, text.c_str(),
            o.found, (unsigned long long)o.input, (unsigned long long)o.output);
    abort();
}

// A key with an escape is none of ours. A text that is no object has no members.
void compare(const std::string &text, const outcome &o)
{
    rapidjson::MemoryStream in(text.data(), text.size());
    rapidjson::Reader reader;
    events e;

    if (text.find('\\') != std::string::npos || text[text.find_first_not_of(" \t\r\n")] != '{')
        return;
    if (reader.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag>(in, e))
        require(e.o == o, "the members say something else", text, e.o);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    std::string text = expand(data + 1, size - 1);
    outcome whole = run(text, 0);

    for (size_t step : { size_t(1), size_t(data[0] % 100 + 2) })
        require(run(text, step) == whole, "cut, it differs", text, whole);
    if (text.find_first_not_of(" \t\r\n") != std::string::npos)
        compare(text, whole);
    return 0;
}
