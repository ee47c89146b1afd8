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

CREATE TABLE market.calendar_events (
  id uuid NOT NULL,
  source text NOT NULL,
  external_id text NOT NULL,
  event_time timestamp(3) with time zone NOT NULL,
  currency text NOT NULL,
  impact text NOT NULL,
  title text NOT NULL,
  previous text,
  forecast text,
  actual text,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT calendar_events_id_pkey PRIMARY KEY (id),
  CONSTRAINT calendar_events_source_external_id_key UNIQUE (source, external_id),
  CONSTRAINT calendar_events_currency_check CHECK (((btrim(currency) <> ''::text) AND (char_length(currency) <= 200))),
  CONSTRAINT calendar_events_external_id_check CHECK (((btrim(external_id) <> ''::text) AND (char_length(external_id) <= 200))),
  CONSTRAINT calendar_events_impact_check CHECK ((impact = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text]))),
  CONSTRAINT calendar_events_source_check CHECK (((btrim(source) <> ''::text) AND (char_length(source) <= 200))),
  CONSTRAINT calendar_events_title_check CHECK ((btrim(title) <> ''::text))
);

CREATE INDEX calendar_events_event_time_id_idx ON market.calendar_events USING btree (event_time, id);
CREATE TRIGGER calendar_events_updated_at BEFORE UPDATE ON market.calendar_events FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE market.candles (
  series_id bigint NOT NULL,
  open_time timestamp(3) with time zone NOT NULL,
  complete boolean NOT NULL,
  revised boolean DEFAULT false NOT NULL,
  open numeric NOT NULL,
  high numeric NOT NULL,
  low numeric NOT NULL,
  close numeric NOT NULL,
  volume numeric NOT NULL,
  quote_volume numeric,
  taker_buy_volume numeric,
  taker_buy_quote_volume numeric,
  trade_count bigint,
  source text,
  CONSTRAINT candles_series_id_open_time_pkey PRIMARY KEY (series_id, open_time),
  CONSTRAINT candles_close_check CHECK (((close > (0)::numeric) AND (close < 'Infinity'::numeric))),
  CONSTRAINT candles_high_check CHECK (((high >= GREATEST(open, close)) AND (high < 'Infinity'::numeric))),
  CONSTRAINT candles_low_check CHECK (((low <= LEAST(open, close)) AND (low > (0)::numeric))),
  CONSTRAINT candles_open_check CHECK (((open > (0)::numeric) AND (open < 'Infinity'::numeric))),
  CONSTRAINT candles_quote_volume_check CHECK (((quote_volume >= (0)::numeric) AND (quote_volume < 'Infinity'::numeric))),
  CONSTRAINT candles_taker_buy_quote_volume_check CHECK (((taker_buy_quote_volume >= (0)::numeric) AND (taker_buy_quote_volume < 'Infinity'::numeric))),
  CONSTRAINT candles_taker_buy_volume_check CHECK (((taker_buy_volume >= (0)::numeric) AND (taker_buy_volume < 'Infinity'::numeric))),
  CONSTRAINT candles_trade_count_check CHECK ((trade_count >= 0)),
  CONSTRAINT candles_volume_check CHECK (((volume >= (0)::numeric) AND (volume < 'Infinity'::numeric)))
) PARTITION BY RANGE (open_time);

CREATE TABLE market.fear_greed (
  source text NOT NULL,
  measured_at timestamp(3) with time zone NOT NULL,
  value integer NOT NULL,
  class text GENERATED ALWAYS AS (
CASE
    WHEN (value <= 25) THEN 'extreme_fear'::text
    WHEN (value <= 45) THEN 'fear'::text
    WHEN (value <= 55) THEN 'neutral'::text
    WHEN (value <= 75) THEN 'greed'::text
    ELSE 'extreme_greed'::text
END) STORED NOT NULL,
  value_yesterday integer,
  value_last_week integer,
  value_last_month integer,
  volatility_score integer,
  momentum_score integer,
  social_score integer,
  surveys_score integer,
  dominance_score integer,
  trends_score integer,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT fear_greed_source_measured_at_pkey PRIMARY KEY (source, measured_at),
  CONSTRAINT fear_greed_dominance_score_check CHECK (((dominance_score >= 0) AND (dominance_score <= 100))),
  CONSTRAINT fear_greed_momentum_score_check CHECK (((momentum_score >= 0) AND (momentum_score <= 100))),
  CONSTRAINT fear_greed_social_score_check CHECK (((social_score >= 0) AND (social_score <= 100))),
  CONSTRAINT fear_greed_source_check CHECK (((btrim(source) <> ''::text) AND (char_length(source) <= 200))),
  CONSTRAINT fear_greed_surveys_score_check CHECK (((surveys_score >= 0) AND (surveys_score <= 100))),
  CONSTRAINT fear_greed_trends_score_check CHECK (((trends_score >= 0) AND (trends_score <= 100))),
  CONSTRAINT fear_greed_value_check CHECK (((value >= 0) AND (value <= 100))),
  CONSTRAINT fear_greed_value_last_month_check CHECK (((value_last_month >= 0) AND (value_last_month <= 100))),
  CONSTRAINT fear_greed_value_last_week_check CHECK (((value_last_week >= 0) AND (value_last_week <= 100))),
  CONSTRAINT fear_greed_value_yesterday_check CHECK (((value_yesterday >= 0) AND (value_yesterday <= 100))),
  CONSTRAINT fear_greed_volatility_score_check CHECK (((volatility_score >= 0) AND (volatility_score <= 100)))
);

