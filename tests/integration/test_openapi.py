"""The served OpenAPI document is complete, and the real application over loopback never answers anything else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.routing import Route
from tests.front_door import opened
from tests.serving import served

from tacita.api import openapi
from tacita.api.app import SUBMIT_PATH
from tacita.cli.init import make_deployment


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("openapi") / "deployment"
    make_deployment(folder, round_size=1_000)
    with served(folder) as url:
        yield url


@pytest.fixture(scope="module")
def served_schema(url: str) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{url}/openapi.json")


def test_the_document_has_every_route_and_no_other(database: str, tmp_path: Path) -> None:
    with opened(database, tmp_path) as front:
        routes = [route for route in front.app.routes if isinstance(route, Route) and route.path != "/openapi.json"]

    routed = {(method, route.path) for route in routes for method in (route.methods or set()) - {"HEAD"}}
    assert set(openapi.OPERATIONS) == routed | {("POST", SUBMIT_PATH)}


def test_the_document_is_served_and_shows_no_page_that_loads_from_elsewhere(url: str) -> None:
    assert httpx.get(f"{url}/openapi.json", trust_env=False).json() == openapi.document()
    assert httpx.get(f"{url}/docs", trust_env=False).status_code == 404


@pytest.mark.parametrize(("method", "path"), sorted(openapi.OPERATIONS))
def test_what_fits_the_document_is_answered_as_documented(served_schema: BaseSchema, method: str, path: str) -> None:
    _try(served_schema[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE))


@pytest.mark.parametrize("path", sorted(path for method, path in openapi.OPERATIONS if method == "POST"))
def test_what_does_not_fit_is_refused_as_documented(served_schema: BaseSchema, path: str) -> None:
    _try(served_schema[path]["POST"].as_strategy(generation_mode=GenerationMode.NEGATIVE))


def _try(cases: SearchStrategy[schemathesis.Case[Any]]) -> None:
    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def answered_as_documented(case: schemathesis.Case[Any]) -> None:
        # Of what fits the schema, only what a device's key has signed is accepted.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    answered_as_documented()
