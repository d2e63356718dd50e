"""Answers that are not read again."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.sources.maxcompute.memory import LARGEST, Memory


def test_an_equal_answer_is_read_once() -> None:
    """The second time the value comes back without being made; a different answer is read."""
    memory: Memory[int] = Memory(1000)
    made: list[bytes] = []

    def ask(body: bytes, header: str = "") -> int:
        return memory.read(("id",), (body, header), lambda: made.append(body) or len(made))

    assert [ask(b"a"), ask(b"a"), ask(b"b"), ask(b"a"), ask(b"a", "other")] == [1, 1, 2, 3, 4]


def test_the_oldest_question_goes_first() -> None:
    """Within a hundred bytes there is room for two answers of forty; what was asked for last stays."""
    memory: Memory[str] = Memory(100)
    made: list[str] = []

    def ask(name: str) -> None:
        memory.read((name,), (b"x" * 40,), lambda: made.append(name) or name)

    for name in ("a", "b", "a", "c", "a", "b"):
        ask(name)
    assert made == ["a", "b", "c", "b"]


def test_a_large_answer_is_not_kept() -> None:
    """It would push out everything else."""
    memory: Memory[int] = Memory(10 * LARGEST)
    made: list[int] = []
    for _ in range(2):
        memory.read(("id",), (b"x" * (LARGEST + 1),), lambda: made.append(1) or 0)
    assert len(made) == 2


def test_what_is_forgotten_is_read_again_and_leaves_its_room() -> None:
    """Ten thousand questions that were forgotten push nothing out; forgetting what is unknown is nothing."""
    memory: Memory[str] = Memory(100)
    made: list[str] = []

    def ask(name: str) -> None:
        memory.read((name,), (b"x" * 40,), lambda: made.append(name) or name)

    ask("kept")
    for number in range(10_000):
        ask(str(number))
        memory.forget((str(number),))
        memory.forget(("unknown",))
    ask("0")
    ask("kept")
    assert made == ["kept", *map(str, range(10_000)), "0"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=60)), max_size=50))
def test_it_never_answers_with_an_old_value(asked: list[tuple[str, bytes]]) -> None:
    """Whatever was forgotten meanwhile, the value is the one of this answer."""
    memory: Memory[bytes] = Memory(100)
    for name, body in asked:
        assert memory.read((name,), (body,), lambda body=body: body) == body
