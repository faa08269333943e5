"""The plaintext of a submission, on its whole way: decoding, columns, rules, counting, clipping."""

import re

from tests.graphs import DEVICE, NOW

from tacita.crypto.keyring import keyed_tag
from tacita.privacy import bounding, policy, rules, tested
from tacita.privacy.columns import node_columns
from tacita.privacy.decoding import MalformedGraph, decode_graph

_PATH = re.compile(r"(nodes(\[\d+\])?|aggregateMetrics|userEmotionBucket|[a-zA-Z]*)(\.[a-zA-Z]+)*\Z")


def check(data: bytes) -> None:
    """Take `data` in as a plaintext: malformed, breaking rules at known fields, or counted within bounds."""
    try:
        graph, found = decode_graph(data)
    except MalformedGraph:
        return
    nodes = node_columns(graph.nodes)
    found += rules.violations(graph, nodes, DEVICE, NOW)
    found = found or tested.violations(graph, nodes)
    for violation in found:
        assert _PATH.match(violation.field), violation
    if found:
        return
    tags = [keyed_tag(b"k" * 32, "node", node_id.encode())[:8] for node_id in nodes.ids]
    counts, counted = bounding.count_nodes(nodes, NOW, tags, already_counted=(), room=policy.MAX_COUNTED_NODES)
    assert counts.nodes == len(counted) <= min(len(set(nodes.ids)), policy.MAX_COUNTED_NODES)
    assert bounding.Counts.from_bytes(counts.to_bytes()).nodes == counts.nodes
    bounding.clip(counts)  # raises where the vector would break its bound
