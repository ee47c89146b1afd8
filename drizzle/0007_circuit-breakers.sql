-- What trips circuit breakers and what ends them, the equity that drawdowns are measured of, and how deep they are.

-- When the time begins that a rule looks at: the bot's day or week (from Monday) in its zone, or so many milliseconds ago, which
-- moment itself is left out. A midnight that comes twice begins the day the first time.
CREATE FUNCTION risk.window_start(p_unit text, p_window_ms bigint, p_at timestamptz, p_zone text) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN p_unit = 'window' THEN p_at - (p_window_ms - 1) * interval '1 millisecond'
    WHEN (start - interval '1 hour') AT TIME ZONE p_zone >= midnight THEN start - interval '1 hour'
    ELSE start END
  FROM (SELECT midnight, midnight AT TIME ZONE p_zone AS start
    FROM (SELECT CASE WHEN p_unit <> 'window' THEN date_trunc(p_unit, p_at AT TIME ZONE p_zone) END AS midnight) m) s
$$;
--> statement-breakpoint

-- Deposits and transfers less withdrawals of a bot before p_until, in its base currency. Null while one cannot be valued.
CREATE FUNCTION risk.external_flows_before(
  p_bot_id text, p_base text, p_until timestamptz, p_at timestamptz, p_max_age interval
) RETURNS numeric LANGUAGE sql STABLE AS $$
  WITH amounts AS (
    SELECT exchange, currency, sum(amount) AS amount FROM trading.cash_flows
    WHERE bot_id = p_bot_id AND occurred_at < p_until AND kind IN ('deposit', 'withdrawal', 'transfer') GROUP BY 1, 2),
  valued AS (
    SELECT amount * risk.rate_between(exchange, currency, p_base, p_at, p_max_age) AS value FROM amounts WHERE amount <> 0)
  SELECT CASE WHEN count(*) = count(value) THEN coalesce(sum(value), 0) END FROM valued
$$;
--> statement-breakpoint

-- What a bot has realised in all, after fees and funding, in its base currency: of its positions, and of what came or went
-- without one. Null while something of it cannot be valued.
CREATE FUNCTION risk.realised_pnl(p_bot_id text, p_base text, p_at timestamptz, p_max_age interval) RETURNS numeric
LANGUAGE sql STABLE AS $$
  WITH amounts AS (
    SELECT exchange, settle_currency AS currency, sum(realised_gross - fees + funding) AS amount
    FROM trading.positions WHERE bot_id = p_bot_id GROUP BY 1, 2
    UNION ALL
    SELECT p.exchange, fee.key, -sum(fee.value::numeric)
    FROM trading.positions p CROSS JOIN jsonb_each_text(p.unvalued_fees) fee
    WHERE p.bot_id = p_bot_id AND p.unvalued_fees <> '{}' GROUP BY 1, 2
    UNION ALL
    SELECT exchange, currency, sum(amount) FROM trading.cash_flows
    WHERE bot_id = p_bot_id AND occurred_at <= p_at
      AND (kind IN ('interest', 'rebate', 'fee', 'adjustment') OR (kind = 'funding' AND position_id IS NULL))
    GROUP BY 1, 2),
  valued AS (
    SELECT amount * risk.rate_between(exchange, currency, p_base, p_at, p_max_age) AS value FROM amounts WHERE amount <> 0)
  SELECT CASE WHEN count(*) = count(value) THEN coalesce(sum(value), 0) END FROM valued
$$;
--> statement-breakpoint

