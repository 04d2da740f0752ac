"""The other end of `sources.elsewhere` for a simulator of the user's own."""

import os

__all__ = ["main"]


def main() -> None:
    """Build the simulator that the first message describes, then simulate the rows of every further one."""
    from hpcflow.base.errors import InputError
    from hpcflow.sources.own.user import UserSimulator
    from hpcflow.sources.pipe import Pipe, serve

    pipe = Pipe(os.dup(0), os.dup(1))
    os.dup2(2, 1)  # what the user's class prints goes to the log, and the pipe stays ours
    options, _ = pipe.receive()
    try:
        serve(pipe, UserSimulator(**options))
    except InputError as e:
        pipe.send({"refused": str(e)})


if __name__ == "__main__":
    main()
