-- What holds of strategies whoever writes to them: the steps of their status, what the active ones have together, one strategy replaced by another
-- as one step, windows of trading, and what is written down of each change.

INSERT INTO strategy.allocations DEFAULT VALUES;
--> statement-breakpoint

-- Whether a moment lies in one of the windows of a strategy, by the clock on the wall of each window's zone. None is always; no list, no moment is
-- never. A window that cannot be read is an error, as is a zone that the server does not know.
CREATE FUNCTION strategy.is_in_window(p_windows jsonb, p_at timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_days text[] := ARRAY['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];
  v_window jsonb;
  v_local timestamp;
  v_start time;
  v_end time;
  v_today integer;
  v_found boolean := false;
BEGIN
  IF p_windows IS NULL OR p_at IS NULL OR jsonb_typeof(p_windows) <> 'array' THEN RETURN false; END IF;
  IF p_windows = '[]'::jsonb THEN RETURN true; END IF;
  FOR v_window IN SELECT value FROM jsonb_array_elements(p_windows) LOOP
    IF jsonb_typeof(v_window) <> 'object'
      OR coalesce(v_window ->> 'start' !~ '^([01][0-9]|2[0-3]):[0-5][0-9]$', true)
      OR coalesce(v_window ->> 'end' !~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$', true)
      OR v_window ->> 'start' = v_window ->> 'end'
      OR (v_window ? 'timeZone'
        AND coalesce(v_window ->> 'timeZone' !~ '^(UTC|[A-Za-z_]+(/[A-Za-z0-9_+-]+)+)$', true))
      OR (v_window ? 'days' AND NOT (jsonb_typeof(v_window -> 'days') = 'array' AND v_window -> 'days' <> '[]'::jsonb
        AND v_window -> 'days' <@ to_jsonb(v_days)))
    THEN
      RAISE EXCEPTION 'session window % cannot be read', v_window USING ERRCODE = 'TB002',
        CONSTRAINT = 'strategies_session_windows_check',
        HINT = 'write it as {"start": "07:00", "end": "11:00", "days": ["monday"], "timeZone": "Europe/Berlin"}';
    END IF;
    v_local := p_at AT TIME ZONE coalesce(v_window ->> 'timeZone', 'UTC');
    v_start := (v_window ->> 'start')::time;
    v_end := (v_window ->> 'end')::time;
    v_today := extract(dow FROM v_local)::integer;
    -- Over midnight, what comes after it belongs to the day before.
    v_found := v_found OR CASE
      WHEN v_start < v_end THEN v_local::time >= v_start AND v_local::time < v_end
        AND coalesce(v_window -> 'days' ? v_days[v_today + 1], true)
      ELSE (v_local::time >= v_start AND coalesce(v_window -> 'days' ? v_days[v_today + 1], true))
        OR (v_local::time < v_end AND coalesce(v_window -> 'days' ? v_days[(v_today + 6) % 7 + 1], true)) END;
  END LOOP;
  RETURN v_found;
END $$;
--> statement-breakpoint

-- The steps of a status. To be replaced is one of them, and is checked with its other half below.
CREATE FUNCTION strategy.is_step(p_from text, p_to text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE p_from
    WHEN 'draft' THEN p_to IN ('backtested', 'archived')
    WHEN 'backtested' THEN p_to IN ('paper', 'archived')
    WHEN 'paper' THEN p_to IN ('active', 'archived')
    WHEN 'active' THEN p_to IN ('paused', 'archived', 'replaced')
    WHEN 'paused' THEN p_to IN ('active', 'archived', 'replaced')
    ELSE false END
$$;
--> statement-breakpoint

CREATE FUNCTION strategy.begin_strategy() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := date_trunc('milliseconds', clock_timestamp());
BEGIN
  -- Reads every window, whatever the moment.
  PERFORM strategy.is_in_window(NEW.session_windows, v_now);
  NEW.version := 1;
  IF NEW.status = 'active' THEN NEW.activated_at := coalesce(NEW.activated_at, v_now); END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER strategies_begin BEFORE INSERT ON strategy.strategies FOR EACH ROW EXECUTE FUNCTION strategy.begin_strategy();
--> statement-breakpoint

CREATE FUNCTION strategy.guard_strategy() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_now timestamptz := date_trunc('milliseconds', clock_timestamp());
  -- What says who, when and how often, and moves only with something else.
  v_marks text[] := ARRAY['version', 'changed_by', 'reason', 'updated_at', 'activated_at', 'paused_at', 'archived_at', 'replaced_at'];
BEGIN
  IF to_jsonb(NEW) - v_marks = to_jsonb(OLD) - v_marks AND NEW.version <> OLD.version + 1 THEN
    RETURN OLD;
  END IF;
  IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at
    OR (OLD.replaces_id IS NOT NULL AND NEW.replaces_id IS DISTINCT FROM OLD.replaces_id) THEN
    RAISE EXCEPTION 'id, created_at and replaces_id of strategy ''%'' do not change', OLD.name USING ERRCODE = 'TB002';
  END IF;
  IF OLD.status IN ('archived', 'replaced') THEN
    RAISE EXCEPTION 'strategy ''%'' is %, so it stays as it is', OLD.name, OLD.status
      USING ERRCODE = 'TB001', HINT = 'create another strategy instead';
  END IF;
  IF NEW.status <> OLD.status AND NOT strategy.is_step(OLD.status, NEW.status) THEN
    RAISE EXCEPTION 'strategy ''%'' is %, so it does not become %', OLD.name, OLD.status, NEW.status
      USING ERRCODE = 'TB001', HINT = 'a strategy goes from draft to backtested, paper, active and paused, one step at a time';
  END IF;
  IF NEW.session_windows <> OLD.session_windows THEN
    PERFORM strategy.is_in_window(NEW.session_windows, v_now);
  END IF;
  NEW.activated_at := CASE WHEN NEW.status = 'active' AND OLD.status <> 'active' THEN v_now ELSE OLD.activated_at END;
  NEW.paused_at := CASE WHEN NEW.status = 'paused' AND OLD.status <> 'paused' THEN v_now ELSE OLD.paused_at END;
  NEW.archived_at := CASE WHEN NEW.status = 'archived' THEN v_now END;
  NEW.replaced_at := CASE WHEN NEW.status = 'replaced' THEN v_now END;
  NEW.version := OLD.version + 1;
  NEW.updated_at := v_now;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER strategies_guard BEFORE UPDATE ON strategy.strategies FOR EACH ROW EXECUTE FUNCTION strategy.guard_strategy();
--> statement-breakpoint
CREATE FUNCTION strategy.refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'strategies are not deleted' USING ERRCODE = 'TB002', HINT = 'archive it instead';
END $$;
--> statement-breakpoint
CREATE TRIGGER strategies_no_delete BEFORE DELETE ON strategy.strategies
  FOR EACH ROW EXECUTE FUNCTION strategy.refuse_delete();
--> statement-breakpoint
CREATE TRIGGER strategies_no_truncate BEFORE TRUNCATE ON strategy.strategies
  FOR EACH STATEMENT EXECUTE FUNCTION strategy.refuse_delete();
--> statement-breakpoint

-- Runs when the statement is through: a strategy is replaced together with the one that takes its place, or not at all.
CREATE FUNCTION strategy.check_replacement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.status = 'replaced' AND NOT EXISTS (SELECT FROM strategy.strategies r WHERE r.id = NEW.replaced_by_id
      AND r.replaces_id = NEW.id AND (r.status = 'active' OR TG_OP = 'INSERT')))
    OR (NEW.replaces_id IS NOT NULL AND NOT EXISTS (SELECT FROM strategy.strategies o WHERE o.id = NEW.replaces_id
      AND o.status = 'replaced' AND o.replaced_by_id = NEW.id)) THEN
    RAISE EXCEPTION 'strategy ''%'' would be half of a replacement: the old one is replaced and the new one active in one statement', NEW.name
      USING ERRCODE = 'TB001', HINT = 'use replaceStrategy';
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER strategies_replacement AFTER INSERT OR UPDATE OF status, replaces_id, replaced_by_id ON strategy.strategies FOR EACH ROW
  WHEN (NEW.replaces_id IS NOT NULL OR NEW.replaced_by_id IS NOT NULL) EXECUTE FUNCTION strategy.check_replacement();
--> statement-breakpoint

-- What is written down of a change, with numbers as text.
CREATE FUNCTION strategy.log_change(p_old strategy.strategies, p_new strategy.strategies) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_marks text[] := ARRAY['changed_by', 'reason', 'created_at', 'updated_at'];
  v_new jsonb := to_jsonb(p_new) - v_marks;
  v_old jsonb := to_jsonb(p_old) - v_marks;
  v_before jsonb;
  v_after jsonb;
BEGIN
  IF p_old.id IS NULL THEN
    v_after := risk.numbers_as_text(v_new);
  ELSE
    SELECT risk.numbers_as_text(jsonb_object_agg(key, v_old -> key)), risk.numbers_as_text(jsonb_object_agg(key, value))
      INTO v_before, v_after FROM jsonb_each(v_new) WHERE value IS DISTINCT FROM v_old -> key;
  END IF;
  INSERT INTO audit.system_events (bot_id, kind, severity, actor, component, message, details, occurred_at)
  VALUES ('*', 'strategy_changed', 'info', p_new.changed_by, 'strategy',
    CASE WHEN p_old.id IS NULL THEN format('strategy ''%s'' was created as %s', p_new.name, p_new.status)
      WHEN p_new.status <> p_old.status THEN format('strategy ''%s'' went from %s to %s', p_new.name, p_old.status, p_new.status)
      ELSE format('strategy ''%s'' was changed', p_new.name) END,
    jsonb_build_object('strategyId', p_new.id, 'reason', p_new.reason, 'before', v_before, 'after', v_after),
    clock_timestamp());
END $$;
--> statement-breakpoint

-- Moves what the active strategies have together by what a statement changed, and notes who began or ceased to be active. The row of the sum is
-- changed where its rules still hold of it, whatever others did meanwhile.
CREATE FUNCTION strategy.move_allocation(p_changes jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_sum numeric;
  v_count integer;
  v_up uuid[];
  v_down uuid[];
  v_names text;
  v_by text;
  v_reason text;
  v_row strategy.allocations;
BEGIN
  SELECT coalesce(sum(coalesce(c.new_share, 0) - coalesce(c.old_share, 0)), 0), count(c.new_share) - count(c.old_share),
      coalesce(array_agg(c.id ORDER BY c.id) FILTER (WHERE c.old_share IS NULL), '{}'),
      coalesce(array_agg(c.id ORDER BY c.id) FILTER (WHERE c.new_share IS NULL), '{}'),
      string_agg(format('''%s''', c.name), ', ' ORDER BY c.name), min(c.changed_by), min(c.reason)
    INTO v_sum, v_count, v_up, v_down, v_names, v_by, v_reason
  FROM jsonb_to_recordset(p_changes) AS c(id uuid, name text, changed_by text, reason text, old_share numeric, new_share numeric)
  WHERE c.old_share IS DISTINCT FROM c.new_share;
  IF v_names IS NULL THEN RETURN; END IF;
  UPDATE strategy.allocations a
  SET allocated = a.allocated + v_sum, active_count = a.active_count + v_count, updated_at = date_trunc('milliseconds', clock_timestamp())
  WHERE a.id AND a.allocated + v_sum BETWEEN 0 AND 1 AND (v_count <= 0 OR a.max_active IS NULL OR a.active_count + v_count <= a.max_active)
  RETURNING a.* INTO v_row;
  IF NOT FOUND THEN
    SELECT a.* INTO v_row FROM strategy.allocations a WHERE a.id;
    IF v_row.id IS NULL THEN
      RAISE EXCEPTION 'the row of allocations is missing, so no strategy becomes active' USING ERRCODE = 'TB002';
    ELSIF v_row.allocated + v_sum BETWEEN 0 AND 1 THEN
      RAISE EXCEPTION '% strategies are active, and no more than % may be, so % does not become active', v_row.active_count,
        v_row.max_active, v_names USING ERRCODE = 'TB002', CONSTRAINT = 'allocations_max_active_check', HINT = 'pause another one first';
    END IF;
    RAISE EXCEPTION 'active strategies have % of 1 allocated, so % more for % does not fit', trim_scale(v_row.allocated),
      trim_scale(v_sum), v_names USING ERRCODE = 'TB002', CONSTRAINT = 'strategies_allocation_check',
      HINT = 'lower the allocation of another active strategy first';
  END IF;
  IF v_up <> '{}' OR v_down <> '{}' THEN
    INSERT INTO strategy.activations (activated, deactivated, active_count, allocated, max_active, changed_by, reason, occurred_at)
    VALUES (v_up, v_down, v_row.active_count, v_row.allocated, v_row.max_active, v_by, v_reason, clock_timestamp());
  END IF;
END $$;
--> statement-breakpoint

-- The sum is moved before the change is written down: whoever changes several things at once takes these locks in one order.
CREATE FUNCTION strategy.after_insert() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_new strategy.strategies;
BEGIN
  PERFORM strategy.move_allocation((SELECT coalesce(jsonb_agg(jsonb_build_object('id', n.id, 'name', n.name, 'changed_by', n.changed_by,
    'reason', n.reason, 'new_share', n.allocation)), '[]') FROM new_rows n WHERE n.status = 'active'));
  FOR v_new IN SELECT * FROM new_rows n ORDER BY n.id LOOP
    PERFORM strategy.log_change(NULL, v_new);
  END LOOP;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER strategies_inserted AFTER INSERT ON strategy.strategies REFERENCING NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION strategy.after_insert();
--> statement-breakpoint
CREATE FUNCTION strategy.after_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_old strategy.strategies;
  v_new strategy.strategies;
BEGIN
  PERFORM strategy.move_allocation((SELECT coalesce(jsonb_agg(jsonb_build_object('id', n.id, 'name', n.name, 'changed_by', n.changed_by,
      'reason', n.reason, 'old_share', CASE WHEN o.status = 'active' THEN o.allocation END,
      'new_share', CASE WHEN n.status = 'active' THEN n.allocation END)), '[]')
    FROM new_rows n JOIN old_rows o ON o.id = n.id WHERE 'active' IN (o.status, n.status)));
  FOR v_new IN SELECT n.* FROM new_rows n JOIN old_rows o ON o.id = n.id WHERE o.version <> n.version ORDER BY n.id LOOP
    SELECT * INTO v_old FROM old_rows o WHERE o.id = v_new.id;
    PERFORM strategy.log_change(v_old, v_new);
  END LOOP;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER strategies_updated AFTER UPDATE ON strategy.strategies REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
  FOR EACH STATEMENT EXECUTE FUNCTION strategy.after_update();
--> statement-breakpoint

-- By hand only the limit of active strategies is set: the sums are moved by the triggers above.
CREATE FUNCTION strategy.guard_allocations() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() > 1 THEN RETURN NEW; END IF;
  IF TG_OP <> 'UPDATE' OR NEW.id <> OLD.id OR NEW.allocated <> OLD.allocated OR NEW.active_count <> OLD.active_count THEN
    RAISE EXCEPTION 'strategy.allocations is moved by the database with the strategies' USING ERRCODE = 'TB002',
      HINT = 'change the strategies; only max_active is set by hand';
  END IF;
  IF NEW.max_active IS DISTINCT FROM OLD.max_active THEN
    INSERT INTO audit.system_events (bot_id, kind, severity, actor, component, message, details, occurred_at)
    VALUES ('*', 'strategy_changed', 'info', coalesce(NEW.changed_by, session_user), 'strategy',
      'the number of strategies that may be active was changed', jsonb_build_object('reason', NEW.reason,
        'before', jsonb_build_object('max_active', OLD.max_active::text), 'after', jsonb_build_object('max_active', NEW.max_active::text)),
      clock_timestamp());
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER allocations_guard BEFORE INSERT OR UPDATE OR DELETE ON strategy.allocations
  FOR EACH ROW EXECUTE FUNCTION strategy.guard_allocations();
--> statement-breakpoint
CREATE TRIGGER allocations_no_truncate BEFORE TRUNCATE ON strategy.allocations
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('strategy.allocations');
--> statement-breakpoint
CREATE TRIGGER activations_append_only BEFORE UPDATE OR DELETE ON strategy.activations
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.activations');
--> statement-breakpoint
CREATE TRIGGER activations_no_truncate BEFORE TRUNCATE ON strategy.activations
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('strategy.activations');
--> statement-breakpoint

CREATE FUNCTION strategy.guard_symbols() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid := CASE TG_OP WHEN 'DELETE' THEN OLD.strategy_id ELSE NEW.strategy_id END;
  v_name text;
  v_status text;
BEGIN
  IF TG_OP = 'UPDATE' AND (NEW.strategy_id, NEW.symbol) IS DISTINCT FROM (OLD.strategy_id, OLD.symbol) THEN
    RAISE EXCEPTION 'a symbol does not move from one strategy to another' USING ERRCODE = 'TB002', HINT = 'remove it and add another';
  END IF;
  SELECT s.name, s.status INTO v_name, v_status FROM strategy.strategies s WHERE s.id = v_id FOR KEY SHARE;
  IF v_status IN ('archived', 'replaced') THEN
    RAISE EXCEPTION 'strategy ''%'' is %, so its symbols stay as they are', v_name, v_status USING ERRCODE = 'TB001';
  END IF;
  IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
  NEW.updated_at := date_trunc('milliseconds', clock_timestamp());
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER strategy_symbols_guard BEFORE INSERT OR UPDATE OR DELETE ON strategy.strategy_symbols
  FOR EACH ROW EXECUTE FUNCTION strategy.guard_symbols();
--> statement-breakpoint
CREATE TRIGGER strategy_symbols_no_truncate BEFORE TRUNCATE ON strategy.strategy_symbols
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('strategy.strategy_symbols');
--> statement-breakpoint

-- One event for each statement and strategy. Who removed a symbol is said by the event of the strategy, whose version moves with the set.
CREATE FUNCTION strategy.log_symbols() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit.system_events (bot_id, kind, severity, actor, component, message, details, occurred_at)
  SELECT '*', 'strategy_changed', 'info', CASE TG_OP WHEN 'DELETE' THEN session_user ELSE min(r.changed_by) END, 'strategy',
    format('symbols of strategy ''%s'' were %s', s.name, CASE TG_OP WHEN 'INSERT' THEN 'added' WHEN 'DELETE' THEN 'removed' ELSE 'changed' END),
    jsonb_build_object('strategyId', s.id, CASE TG_OP WHEN 'DELETE' THEN 'before' ELSE 'after' END, jsonb_object_agg(r.symbol, r.weight::text)), clock_timestamp()
  FROM touched r JOIN strategy.strategies s ON s.id = r.strategy_id GROUP BY s.id, s.name ORDER BY s.id;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER strategy_symbols_added AFTER INSERT ON strategy.strategy_symbols REFERENCING NEW TABLE AS touched
  FOR EACH STATEMENT EXECUTE FUNCTION strategy.log_symbols();
--> statement-breakpoint
CREATE TRIGGER strategy_symbols_changed AFTER UPDATE ON strategy.strategy_symbols REFERENCING NEW TABLE AS touched
  FOR EACH STATEMENT EXECUTE FUNCTION strategy.log_symbols();
--> statement-breakpoint
CREATE TRIGGER strategy_symbols_removed AFTER DELETE ON strategy.strategy_symbols REFERENCING OLD TABLE AS touched
  FOR EACH STATEMENT EXECUTE FUNCTION strategy.log_symbols();
--> statement-breakpoint

-- One strategy takes the place of another: both change, or neither. Returns both; nothing if one of them is not there. Told again, it changes nothing.
CREATE FUNCTION strategy.replace_strategy(p_old uuid, p_new uuid, p_allocation numeric, p_changed_by text, p_reason text)
RETURNS SETOF strategy.strategies LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_old strategy.strategies;
  v_new strategy.strategies;
BEGIN
  -- In one order, so that two that cross do not wait for each other; read in the next statements, which see what was waited for.
  PERFORM FROM strategy.strategies s WHERE s.id IN (p_old, p_new) ORDER BY s.id FOR UPDATE;
  SELECT * INTO v_old FROM strategy.strategies s WHERE s.id = p_old;
  SELECT * INTO v_new FROM strategy.strategies s WHERE s.id = p_new;
  IF v_old.id IS NULL OR v_new.id IS NULL THEN RETURN; END IF;
  IF v_old.replaced_by_id IS DISTINCT FROM p_new THEN
    IF v_old.status NOT IN ('active', 'paused') THEN
      RAISE EXCEPTION 'strategy ''%'' is %, so it is not replaced', v_old.name, v_old.status
        USING ERRCODE = 'TB001', HINT = 'only what is active or paused is replaced';
    ELSIF v_new.status NOT IN ('paper', 'paused') THEN
      RAISE EXCEPTION 'strategy ''%'' is %, so it does not take the place of another', v_new.name, v_new.status
        USING ERRCODE = 'TB001', HINT = 'only what is paper or paused does';
    ELSIF v_new.replaces_id IS NOT NULL THEN
      RAISE EXCEPTION 'strategy ''%'' has taken the place of another already', v_new.name USING ERRCODE = 'TB001';
    END IF;
    UPDATE strategy.strategies s
    SET status = CASE s.id WHEN p_old THEN 'replaced' ELSE 'active' END,
      replaced_by_id = CASE s.id WHEN p_old THEN p_new ELSE s.replaced_by_id END,
      replaces_id = CASE s.id WHEN p_new THEN p_old ELSE s.replaces_id END,
      allocation = CASE s.id WHEN p_new THEN coalesce(p_allocation, v_old.allocation) ELSE s.allocation END,
      changed_by = p_changed_by, reason = p_reason
    WHERE s.id IN (p_old, p_new);
  END IF;
  RETURN QUERY SELECT s.* FROM strategy.strategies s WHERE s.id IN (p_old, p_new);
END $$;
--> statement-breakpoint

-- Makes the symbols of a strategy these and no others. The strategy is locked before they are read, so that two sets never mix.
CREATE FUNCTION strategy.set_symbols(p_strategy_id uuid, p_symbols jsonb, p_changed_by text, p_reason text)
RETURNS SETOF strategy.strategy_symbols LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_removed bigint;
  v_written bigint;
BEGIN
  PERFORM FROM strategy.strategies WHERE id = p_strategy_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  DELETE FROM strategy.strategy_symbols o WHERE o.strategy_id = p_strategy_id
    AND NOT EXISTS (SELECT FROM jsonb_array_elements(p_symbols) x WHERE x ->> 'symbol' = o.symbol);
  GET DIAGNOSTICS v_removed = ROW_COUNT;
  INSERT INTO strategy.strategy_symbols AS o (strategy_id, symbol, weight, metadata, changed_by)
  SELECT p_strategy_id, x.symbol, x.weight, x.metadata, p_changed_by
  FROM jsonb_to_recordset(p_symbols) AS x(symbol text, weight numeric, metadata jsonb) ORDER BY x.symbol
  ON CONFLICT (strategy_id, symbol) DO UPDATE
  SET weight = excluded.weight, metadata = excluded.metadata, changed_by = excluded.changed_by
  WHERE (o.weight, o.metadata) IS DISTINCT FROM (excluded.weight, excluded.metadata);
  GET DIAGNOSTICS v_written = ROW_COUNT;
  IF v_removed + v_written > 0 THEN
    UPDATE strategy.strategies s SET version = s.version + 1, changed_by = p_changed_by, reason = p_reason WHERE s.id = p_strategy_id;
  END IF;
  RETURN QUERY SELECT * FROM strategy.strategy_symbols o WHERE o.strategy_id = p_strategy_id ORDER BY o.symbol;
END $$;
--> statement-breakpoint

-- What became of a signal is said once.
CREATE FUNCTION strategy.guard_signal() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_end text[] := ARRAY['outcome', 'outcome_pnl', 'outcome_at', 'rejection_reason', 'order_id'];
BEGIN
  IF to_jsonb(NEW) - v_end <> to_jsonb(OLD) - v_end THEN
    RAISE EXCEPTION 'of a signal only % may change', array_to_string(v_end, ', ') USING ERRCODE = 'TB002', HINT = 'record another signal instead';
  END IF;
  IF OLD.outcome <> 'pending' AND to_jsonb(NEW) <> to_jsonb(OLD) THEN
    RAISE EXCEPTION 'signal % is %, which is final', OLD.id, OLD.outcome USING ERRCODE = 'TB001';
  END IF;
  IF OLD.order_id IS NOT NULL AND NEW.order_id IS DISTINCT FROM OLD.order_id THEN
    RAISE EXCEPTION 'signal % has order % already', OLD.id, OLD.order_id USING ERRCODE = 'TB002';
  END IF;
  IF NEW.outcome <> 'pending' THEN
    NEW.outcome_at := coalesce(NEW.outcome_at, date_trunc('milliseconds', clock_timestamp()));
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER signals_guard BEFORE UPDATE ON strategy.signals FOR EACH ROW EXECUTE FUNCTION strategy.guard_signal();
--> statement-breakpoint

CREATE FUNCTION strategy.guard_review() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_facts text[] := ARRAY['id', 'strategy_id', 'requested_by', 'request_reason', 'requested_at', 'recorded_at'];
BEGIN
  IF NEW.status <> 'requested' THEN
    NEW.reviewed_at := coalesce(NEW.reviewed_at, date_trunc('milliseconds', clock_timestamp()));
  END IF;
  IF TG_OP = 'INSERT' OR to_jsonb(NEW) = to_jsonb(OLD) THEN RETURN NEW; END IF;
  IF OLD.status <> 'requested' THEN
    RAISE EXCEPTION 'review % is %, which is final', OLD.id, OLD.status USING ERRCODE = 'TB001', HINT = 'record another review';
  END IF;
  IF EXISTS (SELECT FROM unnest(v_facts) f WHERE to_jsonb(NEW) -> f IS DISTINCT FROM to_jsonb(OLD) -> f) THEN
    RAISE EXCEPTION 'of a review % do not change', array_to_string(v_facts, ', ') USING ERRCODE = 'TB002';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER reviews_guard BEFORE INSERT OR UPDATE ON strategy.reviews FOR EACH ROW EXECUTE FUNCTION strategy.guard_review();
--> statement-breakpoint
CREATE TRIGGER review_summaries_updated_at BEFORE UPDATE ON strategy.review_summaries
  FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER performance_append_only BEFORE UPDATE ON strategy.performance
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.performance');
--> statement-breakpoint
CREATE TRIGGER backtests_append_only BEFORE UPDATE ON strategy.backtests
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.backtests');
--> statement-breakpoint
CREATE TRIGGER backtest_equity_append_only BEFORE UPDATE ON strategy.backtest_equity
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.backtest_equity');
--> statement-breakpoint
CREATE TRIGGER backtest_trades_append_only BEFORE UPDATE ON strategy.backtest_trades
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.backtest_trades');
--> statement-breakpoint
CREATE TRIGGER insights_append_only BEFORE UPDATE ON strategy.insights
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.insights');
