-- Decisions and what they are made of: facts that stay as they are. A decision may be vetoed, once, as long as nothing was
-- ordered for it; of an LLM analysis, prompt and response may be encrypted anew.

--
-- Part 1: what guards the tables of analysis.
--

CREATE TRIGGER technical_signals_append_only BEFORE UPDATE OR DELETE ON analysis.technical_signals
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.technical_signals');
--> statement-breakpoint
CREATE TRIGGER technical_signals_no_truncate BEFORE TRUNCATE ON analysis.technical_signals
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.technical_signals');
--> statement-breakpoint
CREATE TRIGGER ml_predictions_append_only BEFORE UPDATE OR DELETE ON analysis.ml_predictions
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.ml_predictions');
--> statement-breakpoint
CREATE TRIGGER ml_predictions_no_truncate BEFORE TRUNCATE ON analysis.ml_predictions
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.ml_predictions');
--> statement-breakpoint
CREATE TRIGGER llm_analyses_no_delete BEFORE DELETE ON analysis.llm_analyses
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.llm_analyses');
--> statement-breakpoint
CREATE TRIGGER llm_analyses_no_truncate BEFORE TRUNCATE ON analysis.llm_analyses
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.llm_analyses');
--> statement-breakpoint
CREATE TRIGGER decisions_no_delete BEFORE DELETE ON analysis.decisions
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.decisions');
--> statement-breakpoint
CREATE TRIGGER decisions_no_truncate BEFORE TRUNCATE ON analysis.decisions
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.decisions');
--> statement-breakpoint
CREATE TRIGGER decision_evidence_append_only BEFORE UPDATE OR DELETE ON analysis.decision_evidence
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.decision_evidence');
--> statement-breakpoint
CREATE TRIGGER decision_evidence_no_truncate BEFORE TRUNCATE ON analysis.decision_evidence
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.decision_evidence');
--> statement-breakpoint
CREATE TRIGGER decision_checks_append_only BEFORE UPDATE OR DELETE ON analysis.decision_checks
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.decision_checks');
--> statement-breakpoint
CREATE TRIGGER decision_checks_no_truncate BEFORE TRUNCATE ON analysis.decision_checks
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.decision_checks');
--> statement-breakpoint

-- What was readable may become encrypted, and what is encrypted may be so under another key. Nothing is added, lost or made
-- readable again. Whether it still says the same, only who has the key can tell.
CREATE FUNCTION analysis.guard_llm_analysis() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  -- The total is made of others after this has run.
  v_may text[] := ARRAY['prompt', 'response', 'response_json', 'prompt_ciphertext', 'response_ciphertext',
    'response_json_ciphertext', 'key_id', 'total_tokens'];
BEGIN
  IF to_jsonb(NEW) - v_may IS DISTINCT FROM to_jsonb(OLD) - v_may THEN
    RAISE EXCEPTION 'LLM analysis ''%'' is append-only: only its prompt and its response are encrypted anew', OLD.id
      USING ERRCODE = 'TB002', HINT = 'record another analysis instead';
  END IF;
  IF num_nonnulls(NEW.prompt, NEW.response, NEW.response_json) > 0
    OR (NEW.prompt_ciphertext IS NULL) <> (num_nonnulls(OLD.prompt, OLD.prompt_ciphertext) = 0)
    OR (NEW.response_ciphertext IS NULL) <> (num_nonnulls(OLD.response, OLD.response_ciphertext) = 0)
    OR (NEW.response_json_ciphertext IS NULL) <> (num_nonnulls(OLD.response_json, OLD.response_json_ciphertext) = 0)
  THEN
    RAISE EXCEPTION 'prompt and response of LLM analysis ''%'' are only encrypted, whole, and never changed or made readable', OLD.id
      USING ERRCODE = 'TB002', HINT = 'use rotateLlmKeys';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER llm_analyses_guard BEFORE UPDATE ON analysis.llm_analyses
  FOR EACH ROW EXECUTE FUNCTION analysis.guard_llm_analysis();
--> statement-breakpoint

-- A decision changes by a veto only. Its row is locked when this runs, and so is it while an order of it is placed
-- (analysis.refuse_vetoed): what was placed before is seen by the query here, what comes after sees the veto.
CREATE FUNCTION analysis.guard_decision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  -- The action is made of others after this has run.
  v_may text[] := ARRAY['veto_reason', 'veto_source', 'vetoed_at', 'action'];
  v_order text;
