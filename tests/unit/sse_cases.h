/* Event streams and what the judge is to say of them, for tests/unit/test_sse*.c. */
#ifndef TESTS_UNIT_SSE_CASES_H
#define TESTS_UNIT_SSE_CASES_H

#define KIND "\"object\":\"chat.completion.chunk\""
#define GOES_ON                                                                                    \
    "data: {" KIND ",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":"   \
    "null}]}\n\n"
#define CHOICE(index, reason)                                                                      \
    "data: {" KIND ",\"choices\":[{\"index\":" index ",\"delta\":{},\"finish_reason\":" reason     \
    "}]}\n\n"
#define USAGE "data: {" KIND ",\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n"
#define FAILED "data: {\"error\":{\"message\":\"worker lost\",\"code\":502}}\n\n"
#define LONG                                                                                       \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* What the judge may say: letters for c(hat), d(one), e(rror), u(sage closes), and - where the
 * stream is cut short. */
static const struct stream_case {
    const char *name, *text, *want;
} cases[] = {
    { "empty", "", "" },
    { "goes on", GOES_ON, "c-" },
    { "finished", GOES_ON CHOICE("0", "\"stop\""), "c" },
    { "finished, spaced",
      "data: {" KIND
      ", \"choices\" : [ { \"index\" : 0 , \"finish_reason\" : \t \"length\" } ] }\n",
      "c" },
    { "finished, much space",
      "data: {" KIND ",\"choices\":[{\"finish_reason\"                              :     "
      "                           \"length\"}]}\n",
      "c" },
    { "finished, spaced by one", GOES_ON "data: {\"choices\": [{\"finish_reason\": \"stop\"}]}\n",
      "c" },
    { "goes on, spaced by one",
      GOES_ON "data: {\"choices\": [{\"index\": 0, \"finish_reason\": null}]}\n\n", "c-" },
    { "empty reason", CHOICE("0", "\"\""), "c-" },
    { "null as text", GOES_ON CHOICE("0", "\"null\""), "c-" },
    { "nul as text", GOES_ON CHOICE("0", "\"nul\""), "c" },
    { "nullify as text", GOES_ON CHOICE("0", "\"nullify\""), "c" },
    { "reason with an escape", GOES_ON CHOICE("0", "\"\\u0073top\""), "c" },
    { "reason that is no text", GOES_ON CHOICE("0", "true"), "c-" },
    { "done", GOES_ON "data: [DONE]\n\n", "cd" },
    { "done without a space", GOES_ON "data:[DONE]\n\n", "cd" },
    { "done after CR", "data: {" KIND "}\r\rdata: [DONE]\r\r", "cd" },
    { "done after CRLF", "data: {" KIND "}\r\n\r\ndata: [DONE]\r\n\r\n", "cd" },
    { "done without a line end", GOES_ON "data: [DONE]", "cd" },
    { "done, then a comment", GOES_ON "data: [DONE]\n\n: bye\n\n", "cd" },
    { "done, then a choice that goes on", GOES_ON "data: [DONE]\n\n" GOES_ON, "c-" },
    { "only done", "data: [DONE]\n\n", "d" },
    { "done in a comment", GOES_ON ": data: [DONE]\n\n", "c-" },
    { "done in another field", GOES_ON "xdata: [DONE]\n\n", "c-" },
    { "done after two spaces", GOES_ON "data:  [DONE]\n\n", "c-" },
    { "done within a text", GOES_ON "data: {\"content\":\"data: [DONE]\"}\n\n", "c-" },
    { "almost done", GOES_ON "data: [DONE\n\ndata: [DOWN]\n\n", "c-" },
    { "reason within a text",
      "data: {" KIND ",\"choices\":[{\"content\":\"\\\"finish_reason\\\":\\\"stop\\\"\"}]}\n\n",
      "c-" },
    { "reason after a quote in a text",
      "data: {" KIND ",\"choices\":[{\"delta\":{\"content\":\"5\\\" disc\"},\"finish_reason\":"
      "\"stop\"}]}\n\n",
      "c" },
    { "reason within a text with brackets",
      "data: {" KIND
      ",\"choices\":[{\"content\":\"}],{\\\\\",\"x\":\"[{\\\"finish_reason\\\":\"}]}\n\n",
      "c-" },
    { "reason elsewhere", GOES_ON "data: {\"finish_reason\":\"stop\",\"choices\":[]}\n\n", "c-" },
    { "choices under another name",
      GOES_ON "data: {\"x\":[{\"index\":0,\"finish_reason\":\"stop\"}]}\n\n", "c-" },
    { "choices as an object",
      GOES_ON "data: {\"choices\":{\"a\":{\"finish_reason\":\"stop\"}}}\n\n", "c-" },
    { "a line cut after null",
      GOES_ON "data: {\"choices\":[{\"finish_reason\":null\ndata: [DONE]\n\n", "cd" },
    { "a text cut by LF", GOES_ON "data: {\"content\":\"a\ndata: [DONE]\n\n", "cd" },
    { "a text cut by CR", GOES_ON "data: {\"content\":\"a\rdata: [DONE]\r\r", "cd" },
    { "reason too deep",
      GOES_ON "data: {\"choices\":[{\"delta\":{\"finish_reason\":\"stop\"}}]}\n\n", "c-" },
    { "reason cut after its quote", GOES_ON "data: {\"choices\":[{\"finish_reason\":\"\n\n", "c-" },
    { "reason cut before the choice ends",
      GOES_ON "data: {\"choices\":[{\"finish_reason\":\"stop\"\n\n", "c-" },
    { "reason as a value",
      GOES_ON "data: {\"choices\":[{\"a\":\"finish_reason\",\"b\":\"stop\"}]}\n\n", "c-" },
    { "a name that ends alike",
      GOES_ON "data: {\"choices\":[{\"xfinish_reason\":\"stop\",\"finish_reasons\":\"stop\"}]}\n\n",
      "c-" },
    { "a name that begins with a quote",
      "data: {" KIND ",\"choices\":[{\"\\\"finish_reason\":\"stop\",\"x\":\"" LONG "\"}]}\n\n",
      "c-" },
    { "delta makes it chat",
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n", "c-" },
    { "delta of another event",
      "event: content_block_delta\ndata: {\"type\":\"x\",\"delta\":{\"text\":\"a\"}}\n\n", "" },
    { "delta and choices of two events", "data: {\"choices\":[]}\n\ndata: {\"delta\":\"x\"}\n\n",
      "" },
    { "kind within a text", "data: {\"a\":\"\\\"object\\\":\\\"chat.completion.chunk\\\"\"}\n\n",
      "" },
    { "kind of a part", "data: {\"a\":{" KIND "}}\n\n", "" },
    { "another kind", "data: {\"object\":\"chat.completion.chunk.delta\"}\n\n", "" },
    { "another stream", "event: ping\ndata: {\"object\":\"thread.run\"}\n\n", "" },
    { "long content between",
      GOES_ON "data: {\"choices\":[{\"delta\":{\"content\":\"" LONG LONG
              "\"},\"finish_reason\":\"stop\"}]}\n\n",
      "c" },
    /* a closing chunk with usage */
    { "usage closes", GOES_ON USAGE, "cu" },
    { "usage closes, and a comment", GOES_ON USAGE ": ping\n\n", "cu" },
    { "usage before choices",
      GOES_ON "data: {\"usage\": {\"total_tokens\": 3}, \"choices\": []}\n\n", "cu" },
    { "usage of null", GOES_ON "data: {\"choices\":[],\"usage\":null}\n\n", "c-" },
    { "usage after another list",
      GOES_ON "data: {\"choices\":[],\"x\":[{\"a\":[1]}],\"usage\":{\"a\":1}}\n\n", "cu" },
    { "usage as a list", GOES_ON "data: {\"choices\":[],\"usage\":[1]}\n\n", "c-" },
    { "usage in a part", GOES_ON "data: {\"choices\":[],\"x\":{\"usage\":{}}}\n\n", "c-" },
    { "no choices, no usage", GOES_ON "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n",
      "c-" },
    { "usage of a choice that goes on",
      GOES_ON "data: {\"choices\":[{\"index\":0,\"finish_reason\":null}],\"usage\":{\"a\":1}}\n\n",
      "c-" },
    { "usage, then a choice that goes on", GOES_ON USAGE GOES_ON, "c-" },
    { "usage, then a choice without a reason",
      GOES_ON USAGE "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\n\n", "c-" },
    { "usage, then a choice that finishes", GOES_ON USAGE CHOICE("0", "\"stop\""), "c" },
    { "usage first", USAGE GOES_ON, "c-" },
    { "usage twice", GOES_ON USAGE USAGE, "cu" },
    { "usage, an empty chunk", GOES_ON USAGE "data: {\"choices\":[]}\n\n", "cu" },
    /* errors of the upstream's own */
    { "an error", GOES_ON FAILED, "ce" },
    { "an error as a list", GOES_ON "data: {\"error\":[1]}\n\n", "c-" },
    { "an error as text", GOES_ON "data: {\"error\" : \"lost\"}\n\n", "ce" },
    { "an error without text", GOES_ON "data: {\"error\":\"\",\"x\":1}\n\n", "c-" },
    { "no error", GOES_ON "data: {\"error\":null}\n\n", "c-" },
    { "an error after other members", GOES_ON "data: {\"id\":\"x\",\"error\":{\"code\":1}}\n\n",
      "ce" },
    { "an error of a part", GOES_ON "data: {\"x\":{\"error\":{}}}\n\n", "c-" },
    { "an error in a text", GOES_ON "data: {\"x\":\"\\\"error\\\":{}\"}\n\n", "c-" },
    { "an error named by its event", GOES_ON "event: error\ndata: {\"message\":\"lost\"}\n\n",
      "ce" },
    { "an event without a space", GOES_ON "event:error\r\ndata: x\r\n\r\n", "ce" },
    { "an event whose name ends alike", GOES_ON "event:xerror\n\nevent:  error\n\n", "c-" },
    { "an event that stops early", GOES_ON "event: erro\n\nevent:\n\nevent\n\n", "c-" },
    { "another event", GOES_ON "event: errors\ndata: {}\n\nevent: err\ndata: {}\n\n", "c-" },
    { "an error, then a choice that goes on", GOES_ON FAILED GOES_ON, "c-" },
    { "an error, then done", GOES_ON FAILED "data: [DONE]\n\n", "cde" },
    { "an error alone", FAILED, "e" },
    { "an error cut", GOES_ON "data: {\"error\":{\"mess", "c-" },
    /* several choices */
    { "two choices, one finished", GOES_ON CHOICE("1", "null") CHOICE("0", "\"stop\""), "c-" },
    { "two choices, the other finished", GOES_ON CHOICE("1", "null") CHOICE("1", "\"stop\""),
      "c-" },
    { "two choices, both finished",
      GOES_ON CHOICE("1", "null") CHOICE("0", "\"stop\"") CHOICE("1", "\"length\""), "c" },
    { "a choice that begins late", GOES_ON CHOICE("0", "\"stop\"") CHOICE("1", "null"), "c-" },
    { "a choice without a reason",
      GOES_ON "data: {\"choices\":[{\"index\":1,\"delta\":{}}]}\n\n" CHOICE("0", "\"stop\""),
      "c-" },
    { "two choices, spaced",
      GOES_ON
      "data: {\"choices\": [{\"index\": 1, \"finish_reason\": null}]}\n\n" CHOICE("0", "\"stop\""),
      "c-" },
    { "two choices, done", GOES_ON CHOICE("1", "null") "data: [DONE]\n\n", "cd" },
    { "two choices, usage", GOES_ON CHOICE("1", "null") USAGE, "cu" },
    { "two choices in one event",
      GOES_ON "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"},{\"index\":1,\"finish_"
              "reason\":null}]}\n\n",
      "c-" },
    { "two choices finish in one event",
      GOES_ON
      "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"},{\"finish_reason\":\"stop\","
      "\"index\":1}]}\n\n",
      "c" },
    { "index after the reason",
      GOES_ON
      "data: {\"choices\":[{\"finish_reason\":null,\"index\":1}]}\n\n" CHOICE("0", "\"stop\""),
      "c-" },
    { "index of a tool call",
      GOES_ON "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{}}]},"
              "\"index\":0,\"finish_reason\":null}]}\n\n" CHOICE("0", "\"tool_calls\""),
      "c" },
    { "choices from one", CHOICE("1", "null") CHOICE("1", "\"stop\""), "c" },
    { "the last choice that is told apart",
      GOES_ON CHOICE("63", "null") CHOICE("0", "\"stop\"") CHOICE("63", "\"stop\""), "c" },
    { "a choice that is not told apart",
      GOES_ON CHOICE("64", "null") CHOICE("0", "\"stop\"") CHOICE("64", "\"stop\""), "c-" },
    { "a choice far off",
      GOES_ON CHOICE("18446744073709551616", "\"stop\"") CHOICE("0", "\"stop\""), "c-" },
    { "a choice far off, done",
      GOES_ON CHOICE("64", "\"stop\"") CHOICE("0", "\"stop\"") "data: [DONE]\n\n", "cd" },
};

#endif
