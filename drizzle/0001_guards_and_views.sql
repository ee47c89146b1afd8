-- What the database enforces by itself, whoever writes: psql as much as a bot.
-- Error states: TB001 is a step that does not exist, TB002 a change of what is append-only.

CREATE FUNCTION fleet.set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER bots_updated_at BEFORE UPDATE ON fleet.bots FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER settings_updated_at BEFORE UPDATE ON fleet.settings FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER notes_updated_at BEFORE UPDATE ON fleet.notes FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER instruments_updated_at BEFORE UPDATE ON market.instruments FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER orders_updated_at BEFORE UPDATE ON trading.orders FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint
CREATE TRIGGER positions_updated_at BEFORE UPDATE ON trading.positions FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();
--> statement-breakpoint

-- The table's name comes as an argument: of a distributed table, the trigger would name a shard.
CREATE FUNCTION trading.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only, so its rows are not changed by %', TG_ARGV[0], lower(TG_OP)
    USING ERRCODE = 'TB002', HINT = 'record another fact that corrects this one';
END $$;
--> statement-breakpoint
CREATE TRIGGER order_events_append_only BEFORE UPDATE OR DELETE ON trading.order_events
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.order_events');
--> statement-breakpoint
CREATE TRIGGER order_events_no_truncate BEFORE TRUNCATE ON trading.order_events
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.order_events');
--> statement-breakpoint
CREATE TRIGGER fill_conflicts_append_only BEFORE UPDATE OR DELETE ON trading.fill_conflicts
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.fill_conflicts');
--> statement-breakpoint
CREATE TRIGGER fill_conflicts_no_truncate BEFORE TRUNCATE ON trading.fill_conflicts
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.fill_conflicts');
--> statement-breakpoint
CREATE TRIGGER cash_flow_conflicts_append_only BEFORE UPDATE OR DELETE ON trading.cash_flow_conflicts
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.cash_flow_conflicts');
--> statement-breakpoint
CREATE TRIGGER cash_flow_conflicts_no_truncate BEFORE TRUNCATE ON trading.cash_flow_conflicts
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.cash_flow_conflicts');
--> statement-breakpoint
CREATE TRIGGER balances_append_only BEFORE UPDATE OR DELETE ON trading.balances
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.balances');
--> statement-breakpoint
CREATE TRIGGER balances_no_truncate BEFORE TRUNCATE ON trading.balances
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.balances');
--> statement-breakpoint
CREATE TRIGGER fills_append_only BEFORE DELETE ON trading.fills
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.fills');
--> statement-breakpoint
CREATE TRIGGER fills_no_truncate BEFORE TRUNCATE ON trading.fills
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.fills');
--> statement-breakpoint
CREATE TRIGGER cash_flows_append_only BEFORE DELETE ON trading.cash_flows
  FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.cash_flows');
--> statement-breakpoint
CREATE TRIGGER cash_flows_no_truncate BEFORE TRUNCATE ON trading.cash_flows
  FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.cash_flows');
--> statement-breakpoint

-- Of a fill, what the ledger derived may change, and the order it belongs to may become known.
CREATE FUNCTION trading.guard_fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.bot_id, NEW.id, NEW.exchange_order_id, NEW.exchange, NEW.symbol, NEW.side, NEW.exchange_trade_id,
      NEW.position_side, NEW.kind, NEW.liquidity, NEW.price, NEW.quantity, NEW.fee, NEW.fee_currency,
      NEW.exchange_pnl, NEW.exchange_start_position, NEW.executed_at, NEW.sequence, NEW.recorded_at)
    IS DISTINCT FROM
     (OLD.bot_id, OLD.id, OLD.exchange_order_id, OLD.exchange, OLD.symbol, OLD.side, OLD.exchange_trade_id,
      OLD.position_side, OLD.kind, OLD.liquidity, OLD.price, OLD.quantity, OLD.fee, OLD.fee_currency,
      OLD.exchange_pnl, OLD.exchange_start_position, OLD.executed_at, OLD.sequence, OLD.recorded_at)
    OR (OLD.order_id IS NOT NULL AND NEW.order_id IS DISTINCT FROM OLD.order_id)
  THEN
    RAISE EXCEPTION 'trading.fills is append-only, so the facts of fill % are not changed', OLD.id
      USING ERRCODE = 'TB002', HINT = 'record another fact that corrects this one';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER fills_guard BEFORE UPDATE ON trading.fills FOR EACH ROW EXECUTE FUNCTION trading.guard_fill();
--> statement-breakpoint

-- Of a cash flow, only the position that it was assigned to may change.
CREATE FUNCTION trading.guard_cash_flow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.bot_id, NEW.id, NEW.exchange, NEW.kind, NEW.symbol, NEW.position_side, NEW.currency, NEW.exchange_flow_id,
      NEW.amount, NEW.occurred_at, NEW.note, NEW.recorded_at)
    IS DISTINCT FROM
     (OLD.bot_id, OLD.id, OLD.exchange, OLD.kind, OLD.symbol, OLD.position_side, OLD.currency, OLD.exchange_flow_id,
      OLD.amount, OLD.occurred_at, OLD.note, OLD.recorded_at)
  THEN
    RAISE EXCEPTION 'trading.cash_flows is append-only, so the facts of cash flow % are not changed', OLD.id
      USING ERRCODE = 'TB002', HINT = 'record another fact that corrects this one';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER cash_flows_guard BEFORE UPDATE ON trading.cash_flows
  FOR EACH ROW EXECUTE FUNCTION trading.guard_cash_flow();
