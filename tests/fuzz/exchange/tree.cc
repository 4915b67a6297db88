// See tree.h.
#include "tests/fuzz/exchange/tree.h"

// RapidJSON's stack adds to null pointers; that is none of our business here.
#pragma clang attribute push(__attribute__((no_sanitize("undefined"))), apply_to = function)
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#pragma clang attribute pop

#include <cstring>
#include <map>

namespace tree {

namespace {

constexpr size_t deepest = 512;

class builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, builder> {
  public:
    bool RawNumber(const char *p, rapidjson::SizeType n, bool)
    {
        return add('0', std::string(p, n));
    }
    bool String(const char *p, rapidjson::SizeType n, bool)
    {
        return add('"', std::string(p, n));
    }
    bool Null()
    {
        return add('0', "null");
    }
    bool Bool(bool b)
    {
        return add('0', b ? "true" : "false");
    }
    bool Default()
    {
        return false;
    }
    bool StartObject()
    {
        return open('{');
    }
    bool StartArray()
    {
        return open('[');
    }
    bool Key(const char *p, rapidjson::SizeType n, bool)
    {
        key.assign(p, n);
        return true;
    }
    bool EndObject(rapidjson::SizeType)
    {
        levels.pop_back();
        return true;
    }
    bool EndArray(rapidjson::SizeType)
    {
        levels.pop_back();
        return true;
    }

    std::unique_ptr<value> root;
    bool too_deep = false;

  private:
    bool add(char kind, const std::string &text)
    {
        std::unique_ptr<value> v(new value);

        v->kind = kind;
        v->text = text;
        last = v.get();
        if (levels.empty())
            root = std::move(v);
        else
            levels.back()->members.push_back(
                { levels.back()->kind == '{' ? key : "", std::move(v) });
        return true;
    }

    bool open(char kind)
    {
        add(kind, "");
        levels.push_back(last);
        too_deep = levels.size() > deepest;
        return !too_deep;
    }

    std::vector<value *> levels;
    value *last = nullptr;
    std::string key;
};

bool rename(value &v, const rules &r, bool top)
{
    std::map<std::string, std::string> names; // as they go out, and the key that each came from

    for (auto &m : v.members) {
        std::string name = m.first;

        for (auto &alias : r.aliases)
            if (v.kind == '{' && (top || !r.top_only) && alias.first == m.first)
                name = alias.second;
        if (v.kind == '{' && (top || !r.top_only)) {
            auto first = names.insert({ name, m.first });

            if (!first.second && first.first->second != m.first)
                return false;
        }
        m.first = name;
        if (!rename(*m.second, r, false))
            return false;
    }
    return true;
}

} // namespace

verdict read(const std::string &text, std::unique_ptr<value> *out)
{
    const unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag |
        rapidjson::kParseStopWhenDoneFlag;
    rapidjson::MemoryStream stream(text.data(), text.size());
    rapidjson::Reader reader;
    builder b;
    rapidjson::ParseResult result = reader.Parse<flags>(stream, b);

    if (!result && !b.too_deep &&
        (result.Code() == rapidjson::kParseErrorNumberTooBig ||
         text.find("\\ud") != std::string::npos || text.find("\\uD") != std::string::npos))
        return verdict::unknown;
    if (!result)
        return verdict::invalid;
    for (size_t i = stream.Tell(); i < text.size(); i++)
        if (!text[i] || !strchr(" \t\r\n", text[i]))
            return verdict::invalid;
    *out = std::move(b.root);
    return verdict::valid;
}

bool same(const value &a, const value &b)
{
    if (a.kind != b.kind || a.text != b.text || a.members.size() != b.members.size())
        return false;
    for (size_t i = 0; i < a.members.size(); i++)
        if (a.members[i].first != b.members[i].first ||
            !same(*a.members[i].second, *b.members[i].second))
            return false;
    return true;
}

size_t count(const value &v, const std::string &key)
{
    size_t n = 0;

    if (v.kind == '{')
        for (auto &m : v.members)
            n += m.first == key;
    return n;
}

value *find(value &v, const std::string &key)
{
    if (v.kind == '{')
        for (auto &m : v.members)
            if (m.first == key)
                return m.second.get();
    return nullptr;
}

bool rewrite(value &v, const rules &r)
{
    if (!rename(v, r, true))
        return false;
    if (v.kind != '{')
        return true;
    for (auto &d : r.defaults) {
        std::string name = d.first;
        std::unique_ptr<value> added;

        for (auto &alias : r.aliases)
            if (alias.first == d.first)
                name = alias.second;
        if (!find(v, name) && read(d.second, &added) == verdict::valid)
            v.members.push_back({ name, std::move(added) });
    }
    return true;
}

} // namespace tree
