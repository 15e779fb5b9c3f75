"""Drives stories into a cluster from many threads and checks table `link` by the equation."""

import gzip
import json
import queue
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
from stories import CreateEvent, ExportEvent, Teller
from support import otlp
from support.client import JSON, PROTOBUF, NoAnswer
from support.equation import Log, check_answers, check_links, expect, expect_spans

READERS = 4  # threads that read back
TRIES_MAX = 600  # a minute at the least: a busy machine may take long to start Postgres again


class Simulation:
    def __init__(self, cluster, seed: int, events: int, workers=16, probe=0.03, projects=3,
                 pause=0.02, quiet=0.7, until=None, events_per_s=None):
        self.cluster = cluster
        self.seed = seed
        self.log = Log()
        self.events = Teller(seed, projects).tell(events)
        self.until = until  # an Event: stories are told until it is set
        self.batches = 1
        self.batches_lock = threading.Lock()
        self.wait = 0.0 if events_per_s is None else workers / events_per_s
        self.projects = [cluster.project(f"p{n}-{seed}") for n in range(projects)]
        self.clients = [[cluster.client(project, api) for api in range(len(cluster.apis))]
                        for project in self.projects]
        self.quiet = quiet  # links must have stood still this long before they are compared
        self.workers = workers
        self.probe = probe
        self.pause = pause  # least wait before another try, in seconds
        self.sent = {}  # spans by project and id; no story sends an id with two contents
        self.problems: list[str] = []
        self.queue: queue.SimpleQueue = queue.SimpleQueue()
        self.stop = threading.Event()

    def run(self, chaos, repair=lambda: None) -> list[str]:
        """Sends everything under `chaos`; what was wrong, with the seed. A correlator killed
        between commit and look leaves an export that nobody acknowledged half done; `repair` waits
        for the reconciler. What was acknowledged must be right before it, too."""
        for event in self.events:
            self.queue.put(event)
        threads = [threading.Thread(target=self._work, args=(n,)) for n in range(self.workers)]
        started = time.monotonic()
        with chaos:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.seconds = time.monotonic() - started
        self.cluster.wait_ready()
        self._settle()
        missing = expect(self.log).must - self._actual()
        self.problems += [f"missing before any repair: {row}" for row in sorted(missing)]
        repair()
        return self.check()

    def check(self, sample=40) -> list[str]:
        problems = list(self.problems)
        problems += check_answers(self.log)
        problems += check_links(self.log, self._actual())
        problems += self._check_reads(sample)
        return [f"seed {self.seed}: {problem}" for problem in problems[:20]]

    def _actual(self):
        own = {project.id for project in self.projects}
        return {row for row in self.cluster.links() if row[0] in own}

    def _settle(self):
        """Requests that nobody waits for any more may still be on their way."""
        last, since = None, time.monotonic()
        deadline = since + 10
        while time.monotonic() < deadline and time.monotonic() - since < self.quiet:
            actual = self._actual()
            if actual != last:
                last, since = actual, time.monotonic()
            time.sleep(self.quiet / 5)

    # Workers

    def _work(self, n: int):
        rng = random.Random(self.seed * 1000 + n)
        try:
            while not self.stop.is_set():
                event = self._next_event()
                if event is None:
                    return
                time.sleep(rng.uniform(0, 2 * self.wait))
                if isinstance(event, ExportEvent):
                    self._export(event, rng)
                else:
                    self._create(event, rng)
        except Exception as error:  # a worker's death must fail the test
            self._problem(f"worker died: {error!r}")

    def _next_event(self):
        """None when nothing is left to send."""
        with self.batches_lock:
            try:
                return self.queue.get_nowait()
            except queue.Empty:
                if self.until is None or self.until.is_set():
                    return None
            more = Teller(self.seed + 1_000_000_007 * self.batches, len(self.projects)).tell(len(self.events))
            self.batches += 1
            for event in more:
                self.queue.put(event)
            return self.queue.get_nowait()

    def _problem(self, text: str):
        self.problems.append(text)
        if len(self.problems) > 20:
            self.stop.set()

    def _export(self, event: ExportEvent, rng: random.Random):
        project = self.projects[event.project]
        if event.encoding == "json":
            body, content_type = otlp.to_json(event.request), JSON
        else:
            body, content_type = event.request.SerializeToString(), PROTOBUF
        headers = {}
        if event.gzip:
            body, headers = gzip.compress(body, 1), {"Content-Encoding": "gzip"}
        entry = self.log.export(project.id, event.request)
        for span in otlp.spans_of(event.request):
            self.sent[project.id, span.span_id] = span
        for _ in range(1 if event.gives_up else TRIES_MAX):
            client = rng.choice(self.clients[event.project])
            attempt = self.log.attempt(entry)
            try:
                response = client.export(body, content_type, headers=headers)
            except NoAnswer:
                time.sleep(rng.uniform(self.pause, 10 * self.pause))
                continue
            self.log.answer(entry, attempt, response.status)
            if response.status == 200:
                if response.body not in (b"", b"{}"):
                    self._problem(f"refused spans: {response.body!r}")
                self._maybe_probe(project, rng, set(entry.facts))
                return
            if response.status != 503:
                self._problem(f"export answered {response.status} {response.body[:300]!r}")
                return
            time.sleep(rng.uniform(self.pause, 10 * self.pause))
        if not event.gives_up:
            self._problem(f"export without success after {TRIES_MAX} tries")

    def _create(self, event: CreateEvent, rng: random.Random):
        project = self.projects[event.project]
        body = json.dumps(event.body).encode()
        entry = self.log.create(project.id, event.kind, event.body)
        goes_on, tries = True, 0
        while goes_on:
            headers = {"Content-Type": JSON}
            if event.retry == "key":
                headers["Idempotency-Key"] = event.body["properties"]["serial"]
            elif event.retry == "count":
                headers["X-Stainless-Retry-Count"] = str(tries)
            tries += 1
            is_over = tries > (TRIES_MAX if event.retry != "none" else 1)
            if is_over:
                if event.retry != "none":
                    self._problem(f"create without success after {tries} tries: {event.body}")
                return
            goes_on = self._create_once(event, entry, project, body, headers, rng)
            if not goes_on and event.again and entry.ids and len(entry.ids) < 2:
                goes_on = True

    def _create_once(self, event, entry, project, body, headers, rng) -> bool:
        """Whether a client would try again."""
        client = rng.choice(self.clients[event.project])
        attempt = self.log.attempt(entry)
        try:
            response = client.request("POST", f"/v1/{event.kind}", body, headers)
        except NoAnswer:
            time.sleep(rng.uniform(self.pause, 10 * self.pause))
            return True
        call_id = response.data["id"] if response.status == 200 else None
        self.log.answer(entry, attempt, response.status, call_id)
        if response.status == 503:
            time.sleep(rng.uniform(self.pause, 10 * self.pause))
            return True
        if response.status == 200:
            self._maybe_probe(project, rng, None, call_id)
        elif response.status == 409:
            if response.header("x-should-retry") != "false":
                self._problem("409 without x-should-retry: false")
            if entry.ids:
                self._problem(f"409 to a repeated create: {event.body}")
        else:
            self._problem(f"create answered {response.status} {response.body[:300]!r}")
        return False

    # Checks while it runs

    def _maybe_probe(self, project, rng, traces=None, call_id=None):
        """What was acknowledged is linked at that moment, not later."""
        if rng.random() >= self.probe:
            return

        def missing():
            rows = {row for row in expect(self.log).must if row[0] == project.id
                    and (traces is None or row[2] in traces)
                    and (call_id is None or row[1] == call_id)}
            return rows

        wanted = missing()
        if not wanted:
            return
        try:
            actual = {(p, c, t, k, bytes(v)) for p, c, t, k, v in self.cluster.sql(
                "SELECT project_id::text, conversation_id::text, encode(trace_id, 'hex'), kind,"
                " value FROM link WHERE project_id = %s AND conversation_id = ANY(%s::uuid[])",
                (project.id, sorted({row[1] for row in wanted})))}
        except psycopg.OperationalError:
            return  # the test has stopped Postgres
        # A skip that was sent meanwhile may have taken rows away.
        for row in (wanted - actual) & missing():
            self._problem(f"acknowledged, yet not linked: {row}")

    def _client(self, project: str):
        return next(clients[0] for own, clients in zip(self.projects, self.clients, strict=True) if own.id == project)

    def _check_reads(self, sample: int | None) -> list[str]:
        """Every span that was acknowledged can be read, each once and as it was sent; None: of every trace."""
        spans = expect_spans(self.log)
        names = sorted(spans)
        if sample is not None:
            names = random.Random(self.seed).sample(names, min(sample, len(names)))
        with ThreadPoolExecutor(READERS) as pool:
            found = pool.map(lambda name: self._check_trace(*name, spans[name]), names)
            return [problem for problems in found for problem in problems]

    def _check_trace(self, project: str, trace: str, wanted) -> list[str]:
        problems = []
        response = self._client(project).get(f"/v1/traces/{trace}", {"Accept": PROTOBUF})
        if response.status == 404:
            got = []
        elif response.status != 200:
            return [f"trace {trace}: {response.status} {response.body[:200]!r}"]
        else:
            message = otlp.TracesData.FromString(response.body)
            got = [span.span_id for span in otlp.spans_of(message)]
            changed = [span.name for span in otlp.spans_of(message)
                       if span != self.sent.get((project, span.span_id))]
            problems += [f"trace {trace}: not as it was sent: {changed}"] if changed else []
        if len(got) != len(set(got)):
            problems.append(f"trace {trace}: a span twice")
        if wanted.is_skipped and got:
            problems.append(f"trace {trace} is skipped, yet {len(got)} spans are there")
        if not wanted.is_skipped and not wanted.must <= set(got) <= wanted.may:
            problems.append(f"trace {trace}: {len(got)} spans of {len(wanted.must)}")
        return problems

    def check_everything(self) -> list[str]:
        """Each trace and each call that was acknowledged is read."""
        calls = [(create, call) for create in self.log.creates for call in sorted(set(create.ids))]
        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(lambda one: self._check_call(*one), calls))
        return self._check_reads(None) + [problem for problem in found if problem]

    def _check_call(self, create, call: str) -> str:
        response = self._client(create.project).get(f"/v1/{create.kind}/{call}")
        if response.status != 200 or response.data["id"] != call:
            return f"{create.kind} {call} was acknowledged, yet reading it is {response.status}"
        return ""

    def acknowledged(self) -> tuple[int, int]:
        """Spans and calls."""
        return (sum(len(spans.must) for spans in expect_spans(self.log).values()),
                sum(len(set(create.ids)) for create in self.log.creates))
