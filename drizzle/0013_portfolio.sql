-- The portfolio: what the bots of a fleet did and are worth together.

-- How old prices and observations of equity may be for each of several bots: what risk.ages_of says of one.
CREATE FUNCTION risk.ages_of_bots(p_bot_ids text[]) RETURNS TABLE (bot_id text, base_currency text, price_age interval, equity_age interval)
LANGUAGE sql STABLE AS $$
  SELECT b.bot_id, b.base_currency,
    coalesce(least(fleet_wide.max_price_age_ms, own.max_price_age_ms), 3600000) * interval '1 millisecond',
    coalesce(least(fleet_wide.max_equity_age_ms, own.max_equity_age_ms), 3600000) * interval '1 millisecond'
  FROM fleet.bots b
  LEFT JOIN (SELECT * FROM risk.global_settings ORDER BY version DESC LIMIT 1) fleet_wide ON true
  LEFT JOIN LATERAL (SELECT s.max_price_age_ms, s.max_equity_age_ms FROM risk.settings s
    WHERE s.bot_id = b.bot_id ORDER BY s.version DESC LIMIT 1) own ON true
  WHERE b.bot_id = ANY (p_bot_ids)
$$;
--> statement-breakpoint

CREATE OR REPLACE FUNCTION risk.ages_of(p_bot_id text, OUT price_age interval, OUT equity_age interval) LANGUAGE sql STABLE AS $$
  SELECT a.price_age, a.equity_age FROM risk.ages_of_bots(ARRAY[p_bot_id]) a
$$;
--> statement-breakpoint

-- What bots are worth in their base currencies: as observed last, else as they reported themselves, else what they began with as long as they
-- have done nothing. Null if all that is too old.
CREATE FUNCTION risk.equities_of(p_bot_ids text[], p_at timestamptz) RETURNS TABLE (bot_id text, equity numeric) LANGUAGE sql STABLE AS $$
  SELECT b.bot_id, coalesce(
    -- The day is that of the observation, so an older one need not be looked at.
    (SELECT d.equity FROM risk.drawdowns d
      WHERE d.bot_id = b.bot_id AND d.observed_at >= p_at - ages.equity_age
        AND d.day >= ((p_at - ages.equity_age) AT TIME ZONE 'UTC')::date - 1
      ORDER BY d.day DESC LIMIT 1),
    CASE WHEN b.last_heartbeat_at >= p_at - ages.equity_age THEN b.current_equity END,
    CASE WHEN NOT EXISTS (SELECT FROM trading.positions p WHERE p.bot_id = b.bot_id) THEN b.initial_equity END)
  FROM risk.ages_of_bots(p_bot_ids) ages
  JOIN fleet.bots b ON b.bot_id = ages.bot_id
$$;
--> statement-breakpoint

CREATE OR REPLACE FUNCTION risk.equity_of(p_bot_id text, p_at timestamptz) RETURNS numeric LANGUAGE sql STABLE AS $$
  SELECT e.equity FROM risk.equities_of(ARRAY[p_bot_id], p_at) e
$$;
--> statement-breakpoint

