-- The chains of the audit tables: each row is tied to the one before it, so that none can be changed, removed, added or moved without
-- leaving a trace. Writers of one chain wait for each other until they commit; a chain is a bot's, and of risk_events each kind has
-- its own, so that nobody's open change of settings can hold up whoever throws the kill switch.

-- Where a chain begins: a hash that no other chain begins with.
CREATE FUNCTION audit.genesis(p_bot_id text, p_chain text) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT sha256(convert_to(jsonb_build_array('tradeblotter audit', p_bot_id, p_chain)::text, 'UTF8'))
$$;
--> statement-breakpoint
CREATE FUNCTION audit.hash_of(p_previous bytea, p_sequence bigint, p_content text) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT sha256(p_previous || int8send(p_sequence) || convert_to(p_content, 'UTF8'))
$$;
--> statement-breakpoint
-- Times as milliseconds, and doubles as their bytes: how a session writes them is its own affair.
CREATE FUNCTION audit.epoch_ms(p_at timestamptz) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT (extract(epoch FROM p_at) * 1000)::bigint
$$;
--> statement-breakpoint

-- All that a row says, as one text: every column but those of the chain, in an order that never changes.
CREATE FUNCTION audit.content_of(e audit.risk_events) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT jsonb_build_array(e.bot_id, e.id, e.kind, e.actor, e.reason, e.subject_id, e.details, audit.epoch_ms(e.occurred_at), e.event_id,
    e.actual, e.threshold, e.action_taken, e.resolves_id)::text
$$;
--> statement-breakpoint
CREATE FUNCTION audit.content_of(e audit.system_events) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT jsonb_build_array(e.bot_id, e.id, e.event_id, e.kind, e.severity, e.actor, e.component, e.message, e.details, e.exchange, e.symbol,
    e.order_id, e.trade_id, e.position_id, e.error_code, e.stack_trace, audit.epoch_ms(e.occurred_at))::text
$$;
--> statement-breakpoint
CREATE FUNCTION audit.content_of(e audit.decision_history) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT jsonb_build_array(e.bot_id, e.id, e.event_id, e.action, e.actor, e.symbol, e.rationale, encode(float8send(e.confidence), 'hex'),
    e.risk_check_result, e.strategy_id, e.trade_idea_id, e.snapshot_id, e.decision_id, e.order_id, e.human_override, e.details,
    audit.epoch_ms(e.occurred_at))::text
$$;
--> statement-breakpoint

-- Moves a chain on by one row. What it was is read and written by one statement, which waits for whoever moves it and then sees
-- what they wrote. Arguments: the chain, and whether each kind has its own.
CREATE FUNCTION audit.chain_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_chain text := TG_ARGV[0];
  v_content text := audit.content_of(NEW);
  v_is_known boolean;
BEGIN
  IF TG_NARGS > 1 THEN v_chain := v_chain || ':' || NEW.kind; END IF;
  UPDATE audit.chains c
  SET length = c.length + 1, previous_hash = c.hash, hash = audit.hash_of(c.hash, c.length + 1, v_content)
  WHERE c.bot_id = NEW.bot_id AND c.chain = v_chain
  RETURNING c.length, c.previous_hash, c.hash INTO NEW.sequence, NEW.previous_hash, NEW.hash;
  -- The first row of a chain, or one of several that are written as its first at the same moment.
  IF NOT FOUND THEN
    INSERT INTO audit.chains AS c (bot_id, chain, length, previous_hash, hash)
    VALUES (NEW.bot_id, v_chain, 1, audit.genesis(NEW.bot_id, v_chain),
      audit.hash_of(audit.genesis(NEW.bot_id, v_chain), 1, v_content))
    ON CONFLICT ON CONSTRAINT chains_pkey DO UPDATE SET
      length = c.length + 1, previous_hash = c.hash, hash = audit.hash_of(c.hash, c.length + 1, v_content)
    RETURNING c.length, c.previous_hash, c.hash INTO NEW.sequence, NEW.previous_hash, NEW.hash;
  END IF;
  -- With the whole statement: passed over by ON CONFLICT, it would have moved the chain on and left a gap.
  IF NEW.event_id IS NOT NULL THEN
    EXECUTE format('SELECT EXISTS (SELECT FROM audit.%I WHERE bot_id = $1 AND event_id = $2)', TG_TABLE_NAME)
      INTO v_is_known USING NEW.bot_id, NEW.event_id;
    IF v_is_known THEN
      RAISE EXCEPTION 'event % of bot ''%'' is already recorded', NEW.event_id, NEW.bot_id
        USING ERRCODE = '23505', CONSTRAINT = TG_TABLE_NAME || '_event_id_key', TABLE = TG_TABLE_NAME;
    END IF;
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint

