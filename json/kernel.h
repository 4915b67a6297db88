/* The kernel: the loops that look at every byte of a body, and the batch of text they work on. It
 * knows the whole grammar, but takes only text that is surely right; faults, names and output are
 * left to json/bulk.c. json/kernel.c is compiled once for each instruction set; json/dispatch.c
 * chooses. */
#ifndef JSON_KERNEL_H
#define JSON_KERNEL_H

#include "json/bits.h"
#include "json/names.h"

/* Blocks in a batch, and the most of them that a kernel checks side by side. */
#define JSON_BATCH 64
#define JSON_WORDS_MAX 8

#define JSON_BATCH_BYTES ((size_t)JSON_BATCH * JSON_BLOCK)

/* How many bytes after a batch must be readable. */
#define JSON_AHEAD 2

/* The open containers in one word: a one, then for each from the outermost to the innermost a one
 * for an object or a zero for an array. */
#define JSON_LEVELS_MAX 62
#define JSON_LEVELS_LEAST ((uint64_t)1 << 1)
#define JSON_LEVELS_MOST (((uint64_t)1 << (JSON_LEVELS_MAX + 1)) - 1)

/* The tokens that may come next: at most one of key, value and colon is 1; if none is, a comma or a
 * closing bracket must come. */
struct json_expect {
    uint64_t key, value, colon;
    uint64_t close; /* 1 after an opening bracket, whose counterpart may follow at once */
};

/* Some blocks of text, and their skeleton: the text without white space, and of each string only
 * the opening quote. White space after a number or literal stays, so that none runs into the next.
 * Each byte of the skeleton is a token of its own, or belongs to a number or literal. One block as
 * an example, with its masks as text.h and kernel.c make them (1 is a set bit, the first byte's bit
 * on the left):
 *
 *   text      {"model": "say \"hi\"", "n" : [1.5 , true], "tools":{"model":1 }
 *   escaped   ................1...1...........................................
 *   quote     .1.....1..1..........1..1.1.................1.....1..1.....1....
 *   strings   .111111...11111111111...11..................111111...111111.....
 *   keep      11......1.1...........1.1...1.111111.111111.1......111......1111
 *
 *   skeleton  {":",":[1.5 ,true],":{":1 }
 *   object    1111111..........1111111111  the innermost container is an object
 *   keys      .1...1.............1..1....  quotes after { or a comma in an object
 *   colons    ..1...1.............1..1...  the bytes after keys: colons alone are right
 *   value     ...1...11....1.......1..1..  after a colon, or [ or a comma in an array
 *
 * Invariants once the skeleton is made:
 * 1. keep[i] has the bits of those bytes of block i that are in the skeleton; before[i] of its
 *    bytes come from earlier blocks.
 * 2. Every byte of the skeleton stands before stop in the text. */
struct json_batch {
    /* set by the caller */
    const char *p;  /* where the text begins: between tokens, or in a string but not in an escape */
    bool in_string; /* which of the two; afterwards for the end of the text */
    struct json_expect expect; /* at the beginning */
    uint64_t levels; /* at the beginning: at least one container, at most JSON_LEVELS_MAX */
    const struct json_name_starts *starts;
    /* the outcome */
    const char *stop; /* where the text ends: not in an escape */
    uint64_t end_levels;
    size_t n_blocks;
    size_t n; /* bytes of the skeleton */
    size_t n_candidates;
    /* opening quotes after which a name may stand, counted in bytes from p */
    uint16_t candidates[JSON_BATCH_BYTES / 2 + JSON_APPEND_SLACK];
    uint16_t before[JSON_BATCH];
    uint64_t keep[JSON_BATCH];
    /* for each block of the skeleton the quotes of keys */
    uint64_t keys[JSON_BATCH + JSON_WORDS_MAX];
    char skeleton[JSON_BATCH_BYTES + JSON_WORDS_MAX * JSON_BLOCK];
};

/* What stands where in 64 bytes of text, as masks; its strings need not be right. */
struct json_marks {
    uint64_t
        in_string;    /* from block to block: all ones if the border lies inside a string, else 0 */
    uint64_t escaped; /* from block to block: 1 if the last byte was the backslash of an escape */
    /* the outcome */
    uint64_t after_escape;       /* bytes after the backslash of an escape */
    uint64_t strings;            /* from the opening quote up to but without the closing one */
    uint64_t begin;              /* opening quotes */
    uint64_t open, close, comma; /* outside strings: brackets and braces, commas */
};

/* The loops for one instruction set. All sets give the same results. */
struct json_kernel {
    const char *name;
    /* Copies the plain start of n bytes inside a string, at p: up to the first block with a quote,
     * a backslash or a byte below 0x20. Returns its length: whole blocks, or all n if there is at
     * least one block. Up to n bytes at `to` are written in any case. */
    size_t (*copy)(char *to, const char *p, size_t n);
    /* Makes the skeleton of whole blocks before end: as many as a batch holds, or as have right
     * strings. */
    void (*squeeze)(struct json_batch *b, const char *end);
    /* Checks the skeleton: the order of its tokens, its brackets, numbers and literals. Returns n
     * if it is right. Otherwise returns how much of it to ask about again: up to the first token
     * that is wrong, that ends the outermost container, that opens one too many, or that may go on
     * after the batch. */
    size_t (*check)(struct json_batch *b);
    /* Marks the 64 bytes at p. */
    void (*mark)(struct json_marks *m, const char *p);
};

/* The fastest kernel that this machine has; static. */
const struct json_kernel *json_kernel_best(void);

/* The i-th kernel that this machine has, the portable one first, the fastest last; NULL past that.
 * For tests and measurements. */
const struct json_kernel *json_kernel_nth(unsigned i);

/* The kernels themselves; the target decides which of them there are. */
extern const struct json_kernel json_kernel_portable, json_kernel_sse2, json_kernel_avx2,
    json_kernel_avx512, json_kernel_neon;

#endif
