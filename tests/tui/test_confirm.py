"""A question before what cannot be undone."""

import pytest
from textual.app import App

from monitor.tui.confirm import Confirm


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["y", "n", "escape", "enter", "q"])
async def test_only_y_is_yes(key: str) -> None:
    """Enter, which is pressed in a hurry, is no."""
    answers: list[bool | None] = []
    app: App[None] = App()
    async with app.run_test() as pilot:
        app.push_screen(Confirm("Stop [b]it[/b]?"), answers.append)
        await pilot.pause()
        await pilot.press(key)
        await pilot.pause()
    assert answers == [key == "y"]
