// JSON texts as trees, by RapidJSON, and what the rules of an upstream make of them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tree {

// kind: '{' '[' '"' or '0' for everything else, whose text is as it came.
struct value {
    char kind = '0';
    std::string text;
    std::vector<std::pair<std::string, std::unique_ptr<value>>> members; // keys only in objects
};

enum class verdict { valid, invalid, unknown };

// unknown: RapidJSON refuses what the RFC allows.
verdict read(const std::string &text, std::unique_ptr<value> *out);

bool same(const value &a, const value &b);

struct rules {
    std::vector<std::pair<std::string, std::string>> aliases, defaults; // defaults: JSON texts
    bool top_only = false;
};

// How many members of the outermost object have that key.
size_t count(const value &v, const std::string &key);

// The first member of that key; NULL: there is none, or v is no object.
value *find(value &v, const std::string &key);

// Renames the keys and adds the defaults. False if an object would have two keys made one.
bool rewrite(value &v, const rules &r);

} // namespace tree