-- Half of a page is left free, so that moving a chain on writes no index.
ALTER TABLE audit.chains SET (fillfactor = 50);
--> statement-breakpoint

CREATE TRIGGER risk_events_chain BEFORE INSERT ON audit.risk_events
  FOR EACH ROW EXECUTE FUNCTION audit.chain_row('risk_events', 'by kind');
--> statement-breakpoint

-- What was written before there were chains is written once more, as it is.
ALTER TABLE audit.risk_events DISABLE TRIGGER risk_events_append_only;
--> statement-breakpoint
WITH unchained AS (DELETE FROM audit.risk_events RETURNING *)
INSERT INTO audit.risk_events OVERRIDING SYSTEM VALUE SELECT * FROM unchained ORDER BY bot_id, kind, id;
--> statement-breakpoint
ALTER TABLE audit.risk_events ENABLE TRIGGER risk_events_append_only;
--> statement-breakpoint
ALTER TABLE audit.risk_events
  ALTER sequence SET DEFAULT 0, ALTER sequence SET NOT NULL,
  ALTER previous_hash SET DEFAULT ''::bytea, ALTER previous_hash SET NOT NULL,
  ALTER hash SET DEFAULT ''::bytea, ALTER hash SET NOT NULL;
--> statement-breakpoint

CREATE TRIGGER system_events_chain BEFORE INSERT ON audit.system_events
  FOR EACH ROW EXECUTE FUNCTION audit.chain_row('system_events');
--> statement-breakpoint
CREATE TRIGGER decision_history_chain BEFORE INSERT ON audit.decision_history
  FOR EACH ROW EXECUTE FUNCTION audit.chain_row('decision_history');
--> statement-breakpoint

CREATE TRIGGER system_events_append_only BEFORE UPDATE OR DELETE ON audit.system_events
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('audit.system_events');
--> statement-breakpoint
CREATE TRIGGER system_events_no_truncate BEFORE TRUNCATE ON audit.system_events
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('audit.system_events');
--> statement-breakpoint
CREATE TRIGGER decision_history_append_only BEFORE UPDATE OR DELETE ON audit.decision_history
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('audit.decision_history');
--> statement-breakpoint
CREATE TRIGGER decision_history_no_truncate BEFORE TRUNCATE ON audit.decision_history
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('audit.decision_history');
--> statement-breakpoint

-- A chain only ever grows, by the row that is being written.
CREATE FUNCTION audit.refuse_chain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'chain % of bot ''%'' is moved on by the rows of its table alone', OLD.chain, OLD.bot_id
    USING ERRCODE = 'TB002', HINT = 'verifyAuditTrail tells whether it is whole';
END $$;
--> statement-breakpoint
CREATE TRIGGER chains_guard BEFORE UPDATE ON audit.chains FOR EACH ROW
  WHEN ((NEW.bot_id, NEW.chain, NEW.length, NEW.previous_hash) IS DISTINCT FROM (OLD.bot_id, OLD.chain, OLD.length + 1, OLD.hash))
  EXECUTE FUNCTION audit.refuse_chain();
--> statement-breakpoint
CREATE TRIGGER chains_no_delete BEFORE DELETE ON audit.chains FOR EACH ROW EXECUTE FUNCTION audit.refuse_chain();
--> statement-breakpoint
CREATE TRIGGER chains_no_truncate BEFORE TRUNCATE ON audit.chains
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('audit.chains');
