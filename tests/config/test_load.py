"""The config: strict keys, YAML without traps, overrides, shipped files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpcflow.base.errors import InputError
from hpcflow.config.load import Config, difference, dump_yaml, load_config, load_yaml, with_values
from hpcflow.stages.init import shipped_configs

SHIPPED = shipped_configs()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_config_loads(name: str) -> None:
    assert load_config(SHIPPED[name]).name == name


def test_the_promised_configs_ship() -> None:
    assert set(SHIPPED) >= {"demo", "walter2026", "phangs", "legus-ngc1566", "legus-ngc628c"}


def test_numbers_are_numbers(tiny: Callable[..., Path]) -> None:
    config = load_config(tiny(), ["train.learning_rate=1e-3", "simulate.n=5e6"])
    assert config.train.learning_rate == 0.001
    assert config.simulate.n == 5_000_000


def test_twelve_oclock_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("walltime: 12:00:00\n")
    assert load_yaml(tmp_path / "a.yaml") == {"walltime": "12:00:00"}


def test_yaml_tags_make_no_objects(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x: !!python/object/apply:os.system ['true']\n")
    with pytest.raises(InputError, match="is not YAML"):
        load_yaml(tmp_path / "a.yaml")


def test_features_follow_the_noise_unless_they_are_named(tiny: Callable[..., Path]) -> None:
    path = tiny()
    assert load_config(path).train.features == "asinh"
    assert load_config(path, ["observe.noise=lognormal"]).train.features == "absolute"
    assert load_config(path, ["observe.noise=lognormal", "train.features=asinh"]).train.features == "asinh"
    for kind in ("absolute", "paper"):
        with pytest.raises(InputError, match=r"set train\.features to asinh"):
            load_config(path, ["observe.noise=normal", f"train.features={kind}"])


@pytest.mark.parametrize("section", ["observe", "train"])
def test_a_section_that_is_not_a_mapping_is_refused(tiny: Callable[..., Path], section: str) -> None:
    with pytest.raises(InputError, match=f"{section} must be a mapping of keys; known here: "):
        load_config(tiny(), ["observe.noise=normal", f"{section}=5"])


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.lerning=1", r"train\.lerning is not a known key; known here: flow, features"),
        ("modle.x=1", "modle is not a known key; known here: name, source, model"),
        ("model.parameters.ebv.lo=0", r"ebv\.lo is not a known key; known here: low, high"),
        ("train.flow={family: cinn, hiden: 3}", r"hiden is not a known key; known here: family, blocks"),
        ("train.flow={family: maf}", "cinn.*autoregressive"),
        ("simulate.n=-5", r"simulate\.n: .*greater than 0.*-5"),
        ("simulate.n=1000", "n = 1000 gives fewer than 3 partitions of 1000.*lower partition"),
        ("simulate.n=many", r"simulate\.n: .*integer.*many"),
        ("observe.relative_error=[0, 2]", r"relative_error.*less than or equal to 1"),
        (
            "observe={relative_error_scale: log, relative_error: [0, 0.5]}",
            "must start above 0 to be uniform in the log",
        ),
        ("observe={noise: normal, relative_error: [0, 0.5]}", "must start above 0 to be uniform in the log"),
        ("observe={relative_error: [0.1, 0.1]}", r"relative_error \[0.1, 0.1\] has no width; raise its end"),
        ("observe={undetected: 1000}", "undetected = 1000 is the probability that a band is undetected; lower it"),
        ("observe.band_sets=[[F999W]]", "F999W, which model.bands lacks"),
        ("model.parameters={log_age: {low: 6, high: 10}}", "lacks ebv, log_mass"),
        ("model.fixed={ebv: 1}", "ebv is in both parameters and fixed"),
        ("infer.keep=100000", "keep = 100000 is more than samples"),
        ("infer.predictive=100000", "predictive = 100000 is more than samples"),
        ("name=a/b", "name: "),
        ("train", "expected section.key=value"),
        ("name.x=1", "name is a value, not a section"),
        ("train.batch=[1", "not YAML"),
        ("train.members=0", r"train\.members: .*greater than or equal to 1.*0"),
        ("search.space={train.rate: {low: 1, high: 2}}", r"train\.rate cannot be searched; known here: train\."),
        ("search.space={model.ssp: {choices: [a]}}", r"model\.ssp cannot be searched.*train\.flow\.hidden"),
        ("search.space={train.steps: {choices: [5]}}", r"train\.steps cannot be searched"),
        ("search.space={train.members: {choices: [1, 2]}}", r"train\.members cannot be searched"),
        ("search.space={train.flow.blocks: {choices: [5]}}", r"train\.flow\.blocks cannot be searched"),
        ("search.space={train.batch: {choices: [64, 0]}}", r"search\.space: train\.batch: .*greater than 0.*0"),
        ("search.space={train.batch: {low: 6.5, high: 9}}", r"train\.batch: .*integer.*6\.5"),
        ("search.space={train.batch: {low: 9, high: 6}}", "low = 9 is not below high = 6"),
        ("search.space={train.warmup: {low: 0, high: 6, log: true}}", "log: true needs a positive low, not 0"),
        ("search.space={train.batch: {low: 9}}", "give choices, or both low and high"),
        ("search.space={train.batch: {low: 9, high: 10, choices: [9]}}", "keep one"),
        ("search.space={train.batch: {chioces: [9]}}", "chioces is not a known key; known here: choices, low"),
        ("search.steps=0", r"search\.steps: .*greater than 0"),
        ("model.parameters.ebv.high=.inf", r"ebv\.high: .*finite number"),
        ("model.parameters.log_age.high=1e6", r"log_age cannot be 1e\+06; give a value from 3 to 11"),
        (
            "model.parameters.ebv={low: 0.5, high: 0.500000000001}",
            "low = 0.5 must be below high = 0.5; widen the prior",
        ),
        ("model.parameters.ebv={low: 1, high: 0}", "low = 1 must be below high = 0"),
        ("model.parameters.ebv={low: 0, high: 1, scale: log}", "scale: log needs a positive low, not 0"),
        ('model.parameters.ebv={low: 0, high: 1, unit: "a\\nb"}', r"ebv\.unit: .*pattern"),
        ("model.fixed={r_v: 0, metallicity: 0.02}", "r_v cannot be 0; give a value from 0.1 to 50"),
        ("model.fixed={r_v: -3.1, metallicity: 0.02}", "r_v cannot be -3.1"),
        ("model.fixed.covering_factor=1.1", "covering_factor cannot be 1.1; give a value from 0 to 1"),
        ("model.parameters.covering_factor={low: -0.1, high: 1}", "covering_factor cannot be -0.1"),
        ("model.parameters.log_u={low: -4.5, high: -1}", "log_u cannot be -4.5; give a value from -4 to -1"),
        ("model.fixed={r_v: .nan, metallicity: 0.02}", r"fixed\.r_v: .*finite number"),
        ("observe.distance_mpc=[0, 30]", r"distance_mpc\.0: .*greater than 0"),
        ("observe.distance_mpc=[-1, 30]", r"distance_mpc\.0: .*greater than 0"),
        ("observe.distance_mpc=[1, .nan]", r"distance_mpc\.1: .*finite number"),
        ("observe.distance_mpc=[1, 1e300]", r"distance_mpc\.1: .*less than or equal to 100000"),
        ("observe.distance_mpc=[30, 1]", "ends before it starts; swap the two"),
        ("infer.distance_mpc={NGC1566: -1}", r"distance_mpc\.NGC1566: .*greater than 0"),
        ("simulate.n=1e15", "gives more than 1,000,000 partitions of 1000; lower n, or raise partition"),
        ("simulate.partition=-1", r"simulate\.partition: .*greater than 0"),
        ("train.learning_rate=.inf", r"learning_rate: .*finite number"),
        ("train.resident_gb=.inf", r"resident_gb: .*finite number"),
        ("train.flow={family: autoregressive, bins: 0}", r"bins: .*greater than or equal to 2"),
        ("train.flow={family: autoregressive, hidden: 1000000000}", r"hidden: .*less than or equal to 16384"),
        ("train.flow={family: autoregressive, order: [ebv, ebv, log_age, log_mass]}", "order must name each of"),
        ("train.flow={family: cinn, blocks: 0}", r"blocks: .*greater than or equal to 1"),
        ("train.flow={family: cinn, clamp: .nan}", r"clamp: .*finite number"),
        ("train.flow={family: cinn, embedding: -4}", r"embedding: .*greater than or equal to 0"),
        (
            "model.parameters.ebv={low: 0, high: 1, unit: xyz}",
            "ebv: 'xyz' is no unit; write mag",
        ),
        ('model.parameters.ebv={low: 0, high: 1, unit: "m, s"}', r"ebv: 'm, s' is no unit"),
        ("model.bands={a b: WFC3_UVIS.F275W, c: WFC3_UVIS.F336W}", r"bands.*pattern.*a b"),
        ("model.bands={a.b: WFC3_UVIS.F275W, A_b: WFC3_UVIS.F336W}", "several names become a_b in tables; rename"),
        (f"simulate.n={'9' * 5000}", "--set simulate.n=9+: the value is not YAML; quote it"),
        (f"name=0x{'f' * 5000}", r"name: .*\(given: a number of thousands of digits\)"),
        ("simulate.n=2024-13-45", "the value is not YAML"),
        ("simulate.n=!!float x", "the value is not YAML"),
        (f"simulate.n={'[' * 9000}", "the value is not YAML"),
        ("simulate.seed=1e30", r"simulate\.seed: "),
        ("train.weight_decay=1e300", r"weight_decay: .*less than or equal to 1000"),
        ("validate.exact=1e44", r"validate\.exact: "),
        ("train.flow.hidden=-3", r"hidden: .*greater than or equal to 1"),
        ("train.batch=-1", r"train\.batch: .*greater than 0"),
        ("train.steps=-1", r"train\.steps: .*greater than 0"),
        ("infer.samples=-1", r"infer\.samples: .*greater than or equal to 100"),
        ("validate.n=-1", r"validate\.n: .*greater than 0"),
        ("mock.n=-1", r"mock\.n: .*greater than 0"),
        ("observe.distance_mpc=[1, .inf]", r"distance_mpc\.1: .*finite number"),
        ('infer.unit="mJy\\n"', r"infer\.unit: .*pattern"),
    ],
)
def test_wrong_values_are_named(tiny: Callable[..., Path], override: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load_config(tiny(), [override])


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("name: a\n")
    with pytest.raises(InputError, match=r"a\.yaml: model is missing; add it"):
        load_config(tmp_path / "a.yaml")


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "a: [1\n", "just text"])
def test_files_that_are_not_configs(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=r"a\.yaml"):
        load_config(tmp_path / "a.yaml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="hpcflow init"):
        load_config(tmp_path / "none.yaml")


def test_the_config_cannot_be_changed(tiny: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_config(tiny()).simulate.n = 1


def test_yaml_round_trip(tiny: Callable[..., Path], tmp_path: Path) -> None:
    config = load_config(tiny())
    (tmp_path / "b.yaml").write_text(dump_yaml(config.plain()))
    assert load_config(tmp_path / "b.yaml") == config


PLAIN = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=3), lambda inner: st.dictionaries(st.text("ab", max_size=2), inner)
)


@given(PLAIN, PLAIN)
def test_difference_is_empty_only_for_equals(a: object, b: object) -> None:
    assert difference(a, a) == []
    assert (difference(a, b) == []) == (a == b)


def test_defaults_are_the_reference_problem() -> None:
    assert Config.model_fields["observe"].default.distance_mpc == (1.0, 30.0)


def test_values_of_dotted_keys_are_replaced_and_checked(tiny: Callable[..., Path]) -> None:
    config = load_config(tiny())
    changed = with_values(config, {"train.batch": 32, "train.flow.hidden": 5})
    assert (changed.train.batch, changed.train.flow.hidden) == (32, 5)
    assert difference(config.plain(), changed.plain()) == ["train.flow.hidden: 8 -> 5", "train.batch: 128 -> 32"]
    assert with_values(config, {}) == config
    with pytest.raises(InputError, match=r"train\.batch: .*greater than 0"):
        with_values(config, {"train.batch": 0})


def test_a_space_keeps_the_kinds_of_its_numbers(tiny: Callable[..., Path]) -> None:
    space = {"train.batch": {"low": 8, "high": 64}, "train.learning_rate": {"low": 1e-3, "high": 1, "log": True}}
    config = load_config(tiny(search={"space": space}))
    batch, rate = config.search.space.values()
    assert [type(end) for end in (batch.low, batch.high, rate.low, rate.high)] == [int, int, float, int]
    assert batch.corners == [8, 64]
    assert load_config(
        tiny(search={"space": {"train.features": {"choices": ["absolute", "paper"]}}}, observe={"noise": "lognormal"})
    )


def test_errors_in_training_follow_the_systematic(tiny: Callable[..., Path]) -> None:
    assert load_config(tiny(observe={"systematic": 0.1})).observe.relative_error == (0.1, 0.5)
    assert load_config(tiny(observe={"systematic": 0.0})).observe.relative_error == (0.01, 0.5)
    true = load_config(tiny(observe={"systematic": 0.05, "noise": "lognormal"}))
    assert true.observe.relative_error == (0.03, 0.5)
    given = load_config(tiny(observe={"systematic": 0.1, "relative_error": [0.01, 0.4]}))
    assert given.observe.relative_error == (0.01, 0.4)
    bands = dict.fromkeys(("F275W", "F336W", "F438W", "F555W", "F814W"), 0.05)
    each = load_config(tiny(observe={"systematic": bands | {"F275W": 0.1}}))
    assert each.observe.relative_error == (0.05, 0.5)
    with pytest.raises(InputError, match=r"observe\.systematic must be one number, or one for each of F275W"):
        load_config(tiny(observe={"systematic": {"F275W": 0.1}}))
    with pytest.raises(InputError, match="systematic"):
        load_config(tiny(observe={"systematic": -1}))


def test_requirements_of_calibration_are_the_defaults_unless_given(tiny: Callable[..., Path]) -> None:
    assert load_config(tiny(validate={"require": {"gap": None}})).validation.require.gap is None
    config = load_config(tiny(validate={"require": {"ecdf": 0.1}}))
    assert config.validation.require.ecdf == 0.1 and config.validation.require.coverage == 0.05
    assert load_config(tiny(validate={}), ["validate.require=null"]).validation.require is None
    with pytest.raises(InputError, match=r"validate\.require\.ecfd is not a known key; known here: .*ecdf"):
        load_config(tiny(validate={"require": {"ecfd": 0.1}}))
