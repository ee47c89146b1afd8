-- Every table, constraint, index, trigger, function and view, as the migrations make them.
-- Written by scripts/schema-dump.ts; a test compares it.

CREATE SCHEMA fleet;

CREATE SCHEMA market;

CREATE SCHEMA trading;

CREATE TABLE fleet.bot_configurations (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  key text NOT NULL,
  version bigint NOT NULL,
  value jsonb NOT NULL,
  changed_by text NOT NULL,
  active boolean DEFAULT true NOT NULL,
  effective_from timestamp(3) with time zone DEFAULT now() NOT NULL,
  effective_to timestamp(3) with time zone,
  CONSTRAINT bot_configurations_bot_id_id_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT bot_configurations_bot_id_key_version_key UNIQUE (bot_id, key, version),
  CONSTRAINT bot_configurations_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT bot_configurations_active_check CHECK ((active = (effective_to IS NULL))),
  CONSTRAINT bot_configurations_changed_by_check CHECK ((btrim(changed_by) <> ''::text)),
  CONSTRAINT bot_configurations_effective_to_check CHECK ((effective_to >= effective_from)),
  CONSTRAINT bot_configurations_key_check CHECK (((btrim(key) <> ''::text) AND (char_length(key) <= 200))),
  CONSTRAINT bot_configurations_version_check CHECK ((version > 0))
);

CREATE UNIQUE INDEX bot_configurations_bot_id_key_active_key ON fleet.bot_configurations USING btree (bot_id, key) WHERE active;

CREATE TABLE fleet.bots (
  bot_id text NOT NULL,
  name text NOT NULL,
  kind text NOT NULL,
  strategy text NOT NULL,
  exchange text NOT NULL,
  account text DEFAULT 'main'::text NOT NULL,
  mode text NOT NULL,
  status text DEFAULT 'active'::text NOT NULL,
  status_reason text,
  base_currency text NOT NULL,
  initial_equity numeric NOT NULL,
  current_equity numeric,
  cost_basis_method text DEFAULT 'average'::text NOT NULL,
  time_zone text DEFAULT 'UTC'::text NOT NULL,
  heartbeat_tolerance_ms integer DEFAULT 60000 NOT NULL,
  database_role text,
  last_heartbeat_at timestamp(3) with time zone,
  created_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT bots_bot_id_pkey PRIMARY KEY (bot_id),
  CONSTRAINT bots_account_check CHECK ((btrim(account) <> ''::text)),
  CONSTRAINT bots_base_currency_check CHECK ((btrim(base_currency) <> ''::text)),
  CONSTRAINT bots_bot_id_check CHECK ((bot_id ~ '^[A-Za-z0-9_.:-]{1,63}$'::text)),
  CONSTRAINT bots_cost_basis_method_check CHECK ((cost_basis_method = ANY (ARRAY['average'::text, 'fifo'::text, 'lifo'::text]))),
  CONSTRAINT bots_current_equity_check CHECK (((current_equity > '-Infinity'::numeric) AND (current_equity < 'Infinity'::numeric))),
  CONSTRAINT bots_database_role_check CHECK ((btrim(database_role) <> ''::text)),
  CONSTRAINT bots_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT bots_heartbeat_tolerance_ms_check CHECK ((heartbeat_tolerance_ms > 0)),
  CONSTRAINT bots_initial_equity_check CHECK (((initial_equity >= (0)::numeric) AND (initial_equity < 'Infinity'::numeric))),
  CONSTRAINT bots_kind_check CHECK ((btrim(kind) <> ''::text)),
  CONSTRAINT bots_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'paper'::text, 'backtest'::text]))),
  CONSTRAINT bots_name_check CHECK ((btrim(name) <> ''::text)),
  CONSTRAINT bots_status_check CHECK ((status = ANY (ARRAY['active'::text, 'paused'::text, 'stopped'::text, 'error'::text]))),
  CONSTRAINT bots_strategy_check CHECK ((btrim(strategy) <> ''::text)),
  CONSTRAINT bots_time_zone_check CHECK ((time_zone ~ '^[A-Za-z][A-Za-z0-9_+/-]*$'::text))
);

CREATE TRIGGER bots_updated_at BEFORE UPDATE ON fleet.bots FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE fleet.notes (
  bot_id text NOT NULL,
  key text NOT NULL,
  value jsonb NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT notes_bot_id_key_pkey PRIMARY KEY (bot_id, key),
  CONSTRAINT notes_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT notes_key_check CHECK (((btrim(key) <> ''::text) AND (char_length(key) <= 200)))
);

