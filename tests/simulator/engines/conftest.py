import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)


@pytest.fixture(autouse=True, scope="session")
def _toy_apps_can_be_imported() -> Iterator[None]:
    sys.path.insert(0, HERE)
    yield
    sys.path.remove(HERE)


@pytest.fixture(autouse=True, scope="session")
def _flower_writes_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep Flower's files out of the home directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLWR_HOME", str(tmp_path_factory.mktemp("flwr")))
        yield


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Hold one Ray cluster for the whole session, since each takes seconds to start."""
    from simulator.engines import ENGINES
    from simulator.engines.ray_cluster import cluster

    with cluster(ENGINES.load("ray")(kind="ray", workers=2)):
        yield


@pytest.fixture
def play() -> Callable:
    """Play a plain function ``(grid) -> value`` as the server app against the toy client app; return its value."""
    from flwr.app import Context
    from flwr.serverapp import Grid, ServerApp

    def play(engine, body, peers=5, client_app="toy_apps:client"):
        app, values = ServerApp(), []

        @app.main()
        def main(grid: Grid, context: Context) -> None:
            values.append(body(grid))

        engine.play(app, client_app, peers)
        return values[0]

    return play


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable], None]:
    """Return a function that puts another in the place of ``ray.init``; the session's own cluster is not touched meanwhile."""
    import ray

    from simulator.engines import ray_cluster

    def replace(start: Callable) -> None:
        monkeypatch.setattr(ray, "init", start)
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "shutdown", lambda: None)
        monkeypatch.setattr(ray_cluster, "_read_authentication", lambda: None)

    return replace
