from dataclasses import asdict
from pathlib import Path

import pytest

from hpcflow.base.errors import InputError
from hpcflow.compute.site import Resources, Site
from hpcflow.config.load import dump_yaml
from hpcflow.config.sites import load_site, shipped_sites


def written(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", shipped_sites())
def test_every_shipped_site_loads_and_says_whether_it_is_an_example(name: str) -> None:
    site = load_site(name)
    assert site.name == name
    assert site.example == name.startswith("example-") == ("EXAMPLE" in shipped_sites()[name].read_text())
    assert site.driver.interface and site.worker.interface and site.train.interface


def test_there_are_sites_of_both_pools() -> None:
    assert {load_site(name).pool for name in shipped_sites()} == {"jobs", "runner"}
    assert {"devcluster", "generic"} <= shipped_sites().keys()


def test_settings_at_the_top_are_the_defaults_of_every_kind(tmp_path: Path) -> None:
    text = "account: us\nqos: a\nworker: {qos: b, cores: 3}\ntrain: {account: null}"
    site = load_site(written(tmp_path, text))
    assert site.name == "mine"
    assert site.driver == Resources(account="us", qos="a")
    assert site.worker == Resources(account="us", qos="b", cores=3)
    assert site.train == Resources(qos="a")


def test_a_section_of_comments_only_is_empty(tmp_path: Path) -> None:
    assert load_site(written(tmp_path, "cores: 2\nworker:\n  # cores: 3\n")).worker == Resources(cores=2)
    assert load_site(written(tmp_path, "{}")) == Site("mine")


@pytest.mark.parametrize("name", shipped_sites())
def test_a_site_that_is_written_down_is_read_back(tmp_path: Path, name: str) -> None:
    site = load_site(name)
    assert load_site(written(tmp_path, dump_yaml(asdict(site)))) == site


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("walltime: 3", "walltime is not a known key; known here: name, driver"),
        ("driver: {wall: 3}", "driver.wall is not a known key; known here: partition"),
        ("driver: 3", "driver must be a mapping"),
        ("worker: {cores: many}", "worker.cores: "),
        (
            "worker: {cores: 0}",
            "mine.yaml: worker: walltime_minutes, memory_gb, cores, nodes and ranks must be positive",
        ),
        ("cores: many", "mine.yaml: cores: input should be a valid integer"),
        ("train: {directives: --exclusive}", "train.directives: input should be a valid tuple"),
        ("name: null", "name: input should be a valid string"),
        ("worker: {memory_gb: -1}", "must be positive"),
        ("train: {nodes: 2, ranks: 3}", "multiple of nodes"),
        ("directives: [exclusive]", "is not an option of sbatch"),
        ('directives: ["--a\\nb"]', "is not an option of sbatch"),
        ('activate: ["a\\nb"]', "must be a single line"),
        ("train: {srun: [mpi]}", "train: srun: 'mpi' is not an option of srun"),
        ("python: []", "python must name an interpreter"),
        ("python: {a: b}", "python"),
        ("pool: threads", "'jobs' or 'runner'"),
        ("job_prefix: a b", "letters, digits"),
        ("workers: 0", "workers must be positive"),
        ("- a", "does not hold a mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_site_is_refused_in_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as error:
        load_site(path)
    assert says in str(error.value)
    assert str(error.value).startswith(path)
    assert "\n" not in str(error.value)


def test_an_unknown_site_is_refused_and_the_shipped_ones_are_listed() -> None:
    with pytest.raises(InputError, match=r"use one of devcluster, .*generic"):
        load_site("nowhere")
    with pytest.raises(InputError, match="cannot be read"):
        load_site("./nowhere.yaml")


def test_an_interface_may_differ_between_kinds_of_job(tmp_path: Path) -> None:
    site = load_site(written(tmp_path, "interface: ib0\ndriver: {interface: eno1}"))
    assert (site.driver.interface, site.worker.interface, site.train.interface) == ("eno1", "ib0", "ib0")


def test_memory_may_be_left_to_the_site(tmp_path: Path) -> None:
    site = load_site(written(tmp_path, "memory_gb: null\ntrain: {memory_gb: 3}"))
    assert (site.worker.memory_mb, site.train.memory_mb) == (None, 3072)


def test_memory_is_given_in_whole_mebibytes() -> None:
    assert Resources(memory_gb=0.6).memory_mb == 614
    assert Site("x").worker.memory_mb == 4096