CREATE TRIGGER notes_updated_at BEFORE UPDATE ON fleet.notes FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE fleet.settings (
  key text NOT NULL,
  value jsonb NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  changed_by text NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT settings_key_pkey PRIMARY KEY (key),
  CONSTRAINT settings_changed_by_check CHECK ((btrim(changed_by) <> ''::text)),
  CONSTRAINT settings_key_check CHECK (((btrim(key) <> ''::text) AND (char_length(key) <= 200))),
  CONSTRAINT settings_version_check CHECK ((version > 0))
);

CREATE TRIGGER settings_updated_at BEFORE UPDATE ON fleet.settings FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE market.instruments (
  exchange text NOT NULL,
  symbol text NOT NULL,
  kind text NOT NULL,
  base_currency text NOT NULL,
  quote_currency text NOT NULL,
  settle_currency text NOT NULL,
  contract_size numeric DEFAULT 1 NOT NULL,
  tick_size numeric,
  lot_size numeric,
  minimum_quantity numeric,
  minimum_notional numeric,
  status text DEFAULT 'active'::text NOT NULL,
  created_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT instruments_exchange_symbol_pkey PRIMARY KEY (exchange, symbol),
  CONSTRAINT instruments_base_currency_check CHECK ((btrim(base_currency) <> ''::text)),
  CONSTRAINT instruments_contract_size_check CHECK (((contract_size > (0)::numeric) AND (contract_size < 'Infinity'::numeric) AND ((kind <> 'spot'::text) OR (contract_size = (1)::numeric)))),
  CONSTRAINT instruments_exchange_check CHECK (((btrim(exchange) <> ''::text) AND (char_length(exchange) <= 200))),
  CONSTRAINT instruments_kind_check CHECK ((kind = ANY (ARRAY['spot'::text, 'linear'::text, 'inverse'::text]))),
  CONSTRAINT instruments_lot_size_check CHECK (((lot_size > (0)::numeric) AND (lot_size < 'Infinity'::numeric))),
  CONSTRAINT instruments_minimum_notional_check CHECK (((minimum_notional >= (0)::numeric) AND (minimum_notional < 'Infinity'::numeric))),
  CONSTRAINT instruments_minimum_quantity_check CHECK (((minimum_quantity >= (0)::numeric) AND (minimum_quantity < 'Infinity'::numeric))),
  CONSTRAINT instruments_quote_currency_check CHECK (((btrim(quote_currency) <> ''::text) AND (quote_currency <> base_currency))),
  CONSTRAINT instruments_settle_currency_check CHECK ((settle_currency =
CASE
    WHEN (kind = 'inverse'::text) THEN base_currency
    ELSE quote_currency
END)),
  CONSTRAINT instruments_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'delisted'::text]))),
  CONSTRAINT instruments_symbol_check CHECK (((btrim(symbol) <> ''::text) AND (char_length(symbol) <= 200))),
  CONSTRAINT instruments_tick_size_check CHECK (((tick_size > (0)::numeric) AND (tick_size < 'Infinity'::numeric)))
);

CREATE TRIGGER instruments_updated_at BEFORE UPDATE ON market.instruments FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE trading.balances (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  exchange text NOT NULL,
  currency text NOT NULL,
  kind text NOT NULL,
  total numeric NOT NULL,
  available numeric,
  margin_used numeric,
  unrealised_pnl numeric,
  equity numeric,
  margin_level numeric,
  taken_at timestamp(3) with time zone NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT balances_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT balances_taken_at_key UNIQUE (bot_id, exchange, currency, taken_at, kind),
  CONSTRAINT balances_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT balances_available_check CHECK (((available > '-Infinity'::numeric) AND (available < 'Infinity'::numeric))),
  CONSTRAINT balances_currency_check CHECK ((btrim(currency) <> ''::text)),
  CONSTRAINT balances_equity_check CHECK (((equity > '-Infinity'::numeric) AND (equity < 'Infinity'::numeric))),
  CONSTRAINT balances_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT balances_kind_check CHECK ((kind = ANY (ARRAY['periodic'::text, 'trade_open'::text, 'trade_close'::text, 'deposit'::text, 'withdrawal'::text, 'manual'::text, 'initial'::text]))),
  CONSTRAINT balances_margin_level_check CHECK (((margin_level > '-Infinity'::numeric) AND (margin_level < 'Infinity'::numeric))),
  CONSTRAINT balances_margin_used_check CHECK (((margin_used > '-Infinity'::numeric) AND (margin_used < 'Infinity'::numeric))),
  CONSTRAINT balances_total_check CHECK (((total > '-Infinity'::numeric) AND (total < 'Infinity'::numeric))),
  CONSTRAINT balances_unrealised_pnl_check CHECK (((unrealised_pnl > '-Infinity'::numeric) AND (unrealised_pnl < 'Infinity'::numeric)))
);

