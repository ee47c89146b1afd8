-- Who may do what: changes of users are written down, an admin is left, nobody is deleted. Then arbitrage: an opportunity is taken once and in time,
-- its execution ends once, and both tell the same story whoever writes them.

-- The traces of logins are no change of a user.
CREATE FUNCTION access.guard_user() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_traces CONSTANT text[] := '{failed_logins,locked_until,last_login_at,updated_at}';
BEGIN
  IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at THEN
    RAISE EXCEPTION 'of user % neither id nor created_at may change', OLD.id
      USING ERRCODE = 'TB002', HINT = 'create another user instead';
  END IF;
  IF to_jsonb(NEW) - v_traces IS DISTINCT FROM to_jsonb(OLD) - v_traces THEN
    NEW.updated_at := now();
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER users_guard BEFORE UPDATE ON access.users FOR EACH ROW EXECUTE FUNCTION access.guard_user();
--> statement-breakpoint
CREATE FUNCTION access.refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'users are not removed, since what they did names them'
    USING ERRCODE = 'TB002', HINT = 'set is_active to false instead';
END $$;
--> statement-breakpoint
CREATE TRIGGER users_no_delete BEFORE DELETE ON access.users FOR EACH ROW EXECUTE FUNCTION access.refuse_removal();
--> statement-breakpoint
CREATE TRIGGER users_no_truncate BEFORE TRUNCATE ON access.users FOR EACH STATEMENT EXECUTE FUNCTION access.refuse_removal();
--> statement-breakpoint

-- Whoever stops being an active admin leaves another one behind, who cannot stop before this is committed.
CREATE FUNCTION access.keep_an_admin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM access.users WHERE role = 'admin' AND is_active ORDER BY id LIMIT 1 FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'user % is the last active admin', OLD.id
      USING ERRCODE = 'TB001', HINT = 'make another active user an admin first';
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER users_keep_an_admin AFTER UPDATE OF role, is_active ON access.users FOR EACH ROW
  WHEN (OLD.role = 'admin' AND OLD.is_active AND NOT (NEW.role = 'admin' AND NEW.is_active))
  EXECUTE FUNCTION access.keep_an_admin();
--> statement-breakpoint

-- Writes a change of a user down. Of password, email and name it says only that they are others: what is append-only holds no
-- personal data. Of logins it says only that they locked the user.
CREATE FUNCTION access.log_user() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_silent CONSTANT text[] := '{id,email,display_name,password_hash,failed_logins,last_login_at,created_at,updated_at,changed_by}';
  v_new jsonb := to_jsonb(NEW) - v_silent;
  v_old jsonb;
  v_before jsonb;
  v_after jsonb;
  v_names text;
  v_is_lock boolean := false;
  v_message text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    v_after := v_new;
    v_message := format('user %s was created', NEW.id);
  ELSE
    v_old := to_jsonb(OLD) - v_silent;
    -- A lock that has ended by itself is nobody's change.
    IF NEW.locked_until IS NULL AND OLD.locked_until <= clock_timestamp() THEN
      v_new := v_new - 'locked_until';
    END IF;
    v_new := v_new || jsonb_strip_nulls(jsonb_build_object(
      'password', CASE WHEN NEW.password_hash <> OLD.password_hash THEN 'replaced' END,
      'email', CASE WHEN NEW.email <> OLD.email THEN 'replaced' END,
      'display_name', CASE WHEN NEW.display_name IS DISTINCT FROM OLD.display_name THEN 'replaced' END));
    SELECT jsonb_object_agg(key, v_old -> key) FILTER (WHERE v_old ? key), jsonb_object_agg(key, value), string_agg(key, ', ' ORDER BY key)
      INTO v_before, v_after, v_names
      FROM jsonb_each(v_new) WHERE value IS DISTINCT FROM v_old -> key;
    IF v_after IS NULL THEN RETURN NULL; END IF;
    v_is_lock := v_names = 'locked_until' AND NEW.locked_until IS NOT NULL AND NEW.failed_logins > OLD.failed_logins;
    v_message := CASE
      WHEN v_is_lock THEN format('user %s was locked after %s wrong passwords', NEW.id, NEW.failed_logins)
      ELSE format('user %s was changed: %s', NEW.id, v_names) END;
  END IF;
  INSERT INTO audit.system_events (bot_id, kind, severity, actor, component, message, details, occurred_at)
  VALUES ('*', 'user_changed', CASE WHEN v_is_lock THEN 'warning' ELSE 'info' END, CASE WHEN NOT v_is_lock THEN NEW.changed_by END, 'access',
    v_message, jsonb_build_object('userId', NEW.id, 'role', session_user)
      || jsonb_build_object('before', coalesce(v_before, '{}'), 'after', v_after),
    clock_timestamp());
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER users_logged AFTER INSERT OR UPDATE ON access.users FOR EACH ROW EXECUTE FUNCTION access.log_user();
--> statement-breakpoint

