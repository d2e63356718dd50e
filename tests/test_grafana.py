"""Dashboards, provisioning and alert rules agree with each other and with what Stagewatch exports."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.engine.board import Board
from monitor.engine.reports import FeedStats
from monitor.metrics import Metrics
from monitor.sources.base import RequestReport
from monitor.storage.base import OutboxDepth

REPOSITORY = Path(__file__).parents[1]
DASHBOARDS = sorted((REPOSITORY / "grafana" / "dashboards").glob("*.json"))
PROVISIONING = REPOSITORY / "grafana" / "provisioning"
RULES = REPOSITORY / "config" / "prometheus" / "rules.yml"
README = REPOSITORY / "README.md"

NAME = re.compile(r"\bstagewatch_[a-z_]+\b")
SELECTOR = re.compile(r"\b(stagewatch_[a-z_]+)(?:\{([^}]*)\})?")
OURS = {"datasource", "job", "instance", "source", "project"}
GRAFANAS_OWN = {"__rate_interval", "__range"}


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each dashboard that ships."""
    loaded: dict[str, Any] = json.loads(request.param.read_text())
    return loaded


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Its panels without the headings of rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard: dict[str, Any]) -> Iterator[str]:
    """Every PromQL expression in it."""
    for panel in panels(dashboard):
        yield from (target["expr"] for target in panel["targets"])
    yield from (note["expr"] for note in dashboard["annotations"]["list"] if "expr" in note)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def rules() -> list[dict[str, Any]]:
    """Every alert rule that ships."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


async def exported() -> dict[str, str]:
    """The type of every family by the name that operators see."""

    async def nothing_waits() -> Sequence[OutboxDepth]:
        return ()

    metrics = Metrics(
        board=Board(),
        stats=FeedStats(),
        sources={"warehouse": ["ads"]},
        depths=nothing_waits,
        now=lambda: datetime(2024, 5, 11, tzinfo=UTC),
        version="0.1.0",
    )
    metrics.on_request(RequestReport("warehouse", "sweep", "ok", 0.1))
    body, _ = await metrics.render("text/plain")
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", body.decode(), re.MULTILINE))


def families(names: set[str], known: dict[str, str]) -> set[str]:
    """The families of these sample names; a name that no family has stays as it is."""
    suffix = re.compile(r"_(bucket|sum|count)$")
    return {
        base if known.get(base := suffix.sub("", name)) == "histogram" else name  # only histograms have more names
        for name in names
    }


# --- names ---


@pytest.mark.asyncio
async def test_dashboards_and_rules_use_only_what_is_exported() -> None:
    """A renamed metric leaves no empty panel and no rule that never fires."""
    known = await exported()
    used = {
        name for path in DASHBOARDS for query in queries(json.loads(path.read_text())) for name in NAME.findall(query)
    }
    used |= {name for rule in rules() for name in NAME.findall(rule["expr"])}
    told = {name for rule in rules() for text in rule["annotations"].values() for name in NAME.findall(text)}
    assert used
    assert families(used | told, known) - set(known) == set()


@pytest.mark.asyncio
async def test_every_exported_family_is_shown_or_explained() -> None:
    """Nothing is exported that nobody could find: it is in a dashboard, in a rule, or in the README."""
    known = await exported()
    texts = [query for path in DASHBOARDS for query in queries(json.loads(path.read_text()))]
    texts += [rule["expr"] for rule in rules()]
    texts.append(README.read_text())
    found = families({name for text in texts for name in NAME.findall(text)}, known)
    assert set(known) - found == set()


@pytest.mark.asyncio
async def test_the_readme_lists_what_is_exported_and_nothing_else() -> None:
    """The table of metrics is complete, and so is every name elsewhere in the text."""
    known = await exported()
    assert families(set(NAME.findall(README.read_text())), known) == set(known)


# --- dashboards ---


def test_a_dashboard_can_be_provisioned(dashboard: dict[str, Any]) -> None:
    """A stable uid, nobody edits it in place, and no input that only an import by hand would ask for."""
    assert re.fullmatch(r"stagewatch-[a-z-]+", dashboard["uid"])
    assert "id" not in dashboard
    assert dashboard["editable"] is False
    assert "__inputs" not in dashboard
    assert "__requires" not in dashboard


def test_uids_differ() -> None:
    """Grafana would let the second dashboard of a uid overwrite the first."""
    uids = [json.loads(path.read_text())["uid"] for path in DASHBOARDS]
    assert uids
    assert len(set(uids)) == len(uids)


def test_variables_choose_the_datasource_and_what_is_shown(dashboard: dict[str, Any]) -> None:
    """All are there, the datasource is one of them and no fixed name, and "all" matches what has the label."""
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert set(variables) == OURS
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    for name in OURS - {"datasource"}:
        assert variables[name]["multi"]
        assert variables[name]["allValue"] == ".+"


def test_every_datasource_is_the_chosen_one(dashboard: dict[str, Any]) -> None:
    """No panel, query, variable or annotation names a datasource that another Grafana does not have."""
    places = [*panels(dashboard), *(target for panel in panels(dashboard) for target in panel["targets"])]
    places += [variable for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    places += [note for note in dashboard["annotations"]["list"] if "expr" in note]
    assert {(place["datasource"]["type"], place["datasource"]["uid"]) for place in places} == {
        ("prometheus", "${datasource}")
    }


def test_panels_explain_themselves(dashboard: dict[str, Any]) -> None:
    """A title, a sentence, a unit, and legends or a table."""
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert len(panel["targets"]) == 1 or all(target["legendFormat"] for target in panel["targets"]), panel["title"]


def test_ids_differ(dashboard: dict[str, Any]) -> None:
    """Links to a panel, and the queries of one, are found by these."""
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in panels(dashboard):
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)


def test_panels_lie_side_by_side(dashboard: dict[str, Any]) -> None:
    """Within the 24 columns, and none on top of another."""
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        apart_in_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_in_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_in_x or apart_in_y, (one, other)


def test_queries_follow_the_variables(dashboard: dict[str, Any]) -> None:
    """Every selector narrows by scrape job and daemon, and by source and project where it has those labels."""
    by_source = (
        "source",
        "instance",
        "terminations",
        "duration",
        "wait",
        "workers",
        "lost",
        "contradictions",
        "partial",
        "verdicts",
    )
    for panel in panels(dashboard):
        for target in panel["targets"]:
            for name, labels in SELECTOR.findall(target["expr"]):
                assert 'job=~"$job", instance=~"$instance"' in labels, target["expr"]
                if name.removeprefix("stagewatch_").split("_")[0].rstrip("s") in {
                    word.rstrip("s") for word in by_source
                }:
                    assert 'source=~"$source"' in labels, target["expr"]


def test_queries_use_known_variables_and_the_rate_interval(dashboard: dict[str, Any]) -> None:
    """A rate over a fixed window is empty when Grafana or Prometheus steps differently."""
    for query in queries(dashboard):
        assert set(re.findall(r"\$\{?(\w+)", query)) <= OURS | GRAFANAS_OWN, query
    for panel in panels(dashboard):
        for target in panel["targets"]:
            windows = re.findall(r"(rate|increase)\([^\[\]]*\[([^\]]+)\]", target["expr"])
            assert all(window in {"$__rate_interval", "$__range"} for _, window in windows), target["expr"]


# --- provisioning and rules ---


def test_provisioning_files_are_what_grafana_reads() -> None:
    """One Prometheus with a stable uid, one folder of dashboards that nobody edits in place."""
    datasources = yaml.safe_load((PROVISIONING / "datasources" / "stagewatch.yaml").read_text())
    assert datasources["apiVersion"] == 1
    assert [(source["type"], source["uid"]) for source in datasources["datasources"]] == [
        ("prometheus", "stagewatch-prometheus")
    ]
    providers = yaml.safe_load((PROVISIONING / "dashboards" / "stagewatch.yaml").read_text())
    assert providers["apiVersion"] == 1
    assert [(provider["type"], provider["allowUiUpdates"]) for provider in providers["providers"]] == [("file", False)]


def test_an_exemplar_opens_its_instance() -> None:
    """The link names the label that exemplars carry; its variable survives Grafana's own reading of the file."""
    datasource = yaml.safe_load((PROVISIONING / "datasources" / "stagewatch.yaml").read_text())["datasources"][0]
    [link] = datasource["jsonData"]["exemplarTraceIdDestinations"]
    assert link["name"] == "instance"
    assert link["url"].endswith("/api/v1/instances?q=$${__value.raw}")


def test_rules_say_what_to_do_and_where_to_look() -> None:
    """A name in the family's style, a severity, a summary, a description, and a dashboard that exists."""
    uids = {json.loads(path.read_text())["uid"] for path in DASHBOARDS}
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert re.fullmatch(r"Stagewatch([A-Z][a-z]+)+", rule["alert"])
        assert rule["labels"]["severity"] in {"critical", "warning", "none"}
        assert set(rule["annotations"]) == {"summary", "description", "dashboard_url"}
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["dashboard_url"].removeprefix("/d/") in uids


def test_every_rule_has_a_test() -> None:
    """The data for `promtool test rules` names each alert."""
    tested = "".join(path.read_text() for path in (REPOSITORY / "tests" / "prometheus_rules").glob("*.yml"))
    assert [rule["alert"] for rule in rules() if rule["alert"] not in tested] == []
