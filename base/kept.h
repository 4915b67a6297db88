/* gcc's -fanalyzer loses sight of memory that is kept in an array, in a list, or by the address of
 * a member, and calls it a leak. What it is wrong about stands between KEPT_BEGIN and KEPT_END;
 * that nothing leaks is known from tests/anomaly and the soak. */
#ifndef BASE_KEPT_H
#define BASE_KEPT_H

#if defined __GNUC__ && !defined __clang__ && __GNUC__ >= 10
#define KEPT_BEGIN                                                                                 \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wanalyzer-malloc-leak\"")
#define KEPT_END _Pragma("GCC diagnostic pop")
#else
#define KEPT_BEGIN
#define KEPT_END
#endif

#endif
