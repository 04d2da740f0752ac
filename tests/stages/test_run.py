from collections.abc import Callable
from pathlib import Path

import pytest

from hpcflow.base.errors import InputError
from hpcflow.config.load import dump_yaml, load_config, load_yaml
from hpcflow.stages.run import Run


def test_a_run_older_than_a_key_resumes_with_its_default(tiny: Callable[..., Path]) -> None:
    config, run = load_config(tiny()), Run(Path("run"))
    run.begin("train", config)
    record = load_yaml(run.path / "run.yaml")
    del record["config"]["observe"]["undetected"]
    (run.path / "run.yaml").write_text(dump_yaml(record))
    with pytest.raises(InputError, match=r"observe\.undetected: 0\.05 -> 0\.2"):
        run.begin("train", load_config(tiny(), ["observe.undetected=0.2"]))
    run.begin("train", config)
    assert load_yaml(run.path / "run.yaml")["config"] == config.plain()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "has no section config; restore it"),
        ("config: {}", "has no section frozen; restore it"),
        ("{config: {name: a}, frozen: []}", r"run\.yaml: model is missing"),
    ],
)
def test_a_record_that_does_not_say_what_a_run_is_is_refused(tmp_path: Path, text: str, says: str) -> None:
    run = Run(tmp_path)
    run.record.write_text(text)
    with pytest.raises(InputError, match=says):
        run.config()
