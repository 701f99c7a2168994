CREATE TABLE review_settings (run_id VARCHAR NOT NULL, name VARCHAR NOT NULL, value JSON NOT NULL, PRIMARY KEY (run_id, name));
CREATE TABLE review_queue (
  run_id VARCHAR NOT NULL, position INTEGER NOT NULL, id VARCHAR NOT NULL, image_ref VARCHAR, master VARCHAR NOT NULL,
  master_confidence FLOAT NOT NULL, article VARCHAR NOT NULL, article_confidence FLOAT NOT NULL, alternatives JSON NOT NULL,
  reasons JSON NOT NULL, reason_bits INTEGER NOT NULL, blur_score FLOAT, known_master VARCHAR, known_article VARCHAR,
  title TEXT, columns JSON NOT NULL, current INTEGER, refused BOOLEAN NOT NULL, claimed_by VARCHAR,
  claimed_until FLOAT NOT NULL, PRIMARY KEY (run_id, position));
CREATE INDEX review_queue_open ON review_queue (run_id, current, article_confidence, reason_bits, refused, master, article);
CREATE INDEX review_queue_class ON review_queue (run_id, current, article, master, refused, article_confidence, reason_bits);
CREATE UNIQUE INDEX review_queue_id ON review_queue (run_id, id);
CREATE INDEX review_queue_claims ON review_queue (run_id, claimed_by);
CREATE TABLE review_skips (run_id VARCHAR NOT NULL, session VARCHAR NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (run_id, session, position));
CREATE TABLE review_decisions (
  seq SERIAL NOT NULL, run_id VARCHAR NOT NULL, position INTEGER NOT NULL, verdict VARCHAR NOT NULL, master VARCHAR,
  article VARCHAR, decided_by VARCHAR NOT NULL, decided_at TIMESTAMP NOT NULL, session VARCHAR NOT NULL,
  stroke VARCHAR NOT NULL, before INTEGER, undoes INTEGER, PRIMARY KEY (seq),
  FOREIGN KEY (run_id, position) REFERENCES review_queue (run_id, position));
CREATE INDEX review_decisions_session ON review_decisions (run_id, session, seq);
CREATE INDEX review_decisions_undone ON review_decisions (undoes);
CREATE INDEX review_decisions_item ON review_decisions (run_id, position, seq);
CREATE INDEX review_decisions_person ON review_decisions (run_id, decided_by, decided_at)