CREATE INDEX balances_taken_at_idx ON trading.balances USING btree (bot_id, taken_at DESC, id DESC);
CREATE TRIGGER balances_append_only BEFORE DELETE OR UPDATE ON trading.balances FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.balances');
CREATE TRIGGER balances_no_truncate BEFORE TRUNCATE ON trading.balances FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.balances');

CREATE TABLE trading.cash_flow_conflicts (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  cash_flow_id uuid NOT NULL,
  differs text NOT NULL,
  report jsonb NOT NULL,
  report_hash text NOT NULL,
  reported_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT cash_flow_conflicts_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT cash_flow_conflicts_report_hash_key UNIQUE (bot_id, cash_flow_id, report_hash),
  CONSTRAINT cash_flow_conflicts_cash_flow_id_fkey FOREIGN KEY (bot_id, cash_flow_id) REFERENCES trading.cash_flows(bot_id, id),
  CONSTRAINT cash_flow_conflicts_report_check CHECK ((jsonb_typeof(report) = 'object'::text))
);

CREATE INDEX cash_flow_conflicts_reported_at_idx ON trading.cash_flow_conflicts USING btree (bot_id, reported_at DESC, id DESC);
CREATE TRIGGER cash_flow_conflicts_append_only BEFORE DELETE OR UPDATE ON trading.cash_flow_conflicts FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.cash_flow_conflicts');
CREATE TRIGGER cash_flow_conflicts_no_truncate BEFORE TRUNCATE ON trading.cash_flow_conflicts FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.cash_flow_conflicts');

CREATE TABLE trading.cash_flows (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  exchange text NOT NULL,
  kind text NOT NULL,
  symbol text DEFAULT ''::text NOT NULL,
  position_side text NOT NULL,
  currency text NOT NULL,
  exchange_flow_id text NOT NULL,
  amount numeric NOT NULL,
  occurred_at timestamp(3) with time zone NOT NULL,
  position_id uuid,
  note text,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT cash_flows_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT cash_flows_exchange_flow_id_key UNIQUE (bot_id, exchange, kind, symbol, position_side, currency, exchange_flow_id),
  CONSTRAINT cash_flows_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT cash_flows_position_id_fkey FOREIGN KEY (bot_id, position_id) REFERENCES trading.positions(bot_id, id),
  CONSTRAINT cash_flows_amount_check CHECK (((amount > '-Infinity'::numeric) AND (amount < 'Infinity'::numeric))),
  CONSTRAINT cash_flows_currency_check CHECK ((btrim(currency) <> ''::text)),
  CONSTRAINT cash_flows_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT cash_flows_exchange_flow_id_check CHECK ((btrim(exchange_flow_id) <> ''::text)),
  CONSTRAINT cash_flows_kind_check CHECK ((kind = ANY (ARRAY['funding'::text, 'interest'::text, 'deposit'::text, 'withdrawal'::text, 'transfer'::text, 'rebate'::text, 'fee'::text, 'adjustment'::text]))),
  CONSTRAINT cash_flows_position_side_check CHECK ((position_side = ANY (ARRAY['net'::text, 'long'::text, 'short'::text]))),
  CONSTRAINT cash_flows_symbol_check CHECK (((kind <> 'funding'::text) OR (symbol <> ''::text)))
);

CREATE INDEX cash_flows_funding_idx ON trading.cash_flows USING btree (bot_id, exchange, symbol, position_side, occurred_at) WHERE (kind = 'funding'::text);
CREATE INDEX cash_flows_occurred_at_idx ON trading.cash_flows USING btree (bot_id, occurred_at DESC, id DESC);
CREATE TRIGGER cash_flows_append_only BEFORE DELETE ON trading.cash_flows FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.cash_flows');
CREATE TRIGGER cash_flows_guard BEFORE UPDATE ON trading.cash_flows FOR EACH ROW EXECUTE FUNCTION trading.guard_cash_flow();
CREATE TRIGGER cash_flows_no_truncate BEFORE TRUNCATE ON trading.cash_flows FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.cash_flows');

