-- How old a price and an observation of equity may be for a bot: the stricter of its settings and the fleet's, one hour unless set.
CREATE FUNCTION risk.ages_of(p_bot_id text, OUT price_age interval, OUT equity_age interval) LANGUAGE sql STABLE AS $$
  SELECT coalesce(least(fleet_wide.max_price_age_ms, own.max_price_age_ms), 3600000) * interval '1 millisecond',
    coalesce(least(fleet_wide.max_equity_age_ms, own.max_equity_age_ms), 3600000) * interval '1 millisecond'
  FROM (VALUES (true)) one
  LEFT JOIN LATERAL (SELECT * FROM risk.global_settings ORDER BY version DESC LIMIT 1) fleet_wide ON true
  LEFT JOIN LATERAL (SELECT * FROM risk.settings WHERE bot_id = p_bot_id ORDER BY version DESC LIMIT 1) own ON true
$$;
--> statement-breakpoint

-- What a bot is worth in its base currency: as observed last, else as it reported itself, else what it began with as long as it
-- has done nothing. Null if all that is too old.
CREATE FUNCTION risk.equity_of(p_bot_id text, p_at timestamptz) RETURNS numeric LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    (SELECT d.equity FROM risk.drawdowns d
      WHERE d.bot_id = b.bot_id AND d.observed_at >= p_at - ages.equity_age ORDER BY d.day DESC LIMIT 1),
    CASE WHEN b.last_heartbeat_at >= p_at - ages.equity_age THEN b.current_equity END,
    CASE WHEN NOT EXISTS (SELECT FROM trading.positions p WHERE p.bot_id = b.bot_id) THEN b.initial_equity END)
  FROM fleet.bots b
  CROSS JOIN LATERAL risk.ages_of(b.bot_id) ages
  WHERE b.bot_id = p_bot_id
$$;
--> statement-breakpoint

-- What a bot holds of each symbol, in its base currency, long and short apart, at the mark or else the newest stored price. Both are
-- null if one of its positions cannot be valued. Settled in what is traded, its value moves against the price: then it is inverse.
CREATE FUNCTION risk.exposures_of(p_bot_id text, p_at timestamptz)
RETURNS TABLE (exchange text, symbol text, positions bigint, long_value numeric, short_value numeric, is_inverse boolean)
LANGUAGE sql STABLE AS $$
  WITH held AS (
    SELECT p.exchange, p.symbol, p.direction, p.instrument_kind = 'inverse' AND i.quote_currency <> b.base_currency AS is_inverse,
      risk.value_of(p.instrument_kind, p.contract_size, i.quote_currency, p.settle_currency, b.base_currency, p.exchange, p.quantity,
        coalesce(CASE WHEN p.marked_at >= p_at - ages.price_age THEN p.mark_price END,
          risk.price_of(p.exchange, p.symbol, p_at, ages.price_age)),
        p_at, ages.price_age) AS value
    FROM fleet.bots b
    CROSS JOIN LATERAL risk.ages_of(b.bot_id) ages
    JOIN trading.positions p ON p.bot_id = b.bot_id AND p.status = 'open'
    LEFT JOIN market.instruments i ON i.exchange = p.exchange AND i.symbol = p.symbol
    WHERE b.bot_id = p_bot_id)
  SELECT h.exchange, h.symbol, count(*),
    CASE WHEN count(*) = count(h.value) THEN coalesce(sum(h.value) FILTER (WHERE h.direction = 'long'), 0) END,
    CASE WHEN count(*) = count(h.value) THEN coalesce(sum(h.value) FILTER (WHERE h.direction = 'short'), 0) END,
    coalesce(bool_or(h.is_inverse), false)
  FROM held h GROUP BY h.exchange, h.symbol
$$;
--> statement-breakpoint

