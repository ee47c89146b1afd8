-- What the funding rates of a symbol were like over the last day, week and month.

-- numerator / denominator as the library divides: 40 decimals, rounded half up. Null where there is nothing to divide by.
CREATE FUNCTION market.quotient(numerator numeric, denominator numeric) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT round(numerator * 1.000000000000000000000000000000000000000000000000000000000000 / nullif(denominator, 0), 40)
$$;
--> statement-breakpoint
CREATE TYPE market.funding_rate_figures AS (
  exchange text,
  symbol text,
  current_rate numeric,
  current_annualised_rate numeric,
  current_is_estimated boolean,
  interval_hours integer,
  last_funding_time timestamptz(3),
  mean_rate_24h numeric,
  mean_rate_7d numeric,
  mean_rate_30d numeric,
  mean_annualised_rate_24h numeric,
  mean_annualised_rate_7d numeric,
  mean_annualised_rate_30d numeric,
  highest_rate_24h numeric,
  lowest_rate_24h numeric,
  highest_rate_30d numeric,
  lowest_rate_30d numeric,
  extreme_positive_count_7d bigint,
  extreme_negative_count_7d bigint,
  rate_count_24h bigint,
  rate_count_7d bigint,
  rate_count_30d bigint
);
--> statement-breakpoint

-- The figures of one symbol at a moment; no row if it had no rate by then. Windows end at that moment, which belongs to
-- them, and hold settled rates alone: an estimate is nothing that anybody paid. They are told in hours, since a day of the
-- session's time zone may have 23 or 25. The yearly mean weighs each rate with its hours, so that it is what holding cost.
CREATE FUNCTION market.funding_rate_analysis_of(of_exchange text, of_symbol text, at timestamptz)
RETURNS SETOF market.funding_rate_figures LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT latest.exchange, latest.symbol, latest.rate, latest.annualised_rate, latest.is_estimated, latest.interval_hours,
    latest.funding_time,
    market.quotient(total.rate_24h, total.count_24h), market.quotient(total.rate_7d, total.count_7d),
    market.quotient(total.rate_30d, total.count_30d),
    market.quotient(total.rate_24h * 8760, total.hours_24h), market.quotient(total.rate_7d * 8760, total.hours_7d),
    market.quotient(total.rate_30d * 8760, total.hours_30d),
    total.highest_24h, total.lowest_24h, total.highest_30d, total.lowest_30d,
    total.extreme_positive_7d, total.extreme_negative_7d, total.count_24h, total.count_7d, total.count_30d
  FROM (
    SELECT f.exchange, f.symbol, f.rate, f.annualised_rate, f.is_estimated, f.interval_hours, f.funding_time
    FROM market.funding_rates f
    WHERE f.exchange = of_exchange AND f.symbol = of_symbol AND f.funding_time <= at
    ORDER BY f.funding_time DESC LIMIT 1
  ) latest
  CROSS JOIN (
    SELECT
      count(*) FILTER (WHERE f.funding_time > at - interval '24 hours') AS count_24h,
      count(*) FILTER (WHERE f.funding_time > at - interval '168 hours') AS count_7d,
      count(*) AS count_30d,
      sum(f.rate) FILTER (WHERE f.funding_time > at - interval '24 hours') AS rate_24h,
      sum(f.rate) FILTER (WHERE f.funding_time > at - interval '168 hours') AS rate_7d,
      sum(f.rate) AS rate_30d,
      sum(f.interval_hours) FILTER (WHERE f.funding_time > at - interval '24 hours') AS hours_24h,
      sum(f.interval_hours) FILTER (WHERE f.funding_time > at - interval '168 hours') AS hours_7d,
      sum(f.interval_hours) AS hours_30d,
      max(f.rate) FILTER (WHERE f.funding_time > at - interval '24 hours') AS highest_24h,
      min(f.rate) FILTER (WHERE f.funding_time > at - interval '24 hours') AS lowest_24h,
      max(f.rate) AS highest_30d,
      min(f.rate) AS lowest_30d,
      count(*) FILTER (WHERE f.funding_time > at - interval '168 hours' AND f.rate > 0.0005) AS extreme_positive_7d,
      count(*) FILTER (WHERE f.funding_time > at - interval '168 hours' AND f.rate < -0.0005) AS extreme_negative_7d
    FROM market.funding_rates f
    WHERE f.exchange = of_exchange AND f.symbol = of_symbol
      AND f.funding_time > at - interval '720 hours' AND f.funding_time <= at AND NOT f.is_estimated
  ) total
