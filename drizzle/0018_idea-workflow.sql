-- How a trade idea becomes an order, or does not: what is asked of it, who may approve it, and what is written down of every step.
-- Order of locks, the same everywhere: the gate of the bot, the idea, its decision or the user, its strategy, the switch of automatic trading.

-- The checks that a human may overrule by approving the idea. Whatever else fails is refused to humans too.
CREATE FUNCTION ideas.approvable_codes() RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ARRAY['auto_trading', 'confidence', 'strategy']
$$;
--> statement-breakpoint

-- Asked of an idea that nobody approved, where the settings ask for no confidence.
CREATE FUNCTION ideas.least_confidence() RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT 0.9
$$;
--> statement-breakpoint

-- An idea moves forward only. It begins as one that nobody looked at, so that no step is passed over.
CREATE FUNCTION ideas.guard_idea() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'waiting' THEN
      RAISE EXCEPTION 'trade idea % begins as waiting, not as %', NEW.id, NEW.status USING ERRCODE = 'TB001';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.status <> OLD.status AND NOT (CASE OLD.status
    WHEN 'waiting' THEN true
    WHEN 'needs_approval' THEN NEW.status <> 'waiting'
    ELSE false
  END) THEN
    RAISE EXCEPTION 'trade idea % is %, and cannot become %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'TB001';
  END IF;
  IF NEW.status = OLD.status AND to_jsonb(NEW) - 'updated_at' IS DISTINCT FROM to_jsonb(OLD) - 'updated_at' THEN
    RAISE EXCEPTION 'trade idea % changes only with its status', OLD.id USING ERRCODE = 'TB002';
  END IF;
  NEW.updated_at := greatest(NEW.created_at, clock_timestamp());
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER trade_ideas_facts BEFORE UPDATE ON ideas.trade_ideas FOR EACH ROW EXECUTE FUNCTION risk.guard_facts(
  'ideas.trade_ideas', 'status', 'status_reason', 'checks', 'order_id', 'decided_by', 'decided_at', 'updated_at');
--> statement-breakpoint
CREATE TRIGGER trade_ideas_guard BEFORE INSERT OR UPDATE ON ideas.trade_ideas FOR EACH ROW EXECUTE FUNCTION ideas.guard_idea();
--> statement-breakpoint
CREATE TRIGGER trade_ideas_no_delete BEFORE DELETE ON ideas.trade_ideas
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('ideas.trade_ideas');
--> statement-breakpoint
CREATE TRIGGER trade_ideas_no_truncate BEFORE TRUNCATE ON ideas.trade_ideas
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('ideas.trade_ideas');
--> statement-breakpoint

