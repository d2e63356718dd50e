"""What every test may use: the rewrite switch, and how long hypothesis looks."""

import pytest
from hypothesis import settings

# No deadline: a busy machine is not a fault. `--hypothesis-profile=deep` looks a hundred times longer.
settings.register_profile("quick", deadline=None, max_examples=100)
settings.register_profile("deep", deadline=None, max_examples=10_000)
settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write what came out into the expected files; the diff is the review"
    )


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    """Whether expected files are to be written instead of compared."""
    return bool(request.config.getoption("--rewrite"))
