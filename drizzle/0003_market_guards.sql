-- Partitions of candles, what the market's tables enforce by themselves, and times in UTC for whoever asks in SQL.

-- Holds what no month has a partition for, so that nothing is lost.
CREATE TABLE market.candles_default PARTITION OF market.candles DEFAULT;
--> statement-breakpoint

-- A series row changes with every candle and none of its indexed columns does: room beside it keeps the new version on its page.
ALTER TABLE market.series SET (fillfactor = 50);
--> statement-breakpoint

-- None is STRICT: a strict function with a CASE in it is not put in line, and costs a call per row.
CREATE FUNCTION market.timeframe_interval(timeframe text) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE right(timeframe, 1)
    WHEN 's' THEN make_interval(secs => left(timeframe, -1)::integer)
    WHEN 'm' THEN make_interval(mins => left(timeframe, -1)::integer)
    WHEN 'h' THEN make_interval(hours => left(timeframe, -1)::integer)
    WHEN 'd' THEN make_interval(hours => 24 * left(timeframe, -1)::integer)
    WHEN 'w' THEN make_interval(hours => 168 * left(timeframe, -1)::integer)
    WHEN 'M' THEN make_interval(months => left(timeframe, -1)::integer)
  END
$$;
--> statement-breakpoint

-- The open time of the candle that a moment falls into. Weeks begin on Monday.
CREATE FUNCTION market.open_time_of(timeframe text, at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN timeframe = '1M' THEN date_trunc('month', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    ELSE date_bin(market.timeframe_interval(timeframe), at,
      CASE WHEN timeframe = '1w' THEN timestamptz '1970-01-05 00:00:00+00' ELSE timestamptz '1970-01-01 00:00:00+00' END) END
$$;
--> statement-breakpoint

-- When a candle closes: the open time of the next.
CREATE FUNCTION market.close_time_of(timeframe text, open_time timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (open_time AT TIME ZONE 'UTC' + market.timeframe_interval(timeframe)) AT TIME ZONE 'UTC'
$$;
--> statement-breakpoint

-- News comes in bulk and is asked for at once: with a list of pending entries the planner avoids the index until vacuum.
ALTER INDEX market.news_symbols_idx SET (fastupdate = off);
--> statement-breakpoint

CREATE FUNCTION market.set_series_times() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.exchange, NEW.symbol, NEW.timeframe) IS DISTINCT FROM (OLD.id, OLD.exchange, OLD.symbol, OLD.timeframe) THEN
    RAISE EXCEPTION 'the id and the name of a series do not change: its candles are known by them'
      USING ERRCODE = 'TB002', HINT = 'record the candles under the other name';
  END IF;
  NEW.updated_at := now();
  IF (NEW.last_open_time, NEW.last_close, NEW.last_is_complete) IS DISTINCT FROM (OLD.last_open_time, OLD.last_close, OLD.last_is_complete) THEN
    NEW.last_price_at := market.close_time_of(NEW.timeframe, NEW.last_open_time);
    IF NOT NEW.last_is_complete THEN
      NEW.last_price_at := least(NEW.last_price_at, now());
    END IF;
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER series_times BEFORE UPDATE ON market.series FOR EACH ROW EXECUTE FUNCTION market.set_series_times();
--> statement-breakpoint
CREATE FUNCTION market.refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a row of % is not removed: candles are known by it', TG_ARGV[0] USING ERRCODE = 'TB002';
END $$;
--> statement-breakpoint
CREATE TRIGGER series_no_removal BEFORE DELETE ON market.series
  FOR EACH ROW EXECUTE FUNCTION market.refuse_removal('market.series');
--> statement-breakpoint
CREATE TRIGGER series_no_truncate BEFORE TRUNCATE ON market.series
  FOR EACH STATEMENT EXECUTE FUNCTION market.refuse_removal('market.series');
--> statement-breakpoint

CREATE TRIGGER indicators_updated_at BEFORE UPDATE ON market.indicators FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER funding_rates_updated_at BEFORE UPDATE ON market.funding_rates FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER open_interest_updated_at BEFORE UPDATE ON market.open_interest FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER fear_greed_updated_at BEFORE UPDATE ON market.fear_greed FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER sentiment_updated_at BEFORE UPDATE ON market.sentiment FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER onchain_metrics_updated_at BEFORE UPDATE ON market.onchain_metrics FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER news_updated_at BEFORE UPDATE ON market.news FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER calendar_events_updated_at BEFORE UPDATE ON market.calendar_events FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint

-- Makes the partition of the month that a moment falls into, and moves what the default partition holds of it. One caller at
-- a time, and whoever reads or writes candles waits: a statement that began before would not know of the partition, find
-- what was moved gone, and put what belongs there where it may not be.
CREATE FUNCTION market.make_candle_partition(at timestamptz)
RETURNS TABLE (partition_name text, from_time timestamptz, until_time timestamptz, moved bigint) LANGUAGE plpgsql AS $$
BEGIN
  from_time := market.open_time_of('1M', at);
  until_time := market.close_time_of('1M', from_time);
  partition_name := 'candles_' || to_char(from_time AT TIME ZONE 'UTC', 'YYYY_MM');
  IF to_regclass('market.' || partition_name) IS NOT NULL THEN
    RETURN;
  END IF;
  LOCK TABLE ONLY market.candles IN ACCESS EXCLUSIVE MODE;
  IF to_regclass('market.' || partition_name) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE market.%I (LIKE market.candles INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name);
  EXECUTE format('WITH moving AS (DELETE FROM market.candles_default WHERE open_time >= %L AND open_time < %L RETURNING *)
    INSERT INTO market.%I SELECT * FROM moving', from_time, until_time, partition_name);
  GET DIAGNOSTICS moved = ROW_COUNT;
  EXECUTE format('ALTER TABLE market.%I ADD CONSTRAINT %I PRIMARY KEY (series_id, open_time)',
    partition_name, partition_name || '_series_id_open_time_pkey');
  EXECUTE format('ALTER TABLE market.candles ATTACH PARTITION market.%I FOR VALUES FROM (%L) TO (%L)',
    partition_name, from_time, until_time);
  RETURN NEXT;
END $$;
--> statement-breakpoint

-- The last candles of a series that opened in a span, newest first. It looks where they must be if few are missing, and only
-- then further back: with bounds that are known before, a read opens the partitions in which they lie, and no others.
CREATE FUNCTION market.last_candles(of_exchange text, of_symbol text, of_timeframe text, from_time timestamptz, until_time timestamptz,
  wanted integer) RETURNS SETOF market.candles LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  one market.series;
  oldest timestamptz;
  newest timestamptz;
  near timestamptz;
  given bigint;
BEGIN
  SELECT * INTO one FROM market.series s WHERE s.exchange = of_exchange AND s.symbol = of_symbol AND s.timeframe = of_timeframe;
  IF one.last_open_time IS NULL THEN
    RETURN;
  END IF;
  oldest := greatest(from_time, one.first_open_time);
  newest := least(until_time, one.last_open_time + interval '1 millisecond');
  -- Of months, more would lead before the first year there is.
  near := newest - least(2 * wanted, 20000) * market.timeframe_interval(of_timeframe);
  IF near > oldest THEN
    RETURN QUERY SELECT * FROM market.candles c
      WHERE c.series_id = one.id AND c.open_time >= near AND c.open_time < newest ORDER BY c.open_time DESC LIMIT wanted;
    GET DIAGNOSTICS given = ROW_COUNT;
    newest := near;
    wanted := wanted - given;
  END IF;
  IF wanted > 0 THEN
    RETURN QUERY SELECT * FROM market.candles c
      WHERE c.series_id = one.id AND c.open_time >= oldest AND c.open_time < newest ORDER BY c.open_time DESC LIMIT wanted;
  END IF;
END $$;
