-- What stands between an intent and an order: the gate of each bot, the kill switch, and what is asked before an order is let through.
-- Amounts that cannot be known fail a check: `coalesce(…, false)`, never a null that passes.

INSERT INTO risk.kill_switch DEFAULT VALUES;
--> statement-breakpoint
INSERT INTO risk.gates (bot_id) SELECT bot_id FROM fleet.bots;
--> statement-breakpoint

-- A bot is not there without its gate. The row of the switch is locked first, so that risk.halt_gates can wait for bots that
-- are being registered; a lock on its key does not hold up who throws the switch.
CREATE FUNCTION risk.open_gate() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_event uuid;
BEGIN
  SELECT event_id INTO v_event FROM risk.kill_switch WHERE id FOR KEY SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the row of the kill switch is missing, so no bot is registered' USING ERRCODE = 'TB002';
  END IF;
  INSERT INTO risk.gates (bot_id, kill_switch_event_id) VALUES (NEW.bot_id, v_event);
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER bots_open_gate AFTER INSERT ON fleet.bots FOR EACH ROW EXECUTE FUNCTION risk.open_gate();
--> statement-breakpoint

-- Rows of which only some columns ever change. The table's name and those columns come as arguments.
CREATE FUNCTION risk.guard_facts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF to_jsonb(NEW) - TG_ARGV[1:] IS DISTINCT FROM to_jsonb(OLD) - TG_ARGV[1:] THEN
    RAISE EXCEPTION 'of a row of % only % may change', TG_ARGV[0], array_to_string(TG_ARGV[1:], ', ')
      USING ERRCODE = 'TB002', HINT = 'record another row instead';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint

-- Writes a change down. Arguments: the kind of event; columns that may name who did it, and why, the first one that is
-- filled counts; columns that are nobody's business. Numbers become text, which no reader rounds.
CREATE FUNCTION risk.log_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_new jsonb := to_jsonb(NEW) - string_to_array(TG_ARGV[3], ' ');
  v_old jsonb;
  v_details jsonb;
  v_actor text;
  v_reason text;
  v_column text;
