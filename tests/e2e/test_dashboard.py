"""The dashboard in a real Chromium, against a real server that is fed by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from monitor.core.events import Discovered, PartiallyFailed, ProgressMoved, Removed
from monitor.core.health import Health
from monitor.core.model import Failure, Phase, Queue, Stage, Task, Track, Verdict
from monitor.storage.base import Attempt, Batch, DeliveryState, Outcome
from tests.e2e.chromium import chromium
from tests.web.desk import HOSTILE, Desk, alert, key, moved, open_desk, track
from tests.web.desk import NOON as NOW
from tests.web.listener import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NETWORK = ("Failed to load resource", "WebSocket connection", "ERR_")  # what a browser says of a server that stops


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests; each opens a page of its own."""
    async with chromium() as browser:
        yield browser


@asynccontextmanager
async def opened(browser: Browser, desk: Desk, path: str = "/", **context: Any) -> AsyncIterator[Page]:
    """The dashboard with its first answer shown; whatever the page complains of fails the test."""
    complaints: list[str] = []
    desk.sweep(at=NOW - timedelta(seconds=4))
    page = await browser.new_page(**context)
    await page.clock.install(time=NOW)  # it goes on by itself, and a test may make it jump
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    try:
        await page.goto(desk.url + path)
        await expect(page.locator("#connection")).to_have_text("live")
        yield page
    finally:
        await page.close()
    assert [one for one in complaints if not any(word in one for word in NETWORK)] == []


SHOWN = (
    'O\'Brien "quoted"',
    "two ↵ lines ↵ and more",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "x" * 399 + "…",
    "nul\ufffdbyte",
    "\u202eright to left\u202c",
)  # what becomes of HOSTILE on the page


def row(page: Page, of: str) -> Any:
    """The row of an instance."""
    return page.locator(f'.row[data-key="warehouse/analytics/{of}"]')


def staged(of: str, terminated: int, running: int = 2, phase: Phase = Phase.RUNNING, **fields: Any) -> Track:
    """An instance with two stages, the first of which has come this far of ten."""
    stages = (Stage("M1_Stg1_job0", running, terminated, 10, 1), Stage("R2_1_Stg1_job0", 0, 0, 4))
    task = Task("AnonymousSQLTask", "SQL", Phase.RUNNING, NOW, None, stages)
    return track(of, phase, tasks=(task,), created_at=NOW, started_at=NOW, progress=terminated / 14, **fields)


def failure_of(of: str, message: str = "Table not found", **fields: Any) -> Track:
    """An instance that failed just now."""
    failure = Failure("AnonymousSQLTask", "ODPS-0130131", message)
    return track(of, Phase.FAILED, created_at=NOW, started_at=NOW, ended_at=NOW, failure=failure, **fields)


async def test_rows_appear_move_and_change_without_a_reload(browser: Browser) -> None:
    """The snapshot shows; a bar grows, a phase changes, a new one appears and one is forgotten, all by the feed."""
    queued = track("q1", Phase.WAITING, queue=Queue(3, 12), owner="ann@example.test")
    async with open_desk(staged("i1", 2, name="daily rollup"), queued) as desk, opened(browser, desk) as page:
        await page.evaluate("window.sameDocument = true")
        await expect(page.locator(".row:not([hidden])")).to_have_count(2)
        await expect(row(page, "i1").locator(".name .main")).to_have_text("daily rollup")
        await expect(row(page, "q1").locator(".said")).to_have_text("queue 3 of 12")
        await expect(row(page, "q1").locator(".sub").first).to_have_text("warehouse/analytics · ann@example.test")
        bar = row(page, "i1").locator(".bar").first
        assert await bar.evaluate("bar => bar.style.getPropertyValue('--done')") == "20"
        assert await bar.evaluate("bar => bar.style.getPropertyValue('--busy')") == "40"
        await expect(bar).to_have_attribute("data-backups", "yes")
        await expect(row(page, "i1").locator(".bars")).to_have_attribute(
            "aria-label",
            "2 stages. M1_Stg1_job0: 2 of 10 ended, 2 running, 1 backup\nR2_1_Stg1_job0: 0 of 4 ended, 0 running",
        )

        now = staged("i1", 7, name="daily rollup", verdicts=frozenset({Verdict.STALLED}))
        desk.happen(ProgressMoved(NOW, now.key, 0.5), tracks=(now,))
        await page.wait_for_function(
            """() => document.querySelector('.row[data-key$="/i1"] .bar').style.getPropertyValue('--done') === '70'"""
        )
        await expect(row(page, "i1").locator(".tag")).to_have_text("stalled")

        ended, new = failure_of("i1", name="daily rollup"), track("i3")
        desk.happen(moved(now, ended), Discovered(NOW, new.key), tracks=(ended, new))
        await expect(row(page, "i1").locator(".word")).to_have_text("failed")
        await expect(row(page, "i1").locator(".said")).to_have_text("ODPS-0130131 · Table not found")
        await expect(row(page, "i3")).to_be_visible()
        await page.clock.fast_forward(3000)
        await expect(page.locator('.chip[data-phase="failed"] b')).to_have_text("1")

        desk.happen(Removed(NOW, new.key), remove=(new.key,))
        await expect(row(page, "i3")).to_have_count(0)
        assert await page.evaluate("window.sameDocument")