-- What the open positions of a bot have gained or lost at their marks, or where those are too old at the newest stored price,
-- in its base currency. Null while one has no price.
CREATE FUNCTION risk.unrealised_pnl(p_bot_id text, p_base text, p_at timestamptz, p_max_age interval) RETURNS numeric
LANGUAGE sql STABLE AS $$
  WITH held AS (
    SELECT p.*, coalesce(CASE WHEN p.marked_at >= p_at - p_max_age THEN p.mark_price END,
      risk.price_of(p.exchange, p.symbol, p_at, p_max_age)) AS price
    FROM trading.positions p WHERE p.bot_id = p_bot_id AND p.status = 'open'),
  valued AS (
    SELECT CASE direction WHEN 'long' THEN 1 ELSE -1 END
      * CASE instrument_kind WHEN 'inverse' THEN cost - trading.divide(quantity * contract_size, price) ELSE price * quantity * contract_size - cost END
      * risk.rate_between(exchange, settle_currency, p_base, p_at, p_max_age) AS value
    FROM held)
  SELECT CASE WHEN count(*) = count(value) THEN coalesce(sum(value), 0) END FROM valued
$$;
--> statement-breakpoint

-- What a bot is worth by its ledger, and all external flows that are in it, in its base currency. Null where unknown.
CREATE FUNCTION risk.ledger_equity(p_bot_id text, p_at timestamptz, p_max_age interval, OUT equity numeric, OUT flows numeric)
LANGUAGE sql STABLE AS $$
  SELECT b.initial_equity + f.flows + risk.realised_pnl(b.bot_id, b.base_currency, p_at, p_max_age)
      + risk.unrealised_pnl(b.bot_id, b.base_currency, p_at, p_max_age), f.flows
  FROM fleet.bots b
  CROSS JOIN LATERAL (SELECT risk.external_flows_before(
    b.bot_id, b.base_currency, p_at + interval '1 millisecond', p_at, p_max_age) AS flows) f
  WHERE b.bot_id = p_bot_id
$$;
--> statement-breakpoint

-- Notes what a bot is worth, and how far that is below its peak. p_flows are all external flows that are in it so far: those that were not
-- counted by an observation before are no gain and no loss now, however late they were told. So `flows` of a day are
-- what was counted on that day.
--
-- One observer at a time: the gate of the bot is moved on first, and what the one before wrote is seen by what comes after.
-- Who has nothing more than debts has a drawdown of 1; the index stays above zero, so that what comes after a new deposit
-- can be measured. Nothing is returned where the equity is null, or the bot unknown.
CREATE FUNCTION risk.observe_equity(p_bot_id text, p_equity numeric, p_flows numeric, p_at timestamptz) RETURNS SETOF risk.drawdowns
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_smallest CONSTANT numeric := 0.000000000000000000000000000001;
  v_last risk.drawdowns;
  v_bot fleet.bots;
  v_flows numeric;
  v_capital numeric;
  v_rest numeric;
  v_watched numeric;
  v_new_day boolean;
