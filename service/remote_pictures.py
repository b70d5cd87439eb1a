"""Pictures answered by a service, for `goodserve predict --url`; needs the extra `client`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from service.client import Client, GoodserveError, PredictOptions
from service.client.calls import predicting
from service.client.results import Prediction
from service.pictures import PicturesError
from service.predict_flags import Answered, Asked, Server
from service.rows import PATH, Row, RowsError, name_of


def answer(paths: Iterable[Path], asked: Asked, server: Server) -> Iterator[Answered]:
    """Ask a service about files; they are read as its answers come.

    Raises:
        RowsError: the key or the version cannot be one; nothing is sent.
        PicturesError: it does not answer, whatever the picture.
    """
    model, _, version = (asked.version or asked.model or "").partition("/")
    options = PredictOptions(
        model=model or None,
        version=version or None,
        top_k=asked.top_k,
        confidence=asked.confidence,
    )
    assert server.url is not None  # noqa: S101  or this machine would answer
    try:
        predicting(options)
        client = Client(server.url, api_key=server.api_key)
    except ValueError as error:
        raise RowsError(str(error)) from error
    return _answers(client, paths, options, asked, server)


def _answers(
    client: Client, paths: Iterable[Path], options: PredictOptions, asked: Asked, server: Server
) -> Iterator[Answered]:
    try:
        with client:
            found = client.predict_files(paths, concurrency=server.concurrency, **options)
            for each in found:
                path = Path(each.path)
                if each.prediction is None:
                    yield Answered(path, error=str(each.error))
                else:
                    yield Answered(path, _row(path, each.prediction, asked))
    except GoodserveError as error:
        message = f"{server.url}: {error}"
        raise PicturesError(message) from error


def _row(path: Path, found: Prediction, asked: Asked) -> Row:
    row: Row = {PATH: name_of(path), "label": found.label, "probability": found.probability}
    if found.familiarity is not None:
        row["familiarity"] = found.familiarity
    if asked.top_k > 1:
        row["classes"] = [
            {"label": each.label, "probability": each.probability} for each in found.classes
        ]
    if found.conformal_set is not None:
        row["conformal_set"] = [*found.conformal_set]
    return {**row, "model": str(found.model)}
