import re
from pathlib import Path

import pytest

from hpcflow.base.errors import InputError
from hpcflow.stages.report import make_report
from made_run import make_run


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_report(make_run(tmp_path_factory.mktemp("runs") / "whole"))


def test_every_figure_is_written_and_embedded(page: Path) -> None:
    text = page.read_text()
    pngs = {path.stem for path in (page.parent / "figures").glob("*.png")}
    pdfs = {path.stem for path in (page.parent / "figures").glob("*.pdf")}
    embedded = set(re.findall(r'<figure id="fig-([\w-]+)"', text))
    assert pngs == pdfs == embedded
    assert len(pngs) == 29
    assert text.count("data:image/png;base64,") == len(pngs)
    assert len([alt for alt in re.findall(r'<img [^>]*alt="([^"]*)"', text) if alt.strip()]) == len(pngs)


def test_the_page_stands_alone(page: Path) -> None:
    text = page.read_text()
    for outside in ("http://", "https://", "<script", "<link", "url("):
        assert outside not in text
    assert "tiny &lt;run&gt;" in text and "<run>" not in text
    assert "0123abcd" in text and "catalogues:" in text
    assert "has not been run" not in text
    assert not list(page.parent.glob(".*"))


def test_what_is_required_is_on_the_page_with_its_verdict(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ("validation",))
    text = make_report(run).read_text()
    assert text.count("<td>met</td>") == 17 and "FAILED" not in text
    config = run / "run.yaml"
    config.write_text(config.read_text().replace("config:\n", "config:\n  validate: {require: {gap: 0.001}}\n", 1))
    text = make_report(run).read_text()
    assert text.count("<td>met</td>") == 0 and text.count("<td>FAILED</td>") == 1


def test_a_run_with_anothers_flow_is_not_told_to_train_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ("posteriors",))
    config = run / "run.yaml"
    config.write_text(config.read_text().replace("  infer:\n", "  infer:\n    flow: runs/other\n", 1))
    text = make_report(run).read_text()
    assert "that of the run <code>runs/other</code>" in text
    assert "<code>train</code> has not been run" not in text


def test_parts_that_are_missing_are_said(tmp_path: Path) -> None:
    page = make_report(make_run(tmp_path / "run", ()))
    text = page.read_text()
    for stage in ("simulate", "train", "infer", "validate"):
        assert f"The stage <code>{stage}</code> has not been run" in text
    assert "<img" not in text
    assert list((page.parent / "figures").iterdir()) == []


def test_unfinished_stages_are_said_and_old_figures_go(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", ("flow",))
    old = run / "report" / "figures" / "old.png"
    old.parent.mkdir(parents=True)
    old.touch()
    first = make_report(run).read_bytes()
    assert not old.exists() and (run / "report" / "figures" / "training.pdf").is_file()
    assert make_report(run).read_bytes() == first


def test_partitions_to_come_are_counted(tmp_path: Path) -> None:
    page = make_report(make_run(tmp_path / "run", ("posteriors",), partitions=0))
    assert "0 of 3 partitions are finished" in page.read_text()


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no run\.yaml.*hpcflow simulate"):
        make_report(tmp_path)
    (tmp_path / "run.yaml").write_text("[]")
    with pytest.raises(InputError, match="section config"):
        make_report(tmp_path)
    assert not (tmp_path / "report").exists()
