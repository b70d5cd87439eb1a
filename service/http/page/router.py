"""The routes of the page: `/`, `/docs`, `/favicon.ico` and the files that they load."""

from collections.abc import Mapping

from fastapi import APIRouter, HTTPException, Request, Response

from service.http.page.files import PageFile, read_files, respond

# The paths that a browser or a person types, and the file that each gives. Browsers take a favicon
# by its type, not by its name.
_NAMED = {"/": "index.html", "/docs": "docs.html", "/favicon.ico": "favicon.svg"}


def page_router() -> APIRouter:
    """Make the routes of the page; its files are read now, and held."""
    router, files = APIRouter(include_in_schema=False), read_files()
    for path, name in _NAMED.items():
        _add(router, path, files[name])

    @router.get("/page/{name}")
    async def file(request: Request, name: str) -> Response:
        return respond(_find(files, name), request.headers.get("if-none-match", ""))

    return router


def _add(router: APIRouter, path: str, file: PageFile) -> None:
    @router.get(path)
    async def named(request: Request) -> Response:
        return respond(file, request.headers.get("if-none-match", ""))


def _find(files: Mapping[str, PageFile], name: str) -> PageFile:
    """Find a file by its name.

    Raises:
        HTTPException: there is none.
    """
    if name not in files:
        raise HTTPException(404, f"the page has no file {name!r}; it has {', '.join(files)}")
    return files[name]
