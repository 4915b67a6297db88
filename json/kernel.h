/* The kernel: the loops that look at every byte of a body, and the batch of text that they work on.
 * It knows the whole grammar, but takes only what is surely right; faults, names and output are for others.
 * The loops are json/kernel.c, compiled once for each instruction set worth it; json/dispatch.c chooses, json/bulk.c drives. */
#ifndef JSON_KERNEL_H
#define JSON_KERNEL_H

#include "json/bits.h"
#include "json/names.h"

/* Blocks in a batch, and the most that a kernel checks side by side. */
#define JSON_BATCH 64
#define JSON_WORDS_MAX 8

#define JSON_BATCH_BYTES ((size_t)JSON_BATCH * JSON_BLOCK)

/* How many bytes behind a batch must be readable. */
#define JSON_AHEAD 2

/* The open containers in one word: a one, then for each from the outermost to the innermost a one for an object or a zero for an array. */
#define JSON_LEVELS_MAX 62
#define JSON_LEVELS_LEAST ((uint64_t)1 << 1)
#define JSON_LEVELS_MOST (((uint64_t)1 << (JSON_LEVELS_MAX + 1)) - 1)

/* What the next token may be: at most one of key, value and colon is 1, and if none is, a comma or a closing bracket must come. */
struct json_expect {
    uint64_t key, value, colon;
    uint64_t close;                     /* 1 behind an opening bracket, whose counterpart may come at once */
};

/* Some blocks of text, and their skeleton: the text without white space, and of each string only the opening quote. White space behind a number or literal
 * stays, so that none runs into the next. Each byte of the skeleton is a token of its own, or belongs to a number or literal.
 *
 * Invariants once the skeleton is made:
 *   1. keep[i] has the bits of those bytes of block i that are in the skeleton; before[i] of its bytes come from the blocks before.
 *   2. What stands in the skeleton stands in the text in front of stop. */
struct json_batch {
    /* set by the caller */
    const char *p;                      /* where the text begins: between tokens, or in a string but not in an escape */
    bool in_string;                     /* which of the two; afterwards for the end of the text */
    struct json_expect expect;          /* at the beginning */
    uint64_t levels;                    /* at the beginning; one container is open at least, JSON_LEVELS_MAX are at most */
    const struct json_name_starts *starts;
    /* the outcome */
    const char *stop;                   /* where the text ends: not in an escape, nor between the halves of a pair */
    uint64_t end_levels;
    size_t n_blocks;
    size_t n;                           /* bytes of the skeleton */
    size_t n_candidates;
    uint16_t candidates[JSON_BATCH_BYTES / 2 + JSON_APPEND_SLACK]; /* opening quotes behind which a name may stand, counted in bytes from p */
    uint16_t before[JSON_BATCH];
    uint64_t keep[JSON_BATCH];
    uint64_t keys[JSON_BATCH + JSON_WORDS_MAX]; /* for each block of the skeleton the quotes of keys */
    char skeleton[JSON_BATCH_BYTES + JSON_WORDS_MAX * JSON_BLOCK];
};

/* The loops for one instruction set. All sets give the same results. */
struct json_kernel {
    const char *name;
    /* Copies what is plain of n bytes inside a string, at p: up to the first block with a quote, a backslash or a byte below 0x20. Returns how many bytes that
     * is: whole blocks, or all n if there is at least one. Up to n bytes at `to` are written in any case. */
    size_t (*copy)(char *to, const char *p, size_t n);
    /* Makes the skeleton of whole blocks in front of end, as many as a batch holds or as are right as far as strings go. */
    void (*squeeze)(struct json_batch *b, const char *end);
    /* Checks the skeleton: the order of its tokens, its brackets, numbers and literals. Returns n if it is right. Otherwise returns how much of it to ask about
     * again: not the first token that is wrong, that ends the outermost container, that opens one too many, or that may go on behind the batch. */
    size_t (*check)(struct json_batch *b);
};

/* The fastest one this machine has; static. */
const struct json_kernel *json_kernel_best(void);

/* The i-th one this machine has, the portable one first, the fastest last; NULL past that. For tests and measurements. */
const struct json_kernel *json_kernel_nth(unsigned i);

/* The kernels themselves; which of them there are depends on the target. */
extern const struct json_kernel json_kernel_portable, json_kernel_sse2, json_kernel_avx2, json_kernel_avx512, json_kernel_neon;

#endif