CREATE TABLE trading.fill_conflicts (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  fill_id uuid NOT NULL,
  differs text NOT NULL,
  report jsonb NOT NULL,
  report_hash text NOT NULL,
  reported_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT fill_conflicts_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT fill_conflicts_report_hash_key UNIQUE (bot_id, fill_id, report_hash),
  CONSTRAINT fill_conflicts_fill_id_fkey FOREIGN KEY (bot_id, fill_id) REFERENCES trading.fills(bot_id, id),
  CONSTRAINT fill_conflicts_report_check CHECK ((jsonb_typeof(report) = 'object'::text))
);

CREATE INDEX fill_conflicts_reported_at_idx ON trading.fill_conflicts USING btree (bot_id, reported_at DESC, id DESC);
CREATE TRIGGER fill_conflicts_append_only BEFORE DELETE OR UPDATE ON trading.fill_conflicts FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.fill_conflicts');
CREATE TRIGGER fill_conflicts_no_truncate BEFORE TRUNCATE ON trading.fill_conflicts FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.fill_conflicts');

CREATE TABLE trading.fills (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  order_id uuid,
  exchange_order_id text,
  exchange text NOT NULL,
  symbol text NOT NULL,
  side text NOT NULL,
  exchange_trade_id text NOT NULL,
  position_side text NOT NULL,
  kind text NOT NULL,
  liquidity text,
  price numeric NOT NULL,
  quantity numeric NOT NULL,
  fee numeric NOT NULL,
  fee_currency text NOT NULL,
  fee_in_settlement numeric,
  exchange_pnl numeric,
  exchange_start_position numeric,
  executed_at timestamp(3) with time zone NOT NULL,
  sequence bigint NOT NULL,
  realised_gross numeric NOT NULL,
  excess_quantity numeric NOT NULL,
  position_id uuid,
  opened_position_id uuid,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT fills_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT fills_exchange_trade_id_key UNIQUE (bot_id, exchange, symbol, exchange_trade_id, side),
  CONSTRAINT fills_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT fills_opened_position_id_fkey FOREIGN KEY (bot_id, opened_position_id) REFERENCES trading.positions(bot_id, id),
  CONSTRAINT fills_order_id_fkey FOREIGN KEY (bot_id, order_id) REFERENCES trading.orders(bot_id, id),
  CONSTRAINT fills_position_id_fkey FOREIGN KEY (bot_id, position_id) REFERENCES trading.positions(bot_id, id),
  CONSTRAINT fills_excess_quantity_check CHECK (((excess_quantity >= (0)::numeric) AND (excess_quantity < 'Infinity'::numeric))),
  CONSTRAINT fills_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT fills_exchange_trade_id_check CHECK ((btrim(exchange_trade_id) <> ''::text)),
  CONSTRAINT fills_fee_check CHECK (((fee > '-Infinity'::numeric) AND (fee < 'Infinity'::numeric))),
  CONSTRAINT fills_fee_in_settlement_check CHECK (((fee_in_settlement > '-Infinity'::numeric) AND (fee_in_settlement < 'Infinity'::numeric))),
  CONSTRAINT fills_kind_check CHECK ((kind = ANY (ARRAY['trade'::text, 'liquidation'::text, 'adl'::text, 'dust'::text, 'adjustment'::text]))),
  CONSTRAINT fills_liquidity_check CHECK ((liquidity = ANY (ARRAY['maker'::text, 'taker'::text]))),
  CONSTRAINT fills_position_side_check CHECK ((position_side = ANY (ARRAY['net'::text, 'long'::text, 'short'::text]))),
  CONSTRAINT fills_price_check CHECK (((price > (0)::numeric) AND (price < 'Infinity'::numeric))),
  CONSTRAINT fills_quantity_check CHECK (((quantity > (0)::numeric) AND (quantity < 'Infinity'::numeric))),
  CONSTRAINT fills_realised_gross_check CHECK (((realised_gross > '-Infinity'::numeric) AND (realised_gross < 'Infinity'::numeric))),
  CONSTRAINT fills_side_check CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text]))),
  CONSTRAINT fills_symbol_check CHECK ((btrim(symbol) <> ''::text))
);

CREATE INDEX fills_executed_at_idx ON trading.fills USING btree (bot_id, executed_at DESC, id DESC);
CREATE INDEX fills_ledger_idx ON trading.fills USING btree (bot_id, exchange, symbol, position_side, executed_at);
CREATE INDEX fills_order_id_idx ON trading.fills USING btree (bot_id, order_id);
CREATE INDEX fills_unlinked_idx ON trading.fills USING btree (bot_id, exchange, exchange_order_id) WHERE (order_id IS NULL);
CREATE TRIGGER fills_append_only BEFORE DELETE ON trading.fills FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.fills');
CREATE TRIGGER fills_guard BEFORE UPDATE ON trading.fills FOR EACH ROW EXECUTE FUNCTION trading.guard_fill();
CREATE TRIGGER fills_no_truncate BEFORE TRUNCATE ON trading.fills FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.fills');

