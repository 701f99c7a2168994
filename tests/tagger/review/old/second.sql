ALTER TABLE review_queue ADD COLUMN picture VARCHAR;
CREATE INDEX review_queue_picture ON review_queue (run_id, picture, current, position)
