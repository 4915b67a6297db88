/* The words, and the ways to say a number. */
#include "server/top_words.h"
#include "server/top_history.h"

#include <stdio.h>

/* A %s is what the word is said of. */
static const char *const words[][WORDS] = {
    {
        [W_UP] = "up %s",
        [W_WORKERS] = "%s workers",
        [W_CLIENTS] = "%s connections",
        [W_LIVE] = "live",
        [W_LOST] = "disconnected, trying again",
        [W_DRAINING] = "draining",
        [W_REQUESTS] = "requests/s",
        [W_MINUTE] = "%s a minute",
        [W_STREAMS] = "open streams",
        [W_FLIGHT] = "%s in flight",
        [W_FIRST] = "first event",
        [W_TOKENS] = "tokens/s",
        [W_IN] = "out · %s in",
        [W_NO_ANSWER] = "no response",
        [W_EMPTY] = "no requests yet",
        [W_UPSTREAM] = "upstream",
        [W_STATE] = "state",
        [W_KEYS] = "keys",
        [W_OK] = "ok",
        [W_RESTING] = "resting",
        [W_FAILING] = "failing",
        [W_AGAIN] = ", again in %s",
        [W_ERRORS] = "last errors",
        [W_NONE] = "none so far",
        [W_THEIRS] = "answered by the upstream",
        [W_MORE] = "%s more",
        [W_END] = "q quits",
    },
    {
        [W_UP] = "已运行 %s",
        [W_WORKERS] = "%s 个工作进程",
        [W_CLIENTS] = "%s 个连接",
        [W_LIVE] = "实时",
        [W_LOST] = "已断开，正在重连",
        [W_DRAINING] = "正在排空",
        [W_REQUESTS] = "请求/秒",
        [W_MINUTE] = "最近一分钟 %s",
        [W_STREAMS] = "进行中的流",
        [W_FLIGHT] = "处理中的请求 %s",
        [W_FIRST] = "首个事件",
        [W_TOKENS] = "token/秒",
        [W_IN] = "输出 · 输入 %s",
        [W_NO_ANSWER] = "无应答",
        [W_EMPTY] = "还没有请求",
        [W_UPSTREAM] = "上游",
        [W_STATE] = "状态",
        [W_KEYS] = "密钥",
        [W_OK] = "正常",
        [W_RESTING] = "休息中",
        [W_FAILING] = "连不上",
        [W_AGAIN] = "，%s 后重试",
        [W_ERRORS] = "最近的错误",
        [W_NONE] = "暂无",
        [W_THEIRS] = "上游的应答",
        [W_MORE] = "另有 %s 个",
        [W_END] = "按 q 退出",
    },
};

const char *word(const struct look *look, enum word w)
{
    return words[look->chinese][w];
}

const char *say(char *to, const struct look *look, enum word w, const char *of)
{
    const char *text = word(look, w), *at = strstr(text, "%s");

    snprintf(to, TEXT_MAX, "%.*s%s%s", at ? (int)(at - text) : (int)strlen(text), text,
             at ? of : "", at ? at + 2 : "");
    return to;
}

const char *say_time(char *to, uint64_t ms)
{
    unsigned long long s = ms / 1000, m = s / 60, h = m / 60;

    if (ms == HISTORY_UNKNOWN)
        snprintf(to, TEXT_MAX, "–");
    else if (s < 1)
        snprintf(to, TEXT_MAX, "%llu ms", (unsigned long long)ms);
    else if (s < 10)
        snprintf(to, TEXT_MAX, "%llu.%llu s", s, (unsigned long long)ms / 100 % 10);
    else if (m < 1)
        snprintf(to, TEXT_MAX, "%llu s", s);
    else if (h < 1)
        snprintf(to, TEXT_MAX, "%llu min", m);
    else if (h < 24)
        snprintf(to, TEXT_MAX, "%llu h %llu min", h, m % 60);
    else
        snprintf(to, TEXT_MAX, "%llu d %llu h", h / 24, h % 24);
    return to;
}

const char *say_tenths(char *to, uint64_t tenths)
{
    unsigned long long n = tenths / 10;

    if (tenths == HISTORY_UNKNOWN)
        snprintf(to, TEXT_MAX, "–");
    else if (n >= 1000000)
        snprintf(to, TEXT_MAX, "%llu.%lluM", n / 1000000, n / 100000 % 10);
    else if (n >= 10000)
        snprintf(to, TEXT_MAX, "%llu.%lluk", n / 1000, n / 100 % 10);
    else if (tenths % 10)
        snprintf(to, TEXT_MAX, "%llu.%llu", n, (unsigned long long)tenths % 10);
    else
        snprintf(to, TEXT_MAX, "%llu", n);
    return to;
}

const char *say_number(char *to, uint64_t n)
{
    return say_tenths(to, n * 10);
}