CREATE TABLE trading.ledger_heads (
  bot_id text NOT NULL,
  exchange text NOT NULL,
  symbol text NOT NULL,
  position_side text NOT NULL,
  version bigint NOT NULL,
  last_executed_at timestamp(3) with time zone,
  last_sequence bigint,
  last_exchange_trade_id text,
  last_side text,
  last_funding_at timestamp(3) with time zone,
  CONSTRAINT ledger_heads_pkey PRIMARY KEY (bot_id, exchange, symbol, position_side),
  CONSTRAINT ledger_heads_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT ledger_heads_position_side_check CHECK ((position_side = ANY (ARRAY['net'::text, 'long'::text, 'short'::text])))
);

CREATE TABLE trading.order_events (
  bot_id text NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  order_id uuid NOT NULL,
  from_status text,
  to_status text NOT NULL,
  reason text,
  occurred_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT order_events_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT order_events_order_id_fkey FOREIGN KEY (bot_id, order_id) REFERENCES trading.orders(bot_id, id),
  CONSTRAINT order_events_to_status_check CHECK ((to_status = ANY (ARRAY['pending'::text, 'submitted'::text, 'partially_filled'::text, 'filled'::text, 'cancelled'::text, 'rejected'::text, 'expired'::text])))
);

CREATE INDEX order_events_order_id_idx ON trading.order_events USING btree (bot_id, order_id, id);
CREATE TRIGGER order_events_append_only BEFORE DELETE OR UPDATE ON trading.order_events FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('trading.order_events');
CREATE TRIGGER order_events_no_truncate BEFORE TRUNCATE ON trading.order_events FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('trading.order_events');

CREATE TABLE trading.orders (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  parent_id uuid,
  position_id uuid,
  decision_id uuid,
  client_order_id text NOT NULL,
  exchange text NOT NULL,
  exchange_order_id text,
  symbol text NOT NULL,
  side text NOT NULL,
  position_side text DEFAULT 'net'::text NOT NULL,
  type text NOT NULL,
  time_in_force text,
  quantity numeric NOT NULL,
  limit_price numeric,
  stop_price numeric,
  trailing_distance numeric,
  reduce_only boolean DEFAULT false NOT NULL,
  post_only boolean DEFAULT false NOT NULL,
  purpose text,
  status text DEFAULT 'pending'::text NOT NULL,
  filled_quantity numeric DEFAULT 0 NOT NULL,
  filled_cost numeric DEFAULT 0 NOT NULL,
  fee numeric DEFAULT 0 NOT NULL,
  retries integer DEFAULT 0 NOT NULL,
  last_error text,
  submitted_at timestamp(3) with time zone,
  closed_at timestamp(3) with time zone,
  created_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT orders_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT orders_client_order_id_key UNIQUE (bot_id, client_order_id),
  CONSTRAINT orders_exchange_order_id_key UNIQUE (bot_id, exchange, symbol, exchange_order_id),
  CONSTRAINT orders_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT orders_parent_id_fkey FOREIGN KEY (bot_id, parent_id) REFERENCES trading.orders(bot_id, id),
  CONSTRAINT orders_position_id_fkey FOREIGN KEY (bot_id, position_id) REFERENCES trading.positions(bot_id, id),
  CONSTRAINT orders_client_order_id_check CHECK ((btrim(client_order_id) <> ''::text)),
  CONSTRAINT orders_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT orders_fee_check CHECK (((fee > '-Infinity'::numeric) AND (fee < 'Infinity'::numeric))),
  CONSTRAINT orders_filled_cost_check CHECK (((filled_cost > '-Infinity'::numeric) AND (filled_cost < 'Infinity'::numeric))),
  CONSTRAINT orders_filled_quantity_check CHECK (((filled_quantity >= (0)::numeric) AND (filled_quantity < 'Infinity'::numeric))),
  CONSTRAINT orders_limit_price_check CHECK (((limit_price > '-Infinity'::numeric) AND (limit_price < 'Infinity'::numeric))),
  CONSTRAINT orders_position_side_check CHECK ((position_side = ANY (ARRAY['net'::text, 'long'::text, 'short'::text]))),
  CONSTRAINT orders_purpose_check CHECK ((purpose = ANY (ARRAY['entry'::text, 'exit'::text, 'stop_loss'::text, 'take_profit'::text, 'scale_in'::text, 'scale_out'::text]))),
  CONSTRAINT orders_quantity_check CHECK (((quantity > (0)::numeric) AND (quantity < 'Infinity'::numeric))),
  CONSTRAINT orders_retries_check CHECK ((retries >= 0)),
  CONSTRAINT orders_side_check CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text]))),
  CONSTRAINT orders_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'submitted'::text, 'partially_filled'::text, 'filled'::text, 'cancelled'::text, 'rejected'::text, 'expired'::text]))),
  CONSTRAINT orders_stop_price_check CHECK (((stop_price > '-Infinity'::numeric) AND (stop_price < 'Infinity'::numeric))),
  CONSTRAINT orders_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT orders_time_in_force_check CHECK ((time_in_force = ANY (ARRAY['gtc'::text, 'ioc'::text, 'fok'::text, 'gtd'::text, 'day'::text]))),
  CONSTRAINT orders_trailing_distance_check CHECK (((trailing_distance > (0)::numeric) AND (trailing_distance < 'Infinity'::numeric))),
  CONSTRAINT orders_type_check CHECK ((type = ANY (ARRAY['market'::text, 'limit'::text, 'stop_market'::text, 'stop_limit'::text, 'take_profit_market'::text, 'take_profit_limit'::text, 'trailing_stop'::text])))
);