BEGIN
  IF p_equity IS NULL OR p_flows IS NULL THEN RETURN; END IF;
  UPDATE risk.gates SET version = version + 1 WHERE bot_id = p_bot_id;
  SELECT * INTO v_bot FROM fleet.bots WHERE bot_id = p_bot_id;
  IF NOT FOUND THEN RETURN; END IF;
  SELECT * INTO v_last FROM risk.drawdowns WHERE bot_id = p_bot_id ORDER BY day DESC LIMIT 1;
  IF v_last.observed_at > p_at THEN
    RETURN NEXT v_last;
    RETURN;
  END IF;
  IF v_last.bot_id IS NULL THEN
    -- What it began with is the first observation.
    v_last := ROW(p_bot_id, NULL, NULL, v_bot.initial_equity, 0, 1, 1, least(v_bot.created_at, p_at), 0, 0, 0,
      least(v_bot.created_at, p_at), 1, least(v_bot.created_at, p_at), 0)::risk.drawdowns;
  END IF;
  v_watched := v_last.watched_drawdown_fraction;
  SELECT p_flows - coalesce(sum(d.flows), 0) INTO v_flows FROM risk.drawdowns d WHERE d.bot_id = p_bot_id;

  -- What came or went counts at the end of the time between; at its beginning where nothing was there to gain or lose with, or
  -- where a deposit would make a loss of its own larger than all there was.
  v_capital := v_last.equity;
  v_rest := p_equity - v_flows;
  IF v_capital <= 0 OR (v_rest <= 0 AND p_equity > 0) THEN
    v_capital := v_last.equity + v_flows;
    v_rest := p_equity;
  END IF;
  v_new_day := v_last.day IS DISTINCT FROM (p_at AT TIME ZONE 'UTC')::date;
  v_last.day := (p_at AT TIME ZONE 'UTC')::date;
  v_last.observed_at := p_at;
  v_last.equity := p_equity;
  v_last.flows := v_flows + CASE WHEN v_new_day THEN 0 ELSE v_last.flows END;
  -- Without capital nothing is gained or lost. Where nothing was, the drawdown stays what it was.
  IF v_capital > 0 AND v_rest <> v_capital THEN
    v_last.growth := greatest(trading.divide(v_last.growth * greatest(v_rest, v_capital / 1000000), v_capital), v_smallest);
    IF v_last.growth > v_last.peak_growth THEN
      v_last.peak_growth := v_last.growth;
      v_last.peak_at := p_at;
    END IF;
    v_last.watched_peak_growth := greatest(v_last.watched_peak_growth, v_last.growth);
    IF v_rest <= 0 THEN
      v_last.drawdown_fraction := 1;
      v_last.watched_drawdown_fraction := 1;
    ELSE
      v_last.drawdown_fraction := 1 - trading.divide(v_last.growth, v_last.peak_growth);
      v_last.watched_drawdown_fraction := 1 - trading.divide(v_last.growth, v_last.watched_peak_growth);
    END IF;
  END IF;
  v_last.day_max_drawdown_fraction := greatest(v_last.drawdown_fraction, CASE WHEN NOT v_new_day THEN v_last.day_max_drawdown_fraction END);
  IF v_last.drawdown_fraction > v_last.max_drawdown_fraction THEN
    v_last.max_drawdown_fraction := v_last.drawdown_fraction;
    v_last.max_drawdown_at := p_at;
  END IF;

  INSERT INTO risk.drawdowns AS d (bot_id, day, observed_at, equity, flows, growth, peak_growth, peak_at, drawdown_fraction,
    day_max_drawdown_fraction, max_drawdown_fraction, max_drawdown_at, watched_peak_growth, watched_since, watched_drawdown_fraction)
  VALUES (v_last.bot_id, v_last.day, v_last.observed_at, v_last.equity, v_last.flows, v_last.growth, v_last.peak_growth, v_last.peak_at,
    v_last.drawdown_fraction, v_last.day_max_drawdown_fraction, v_last.max_drawdown_fraction, v_last.max_drawdown_at,
    v_last.watched_peak_growth, v_last.watched_since, v_last.watched_drawdown_fraction)
  ON CONFLICT (bot_id, day) DO UPDATE SET observed_at = excluded.observed_at, equity = excluded.equity, flows = excluded.flows,
    growth = excluded.growth, peak_growth = excluded.peak_growth, peak_at = excluded.peak_at,
    drawdown_fraction = excluded.drawdown_fraction, day_max_drawdown_fraction = excluded.day_max_drawdown_fraction,
    max_drawdown_fraction = excluded.max_drawdown_fraction, max_drawdown_at = excluded.max_drawdown_at,
    watched_peak_growth = excluded.watched_peak_growth, watched_since = excluded.watched_since,
    watched_drawdown_fraction = excluded.watched_drawdown_fraction
  RETURNING d.* INTO v_last;
  IF v_last.watched_drawdown_fraction IS DISTINCT FROM v_watched THEN PERFORM risk.notify(p_bot_id); END IF;
  RETURN NEXT v_last;
END $$;
--> statement-breakpoint