CREATE TRIGGER fear_greed_updated_at BEFORE UPDATE ON market.fear_greed FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE market.funding_rates (
  exchange text NOT NULL,
  symbol text NOT NULL,
  funding_time timestamp(3) with time zone NOT NULL,
  published_at timestamp(3) with time zone NOT NULL,
  interval_hours integer NOT NULL,
  rate numeric NOT NULL,
  rate_bps numeric GENERATED ALWAYS AS ((rate * (10000)::numeric)) STORED NOT NULL,
  annualised_rate numeric GENERATED ALWAYS AS (round((((rate * (8760)::numeric) * 1.000000000000000000000000000000000000000000000000000000000000) / (NULLIF(interval_hours, 0))::numeric), 40)) STORED NOT NULL,
  mark_price numeric,
  index_price numeric,
  premium numeric GENERATED ALWAYS AS (round((((mark_price - index_price) * 1.000000000000000000000000000000000000000000000000000000000000) / NULLIF(index_price, (0)::numeric)), 40)) STORED,
  predicted_rate numeric,
  is_estimated boolean DEFAULT false NOT NULL,
  source text,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT funding_rates_exchange_symbol_funding_time_pkey PRIMARY KEY (exchange, symbol, funding_time),
  CONSTRAINT funding_rates_exchange_check CHECK (((btrim(exchange) <> ''::text) AND (char_length(exchange) <= 200))),
  CONSTRAINT funding_rates_funding_time_check CHECK ((funding_time = date_bin('01:00:00'::interval, (published_at + '00:30:00'::interval), '2000-01-01 00:00:00+00'::timestamp with time zone))),
  CONSTRAINT funding_rates_index_price_check CHECK (((index_price > (0)::numeric) AND (index_price < 'Infinity'::numeric))),
  CONSTRAINT funding_rates_interval_hours_check CHECK (((interval_hours >= 1) AND (interval_hours <= 168))),
  CONSTRAINT funding_rates_mark_price_check CHECK (((mark_price > (0)::numeric) AND (mark_price < 'Infinity'::numeric))),
  CONSTRAINT funding_rates_predicted_rate_check CHECK (((predicted_rate > '-Infinity'::numeric) AND (predicted_rate < 'Infinity'::numeric))),
  CONSTRAINT funding_rates_rate_check CHECK (((rate > ('-1'::integer)::numeric) AND (rate < (1)::numeric))),
  CONSTRAINT funding_rates_symbol_check CHECK (((btrim(symbol) <> ''::text) AND (char_length(symbol) <= 200)))
);

CREATE TRIGGER funding_rates_updated_at BEFORE UPDATE ON market.funding_rates FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE market.indicators (
  series_id bigint NOT NULL,
  open_time timestamp(3) with time zone NOT NULL,
  rsi_14 double precision,
  sma_50 double precision,
  sma_200 double precision,
  macd double precision,
  macd_signal double precision,
  macd_histogram double precision,
  atr double precision,
  "values" jsonb DEFAULT '{}'::jsonb NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT indicators_series_id_open_time_pkey PRIMARY KEY (series_id, open_time),
  CONSTRAINT indicators_series_id_fkey FOREIGN KEY (series_id) REFERENCES market.series(id),
  CONSTRAINT indicators_atr_check CHECK (((atr >= (0)::double precision) AND (atr > '-Infinity'::double precision) AND (atr < 'Infinity'::double precision))),
  CONSTRAINT indicators_macd_check CHECK (((macd > '-Infinity'::double precision) AND (macd < 'Infinity'::double precision))),
  CONSTRAINT indicators_macd_histogram_check CHECK (((macd_histogram > '-Infinity'::double precision) AND (macd_histogram < 'Infinity'::double precision))),
  CONSTRAINT indicators_macd_signal_check CHECK (((macd_signal > '-Infinity'::double precision) AND (macd_signal < 'Infinity'::double precision))),
  CONSTRAINT indicators_rsi_14_check CHECK (((rsi_14 >= (0)::double precision) AND (rsi_14 <= (100)::double precision))),
  CONSTRAINT indicators_sma_200_check CHECK (((sma_200 > '-Infinity'::double precision) AND (sma_200 < 'Infinity'::double precision))),
  CONSTRAINT indicators_sma_50_check CHECK (((sma_50 > '-Infinity'::double precision) AND (sma_50 < 'Infinity'::double precision))),
  CONSTRAINT indicators_values_check CHECK ((jsonb_typeof("values") = 'object'::text))
);

CREATE TRIGGER indicators_updated_at BEFORE UPDATE ON market.indicators FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

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

