"""The data docs inside Airflow, for logged-in users: "Data quality" on the navigation bar and on every DAG's page. And
what the market database says of itself: `/market/health` for a monitor, the rest as JSON for logged-in users.

Airflow mounts a plugin's app as it is, without authentication, and the pages show data values: so every route here asks
for Airflow's own user first, by its session cookie or bearer token; but for `/market/health`, which says a word and
nothing else. The site is what the data docs DAG built last, in `DERIBIT_DATA_DOCS_DIR`/current; it is looked up at each
request, so that a new build shows at once and whole.

Every component imports its plugins, each task as it starts included, so importing this module loads next to nothing.
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlparse

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from fastapi import FastAPI
    from psycopg import Connection
    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.types import Receive, Scope, Send

    from deribit_warehouse.health import Probe

NAME = "Data quality"
PREFIX = "/deribit-data-docs"
MARKET_PREFIX = "/market"
LONG_SECONDS = 20  # for what reads the whole history
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".md": "text/markdown"}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
}
PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body></html>"""
NOT_BUILT = PAGE.format(
    title="Data quality",
    text="No validation has run yet, or the data docs are not built. They are built after the first validation of a "
    "batch; the DAG that builds them can also be triggered by hand.",
)
NOT_FOUND = PAGE.format(
    title="No such page",
    text="It is pruned, or not built yet: the data docs keep the newest validations of each dataset. "
    '<a href="{root}/index.html">Every validation that is kept</a>',
)


def site() -> Path:
    """The folder of the newest build, resolved, whether it is there or not."""
    return (Path(os.environ.get("DERIBIT_DATA_DOCS_DIR", ".warehouse/data_docs")) / "current").resolve()


def bare(title: str, *dependencies: Any) -> "FastAPI":
    """An app whose every answer is private and that refuses as Airflow does. dependencies: of all its routes. Made at
    the first request, since it imports the API server's half of Airflow."""
    from airflow.api_fastapi.app import get_auth_manager
    from fastapi import FastAPI, HTTPException, Request
    from fastapi.responses import JSONResponse, RedirectResponse, Response

    # No schema and no documentation pages: those routes would be served without the guard.
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None, dependencies=dependencies)

    @app.middleware("http")
    async def add_headers(request: Request, call_next: "RequestResponseEndpoint") -> Response:
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> Response:
        """A browser without a login is sent to the login page, anything else is told so."""
        if error.status_code not in (401, 403):
            return JSONResponse({"detail": error.detail}, status_code=error.status_code)
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(get_auth_manager().get_url_login(next_url=back), status_code=302)
        return JSONResponse({"detail": error.detail}, status_code=401)

    return app