-- The risk of every bot at a glance, as of now.
--
--   select bot_id, state, exposure, leverage, drawdown_fraction, day_net_pnl from risk.summary;
CREATE VIEW risk.summary AS
SELECT
  b.bot_id,
  b.name AS bot_name,
  b.exchange,
  b.mode,
  b.base_currency,
  b.status AS bot_status,
  status.state,
  status.blocks,
  status.checked_at::timestamptz(3) AS checked_at,
  coalesce(switch.status, 'off') AS kill_switch_status,
  breakers.active_breakers,
  locks.active_locks,
  exposure.open_positions,
  orders.pending_orders,
  exposure.unpriced,
  exposure.gross AS exposure,
  exposure.net AS net_exposure,
  account.equity,
  CASE WHEN exposure.unpriced = '[]'::jsonb AND account.equity > 0 THEN (exposure.gross / account.equity)::float8 END AS leverage,
  CASE WHEN exposure.unpriced = '[]'::jsonb THEN exposure.concentration END AS concentration,
  exposure.correlation,
  exposure.liquidity,
  drawdown.drawdown_fraction::float8 AS drawdown_fraction,
  drawdown.max_drawdown_fraction::float8 AS max_drawdown_fraction,
  drawdown.observed_at AS drawdown_observed_at,
  risk.net_pnl_between(b.bot_id, b.base_currency,
    risk.window_start('day', NULL, status.checked_at, b.time_zone),
    risk.window_start('day', NULL, risk.window_start('day', NULL, status.checked_at, b.time_zone) + interval '26 hours', b.time_zone),
    status.checked_at, ages.price_age) AS day_net_pnl,
  halt.reason AS last_halt_reason,
  halt.at AS last_halt_at,
  var.method AS value_at_risk_method,
  var.confidence AS value_at_risk_confidence,
  var.horizon_days AS value_at_risk_horizon_days,
  var.value AS value_at_risk,
  var.fraction AS value_at_risk_fraction,
  var.unpriced AS value_at_risk_unpriced,
  var.calculated_at AS value_at_risk_calculated_at,
  alerts.open_alerts
FROM fleet.bots b
CROSS JOIN LATERAL risk.trading_status(b.bot_id) status
CROSS JOIN LATERAL risk.ages_of(b.bot_id) ages
CROSS JOIN LATERAL (SELECT risk.equity_of(b.bot_id, status.checked_at) AS equity) account
LEFT JOIN risk.kill_switch k ON k.id
LEFT JOIN risk.gates gate ON gate.bot_id = b.bot_id
LEFT JOIN risk.kill_switch_events switch ON switch.id = coalesce(k.event_id, gate.kill_switch_event_id)
CROSS JOIN LATERAL (
  SELECT
    (SELECT count(*) FROM risk.circuit_breakers c
      WHERE c.bot_id = b.bot_id AND c.status = 'active' AND coalesce(c.expires_at, 'infinity') > status.checked_at)
    + (SELECT count(*) FROM risk.global_circuit_breakers c
      WHERE c.status = 'active' AND coalesce(c.expires_at, 'infinity') > status.checked_at
        AND coalesce(c.exchange, b.exchange) = b.exchange) AS active_breakers
) breakers
CROSS JOIN LATERAL (
  SELECT
    (SELECT count(*) FROM risk.locks l
      WHERE l.bot_id = b.bot_id AND l.unlocked_at IS NULL AND coalesce(l.expires_at, 'infinity') > status.checked_at)
    + (SELECT count(*) FROM risk.global_locks l
      WHERE l.unlocked_at IS NULL AND coalesce(l.expires_at, 'infinity') > status.checked_at
        AND coalesce(l.exchange, b.exchange) = b.exchange) AS active_locks
) locks
CROSS JOIN LATERAL (
  SELECT count(*) AS pending_orders FROM trading.orders o
  WHERE o.bot_id = b.bot_id AND o.status IN ('pending', 'submitted', 'partially_filled')
) orders
CROSS JOIN LATERAL (
  WITH held AS MATERIALIZED (
    SELECT x.*, (x.long_value + x.short_value)::float8 AS size FROM risk.exposures_of(b.bot_id, status.checked_at) x),
  -- The newest matrix of the last week that has all that is held.
  matrix AS (
    SELECT m.correlations FROM risk.correlation_matrices m
    WHERE m.exchange = (SELECT CASE WHEN min(h.exchange) = max(h.exchange) THEN min(h.exchange) END FROM held h)
      AND m.calculated_at > status.checked_at - interval '7 days'
      AND m.symbols @> (SELECT jsonb_agg(h.symbol) FROM held h)
    ORDER BY m.calculated_at DESC, m.id DESC LIMIT 1),
  -- Each pair that is held, counted by the product of its sizes.
  pairs AS (
    SELECT first.size * second.size AS weight, abs((pair.one ->> 'coefficient')::float8) AS coefficient
    FROM held first
    JOIN held second ON first.symbol < second.symbol
    LEFT JOIN (SELECT jsonb_array_elements(correlations) AS one FROM matrix) pair
      ON (pair.one ->> 'a' = first.symbol AND pair.one ->> 'b' = second.symbol)
      OR (pair.one ->> 'a' = second.symbol AND pair.one ->> 'b' = first.symbol))
  SELECT
    coalesce(sum(h.positions), 0)::bigint AS open_positions,
    coalesce(jsonb_agg(h.symbol ORDER BY h.symbol) FILTER (WHERE h.size IS NULL), '[]') AS unpriced,
    coalesce(sum(h.long_value + h.short_value), 0) AS gross,
    coalesce(sum(h.long_value - h.short_value), 0) AS net,
    sum(h.size * h.size) / nullif(sum(h.size) ^ 2, 0) AS concentration,
    -- One symbol moves with nothing else.
    CASE WHEN count(*) < 2 THEN 0
      ELSE (SELECT CASE WHEN count(*) = count(p.coefficient) THEN sum(p.weight * p.coefficient) / nullif(sum(p.weight), 0) END FROM pairs p)
    END AS correlation,
    -- Measured in the last day, all of them.
    CASE WHEN count(*) = count(l.score) THEN sum(l.score * h.size) / nullif(sum(h.size), 0) END AS liquidity
  FROM held h
  LEFT JOIN risk.liquidity l ON l.exchange = h.exchange AND l.symbol = h.symbol
    AND l.measured_at > status.checked_at - interval '1 day'
) exposure
LEFT JOIN LATERAL (
  SELECT d.drawdown_fraction, d.max_drawdown_fraction, d.observed_at FROM risk.drawdowns d
  WHERE d.bot_id = b.bot_id ORDER BY d.day DESC LIMIT 1
) drawdown ON true
-- What closed entries last, over or not: a breaker of the bot, or since it is there a breaker of the fleet or the switch.
LEFT JOIN LATERAL (
  SELECT h.reason, h.at FROM (
    (SELECT c.trigger || ': ' || c.reason AS reason, c.tripped_at AS at FROM risk.circuit_breakers c
      WHERE c.bot_id = b.bot_id ORDER BY c.tripped_at DESC, c.id DESC LIMIT 1)
    UNION ALL
    (SELECT c.trigger || ': ' || c.reason, c.tripped_at FROM risk.global_circuit_breakers c
      WHERE c.tripped_at >= b.created_at AND coalesce(c.exchange, b.exchange) = b.exchange
      ORDER BY c.tripped_at DESC, c.id DESC LIMIT 1)
    UNION ALL
    (SELECT 'kill switch: ' || e.reason, e.activated_at FROM risk.kill_switch_events e
      WHERE e.activated_at >= b.created_at ORDER BY e.activated_at DESC, e.id DESC LIMIT 1)
  ) h ORDER BY h.at DESC LIMIT 1
) halt ON true
LEFT JOIN LATERAL (
  SELECT v.* FROM risk.var_calculations v
  WHERE v.bot_id = b.bot_id ORDER BY v.calculated_at DESC, v.id DESC LIMIT 1
) var ON true
CROSS JOIN LATERAL (
  SELECT count(*) AS open_alerts FROM risk.alerts a WHERE a.bot_id = b.bot_id AND a.status <> 'resolved'
) alerts;
--> statement-breakpoint