-- Writes trips of one bot and returns those that are new, once each whoever else finds them.
--
-- A trip of the same rule and place that holds stands in the way; one that is over makes room. A guarded trip says what
-- had been seen of its rule when it was decided (the trip that nobody had ended, and how many a human had), and is dropped if that is
-- no longer so: somebody has tripped or ended it meanwhile, and the facts behind it are those of before.
CREATE FUNCTION risk.trip_circuit_breakers(p_bot_id text, p_trips jsonb, p_now timestamptz) RETURNS SETOF risk.circuit_breakers
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_now timestamptz;
  v_active risk.circuit_breakers;
  v_new risk.circuit_breakers;
  v_any boolean := false;
  t record;
BEGIN
  UPDATE risk.gates SET version = version + 1 WHERE bot_id = p_bot_id;
  IF NOT FOUND THEN RETURN; END IF;
  v_now := risk.clock(p_now);
  FOR t IN SELECT * FROM jsonb_to_recordset(p_trips) AS trip (
    id uuid, rule text, trigger text, exchange text, symbol text, side text, severity text, reason text, threshold numeric,
    actual numeric, tripped_by text, tripped_at timestamptz, cooldown_ms bigint, trips_in_row integer, context jsonb,
    guarded boolean, seen_trip_id uuid, seen_ended_count bigint)
  LOOP
    SELECT * INTO v_active FROM risk.circuit_breakers b
    WHERE b.bot_id = p_bot_id AND b.rule = t.rule AND coalesce(b.exchange, '') = coalesce(t.exchange, '')
      AND coalesce(b.symbol, '') = coalesce(t.symbol, '') AND coalesce(b.side, '') = coalesce(t.side, '') AND b.status = 'active';
    CONTINUE WHEN v_active.id IS NOT NULL AND coalesce(v_active.expires_at, 'infinity') > v_now;
    CONTINUE WHEN t.guarded AND v_active.id IS DISTINCT FROM t.seen_trip_id;
    CONTINUE WHEN t.guarded AND t.seen_ended_count IS DISTINCT FROM (
      SELECT count(*) FROM risk.circuit_breakers b
      WHERE b.bot_id = p_bot_id AND b.rule = t.rule AND coalesce(b.exchange, '') = coalesce(t.exchange, '')
        AND coalesce(b.symbol, '') = coalesce(t.symbol, '') AND coalesce(b.side, '') = coalesce(t.side, '')
        AND b.status IN ('resolved', 'overridden'));
    UPDATE risk.circuit_breakers SET status = 'expired' WHERE bot_id = p_bot_id AND id = v_active.id;
    INSERT INTO risk.circuit_breakers (bot_id, id, rule, trigger, exchange, symbol, side, severity, reason, threshold, actual, tripped_by,
      tripped_at, cooldown_ms, trips_in_row, context)
    VALUES (p_bot_id, t.id, t.rule, t.trigger, t.exchange, t.symbol, t.side, t.severity, t.reason, t.threshold, t.actual, t.tripped_by,
      coalesce(t.tripped_at, v_now), t.cooldown_ms, t.trips_in_row, t.context)
    ON CONFLICT DO NOTHING RETURNING * INTO v_new;
    CONTINUE WHEN NOT FOUND;
    v_any := true;
    RETURN NEXT v_new;
  END LOOP;
  IF v_any THEN PERFORM risk.notify(p_bot_id); END IF;
END $$;
--> statement-breakpoint

-- The same of the whole fleet. There is no gate of the fleet: evaluators come one by one at its settings, which they have read
-- their rules from, and whoever ends a trip changes its row, which is locked here.
CREATE FUNCTION risk.trip_global_circuit_breakers(p_trips jsonb, p_now timestamptz) RETURNS SETOF risk.global_circuit_breakers
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_now timestamptz;
  v_active risk.global_circuit_breakers;
  v_new risk.global_circuit_breakers;
  v_any boolean := false;
  t record;
