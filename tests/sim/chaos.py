"""Hurts a running cluster at random, from a seed, and heals it at the end."""

import random
import threading
import time


class Chaos:
    """A thread that kills, stops and restarts. Each action heals itself before the next."""

    def __init__(self, cluster, seed: int, apis=True, correlators=True, redis=False,
                 slow_redis=False, postgres=False, kills_only=False, pause=(0.1, 0.6)):
        self.cluster = cluster
        self.random = random.Random(seed)
        self.pause = pause
        self.done = threading.Event()
        self.failure: BaseException | None = None
        self.counts: dict[str, int] = {}
        self.actions = []
        if apis:
            self.actions += [self.kill_api, self.end_api]
        if correlators:
            self.actions += [self.kill_correlator] * 3 + [self.end_correlator,
                                                         self.freeze_correlator]
        if redis:
            self.actions += [self.flush_redis] * 3 + [self.restart_redis, self.stop_redis,
                                                     self.freeze_redis]
        if slow_redis:
            self.actions += [self.freeze_redis]
        if postgres:
            self.actions += [self.crash_postgres]
        if kills_only:
            self.actions = [self.kill_correlator]
        self.thread = threading.Thread(target=self._run, name="chaos")

    def __enter__(self):
        if self.actions:
            self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        if self.actions:
            self.thread.join(60)
        if self.failure is not None:
            raise self.failure

    def _run(self):
        try:
            while not self.done.wait(self.random.uniform(*self.pause)):
                action = self.random.choice(self.actions)
                self.counts[action.__name__] = self.counts.get(action.__name__, 0) + 1
                action()
        except BaseException as error:  # handed to the test
            self.failure = error

    def _back(self, daemon):
        time.sleep(self.random.uniform(0, 0.3))
        daemon.start()
        daemon.wait_ready()

    def kill_api(self):
        daemon = self.random.choice(self.cluster.apis)
        daemon.kill()
        self._back(daemon)

    def end_api(self):
        daemon = self.random.choice(self.cluster.apis)
        assert daemon.terminate() == 0, f"{daemon.name} ended badly:\n{daemon.log_tail()}"
        self._back(daemon)

    def kill_correlator(self):
        daemon = self.random.choice(self.cluster.correlators)
        daemon.kill()
        self._back(daemon)

    def end_correlator(self):
        daemon = self.random.choice(self.cluster.correlators)
        assert daemon.terminate() == 0, f"{daemon.name} ended badly:\n{daemon.log_tail()}"
        self._back(daemon)

    def freeze_correlator(self):
        daemon = self.random.choice(self.cluster.correlators)
        daemon.pause()
        time.sleep(self.random.uniform(0.1, 1.5))
        daemon.resume()

    def crash_postgres(self):
        self.cluster.postgres.stop("immediate")
        time.sleep(self.random.uniform(0, 0.5))
        self.cluster.postgres.start()

    def flush_redis(self):
        self.cluster.redis.flush()

    def restart_redis(self):
        self.cluster.redis.stop()
        self.cluster.redis.start()

    def stop_redis(self):
        self.cluster.redis.stop()
        time.sleep(self.random.uniform(0.3, 1.5))
        self.cluster.redis.start()

    def freeze_redis(self):
        self.cluster.redis.process.pause()
        time.sleep(self.random.uniform(0.1, 1.0))
        self.cluster.redis.process.resume()