CREATE INDEX orders_created_at_idx ON trading.orders USING btree (bot_id, created_at DESC, id DESC);
CREATE INDEX orders_open_idx ON trading.orders USING btree (bot_id, created_at DESC, id DESC) WHERE (status = ANY (ARRAY['pending'::text, 'submitted'::text, 'partially_filled'::text]));
CREATE INDEX orders_position_id_idx ON trading.orders USING btree (bot_id, position_id) WHERE (position_id IS NOT NULL);
CREATE TRIGGER orders_created AFTER INSERT ON trading.orders FOR EACH ROW EXECUTE FUNCTION trading.log_order_event();
CREATE TRIGGER orders_guard BEFORE UPDATE ON trading.orders FOR EACH ROW EXECUTE FUNCTION trading.guard_order();
CREATE TRIGGER orders_status_changed AFTER UPDATE ON trading.orders FOR EACH ROW WHEN ((old.status IS DISTINCT FROM new.status)) EXECUTE FUNCTION trading.log_order_event();
CREATE TRIGGER orders_updated_at BEFORE UPDATE ON trading.orders FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE trading.position_lots (
  bot_id text NOT NULL,
  position_id uuid NOT NULL,
  ordinal integer NOT NULL,
  price numeric NOT NULL,
  original_quantity numeric NOT NULL,
  original_cost numeric NOT NULL,
  quantity numeric NOT NULL,
  cost numeric NOT NULL,
  opened_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT position_lots_pkey PRIMARY KEY (bot_id, position_id, ordinal),
  CONSTRAINT position_lots_position_id_fkey FOREIGN KEY (bot_id, position_id) REFERENCES trading.positions(bot_id, id) ON DELETE CASCADE,
  CONSTRAINT position_lots_cost_check CHECK (((cost > '-Infinity'::numeric) AND (cost < 'Infinity'::numeric))),
  CONSTRAINT position_lots_quantity_check CHECK (((quantity > (0)::numeric) AND (quantity <= original_quantity)))
);

