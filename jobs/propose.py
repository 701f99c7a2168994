"""The propose command: puts a run's changes up as moves, to accept or reject."""

from tagger.comparing.proposals import JudgedMove, MoveState
from tagger.jobs.shell.console import Console
from tagger.jobs.shell.next_command import next_line
from tagger.schemas.configs.compare import ProposeConfig
from tagger.workflows.propose import PAGE, ProposeResult, propose

_MOST_MOVES = 20


def run(config: ProposeConfig, console: Console) -> int:
    """Say what each move is, and what is known of it."""
    _say(config, console, propose(config, console))
    return 0


def _say(config: ProposeConfig, console: Console, result: ProposeResult) -> None:
    console.table(
        f"{result.items:,} items change, in {len(result.moves):,} moves",
        ["move", "before", "now", "items", "judged", "right", "state"],
        [
            (
                m.number, m.old or "(nothing)", m.new, m.items, m.bound.answers, m.bound.right,
                f"{m.state}{_missing(m)}",
            )
            for m in result.moves[:_MOST_MOVES]
        ],
    )  # fmt: skip
    if not result.moves:
        console.say("The run changes nothing that a model has tagged, and tags nothing new.")
    for state in MoveState if result.moves else ():
        count = sum(move.state == state for move in result.moves)
        console.say(f"{state}: {result.in_state(state):,} items in {count:,} {'move' if count == 1 else 'moves'}")
    console.say(f"Page: {result.out / PAGE}")
    console.result(
        {
            "out": str(result.out),
            "items": result.items,
            "judged": result.judged,
            "toJudge": result.to_judge,
            "states": {str(state): result.in_state(state) for state in MoveState},
            "moves": [
                {
                    "number": m.number, "from": m.old or None, "to": m.new, "items": m.items, "drawn": m.drawn,
                    "judged": m.bound.answers, "right": m.bound.right, "lowest": m.bound.lowest,
                    "highest": m.bound.highest, "needed": m.needed, "state": str(m.state), "byPerson": m.by_person,
                }
                for m in result.moves
            ],
        }
    )  # fmt: skip
    if result.in_state(MoveState.OPEN) and result.judged < result.to_judge:
        console.say(next_line(config, "review", "--run", str(result.out)))
    else:
        words = ("export", config.run, "--proposal", str(result.out), "--map", "map.yaml", "--current", "EXPORT")
        console.say(next_line(config, *words, "--out", "export"))


def _missing(move: JudgedMove) -> str:
    """What an open move waits for, in words."""
    if move.state is not MoveState.OPEN:
        return ""
    if not move.bound.answers:
        return f", {move.needed} answers suffice"
    return f", about {move.further} more" if move.further is not None else ", too many are wrong so far"


if __name__ == "__main__":
    from tagger.jobs.shell.cli import main

    main(job="propose")
