"""Lost worker jobs: which nodes are left out, how long to wait, and when to give up."""

from hpcflow.compute.losses import LEAST, LIVES, OF_NODE, Losses


def test_a_node_is_left_out_after_losses_in_a_row() -> None:
    losses = Losses(4)
    for _ in range(OF_NODE - 1):
        assert not losses.lost("bad")
        assert not losses.lost("good")
    losses.finished(["good"])
    assert not losses.lost("good")
    assert losses.lost("bad")
    assert losses.excluded == {"bad"}
    assert not losses.lost("bad"), "it is said once"


def test_a_job_that_never_had_a_node_blames_none() -> None:
    losses = Losses(4)
    assert not any(losses.lost("") for _ in range(2 * OF_NODE))
    assert losses.excluded == set()


def test_the_first_loss_is_replaced_at_once_and_later_ones_ever_more_slowly() -> None:
    losses = Losses(4)
    assert [losses.pause() for _ in range(6)] == [0, 10, 20, 40, 60, 60]
    losses.finished([])
    assert [losses.pause() for _ in range(2)] == [0, 10]


def test_hope_ends_after_losses_without_a_finished_partition() -> None:
    for jobs, most in ((1, LEAST), (20, 40)):
        losses = Losses(jobs)
        for _ in range(most - 1):
            losses.lost("x")
        assert not losses.hopeless
        losses.lost("y")
        assert losses.hopeless
        losses.finished([])
        assert not losses.hopeless


def test_lives_without_a_finished_partition_are_counted() -> None:
    losses = Losses(4, lives=LIVES - 1)
    assert not losses.fruitless
    losses.lives += 1
    assert losses.fruitless
    losses.finished(["x"])
    assert not losses.fruitless