async def test_what_is_looked_at_gets_attention(browser: Browser) -> None:
    """Live rows in sight have their stages read with priority, ended ones do not, and none after the page is closed."""
    async with open_desk(staged("i1", 2), failure_of("i2")) as desk:
        async with opened(browser, desk) as page:
            await expect(row(page, "i1")).to_be_visible()
            await until(lambda: key("i1") in desk.attention)
            assert key("i2") not in desk.attention
        await until(lambda: key("i1") not in desk.attention)


async def test_filters_stand_in_the_address_and_survive_a_reload(browser: Browser) -> None:
    """Phase, search and order are written into the URL; loading it shows the same view; back goes back."""
    tracks = (staged("i1", 2, name="alpha"), staged("i2", 3, name="beta"), failure_of("i3", name="alpha two"))
    async with open_desk(*tracks) as desk, opened(browser, desk) as page:
        rows = page.locator(".row:not([hidden])")
        await expect(rows).to_have_count(3)
        await page.locator('.chip[data-phase="running"]').click()
        await expect(rows).to_have_count(2)
        await page.keyboard.press("/")
        await page.keyboard.type("ALPHA")
        await expect(rows).to_have_count(1)
        await page.get_by_role("button", name="Instance").click()
        query = urlsplit(page.url).query
        assert sorted(query.split("&")) == ["phase=running", "q=ALPHA", "sort=name"]

        await page.reload()
        await expect(rows).to_have_count(1)
        await expect(page.locator("#q")).to_have_value("ALPHA")
        await expect(page.locator('.chip[data-phase="running"]')).to_have_attribute("aria-pressed", "true")
        await expect(page.locator('[data-sort="name"]')).to_have_attribute("aria-sort", "ascending")
        await page.go_back()
        await expect(page.locator('[data-sort="name"]')).to_have_attribute("aria-sort", "none")

        await page.goto(desk.url + "/?phase=lost")
        await page.get_by_role("button", name="Clear all filters").click()
        await expect(rows).to_have_count(3)
        assert urlsplit(page.url).query == ""


async def test_what_leaves_the_view_lingers_and_goes(browser: Browser) -> None:
    """Looking at what runs, one that ends is shown with its outcome before its row goes."""
    async with open_desk(staged("i1", 2), staged("i2", 2)) as desk, opened(browser, desk, "/?phase=running") as page:
        await expect(page.locator(".row:not([hidden])")).to_have_count(2)
        done = track("i1", Phase.SUCCEEDED, ended_at=NOW)
        desk.happen(moved(staged("i1", 2), done), tracks=(done,))
        await expect(row(page, "i1").locator(".word")).to_have_text("succeeded")
        await page.clock.fast_forward(10_000)
        await expect(row(page, "i1")).to_have_count(0)


async def test_hostile_names_are_text(browser: Browser) -> None:
    """Markup in any field shows as letters: no element, no dialog, no script comes of it, in rows and in the panel."""
    tracks = []
    for n, text in enumerate(HOSTILE):
        stages = (Stage(text, 1, 2, 5),)
        failure = Failure(text, text, text) if n % 2 else None
        phase = Phase.FAILED if n % 2 else Phase.RUNNING
        task = Task(text, text, None, None, None, stages)
        fields = {"name": text, "owner": text, "native_status": text, "queue": Queue(1, 2, text)}
        tracks.append(track(f"h{n}", phase, tasks=(task,), failure=failure, created_at=NOW, **fields))
    async with open_desk(*tracks) as desk, opened(browser, desk) as page:
        await expect(page.locator(".row:not([hidden])")).to_have_count(len(HOSTILE))
        scripts = await page.locator("script").count()
        for n in range(len(HOSTILE)):
            desk.happen(ProgressMoved(NOW, tracks[n].key, 0.5), tracks=(tracks[n],))
            await row(page, f"h{n}").click()
            await expect(page.locator("#panel .name")).to_have_text(SHOWN[n])
            await expect(page.locator("#panel .stage-name")).to_have_count(1)
        assert await page.locator("script").count() == scripts
        assert await page.locator(".row img, .row script, .panel img, .panel script").count() == 0
        direction = "node => getComputedStyle(node).unicodeBidi"
        assert await row(page, "h6").locator(".name .main").evaluate(direction) == "isolate"