-- What bots hold of each symbol, in their base currencies, long and short apart, at the mark or else the newest stored price. Both are null if
-- one of the positions cannot be valued; unrealised PnL, before fees, too where a price or a rate is missing that only it needs. Settled in what is
-- traded, the value moves against the price: then it is inverse. Prices and rates are looked up once, however many bots need them. The value is
-- that of risk.value_of.
CREATE FUNCTION risk.holdings_of(p_bot_ids text[], p_at timestamptz)
RETURNS TABLE (
  bot_id text, exchange text, symbol text, positions bigint, long_value numeric, short_value numeric, unrealised_pnl numeric, is_inverse boolean
) LANGUAGE sql STABLE AS $$
  WITH held AS MATERIALIZED (
    SELECT p.bot_id, p.exchange, p.symbol, p.direction, p.instrument_kind AS kind, p.contract_size, p.quantity, p.cost,
      i.quote_currency, p.settle_currency, a.base_currency, a.price_age, CASE WHEN p.marked_at >= p_at - a.price_age THEN p.mark_price END AS mark
    FROM risk.ages_of_bots(p_bot_ids) a
    JOIN trading.positions p ON p.bot_id = a.bot_id AND p.status = 'open'
    LEFT JOIN market.instruments i ON i.exchange = p.exchange AND i.symbol = p.symbol),
  prices AS MATERIALIZED (
    SELECT m.exchange, m.symbol, m.price_age, risk.price_of(m.exchange, m.symbol, p_at, m.price_age) AS price
    FROM (SELECT DISTINCT h.exchange, h.symbol, h.price_age FROM held h WHERE h.mark IS NULL) m),
  rates AS MATERIALIZED (
    SELECT c.*, risk.rate_between(c.exchange, c.currency, c.base_currency, p_at, c.price_age) AS rate
    FROM (SELECT h.exchange, h.quote_currency AS currency, h.base_currency, h.price_age FROM held h WHERE h.quote_currency <> h.base_currency
      UNION SELECT h.exchange, h.settle_currency, h.base_currency, h.price_age FROM held h WHERE h.settle_currency <> h.base_currency) c),
  priced AS (
    SELECT h.*, coalesce(h.mark, p.price) AS price,
      CASE WHEN h.quote_currency = h.base_currency THEN 1 ELSE q.rate END AS quote_rate,
      CASE WHEN h.settle_currency = h.base_currency THEN 1 ELSE s.rate END AS settle_rate
    FROM held h
    LEFT JOIN prices p ON p.exchange = h.exchange AND p.symbol = h.symbol AND p.price_age = h.price_age
    LEFT JOIN rates q ON q.exchange = h.exchange AND q.currency = h.quote_currency AND q.base_currency = h.base_currency
      AND q.price_age = h.price_age
    LEFT JOIN rates s ON s.exchange = h.exchange AND s.currency = h.settle_currency AND s.base_currency = h.base_currency
      AND s.price_age = h.price_age),
  valued AS (
    SELECT h.bot_id, h.exchange, h.symbol, h.direction, h.kind = 'inverse' AND h.quote_currency <> h.base_currency AS is_inverse,
      CASE WHEN h.kind <> 'inverse' THEN h.price * h.quantity * h.contract_size * h.quote_rate
        ELSE coalesce(h.quantity * h.contract_size * h.quote_rate,
          trading.divide(h.quantity * h.contract_size, h.price) * h.settle_rate) END AS value,
      CASE h.direction WHEN 'long' THEN 1 ELSE -1 END * h.settle_rate * CASE WHEN h.kind <> 'inverse'
        THEN h.price * h.quantity * h.contract_size - h.cost
        ELSE h.cost - trading.divide(h.quantity * h.contract_size, h.price) END AS unrealised_pnl
    FROM priced h)
  SELECT v.bot_id, v.exchange, v.symbol, count(*),
    CASE WHEN count(*) = count(v.value) THEN coalesce(sum(v.value) FILTER (WHERE v.direction = 'long'), 0) END,
    CASE WHEN count(*) = count(v.value) THEN coalesce(sum(v.value) FILTER (WHERE v.direction = 'short'), 0) END,
    CASE WHEN count(*) = count(v.unrealised_pnl) THEN sum(v.unrealised_pnl) END,
    coalesce(bool_or(v.is_inverse), false)
  FROM valued v GROUP BY v.bot_id, v.exchange, v.symbol
$$;
--> statement-breakpoint

CREATE OR REPLACE FUNCTION risk.exposures_of(p_bot_id text, p_at timestamptz)
RETURNS TABLE (exchange text, symbol text, positions bigint, long_value numeric, short_value numeric, is_inverse boolean)
LANGUAGE sql STABLE AS $$
  SELECT h.exchange, h.symbol, h.positions, h.long_value, h.short_value, h.is_inverse FROM risk.holdings_of(ARRAY[p_bot_id], p_at) h
$$;
--> statement-breakpoint

-- The days of all bots of one mode and base currency together. A bot joins on its first stored day: what it had then is an external flow at the start
-- of that day. An amount is null where that of one bot is, and where a bot that has joined has no row of the day.
CREATE VIEW analytics.portfolio_days AS
WITH firsts AS (
  SELECT d.bot_id, min(d.day) AS first_day FROM analytics.daily_pnl d GROUP BY d.bot_id),
