"""The page of a proposal's moves: one HTML file without external resources."""

import shlex
from collections.abc import Mapping, Sequence

from tagger.comparing.proposals import JudgedMove
from tagger.evaluation.standalone import page_environment


def page_of(
    moves: Sequence[JudgedMove], tiles: Mapping[int, Sequence[tuple[str, str]]], precision: float, folder: str
) -> str:
    """Render the page as HTML.

    Args:
        moves: The moves, the largest first.
        tiles: Ids and thumbnails of some items of each move to show.
        precision: What the answers have to show, 0 to 1.
        folder: The proposal's, for the command that opens its samples.
    """
    environment = page_environment(__file__)
    return environment.get_template("moves.html").render(
        moves=moves, tiles=tiles, precision=precision, folder=shlex.quote(folder),
        items=sum(move.items for move in moves),
        states={state: sum(m.items for m in moves if m.state == state) for state in ("accepted", "rejected", "open")},
    )  # fmt: skip