CREATE TABLE market.news (
  id uuid NOT NULL,
  source text NOT NULL,
  external_id text NOT NULL,
  headline text NOT NULL,
  summary text,
  url text,
  symbols text[] DEFAULT '{}'::text[] NOT NULL,
  sentiment_score double precision,
  published_at timestamp(3) with time zone NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT news_id_pkey PRIMARY KEY (id),
  CONSTRAINT news_source_external_id_key UNIQUE (source, external_id),
  CONSTRAINT news_external_id_check CHECK (((btrim(external_id) <> ''::text) AND (char_length(external_id) <= 200))),
  CONSTRAINT news_headline_check CHECK ((btrim(headline) <> ''::text)),
  CONSTRAINT news_sentiment_score_check CHECK (((sentiment_score >= ('-1'::integer)::double precision) AND (sentiment_score <= (1)::double precision))),
  CONSTRAINT news_source_check CHECK (((btrim(source) <> ''::text) AND (char_length(source) <= 200)))
);

CREATE INDEX news_published_at_id_idx ON market.news USING btree (published_at DESC, id DESC);
CREATE INDEX news_symbols_idx ON market.news USING gin (symbols) WITH (fastupdate=off);
CREATE TRIGGER news_updated_at BEFORE UPDATE ON market.news FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE market.onchain_metrics (
  asset text NOT NULL,
  metric text NOT NULL,
  source text NOT NULL,
  measured_at timestamp(3) with time zone NOT NULL,
  value numeric NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT onchain_metrics_asset_metric_source_measured_at_pkey PRIMARY KEY (asset, metric, source, measured_at),
  CONSTRAINT onchain_metrics_asset_check CHECK (((btrim(asset) <> ''::text) AND (char_length(asset) <= 200))),
  CONSTRAINT onchain_metrics_metric_check CHECK (((btrim(metric) <> ''::text) AND (char_length(metric) <= 200))),
  CONSTRAINT onchain_metrics_source_check CHECK (((btrim(source) <> ''::text) AND (char_length(source) <= 200))),
  CONSTRAINT onchain_metrics_value_check CHECK (((value > '-Infinity'::numeric) AND (value < 'Infinity'::numeric)))
);

CREATE TRIGGER onchain_metrics_updated_at BEFORE UPDATE ON market.onchain_metrics FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE market.open_interest (
  exchange text NOT NULL,
  symbol text NOT NULL,
  measured_at timestamp(3) with time zone NOT NULL,
  quantity numeric NOT NULL,
  notional numeric,
  source text,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT open_interest_exchange_symbol_measured_at_pkey PRIMARY KEY (exchange, symbol, measured_at),
  CONSTRAINT open_interest_exchange_check CHECK (((btrim(exchange) <> ''::text) AND (char_length(exchange) <= 200))),
  CONSTRAINT open_interest_notional_check CHECK (((notional >= (0)::numeric) AND (notional < 'Infinity'::numeric))),
  CONSTRAINT open_interest_quantity_check CHECK (((quantity >= (0)::numeric) AND (quantity < 'Infinity'::numeric))),
  CONSTRAINT open_interest_symbol_check CHECK (((btrim(symbol) <> ''::text) AND (char_length(symbol) <= 200)))
);

CREATE TRIGGER open_interest_updated_at BEFORE UPDATE ON market.open_interest FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE market.sentiment (
  asset text NOT NULL,
  source text NOT NULL,
  measured_at timestamp(3) with time zone NOT NULL,
  score double precision NOT NULL,
  mention_count bigint,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT sentiment_asset_source_measured_at_pkey PRIMARY KEY (asset, source, measured_at),
  CONSTRAINT sentiment_asset_check CHECK (((btrim(asset) <> ''::text) AND (char_length(asset) <= 200))),
  CONSTRAINT sentiment_mention_count_check CHECK ((mention_count >= 0)),
  CONSTRAINT sentiment_score_check CHECK (((score >= ('-1'::integer)::double precision) AND (score <= (1)::double precision))),
  CONSTRAINT sentiment_source_check CHECK (((btrim(source) <> ''::text) AND (char_length(source) <= 200)))
);

CREATE TRIGGER sentiment_updated_at BEFORE UPDATE ON market.sentiment FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE market.series (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  exchange text NOT NULL,
  symbol text NOT NULL,
  timeframe text NOT NULL,
  first_open_time timestamp(3) with time zone,
  last_open_time timestamp(3) with time zone,
  last_close numeric,
  last_is_complete boolean,
  last_price_at timestamp(3) with time zone,
  candle_count bigint DEFAULT 0 NOT NULL,
  created_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT series_id_pkey PRIMARY KEY (id),
  CONSTRAINT series_exchange_symbol_timeframe_key UNIQUE (exchange, symbol, timeframe),
  CONSTRAINT series_candle_count_check CHECK ((candle_count >= 0)),
  CONSTRAINT series_exchange_check CHECK (((btrim(exchange) <> ''::text) AND (char_length(exchange) <= 200))),
  CONSTRAINT series_last_close_check CHECK (((last_close > (0)::numeric) AND (last_close < 'Infinity'::numeric))),
  CONSTRAINT series_symbol_check CHECK (((btrim(symbol) <> ''::text) AND (char_length(symbol) <= 200))),
  CONSTRAINT series_timeframe_check CHECK ((timeframe = ANY (ARRAY['1s'::text, '1m'::text, '3m'::text, '5m'::text, '15m'::text, '30m'::text, '1h'::text, '2h'::text, '4h'::text, '6h'::text, '8h'::text, '12h'::text, '1d'::text, '3d'::text, '1w'::text, '1M'::text])))
);