$$;
--> statement-breakpoint

-- The same of every symbol. It goes from one symbol to the next in the primary key, and so reads no history to find them.
CREATE FUNCTION market.funding_rate_analysis_at(at timestamptz)
RETURNS SETOF market.funding_rate_figures LANGUAGE sql STABLE PARALLEL SAFE AS $$
  WITH RECURSIVE pair AS (
    (SELECT f.exchange, f.symbol FROM market.funding_rates f ORDER BY f.exchange, f.symbol LIMIT 1)
    UNION ALL
    SELECT next.exchange, next.symbol FROM pair CROSS JOIN LATERAL (
      SELECT f.exchange, f.symbol FROM market.funding_rates f
      WHERE (f.exchange, f.symbol) > (pair.exchange, pair.symbol) ORDER BY f.exchange, f.symbol LIMIT 1
    ) next
  )
  SELECT pair.exchange, pair.symbol, found.current_rate, found.current_annualised_rate, found.current_is_estimated,
    found.interval_hours, found.last_funding_time, found.mean_rate_24h, found.mean_rate_7d, found.mean_rate_30d,
    found.mean_annualised_rate_24h, found.mean_annualised_rate_7d, found.mean_annualised_rate_30d,
    found.highest_rate_24h, found.lowest_rate_24h, found.highest_rate_30d, found.lowest_rate_30d,
    found.extreme_positive_count_7d, found.extreme_negative_count_7d,
    found.rate_count_24h, found.rate_count_7d, found.rate_count_30d
  FROM pair CROSS JOIN LATERAL market.funding_rate_analysis_of(pair.exchange, pair.symbol, at) found
$$;
--> statement-breakpoint
CREATE VIEW market.funding_rate_analysis AS SELECT * FROM market.funding_rate_analysis_at(now());
--> statement-breakpoint

-- The functions below are in plpgsql: written out in the statement around them, a search through the partitions would be
-- planned with all of them each time, and soon look so costly that the server compiles it. Durations are told in hours, as
-- above.

-- The last candle of a series that opened before a moment.
CREATE FUNCTION market.candle_before(of_series bigint, at timestamptz)
RETURNS TABLE (open_time timestamptz(3), close numeric) LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE ROWS 1 AS $$
BEGIN
  RETURN QUERY SELECT c.open_time, c.close FROM market.candles c
    WHERE c.series_id = of_series AND c.open_time < at ORDER BY c.open_time DESC LIMIT 1;
END $$;
--> statement-breakpoint

-- Each series that has a candle, with its last one and the day before it, all in one scan; the candle of 24 hours before is
-- looked for only where it is missing there.
CREATE VIEW market.summary AS
WITH RECURSIVE publisher AS (
  SELECT min(g.source) AS source FROM market.fear_greed g
  UNION ALL
  SELECT (SELECT min(g.source) FROM market.fear_greed g WHERE g.source > publisher.source)
  FROM publisher
  WHERE publisher.source IS NOT NULL
)
SELECT
  s.exchange,
  s.symbol,
  s.timeframe,
  s.last_open_time AS open_time,
  recent.open,
  recent.high,
  recent.low,
  recent.close,
  recent.volume,
  recent.complete,
  market.quotient(recent.close - recent.open, recent.open) AS change_fraction,
  market.quotient(recent.close - coalesce(recent.close_before, earlier.close), coalesce(recent.close_before, earlier.close))
    AS change_fraction_24h,
  CASE WHEN recent.close_before IS NULL THEN earlier.open_time ELSE day.before END AS compared_open_time,
  recent.high_24h,
  recent.low_24h,
  recent.volume_24h,
  funding.rate AS funding_rate,
  funding.annualised_rate AS funding_annualised_rate,
  funding.funding_time,
  funding.is_estimated AS funding_is_estimated,
  mood.source AS fear_greed_source,
  mood.value AS fear_greed_value,
  mood.class AS fear_greed_class,
  mood.measured_at AS fear_greed_measured_at,
  s.last_price_at
