"""The tables of a review, its queue and its log of decisions, in SQLite or PostgreSQL."""

from sqlalchemy import (
    Column,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy.types import JSON, Boolean

READ_ONLY = {"read_only": True}
"""Execution options of a connection that only reads; SQLite then lets others write meanwhile."""
_WAITING = ("run_id", "current")
_FILTERED = ("reason_bits", "refused", "proposal")
_JSON_OR_NULL = JSON(none_as_null=True)

metadata = MetaData()

settings = Table(
    "review_settings",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", JSON, nullable=False),
)

queue = Table(
    "review_queue",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),  # in the run
    Column("id", String, nullable=False),
    Column("image_ref", String),
    Column("master", String, nullable=False),
    Column("master_confidence", Float, nullable=False),
    Column("article", String, nullable=False),
    Column("article_confidence", Float, nullable=False),
    Column("alternatives", JSON, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("reason_bits", Integer, nullable=False),  # the same, for filters; one more where a refit accepted the item
    Column("blur_score", Float),
    Column("known_master", String),
    Column("known_article", String),
    Column("title", Text),
    Column("columns", JSON, nullable=False),
    Column("picture", String),  # a key that items with one picture share; null where no other item has it
    Column("suggested_master", String),  # in an audit, the suggested label; null where nothing is suggested
    Column("suggested_article", String),
    Column("suggested_confidence", Float),
    Column("attributes", _JSON_OR_NULL),  # predicted further tags; null where none are
    Column("images", _JSON_OR_NULL),  # of an item with several images, what each says; else null
    Column("evidence", _JSON_OR_NULL),  # what image and title say by themselves; null where only images were asked
    Column("accord", Float, nullable=False, server_default="0"),  # confidence, less 2 for each witness that disagrees
    Column("shuffled", Float, nullable=False, server_default="0"),  # a random order, 0 to 1, by the id alone
    Column("current", Integer),  # the current decision; null while the item waits
    Column("refused", Boolean, nullable=False, default=False),  # marked wrong in the grid; to be reviewed alone
    Column("flag", Text),  # the note with which somebody flagged it; null where nobody did
    Column("proposal", Text),  # the key of the class that somebody proposed for it
    Column("claimed_by", String),  # a session
    Column("claimed_who", String),  # its person's name
    Column("claimed_ahead", Boolean, nullable=False, server_default=false()),  # nobody looks at it yet
    Column("claimed_until", Float, nullable=False, default=0.0),
    Column("claimed_since", Float),  # by the same session; null where nobody holds it
    # covering indexes: filters and counts read no row
    Index("review_queue_open", *_WAITING, "article_confidence", *_FILTERED, "master", "article"),
    Index("review_queue_class", *_WAITING, "article", "master", *_FILTERED, "article_confidence"),
    Index("review_queue_proposal", "run_id", "proposal"),
    Index("review_queue_accord", *_WAITING, "accord", "position", *_FILTERED),
    Index("review_queue_shuffled", "run_id", "shuffled", "reason_bits", "current", "position"),
    Index("review_queue_id", "run_id", "id", unique=True),
    Index("review_queue_claims", "run_id", "claimed_by"),
    Index("review_queue_picture", "run_id", "picture", "current", "position"),
)

decisions = Table(
    "review_decisions",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("run_id", String, nullable=False),
    Column("position", Integer, nullable=False),
    Column("verdict", String, nullable=False),
    Column("master", String),
    Column("article", String),
    Column("attributes", _JSON_OR_NULL),  # further tags that the person set; null where none were
    Column("note", Text),  # what the person wrote
    Column("decided_by", String, nullable=False),
    Column("decided_at", DateTime, nullable=False),  # UTC
    Column("session", String, nullable=False),
    Column("stroke", String, key="action_id", nullable=False),  # one key press, which may decide many items
    Column("before", Integer),  # the previous decision
    Column("undoes", Integer),  # the entry that this one undoes
    ForeignKeyConstraint(["run_id", "position"], ["review_queue.run_id", "review_queue.position"]),
    Index("review_decisions_session", "run_id", "session", "seq"),
    Index("review_decisions_undone", "undoes"),
    Index("review_decisions_item", "run_id", "position", "seq"),
    Index("review_decisions_verdict", "run_id", "verdict", "seq"),
    Index("review_decisions_person", "run_id", "decided_by", "decided_at"),
    sqlite_autoincrement=True,
)

words = Table(  # apart from the queue, so that a search reads little
    "review_words",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("words", Text, nullable=False),  # small letters of title, id and columns
)

values = Table(  # of the manifest's columns with few values
    "review_values",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
)

proposals = Table(
    "review_proposals",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("key", String, primary_key=True),  # both names in small letters
    Column("master", String, nullable=False),
    Column("article", String, nullable=False),
    Column("proposed_by", String, nullable=False),
    Column("proposed_at", DateTime, nullable=False),  # UTC
    Column("settled", String),  # accepted, merged or declined; null while nobody has
    Column("settled_by", String),
    Column("settled_at", DateTime),  # UTC
)

second_answers = Table(  # of another person, about items that are decided; the first answer stands
    "review_second_answers",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("verdict", String, nullable=False),
    Column("master", String),
    Column("article", String),
    Column("decided_by", String, nullable=False),
    Column("decided_at", DateTime, nullable=False),  # UTC
)

refits = Table(  # of the model's head to the answers so far
    "review_refits",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1
    Column("answers", Integer, nullable=False),  # about items that may leave, when it began
    Column("drawn", Integer, nullable=False),  # answers about items that were drawn at random
    Column("needed", Integer, nullable=False),  # the fewest drawn answers that can show the targets
    Column("accepted", Integer, nullable=False),
    Column("why_none", String),  # null where it accepted items
    Column("made_at", DateTime, nullable=False),  # UTC
)

refit_tags = Table(  # what the newest refit is sure of, and what earlier ones said of items that were decided since
    "review_refit_tags",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("refit", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("master", String, nullable=False),
    Column("master_confidence", Float, nullable=False),
    Column("article", String, nullable=False),
    Column("article_confidence", Float, nullable=False),
    Column("checked", Boolean, nullable=False),  # whether a person is asked all the same
    Column("made_at", DateTime, nullable=False),  # UTC
)

groups = Table(  # of items that show one picture, as tagger duplicates found them
    "review_groups",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 1, those whose labels differ first
    Column("found_as", Integer, nullable=False),  # the group's number in groups.parquet
    Column("picture", String, nullable=False),  # the key that its items have in the queue
    Column("conflict", Boolean, nullable=False),  # whether labels differ
    Column("items", JSON, nullable=False),
    Column("same", Boolean),  # whether they show one picture to the person who was asked; null while nobody answered
    Column("apart", _JSON_OR_NULL),  # ids of the items that do not belong
    Column("unbound", _JSON_OR_NULL),  # positions of the items that the answer took the picture's key from
    Column("decided_by", String),
    Column("decided_at", DateTime),  # UTC
    Column("session", String),  # whose answer or skip it was
    Column("action", Integer),  # the order of answers and skips, for the undo; null where it was undone
    Column("skipped", Integer, nullable=False, server_default="0"),  # how often; skipped groups come again at the end
    Column("claimed_by", String),  # a session
    Column("claimed_who", String),  # its person's name
    Column("claimed_until", Float, nullable=False, server_default="0"),
    Index("review_groups_open", "run_id", "same", "skipped", "number"),
    Index("review_groups_session", "run_id", "session", "action"),
)

skips = Table(
    "review_skips",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("session", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
)

people = Table(  # all times: seconds since 1970 by the database's clock
    "review_people",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("invitation", String),  # SHA-256 of the open invitation's key; null where none is open
    Column("invited_at", Float),
    Column("invited_by", String),  # null for who started the command
    Column("invited_until", Float),
    Column("joined_at", Float),
    Column("ended_at", Float),  # null while the person belongs to the review
    Column("ended_by", String),
)

sessions = Table(
    "review_sessions",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("person", String, nullable=False),
    Column("browser", String, nullable=False),
    Column("token", String),  # digest of the token that opened it; null where an invitation did
    Column("began", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("ended", Float),
    Index("review_sessions_person", "run_id", "person"),
)