stored AS (
  SELECT b.mode, d.base_currency, d.day, count(*)::integer AS stored_count,
    count(*) FILTER (WHERE d.day = f.first_day)::integer AS joined_count,
    min(d.starts_at) AS starts_at, max(d.ends_at) AS ends_at, bool_and(d.is_complete) AS is_complete,
    CASE WHEN count(*) = count(d.net_pnl) THEN sum(d.net_pnl) END AS net_pnl,
    CASE WHEN count(*) = count(d.total_pnl) THEN sum(d.total_pnl) END AS total_pnl,
    CASE WHEN count(*) = count(d.external_flows) THEN sum(d.external_flows) END AS external_flows,
    CASE WHEN count(*) = count(d.flows_at_start) THEN sum(d.flows_at_start) END AS flows_at_start,
    CASE WHEN count(*) FILTER (WHERE d.day = f.first_day AND d.equity_start IS NULL) = 0
      THEN coalesce(sum(d.equity_start) FILTER (WHERE d.day = f.first_day), 0) END AS joined_equity,
    CASE WHEN count(*) FILTER (WHERE d.day > f.first_day AND d.equity_start IS NULL) = 0
      THEN coalesce(sum(d.equity_start) FILTER (WHERE d.day > f.first_day), 0) END AS equity_start,
    CASE WHEN count(*) = count(d.equity_end) THEN sum(d.equity_end) END AS equity,
    sum(d.trade_count)::integer AS trade_count, sum(d.win_count)::integer AS win_count, sum(d.loss_count)::integer AS loss_count
  FROM analytics.daily_pnl d
  JOIN firsts f ON f.bot_id = d.bot_id
  JOIN fleet.bots b ON b.bot_id = d.bot_id
  GROUP BY b.mode, d.base_currency, d.day),
counted AS (
  SELECT s.*, sum(s.joined_count) OVER (PARTITION BY s.mode, s.base_currency ORDER BY s.day)::integer AS bot_count FROM stored s)
SELECT c.mode, c.base_currency, c.day, c.starts_at, c.ends_at, c.is_complete AND c.stored_count = c.bot_count AS is_complete,
  c.bot_count, c.stored_count, c.joined_count,
  CASE WHEN c.stored_count = c.bot_count THEN c.net_pnl END AS net_pnl,
  CASE WHEN c.stored_count = c.bot_count THEN c.total_pnl END AS total_pnl,
  CASE WHEN c.stored_count = c.bot_count THEN c.external_flows + c.joined_equity END AS external_flows,
  CASE WHEN c.stored_count = c.bot_count THEN c.flows_at_start + c.joined_equity END AS flows_at_start,
  CASE WHEN c.stored_count = c.bot_count THEN c.equity_start END AS equity_start,
  CASE WHEN c.stored_count = c.bot_count THEN c.equity END AS equity,
  c.trade_count, c.win_count, c.loss_count
FROM counted c;
--> statement-breakpoint

-- What each bot did: its round trips, and its newest stored day.
CREATE MATERIALIZED VIEW analytics.bot_performance AS
WITH trades AS (
  SELECT t.bot_id, count(*)::integer AS trade_count, count(*) FILTER (WHERE t.net > 0)::integer AS win_count,
    count(*) FILTER (WHERE t.net < 0)::integer AS loss_count, count(*) FILTER (WHERE t.net = 0)::integer AS draw_count,
    count(*) FILTER (WHERE t.net IS NULL)::integer AS unvalued_trade_count,
    count(*) FILTER (WHERE t.direction = 'long')::integer AS long_count, count(*) FILTER (WHERE t.direction = 'short')::integer AS short_count,
    count(*) FILTER (WHERE t.is_liquidation)::integer AS liquidation_count,
    count(t.net) AS known_count, sum(t.net) AS net_pnl,
    coalesce(sum(t.net) FILTER (WHERE t.net > 0), 0) AS gross_profit, coalesce(sum(t.net) FILTER (WHERE t.net < 0), 0) AS gross_loss,
    max(t.net) AS best_trade, min(t.net) AS worst_trade,
    CASE WHEN count(*) = count(t.fees) THEN sum(t.fees) END AS fees, CASE WHEN count(*) = count(t.funding) THEN sum(t.funding) END AS funding,
    min(t.closed_at) AS first_trade_at, max(t.closed_at) AS last_trade_at
  FROM analytics.trades_of(ARRAY(SELECT b.bot_id FROM fleet.bots b), NULL, NULL, now()) t
  GROUP BY t.bot_id)
