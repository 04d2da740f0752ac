"""The names of a run's files and folders, spelled in this one place."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from hpcflow.base.errors import InputError

__all__ = ["RunPaths", "file_name"]

LONGEST_NAME = 100
_PLAIN = re.compile(r"[A-Za-z0-9_.+]*")


def file_name(*words: str) -> str:
    """Return a name that any disk takes for what is called by these words, which come from other people's files.

    Words that are plain are joined by hyphens. Otherwise their hash follows what can be read of them, so that different
    words always have different names.

    >>> file_name("NGC1566", "17")
    'NGC1566-17'
    >>> file_name("NGC1566", "../a b")
    'NGC1566-.._a_b-109fcf8d689f'
    """
    name = "-".join(words)
    if len(name) <= LONGEST_NAME and all(_PLAIN.fullmatch(word) for word in words):
        return name
    digest = hashlib.sha256(repr(words).encode()).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_.+-]+', '_', name)[:LONGEST_NAME]}-{digest}"


@dataclass(frozen=True)
class RunPaths:
    """The files and folders of a run.

    >>> RunPaths(Path("runs/phangs")).posteriors
    PosixPath('runs/phangs/posteriors.zarr')

    Args:
        path: the run's folder.
    """

    path: Path

    @property
    def record(self) -> Path:
        """The frozen config: what the run was made with, versions, and the sections that can no longer change."""
        return self.path / "run.yaml"

    @property
    def begun(self) -> bool:
        """Whether the folder is a run: whether a stage has begun here."""
        return self.record.is_file()

    def refuse_if_not_begun(self) -> None:
        """Raise unless the folder is a run.

        Raises:
            InputError: saying how to make one.
        """
        if not self.begun:
            raise InputError(
                f"{self.path} is not a run folder: it has no {self.record.name}; name the folder of a run, "
                "or make one with `hpcflow simulate CONFIG`"
            )

    @property
    def simulations(self) -> Path:
        """The library of simulations."""
        return self.path / "simulations.zarr"

    @property
    def flow(self) -> Path:
        """The trained flow."""
        return self.path / "flow"

    @property
    def training(self) -> Path:
        """The state of an unfinished training."""
        return self.path / "training.safetensors"

    @property
    def members(self) -> Path:
        """Trained flows of an unfinished ensemble."""
        return self.path / "members"

    @property
    def search(self) -> Path:
        """The trials of a search for hyperparameters, and the best config."""
        return self.path / "search"

    @property
    def posteriors(self) -> Path:
        """The archive of posteriors."""
        return self.path / "posteriors.zarr"

    def reweighted(self, prior: str) -> Path:
        """The posteriors under another prior, by its name."""
        return self.path / "reweighted" / f"{prior}.zarr"

    @property
    def before(self) -> Path:
        """The archive before a catalogue was added, kept until that is finished."""
        return self.path / "posteriors.before.zarr"

    @property
    def report(self) -> Path:
        """The folder of the report."""
        return self.path / "report"

    @property
    def validation(self) -> Path:
        """The calibration on held-out simulations."""
        return self.report / "validation.zarr"

    @property
    def page(self) -> Path:
        """The report itself."""
        return self.report / "index.html"

    @property
    def figures(self) -> Path:
        """The report's figures, as PNG and PDF."""
        return self.report / "figures"

    @property
    def tables(self) -> Path:
        """Comparisons with published fits and with a known truth."""
        return self.report / "tables"

    @property
    def clusters(self) -> Path:
        """Pages of single clusters, each with a folder of its figures."""
        return self.report / "clusters"

    @property
    def logs(self) -> Path:
        """The folder of logs."""
        return self.path / "logs"

    def log(self, stage: str) -> Path:
        """The log of a stage, over all its attempts."""
        return self.logs / f"{stage}.log"

    def failed(self, stage: str) -> Path:
        """The reasons of partitions that failed in the last run of a stage."""
        return self.logs / f"{stage}.failed.json"

    def progress(self, stage: str) -> Path:
        """How far the running driver of a stage is."""
        return self.logs / f"{stage}.progress.json"

    def lock(self, stage: str) -> Path:
        """The lock file of a stage's driver."""
        return self.logs / f"{stage}.lock"

    @property
    def jobs(self) -> Path:
        """The jobs that were submitted last."""
        return self.logs / "jobs.json"

    def job_log(self, stage: str, id: str) -> Path:
        """The output of a stage's job; SLURM replaces the id "%j" by the job's own."""
        return self.logs / f"{stage}.{id}.out"

    def submitted(self, stage: str) -> Path:
        """The folder of a stage's job scripts."""
        return self.logs / "submitted" / stage

    def lives(self, stage: str) -> Path:
        """What counts the lives of a stage's job in which nothing was finished; it is removed when something is."""
        return self.submitted(stage) / "lives"

    def notes(self, stage: str) -> Path:
        """What is wrong with the workers of a stage at present."""
        return self.logs / f"{stage}.workers.json"

    @property
    def workers(self) -> Path:
        """The folder of the workers' logs."""
        return self.logs / "workers"

    def private(self, stage: str) -> Path:
        """How the folder of certificates begins, which exists while a stage has workers; each driver has its own."""
        return self.path / f".{stage}-workers"