CREATE TRIGGER series_no_removal BEFORE DELETE ON market.series FOR EACH ROW EXECUTE FUNCTION market.refuse_removal('market.series');
CREATE TRIGGER series_no_truncate BEFORE TRUNCATE ON market.series FOR EACH STATEMENT EXECUTE FUNCTION market.refuse_removal('market.series');
CREATE TRIGGER series_times BEFORE UPDATE ON market.series FOR EACH ROW EXECUTE FUNCTION market.set_series_times();

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

CREATE OR REPLACE FUNCTION market.candle_before(of_series bigint, at timestamp with time zone)
 RETURNS TABLE(open_time timestamp with time zone, close numeric)
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE STRICT ROWS 1
AS $function$
BEGIN
  RETURN QUERY SELECT c.open_time, c.close FROM market.candles c
    WHERE c.series_id = of_series AND c.open_time < at ORDER BY c.open_time DESC LIMIT 1;
END $function$;

CREATE OR REPLACE FUNCTION market.close_time_of(timeframe text, open_time timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT (open_time AT TIME ZONE 'UTC' + market.timeframe_interval(timeframe)) AT TIME ZONE 'UTC'
$function$;

CREATE OR REPLACE FUNCTION market.coefficient_of(coefficient double precision, sxx double precision, syy double precision, pair_count bigint)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT CASE WHEN pair_count >= 2 AND least(sxx, syy) / pair_count > 1e-24 THEN least(greatest(coefficient, -1), 1) END
$function$;

CREATE OR REPLACE FUNCTION market.correlation_of(first_series bigint, second_series bigint, from_time timestamp with time zone, until_time timestamp with time zone)
 RETURNS TABLE(coefficient double precision, pair_count bigint)
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE ROWS 1
AS $function$
BEGIN
  RETURN QUERY
    SELECT market.coefficient_of(corr(pair.y, pair.x), regr_sxx(pair.y, pair.x), regr_syy(pair.y, pair.x), regr_count(pair.y, pair.x)),
      regr_count(pair.y, pair.x)
    FROM (
      SELECT ln(a.close::float8 / lag(a.close::float8) OVER w) AS x, ln(b.close::float8 / lag(b.close::float8) OVER w) AS y
      FROM market.candles a
      JOIN market.candles b ON b.open_time = a.open_time
      WHERE a.series_id = first_series AND a.complete AND a.open_time >= from_time AND a.open_time < until_time
        AND b.series_id = second_series AND b.complete AND b.open_time >= from_time AND b.open_time < until_time
      WINDOW w AS (ORDER BY a.open_time)
    ) pair;
END $function$;

CREATE OR REPLACE FUNCTION market.fear_greed_correlation_of(of_series bigint, of_source text, from_time timestamp with time zone, until_time timestamp with time zone)
 RETURNS TABLE(coefficient double precision, pair_count bigint)
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE ROWS 1
AS $function$
BEGIN
  RETURN QUERY
    SELECT market.coefficient_of(corr(pair.y, pair.x), regr_sxx(pair.y, pair.x), regr_syy(pair.y, pair.x), regr_count(pair.y, pair.x)),
      regr_count(pair.y, pair.x)
    FROM (
      SELECT ln(c.close::float8 / lag(c.close::float8) OVER w) AS x, (mood.value - lag(mood.value) OVER w)::float8 AS y
      FROM market.candles c
      CROSS JOIN LATERAL (
        SELECT g.value
        FROM market.fear_greed g
        WHERE g.source = of_source AND g.measured_at >= c.open_time AND g.measured_at < c.open_time + interval '24 hours'
        ORDER BY g.measured_at DESC
        LIMIT 1
      ) mood
      WHERE c.series_id = of_series AND c.complete AND c.open_time >= from_time AND c.open_time < until_time
      WINDOW w AS (ORDER BY c.open_time)
    ) pair;
END $function$;

CREATE OR REPLACE FUNCTION market.funding_rate_analysis_at(at timestamp with time zone)
 RETURNS SETOF market.funding_rate_figures
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
  WITH RECURSIVE pair AS (
    (SELECT f.exchange, f.symbol FROM market.funding_rates f ORDER BY f.exchange, f.symbol LIMIT 1)
    UNION ALL
    SELECT next.exchange, next.symbol FROM pair CROSS JOIN LATERAL (
      SELECT f.exchange, f.symbol FROM market.funding_rates f
      WHERE (f.exchange, f.symbol) > (pair.exchange, pair.symbol) ORDER BY f.exchange, f.symbol LIMIT 1
    ) next
  )
  SELECT pair.exchange, pair.symbol, found.current_rate, found.current_annualised_rate, found.current_is_estimated,
    found.interval_hours, found.last_funding_time, found.mean_rate_24h, found.mean_rate_7d, found.mean_rate_30d,
    found.mean_annualised_rate_24h, found.mean_annualised_rate_7d, found.mean_annualised_rate_30d,
    found.highest_rate_24h, found.lowest_rate_24h, found.highest_rate_30d, found.lowest_rate_30d,
    found.extreme_positive_count_7d, found.extreme_negative_count_7d,
    found.rate_count_24h, found.rate_count_7d, found.rate_count_30d
  FROM pair CROSS JOIN LATERAL market.funding_rate_analysis_of(pair.exchange, pair.symbol, at) found
$function$;

CREATE OR REPLACE FUNCTION market.funding_rate_analysis_of(of_exchange text, of_symbol text, at timestamp with time zone)
 RETURNS SETOF market.funding_rate_figures
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
  SELECT latest.exchange, latest.symbol, latest.rate, latest.annualised_rate, latest.is_estimated, latest.interval_hours,
    latest.funding_time,
    market.quotient(total.rate_24h, total.count_24h), market.quotient(total.rate_7d, total.count_7d),
    market.quotient(total.rate_30d, total.count_30d),
    market.quotient(total.rate_24h * 8760, total.hours_24h), market.quotient(total.rate_7d * 8760, total.hours_7d),
    market.quotient(total.rate_30d * 8760, total.hours_30d),
    total.highest_24h, total.lowest_24h, total.highest_30d, total.lowest_30d,
    total.extreme_positive_7d, total.extreme_negative_7d, total.count_24h, total.count_7d, total.count_30d
  FROM (
    SELECT f.exchange, f.symbol, f.rate, f.annualised_rate, f.is_estimated, f.interval_hours, f.funding_time
    FROM market.funding_rates f
    WHERE f.exchange = of_exchange AND f.symbol = of_symbol AND f.funding_time <= at
    ORDER BY f.funding_time DESC LIMIT 1
  ) latest
  CROSS JOIN (
    SELECT
      count(*) FILTER (WHERE f.funding_time > at - interval '24 hours') AS count_24h,
      count(*) FILTER (WHERE f.funding_time > at - interval '168 hours') AS count_7d,
      count(*) AS count_30d,
      sum(f.rate) FILTER (WHERE f.funding_time > at - interval '24 hours') AS rate_24h,
      sum(f.rate) FILTER (WHERE f.funding_time > at - interval '168 hours') AS rate_7d,
      sum(f.rate) AS rate_30d,
      sum(f.interval_hours) FILTER (WHERE f.funding_time > at - interval '24 hours') AS hours_24h,
      sum(f.interval_hours) FILTER (WHERE f.funding_time > at - interval '168 hours') AS hours_7d,
      sum(f.interval_hours) AS hours_30d,
      max(f.rate) FILTER (WHERE f.funding_time > at - interval '24 hours') AS highest_24h,
      min(f.rate) FILTER (WHERE f.funding_time > at - interval '24 hours') AS lowest_24h,
      max(f.rate) AS highest_30d,
      min(f.rate) AS lowest_30d,
      count(*) FILTER (WHERE f.funding_time > at - interval '168 hours' AND f.rate > 0.0005) AS extreme_positive_7d,
      count(*) FILTER (WHERE f.funding_time > at - interval '168 hours' AND f.rate < -0.0005) AS extreme_negative_7d
    FROM market.funding_rates f
    WHERE f.exchange = of_exchange AND f.symbol = of_symbol
      AND f.funding_time > at - interval '720 hours' AND f.funding_time <= at AND NOT f.is_estimated
  ) total
$function$;

CREATE OR REPLACE FUNCTION market.funding_rate_correlation_of(of_series bigint, of_exchange text, of_symbol text, from_time timestamp with time zone, until_time timestamp with time zone)
 RETURNS TABLE(coefficient double precision, pair_count bigint)
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE ROWS 1
AS $function$
BEGIN
  RETURN QUERY
    SELECT market.coefficient_of(corr(pair.y, pair.x), regr_sxx(pair.y, pair.x), regr_syy(pair.y, pair.x), regr_count(pair.y, pair.x)),
      regr_count(pair.y, pair.x)
    FROM (
      SELECT day.x, funding.y
      FROM (
        SELECT c.open_time, ln(c.close::float8 / lag(c.close::float8) OVER (ORDER BY c.open_time)) AS x
        FROM market.candles c
        WHERE c.series_id = of_series AND c.complete AND c.open_time >= from_time AND c.open_time < until_time
      ) day
      CROSS JOIN LATERAL (
        SELECT sum(f.rate)::float8 * 8760 / sum(f.interval_hours) AS y
        FROM market.funding_rates f
        WHERE f.exchange = of_exchange AND f.symbol = of_symbol AND NOT f.is_estimated
          AND f.funding_time >= day.open_time AND f.funding_time < day.open_time + interval '24 hours'
      ) funding
    ) pair;
END $function$;

CREATE OR REPLACE FUNCTION market.last_candles(of_exchange text, of_symbol text, of_timeframe text, from_time timestamp with time zone, until_time timestamp with time zone, wanted integer)
 RETURNS SETOF market.candles
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE
AS $function$
DECLARE
  one market.series;
  oldest timestamptz;
  newest timestamptz;
  near timestamptz;
  given bigint;
BEGIN
  SELECT * INTO one FROM market.series s WHERE s.exchange = of_exchange AND s.symbol = of_symbol AND s.timeframe = of_timeframe;
  IF one.last_open_time IS NULL THEN
    RETURN;
  END IF;
  oldest := greatest(from_time, one.first_open_time);
  newest := least(until_time, one.last_open_time + interval '1 millisecond');
  -- Of months, more would lead before the first year there is.
  near := newest - least(2 * wanted, 20000) * market.timeframe_interval(of_timeframe);
  IF near > oldest THEN
    RETURN QUERY SELECT * FROM market.candles c
      WHERE c.series_id = one.id AND c.open_time >= near AND c.open_time < newest ORDER BY c.open_time DESC LIMIT wanted;
    GET DIAGNOSTICS given = ROW_COUNT;
    newest := near;
    wanted := wanted - given;
  END IF;
  IF wanted > 0 THEN
    RETURN QUERY SELECT * FROM market.candles c
      WHERE c.series_id = one.id AND c.open_time >= oldest AND c.open_time < newest ORDER BY c.open_time DESC LIMIT wanted;
  END IF;
END $function$;

CREATE OR REPLACE FUNCTION market.make_candle_partition(at timestamp with time zone)
 RETURNS TABLE(partition_name text, from_time timestamp with time zone, until_time timestamp with time zone, moved bigint)
 LANGUAGE plpgsql
AS $function$
BEGIN
  from_time := market.open_time_of('1M', at);
  until_time := market.close_time_of('1M', from_time);
  partition_name := 'candles_' || to_char(from_time AT TIME ZONE 'UTC', 'YYYY_MM');
  IF to_regclass('market.' || partition_name) IS NOT NULL THEN
    RETURN;
  END IF;
  LOCK TABLE ONLY market.candles IN ACCESS EXCLUSIVE MODE;
  IF to_regclass('market.' || partition_name) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE market.%I (LIKE market.candles INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name);
  EXECUTE format('WITH moving AS (DELETE FROM market.candles_default WHERE open_time >= %L AND open_time < %L RETURNING *)
    INSERT INTO market.%I SELECT * FROM moving', from_time, until_time, partition_name);
  GET DIAGNOSTICS moved = ROW_COUNT;
  EXECUTE format('ALTER TABLE market.%I ADD CONSTRAINT %I PRIMARY KEY (series_id, open_time)',
    partition_name, partition_name || '_series_id_open_time_pkey');
  EXECUTE format('ALTER TABLE market.candles ATTACH PARTITION market.%I FOR VALUES FROM (%L) TO (%L)',
    partition_name, from_time, until_time);
  RETURN NEXT;
END $function$;

CREATE OR REPLACE FUNCTION market.open_time_of(timeframe text, at timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT CASE WHEN timeframe = '1M' THEN date_trunc('month', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    ELSE date_bin(market.timeframe_interval(timeframe), at,
      CASE WHEN timeframe = '1w' THEN timestamptz '1970-01-05 00:00:00+00' ELSE timestamptz '1970-01-01 00:00:00+00' END) END
$function$;

CREATE OR REPLACE FUNCTION market.periods_per_year(timeframe text)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT CASE timeframe WHEN '1M' THEN 12 ELSE 31536000 / extract(epoch FROM market.timeframe_interval(timeframe))::float8 END
$function$;

CREATE OR REPLACE FUNCTION market.quotient(numerator numeric, denominator numeric)
 RETURNS numeric
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT round(numerator * 1.000000000000000000000000000000000000000000000000000000000000 / nullif(denominator, 0), 40)
$function$;

CREATE OR REPLACE FUNCTION market.refuse_removal()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  RAISE EXCEPTION 'a row of % is not removed: candles are known by it', TG_ARGV[0] USING ERRCODE = 'TB002';
END $function$;

CREATE OR REPLACE FUNCTION market.set_series_times()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF (NEW.id, NEW.exchange, NEW.symbol, NEW.timeframe) IS DISTINCT FROM (OLD.id, OLD.exchange, OLD.symbol, OLD.timeframe) THEN
    RAISE EXCEPTION 'the id and the name of a series do not change: its candles are known by them'
      USING ERRCODE = 'TB002', HINT = 'record the candles under the other name';
  END IF;
  NEW.updated_at := now();
  IF (NEW.last_open_time, NEW.last_close, NEW.last_is_complete) IS DISTINCT FROM (OLD.last_open_time, OLD.last_close, OLD.last_is_complete) THEN
    NEW.last_price_at := market.close_time_of(NEW.timeframe, NEW.last_open_time);
    IF NOT NEW.last_is_complete THEN
      NEW.last_price_at := least(NEW.last_price_at, now());
    END IF;
  END IF;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION market.timeframe_interval(timeframe text)
 RETURNS interval
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT CASE right(timeframe, 1)
    WHEN 's' THEN make_interval(secs => left(timeframe, -1)::integer)
    WHEN 'm' THEN make_interval(mins => left(timeframe, -1)::integer)
    WHEN 'h' THEN make_interval(hours => left(timeframe, -1)::integer)
    WHEN 'd' THEN make_interval(hours => 24 * left(timeframe, -1)::integer)
    WHEN 'w' THEN make_interval(hours => 168 * left(timeframe, -1)::integer)
    WHEN 'M' THEN make_interval(months => left(timeframe, -1)::integer)
  END
$function$;

CREATE OR REPLACE FUNCTION market.volatility_of(of_series bigint, from_time timestamp with time zone, until_time timestamp with time zone)
 RETURNS TABLE(candle_count bigint, return_count bigint, log_return_deviation double precision, mean_range double precision, range_deviation double precision, mean_volume numeric, max_volume numeric)
 LANGUAGE plpgsql
 STABLE PARALLEL SAFE ROWS 1
AS $function$
BEGIN
  RETURN QUERY
    SELECT count(*), count(candle.log_return), stddev_samp(candle.log_return),
      avg(candle.range), stddev_samp(candle.range), market.quotient(sum(candle.volume), count(*)), max(candle.volume)
    FROM (
      SELECT ln(c.close::float8 / lag(c.close::float8) OVER (ORDER BY c.open_time)) AS log_return,
        (c.high - c.low)::float8 / c.low::float8 AS range,
        c.volume
      FROM market.candles c
      WHERE c.series_id = of_series AND c.complete AND c.open_time >= from_time AND c.open_time < until_time
    ) candle;
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

CREATE VIEW market.correlation AS
 WITH daily AS NOT MATERIALIZED (
         SELECT s.id,
            s.exchange,
            s.symbol,
            market.close_time_of(s.timeframe, s.last_open_time)::timestamp(3) with time zone AS close_time
           FROM market.series s
          WHERE s.timeframe = '1d'::text AND s.last_open_time IS NOT NULL
        )
 SELECT a.exchange,
    a.symbol,
    'candles'::text AS counterpart_kind,
    b.exchange AS counterpart_exchange,
    b.symbol AS counterpart_symbol,
    NULL::text AS counterpart_source,
    (GREATEST(a.close_time, b.close_time) - '2160:00:00'::interval)::timestamp(3) with time zone AS from_time,
    GREATEST(a.close_time, b.close_time) AS until_time,
    found.coefficient,
    found.pair_count
   FROM daily a
     JOIN daily b ON (ROW(a.exchange, a.symbol) < ROW(b.exchange, b.symbol))
     CROSS JOIN LATERAL market.correlation_of(a.id, b.id, GREATEST(a.close_time, b.close_time) - '2160:00:00'::interval, GREATEST(a.close_time, b.close_time)) found(coefficient, pair_count)
UNION ALL
 SELECT a.exchange,
    a.symbol,
    'fear_greed'::text AS counterpart_kind,
    NULL::text AS counterpart_exchange,
    NULL::text AS counterpart_symbol,
    published.source AS counterpart_source,
    (a.close_time - '2160:00:00'::interval)::timestamp(3) with time zone AS from_time,
    a.close_time AS until_time,
    found.coefficient,
    found.pair_count
   FROM daily a
     CROSS JOIN ( SELECT DISTINCT g.source
           FROM market.fear_greed g) published
     CROSS JOIN LATERAL market.fear_greed_correlation_of(a.id, published.source, a.close_time - '2160:00:00'::interval, a.close_time) found(coefficient, pair_count)
UNION ALL
 SELECT a.exchange,
    a.symbol,
    'funding_rate'::text AS counterpart_kind,
    a.exchange AS counterpart_exchange,
    a.symbol AS counterpart_symbol,
    NULL::text AS counterpart_source,
    (a.close_time - '2160:00:00'::interval)::timestamp(3) with time zone AS from_time,
    a.close_time AS until_time,
    found.coefficient,
    found.pair_count
   FROM daily a
     CROSS JOIN LATERAL ( SELECT
           FROM market.funding_rates f
          WHERE f.exchange = a.exchange AND f.symbol = a.symbol
         LIMIT 1) rated
     CROSS JOIN LATERAL market.funding_rate_correlation_of(a.id, a.exchange, a.symbol, a.close_time - '2160:00:00'::interval, a.close_time) found(coefficient, pair_count);

CREATE VIEW market.funding_rate_analysis AS
 SELECT exchange,
    symbol,
    current_rate,
    current_annualised_rate,
    current_is_estimated,
    interval_hours,
    last_funding_time,
    mean_rate_24h,
    mean_rate_7d,
    mean_rate_30d,
    mean_annualised_rate_24h,
    mean_annualised_rate_7d,
    mean_annualised_rate_30d,
    highest_rate_24h,
    lowest_rate_24h,
    highest_rate_30d,
    lowest_rate_30d,
    extreme_positive_count_7d,
    extreme_negative_count_7d,
    rate_count_24h,
    rate_count_7d,
    rate_count_30d
   FROM market.funding_rate_analysis_at(now()) funding_rate_analysis_at(exchange, symbol, current_rate, current_annualised_rate, current_is_estimated, interval_hours, last_funding_time, mean_rate_24h, mean_rate_7d, mean_rate_30d, mean_annualised_rate_24h, mean_annualised_rate_7d, mean_annualised_rate_30d, highest_rate_24h, lowest_rate_24h, highest_rate_30d, lowest_rate_30d, extreme_positive_count_7d, extreme_negative_count_7d, rate_count_24h, rate_count_7d, rate_count_30d);

CREATE VIEW market.summary AS
 WITH RECURSIVE publisher AS (
         SELECT min(g.source) AS source
           FROM market.fear_greed g
        UNION ALL
         SELECT ( SELECT min(g.source) AS min
                   FROM market.fear_greed g
                  WHERE g.source > publisher.source) AS min
           FROM publisher
          WHERE publisher.source IS NOT NULL
        )
 SELECT s.exchange,
    s.symbol,
    s.timeframe,
    s.last_open_time AS open_time,
    recent.open,
    recent.high,
    recent.low,
    recent.close,
    recent.volume,
    recent.complete,
    market.quotient(recent.close - recent.open, recent.open) AS change_fraction,
    market.quotient(recent.close - COALESCE(recent.close_before, earlier.close), COALESCE(recent.close_before, earlier.close)) AS change_fraction_24h,
        CASE
            WHEN recent.close_before IS NULL THEN earlier.open_time
            ELSE day.before
        END AS compared_open_time,
    recent.high_24h,
    recent.low_24h,
    recent.volume_24h,
    funding.rate AS funding_rate,
    funding.annualised_rate AS funding_annualised_rate,
    funding.funding_time,
    funding.is_estimated AS funding_is_estimated,
    mood.source AS fear_greed_source,
    mood.value AS fear_greed_value,
    mood.class AS fear_greed_class,
    mood.measured_at AS fear_greed_measured_at,
    s.last_price_at
   FROM market.series s
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN s.timeframe <> ALL (ARRAY['3d'::text, '1w'::text, '1M'::text]) THEN (s.last_open_time - '24:00:00'::interval)::timestamp(3) with time zone
                    ELSE NULL::timestamp with time zone
                END AS before) day
     CROSS JOIN LATERAL ( SELECT max(c.open) FILTER (WHERE c.open_time = s.last_open_time) AS open,
            max(c.high) FILTER (WHERE c.open_time = s.last_open_time) AS high,
            max(c.low) FILTER (WHERE c.open_time = s.last_open_time) AS low,
            max(c.close) FILTER (WHERE c.open_time = s.last_open_time) AS close,
            max(c.volume) FILTER (WHERE c.open_time = s.last_open_time) AS volume,
            bool_or(c.complete) FILTER (WHERE c.open_time = s.last_open_time) AS complete,
            max(c.close) FILTER (WHERE c.open_time = day.before) AS close_before,
            max(c.high) FILTER (WHERE c.open_time > day.before) AS high_24h,
            min(c.low) FILTER (WHERE c.open_time > day.before) AS low_24h,
            sum(c.volume) FILTER (WHERE c.open_time > day.before) AS volume_24h
           FROM market.candles c
          WHERE c.series_id = s.id AND c.open_time >= COALESCE(day.before, s.last_open_time) AND c.open_time <= s.last_open_time) recent
     LEFT JOIN LATERAL market.candle_before(s.id,
        CASE
            WHEN recent.close_before IS NULL THEN day.before
            ELSE NULL::timestamp with time zone
        END) earlier(open_time, close) ON true
     LEFT JOIN LATERAL ( SELECT f.rate,
            f.annualised_rate,
            f.funding_time,
            f.is_estimated
           FROM market.funding_rates f
          WHERE f.exchange = s.exchange AND f.symbol = s.symbol
          ORDER BY f.funding_time DESC
         LIMIT 1) funding ON true
     LEFT JOIN ( SELECT newest.source,
            newest.value,
            newest.class,
            newest.measured_at
           FROM publisher
             CROSS JOIN LATERAL ( SELECT g.source,
                    g.value,
                    g.class,
                    g.measured_at
                   FROM market.fear_greed g
                  WHERE g.source = publisher.source
                  ORDER BY g.measured_at DESC
                 LIMIT 1) newest
          ORDER BY newest.measured_at DESC, newest.source
         LIMIT 1) mood ON true
  WHERE recent.open IS NOT NULL;

CREATE VIEW market.volatility AS
 SELECT s.exchange,
    s.symbol,
    s.timeframe,
    span.window_hours,
    (ending.at - make_interval(hours => span.window_hours))::timestamp(3) with time zone AS from_time,
    ending.at AS until_time,
    v.candle_count,
    v.return_count,
    v.log_return_deviation,
    v.log_return_deviation * sqrt(market.periods_per_year(s.timeframe)) AS annualised_volatility,
    v.mean_range,
    v.range_deviation,
    v.mean_volume,
    v.max_volume
   FROM market.series s
     CROSS JOIN LATERAL ( SELECT market.close_time_of(s.timeframe, s.last_open_time)::timestamp(3) with time zone AS at) ending
     CROSS JOIN ( VALUES (24), (168), (720)) span(window_hours)
     CROSS JOIN LATERAL market.volatility_of(s.id, ending.at - make_interval(hours => span.window_hours), ending.at) v(candle_count, return_count, log_return_deviation, mean_range, range_deviation, mean_volume, max_volume)
  WHERE s.last_open_time IS NOT NULL;

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