-- Which setting was changed from what to what, by whom and why: a row for each field of each version, the first one from null.
--
--   select changed_at, bot_id, field, before, after, changed_by, reason from risk.setting_changes order by changed_at desc;
CREATE VIEW risk.setting_changes AS
WITH versions AS (
  SELECT '*'::text AS bot_id, s.version, s.changed_by, s.reason, s.changed_at,
    to_jsonb(s) - ARRAY['version', 'changed_by', 'reason', 'changed_at'] AS settings
  FROM risk.global_settings s
  UNION ALL
  SELECT s.bot_id, s.version, s.changed_by, s.reason, s.changed_at,
    to_jsonb(s) - ARRAY['bot_id', 'version', 'changed_by', 'reason', 'changed_at']
  FROM risk.settings s),
steps AS (
  SELECT v.*, lag(v.settings) OVER (PARTITION BY v.bot_id ORDER BY v.version) AS former FROM versions v)
SELECT s.bot_id, s.version, field.key AS field, s.former ->> field.key AS before, s.settings ->> field.key AS after, s.changed_by, s.reason,
  s.changed_at
FROM steps s
CROSS JOIN LATERAL jsonb_each(s.settings) field
WHERE s.settings ->> field.key IS DISTINCT FROM s.former ->> field.key;
--> statement-breakpoint

-- What was done to the risk of bots, by whom and why; not the orders that were refused.
CREATE VIEW risk.admin_actions AS
SELECT e.occurred_at, e.bot_id, e.kind, e.actor, e.reason, e.subject_id, e.details
FROM audit.risk_events e
WHERE e.kind <> 'order_denied';
