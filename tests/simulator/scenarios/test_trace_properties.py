"""Whatever an edge list or a trace holds, it is refused in one line, or followed to the letter."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.topology import TopologyError, draw
from server.topology.file import FromFile
from simulator.scenarios.churn import ChurnError, Trace

often = settings(suppress_health_check=list(HealthCheck))
PEERS, ROUNDS = 4, 6
TIMES = st.one_of(st.integers(-1, 9), st.integers(0, 10**18 - 1))


def one_line(error: Exception) -> None:
    assert "\n" not in str(error)


@often
@given(st.lists(st.tuples(st.integers(-1, 5), TIMES, TIMES), max_size=6), st.one_of(st.none(), st.integers(1, 8)))
def test_a_trace_is_followed_or_refused(intervals, period):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c.csv")
        path.write_text("peer,from,to\n" + "".join(f"{peer},{start},{end}\n" for peer, start, end in intervals))
        last = period or ROUNDS
        good = all(0 <= peer < PEERS and 1 <= start < end and start <= last for peer, start, end in intervals)
        try:
            away = Trace(path=str(path), period=period).away(range(PEERS), ROUNDS, 0)
        except ChurnError as error:
            one_line(error)
            assert not good
            return
    assert good
    named = {peer for peer, *_ in intervals}
    for number in range(1, ROUNDS + 1):
        place = (number - 1) % period + 1 if period else number
        present = {peer for peer, start, end in intervals if start <= place < end}
        assert away[number] == named - present


@often
@given(st.text(alphabet="peer,from to\n0123-.;\"\r\ufeff", max_size=60))
def test_any_text_is_a_trace_or_refused(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c.csv")
        path.write_bytes(f"peer,from,to\n{text}".encode())
        try:
            Trace(path=str(path)).away(range(PEERS), ROUNDS, 0)
        except ChurnError as error:
            one_line(error)


@often
@given(st.lists(st.lists(st.integers(0, PEERS), min_size=1, max_size=4), max_size=8), st.sampled_from([" ", ",", "\t", ";", "|"]))
def test_an_edge_list_is_drawn_whole_or_refused(lines, separator):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "g.txt")
        path.write_text("\n".join(separator.join(map(str, line)) for line in lines))
        try:
            graph = draw(FromFile(path=str(path)), PEERS, 0)
        except TopologyError as error:
            one_line(error)
            return
    assert all(len(line) == 2 for line in lines)
    assert {frozenset(edge) for edge in graph.edges} == {frozenset(line) for line in lines if line[0] != line[1]}


@often
@given(st.binary(max_size=120), st.sampled_from(["g.txt", "g.graphml", "g.xml"]))
def test_any_bytes_are_a_graph_or_refused(blob, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(blob)
        try:
            draw(FromFile(path=str(path)), PEERS, 0)
        except TopologyError as error:
            one_line(error)
