-- Every commit has a known_at of its own, so the rows tell their commit even after compaction joined its file with others.
SELECT
  known_at,
  known_date,
  topic,
  "partition",
  min("offset") AS offset_first,
  max("offset") AS offset_last,
  count(DISTINCT "offset") AS messages,
  count(*) AS "rows"
FROM stored_signals
GROUP BY known_at, known_date, topic, "partition"
