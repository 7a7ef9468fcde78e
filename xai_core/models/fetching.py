"""Published files fetched by the address that the manifest names: resumed where they broke off, checked by their SHA-256.

Nothing is fetched without being asked for. Where there is no network, the error says what to download and where to put it; a file put
there by hand is taken as if it had been fetched.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xai_core.errors import ModelError
from xai_core.models.adding import added, looked_at
from xai_core.models.card import Card
from xai_core.models.card_text import table_of
from xai_core.models.places import downloads_folder
from xai_core.models.shelf import manifest_cards, own_folders

Progress = Callable[[int, int], None]
CHUNK = 1 << 18
TIMEOUT_SECONDS = 30.0
ATTEMPTS = 5
"""How often a transfer that breaks off is taken up again without a byte more having come."""
_OF_THE_FILE = ("sha256", "bytes", "url", "file", "labels")
_BROKEN = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)


def to_fetch(name: str, cards: Mapping[str, Card] | None = None) -> Card:
    """The manifest's card of ``name``; raises :class:`ModelError` for one that is not to be fetched, and says why."""
    known = manifest_cards() if cards is None else cards
    wanted = {name: card for name, card in known.items() if not card.shipped}
    if name in known and known[name].shipped:
        raise ModelError(f"The weights of '{name}' are shipped.", "Use them: there is nothing to fetch.")
    if name not in wanted:
        raise ModelError(f"The manifest names no model '{name}'.", f"To be fetched: {', '.join(wanted) or 'none'}.")
    return wanted[name]


def fetched(card: Card, folder: Path | None = None, progress: Progress | None = None) -> Path:
    """The publisher's file of ``card``, from the folder of downloads or from its address; its SHA-256 is right.

    ``progress(bytes so far, bytes in all or 0)``. Raises :class:`ModelError`: without network with address and place, and for
    a file that is not the one that the manifest describes (it is removed).
    """
    place = folder or downloads_folder()
    target = place / card.file if card.file else place
    if not (card.file and target.is_file()):
        if not card.url:
            raise ModelError(
                f"The file of '{card.name}' has no address that it could be fetched from.", _by_hand(card, target)
            )
        try:
            place.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f"{target.name}.part")
            _transfer(card, part, progress)
            _check(card, part)
            part.replace(target)
        except OSError as problem:
            raise ModelError(
                f"'{card.file}' could not be fetched: {_reason(problem)}.", _by_hand(card, target)
            ) from None
        except http.client.HTTPException as problem:
            raise ModelError(
                f"'{card.file}' could not be fetched: {_reason(problem)}.", _by_hand(card, target)
            ) from None
    _check(card, target)
    return target


def installed(card: Card, file: Path, folder: Path | None = None) -> Path:
    """The fetched file as a folder of one's own models, under the manifest's name and with what its card says."""
    if card.name in own_folders(folder):
        raise ModelError(f"There is a model '{card.name}' already.", "Remove its folder to fetch it anew.")
    said: dict[str, Any] = {key: value for key, value in table_of(card).items() if key not in _OF_THE_FILE}
    found = looked_at(file, card.file, architecture=card.loader, labels=card.labels, name=card.name, more=said)
    return added(found, folder)


def _transfer(card: Card, part: Path, progress: Progress | None) -> None:
    """Bring ``part`` to its end, going on where it stands; raises the last error where nothing more comes."""
    idle = 0
    while True:
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _went_to_the_end(card, part, before, progress):
                return
            problem: BaseException = http.client.IncompleteRead(b"")
        except urllib.error.HTTPError as error:
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            part.unlink(missing_ok=True)  # longer than the server's: another file
            problem = error
        except _BROKEN as error:
            problem = error
        after = part.stat().st_size if part.is_file() else 0
        idle = 0 if after > before else idle + 1
        if idle >= ATTEMPTS or (idle and not after):
            raise problem


def _went_to_the_end(card: Card, part: Path, start: int, progress: Progress | None) -> bool:
    request = urllib.request.Request(card.url, headers={"User-Agent": "lightbox", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        done = start if goes_on else 0
        length = answer.headers.get("Content-Length")
        whole = done + int(length) if length else 0
        with part.open("ab" if goes_on else "wb") as file:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, whole)
    return not whole or done >= whole


def _check(card: Card, file: Path) -> None:
    content = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            content.update(chunk)
    if not content.hexdigest().startswith(card.sha256):
        file.unlink(missing_ok=True)
        raise ModelError(
            f"'{card.file}' is not the file that the manifest describes (SHA-256 {content.hexdigest()[:16]}..., expected "
            f"{card.sha256[:16]}...), and was removed.",
            "Fetch it again; if it stays so, its publisher has changed it.",
        )


def _by_hand(card: Card, target: Path) -> str:
    size = f" ({card.bytes / 1e6:.0f} MB)" if card.bytes else ""
    where = f"Download {card.url}{size}" if card.url else card.where or "Ask its authors for it"
    return f"{where.rstrip('.')}, put it at {target}, and run the command again."


def _reason(problem: BaseException) -> str:
    reason = getattr(problem, "reason", None) or getattr(problem, "strerror", None) or problem
    return str(reason).strip() or type(problem).__name__
