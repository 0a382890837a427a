-- What became of every message, per partition: accepted + duplicates + quarantined = consumed.
-- A duplicate repeats key, revision and content of an earlier message by (known_at, topic, partition, offset).
WITH messages AS (
  SELECT topic, "partition", "offset", record_key, revision, content_hash, known_at
  FROM stored_signals
  GROUP BY topic, "partition", "offset", record_key, revision, content_hash, known_at
),
placed AS (
  SELECT topic, "partition",
    row_number() OVER (
      PARTITION BY record_key, revision, content_hash
      ORDER BY known_at, topic, "partition", "offset") AS place
  FROM messages
),
taken AS (
  SELECT topic, "partition",
    sum(CASE WHEN place = 1 THEN 1 ELSE 0 END) AS accepted,
    sum(CASE WHEN place > 1 THEN 1 ELSE 0 END) AS duplicates
  FROM placed
  GROUP BY topic, "partition"
),
-- Quarantine commits before the signals that rest on it: what lies beyond their offsets is not yet consumed.
refused AS (
  SELECT q.topic, q."partition", count(DISTINCT q."offset") AS quarantined
  FROM stored_quarantine q
  LEFT JOIN progress p ON p.topic = q.topic AND p."partition" = q."partition"
  WHERE {beyond}
  GROUP BY q.topic, q."partition"
),
partitions AS (
  SELECT topic, "partition" FROM taken
  UNION
  SELECT topic, "partition" FROM refused
  UNION
  SELECT topic, "partition" FROM progress
)
SELECT
  k.topic,
  k."partition",
  {consumed} AS consumed,
  coalesce(t.accepted, 0) AS accepted,
  coalesce(t.duplicates, 0) AS duplicates,
  coalesce(r.quarantined, 0) AS quarantined
FROM partitions k
LEFT JOIN taken t ON t.topic = k.topic AND t."partition" = k."partition"
LEFT JOIN refused r ON r.topic = k.topic AND r."partition" = k."partition"
LEFT JOIN progress p ON p.topic = k.topic AND p."partition" = k."partition"
