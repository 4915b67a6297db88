/* 64 bytes in several vectors: the functions of json/lanes.h that are the same for every vector,
 * from a plain word to AVX2. The including header defines json_vector, their number (JSON_VECTORS)
 * and their comparisons. */
#ifndef JSON_LANES_VECTORS_H
#define JSON_LANES_VECTORS_H

struct json_lanes {
    json_vector v[JSON_VECTORS];
};

static inline struct json_lanes json_load(const char *p)
{
    struct json_lanes b;

    for (unsigned i = 0; i < JSON_VECTORS; i++)
        b.v[i] = json_vector_load(p + i * sizeof(json_vector));
    return b;
}

static inline void json_store(char *to, struct json_lanes b)
{
    for (unsigned i = 0; i < JSON_VECTORS; i++)
        json_vector_store(to + i * sizeof(json_vector), b.v[i]);
}

static inline json_vector json_vector_fold(json_vector v)
{
    return json_vector_or(v, json_vector_all(0x20));
}

static inline json_vector json_vector_either(json_vector v, char c, char d)
{
    return json_vector_or(json_vector_equal(v, c), json_vector_equal(v, d));
}

static inline struct json_lanes json_fold(struct json_lanes b)
{
    for (unsigned i = 0; i < JSON_VECTORS; i++)
        b.v[i] = json_vector_fold(b.v[i]);
    return b;
}

static inline uint64_t json_equal(struct json_lanes b, char c)
{
    for (unsigned i = 0; i < JSON_VECTORS; i++)
        b.v[i] = json_vector_equal(b.v[i], c);
    return json_vector_bits(b.v);
}

static inline uint64_t json_range(struct json_lanes b, char low, char high)
{
    for (unsigned i = 0; i < JSON_VECTORS; i++)
        b.v[i] = json_vector_range(b.v[i], low, high);
    return json_vector_bits(b.v);
}

static inline bool json_plain(struct json_lanes b)
{
    json_vector special = json_vector_all(0);

    for (unsigned i = 0; i < JSON_VECTORS; i++) {
        special = json_vector_or(special, json_vector_either(b.v[i], '"', '\\'));
        special = json_vector_or(special, json_vector_range(b.v[i], 0, 0x1F));
    }
    return json_vector_none(special);
}

static inline uint64_t json_short_escapes(struct json_lanes b)
{
    for (unsigned i = 0; i < JSON_VECTORS; i++) {
        json_vector most = json_vector_or(json_vector_either(b.v[i], 'n', 't'),
                                          json_vector_either(b.v[i], 'r', 'b'));

        b.v[i] = json_vector_or(most, json_vector_either(b.v[i], 'f', '/'));
    }
    return json_vector_bits(b.v);
}

static inline uint64_t json_white(struct json_lanes b)
{
    for (unsigned i = 0; i < JSON_VECTORS; i++)
        b.v[i] = json_vector_or(json_vector_either(b.v[i], ' ', '\n'),
                                json_vector_either(b.v[i], '\r', '\t'));
    return json_vector_bits(b.v);
}

static inline uint64_t json_punctuation(struct json_lanes b)
{
    for (unsigned i = 0; i < JSON_VECTORS; i++) {
        json_vector most = json_vector_or(json_vector_either(json_vector_fold(b.v[i]), '{', '}'),
                                          json_vector_either(b.v[i], ',', ':'));

        b.v[i] = json_vector_or(most, json_vector_equal(b.v[i], '"'));
    }
    return json_vector_bits(b.v);
}

#endif