BEGIN
  IF to_jsonb(NEW) - v_may IS DISTINCT FROM to_jsonb(OLD) - v_may THEN
    RAISE EXCEPTION 'decision ''%'' is append-only: nothing but a veto changes it', OLD.id
      USING ERRCODE = 'TB002', HINT = 'record another decision instead';
  END IF;
  IF OLD.vetoed_at IS NOT NULL THEN
    RAISE EXCEPTION 'decision ''%'' was vetoed by % at %', OLD.id, OLD.veto_source,
      to_char(OLD.vetoed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') USING ERRCODE = 'TB001';
  END IF;
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'a decision is not vetoed in a transaction that is %: it would not see an order placed since it began',
      current_setting('transaction_isolation') USING ERRCODE = 'TB002', HINT = 'veto it in a transaction that is read committed';
  END IF;
  SELECT o.client_order_id INTO v_order FROM trading.orders o
  WHERE o.bot_id = OLD.bot_id AND o.decision_id = OLD.id ORDER BY o.created_at LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'decision ''%'' has become order ''%'', so it is too late for a veto', OLD.id, v_order
      USING ERRCODE = 'TB001', HINT = 'cancel the order, or close what it opened';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER decisions_guard BEFORE UPDATE ON analysis.decisions
  FOR EACH ROW EXECUTE FUNCTION analysis.guard_decision();
--> statement-breakpoint

-- Evidence and checks are there from the beginning, or not at all: none is added to what was decided before.
CREATE FUNCTION analysis.refuse_later_parts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_part record;
BEGIN
  FOR v_part IN SELECT DISTINCT a.bot_id, a.decision_id FROM added a LOOP
    IF (SELECT d.recorded_at FROM analysis.decisions d WHERE d.bot_id = v_part.bot_id AND d.id = v_part.decision_id)
      <> now()::timestamptz(3) THEN
      RAISE EXCEPTION 'decision ''%'' was recorded before, so nothing is added to it', v_part.decision_id
        USING ERRCODE = 'TB002', HINT = 'record another decision';
    END IF;
  END LOOP;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER decision_evidence_at_once AFTER INSERT ON analysis.decision_evidence REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION analysis.refuse_later_parts();
--> statement-breakpoint
CREATE TRIGGER decision_checks_at_once AFTER INSERT ON analysis.decision_checks REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION analysis.refuse_later_parts();
--> statement-breakpoint

-- No order is placed for a decision that was vetoed. One that is recorded, as a fact, is there whatever was decided.
CREATE FUNCTION analysis.refuse_vetoed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_decision analysis.decisions;
BEGIN
  SELECT * INTO v_decision FROM analysis.decisions d
  WHERE d.bot_id = NEW.bot_id AND d.id = NEW.decision_id FOR SHARE;
  IF v_decision.vetoed_at IS NOT NULL THEN
    RAISE EXCEPTION 'decision ''%'' was vetoed by %: %', NEW.decision_id, v_decision.veto_source, v_decision.veto_reason
      USING ERRCODE = 'TB001', HINT = 'place no order for it';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER orders_refuse_vetoed BEFORE INSERT ON trading.orders FOR EACH ROW
  WHEN (NEW.checks IS NOT NULL AND NEW.decision_id IS NOT NULL) EXECUTE FUNCTION analysis.refuse_vetoed();
--> statement-breakpoint

-- Snapshots: copies that do not change, the function that takes one, and the one that reads it.

CREATE TRIGGER bundles_append_only BEFORE UPDATE OR DELETE ON snapshots.bundles
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.bundles');
--> statement-breakpoint
CREATE TRIGGER bundles_no_truncate BEFORE TRUNCATE ON snapshots.bundles
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.bundles');
--> statement-breakpoint
CREATE TRIGGER market_append_only BEFORE UPDATE OR DELETE ON snapshots.market
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.market');
--> statement-breakpoint
CREATE TRIGGER market_no_truncate BEFORE TRUNCATE ON snapshots.market
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.market');
--> statement-breakpoint
CREATE TRIGGER indicators_append_only BEFORE UPDATE OR DELETE ON snapshots.indicators
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.indicators');
--> statement-breakpoint
CREATE TRIGGER indicators_no_truncate BEFORE TRUNCATE ON snapshots.indicators
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.indicators');
--> statement-breakpoint
CREATE TRIGGER calendar_append_only BEFORE UPDATE OR DELETE ON snapshots.calendar
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.calendar');
--> statement-breakpoint
CREATE TRIGGER calendar_no_truncate BEFORE TRUNCATE ON snapshots.calendar
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.calendar');
--> statement-breakpoint
CREATE TRIGGER news_append_only BEFORE UPDATE OR DELETE ON snapshots.news
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.news');
--> statement-breakpoint
CREATE TRIGGER news_no_truncate BEFORE TRUNCATE ON snapshots.news
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.news');
--> statement-breakpoint
CREATE TRIGGER account_append_only BEFORE UPDATE OR DELETE ON snapshots.account
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.account');
--> statement-breakpoint
CREATE TRIGGER account_no_truncate BEFORE TRUNCATE ON snapshots.account
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.account');
--> statement-breakpoint

-- A snapshot with all that belongs to it, as one document; amounts are text. Null if there is none. VOLATILE, so that it sees what its caller wrote.
CREATE FUNCTION snapshots.document_of(p_bot_id text, p_id uuid) RETURNS jsonb LANGUAGE sql VOLATILE AS $$
  SELECT jsonb_build_object('bundle', risk.numbers_as_text(to_jsonb(b)),
    'market', (SELECT coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(m))
        ORDER BY array_position(b.symbols, m.symbol), array_position(b.timeframes, m.timeframe)), '[]')
      FROM snapshots.market m WHERE m.bot_id = p_bot_id AND m.bundle_id = p_id),
    'indicators', (SELECT coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(i))
        ORDER BY array_position(b.symbols, i.symbol), array_position(b.timeframes, i.timeframe)), '[]')
      FROM snapshots.indicators i WHERE i.bot_id = p_bot_id AND i.bundle_id = p_id),
    'calendar', (SELECT coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(c)) ORDER BY c.event_time, c.event_id), '[]')
      FROM snapshots.calendar c WHERE c.bot_id = p_bot_id AND c.bundle_id = p_id),
    'news', (SELECT coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(n)) ORDER BY n.published_at DESC, n.news_id DESC), '[]')
      FROM snapshots.news n WHERE n.bot_id = p_bot_id AND n.bundle_id = p_id),
    'account', (SELECT coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(a)) ORDER BY a.exchange, a.currency), '[]')
      FROM snapshots.account a WHERE a.bot_id = p_bot_id AND a.bundle_id = p_id))
  FROM snapshots.bundles b WHERE b.bot_id = p_bot_id AND b.id = p_id
