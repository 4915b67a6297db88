"""Black-box tests of the binary over sockets: build/openai-chat-proxy and build/sample-upstream, or what OCP_BINARY and OCP_UPSTREAM name."""
from fixtures import *  # noqa: F401,F403