SELECT
  b.bot_id,
  b.name AS bot_name,
  b.mode,
  b.base_currency,
  b.exchange,
  b.strategy,
  coalesce(t.trade_count, 0) AS trade_count,
  coalesce(t.win_count, 0) AS win_count,
  coalesce(t.loss_count, 0) AS loss_count,
  coalesce(t.draw_count, 0) AS draw_count,
  coalesce(t.unvalued_trade_count, 0) AS unvalued_trade_count,
  coalesce(t.long_count, 0) AS long_count,
  coalesce(t.short_count, 0) AS short_count,
  coalesce(t.liquidation_count, 0) AS liquidation_count,
  CASE WHEN t.known_count > 0 THEN t.win_count::float8 / t.known_count END AS win_rate,
  coalesce(t.gross_profit, 0) AS gross_profit,
  coalesce(t.gross_loss, 0) AS gross_loss,
  coalesce(t.net_pnl, 0) AS net_pnl,
  coalesce(t.fees, CASE WHEN t.bot_id IS NULL THEN 0 END) AS fees,
  coalesce(t.funding, CASE WHEN t.bot_id IS NULL THEN 0 END) AS funding,
  trading.divide(t.gross_profit, nullif(-t.gross_loss, 0))::float8 AS profit_factor,
  trading.divide(t.net_pnl, nullif(t.known_count, 0)) AS expectancy,
  trading.divide(t.gross_profit, nullif(t.win_count, 0)) AS average_win,
  trading.divide(t.gross_loss, nullif(t.loss_count, 0)) AS average_loss,
  t.best_trade,
  t.worst_trade,
  t.first_trade_at::timestamptz(3) AS first_trade_at,
  t.last_trade_at::timestamptz(3) AS last_trade_at,
  d.day AS last_day,
  d.is_complete AS last_day_is_complete,
  d.equity_end AS equity,
  d.growth,
  d.drawdown_fraction,
  d.max_drawdown_fraction,
  d.return_count,
  d.sharpe,
  d.sortino,
  d.calmar,
  d.calculated_at
FROM fleet.bots b
LEFT JOIN trades t ON t.bot_id = b.bot_id
LEFT JOIN LATERAL (SELECT * FROM analytics.daily_pnl d WHERE d.bot_id = b.bot_id ORDER BY d.day DESC LIMIT 1) d ON true
WITH NO DATA;
--> statement-breakpoint
-- Serves listBotPerformance, and the refresh beside readers.
CREATE UNIQUE INDEX bot_performance_bot_id_key ON analytics.bot_performance (bot_id);
--> statement-breakpoint

-- The days of each fleet with what came of them: flow-adjusted return, growth since the first day, and how far that is below its peak. A day counts from
-- its own equity at the start; where that is not known, from the last equity that is, if all days and flows since are known.
CREATE MATERIALIZED VIEW analytics.daily_portfolio AS
WITH days AS (
  SELECT d.*, d.external_flows - d.flows_at_start AS flows_at_end,
    lag(d.equity) OVER fleet AS equity_before, coalesce(d.day - lag(d.day) OVER fleet = 1, true) AS follows
  FROM analytics.portfolio_days d
  WINDOW fleet AS (PARTITION BY d.mode, d.base_currency ORDER BY d.day)),
spans AS (
  SELECT d.*, count(*) FILTER (WHERE d.equity_start IS NOT NULL OR d.equity_before IS NOT NULL)
    OVER (PARTITION BY d.mode, d.base_currency ORDER BY d.day) AS span
  FROM days d),
capitals AS (
  SELECT s.*,
    first_value(coalesce(s.equity_start, s.equity_before)) OVER since
      + CASE WHEN bool_and(s.flows_at_start IS NOT NULL AND (s.follows OR s.equity_start IS NOT NULL)) OVER since
        THEN sum(s.flows_at_start) OVER since END AS capital,
    s.equity - CASE WHEN count(s.flows_at_end) OVER since = count(*) OVER since THEN sum(s.flows_at_end) OVER since END AS result
  FROM spans s
  WINDOW since AS (PARTITION BY s.mode, s.base_currency, s.span ORDER BY s.day)),
returns AS (
  SELECT c.*, CASE WHEN c.capital > 0 THEN trading.divide(c.result - c.capital, c.capital)::float8 END AS return_fraction,
    sum(coalesce(c.result - c.capital, 0)) OVER (PARTITION BY c.mode, c.base_currency ORDER BY c.day) AS profit
  FROM capitals c),
