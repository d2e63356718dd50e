"""Which instances a program asks for, in the API's words."""

from collections.abc import Iterable

from msgspec import Struct

from monitor.client.model import Instance, Json

Words = str | Iterable[str]


class Wanted(Struct, frozen=True, gc=False, kw_only=True):
    """An empty field asks for all. `q` is a part of an id, a name or an owner, in any case."""

    source: frozenset[str] = frozenset()
    project: frozenset[str] = frozenset()
    phase: frozenset[str] = frozenset()
    owner: frozenset[str] = frozenset()
    key: frozenset[str] = frozenset()
    q: str = ""

    @classmethod
    def of(cls, *, q: str = "", **words: Words) -> "Wanted":
        """From one word, words with commas between, or several."""
        return cls(q=q, **{name: _split(given) for name, given in words.items()})

    def query(self) -> dict[str, str]:
        """As parameters of a listing."""
        return {name: value if name == "q" else ",".join(value) for name, value in self.frame().items()}

    def frame(self) -> Json:
        """As the filter of a subscription."""
        words = {name: sorted(getattr(self, name)) for name in ("source", "project", "phase", "owner", "key")}
        return {name: value for name, value in {**words, "q": self.q}.items() if value}

    def covers(self, source: str, project: str) -> bool:
        """Whether instances of this project can match."""
        return (
            (not self.source or source in self.source)
            and (not self.project or project in self.project)
            and (not self.key or any(key.startswith(f"{source}/{project}/") for key in self.key))
        )

    def matches(self, one: Instance) -> bool:
        """Whether all fields that are set agree."""
        return (
            (not self.phase or one.phase in self.phase)
            and (not self.source or one.source in self.source)
            and (not self.project or one.project in self.project)
            and (not self.owner or one.owner in self.owner)
            and (not self.key or one.key in self.key)
            and (not self.q or any(self.q.casefold() in text.casefold() for text in (one.id, one.name, one.owner)))
        )


def _split(given: Words) -> frozenset[str]:
    return frozenset(given.split(",") if isinstance(given, str) else map(str, given)) - {""}