FROM market.series s
CROSS JOIN LATERAL (
  SELECT CASE WHEN s.timeframe NOT IN ('3d', '1w', '1M') THEN (s.last_open_time - interval '24 hours')::timestamptz(3) END AS before
) day
CROSS JOIN LATERAL (
  SELECT
    max(c.open) FILTER (WHERE c.open_time = s.last_open_time) AS open,
    max(c.high) FILTER (WHERE c.open_time = s.last_open_time) AS high,
    max(c.low) FILTER (WHERE c.open_time = s.last_open_time) AS low,
    max(c.close) FILTER (WHERE c.open_time = s.last_open_time) AS close,
    max(c.volume) FILTER (WHERE c.open_time = s.last_open_time) AS volume,
    bool_or(c.complete) FILTER (WHERE c.open_time = s.last_open_time) AS complete,
    max(c.close) FILTER (WHERE c.open_time = day.before) AS close_before,
    max(c.high) FILTER (WHERE c.open_time > day.before) AS high_24h,
    min(c.low) FILTER (WHERE c.open_time > day.before) AS low_24h,
    sum(c.volume) FILTER (WHERE c.open_time > day.before) AS volume_24h
  FROM market.candles c
  WHERE c.series_id = s.id AND c.open_time BETWEEN coalesce(day.before, s.last_open_time) AND s.last_open_time
) recent
LEFT JOIN LATERAL market.candle_before(s.id, CASE WHEN recent.close_before IS NULL THEN day.before END) earlier ON true
LEFT JOIN LATERAL (
  SELECT f.rate, f.annualised_rate, f.funding_time, f.is_estimated
  FROM market.funding_rates f
  WHERE f.exchange = s.exchange AND f.symbol = s.symbol
  ORDER BY f.funding_time DESC
  LIMIT 1
) funding ON true
LEFT JOIN (
  SELECT newest.source, newest.value, newest.class, newest.measured_at
  FROM publisher
  CROSS JOIN LATERAL (
    SELECT g.source, g.value, g.class, g.measured_at
    FROM market.fear_greed g
    WHERE g.source = publisher.source
    ORDER BY g.measured_at DESC
    LIMIT 1
  ) newest
  ORDER BY newest.measured_at DESC, newest.source
  LIMIT 1
) mood ON true
WHERE recent.open IS NOT NULL;
--> statement-breakpoint

-- How many candles of a timeframe a year of 365 days has; months are twelve.
CREATE FUNCTION market.periods_per_year(timeframe text) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE timeframe WHEN '1M' THEN 12 ELSE 31536000 / extract(epoch FROM market.timeframe_interval(timeframe))::float8 END
$$;
--> statement-breakpoint

-- How much the price moved in the complete candles that opened from one moment on and before another. A return is that from
-- one stored candle to the next: over a gap it is one return, however long the gap.
CREATE FUNCTION market.volatility_of(of_series bigint, from_time timestamptz, until_time timestamptz)
RETURNS TABLE (candle_count bigint, return_count bigint, log_return_deviation float8, mean_range float8, range_deviation float8,
  mean_volume numeric, max_volume numeric)
LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1 AS $$
BEGIN
  RETURN QUERY
    SELECT count(*), count(candle.log_return), stddev_samp(candle.log_return),
      avg(candle.range), stddev_samp(candle.range), market.quotient(sum(candle.volume), count(*)), max(candle.volume)
    FROM (
      SELECT ln(c.close::float8 / lag(c.close::float8) OVER (ORDER BY c.open_time)) AS log_return,
        (c.high - c.low)::float8 / c.low::float8 AS range,
        c.volume
      FROM market.candles c
      WHERE c.series_id = of_series AND c.complete AND c.open_time >= from_time AND c.open_time < until_time
    ) candle;