BEGIN
  PERFORM FROM risk.global_settings WHERE version = (SELECT max(version) FROM risk.global_settings) FOR NO KEY UPDATE;
  v_now := risk.clock(p_now);
  FOR t IN SELECT * FROM jsonb_to_recordset(p_trips) AS trip (
    id uuid, rule text, trigger text, exchange text, symbol text, side text, severity text, reason text, threshold numeric,
    actual numeric, tripped_by text, tripped_at timestamptz, cooldown_ms bigint, trips_in_row integer, context jsonb,
    guarded boolean, seen_trip_id uuid, seen_ended_count bigint)
  LOOP
    SELECT * INTO v_active FROM risk.global_circuit_breakers b
    WHERE b.rule = t.rule AND coalesce(b.exchange, '') = coalesce(t.exchange, '') AND coalesce(b.symbol, '') = coalesce(t.symbol, '')
      AND coalesce(b.side, '') = coalesce(t.side, '') AND b.status = 'active'
    FOR NO KEY UPDATE;
    CONTINUE WHEN v_active.id IS NOT NULL AND coalesce(v_active.expires_at, 'infinity') > v_now;
    CONTINUE WHEN t.guarded AND v_active.id IS DISTINCT FROM t.seen_trip_id;
    CONTINUE WHEN t.guarded AND t.seen_ended_count IS DISTINCT FROM (
      SELECT count(*) FROM risk.global_circuit_breakers b
      WHERE b.rule = t.rule AND coalesce(b.exchange, '') = coalesce(t.exchange, '') AND coalesce(b.symbol, '') = coalesce(t.symbol, '')
        AND coalesce(b.side, '') = coalesce(t.side, '') AND b.status IN ('resolved', 'overridden'));
    UPDATE risk.global_circuit_breakers SET status = 'expired' WHERE id = v_active.id;
    INSERT INTO risk.global_circuit_breakers (id, rule, trigger, exchange, symbol, side, severity, reason, threshold, actual, tripped_by,
      tripped_at, cooldown_ms, trips_in_row, context)
    VALUES (t.id, t.rule, t.trigger, t.exchange, t.symbol, t.side, t.severity, t.reason, t.threshold, t.actual, t.tripped_by,
      coalesce(t.tripped_at, v_now), t.cooldown_ms, t.trips_in_row, t.context)
    ON CONFLICT DO NOTHING RETURNING * INTO v_new;
    CONTINUE WHEN NOT FOUND;
    v_any := true;
    RETURN NEXT v_new;
  END LOOP;
  IF v_any THEN PERFORM risk.notify('*'); END IF;
END $$;
--> statement-breakpoint

-- Ends an active trip of a bot and returns it; nothing if there is none. After a drawdown, the peak that is watched begins anew at what the
-- bot is worth: the real peak stays.
CREATE FUNCTION risk.end_circuit_breaker(
  p_bot_id text, p_id uuid, p_status text, p_by text, p_reason text, p_now timestamptz
) RETURNS SETOF risk.circuit_breakers LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_ended risk.circuit_breakers;
BEGIN
  UPDATE risk.gates SET version = version + 1 WHERE bot_id = p_bot_id;
  UPDATE risk.circuit_breakers
  SET status = p_status, resolved_at = risk.clock(p_now), resolved_by = p_by, resolution_reason = p_reason
  WHERE bot_id = p_bot_id AND id = p_id AND status = 'active'
  RETURNING * INTO v_ended;
  IF NOT FOUND THEN RETURN; END IF;
  IF v_ended.trigger = 'max_drawdown' THEN
    UPDATE risk.drawdowns
    SET watched_peak_growth = growth, watched_since = v_ended.resolved_at, watched_drawdown_fraction = 0
    WHERE bot_id = p_bot_id AND day = (SELECT max(d.day) FROM risk.drawdowns d WHERE d.bot_id = p_bot_id);
  END IF;
  PERFORM risk.notify(p_bot_id);
  RETURN NEXT v_ended;
END $$;
