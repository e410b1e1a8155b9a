import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.topology import TOPOLOGIES, TopologyError, attach, describe, draw, edges
from server.topology.families import BarabasiAlbert, Complete, ErdosRenyi, KRegular, Line, Ring, SmallWorld, Star
from server.topology.file import FromFile
from server.topology.repair import remove

DRAWN = [Ring(), Line(), Complete(), Star(hub=2), KRegular(k=4), SmallWorld(k=4, p=0.3), ErdosRenyi(p=0.4), BarabasiAlbert(m=2)]


@pytest.mark.parametrize("spec", DRAWN, ids=lambda spec: spec.kind)
def test_graphs_are_simple_connected_and_a_function_of_the_seed(spec):
    graph = draw(spec, 12, 7)
    assert sorted(graph) == list(range(12))
    assert nx.is_connected(graph)
    assert all(a < b for a, b in edges(graph))
    assert edges(graph) == edges(draw(spec, 12, 7))


@pytest.mark.parametrize("spec", DRAWN[4:], ids=lambda spec: spec.kind)
def test_random_graphs_differ_between_seeds(spec):
    assert len({edges(draw(spec, 12, seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize("spec", [Ring(), Line(), Complete(), Star()], ids=lambda spec: spec.kind)
@pytest.mark.parametrize("peers", [1, 2, 3])
def test_few_peers(spec, peers):
    assert len(draw(spec, peers, 0)) == peers


def test_degrees_are_as_asked_for():
    assert {degree for _, degree in draw(KRegular(k=3), 10, 1).degree} == {3}
    assert draw(Star(hub=2), 6, 0).degree[2] == 5
    assert len(edges(draw(Complete(), 6, 0))) == 15


@pytest.mark.parametrize(
    ("spec", "peers", "words"),
    [
        (KRegular(k=5), 5, "k = 5 needs at least 6 peers, there are 5: lower k or raise peers.count"),
        (KRegular(k=3), 5, "both being odd"),
        (SmallWorld(k=3), 8, "k = 3 is odd"),
        (ErdosRenyi(p=0.0), 4, r"falls into 4 parts \(peers 0 reach no other part\): add edges"),
        (Star(hub=9), 5, "hub = 9 needs at least 10 peers"),
        (BarabasiAlbert(m=6), 5, "m = 6 needs at least 7 peers"),
    ],
)
def test_graphs_that_cannot_be_are_answered(spec, peers, words):
    with pytest.raises(TopologyError, match=words):
        draw(spec, peers, 0)


def test_files(tmp_path):
    (tmp_path / "edges.txt").write_text("# a comment\n0 1\n1,2 # the second\n\n2 0 0.5\n")
    assert edges(draw(FromFile(path=str(tmp_path / "edges.txt")), 3, 0)) == ((0, 1), (0, 2), (1, 2))
    nx.write_graphml(nx.path_graph(4), tmp_path / "line.graphml")
    assert edges(draw(FromFile(path=str(tmp_path / "line.graphml")), 4, 0)) == ((0, 1), (1, 2), (2, 3))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "0 1\n1 x\n", "line 2 is no pair of peers: write two peer numbers a line"),
        ("a.txt", "0 1\n", r"falls into 2 parts \(peers 2 reach no other part\)"),
        ("a.txt", "0 1\n1 2\n2 3\n", "the graph has node 3, but peers are 0 to 2"),
        ("a.graphml", "hello", "is no GraphML file"),
    ],
)
def test_file_troubles_have_a_cure(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(TopologyError, match=words) as error:
        draw(FromFile(path=str(tmp_path / name)), 3, 0)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_answered(tmp_path):
    with pytest.raises(TopologyError, match="there is no such file"):
        draw(FromFile(path=str(tmp_path / "no.txt")), 3, 0)


def test_no_repair_lets_a_cut_vertex_split_the_graph():
    graph = nx.path_graph(5)
    assert remove(graph, [2], "none", 0) == (((1, 2), (2, 3)), ())
    assert nx.number_connected_components(graph) == 2


def test_a_bridge_leads_around_the_leaver():
    graph = nx.star_graph(4)
    lost, drawn = remove(graph, [0], "bridge", 0)
    assert len(lost) == 4
    assert drawn == ((1, 2), (2, 3), (3, 4))


@given(st.integers(4, 14), st.integers(0, 10**6), st.floats(0.2, 0.9), st.integers(1, 3))
def test_rewiring_restores_degrees_and_cuts_nothing(peers, seed, p, leaving):
    graph = nx.gnp_random_graph(peers, p, seed=seed)
    nx.add_path(graph, range(peers))
    before, leavers = graph.copy(), set(range(min(leaving, peers - 2)))
    remove(graph, leavers, "rewire", seed)
    left = set(before) - leavers
    assert set(graph) == left
    assert {edge for edge in edges(before) if left.issuperset(edge)} <= set(edges(graph))
    assert nx.is_connected(graph)
    assert nx.number_of_selfloops(graph) == 0
    for peer in left:
        assert graph.degree[peer] >= min(before.degree[peer], len(left) - 1)


def test_rewiring_gives_exactly_the_old_degrees_where_a_simple_graph_with_them_exists():
    graph = nx.cycle_graph(8)
    remove(graph, [3], "rewire", 1)
    assert {degree for _, degree in graph.degree} == {2}
    assert nx.is_connected(graph)


def test_a_star_that_loses_its_hub_is_connected_again():
    graph = nx.star_graph(6)
    remove(graph, [0], "rewire", 4)
    assert nx.is_connected(graph)


def test_rewiring_a_complete_graph_is_impossible_and_harmless():
    graph = nx.complete_graph(5)
    assert remove(graph, [1], "rewire", 0)[1] == ()
    assert len(edges(graph)) == 6


def test_everybody_leaves():
    for policy in ("none", "bridge", "rewire"):
        graph = nx.cycle_graph(4)
        remove(graph, range(4), policy, 0)
        assert len(graph) == 0


def test_a_newcomer_goes_to_those_it_wishes_for_or_to_drawn_ones():
    graph = nx.path_graph(4)
    attach(graph, 7, [1, 9], 2, 0)
    assert sorted(graph[7]) == [1]
    attach(graph, 8, [9], 2, 0)
    assert graph.degree[8] == 2
    alone = nx.Graph()
    attach(alone, 0, [5], 1, 0)
    assert edges(alone) == ()


def test_facts_of_a_known_graph():
    facts = describe(nx.cycle_graph(6))
    assert (facts.nodes, facts.edges, facts.parts, facts.diameter) == (6, 6, 1, 3)
    assert (facts.degree_min, facts.degree_mean, facts.degree_max) == (2, 2, 2)
    assert facts.spectral_gap == pytest.approx(sorted(nx.normalized_laplacian_spectrum(nx.cycle_graph(6)))[1])
    assert describe(nx.complete_graph(5)).spectral_gap == pytest.approx(1.25)


def test_facts_of_a_broken_and_of_an_empty_graph():
    facts = describe(nx.Graph([(0, 1), (2, 3)]))
    assert (facts.parts, facts.diameter, facts.spectral_gap) == (2, None, 0.0)
    assert describe(nx.Graph()).nodes == 0


def test_every_registered_topology_names_its_kind():
    for name in TOPOLOGIES.targets():
        assert TOPOLOGIES.load(name).model_fields["kind"].default == name
