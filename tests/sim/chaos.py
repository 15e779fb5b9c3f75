"""Hurts a running cluster at random, from a seed, by the rows of faults.py."""

import random
import threading

from faults import Fault, Scene, select


class Watcher:
    """Is told of every fault: at its end, and when everything runs again."""

    def over(self, fault: Fault):
        pass

    def done(self, fault: Fault):
        pass


class Chaos:
    """A thread that kills, stops and restarts. Each fault is healed before the next; with `count` the schedule has
    each of them once before it draws, and ends by itself, which `finished` tells."""

    def __init__(self, cluster, seed: int, *what: str, pause=(0.1, 0.6), count: int | None = None,
                 watcher: Watcher | None = None, **scene):
        self.scene = Scene(cluster, random.Random(seed), **scene)
        self.faults = [row for row in select(*what) if self.scene.has(row.needs)]
        self.pause = pause
        self.count = count
        self.watcher = watcher or Watcher()
        self.done = threading.Event()
        self.finished = threading.Event()
        self.failure: BaseException | None = None
        self.counts: dict[str, int] = {}
        self.thread = threading.Thread(target=self._run, name="chaos")

    def __enter__(self):
        if self.faults:
            self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        if self.faults:
            self.thread.join(600 if self.count else 60)
        if self.failure is not None:
            raise self.failure

    def _run(self):
        weights = [row.weight for row in self.faults]
        once = self.scene.random.sample(self.faults, len(self.faults)) if self.count else []
        try:
            while not self.done.wait(self.scene.random.uniform(*self.pause)):
                if self.count is not None and sum(self.counts.values()) >= self.count:
                    break
                row = once.pop() if once else self.scene.random.choices(self.faults, weights)[0]
                self.counts[row.name] = self.counts.get(row.name, 0) + 1
                self._do(row)
        except BaseException as error:  # handed to the test
            self.failure = error
        finally:
            self.finished.set()

    def _do(self, row: Fault):
        self.scene.acted = True
        steps = row.steps(self.scene)
        next(steps)
        self.watcher.over(row)
        for _ in steps:
            raise AssertionError(f"{row.name} is over twice")
        self.watcher.done(row)
