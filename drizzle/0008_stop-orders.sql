-- What the database enforces of stop orders and alerts, whoever writes: psql as much as a bot.

-- A stop ends once, keeps what it was made of, and never loosens: its level goes up for a long, down for a short, and so does
-- the best price seen. A position that a late fill has undone is left, and only that.
CREATE FUNCTION risk.guard_stop_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  -- Upwards for a long, downwards for a short.
  v_sign integer := CASE OLD.direction WHEN 'long' THEN 1 ELSE -1 END;
BEGIN
  IF to_jsonb(NEW) - ARRAY['status', 'stop_price', 'best_price', 'position_id', 'trigger_price', 'triggered_at', 'changed_by',
      'reason', 'version', 'updated_at']
    IS DISTINCT FROM to_jsonb(OLD) - ARRAY['status', 'stop_price', 'best_price', 'position_id', 'trigger_price', 'triggered_at',
      'changed_by', 'reason', 'version', 'updated_at']
    OR (NEW.position_id IS NOT NULL AND NEW.position_id IS DISTINCT FROM OLD.position_id)
  THEN
    RAISE EXCEPTION 'of stop order % only its level and its end may change', OLD.id
      USING ERRCODE = 'TB002', HINT = 'cancel it and create another one';
  END IF;
  IF OLD.status <> 'active' AND (NEW.status, NEW.stop_price, NEW.best_price, NEW.trigger_price, NEW.triggered_at, NEW.changed_by, NEW.reason)
    IS DISTINCT FROM (OLD.status, OLD.stop_price, OLD.best_price, OLD.trigger_price, OLD.triggered_at, OLD.changed_by, OLD.reason)
  THEN
    RAISE EXCEPTION 'stop order % is %, and does not change any more', OLD.id, OLD.status USING ERRCODE = 'TB001';
  END IF;
  IF (NEW.stop_price - OLD.stop_price) * v_sign < 0 THEN
    RAISE EXCEPTION 'the stop of a % never loosens: % is behind %', OLD.direction, NEW.stop_price, OLD.stop_price
      USING ERRCODE = 'TB002', COLUMN = 'stop_price', HINT = 'cancel it and create another one';
  END IF;
  IF (NEW.best_price - OLD.best_price) * v_sign < 0 THEN
    RAISE EXCEPTION 'the best price of a % is not worse than before: % is behind %', OLD.direction, NEW.best_price, OLD.best_price
      USING ERRCODE = 'TB002', COLUMN = 'best_price';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER stop_orders_guard BEFORE UPDATE ON risk.stop_orders FOR EACH ROW EXECUTE FUNCTION risk.guard_stop_order();
--> statement-breakpoint
CREATE TRIGGER stop_orders_no_delete BEFORE DELETE ON risk.stop_orders
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.stop_orders');
--> statement-breakpoint
CREATE TRIGGER stop_orders_no_truncate BEFORE TRUNCATE ON risk.stop_orders
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.stop_orders');
--> statement-breakpoint

-- A late fill may show that a position has never been: its stops stay, as stops of none.
CREATE FUNCTION risk.leave_position() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE risk.stop_orders SET position_id = NULL WHERE bot_id = OLD.bot_id AND position_id = OLD.id;
  RETURN OLD;
END $$;
--> statement-breakpoint
CREATE TRIGGER positions_left_by_stops BEFORE DELETE ON trading.positions
  FOR EACH ROW EXECUTE FUNCTION risk.leave_position();
--> statement-breakpoint

-- Of an alert, its status moves on, and a report that is more severe tells anew what it is about.
CREATE FUNCTION risk.guard_alert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.bot_id, NEW.id, NEW.kind, NEW.dedupe_key, NEW.raised_by, NEW.raised_at)
    IS DISTINCT FROM (OLD.bot_id, OLD.id, OLD.kind, OLD.dedupe_key, OLD.raised_by, OLD.raised_at)
  THEN
    RAISE EXCEPTION 'of alert % what it is and who raised it does not change', OLD.id
      USING ERRCODE = 'TB002', HINT = 'record another one';
  END IF;
  IF OLD.status = 'resolved' OR (OLD.status = 'acknowledged' AND NEW.status = 'open') THEN
    RAISE EXCEPTION 'alert % is %, and cannot become %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'TB001';
  END IF;
  IF array_position(ARRAY['info', 'warning', 'critical', 'emergency'], NEW.severity)
    < array_position(ARRAY['info', 'warning', 'critical', 'emergency'], OLD.severity)
  THEN
    RAISE EXCEPTION 'alert % is %, and does not become %', OLD.id, OLD.severity, NEW.severity
      USING ERRCODE = 'TB002', COLUMN = 'severity';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER alerts_guard BEFORE UPDATE ON risk.alerts FOR EACH ROW EXECUTE FUNCTION risk.guard_alert();
--> statement-breakpoint
CREATE TRIGGER alerts_no_delete BEFORE DELETE ON risk.alerts
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.alerts');
--> statement-breakpoint
CREATE TRIGGER alerts_no_truncate BEFORE TRUNCATE ON risk.alerts
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.alerts');
