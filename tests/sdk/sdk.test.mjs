// The official client of the API against a running proxy in front of the sample upstream;
// test_sdk.py starts both.
// What to answer is asked for in the X-Sample field, which the proxy hands on like any other.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, {
  APIError, APIConnectionError, AuthenticationError, InternalServerError, RateLimitError,
} from "openai";

const baseURL = process.env.OCP_URL;
const client = new OpenAI({ baseURL, apiKey: process.env.OCP_KEY, maxRetries: 0, timeout: 8000 });
const question = { model: "sample-1", messages: [{ role: "user", content: "hello" }] };

const asking = (sample, more = {}) => ({ headers: { "X-Sample": sample }, ...more });

async function streamed(sample, from = client) {
  const stream = await from.chat.completions.create({ ...question, stream: true }, asking(sample));
  const seen = { chunks: 0, text: "", finish: null };
  try {
    for await (const chunk of stream) {
      seen.chunks++;
      seen.text += chunk.choices[0]?.delta?.content ?? "";
      seen.finish = chunk.choices[0]?.finish_reason ?? seen.finish;
    }
  } catch (error) {
    error.seen = seen;
    throw error;
  }
  return seen;
}

test("a plain completion", async () => {
  const asked = client.chat.completions.create(question);
  const { data, response, request_id } = await asked.withResponse();
  assert.equal(data.object, "chat.completion");
  assert.match(data.choices[0].message.content, /^Hello! This is the sample upstream/);
  assert.equal(data.choices[0].finish_reason, "stop");
  assert.equal(data.usage.total_tokens, 45);
  assert.match(request_id, /^req-/);
  assert.equal(response.headers.get("openai-version"), "2020-10-01");
});

test("a streamed completion", async () => {
  const seen = await streamed("events=36&pause=2");
  assert.equal(seen.chunks, 38);
  assert.equal(seen.finish, "stop");
  assert.match(seen.text, /^Hello! This is .* little to say\. $/);
});

test("a streamed completion with its usage", async () => {
  const stream = await client.chat.completions.create(
    { ...question, stream: true, stream_options: { include_usage: true } });
  let usage;
  for await (const chunk of stream) usage = chunk.usage ?? usage;
  assert.equal(usage.total_tokens, 45);
});