END $$;
--> statement-breakpoint
CREATE VIEW market.volatility AS
SELECT
  s.exchange,
  s.symbol,
  s.timeframe,
  span.window_hours,
  (ending.at - make_interval(hours => span.window_hours))::timestamptz(3) AS from_time,
  ending.at AS until_time,
  v.candle_count,
  v.return_count,
  v.log_return_deviation,
  v.log_return_deviation * sqrt(market.periods_per_year(s.timeframe)) AS annualised_volatility,
  v.mean_range,
  v.range_deviation,
  v.mean_volume,
  v.max_volume
FROM market.series s
CROSS JOIN LATERAL (SELECT market.close_time_of(s.timeframe, s.last_open_time)::timestamptz(3) AS at) ending
CROSS JOIN (VALUES (24), (168), (720)) span (window_hours)
CROSS JOIN LATERAL market.volatility_of(s.id, ending.at - make_interval(hours => span.window_hours), ending.at) v
WHERE s.last_open_time IS NOT NULL;
--> statement-breakpoint

-- A coefficient, from sums of squares about the mean. Doubles turn constant figures into ones that differ in the last
-- digits, and those correlate by chance: a deviation under 1e-12 is none. Rounding may also lead beyond 1.
CREATE FUNCTION market.coefficient_of(coefficient float8, sxx float8, syy float8, pair_count bigint) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN pair_count >= 2 AND least(sxx, syy) / pair_count > 1e-24 THEN least(greatest(coefficient, -1), 1) END
$$;
--> statement-breakpoint

-- Pearson's coefficient of the log returns of two series of one timeframe, from one open time at which both have a complete
-- candle to the next.
CREATE FUNCTION market.correlation_of(first_series bigint, second_series bigint, from_time timestamptz, until_time timestamptz)
RETURNS TABLE (coefficient float8, pair_count bigint) LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1 AS $$
BEGIN
  RETURN QUERY
    SELECT market.coefficient_of(corr(pair.y, pair.x), regr_sxx(pair.y, pair.x), regr_syy(pair.y, pair.x), regr_count(pair.y, pair.x)),
      regr_count(pair.y, pair.x)
    FROM (
      SELECT ln(a.close::float8 / lag(a.close::float8) OVER w) AS x, ln(b.close::float8 / lag(b.close::float8) OVER w) AS y
      FROM market.candles a
      JOIN market.candles b ON b.open_time = a.open_time
      WHERE a.series_id = first_series AND a.complete AND a.open_time >= from_time AND a.open_time < until_time
        AND b.series_id = second_series AND b.complete AND b.open_time >= from_time AND b.open_time < until_time
      WINDOW w AS (ORDER BY a.open_time)
    ) pair;
END $$;
--> statement-breakpoint

-- The same of the log returns of a daily series and the changes of a Fear & Greed index, which counts with the last value
-- measured before the candle closed. From one day that has both to the next.
CREATE FUNCTION market.fear_greed_correlation_of(of_series bigint, of_source text, from_time timestamptz, until_time timestamptz)
RETURNS TABLE (coefficient float8, pair_count bigint) LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1 AS $$
BEGIN
  RETURN QUERY
    SELECT market.coefficient_of(corr(pair.y, pair.x), regr_sxx(pair.y, pair.x), regr_syy(pair.y, pair.x), regr_count(pair.y, pair.x)),
      regr_count(pair.y, pair.x)
    FROM (
      SELECT ln(c.close::float8 / lag(c.close::float8) OVER w) AS x, (mood.value - lag(mood.value) OVER w)::float8 AS y
      FROM market.candles c
      CROSS JOIN LATERAL (
        SELECT g.value
        FROM market.fear_greed g
        WHERE g.source = of_source AND g.measured_at >= c.open_time AND g.measured_at < c.open_time + interval '24 hours'
        ORDER BY g.measured_at DESC
        LIMIT 1
      ) mood
      WHERE c.series_id = of_series AND c.complete AND c.open_time >= from_time AND c.open_time < until_time
      WINDOW w AS (ORDER BY c.open_time)
    ) pair;