BEGIN
  FOREACH v_column IN ARRAY string_to_array(TG_ARGV[1], ' ') LOOP
    v_actor := coalesce(v_actor, v_new ->> v_column);
  END LOOP;
  FOREACH v_column IN ARRAY string_to_array(TG_ARGV[2], ' ') LOOP
    v_reason := coalesce(v_reason, v_new ->> v_column);
  END LOOP;
  IF TG_OP = 'INSERT' THEN
    v_details := jsonb_build_object('after', risk.numbers_as_text(v_new));
  ELSE
    v_old := to_jsonb(OLD) - string_to_array(TG_ARGV[3], ' ');
    SELECT jsonb_build_object(
        'before', risk.numbers_as_text(jsonb_object_agg(key, v_old -> key)),
        'after', risk.numbers_as_text(jsonb_object_agg(key, value)))
      INTO v_details FROM jsonb_each(v_new) WHERE value IS DISTINCT FROM v_old -> key;
    -- Nothing that anybody may know of has changed.
    IF v_details -> 'after' = 'null'::jsonb THEN RETURN NULL; END IF;
  END IF;
  INSERT INTO audit.risk_events (bot_id, kind, actor, reason, subject_id, details, occurred_at)
  VALUES (coalesce(v_new ->> 'bot_id', '*'), TG_ARGV[0], coalesce(v_actor, session_user), v_reason, (v_new ->> 'id')::uuid,
    v_details, clock_timestamp());
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE FUNCTION risk.numbers_as_text(document jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT jsonb_object_agg(key, CASE jsonb_typeof(value) WHEN 'number' THEN to_jsonb(value #>> '{}') ELSE value END)
  FROM jsonb_each(document)
$$;
--> statement-breakpoint

-- A bot that is told to pause or stop: no order in flight passes the change, and it is written down.
CREATE FUNCTION risk.log_bot_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE risk.gates SET version = version + 1 WHERE bot_id = NEW.bot_id;
  INSERT INTO audit.risk_events (bot_id, kind, actor, reason, details, occurred_at)
  VALUES (NEW.bot_id, 'bot_status_changed', session_user, NEW.status_reason,
    jsonb_build_object('before', jsonb_build_object('status', OLD.status), 'after', jsonb_build_object('status', NEW.status)),
    clock_timestamp());
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER bots_status_changed AFTER UPDATE OF status ON fleet.bots FOR EACH ROW
  WHEN (NEW.status IS DISTINCT FROM OLD.status) EXECUTE FUNCTION risk.log_bot_status();
--> statement-breakpoint

CREATE TRIGGER risk_events_append_only BEFORE UPDATE OR DELETE ON audit.risk_events
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('audit.risk_events');
--> statement-breakpoint
CREATE TRIGGER risk_events_no_truncate BEFORE TRUNCATE ON audit.risk_events
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('audit.risk_events');
--> statement-breakpoint
CREATE TRIGGER global_settings_append_only BEFORE UPDATE OR DELETE ON risk.global_settings
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.global_settings');
--> statement-breakpoint
CREATE TRIGGER global_settings_no_truncate BEFORE TRUNCATE ON risk.global_settings
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.global_settings');
--> statement-breakpoint
CREATE TRIGGER global_settings_logged AFTER INSERT ON risk.global_settings
  FOR EACH ROW EXECUTE FUNCTION risk.log_change('settings_changed', 'changed_by', 'reason', '');
--> statement-breakpoint
CREATE TRIGGER settings_append_only BEFORE UPDATE OR DELETE ON risk.settings
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.settings');
--> statement-breakpoint
CREATE TRIGGER settings_no_truncate BEFORE TRUNCATE ON risk.settings
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.settings');
--> statement-breakpoint
CREATE TRIGGER settings_logged AFTER INSERT ON risk.settings
  FOR EACH ROW EXECUTE FUNCTION risk.log_change('settings_changed', 'changed_by', 'reason', '');
--> statement-breakpoint
CREATE TRIGGER kill_switch_no_delete BEFORE DELETE ON risk.kill_switch
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.kill_switch');
--> statement-breakpoint
CREATE TRIGGER kill_switch_no_truncate BEFORE TRUNCATE ON risk.kill_switch
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.kill_switch');
--> statement-breakpoint
CREATE TRIGGER kill_switch_events_no_delete BEFORE DELETE ON risk.kill_switch_events
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.kill_switch_events');
--> statement-breakpoint
CREATE TRIGGER kill_switch_events_no_truncate BEFORE TRUNCATE ON risk.kill_switch_events
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.kill_switch_events');
--> statement-breakpoint
CREATE TRIGGER kill_switch_events_guard BEFORE UPDATE ON risk.kill_switch_events FOR EACH ROW EXECUTE FUNCTION risk.guard_facts(
  'risk.kill_switch_events', 'status', 'wrong_codes', 'code_locked_until', 'equity_after', 'positions_closed',
  'orders_cancelled', 'action_log', 'recovery_started_at', 'recovery_started_by', 'recovery_notes', 'deactivated_at',
  'deactivated_by', 'deactivation_reason', 'changed_by', 'change_reason');
--> statement-breakpoint
CREATE TRIGGER kill_switch_events_logged AFTER INSERT OR UPDATE ON risk.kill_switch_events FOR EACH ROW
  EXECUTE FUNCTION risk.log_change('kill_switch_changed', 'changed_by activated_by', 'change_reason reason', 'code_hash');
--> statement-breakpoint
CREATE TRIGGER global_circuit_breakers_no_delete BEFORE DELETE ON risk.global_circuit_breakers
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.global_circuit_breakers');
--> statement-breakpoint
CREATE TRIGGER global_circuit_breakers_no_truncate BEFORE TRUNCATE ON risk.global_circuit_breakers
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.global_circuit_breakers');
--> statement-breakpoint
CREATE TRIGGER global_circuit_breakers_logged AFTER INSERT OR UPDATE ON risk.global_circuit_breakers FOR EACH ROW
  EXECUTE FUNCTION risk.log_change('circuit_breaker_changed', 'resolved_by changed_by tripped_by',
    'resolution_reason change_reason reason', '');
--> statement-breakpoint
CREATE TRIGGER circuit_breakers_no_delete BEFORE DELETE ON risk.circuit_breakers
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.circuit_breakers');
--> statement-breakpoint
CREATE TRIGGER circuit_breakers_no_truncate BEFORE TRUNCATE ON risk.circuit_breakers
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.circuit_breakers');
--> statement-breakpoint
CREATE TRIGGER circuit_breakers_logged AFTER INSERT OR UPDATE ON risk.circuit_breakers FOR EACH ROW
  EXECUTE FUNCTION risk.log_change('circuit_breaker_changed', 'resolved_by changed_by tripped_by',
    'resolution_reason change_reason reason', '');
--> statement-breakpoint
CREATE TRIGGER global_circuit_breakers_guard BEFORE UPDATE ON risk.global_circuit_breakers FOR EACH ROW
  EXECUTE FUNCTION risk.guard_facts('risk.global_circuit_breakers', 'status', 'cooldown_ms', 'expires_at', 'changed_by',
    'change_reason', 'resolved_at', 'resolved_by', 'resolution_reason');
--> statement-breakpoint
CREATE TRIGGER circuit_breakers_guard BEFORE UPDATE ON risk.circuit_breakers FOR EACH ROW
  EXECUTE FUNCTION risk.guard_facts('risk.circuit_breakers', 'status', 'cooldown_ms', 'expires_at', 'changed_by',
    'change_reason', 'resolved_at', 'resolved_by', 'resolution_reason');
--> statement-breakpoint
CREATE TRIGGER global_locks_no_delete BEFORE DELETE ON risk.global_locks
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.global_locks');
--> statement-breakpoint
CREATE TRIGGER global_locks_no_truncate BEFORE TRUNCATE ON risk.global_locks
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.global_locks');
--> statement-breakpoint
CREATE TRIGGER global_locks_guard BEFORE UPDATE ON risk.global_locks FOR EACH ROW
  EXECUTE FUNCTION risk.guard_facts('risk.global_locks', 'expires_at', 'unlocked_at', 'unlocked_by', 'unlock_reason');
--> statement-breakpoint
CREATE TRIGGER global_locks_logged AFTER INSERT OR UPDATE ON risk.global_locks FOR EACH ROW
  EXECUTE FUNCTION risk.log_change('lock_changed', 'unlocked_by locked_by', 'unlock_reason reason', '');
--> statement-breakpoint
CREATE TRIGGER locks_no_delete BEFORE DELETE ON risk.locks
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.locks');
--> statement-breakpoint
CREATE TRIGGER locks_no_truncate BEFORE TRUNCATE ON risk.locks
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.locks');
--> statement-breakpoint
CREATE TRIGGER locks_guard BEFORE UPDATE ON risk.locks FOR EACH ROW
  EXECUTE FUNCTION risk.guard_facts('risk.locks', 'expires_at', 'unlocked_at', 'unlocked_by', 'unlock_reason');
--> statement-breakpoint
CREATE TRIGGER locks_logged AFTER INSERT OR UPDATE ON risk.locks FOR EACH ROW
  EXECUTE FUNCTION risk.log_change('lock_changed', 'unlocked_by locked_by', 'unlock_reason reason', '');
--> statement-breakpoint
CREATE TRIGGER stop_orders_created AFTER INSERT ON risk.stop_orders FOR EACH ROW
  EXECUTE FUNCTION risk.log_change('stop_order_changed', 'changed_by', 'reason', '');
--> statement-breakpoint
-- A level that follows the price is no change by anybody; the version moves when somebody changes it.
CREATE TRIGGER stop_orders_changed AFTER UPDATE ON risk.stop_orders FOR EACH ROW
  WHEN (NEW.status IS DISTINCT FROM OLD.status OR NEW.version IS DISTINCT FROM OLD.version)
  EXECUTE FUNCTION risk.log_change('stop_order_changed', 'changed_by', 'reason', '');
--> statement-breakpoint
CREATE TRIGGER stop_orders_updated_at BEFORE UPDATE ON risk.stop_orders FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER alerts_logged AFTER INSERT OR UPDATE ON risk.alerts FOR EACH ROW
  EXECUTE FUNCTION risk.log_change('alert_changed', 'resolved_by acknowledged_by raised_by', 'resolution_reason title', '');
--> statement-breakpoint

CREATE FUNCTION risk.notify(p_subject text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('tradeblotter_risk', p_subject);
END $$;
--> statement-breakpoint

-- The newest stored price of a symbol, of whatever timeframe, not older than p_max_age at p_at. Null if there is none. What was seen later is
-- no price of then, for who asks about the past; a minute is left to clocks that differ.
CREATE FUNCTION risk.price_of(p_exchange text, p_symbol text, p_at timestamptz, p_max_age interval) RETURNS numeric
LANGUAGE sql STABLE AS $$
  SELECT last_close FROM market.series
  WHERE exchange = p_exchange AND symbol = p_symbol AND last_price_at >= p_at - p_max_age
    AND last_price_at <= p_at + interval '1 minute'
  ORDER BY last_price_at DESC LIMIT 1
$$;
--> statement-breakpoint

-- What one unit of a currency is worth in another: 1 for itself, else by the newest stored price of a symbol of the
-- exchange that trades the two. Null if there is none: then nobody knows.
CREATE FUNCTION risk.rate_between(p_exchange text, p_from text, p_to text, p_at timestamptz, p_max_age interval) RETURNS numeric
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_rate numeric;
BEGIN
  IF p_from = p_to THEN RETURN 1; END IF;
  SELECT CASE WHEN i.base_currency = p_from THEN s.last_close ELSE trading.divide(1, s.last_close) END INTO v_rate
  FROM market.instruments i
  JOIN market.series s ON s.exchange = i.exchange AND s.symbol = i.symbol
  WHERE i.exchange = p_exchange AND s.last_price_at >= p_at - p_max_age AND s.last_price_at <= p_at + interval '1 minute'
    AND ((i.base_currency = p_from AND i.quote_currency = p_to) OR (i.base_currency = p_to AND i.quote_currency = p_from))
  ORDER BY s.last_price_at DESC, s.id LIMIT 1;
  RETURN v_rate;
END $$;
--> statement-breakpoint

-- What a quantity is worth in a bot's base currency. Null if no rate is known.
CREATE FUNCTION risk.value_of(
  p_kind text, p_contract_size numeric, p_quote text, p_settle text, p_base text, p_exchange text, p_quantity numeric, p_price numeric,
  p_at timestamptz, p_max_age interval
) RETURNS numeric LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN p_kind IN ('spot', 'linear') THEN p_price * p_quantity * p_contract_size * risk.rate_between(p_exchange, p_quote, p_base, p_at, p_max_age)
    WHEN p_kind = 'inverse' THEN coalesce(p_quantity * p_contract_size * risk.rate_between(p_exchange, p_quote, p_base, p_at, p_max_age),
      trading.divide(p_quantity * p_contract_size, p_price) * risk.rate_between(p_exchange, p_settle, p_base, p_at, p_max_age))
  END
$$;
--> statement-breakpoint

-- What a bot realised from p_from on and before p_until, after fees and funding, in its base currency; a loss is negative. External flows are
-- no profit. Null while something of it cannot be valued.
CREATE FUNCTION risk.net_pnl_between(
  p_bot_id text, p_base text, p_from timestamptz, p_until timestamptz, p_at timestamptz, p_max_age interval
) RETURNS numeric LANGUAGE sql STABLE AS $$
  WITH fills AS (
    SELECT f.exchange, f.fee_currency, i.settle_currency, f.realised_gross, f.fee, f.fee_in_settlement
    FROM trading.fills f
    LEFT JOIN market.instruments i ON i.exchange = f.exchange AND i.symbol = f.symbol
    WHERE f.bot_id = p_bot_id AND f.executed_at >= p_from AND f.executed_at < p_until),
  amounts AS (
    SELECT exchange, settle_currency AS currency,
      CASE WHEN count(*) = count(realised_gross) THEN sum(realised_gross - coalesce(fee_in_settlement, 0)) END AS amount
    FROM fills GROUP BY 1, 2
    UNION ALL
    SELECT exchange, fee_currency, -sum(fee) FROM fills WHERE fee_in_settlement IS NULL GROUP BY 1, 2
    UNION ALL
    SELECT exchange, currency, CASE WHEN count(*) = count(amount) THEN sum(amount) END FROM trading.cash_flows
    WHERE bot_id = p_bot_id AND occurred_at >= p_from AND occurred_at < p_until
      AND kind IN ('funding', 'interest', 'rebate', 'fee', 'adjustment')
    GROUP BY 1, 2),
  valued AS (
    SELECT amount * risk.rate_between(exchange, currency, p_base, p_at, p_max_age) AS value FROM amounts WHERE amount IS DISTINCT FROM 0)
  SELECT CASE WHEN p_from < p_until AND count(*) = count(value) THEN coalesce(sum(value), 0) END FROM valued
$$;
--> statement-breakpoint

-- The highest price that an order may be filled at, as far as anybody can tell; null if nobody can. A buy with a limit pays no more than that; what
-- a sell with a limit gets, or a stop, is not bounded by it, and so needs what the market pays.
CREATE FUNCTION risk.dearest_price(p_side text, p_type text, p_limit_price numeric, p_stop_price numeric, p_market_price numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN p_side = 'buy' AND p_limit_price > 0 AND p_type IN ('limit', 'stop_limit', 'take_profit_limit') THEN p_limit_price
    WHEN p_market_price > 0 THEN greatest(p_market_price, p_limit_price, p_stop_price)
  END
$$;
--> statement-breakpoint

-- One question that is asked of a bot or an order, and its answer. A check that fails is a block.
CREATE TYPE risk.check_result AS (
  code text,
  passed boolean,
  -- reduce or halt: what a failure makes of the state.
  effect text,
  -- global, bot, symbol, side or order: what a failure closes.
  scope text,
  -- What decided: settings, kill_switch, circuit_breaker, lock, bot, instrument or ledger.
  source text,
  source_id uuid,
  reason text,
  since timestamptz,
  until timestamptz,
  threshold numeric,
  actual numeric
);
--> statement-breakpoint

-- Asks everything that decides whether a bot may place an entry, and answers with each check, passed or not.
--
-- Without a symbol, what closes single symbols is not asked. Without a side, a block of either side counts. Without a
-- quantity, limits are asked of what is there already; with one, of what would be there after this order.
CREATE FUNCTION risk.check_entry(
  p_bot_id text, p_exchange text, p_symbol text, p_side text, p_position_side text,
  p_type text, p_quantity numeric, p_limit_price numeric, p_stop_price numeric, p_reference_price numeric, p_confidence double precision,
  p_at timestamptz
) RETURNS risk.check_result[] LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_bot fleet.bots;
  v_global risk.global_settings;
  v_own risk.settings;
  v_gate risk.gates;
  v_switch risk.kill_switch_events;
  v_checks risk.check_result[] := '{}';
  v_exchange text;
  v_position_side text := coalesce(p_position_side, 'net');
  v_instrument market.instruments;
  v_age interval;
  v_equity_age interval;
  v_limit numeric;
  v_actual numeric;
  v_price numeric;
  v_value numeric;
  v_exposure numeric;
  v_keys bigint;
  v_holds boolean;
  v_equity numeric;
  v_observed_at timestamptz;
  v_drawdown numeric;
  v_day timestamptz;
  v_day_end timestamptz;
  v_net numeric;
  v_since timestamptz;
  v_breakers bigint := 0;
  v_locks bigint := 0;
  r record;
BEGIN
  -- One row of each, read in one statement and so of one moment.
  SELECT b, gate, gate.bot_id IS NOT NULL AS has_gate, coalesce(k.id, false) AS has_switch, k.event_id, e,
    (SELECT newest FROM risk.global_settings newest ORDER BY newest.version DESC LIMIT 1) AS fleet_wide,
    (SELECT newest FROM risk.settings newest WHERE newest.bot_id = b.bot_id ORDER BY newest.version DESC LIMIT 1) AS own
  INTO r
  FROM fleet.bots b
  LEFT JOIN risk.gates gate ON gate.bot_id = b.bot_id
  LEFT JOIN risk.kill_switch k ON true
  LEFT JOIN risk.kill_switch_events e ON e.id = coalesce(k.event_id, gate.kill_switch_event_id)
  WHERE b.bot_id = p_bot_id;
  IF NOT FOUND THEN
    RETURN ARRAY[ROW('bot_registered', false, 'halt', 'bot', 'bot', NULL,
      format('bot ''%s'' is not registered', p_bot_id), NULL, NULL, NULL, NULL)::risk.check_result];
  END IF;
  v_bot := r.b;
  v_gate := r.gate;
  v_switch := r.e;
  v_global := r.fleet_wide;
  v_own := r.own;
  v_exchange := coalesce(p_exchange, v_bot.exchange);

  -- A human has thrown the switch.
  IF NOT r.has_gate THEN
    v_checks := v_checks || ROW('kill_switch', false, 'halt', 'bot', 'kill_switch', NULL,
      'the bot has no row in risk.gates, so the kill switch could not reach it', NULL, NULL, NULL, NULL)::risk.check_result;
  ELSIF NOT r.has_switch THEN
    v_checks := v_checks || ROW('kill_switch', false, 'halt', 'global', 'kill_switch', NULL,
      'the row of risk.kill_switch is missing, so nobody knows whether it is on', NULL, NULL, NULL, NULL)::risk.check_result;
  ELSIF r.event_id IS NULL AND v_gate.kill_switch_event_id IS NULL THEN
    v_checks := v_checks || ROW('kill_switch', true, 'halt', 'global', 'kill_switch', NULL, NULL, NULL, NULL, NULL, NULL)::risk.check_result;
  ELSE
    v_checks := v_checks || ROW('kill_switch', false,
      CASE WHEN v_switch.status = 'partial_recovery' THEN 'reduce' ELSE 'halt' END, 'global', 'kill_switch',
      coalesce(r.event_id, v_gate.kill_switch_event_id),
      CASE WHEN v_switch.status = 'partial_recovery' THEN 'in recovery: ' ELSE '' END || coalesce(v_switch.reason, 'unknown'),
      v_switch.activated_at, NULL, NULL, NULL)::risk.check_result;
  END IF;

  -- Settings.
  IF v_global.version IS NULL THEN
    v_checks := v_checks || ROW('settings', false, 'halt', 'global', 'settings', NULL,
      'there are no risk settings of the fleet; make them with setRiskSettings', NULL, NULL, NULL, NULL)::risk.check_result;
  ELSE
    v_checks := v_checks || ROW('settings', true, 'halt', 'global', 'settings', NULL, NULL, v_global.changed_at, NULL,
      NULL, v_global.version)::risk.check_result;
    v_checks := v_checks || ROW('trading_enabled', v_global.trading_enabled IS TRUE AND (v_own.version IS NULL OR v_own.trading_enabled IS TRUE),
      'halt', CASE WHEN v_global.trading_enabled THEN 'bot' ELSE 'global' END, 'settings', NULL,
      CASE WHEN NOT v_global.trading_enabled THEN v_global.reason WHEN NOT v_own.trading_enabled THEN v_own.reason END,
      CASE WHEN NOT v_global.trading_enabled THEN v_global.changed_at WHEN NOT v_own.trading_enabled THEN v_own.changed_at END,
      NULL, NULL, NULL)::risk.check_result;
  END IF;

  -- The bot itself.
  v_checks := v_checks || ROW('bot_status', v_bot.status = 'active', CASE WHEN v_bot.status = 'paused' THEN 'reduce' ELSE 'halt' END,
    'bot', 'bot', NULL,
    CASE WHEN v_bot.status <> 'active' THEN v_bot.status || coalesce(': ' || v_bot.status_reason, '') END,
    NULL, NULL, NULL, NULL)::risk.check_result;
  IF v_bot.last_heartbeat_at IS NOT NULL AND v_bot.mode IS DISTINCT FROM 'backtest' THEN
    v_actual := round(extract(epoch FROM p_at - v_bot.last_heartbeat_at) * 1000, 0);
    v_checks := v_checks || ROW('heartbeat', v_actual <= v_bot.heartbeat_tolerance_ms, 'reduce', 'bot', 'bot', NULL,
      CASE WHEN v_actual > v_bot.heartbeat_tolerance_ms THEN 'the last heartbeat is too old' END,
      v_bot.last_heartbeat_at + v_bot.heartbeat_tolerance_ms * interval '1 millisecond', NULL,
      v_bot.heartbeat_tolerance_ms, v_actual)::risk.check_result;
  END IF;

  -- Circuit breakers and locks: every one that is not over, whether it closes everything or this symbol or side.
  FOR r IN
    SELECT 'circuit_breaker' AS code, 'global' AS owner, id, exchange, symbol, side, severity, trigger || ': ' || reason AS reason,
      tripped_at AS since, expires_at AS until, threshold, actual
    FROM risk.global_circuit_breakers
    WHERE status = 'active' AND coalesce(symbol, '') = ANY (ARRAY['', p_symbol])
      AND coalesce(expires_at, 'infinity'::timestamptz) > p_at
    UNION ALL
    SELECT 'circuit_breaker', 'bot', id, exchange, symbol, side, severity, trigger || ': ' || reason, tripped_at, expires_at, threshold, actual
    FROM risk.circuit_breakers
    WHERE bot_id = p_bot_id AND status = 'active' AND coalesce(symbol, '') = ANY (ARRAY['', p_symbol])
      AND coalesce(expires_at, 'infinity'::timestamptz) > p_at
    UNION ALL
    SELECT 'lock', 'global', id, exchange, symbol, side, NULL, reason, locked_at, expires_at, NULL, NULL
    FROM risk.global_locks
    WHERE unlocked_at IS NULL AND coalesce(symbol, '') = ANY (ARRAY['', p_symbol])
      AND coalesce(expires_at, 'infinity'::timestamptz) > p_at
    UNION ALL
    SELECT 'lock', 'bot', id, exchange, symbol, side, NULL, reason, locked_at, expires_at, NULL, NULL
    FROM risk.locks
    WHERE bot_id = p_bot_id AND unlocked_at IS NULL AND coalesce(symbol, '') = ANY (ARRAY['', p_symbol])
      AND coalesce(expires_at, 'infinity'::timestamptz) > p_at
  LOOP
    CONTINUE WHEN r.exchange <> v_exchange OR r.side <> p_side;
    IF r.code = 'lock' THEN v_locks := v_locks + 1; ELSE v_breakers := v_breakers + 1; END IF;
    v_checks := v_checks || ROW(r.code, false, CASE WHEN r.severity = 'emergency' THEN 'halt' ELSE 'reduce' END,
      CASE WHEN r.side IS NOT NULL THEN 'side' WHEN r.symbol IS NOT NULL THEN 'symbol' ELSE r.owner END, r.code, r.id, r.reason,
      r.since, r.until, r.threshold, r.actual)::risk.check_result;
  END LOOP;
  IF v_breakers = 0 THEN
    v_checks := v_checks || ROW('circuit_breaker', true, 'reduce', 'bot', 'circuit_breaker', NULL, NULL, NULL, NULL, NULL, NULL)::risk.check_result;
  END IF;
  IF v_locks = 0 THEN
    v_checks := v_checks || ROW('lock', true, 'reduce', 'bot', 'lock', NULL, NULL, NULL, NULL, NULL, NULL)::risk.check_result;
  END IF;

  -- The symbol.
  IF p_symbol IS NOT NULL THEN
    v_checks := v_checks || ROW('symbol',
      coalesce(v_global.allowed_symbols IS NULL OR v_global.off_watchlist_allowed OR v_global.allowed_symbols ? p_symbol, false)
        AND coalesce(v_own.allowed_symbols IS NULL OR v_own.off_watchlist_allowed OR v_own.allowed_symbols ? p_symbol, false),
      'reduce', 'symbol', 'settings', NULL, NULL, NULL, NULL, NULL, NULL)::risk.check_result;
    SELECT * INTO v_instrument FROM market.instruments WHERE exchange = v_exchange AND symbol = p_symbol;
    v_checks := v_checks || ROW('instrument', coalesce(v_instrument.status = 'active', false), 'reduce', 'symbol', 'instrument', NULL,
      CASE WHEN v_instrument.symbol IS NULL THEN format('%s has no instrument ''%s''; make it with setInstrument', v_exchange, p_symbol)
        WHEN v_instrument.status <> 'active' THEN v_instrument.status END,
      NULL, NULL, NULL, NULL)::risk.check_result;
  END IF;

  v_age := coalesce(least(v_global.max_price_age_ms, v_own.max_price_age_ms), 3600000) * interval '1 millisecond';
  v_equity_age := coalesce(least(v_global.max_equity_age_ms, v_own.max_equity_age_ms), 3600000) * interval '1 millisecond';

  -- What one order may be.
  IF p_quantity IS NOT NULL THEN
    IF v_global.min_confidence IS NOT NULL OR v_own.min_confidence IS NOT NULL THEN
      v_limit := greatest(v_global.min_confidence, v_own.min_confidence);
      v_checks := v_checks || ROW('confidence', coalesce(p_confidence >= greatest(v_global.min_confidence, v_own.min_confidence) AND p_confidence <= 1, false), 'reduce',
        'order', 'settings', NULL, CASE WHEN p_confidence IS NULL THEN 'the order comes without a confidence' END,
        NULL, NULL, v_limit, p_confidence)::risk.check_result;
    END IF;
    v_limit := least(v_global.max_quantity, v_own.max_quantity);
    IF v_limit IS NOT NULL THEN
      v_checks := v_checks || ROW('quantity', p_quantity <= v_limit, 'reduce', 'order', 'settings', NULL, NULL, NULL, NULL,
        v_limit, p_quantity)::risk.check_result;
    END IF;
    v_price := risk.dearest_price(p_side, p_type, p_limit_price, p_stop_price,
      coalesce(risk.price_of(v_exchange, p_symbol, p_at, v_age), p_reference_price));
    v_value := risk.value_of(v_instrument.kind, v_instrument.contract_size, v_instrument.quote_currency, v_instrument.settle_currency,
      v_bot.base_currency, v_exchange, p_quantity, v_price, p_at, v_age);
    -- Asked without a limit too: what a market order is thought to cost counts while it is on its way.
    v_limit := least(v_global.max_order_notional, v_own.max_order_notional);
    v_checks := v_checks || ROW('order_notional', v_limit IS NULL OR coalesce(v_value <= v_limit, false), 'reduce', 'order', 'settings', NULL,
      CASE WHEN v_value IS NULL THEN 'the order cannot be valued: no price, or no rate to ' || v_bot.base_currency || ', is known' END,
      NULL, NULL, v_limit, v_value)::risk.check_result;
  END IF;

  -- What is held and what is on its way, of one moment: a fill that moves one into the other is in one of them.
  IF coalesce(v_global.max_open_positions, v_own.max_open_positions) IS NOT NULL
    OR coalesce(v_global.max_exposure, v_own.max_exposure, v_global.max_leverage, v_own.max_leverage) IS NOT NULL THEN
    WITH open_positions AS MATERIALIZED (
      SELECT p.exchange, p.symbol, p.position_side, p.direction, p.quantity, p.marked_at, p.mark_price, p.average_price
      FROM trading.positions p WHERE p.bot_id = p_bot_id AND p.status = 'open'),
    open_orders AS MATERIALIZED (
      SELECT o.exchange, o.symbol, o.position_side, o.side, o.type, o.limit_price, o.stop_price, o.quantity, o.filled_quantity, o.checks
      FROM trading.orders o
      WHERE o.bot_id = p_bot_id AND o.status IN ('pending', 'submitted', 'partially_filled') AND NOT o.reduce_only
        AND NOT (o.position_side = 'long' AND o.side = 'sell') AND NOT (o.position_side = 'short' AND o.side = 'buy')),
    -- Once for each symbol, however many orders rest in it.
    markets AS MATERIALIZED (
      SELECT m.exchange, m.symbol, risk.price_of(m.exchange, m.symbol, p_at, v_age) AS price
      FROM (SELECT exchange, symbol FROM open_positions UNION SELECT exchange, symbol FROM open_orders) m),
    held AS (
      -- Where no price is recent, the highest that is known: a feed that dies makes no room.
      SELECT p.exchange, p.symbol, p.position_side, p.direction, p.quantity, coalesce(
          CASE WHEN p.marked_at >= p_at - v_age THEN p.mark_price END, m.price,
          greatest(p.mark_price, risk.price_of(p.exchange, p.symbol, p_at, interval '1000 years'), p.average_price)) AS price
      FROM open_positions p JOIN markets m ON m.exchange = p.exchange AND m.symbol = p.symbol),
    resting AS (
      SELECT o.exchange, o.symbol, o.position_side, o.side, o.quantity - o.filled_quantity AS quantity, x.price,
        CASE WHEN x.price IS NULL THEN
          trading.divide((jsonb_path_query_first(o.checks, '$[*] ? (@.code == "order_notional").actual') #>> '{}')::numeric, o.quantity)
        END AS unit_value,
        CASE WHEN (h.direction = 'long') = (o.side = 'sell') THEN h.quantity ELSE 0 END AS closes
      FROM open_orders o
      JOIN markets m ON m.exchange = o.exchange AND m.symbol = o.symbol
      LEFT JOIN held h ON h.exchange = o.exchange AND h.symbol = o.symbol AND h.position_side = o.position_side
      CROSS JOIN LATERAL (
        SELECT coalesce(risk.dearest_price(o.side, o.type, o.limit_price, o.stop_price, m.price), h.price) AS price) x),
    -- What is opposite to a position closes it before it opens anything: all of it together, once.
    entering AS (
      SELECT exchange, symbol, position_side, CASE WHEN count(*) = count(quantity) THEN greatest(sum(quantity) - max(closes), 0) END AS quantity,
        CASE WHEN count(*) = count(price) THEN max(price) END AS price,
        CASE WHEN count(*) = count(unit_value) THEN max(unit_value) END AS unit_value
      FROM resting GROUP BY exchange, symbol, position_side, side),
    parts AS (
      SELECT exchange, symbol, position_side, quantity, price, NULL::numeric AS unit_value FROM held
      UNION ALL
      SELECT exchange, symbol, position_side, quantity, price, unit_value FROM entering WHERE (quantity > 0) IS NOT FALSE),
    valued AS (
      SELECT p.*, coalesce(risk.value_of(i.kind, i.contract_size, i.quote_currency, i.settle_currency, v_bot.base_currency,
        p.exchange, p.quantity, p.price, p_at, v_age), p.quantity * p.unit_value) AS value
      FROM parts p LEFT JOIN market.instruments i ON i.exchange = p.exchange AND i.symbol = p.symbol)
    SELECT count(DISTINCT (exchange, symbol, position_side)),
      coalesce(bool_or(exchange = v_exchange AND symbol = p_symbol AND position_side = v_position_side), false),
      CASE WHEN count(*) = count(value) THEN coalesce(sum(value), 0) END
    INTO v_keys, v_holds, v_exposure FROM valued;

    v_limit := least(v_global.max_open_positions, v_own.max_open_positions);
    IF v_limit IS NOT NULL THEN
      v_checks := v_checks || ROW('open_positions', v_holds OR v_keys < v_limit, 'reduce',
        CASE WHEN v_own.max_open_positions <= v_limit THEN 'bot' ELSE 'global' END, 'settings', NULL,
        CASE WHEN NOT (v_holds OR v_keys < v_limit) THEN 'as many symbols as allowed are held or about to be' END,
        NULL, NULL, v_limit, v_keys)::risk.check_result;
    END IF;
    v_actual := v_exposure + CASE WHEN p_quantity IS NULL THEN 0 ELSE v_value END;
    v_limit := least(v_global.max_exposure, v_own.max_exposure);
    IF v_limit IS NOT NULL THEN
      v_checks := v_checks || ROW('exposure',
        coalesce(CASE WHEN p_quantity IS NULL THEN v_actual < v_limit ELSE v_actual <= v_limit END, false), 'reduce',
        CASE WHEN v_own.max_exposure <= v_limit THEN 'bot' ELSE 'global' END, 'settings', NULL,
        CASE WHEN v_actual IS NULL THEN 'what is held or ordered cannot be valued in ' || v_bot.base_currency END,
        NULL, NULL, v_limit, v_actual)::risk.check_result;
    END IF;
    v_limit := least(v_global.max_leverage, v_own.max_leverage);
    IF v_limit IS NOT NULL THEN
      SELECT equity INTO v_equity FROM risk.drawdowns d
      WHERE d.bot_id = p_bot_id AND d.observed_at >= p_at - v_equity_age ORDER BY day DESC LIMIT 1;
      IF v_equity IS NULL THEN
        -- Reported by the bot, or what it began with as long as it has done nothing.
        v_equity := CASE WHEN v_bot.last_heartbeat_at >= p_at - v_equity_age THEN v_bot.current_equity END;
      END IF;
      IF v_equity IS NULL AND NOT EXISTS (SELECT FROM trading.positions p WHERE p.bot_id = p_bot_id) THEN
        v_equity := v_bot.initial_equity;
      END IF;
      v_actual := CASE WHEN v_equity > 0 THEN trading.divide(v_actual, v_equity) END;
      v_checks := v_checks || ROW('leverage',
        coalesce(CASE WHEN p_quantity IS NULL THEN v_actual < v_limit ELSE v_actual <= v_limit END, false), 'reduce',
        CASE WHEN v_own.max_leverage <= v_limit THEN 'bot' ELSE 'global' END, 'settings', NULL,
        CASE WHEN v_equity IS NULL THEN 'the equity is not known, or was seen too long ago: evaluateCircuitBreakers and recordDrawdown observe it'
          WHEN v_equity <= 0 THEN 'the equity is not positive' END,
        NULL, NULL, v_limit, v_actual)::risk.check_result;
    END IF;
  END IF;

  v_limit := least(v_global.max_orders_per_minute, v_own.max_orders_per_minute);
  IF v_limit IS NOT NULL THEN
    -- The one that must leave the minute to make room is the oldest of the newest so many.
    SELECT count(*), (array_agg(created_at ORDER BY created_at DESC))[greatest(v_limit, 1)::integer] INTO v_actual, v_since
    FROM trading.orders o
    WHERE o.bot_id = p_bot_id AND o.created_at > p_at - interval '1 minute' AND (o.created_at <= p_at OR v_bot.mode <> 'backtest');
    v_checks := v_checks || ROW('order_rate', v_actual < v_limit, 'reduce',
      CASE WHEN v_own.max_orders_per_minute <= v_limit THEN 'bot' ELSE 'global' END, 'settings', NULL,
      NULL, v_since, CASE WHEN v_actual >= v_limit AND v_limit > 0 THEN v_since + interval '1 minute' END, v_limit, v_actual)::risk.check_result;
  END IF;

  -- The bot's day.
  IF coalesce(v_global.max_daily_loss, v_own.max_daily_loss, v_global.daily_target, v_own.daily_target) IS NOT NULL THEN
    v_day := risk.window_start('day', NULL, p_at, v_bot.time_zone);
    -- Days have 23 to 25 hours.
    v_day_end := risk.window_start('day', NULL, v_day + interval '26 hours', v_bot.time_zone);
    v_net := risk.net_pnl_between(p_bot_id, v_bot.base_currency, v_day, v_day_end, p_at, v_age);
    v_limit := least(v_global.max_daily_loss, v_own.max_daily_loss);
    IF v_limit IS NOT NULL THEN
      v_checks := v_checks || ROW('daily_loss', coalesce(-v_net < v_limit, false), 'reduce',
        CASE WHEN v_own.max_daily_loss <= v_limit THEN 'bot' ELSE 'global' END, 'settings', NULL,
        CASE WHEN v_net IS NULL THEN 'the loss of the day cannot be valued in ' || v_bot.base_currency END,
        v_day, v_day_end, v_limit, -v_net)::risk.check_result;
    END IF;
    v_limit := least(v_global.daily_target, v_own.daily_target);
    IF v_limit IS NOT NULL AND (v_global.stop_at_daily_target OR coalesce(v_own.stop_at_daily_target, false)) THEN
      v_checks := v_checks || ROW('daily_target', coalesce(v_net < v_limit, false), 'reduce',
        CASE WHEN v_own.daily_target <= v_limit THEN 'bot' ELSE 'global' END, 'settings', NULL,
        CASE WHEN v_net IS NULL THEN 'the profit of the day cannot be valued in ' || v_bot.base_currency END,
        v_day, v_day_end, v_limit, v_net)::risk.check_result;
    END IF;
  END IF;
  v_limit := least(v_global.max_drawdown_fraction, v_own.max_drawdown_fraction);
  IF v_limit IS NOT NULL THEN
    SELECT watched_drawdown_fraction, observed_at INTO v_drawdown, v_observed_at FROM risk.drawdowns d
    WHERE d.bot_id = p_bot_id AND d.observed_at >= p_at - v_equity_age ORDER BY day DESC LIMIT 1;
    -- Who has done nothing has lost nothing.
    IF v_drawdown IS NULL AND NOT EXISTS (SELECT FROM trading.positions p WHERE p.bot_id = p_bot_id)
      AND NOT EXISTS (SELECT FROM risk.drawdowns d WHERE d.bot_id = p_bot_id) THEN
      v_drawdown := 0;
    END IF;
    v_checks := v_checks || ROW('drawdown', coalesce(v_drawdown < v_limit, false), 'reduce',
      CASE WHEN v_own.max_drawdown_fraction <= v_limit THEN 'bot' ELSE 'global' END, 'settings', NULL,
      CASE WHEN v_drawdown IS NULL THEN 'the equity was not observed, or too long ago: evaluateCircuitBreakers and recordDrawdown observe it' END,
      v_observed_at, NULL, v_limit, v_drawdown)::risk.check_result;
  END IF;
  RETURN v_checks;
END $$;
--> statement-breakpoint

-- Checks as a document: amounts as decimal text, times as ISO text in UTC; what is null is left out.
CREATE FUNCTION risk.checks_as_json(p_checks risk.check_result[], p_only_failed boolean) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
      'code', code, 'passed', passed IS TRUE, 'effect', effect, 'scope', scope, 'source', source, 'sourceId', source_id, 'reason', reason,
      'since', to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'until', to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'threshold', trim_scale(threshold)::text, 'actual', trim_scale(actual)::text)) ORDER BY place), '[]')
  FROM unnest(p_checks) WITH ORDINALITY
    AS c (code, passed, effect, scope, source, source_id, reason, since, until, threshold, actual, place)
  WHERE NOT (p_only_failed AND passed IS TRUE)
$$;
--> statement-breakpoint

-- The time that decides where nobody gives one: the database's own, to the millisecond that is stored.
CREATE FUNCTION risk.clock(p_at timestamptz) RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(p_at, date_trunc('milliseconds', clock_timestamp()))
$$;
--> statement-breakpoint

-- What closes entries for a bot now, a row each; none if nothing does.
--
--   select * from risk.blocks('grid-7', 'BTC/USDT', 'buy');
CREATE FUNCTION risk.blocks(
  bot_id text, symbol text DEFAULT NULL, side text DEFAULT NULL, exchange text DEFAULT NULL, position_side text DEFAULT NULL,
  at timestamptz DEFAULT NULL
) RETURNS SETOF risk.check_result LANGUAGE sql VOLATILE AS $$
  SELECT c.* FROM unnest(risk.check_entry($1, $4, $2, $3, $5, NULL, NULL, NULL, NULL, NULL, NULL, risk.clock($6))) c WHERE c.passed IS NOT TRUE
$$;
--> statement-breakpoint

-- The state of a bot: active, reducing (only orders that reduce a position pass) or halted (so too, until a human ends
-- it), with everything that makes it so.
--
--   select state, blocks from risk.trading_status('grid-7');
CREATE FUNCTION risk.trading_status(
  bot_id text, symbol text DEFAULT NULL, side text DEFAULT NULL, exchange text DEFAULT NULL, position_side text DEFAULT NULL,
  at timestamptz DEFAULT NULL, OUT state text, OUT blocks jsonb, OUT checked_at timestamptz
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_checks risk.check_result[];
BEGIN
  checked_at := risk.clock($6);
  v_checks := risk.check_entry($1, $4, $2, $3, $5, NULL, NULL, NULL, NULL, NULL, NULL, checked_at);
  SELECT CASE WHEN bool_and(c.passed IS TRUE) THEN 'active' WHEN bool_or(c.passed IS NOT TRUE AND c.effect = 'halt') THEN 'halted' ELSE 'reducing' END
  INTO state FROM unnest(v_checks) c;
  state := coalesce(state, 'halted');
  blocks := risk.checks_as_json(v_checks, true);
END $$;
--> statement-breakpoint

-- True if the bot may place an entry now. A snapshot: risk.place_order decides.
--
--   select risk.is_trading_allowed('grid-7', 'BTC/USDT', 'buy');
CREATE FUNCTION risk.is_trading_allowed(
  bot_id text, symbol text DEFAULT NULL, side text DEFAULT NULL, exchange text DEFAULT NULL, position_side text DEFAULT NULL,
  at timestamptz DEFAULT NULL
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_check risk.check_result;
BEGIN
  FOREACH v_check IN ARRAY risk.check_entry($1, $4, $2, $3, $5, NULL, NULL, NULL, NULL, NULL, NULL, risk.clock($6)) LOOP
    IF v_check.passed IS NOT TRUE THEN RETURN false; END IF;
  END LOOP;
  -- Not a single check: nobody was asked.
  RETURN v_check.code IS NOT NULL;
END $$;
--> statement-breakpoint

-- Writes a refused order down, and returns its checks as they are stored.
CREATE FUNCTION risk.log_denial(
  p_bot_id text, p_order_id uuid, p_at timestamptz, p_checks risk.check_result[], p_is_repeat boolean, p_client_order_id text,
  p_exchange text, p_symbol text, p_side text, p_position_side text, p_type text, p_quantity numeric, p_limit_price numeric,
  p_stop_price numeric, p_purpose text
) RETURNS jsonb LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_checks jsonb := risk.checks_as_json(p_checks, false);
BEGIN
  INSERT INTO audit.risk_events (bot_id, kind, actor, reason, subject_id, details, occurred_at)
  VALUES (p_bot_id, 'order_denied', p_bot_id,
    (SELECT string_agg(DISTINCT c.code, ', ') FROM unnest(p_checks) c WHERE c.passed IS NOT TRUE), p_order_id,
    jsonb_build_object('clientOrderId', p_client_order_id, 'isRepeat', p_is_repeat, 'exchange', p_exchange, 'symbol', p_symbol,
      'side', p_side, 'positionSide', p_position_side, 'type', p_type, 'quantity', p_quantity::text,
      'limitPrice', p_limit_price::text, 'stopPrice', p_stop_price::text, 'purpose', p_purpose, 'checks', v_checks),
    p_at);
  RETURN v_checks;
END $$;
--> statement-breakpoint

-- Lets an order through, or not, and writes it down, as one step.
--
-- The bot's gate is moved on first. So orders of one bot come one by one, and whatever closed the gate before is seen by the
-- statements after: each of them sees what was committed when it began. An order that only reduces what is held passes
-- whatever is closed. It may not be larger than what is held, less what other exits on their way will close already.
CREATE FUNCTION risk.place_order(
  p_bot_id text, p_id uuid, p_client_order_id text, p_exchange text, p_symbol text, p_side text, p_position_side text,
  p_type text, p_time_in_force text, p_quantity numeric, p_limit_price numeric, p_stop_price numeric,
  p_trailing_distance numeric, p_reduce_only boolean, p_post_only boolean, p_purpose text, p_parent_id uuid, p_position_id uuid,
  p_decision_id uuid, p_reference_price numeric, p_confidence double precision, p_at timestamptz,
  OUT outcome text, OUT order_id uuid, OUT order_exchange text, OUT placed_at timestamptz, OUT checks jsonb
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_exchange text;
  v_mode text;
  v_checks risk.check_result[];
  v_direction text;
  v_held numeric;
  v_closing numeric;
  v_stored trading.orders;
  -- An order without a purpose does not say that it is one.
  v_is_exit boolean := p_reduce_only OR coalesce(p_purpose IN ('exit', 'stop_loss', 'take_profit', 'scale_out'), false);
  v_reduces boolean;
BEGIN
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'an order is not placed in a transaction that is %: it would not see what closed the gate since it began',
      current_setting('transaction_isolation') USING ERRCODE = 'TB002', HINT = 'place it in a transaction that is read committed';
  END IF;
  -- While the switch is on, what can be no exit is refused before the gate, which others wait for.
  IF NOT v_is_exit AND EXISTS (SELECT FROM risk.kill_switch k WHERE k.event_id IS NOT NULL)
    AND EXISTS (SELECT FROM fleet.bots b WHERE b.bot_id = p_bot_id)
    AND NOT EXISTS (SELECT FROM trading.orders o WHERE o.bot_id = p_bot_id AND o.client_order_id = p_client_order_id)
    AND NOT EXISTS (SELECT FROM trading.positions p WHERE p.bot_id = p_bot_id AND p.symbol = p_symbol AND p.status = 'open') THEN
    placed_at := date_trunc('milliseconds', clock_timestamp());
    v_checks := risk.check_entry(p_bot_id, p_exchange, p_symbol, p_side, p_position_side, p_type, p_quantity, p_limit_price, p_stop_price,
      p_reference_price, p_confidence, placed_at);
    IF EXISTS (SELECT FROM unnest(v_checks) c WHERE c.passed IS NOT TRUE) THEN
      outcome := 'denied';
      checks := risk.log_denial(p_bot_id, p_id, placed_at, v_checks, false, p_client_order_id,
        coalesce(p_exchange, (SELECT b.exchange FROM fleet.bots b WHERE b.bot_id = p_bot_id)), p_symbol, p_side, p_position_side, p_type,
        p_quantity, p_limit_price, p_stop_price, p_purpose);
      RETURN;
    END IF;
  END IF;
  UPDATE risk.gates SET version = version + 1 WHERE bot_id = p_bot_id;
  -- After the gate: waiting for it takes time. FOUND is still of the gate.
  placed_at := risk.clock(p_at);
  IF NOT FOUND AND NOT EXISTS (SELECT FROM fleet.bots b WHERE b.bot_id = p_bot_id) THEN
    outcome := 'unknown_bot';
    RETURN;
  END IF;
  SELECT * INTO v_stored FROM trading.orders o WHERE o.bot_id = p_bot_id AND o.client_order_id = p_client_order_id;
  IF FOUND THEN
    order_id := v_stored.id;
    order_exchange := v_stored.exchange;
    outcome := 'repeat';
    -- An entry that was not sent yet must not be sent after a stop, by a bot that has started again. It is in the limits already.
    IF v_stored.status = 'pending' AND NOT v_stored.reduce_only AND (v_stored.checks #>> '{0,code}') IS DISTINCT FROM 'reduces' THEN
      v_checks := ARRAY(
        SELECT c::risk.check_result FROM unnest(risk.check_entry(p_bot_id, v_stored.exchange, v_stored.symbol, v_stored.side,
          v_stored.position_side, NULL, NULL, NULL, NULL, NULL, NULL, placed_at)) c
        WHERE c.code NOT IN ('open_positions', 'exposure', 'leverage', 'order_rate'));
      IF NOT coalesce((SELECT bool_and(c.passed IS TRUE) FROM unnest(v_checks) c), false) THEN
        outcome := 'denied';
        checks := risk.log_denial(p_bot_id, v_stored.id, placed_at, v_checks, true, p_client_order_id, v_stored.exchange,
          v_stored.symbol, v_stored.side, v_stored.position_side, v_stored.type, v_stored.quantity, v_stored.limit_price,
          v_stored.stop_price, v_stored.purpose);
      END IF;
    END IF;
    RETURN;
  END IF;

  -- What is held and what will close some of it, of one moment: a fill that closes is taken from both at once. Exits of one
  -- parent that can only reduce are alternatives, of which the largest counts.
  SELECT b.exchange, b.mode, p.direction, p.quantity, (
    SELECT sum(part.quantity) FROM (
      SELECT max(exit.quantity) AS quantity FROM (
        SELECT o.quantity - o.filled_quantity AS quantity,
          CASE WHEN o.reduce_only THEN o.parent_id END AS parent_id, o.id
        FROM trading.orders o
        WHERE o.bot_id = p_bot_id AND o.exchange = coalesce(p_exchange, b.exchange) AND o.symbol = p_symbol
          AND o.position_side = p_position_side AND o.side = p_side AND o.status IN ('pending', 'submitted', 'partially_filled')
        UNION ALL
        SELECT p_quantity, CASE WHEN p_reduce_only THEN p_parent_id END, p_id) exit
      GROUP BY exit.parent_id, CASE WHEN exit.parent_id IS NULL THEN exit.id END) part)
  INTO v_exchange, v_mode, v_direction, v_held, v_closing
  FROM fleet.bots b
  LEFT JOIN trading.positions p ON p.bot_id = b.bot_id AND p.exchange = coalesce(p_exchange, b.exchange) AND p.symbol = p_symbol
    AND p.position_side = p_position_side AND p.status = 'open'
  WHERE b.bot_id = p_bot_id;
  order_exchange := coalesce(p_exchange, v_exchange);
  IF p_at IS NOT NULL AND v_mode IS DISTINCT FROM 'backtest' THEN
    RAISE EXCEPTION 'now is given for bot ''%'', which is not in mode backtest: the database''s clock decides', p_bot_id
      USING ERRCODE = 'TB002';
  END IF;

  v_reduces := coalesce((v_direction = 'long') = (p_side = 'sell') AND v_closing <= v_held, false);
  IF v_reduces OR v_is_exit OR (p_position_side = 'long' AND p_side = 'sell') OR (p_position_side = 'short' AND p_side = 'buy') THEN
    v_checks := ARRAY[ROW('reduces', v_reduces, 'reduce', 'order', 'ledger', p_position_id,
      CASE WHEN v_reduces THEN NULL
        WHEN v_held IS NULL THEN 'nothing is held that it could reduce'
        WHEN (v_direction = 'long') <> (p_side = 'sell') THEN 'it would add to the position'
        WHEN v_closing > p_quantity THEN 'it would close more than is held, together with the exits on their way'
        ELSE 'it would close more than is held' END,
      NULL, NULL, v_held, v_closing)::risk.check_result];
  ELSE
    v_checks := risk.check_entry(p_bot_id, order_exchange, p_symbol, p_side, p_position_side, p_type, p_quantity, p_limit_price,
      p_stop_price, p_reference_price, p_confidence, placed_at);
    SELECT coalesce(bool_and(c.passed IS TRUE), false) INTO v_reduces FROM unnest(v_checks) c;
  END IF;
  IF NOT v_reduces THEN
    outcome := 'denied';
    checks := risk.log_denial(p_bot_id, p_id, placed_at, v_checks, false, p_client_order_id, order_exchange, p_symbol, p_side,
      p_position_side, p_type, p_quantity, p_limit_price, p_stop_price, p_purpose);
    RETURN;
  END IF;
  checks := risk.checks_as_json(v_checks, false);
  INSERT INTO trading.orders (bot_id, id, parent_id, position_id, decision_id, client_order_id, exchange, symbol, side, position_side,
    type, time_in_force, quantity, limit_price, stop_price, trailing_distance, reduce_only, post_only, purpose, checks,
    created_at, updated_at)
  VALUES (p_bot_id, p_id, p_parent_id, p_position_id, p_decision_id, p_client_order_id, order_exchange, p_symbol, p_side, p_position_side,
    p_type, p_time_in_force, p_quantity, p_limit_price, p_stop_price, p_trailing_distance, p_reduce_only, p_post_only, p_purpose, checks,
    placed_at, placed_at);
  outcome := 'placed';
  order_id := p_id;
END $$;
--> statement-breakpoint

-- Throws the switch: the first of two steps. From its commit on no new order is let through; orders that were checked before may
-- still be on their way to their commit, for which risk.halt_gates waits.
CREATE FUNCTION risk.activate_kill_switch(
  p_id uuid, p_source text, p_severity text, p_reason text, p_by text, p_code_hash text,
  OUT event_id uuid, OUT is_new boolean
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  SELECT k.event_id INTO event_id FROM risk.kill_switch k WHERE k.id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the row of the kill switch is missing' USING ERRCODE = 'TB002';
  END IF;
  is_new := event_id IS NULL;
  IF is_new THEN
    event_id := p_id;
    INSERT INTO risk.kill_switch_events (id, source, severity, reason, activated_by, activated_at, code_hash, open_positions_before,
      open_orders_before, equity_before)
    VALUES (p_id, p_source, p_severity, p_reason, p_by, clock_timestamp(), p_code_hash,
      (SELECT count(*) FROM trading.positions WHERE status = 'open'),
      (SELECT count(*) FROM trading.orders WHERE status IN ('pending', 'submitted', 'partially_filled')),
      risk.equity_by_currency());
    UPDATE risk.kill_switch SET event_id = p_id, updated_at = clock_timestamp();
  ELSIF event_id <> p_id THEN
    PERFORM risk.log_kill_switch_action(event_id, p_by, 'activated_again', NULL, p_reason);
    UPDATE risk.kill_switch_events e SET status = 'active' WHERE e.id = activate_kill_switch.event_id AND e.status <> 'active';
  END IF;
END $$;
--> statement-breakpoint

-- Adds what was done while the switch was on, and counts what was closed and cancelled.
CREATE FUNCTION risk.log_kill_switch_action(p_id uuid, p_by text, p_action text, p_bot_id text, p_note text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  UPDATE risk.kill_switch_events
  SET action_log = action_log || jsonb_strip_nulls(jsonb_build_object('at',
      to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'by', p_by, 'action', p_action, 'botId', p_bot_id,
      'note', p_note)),
    positions_closed = positions_closed + (p_action = 'position_closed')::integer,
    orders_cancelled = orders_cancelled + (p_action = 'order_cancelled')::integer,
    changed_by = p_by, change_reason = coalesce(p_note, p_action)
  WHERE id = p_id;
  RETURN FOUND;
END $$;
--> statement-breakpoint

-- What the bots reported to be worth, or began with, per currency, as decimal text.
CREATE FUNCTION risk.equity_by_currency() RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT coalesce(jsonb_object_agg(base_currency, equity::text), '{}')
  FROM (SELECT base_currency, sum(coalesce(current_equity, initial_equity)) AS equity FROM fleet.bots GROUP BY 1) b
$$;
--> statement-breakpoint

-- The second step: marks the gates that nobody holds, and returns the bots whose gates are still held. Whoever holds one is
-- placing an order that was checked before the switch; once it is marked, that order is committed or gone. Returns `*` while
-- bots are being registered; who waits queues for them, with whoever comes after.
CREATE FUNCTION risk.halt_gates(p_event_id uuid, p_in_transaction boolean DEFAULT false, p_wait boolean DEFAULT false) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF p_in_transaction AND current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'the kill switch is not thrown in a transaction that is %, which does not see the bots registered meanwhile',
      current_setting('transaction_isolation') USING ERRCODE = 'TB002';
  END IF;
  IF p_wait THEN LOCK TABLE risk.kill_switch IN EXCLUSIVE MODE; END IF;
  PERFORM FROM risk.kill_switch WHERE event_id = p_event_id FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    -- Taken back meanwhile: then there is nothing to hold.
    RETURN QUERY SELECT '*'::text FROM risk.kill_switch WHERE event_id = p_event_id;
    RETURN;
  END IF;
  -- After a lock of this strength, a registration whose snapshot is older than the switch fails instead of reading the row of before.
  UPDATE risk.kill_switch SET updated_at = updated_at;
  UPDATE risk.gates SET kill_switch_event_id = p_event_id, version = version + 1
  WHERE bot_id IN (
    SELECT g.bot_id FROM risk.gates g WHERE g.kill_switch_event_id IS DISTINCT FROM p_event_id ORDER BY g.bot_id
    FOR NO KEY UPDATE SKIP LOCKED);
  RETURN QUERY SELECT g.bot_id FROM risk.gates g WHERE g.kill_switch_event_id IS DISTINCT FROM p_event_id ORDER BY g.bot_id;
END $$;
--> statement-breakpoint

-- Waits for one gate in its queue, behind the orders that came before, and marks it. Who takes the switch back meanwhile is not waited for, since
-- they wait for the gate.
CREATE FUNCTION risk.halt_gate(p_event_id uuid, p_bot_id text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM FROM risk.gates WHERE bot_id = p_bot_id FOR NO KEY UPDATE;
  PERFORM FROM risk.kill_switch WHERE event_id = p_event_id FOR KEY SHARE SKIP LOCKED;
  IF FOUND THEN
    UPDATE risk.gates SET kill_switch_event_id = p_event_id, version = version + 1
    WHERE bot_id = p_bot_id AND kill_switch_event_id IS DISTINCT FROM p_event_id;
  END IF;
END $$;
--> statement-breakpoint

-- Entries stay closed; who recovers says so, and what is closed and cancelled is noted on the way. Returns the status before.
CREATE FUNCTION risk.begin_kill_switch_recovery(p_id uuid, p_by text, p_notes text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_status text;
BEGIN
  PERFORM FROM risk.kill_switch WHERE id FOR NO KEY UPDATE;
  SELECT status INTO v_status FROM risk.kill_switch_events WHERE id = p_id;
  IF v_status = 'active' THEN
    UPDATE risk.kill_switch_events
    SET status = 'partial_recovery', recovery_started_at = clock_timestamp(), recovery_started_by = p_by, recovery_notes = p_notes,
      changed_by = p_by, change_reason = p_notes
    WHERE id = p_id;
    PERFORM risk.notify('*');
  END IF;
  RETURN v_status;
END $$;
--> statement-breakpoint

CREATE FUNCTION risk.deactivate_kill_switch(
  p_id uuid, p_by text, p_reason text, p_code_hash text,
  OUT outcome text, OUT locked_until timestamptz, OUT tries_left integer
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_event risk.kill_switch_events;
  v_now timestamptz;
BEGIN
  PERFORM FROM risk.kill_switch WHERE id FOR UPDATE;
  v_now := date_trunc('milliseconds', clock_timestamp());
  SELECT * INTO v_event FROM risk.kill_switch_events WHERE id = p_id;
  IF v_event.id IS NULL THEN
    outcome := 'unknown';
  ELSIF v_event.status = 'deactivated' THEN
    outcome := 'over';
  ELSIF v_event.code_locked_until > v_now THEN
    outcome := 'locked';
    locked_until := v_event.code_locked_until;
  ELSIF v_event.code_hash <> p_code_hash THEN
    outcome := 'wrong';
    tries_left := 4 - v_event.wrong_codes;
    IF tries_left <= 0 THEN locked_until := v_now + interval '15 minutes'; END IF;
    UPDATE risk.kill_switch_events
    SET wrong_codes = CASE WHEN locked_until IS NULL THEN wrong_codes + 1 ELSE 0 END, code_locked_until = locked_until,
      changed_by = p_by, change_reason = 'wrong confirmation code'
    WHERE id = p_id;
  ELSE
    outcome := 'deactivated';
    UPDATE risk.kill_switch_events
    SET status = 'deactivated', deactivated_at = v_now, deactivated_by = p_by, deactivation_reason = p_reason, wrong_codes = 0,
      equity_after = risk.equity_by_currency(), changed_by = p_by, change_reason = p_reason
    WHERE id = p_id;
    UPDATE risk.kill_switch SET event_id = NULL, updated_at = v_now;
    UPDATE risk.gates SET kill_switch_event_id = NULL, version = version + 1 WHERE kill_switch_event_id IS NOT NULL;
    PERFORM risk.notify('*');
  END IF;
END $$;
