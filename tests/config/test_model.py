"""What an operator may decide."""

import re
from datetime import timedelta

import pytest

from monitor.config import Config, load, parse, read_address
from monitor.core.alerting import Trigger
from monitor.core.tracker import Policy
from tests.config.keys import keys_of
from tests.config.texts import ENV, EXAMPLE, SMALLEST


def test_example_is_good() -> None:
    """The example in the repository passes, with its secrets from the environment."""
    config = load(EXAMPLE, ENV)
    assert config.sources[0].name == "warehouse"
    assert set(ENV.values()) - {"an-id"} <= {secret.reveal() for secret in config.secrets()}


def test_example_has_every_key() -> None:
    """Every key of every section stands in the example, also those that are commented out."""
    text = EXAMPLE.read_text(encoding="utf-8")
    missing = [name for name in keys_of(Config) if not re.search(rf"\b{name}:", text)]
    assert missing == []


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


@pytest.mark.parametrize("when", Trigger)
def test_every_trigger_is_a_word_of_the_config(when: Trigger) -> None:
    """A rule waits for anything that the core can tell; the example explains each word."""
    rule = f"{{name: R, when: {when}, severity: warning}}"
    alerts = f"alerts: {{channels: [{{name: ops, type: webhook, url: 'http://127.0.0.1:1/'}}], rules: [{rule}]}}"
    assert [rule.when for rule in parse(SMALLEST + alerts, file="f", env={}).rules("http://here").rules] == [when]
    [words] = re.findall(r"# when: (.*)", EXAMPLE.read_text(encoding="utf-8"))
    assert when in words.split(", ")


def test_when_a_missing_instance_is_lost() -> None:
    """Both conditions are the operator's; both have a default."""
    assert parse(SMALLEST, file="f", env={}).tracking.policy() == Policy()
    policy = parse(SMALLEST + "tracking: {lost_after: 5, lost_within: 2m}", file="f", env={}).tracking.policy()
    assert (policy.lost_after, policy.lost_within) == (5, timedelta(minutes=2))


def test_secrets_do_not_print() -> None:
    """Neither repr, nor str, nor a dump shows a secret."""
    config = load(EXAMPLE, ENV)
    for text in (repr(config), str(config), config.model_dump_json(), str(config.model_dump())):
        assert "a-made-up" not in text


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
