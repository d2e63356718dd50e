"""How the config file is read: every fault is named, with its line."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import Config, ConfigError, load, parse
from monitor.engine.patience import Patience
from monitor.notify.alertmanager import AlertmanagerSection
from monitor.notify.webhook import WebhookSection
from tests.config.keys import keys_of
from tests.config.texts import ENV, EXAMPLE, SMALLEST

BAD = sorted((Path(__file__).parents[1] / "configs" / "bad").glob("*.yaml"))


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


def test_variables_inside_texts() -> None:
    """`${NAME}` is replaced anywhere in a text, and what it brings is not read again."""
    text = SMALLEST.replace("service.maxcompute.example", "${HOST}.example")
    config = parse(text, file="f", env={"HOST": "here"})
    assert config.sources[0].endpoint == "https://here.example/api"


def test_dollar_in_value_of_variable() -> None:
    """A secret that looks like a variable stays as it is."""
    config = parse(SMALLEST.replace("a-made-up-key", "'${KEY}'"), file="f", env={"KEY": "a${KEY}b"})
    assert "a${KEY}b" in {secret.reveal() for secret in config.secrets()}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(max_size=10) | st.sampled_from(sorted(keys_of(Config))), inner, max_size=4)
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