--> statement-breakpoint

-- An order moves forward only, and keeps its name.
CREATE FUNCTION trading.guard_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.bot_id, NEW.id, NEW.client_order_id) IS DISTINCT FROM (OLD.bot_id, OLD.id, OLD.client_order_id) THEN
    RAISE EXCEPTION 'the keys of order % are not changed', OLD.id USING ERRCODE = 'TB002';
  END IF;
  IF NEW.status <> OLD.status AND NOT (CASE OLD.status
    WHEN 'pending' THEN true
    WHEN 'submitted' THEN NEW.status <> 'pending'
    WHEN 'partially_filled' THEN NEW.status NOT IN ('pending', 'submitted')
    ELSE false
  END) THEN
    RAISE EXCEPTION 'order % is %, and cannot become %', OLD.client_order_id, OLD.status, NEW.status
      USING ERRCODE = 'TB001';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER orders_guard BEFORE UPDATE ON trading.orders FOR EACH ROW EXECUTE FUNCTION trading.guard_order();
--> statement-breakpoint
CREATE FUNCTION trading.log_order_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO trading.order_events (bot_id, order_id, from_status, to_status, reason)
  VALUES (NEW.bot_id, NEW.id, CASE TG_OP WHEN 'UPDATE' THEN OLD.status END, NEW.status,
    -- The error of an earlier try is no reason for a fill.
    CASE WHEN NEW.status IN ('cancelled', 'rejected', 'expired') THEN NEW.last_error END);
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER orders_created AFTER INSERT ON trading.orders
  FOR EACH ROW EXECUTE FUNCTION trading.log_order_event();
--> statement-breakpoint
CREATE TRIGGER orders_status_changed AFTER UPDATE ON trading.orders
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION trading.log_order_event();
--> statement-breakpoint

-- Quotients as everywhere: 40 decimals, rounded half up. The factor gives the dividend the decimals to do it with.
CREATE FUNCTION trading.divide(dividend numeric, divisor numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT round(dividend * 1.000000000000000000000000000000000000000000000000000000000000 / nullif(divisor, 0), 40)
$$;
--> statement-breakpoint
CREATE VIEW trading.trades AS
SELECT
  p.bot_id,
  p.id AS position_id,
  p.trade_id,
  p.exchange,
  p.symbol,
  p.position_side,
  p.direction,
  p.entry_quantity AS quantity,
  p.settle_currency,
  p.entry_cost,
  CASE p.instrument_kind
    WHEN 'inverse' THEN trading.divide(p.entry_quantity * p.contract_size, p.entry_cost)
    ELSE trading.divide(p.entry_cost, p.entry_quantity * p.contract_size)
  END AS entry_price,
  CASE p.instrument_kind
    WHEN 'inverse' THEN trading.divide(p.exit_quantity * p.contract_size, p.exit_value)
    ELSE trading.divide(p.exit_value, p.exit_quantity * p.contract_size)
  END AS exit_price,
  p.realised_gross AS gross,
  p.fees,
  p.unvalued_fees,
  p.funding,
  p.net_pnl,
  trading.divide(p.net_pnl, p.entry_cost) AS return_fraction,
  p.max_adverse_excursion,
  p.max_favourable_excursion,
  p.exit_reason,
  p.status = 'liquidated' AS is_liquidation,
  p.signal_score,
  p.technical_score,
  p.llm_score,
  p.model_score,
  p.strategy_parameters,
  p.opened_at,
  p.closed_at,
  (extract(epoch FROM p.closed_at - p.opened_at) * 1000)::bigint AS holding_ms
FROM trading.positions p
WHERE p.closed_at IS NOT NULL;
--> statement-breakpoint
CREATE VIEW trading.recent_trades AS
SELECT * FROM trading.trades ORDER BY closed_at DESC, position_id DESC LIMIT 100;
--> statement-breakpoint
CREATE VIEW trading.active_positions AS
SELECT
  p.bot_id,
  b.name AS bot_name,
  p.id AS position_id,
  p.trade_id,
  p.exchange,
  p.symbol,
  p.position_side,
  p.direction,
  p.quantity,
  p.settle_currency,
  p.cost,
  p.average_price,
  p.mark_price,
  p.unrealised_pnl,
  p.realised_gross,
  p.fees,
  p.funding,
  p.leverage,
  p.liquidation_price,
  p.stop_loss,
  p.take_profit,
  p.trailing_stop,
  p.signal_score,
  p.technical_score,
  p.llm_score,
  p.model_score,
  p.opened_at,
  floor(extract(epoch FROM now() - p.opened_at) / 60)::bigint AS minutes_held
FROM trading.positions p
JOIN fleet.bots b ON b.bot_id = p.bot_id
WHERE p.status = 'open';
