"""Prometheus' text format 0.0.4, read strictly: whatever the format does not allow is an error."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? ([0-9]+(?:\.[0-9]+)?)\Z")


def labels_of(text):
    labels, at = {}, 0
    while at < len(text):
        m = LABEL.match(text, at)
        assert m and m[1] not in labels, text
        labels[m[1]] = re.sub(r"\\(.)", lambda e: {"n": "\n"}.get(e[1], e[1]), m[2])
        at = m.end()
        assert at == len(text) or text[at] == ",", text
        at += 1
    return labels


class Page:
    """types: name to type. samples: (name, labels as a frozenset of pairs) to number."""

    def __init__(self, body):
        self.types, self.helps, self.samples = {}, {}, {}
        self.family = None
        text = body.decode()
        assert text.endswith("\n")
        for line in text[:-1].split("\n"):
            self.comment(line) if line.startswith("#") else self.sample(line)
        for name, kind in self.types.items():
            if kind == "histogram":
                self.check_histogram(name)

    def comment(self, line):
        m = re.match(rf"# (HELP|TYPE) ({NAME}) (.+)\Z", line)
        assert m, line
        known = self.helps if m[1] == "HELP" else self.types
        assert m[2] not in known, f"twice: {line}"
        known[m[2]] = m[3]
        if m[1] == "TYPE":
            assert m[3] in ("counter", "gauge", "histogram") and m[2] in self.helps, line
            assert m[2].endswith("_total") == (m[3] == "counter"), line
            self.family = m[2]

    def sample(self, line):
        m = SAMPLE.match(line)
        assert m, line
        kind = self.types[self.family]
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        assert m[1] in [self.family + s for s in suffixes], f"out of its family: {line}"
        key = m[1], frozenset(labels_of(m[2] or "").items())
        assert key not in self.samples, f"twice: {line}"
        self.samples[key] = float(m[3]) if "." in m[3] else int(m[3])

    def check_histogram(self, name):
        rows = {}
        for (n, labels), value in self.samples.items():
            rest = frozenset(p for p in labels if p[0] != "le")
            if n == name + "_bucket":
                rows.setdefault(rest, []).append((float(dict(labels)["le"]), value))
        for labels, buckets in rows.items():
            bounds, counts = zip(*buckets)
            assert list(bounds) == sorted(set(bounds)) and bounds[-1] == float("inf"), name
            assert list(counts) == sorted(counts), name
            assert counts[-1] == self.samples[name + "_count", labels]
            assert (name + "_sum", labels) in self.samples

    def sum(self, name, **labels):
        """All samples of that name which have these labels."""
        return sum(v for (n, have), v in self.samples.items()
                   if n == "openai_chat_proxy_" + name and set(labels.items()) <= have)

    def values(self, name, label):
        """The values of a label in the samples of that name."""
        return {dict(have)[label] for n, have in self.samples if n == "openai_chat_proxy_" + name}
