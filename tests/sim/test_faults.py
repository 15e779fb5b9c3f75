"""Nine faults are put into the code on purpose; the simulation must notice each."""

import re

import pytest
from chaos import Chaos
from simulation import Simulation

from support import paths
from support.process import wait_until

FAULTS = ["drop_key", "ignore_project", "forget_skip", "skip_look", "lost_dedupe", "wrong_kind",
          "ack_before_commit", "forget_room_flag", "seal_forget_segment"]


def test_the_list_of_faults_is_the_code_s():
    text = (paths.ROOT / "proto" / "base" / "fault.def").read_text()
    rows = re.findall(r"^FAULT\((\d+), (\w+)", text, re.M)
    assert [(int(number), name.lower()) for number, name in rows] == list(enumerate(FAULTS, 1))


def all_sealed(cluster):
    """What sealing breaks shows when it is done."""
    wait_until(lambda: not cluster.sql("select 1 from trace where not is_sealed and not is_skipped limit 1"), 60,
               "every trace to be sealed")


def simulate(servers, build, fault: int, events: int) -> list[str]:
    name = FAULTS[fault - 1] if fault else ""
    cluster = servers.cluster(
        apis=2, correlators=2, build=build,
        correlator_rows={"reconcile": "off", "seal_quiet_s": 1, "seal_share_percent": 100},
        env={"CALLTRACE_FAULT": str(fault)} if fault else {})
    try:
        simulation = Simulation(cluster, 20260102 + fault, events,
                                probe=0.2 if name == "ack_before_commit" else 0.03)
        kills = name == "ack_before_commit"
        if name == "skip_look":
            servers.redis.stop()
        return simulation.run(Chaos(cluster, fault, *(["correlator"] if kills else [])), lambda: all_sealed(cluster))
    finally:
        if not servers.redis.process.is_running():
            servers.redis.start()
        cluster.close()


@pytest.mark.parametrize("fault", range(1, len(FAULTS) + 1), ids=FAULTS)
def test_the_simulation_catches_the_fault(servers, faulty_build, fault):
    problems = simulate(servers, faulty_build, fault, 500)
    print(*problems[:3], sep="\n")
    assert problems, f"fault {FAULTS[fault - 1]} went unnoticed"


def test_without_a_fault_the_same_build_is_right(servers, faulty_build):
    assert simulate(servers, faulty_build, 0, 500) == []