CREATE TABLE trading.positions (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  exchange text NOT NULL,
  symbol text NOT NULL,
  position_side text NOT NULL,
  trade_id text NOT NULL,
  direction text NOT NULL,
  status text NOT NULL,
  instrument_kind text NOT NULL,
  contract_size numeric NOT NULL,
  settle_currency text NOT NULL,
  quantity numeric NOT NULL,
  cost numeric NOT NULL,
  peak_quantity numeric NOT NULL,
  entry_quantity numeric NOT NULL,
  entry_cost numeric NOT NULL,
  exit_quantity numeric NOT NULL,
  exit_value numeric NOT NULL,
  realised_gross numeric NOT NULL,
  fees numeric NOT NULL,
  unvalued_fees jsonb NOT NULL,
  funding numeric NOT NULL,
  net_pnl numeric GENERATED ALWAYS AS (
CASE
    WHEN (unvalued_fees = '{}'::jsonb) THEN ((realised_gross - fees) + funding)
    ELSE NULL::numeric
END) STORED,
  fill_count integer NOT NULL,
  lot_count integer NOT NULL,
  average_price numeric GENERATED ALWAYS AS (
CASE
    WHEN (quantity > (0)::numeric) THEN
    CASE instrument_kind
        WHEN 'inverse'::text THEN round((((quantity * contract_size) * 1.000000000000000000000000000000000000000000000000000000000000) / NULLIF(cost, (0)::numeric)), 40)
        ELSE round(((cost * 1.000000000000000000000000000000000000000000000000000000000000) / NULLIF((quantity * contract_size), (0)::numeric)), 40)
    END
    ELSE NULL::numeric
END) STORED,
  mark_price numeric,
  marked_at timestamp(3) with time zone,
  unrealised_pnl numeric GENERATED ALWAYS AS (
CASE
    WHEN (mark_price > (0)::numeric) THEN ((
    CASE direction
        WHEN 'long'::text THEN 1
        ELSE '-1'::integer
    END)::numeric *
    CASE instrument_kind
        WHEN 'inverse'::text THEN (cost - round((((quantity * contract_size) * 1.000000000000000000000000000000000000000000000000000000000000) / NULLIF(mark_price, (0)::numeric)), 40))
        ELSE (((mark_price * quantity) * contract_size) - cost)
    END)
    ELSE NULL::numeric
END) STORED,
  max_adverse_excursion numeric,
  max_favourable_excursion numeric,
  leverage numeric,
  margin numeric,
  liquidation_price numeric,
  stop_loss numeric,
  take_profit numeric,
  trailing_distance numeric,
  trailing_best_price numeric,
  trailing_stop numeric,
  signal_score double precision,
  technical_score double precision,
  llm_score double precision,
  model_score double precision,
  strategy_parameters jsonb,
  exit_reason text,
  opened_at timestamp(3) with time zone NOT NULL,
  closed_at timestamp(3) with time zone,
  version bigint NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT positions_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT positions_trade_id_key UNIQUE (bot_id, trade_id),
  CONSTRAINT positions_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT positions_closed_at_check CHECK ((((status = 'open'::text) = (closed_at IS NULL)) AND ((status = 'open'::text) = (quantity > (0)::numeric)))),
  CONSTRAINT positions_contract_size_check CHECK (((contract_size > (0)::numeric) AND (contract_size < 'Infinity'::numeric))),
  CONSTRAINT positions_cost_check CHECK (((cost > '-Infinity'::numeric) AND (cost < 'Infinity'::numeric))),
  CONSTRAINT positions_direction_check CHECK ((direction = ANY (ARRAY['long'::text, 'short'::text]))),
  CONSTRAINT positions_fees_check CHECK (((fees > '-Infinity'::numeric) AND (fees < 'Infinity'::numeric))),
  CONSTRAINT positions_funding_check CHECK (((funding > '-Infinity'::numeric) AND (funding < 'Infinity'::numeric))),
  CONSTRAINT positions_instrument_kind_check CHECK ((instrument_kind = ANY (ARRAY['spot'::text, 'linear'::text, 'inverse'::text]))),
  CONSTRAINT positions_leverage_check CHECK (((leverage > (0)::numeric) AND (leverage < 'Infinity'::numeric))),
  CONSTRAINT positions_liquidation_price_check CHECK (((liquidation_price >= (0)::numeric) AND (liquidation_price < 'Infinity'::numeric))),
  CONSTRAINT positions_margin_check CHECK (((margin >= (0)::numeric) AND (margin < 'Infinity'::numeric))),
  CONSTRAINT positions_mark_price_check CHECK (((mark_price > (0)::numeric) AND (mark_price < 'Infinity'::numeric))),
  CONSTRAINT positions_peak_quantity_check CHECK (((peak_quantity > (0)::numeric) AND (peak_quantity < 'Infinity'::numeric))),
  CONSTRAINT positions_position_side_check CHECK ((position_side = ANY (ARRAY['net'::text, 'long'::text, 'short'::text]))),
  CONSTRAINT positions_quantity_check CHECK (((quantity >= (0)::numeric) AND (quantity < 'Infinity'::numeric))),
  CONSTRAINT positions_realised_gross_check CHECK (((realised_gross > '-Infinity'::numeric) AND (realised_gross < 'Infinity'::numeric))),
  CONSTRAINT positions_status_check CHECK ((status = ANY (ARRAY['open'::text, 'closed'::text, 'liquidated'::text]))),
  CONSTRAINT positions_stop_loss_check CHECK (((stop_loss > (0)::numeric) AND (stop_loss < 'Infinity'::numeric))),
  CONSTRAINT positions_strategy_parameters_check CHECK ((jsonb_typeof(strategy_parameters) = 'object'::text)),
  CONSTRAINT positions_take_profit_check CHECK (((take_profit > (0)::numeric) AND (take_profit < 'Infinity'::numeric))),
  CONSTRAINT positions_trailing_distance_check CHECK (((trailing_distance > (0)::numeric) AND (trailing_distance < 'Infinity'::numeric))),
  CONSTRAINT positions_unvalued_fees_check CHECK ((jsonb_typeof(unvalued_fees) = 'object'::text))
);