// Through a proxy with include_usage = yes; the sample upstream sends usage where it is asked to.
test("usage that the proxy asks for is seen by those alone who ask, too", async () => {
  const asking = new OpenAI({
    baseURL: process.env.OCP_USAGE_URL, apiKey: process.env.OCP_KEY, maxRetries: 0, timeout: 8000,
  });
  for (const stream_options of [undefined, null, {}, { include_usage: false },
    { include_usage: true }]) {
    const stream =
      await asking.chat.completions.create({ ...question, stream: true, stream_options });
    const usages = [];
    let finish, empty = 0;
    for await (const chunk of stream) {
      if (chunk.usage) usages.push(chunk.usage.total_tokens);
      if (chunk.choices.length === 0) empty++;
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    const asked = stream_options?.include_usage === true;
    assert.equal(finish, "stop");
    assert.deepEqual(usages, asked ? [45] : []);
    assert.equal(empty, asked ? 1 : 0);
  }
  const plain = await asking.chat.completions.create(question);
  assert.equal(plain.usage.total_tokens, 45);
});

test("many at once", async () => {
  const one = (_, i) =>
    i % 2 ? streamed("events=10&pause=5") : client.chat.completions.create(question);
  const all = await Promise.all(Array.from({ length: 50 }, one));
  assert.ok(all.every((one) => one.finish === "stop" || one.choices[0].finish_reason === "stop"));
});

test("a large question", async () => {
  const content = "ü€😀\\\"\n".repeat(100_000);
  const body = { ...question, messages: [{ role: "user", content }] };
  const { length } = await client.chat.completions.create(body, asking("echo=1"));
  assert.equal(length, Buffer.byteLength(JSON.stringify(body)));
});

test("an unknown key is refused", async () => {
  const stranger = new OpenAI({ baseURL, apiKey: "nobody", maxRetries: 0 });
  await assert.rejects(stranger.chat.completions.create(question), (e) => {
    assert.ok(e instanceof AuthenticationError);
    assert.equal(e.status, 401);
    assert.equal(e.code, "invalid_api_key");
    assert.equal(e.type, "invalid_request_error");
    return true;
  });
});

test("429 comes with its hints", async () => {
  await assert.rejects(client.chat.completions.create(question, asking("status=429")), (e) => {
    assert.ok(e instanceof RateLimitError);
    assert.equal(e.code, "rate_limit_exceeded");
    assert.equal(e.headers.get("retry-after"), "2");
    assert.equal(e.headers.get("x-ratelimit-remaining-requests"), "0");
    return true;
  });
});

test("a limit of the client's own raises RateLimitError with its hints", async () => {
  const limited = new OpenAI({ baseURL, apiKey: "limited-key", maxRetries: 0 });
  const { response } = await limited.chat.completions.create(question).withResponse();
  assert.equal(response.headers.get("x-ratelimit-limit-requests"), "1");
  assert.equal(response.headers.get("x-ratelimit-remaining-requests"), "0");
  await assert.rejects(limited.chat.completions.create(question), (e) => {
    assert.ok(e instanceof RateLimitError);
    assert.equal(e.code, "rate_limit_exceeded");
    assert.equal(e.type, "requests");
    assert.match(e.message, /1 requests per minute/);
    assert.ok(Number(e.headers.get("retry-after")) >= 1);
    return true;
  });
});

test("a key that has expired is told from an unknown one", async () => {
  const late = new OpenAI({ baseURL, apiKey: "expired-key", maxRetries: 0 });
  await assert.rejects(late.chat.completions.create(question), (e) => {
    assert.ok(e instanceof AuthenticationError);
    assert.equal(e.code, "key_expired");
    return true;
  });
});

test("a stream that is cut raises an error with its code", async () => {
  const samples =
    ["events=9&pause=5&cut=4", "events=9&pause=5&cut=4&rst=1", "events=9&cut=4&framing=close"];
  for (const sample of samples)
    await assert.rejects(streamed(sample), (e) => {
      assert.ok(e instanceof APIError, `${sample}: ${e}`);
      assert.equal(e.code, "upstream_error", sample);
      assert.equal(e.seen.chunks, 5, sample);
      return true;
    });
});

test("a stream that is cut within an event raises an error", async () => {
  // Half an event is on its way when the upstream is lost, and the client fails on its JSON before
  // it comes to the error behind it.
  await assert.rejects(streamed("events=9&pause=5&cut=4&midchunk=1"), (e) => e.seen.chunks === 5);
});

test("a clean end without finish_reason raises an error with its code", async () => {
  const samples =
    ["events=4&noend=1", "events=4&noend=1&framing=close", "events=4&noend=1&newlines=crlf"];
  for (const sample of samples)
    await assert.rejects(streamed(sample), (e) => {
      assert.ok(e instanceof APIError, `${sample}: ${e}`);
      assert.equal(e.code, "upstream_error", sample);
      assert.equal(e.seen.chunks, 5, sample);
      return true;
    });
});

test("a plain answer that is cut raises an error", async () => {
  for (const sample of ["cut=100", "cut=100&framing=chunked", "size=300000&cut=200000"])
    await assert.rejects(client.chat.completions.create(question, asking(sample)), sample);
});

test("an upstream that fails is asked once only", async () => {
  let asked = 0;
  const retrying = new OpenAI({
    baseURL, apiKey: process.env.OCP_KEY, maxRetries: 2,
    fetch: (...args) => (asked++, fetch(...args)),
  });
  await assert.rejects(retrying.chat.completions.create(question, asking("garbage=1")), (e) => {
    assert.ok(e instanceof InternalServerError && !(e instanceof APIConnectionError));
    assert.equal(e.status, 502);
    assert.equal(e.code, "upstream_error");
    return true;
  });
  assert.equal(asked, 1);
});

test("leaving a stream early harms nobody", async () => {
  const body = { ...question, stream: true };
  const stream = await client.chat.completions.create(body, asking("events=1000&pause=10"));
  for await (const _ of stream) break;
  assert.equal((await client.chat.completions.create(question)).object, "chat.completion");
});
