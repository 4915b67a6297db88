/* What is said of the status, in English and in Chinese, and numbers and times as they are said. */
#ifndef SERVER_TOP_WORDS_H
#define SERVER_TOP_WORDS_H

#include "server/top_pen.h"

#define TEXT_MAX 128 /* the bytes that a text takes at most, with its NUL */

enum word {
    W_UP,
    W_WORKERS,
    W_CLIENTS,
    W_LIVE,
    W_LOST,
    W_DRAINING,
    W_REQUESTS,
    W_MINUTE,
    W_STREAMS,
    W_FLIGHT,
    W_FIRST,
    W_TOKENS,
    W_IN,
    W_NO_ANSWER,
    W_EMPTY,
    W_UPSTREAM,
    W_STATE,
    W_KEYS,
    W_OK,
    W_RESTING,
    W_FAILING,
    W_AGAIN,
    W_ERRORS,
    W_NONE,
    W_THEIRS,
    W_MORE,
    W_END,
    WORDS, /* how many there are */
};

/* The word in the language of look. */
const char *word(const struct look *look, enum word w);

/* Writes into to, of TEXT_MAX bytes, and returns it: a word with what it is said of; a time; a
 * number in tenths; a number. HISTORY_UNKNOWN becomes a dash. Times are milliseconds. */
const char *say(char *to, const struct look *look, enum word w, const char *of);
const char *say_time(char *to, uint64_t ms);
const char *say_tenths(char *to, uint64_t tenths);
const char *say_number(char *to, uint64_t n);

#endif
