// Holds the search for the top-level model against RapidJSON and against itself: any way of cutting
// the text tells the same at the same place. Of a text that RapidJSON takes, it tells the same
// model. Reading the text whole takes the same texts as the renamer, and finds the same model as
// the search. The first byte says how the text is cut, and where it lies in a block.
extern "C" {
#include "json/kernel.h"
#include "json/rename.h"
#include "json/whole.h"
}

#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#include <rapidjson/document.h>
#pragma clang attribute pop

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct outcome {
    int state;
    uint64_t at; // where it was told
    int length;
    std::string text;

    bool operator==(const outcome &o) const
    {
        return state == o.state && at == o.at && length == o.length && text == o.text;
    }
};

// Reads text from m->offset on in pieces of their own; step 0 is all of it.
json_model_state read(json_model *m, const std::string &text, size_t step)
{
    json_model_state state = JSON_MODEL_SEEK;

    while (m->offset < text.size() && state == JSON_MODEL_SEEK) {
        size_t left = text.size() - m->offset, n = step == 0 || step > left ? left : step;
        std::vector<char> piece(text.begin() + (long)m->offset,
                                text.begin() + (long)(m->offset + n));

        state = json_model_read(m, { piece.data(), n });
        step = step <= 1 ? step : step * 7 % 131 + 1;
    }
    return state;
}

outcome run(const std::string &text, size_t step)
{
    json_model m;
    outcome o = {};

    json_model_init(&m);
    o.state = read(&m, text, step);
    o.at = m.offset;
    if (o.state == JSON_MODEL_FOUND) {
        char out[JSON_MODEL_RAW_MAX + 1];

        o.length = json_model_value(&m, out);
        if (o.length >= 0)
            o.text.assign(out, (size_t)o.length);
    }
    return o;
}

void require(bool holds, const char *what, const std::string &text, const outcome &o)
{
    if (holds)
        return;
    fprintf(stderr, "%s\ninput: %s\nstate %d at %llu; value %s\n", what, text.c_str(), o.state,
            (unsigned long long)o.at, o.text.c_str());
    abort();
}

// What the members of the outermost object say.
void compare(const std::string &text, const outcome &o)
{
    rapidjson::Document d;
    const rapidjson::Value *first = nullptr;

    if (d.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag>(text.data(),
                                                                                        text.size())
            .HasParseError())
        return;
    if (d.IsObject())
        for (auto &member : d.GetObject())
            if (std::string(member.name.GetString(), member.name.GetStringLength()) == "model")
                first = first ? first : &member.value;
    if (!first) { // a number as the whole text never ends
        require(o.state == JSON_MODEL_NONE || o.state == JSON_MODEL_SEEK, "no model", text, o);
        return;
    }
    require(o.state == JSON_MODEL_FOUND || o.state == JSON_MODEL_OTHER, "a model", text, o);
    if (o.state == JSON_MODEL_FOUND && o.length >= 0)
        require(first->IsString() &&
                    o.text == std::string(first->GetString(), first->GetStringLength()),
                "the model", text, o);
}

bool renamer_takes(const std::string &text)
{
    static json_rules *rules = nullptr;
    json_rules_spec none = {};
    const char *why;
    std::vector<char> out(text.size() + 1);
    json_renamer r;
    size_t written;

    if (!rules && json_rules_make(&rules, &none, &why))
        abort();
    json_rename_init(&r, rules, nullptr);
    json_rename_model(&r, { "", 0 });
    return json_rename(&r, { text.data(), text.size() }, out.data(), out.size(), &written) >= 0 &&
        json_rename_end(&r, out.data(), out.size(), &written) == 0;
}

void check_whole(const std::string &text, const outcome &o)
{
    std::vector<char> exact(text.begin(), text.end()); // for what is read beyond it
    span raw = {};
    int state = json_whole({ exact.data(), exact.size() }, &raw);
    char out[JSON_MODEL_RAW_MAX + 1];

    require((state >= 0) == renamer_takes(text), "whole: right or wrong", text, o);
    if (state < 0 || o.state == JSON_MODEL_SEEK)
        return;
    require(state == o.state, "whole: the state", text, o);
    if (state == JSON_MODEL_FOUND && o.length >= 0)
        require(json_model_text(raw, out) == o.length && out == o.text, "whole: the model", text,
                o);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    std::string text =
        std::string(data[0] & 63, ' ') + std::string((const char *)data + 1, size - 1);
    outcome whole = run(text, 0);

    for (size_t step : { size_t(1), size_t(data[0] % 100 + 2) })
        require(run(text, step) == whole, "cut, it differs", text, whole);
    compare(text, whole);
    check_whole(text, whole);
    return 0;
}
