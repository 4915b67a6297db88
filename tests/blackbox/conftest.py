"""Black-box tests of the binary over sockets: build/openai-chat-proxy and build/sample-upstream,
or what OCP_BINARY and OCP_UPSTREAM name."""
pytest_plugins = ["shared_fixtures", "reloads", "started", "streams", "tlspeers", "vanish"]


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: watches memory or time, so nothing runs beside it")
