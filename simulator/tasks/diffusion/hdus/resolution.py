"""Resolution of a scenario of peers that exchange seed denoisers to a plan."""

from __future__ import annotations

from collections.abc import Sequence

from clients.data import Dataset
from clients.data.rows import Ids
from clients.diffusion.hdus.spec import ShardedDenoiser
from simulator.tasks.diffusion.hdus.scenario import HdusDenoisingScenario
from simulator.tasks.diffusion.resolution import DiffusionResolution


class HdusDenoisingResolution(DiffusionResolution):
    """Resolution of a scenario of peers that exchange seed denoisers."""

    def check(self, data: Dataset, dealt: Sequence[Ids] | None) -> None:
        """Record an error for everything that contradicts data or partition, and for shards and slices without images or steps."""
        super().check(data, dealt)
        scenario = self.scenario
        assert isinstance(scenario, HdusDenoisingScenario)
        mains = scenario.peers.main
        for i, main in enumerate(mains):
            if not isinstance(main, ShardedDenoiser):
                continue
            try:
                main.schedules(scenario.rounds, scenario.federation.steps)
            except ValueError as error:
                self.wrong(f"peers.main.{i}", str(error))
            wanted = main.shards * main.slices
            for peer in range(i, len(dealt or ()), len(mains)):
                if dealt and len(dealt[peer]) < wanted:
                    few = f"peer {peer}: sisa cuts {len(dealt[peer])} images into {main.shards} shards x {main.slices} slices"
                    self.wrong(f"peers.main.{i}", f"{few}: ask for at most {len(dealt[peer])} slices in all")
                    break