END $$;
--> statement-breakpoint

-- The same of the log returns of a daily series and the funding of each day, which is a level and no change. Rates count per
-- year, each for its hours, so that another interval is no jump; estimates do not count.
CREATE FUNCTION market.funding_rate_correlation_of(
  of_series bigint, of_exchange text, of_symbol text, from_time timestamptz, until_time timestamptz)
RETURNS TABLE (coefficient float8, pair_count bigint) LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1 AS $$
BEGIN
  RETURN QUERY
    SELECT market.coefficient_of(corr(pair.y, pair.x), regr_sxx(pair.y, pair.x), regr_syy(pair.y, pair.x), regr_count(pair.y, pair.x)),
      regr_count(pair.y, pair.x)
    FROM (
      SELECT day.x, funding.y
      FROM (
        SELECT c.open_time, ln(c.close::float8 / lag(c.close::float8) OVER (ORDER BY c.open_time)) AS x
        FROM market.candles c
        WHERE c.series_id = of_series AND c.complete AND c.open_time >= from_time AND c.open_time < until_time
      ) day
      CROSS JOIN LATERAL (
        SELECT sum(f.rate)::float8 * 8760 / sum(f.interval_hours) AS y
        FROM market.funding_rates f
        WHERE f.exchange = of_exchange AND f.symbol = of_symbol AND NOT f.is_estimated
          AND f.funding_time >= day.open_time AND f.funding_time < day.open_time + interval '24 hours'
      ) funding
    ) pair;
END $$;
--> statement-breakpoint

-- Filtered by exchange and symbol, it calculates the rows of that series and no others.
CREATE VIEW market.correlation AS
WITH daily AS NOT MATERIALIZED (
  SELECT s.id, s.exchange, s.symbol, market.close_time_of(s.timeframe, s.last_open_time)::timestamptz(3) AS close_time
  FROM market.series s
  WHERE s.timeframe = '1d' AND s.last_open_time IS NOT NULL
)
SELECT
  a.exchange,
  a.symbol,
  'candles' AS counterpart_kind,
  b.exchange AS counterpart_exchange,
  b.symbol AS counterpart_symbol,
  NULL::text AS counterpart_source,
  (greatest(a.close_time, b.close_time) - interval '2160 hours')::timestamptz(3) AS from_time,
  greatest(a.close_time, b.close_time) AS until_time,
  found.coefficient,
  found.pair_count
FROM daily a
JOIN daily b ON (a.exchange, a.symbol) < (b.exchange, b.symbol)
CROSS JOIN LATERAL market.correlation_of(
  a.id, b.id, greatest(a.close_time, b.close_time) - interval '2160 hours', greatest(a.close_time, b.close_time)) found
UNION ALL
SELECT
  a.exchange,
  a.symbol,
  'fear_greed',
  NULL,
  NULL,
  published.source,
  (a.close_time - interval '2160 hours')::timestamptz(3),
  a.close_time,
  found.coefficient,
  found.pair_count
FROM daily a
CROSS JOIN (SELECT DISTINCT g.source FROM market.fear_greed g) published
CROSS JOIN LATERAL market.fear_greed_correlation_of(a.id, published.source, a.close_time - interval '2160 hours', a.close_time) found
UNION ALL
SELECT
  a.exchange,
  a.symbol,
  'funding_rate',
  a.exchange,
  a.symbol,
  NULL,
  (a.close_time - interval '2160 hours')::timestamptz(3),
  a.close_time,
  found.coefficient,
  found.pair_count
FROM daily a
CROSS JOIN LATERAL (
  SELECT FROM market.funding_rates f WHERE f.exchange = a.exchange AND f.symbol = a.symbol LIMIT 1
) rated
CROSS JOIN LATERAL market.funding_rate_correlation_of(
  a.id, a.exchange, a.symbol, a.close_time - interval '2160 hours', a.close_time) found;