-- An opportunity begins open. Its status moves with its one execution, which must be there and say the same; or it expires.
CREATE FUNCTION arbitrage.guard_opportunity() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  -- What is generated has no new value yet.
  v_changing CONSTANT text[] := '{status,execution_id,updated_at,gross_profit,net_profit,profit_fraction}';
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'open' THEN
      RAISE EXCEPTION 'opportunity % begins open, not %', NEW.id, NEW.status
        USING ERRCODE = 'TB001', HINT = 'insert it as open, then start its execution';
    END IF;
    RETURN NEW;
  END IF;
  IF to_jsonb(NEW) - v_changing IS DISTINCT FROM to_jsonb(OLD) - v_changing THEN
    RAISE EXCEPTION 'of a row of arbitrage.opportunities only status, execution_id may change'
      USING ERRCODE = 'TB002', HINT = 'record another opportunity instead';
  END IF;
  IF (NEW.status, NEW.execution_id) IS NOT DISTINCT FROM (OLD.status, OLD.execution_id) THEN RETURN NEW; END IF;
  IF NOT (OLD.status, NEW.status) IN (('open', 'executing'), ('open', 'expired'), ('executing', 'executed'), ('executing', 'failed'))
    OR (OLD.execution_id IS NOT NULL AND NEW.execution_id IS DISTINCT FROM OLD.execution_id)
    OR (NEW.status <> 'expired' AND NOT EXISTS (
      SELECT FROM arbitrage.executions e
      WHERE e.bot_id = NEW.bot_id AND e.id = NEW.execution_id AND e.opportunity_id = NEW.id
        AND NEW.status = CASE e.status WHEN 'pending' THEN 'executing' WHEN 'failed' THEN 'failed' ELSE 'executed' END))
  THEN
    RAISE EXCEPTION 'opportunity % is %, and cannot become % here', NEW.id, OLD.status, NEW.status
      USING ERRCODE = 'TB001', HINT = 'start or finish its execution, which moves it on';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER opportunities_guard BEFORE INSERT OR UPDATE ON arbitrage.opportunities
  FOR EACH ROW EXECUTE FUNCTION arbitrage.guard_opportunity();
--> statement-breakpoint
CREATE TRIGGER opportunities_updated_at BEFORE UPDATE ON arbitrage.opportunities FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER opportunities_no_delete BEFORE DELETE ON arbitrage.opportunities
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('arbitrage.opportunities');
--> statement-breakpoint
CREATE TRIGGER opportunities_no_truncate BEFORE TRUNCATE ON arbitrage.opportunities
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('arbitrage.opportunities');
--> statement-breakpoint