async def test_thousands_of_rows_stay_smooth(browser: Browser) -> None:
    """Of five thousand instances all can be reached, a few dozen elements show them, and frames stay short."""
    tracks = [staged(f"i{n:04}", n % 10) for n in range(5000)]
    async with (
        open_desk(*tracks) as desk,
        opened(browser, desk, "/?sort=name", viewport={"width": 1920, "height": 1080}) as page,
    ):
        await expect(page.locator(".grid")).to_have_attribute("aria-rowcount", "5001")
        await page.locator(".body").hover()
        assert await page.locator(".row").count() < 60
        watching = page.evaluate(
            """async () => {
              const body = document.querySelector('.body');
              const frames = [];
              let last = performance.now();
              for (let n = 0; n < 60; n++) {
                body.scrollTop += 731;
                await new Promise(requestAnimationFrame);
                frames.push(performance.now() - last);
                last = performance.now();
              }
              return frames.sort((a, b) => a - b);
            }"""
        )
        for n in range(0, 5000, 5):
            now = staged(tracks[n].key.id, 9)
            desk.happen(ProgressMoved(NOW, now.key, 0.9), tracks=(now,))
        frames = await watching
        assert frames[len(frames) // 2] < 200, frames  # a page that draws every row needs seconds
        await page.keyboard.press("Tab")
        await page.locator(".body").evaluate("body => body.scrollTop = body.scrollHeight")
        await expect(row(page, "i4999")).to_be_visible()
        assert await page.locator(".row").count() < 60


async def test_the_keyboard_is_enough(browser: Browser) -> None:
    """Arrows walk the rows, Enter opens one at the side, Escape closes it again."""
    tracks = [staged(f"i{n}", n) for n in range(9)]
    async with open_desk(*tracks) as desk, opened(browser, desk, "/?sort=name") as page:
        await page.locator(".body").focus()
        for step in ("ArrowDown", "ArrowDown", "End", "ArrowUp"):
            await page.keyboard.press(step)
        assert await page.evaluate("document.activeElement.dataset.key") == "warehouse/analytics/i7"
        await page.keyboard.press("Enter")
        await expect(page.locator("#panel .name")).to_have_text("i7")
        assert "open=warehouse" in page.url
        await page.keyboard.press("Escape")
        await expect(page.locator("#panel")).to_be_hidden()


async def test_the_panel_tells_all_and_stops_only_after_asking(browser: Browser) -> None:
    """Stages with what they read from, history, alerts and deliveries; Stop asks first, and says what became of it."""
    now = staged("i1", 4, owner="ann@example.test")
    async with open_desk() as desk:
        desk.service.known["i1"] = Phase.RUNNING
        events = (Discovered(NOW, now.key), moved(None, now))
        batch = desk.happen(*events, tracks=(now,))
        await desk.keep(Batch(records=batch.records, save=(now,), alerts=(alert(1, now.key),)))
        async with opened(browser, desk, f"/?open={now.key}") as page:
            panel = page.locator("#panel")
            await expect(panel.locator(".graph .node")).to_have_count(2)
            await expect(panel.locator(".graph .edge")).to_have_count(1)
            await expect(panel.locator(".stage-list .reads")).to_have_text("reads 1")
            await expect(panel.locator(".stage-list .counts").first).to_have_text("4 of 10, 2 running +1 backup")
            await expect(panel.locator(".past li")).to_have_count(2)
            await expect(panel.locator(".way")).to_have_text("ops: pending after 0 tries")
            link = panel.get_by_role("link", name="LogView")
            assert (await link.get_attribute("href") or "").endswith("/i1/logview?redirect")

            await panel.get_by_role("button", name="Stop").click()
            await page.get_by_role("button", name="Let it run").click()
            assert desk.service.asked["stop"] == 0
            await panel.get_by_role("button", name="Stop").click()
            await page.get_by_role("button", name="Stop it").click()
            await expect(panel.locator(".message")).to_contain_text("was asked to stop it")
            await expect(panel.locator(".phase .word")).to_have_text("cancelled")
            assert desk.service.asked["stop"] == 1
            await expect(panel.get_by_role("button", name="Stop")).to_be_hidden()


async def test_a_workflow_shows_its_steps(browser: Browser) -> None:
    """Each with how it stands now and its own LogView; one leads to the other and back."""
    flow = track("flow", name="number the rows")
    steps = [track(of, parent="flow", step=step, progress=0.5) for of, step in (("s1", "check"), ("s2", HOSTILE[2]))]
    async with open_desk(flow, *steps) as desk, opened(browser, desk, f"/?open={flow.key}") as page:
        panel = page.locator("#panel")
        await expect(panel.locator(".step-list .way-to")).to_have_text(["check", SHOWN[2]])
        await expect(panel.locator(".step-list .said")).to_have_text(["50%", "50%"])
        hrefs = [await link.get_attribute("href") for link in await panel.locator(".step-list a").all()]
        assert hrefs == [f"api/v1/instances/warehouse/analytics/{of}/logview?redirect" for of in ("s1", "s2")]

        ended = failure_of("s1", parent="flow", step="check")
        desk.happen(moved(steps[0], ended), tracks=(ended,))
        await expect(panel.locator(".step-list .word")).to_have_text(["failed", "running"])

        await panel.get_by_role("button", name="check").click()
        await expect(panel.locator(".name")).to_have_text("s1")
        await expect(panel.locator(".steps")).to_have_text("Step check of flow")
        await panel.get_by_role("button", name="flow").click()
        await expect(panel.locator(".name")).to_have_text("number the rows")


def rendering(of: str, phase: Phase = Phase.RUNNING, **fields: Any) -> Track:
    """A Batch Compute job of three tasks, one of which has a name like a stage's, with a failed worker and retries."""
    tasks = (
        Task("split", "DAG", Phase.SUCCEEDED, NOW, NOW, (Stage("split", 0, 1, 1, percent=100),)),
        Task(
            "R9_1_job_2",
            "DAG",
            Phase.RUNNING,
            NOW,
            None,
            (Stage("R9_1_job_2", 1, 2, 4, percent=50, failed=1, retries=3),),
            ("split",),
        ),
        Task("merge", "DAG", Phase.WAITING, None, None, (Stage("merge", 0, 0, 1, percent=0),), ("split", "R9_1_job_2")),
    )
    known = {"kind": "batchcompute", "created_at": NOW, "started_at": NOW, "failed_workers": 1}
    return track(of, phase, tasks=tasks, **{**known, **fields})


async def test_a_batch_compute_job_is_one_graph_of_its_tasks(browser: Browser) -> None:
    """Tasks stand in the order of their dependencies, each in the colour of its phase, with what went wrong in it."""
    now = rendering("job-1")
    async with open_desk(now) as desk, opened(browser, desk, f"/?open={now.key}") as page:
        panel = page.locator("#panel")
        await expect(panel.locator(".graph")).to_have_count(1)
        nodes = panel.locator(".graph .node")
        phases = [await node.get_attribute("data-phase") for node in await nodes.all()]
        assert phases == ["succeeded", "running", "waiting"]
        await expect(panel.locator(".graph .edge")).to_have_count(3)
        lefts = [(await node.bounding_box() or {"x": 0})["x"] for node in await nodes.all()]
        assert lefts[0] < lefts[1] < lefts[2]
        await expect(nodes.nth(1).locator("text").first).to_have_text("R9_1_job_2")
        await expect(panel.locator(".graph > title")).to_have_text("3 tasks and what they wait for")
        await expect(panel.locator(".stage-list")).to_have_count(1)
        await expect(panel.locator(".stage-list .counts")).to_have_text(
            ["1 of 1", "2 of 4, 1 running, 1 failed, 3 retries", "0 of 1"]
        )
        await expect(panel.locator(".stage-list .reads")).to_have_text(["after split", "after split, R9_1_job_2"])
        bar = panel.locator(".stage-list .bar").nth(1)
        assert await bar.evaluate("bar => bar.style.getPropertyValue('--bad')") == "25"
        await expect(row(page, "job-1").locator(".bars")).to_have_attribute(
            "aria-label",
            "3 stages. split: 1 of 1 ended, 0 running\n"
            "R9_1_job_2: 2 of 4 ended, 1 running, 1 failed, 3 retries\n"
            "merge: 0 of 1 ended, 0 running",
        )


async def test_a_partial_failure_and_a_later_attempt_are_marked(browser: Browser) -> None:
    """Both stand beside the phase, in the table and in the panel: a success with failed workers looks like no other."""
    failed = rendering("job-1", Phase.FAILED, ended_at=NOW)
    async with open_desk(failed) as desk, opened(browser, desk, f"/?open={failed.key}") as page:
        panel, marks = page.locator("#panel"), row(page, "job-1").locator(".tag")
        await expect(panel.locator(".facts")).to_contain_text("1 of 6 workers failed")
        await expect(panel.get_by_role("link", name="LogView")).to_be_hidden()  # Batch Compute has none
        await expect(marks).to_have_count(0)

        again = track("job-1", Phase.WAITING, kind="batchcompute", attempt=2, created_at=NOW)
        desk.happen(moved(failed, again), tracks=(again,))
        await expect(marks).to_have_text("attempt 2")
        await expect(panel.locator(".tag")).to_have_text("attempt 2")
        await expect(panel.locator(".past li bdi").first).to_have_text("attempt 2: waiting")

        done = rendering("job-1", Phase.SUCCEEDED, attempt=2, ended_at=NOW)
        partly = PartiallyFailed(NOW, done.key, failed=1, workers=6)
        desk.happen(moved(again, done), partly, tracks=(done,))
        await expect(marks).to_have_text(["attempt 2", "partial failure"])
        await expect(panel.locator(".panel-top .tag")).to_have_text(["attempt 2", "partial failure"])
        await expect(row(page, "job-1").locator(".said")).to_have_text("1 of 6 workers failed")
        # Beside an open panel the table has no room for notes: the mark on the phase stays.
        background = "dot => getComputedStyle(dot).backgroundImage"
        for place in (row(page, "job-1"), panel):
            assert "gradient" in await place.locator(".dot").first.evaluate(background)
        await expect(row(page, "job-1").locator(".cell.phase")).to_have_attribute("title", "1 of 6 workers failed")
        await expect(panel.locator(".past li bdi").first).to_have_text("succeeded, though 1 of 6 workers failed")
        await expect(panel.locator(".past li bdi").nth(1)).to_have_text("waiting → succeeded")


async def test_what_failed_runs_again_where_the_service_can(browser: Browser) -> None:
    """The button is there for a Batch Compute job that failed or was stopped, and nowhere else; a refusal is told."""
    job, other = rendering("job-1", Phase.FAILED, ended_at=NOW), failure_of("i1")
    async with open_desk(job, other, rendering("job-2")) as desk, opened(browser, desk) as page:
        again = page.locator("#panel").get_by_role("button", name="Run again")
        for one in ("i1", "job-2"):
            await row(page, one).click()
            await expect(page.locator("#panel .name")).to_have_text(one)
            await expect(again).to_be_hidden()
        await row(page, "job-1").click()
        await again.click()
        await expect(page.locator("#panel .message")).to_contain_text("It does not run again: ")
        desk.service.known["job-1"] = Phase.FAILED
        await again.click()
        await expect(page.locator("#panel .message")).to_have_text("The service was asked to run it again.")
        await expect(page.locator("#panel .phase .word")).to_have_text("running")
        await expect(again).to_be_hidden()
        assert desk.service.asked["restart"] == 2


async def test_an_alert_is_acknowledged_by_name(browser: Browser) -> None:
    """The browser asks who it is and remembers; who was first stays, and a refusal is told."""
    now = failure_of("i1")
    async with open_desk(now) as desk:
        await desk.keep(Batch(alerts=(alert(1, now.key), alert(2, now.key))))
        async with opened(browser, desk, f"/?open={now.key}") as page:
            panel, dialog = page.locator("#panel"), page.locator("#ask")
            buttons = panel.get_by_role("button", name="Acknowledge")
            await expect(buttons).to_have_count(2)
            await buttons.first.click()
            await dialog.get_by_role("button", name="Cancel").click()
            await buttons.first.click()
            await dialog.get_by_role("button", name="I take it").click()
            await expect(dialog).to_be_visible()  # nobody takes charge without a name
            await dialog.get_by_label("Your name").fill("<b>ann</b>")
            await dialog.get_by_label("Your name").press("Enter")
            await expect(panel.locator(".alert").first).to_contain_text("taken by <b>ann</b>")
            await expect(buttons).to_have_count(1)

            await buttons.click()
            await expect(dialog.get_by_label("Your name")).to_have_value("<b>ann</b>")
            await page.route("**/ack", lambda route: route.fulfill(status=503, json={"error": {"message": "not now"}}))
            await dialog.get_by_role("button", name="I take it").click()
            await expect(panel.locator(".message")).to_have_text("It was not acknowledged: not now")
            await expect(buttons).to_have_count(1)


async def test_a_delivery_that_is_repeated_has_a_colour_of_its_own(browser: Browser) -> None:
    """What waits, what is told again and what was given up are told apart at a glance."""
    now = failure_of("i1")
    async with open_desk(now) as desk:
        await desk.keep(Batch(alerts=(alert(1, now.key, channels=("ops", "peers", "mail")),)))
        for channel, state in (("peers", DeliveryState.REPEATING), ("mail", DeliveryState.GIVEN_UP)):
            later = NOW + timedelta(minutes=1)
            [delivery] = await desk.storage.claim(channel, 1, later, timedelta(minutes=1), "test")
            await desk.storage.settle(delivery, Outcome(Attempt(NOW, 0.1), state, NOW))
        async with opened(browser, desk, f"/?open={now.key}") as page:
            ways = page.locator("#panel .way")
            await expect(ways).to_have_text(
                ["ops: pending after 0 tries", "peers: repeating after 1 try", "mail: given up after 1 try"]
            )
            colours = [await way.evaluate("way => getComputedStyle(way).color") for way in await ways.all()]
            assert len(set(colours)) == 3


async def test_a_screen_that_is_not_fresh_does_not_look_fresh(browser: Browser) -> None:
    """A source that is down is loud; a dead connection greys the page; back again, what was missed is shown."""
    async with open_desk(staged("i1", 2)) as desk, opened(browser, desk) as page:
        badge = page.locator(".badge")
        await expect(badge).to_have_attribute("data-state", "fresh")
        await expect(page.locator("#alarm")).to_be_hidden()
        down = Health(NOW - timedelta(minutes=5), NOW, 3, True, "timeout", "no answer in 10 s")
        desk.sweep(health=down)
        await page.clock.fast_forward(3000)
        await expect(badge).to_have_attribute("data-state", "old")
        await expect(page.locator("#alarm")).to_contain_text("warehouse has not answered for 5 m")
        await expect(page.locator("#alarm")).to_contain_text("no answer in 10 s")
        await expect(page).to_have_title("⚠ Stagewatch")
        await expect(row(page, "i1").locator(".tag")).to_have_text("stale")
        desk.sweep(at=NOW)
        await page.clock.fast_forward(3000)
        await expect(page.locator("#alarm")).to_be_hidden()


async def test_a_dead_connection_is_loud_and_heals_by_itself(browser: Browser) -> None:
    """The server goes: the page says so and greys out. It comes back: the page is live and shows what it missed."""
    async with open_desk(staged("i1", 2), epoch="e1") as first:
        page = await browser.new_page()
        await page.clock.install(time=NOW)
        await page.goto(first.url)
        await expect(page.locator("#connection")).to_have_text("live")
        await expect(row(page, "i1").locator(".word")).to_have_text("running")
    await expect(page.locator("#connection")).to_have_text("not live")
    await expect(page.locator("#alarm")).to_contain_text("No connection to the daemon: what you see is")
    await expect(page.locator("body")).to_have_class("stale")
    port = int(first.url.rsplit(":", 1)[1])
    async with open_desk(failure_of("i1"), epoch="e2", port=port):
        await expect(page.locator("#connection")).to_have_text("live", timeout=20_000)
        await expect(page.locator("#alarm")).to_be_hidden()
        await expect(row(page, "i1").locator(".word")).to_have_text("failed")
        await page.close()


async def test_without_websockets_the_page_lives_on_events(browser: Browser) -> None:
    """Where a proxy lets no websocket through, the same comes as server-sent events."""
    broken = "window.WebSocket = class { constructor() { setTimeout(() => this.onclose()); } close() {} }"
    async with open_desk(staged("i1", 2)) as desk:
        page = await browser.new_page()
        await page.add_init_script(broken)
        await page.goto(desk.url)
        await expect(page.locator("#connection")).to_have_text("live", timeout=20_000)
        await expect(row(page, "i1")).to_be_visible()
        ended = failure_of("i1")
        desk.happen(moved(staged("i1", 2), ended), tracks=(ended,))
        await expect(row(page, "i1").locator(".word")).to_have_text("failed")
        await page.close()