grown AS (
  SELECT r.*, analytics.product(greatest(0, 1 + coalesce(r.return_fraction, 0))) OVER (PARTITION BY r.mode, r.base_currency ORDER BY r.day) AS growth
  FROM returns r),
fallen AS (
  SELECT g.*, 1 - g.growth / greatest(1, max(g.growth) OVER (PARTITION BY g.mode, g.base_currency ORDER BY g.day)) AS fall FROM grown g),
-- So small a fall is the rounding of doubles.
marked AS (
  SELECT f.*, CASE WHEN f.fall > 1e-12 THEN f.fall ELSE 0 END AS drawdown_fraction,
    count(*) FILTER (WHERE f.fall <= 1e-12) OVER (PARTITION BY f.mode, f.base_currency ORDER BY f.day) AS peak
  FROM fallen f)
SELECT
  m.mode,
  m.base_currency,
  m.day,
  m.starts_at::timestamptz(3) AS starts_at,
  m.ends_at::timestamptz(3) AS ends_at,
  m.is_complete,
  m.bot_count,
  m.stored_count,
  m.net_pnl,
  m.total_pnl,
  m.external_flows,
  m.flows_at_start,
  m.equity_start,
  m.equity,
  m.trade_count,
  m.win_count,
  m.loss_count,
  m.return_fraction,
  m.growth,
  m.drawdown_fraction,
  max(m.drawdown_fraction) OVER (PARTITION BY m.mode, m.base_currency ORDER BY m.day) AS max_drawdown_fraction,
  -- Before the first peak, the start is it.
  CASE WHEN m.drawdown_fraction > 0
    THEN CASE WHEN m.peak = 0 THEN 0 ELSE first_value(m.profit) OVER (PARTITION BY m.mode, m.base_currency, m.peak ORDER BY m.day) END - m.profit
    ELSE 0 END AS drawdown_amount
FROM marked m
WITH NO DATA;
--> statement-breakpoint
-- Serves listDailyPortfolio, and the refresh beside readers.
CREATE UNIQUE INDEX daily_portfolio_mode_base_currency_day_key ON analytics.daily_portfolio (mode, base_currency, day);
--> statement-breakpoint

-- Brings both views up to date beside their readers, and returns when each was. Whoever waited for somebody else's refresh that began after the call
-- needs none of its own, unless the transaction has written what only it sees.
CREATE FUNCTION analytics.refresh() RETURNS SETOF analytics.refreshes LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_called_at timestamptz := CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN clock_timestamp() ELSE 'infinity' END;
  v_at timestamptz;
  v_row analytics.refreshes;
BEGIN
  FOR v_row IN SELECT name, '-infinity', 0, 0 FROM unnest(ARRAY['bot_performance', 'daily_portfolio']) AS views (name) LOOP
    -- The row is the lock: a refresh waits for it here, before it looks at anything, and not in the middle.
    INSERT INTO analytics.refreshes VALUES (v_row.*) ON CONFLICT (view_name) DO NOTHING;
    SELECT * INTO v_row FROM analytics.refreshes r WHERE r.view_name = v_row.view_name FOR UPDATE;
    IF v_row.refreshed_at <= v_called_at THEN
      -- What a transaction sees throughout is from its beginning.
      v_at := CASE current_setting('transaction_isolation') WHEN 'read committed' THEN clock_timestamp() ELSE now() END;
      IF (SELECT relispopulated FROM pg_class WHERE oid = format('analytics.%I', v_row.view_name)::regclass) THEN
        EXECUTE format('REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.%I', v_row.view_name);
      ELSE
        EXECUTE format('REFRESH MATERIALIZED VIEW analytics.%I', v_row.view_name);
      END IF;
      EXECUTE format('SELECT count(*) FROM analytics.%I', v_row.view_name) INTO v_row.row_count;
      UPDATE analytics.refreshes r SET refreshed_at = date_trunc('milliseconds', v_at),
        duration_ms = extract(epoch FROM clock_timestamp() - v_at) * 1000, row_count = v_row.row_count
      WHERE r.view_name = v_row.view_name RETURNING * INTO v_row;
    END IF;
    RETURN NEXT v_row;
  END LOOP;
END $$;
--> statement-breakpoint

SELECT analytics.refresh();
