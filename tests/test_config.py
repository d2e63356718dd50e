"""The config file: every key is known, every fault is named, no secret is printed."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from monitor.config import Config, ConfigError, load, parse, read_address
from monitor.core.alerting import Trigger
from monitor.engine.patience import Patience
from monitor.notify.alertmanager import AlertmanagerSection
from monitor.notify.webhook import WebhookSection

EXAMPLE = Path(__file__).parents[1] / "config" / "stagewatch.example.yaml"
BAD = sorted((Path(__file__).parent / "configs" / "bad").glob("*.yaml"))
ENV = {
    "MAXCOMPUTE_ACCESS_ID": "an-id",
    "MAXCOMPUTE_ACCESS_KEY": "a-made-up-key",
    "HOOK_AUTHORIZATION": "Bearer a-made-up-token",
}

SMALLEST = """
sources:
  - {type: maxcompute, name: warehouse, endpoint: "https://service.maxcompute.example/api", projects: [analytics],
     access_id: me, access_key: a-made-up-key}
"""


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_config(path: Path) -> None:
    """Each bad config names its file, line, key and reason, all of them at once."""
    text = path.read_text(encoding="utf-8")
    expected = re.findall(r"^# expect: (.*)$", text, re.MULTILINE)
    assert expected, "a bad config says what it expects"
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    said = str(caught.value).replace(str(path.parent) + "/", "")
    for words in expected:
        assert words in said
    for words in re.findall(r"^# refuse: (.*)$", text, re.MULTILINE):
        assert words not in said


def test_example_is_good() -> None:
    """The example in the repository passes, with its secrets from the environment."""
    config = load(EXAMPLE, ENV)
    assert config.sources[0].name == "warehouse"
    assert set(ENV.values()) - {"an-id"} <= set(config.secrets())


def test_example_has_every_key() -> None:
    """Every key of every section stands in the example, also those that are commented out."""
    text = EXAMPLE.read_text(encoding="utf-8")
    missing = [name for name in _keys(Config) if not re.search(rf"\b{name}:", text)]
    assert missing == []


def _keys(model: type[BaseModel]) -> set[str]:
    """The names of all fields, of this section and of those in it."""
    found: set[str] = set()
    for name, field in model.model_fields.items():
        found.add(name)
        for section in _sections(field.annotation):
            found |= _keys(section)
    return found


def _sections(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for part in getattr(annotation, "__args__", ()) for section in _sections(part)]


def test_default_rules() -> None:
    """Without a word about rules, a failure and a silent source are alerts to every channel."""
    config = parse(
        SMALLEST + "alerts: {channels: [{name: ops, type: webhook, url: 'http://127.0.0.1:1/'}]}", file="f", env={}
    )
    rules = config.rules("http://here").rules
    assert [(rule.name, rule.when, rule.channels) for rule in rules] == [
        ("InstanceFailed", Trigger.FAILED, ("ops",)),
        ("SourceDown", Trigger.SOURCE_DOWN, ("ops",)),
    ]


def test_channels_and_their_fallback() -> None:
    """Each type has its own keys; a rule hands on which channels stand in for its own, and when."""
    config = load(EXAMPLE, ENV)
    ops, oncall = config.alerts.channels
    assert isinstance(ops, WebhookSection)
    assert isinstance(oncall, AlertmanagerSection)
    rules = {rule.name: rule for rule in config.rules("http://here").rules}
    assert (rules["AdsFailed"].channels, rules["AdsFailed"].fallback) == (("ops",), ("oncall",))
    assert (rules["InstanceFailed"].channels, rules["InstanceFailed"].fallback) == (("ops", "oncall"), ())
    assert config.alerts.delivery.patience() == Patience()


def test_secrets_do_not_print() -> None:
    """Neither repr, nor str, nor a dump shows a secret."""
    config = load(EXAMPLE, ENV)
    for text in (repr(config), str(config), config.model_dump_json(), str(config.model_dump())):
        assert "a-made-up" not in text


def test_variables_inside_texts() -> None:
    """`${NAME}` is replaced anywhere in a text, and what it brings is not read again."""
    text = SMALLEST.replace("service.maxcompute.example", "${HOST}.example")
    config = parse(text, file="f", env={"HOST": "here"})
    assert config.sources[0].endpoint == "https://here.example/api"


def test_dollar_in_value_of_variable() -> None:
    """A secret that looks like a variable stays as it is."""
    config = parse(SMALLEST.replace("a-made-up-key", "'${KEY}'"), file="f", env={"KEY": "a${KEY}b"})
    assert "a${KEY}b" in set(config.secrets())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(max_size=10) | st.sampled_from(sorted(_keys(Config))), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_any_yaml(data: object) -> None:
    """Whatever the file holds, the answer is a config or a ConfigError with at least one fault."""
    text = yaml.safe_dump(data, allow_unicode=True)
    answer: Config | ConfigError
    try:
        answer = parse(text, file="f", env={})
    except ConfigError as error:
        answer = error
    assert isinstance(answer, Config) or answer.faults


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    """Also where it is not YAML at all."""
    answer: Config | ConfigError
    try:
        answer = parse(text, file="f", env={})
    except ConfigError as error:
        answer = error
    assert isinstance(answer, Config) or answer.faults


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:9690", ("127.0.0.1", 9690)), ("[::1]:0", ("::1", 0)), ("localhost:80", ("localhost", 80))],
)
def test_address(text: str, address: tuple[str, int]) -> None:
    """Host and port, also for IPv6 in brackets."""
    assert read_address(text) == address


@pytest.mark.parametrize("text", ["", "9690", ":9690", "host:", "host:port", "host:70000", "host:٣"])
def test_bad_address(text: str) -> None:
    """Anything else is told apart with the form shown."""
    with pytest.raises(ValueError, match="write HOST:PORT"):
        read_address(text)
