-- A table of as many rows as the program's argument says.
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO t SELECT i, printf('%08x', (i * 2654435761) & 4294967295), i * 0.37 FROM n;
CREATE INDEX tb ON t(b);
SELECT count(*), sum(c), min(b), max(b) FROM t;
SELECT substr(b, 1, 1) AS k, count(*), round(avg(c), 6) FROM t GROUP BY k ORDER BY k;
SELECT count(*) FROM t AS x JOIN t AS y ON y.b = printf('%08x', (x.a * 2 * 2654435761) & 4294967295);
UPDATE t SET c = c * 2 WHERE a % 3 = 0;
DELETE FROM t WHERE b LIKE '%a%';
SELECT count(*), sum(c) FROM t;
SELECT a, b FROM t ORDER BY b DESC LIMIT 5;
