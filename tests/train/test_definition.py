"""solver.prototxt: what it says, and what is wrong with it."""

from __future__ import annotations

import logging
import pickle
import re
from pathlib import Path

import pytest

from bigdl_caffe.errors import CaffeError
from bigdl_caffe.format._pb import caffe_pb2 as pb
from bigdl_caffe.format.prototxt import parse
from bigdl_caffe.graph.phase import State
from bigdl_caffe.train.definition import SolverDef, read_solver, solver_def
from tests.paths import SHARED, needs_prototxts
from tests.train.golden import Case, cases

PLAIN = 'base_lr: 0.1 lr_policy: "fixed" '


def solver(text: str, origin: str = "") -> SolverDef:
    return solver_def(parse(PLAIN + text, pb.SolverParameter), origin)


def problems(text: str) -> str:
    with pytest.raises(CaffeError) as error:
        solver_def(parse(text, pb.SolverParameter))
    return "\n".join(error.value.problems)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_reads_every_golden_solver(case: Case) -> None:
    definition = read_solver(case.solver)
    assert definition.random_seed == 3
    assert definition.train_net.path == f"../_common/{case.meta['net']}.prototxt"
    assert pickle.loads(pickle.dumps(definition)) == definition


def test_values() -> None:
    definition = solver(
        'net: "n" stepvalue: 3 stepvalue: 5 weights: "a, b" weights: "c" snapshot_format: HDF5'
    )
    assert definition.base_lr == pytest.approx(0.1)
    assert definition.stepvalue == (3, 5)
    assert definition.weights == ("a", "b", "c")
    assert definition.snapshot_format == "HDF5"
    assert (definition.type, definition.momentum2) == ("SGD", pytest.approx(0.999))
    assert definition.test_nets == ()


def test_solver_type_of_old_files() -> None:
    definition = solver('net: "n" solver_type: ADAGRAD')
    assert definition.type == definition.message.type == "AdaGrad"
    assert not definition.message.HasField("solver_type")
    assert "keep one" in problems('net: "n" solver_type: SGD type: "SGD"')
    assert "type is 'SAG'" in problems('net: "n" solver_type: SAG')


def test_test_nets_are_in_caffes_order() -> None:
    definition = solver(
        'net: "n" test_net: "t" test_net_param { name: "p" } test_interval: 1 '
        "test_iter: 1 test_iter: 2 test_iter: 3 test_iter: 4"
    )
    assert [net.inline.name if net.inline else net.path for net in definition.test_nets] == [
        "p",
        "t",
        "n",
        "n",
    ]
    assert definition.train_net.path == "n"


def test_states_are_merged() -> None:
    definition = solver(
        'net_param { } train_state { stage: "b" } test_iter: 1 test_iter: 1 test_interval: 1 '
        'test_state { level: 2 } test_state { phase: TRAIN stage: "x" }'
    )
    own = pb.NetParameter(state=pb.NetState(level=1, stage=["a"]))
    nets = (definition.train_net, *definition.test_nets)
    assert [net.state(own) for net in nets] == [
        State("TRAIN", 1, ("a", "b")),
        State("TEST", 2, ("a",)),
        State("TRAIN", 1, ("a", "x")),
    ]


def test_the_nets_own_phase_goes_before_the_solvers() -> None:
    own = pb.NetParameter(state=pb.NetState(phase="TEST"))
    assert solver('net: "n"').train_net.state(own).phase == "TEST"


def test_snapshot_prefix(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    origin = str(tmp_path / "my.solver.prototxt")
    given = {
        'net: "n"': f"{tmp_path}/my.solver",
        f'net: "n" snapshot_prefix: "{tmp_path}/out"': f"{tmp_path}/out/my.solver",
        'net: "n" snapshot_prefix: "snap"': "snap",
        'net: "n" snapshot_prefix: "s3://bucket/out/"': "s3://bucket/out/my.solver",
    }
    assert {text: solver(text, origin).snapshot_prefix for text in given} == given
    assert solver('net: "n"').snapshot_prefix == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no train net"),
        ('net: "n" train_net: "t"', "net and train_net"),
        ('train_net: ""', "train_net is empty"),
        ('train_net: "t" test_net: "t"', "1 test nets .* 0 test_iter"),
        ('train_net: "t" test_iter: 1 test_interval: 1', "0 test nets .* 1 test_iter"),
        ('net: "n" test_net: "t"', "one more for each time"),
        ('net: "n" test_iter: 1', "test_interval is 0"),
        ('net: "n" test_iter: 1 test_interval: 1 test_state {} test_state {}', "2 test_state"),
        ('net: "n" test_iter: -1 test_interval: 1', r"test_iter is \[-1\]"),
        ('net: "n" type: "adam"', "did you mean Adam"),
        ('net: "n" type: "AdaGrad" momentum: 0.9', "AdaGrad has none"),
        ('net: "n" type: "RMSProp" rms_decay: 1', "rms_decay is 1"),
        ('net: "n" type: "Adam" momentum: 1', "divides"),
        ('net: "n" type: "AdaDelta" momentum: 1.5', "share"),
        ('net: "n" iter_size: 0 average_loss: 0', "iter_size is 0.*\n.*average_loss is 0"),
        ('net: "n" momentum: nan', "momentum is nan"),
        ('net: "n" clip_gradients: nan', "clip_gradients"),
        ('net: "n" weight_decay: 1 regularization_type: "l2"', "regularization_type"),
        ('net: "n" snapshot: 5', "no snapshot_prefix"),
        ('net: "n" warmup_iter: 5 larc: true', "larc, warmup_iter: a fork"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    assert re.search(said, problems(PLAIN + text))


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ('"step" gamma: 0.1', "stepsize is 0"),
        ('"sigmoid" gamma: -1', "gamma is -1.*\n.*stepsize is 0"),
        ('"poly"', "max_iter is missing"),
        ('"plateau"', "lr_policy is 'plateau'"),
    ],
)
def test_policies_need_their_numbers(policy: str, said: str) -> None:
    assert re.search(said, problems(f'net: "n" base_lr: 1 lr_policy: {policy}'))


def test_all_problems_are_said_at_once_with_the_file() -> None:
    with pytest.raises(CaffeError) as error:
        solver_def(pb.SolverParameter(), "my.prototxt")
    assert len(error.value.problems) == 3  # no net, no policy, no rate
    assert all(problem.startswith("my.prototxt: ") for problem in error.value.problems)


def test_what_of_forks_has_no_effect_is_read() -> None:
    definition = solver('net: "n" eval_type: "detection" engine: "MKL2017" min_lr: 0')
    assert definition.message.eval_type == "detection"


def test_unknown_fields_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "solver.prototxt"
    path.write_text(f'{PLAIN} net: "n"\nsnapshot_before_train: true')
    with caplog.at_level(logging.WARNING, "bigdl_caffe"):
        read_solver(path)
    assert f"{path}:2" in caplog.text
    assert "snapshot_before_train" in caplog.text


@needs_prototxts
def test_public_solvers() -> None:
    """All but those of forks, unmerged ones, templates and one that Caffe refuses, too."""
    found = [path for path in (SHARED / "prototxts").rglob("*solver*") if path.is_file()]
    refused = [said for said in map(why_refused, found) if said]
    known = "a fork|expected a|lr_policy is|test_interval is 0"
    assert [said for said in refused if not re.search(known, said)] == []
    assert len(refused) < len(found) / 10


def why_refused(path: Path) -> str:
    try:
        read_solver(path)
    except CaffeError as error:
        return str(error)
    return ""