CREATE INDEX positions_closed_at_idx ON trading.positions USING btree (bot_id, closed_at DESC, id DESC) WHERE (closed_at IS NOT NULL);
CREATE INDEX positions_ledger_idx ON trading.positions USING btree (bot_id, exchange, symbol, position_side, opened_at);
CREATE INDEX positions_opened_at_idx ON trading.positions USING btree (bot_id, opened_at DESC, id DESC);
CREATE INDEX positions_recent_idx ON trading.positions USING btree (closed_at DESC) WHERE (closed_at IS NOT NULL);
CREATE UNIQUE INDEX positions_open_key ON trading.positions USING btree (bot_id, exchange, symbol, position_side) WHERE (status = 'open'::text);
CREATE TRIGGER positions_updated_at BEFORE UPDATE ON trading.positions FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE OR REPLACE FUNCTION fleet.set_updated_at()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION trading.divide(dividend numeric, divisor numeric)
 RETURNS numeric
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT round(dividend * 1.000000000000000000000000000000000000000000000000000000000000 / nullif(divisor, 0), 40)
$function$;

CREATE OR REPLACE FUNCTION trading.guard_cash_flow()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION trading.guard_fill()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION trading.guard_order()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION trading.log_order_event()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  INSERT INTO trading.order_events (bot_id, order_id, from_status, to_status, reason)
  VALUES (NEW.bot_id, NEW.id, CASE TG_OP WHEN 'UPDATE' THEN OLD.status END, NEW.status,
    -- The error of an earlier try is no reason for a fill.
    CASE WHEN NEW.status IN ('cancelled', 'rejected', 'expired') THEN NEW.last_error END);
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION trading.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  RAISE EXCEPTION '% is append-only, so its rows are not changed by %', TG_ARGV[0], lower(TG_OP)
    USING ERRCODE = 'TB002', HINT = 'record another fact that corrects this one';
END $function$;

CREATE VIEW trading.active_positions AS
 SELECT p.bot_id,
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
    floor(EXTRACT(epoch FROM now() - p.opened_at) / 60::numeric)::bigint AS minutes_held
   FROM trading.positions p
     JOIN fleet.bots b ON b.bot_id = p.bot_id
  WHERE p.status = 'open'::text;

CREATE VIEW trading.recent_trades AS
 SELECT bot_id,
    position_id,
    trade_id,
    exchange,
    symbol,
    position_side,
    direction,
    quantity,
    settle_currency,
    entry_cost,
    entry_price,
    exit_price,
    gross,
    fees,
    unvalued_fees,
    funding,
    net_pnl,
    return_fraction,
    max_adverse_excursion,
    max_favourable_excursion,
    exit_reason,
    is_liquidation,
    signal_score,
    technical_score,
    llm_score,
    model_score,
    strategy_parameters,
    opened_at,
    closed_at,
    holding_ms
   FROM trading.trades
  ORDER BY closed_at DESC, position_id DESC
 LIMIT 100;

CREATE VIEW trading.trades AS
 SELECT bot_id,
    id AS position_id,
    trade_id,
    exchange,
    symbol,
    position_side,
    direction,
    entry_quantity AS quantity,
    settle_currency,
    entry_cost,
        CASE instrument_kind
            WHEN 'inverse'::text THEN trading.divide(entry_quantity * contract_size, entry_cost)
            ELSE trading.divide(entry_cost, entry_quantity * contract_size)
        END AS entry_price,
        CASE instrument_kind
            WHEN 'inverse'::text THEN trading.divide(exit_quantity * contract_size, exit_value)
            ELSE trading.divide(exit_value, exit_quantity * contract_size)
        END AS exit_price,
    realised_gross AS gross,
    fees,
    unvalued_fees,
    funding,
    net_pnl,
    trading.divide(net_pnl, entry_cost) AS return_fraction,
    max_adverse_excursion,
    max_favourable_excursion,
    exit_reason,
    status = 'liquidated'::text AS is_liquidation,
    signal_score,
    technical_score,
    llm_score,
    model_score,
    strategy_parameters,
    opened_at,
    closed_at,
    (EXTRACT(epoch FROM closed_at - opened_at) * 1000::numeric)::bigint AS holding_ms
   FROM trading.positions p
  WHERE closed_at IS NOT NULL;
