/* A filter that tells most keys from the names in the rules by their first two bytes. It may take a
 * key for a name that is none, never the other way round. The json/lanes_*.h apply it; json/bulk.c
 * looks up the rest. */
#ifndef JSON_NAMES_H
#define JSON_NAMES_H

#include <stdint.h>

/* One byte of the names: bit i says that group i of them has a byte there with these lower six
 * bits, or with this low half and this high half. */
struct json_name_byte {
    uint8_t at[64];
    uint8_t low[16], high[16];
};

/* The first two bytes after the opening quote. A shorter name ends with its closing quote; the last
 * group is for keys that begin with an escape. */
struct json_name_starts {
    struct json_name_byte first, second;
};

/* The quotes, as bits of the 64 bytes at p, after which a name may begin. */
static inline uint64_t json_name_starts_bytewise(const struct json_name_starts *starts,
                                                 const char *p, uint64_t quotes)
{
    uint64_t found = 0;

    for (; quotes; quotes &= quotes - 1) {
        const char *at = p + __builtin_ctzll(quotes);

        if (starts->first.at[at[1] & 63] & starts->second.at[at[2] & 63])
            found |= quotes & (0 - quotes);
    }
    return found;
}

#endif