@cache
def app() -> "FastAPI":
    """The data docs, guarded."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, Request
    from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

    app = bare(NAME, Depends(get_user))

    @app.api_route("/dataset/{dag_id}", methods=["GET", "HEAD"])
    def dataset(request: Request, dag_id: str) -> Response:
        """The page of the dataset a DAG makes: `deribit_` and the dataset's name, or a name that begins so; else the
        index."""
        root, folder = request.scope["root_path"], site() / "datasets"
        named = [page.stem for page in folder.glob("*.html") if f"{dag_id}_".startswith(f"deribit_{page.stem}_")]
        if not named:
            return RedirectResponse(f"{root}/index.html", status_code=302)
        return RedirectResponse(f"{root}/datasets/{quote(max(named, key=len))}.html", status_code=302)

    @app.api_route("/{path:path}", methods=["GET", "HEAD"])
    def page(request: Request, path: str) -> Response:
        root = site()
        if path in ("", "index.html") and not (root / "index.html").is_file():
            return HTMLResponse(NOT_BUILT)
        if path == "":
            return RedirectResponse(f"{request.scope['root_path']}/index.html", status_code=302)
        file = file_of(root, path)
        if file is None:
            return HTMLResponse(NOT_FOUND.format(root=request.scope["root_path"]), status_code=404)
        return FileResponse(file, media_type=TYPES[file.suffix])

    return app


def file_of(root: Path, path: str) -> Path | None:
    """A file of the site, and nothing outside it: what `..`, a slash or a link leads to elsewhere is none."""
    try:
        file = (root / path).resolve()
        return file if file.is_relative_to(root) and file.is_file() and file.suffix in TYPES else None
    except (OSError, ValueError):  # a name too long, or with a null byte
        return None


@cache
def market_app() -> "FastAPI":
    """What the market database says of itself: health to anybody, the rest to who is logged in."""
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, HTTPException
    from fastapi.encoders import jsonable_encoder
    from fastapi.responses import JSONResponse, PlainTextResponse, Response

    from deribit_warehouse.health import Probe
    from deribit_warehouse.warehouse import freshness, incidents

    app, guarded = bare("Market data"), [Depends(get_user)]

    def word() -> str:
        with market(freshness.STATEMENT_SECONDS) as connection:
            return freshness.word(freshness.freshness(connection))

    def rows(question: "Callable[[Connection], list[dict[str, Any]]]") -> "Probe[list[dict[str, Any]] | None]":
        """What reads more may take longer, and is kept longer: of the whole history it takes seconds."""

        def ask() -> list[dict[str, Any]]:
            with market(LONG_SECONDS) as connection:
                return question(connection)

        return Probe(ask, None, keeps=60, patience=LONG_SECONDS + 5)

    health = Probe(word, freshness.UNKNOWN)
    told = {
        "freshness": rows(freshness.freshness),
        "coverage": rows(freshness.coverage),
        "condition": rows(freshness.condition),
        "incidents": rows(incidents.open_now),
    }

    @app.api_route("/health", methods=["GET", "HEAD"])
    async def say_health() -> Response:
        """The word, and 503 where somebody has to look."""
        said = await health.answer()
        return PlainTextResponse(f"{said}\n", status_code=200 if said in freshness.HEALTHY else 503)

    @app.api_route("/{path:path}", methods=["GET", "HEAD"], dependencies=guarded)
    async def say(path: str) -> Response:
        """Rows of how fresh each dataset is, of its newest closed months, of its newest days, or of what is wrong."""
        if path not in told:
            raise HTTPException(404, f"there is health, and {', '.join(told)}")
        if (found := await told[path].answer()) is None:
            raise HTTPException(503, "the market database can't be asked, or takes too long: ask the view itself")
        return JSONResponse(jsonable_encoder(found))

    return app


def market(seconds: int) -> "Connection":
    """A connection to the market database that only reads, statements of so many seconds at most. Raises what Airflow
    or psycopg raises without one."""
    from airflow.sdk import BaseHook

    from deribit_warehouse import settings
    from deribit_warehouse.warehouse.freshness import connected

    place = BaseHook.get_connection(settings.MARKET)
    secured = {name: value for name, value in place.extra_dejson.items() if name.startswith(("ssl", "gss", "channel"))}
    return connected(
        seconds=seconds,
        host=place.host,
        port=place.port,
        dbname=place.schema,
        user=place.login,
        password=place.password,
        **secured,
    )


async def serve(scope: "Scope", receive: "Receive", send: "Send") -> None:
    await app()(scope, receive, send)


async def serve_market(scope: "Scope", receive: "Receive", send: "Send") -> None:
    await market_app()(scope, receive, send)


# The UI puts an href in a frame as it is, so it has to hold the path Airflow is published under.
BASE = urlparse(conf.get("api", "base_url", fallback="/")).path.rstrip("/")


class DeribitDataDocsPlugin(AirflowPlugin):
    """Data quality in the UI."""

    name = "deribit_data_docs"
    # what Airflow reads of the class it declares as an instance's
    fastapi_apps: ClassVar = [  # type: ignore[misc]
        {"app": serve, "url_prefix": PREFIX, "name": NAME},
        {"app": serve_market, "url_prefix": MARKET_PREFIX, "name": "Market data"},
    ]
    external_views: ClassVar = [  # type: ignore[misc]
        {
            "name": NAME,
            "href": f"{BASE}{PREFIX}/index.html",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "deribit-data-quality",
        },
        {
            "name": NAME,
            "href": f"{BASE}{PREFIX}/dataset/{{DAG_ID}}",
            "destination": "dag",
            "url_route": "deribit-dataset-quality",
        },
    ]