$$;
--> statement-breakpoint

-- One thing that is not in a snapshot, without what does not apply.
CREATE FUNCTION snapshots.missing_entry(
  p_source text, p_why text, p_symbol text DEFAULT NULL, p_timeframe text DEFAULT NULL, p_last_at timestamptz DEFAULT NULL,
  p_count bigint DEFAULT NULL, p_currency text DEFAULT NULL
) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT jsonb_strip_nulls(jsonb_build_object('source', p_source, 'why', p_why, 'symbol', p_symbol, 'timeframe', p_timeframe,
    'currency', p_currency, 'lastAt', to_char(p_last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'count', p_count))
$$;
--> statement-breakpoint

-- The last candle of a series that was known at p_now: the last that had closed, or one that was seen while it formed. How it stood while it formed is
-- known only of the last one. Not more than a thousand candles back, which is as old as one may be that is asked for.
CREATE FUNCTION snapshots.candle_at(p_series bigint, p_timeframe text, p_now timestamptz) RETURNS market.candles LANGUAGE sql STABLE AS $$
  SELECT c FROM market.series s JOIN market.candles c ON c.series_id = s.id
  WHERE s.id = p_series AND c.open_time <= p_now
    AND c.open_time >= least(market.open_time_of(p_timeframe, p_now), s.last_open_time) - 1002 * market.timeframe_interval(p_timeframe)
    AND CASE WHEN c.complete THEN market.close_time_of(p_timeframe, c.open_time) <= p_now
      ELSE c.open_time = s.last_open_time AND s.last_price_at <= p_now END
  ORDER BY c.open_time DESC LIMIT 1
$$;
--> statement-breakpoint

-- Takes a snapshot and returns it as document_of has it, with whether it was taken now: the one stored under the same id stands. Nothing in it was
-- published after p_now or recorded after p_recorded_until; what was too old, or is not known to have been so then, is left out and named in
-- "missing". p_pegs tells which currency another stands for in the calendar.
CREATE FUNCTION snapshots.capture(
  p_bot_id text, p_id uuid, p_reason text, p_note text, p_exchange text, p_symbols text[], p_timeframes text[], p_calendar_hours float8,
  p_news_hours float8, p_max_age_candles float8, p_balance_hours float8, p_row_limit integer, p_pegs jsonb, p_at timestamptz,
  p_recorded_until timestamptz
) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_now timestamptz(3) := coalesce(p_at, statement_timestamp());
  v_until timestamptz(3) := coalesce(p_recorded_until, p_at, statement_timestamp());
  v_exchange text;
  v_missing jsonb;
  v_concerned text[];
  v_about text[];
  v_news_until timestamptz;
  v_calendar_until timestamptz;
  v_market snapshots.market[];
  v_indicators snapshots.indicators[];
  v_calendar snapshots.calendar[];
  v_news snapshots.news[];
  v_account snapshots.account[];
  v_is_new boolean;
BEGIN
  SELECT coalesce(p_exchange, b.exchange) INTO v_exchange FROM fleet.bots b WHERE b.bot_id = p_bot_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'bot % is not registered', p_bot_id
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'bundles_bot_id_fkey', SCHEMA = 'snapshots', TABLE = 'bundles';
  END IF;
  IF EXISTS (SELECT FROM snapshots.bundles b WHERE b.bot_id = p_bot_id AND b.id = p_id) THEN
    RETURN jsonb_build_object('isNew', false, 'snapshot', snapshots.document_of(p_bot_id, p_id));
  END IF;

  -- Each symbol by its instrument, and what is known of its funding.
  WITH asked AS MATERIALIZED (
    SELECT a.symbol, a.place, i.kind, i.base_currency, i.quote_currency, i.settle_currency
    FROM unnest(p_symbols) WITH ORDINALITY a(symbol, place)
    LEFT JOIN market.instruments i ON i.exchange = v_exchange AND i.symbol = a.symbol),
  funding AS MATERIALIZED (
    SELECT a.symbol, a.kind, f.rate, f.funding_time, f.interval_hours, f.is_estimated,
      f.funding_time + 2 * f.interval_hours * interval '1 hour' < v_now AS is_stale
    FROM asked a
    LEFT JOIN LATERAL (
      SELECT * FROM market.funding_rates f
      WHERE f.exchange = v_exchange AND f.symbol = a.symbol AND f.published_at <= v_now
        -- The key is the nearest hour, so that an hour more is enough to find what was published by now.
        AND f.funding_time <= v_now + interval '1 hour' AND f.updated_at <= v_until
      ORDER BY f.funding_time DESC LIMIT 1) f ON true),
  wanted AS MATERIALIZED (
    SELECT a.symbol, t.timeframe, a.place, t.place AS timeframe_place, s.id AS series_id,
      p_max_age_candles * market.timeframe_interval(t.timeframe) AS max_age
    FROM asked a CROSS JOIN unnest(p_timeframes) WITH ORDINALITY t(timeframe, place)
    LEFT JOIN market.series s ON s.exchange = v_exchange AND s.symbol = a.symbol AND s.timeframe = t.timeframe),
  candles AS MATERIALIZED (
    SELECT w.*, (c).open_time, (c).open, (c).high, (c).low, (c).close, (c).volume, (c).complete,
      market.close_time_of(w.timeframe, (c).open_time) + w.max_age < v_now AS is_stale,
      CASE WHEN (c).complete THEN market.close_time_of(w.timeframe, (c).open_time) ELSE s.last_price_at END AS seen_at
    FROM wanted w
    LEFT JOIN LATERAL snapshots.candle_at(w.series_id, w.timeframe, v_now) c ON w.series_id IS NOT NULL
    LEFT JOIN market.series s ON s.id = w.series_id),
  -- The last price of a symbol, also of series that nobody asked for.
  seen AS (
    SELECT DISTINCT ON (symbol) symbol, close AS price, seen_at FROM (
      SELECT c.symbol, c.close, c.seen_at FROM candles c WHERE c.open_time IS NOT NULL
      UNION ALL
      SELECT s.symbol, s.last_close, s.last_price_at FROM market.series s
      WHERE s.exchange = v_exchange AND s.symbol = ANY (p_symbols) AND s.last_price_at <= v_now) price
    ORDER BY symbol, seen_at DESC),
  calculated AS MATERIALIZED (
    SELECT w.symbol, w.timeframe, w.place, w.timeframe_place, i.*, market.close_time_of(w.timeframe, i.open_time) + w.max_age < v_now AS is_stale
    FROM wanted w
    LEFT JOIN LATERAL (
      SELECT * FROM market.indicators i
      WHERE i.series_id = w.series_id AND i.open_time <= v_now AND i.updated_at <= v_until
        -- Of a candle that closes later, only what was calculated while it formed.
        AND (market.close_time_of(w.timeframe, i.open_time) <= v_now OR i.updated_at <= v_now)
      ORDER BY i.open_time DESC LIMIT 1) i ON true),
  lacking AS (
    SELECT 1 AS part, a.place, 0 AS second_place, snapshots.missing_entry('instrument', 'none', a.symbol) AS entry FROM asked a WHERE a.kind IS NULL
    UNION ALL
    SELECT 2, c.place, c.timeframe_place,
      snapshots.missing_entry('market', CASE WHEN c.open_time IS NULL THEN 'none' ELSE 'stale' END, c.symbol, c.timeframe, c.seen_at)
    FROM candles c WHERE c.open_time IS NULL OR c.is_stale
    UNION ALL
    SELECT 3, array_position(p_symbols, f.symbol), 0,
      snapshots.missing_entry('funding_rate', CASE WHEN f.rate IS NULL THEN 'none' ELSE 'stale' END, f.symbol, NULL, f.funding_time)
    FROM funding f WHERE f.kind <> 'spot' AND (f.rate IS NULL OR f.is_stale)
    UNION ALL
    SELECT 4, i.place, i.timeframe_place,
      snapshots.missing_entry('indicators', CASE WHEN i.open_time IS NULL THEN 'none' ELSE 'stale' END, i.symbol, i.timeframe, i.updated_at)
    FROM calculated i WHERE i.open_time IS NULL OR i.is_stale)
  SELECT
    (SELECT coalesce(jsonb_agg(entry ORDER BY part, place, second_place), '[]') FROM lacking),
    (SELECT array_agg(DISTINCT upper(code)) FROM asked a, unnest(ARRAY[a.base_currency, a.quote_currency, a.settle_currency]) code WHERE code IS NOT NULL),
    (SELECT array_agg(ROW(p_bot_id, p_id, v_exchange, c.symbol, c.timeframe, c.open_time, c.open, c.high, c.low, c.close, c.volume, c.complete,
        s.price, s.seen_at, CASE WHEN NOT f.is_stale THEN f.rate END, CASE WHEN NOT f.is_stale THEN f.funding_time END,
        CASE WHEN NOT f.is_stale THEN f.interval_hours END, CASE WHEN NOT f.is_stale THEN f.is_estimated END)::snapshots.market)
      FROM candles c JOIN seen s USING (symbol) JOIN funding f USING (symbol) WHERE NOT c.is_stale),
    (SELECT array_agg(ROW(p_bot_id, p_id, v_exchange, i.symbol, i.timeframe, i.open_time, i.rsi_14, i.sma_50, i.sma_200, i.macd, i.macd_signal,
        i.macd_histogram, i.atr, i."values", i.updated_at)::snapshots.indicators)
      FROM calculated i WHERE NOT i.is_stale)
  INTO v_missing, v_about, v_market, v_indicators;

  SELECT array_agg(DISTINCT currency) INTO v_concerned
  FROM unnest(v_about) code, unnest(ARRAY[code, p_pegs ->> code]) currency WHERE currency IS NOT NULL;
  v_concerned := v_concerned || 'ALL'::text;

  SELECT max(e.event_time) INTO v_calendar_until FROM market.calendar_events e WHERE e.recorded_at <= v_until;
  WITH known AS MATERIALIZED (
    SELECT e.*, row_number() OVER (ORDER BY e.event_time < v_now, abs(extract(epoch FROM e.event_time - v_now)), e.id) AS place
    FROM market.calendar_events e
    WHERE e.event_time >= v_now - p_news_hours * interval '1 hour' AND e.event_time <= v_now + p_calendar_hours * interval '1 hour'
      AND upper(e.currency) = ANY (v_concerned) AND e.updated_at <= v_until)
  SELECT v_missing || coalesce((SELECT jsonb_agg(entry) FROM (
      SELECT snapshots.missing_entry('calendar', CASE WHEN v_calendar_until IS NULL THEN 'none' ELSE 'stale' END, NULL, NULL, v_calendar_until) AS entry
      WHERE p_calendar_hours > 0 AND (v_calendar_until IS NULL OR v_calendar_until < v_now)
      UNION ALL
      SELECT snapshots.missing_entry('calendar', 'changed_since', NULL, NULL, NULL, count(*)) FROM market.calendar_events e
      WHERE e.event_time >= v_now - p_news_hours * interval '1 hour' AND e.event_time <= v_now + p_calendar_hours * interval '1 hour'
        AND upper(e.currency) = ANY (v_concerned) AND e.recorded_at <= v_until AND e.updated_at > v_until
      HAVING count(*) > 0
      UNION ALL
      SELECT snapshots.missing_entry('calendar', 'too_many', NULL, NULL, NULL, count(*)) FROM known WHERE place > p_row_limit HAVING count(*) > 0) m), '[]'),
    (SELECT array_agg(ROW(p_bot_id, p_id, k.id, k.source, k.event_time, k.currency, k.impact, k.title, k.previous, k.forecast,
      CASE WHEN k.event_time <= v_now THEN k.actual END, k.updated_at)::snapshots.calendar) FROM known k WHERE k.place <= p_row_limit)
  INTO v_missing, v_calendar;

  SELECT n.published_at INTO v_news_until FROM market.news n
  WHERE n.published_at <= v_now AND n.recorded_at <= v_until ORDER BY n.published_at DESC LIMIT 1;
  WITH known AS MATERIALIZED (
    SELECT n.*, row_number() OVER (ORDER BY n.published_at DESC, n.id DESC) AS place FROM market.news n
    WHERE n.published_at >= v_now - p_news_hours * interval '1 hour' AND n.published_at <= v_now AND n.symbols && (p_symbols || v_about)
      AND n.updated_at <= v_until)
  SELECT v_missing || coalesce((SELECT jsonb_agg(entry) FROM (
      SELECT snapshots.missing_entry('news', CASE WHEN v_news_until IS NULL THEN 'none' ELSE 'stale' END, NULL, NULL, v_news_until) AS entry
      WHERE p_news_hours > 0 AND (v_news_until IS NULL OR v_news_until < v_now - p_news_hours * interval '1 hour')
      UNION ALL
      SELECT snapshots.missing_entry('news', 'changed_since', NULL, NULL, NULL, count(*)) FROM market.news n
      WHERE n.published_at >= v_now - p_news_hours * interval '1 hour' AND n.published_at <= v_now AND n.symbols && (p_symbols || v_about)
        AND n.recorded_at <= v_until AND n.updated_at > v_until
      HAVING count(*) > 0
      UNION ALL
      SELECT snapshots.missing_entry('news', 'too_many', NULL, NULL, NULL, count(*)) FROM known WHERE place > p_row_limit HAVING count(*) > 0) m), '[]'),
    (SELECT array_agg(ROW(p_bot_id, p_id, k.id, k.source, k.headline, k.symbols, k.sentiment_score, k.published_at, k.updated_at)::snapshots.news)
      FROM known k WHERE k.place <= p_row_limit)
  INTO v_missing, v_news;

  -- Of all exchanges: a bot may trade at one by the prices of another. Currency by currency, since it may have many balances and few currencies.
  WITH RECURSIVE held AS (
    (SELECT b.exchange, b.currency FROM trading.balances b WHERE b.bot_id = p_bot_id ORDER BY b.exchange, b.currency LIMIT 1)
    UNION ALL
    SELECT n.exchange, n.currency FROM held h CROSS JOIN LATERAL (
      SELECT b.exchange, b.currency FROM trading.balances b
      WHERE b.bot_id = p_bot_id AND (b.exchange, b.currency) > (h.exchange, h.currency) ORDER BY b.exchange, b.currency LIMIT 1) n),
  latest AS MATERIALIZED (
    SELECT h.exchange, h.currency, b.total, b.equity, b.margin_used, b.available, b.unrealised_pnl, b.taken_at,
      b.taken_at < v_now - p_balance_hours * interval '1 hour' AS is_stale
    FROM held h CROSS JOIN LATERAL (
      SELECT * FROM trading.balances b
      WHERE b.bot_id = p_bot_id AND b.exchange = h.exchange AND b.currency = h.currency AND b.taken_at <= v_now AND b.recorded_at <= v_until
      ORDER BY b.taken_at DESC, b.recorded_at DESC, b.id DESC LIMIT 1) b),
  open AS MATERIALIZED (
    SELECT p.exchange, p.settle_currency AS currency, count(*) AS positions,
      CASE WHEN bool_and(p.unrealised_pnl IS NOT NULL AND p.marked_at <= v_now AND p.closed_at IS NULL) THEN sum(p.unrealised_pnl) END AS pnl
    FROM trading.positions p
    WHERE p.bot_id = p_bot_id AND p.opened_at <= v_now AND (p.closed_at IS NULL OR p.closed_at > v_now)
    GROUP BY p.exchange, p.settle_currency)
  SELECT v_missing || coalesce((SELECT jsonb_agg(entry) FROM (
      SELECT snapshots.missing_entry('account', 'none') AS entry WHERE NOT EXISTS (SELECT FROM latest)
      UNION ALL
      SELECT snapshots.missing_entry('account', 'stale', NULL, NULL, l.taken_at, NULL, l.currency) FROM latest l WHERE l.is_stale) m), '[]'),
    (SELECT array_agg(ROW(p_bot_id, p_id, l.exchange, l.currency, l.total, l.equity, l.margin_used, l.available,
        CASE WHEN l.unrealised_pnl IS NOT NULL THEN l.unrealised_pnl ELSE o.pnl END, coalesce(o.positions, 0), l.taken_at)::snapshots.account)
      FROM latest l LEFT JOIN open o ON o.exchange = l.exchange AND o.currency = l.currency WHERE NOT l.is_stale)
  INTO v_missing, v_account;

  INSERT INTO snapshots.bundles (bot_id, id, reason, note, exchange, symbols, timeframes, calendar_hours, news_hours, captured_at, recorded_until,
    news_until, calendar_until, missing)
  VALUES (p_bot_id, p_id, p_reason, p_note, v_exchange, p_symbols, p_timeframes, p_calendar_hours, p_news_hours, v_now, v_until, v_news_until,
    v_calendar_until, v_missing)
  ON CONFLICT (bot_id, id) DO NOTHING;
  v_is_new := FOUND;
  IF v_is_new THEN
    INSERT INTO snapshots.market SELECT * FROM unnest(v_market);
    INSERT INTO snapshots.indicators SELECT * FROM unnest(v_indicators);
    INSERT INTO snapshots.calendar SELECT * FROM unnest(v_calendar);
    INSERT INTO snapshots.news SELECT * FROM unnest(v_news);
    INSERT INTO snapshots.account SELECT * FROM unnest(v_account);
  END IF;
  RETURN jsonb_build_object('isNew', v_is_new, 'snapshot', snapshots.document_of(p_bot_id, p_id));
END $$;
--> statement-breakpoint

-- What was decided, and what came of it: views for whoever asks in SQL.

-- What the round trip is called that a fill opens: as the ledger names it.
CREATE FUNCTION analysis.trade_id_of(p_exchange text, p_symbol text, p_side text, p_exchange_trade_id text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT replace(replace(p_exchange, '%', '%25'), ':', '%3A') || ':' || replace(replace(p_symbol, '%', '%25'), ':', '%3A') || ':' || p_side
    || ':' || p_exchange_trade_id
$$;
--> statement-breakpoint

-- A row for each decision, with its first piece of evidence of each source.
CREATE VIEW analysis.decision_analysis AS
SELECT
  d.bot_id,
  d.id AS decision_id,
  d.decided_at,
  d.exchange,
  d.symbol,
  d.intended_action,
  d.action,
  d.confidence,
  d.quantity,
  d.strategy_id,
  d.snapshot_id,
  d.veto_source,
  d.veto_reason,
  d.vetoed_at,
  technical.id AS technical_signal_id,
  technical.signal AS technical_signal,
  technical.confidence AS technical_confidence,
  technical.bullish_count,
  technical.bearish_count,
  technical.neutral_count,
  llm.id AS llm_analysis_id,
  llm.model AS llm_model,
  llm.sentiment AS llm_sentiment,
  llm.confidence AS llm_confidence,
  llm.summary AS llm_summary,
  llm.cached AS llm_cached,
  model.id AS ml_prediction_id,
  model.model_version,
  model.action AS model_action,
  model.confidence AS model_confidence,
  model.prob_long,
  model.prob_short,
  model.prob_hold,
  signal.id AS signal_id,
  signal.kind AS signal_kind,
  signal.strength AS signal_strength,
  signal.confidence AS signal_confidence,
  checked.passed_count,
  checked.failed_count
FROM analysis.decisions d
LEFT JOIN LATERAL (
  SELECT t.* FROM analysis.decision_evidence e JOIN analysis.technical_signals t ON t.bot_id = e.bot_id AND t.id = e.technical_signal_id
  WHERE e.bot_id = d.bot_id AND e.decision_id = d.id AND e.source = 'technical' ORDER BY e.ordinal LIMIT 1) technical ON true
LEFT JOIN LATERAL (
  SELECT l.* FROM analysis.decision_evidence e JOIN analysis.llm_analyses l ON l.bot_id = e.bot_id AND l.id = e.llm_analysis_id
  WHERE e.bot_id = d.bot_id AND e.decision_id = d.id AND e.source = 'llm' ORDER BY e.ordinal LIMIT 1) llm ON true
LEFT JOIN LATERAL (
  SELECT m.* FROM analysis.decision_evidence e JOIN analysis.ml_predictions m ON m.bot_id = e.bot_id AND m.id = e.ml_prediction_id
  WHERE e.bot_id = d.bot_id AND e.decision_id = d.id AND e.source = 'model' ORDER BY e.ordinal LIMIT 1) model ON true
LEFT JOIN LATERAL (
  SELECT s.* FROM analysis.decision_evidence e JOIN strategy.signals s ON s.bot_id = e.bot_id AND s.id = e.signal_id
  WHERE e.bot_id = d.bot_id AND e.decision_id = d.id AND e.source = 'signal' ORDER BY e.ordinal LIMIT 1) signal ON true
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE c.passed) AS passed_count, count(*) FILTER (WHERE NOT c.passed) AS failed_count
  FROM analysis.decision_checks c WHERE c.bot_id = d.bot_id AND c.decision_id = d.id) checked;
