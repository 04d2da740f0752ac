"""A stand-in for SLURM's commands: a queue in a file, in which nothing moves unless a test says so.

`FakeSlurm` puts executables on a folder for PATH; each is this file under another name.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

SOURCE = Path(__file__)
COMMANDS = ("sbatch", "squeue", "scancel", "sacct", "sinfo")


class FakeSlurm:
    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "state.json"
        folder.mkdir()
        self._write(
            {"jobs": {}, "calls": [], "away": 0, "lost_answers": 0, "refusal": "", "accepts": 0, "accounts": {}}
        )
        for name in COMMANDS:
            (folder / name).write_text(f"#!{sys.executable}\n" + SOURCE.read_text())
            (folder / name).chmod(0o755)

    def _write(self, state: dict[str, Any]) -> None:
        self.path.write_text(json.dumps(state))

    @property
    def state(self) -> dict[str, Any]:
        return json.loads(self.path.read_text())

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        return self.state["jobs"]

    def calls(self, command: str) -> list[list[str]]:
        return [call[1:] for call in self.state["calls"] if call[0] == command]

    def set(self, **values: Any) -> None:
        self._write(self.state | values)

    def move(self, id: str, state: str, reason: str = "None", restarts: int = 0, nodes: str = "") -> None:
        changed = self.state
        changed["jobs"][id] |= {"state": state, "reason": reason, "restarts": restarts, "nodes": nodes}
        self._write(changed)

    def add(self, name: str, state: str = "RUNNING") -> str:
        changed = self.state
        id = str(len(changed["jobs"]) + 1)
        changed["jobs"][id] = {
            "name": name,
            "state": state,
            "reason": "None",
            "restarts": 0,
            "nodes": "",
            "code": 0,
            "command": [],
        }
        self._write(changed)
        return id

    def forget(self, id: str) -> None:
        changed = self.state
        del changed["jobs"][id]
        self._write(changed)


def main(command: str, arguments: list[str], state: dict[str, Any]) -> str:
    """Do what a command does to the queue, and return what it prints."""
    options = dict(re.findall(r"^--([a-z-]+)=(.*)$", "\n".join(arguments), re.MULTILINE))
    jobs = state["jobs"]
    if command == "sbatch":
        if state["refusal"] and len(jobs) >= state["accepts"]:
            sys.exit(f"sbatch: error: {state['refusal']}")
        id = str(len(jobs) + 1)
        waits = "afterok" in options.get("dependency", "")
        jobs[id] = {
            "name": options["job-name"], "state": "PENDING" if waits else "RUNNING",
            "reason": "Dependency" if waits else "None", "restarts": 0, "nodes": "", "code": 0,
            "command": arguments,
        }  # fmt: skip
        if state["lost_answers"]:
            state["lost_answers"] -= 1
            return ""
        return f"{id};dev\n"
    if command == "squeue":
        names = options.get("name", "").split(",") if "name" in options else None
        rows = [
            f"{id}|{j['state']}|{j['reason']:<100}|{j['restarts']}|{j['nodes']:<100}|{j['code']}|{j['name']:<300}"
            for id, j in jobs.items()
            if names is None or j["name"] in names
        ]
        return "".join(row + "\n" for row in rows)
    if command == "scancel":
        for id in arguments:
            jobs[id]["state"] = "CANCELLED"
    if command == "sacct":
        if not state["accounts"]:
            sys.exit("Slurm accounting storage is disabled")
        wanted = options["jobs"].split(",")
        return "".join(f"{id}|{said}|some name\n" for id, said in state["accounts"].items() if id in wanted)
    return "slurm 1\n"


if __name__ == "__main__":
    here = Path(sys.argv[0]).parent / "state.json"
    state = json.loads(here.read_text())
    name = Path(sys.argv[0]).name
    state["calls"].append([name, *sys.argv[1:]])
    away = state["away"]
    state["away"] = max(0, away - 1)
    lost = state["lost_answers"]
    try:
        said = "" if away else main(name, sys.argv[1:], state)
    finally:
        here.write_text(json.dumps(state))
    if away:
        sys.exit(f"{name}: error: Unable to contact slurm controller (connect failure)")
    if lost != state["lost_answers"]:
        sys.exit(f"{name}: error: Batch job submission failed: Socket timed out on send/recv operation")
    sys.stdout.write(said)