-- An execution begins pending and ends once.
CREATE FUNCTION arbitrage.guard_execution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.status <> 'pending' THEN
      RAISE EXCEPTION 'execution % begins pending, not %', NEW.id, NEW.status
        USING ERRCODE = 'TB001', HINT = 'insert it as pending, then finish it';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW IS NOT DISTINCT FROM OLD THEN RETURN NEW; END IF;
  IF OLD.status <> 'pending' THEN
    RAISE EXCEPTION 'execution % has ended as %, and cannot become %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'TB001';
  END IF;
  IF (NEW.bot_id, NEW.id, NEW.opportunity_id, NEW.started_at) IS DISTINCT FROM (OLD.bot_id, OLD.id, OLD.opportunity_id, OLD.started_at) THEN
    RAISE EXCEPTION 'of execution % neither opportunity nor start may change', OLD.id
      USING ERRCODE = 'TB002', HINT = 'start another execution instead';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER executions_guard BEFORE INSERT OR UPDATE ON arbitrage.executions FOR EACH ROW EXECUTE FUNCTION arbitrage.guard_execution();
--> statement-breakpoint
CREATE TRIGGER executions_no_delete BEFORE DELETE ON arbitrage.executions
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('arbitrage.executions');
--> statement-breakpoint
CREATE TRIGGER executions_no_truncate BEFORE TRUNCATE ON arbitrage.executions
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('arbitrage.executions');
--> statement-breakpoint

-- Marks the opportunity of an execution, and refuses the execution that comes too late.
CREATE FUNCTION arbitrage.mark_opportunity() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_found arbitrage.opportunities;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    UPDATE arbitrage.opportunities SET status = CASE NEW.status WHEN 'failed' THEN 'failed' ELSE 'executed' END
    WHERE bot_id = NEW.bot_id AND id = NEW.opportunity_id;
    RETURN NULL;
  END IF;
  UPDATE arbitrage.opportunities SET status = 'executing', execution_id = NEW.id
  WHERE bot_id = NEW.bot_id AND id = NEW.opportunity_id AND status = 'open' AND (expires_at IS NULL OR expires_at > NEW.started_at);
  IF FOUND THEN RETURN NULL; END IF;
  SELECT * INTO v_found FROM arbitrage.opportunities WHERE bot_id = NEW.bot_id AND id = NEW.opportunity_id;
  IF v_found.status = 'open' THEN
    RAISE EXCEPTION 'opportunity % has expired', NEW.opportunity_id USING ERRCODE = 'TB001', HINT = 'look for another one';
  END IF;
  RAISE EXCEPTION 'opportunity % is %, so it cannot be executed', NEW.opportunity_id, v_found.status
    USING ERRCODE = 'TB001', HINT = 'look for another one';
END $$;
--> statement-breakpoint
CREATE TRIGGER executions_started AFTER INSERT ON arbitrage.executions FOR EACH ROW EXECUTE FUNCTION arbitrage.mark_opportunity();
--> statement-breakpoint
CREATE TRIGGER executions_finished AFTER UPDATE OF status ON arbitrage.executions FOR EACH ROW
  WHEN (NEW.status IS DISTINCT FROM OLD.status) EXECUTE FUNCTION arbitrage.mark_opportunity();
--> statement-breakpoint

CREATE TRIGGER flash_loans_append_only BEFORE UPDATE OR DELETE ON arbitrage.flash_loans
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('arbitrage.flash_loans');
--> statement-breakpoint
CREATE TRIGGER flash_loans_no_truncate BEFORE TRUNCATE ON arbitrage.flash_loans
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('arbitrage.flash_loans');
--> statement-breakpoint
CREATE FUNCTION arbitrage.guard_triangle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.executed AND NOT NEW.executed THEN
    RAISE EXCEPTION 'triangle % was executed, which nobody can take back', OLD.id USING ERRCODE = 'TB001';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER triangles_executed BEFORE UPDATE ON arbitrage.triangles FOR EACH ROW EXECUTE FUNCTION arbitrage.guard_triangle();
--> statement-breakpoint
CREATE TRIGGER triangles_guard BEFORE UPDATE ON arbitrage.triangles
  FOR EACH ROW EXECUTE FUNCTION risk.guard_facts('arbitrage.triangles', 'executed', 'updated_at');