-- The codes of the checks that failed, in the order in which they were asked.
CREATE FUNCTION ideas.failed_codes(p_checks jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(array_agg(c ->> 'code' ORDER BY place), '{}')
  FROM jsonb_array_elements(p_checks) WITH ORDINALITY AS x (c, place)
  WHERE (c ->> 'passed')::boolean IS NOT TRUE
$$;
--> statement-breakpoint

-- Writes each step of an idea down, whoever takes it. That it was proposed is written when it is looked at, with what was found.
CREATE FUNCTION ideas.log_step() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_failed text[] := ideas.failed_codes(NEW.checks);
  v_result text := CASE
    WHEN NEW.status = 'halted_by_risk' THEN 'fail:max_drawdown'
    WHEN NEW.status = 'rejected' AND NEW.decided_by IS NOT NULL THEN NULL
    WHEN cardinality(v_failed) > 0 THEN 'fail:' || v_failed[1]
    WHEN NEW.status = 'auto_executed' THEN 'pass'
  END;
  v_details jsonb := jsonb_build_object('status', NEW.status, 'reason', NEW.status_reason, 'failed', to_jsonb(v_failed));
  v_action text := CASE NEW.status
    WHEN 'auto_executed' THEN CASE WHEN NEW.decided_by IS NULL THEN 'ai_auto_executed' ELSE 'human_approved' END
    WHEN 'rejected' THEN CASE WHEN NEW.decided_by IS NULL THEN 'risk_rejected' ELSE 'human_rejected' END
    WHEN 'halted_by_risk' THEN 'risk_rejected'
  END;
BEGIN
  IF OLD.status = 'waiting' THEN
    INSERT INTO audit.decision_history (bot_id, action, actor, symbol, rationale, confidence, risk_check_result, strategy_id, trade_idea_id,
      snapshot_id, decision_id, details, occurred_at)
    VALUES (NEW.bot_id, 'ai_proposed', NEW.bot_id, NEW.symbol, NEW.rationale, NEW.confidence, v_result, NEW.strategy_id, NEW.id,
      NEW.snapshot_id, NEW.decision_id, v_details, NEW.created_at);
  END IF;
  IF v_action IS NOT NULL THEN
    INSERT INTO audit.decision_history (bot_id, action, actor, symbol, rationale, confidence, risk_check_result, strategy_id, trade_idea_id,
      snapshot_id, decision_id, order_id, human_override, details, occurred_at)
    VALUES (NEW.bot_id, v_action, coalesce(NEW.decided_by::text, NEW.bot_id), NEW.symbol, NEW.status_reason, NEW.confidence, v_result,
      NEW.strategy_id, NEW.id, NEW.snapshot_id, NEW.decision_id, NEW.order_id, v_action = 'human_approved', v_details, NEW.decided_at);
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER trade_ideas_logged AFTER UPDATE OF status ON ideas.trade_ideas FOR EACH ROW
  WHEN (NEW.status IS DISTINCT FROM OLD.status) EXECUTE FUNCTION ideas.log_step();
--> statement-breakpoint

-- The switch of automatic trading. No proposal in flight passes a flip: whoever proposes holds the gate.
CREATE FUNCTION ideas.guard_auto_trading() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := 1;
  IF TG_OP = 'UPDATE' THEN
    NEW.version := OLD.version;
    IF NEW.enabled = OLD.enabled OR NEW.bot_id <> OLD.bot_id THEN
      IF NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'of the automatic trading of bot ''%'' nothing changes but with its switch, which is %', OLD.bot_id,
          CASE WHEN OLD.enabled THEN 'on' ELSE 'off' END USING ERRCODE = 'TB002', HINT = 'flip it, with who does it and why';
      END IF;
      RETURN NEW;
    END IF;
    NEW.version := OLD.version + 1;
    -- Who does not say so did not do what was said the last time.
    IF NEW.changed_at = OLD.changed_at THEN
      NEW.changed_at := clock_timestamp();
      IF NEW.changed_by = OLD.changed_by THEN NEW.changed_by := session_user; END IF;
      IF NEW.reason = OLD.reason THEN NEW.reason := 'no reason was given'; END IF;
    END IF;
  END IF;
  PERFORM FROM risk.gates WHERE bot_id = NEW.bot_id FOR NO KEY UPDATE;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER auto_trading_guard BEFORE INSERT OR UPDATE ON ideas.auto_trading FOR EACH ROW
  EXECUTE FUNCTION ideas.guard_auto_trading();
--> statement-breakpoint
CREATE TRIGGER auto_trading_no_delete BEFORE DELETE ON ideas.auto_trading
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('ideas.auto_trading');
--> statement-breakpoint
CREATE TRIGGER auto_trading_no_truncate BEFORE TRUNCATE ON ideas.auto_trading
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('ideas.auto_trading');
--> statement-breakpoint

CREATE FUNCTION ideas.log_flip() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit.decision_history (bot_id, action, actor, rationale, risk_check_result, details, occurred_at)
  VALUES (NEW.bot_id, CASE WHEN NEW.enabled THEN 'ai_resumed' ELSE 'ai_halted' END, NEW.changed_by, NEW.reason,
    CASE WHEN NOT NEW.enabled AND NEW.reason IN ('max_drawdown', 'daily_target_reached') THEN 'fail:' || NEW.reason END,
    jsonb_build_object('enabled', NEW.enabled, 'version', NEW.version::text), NEW.changed_at);
  RETURN NULL;
END $$;
--> statement-breakpoint
-- A bot without a row has it off, so a first row that says so flips nothing.
CREATE TRIGGER auto_trading_set AFTER INSERT ON ideas.auto_trading FOR EACH ROW WHEN (NEW.enabled)
  EXECUTE FUNCTION ideas.log_flip();
--> statement-breakpoint
CREATE TRIGGER auto_trading_flipped AFTER UPDATE ON ideas.auto_trading FOR EACH ROW
  WHEN (NEW.enabled IS DISTINCT FROM OLD.enabled) EXECUTE FUNCTION ideas.log_flip();
--> statement-breakpoint

-- Why a user may not decide on ideas: `unknown_user` or `not_allowed`; null if the user may. Whoever is being made inactive is waited for.
CREATE FUNCTION ideas.approver_problem(p_user_id uuid) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_may boolean;
BEGIN
  SELECT u.is_active AND u.role IN ('approver', 'admin') INTO v_may FROM access.users u WHERE u.id = p_user_id FOR SHARE;
  RETURN CASE WHEN v_may IS NULL THEN 'unknown_user' WHEN NOT v_may THEN 'not_allowed' END;
END $$;
--> statement-breakpoint

-- Takes the gate of a bot, after which nothing that closes it goes unseen, and returns the time that counts from there; null if
-- there is no such bot.
CREATE FUNCTION ideas.enter_gate(p_bot_id text, p_at timestamptz) RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_mode text;
BEGIN
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'a trade idea is not decided in a transaction that is %: it would not see what closed the gate since it began',
      current_setting('transaction_isolation') USING ERRCODE = 'TB002', HINT = 'decide it in a transaction that is read committed';
  END IF;
  UPDATE risk.gates SET version = version + 1 WHERE bot_id = p_bot_id;
  SELECT b.mode INTO v_mode FROM fleet.bots b WHERE b.bot_id = p_bot_id;
  IF NOT FOUND THEN RETURN NULL; END IF;
  IF p_at IS NOT NULL AND v_mode IS DISTINCT FROM 'backtest' THEN
    RAISE EXCEPTION 'now is given for bot ''%'', which is not in mode backtest: the database''s clock decides', p_bot_id
      USING ERRCODE = 'TB002';
  END IF;
  RETURN risk.clock(p_at);
END $$;
--> statement-breakpoint

CREATE FUNCTION ideas.side_of(p_direction text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE p_direction WHEN 'long' THEN 'buy' WHEN 'short' THEN 'sell' END
$$;
--> statement-breakpoint

-- The price of an idea: what it says, or the end of its range that the market reaches first. Null if it says none.
CREATE FUNCTION ideas.price_of(p_idea ideas.trade_ideas) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(p_idea.entry_price, CASE p_idea.direction WHEN 'long' THEN p_idea.entry_high ELSE p_idea.entry_low END)
$$;
--> statement-breakpoint

-- What is asked of an idea beside what is asked of every entry. What nobody can tell fails. An approved idea is not asked what the
-- approval overrules.
CREATE FUNCTION ideas.check_idea(p_idea ideas.trade_ideas, p_embargo jsonb, p_at timestamptz, p_is_approved boolean)
RETURNS risk.check_result[] LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_checks risk.check_result[] := '{}';
  v_switch ideas.auto_trading;
  v_strategy strategy.strategies;
  v_vetoed_at timestamptz;
  v_limit numeric;
  v_held bigint;
  v_holds boolean;
BEGIN
  v_checks := v_checks || ROW('expired', p_idea.expires_at IS NULL OR p_at < p_idea.expires_at, 'reduce', 'order', 'ideas', NULL,
    CASE WHEN p_at >= p_idea.expires_at THEN 'the idea has expired' END, p_idea.expires_at, NULL, NULL, NULL)::risk.check_result;
  IF p_idea.decision_id IS NOT NULL THEN
    SELECT d.vetoed_at INTO v_vetoed_at FROM analysis.decisions d WHERE d.bot_id = p_idea.bot_id AND d.id = p_idea.decision_id FOR SHARE;
    v_checks := v_checks || ROW('decision', v_vetoed_at IS NULL, 'reduce', 'order', 'analysis', p_idea.decision_id,
      CASE WHEN v_vetoed_at IS NOT NULL THEN 'its decision was vetoed' END, v_vetoed_at, NULL, NULL, NULL)::risk.check_result;
  END IF;
  IF NOT p_is_approved THEN
    SELECT * INTO v_switch FROM ideas.auto_trading a WHERE a.bot_id = p_idea.bot_id;
    v_checks := v_checks || ROW('auto_trading', coalesce(v_switch.enabled, false), 'reduce', 'bot', 'ideas', NULL,
      CASE WHEN v_switch.bot_id IS NULL THEN 'automatic trading was never switched on'
        WHEN NOT v_switch.enabled THEN 'automatic trading is off: ' || v_switch.reason END,
      CASE WHEN NOT v_switch.enabled THEN v_switch.changed_at END, NULL, NULL, NULL)::risk.check_result;
    v_checks := v_checks || ROW('strategy', p_idea.strategy_id IS NOT NULL, 'reduce', 'order', 'strategy', p_idea.strategy_id,
      CASE WHEN p_idea.strategy_id IS NULL THEN 'the idea follows no strategy' END, NULL, NULL, NULL, NULL)::risk.check_result;
  END IF;
  IF p_idea.strategy_id IS NULL THEN RETURN v_checks; END IF;

  -- Whoever pauses it waits, and is waited for.
  SELECT * INTO v_strategy FROM strategy.strategies s WHERE s.id = p_idea.strategy_id FOR SHARE;
  v_checks := v_checks || ROW('strategy_status', coalesce(v_strategy.status = 'active', false), 'reduce', 'order', 'strategy',
    p_idea.strategy_id, CASE WHEN v_strategy.status <> 'active' THEN 'the strategy is ' || v_strategy.status END,
    NULL, NULL, NULL, NULL)::risk.check_result;
  v_checks := v_checks || ROW('strategy_symbol',
    coalesce(v_strategy.allowed_symbols IS NULL OR p_idea.symbol = ANY (v_strategy.allowed_symbols), false), 'reduce', 'symbol', 'strategy',
    p_idea.strategy_id, NULL, NULL, NULL, NULL, NULL)::risk.check_result;
  v_checks := v_checks || ROW('session', coalesce(strategy.is_in_window(v_strategy.session_windows, p_at), false), 'reduce', 'order',
    'strategy', p_idea.strategy_id, NULL, NULL, NULL, NULL, NULL)::risk.check_result;
  v_checks := v_checks || ROW('embargo', coalesce((p_embargo ->> 'passed')::boolean, false), 'reduce', 'symbol', 'calendar', NULL,
    coalesce(p_embargo ->> 'reason', CASE WHEN p_embargo IS NULL THEN 'nobody looked at the calendar' END), NULL, NULL, NULL,
    NULL)::risk.check_result;
  v_limit := (v_strategy.risk_caps ->> 'maxQuantity')::numeric;
  IF v_limit IS NOT NULL THEN
    v_checks := v_checks || ROW('strategy_quantity', p_idea.quantity <= v_limit AND v_limit < 'Infinity'::numeric, 'reduce', 'order', 'strategy',
      p_idea.strategy_id, NULL, NULL, NULL, v_limit, p_idea.quantity)::risk.check_result;
  END IF;
  v_limit := (v_strategy.risk_caps ->> 'maxOpenPositions')::numeric;
  IF v_limit IS NOT NULL THEN
    -- What is on its way and what is held, of one moment, as far as an order of the strategy led to it.
    WITH taken AS (
      SELECT o.exchange, o.symbol, o.position_side, o.id, o.decision_id FROM trading.orders o
      WHERE o.bot_id = p_idea.bot_id AND o.status IN ('pending', 'submitted', 'partially_filled') AND NOT o.reduce_only
      UNION ALL
      SELECT p.exchange, p.symbol, p.position_side, o.id, o.decision_id
      FROM trading.positions p
      JOIN trading.fills f ON f.bot_id = p.bot_id AND f.exchange = p.exchange AND f.symbol = p.symbol
        AND f.position_side = p.position_side AND f.executed_at >= p.opened_at AND p.id IN (f.position_id, f.opened_position_id)
      JOIN trading.orders o ON o.bot_id = f.bot_id AND o.id = f.order_id
      WHERE p.bot_id = p_idea.bot_id AND p.status = 'open')
    SELECT count(DISTINCT (t.exchange, t.symbol, t.position_side)), coalesce(
        bool_or(t.exchange = p_idea.exchange AND t.symbol = p_idea.symbol AND t.position_side = p_idea.position_side), false)
    INTO v_held, v_holds FROM taken t
    WHERE EXISTS (SELECT FROM ideas.trade_ideas i
        WHERE i.bot_id = p_idea.bot_id AND i.order_id = t.id AND i.strategy_id = p_idea.strategy_id)
      OR EXISTS (SELECT FROM analysis.decisions d
        WHERE d.bot_id = p_idea.bot_id AND d.id = t.decision_id AND d.strategy_id = p_idea.strategy_id);
    v_checks := v_checks || ROW('strategy_positions', v_holds OR v_held < v_limit, 'reduce', 'bot', 'strategy', p_idea.strategy_id, NULL,
      NULL, NULL, v_limit, v_held)::risk.check_result;
  END IF;
  RETURN v_checks;
END $$;
--> statement-breakpoint

-- Places the order of an idea. Of an idea that has its order, asks whether it may be sent still: by the name of that order, so that none is added.
CREATE FUNCTION ideas.place(p_idea ideas.trade_ideas, p_order_id uuid, p_confidence double precision, p_at timestamptz,
  OUT outcome text, OUT order_id uuid, OUT checks jsonb
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  SELECT o.outcome, o.order_id, o.checks INTO outcome, order_id, checks
  FROM risk.place_order(p_idea.bot_id, p_order_id,
    coalesce((SELECT own.client_order_id FROM trading.orders own WHERE own.bot_id = p_idea.bot_id AND own.id = p_idea.order_id),
      'idea:' || p_idea.id), p_idea.exchange, p_idea.symbol, ideas.side_of(p_idea.direction),
    p_idea.position_side, p_idea.order_type, NULL, p_idea.quantity, CASE WHEN p_idea.order_type = 'limit' THEN ideas.price_of(p_idea) END,
    NULL, NULL, false, false, 'entry', NULL, NULL, p_idea.decision_id, ideas.price_of(p_idea), p_confidence, p_at) o;
END $$;
--> statement-breakpoint

-- Decides on an idea that is not decided yet, and does what follows from it. The caller holds the gate and the idea.
--
-- The order is placed by risk.place_order, which asks the gate again: an order that reduces what is held would pass it unasked, an
-- idea does not, and a switch that was thrown in between is seen.
CREATE FUNCTION ideas.settle(
  p_idea ideas.trade_ideas, p_user_id uuid, p_note text, p_embargo jsonb, p_order_id uuid, p_given_at timestamptz, p_at timestamptz
) RETURNS ideas.trade_ideas LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_is_approved boolean := p_user_id IS NOT NULL;
  v_confidence double precision := CASE WHEN p_user_id IS NULL THEN p_idea.confidence ELSE 1 END;
  v_own risk.check_result[];
  v_gate risk.check_result[];
  v_checks jsonb;
  v_failed text[];
  v_outcome text;
  v_placed_id uuid;
  v_denied jsonb;
  v_status text;
  v_reason text;
  v_halt text;
  v_idea ideas.trade_ideas;
BEGIN
  v_own := ideas.check_idea(p_idea, p_embargo, p_at, v_is_approved);
  v_gate := risk.check_entry(p_idea.bot_id, p_idea.exchange, p_idea.symbol, ideas.side_of(p_idea.direction), p_idea.position_side,
    p_idea.order_type, p_idea.quantity, CASE WHEN p_idea.order_type = 'limit' THEN ideas.price_of(p_idea) END, NULL,
    ideas.price_of(p_idea), v_confidence, p_at);
  IF NOT v_is_approved AND NOT EXISTS (SELECT FROM unnest(v_gate) c WHERE c.code = 'confidence') THEN
    v_own := v_own || ROW('confidence', p_idea.confidence >= ideas.least_confidence(), 'reduce', 'order', 'ideas', NULL, NULL, NULL, NULL,
      ideas.least_confidence(), p_idea.confidence)::risk.check_result;
  END IF;
  v_checks := risk.checks_as_json(v_own || v_gate, false);
  v_failed := ideas.failed_codes(v_checks);
  IF cardinality(v_failed) = 0 AND cardinality(v_gate) > 0 THEN
    SELECT o.outcome, o.order_id, o.checks INTO v_outcome, v_placed_id, v_denied
    FROM ideas.place(p_idea, p_order_id, v_confidence, p_given_at) o;
    IF v_outcome = 'repeat' THEN
      RAISE EXCEPTION 'client order id ''idea:%'' of bot ''%'' is taken by an order that this idea did not make', p_idea.id, p_idea.bot_id
        USING ERRCODE = 'TB002', HINT = 'propose it under another id';
    ELSIF v_outcome IS DISTINCT FROM 'placed' THEN
      v_checks := risk.checks_as_json(v_own, false) || coalesce(v_denied, '[]');
      v_failed := ideas.failed_codes(v_checks);
    END IF;
  END IF;
  v_reason := (
    SELECT string_agg((c ->> 'code') || coalesce(': ' || (c ->> 'reason'), ''), '; ' ORDER BY place)
    FROM jsonb_array_elements(v_checks) WITH ORDINALITY AS x (c, place) WHERE (c ->> 'passed')::boolean IS NOT TRUE);

  IF v_outcome = 'placed' THEN
    v_status := 'auto_executed';
    v_reason := coalesce(p_note, CASE WHEN v_is_approved THEN 'approved' ELSE 'every check passed' END);
  ELSE
    -- What was found to be over its limit; what nobody could find out is refused as anything else.
    IF jsonb_path_exists(v_checks, '$[*] ? (@.code == "drawdown" && @.passed == false && exists (@.actual))') THEN
      v_status := 'halted_by_risk';
      IF coalesce((SELECT s.halt_on_drawdown FROM risk.global_settings s ORDER BY s.version DESC LIMIT 1), false)
        OR coalesce((SELECT s.halt_on_drawdown FROM risk.settings s WHERE s.bot_id = p_idea.bot_id ORDER BY s.version DESC LIMIT 1), false)
      THEN
        v_halt := 'max_drawdown';
      END IF;
    ELSIF NOT v_is_approved AND cardinality(v_failed) > 0 AND v_failed <@ ideas.approvable_codes() THEN
      v_status := 'needs_approval';
    ELSE
      v_status := 'rejected';
      IF jsonb_path_exists(v_checks, '$[*] ? (@.code == "daily_target" && @.passed == false && exists (@.actual))') THEN
        v_halt := 'daily_target_reached';
      END IF;
    END IF;
    v_reason := coalesce(v_reason, 'nothing was asked');
    IF v_is_approved THEN v_reason := format('approved by %s, and refused: %s', p_user_id, v_reason); END IF;
  END IF;

  UPDATE ideas.trade_ideas i
  SET status = v_status, status_reason = v_reason, checks = v_checks,
    order_id = v_placed_id,
    decided_by = CASE WHEN v_status = 'auto_executed' THEN p_user_id END,
    decided_at = CASE WHEN v_status <> 'needs_approval' THEN p_at END
  WHERE i.bot_id = p_idea.bot_id AND i.id = p_idea.id
  RETURNING * INTO v_idea;
  IF v_halt IS NOT NULL THEN
    UPDATE ideas.auto_trading a SET enabled = false, reason = v_halt, changed_by = a.bot_id, changed_at = p_at
    WHERE a.bot_id = p_idea.bot_id AND a.enabled;
  END IF;
  RETURN v_idea;
END $$;
--> statement-breakpoint

-- Stores an idea, looks at it, and places its order if nothing is against it: one step. The same id again changes nothing; an idea
-- that was stored and never looked at is looked at now.
CREATE FUNCTION ideas.propose(
  p_bot_id text, p_id uuid, p_strategy_id uuid, p_snapshot_id uuid, p_decision_id uuid, p_exchange text, p_symbol text, p_direction text,
  p_position_side text, p_order_type text, p_quantity numeric, p_entry_price numeric, p_entry_low numeric, p_entry_high numeric,
  p_stop_loss numeric, p_targets numeric[], p_expected_hold text, p_rationale text, p_confidence double precision,
  p_expires_at timestamptz, p_embargo jsonb, p_order_id uuid, p_at timestamptz,
  OUT outcome text, OUT differs text, OUT blocks jsonb, OUT idea ideas.trade_ideas
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_at timestamptz := ideas.enter_gate(p_bot_id, p_at);
  v_exchange text;
  v_placed record;
BEGIN
  IF v_at IS NULL THEN
    outcome := 'unknown_bot';
    RETURN;
  END IF;
  SELECT coalesce(p_exchange, b.exchange) INTO v_exchange FROM fleet.bots b WHERE b.bot_id = p_bot_id;
  SELECT * INTO idea FROM ideas.trade_ideas i WHERE i.bot_id = p_bot_id AND i.id = p_id FOR UPDATE;
  IF FOUND THEN
    outcome := 'repeat';
    SELECT string_agg(name, ', ' ORDER BY place) INTO differs
    FROM (VALUES (1, 'strategyId', idea.strategy_id IS DISTINCT FROM p_strategy_id),
      (2, 'snapshotId', idea.snapshot_id IS DISTINCT FROM p_snapshot_id),
      (3, 'decisionId', idea.decision_id IS DISTINCT FROM p_decision_id),
      (4, 'exchange', idea.exchange IS DISTINCT FROM v_exchange),
      (5, 'symbol', idea.symbol IS DISTINCT FROM p_symbol),
      (6, 'direction', idea.direction IS DISTINCT FROM p_direction),
      (7, 'positionSide', idea.position_side IS DISTINCT FROM p_position_side),
      (8, 'orderType', idea.order_type IS DISTINCT FROM p_order_type),
      (9, 'quantity', idea.quantity IS DISTINCT FROM p_quantity),
      (10, 'entryPrice', idea.entry_price IS DISTINCT FROM p_entry_price),
      (11, 'entryLow', idea.entry_low IS DISTINCT FROM p_entry_low),
      (12, 'entryHigh', idea.entry_high IS DISTINCT FROM p_entry_high),
      (13, 'stopLoss', idea.stop_loss IS DISTINCT FROM p_stop_loss),
      (14, 'targets', idea.targets IS DISTINCT FROM p_targets),
      (15, 'expectedHold', idea.expected_hold IS DISTINCT FROM p_expected_hold),
      (16, 'rationale', idea.rationale IS DISTINCT FROM p_rationale),
      (17, 'confidence', idea.confidence IS DISTINCT FROM p_confidence),
      (18, 'expiresAt', idea.expires_at IS DISTINCT FROM p_expires_at)) AS said (place, name, is_other)
    WHERE is_other;
    IF differs IS NOT NULL THEN
      outcome := 'conflict';
      RETURN;
    END IF;
    IF idea.status = 'auto_executed' THEN
      -- An order that was not sent yet must not be sent after a stop, by a bot that has started again.
      v_placed := ideas.place(idea, p_order_id, 1, p_at);
      IF v_placed.outcome = 'denied' THEN blocks := v_placed.checks; END IF;
    END IF;
    IF idea.status <> 'waiting' THEN RETURN; END IF;
  ELSE
    INSERT INTO ideas.trade_ideas (bot_id, id, strategy_id, snapshot_id, decision_id, exchange, symbol, direction, position_side, order_type,
      quantity, entry_price, entry_low, entry_high, stop_loss, targets, expected_hold, rationale, confidence, expires_at, created_at,
      updated_at)
    VALUES (p_bot_id, p_id, p_strategy_id, p_snapshot_id, p_decision_id, v_exchange, p_symbol, p_direction, p_position_side, p_order_type,
      p_quantity, p_entry_price, p_entry_low, p_entry_high, p_stop_loss, p_targets, p_expected_hold, p_rationale, p_confidence,
      p_expires_at, v_at, v_at)
    RETURNING * INTO idea;
  END IF;
  outcome := 'proposed';
  idea := ideas.settle(idea, NULL, NULL, p_embargo, p_order_id, p_at, v_at);
END $$;
--> statement-breakpoint

-- Lets a human overrule what may be overruled. Every limit is asked anew, and the order is placed in the same transaction; if a limit
-- is against it, the idea is refused.
CREATE FUNCTION ideas.approve(
  p_bot_id text, p_id uuid, p_user_id uuid, p_note text, p_embargo jsonb, p_order_id uuid, p_at timestamptz,
  OUT outcome text, OUT differs text, OUT blocks jsonb, OUT idea ideas.trade_ideas
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_at timestamptz := ideas.enter_gate(p_bot_id, p_at);
  v_placed record;
BEGIN
  SELECT * INTO idea FROM ideas.trade_ideas i WHERE i.bot_id = p_bot_id AND i.id = p_id FOR UPDATE;
  IF NOT FOUND THEN
    outcome := 'unknown_idea';
    RETURN;
  END IF;
  outcome := ideas.approver_problem(p_user_id);
  IF outcome IS NOT NULL THEN RETURN; END IF;
  IF idea.status = 'auto_executed' AND idea.decided_by = p_user_id THEN
    outcome := 'repeat';
    v_placed := ideas.place(idea, p_order_id, 1, p_at);
    IF v_placed.outcome = 'denied' THEN blocks := v_placed.checks; END IF;
  ELSIF idea.status <> 'needs_approval' THEN
    outcome := 'not_open';
  ELSE
    outcome := 'decided';
    idea := ideas.settle(idea, p_user_id, p_note, p_embargo, p_order_id, p_at, v_at);
  END IF;
END $$;
--> statement-breakpoint

-- The word of a human against an idea.
CREATE FUNCTION ideas.reject(
  p_bot_id text, p_id uuid, p_user_id uuid, p_reason text, p_at timestamptz,
  OUT outcome text, OUT differs text, OUT blocks jsonb, OUT idea ideas.trade_ideas
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_at timestamptz := ideas.enter_gate(p_bot_id, p_at);
BEGIN
  SELECT * INTO idea FROM ideas.trade_ideas i WHERE i.bot_id = p_bot_id AND i.id = p_id FOR UPDATE;
  IF NOT FOUND THEN
    outcome := 'unknown_idea';
    RETURN;
  END IF;
  outcome := ideas.approver_problem(p_user_id);
  IF outcome IS NOT NULL THEN RETURN; END IF;
  IF idea.status = 'rejected' AND idea.decided_by = p_user_id THEN
    outcome := 'repeat';
  ELSIF idea.status NOT IN ('waiting', 'needs_approval') THEN
    outcome := 'not_open';
  ELSE
    outcome := 'decided';
    UPDATE ideas.trade_ideas i SET status = 'rejected', status_reason = p_reason, decided_by = p_user_id, decided_at = v_at
    WHERE i.bot_id = p_bot_id AND i.id = p_id
    RETURNING * INTO idea;
  END IF;
END $$;
--> statement-breakpoint

-- Flips the switch of automatic trading, with who and why; what follows is written down by the database. The same position again
-- changes nothing. Whoever switches it on is a user who may approve; whoever switches it off is anybody.
CREATE FUNCTION ideas.switch_auto_trading(p_bot_id text, p_enabled boolean, p_by text, p_user_id uuid, p_reason text,
  OUT outcome text, OUT state ideas.auto_trading
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  UPDATE risk.gates SET version = version + 1 WHERE bot_id = p_bot_id;
  IF NOT EXISTS (SELECT FROM fleet.bots b WHERE b.bot_id = p_bot_id) THEN
    outcome := 'unknown_bot';
    RETURN;
  END IF;
  IF p_enabled THEN
    outcome := ideas.approver_problem(p_user_id);
    IF outcome IS NOT NULL THEN RETURN; END IF;
  END IF;
  outcome := 'unchanged';
  SELECT * INTO state FROM ideas.auto_trading a WHERE a.bot_id = p_bot_id FOR UPDATE;
  IF coalesce(state.enabled, false) = p_enabled THEN RETURN; END IF;
  outcome := 'flipped';
  IF state.bot_id IS NULL THEN
    INSERT INTO ideas.auto_trading (bot_id, enabled, reason, changed_by, changed_at)
    VALUES (p_bot_id, p_enabled, p_reason, p_by, risk.clock(NULL))
    RETURNING * INTO state;
  ELSE
    UPDATE ideas.auto_trading a
    -- Two flips within one millisecond are two all the same.
    SET enabled = p_enabled, reason = p_reason, changed_by = p_by, changed_at = greatest(risk.clock(NULL), a.changed_at + interval '1 millisecond')
    WHERE a.bot_id = p_bot_id
    RETURNING * INTO state;
  END IF;
END $$;
