INSERT INTO review_settings VALUES ('old', 'leaves', '[["Apparel", "Shirts"], ["Apparel", "Tops"]]');
INSERT INTO review_settings VALUES ('old', 'secret', '"kept"');
INSERT INTO review_queue (run_id, position, id, master, master_confidence, article, article_confidence, alternatives, reasons, reason_bits, columns, current, refused, claimed_until) VALUES ('old', 1, 'a', 'Apparel', 0.9, 'Shirts', 0.4, '[]', '["low_confidence"]', 1, '{}', 1, false, 0);
INSERT INTO review_queue (run_id, position, id, master, master_confidence, article, article_confidence, alternatives, reasons, reason_bits, columns, refused, claimed_until) VALUES ('old', 2, 'b', 'Apparel', 0.9, 'Shirts', 0.5, '[]', '["low_confidence"]', 1, '{}', false, 0);
INSERT INTO review_decisions (run_id, position, verdict, master, article, decided_by, decided_at, session, stroke) VALUES ('old', 1, 'corrected', 'Apparel', 'Tops', 'Ann', '2026-01-02 03:04:05', 'another', 't')