--> statement-breakpoint
CREATE TRIGGER triangles_updated_at BEFORE UPDATE ON arbitrage.triangles FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER triangles_no_delete BEFORE DELETE ON arbitrage.triangles
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('arbitrage.triangles');
--> statement-breakpoint
CREATE TRIGGER triangles_no_truncate BEFORE TRUNCATE ON arbitrage.triangles
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('arbitrage.triangles');
--> statement-breakpoint
CREATE TRIGGER dex_prices_updated_at BEFORE UPDATE ON arbitrage.dex_prices FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER gas_prices_updated_at BEFORE UPDATE ON arbitrage.gas_prices FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint

-- What bots are worth by their ledgers: what risk.ledger_equity says of one, for many at once. What is traded is summed up first, and each rate is
-- looked up once, however many bots need it.
CREATE FUNCTION risk.ledger_equities_of(p_bot_ids text[], p_at timestamptz) RETURNS TABLE (bot_id text, equity numeric)
LANGUAGE sql STABLE AS $$
  WITH asked AS MATERIALIZED (
    SELECT b.bot_id, b.initial_equity, a.base_currency, a.price_age
    FROM risk.ages_of_bots(p_bot_ids) a JOIN fleet.bots b ON b.bot_id = a.bot_id),
  -- Each kind apart: what has no rate is not known, also where another kind makes up for it.
  amounts AS MATERIALIZED (
    SELECT p.bot_id, p.exchange, p.settle_currency AS currency, sum(p.realised_gross - p.fees + p.funding) AS amount
    FROM trading.positions p WHERE p.bot_id = ANY (p_bot_ids) GROUP BY 1, 2, 3
    UNION ALL
    SELECT p.bot_id, p.exchange, fee.key, -sum(fee.value::numeric)
    FROM trading.positions p CROSS JOIN jsonb_each_text(p.unvalued_fees) fee
    WHERE p.bot_id = ANY (p_bot_ids) AND p.unvalued_fees <> '{}' GROUP BY 1, 2, 3
    UNION ALL
    SELECT c.bot_id, c.exchange, c.currency, sum(c.amount)
    FROM trading.cash_flows c
    WHERE c.bot_id = ANY (p_bot_ids) AND c.occurred_at < p_at + interval '1 millisecond'
      AND (c.kind IN ('deposit', 'withdrawal', 'transfer') OR (c.occurred_at <= p_at
        AND (c.kind IN ('interest', 'rebate', 'fee', 'adjustment') OR (c.kind = 'funding' AND c.position_id IS NULL))))
    GROUP BY 1, 2, 3, c.kind IN ('deposit', 'withdrawal', 'transfer')),
  rates AS MATERIALIZED (
    SELECT d.*, risk.rate_between(d.exchange, d.currency, d.base_currency, p_at, d.price_age) AS rate
    FROM (SELECT DISTINCT m.exchange, m.currency, a.base_currency, a.price_age
      FROM amounts m JOIN asked a ON a.bot_id = m.bot_id WHERE m.amount <> 0 AND m.currency <> a.base_currency) d),
  booked AS (
    SELECT v.bot_id, CASE WHEN count(*) = count(v.value) THEN sum(v.value) END AS value
    FROM (
      SELECT m.bot_id, m.amount * CASE WHEN m.currency = a.base_currency THEN 1 ELSE r.rate END AS value
      FROM amounts m
      JOIN asked a ON a.bot_id = m.bot_id
      LEFT JOIN rates r ON r.exchange = m.exchange AND r.currency = m.currency AND r.base_currency = a.base_currency
        AND r.price_age = a.price_age
      WHERE m.amount <> 0) v
    GROUP BY v.bot_id),
  open AS (
    SELECT h.bot_id, CASE WHEN count(*) = count(h.unrealised_pnl) THEN sum(h.unrealised_pnl) END AS value
    FROM risk.holdings_of(p_bot_ids, p_at) h GROUP BY h.bot_id)
  SELECT a.bot_id, a.initial_equity + CASE WHEN b.bot_id IS NULL THEN 0 ELSE b.value END + CASE WHEN o.bot_id IS NULL THEN 0 ELSE o.value END
  FROM asked a
  LEFT JOIN booked b ON b.bot_id = a.bot_id
  LEFT JOIN open o ON o.bot_id = a.bot_id
$$;