--> statement-breakpoint

-- A row for each position that a decision opened: a fill of one of its orders was the first of the round trip. What it earned is in settlement
-- currency, and null until it is closed.
CREATE VIEW analysis.performance AS
SELECT
  d.bot_id,
  d.id AS decision_id,
  d.decided_at,
  d.symbol,
  d.action,
  d.confidence,
  d.strategy_id,
  o.id AS order_id,
  p.id AS position_id,
  p.trade_id,
  p.exchange,
  p.direction,
  p.status,
  p.settle_currency,
  p.opened_at,
  p.closed_at,
  CASE WHEN p.closed_at IS NOT NULL THEN p.realised_gross END AS gross,
  CASE WHEN p.closed_at IS NOT NULL THEN p.fees END AS fees,
  CASE WHEN p.closed_at IS NOT NULL THEN p.funding END AS funding,
  CASE WHEN p.closed_at IS NOT NULL THEN p.net_pnl END AS net_pnl,
  CASE WHEN p.closed_at IS NOT NULL AND p.net_pnl <> 0 THEN p.net_pnl > 0 END AS was_profitable
FROM analysis.decisions d
JOIN trading.orders o ON o.bot_id = d.bot_id AND o.decision_id = d.id
JOIN trading.fills f ON f.bot_id = o.bot_id AND f.order_id = o.id
JOIN trading.positions p ON p.bot_id = f.bot_id AND p.trade_id = analysis.trade_id_of(f.exchange, f.symbol, f.side, f.exchange_trade_id);
