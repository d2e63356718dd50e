import json
from typing import Any

import pytest


async def _page(site: Any, id_: str, token: str) -> tuple[int, str]:
    url = f"{site.emulator.url}/logview/?h={site.emulator.endpoint}&p=demo&i={id_}&token={token}"
    async with site.session.get(url) as response:
        return response.status, await response.text()


async def _token(site: Any, id_: str) -> str:
    resource = f"acs:odps:*:projects/demo/instances/{id_}"
    policy = {"Statement": [{"Action": ["odps:Read"], "Effect": "Allow", "Resource": resource}]}
    body = json.dumps({"policy": policy})
    token: str = (await site.ask("POST", "/projects/demo/authorization?sign_bearer_token", body)).find("Result")
    return token


@pytest.mark.asyncio
async def test_the_page_shows_one_instance(visit: Any) -> None:
    """Its status, stages and query; texts are escaped; it looks again until the end."""
    async with visit(speed=0) as site:
        (id_,) = await site.script(owner="<script>", wait=0, seconds=50, outcome="failed", message="<boom>")
        status, page = await _page(site, id_, await _token(site, id_))
        assert status == 200
        assert "Running" in page
        assert "M1_Stg1_job_0" in page
        assert "refresh" in page
        await site.advance(100)
        _, page = await _page(site, id_, await _token(site, id_))
        assert "&lt;boom&gt;" in page
        assert "<script>" not in page
        assert "refresh" not in page


@pytest.mark.asyncio
async def test_the_page_needs_the_token_of_its_instance(visit: Any) -> None:
    """Another's does not open it."""
    async with visit(speed=0) as site:
        one, other = await site.script(count=2)
        assert (await _page(site, one, await _token(site, other)))[0] == 403
        assert (await _page(site, one, ""))[0] == 401
        assert (await _page(site, "nope", await _token(site, "nope")))[0] == 404
