-- Every table, constraint, index, trigger, function and view, as the migrations make them.
-- Written by scripts/schema-dump.ts; a test compares it.

CREATE SCHEMA audit;

CREATE SCHEMA access;

CREATE SCHEMA fleet;

CREATE SCHEMA market;

CREATE SCHEMA snapshots;

CREATE SCHEMA strategy;

CREATE SCHEMA analysis;

CREATE SCHEMA trading;

CREATE SCHEMA risk;

CREATE SCHEMA ideas;

CREATE SCHEMA arbitrage;

CREATE SCHEMA analytics;

CREATE TABLE access.users (
  id uuid NOT NULL,
  email text NOT NULL,
  role text DEFAULT 'viewer'::text NOT NULL,
  is_active boolean DEFAULT true NOT NULL,
  display_name text,
  password_hash text NOT NULL,
  failed_logins integer DEFAULT 0 NOT NULL,
  locked_until timestamp(3) with time zone,
  last_login_at timestamp(3) with time zone,
  created_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  changed_by text NOT NULL,
  CONSTRAINT users_id_pkey PRIMARY KEY (id),
  CONSTRAINT users_changed_by_check CHECK ((btrim(changed_by) <> ''::text)),
  CONSTRAINT users_display_name_check CHECK ((btrim(display_name) <> ''::text)),
  CONSTRAINT users_email_check CHECK (((email ~ '^[^[:space:]@]+@[^[:space:]@]+$'::text) AND (char_length(email) <= 254))),
  CONSTRAINT users_failed_logins_check CHECK ((failed_logins >= 0)),
  CONSTRAINT users_password_hash_check CHECK ((password_hash ~~ '$argon2id$%'::text)),
  CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'operator'::text, 'approver'::text, 'admin'::text])))
);

CREATE UNIQUE INDEX users_email_key ON access.users USING btree (lower(email));
CREATE TRIGGER users_guard BEFORE UPDATE ON access.users FOR EACH ROW EXECUTE FUNCTION access.guard_user();
CREATE TRIGGER users_keep_an_admin AFTER UPDATE OF role, is_active ON access.users FOR EACH ROW WHEN (((old.role = 'admin'::text) AND old.is_active AND (NOT ((new.role = 'admin'::text) AND new.is_active)))) EXECUTE FUNCTION access.keep_an_admin();
CREATE TRIGGER users_logged AFTER INSERT OR UPDATE ON access.users FOR EACH ROW EXECUTE FUNCTION access.log_user();
CREATE TRIGGER users_no_delete BEFORE DELETE ON access.users FOR EACH ROW EXECUTE FUNCTION access.refuse_removal();
CREATE TRIGGER users_no_truncate BEFORE TRUNCATE ON access.users FOR EACH STATEMENT EXECUTE FUNCTION access.refuse_removal();

CREATE TABLE analysis.decision_checks (
  bot_id text NOT NULL,
  decision_id uuid NOT NULL,
  ordinal integer NOT NULL,
  code text NOT NULL,
  passed boolean NOT NULL,
  threshold numeric,
  actual numeric,
  unit text,
  message text,
  details jsonb DEFAULT '{}'::jsonb NOT NULL,
  CONSTRAINT decision_checks_pkey PRIMARY KEY (bot_id, decision_id, ordinal),
  CONSTRAINT decision_checks_decision_id_fkey FOREIGN KEY (bot_id, decision_id) REFERENCES analysis.decisions(bot_id, id),
  CONSTRAINT decision_checks_actual_check CHECK (((actual > '-Infinity'::numeric) AND (actual < 'Infinity'::numeric))),
  CONSTRAINT decision_checks_code_check CHECK ((btrim(code) <> ''::text)),
  CONSTRAINT decision_checks_details_check CHECK ((jsonb_typeof(details) = 'object'::text)),
  CONSTRAINT decision_checks_ordinal_check CHECK ((ordinal > 0)),
  CONSTRAINT decision_checks_threshold_check CHECK (((threshold > '-Infinity'::numeric) AND (threshold < 'Infinity'::numeric))),
  CONSTRAINT decision_checks_unit_check CHECK ((btrim(unit) <> ''::text))
);

CREATE TRIGGER decision_checks_append_only BEFORE DELETE OR UPDATE ON analysis.decision_checks FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.decision_checks');
CREATE TRIGGER decision_checks_at_once AFTER INSERT ON analysis.decision_checks REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION analysis.refuse_later_parts();
CREATE TRIGGER decision_checks_no_truncate BEFORE TRUNCATE ON analysis.decision_checks FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.decision_checks');

CREATE TABLE analysis.decision_evidence (
  bot_id text NOT NULL,
  decision_id uuid NOT NULL,
  ordinal integer NOT NULL,
  source text NOT NULL,
  technical_signal_id uuid,
  llm_analysis_id uuid,
  ml_prediction_id uuid,
  signal_id uuid,
  says text NOT NULL,
  weight double precision,
  score double precision,
  CONSTRAINT decision_evidence_pkey PRIMARY KEY (bot_id, decision_id, ordinal),
  CONSTRAINT decision_evidence_decision_id_fkey FOREIGN KEY (bot_id, decision_id) REFERENCES analysis.decisions(bot_id, id),
  CONSTRAINT decision_evidence_llm_analysis_id_fkey FOREIGN KEY (bot_id, llm_analysis_id) REFERENCES analysis.llm_analyses(bot_id, id),
  CONSTRAINT decision_evidence_ml_prediction_id_fkey FOREIGN KEY (bot_id, ml_prediction_id) REFERENCES analysis.ml_predictions(bot_id, id),
  CONSTRAINT decision_evidence_signal_id_fkey FOREIGN KEY (bot_id, signal_id) REFERENCES strategy.signals(bot_id, id),
  CONSTRAINT decision_evidence_technical_signal_id_fkey FOREIGN KEY (bot_id, technical_signal_id) REFERENCES analysis.technical_signals(bot_id, id),
  CONSTRAINT decision_evidence_ordinal_check CHECK ((ordinal > 0)),
  CONSTRAINT decision_evidence_says_check CHECK ((says = ANY (ARRAY['bullish'::text, 'bearish'::text, 'neutral'::text]))),
  CONSTRAINT decision_evidence_score_check CHECK (((score >= ('-1'::integer)::double precision) AND (score <= (1)::double precision))),
  CONSTRAINT decision_evidence_source_check CHECK ((source = ANY (ARRAY['technical'::text, 'llm'::text, 'model'::text, 'signal'::text]))),
  CONSTRAINT decision_evidence_source_id_check CHECK ((((source = 'technical'::text) = (technical_signal_id IS NOT NULL)) AND ((source = 'llm'::text) = (llm_analysis_id IS NOT NULL)) AND ((source = 'model'::text) = (ml_prediction_id IS NOT NULL)) AND ((source = 'signal'::text) = (signal_id IS NOT NULL)))),
  CONSTRAINT decision_evidence_weight_check CHECK (((weight >= (0)::double precision) AND (weight <= (1)::double precision)))
);

CREATE INDEX decision_evidence_llm_analysis_id_idx ON analysis.decision_evidence USING btree (bot_id, llm_analysis_id) WHERE (llm_analysis_id IS NOT NULL);
CREATE TRIGGER decision_evidence_append_only BEFORE DELETE OR UPDATE ON analysis.decision_evidence FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.decision_evidence');
CREATE TRIGGER decision_evidence_at_once AFTER INSERT ON analysis.decision_evidence REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION analysis.refuse_later_parts();
CREATE TRIGGER decision_evidence_no_truncate BEFORE TRUNCATE ON analysis.decision_evidence FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.decision_evidence');

CREATE TABLE analysis.decisions (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  snapshot_id uuid,
  strategy_id uuid,
  exchange text,
  symbol text NOT NULL,
  intended_action text NOT NULL,
  action text GENERATED ALWAYS AS (
CASE
    WHEN (vetoed_at IS NOT NULL) THEN 'vetoed'::text
    ELSE intended_action
END) STORED NOT NULL,
  confidence double precision NOT NULL,
  quantity numeric,
  position_fraction numeric,
  leverage numeric,
  stop_loss numeric,
  take_profit numeric,
  entry_price numeric,
  reasons jsonb NOT NULL,
  market_regime text,
  veto_reason text,
  veto_source text,
  vetoed_at timestamp(3) with time zone,
  latency_ms integer,
  decided_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT decisions_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT decisions_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT decisions_snapshot_id_fkey FOREIGN KEY (bot_id, snapshot_id) REFERENCES snapshots.bundles(bot_id, id),
  CONSTRAINT decisions_strategy_id_fkey FOREIGN KEY (strategy_id) REFERENCES strategy.strategies(id),
  CONSTRAINT decisions_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
  CONSTRAINT decisions_entry_price_check CHECK (((entry_price > (0)::numeric) AND (entry_price < 'Infinity'::numeric))),
  CONSTRAINT decisions_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT decisions_intended_action_check CHECK ((intended_action = ANY (ARRAY['long'::text, 'short'::text, 'close'::text, 'hold'::text]))),
  CONSTRAINT decisions_latency_ms_check CHECK ((latency_ms >= 0)),
  CONSTRAINT decisions_leverage_check CHECK (((leverage > (0)::numeric) AND (leverage < 'Infinity'::numeric))),
  CONSTRAINT decisions_market_regime_check CHECK ((btrim(market_regime) <> ''::text)),
  CONSTRAINT decisions_position_fraction_check CHECK (((position_fraction >= (0)::numeric) AND (position_fraction < 'Infinity'::numeric))),
  CONSTRAINT decisions_quantity_check CHECK (((quantity >= (0)::numeric) AND (quantity < 'Infinity'::numeric))),
  CONSTRAINT decisions_reasons_check CHECK ((jsonb_typeof(reasons) = 'array'::text)),
  CONSTRAINT decisions_stop_loss_check CHECK (((stop_loss > (0)::numeric) AND (stop_loss < 'Infinity'::numeric))),
  CONSTRAINT decisions_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT decisions_take_profit_check CHECK (((take_profit > (0)::numeric) AND (take_profit < 'Infinity'::numeric))),
  CONSTRAINT decisions_veto_reason_check CHECK ((btrim(veto_reason) <> ''::text)),
  CONSTRAINT decisions_veto_source_check CHECK ((btrim(veto_source) <> ''::text)),
  CONSTRAINT decisions_vetoed_at_check CHECK ((num_nonnulls(vetoed_at, veto_reason, veto_source) = ANY (ARRAY[0, 3])))
);

CREATE INDEX decisions_decided_at_idx ON analysis.decisions USING btree (bot_id, decided_at DESC, id DESC);
CREATE INDEX decisions_reasons_idx ON analysis.decisions USING gin (reasons jsonb_path_ops);
CREATE INDEX decisions_symbol_idx ON analysis.decisions USING btree (bot_id, symbol, decided_at DESC, id DESC);
CREATE TRIGGER decisions_guard BEFORE UPDATE ON analysis.decisions FOR EACH ROW EXECUTE FUNCTION analysis.guard_decision();
CREATE TRIGGER decisions_no_delete BEFORE DELETE ON analysis.decisions FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.decisions');
CREATE TRIGGER decisions_no_truncate BEFORE TRUNCATE ON analysis.decisions FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.decisions');

CREATE TABLE analysis.llm_analyses (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  symbol text,
  exchange text,
  kind text NOT NULL,
  prompt_template text,
  model text NOT NULL,
  provider text,
  sentiment text,
  confidence double precision,
  summary text,
  key_factors jsonb,
  prompt_tokens integer,
  completion_tokens integer,
  total_tokens integer GENERATED ALWAYS AS (
CASE
    WHEN ((prompt_tokens IS NULL) AND (completion_tokens IS NULL)) THEN NULL::integer
    ELSE (COALESCE(prompt_tokens, 0) + COALESCE(completion_tokens, 0))
END) STORED,
  cost numeric,
  cost_currency text DEFAULT 'USD'::text NOT NULL,
  latency_ms integer,
  temperature double precision,
  cached boolean DEFAULT false NOT NULL,
  status text DEFAULT 'success'::text NOT NULL,
  error_message text,
  prompt text,
  response text,
  response_json jsonb,
  prompt_ciphertext bytea,
  response_ciphertext bytea,
  response_json_ciphertext bytea,
  key_id text,
  analysed_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT llm_analyses_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT llm_analyses_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT llm_analyses_completion_tokens_check CHECK (((completion_tokens >= 0) AND (completion_tokens <= 1000000000))),
  CONSTRAINT llm_analyses_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
  CONSTRAINT llm_analyses_cost_check CHECK (((cost >= (0)::numeric) AND (cost < 'Infinity'::numeric))),
  CONSTRAINT llm_analyses_cost_currency_check CHECK ((btrim(cost_currency) <> ''::text)),
  CONSTRAINT llm_analyses_encrypted_by_key_check CHECK (((key_id IS NOT NULL) = (num_nonnulls(prompt_ciphertext, response_ciphertext, response_json_ciphertext) > 0))),
  CONSTRAINT llm_analyses_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT llm_analyses_key_factors_check CHECK ((jsonb_typeof(key_factors) = 'array'::text)),
  CONSTRAINT llm_analyses_key_id_check CHECK ((btrim(key_id) <> ''::text)),
  CONSTRAINT llm_analyses_kind_check CHECK ((btrim(kind) <> ''::text)),
  CONSTRAINT llm_analyses_latency_ms_check CHECK ((latency_ms >= 0)),
  CONSTRAINT llm_analyses_model_check CHECK ((btrim(model) <> ''::text)),
  CONSTRAINT llm_analyses_prompt_tokens_check CHECK (((prompt_tokens >= 0) AND (prompt_tokens <= 1000000000))),
  CONSTRAINT llm_analyses_provider_check CHECK ((btrim(provider) <> ''::text)),
  CONSTRAINT llm_analyses_readable_or_encrypted_check CHECK (((num_nonnulls(prompt_ciphertext, response_ciphertext, response_json_ciphertext) = 0) OR (num_nonnulls(prompt, response, response_json) = 0))),
  CONSTRAINT llm_analyses_response_json_check CHECK ((jsonb_typeof(response_json) = ANY (ARRAY['object'::text, 'array'::text]))),
  CONSTRAINT llm_analyses_sentiment_check CHECK ((sentiment = ANY (ARRAY['bullish'::text, 'bearish'::text, 'neutral'::text, 'uncertain'::text]))),
  CONSTRAINT llm_analyses_status_check CHECK ((status = ANY (ARRAY['success'::text, 'error'::text, 'timeout'::text, 'cached'::text]))),
  CONSTRAINT llm_analyses_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT llm_analyses_temperature_check CHECK (((temperature >= (0)::double precision) AND (temperature <= (10)::double precision)))
);

CREATE INDEX llm_analyses_analysed_at_idx ON analysis.llm_analyses USING btree (bot_id, analysed_at DESC, id DESC);
CREATE INDEX llm_analyses_key_id_idx ON analysis.llm_analyses USING btree (key_id, bot_id, id) WHERE (num_nonnulls(prompt, response, response_json, prompt_ciphertext, response_ciphertext, response_json_ciphertext) > 0);
CREATE INDEX llm_analyses_symbol_idx ON analysis.llm_analyses USING btree (bot_id, symbol, analysed_at DESC, id DESC);
CREATE TRIGGER llm_analyses_guard BEFORE UPDATE ON analysis.llm_analyses FOR EACH ROW EXECUTE FUNCTION analysis.guard_llm_analysis();
CREATE TRIGGER llm_analyses_no_delete BEFORE DELETE ON analysis.llm_analyses FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.llm_analyses');
CREATE TRIGGER llm_analyses_no_truncate BEFORE TRUNCATE ON analysis.llm_analyses FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.llm_analyses');

CREATE TABLE analysis.ml_predictions (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  symbol text NOT NULL,
  action text NOT NULL,
  confidence double precision NOT NULL,
  prob_long double precision,
  prob_short double precision,
  prob_hold double precision,
  feature_importance jsonb,
  model_version text NOT NULL,
  model_type text,
  prediction_ms integer,
  features_used integer,
  historical_accuracy double precision,
  predicted_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT ml_predictions_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT ml_predictions_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT ml_predictions_action_check CHECK ((action = ANY (ARRAY['long'::text, 'short'::text, 'close'::text, 'hold'::text]))),
  CONSTRAINT ml_predictions_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
  CONSTRAINT ml_predictions_feature_importance_check CHECK ((jsonb_typeof(feature_importance) = 'object'::text)),
  CONSTRAINT ml_predictions_features_used_check CHECK (((features_used >= 0) AND (features_used <= 1000000000))),
  CONSTRAINT ml_predictions_historical_accuracy_check CHECK (((historical_accuracy >= (0)::double precision) AND (historical_accuracy <= (1)::double precision))),
  CONSTRAINT ml_predictions_model_type_check CHECK ((btrim(model_type) <> ''::text)),
  CONSTRAINT ml_predictions_model_version_check CHECK ((btrim(model_version) <> ''::text)),
  CONSTRAINT ml_predictions_prediction_ms_check CHECK ((prediction_ms >= 0)),
  CONSTRAINT ml_predictions_prob_hold_check CHECK (((prob_hold >= (0)::double precision) AND (prob_hold <= (1)::double precision))),
  CONSTRAINT ml_predictions_prob_long_check CHECK (((prob_long >= (0)::double precision) AND (prob_long <= (1)::double precision))),
  CONSTRAINT ml_predictions_prob_short_check CHECK (((prob_short >= (0)::double precision) AND (prob_short <= (1)::double precision))),
  CONSTRAINT ml_predictions_symbol_check CHECK ((btrim(symbol) <> ''::text))
);

CREATE INDEX ml_predictions_predicted_at_idx ON analysis.ml_predictions USING btree (bot_id, predicted_at DESC, id DESC);
CREATE INDEX ml_predictions_symbol_idx ON analysis.ml_predictions USING btree (bot_id, symbol, predicted_at DESC, id DESC);
CREATE TRIGGER ml_predictions_append_only BEFORE DELETE OR UPDATE ON analysis.ml_predictions FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.ml_predictions');
CREATE TRIGGER ml_predictions_no_truncate BEFORE TRUNCATE ON analysis.ml_predictions FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.ml_predictions');

CREATE TABLE analysis.technical_signals (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  exchange text,
  symbol text NOT NULL,
  timeframe text NOT NULL,
  signal text NOT NULL,
  confidence double precision NOT NULL,
  bullish_count integer DEFAULT 0 NOT NULL,
  bearish_count integer DEFAULT 0 NOT NULL,
  neutral_count integer DEFAULT 0 NOT NULL,
  indicators jsonb NOT NULL,
  rsi numeric,
  rsi_signal text,
  macd_histogram numeric,
  macd_signal text,
  bollinger_position numeric,
  bollinger_signal text,
  analysed_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT technical_signals_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT technical_signals_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT technical_signals_bearish_count_check CHECK (((bearish_count >= 0) AND (bearish_count <= 1000000000))),
  CONSTRAINT technical_signals_bollinger_position_check CHECK (((bollinger_position > '-Infinity'::numeric) AND (bollinger_position < 'Infinity'::numeric))),
  CONSTRAINT technical_signals_bollinger_signal_check CHECK ((bollinger_signal = ANY (ARRAY['bullish'::text, 'bearish'::text, 'neutral'::text]))),
  CONSTRAINT technical_signals_bullish_count_check CHECK (((bullish_count >= 0) AND (bullish_count <= 1000000000))),
  CONSTRAINT technical_signals_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
  CONSTRAINT technical_signals_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT technical_signals_indicators_check CHECK ((jsonb_typeof(indicators) = 'object'::text)),
  CONSTRAINT technical_signals_macd_histogram_check CHECK (((macd_histogram > '-Infinity'::numeric) AND (macd_histogram < 'Infinity'::numeric))),
  CONSTRAINT technical_signals_macd_signal_check CHECK ((macd_signal = ANY (ARRAY['bullish'::text, 'bearish'::text, 'neutral'::text]))),
  CONSTRAINT technical_signals_neutral_count_check CHECK (((neutral_count >= 0) AND (neutral_count <= 1000000000))),
  CONSTRAINT technical_signals_rsi_check CHECK (((rsi >= (0)::numeric) AND (rsi <= (100)::numeric))),
  CONSTRAINT technical_signals_rsi_signal_check CHECK ((rsi_signal = ANY (ARRAY['bullish'::text, 'bearish'::text, 'neutral'::text]))),
  CONSTRAINT technical_signals_signal_check CHECK ((signal = ANY (ARRAY['bullish'::text, 'bearish'::text, 'neutral'::text]))),
  CONSTRAINT technical_signals_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT technical_signals_timeframe_check CHECK ((btrim(timeframe) <> ''::text))
);

CREATE INDEX technical_signals_analysed_at_idx ON analysis.technical_signals USING btree (bot_id, analysed_at DESC, id DESC);
CREATE INDEX technical_signals_symbol_idx ON analysis.technical_signals USING btree (bot_id, symbol, analysed_at DESC, id DESC);
CREATE TRIGGER technical_signals_append_only BEFORE DELETE OR UPDATE ON analysis.technical_signals FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('analysis.technical_signals');
CREATE TRIGGER technical_signals_no_truncate BEFORE TRUNCATE ON analysis.technical_signals FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('analysis.technical_signals');

CREATE TABLE analytics.daily_pnl (
  bot_id text NOT NULL,
  day date NOT NULL,
  starts_at timestamp(3) with time zone NOT NULL,
  ends_at timestamp(3) with time zone NOT NULL,
  is_complete boolean NOT NULL,
  base_currency text NOT NULL,
  realised_gross numeric,
  fees numeric,
  funding numeric,
  interest numeric,
  adjustments numeric,
  net_pnl numeric,
  unrealised_change numeric,
  revaluation numeric,
  total_pnl numeric,
  external_flows numeric,
  flows_at_start numeric,
  balance_start numeric,
  balance_end numeric,
  balance_peak numeric,
  balance_trough numeric,
  unrealised_pnl numeric,
  equity_start numeric,
  equity_end numeric,
  unvalued jsonb NOT NULL,
  fill_count integer NOT NULL,
  volume numeric,
  trade_count integer NOT NULL,
  win_count integer NOT NULL,
  loss_count integer NOT NULL,
  draw_count integer NOT NULL,
  unvalued_trade_count integer NOT NULL,
  long_count integer NOT NULL,
  short_count integer NOT NULL,
  liquidation_count integer NOT NULL,
  win_rate double precision,
  gross_profit numeric NOT NULL,
  gross_loss numeric NOT NULL,
  average_win numeric,
  average_loss numeric,
  profit_factor double precision,
  best_trade numeric,
  worst_trade numeric,
  average_holding_ms double precision,
  shortest_holding_ms bigint,
  longest_holding_ms bigint,
  current_streak integer NOT NULL,
  longest_win_streak integer NOT NULL,
  longest_loss_streak integer NOT NULL,
  breaker_count integer NOT NULL,
  kill_switch_count integer NOT NULL,
  return_fraction double precision,
  growth double precision NOT NULL,
  drawdown_fraction double precision NOT NULL,
  max_drawdown_fraction double precision NOT NULL,
  drawdown_amount numeric NOT NULL,
  return_count integer NOT NULL,
  sharpe double precision,
  sortino double precision,
  calmar double precision,
  calculated_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT daily_pnl_pkey PRIMARY KEY (bot_id, day),
  CONSTRAINT daily_pnl_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT daily_pnl_ends_at_check CHECK ((ends_at > starts_at)),
  CONSTRAINT daily_pnl_gross_loss_check CHECK (((gross_loss <= (0)::numeric) AND (gross_profit >= (0)::numeric))),
  CONSTRAINT daily_pnl_trade_count_check CHECK ((trade_count = (((win_count + loss_count) + draw_count) + unvalued_trade_count))),
  CONSTRAINT daily_pnl_unvalued_check CHECK ((jsonb_typeof(unvalued) = 'array'::text))
);

CREATE TABLE analytics.portfolio_snapshots (
  id uuid NOT NULL,
  taken_at timestamp(3) with time zone NOT NULL,
  base_currency text NOT NULL,
  mode text NOT NULL,
  bot_count integer NOT NULL,
  equity numeric,
  unrealised_pnl numeric,
  long numeric NOT NULL,
  short numeric NOT NULL,
  gross numeric NOT NULL,
  net numeric NOT NULL,
  leverage double precision,
  concentration double precision,
  bots jsonb NOT NULL,
  symbols jsonb NOT NULL,
  unpriced jsonb NOT NULL,
  value_at_risk numeric,
  value_at_risk_fraction double precision,
  value_at_risk_method text NOT NULL,
  confidence double precision NOT NULL,
  horizon_days double precision NOT NULL,
  sample_size integer NOT NULL,
  small_sample boolean NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT portfolio_snapshots_pkey PRIMARY KEY (id),
  CONSTRAINT portfolio_snapshots_taken_at_key UNIQUE (mode, base_currency, taken_at),
  CONSTRAINT portfolio_snapshots_bot_count_check CHECK ((bot_count >= 0)),
  CONSTRAINT portfolio_snapshots_bots_check CHECK ((jsonb_typeof(bots) = 'array'::text)),
  CONSTRAINT portfolio_snapshots_equity_check CHECK (((equity > '-Infinity'::numeric) AND (equity < 'Infinity'::numeric))),
  CONSTRAINT portfolio_snapshots_leverage_check CHECK (((leverage > '-Infinity'::double precision) AND (leverage < 'Infinity'::double precision))),
  CONSTRAINT portfolio_snapshots_long_check CHECK (((long >= (0)::numeric) AND (long < 'Infinity'::numeric))),
  CONSTRAINT portfolio_snapshots_mode_check CHECK ((mode = ANY (ARRAY['live'::text, 'paper'::text, 'backtest'::text]))),
  CONSTRAINT portfolio_snapshots_short_check CHECK (((short >= (0)::numeric) AND (short < 'Infinity'::numeric))),
  CONSTRAINT portfolio_snapshots_symbols_check CHECK ((jsonb_typeof(symbols) = 'array'::text)),
  CONSTRAINT portfolio_snapshots_unpriced_check CHECK ((jsonb_typeof(unpriced) = 'array'::text)),
  CONSTRAINT portfolio_snapshots_value_at_risk_method_check CHECK ((value_at_risk_method = ANY (ARRAY['historical'::text, 'parametric'::text, 'expected_shortfall'::text])))
);

CREATE TABLE analytics.refreshes (
  view_name text NOT NULL,
  refreshed_at timestamp(3) with time zone NOT NULL,
  duration_ms bigint NOT NULL,
  row_count bigint NOT NULL,
  CONSTRAINT refreshes_pkey PRIMARY KEY (view_name),
  CONSTRAINT refreshes_view_name_check CHECK ((view_name = ANY (ARRAY['bot_performance'::text, 'daily_portfolio'::text])))
);

CREATE TABLE arbitrage.dex_prices (
  pair text NOT NULL,
  chain text NOT NULL,
  dex text NOT NULL,
  observed_at timestamp(3) with time zone NOT NULL,
  price numeric NOT NULL,
  volume numeric,
  liquidity numeric,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT dex_prices_pair_chain_dex_observed_at_pkey PRIMARY KEY (pair, chain, dex, observed_at),
  CONSTRAINT dex_prices_chain_check CHECK (((btrim(chain) <> ''::text) AND (char_length(chain) <= 200))),
  CONSTRAINT dex_prices_dex_check CHECK (((btrim(dex) <> ''::text) AND (char_length(dex) <= 200))),
  CONSTRAINT dex_prices_liquidity_check CHECK (((liquidity >= (0)::numeric) AND (liquidity < 'Infinity'::numeric))),
  CONSTRAINT dex_prices_pair_check CHECK (((btrim(pair) <> ''::text) AND (char_length(pair) <= 200))),
  CONSTRAINT dex_prices_price_check CHECK (((price > (0)::numeric) AND (price < 'Infinity'::numeric))),
  CONSTRAINT dex_prices_volume_check CHECK (((volume >= (0)::numeric) AND (volume < 'Infinity'::numeric)))
);

CREATE TRIGGER dex_prices_updated_at BEFORE UPDATE ON arbitrage.dex_prices FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE arbitrage.executions (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  opportunity_id uuid NOT NULL,
  status text DEFAULT 'pending'::text NOT NULL,
  legs jsonb DEFAULT '[]'::jsonb NOT NULL,
  transaction_hashes text[] DEFAULT '{}'::text[] NOT NULL,
  gas_used numeric,
  profit numeric,
  error text,
  started_at timestamp(3) with time zone NOT NULL,
  finished_at timestamp(3) with time zone,
  CONSTRAINT executions_bot_id_id_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT executions_opportunity_id_fkey FOREIGN KEY (bot_id, opportunity_id) REFERENCES arbitrage.opportunities(bot_id, id),
  CONSTRAINT executions_error_check CHECK ((btrim(error) <> ''::text)),
  CONSTRAINT executions_finished_at_check CHECK ((finished_at >= started_at)),
  CONSTRAINT executions_finished_at_status_check CHECK (((finished_at IS NULL) = (status = 'pending'::text))),
  CONSTRAINT executions_gas_used_check CHECK (((gas_used >= (0)::numeric) AND (gas_used < 'Infinity'::numeric))),
  CONSTRAINT executions_legs_check CHECK ((jsonb_typeof(legs) = 'array'::text)),
  CONSTRAINT executions_profit_check CHECK (((profit > '-Infinity'::numeric) AND (profit < 'Infinity'::numeric))),
  CONSTRAINT executions_profit_status_check CHECK (
CASE status
    WHEN 'pending'::text THEN (profit IS NULL)
    WHEN 'failed'::text THEN true
    ELSE (profit IS NOT NULL)
END),
  CONSTRAINT executions_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'success'::text, 'failed'::text, 'partial'::text]))),
  CONSTRAINT executions_transaction_hashes_check CHECK (((array_position(transaction_hashes, NULL::text) IS NULL) AND (array_to_string(transaction_hashes, ''::text) ~ '^[A-Za-z0-9_:./+=-]*$'::text)))
);

CREATE INDEX executions_started_at_idx ON arbitrage.executions USING btree (bot_id, started_at DESC, id DESC);
CREATE UNIQUE INDEX executions_bot_id_opportunity_id_key ON arbitrage.executions USING btree (bot_id, opportunity_id);
CREATE TRIGGER executions_finished AFTER UPDATE OF status ON arbitrage.executions FOR EACH ROW WHEN ((new.status IS DISTINCT FROM old.status)) EXECUTE FUNCTION arbitrage.mark_opportunity();
CREATE TRIGGER executions_guard BEFORE INSERT OR UPDATE ON arbitrage.executions FOR EACH ROW EXECUTE FUNCTION arbitrage.guard_execution();
CREATE TRIGGER executions_no_delete BEFORE DELETE ON arbitrage.executions FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('arbitrage.executions');
CREATE TRIGGER executions_no_truncate BEFORE TRUNCATE ON arbitrage.executions FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('arbitrage.executions');
CREATE TRIGGER executions_started AFTER INSERT ON arbitrage.executions FOR EACH ROW EXECUTE FUNCTION arbitrage.mark_opportunity();

CREATE TABLE arbitrage.flash_loans (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  protocol text NOT NULL,
  chain text NOT NULL,
  token text NOT NULL,
  amount numeric NOT NULL,
  fee_fraction numeric NOT NULL,
  fee numeric GENERATED ALWAYS AS ((amount * fee_fraction)) STORED NOT NULL,
  path jsonb NOT NULL,
  gas_estimate numeric,
  estimated_profit numeric NOT NULL,
  capital_required numeric NOT NULL,
  probability double precision,
  details jsonb DEFAULT '{}'::jsonb NOT NULL,
  detected_at timestamp(3) with time zone NOT NULL,
  expires_at timestamp(3) with time zone,
  CONSTRAINT flash_loans_bot_id_id_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT flash_loans_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT flash_loans_amount_check CHECK (((amount > (0)::numeric) AND (amount < 'Infinity'::numeric))),
  CONSTRAINT flash_loans_capital_required_check CHECK (((capital_required >= (0)::numeric) AND (capital_required < 'Infinity'::numeric))),
  CONSTRAINT flash_loans_chain_check CHECK (((btrim(chain) <> ''::text) AND (char_length(chain) <= 200))),
  CONSTRAINT flash_loans_details_check CHECK ((jsonb_typeof(details) = 'object'::text)),
  CONSTRAINT flash_loans_estimated_profit_check CHECK (((estimated_profit > '-Infinity'::numeric) AND (estimated_profit < 'Infinity'::numeric))),
  CONSTRAINT flash_loans_expires_at_check CHECK ((expires_at > detected_at)),
  CONSTRAINT flash_loans_fee_fraction_check CHECK (((fee_fraction >= (0)::numeric) AND (fee_fraction <= (1)::numeric))),
  CONSTRAINT flash_loans_gas_estimate_check CHECK (((gas_estimate >= (0)::numeric) AND (gas_estimate < 'Infinity'::numeric))),
  CONSTRAINT flash_loans_path_check CHECK ((jsonb_typeof(path) = 'array'::text)),
  CONSTRAINT flash_loans_probability_check CHECK (((probability >= (0)::double precision) AND (probability <= (1)::double precision))),
  CONSTRAINT flash_loans_protocol_check CHECK (((btrim(protocol) <> ''::text) AND (char_length(protocol) <= 200))),
  CONSTRAINT flash_loans_token_check CHECK (((btrim(token) <> ''::text) AND (char_length(token) <= 200)))
);

CREATE INDEX flash_loans_detected_at_idx ON arbitrage.flash_loans USING btree (bot_id, detected_at DESC, id DESC);
CREATE TRIGGER flash_loans_append_only BEFORE DELETE OR UPDATE ON arbitrage.flash_loans FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('arbitrage.flash_loans');
CREATE TRIGGER flash_loans_no_truncate BEFORE TRUNCATE ON arbitrage.flash_loans FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('arbitrage.flash_loans');

CREATE TABLE arbitrage.gas_prices (
  chain text NOT NULL,
  observed_at timestamp(3) with time zone NOT NULL,
  slow_gwei numeric,
  standard_gwei numeric NOT NULL,
  fast_gwei numeric,
  instant_gwei numeric,
  base_fee_gwei numeric,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT gas_prices_chain_observed_at_pkey PRIMARY KEY (chain, observed_at),
  CONSTRAINT gas_prices_base_fee_gwei_check CHECK (((base_fee_gwei >= (0)::numeric) AND (base_fee_gwei < 'Infinity'::numeric))),
  CONSTRAINT gas_prices_chain_check CHECK (((btrim(chain) <> ''::text) AND (char_length(chain) <= 200))),
  CONSTRAINT gas_prices_fast_gwei_check CHECK (((fast_gwei >= (0)::numeric) AND (fast_gwei < 'Infinity'::numeric))),
  CONSTRAINT gas_prices_instant_gwei_check CHECK (((instant_gwei >= (0)::numeric) AND (instant_gwei < 'Infinity'::numeric))),
  CONSTRAINT gas_prices_slow_gwei_check CHECK (((slow_gwei >= (0)::numeric) AND (slow_gwei < 'Infinity'::numeric))),
  CONSTRAINT gas_prices_standard_gwei_check CHECK (((standard_gwei >= (0)::numeric) AND (standard_gwei < 'Infinity'::numeric)))
);

CREATE TRIGGER gas_prices_updated_at BEFORE UPDATE ON arbitrage.gas_prices FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE arbitrage.opportunities (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL,
  pair text NOT NULL,
  buy_exchange text NOT NULL,
  buy_chain text,
  sell_exchange text NOT NULL,
  sell_chain text,
  buy_price numeric NOT NULL,
  sell_price numeric NOT NULL,
  quantity numeric NOT NULL,
  currency text NOT NULL,
  fees numeric DEFAULT 0 NOT NULL,
  gas_cost numeric DEFAULT 0 NOT NULL,
  gross_profit numeric GENERATED ALWAYS AS (((sell_price - buy_price) * quantity)) STORED NOT NULL,
  net_profit numeric GENERATED ALWAYS AS (((((sell_price - buy_price) * quantity) - fees) - gas_cost)) STORED NOT NULL,
  profit_fraction numeric GENERATED ALWAYS AS (round((((sell_price - buy_price) * 1.000000000000000000000000000000000000000000000000000000000000) / NULLIF(buy_price, (0)::numeric)), 40)) STORED NOT NULL,
  legs jsonb DEFAULT '[]'::jsonb NOT NULL,
  details jsonb DEFAULT '{}'::jsonb NOT NULL,
  status text DEFAULT 'open'::text NOT NULL,
  execution_id uuid,
  detected_at timestamp(3) with time zone NOT NULL,
  expires_at timestamp(3) with time zone,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT opportunities_bot_id_id_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT opportunities_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT opportunities_execution_id_fkey FOREIGN KEY (bot_id, execution_id) REFERENCES arbitrage.executions(bot_id, id),
  CONSTRAINT opportunities_buy_chain_check CHECK (((btrim(buy_chain) <> ''::text) AND (char_length(buy_chain) <= 200))),
  CONSTRAINT opportunities_buy_exchange_check CHECK (((btrim(buy_exchange) <> ''::text) AND (char_length(buy_exchange) <= 200))),
  CONSTRAINT opportunities_buy_price_check CHECK (((buy_price > (0)::numeric) AND (buy_price < 'Infinity'::numeric))),
  CONSTRAINT opportunities_currency_check CHECK (((btrim(currency) <> ''::text) AND (char_length(currency) <= 200))),
  CONSTRAINT opportunities_details_check CHECK ((jsonb_typeof(details) = 'object'::text)),
  CONSTRAINT opportunities_execution_id_status_check CHECK (((execution_id IS NOT NULL) = (status = ANY (ARRAY['executing'::text, 'executed'::text, 'failed'::text])))),
  CONSTRAINT opportunities_expires_at_check CHECK ((expires_at > detected_at)),
  CONSTRAINT opportunities_expires_at_status_check CHECK (((expires_at IS NOT NULL) OR (status <> 'expired'::text))),
  CONSTRAINT opportunities_fees_check CHECK (((fees > '-Infinity'::numeric) AND (fees < 'Infinity'::numeric))),
  CONSTRAINT opportunities_gas_cost_check CHECK (((gas_cost >= (0)::numeric) AND (gas_cost < 'Infinity'::numeric))),
  CONSTRAINT opportunities_kind_buy_chain_sell_chain_check CHECK (
CASE kind
    WHEN 'cex_dex'::text THEN ((buy_chain IS NULL) <> (sell_chain IS NULL))
    WHEN 'intra_chain'::text THEN COALESCE((buy_chain = sell_chain), false)
    WHEN 'cross_chain'::text THEN COALESCE((buy_chain <> sell_chain), false)
    ELSE (NOT (buy_chain IS DISTINCT FROM sell_chain))
END),
  CONSTRAINT opportunities_kind_check CHECK ((kind = ANY (ARRAY['cex_dex'::text, 'intra_chain'::text, 'cross_chain'::text, 'triangular'::text]))),
  CONSTRAINT opportunities_legs_check CHECK ((jsonb_typeof(legs) = 'array'::text)),
  CONSTRAINT opportunities_pair_check CHECK (((btrim(pair) <> ''::text) AND (char_length(pair) <= 200))),
  CONSTRAINT opportunities_quantity_check CHECK (((quantity > (0)::numeric) AND (quantity < 'Infinity'::numeric))),
  CONSTRAINT opportunities_sell_chain_check CHECK (((btrim(sell_chain) <> ''::text) AND (char_length(sell_chain) <= 200))),
  CONSTRAINT opportunities_sell_exchange_check CHECK (((btrim(sell_exchange) <> ''::text) AND (char_length(sell_exchange) <= 200))),
  CONSTRAINT opportunities_sell_price_check CHECK (((sell_price > (0)::numeric) AND (sell_price < 'Infinity'::numeric))),
  CONSTRAINT opportunities_status_check CHECK ((status = ANY (ARRAY['open'::text, 'executing'::text, 'executed'::text, 'failed'::text, 'expired'::text])))
);

CREATE INDEX opportunities_detected_at_idx ON arbitrage.opportunities USING btree (bot_id, detected_at DESC, id DESC);
CREATE INDEX opportunities_expires_at_idx ON arbitrage.opportunities USING btree (bot_id, expires_at) WHERE (status = 'open'::text);
CREATE INDEX opportunities_net_profit_idx ON arbitrage.opportunities USING btree (bot_id, currency, net_profit DESC, id DESC) WHERE (status = 'open'::text);
CREATE TRIGGER opportunities_guard BEFORE INSERT OR UPDATE ON arbitrage.opportunities FOR EACH ROW EXECUTE FUNCTION arbitrage.guard_opportunity();
CREATE TRIGGER opportunities_no_delete BEFORE DELETE ON arbitrage.opportunities FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('arbitrage.opportunities');
CREATE TRIGGER opportunities_no_truncate BEFORE TRUNCATE ON arbitrage.opportunities FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('arbitrage.opportunities');
CREATE TRIGGER opportunities_updated_at BEFORE UPDATE ON arbitrage.opportunities FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE arbitrage.triangles (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  exchange text NOT NULL,
  chain text,
  route jsonb NOT NULL,
  profit_fraction numeric NOT NULL,
  executed boolean DEFAULT false NOT NULL,
  details jsonb DEFAULT '{}'::jsonb NOT NULL,
  detected_at timestamp(3) with time zone NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT triangles_bot_id_id_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT triangles_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT triangles_chain_check CHECK (((btrim(chain) <> ''::text) AND (char_length(chain) <= 200))),
  CONSTRAINT triangles_details_check CHECK ((jsonb_typeof(details) = 'object'::text)),
  CONSTRAINT triangles_exchange_check CHECK (((btrim(exchange) <> ''::text) AND (char_length(exchange) <= 200))),
  CONSTRAINT triangles_profit_fraction_check CHECK (((profit_fraction >= ('-1'::integer)::numeric) AND (profit_fraction < 'Infinity'::numeric))),
  CONSTRAINT triangles_route_check CHECK (
CASE
    WHEN (jsonb_typeof(route) = 'array'::text) THEN (jsonb_array_length(route) >= 3)
    ELSE false
END)
);

CREATE INDEX triangles_detected_at_idx ON arbitrage.triangles USING btree (bot_id, detected_at DESC, id DESC);
CREATE TRIGGER triangles_executed BEFORE UPDATE ON arbitrage.triangles FOR EACH ROW EXECUTE FUNCTION arbitrage.guard_triangle();
CREATE TRIGGER triangles_guard BEFORE UPDATE ON arbitrage.triangles FOR EACH ROW EXECUTE FUNCTION risk.guard_facts('arbitrage.triangles', 'executed', 'updated_at');
CREATE TRIGGER triangles_no_delete BEFORE DELETE ON arbitrage.triangles FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('arbitrage.triangles');
CREATE TRIGGER triangles_no_truncate BEFORE TRUNCATE ON arbitrage.triangles FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('arbitrage.triangles');
CREATE TRIGGER triangles_updated_at BEFORE UPDATE ON arbitrage.triangles FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE audit.chains (
  bot_id text NOT NULL,
  chain text NOT NULL,
  length bigint NOT NULL,
  previous_hash bytea NOT NULL,
  hash bytea NOT NULL,
  CONSTRAINT chains_pkey PRIMARY KEY (bot_id, chain)
);

CREATE TRIGGER chains_guard BEFORE UPDATE ON audit.chains FOR EACH ROW WHEN (((((new.bot_id IS DISTINCT FROM old.bot_id) OR (new.chain IS DISTINCT FROM old.chain)) OR (new.length IS DISTINCT FROM (old.length + 1))) OR (new.previous_hash IS DISTINCT FROM old.hash))) EXECUTE FUNCTION audit.refuse_chain();
CREATE TRIGGER chains_no_delete BEFORE DELETE ON audit.chains FOR EACH ROW EXECUTE FUNCTION audit.refuse_chain();
CREATE TRIGGER chains_no_truncate BEFORE TRUNCATE ON audit.chains FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('audit.chains');

CREATE TABLE audit.decision_history (
  bot_id text NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  event_id uuid,
  action text NOT NULL,
  actor text NOT NULL,
  symbol text,
  rationale text NOT NULL,
  confidence double precision,
  risk_check_result text,
  strategy_id uuid,
  trade_idea_id uuid,
  snapshot_id uuid,
  decision_id uuid,
  order_id uuid,
  human_override boolean DEFAULT false NOT NULL,
  details jsonb DEFAULT '{}'::jsonb NOT NULL,
  occurred_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  sequence bigint DEFAULT 0 NOT NULL,
  previous_hash bytea DEFAULT '\x'::bytea NOT NULL,
  hash bytea DEFAULT '\x'::bytea NOT NULL,
  CONSTRAINT decision_history_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT decision_history_sequence_key UNIQUE (bot_id, sequence),
  CONSTRAINT decision_history_action_check CHECK ((action = ANY (ARRAY['ai_proposed'::text, 'ai_auto_executed'::text, 'human_approved'::text, 'human_rejected'::text, 'risk_rejected'::text, 'ai_halted'::text, 'ai_resumed'::text, 'admin_note'::text]))),
  CONSTRAINT decision_history_actor_check CHECK ((btrim(actor) <> ''::text)),
  CONSTRAINT decision_history_bot_id_check CHECK ((btrim(bot_id) <> ''::text)),
  CONSTRAINT decision_history_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
  CONSTRAINT decision_history_details_check CHECK ((jsonb_typeof(details) = 'object'::text)),
  CONSTRAINT decision_history_rationale_check CHECK ((btrim(rationale) <> ''::text)),
  CONSTRAINT decision_history_risk_check_result_check CHECK ((risk_check_result ~ '^(pass|fail:.+)$'::text))
);

CREATE INDEX decision_history_decision_id_idx ON audit.decision_history USING btree (bot_id, decision_id) WHERE (decision_id IS NOT NULL);
CREATE INDEX decision_history_occurred_at_idx ON audit.decision_history USING btree (bot_id, occurred_at DESC, id DESC);
CREATE INDEX decision_history_trade_idea_id_idx ON audit.decision_history USING btree (bot_id, trade_idea_id) WHERE (trade_idea_id IS NOT NULL);
CREATE UNIQUE INDEX decision_history_event_id_key ON audit.decision_history USING btree (bot_id, event_id) WHERE (event_id IS NOT NULL);
CREATE TRIGGER decision_history_append_only BEFORE DELETE OR UPDATE ON audit.decision_history FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('audit.decision_history');
CREATE TRIGGER decision_history_chain BEFORE INSERT ON audit.decision_history FOR EACH ROW EXECUTE FUNCTION audit.chain_row('decision_history');
CREATE TRIGGER decision_history_no_truncate BEFORE TRUNCATE ON audit.decision_history FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('audit.decision_history');

CREATE TABLE audit.risk_events (
  bot_id text NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  kind text NOT NULL,
  actor text NOT NULL,
  reason text,
  subject_id uuid,
  details jsonb NOT NULL,
  occurred_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  event_id uuid,
  actual numeric,
  threshold numeric,
  action_taken text,
  resolves_id bigint,
  sequence bigint DEFAULT 0 NOT NULL,
  previous_hash bytea DEFAULT '\x'::bytea NOT NULL,
  hash bytea DEFAULT '\x'::bytea NOT NULL,
  CONSTRAINT risk_events_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT risk_events_sequence_key UNIQUE (bot_id, kind, sequence),
  CONSTRAINT risk_events_actor_check CHECK ((btrim(actor) <> ''::text)),
  CONSTRAINT risk_events_actual_check CHECK (((actual > '-Infinity'::numeric) AND (actual < 'Infinity'::numeric))),
  CONSTRAINT risk_events_bot_id_check CHECK ((btrim(bot_id) <> ''::text)),
  CONSTRAINT risk_events_details_check CHECK ((jsonb_typeof(details) = 'object'::text)),
  CONSTRAINT risk_events_kind_check CHECK ((kind = ANY (ARRAY['settings_changed'::text, 'kill_switch_changed'::text, 'circuit_breaker_changed'::text, 'lock_changed'::text, 'stop_order_changed'::text, 'alert_changed'::text, 'bot_status_changed'::text, 'order_denied'::text, 'daily_loss_limit'::text, 'weekly_loss_limit'::text, 'max_drawdown'::text, 'position_limit'::text, 'leverage_limit'::text, 'exposure_limit'::text, 'concentration_limit'::text, 'resolved'::text]))),
  CONSTRAINT risk_events_resolves_id_kind_check CHECK (((kind = 'resolved'::text) = (resolves_id IS NOT NULL))),
  CONSTRAINT risk_events_threshold_check CHECK (((threshold > '-Infinity'::numeric) AND (threshold < 'Infinity'::numeric)))
);

CREATE INDEX risk_events_breach_idx ON audit.risk_events USING btree (bot_id, occurred_at DESC, id DESC) WHERE (kind = ANY (ARRAY['daily_loss_limit'::text, 'weekly_loss_limit'::text, 'max_drawdown'::text, 'position_limit'::text, 'leverage_limit'::text, 'exposure_limit'::text, 'concentration_limit'::text]));
CREATE INDEX risk_events_occurred_at_idx ON audit.risk_events USING btree (bot_id, occurred_at DESC, id DESC);
CREATE UNIQUE INDEX risk_events_event_id_key ON audit.risk_events USING btree (bot_id, event_id) WHERE (event_id IS NOT NULL);
CREATE UNIQUE INDEX risk_events_resolves_id_key ON audit.risk_events USING btree (bot_id, resolves_id) WHERE (resolves_id IS NOT NULL);
CREATE TRIGGER risk_events_append_only BEFORE DELETE OR UPDATE ON audit.risk_events FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('audit.risk_events');
CREATE TRIGGER risk_events_chain BEFORE INSERT ON audit.risk_events FOR EACH ROW EXECUTE FUNCTION audit.chain_row('risk_events', 'by kind');
CREATE TRIGGER risk_events_no_truncate BEFORE TRUNCATE ON audit.risk_events FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('audit.risk_events');

CREATE TABLE audit.system_events (
  bot_id text NOT NULL,
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  event_id uuid,
  kind text NOT NULL,
  severity text NOT NULL,
  actor text,
  component text,
  message text NOT NULL,
  details jsonb DEFAULT '{}'::jsonb NOT NULL,
  exchange text,
  symbol text,
  order_id uuid,
  trade_id text,
  position_id uuid,
  error_code text,
  stack_trace text,
  occurred_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  sequence bigint DEFAULT 0 NOT NULL,
  previous_hash bytea DEFAULT '\x'::bytea NOT NULL,
  hash bytea DEFAULT '\x'::bytea NOT NULL,
  CONSTRAINT system_events_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT system_events_sequence_key UNIQUE (bot_id, sequence),
  CONSTRAINT system_events_actor_check CHECK ((btrim(actor) <> ''::text)),
  CONSTRAINT system_events_bot_id_check CHECK ((btrim(bot_id) <> ''::text)),
  CONSTRAINT system_events_details_check CHECK ((jsonb_typeof(details) = 'object'::text)),
  CONSTRAINT system_events_kind_check CHECK ((btrim(kind) <> ''::text)),
  CONSTRAINT system_events_message_check CHECK ((btrim(message) <> ''::text)),
  CONSTRAINT system_events_severity_check CHECK ((severity = ANY (ARRAY['debug'::text, 'info'::text, 'warning'::text, 'error'::text, 'critical'::text])))
);

CREATE INDEX system_events_occurred_at_idx ON audit.system_events USING btree (bot_id, occurred_at DESC, id DESC);
CREATE INDEX system_events_severe_idx ON audit.system_events USING btree (bot_id, occurred_at DESC, id DESC) WHERE (severity = ANY (ARRAY['warning'::text, 'error'::text, 'critical'::text]));
CREATE UNIQUE INDEX system_events_event_id_key ON audit.system_events USING btree (bot_id, event_id) WHERE (event_id IS NOT NULL);
CREATE TRIGGER system_events_append_only BEFORE DELETE OR UPDATE ON audit.system_events FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('audit.system_events');
CREATE TRIGGER system_events_chain BEFORE INSERT ON audit.system_events FOR EACH ROW EXECUTE FUNCTION audit.chain_row('system_events');
CREATE TRIGGER system_events_no_truncate BEFORE TRUNCATE ON audit.system_events FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('audit.system_events');

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

CREATE TRIGGER bots_open_gate AFTER INSERT ON fleet.bots FOR EACH ROW EXECUTE FUNCTION risk.open_gate();
CREATE TRIGGER bots_status_changed AFTER UPDATE OF status ON fleet.bots FOR EACH ROW WHEN ((new.status IS DISTINCT FROM old.status)) EXECUTE FUNCTION risk.log_bot_status();
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

CREATE TABLE ideas.auto_trading (
  bot_id text NOT NULL,
  enabled boolean NOT NULL,
  reason text NOT NULL,
  changed_by text NOT NULL,
  changed_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  CONSTRAINT auto_trading_pkey PRIMARY KEY (bot_id),
  CONSTRAINT auto_trading_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT auto_trading_changed_by_check CHECK ((btrim(changed_by) <> ''::text)),
  CONSTRAINT auto_trading_reason_check CHECK ((btrim(reason) <> ''::text))
);

CREATE TRIGGER auto_trading_flipped AFTER UPDATE ON ideas.auto_trading FOR EACH ROW WHEN ((new.enabled IS DISTINCT FROM old.enabled)) EXECUTE FUNCTION ideas.log_flip();
CREATE TRIGGER auto_trading_guard BEFORE INSERT OR UPDATE ON ideas.auto_trading FOR EACH ROW EXECUTE FUNCTION ideas.guard_auto_trading();
CREATE TRIGGER auto_trading_no_delete BEFORE DELETE ON ideas.auto_trading FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('ideas.auto_trading');
CREATE TRIGGER auto_trading_no_truncate BEFORE TRUNCATE ON ideas.auto_trading FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('ideas.auto_trading');
CREATE TRIGGER auto_trading_set AFTER INSERT ON ideas.auto_trading FOR EACH ROW WHEN (new.enabled) EXECUTE FUNCTION ideas.log_flip();

CREATE TABLE ideas.trade_ideas (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  strategy_id uuid,
  snapshot_id uuid NOT NULL,
  decision_id uuid,
  order_id uuid,
  decided_by uuid,
  exchange text NOT NULL,
  symbol text NOT NULL,
  direction text NOT NULL,
  position_side text DEFAULT 'net'::text NOT NULL,
  order_type text NOT NULL,
  quantity numeric NOT NULL,
  entry_price numeric,
  entry_low numeric,
  entry_high numeric,
  stop_loss numeric NOT NULL,
  targets numeric[] NOT NULL,
  expected_hold text,
  rationale text NOT NULL,
  confidence double precision NOT NULL,
  status text DEFAULT 'waiting'::text NOT NULL,
  status_reason text,
  checks jsonb DEFAULT '[]'::jsonb NOT NULL,
  expires_at timestamp(3) with time zone,
  decided_at timestamp(3) with time zone,
  created_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT trade_ideas_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT trade_ideas_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT trade_ideas_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES access.users(id),
  CONSTRAINT trade_ideas_decision_id_fkey FOREIGN KEY (bot_id, decision_id) REFERENCES analysis.decisions(bot_id, id),
  CONSTRAINT trade_ideas_order_id_fkey FOREIGN KEY (bot_id, order_id) REFERENCES trading.orders(bot_id, id),
  CONSTRAINT trade_ideas_snapshot_id_fkey FOREIGN KEY (bot_id, snapshot_id) REFERENCES snapshots.bundles(bot_id, id),
  CONSTRAINT trade_ideas_strategy_id_fkey FOREIGN KEY (strategy_id) REFERENCES strategy.strategies(id),
  CONSTRAINT trade_ideas_checks_check CHECK ((jsonb_typeof(checks) = 'array'::text)),
  CONSTRAINT trade_ideas_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
  CONSTRAINT trade_ideas_decided_at_status_check CHECK (((decided_at IS NOT NULL) = (status = ANY (ARRAY['auto_executed'::text, 'rejected'::text, 'halted_by_risk'::text])))),
  CONSTRAINT trade_ideas_decided_by_status_check CHECK (((decided_by IS NULL) OR (status = ANY (ARRAY['auto_executed'::text, 'rejected'::text])))),
  CONSTRAINT trade_ideas_direction_check CHECK ((direction = ANY (ARRAY['long'::text, 'short'::text]))),
  CONSTRAINT trade_ideas_entry_high_check CHECK (((entry_high > '-Infinity'::numeric) AND (entry_high < 'Infinity'::numeric))),
  CONSTRAINT trade_ideas_entry_low_check CHECK (((entry_low > '-Infinity'::numeric) AND (entry_low < 'Infinity'::numeric))),
  CONSTRAINT trade_ideas_entry_low_entry_high_check CHECK ((((entry_low IS NULL) = (entry_high IS NULL)) AND ((entry_low IS NULL) OR (entry_low <= entry_high)) AND ((entry_low IS NULL) OR (entry_price IS NULL) OR ((entry_price >= entry_low) AND (entry_price <= entry_high))))),
  CONSTRAINT trade_ideas_entry_price_check CHECK (((entry_price > '-Infinity'::numeric) AND (entry_price < 'Infinity'::numeric))),
  CONSTRAINT trade_ideas_entry_price_order_type_check CHECK (((order_type = 'market'::text) OR (entry_price IS NOT NULL) OR (entry_low IS NOT NULL))),
  CONSTRAINT trade_ideas_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT trade_ideas_expected_hold_check CHECK ((btrim(expected_hold) <> ''::text)),
  CONSTRAINT trade_ideas_order_id_status_check CHECK (((order_id IS NOT NULL) = (status = 'auto_executed'::text))),
  CONSTRAINT trade_ideas_order_type_check CHECK ((order_type = ANY (ARRAY['market'::text, 'limit'::text]))),
  CONSTRAINT trade_ideas_position_side_direction_check CHECK (((position_side = 'net'::text) OR (position_side = direction))),
  CONSTRAINT trade_ideas_quantity_check CHECK (((quantity > (0)::numeric) AND (quantity < 'Infinity'::numeric))),
  CONSTRAINT trade_ideas_rationale_check CHECK ((btrim(rationale) <> ''::text)),
  CONSTRAINT trade_ideas_status_check CHECK ((status = ANY (ARRAY['waiting'::text, 'needs_approval'::text, 'auto_executed'::text, 'rejected'::text, 'halted_by_risk'::text]))),
  CONSTRAINT trade_ideas_status_reason_status_check CHECK (((status = 'waiting'::text) OR ((btrim(status_reason) <> ''::text) IS TRUE))),
  CONSTRAINT trade_ideas_stop_loss_check CHECK (((stop_loss > '-Infinity'::numeric) AND (stop_loss < 'Infinity'::numeric))),
  CONSTRAINT trade_ideas_stop_loss_direction_check CHECK (
CASE direction
    WHEN 'long'::text THEN (stop_loss < COALESCE(entry_low, entry_price, targets[1]))
    ELSE (stop_loss > COALESCE(entry_high, entry_price, targets[1]))
END),
  CONSTRAINT trade_ideas_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT trade_ideas_targets_check CHECK (((cardinality(targets) > 0) AND (array_position(targets, NULL::numeric) IS NULL) AND ('-Infinity'::numeric < ALL (targets)) AND ('Infinity'::numeric > ALL (targets)))),
  CONSTRAINT trade_ideas_targets_direction_check CHECK (
CASE direction
    WHEN 'long'::text THEN (COALESCE(entry_high, entry_price, stop_loss) < ALL (targets))
    ELSE (COALESCE(entry_low, entry_price, stop_loss) > ALL (targets))
END)
);

CREATE INDEX trade_ideas_created_at_idx ON ideas.trade_ideas USING btree (bot_id, created_at DESC, id DESC);
CREATE INDEX trade_ideas_decision_id_idx ON ideas.trade_ideas USING btree (bot_id, decision_id) WHERE (decision_id IS NOT NULL);
CREATE INDEX trade_ideas_status_idx ON ideas.trade_ideas USING btree (bot_id, status, created_at DESC, id DESC);
CREATE UNIQUE INDEX trade_ideas_order_id_key ON ideas.trade_ideas USING btree (bot_id, order_id) WHERE (order_id IS NOT NULL);
CREATE TRIGGER trade_ideas_facts BEFORE UPDATE ON ideas.trade_ideas FOR EACH ROW EXECUTE FUNCTION risk.guard_facts('ideas.trade_ideas', 'status', 'status_reason', 'checks', 'order_id', 'decided_by', 'decided_at', 'updated_at');
CREATE TRIGGER trade_ideas_guard BEFORE INSERT OR UPDATE ON ideas.trade_ideas FOR EACH ROW EXECUTE FUNCTION ideas.guard_idea();
CREATE TRIGGER trade_ideas_logged AFTER UPDATE OF status ON ideas.trade_ideas FOR EACH ROW WHEN ((new.status IS DISTINCT FROM old.status)) EXECUTE FUNCTION ideas.log_step();
CREATE TRIGGER trade_ideas_no_delete BEFORE DELETE ON ideas.trade_ideas FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('ideas.trade_ideas');
CREATE TRIGGER trade_ideas_no_truncate BEFORE TRUNCATE ON ideas.trade_ideas FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('ideas.trade_ideas');

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

CREATE TABLE risk.alerts (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL,
  severity text NOT NULL,
  status text DEFAULT 'open'::text NOT NULL,
  symbol text,
  title text NOT NULL,
  message text NOT NULL,
  recommendation text,
  threshold numeric,
  actual numeric,
  context jsonb DEFAULT '{}'::jsonb NOT NULL,
  dedupe_key text,
  raised_by text NOT NULL,
  raised_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  acknowledged_by text,
  acknowledged_at timestamp(3) with time zone,
  resolved_by text,
  resolved_at timestamp(3) with time zone,
  resolution_reason text,
  CONSTRAINT alerts_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT alerts_actual_check CHECK (((actual > '-Infinity'::numeric) AND (actual < 'Infinity'::numeric))),
  CONSTRAINT alerts_bot_id_check CHECK ((btrim(bot_id) <> ''::text)),
  CONSTRAINT alerts_context_check CHECK ((jsonb_typeof(context) = 'object'::text)),
  CONSTRAINT alerts_kind_check CHECK ((kind = ANY (ARRAY['exposure_limit'::text, 'correlation_breach'::text, 'value_at_risk_exceeded'::text, 'drawdown_warning'::text, 'concentration_risk'::text, 'liquidity_risk'::text, 'volatility_spike'::text, 'circuit_breaker'::text, 'kill_switch'::text, 'stale_data'::text, 'other'::text]))),
  CONSTRAINT alerts_message_check CHECK ((btrim(message) <> ''::text)),
  CONSTRAINT alerts_raised_by_check CHECK ((btrim(raised_by) <> ''::text)),
  CONSTRAINT alerts_resolved_at_check CHECK (((status = 'resolved'::text) = ((resolved_at IS NOT NULL) AND (resolved_by IS NOT NULL)))),
  CONSTRAINT alerts_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text, 'emergency'::text]))),
  CONSTRAINT alerts_status_check CHECK ((status = ANY (ARRAY['open'::text, 'acknowledged'::text, 'resolved'::text]))),
  CONSTRAINT alerts_threshold_check CHECK (((threshold > '-Infinity'::numeric) AND (threshold < 'Infinity'::numeric))),
  CONSTRAINT alerts_title_check CHECK ((btrim(title) <> ''::text))
);

CREATE INDEX alerts_open_idx ON risk.alerts USING btree (bot_id, raised_at DESC, id DESC) WHERE (status <> 'resolved'::text);
CREATE INDEX alerts_raised_at_idx ON risk.alerts USING btree (bot_id, raised_at DESC, id DESC);
CREATE UNIQUE INDEX alerts_dedupe_key_key ON risk.alerts USING btree (bot_id, dedupe_key) WHERE ((status <> 'resolved'::text) AND (dedupe_key IS NOT NULL));
CREATE TRIGGER alerts_guard BEFORE UPDATE ON risk.alerts FOR EACH ROW EXECUTE FUNCTION risk.guard_alert();
CREATE TRIGGER alerts_logged AFTER INSERT OR UPDATE ON risk.alerts FOR EACH ROW EXECUTE FUNCTION risk.log_change('alert_changed', 'resolved_by acknowledged_by raised_by', 'resolution_reason title', '');
CREATE TRIGGER alerts_no_delete BEFORE DELETE ON risk.alerts FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.alerts');
CREATE TRIGGER alerts_no_truncate BEFORE TRUNCATE ON risk.alerts FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.alerts');

CREATE TABLE risk.circuit_breakers (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  rule text NOT NULL,
  trigger text NOT NULL,
  exchange text,
  symbol text,
  side text,
  severity text NOT NULL,
  reason text NOT NULL,
  threshold numeric,
  actual numeric,
  tripped_by text NOT NULL,
  tripped_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  cooldown_ms bigint,
  expires_at timestamp(3) with time zone GENERATED ALWAYS AS ((((tripped_at AT TIME ZONE 'UTC'::text) + ((cooldown_ms)::double precision * '00:00:00.001'::interval)) AT TIME ZONE 'UTC'::text)) STORED,
  status text DEFAULT 'active'::text NOT NULL,
  trips_in_row integer DEFAULT 1 NOT NULL,
  context jsonb DEFAULT '{}'::jsonb NOT NULL,
  changed_by text,
  change_reason text,
  resolved_at timestamp(3) with time zone,
  resolved_by text,
  resolution_reason text,
  CONSTRAINT circuit_breakers_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT circuit_breakers_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT circuit_breakers_actual_check CHECK (((actual > '-Infinity'::numeric) AND (actual < 'Infinity'::numeric))),
  CONSTRAINT circuit_breakers_context_check CHECK ((jsonb_typeof(context) = 'object'::text)),
  CONSTRAINT circuit_breakers_cooldown_ms_check CHECK (((cooldown_ms >= 0) AND (cooldown_ms <= '3155760000000'::bigint))),
  CONSTRAINT circuit_breakers_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT circuit_breakers_reason_check CHECK ((btrim(reason) <> ''::text)),
  CONSTRAINT circuit_breakers_resolved_at_check CHECK (((status = ANY (ARRAY['resolved'::text, 'overridden'::text])) = ((resolved_at IS NOT NULL) AND (resolved_by IS NOT NULL) AND (resolution_reason IS NOT NULL)))),
  CONSTRAINT circuit_breakers_rule_check CHECK ((btrim(rule) <> ''::text)),
  CONSTRAINT circuit_breakers_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text, 'emergency'::text]))),
  CONSTRAINT circuit_breakers_side_check CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text]))),
  CONSTRAINT circuit_breakers_status_check CHECK ((status = ANY (ARRAY['active'::text, 'resolved'::text, 'overridden'::text, 'expired'::text]))),
  CONSTRAINT circuit_breakers_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT circuit_breakers_threshold_check CHECK (((threshold > '-Infinity'::numeric) AND (threshold < 'Infinity'::numeric))),
  CONSTRAINT circuit_breakers_trigger_check CHECK ((trigger = ANY (ARRAY['max_daily_loss'::text, 'max_weekly_loss'::text, 'max_drawdown'::text, 'rapid_loss'::text, 'consecutive_losses'::text, 'stop_loss_cluster'::text, 'low_profit'::text, 'cooldown'::text, 'order_errors'::text, 'stale_heartbeat'::text, 'stale_market_data'::text, 'position_limit'::text, 'exchange_error'::text, 'network_issue'::text, 'manual'::text]))),
  CONSTRAINT circuit_breakers_tripped_by_check CHECK ((btrim(tripped_by) <> ''::text)),
  CONSTRAINT circuit_breakers_trips_in_row_check CHECK ((trips_in_row > 0))
);

CREATE INDEX circuit_breakers_blocking_idx ON risk.circuit_breakers USING btree (bot_id, COALESCE(symbol, ''::text), COALESCE(expires_at, 'infinity'::timestamp with time zone)) WHERE (status = 'active'::text);
CREATE INDEX circuit_breakers_rule_idx ON risk.circuit_breakers USING btree (bot_id, rule, tripped_at DESC);
CREATE INDEX circuit_breakers_tripped_at_idx ON risk.circuit_breakers USING btree (bot_id, tripped_at DESC, id DESC);
CREATE UNIQUE INDEX circuit_breakers_active_key ON risk.circuit_breakers USING btree (bot_id, rule, COALESCE(exchange, ''::text), COALESCE(symbol, ''::text), COALESCE(side, ''::text)) WHERE (status = 'active'::text);
CREATE TRIGGER circuit_breakers_guard BEFORE UPDATE ON risk.circuit_breakers FOR EACH ROW EXECUTE FUNCTION risk.guard_facts('risk.circuit_breakers', 'status', 'cooldown_ms', 'expires_at', 'changed_by', 'change_reason', 'resolved_at', 'resolved_by', 'resolution_reason');
CREATE TRIGGER circuit_breakers_logged AFTER INSERT OR UPDATE ON risk.circuit_breakers FOR EACH ROW EXECUTE FUNCTION risk.log_change('circuit_breaker_changed', 'resolved_by changed_by tripped_by', 'resolution_reason change_reason reason', '');
CREATE TRIGGER circuit_breakers_no_delete BEFORE DELETE ON risk.circuit_breakers FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.circuit_breakers');
CREATE TRIGGER circuit_breakers_no_truncate BEFORE TRUNCATE ON risk.circuit_breakers FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.circuit_breakers');

CREATE TABLE risk.correlation_matrices (
  id uuid NOT NULL,
  exchange text NOT NULL,
  symbols jsonb NOT NULL,
  timeframe text NOT NULL,
  from_time timestamp(3) with time zone NOT NULL,
  until_time timestamp(3) with time zone NOT NULL,
  correlations jsonb NOT NULL,
  calculated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT correlation_matrices_pkey PRIMARY KEY (id),
  CONSTRAINT correlation_matrices_correlations_check CHECK ((jsonb_typeof(correlations) = 'array'::text)),
  CONSTRAINT correlation_matrices_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT correlation_matrices_symbols_check CHECK ((jsonb_typeof(symbols) = 'array'::text))
);

CREATE INDEX correlation_matrices_calculated_at_idx ON risk.correlation_matrices USING btree (exchange, calculated_at DESC, id DESC);

CREATE TABLE risk.drawdowns (
  bot_id text NOT NULL,
  day date NOT NULL,
  observed_at timestamp(3) with time zone NOT NULL,
  equity numeric NOT NULL,
  flows numeric NOT NULL,
  growth numeric NOT NULL,
  peak_growth numeric NOT NULL,
  peak_at timestamp(3) with time zone NOT NULL,
  drawdown_fraction numeric NOT NULL,
  day_max_drawdown_fraction numeric NOT NULL,
  max_drawdown_fraction numeric NOT NULL,
  max_drawdown_at timestamp(3) with time zone NOT NULL,
  watched_peak_growth numeric NOT NULL,
  watched_since timestamp(3) with time zone NOT NULL,
  watched_drawdown_fraction numeric NOT NULL,
  CONSTRAINT drawdowns_pkey PRIMARY KEY (bot_id, day),
  CONSTRAINT drawdowns_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT drawdowns_drawdown_fraction_check CHECK (((drawdown_fraction >= (0)::numeric) AND (drawdown_fraction < 'Infinity'::numeric))),
  CONSTRAINT drawdowns_equity_check CHECK (((equity > '-Infinity'::numeric) AND (equity < 'Infinity'::numeric))),
  CONSTRAINT drawdowns_flows_check CHECK (((flows > '-Infinity'::numeric) AND (flows < 'Infinity'::numeric))),
  CONSTRAINT drawdowns_growth_check CHECK (((growth > '-Infinity'::numeric) AND (growth < 'Infinity'::numeric))),
  CONSTRAINT drawdowns_peak_growth_check CHECK (((peak_growth > (0)::numeric) AND (peak_growth < 'Infinity'::numeric))),
  CONSTRAINT drawdowns_watched_drawdown_fraction_check CHECK (((watched_drawdown_fraction >= (0)::numeric) AND (watched_drawdown_fraction < 'Infinity'::numeric)))
);

CREATE TABLE risk.gates (
  bot_id text NOT NULL,
  kill_switch_event_id uuid,
  version bigint DEFAULT 0 NOT NULL,
  CONSTRAINT gates_pkey PRIMARY KEY (bot_id),
  CONSTRAINT gates_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id) ON DELETE CASCADE
);

CREATE TABLE risk.global_circuit_breakers (
  id uuid NOT NULL,
  rule text NOT NULL,
  trigger text NOT NULL,
  exchange text,
  symbol text,
  side text,
  severity text NOT NULL,
  reason text NOT NULL,
  threshold numeric,
  actual numeric,
  tripped_by text NOT NULL,
  tripped_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  cooldown_ms bigint,
  expires_at timestamp(3) with time zone GENERATED ALWAYS AS ((((tripped_at AT TIME ZONE 'UTC'::text) + ((cooldown_ms)::double precision * '00:00:00.001'::interval)) AT TIME ZONE 'UTC'::text)) STORED,
  status text DEFAULT 'active'::text NOT NULL,
  trips_in_row integer DEFAULT 1 NOT NULL,
  context jsonb DEFAULT '{}'::jsonb NOT NULL,
  changed_by text,
  change_reason text,
  resolved_at timestamp(3) with time zone,
  resolved_by text,
  resolution_reason text,
  CONSTRAINT global_circuit_breakers_pkey PRIMARY KEY (id),
  CONSTRAINT global_circuit_breakers_actual_check CHECK (((actual > '-Infinity'::numeric) AND (actual < 'Infinity'::numeric))),
  CONSTRAINT global_circuit_breakers_context_check CHECK ((jsonb_typeof(context) = 'object'::text)),
  CONSTRAINT global_circuit_breakers_cooldown_ms_check CHECK (((cooldown_ms >= 0) AND (cooldown_ms <= '3155760000000'::bigint))),
  CONSTRAINT global_circuit_breakers_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT global_circuit_breakers_reason_check CHECK ((btrim(reason) <> ''::text)),
  CONSTRAINT global_circuit_breakers_resolved_at_check CHECK (((status = ANY (ARRAY['resolved'::text, 'overridden'::text])) = ((resolved_at IS NOT NULL) AND (resolved_by IS NOT NULL) AND (resolution_reason IS NOT NULL)))),
  CONSTRAINT global_circuit_breakers_rule_check CHECK ((btrim(rule) <> ''::text)),
  CONSTRAINT global_circuit_breakers_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text, 'emergency'::text]))),
  CONSTRAINT global_circuit_breakers_side_check CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text]))),
  CONSTRAINT global_circuit_breakers_status_check CHECK ((status = ANY (ARRAY['active'::text, 'resolved'::text, 'overridden'::text, 'expired'::text]))),
  CONSTRAINT global_circuit_breakers_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT global_circuit_breakers_threshold_check CHECK (((threshold > '-Infinity'::numeric) AND (threshold < 'Infinity'::numeric))),
  CONSTRAINT global_circuit_breakers_trigger_check CHECK ((trigger = ANY (ARRAY['max_daily_loss'::text, 'max_weekly_loss'::text, 'max_drawdown'::text, 'rapid_loss'::text, 'consecutive_losses'::text, 'stop_loss_cluster'::text, 'low_profit'::text, 'cooldown'::text, 'order_errors'::text, 'stale_heartbeat'::text, 'stale_market_data'::text, 'position_limit'::text, 'exchange_error'::text, 'network_issue'::text, 'manual'::text]))),
  CONSTRAINT global_circuit_breakers_tripped_by_check CHECK ((btrim(tripped_by) <> ''::text)),
  CONSTRAINT global_circuit_breakers_trips_in_row_check CHECK ((trips_in_row > 0))
);

CREATE INDEX global_circuit_breakers_blocking_idx ON risk.global_circuit_breakers USING btree (COALESCE(symbol, ''::text), COALESCE(expires_at, 'infinity'::timestamp with time zone)) WHERE (status = 'active'::text);
CREATE INDEX global_circuit_breakers_rule_idx ON risk.global_circuit_breakers USING btree (rule, tripped_at DESC);
CREATE UNIQUE INDEX global_circuit_breakers_active_key ON risk.global_circuit_breakers USING btree (rule, COALESCE(exchange, ''::text), COALESCE(symbol, ''::text), COALESCE(side, ''::text)) WHERE (status = 'active'::text);
CREATE TRIGGER global_circuit_breakers_guard BEFORE UPDATE ON risk.global_circuit_breakers FOR EACH ROW EXECUTE FUNCTION risk.guard_facts('risk.global_circuit_breakers', 'status', 'cooldown_ms', 'expires_at', 'changed_by', 'change_reason', 'resolved_at', 'resolved_by', 'resolution_reason');
CREATE TRIGGER global_circuit_breakers_logged AFTER INSERT OR UPDATE ON risk.global_circuit_breakers FOR EACH ROW EXECUTE FUNCTION risk.log_change('circuit_breaker_changed', 'resolved_by changed_by tripped_by', 'resolution_reason change_reason reason', '');
CREATE TRIGGER global_circuit_breakers_no_delete BEFORE DELETE ON risk.global_circuit_breakers FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.global_circuit_breakers');
CREATE TRIGGER global_circuit_breakers_no_truncate BEFORE TRUNCATE ON risk.global_circuit_breakers FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.global_circuit_breakers');

CREATE TABLE risk.global_locks (
  id uuid NOT NULL,
  exchange text,
  symbol text,
  side text,
  reason text NOT NULL,
  locked_by text NOT NULL,
  locked_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  expires_at timestamp(3) with time zone,
  unlocked_at timestamp(3) with time zone,
  unlocked_by text,
  unlock_reason text,
  CONSTRAINT global_locks_pkey PRIMARY KEY (id),
  CONSTRAINT global_locks_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT global_locks_locked_by_check CHECK ((btrim(locked_by) <> ''::text)),
  CONSTRAINT global_locks_reason_check CHECK ((btrim(reason) <> ''::text)),
  CONSTRAINT global_locks_side_check CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text]))),
  CONSTRAINT global_locks_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT global_locks_unlocked_at_check CHECK ((((unlocked_at IS NULL) = (unlocked_by IS NULL)) AND ((unlocked_at IS NULL) = (unlock_reason IS NULL))))
);

CREATE INDEX global_locks_blocking_idx ON risk.global_locks USING btree (COALESCE(symbol, ''::text), COALESCE(expires_at, 'infinity'::timestamp with time zone)) WHERE (unlocked_at IS NULL);
CREATE TRIGGER global_locks_guard BEFORE UPDATE ON risk.global_locks FOR EACH ROW EXECUTE FUNCTION risk.guard_facts('risk.global_locks', 'expires_at', 'unlocked_at', 'unlocked_by', 'unlock_reason');
CREATE TRIGGER global_locks_logged AFTER INSERT OR UPDATE ON risk.global_locks FOR EACH ROW EXECUTE FUNCTION risk.log_change('lock_changed', 'unlocked_by locked_by', 'unlock_reason reason', '');
CREATE TRIGGER global_locks_no_delete BEFORE DELETE ON risk.global_locks FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.global_locks');
CREATE TRIGGER global_locks_no_truncate BEFORE TRUNCATE ON risk.global_locks FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.global_locks');

CREATE TABLE risk.global_settings (
  version bigint NOT NULL,
  trading_enabled boolean NOT NULL,
  min_confidence double precision,
  max_order_notional numeric,
  max_quantity numeric,
  max_open_positions integer,
  max_exposure numeric,
  max_leverage numeric,
  max_daily_loss numeric,
  max_drawdown_fraction numeric,
  halt_on_drawdown boolean NOT NULL,
  daily_target numeric,
  stop_at_daily_target boolean NOT NULL,
  allowed_symbols jsonb,
  off_watchlist_allowed boolean NOT NULL,
  max_orders_per_minute integer,
  max_price_age_ms integer,
  max_equity_age_ms integer,
  breaker_rules jsonb NOT NULL,
  changed_by text NOT NULL,
  reason text NOT NULL,
  changed_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT global_settings_pkey PRIMARY KEY (version),
  CONSTRAINT global_settings_allowed_symbols_check CHECK ((jsonb_typeof(allowed_symbols) = 'array'::text)),
  CONSTRAINT global_settings_breaker_rules_check CHECK ((jsonb_typeof(breaker_rules) = 'array'::text)),
  CONSTRAINT global_settings_changed_by_check CHECK ((btrim(changed_by) <> ''::text)),
  CONSTRAINT global_settings_daily_target_check CHECK (((daily_target > (0)::numeric) AND (daily_target < 'Infinity'::numeric))),
  CONSTRAINT global_settings_max_daily_loss_check CHECK (((max_daily_loss > (0)::numeric) AND (max_daily_loss < 'Infinity'::numeric))),
  CONSTRAINT global_settings_max_drawdown_fraction_check CHECK (((max_drawdown_fraction > (0)::numeric) AND (max_drawdown_fraction <= (1)::numeric))),
  CONSTRAINT global_settings_max_equity_age_ms_check CHECK ((max_equity_age_ms > 0)),
  CONSTRAINT global_settings_max_exposure_check CHECK (((max_exposure >= (0)::numeric) AND (max_exposure < 'Infinity'::numeric))),
  CONSTRAINT global_settings_max_leverage_check CHECK (((max_leverage >= (0)::numeric) AND (max_leverage < 'Infinity'::numeric))),
  CONSTRAINT global_settings_max_open_positions_check CHECK ((max_open_positions >= 0)),
  CONSTRAINT global_settings_max_order_notional_check CHECK (((max_order_notional >= (0)::numeric) AND (max_order_notional < 'Infinity'::numeric))),
  CONSTRAINT global_settings_max_orders_per_minute_check CHECK ((max_orders_per_minute >= 0)),
  CONSTRAINT global_settings_max_price_age_ms_check CHECK ((max_price_age_ms > 0)),
  CONSTRAINT global_settings_max_quantity_check CHECK (((max_quantity >= (0)::numeric) AND (max_quantity < 'Infinity'::numeric))),
  CONSTRAINT global_settings_min_confidence_check CHECK (((min_confidence >= (0)::double precision) AND (min_confidence <= (1)::double precision))),
  CONSTRAINT global_settings_reason_check CHECK ((btrim(reason) <> ''::text)),
  CONSTRAINT global_settings_version_check CHECK ((version > 0))
);

CREATE TRIGGER global_settings_append_only BEFORE DELETE OR UPDATE ON risk.global_settings FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.global_settings');
CREATE TRIGGER global_settings_logged AFTER INSERT ON risk.global_settings FOR EACH ROW EXECUTE FUNCTION risk.log_change('settings_changed', 'changed_by', 'reason', '');
CREATE TRIGGER global_settings_no_truncate BEFORE TRUNCATE ON risk.global_settings FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.global_settings');

CREATE TABLE risk.kill_switch (
  id boolean DEFAULT true NOT NULL,
  event_id uuid,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT kill_switch_pkey PRIMARY KEY (id),
  CONSTRAINT kill_switch_event_id_fkey FOREIGN KEY (event_id) REFERENCES risk.kill_switch_events(id),
  CONSTRAINT kill_switch_id_check CHECK ((id = true))
);

CREATE TRIGGER kill_switch_no_delete BEFORE DELETE ON risk.kill_switch FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.kill_switch');
CREATE TRIGGER kill_switch_no_truncate BEFORE TRUNCATE ON risk.kill_switch FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.kill_switch');

CREATE TABLE risk.kill_switch_events (
  id uuid NOT NULL,
  status text DEFAULT 'active'::text NOT NULL,
  source text NOT NULL,
  severity text NOT NULL,
  reason text NOT NULL,
  activated_by text NOT NULL,
  activated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  code_hash text NOT NULL,
  wrong_codes integer DEFAULT 0 NOT NULL,
  code_locked_until timestamp(3) with time zone,
  open_positions_before integer NOT NULL,
  open_orders_before integer NOT NULL,
  equity_before jsonb NOT NULL,
  equity_after jsonb,
  positions_closed integer DEFAULT 0 NOT NULL,
  orders_cancelled integer DEFAULT 0 NOT NULL,
  action_log jsonb DEFAULT '[]'::jsonb NOT NULL,
  recovery_started_at timestamp(3) with time zone,
  recovery_started_by text,
  recovery_notes text,
  deactivated_at timestamp(3) with time zone,
  deactivated_by text,
  deactivation_reason text,
  changed_by text,
  change_reason text,
  CONSTRAINT kill_switch_events_pkey PRIMARY KEY (id),
  CONSTRAINT kill_switch_events_action_log_check CHECK ((jsonb_typeof(action_log) = 'array'::text)),
  CONSTRAINT kill_switch_events_activated_by_check CHECK ((btrim(activated_by) <> ''::text)),
  CONSTRAINT kill_switch_events_deactivated_at_check CHECK ((((status = 'deactivated'::text) = (deactivated_at IS NOT NULL)) AND ((status = 'deactivated'::text) = (deactivated_by IS NOT NULL)))),
  CONSTRAINT kill_switch_events_equity_after_check CHECK ((jsonb_typeof(equity_after) = 'object'::text)),
  CONSTRAINT kill_switch_events_equity_before_check CHECK ((jsonb_typeof(equity_before) = 'object'::text)),
  CONSTRAINT kill_switch_events_reason_check CHECK ((btrim(reason) <> ''::text)),
  CONSTRAINT kill_switch_events_severity_check CHECK ((severity = ANY (ARRAY['info'::text, 'warning'::text, 'critical'::text, 'emergency'::text]))),
  CONSTRAINT kill_switch_events_source_check CHECK ((source = ANY (ARRAY['manual'::text, 'api'::text, 'circuit_breaker_cascade'::text, 'system_health'::text, 'exchange_emergency'::text, 'security_alert'::text, 'critical_error'::text]))),
  CONSTRAINT kill_switch_events_status_check CHECK ((status = ANY (ARRAY['active'::text, 'partial_recovery'::text, 'deactivated'::text]))),
  CONSTRAINT kill_switch_events_wrong_codes_check CHECK ((wrong_codes >= 0))
);

CREATE INDEX kill_switch_events_activated_at_idx ON risk.kill_switch_events USING btree (activated_at DESC, id DESC);
CREATE UNIQUE INDEX kill_switch_events_on_key ON risk.kill_switch_events USING btree ((true)) WHERE (status <> 'deactivated'::text);
CREATE TRIGGER kill_switch_events_guard BEFORE UPDATE ON risk.kill_switch_events FOR EACH ROW EXECUTE FUNCTION risk.guard_facts('risk.kill_switch_events', 'status', 'wrong_codes', 'code_locked_until', 'equity_after', 'positions_closed', 'orders_cancelled', 'action_log', 'recovery_started_at', 'recovery_started_by', 'recovery_notes', 'deactivated_at', 'deactivated_by', 'deactivation_reason', 'changed_by', 'change_reason');
CREATE TRIGGER kill_switch_events_logged AFTER INSERT OR UPDATE ON risk.kill_switch_events FOR EACH ROW EXECUTE FUNCTION risk.log_change('kill_switch_changed', 'changed_by activated_by', 'change_reason reason', 'code_hash');
CREATE TRIGGER kill_switch_events_no_delete BEFORE DELETE ON risk.kill_switch_events FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.kill_switch_events');
CREATE TRIGGER kill_switch_events_no_truncate BEFORE TRUNCATE ON risk.kill_switch_events FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.kill_switch_events');

CREATE TABLE risk.liquidity (
  exchange text NOT NULL,
  symbol text NOT NULL,
  daily_volume numeric,
  spread_fraction double precision,
  score double precision NOT NULL,
  measured_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT liquidity_pkey PRIMARY KEY (exchange, symbol),
  CONSTRAINT liquidity_daily_volume_check CHECK (((daily_volume >= (0)::numeric) AND (daily_volume < 'Infinity'::numeric))),
  CONSTRAINT liquidity_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT liquidity_score_check CHECK (((score >= (0)::double precision) AND (score <= (1)::double precision))),
  CONSTRAINT liquidity_spread_fraction_check CHECK (((spread_fraction >= (0)::double precision) AND (spread_fraction < 'Infinity'::double precision))),
  CONSTRAINT liquidity_symbol_check CHECK ((btrim(symbol) <> ''::text))
);

CREATE TABLE risk.locks (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  exchange text,
  symbol text,
  side text,
  reason text NOT NULL,
  locked_by text NOT NULL,
  locked_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  expires_at timestamp(3) with time zone,
  unlocked_at timestamp(3) with time zone,
  unlocked_by text,
  unlock_reason text,
  CONSTRAINT locks_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT locks_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT locks_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT locks_locked_by_check CHECK ((btrim(locked_by) <> ''::text)),
  CONSTRAINT locks_reason_check CHECK ((btrim(reason) <> ''::text)),
  CONSTRAINT locks_side_check CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text]))),
  CONSTRAINT locks_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT locks_unlocked_at_check CHECK ((((unlocked_at IS NULL) = (unlocked_by IS NULL)) AND ((unlocked_at IS NULL) = (unlock_reason IS NULL))))
);

CREATE INDEX locks_blocking_idx ON risk.locks USING btree (bot_id, COALESCE(symbol, ''::text), COALESCE(expires_at, 'infinity'::timestamp with time zone)) WHERE (unlocked_at IS NULL);
CREATE TRIGGER locks_guard BEFORE UPDATE ON risk.locks FOR EACH ROW EXECUTE FUNCTION risk.guard_facts('risk.locks', 'expires_at', 'unlocked_at', 'unlocked_by', 'unlock_reason');
CREATE TRIGGER locks_logged AFTER INSERT OR UPDATE ON risk.locks FOR EACH ROW EXECUTE FUNCTION risk.log_change('lock_changed', 'unlocked_by locked_by', 'unlock_reason reason', '');
CREATE TRIGGER locks_no_delete BEFORE DELETE ON risk.locks FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.locks');
CREATE TRIGGER locks_no_truncate BEFORE TRUNCATE ON risk.locks FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.locks');

CREATE TABLE risk.metrics (
  bot_id text NOT NULL,
  day date NOT NULL,
  win_rate double precision,
  profit_factor double precision,
  max_drawdown_fraction double precision,
  sharpe double precision,
  sortino double precision,
  exposure numeric,
  leverage double precision,
  concentration double precision,
  value_at_risk_fraction double precision,
  risk_score double precision,
  risk_level text,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT metrics_pkey PRIMARY KEY (bot_id, day),
  CONSTRAINT metrics_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT metrics_concentration_check CHECK (((concentration >= (0)::double precision) AND (concentration <= (1)::double precision))),
  CONSTRAINT metrics_exposure_check CHECK (((exposure >= (0)::numeric) AND (exposure < 'Infinity'::numeric))),
  CONSTRAINT metrics_leverage_check CHECK (((leverage > '-Infinity'::double precision) AND (leverage < 'Infinity'::double precision))),
  CONSTRAINT metrics_max_drawdown_fraction_check CHECK (((max_drawdown_fraction >= (0)::double precision) AND (max_drawdown_fraction <= (1)::double precision))),
  CONSTRAINT metrics_profit_factor_check CHECK (((profit_factor > '-Infinity'::double precision) AND (profit_factor < 'Infinity'::double precision))),
  CONSTRAINT metrics_risk_level_check CHECK ((risk_level = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text, 'critical'::text]))),
  CONSTRAINT metrics_risk_score_check CHECK (((risk_score >= (0)::double precision) AND (risk_score <= (100)::double precision))),
  CONSTRAINT metrics_sharpe_check CHECK (((sharpe > '-Infinity'::double precision) AND (sharpe < 'Infinity'::double precision))),
  CONSTRAINT metrics_sortino_check CHECK (((sortino > '-Infinity'::double precision) AND (sortino < 'Infinity'::double precision))),
  CONSTRAINT metrics_value_at_risk_fraction_check CHECK (((value_at_risk_fraction > '-Infinity'::double precision) AND (value_at_risk_fraction < 'Infinity'::double precision))),
  CONSTRAINT metrics_win_rate_check CHECK (((win_rate >= (0)::double precision) AND (win_rate <= (1)::double precision)))
);

CREATE TABLE risk.settings (
  bot_id text NOT NULL,
  version bigint NOT NULL,
  trading_enabled boolean NOT NULL,
  min_confidence double precision,
  max_order_notional numeric,
  max_quantity numeric,
  max_open_positions integer,
  max_exposure numeric,
  max_leverage numeric,
  max_daily_loss numeric,
  max_drawdown_fraction numeric,
  halt_on_drawdown boolean NOT NULL,
  daily_target numeric,
  stop_at_daily_target boolean NOT NULL,
  allowed_symbols jsonb,
  off_watchlist_allowed boolean NOT NULL,
  max_orders_per_minute integer,
  max_price_age_ms integer,
  max_equity_age_ms integer,
  breaker_rules jsonb NOT NULL,
  changed_by text NOT NULL,
  reason text NOT NULL,
  changed_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT settings_pkey PRIMARY KEY (bot_id, version),
  CONSTRAINT settings_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT settings_allowed_symbols_check CHECK ((jsonb_typeof(allowed_symbols) = 'array'::text)),
  CONSTRAINT settings_breaker_rules_check CHECK ((jsonb_typeof(breaker_rules) = 'array'::text)),
  CONSTRAINT settings_changed_by_check CHECK ((btrim(changed_by) <> ''::text)),
  CONSTRAINT settings_daily_target_check CHECK (((daily_target > (0)::numeric) AND (daily_target < 'Infinity'::numeric))),
  CONSTRAINT settings_max_daily_loss_check CHECK (((max_daily_loss > (0)::numeric) AND (max_daily_loss < 'Infinity'::numeric))),
  CONSTRAINT settings_max_drawdown_fraction_check CHECK (((max_drawdown_fraction > (0)::numeric) AND (max_drawdown_fraction <= (1)::numeric))),
  CONSTRAINT settings_max_equity_age_ms_check CHECK ((max_equity_age_ms > 0)),
  CONSTRAINT settings_max_exposure_check CHECK (((max_exposure >= (0)::numeric) AND (max_exposure < 'Infinity'::numeric))),
  CONSTRAINT settings_max_leverage_check CHECK (((max_leverage >= (0)::numeric) AND (max_leverage < 'Infinity'::numeric))),
  CONSTRAINT settings_max_open_positions_check CHECK ((max_open_positions >= 0)),
  CONSTRAINT settings_max_order_notional_check CHECK (((max_order_notional >= (0)::numeric) AND (max_order_notional < 'Infinity'::numeric))),
  CONSTRAINT settings_max_orders_per_minute_check CHECK ((max_orders_per_minute >= 0)),
  CONSTRAINT settings_max_price_age_ms_check CHECK ((max_price_age_ms > 0)),
  CONSTRAINT settings_max_quantity_check CHECK (((max_quantity >= (0)::numeric) AND (max_quantity < 'Infinity'::numeric))),
  CONSTRAINT settings_min_confidence_check CHECK (((min_confidence >= (0)::double precision) AND (min_confidence <= (1)::double precision))),
  CONSTRAINT settings_reason_check CHECK ((btrim(reason) <> ''::text)),
  CONSTRAINT settings_version_check CHECK ((version > 0))
);

CREATE TRIGGER settings_append_only BEFORE DELETE OR UPDATE ON risk.settings FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.settings');
CREATE TRIGGER settings_logged AFTER INSERT ON risk.settings FOR EACH ROW EXECUTE FUNCTION risk.log_change('settings_changed', 'changed_by', 'reason', '');
CREATE TRIGGER settings_no_truncate BEFORE TRUNCATE ON risk.settings FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.settings');

CREATE TABLE risk.stop_orders (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  position_id uuid,
  exchange text NOT NULL,
  symbol text NOT NULL,
  position_side text NOT NULL,
  direction text NOT NULL,
  kind text NOT NULL,
  status text DEFAULT 'active'::text NOT NULL,
  quantity numeric,
  entry_price numeric NOT NULL,
  initial_stop_price numeric NOT NULL,
  stop_price numeric NOT NULL,
  trailing_distance numeric,
  activation_price numeric,
  breakeven_price numeric,
  best_price numeric NOT NULL,
  parameters jsonb NOT NULL,
  expires_at timestamp(3) with time zone,
  trigger_price numeric,
  triggered_at timestamp(3) with time zone,
  changed_by text NOT NULL,
  reason text,
  version bigint DEFAULT 1 NOT NULL,
  created_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT stop_orders_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT stop_orders_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT stop_orders_position_id_fkey FOREIGN KEY (bot_id, position_id) REFERENCES trading.positions(bot_id, id),
  CONSTRAINT stop_orders_activation_price_check CHECK (((activation_price > (0)::numeric) AND (activation_price < 'Infinity'::numeric))),
  CONSTRAINT stop_orders_best_price_check CHECK (((best_price > (0)::numeric) AND (best_price < 'Infinity'::numeric))),
  CONSTRAINT stop_orders_breakeven_price_check CHECK (((breakeven_price > (0)::numeric) AND (breakeven_price < 'Infinity'::numeric))),
  CONSTRAINT stop_orders_changed_by_check CHECK ((btrim(changed_by) <> ''::text)),
  CONSTRAINT stop_orders_direction_check CHECK ((direction = ANY (ARRAY['long'::text, 'short'::text]))),
  CONSTRAINT stop_orders_entry_price_check CHECK (((entry_price > (0)::numeric) AND (entry_price < 'Infinity'::numeric))),
  CONSTRAINT stop_orders_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT stop_orders_initial_stop_price_check CHECK (((initial_stop_price > (0)::numeric) AND (initial_stop_price < 'Infinity'::numeric))),
  CONSTRAINT stop_orders_kind_check CHECK ((kind = ANY (ARRAY['fixed'::text, 'trailing'::text, 'volatility'::text, 'atr'::text, 'support_resistance'::text, 'breakeven'::text]))),
  CONSTRAINT stop_orders_parameters_check CHECK ((jsonb_typeof(parameters) = 'object'::text)),
  CONSTRAINT stop_orders_position_side_check CHECK ((position_side = ANY (ARRAY['net'::text, 'long'::text, 'short'::text]))),
  CONSTRAINT stop_orders_quantity_check CHECK (((quantity > (0)::numeric) AND (quantity < 'Infinity'::numeric))),
  CONSTRAINT stop_orders_status_check CHECK ((status = ANY (ARRAY['active'::text, 'triggered'::text, 'cancelled'::text, 'expired'::text]))),
  CONSTRAINT stop_orders_stop_price_check CHECK (((stop_price > (0)::numeric) AND (stop_price < 'Infinity'::numeric))),
  CONSTRAINT stop_orders_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT stop_orders_trailing_distance_check CHECK (((trailing_distance > (0)::numeric) AND (trailing_distance < 'Infinity'::numeric))),
  CONSTRAINT stop_orders_triggered_at_check CHECK (((status = 'triggered'::text) = ((triggered_at IS NOT NULL) AND (trigger_price IS NOT NULL))))
);

CREATE INDEX stop_orders_active_idx ON risk.stop_orders USING btree (bot_id, exchange, symbol) WHERE (status = 'active'::text);
CREATE INDEX stop_orders_created_at_idx ON risk.stop_orders USING btree (bot_id, created_at DESC, id DESC);
CREATE TRIGGER stop_orders_changed AFTER UPDATE ON risk.stop_orders FOR EACH ROW WHEN (((new.status IS DISTINCT FROM old.status) OR (new.version IS DISTINCT FROM old.version))) EXECUTE FUNCTION risk.log_change('stop_order_changed', 'changed_by', 'reason', '');
CREATE TRIGGER stop_orders_created AFTER INSERT ON risk.stop_orders FOR EACH ROW EXECUTE FUNCTION risk.log_change('stop_order_changed', 'changed_by', 'reason', '');
CREATE TRIGGER stop_orders_guard BEFORE UPDATE ON risk.stop_orders FOR EACH ROW EXECUTE FUNCTION risk.guard_stop_order();
CREATE TRIGGER stop_orders_no_delete BEFORE DELETE ON risk.stop_orders FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('risk.stop_orders');
CREATE TRIGGER stop_orders_no_truncate BEFORE TRUNCATE ON risk.stop_orders FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('risk.stop_orders');
CREATE TRIGGER stop_orders_updated_at BEFORE UPDATE ON risk.stop_orders FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE risk.var_calculations (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  method text NOT NULL,
  confidence double precision NOT NULL,
  horizon_days double precision NOT NULL,
  sample_size integer NOT NULL,
  small_sample boolean NOT NULL,
  portfolio_value numeric NOT NULL,
  value numeric,
  fraction double precision,
  unpriced jsonb NOT NULL,
  calculated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT var_calculations_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT var_calculations_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT var_calculations_confidence_check CHECK (((confidence > (0)::double precision) AND (confidence < (1)::double precision))),
  CONSTRAINT var_calculations_fraction_check CHECK (((fraction > '-Infinity'::double precision) AND (fraction < 'Infinity'::double precision))),
  CONSTRAINT var_calculations_horizon_days_check CHECK (((horizon_days > (0)::double precision) AND (horizon_days < 'Infinity'::double precision))),
  CONSTRAINT var_calculations_method_check CHECK ((method = ANY (ARRAY['historical'::text, 'parametric'::text, 'expected_shortfall'::text]))),
  CONSTRAINT var_calculations_portfolio_value_check CHECK (((portfolio_value > '-Infinity'::numeric) AND (portfolio_value < 'Infinity'::numeric))),
  CONSTRAINT var_calculations_sample_size_check CHECK ((sample_size >= 0)),
  CONSTRAINT var_calculations_unpriced_check CHECK ((jsonb_typeof(unpriced) = 'array'::text)),
  CONSTRAINT var_calculations_value_check CHECK (((value > '-Infinity'::numeric) AND (value < 'Infinity'::numeric)))
);

CREATE INDEX var_calculations_calculated_at_idx ON risk.var_calculations USING btree (bot_id, calculated_at DESC, id DESC);

CREATE TABLE risk.volatility (
  exchange text NOT NULL,
  symbol text NOT NULL,
  window_days integer NOT NULL,
  volatility double precision NOT NULL,
  sample_size bigint NOT NULL,
  calculated_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT volatility_pkey PRIMARY KEY (exchange, symbol, window_days),
  CONSTRAINT volatility_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT volatility_sample_size_check CHECK ((sample_size > 0)),
  CONSTRAINT volatility_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT volatility_volatility_check CHECK (((volatility >= (0)::double precision) AND (volatility < 'Infinity'::double precision))),
  CONSTRAINT volatility_window_days_check CHECK ((window_days > 0))
);

CREATE TABLE snapshots.account (
  bot_id text NOT NULL,
  bundle_id uuid NOT NULL,
  exchange text NOT NULL,
  currency text NOT NULL,
  balance numeric NOT NULL,
  equity numeric,
  margin_used numeric,
  margin_free numeric,
  open_pnl numeric,
  open_positions integer NOT NULL,
  taken_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT account_pkey PRIMARY KEY (bot_id, bundle_id, exchange, currency),
  CONSTRAINT account_bundle_id_fkey FOREIGN KEY (bot_id, bundle_id) REFERENCES snapshots.bundles(bot_id, id),
  CONSTRAINT account_balance_check CHECK (((balance > '-Infinity'::numeric) AND (balance < 'Infinity'::numeric))),
  CONSTRAINT account_currency_check CHECK ((btrim(currency) <> ''::text)),
  CONSTRAINT account_equity_check CHECK (((equity > '-Infinity'::numeric) AND (equity < 'Infinity'::numeric))),
  CONSTRAINT account_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT account_margin_free_check CHECK (((margin_free > '-Infinity'::numeric) AND (margin_free < 'Infinity'::numeric))),
  CONSTRAINT account_margin_used_check CHECK (((margin_used > '-Infinity'::numeric) AND (margin_used < 'Infinity'::numeric))),
  CONSTRAINT account_open_pnl_check CHECK (((open_pnl > '-Infinity'::numeric) AND (open_pnl < 'Infinity'::numeric))),
  CONSTRAINT account_open_positions_check CHECK ((open_positions >= 0))
);

CREATE TRIGGER account_append_only BEFORE DELETE OR UPDATE ON snapshots.account FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.account');
CREATE TRIGGER account_no_truncate BEFORE TRUNCATE ON snapshots.account FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.account');

CREATE TABLE snapshots.bundles (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  reason text NOT NULL,
  note text,
  exchange text NOT NULL,
  symbols text[] NOT NULL,
  timeframes text[] NOT NULL,
  calendar_hours double precision NOT NULL,
  news_hours double precision NOT NULL,
  captured_at timestamp(3) with time zone NOT NULL,
  recorded_until timestamp(3) with time zone NOT NULL,
  news_until timestamp(3) with time zone,
  calendar_until timestamp(3) with time zone,
  missing jsonb NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT bundles_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT bundles_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT bundles_calendar_hours_check CHECK (((calendar_hours >= (0)::double precision) AND (calendar_hours <= (744)::double precision))),
  CONSTRAINT bundles_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT bundles_missing_check CHECK ((jsonb_typeof(missing) = 'array'::text)),
  CONSTRAINT bundles_news_hours_check CHECK (((news_hours >= (0)::double precision) AND (news_hours <= (744)::double precision))),
  CONSTRAINT bundles_reason_check CHECK ((reason = ANY (ARRAY['decision'::text, 'trade_idea'::text, 'trade_open'::text, 'trade_close'::text, 'periodic'::text, 'manual'::text]))),
  CONSTRAINT bundles_symbols_check CHECK ((((cardinality(symbols) >= 1) AND (cardinality(symbols) <= 100)) AND (array_position(symbols, NULL::text) IS NULL))),
  CONSTRAINT bundles_timeframes_check CHECK (((timeframes <@ ARRAY['1s'::text, '1m'::text, '3m'::text, '5m'::text, '15m'::text, '30m'::text, '1h'::text, '2h'::text, '4h'::text, '6h'::text, '8h'::text, '12h'::text, '1d'::text, '3d'::text, '1w'::text, '1M'::text]) AND (cardinality(timeframes) > 0)))
);

CREATE INDEX bundles_captured_at_idx ON snapshots.bundles USING btree (bot_id, captured_at DESC, id DESC);
CREATE TRIGGER bundles_append_only BEFORE DELETE OR UPDATE ON snapshots.bundles FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.bundles');
CREATE TRIGGER bundles_no_truncate BEFORE TRUNCATE ON snapshots.bundles FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.bundles');

CREATE TABLE snapshots.calendar (
  bot_id text NOT NULL,
  bundle_id uuid NOT NULL,
  event_id uuid NOT NULL,
  source text NOT NULL,
  event_time timestamp(3) with time zone NOT NULL,
  currency text NOT NULL,
  impact text NOT NULL,
  title text NOT NULL,
  previous text,
  forecast text,
  actual text,
  recorded_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT calendar_pkey PRIMARY KEY (bot_id, bundle_id, event_id),
  CONSTRAINT calendar_bundle_id_fkey FOREIGN KEY (bot_id, bundle_id) REFERENCES snapshots.bundles(bot_id, id),
  CONSTRAINT calendar_currency_check CHECK ((btrim(currency) <> ''::text)),
  CONSTRAINT calendar_impact_check CHECK ((impact = ANY (ARRAY['low'::text, 'medium'::text, 'high'::text]))),
  CONSTRAINT calendar_title_check CHECK ((btrim(title) <> ''::text))
);

CREATE TRIGGER calendar_append_only BEFORE DELETE OR UPDATE ON snapshots.calendar FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.calendar');
CREATE TRIGGER calendar_no_truncate BEFORE TRUNCATE ON snapshots.calendar FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.calendar');

CREATE TABLE snapshots.indicators (
  bot_id text NOT NULL,
  bundle_id uuid NOT NULL,
  exchange text NOT NULL,
  symbol text NOT NULL,
  timeframe text NOT NULL,
  open_time timestamp(3) with time zone NOT NULL,
  rsi_14 double precision,
  sma_50 double precision,
  sma_200 double precision,
  macd double precision,
  macd_signal double precision,
  macd_histogram double precision,
  atr double precision,
  "values" jsonb NOT NULL,
  recorded_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT indicators_pkey PRIMARY KEY (bot_id, bundle_id, exchange, symbol, timeframe),
  CONSTRAINT indicators_bundle_id_fkey FOREIGN KEY (bot_id, bundle_id) REFERENCES snapshots.bundles(bot_id, id),
  CONSTRAINT indicators_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT indicators_rsi_14_check CHECK (((rsi_14 >= (0)::double precision) AND (rsi_14 <= (100)::double precision))),
  CONSTRAINT indicators_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT indicators_timeframe_check CHECK ((timeframe = ANY (ARRAY['1s'::text, '1m'::text, '3m'::text, '5m'::text, '15m'::text, '30m'::text, '1h'::text, '2h'::text, '4h'::text, '6h'::text, '8h'::text, '12h'::text, '1d'::text, '3d'::text, '1w'::text, '1M'::text]))),
  CONSTRAINT indicators_values_check CHECK ((jsonb_typeof("values") = 'object'::text))
);

CREATE TRIGGER indicators_append_only BEFORE DELETE OR UPDATE ON snapshots.indicators FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.indicators');
CREATE TRIGGER indicators_no_truncate BEFORE TRUNCATE ON snapshots.indicators FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.indicators');

CREATE TABLE snapshots.market (
  bot_id text NOT NULL,
  bundle_id uuid NOT NULL,
  exchange text NOT NULL,
  symbol text NOT NULL,
  timeframe text NOT NULL,
  open_time timestamp(3) with time zone NOT NULL,
  open numeric NOT NULL,
  high numeric NOT NULL,
  low numeric NOT NULL,
  close numeric NOT NULL,
  volume numeric NOT NULL,
  complete boolean NOT NULL,
  last_price numeric NOT NULL,
  last_price_at timestamp(3) with time zone NOT NULL,
  funding_rate numeric,
  funding_time timestamp(3) with time zone,
  funding_interval_hours integer,
  funding_is_estimated boolean,
  CONSTRAINT market_pkey PRIMARY KEY (bot_id, bundle_id, exchange, symbol, timeframe),
  CONSTRAINT market_bundle_id_fkey FOREIGN KEY (bot_id, bundle_id) REFERENCES snapshots.bundles(bot_id, id),
  CONSTRAINT market_close_check CHECK (((close > (0)::numeric) AND (close < 'Infinity'::numeric))),
  CONSTRAINT market_exchange_check CHECK ((btrim(exchange) <> ''::text)),
  CONSTRAINT market_funding_interval_hours_check CHECK ((funding_interval_hours > 0)),
  CONSTRAINT market_funding_rate_check CHECK (((funding_rate > ('-1'::integer)::numeric) AND (funding_rate < (1)::numeric))),
  CONSTRAINT market_high_check CHECK (((high > (0)::numeric) AND (high < 'Infinity'::numeric))),
  CONSTRAINT market_last_price_check CHECK (((last_price > (0)::numeric) AND (last_price < 'Infinity'::numeric))),
  CONSTRAINT market_low_check CHECK (((low > (0)::numeric) AND (low < 'Infinity'::numeric))),
  CONSTRAINT market_open_check CHECK (((open > (0)::numeric) AND (open < 'Infinity'::numeric))),
  CONSTRAINT market_symbol_check CHECK ((btrim(symbol) <> ''::text)),
  CONSTRAINT market_timeframe_check CHECK ((timeframe = ANY (ARRAY['1s'::text, '1m'::text, '3m'::text, '5m'::text, '15m'::text, '30m'::text, '1h'::text, '2h'::text, '4h'::text, '6h'::text, '8h'::text, '12h'::text, '1d'::text, '3d'::text, '1w'::text, '1M'::text]))),
  CONSTRAINT market_volume_check CHECK (((volume >= (0)::numeric) AND (volume < 'Infinity'::numeric)))
);

CREATE TRIGGER market_append_only BEFORE DELETE OR UPDATE ON snapshots.market FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.market');
CREATE TRIGGER market_no_truncate BEFORE TRUNCATE ON snapshots.market FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.market');

CREATE TABLE snapshots.news (
  bot_id text NOT NULL,
  bundle_id uuid NOT NULL,
  news_id uuid NOT NULL,
  source text NOT NULL,
  headline text NOT NULL,
  symbols text[] NOT NULL,
  sentiment_score double precision,
  published_at timestamp(3) with time zone NOT NULL,
  recorded_at timestamp(3) with time zone NOT NULL,
  CONSTRAINT news_pkey PRIMARY KEY (bot_id, bundle_id, news_id),
  CONSTRAINT news_bundle_id_fkey FOREIGN KEY (bot_id, bundle_id) REFERENCES snapshots.bundles(bot_id, id),
  CONSTRAINT news_headline_check CHECK ((btrim(headline) <> ''::text)),
  CONSTRAINT news_sentiment_score_check CHECK (((sentiment_score >= ('-1'::integer)::double precision) AND (sentiment_score <= (1)::double precision)))
);

CREATE TRIGGER news_append_only BEFORE DELETE OR UPDATE ON snapshots.news FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('snapshots.news');
CREATE TRIGGER news_no_truncate BEFORE TRUNCATE ON snapshots.news FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('snapshots.news');

CREATE TABLE strategy.activations (
  id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
  activated uuid[] DEFAULT '{}'::uuid[] NOT NULL,
  deactivated uuid[] DEFAULT '{}'::uuid[] NOT NULL,
  active_count integer NOT NULL,
  allocated numeric NOT NULL,
  max_active integer,
  changed_by text NOT NULL,
  reason text,
  occurred_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT activations_id_pkey PRIMARY KEY (id),
  CONSTRAINT activations_active_count_check CHECK ((active_count >= 0)),
  CONSTRAINT activations_allocated_check CHECK (((allocated >= (0)::numeric) AND (allocated <= (1)::numeric))),
  CONSTRAINT activations_max_active_check CHECK ((max_active >= 0))
);

CREATE TRIGGER activations_append_only BEFORE DELETE OR UPDATE ON strategy.activations FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.activations');
CREATE TRIGGER activations_no_truncate BEFORE TRUNCATE ON strategy.activations FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('strategy.activations');

CREATE TABLE strategy.allocations (
  id boolean DEFAULT true NOT NULL,
  allocated numeric DEFAULT 0 NOT NULL,
  active_count integer DEFAULT 0 NOT NULL,
  max_active integer,
  changed_by text,
  reason text,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT allocations_id_pkey PRIMARY KEY (id),
  CONSTRAINT allocations_active_count_check CHECK ((active_count >= 0)),
  CONSTRAINT allocations_allocated_check CHECK (((allocated >= (0)::numeric) AND (allocated <= (1)::numeric))),
  CONSTRAINT allocations_id_check CHECK (id),
  CONSTRAINT allocations_max_active_check CHECK ((max_active >= 0))
);

CREATE TRIGGER allocations_guard BEFORE INSERT OR DELETE OR UPDATE ON strategy.allocations FOR EACH ROW EXECUTE FUNCTION strategy.guard_allocations();
CREATE TRIGGER allocations_no_truncate BEFORE TRUNCATE ON strategy.allocations FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('strategy.allocations');

CREATE TABLE strategy.backtest_equity (
  backtest_id uuid NOT NULL,
  at timestamp(3) with time zone NOT NULL,
  equity numeric NOT NULL,
  CONSTRAINT backtest_equity_backtest_id_at_pkey PRIMARY KEY (backtest_id, at),
  CONSTRAINT backtest_equity_backtest_id_fkey FOREIGN KEY (backtest_id) REFERENCES strategy.backtests(id),
  CONSTRAINT backtest_equity_equity_check CHECK (((equity > '-Infinity'::numeric) AND (equity < 'Infinity'::numeric)))
);

CREATE TRIGGER backtest_equity_append_only BEFORE UPDATE ON strategy.backtest_equity FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.backtest_equity');

CREATE TABLE strategy.backtest_trades (
  backtest_id uuid NOT NULL,
  ordinal integer NOT NULL,
  symbol text NOT NULL,
  direction text NOT NULL,
  quantity numeric NOT NULL,
  entry_price numeric NOT NULL,
  exit_price numeric NOT NULL,
  opened_at timestamp(3) with time zone NOT NULL,
  closed_at timestamp(3) with time zone NOT NULL,
  fees numeric NOT NULL,
  net_pnl numeric NOT NULL,
  CONSTRAINT backtest_trades_backtest_id_ordinal_pkey PRIMARY KEY (backtest_id, ordinal),
  CONSTRAINT backtest_trades_backtest_id_fkey FOREIGN KEY (backtest_id) REFERENCES strategy.backtests(id),
  CONSTRAINT backtest_trades_closed_at_check CHECK ((closed_at >= opened_at)),
  CONSTRAINT backtest_trades_direction_check CHECK ((direction = ANY (ARRAY['long'::text, 'short'::text]))),
  CONSTRAINT backtest_trades_entry_price_check CHECK (((entry_price >= (0)::numeric) AND (entry_price < 'Infinity'::numeric))),
  CONSTRAINT backtest_trades_exit_price_check CHECK (((exit_price >= (0)::numeric) AND (exit_price < 'Infinity'::numeric))),
  CONSTRAINT backtest_trades_fees_check CHECK (((fees > '-Infinity'::numeric) AND (fees < 'Infinity'::numeric))),
  CONSTRAINT backtest_trades_net_pnl_check CHECK (((net_pnl > '-Infinity'::numeric) AND (net_pnl < 'Infinity'::numeric))),
  CONSTRAINT backtest_trades_ordinal_check CHECK ((ordinal > 0)),
  CONSTRAINT backtest_trades_quantity_check CHECK (((quantity > (0)::numeric) AND (quantity < 'Infinity'::numeric))),
  CONSTRAINT backtest_trades_symbol_check CHECK (((btrim(symbol) <> ''::text) AND (char_length(symbol) <= 200)))
);

CREATE TRIGGER backtest_trades_append_only BEFORE UPDATE ON strategy.backtest_trades FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.backtest_trades');

CREATE TABLE strategy.backtests (
  id uuid NOT NULL,
  strategy_id uuid NOT NULL,
  external_id text,
  exchange text,
  symbols text[] DEFAULT '{}'::text[] NOT NULL,
  timeframe text,
  period_start_at timestamp(3) with time zone NOT NULL,
  period_end_at timestamp(3) with time zone NOT NULL,
  parameters jsonb DEFAULT '{}'::jsonb NOT NULL,
  metrics jsonb DEFAULT '{}'::jsonb NOT NULL,
  initial_equity numeric NOT NULL,
  final_equity numeric NOT NULL,
  currency text,
  notes text,
  ran_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  created_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT backtests_id_pkey PRIMARY KEY (id),
  CONSTRAINT backtests_strategy_id_fkey FOREIGN KEY (strategy_id) REFERENCES strategy.strategies(id),
  CONSTRAINT backtests_external_id_check CHECK (((btrim(external_id) <> ''::text) AND (char_length(external_id) <= 200))),
  CONSTRAINT backtests_final_equity_check CHECK (((final_equity > '-Infinity'::numeric) AND (final_equity < 'Infinity'::numeric))),
  CONSTRAINT backtests_initial_equity_check CHECK (((initial_equity > (0)::numeric) AND (initial_equity < 'Infinity'::numeric))),
  CONSTRAINT backtests_metrics_check CHECK ((jsonb_typeof(metrics) = 'object'::text)),
  CONSTRAINT backtests_parameters_check CHECK ((jsonb_typeof(parameters) = 'object'::text)),
  CONSTRAINT backtests_period_end_at_check CHECK ((period_end_at > period_start_at))
);

CREATE INDEX backtests_strategy_id_ran_at_id_idx ON strategy.backtests USING btree (strategy_id, ran_at DESC, id DESC);
CREATE UNIQUE INDEX backtests_strategy_id_external_id_key ON strategy.backtests USING btree (strategy_id, external_id) WHERE (external_id IS NOT NULL);
CREATE TRIGGER backtests_append_only BEFORE UPDATE ON strategy.backtests FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.backtests');

CREATE TABLE strategy.insights (
  id uuid NOT NULL,
  strategy_id uuid,
  kind text NOT NULL,
  insights jsonb NOT NULL,
  generation_statistics jsonb DEFAULT '{}'::jsonb NOT NULL,
  learned_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT insights_id_pkey PRIMARY KEY (id),
  CONSTRAINT insights_strategy_id_fkey FOREIGN KEY (strategy_id) REFERENCES strategy.strategies(id),
  CONSTRAINT insights_generation_statistics_check CHECK ((jsonb_typeof(generation_statistics) = 'object'::text)),
  CONSTRAINT insights_insights_check CHECK ((jsonb_typeof(insights) = 'object'::text)),
  CONSTRAINT insights_kind_check CHECK ((btrim(kind) <> ''::text))
);

CREATE INDEX insights_learned_at_id_idx ON strategy.insights USING btree (learned_at DESC, id DESC);
CREATE TRIGGER insights_append_only BEFORE UPDATE ON strategy.insights FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.insights');

CREATE TABLE strategy.performance (
  id uuid NOT NULL,
  strategy_id uuid NOT NULL,
  symbol text NOT NULL,
  signals_count integer NOT NULL,
  execution_ms double precision NOT NULL,
  error text,
  summary jsonb DEFAULT '{}'::jsonb NOT NULL,
  run_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT performance_id_pkey PRIMARY KEY (id),
  CONSTRAINT performance_strategy_id_fkey FOREIGN KEY (strategy_id) REFERENCES strategy.strategies(id),
  CONSTRAINT performance_error_check CHECK ((btrim(error) <> ''::text)),
  CONSTRAINT performance_execution_ms_check CHECK (((execution_ms >= (0)::double precision) AND (execution_ms < 'Infinity'::double precision))),
  CONSTRAINT performance_signals_count_check CHECK ((signals_count >= 0)),
  CONSTRAINT performance_summary_check CHECK ((jsonb_typeof(summary) = 'object'::text)),
  CONSTRAINT performance_symbol_check CHECK (((btrim(symbol) <> ''::text) AND (char_length(symbol) <= 200)))
);

CREATE INDEX performance_strategy_id_run_at_id_idx ON strategy.performance USING btree (strategy_id, run_at DESC, id DESC);
CREATE TRIGGER performance_append_only BEFORE UPDATE ON strategy.performance FOR EACH ROW EXECUTE FUNCTION trading.refuse_change('strategy.performance');

CREATE TABLE strategy.review_summaries (
  id uuid NOT NULL,
  reviewed_on date NOT NULL,
  grade_distribution jsonb DEFAULT '{}'::jsonb NOT NULL,
  decision_distribution jsonb DEFAULT '{}'::jsonb NOT NULL,
  total_reviewed integer NOT NULL,
  average_confidence double precision,
  top_performers jsonb DEFAULT '[]'::jsonb NOT NULL,
  needing_attention jsonb DEFAULT '[]'::jsonb NOT NULL,
  market_regime jsonb DEFAULT '{}'::jsonb NOT NULL,
  created_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT review_summaries_id_pkey PRIMARY KEY (id),
  CONSTRAINT review_summaries_reviewed_on_key UNIQUE (reviewed_on),
  CONSTRAINT review_summaries_average_confidence_check CHECK (((average_confidence >= (0)::double precision) AND (average_confidence <= (1)::double precision))),
  CONSTRAINT review_summaries_decision_distribution_check CHECK ((jsonb_typeof(decision_distribution) = 'object'::text)),
  CONSTRAINT review_summaries_grade_distribution_check CHECK ((jsonb_typeof(grade_distribution) = 'object'::text)),
  CONSTRAINT review_summaries_market_regime_check CHECK ((jsonb_typeof(market_regime) = 'object'::text)),
  CONSTRAINT review_summaries_needing_attention_check CHECK ((jsonb_typeof(needing_attention) = 'array'::text)),
  CONSTRAINT review_summaries_top_performers_check CHECK ((jsonb_typeof(top_performers) = 'array'::text)),
  CONSTRAINT review_summaries_total_reviewed_check CHECK ((total_reviewed >= 0))
);

CREATE TRIGGER review_summaries_updated_at BEFORE UPDATE ON strategy.review_summaries FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE TABLE strategy.reviews (
  id uuid NOT NULL,
  strategy_id uuid NOT NULL,
  status text DEFAULT 'requested'::text NOT NULL,
  requested_by text,
  request_reason text,
  reviewer text,
  grade text,
  decision text,
  confidence double precision,
  scores jsonb DEFAULT '{}'::jsonb NOT NULL,
  summary text,
  recommendations text,
  payload jsonb DEFAULT '{}'::jsonb NOT NULL,
  requested_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  reviewed_at timestamp(3) with time zone,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT reviews_id_pkey PRIMARY KEY (id),
  CONSTRAINT reviews_strategy_id_fkey FOREIGN KEY (strategy_id) REFERENCES strategy.strategies(id),
  CONSTRAINT reviews_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
  CONSTRAINT reviews_decision_check CHECK (((decision = ANY (ARRAY['keep_as_is'::text, 'optimize_parameters'::text, 'modify_logic'::text, 'replace_strategy'::text, 'pause_strategy'::text, 'increase_allocation'::text, 'decrease_allocation'::text])) AND ((status = 'completed'::text) = (decision IS NOT NULL)))),
  CONSTRAINT reviews_grade_check CHECK (((grade IS NULL) OR ((grade = ANY (ARRAY['A+'::text, 'A'::text, 'B'::text, 'C'::text, 'D'::text])) AND (status = 'completed'::text)))),
  CONSTRAINT reviews_payload_check CHECK ((jsonb_typeof(payload) = 'object'::text)),
  CONSTRAINT reviews_requested_by_check CHECK ((btrim(requested_by) <> ''::text)),
  CONSTRAINT reviews_reviewed_at_check CHECK ((((status = 'requested'::text) = (reviewed_at IS NULL)) AND ((status = 'requested'::text) = (reviewer IS NULL)))),
  CONSTRAINT reviews_reviewer_check CHECK ((btrim(reviewer) <> ''::text)),
  CONSTRAINT reviews_scores_check CHECK ((jsonb_typeof(scores) = 'object'::text)),
  CONSTRAINT reviews_status_check CHECK ((status = ANY (ARRAY['requested'::text, 'completed'::text, 'dismissed'::text])))
);

CREATE INDEX reviews_requested_at_id_idx ON strategy.reviews USING btree (requested_at DESC, id DESC);
CREATE INDEX reviews_strategy_id_requested_at_id_idx ON strategy.reviews USING btree (strategy_id, requested_at DESC, id DESC);
CREATE TRIGGER reviews_guard BEFORE INSERT OR UPDATE ON strategy.reviews FOR EACH ROW EXECUTE FUNCTION strategy.guard_review();

CREATE TABLE strategy.selections (
  id uuid NOT NULL,
  selected_on date NOT NULL,
  symbols jsonb NOT NULL,
  total integer NOT NULL,
  selected_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT selections_id_pkey PRIMARY KEY (id),
  CONSTRAINT selections_selected_on_key UNIQUE (selected_on),
  CONSTRAINT selections_symbols_check CHECK ((jsonb_typeof(symbols) = 'array'::text)),
  CONSTRAINT selections_total_check CHECK ((total = jsonb_array_length(symbols)))
);

CREATE TABLE strategy.signals (
  bot_id text NOT NULL,
  id uuid NOT NULL,
  strategy_id uuid,
  exchange text NOT NULL,
  symbol text NOT NULL,
  kind text NOT NULL,
  strength double precision DEFAULT 1 NOT NULL,
  confidence double precision,
  price numeric NOT NULL,
  suggested_stop_loss numeric,
  suggested_take_profit numeric,
  suggested_quantity numeric,
  indicators jsonb DEFAULT '{}'::jsonb NOT NULL,
  market_conditions jsonb DEFAULT '{}'::jsonb NOT NULL,
  metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
  passed_filters text[] DEFAULT '{}'::text[] NOT NULL,
  failed_filters text[] DEFAULT '{}'::text[] NOT NULL,
  validated boolean DEFAULT false NOT NULL,
  notes text,
  emitted_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  valid_until timestamp(3) with time zone,
  outcome text DEFAULT 'pending'::text NOT NULL,
  outcome_pnl numeric,
  rejection_reason text,
  order_id uuid,
  outcome_at timestamp(3) with time zone,
  recorded_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT signals_bot_id_id_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT signals_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT signals_strategy_id_fkey FOREIGN KEY (strategy_id) REFERENCES strategy.strategies(id),
  CONSTRAINT signals_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
  CONSTRAINT signals_exchange_check CHECK (((btrim(exchange) <> ''::text) AND (char_length(exchange) <= 200))),
  CONSTRAINT signals_indicators_check CHECK ((jsonb_typeof(indicators) = 'object'::text)),
  CONSTRAINT signals_kind_check CHECK ((kind = ANY (ARRAY['long'::text, 'short'::text, 'close_long'::text, 'close_short'::text, 'hold'::text]))),
  CONSTRAINT signals_market_conditions_check CHECK ((jsonb_typeof(market_conditions) = 'object'::text)),
  CONSTRAINT signals_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
  CONSTRAINT signals_outcome_at_check CHECK (((outcome = 'pending'::text) = (outcome_at IS NULL))),
  CONSTRAINT signals_outcome_check CHECK ((outcome = ANY (ARRAY['pending'::text, 'winner'::text, 'loser'::text, 'breakeven'::text, 'not_executed'::text]))),
  CONSTRAINT signals_outcome_pnl_check CHECK (((outcome_pnl > '-Infinity'::numeric) AND (outcome_pnl < 'Infinity'::numeric) AND ((outcome_pnl IS NULL) OR ((outcome = 'winner'::text) AND (outcome_pnl > (0)::numeric)) OR ((outcome = 'loser'::text) AND (outcome_pnl < (0)::numeric)) OR ((outcome = 'breakeven'::text) AND (outcome_pnl = (0)::numeric))))),
  CONSTRAINT signals_price_check CHECK (((price > (0)::numeric) AND (price < 'Infinity'::numeric))),
  CONSTRAINT signals_strength_check CHECK (((strength >= (0)::double precision) AND (strength <= (1)::double precision))),
  CONSTRAINT signals_suggested_quantity_check CHECK (((suggested_quantity > (0)::numeric) AND (suggested_quantity < 'Infinity'::numeric))),
  CONSTRAINT signals_suggested_stop_loss_check CHECK (((suggested_stop_loss > (0)::numeric) AND (suggested_stop_loss < 'Infinity'::numeric))),
  CONSTRAINT signals_suggested_take_profit_check CHECK (((suggested_take_profit > (0)::numeric) AND (suggested_take_profit < 'Infinity'::numeric))),
  CONSTRAINT signals_symbol_check CHECK (((btrim(symbol) <> ''::text) AND (char_length(symbol) <= 200))),
  CONSTRAINT signals_valid_until_check CHECK ((valid_until > emitted_at))
);

CREATE INDEX signals_bot_id_emitted_at_id_idx ON strategy.signals USING btree (bot_id, emitted_at DESC, id DESC);
CREATE INDEX signals_bot_id_strategy_id_emitted_at_id_idx ON strategy.signals USING btree (bot_id, strategy_id, emitted_at DESC, id DESC) WHERE (strategy_id IS NOT NULL);
CREATE INDEX signals_bot_id_symbol_emitted_at_id_idx ON strategy.signals USING btree (bot_id, symbol, emitted_at DESC, id DESC);
CREATE TRIGGER signals_guard BEFORE UPDATE ON strategy.signals FOR EACH ROW EXECUTE FUNCTION strategy.guard_signal();

CREATE TABLE strategy.strategies (
  id uuid NOT NULL,
  name text NOT NULL,
  kind text NOT NULL,
  description text,
  parameters jsonb DEFAULT '{}'::jsonb NOT NULL,
  configuration jsonb DEFAULT '{}'::jsonb NOT NULL,
  metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
  allowed_symbols text[],
  session_windows jsonb DEFAULT '[]'::jsonb NOT NULL,
  entry_conditions jsonb DEFAULT '{}'::jsonb NOT NULL,
  exit_rules jsonb DEFAULT '{}'::jsonb NOT NULL,
  forbidden_conditions jsonb DEFAULT '{}'::jsonb NOT NULL,
  risk_caps jsonb DEFAULT '{}'::jsonb NOT NULL,
  reward_to_risk numeric,
  max_risk_fraction numeric,
  status text DEFAULT 'draft'::text NOT NULL,
  allocation numeric DEFAULT 0 NOT NULL,
  version bigint DEFAULT 1 NOT NULL,
  replaces_id uuid,
  replaced_by_id uuid,
  changed_by text NOT NULL,
  reason text,
  activated_at timestamp(3) with time zone,
  paused_at timestamp(3) with time zone,
  archived_at timestamp(3) with time zone,
  replaced_at timestamp(3) with time zone,
  created_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT strategies_id_pkey PRIMARY KEY (id),
  CONSTRAINT strategies_name_key UNIQUE (name),
  CONSTRAINT strategies_replaced_by_id_key UNIQUE (replaced_by_id),
  CONSTRAINT strategies_replaces_id_key UNIQUE (replaces_id),
  CONSTRAINT strategies_replaced_by_id_fkey FOREIGN KEY (replaced_by_id) REFERENCES strategy.strategies(id),
  CONSTRAINT strategies_replaces_id_fkey FOREIGN KEY (replaces_id) REFERENCES strategy.strategies(id),
  CONSTRAINT strategies_allocation_check CHECK (((allocation >= (0)::numeric) AND (allocation <= (1)::numeric))),
  CONSTRAINT strategies_changed_by_check CHECK ((btrim(changed_by) <> ''::text)),
  CONSTRAINT strategies_configuration_check CHECK ((jsonb_typeof(configuration) = 'object'::text)),
  CONSTRAINT strategies_entry_conditions_check CHECK ((jsonb_typeof(entry_conditions) = 'object'::text)),
  CONSTRAINT strategies_exit_rules_check CHECK ((jsonb_typeof(exit_rules) = 'object'::text)),
  CONSTRAINT strategies_forbidden_conditions_check CHECK ((jsonb_typeof(forbidden_conditions) = 'object'::text)),
  CONSTRAINT strategies_kind_check CHECK ((btrim(kind) <> ''::text)),
  CONSTRAINT strategies_max_risk_fraction_check CHECK (((max_risk_fraction > (0)::numeric) AND (max_risk_fraction <= (1)::numeric))),
  CONSTRAINT strategies_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
  CONSTRAINT strategies_name_check CHECK (((btrim(name) <> ''::text) AND (char_length(name) <= 200))),
  CONSTRAINT strategies_parameters_check CHECK ((jsonb_typeof(parameters) = 'object'::text)),
  CONSTRAINT strategies_replaced_by_id_check CHECK (((status = 'replaced'::text) = (replaced_by_id IS NOT NULL))),
  CONSTRAINT strategies_replaces_id_check CHECK ((replaces_id <> replaced_by_id)),
  CONSTRAINT strategies_reward_to_risk_check CHECK (((reward_to_risk > (0)::numeric) AND (reward_to_risk < 'Infinity'::numeric))),
  CONSTRAINT strategies_risk_caps_check CHECK ((jsonb_typeof(risk_caps) = 'object'::text)),
  CONSTRAINT strategies_session_windows_check CHECK ((jsonb_typeof(session_windows) = 'array'::text)),
  CONSTRAINT strategies_status_check CHECK ((status = ANY (ARRAY['draft'::text, 'backtested'::text, 'paper'::text, 'active'::text, 'paused'::text, 'archived'::text, 'replaced'::text]))),
  CONSTRAINT strategies_version_check CHECK ((version > 0))
);

CREATE TRIGGER strategies_begin BEFORE INSERT ON strategy.strategies FOR EACH ROW EXECUTE FUNCTION strategy.begin_strategy();
CREATE TRIGGER strategies_guard BEFORE UPDATE ON strategy.strategies FOR EACH ROW EXECUTE FUNCTION strategy.guard_strategy();
CREATE TRIGGER strategies_inserted AFTER INSERT ON strategy.strategies REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION strategy.after_insert();
CREATE TRIGGER strategies_no_delete BEFORE DELETE ON strategy.strategies FOR EACH ROW EXECUTE FUNCTION strategy.refuse_delete();
CREATE TRIGGER strategies_no_truncate BEFORE TRUNCATE ON strategy.strategies FOR EACH STATEMENT EXECUTE FUNCTION strategy.refuse_delete();
CREATE TRIGGER strategies_replacement AFTER INSERT OR UPDATE OF status, replaces_id, replaced_by_id ON strategy.strategies FOR EACH ROW WHEN (((new.replaces_id IS NOT NULL) OR (new.replaced_by_id IS NOT NULL))) EXECUTE FUNCTION strategy.check_replacement();
CREATE TRIGGER strategies_updated AFTER UPDATE ON strategy.strategies REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION strategy.after_update();

CREATE TABLE strategy.strategy_symbols (
  strategy_id uuid NOT NULL,
  symbol text NOT NULL,
  weight numeric DEFAULT 1 NOT NULL,
  metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
  changed_by text NOT NULL,
  updated_at timestamp(3) with time zone DEFAULT now() NOT NULL,
  CONSTRAINT strategy_symbols_strategy_id_symbol_pkey PRIMARY KEY (strategy_id, symbol),
  CONSTRAINT strategy_symbols_strategy_id_fkey FOREIGN KEY (strategy_id) REFERENCES strategy.strategies(id),
  CONSTRAINT strategy_symbols_changed_by_check CHECK ((btrim(changed_by) <> ''::text)),
  CONSTRAINT strategy_symbols_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
  CONSTRAINT strategy_symbols_symbol_check CHECK (((btrim(symbol) <> ''::text) AND (char_length(symbol) <= 200))),
  CONSTRAINT strategy_symbols_weight_check CHECK (((weight >= (0)::numeric) AND (weight < 'Infinity'::numeric)))
);

CREATE TRIGGER strategy_symbols_added AFTER INSERT ON strategy.strategy_symbols REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION strategy.log_symbols();
CREATE TRIGGER strategy_symbols_changed AFTER UPDATE ON strategy.strategy_symbols REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION strategy.log_symbols();
CREATE TRIGGER strategy_symbols_guard BEFORE INSERT OR DELETE OR UPDATE ON strategy.strategy_symbols FOR EACH ROW EXECUTE FUNCTION strategy.guard_symbols();
CREATE TRIGGER strategy_symbols_no_truncate BEFORE TRUNCATE ON strategy.strategy_symbols FOR EACH STATEMENT EXECUTE FUNCTION trading.refuse_change('strategy.strategy_symbols');
CREATE TRIGGER strategy_symbols_removed AFTER DELETE ON strategy.strategy_symbols REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION strategy.log_symbols();

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
  checks jsonb,
  CONSTRAINT orders_pkey PRIMARY KEY (bot_id, id),
  CONSTRAINT orders_client_order_id_key UNIQUE (bot_id, client_order_id),
  CONSTRAINT orders_exchange_order_id_key UNIQUE (bot_id, exchange, symbol, exchange_order_id),
  CONSTRAINT orders_bot_id_fkey FOREIGN KEY (bot_id) REFERENCES fleet.bots(bot_id),
  CONSTRAINT orders_decision_id_fkey FOREIGN KEY (bot_id, decision_id) REFERENCES analysis.decisions(bot_id, id) NOT VALID,
  CONSTRAINT orders_parent_id_fkey FOREIGN KEY (bot_id, parent_id) REFERENCES trading.orders(bot_id, id),
  CONSTRAINT orders_position_id_fkey FOREIGN KEY (bot_id, position_id) REFERENCES trading.positions(bot_id, id),
  CONSTRAINT orders_checks_check CHECK ((jsonb_typeof(checks) = 'array'::text)),
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
CREATE INDEX orders_decision_id_idx ON trading.orders USING btree (bot_id, decision_id) WHERE (decision_id IS NOT NULL);
CREATE INDEX orders_open_idx ON trading.orders USING btree (bot_id, created_at DESC, id DESC) WHERE (status = ANY (ARRAY['pending'::text, 'submitted'::text, 'partially_filled'::text]));
CREATE INDEX orders_position_id_idx ON trading.orders USING btree (bot_id, position_id) WHERE (position_id IS NOT NULL);
CREATE TRIGGER orders_created AFTER INSERT ON trading.orders FOR EACH ROW EXECUTE FUNCTION trading.log_order_event();
CREATE TRIGGER orders_guard BEFORE UPDATE ON trading.orders FOR EACH ROW EXECUTE FUNCTION trading.guard_order();
CREATE TRIGGER orders_refuse_vetoed BEFORE INSERT ON trading.orders FOR EACH ROW WHEN (((new.checks IS NOT NULL) AND (new.decision_id IS NOT NULL))) EXECUTE FUNCTION analysis.refuse_vetoed();
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
  entry_tag text,
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
CREATE TRIGGER positions_left_by_stops BEFORE DELETE ON trading.positions FOR EACH ROW EXECUTE FUNCTION risk.leave_position();
CREATE TRIGGER positions_updated_at BEFORE UPDATE ON trading.positions FOR EACH ROW EXECUTE FUNCTION fleet.set_updated_at();

CREATE OR REPLACE FUNCTION access.guard_user()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION access.keep_an_admin()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM FROM access.users WHERE role = 'admin' AND is_active ORDER BY id LIMIT 1 FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'user % is the last active admin', OLD.id
      USING ERRCODE = 'TB001', HINT = 'make another active user an admin first';
  END IF;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION access.log_user()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION access.refuse_removal()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  RAISE EXCEPTION 'users are not removed, since what they did names them'
    USING ERRCODE = 'TB002', HINT = 'set is_active to false instead';
END $function$;

CREATE OR REPLACE FUNCTION analysis.guard_decision()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  -- The action is made of others after this has run.
  v_may text[] := ARRAY['veto_reason', 'veto_source', 'vetoed_at', 'action'];
  v_order text;
BEGIN
  IF to_jsonb(NEW) - v_may IS DISTINCT FROM to_jsonb(OLD) - v_may THEN
    RAISE EXCEPTION 'decision ''%'' is append-only: nothing but a veto changes it', OLD.id
      USING ERRCODE = 'TB002', HINT = 'record another decision instead';
  END IF;
  IF OLD.vetoed_at IS NOT NULL THEN
    RAISE EXCEPTION 'decision ''%'' was vetoed by % at %', OLD.id, OLD.veto_source,
      to_char(OLD.vetoed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') USING ERRCODE = 'TB001';
  END IF;
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'a decision is not vetoed in a transaction that is %: it would not see an order placed since it began',
      current_setting('transaction_isolation') USING ERRCODE = 'TB002', HINT = 'veto it in a transaction that is read committed';
  END IF;
  SELECT o.client_order_id INTO v_order FROM trading.orders o
  WHERE o.bot_id = OLD.bot_id AND o.decision_id = OLD.id ORDER BY o.created_at LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'decision ''%'' has become order ''%'', so it is too late for a veto', OLD.id, v_order
      USING ERRCODE = 'TB001', HINT = 'cancel the order, or close what it opened';
  END IF;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION analysis.guard_llm_analysis()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  -- The total is made of others after this has run.
  v_may text[] := ARRAY['prompt', 'response', 'response_json', 'prompt_ciphertext', 'response_ciphertext',
    'response_json_ciphertext', 'key_id', 'total_tokens'];
BEGIN
  IF to_jsonb(NEW) - v_may IS DISTINCT FROM to_jsonb(OLD) - v_may THEN
    RAISE EXCEPTION 'LLM analysis ''%'' is append-only: only its prompt and its response are encrypted anew', OLD.id
      USING ERRCODE = 'TB002', HINT = 'record another analysis instead';
  END IF;
  IF num_nonnulls(NEW.prompt, NEW.response, NEW.response_json) > 0
    OR (NEW.prompt_ciphertext IS NULL) <> (num_nonnulls(OLD.prompt, OLD.prompt_ciphertext) = 0)
    OR (NEW.response_ciphertext IS NULL) <> (num_nonnulls(OLD.response, OLD.response_ciphertext) = 0)
    OR (NEW.response_json_ciphertext IS NULL) <> (num_nonnulls(OLD.response_json, OLD.response_json_ciphertext) = 0)
  THEN
    RAISE EXCEPTION 'prompt and response of LLM analysis ''%'' are only encrypted, whole, and never changed or made readable', OLD.id
      USING ERRCODE = 'TB002', HINT = 'use rotateLlmKeys';
  END IF;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION analysis.refuse_later_parts()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_part record;
BEGIN
  FOR v_part IN SELECT DISTINCT a.bot_id, a.decision_id FROM added a LOOP
    IF (SELECT d.recorded_at FROM analysis.decisions d WHERE d.bot_id = v_part.bot_id AND d.id = v_part.decision_id)
      <> now()::timestamptz(3) THEN
      RAISE EXCEPTION 'decision ''%'' was recorded before, so nothing is added to it', v_part.decision_id
        USING ERRCODE = 'TB002', HINT = 'record another decision';
    END IF;
  END LOOP;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION analysis.refuse_vetoed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_decision analysis.decisions;
BEGIN
  SELECT * INTO v_decision FROM analysis.decisions d
  WHERE d.bot_id = NEW.bot_id AND d.id = NEW.decision_id FOR SHARE;
  IF v_decision.vetoed_at IS NOT NULL THEN
    RAISE EXCEPTION 'decision ''%'' was vetoed by %: %', NEW.decision_id, v_decision.veto_source, v_decision.veto_reason
      USING ERRCODE = 'TB001', HINT = 'place no order for it';
  END IF;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION analysis.trade_id_of(p_exchange text, p_symbol text, p_side text, p_exchange_trade_id text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT replace(replace(p_exchange, '%', '%25'), ':', '%3A') || ':' || replace(replace(p_symbol, '%', '%25'), ':', '%3A') || ':' || p_side
    || ':' || p_exchange_trade_id
$function$;

CREATE OR REPLACE FUNCTION analytics.calendars_of(p_bot_ids text[], p_to date, p_now timestamp with time zone)
 RETURNS TABLE(bot integer, bot_id text, exchange text, base_currency text, initial_equity numeric, first_day date, last_day date, until timestamp with time zone, days date[], starts timestamp with time zone[], ends timestamp with time zone[])
 LANGUAGE sql
 STABLE
AS $function$
  WITH asked AS MATERIALIZED (
    SELECT a.*, least(analytics.day_start(a.last_day + 1, a.time_zone), p_now + interval '1 millisecond') AS until
    FROM (
      SELECT b.bot_id, b.exchange, b.base_currency, b.time_zone, b.initial_equity,
        analytics.day_of(least(b.created_at, fill.first_at, flow.first_at), b.time_zone) AS first_day,
        least(p_to, analytics.day_of(p_now, b.time_zone)) AS last_day
      FROM fleet.bots b
      CROSS JOIN LATERAL (SELECT min(f.executed_at) AS first_at FROM trading.fills f WHERE f.bot_id = b.bot_id) fill
      CROSS JOIN LATERAL (SELECT min(c.occurred_at) AS first_at FROM trading.cash_flows c WHERE c.bot_id = b.bot_id) flow
      WHERE b.bot_id = ANY (p_bot_ids)) a
    WHERE a.first_day <= a.last_day),

  -- The days of each time zone; a date that a zone left out is none.
  calendar AS MATERIALIZED (
    SELECT * FROM (
      SELECT z.time_zone, z.first_day + n AS day, analytics.day_start(z.first_day + n, z.time_zone) AS starts_at,
        analytics.day_start(z.first_day + n + 1, z.time_zone) AS ends_at
      FROM (SELECT time_zone, min(first_day) AS first_day, max(last_day) AS last_day FROM asked GROUP BY time_zone) z
      CROSS JOIN LATERAL generate_series(0, z.last_day - z.first_day) n) d
    WHERE d.ends_at > d.starts_at)
  SELECT row_number() OVER (ORDER BY a.bot_id COLLATE "C")::integer, a.bot_id, a.exchange, a.base_currency, a.initial_equity, a.first_day, a.last_day,
    a.until, c.days, c.starts, c.ends
  FROM asked a
  JOIN (
    SELECT time_zone, array_agg(day ORDER BY day) AS days, array_agg(starts_at ORDER BY day) AS starts, array_agg(ends_at ORDER BY day) AS ends
    FROM calendar GROUP BY time_zone) c USING (time_zone)
$function$;

CREATE OR REPLACE FUNCTION analytics.charges_of(p_fees jsonb, p_rates jsonb, p_exchange text, p_base_currency text, p_zone text, p_at timestamp with time zone)
 RETURNS numeric
 LANGUAGE sql
 STABLE PARALLEL SAFE COST 1
AS $function$
  SELECT CASE WHEN bool_and(fee.rate IS NOT NULL) THEN sum(fee.amount * fee.rate) END
  FROM (SELECT f.value::numeric AS amount, CASE WHEN f.key = p_base_currency THEN 1
      ELSE (p_rates ->> analytics.rate_key(p_exchange, f.key, p_base_currency, p_zone, p_at))::numeric END AS rate
    FROM jsonb_each_text(p_fees) f) fee
$function$;

CREATE OR REPLACE FUNCTION analytics.close_at(p_exchange text, p_symbol text, p_at timestamp with time zone, OUT price numeric, OUT closed_at timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
AS $function$
BEGIN
  SELECT newest.close, newest.open_time + series.length INTO price, closed_at
  FROM (SELECT s.id, market.timeframe_interval(s.timeframe) AS length FROM market.series s
    WHERE s.exchange = p_exchange AND s.symbol = p_symbol AND s.first_open_time < p_at) series
  CROSS JOIN LATERAL (
    SELECT c.close, c.open_time FROM market.candles c
    WHERE c.series_id = series.id AND c.complete
      AND c.open_time <= p_at - series.length AND c.open_time >= p_at - series.length - interval '96 hours'
    ORDER BY c.open_time DESC LIMIT 1) newest
  ORDER BY newest.open_time + series.length DESC, series.length LIMIT 1;
END $function$;

CREATE OR REPLACE FUNCTION analytics.day_of(p_at timestamp with time zone, p_zone text)
 RETURNS date
 LANGUAGE sql
 STABLE
AS $function$
  SELECT CASE WHEN p_at >= analytics.day_start(d.day + 1, p_zone) THEN d.day + 1 ELSE d.day END
  FROM (SELECT (p_at AT TIME ZONE p_zone)::date AS day) d
$function$;

CREATE OR REPLACE FUNCTION analytics.day_start(p_day date, p_zone text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
AS $function$
  SELECT CASE WHEN b.back > interval '0' AND (s.start - b.back) AT TIME ZONE p_zone = p_day::timestamp THEN s.start - b.back ELSE s.start END
  FROM (SELECT p_day::timestamp AT TIME ZONE p_zone AS start) s
  -- By how much clocks were turned back in the four hours before; nowhere was it ever more.
  CROSS JOIN LATERAL (SELECT (s.start - interval '4 hours') AT TIME ZONE p_zone + interval '4 hours' - s.start AT TIME ZONE p_zone AS back) b
$function$;

CREATE OR REPLACE FUNCTION analytics.days_of(p_bot_ids text[], p_from date, p_to date, p_now timestamp with time zone)
 RETURNS SETOF analytics.daily_pnl
 LANGUAGE sql
 STABLE
 SET enable_nestloop TO 'off'
 SET enable_mergejoin TO 'off'
 SET work_mem TO '64MB'
 SET jit TO 'off'
AS $function$
  WITH scales AS MATERIALIZED (SELECT * FROM analytics.calendars_of(p_bot_ids, p_to, p_now)),
  bot_days AS MATERIALIZED (
    SELECT a.bot, a.base_currency, a.initial_equity, a.first_day, c.day, c.starts_at, c.ends_at, least(c.ends_at, p_now) AS valued_at
    FROM scales a CROSS JOIN LATERAL unnest(a.days, a.starts, a.ends) c (day, starts_at, ends_at)
    WHERE c.day BETWEEN a.first_day AND a.last_day),
  ledger_days AS MATERIALIZED (
    SELECT l.*, s.days[l.place] AS day FROM analytics.ledger_days_of(p_bot_ids, p_to, p_now) l JOIN scales s ON s.bot = l.bot),
  first_fills AS MATERIALIZED (SELECT bot, day, min(first_at) AS at, sum(fills) AS fills FROM ledger_days GROUP BY 1, 2),

  -- Cash flows by day and currency.
  flow_days AS MATERIALIZED (
    SELECT c.bot, c.exchange, c.currency, c.day,
      coalesce(sum(c.amount) FILTER (WHERE c.kind = 'funding'), 0) AS funding,
      coalesce(sum(c.amount) FILTER (WHERE c.kind = 'interest'), 0) AS interest,
      coalesce(sum(c.amount) FILTER (WHERE c.kind = 'adjustment'), 0) AS adjustments,
      coalesce(-sum(c.amount) FILTER (WHERE c.kind IN ('fee', 'rebate')), 0) AS fees,
      coalesce(sum(c.amount) FILTER (WHERE c.is_external), 0) AS external,
      coalesce(sum(c.amount) FILTER (WHERE c.is_external AND (first.at IS NULL OR c.occurred_at < first.at)), 0) AS at_start
    FROM (SELECT s.bot, c.*, c.kind IN ('deposit', 'withdrawal', 'transfer') AS is_external, s.days[width_bucket(c.occurred_at, s.starts)] AS day
      FROM scales s
      JOIN trading.cash_flows c ON c.bot_id = s.bot_id AND c.occurred_at < s.until
      WHERE c.bot_id = ANY (p_bot_ids) AND c.amount <> 0
      OFFSET 0) c
    LEFT JOIN first_fills first ON first.bot = c.bot AND first.day = c.day
    GROUP BY 1, 2, 3, 4),

  -- All money of a day by currency, and what a bot has of each currency, as it began with none.
  amounts AS MATERIALIZED (
    SELECT bot, exchange, currency, day, sum(gross) AS gross, sum(fees) AS fees, sum(funding) AS funding, sum(interest) AS interest,
      sum(adjustments) AS adjustments, sum(external) AS external, sum(at_start) AS at_start, sum(volume) AS volume
    FROM (
      SELECT bot, exchange, settle_currency AS currency, day, gross, CASE WHEN fee_currency IS NULL THEN fees ELSE 0 END AS fees,
        0 AS funding, 0 AS interest, 0 AS adjustments, 0 AS external, 0 AS at_start, volume
      FROM ledger_days
      UNION ALL
      SELECT bot, exchange, fee_currency, day, 0, fees, 0, 0, 0, 0, 0, 0 FROM ledger_days WHERE fee_currency IS NOT NULL
      UNION ALL
      SELECT bot, exchange, currency, day, 0, fees, funding, interest, adjustments, external, at_start, 0 FROM flow_days) m
    GROUP BY 1, 2, 3, 4),
  held_money AS MATERIALIZED (
    SELECT d.bot, own.exchange, own.currency, d.base_currency, d.day, d.valued_at,
      coalesce(m.gross, 0) AS gross, coalesce(m.fees, 0) AS fees, coalesce(m.funding, 0) AS funding, coalesce(m.interest, 0) AS interest,
      coalesce(m.adjustments, 0) AS adjustments, coalesce(m.external, 0) AS external, coalesce(m.at_start, 0) AS at_start,
      coalesce(m.volume, 0) AS volume, m.bot IS NOT NULL AS has_moved,
      sum(coalesce(m.gross - m.fees + m.funding + m.interest + m.adjustments + m.external, 0)) OVER (
        PARTITION BY d.bot, own.exchange, own.currency ORDER BY d.day) AS held
    FROM (SELECT bot, exchange, currency, min(day) AS first_day FROM amounts GROUP BY 1, 2, 3) own
    JOIN bot_days d ON d.bot = own.bot AND d.day >= own.first_day
    LEFT JOIN amounts m ON m.bot = own.bot AND m.exchange = own.exchange AND m.currency = own.currency AND m.day = d.day),

  -- What was held open at the end of each day.
  held AS MATERIALIZED (
    SELECT h.bot, i.exchange, i.symbol, h.position_side, i.is_inverse, i.contract_size, i.settle_currency, h.quantity, h.cost, h.day + n AS day
    FROM (
      SELECT l.bot, l.instrument, l.position_side, l.day, coalesce(lead(l.day) OVER ledger - 1, a.last_day) AS last_day,
        sum(l.moved) OVER ledger AS quantity, sum(l.moved_cost) OVER ledger AS cost
      FROM (
        SELECT bot, instrument, position_side, day, sum(quantity) AS moved, sum(CASE WHEN is_inverse THEN cost - gross ELSE cost + gross END) AS moved_cost
        FROM ledger_days GROUP BY 1, 2, 3, 4) l
      JOIN scales a ON a.bot = l.bot
      WINDOW ledger AS (PARTITION BY l.bot, l.instrument, l.position_side ORDER BY l.day)) h
    JOIN (SELECT DISTINCT instrument, exchange, symbol, is_inverse, contract_size, settle_currency FROM ledger_days) i USING (instrument)
    CROSS JOIN LATERAL generate_series(0, h.last_day - h.day) n
    WHERE h.quantity <> 0),
  positions AS MATERIALIZED (
    SELECT h.*, d.base_currency, d.ends_at, d.valued_at FROM held h JOIN bot_days d ON d.bot = h.bot AND d.day = h.day),
  closes AS MATERIALIZED (
    SELECT w.*, c.price, c.closed_at
    FROM (SELECT DISTINCT exchange, symbol, valued_at FROM positions) w
    CROSS JOIN LATERAL analytics.close_at(w.exchange, w.symbol, w.valued_at) c),
  rates AS MATERIALIZED (
    SELECT w.*, analytics.rate_at(w.exchange, w.currency, w.base_currency, w.valued_at) AS rate
    FROM (
      SELECT exchange, currency, base_currency, valued_at FROM held_money WHERE currency <> base_currency
      UNION
      SELECT exchange, settle_currency, base_currency, valued_at FROM positions WHERE settle_currency <> base_currency) w),
  -- At a mark only on the day in progress: of marks the last one alone is stored, and what is over must come out the same again.
  open_pnl AS MATERIALIZED (
    SELECT v.bot, v.day, CASE WHEN count(*) = count(v.pnl) THEN sum(v.pnl) END AS pnl,
      jsonb_agg(CASE WHEN v.price IS NULL THEN v.symbol ELSE v.settle_currency END) FILTER (WHERE v.pnl IS NULL) AS unpriced
    FROM (
      SELECT p.bot, p.day, p.symbol, p.settle_currency, price.price,
        CASE WHEN p.is_inverse THEN p.cost - trading.divide(p.quantity * p.contract_size, price.price)
          ELSE p.quantity * p.contract_size * price.price - p.cost END
        * CASE WHEN p.settle_currency = p.base_currency THEN 1 ELSE r.rate END AS pnl
      FROM positions p
      JOIN scales s ON s.bot = p.bot
      JOIN closes c ON c.exchange = p.exchange AND c.symbol = p.symbol AND c.valued_at = p.valued_at
      LEFT JOIN trading.positions own ON own.bot_id = s.bot_id AND own.exchange = p.exchange AND own.symbol = p.symbol
        AND own.position_side = p.position_side AND own.status = 'open' AND p.valued_at < p.ends_at
        AND own.marked_at <= p.valued_at AND own.marked_at > p.valued_at - interval '24 hours'
      LEFT JOIN LATERAL (
        SELECT f.price FROM trading.fills f
        WHERE own.mark_price IS NULL AND c.closed_at IS DISTINCT FROM p.valued_at AND f.bot_id = s.bot_id AND f.exchange = p.exchange
          AND f.symbol = p.symbol AND f.position_side = p.position_side AND f.executed_at <= p.valued_at AND f.executed_at < p.ends_at
          AND f.executed_at >= p.valued_at - interval '96 hours' AND f.executed_at > coalesce(c.closed_at, '-infinity')
        ORDER BY f.executed_at DESC, f.sequence DESC, octet_length(f.exchange_trade_id) DESC, f.exchange_trade_id COLLATE "C" DESC LIMIT 1
      ) last ON true
      CROSS JOIN LATERAL (SELECT coalesce(own.mark_price, last.price, c.price) AS price) price
      LEFT JOIN rates r ON r.exchange = p.exchange AND r.currency = p.settle_currency AND r.base_currency = p.base_currency
        AND r.valued_at = p.valued_at) v
    GROUP BY 1, 2),

  -- The money of a day in base currency. What is zero needs no rate.
  money AS MATERIALIZED (
    SELECT v.bot, v.day,
      CASE WHEN bool_and(v.gross = 0 OR v.rate IS NOT NULL) THEN sum(CASE WHEN v.gross <> 0 THEN v.gross * v.rate ELSE 0 END) END AS gross,
      CASE WHEN bool_and(v.fees = 0 OR v.rate IS NOT NULL) THEN sum(CASE WHEN v.fees <> 0 THEN v.fees * v.rate ELSE 0 END) END AS fees,
      CASE WHEN bool_and(v.funding = 0 OR v.rate IS NOT NULL) THEN sum(CASE WHEN v.funding <> 0 THEN v.funding * v.rate ELSE 0 END) END AS funding,
      CASE WHEN bool_and(v.interest = 0 OR v.rate IS NOT NULL) THEN sum(CASE WHEN v.interest <> 0 THEN v.interest * v.rate ELSE 0 END) END AS interest,
      CASE WHEN bool_and(v.adjustments = 0 OR v.rate IS NOT NULL) THEN sum(CASE WHEN v.adjustments <> 0 THEN v.adjustments * v.rate ELSE 0 END) END
        AS adjustments,
      CASE WHEN bool_and(v.external = 0 OR v.rate IS NOT NULL) THEN sum(CASE WHEN v.external <> 0 THEN v.external * v.rate ELSE 0 END) END AS external,
      CASE WHEN bool_and(v.at_start = 0 OR v.rate IS NOT NULL) THEN sum(CASE WHEN v.at_start <> 0 THEN v.at_start * v.rate ELSE 0 END) END AS at_start,
      CASE WHEN bool_and(v.volume = 0 OR v.rate IS NOT NULL) THEN sum(CASE WHEN v.volume <> 0 THEN v.volume * v.rate ELSE 0 END) END AS volume,
      CASE WHEN bool_and(v.held = 0 OR v.rate IS NOT NULL) THEN sum(CASE WHEN v.held <> 0 THEN v.held * v.rate ELSE 0 END) END AS held,
      jsonb_agg(v.currency) FILTER (WHERE v.rate IS NULL AND (v.held <> 0 OR v.has_moved)) AS unvalued
    FROM (
      SELECT m.*, CASE WHEN m.currency = m.base_currency THEN 1 ELSE r.rate END AS rate
      FROM held_money m LEFT JOIN rates r USING (exchange, currency, base_currency, valued_at)) v
    GROUP BY 1, 2),

  -- How far the balance went above and below where a day began, after each instant at which it changed. Most bots have to do with their base
  -- currency alone, and need no rates.
  abroad AS MATERIALIZED (
    SELECT DISTINCT l.bot FROM ledger_days l JOIN scales s ON s.bot = l.bot
    WHERE l.fee_currency IS NOT NULL OR l.settle_currency <> s.base_currency),
  extremes AS MATERIALIZED (
    SELECT s.bot, s.days[x.place] AS day, x.is_known, x.highest, x.lowest
    FROM (
      SELECT r.bot, r.place, count(*) = count(r.amount) AS is_known, greatest(max(r.so_far), 0) AS highest, least(min(r.so_far), 0) AS lowest
      FROM (
        SELECT c.bot, c.place, c.amount, sum(c.amount) OVER (PARTITION BY c.bot, c.place ORDER BY c.at) AS so_far
        FROM (
          SELECT s.bot, width_bucket(f.executed_at, s.starts) AS place, f.executed_at AS at, f.realised_gross - f.fee_in_settlement AS amount
          FROM trading.fills f
          JOIN scales s ON s.bot_id = f.bot_id AND f.executed_at < s.until
          WHERE f.bot_id = ANY (p_bot_ids) AND f.realised_gross <> f.fee_in_settlement AND s.bot NOT IN (SELECT a.bot FROM abroad a)
          UNION ALL
          SELECT m.bot, m.place, m.at, CASE WHEN m.currency = m.base_currency THEN m.amount ELSE m.amount * r.rate END
          FROM (
            SELECT s.bot, s.base_currency, width_bucket(f.at, s.starts) AS place, f.at, f.exchange, f.currency, f.amount,
              least(s.ends[width_bucket(f.at, s.starts)], p_now) AS valued_at
            FROM (
              SELECT f.bot_id, f.executed_at AS at, f.exchange, i.settle_currency AS currency,
                f.realised_gross - coalesce(f.fee_in_settlement, 0) AS amount
              FROM (SELECT s.bot_id FROM abroad a JOIN scales s ON s.bot = a.bot) s
              JOIN trading.fills f ON f.bot_id = s.bot_id
              JOIN market.instruments i ON i.exchange = f.exchange AND i.symbol = f.symbol
              UNION ALL
              SELECT f.bot_id, f.executed_at, f.exchange, f.fee_currency, -f.fee
              FROM (SELECT s.bot_id FROM abroad a JOIN scales s ON s.bot = a.bot) s
              JOIN trading.fills f ON f.bot_id = s.bot_id AND f.fee_in_settlement IS NULL
              UNION ALL
              SELECT c.bot_id, c.occurred_at, c.exchange, c.currency, c.amount FROM trading.cash_flows c WHERE c.bot_id = ANY (p_bot_ids)) f
            JOIN scales s ON s.bot_id = f.bot_id AND f.at < s.until
            WHERE f.amount <> 0
            OFFSET 0) m
          LEFT JOIN rates r ON r.exchange = m.exchange AND r.currency = m.currency AND r.base_currency = m.base_currency
            AND r.valued_at = m.valued_at
          OFFSET 0) c) r
      GROUP BY 1, 2) x
    JOIN scales s ON s.bot = x.bot),

  -- Trades in order of closing, each with how many in a row were won, or as a negative number lost, up to it. A row of them begins where the outcome
  -- is another than before. Those closed in one instant come in order of opening, then by name: ids would follow the order of arrival.
  runs AS (
    SELECT t.*, lead(t.day) OVER bot IS DISTINCT FROM t.day AS is_last_of_day,
      CASE WHEN t.outcome IN (1, -1) THEN t.outcome * (t.place + 1 - max(t.begins) OVER bot) ELSE 0 END AS run
    FROM (
      SELECT t.*, row_number() OVER bot AS place, CASE WHEN t.outcome IS DISTINCT FROM lag(t.outcome) OVER bot THEN row_number() OVER bot END AS begins
      FROM (
        SELECT s.bot, t.closed_at, t.opened_at, t.trade_id COLLATE "C" AS trade_id, t.net, t.direction, t.is_liquidation, coalesce(sign(t.net), 2)::integer AS outcome,
          s.days[width_bucket(t.closed_at, s.starts)] AS day, round(extract(epoch FROM t.closed_at - t.opened_at) * 1000)::bigint AS holding_ms
        FROM scales s
        JOIN analytics.trades_of(p_bot_ids, NULL, NULL, p_now) t ON t.bot_id = s.bot_id AND t.closed_at < s.until
        WHERE t.bot_id = ANY (p_bot_ids)
        -- Makes the day be looked up before rows are sorted, which would carry the list of all days along.
        OFFSET 0) t
      WINDOW bot AS (PARTITION BY t.bot ORDER BY t.closed_at, t.opened_at, t.trade_id)) t
    WINDOW bot AS (PARTITION BY t.bot ORDER BY t.closed_at, t.opened_at, t.trade_id)),
  trade_days AS MATERIALIZED (
    SELECT r.bot, r.day, count(*) AS trades, count(*) FILTER (WHERE r.net > 0) AS wins, count(*) FILTER (WHERE r.net < 0) AS losses,
      count(*) FILTER (WHERE r.net = 0) AS draws, count(*) FILTER (WHERE r.net IS NULL) AS unvalued,
      count(*) FILTER (WHERE r.direction = 'long') AS longs, count(*) FILTER (WHERE r.direction = 'short') AS shorts,
      count(*) FILTER (WHERE r.is_liquidation) AS liquidations,
      coalesce(sum(r.net) FILTER (WHERE r.net > 0), 0) AS profit, coalesce(sum(r.net) FILTER (WHERE r.net < 0), 0) AS loss,
      max(r.net) AS best, min(r.net) AS worst, avg(r.holding_ms)::float8 AS average_holding_ms, min(r.holding_ms) AS shortest_holding_ms,
      max(r.holding_ms) AS longest_holding_ms, max(r.run) FILTER (WHERE r.is_last_of_day) AS last_run,
      greatest(max(r.run), 0) AS longest_win, greatest(-min(r.run), 0) AS longest_loss
    FROM runs r GROUP BY 1, 2),
  breaker_days AS MATERIALIZED (
    SELECT t.bot, t.day, count(*) AS trips
    FROM (
      SELECT s.bot, s.days[width_bucket(b.tripped_at, s.starts)] AS day
      FROM scales s JOIN risk.circuit_breakers b ON b.bot_id = s.bot_id AND b.tripped_at < s.until
      UNION ALL
      SELECT s.bot, s.days[width_bucket(b.tripped_at, s.starts)]
      FROM scales s JOIN risk.global_circuit_breakers b ON b.tripped_at < s.until AND coalesce(b.exchange, s.exchange) = s.exchange) t
    WHERE t.day IS NOT NULL GROUP BY 1, 2),
  switch_days AS MATERIALIZED (
    SELECT s.bot, s.days[width_bucket(e.activated_at, s.starts)] AS day, count(*) AS activations
    FROM scales s JOIN risk.kill_switch_events e ON e.activated_at < s.until
    WHERE e.activated_at >= s.starts[1] GROUP BY 1, 2),

  balances AS MATERIALIZED (
    SELECT d.*, m.unvalued, o.unpriced,
      CASE WHEN m.bot IS NULL THEN 0 ELSE m.gross END AS gross, CASE WHEN m.bot IS NULL THEN 0 ELSE m.fees END AS fees,
      CASE WHEN m.bot IS NULL THEN 0 ELSE m.funding END AS funding, CASE WHEN m.bot IS NULL THEN 0 ELSE m.interest END AS interest,
      CASE WHEN m.bot IS NULL THEN 0 ELSE m.adjustments END AS adjustments, CASE WHEN m.bot IS NULL THEN 0 ELSE m.external END AS external,
      CASE WHEN m.bot IS NULL THEN 0 ELSE m.at_start END AS at_start, CASE WHEN m.bot IS NULL THEN 0 ELSE m.volume END AS volume,
      d.initial_equity + CASE WHEN m.bot IS NULL THEN 0 ELSE m.held END AS balance,
      CASE WHEN o.bot IS NULL THEN 0 ELSE o.pnl END AS unrealised
    FROM bot_days d
    LEFT JOIN money m ON m.bot = d.bot AND m.day = d.day
    LEFT JOIN open_pnl o ON o.bot = d.bot AND o.day = d.day),
  steps AS MATERIALIZED (
    SELECT b.*, b.gross - b.fees + b.funding + b.interest + b.adjustments AS net, b.balance + b.unrealised AS equity,
      lag(b.balance, 1, b.initial_equity) OVER bot AS balance_start, lag(b.unrealised, 1, 0::numeric) OVER bot AS unrealised_start,
      sum(b.at_start) OVER bot AS all_at_start, sum(b.external - b.at_start) OVER bot AS all_after,
      count(*) FILTER (WHERE b.external IS NULL OR b.at_start IS NULL) OVER bot AS unknown_flows
    FROM balances b
    WINDOW bot AS (PARTITION BY b.bot ORDER BY b.day)),
  -- Returns go from one known equity to the next.
  returns AS MATERIALIZED (
    SELECT k.bot, k.day, k.gain, CASE WHEN k.capital > 0 THEN trading.divide(k.gain, k.capital)::float8 END AS fraction
    FROM (
      SELECT s.bot, s.day,
        CASE WHEN s.unknown_flows = lag(s.unknown_flows, 1, 0::bigint) OVER bot THEN s.equity - lag(s.equity, 1, s.initial_equity) OVER bot
          - (s.all_at_start + s.all_after - lag(s.all_at_start + s.all_after, 1, 0::numeric) OVER bot) END AS gain,
        CASE WHEN s.unknown_flows = lag(s.unknown_flows, 1, 0::bigint) OVER bot THEN lag(s.equity, 1, s.initial_equity) OVER bot
          + s.all_at_start - lag(s.all_at_start, 1, 0::numeric) OVER bot END AS capital
      FROM (SELECT s.bot, s.day, s.equity, s.initial_equity, s.unknown_flows, coalesce(s.all_at_start, 0) AS all_at_start,
          coalesce(s.all_after, 0) AS all_after
        FROM steps s WHERE s.equity IS NOT NULL) s
      WINDOW bot AS (PARTITION BY s.bot ORDER BY s.day)) k),
  growth AS MATERIALIZED (
    SELECT g.*, greatest(max(g.growth) OVER bot, 1) AS peak, count(g.fraction) OVER bot AS returns
    FROM (
      SELECT s.bot, s.day, s.first_day, r.fraction,
        analytics.product(greatest(1 + coalesce(r.fraction, 0), 0)) OVER bot AS growth,
        sum(coalesce(r.gain, 0)) OVER bot AS profit
      FROM steps s LEFT JOIN returns r ON r.bot = s.bot AND r.day = s.day
      WINDOW bot AS (PARTITION BY s.bot ORDER BY s.day)) g
    WINDOW bot AS (PARTITION BY g.bot ORDER BY g.day)),
  falls AS MATERIALIZED (
    SELECT g.*, max(g.drawdown) OVER bot AS max_drawdown, count(*) FILTER (WHERE g.drawdown = 0) OVER bot AS peaks,
      avg(g.fraction) OVER bot AS mean, stddev_samp(g.fraction) OVER bot AS deviation,
      sqrt(avg(CASE WHEN g.fraction < 0 THEN g.fraction ^ 2 WHEN g.fraction >= 0 THEN 0 END) OVER bot) AS downside
    -- Of a bot that is back at its peak to the cent, growth is often a last digit below.
    FROM (SELECT *, CASE WHEN 1 - growth / peak > 1e-12 THEN 1 - growth / peak ELSE 0 END AS drawdown FROM growth) g
    WINDOW bot AS (PARTITION BY g.bot ORDER BY g.day)),
  figures AS MATERIALIZED (
    SELECT f.*, CASE WHEN f.drawdown > 0
        THEN CASE WHEN f.peaks = 0 THEN 0 ELSE first_value(f.profit) OVER (PARTITION BY f.bot, f.peaks ORDER BY f.day) END - f.profit ELSE 0 END AS lost,
      CASE WHEN f.growth > 0 THEN 365.0 / (f.day - f.first_day + 1) * ln(f.growth) END AS log_growth
    FROM falls f),
  streaks AS MATERIALIZED (
    SELECT s.bot, s.day, coalesce(max(s.last_run) OVER (PARTITION BY s.bot, s.stretch), 0) AS current, s.longest_win, s.longest_loss
    FROM (
      SELECT d.bot, d.day, t.last_run, count(t.last_run) OVER bot AS stretch, coalesce(max(t.longest_win) OVER bot, 0) AS longest_win,
        coalesce(max(t.longest_loss) OVER bot, 0) AS longest_loss
      FROM bot_days d LEFT JOIN trade_days t ON t.bot = d.bot AND t.day = d.day
      WINDOW bot AS (PARTITION BY d.bot ORDER BY d.day)) s)

  SELECT a.bot_id, s.day, s.starts_at::timestamptz(3), s.ends_at::timestamptz(3), s.ends_at <= p_now, s.base_currency,
    s.gross, s.fees, s.funding, s.interest, s.adjustments, s.net, s.unrealised - s.unrealised_start,
    s.balance - s.balance_start - s.net - s.external, s.equity - (s.balance_start + s.unrealised_start) - s.external, s.external, s.at_start,
    s.balance_start, s.balance,
    CASE WHEN coalesce(x.is_known, true) THEN greatest(s.balance_start + coalesce(x.highest, 0), s.balance_start) END,
    CASE WHEN coalesce(x.is_known, true) THEN least(s.balance_start + coalesce(x.lowest, 0), s.balance_start) END,
    s.unrealised, s.balance_start + s.unrealised_start, s.equity,
    CASE WHEN s.unvalued IS NULL AND s.unpriced IS NULL THEN '[]' ELSE (
      SELECT jsonb_agg(u.name ORDER BY u.name COLLATE "C")
      FROM (SELECT DISTINCT e.name FROM jsonb_array_elements_text(coalesce(s.unvalued, '[]') || coalesce(s.unpriced, '[]')) e (name)) u) END,
    coalesce(n.fills, 0)::integer, s.volume,
    coalesce(t.trades, 0)::integer, coalesce(t.wins, 0)::integer, coalesce(t.losses, 0)::integer, coalesce(t.draws, 0)::integer,
    coalesce(t.unvalued, 0)::integer, coalesce(t.longs, 0)::integer, coalesce(t.shorts, 0)::integer, coalesce(t.liquidations, 0)::integer,
    t.wins::float8 / nullif(t.trades - t.unvalued, 0), coalesce(t.profit, 0), coalesce(t.loss, 0), trading.divide(t.profit, nullif(t.wins, 0)),
    trading.divide(t.loss, nullif(t.losses, 0)), trading.divide(t.profit, nullif(-t.loss, 0))::float8, t.best, t.worst, t.average_holding_ms,
    t.shortest_holding_ms, t.longest_holding_ms, k.current::integer, k.longest_win::integer, k.longest_loss::integer,
    coalesce(b.trips, 0)::integer, coalesce(w.activations, 0)::integer,
    g.fraction, g.growth, g.drawdown, g.max_drawdown, g.lost, g.returns::integer,
    CASE WHEN g.deviation > 1e-12 THEN g.mean / g.deviation * sqrt(365::float8) END,
    CASE WHEN g.downside > 1e-12 THEN g.mean / g.downside * sqrt(365::float8) END,
    -- What is too large for a double is null.
    CASE WHEN g.max_drawdown > 0 AND g.returns > 0 THEN CASE WHEN g.growth = 0 OR g.log_growth < -700 THEN -1
      WHEN g.log_growth - ln(g.max_drawdown) < 700 THEN exp(g.log_growth) - 1 END / g.max_drawdown END,
    date_trunc('milliseconds', statement_timestamp())
  FROM steps s
  JOIN scales a ON a.bot = s.bot
  JOIN figures g ON g.bot = s.bot AND g.day = s.day
  JOIN streaks k ON k.bot = s.bot AND k.day = s.day
  LEFT JOIN extremes x ON x.bot = s.bot AND x.day = s.day
  LEFT JOIN first_fills n ON n.bot = s.bot AND n.day = s.day
  LEFT JOIN trade_days t ON t.bot = s.bot AND t.day = s.day
  LEFT JOIN breaker_days b ON b.bot = s.bot AND b.day = s.day
  LEFT JOIN switch_days w ON w.bot = s.bot AND w.day = s.day
  WHERE s.day BETWEEN p_from AND p_to
  ORDER BY a.bot_id, s.day
$function$;

CREATE OR REPLACE FUNCTION analytics.ledger_days_of(p_bot_ids text[], p_to date, p_now timestamp with time zone)
 RETURNS TABLE(bot integer, place integer, instrument integer, exchange text, symbol text, position_side text, is_inverse boolean, contract_size numeric, settle_currency text, fee_currency text, fills bigint, first_at timestamp with time zone, gross numeric, fees numeric, quantity numeric, cost numeric, volume numeric)
 LANGUAGE sql
 STABLE ROWS 10000
 SET enable_sort TO 'off'
 SET work_mem TO '64MB'
 SET jit TO 'off'
AS $function$
  WITH scales AS MATERIALIZED (SELECT * FROM analytics.calendars_of(p_bot_ids, p_to, p_now)),
  instruments AS MATERIALIZED (
    SELECT row_number() OVER ()::integer AS instrument, i.exchange, i.symbol, i.kind = 'inverse' AS is_inverse, i.settle_currency, i.contract_size,
      CASE WHEN i.kind = 'spot' THEN i.base_currency END AS spot_currency
    FROM market.instruments i)
  SELECT l.bot, l.place, l.instrument, i.exchange, i.symbol, l.position_side, i.is_inverse, i.contract_size, i.settle_currency, l.fee_currency, l.fills,
    l.first_at, l.gross, l.fees, l.quantity, CASE WHEN i.is_inverse THEN l.cost ELSE l.cost * i.contract_size END,
    CASE WHEN i.is_inverse THEN l.volume ELSE l.volume * i.contract_size END
  FROM (
    SELECT f.bot, f.instrument, f.position_side, f.place, f.fee_currency, count(*) AS fills, min(f.executed_at) AS first_at,
      sum(f.realised_gross) AS gross, sum(f.fee) AS fees, sum(f.moved) AS quantity,
      -- Mostly what moved is what was traded.
      sum(CASE WHEN f.moved = f.quantity THEN f.value WHEN f.moved = -f.quantity THEN -f.value
        WHEN f.is_inverse THEN trading.divide(f.moved * f.contract_size, f.price) ELSE f.moved * f.price END) AS cost,
      sum(f.value) AS volume
    FROM (
      SELECT f.*, CASE WHEN f.excess_quantity = 0 THEN f.effective ELSE f.effective - sign(f.effective) * f.excess_quantity END AS moved
      FROM (
        SELECT s.bot, i.instrument, i.is_inverse, i.contract_size, f.position_side COLLATE "C" AS position_side, f.executed_at, f.realised_gross,
          width_bucket(f.executed_at, s.starts) AS place, coalesce(f.fee_in_settlement, f.fee) AS fee,
          CASE WHEN f.fee_in_settlement IS NULL THEN f.fee_currency END COLLATE "C" AS fee_currency, f.excess_quantity, f.quantity, f.price,
          CASE WHEN i.is_inverse THEN trading.divide(f.quantity * i.contract_size, f.price) ELSE f.quantity * f.price END AS value,
          CASE WHEN f.fee_currency = i.spot_currency THEN CASE WHEN f.side = 'buy' THEN f.quantity ELSE -f.quantity END - f.fee
            WHEN f.side = 'buy' THEN f.quantity ELSE -f.quantity END AS effective
        FROM trading.fills f
        JOIN scales s ON s.bot_id = f.bot_id AND f.executed_at < s.until
        JOIN instruments i ON i.exchange = f.exchange AND i.symbol = f.symbol
        WHERE f.bot_id = ANY (p_bot_ids)
        -- Makes each of these be worked out once.
        OFFSET 0) f
      OFFSET 0) f
    GROUP BY 1, 2, 3, 4, 5) l
  JOIN instruments i USING (instrument)
$function$;

CREATE OR REPLACE FUNCTION analytics.multiply(p_product double precision, p_factor double precision)
 RETURNS double precision
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT CASE WHEN p_product = 0 OR p_factor = 0 THEN 0 WHEN ln(p_product) + ln(p_factor) > 688 THEN 1e299
    WHEN ln(p_product) + ln(p_factor) < -688 THEN 1e-299 ELSE p_product * p_factor END
$function$;

CREATE OR REPLACE FUNCTION analytics.rate_at(p_exchange text, p_from text, p_to text, p_at timestamp with time zone)
 RETURNS numeric
 LANGUAGE plpgsql
 STABLE
AS $function$
DECLARE
  v_rate numeric;
BEGIN
  IF p_from = p_to THEN RETURN 1; END IF;
  SELECT CASE WHEN i.base_currency = p_from THEN c.price ELSE trading.divide(1, c.price) END INTO v_rate
  FROM market.instruments i
  CROSS JOIN LATERAL analytics.close_at(i.exchange, i.symbol, p_at) c
  WHERE i.exchange = p_exchange AND c.price IS NOT NULL
    AND ((i.base_currency = p_from AND i.quote_currency = p_to) OR (i.base_currency = p_to AND i.quote_currency = p_from))
  ORDER BY i.kind = 'spot' DESC, i.symbol LIMIT 1;
  RETURN v_rate;
END $function$;

CREATE OR REPLACE FUNCTION analytics.rate_key(p_exchange text, p_currency text, p_base_currency text, p_zone text, p_at timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
  SELECT jsonb_build_array(p_exchange, p_currency, p_base_currency, p_zone, date_bin('15 minutes', p_at, 'epoch'))::text
$function$;

CREATE OR REPLACE FUNCTION analytics.refresh()
 RETURNS SETOF analytics.refreshes
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_called_at timestamptz := CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN clock_timestamp() ELSE 'infinity' END;
  v_at timestamptz;
  v_row analytics.refreshes;
BEGIN
  FOR v_row IN SELECT name, '-infinity', 0, 0 FROM unnest(ARRAY['bot_performance', 'daily_portfolio']) AS views (name) LOOP
    -- The row is the lock: a refresh waits for it here, before it looks at anything, and not in the middle.
    INSERT INTO analytics.refreshes VALUES (v_row.*) ON CONFLICT (view_name) DO NOTHING;
    SELECT * INTO v_row FROM analytics.refreshes r WHERE r.view_name = v_row.view_name FOR UPDATE;
    IF v_row.refreshed_at <= v_called_at THEN
      -- What a transaction sees throughout is from its beginning.
      v_at := CASE current_setting('transaction_isolation') WHEN 'read committed' THEN clock_timestamp() ELSE now() END;
      IF (SELECT relispopulated FROM pg_class WHERE oid = format('analytics.%I', v_row.view_name)::regclass) THEN
        EXECUTE format('REFRESH MATERIALIZED VIEW CONCURRENTLY analytics.%I', v_row.view_name);
      ELSE
        EXECUTE format('REFRESH MATERIALIZED VIEW analytics.%I', v_row.view_name);
      END IF;
      EXECUTE format('SELECT count(*) FROM analytics.%I', v_row.view_name) INTO v_row.row_count;
      UPDATE analytics.refreshes r SET refreshed_at = date_trunc('milliseconds', v_at),
        duration_ms = extract(epoch FROM clock_timestamp() - v_at) * 1000, row_count = v_row.row_count
      WHERE r.view_name = v_row.view_name RETURNING * INTO v_row;
    END IF;
    RETURN NEXT v_row;
  END LOOP;
END $function$;

CREATE OR REPLACE FUNCTION analytics.trade_rates(p_bot_ids text[], p_from timestamp with time zone, p_until timestamp with time zone, p_now timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
  WITH wanted AS (
    SELECT DISTINCT p.exchange, used.currency, b.base_currency, b.time_zone, date_bin('15 minutes', p.closed_at, 'epoch') AS quarter
    FROM fleet.bots b
    JOIN trading.positions p ON p.bot_id = b.bot_id
    CROSS JOIN LATERAL (SELECT p.settle_currency AS currency UNION ALL SELECT jsonb_object_keys(p.unvalued_fees)) used
    WHERE b.bot_id = ANY (p_bot_ids) AND used.currency <> b.base_currency
      AND p.closed_at >= coalesce(p_from, '-infinity') AND p.closed_at < coalesce(p_until, 'infinity')),
  days AS MATERIALIZED (
    SELECT d.time_zone, d.day, analytics.day_start(d.day + 1, d.time_zone) AS ends_at, analytics.day_start(d.day + 2, d.time_zone) AS next_ends_at
    FROM (SELECT DISTINCT w.time_zone, (w.quarter AT TIME ZONE w.time_zone)::date AS day FROM wanted w) d),
  placed AS (
    SELECT w.*, least(CASE WHEN w.quarter < d.ends_at THEN d.ends_at ELSE d.next_ends_at END, p_now) AS valued_at
    FROM wanted w JOIN days d ON d.time_zone = w.time_zone AND d.day = (w.quarter AT TIME ZONE w.time_zone)::date),
  rates AS MATERIALIZED (
    SELECT r.*, analytics.rate_at(r.exchange, r.currency, r.base_currency, r.valued_at) AS rate
    FROM (SELECT DISTINCT p.exchange, p.currency, p.base_currency, p.valued_at FROM placed p) r)
  SELECT jsonb_object_agg(analytics.rate_key(p.exchange, p.currency, p.base_currency, p.time_zone, p.quarter), r.rate::text)
  FROM placed p JOIN rates r USING (exchange, currency, base_currency, valued_at)
$function$;

CREATE OR REPLACE FUNCTION analytics.trades_of(p_bot_ids text[], p_from timestamp with time zone, p_until timestamp with time zone, p_now timestamp with time zone)
 RETURNS SETOF analytics.valued_trade
 LANGUAGE sql
 STABLE
AS $function$
  SELECT p.bot_id, p.id, p.trade_id, p.exchange, p.symbol, p.direction, b.strategy, p.entry_tag, p.exit_reason, p.status = 'liquidated', p.opened_at,
    p.closed_at, b.time_zone,
    CASE WHEN p.settle_currency = b.base_currency THEN p.realised_gross ELSE p.realised_gross * abroad.rate END,
    CASE WHEN p.settle_currency = b.base_currency AND p.net_pnl IS NOT NULL THEN p.fees ELSE p.fees * abroad.rate + abroad.charge END,
    CASE WHEN p.settle_currency = b.base_currency THEN p.funding ELSE p.funding * abroad.rate END,
    CASE WHEN p.settle_currency = b.base_currency AND p.net_pnl IS NOT NULL THEN p.net_pnl
      ELSE (p.realised_gross - p.fees + p.funding) * abroad.rate - abroad.charge END
  FROM fleet.bots b
  JOIN trading.positions p ON p.bot_id = b.bot_id
  CROSS JOIN LATERAL (SELECT
    CASE WHEN p.settle_currency = b.base_currency THEN 1
      ELSE ((SELECT analytics.trade_rates(p_bot_ids, p_from, p_until, p_now)) ->>
        analytics.rate_key(p.exchange, p.settle_currency, b.base_currency, b.time_zone, p.closed_at))::numeric END AS rate,
    CASE WHEN p.net_pnl IS NOT NULL THEN 0
      ELSE analytics.charges_of(p.unvalued_fees, (SELECT analytics.trade_rates(p_bot_ids, p_from, p_until, p_now)), p.exchange, b.base_currency,
        b.time_zone, p.closed_at) END AS charge) abroad
  WHERE b.bot_id = ANY (p_bot_ids)
    AND p.closed_at >= coalesce(p_from, '-infinity') AND p.closed_at < coalesce(p_until, 'infinity')
$function$;

CREATE OR REPLACE FUNCTION arbitrage.guard_execution()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION arbitrage.guard_opportunity()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION arbitrage.guard_triangle()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF OLD.executed AND NOT NEW.executed THEN
    RAISE EXCEPTION 'triangle % was executed, which nobody can take back', OLD.id USING ERRCODE = 'TB001';
  END IF;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION arbitrage.mark_opportunity()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION audit.chain_row()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION audit.content_of(e audit.decision_history)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
  SELECT jsonb_build_array(e.bot_id, e.id, e.event_id, e.action, e.actor, e.symbol, e.rationale, encode(float8send(e.confidence), 'hex'),
    e.risk_check_result, e.strategy_id, e.trade_idea_id, e.snapshot_id, e.decision_id, e.order_id, e.human_override, e.details,
    audit.epoch_ms(e.occurred_at))::text
$function$;

CREATE OR REPLACE FUNCTION audit.content_of(e audit.risk_events)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
  SELECT jsonb_build_array(e.bot_id, e.id, e.kind, e.actor, e.reason, e.subject_id, e.details, audit.epoch_ms(e.occurred_at), e.event_id,
    e.actual, e.threshold, e.action_taken, e.resolves_id)::text
$function$;

CREATE OR REPLACE FUNCTION audit.content_of(e audit.system_events)
 RETURNS text
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
  SELECT jsonb_build_array(e.bot_id, e.id, e.event_id, e.kind, e.severity, e.actor, e.component, e.message, e.details, e.exchange, e.symbol,
    e.order_id, e.trade_id, e.position_id, e.error_code, e.stack_trace, audit.epoch_ms(e.occurred_at))::text
$function$;

CREATE OR REPLACE FUNCTION audit.epoch_ms(p_at timestamp with time zone)
 RETURNS bigint
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
  SELECT (extract(epoch FROM p_at) * 1000)::bigint
$function$;

CREATE OR REPLACE FUNCTION audit.genesis(p_bot_id text, p_chain text)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
  SELECT sha256(convert_to(jsonb_build_array('tradeblotter audit', p_bot_id, p_chain)::text, 'UTF8'))
$function$;

CREATE OR REPLACE FUNCTION audit.hash_of(p_previous bytea, p_sequence bigint, p_content text)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
  SELECT sha256(p_previous || int8send(p_sequence) || convert_to(p_content, 'UTF8'))
$function$;

CREATE OR REPLACE FUNCTION audit.refuse_chain()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  RAISE EXCEPTION 'chain % of bot ''%'' is moved on by the rows of its table alone', OLD.chain, OLD.bot_id
    USING ERRCODE = 'TB002', HINT = 'verifyAuditTrail tells whether it is whole';
END $function$;

CREATE OR REPLACE FUNCTION fleet.set_updated_at()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION ideas.approvable_codes()
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT ARRAY['auto_trading', 'confidence', 'strategy']
$function$;

CREATE OR REPLACE FUNCTION ideas.approve(p_bot_id text, p_id uuid, p_user_id uuid, p_note text, p_embargo jsonb, p_order_id uuid, p_at timestamp with time zone, OUT outcome text, OUT differs text, OUT blocks jsonb, OUT idea ideas.trade_ideas)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION ideas.approver_problem(p_user_id uuid)
 RETURNS text
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_may boolean;
BEGIN
  SELECT u.is_active AND u.role IN ('approver', 'admin') INTO v_may FROM access.users u WHERE u.id = p_user_id FOR SHARE;
  RETURN CASE WHEN v_may IS NULL THEN 'unknown_user' WHEN NOT v_may THEN 'not_allowed' END;
END $function$;

CREATE OR REPLACE FUNCTION ideas.check_idea(p_idea ideas.trade_ideas, p_embargo jsonb, p_at timestamp with time zone, p_is_approved boolean)
 RETURNS risk.check_result[]
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION ideas.enter_gate(p_bot_id text, p_at timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION ideas.failed_codes(p_checks jsonb)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT coalesce(array_agg(c ->> 'code' ORDER BY place), '{}')
  FROM jsonb_array_elements(p_checks) WITH ORDINALITY AS x (c, place)
  WHERE (c ->> 'passed')::boolean IS NOT TRUE
$function$;

CREATE OR REPLACE FUNCTION ideas.guard_auto_trading()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION ideas.guard_idea()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION ideas.least_confidence()
 RETURNS numeric
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT 0.9
$function$;

CREATE OR REPLACE FUNCTION ideas.log_flip()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  INSERT INTO audit.decision_history (bot_id, action, actor, rationale, risk_check_result, details, occurred_at)
  VALUES (NEW.bot_id, CASE WHEN NEW.enabled THEN 'ai_resumed' ELSE 'ai_halted' END, NEW.changed_by, NEW.reason,
    CASE WHEN NOT NEW.enabled AND NEW.reason IN ('max_drawdown', 'daily_target_reached') THEN 'fail:' || NEW.reason END,
    jsonb_build_object('enabled', NEW.enabled, 'version', NEW.version::text), NEW.changed_at);
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION ideas.log_step()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION ideas.place(p_idea ideas.trade_ideas, p_order_id uuid, p_confidence double precision, p_at timestamp with time zone, OUT outcome text, OUT order_id uuid, OUT checks jsonb)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
BEGIN
  SELECT o.outcome, o.order_id, o.checks INTO outcome, order_id, checks
  FROM risk.place_order(p_idea.bot_id, p_order_id,
    coalesce((SELECT own.client_order_id FROM trading.orders own WHERE own.bot_id = p_idea.bot_id AND own.id = p_idea.order_id),
      'idea:' || p_idea.id), p_idea.exchange, p_idea.symbol, ideas.side_of(p_idea.direction),
    p_idea.position_side, p_idea.order_type, NULL, p_idea.quantity, CASE WHEN p_idea.order_type = 'limit' THEN ideas.price_of(p_idea) END,
    NULL, NULL, false, false, 'entry', NULL, NULL, p_idea.decision_id, ideas.price_of(p_idea), p_confidence, p_at) o;
END $function$;

CREATE OR REPLACE FUNCTION ideas.price_of(p_idea ideas.trade_ideas)
 RETURNS numeric
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT coalesce(p_idea.entry_price, CASE p_idea.direction WHEN 'long' THEN p_idea.entry_high ELSE p_idea.entry_low END)
$function$;

CREATE OR REPLACE FUNCTION ideas.propose(p_bot_id text, p_id uuid, p_strategy_id uuid, p_snapshot_id uuid, p_decision_id uuid, p_exchange text, p_symbol text, p_direction text, p_position_side text, p_order_type text, p_quantity numeric, p_entry_price numeric, p_entry_low numeric, p_entry_high numeric, p_stop_loss numeric, p_targets numeric[], p_expected_hold text, p_rationale text, p_confidence double precision, p_expires_at timestamp with time zone, p_embargo jsonb, p_order_id uuid, p_at timestamp with time zone, OUT outcome text, OUT differs text, OUT blocks jsonb, OUT idea ideas.trade_ideas)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION ideas.reject(p_bot_id text, p_id uuid, p_user_id uuid, p_reason text, p_at timestamp with time zone, OUT outcome text, OUT differs text, OUT blocks jsonb, OUT idea ideas.trade_ideas)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION ideas.settle(p_idea ideas.trade_ideas, p_user_id uuid, p_note text, p_embargo jsonb, p_order_id uuid, p_given_at timestamp with time zone, p_at timestamp with time zone)
 RETURNS ideas.trade_ideas
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION ideas.side_of(p_direction text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT CASE p_direction WHEN 'long' THEN 'buy' WHEN 'short' THEN 'sell' END
$function$;

CREATE OR REPLACE FUNCTION ideas.switch_auto_trading(p_bot_id text, p_enabled boolean, p_by text, p_user_id uuid, p_reason text, OUT outcome text, OUT state ideas.auto_trading)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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

CREATE OR REPLACE FUNCTION risk.activate_kill_switch(p_id uuid, p_source text, p_severity text, p_reason text, p_by text, p_code_hash text, OUT event_id uuid, OUT is_new boolean)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.ages_of(p_bot_id text, OUT price_age interval, OUT equity_age interval)
 RETURNS record
 LANGUAGE sql
 STABLE
AS $function$
  SELECT a.price_age, a.equity_age FROM risk.ages_of_bots(ARRAY[p_bot_id]) a
$function$;

CREATE OR REPLACE FUNCTION risk.ages_of_bots(p_bot_ids text[])
 RETURNS TABLE(bot_id text, base_currency text, price_age interval, equity_age interval)
 LANGUAGE sql
 STABLE
AS $function$
  SELECT b.bot_id, b.base_currency,
    coalesce(least(fleet_wide.max_price_age_ms, own.max_price_age_ms), 3600000) * interval '1 millisecond',
    coalesce(least(fleet_wide.max_equity_age_ms, own.max_equity_age_ms), 3600000) * interval '1 millisecond'
  FROM fleet.bots b
  LEFT JOIN (SELECT * FROM risk.global_settings ORDER BY version DESC LIMIT 1) fleet_wide ON true
  LEFT JOIN LATERAL (SELECT s.max_price_age_ms, s.max_equity_age_ms FROM risk.settings s
    WHERE s.bot_id = b.bot_id ORDER BY s.version DESC LIMIT 1) own ON true
  WHERE b.bot_id = ANY (p_bot_ids)
$function$;

CREATE OR REPLACE FUNCTION risk.begin_kill_switch_recovery(p_id uuid, p_by text, p_notes text)
 RETURNS text
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.blocks(bot_id text, symbol text DEFAULT NULL::text, side text DEFAULT NULL::text, exchange text DEFAULT NULL::text, position_side text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone)
 RETURNS SETOF risk.check_result
 LANGUAGE sql
AS $function$
  SELECT c.* FROM unnest(risk.check_entry($1, $4, $2, $3, $5, NULL, NULL, NULL, NULL, NULL, NULL, risk.clock($6))) c WHERE c.passed IS NOT TRUE
$function$;

CREATE OR REPLACE FUNCTION risk.check_entry(p_bot_id text, p_exchange text, p_symbol text, p_side text, p_position_side text, p_type text, p_quantity numeric, p_limit_price numeric, p_stop_price numeric, p_reference_price numeric, p_confidence double precision, p_at timestamp with time zone)
 RETURNS risk.check_result[]
 LANGUAGE plpgsql
 STABLE
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.checks_as_json(p_checks risk.check_result[], p_only_failed boolean)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
  SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
      'code', code, 'passed', passed IS TRUE, 'effect', effect, 'scope', scope, 'source', source, 'sourceId', source_id, 'reason', reason,
      'since', to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'until', to_char(until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'threshold', trim_scale(threshold)::text, 'actual', trim_scale(actual)::text)) ORDER BY place), '[]')
  FROM unnest(p_checks) WITH ORDINALITY
    AS c (code, passed, effect, scope, source, source_id, reason, since, until, threshold, actual, place)
  WHERE NOT (p_only_failed AND passed IS TRUE)
$function$;

CREATE OR REPLACE FUNCTION risk.clock(p_at timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
AS $function$
  SELECT coalesce(p_at, date_trunc('milliseconds', clock_timestamp()))
$function$;

CREATE OR REPLACE FUNCTION risk.deactivate_kill_switch(p_id uuid, p_by text, p_reason text, p_code_hash text, OUT outcome text, OUT locked_until timestamp with time zone, OUT tries_left integer)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.dearest_price(p_side text, p_type text, p_limit_price numeric, p_stop_price numeric, p_market_price numeric)
 RETURNS numeric
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT CASE
    WHEN p_side = 'buy' AND p_limit_price > 0 AND p_type IN ('limit', 'stop_limit', 'take_profit_limit') THEN p_limit_price
    WHEN p_market_price > 0 THEN greatest(p_market_price, p_limit_price, p_stop_price)
  END
$function$;

CREATE OR REPLACE FUNCTION risk.end_circuit_breaker(p_bot_id text, p_id uuid, p_status text, p_by text, p_reason text, p_now timestamp with time zone)
 RETURNS SETOF risk.circuit_breakers
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.equities_of(p_bot_ids text[], p_at timestamp with time zone)
 RETURNS TABLE(bot_id text, equity numeric)
 LANGUAGE sql
 STABLE
AS $function$
  SELECT b.bot_id, coalesce(
    -- The day is that of the observation, so an older one need not be looked at.
    (SELECT d.equity FROM risk.drawdowns d
      WHERE d.bot_id = b.bot_id AND d.observed_at >= p_at - ages.equity_age
        AND d.day >= ((p_at - ages.equity_age) AT TIME ZONE 'UTC')::date - 1
      ORDER BY d.day DESC LIMIT 1),
    CASE WHEN b.last_heartbeat_at >= p_at - ages.equity_age THEN b.current_equity END,
    CASE WHEN NOT EXISTS (SELECT FROM trading.positions p WHERE p.bot_id = b.bot_id) THEN b.initial_equity END)
  FROM risk.ages_of_bots(p_bot_ids) ages
  JOIN fleet.bots b ON b.bot_id = ages.bot_id
$function$;

CREATE OR REPLACE FUNCTION risk.equity_by_currency()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
  SELECT coalesce(jsonb_object_agg(base_currency, equity::text), '{}')
  FROM (SELECT base_currency, sum(coalesce(current_equity, initial_equity)) AS equity FROM fleet.bots GROUP BY 1) b
$function$;

CREATE OR REPLACE FUNCTION risk.equity_of(p_bot_id text, p_at timestamp with time zone)
 RETURNS numeric
 LANGUAGE sql
 STABLE
AS $function$
  SELECT e.equity FROM risk.equities_of(ARRAY[p_bot_id], p_at) e
$function$;

CREATE OR REPLACE FUNCTION risk.exposures_of(p_bot_id text, p_at timestamp with time zone)
 RETURNS TABLE(exchange text, symbol text, positions bigint, long_value numeric, short_value numeric, is_inverse boolean)
 LANGUAGE sql
 STABLE
AS $function$
  SELECT h.exchange, h.symbol, h.positions, h.long_value, h.short_value, h.is_inverse FROM risk.holdings_of(ARRAY[p_bot_id], p_at) h
$function$;

CREATE OR REPLACE FUNCTION risk.external_flows_before(p_bot_id text, p_base text, p_until timestamp with time zone, p_at timestamp with time zone, p_max_age interval)
 RETURNS numeric
 LANGUAGE sql
 STABLE
AS $function$
  WITH amounts AS (
    SELECT exchange, currency, sum(amount) AS amount FROM trading.cash_flows
    WHERE bot_id = p_bot_id AND occurred_at < p_until AND kind IN ('deposit', 'withdrawal', 'transfer') GROUP BY 1, 2),
  valued AS (
    SELECT amount * risk.rate_between(exchange, currency, p_base, p_at, p_max_age) AS value FROM amounts WHERE amount <> 0)
  SELECT CASE WHEN count(*) = count(value) THEN coalesce(sum(value), 0) END FROM valued
$function$;

CREATE OR REPLACE FUNCTION risk.guard_alert()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.guard_facts()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF to_jsonb(NEW) - TG_ARGV[1:] IS DISTINCT FROM to_jsonb(OLD) - TG_ARGV[1:] THEN
    RAISE EXCEPTION 'of a row of % only % may change', TG_ARGV[0], array_to_string(TG_ARGV[1:], ', ')
      USING ERRCODE = 'TB002', HINT = 'record another row instead';
  END IF;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION risk.guard_stop_order()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.halt_gate(p_event_id uuid, p_bot_id text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM FROM risk.gates WHERE bot_id = p_bot_id FOR NO KEY UPDATE;
  PERFORM FROM risk.kill_switch WHERE event_id = p_event_id FOR KEY SHARE SKIP LOCKED;
  IF FOUND THEN
    UPDATE risk.gates SET kill_switch_event_id = p_event_id, version = version + 1
    WHERE bot_id = p_bot_id AND kill_switch_event_id IS DISTINCT FROM p_event_id;
  END IF;
END $function$;

CREATE OR REPLACE FUNCTION risk.halt_gates(p_event_id uuid, p_in_transaction boolean DEFAULT false, p_wait boolean DEFAULT false)
 RETURNS SETOF text
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.holdings_of(p_bot_ids text[], p_at timestamp with time zone)
 RETURNS TABLE(bot_id text, exchange text, symbol text, positions bigint, long_value numeric, short_value numeric, unrealised_pnl numeric, is_inverse boolean)
 LANGUAGE sql
 STABLE
AS $function$
  WITH held AS MATERIALIZED (
    SELECT p.bot_id, p.exchange, p.symbol, p.direction, p.instrument_kind AS kind, p.contract_size, p.quantity, p.cost,
      i.quote_currency, p.settle_currency, a.base_currency, a.price_age, CASE WHEN p.marked_at >= p_at - a.price_age THEN p.mark_price END AS mark
    FROM risk.ages_of_bots(p_bot_ids) a
    JOIN trading.positions p ON p.bot_id = a.bot_id AND p.status = 'open'
    LEFT JOIN market.instruments i ON i.exchange = p.exchange AND i.symbol = p.symbol),
  prices AS MATERIALIZED (
    SELECT m.exchange, m.symbol, m.price_age, risk.price_of(m.exchange, m.symbol, p_at, m.price_age) AS price
    FROM (SELECT DISTINCT h.exchange, h.symbol, h.price_age FROM held h WHERE h.mark IS NULL) m),
  rates AS MATERIALIZED (
    SELECT c.*, risk.rate_between(c.exchange, c.currency, c.base_currency, p_at, c.price_age) AS rate
    FROM (SELECT h.exchange, h.quote_currency AS currency, h.base_currency, h.price_age FROM held h WHERE h.quote_currency <> h.base_currency
      UNION SELECT h.exchange, h.settle_currency, h.base_currency, h.price_age FROM held h WHERE h.settle_currency <> h.base_currency) c),
  priced AS (
    SELECT h.*, coalesce(h.mark, p.price) AS price,
      CASE WHEN h.quote_currency = h.base_currency THEN 1 ELSE q.rate END AS quote_rate,
      CASE WHEN h.settle_currency = h.base_currency THEN 1 ELSE s.rate END AS settle_rate
    FROM held h
    LEFT JOIN prices p ON p.exchange = h.exchange AND p.symbol = h.symbol AND p.price_age = h.price_age
    LEFT JOIN rates q ON q.exchange = h.exchange AND q.currency = h.quote_currency AND q.base_currency = h.base_currency
      AND q.price_age = h.price_age
    LEFT JOIN rates s ON s.exchange = h.exchange AND s.currency = h.settle_currency AND s.base_currency = h.base_currency
      AND s.price_age = h.price_age),
  valued AS (
    SELECT h.bot_id, h.exchange, h.symbol, h.direction, h.kind = 'inverse' AND h.quote_currency <> h.base_currency AS is_inverse,
      CASE WHEN h.kind <> 'inverse' THEN h.price * h.quantity * h.contract_size * h.quote_rate
        ELSE coalesce(h.quantity * h.contract_size * h.quote_rate,
          trading.divide(h.quantity * h.contract_size, h.price) * h.settle_rate) END AS value,
      CASE h.direction WHEN 'long' THEN 1 ELSE -1 END * h.settle_rate * CASE WHEN h.kind <> 'inverse'
        THEN h.price * h.quantity * h.contract_size - h.cost
        ELSE h.cost - trading.divide(h.quantity * h.contract_size, h.price) END AS unrealised_pnl
    FROM priced h)
  SELECT v.bot_id, v.exchange, v.symbol, count(*),
    CASE WHEN count(*) = count(v.value) THEN coalesce(sum(v.value) FILTER (WHERE v.direction = 'long'), 0) END,
    CASE WHEN count(*) = count(v.value) THEN coalesce(sum(v.value) FILTER (WHERE v.direction = 'short'), 0) END,
    CASE WHEN count(*) = count(v.unrealised_pnl) THEN sum(v.unrealised_pnl) END,
    coalesce(bool_or(v.is_inverse), false)
  FROM valued v GROUP BY v.bot_id, v.exchange, v.symbol
$function$;

CREATE OR REPLACE FUNCTION risk.is_trading_allowed(bot_id text, symbol text DEFAULT NULL::text, side text DEFAULT NULL::text, exchange text DEFAULT NULL::text, position_side text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_check risk.check_result;
BEGIN
  FOREACH v_check IN ARRAY risk.check_entry($1, $4, $2, $3, $5, NULL, NULL, NULL, NULL, NULL, NULL, risk.clock($6)) LOOP
    IF v_check.passed IS NOT TRUE THEN RETURN false; END IF;
  END LOOP;
  -- Not a single check: nobody was asked.
  RETURN v_check.code IS NOT NULL;
END $function$;

CREATE OR REPLACE FUNCTION risk.leave_position()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE risk.stop_orders SET position_id = NULL WHERE bot_id = OLD.bot_id AND position_id = OLD.id;
  RETURN OLD;
END $function$;

CREATE OR REPLACE FUNCTION risk.ledger_equities_of(p_bot_ids text[], p_at timestamp with time zone)
 RETURNS TABLE(bot_id text, equity numeric)
 LANGUAGE sql
 STABLE
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION risk.ledger_equity(p_bot_id text, p_at timestamp with time zone, p_max_age interval, OUT equity numeric, OUT flows numeric)
 RETURNS record
 LANGUAGE sql
 STABLE
AS $function$
  SELECT b.initial_equity + f.flows + risk.realised_pnl(b.bot_id, b.base_currency, p_at, p_max_age)
      + risk.unrealised_pnl(b.bot_id, b.base_currency, p_at, p_max_age), f.flows
  FROM fleet.bots b
  CROSS JOIN LATERAL (SELECT risk.external_flows_before(
    b.bot_id, b.base_currency, p_at + interval '1 millisecond', p_at, p_max_age) AS flows) f
  WHERE b.bot_id = p_bot_id
$function$;

CREATE OR REPLACE FUNCTION risk.log_bot_status()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  UPDATE risk.gates SET version = version + 1 WHERE bot_id = NEW.bot_id;
  INSERT INTO audit.risk_events (bot_id, kind, actor, reason, details, occurred_at)
  VALUES (NEW.bot_id, 'bot_status_changed', session_user, NEW.status_reason,
    jsonb_build_object('before', jsonb_build_object('status', OLD.status), 'after', jsonb_build_object('status', NEW.status)),
    clock_timestamp());
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION risk.log_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.log_denial(p_bot_id text, p_order_id uuid, p_at timestamp with time zone, p_checks risk.check_result[], p_is_repeat boolean, p_client_order_id text, p_exchange text, p_symbol text, p_side text, p_position_side text, p_type text, p_quantity numeric, p_limit_price numeric, p_stop_price numeric, p_purpose text)
 RETURNS jsonb
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.log_kill_switch_action(p_id uuid, p_by text, p_action text, p_bot_id text, p_note text)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.net_pnl_between(p_bot_id text, p_base text, p_from timestamp with time zone, p_until timestamp with time zone, p_at timestamp with time zone, p_max_age interval)
 RETURNS numeric
 LANGUAGE sql
 STABLE
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION risk.notify(p_subject text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
  PERFORM pg_notify('tradeblotter_risk', p_subject);
END $function$;

CREATE OR REPLACE FUNCTION risk.numbers_as_text(document jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT jsonb_object_agg(key, CASE jsonb_typeof(value) WHEN 'number' THEN to_jsonb(value #>> '{}') ELSE value END)
  FROM jsonb_each(document)
$function$;

CREATE OR REPLACE FUNCTION risk.observe_equity(p_bot_id text, p_equity numeric, p_flows numeric, p_at timestamp with time zone)
 RETURNS SETOF risk.drawdowns
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.open_gate()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_event uuid;
BEGIN
  SELECT event_id INTO v_event FROM risk.kill_switch WHERE id FOR KEY SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the row of the kill switch is missing, so no bot is registered' USING ERRCODE = 'TB002';
  END IF;
  INSERT INTO risk.gates (bot_id, kill_switch_event_id) VALUES (NEW.bot_id, v_event);
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION risk.place_order(p_bot_id text, p_id uuid, p_client_order_id text, p_exchange text, p_symbol text, p_side text, p_position_side text, p_type text, p_time_in_force text, p_quantity numeric, p_limit_price numeric, p_stop_price numeric, p_trailing_distance numeric, p_reduce_only boolean, p_post_only boolean, p_purpose text, p_parent_id uuid, p_position_id uuid, p_decision_id uuid, p_reference_price numeric, p_confidence double precision, p_at timestamp with time zone, OUT outcome text, OUT order_id uuid, OUT order_exchange text, OUT placed_at timestamp with time zone, OUT checks jsonb)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.price_of(p_exchange text, p_symbol text, p_at timestamp with time zone, p_max_age interval)
 RETURNS numeric
 LANGUAGE sql
 STABLE
AS $function$
  SELECT last_close FROM market.series
  WHERE exchange = p_exchange AND symbol = p_symbol AND last_price_at >= p_at - p_max_age
    AND last_price_at <= p_at + interval '1 minute'
  ORDER BY last_price_at DESC LIMIT 1
$function$;

CREATE OR REPLACE FUNCTION risk.rate_between(p_exchange text, p_from text, p_to text, p_at timestamp with time zone, p_max_age interval)
 RETURNS numeric
 LANGUAGE plpgsql
 STABLE
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.realised_pnl(p_bot_id text, p_base text, p_at timestamp with time zone, p_max_age interval)
 RETURNS numeric
 LANGUAGE sql
 STABLE
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION risk.trading_status(bot_id text, symbol text DEFAULT NULL::text, side text DEFAULT NULL::text, exchange text DEFAULT NULL::text, position_side text DEFAULT NULL::text, at timestamp with time zone DEFAULT NULL::timestamp with time zone, OUT state text, OUT blocks jsonb, OUT checked_at timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_checks risk.check_result[];
BEGIN
  checked_at := risk.clock($6);
  v_checks := risk.check_entry($1, $4, $2, $3, $5, NULL, NULL, NULL, NULL, NULL, NULL, checked_at);
  SELECT CASE WHEN bool_and(c.passed IS TRUE) THEN 'active' WHEN bool_or(c.passed IS NOT TRUE AND c.effect = 'halt') THEN 'halted' ELSE 'reducing' END
  INTO state FROM unnest(v_checks) c;
  state := coalesce(state, 'halted');
  blocks := risk.checks_as_json(v_checks, true);
END $function$;

CREATE OR REPLACE FUNCTION risk.trip_circuit_breakers(p_bot_id text, p_trips jsonb, p_now timestamp with time zone)
 RETURNS SETOF risk.circuit_breakers
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.trip_global_circuit_breakers(p_trips jsonb, p_now timestamp with time zone)
 RETURNS SETOF risk.global_circuit_breakers
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION risk.unrealised_pnl(p_bot_id text, p_base text, p_at timestamp with time zone, p_max_age interval)
 RETURNS numeric
 LANGUAGE sql
 STABLE
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION risk.value_of(p_kind text, p_contract_size numeric, p_quote text, p_settle text, p_base text, p_exchange text, p_quantity numeric, p_price numeric, p_at timestamp with time zone, p_max_age interval)
 RETURNS numeric
 LANGUAGE sql
 STABLE
AS $function$
  SELECT CASE
    WHEN p_kind IN ('spot', 'linear') THEN p_price * p_quantity * p_contract_size * risk.rate_between(p_exchange, p_quote, p_base, p_at, p_max_age)
    WHEN p_kind = 'inverse' THEN coalesce(p_quantity * p_contract_size * risk.rate_between(p_exchange, p_quote, p_base, p_at, p_max_age),
      trading.divide(p_quantity * p_contract_size, p_price) * risk.rate_between(p_exchange, p_settle, p_base, p_at, p_max_age))
  END
$function$;

CREATE OR REPLACE FUNCTION risk.window_start(p_unit text, p_window_ms bigint, p_at timestamp with time zone, p_zone text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
AS $function$
  SELECT CASE WHEN p_unit = 'window' THEN p_at - (p_window_ms - 1) * interval '1 millisecond'
    WHEN (start - interval '1 hour') AT TIME ZONE p_zone >= midnight THEN start - interval '1 hour'
    ELSE start END
  FROM (SELECT midnight, midnight AT TIME ZONE p_zone AS start
    FROM (SELECT CASE WHEN p_unit <> 'window' THEN date_trunc(p_unit, p_at AT TIME ZONE p_zone) END AS midnight) m) s
$function$;

CREATE OR REPLACE FUNCTION snapshots.candle_at(p_series bigint, p_timeframe text, p_now timestamp with time zone)
 RETURNS market.candles
 LANGUAGE sql
 STABLE
AS $function$
  SELECT c FROM market.series s JOIN market.candles c ON c.series_id = s.id
  WHERE s.id = p_series AND c.open_time <= p_now
    AND c.open_time >= least(market.open_time_of(p_timeframe, p_now), s.last_open_time) - 1002 * market.timeframe_interval(p_timeframe)
    AND CASE WHEN c.complete THEN market.close_time_of(p_timeframe, c.open_time) <= p_now
      ELSE c.open_time = s.last_open_time AND s.last_price_at <= p_now END
  ORDER BY c.open_time DESC LIMIT 1
$function$;

CREATE OR REPLACE FUNCTION snapshots.capture(p_bot_id text, p_id uuid, p_reason text, p_note text, p_exchange text, p_symbols text[], p_timeframes text[], p_calendar_hours double precision, p_news_hours double precision, p_max_age_candles double precision, p_balance_hours double precision, p_row_limit integer, p_pegs jsonb, p_at timestamp with time zone, p_recorded_until timestamp with time zone)
 RETURNS jsonb
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_now timestamptz(3) := coalesce(p_at, statement_timestamp());
  v_until timestamptz(3) := coalesce(p_recorded_until, p_at, statement_timestamp());
  v_exchange text;
  v_missing jsonb;
  v_concerned text[];
  v_about text[];
  v_news_until timestamptz;
  v_calendar_until timestamptz;
  v_market snapshots.market[];
  v_indicators snapshots.indicators[];
  v_calendar snapshots.calendar[];
  v_news snapshots.news[];
  v_account snapshots.account[];
  v_is_new boolean;
BEGIN
  SELECT coalesce(p_exchange, b.exchange) INTO v_exchange FROM fleet.bots b WHERE b.bot_id = p_bot_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'bot % is not registered', p_bot_id
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'bundles_bot_id_fkey', SCHEMA = 'snapshots', TABLE = 'bundles';
  END IF;
  IF EXISTS (SELECT FROM snapshots.bundles b WHERE b.bot_id = p_bot_id AND b.id = p_id) THEN
    RETURN jsonb_build_object('isNew', false, 'snapshot', snapshots.document_of(p_bot_id, p_id));
  END IF;

  -- Each symbol by its instrument, and what is known of its funding.
  WITH asked AS MATERIALIZED (
    SELECT a.symbol, a.place, i.kind, i.base_currency, i.quote_currency, i.settle_currency
    FROM unnest(p_symbols) WITH ORDINALITY a(symbol, place)
    LEFT JOIN market.instruments i ON i.exchange = v_exchange AND i.symbol = a.symbol),
  funding AS MATERIALIZED (
    SELECT a.symbol, a.kind, f.rate, f.funding_time, f.interval_hours, f.is_estimated,
      f.funding_time + 2 * f.interval_hours * interval '1 hour' < v_now AS is_stale
    FROM asked a
    LEFT JOIN LATERAL (
      SELECT * FROM market.funding_rates f
      WHERE f.exchange = v_exchange AND f.symbol = a.symbol AND f.published_at <= v_now
        -- The key is the nearest hour, so that an hour more is enough to find what was published by now.
        AND f.funding_time <= v_now + interval '1 hour' AND f.updated_at <= v_until
      ORDER BY f.funding_time DESC LIMIT 1) f ON true),
  wanted AS MATERIALIZED (
    SELECT a.symbol, t.timeframe, a.place, t.place AS timeframe_place, s.id AS series_id,
      p_max_age_candles * market.timeframe_interval(t.timeframe) AS max_age
    FROM asked a CROSS JOIN unnest(p_timeframes) WITH ORDINALITY t(timeframe, place)
    LEFT JOIN market.series s ON s.exchange = v_exchange AND s.symbol = a.symbol AND s.timeframe = t.timeframe),
  candles AS MATERIALIZED (
    SELECT w.*, (c).open_time, (c).open, (c).high, (c).low, (c).close, (c).volume, (c).complete,
      market.close_time_of(w.timeframe, (c).open_time) + w.max_age < v_now AS is_stale,
      CASE WHEN (c).complete THEN market.close_time_of(w.timeframe, (c).open_time) ELSE s.last_price_at END AS seen_at
    FROM wanted w
    LEFT JOIN LATERAL snapshots.candle_at(w.series_id, w.timeframe, v_now) c ON w.series_id IS NOT NULL
    LEFT JOIN market.series s ON s.id = w.series_id),
  -- The last price of a symbol, also of series that nobody asked for.
  seen AS (
    SELECT DISTINCT ON (symbol) symbol, close AS price, seen_at FROM (
      SELECT c.symbol, c.close, c.seen_at FROM candles c WHERE c.open_time IS NOT NULL
      UNION ALL
      SELECT s.symbol, s.last_close, s.last_price_at FROM market.series s
      WHERE s.exchange = v_exchange AND s.symbol = ANY (p_symbols) AND s.last_price_at <= v_now) price
    ORDER BY symbol, seen_at DESC),
  calculated AS MATERIALIZED (
    SELECT w.symbol, w.timeframe, w.place, w.timeframe_place, i.*, market.close_time_of(w.timeframe, i.open_time) + w.max_age < v_now AS is_stale
    FROM wanted w
    LEFT JOIN LATERAL (
      SELECT * FROM market.indicators i
      WHERE i.series_id = w.series_id AND i.open_time <= v_now AND i.updated_at <= v_until
        -- Of a candle that closes later, only what was calculated while it formed.
        AND (market.close_time_of(w.timeframe, i.open_time) <= v_now OR i.updated_at <= v_now)
      ORDER BY i.open_time DESC LIMIT 1) i ON true),
  lacking AS (
    SELECT 1 AS part, a.place, 0 AS second_place, snapshots.missing_entry('instrument', 'none', a.symbol) AS entry FROM asked a WHERE a.kind IS NULL
    UNION ALL
    SELECT 2, c.place, c.timeframe_place,
      snapshots.missing_entry('market', CASE WHEN c.open_time IS NULL THEN 'none' ELSE 'stale' END, c.symbol, c.timeframe, c.seen_at)
    FROM candles c WHERE c.open_time IS NULL OR c.is_stale
    UNION ALL
    SELECT 3, array_position(p_symbols, f.symbol), 0,
      snapshots.missing_entry('funding_rate', CASE WHEN f.rate IS NULL THEN 'none' ELSE 'stale' END, f.symbol, NULL, f.funding_time)
    FROM funding f WHERE f.kind <> 'spot' AND (f.rate IS NULL OR f.is_stale)
    UNION ALL
    SELECT 4, i.place, i.timeframe_place,
      snapshots.missing_entry('indicators', CASE WHEN i.open_time IS NULL THEN 'none' ELSE 'stale' END, i.symbol, i.timeframe, i.updated_at)
    FROM calculated i WHERE i.open_time IS NULL OR i.is_stale)
  SELECT
    (SELECT coalesce(jsonb_agg(entry ORDER BY part, place, second_place), '[]') FROM lacking),
    (SELECT array_agg(DISTINCT upper(code)) FROM asked a, unnest(ARRAY[a.base_currency, a.quote_currency, a.settle_currency]) code WHERE code IS NOT NULL),
    (SELECT array_agg(ROW(p_bot_id, p_id, v_exchange, c.symbol, c.timeframe, c.open_time, c.open, c.high, c.low, c.close, c.volume, c.complete,
        s.price, s.seen_at, CASE WHEN NOT f.is_stale THEN f.rate END, CASE WHEN NOT f.is_stale THEN f.funding_time END,
        CASE WHEN NOT f.is_stale THEN f.interval_hours END, CASE WHEN NOT f.is_stale THEN f.is_estimated END)::snapshots.market)
      FROM candles c JOIN seen s USING (symbol) JOIN funding f USING (symbol) WHERE NOT c.is_stale),
    (SELECT array_agg(ROW(p_bot_id, p_id, v_exchange, i.symbol, i.timeframe, i.open_time, i.rsi_14, i.sma_50, i.sma_200, i.macd, i.macd_signal,
        i.macd_histogram, i.atr, i."values", i.updated_at)::snapshots.indicators)
      FROM calculated i WHERE NOT i.is_stale)
  INTO v_missing, v_about, v_market, v_indicators;

  SELECT array_agg(DISTINCT currency) INTO v_concerned
  FROM unnest(v_about) code, unnest(ARRAY[code, p_pegs ->> code]) currency WHERE currency IS NOT NULL;
  v_concerned := v_concerned || 'ALL'::text;

  SELECT max(e.event_time) INTO v_calendar_until FROM market.calendar_events e WHERE e.recorded_at <= v_until;
  WITH known AS MATERIALIZED (
    SELECT e.*, row_number() OVER (ORDER BY e.event_time < v_now, abs(extract(epoch FROM e.event_time - v_now)), e.id) AS place
    FROM market.calendar_events e
    WHERE e.event_time >= v_now - p_news_hours * interval '1 hour' AND e.event_time <= v_now + p_calendar_hours * interval '1 hour'
      AND upper(e.currency) = ANY (v_concerned) AND e.updated_at <= v_until)
  SELECT v_missing || coalesce((SELECT jsonb_agg(entry) FROM (
      SELECT snapshots.missing_entry('calendar', CASE WHEN v_calendar_until IS NULL THEN 'none' ELSE 'stale' END, NULL, NULL, v_calendar_until) AS entry
      WHERE p_calendar_hours > 0 AND (v_calendar_until IS NULL OR v_calendar_until < v_now)
      UNION ALL
      SELECT snapshots.missing_entry('calendar', 'changed_since', NULL, NULL, NULL, count(*)) FROM market.calendar_events e
      WHERE e.event_time >= v_now - p_news_hours * interval '1 hour' AND e.event_time <= v_now + p_calendar_hours * interval '1 hour'
        AND upper(e.currency) = ANY (v_concerned) AND e.recorded_at <= v_until AND e.updated_at > v_until
      HAVING count(*) > 0
      UNION ALL
      SELECT snapshots.missing_entry('calendar', 'too_many', NULL, NULL, NULL, count(*)) FROM known WHERE place > p_row_limit HAVING count(*) > 0) m), '[]'),
    (SELECT array_agg(ROW(p_bot_id, p_id, k.id, k.source, k.event_time, k.currency, k.impact, k.title, k.previous, k.forecast,
      CASE WHEN k.event_time <= v_now THEN k.actual END, k.updated_at)::snapshots.calendar) FROM known k WHERE k.place <= p_row_limit)
  INTO v_missing, v_calendar;

  SELECT n.published_at INTO v_news_until FROM market.news n
  WHERE n.published_at <= v_now AND n.recorded_at <= v_until ORDER BY n.published_at DESC LIMIT 1;
  WITH known AS MATERIALIZED (
    SELECT n.*, row_number() OVER (ORDER BY n.published_at DESC, n.id DESC) AS place FROM market.news n
    WHERE n.published_at >= v_now - p_news_hours * interval '1 hour' AND n.published_at <= v_now AND n.symbols && (p_symbols || v_about)
      AND n.updated_at <= v_until)
  SELECT v_missing || coalesce((SELECT jsonb_agg(entry) FROM (
      SELECT snapshots.missing_entry('news', CASE WHEN v_news_until IS NULL THEN 'none' ELSE 'stale' END, NULL, NULL, v_news_until) AS entry
      WHERE p_news_hours > 0 AND (v_news_until IS NULL OR v_news_until < v_now - p_news_hours * interval '1 hour')
      UNION ALL
      SELECT snapshots.missing_entry('news', 'changed_since', NULL, NULL, NULL, count(*)) FROM market.news n
      WHERE n.published_at >= v_now - p_news_hours * interval '1 hour' AND n.published_at <= v_now AND n.symbols && (p_symbols || v_about)
        AND n.recorded_at <= v_until AND n.updated_at > v_until
      HAVING count(*) > 0
      UNION ALL
      SELECT snapshots.missing_entry('news', 'too_many', NULL, NULL, NULL, count(*)) FROM known WHERE place > p_row_limit HAVING count(*) > 0) m), '[]'),
    (SELECT array_agg(ROW(p_bot_id, p_id, k.id, k.source, k.headline, k.symbols, k.sentiment_score, k.published_at, k.updated_at)::snapshots.news)
      FROM known k WHERE k.place <= p_row_limit)
  INTO v_missing, v_news;

  -- Of all exchanges: a bot may trade at one by the prices of another. Currency by currency, since it may have many balances and few currencies.
  WITH RECURSIVE held AS (
    (SELECT b.exchange, b.currency FROM trading.balances b WHERE b.bot_id = p_bot_id ORDER BY b.exchange, b.currency LIMIT 1)
    UNION ALL
    SELECT n.exchange, n.currency FROM held h CROSS JOIN LATERAL (
      SELECT b.exchange, b.currency FROM trading.balances b
      WHERE b.bot_id = p_bot_id AND (b.exchange, b.currency) > (h.exchange, h.currency) ORDER BY b.exchange, b.currency LIMIT 1) n),
  latest AS MATERIALIZED (
    SELECT h.exchange, h.currency, b.total, b.equity, b.margin_used, b.available, b.unrealised_pnl, b.taken_at,
      b.taken_at < v_now - p_balance_hours * interval '1 hour' AS is_stale
    FROM held h CROSS JOIN LATERAL (
      SELECT * FROM trading.balances b
      WHERE b.bot_id = p_bot_id AND b.exchange = h.exchange AND b.currency = h.currency AND b.taken_at <= v_now AND b.recorded_at <= v_until
      ORDER BY b.taken_at DESC, b.recorded_at DESC, b.id DESC LIMIT 1) b),
  open AS MATERIALIZED (
    SELECT p.exchange, p.settle_currency AS currency, count(*) AS positions,
      CASE WHEN bool_and(p.unrealised_pnl IS NOT NULL AND p.marked_at <= v_now AND p.closed_at IS NULL) THEN sum(p.unrealised_pnl) END AS pnl
    FROM trading.positions p
    WHERE p.bot_id = p_bot_id AND p.opened_at <= v_now AND (p.closed_at IS NULL OR p.closed_at > v_now)
    GROUP BY p.exchange, p.settle_currency)
  SELECT v_missing || coalesce((SELECT jsonb_agg(entry) FROM (
      SELECT snapshots.missing_entry('account', 'none') AS entry WHERE NOT EXISTS (SELECT FROM latest)
      UNION ALL
      SELECT snapshots.missing_entry('account', 'stale', NULL, NULL, l.taken_at, NULL, l.currency) FROM latest l WHERE l.is_stale) m), '[]'),
    (SELECT array_agg(ROW(p_bot_id, p_id, l.exchange, l.currency, l.total, l.equity, l.margin_used, l.available,
        CASE WHEN l.unrealised_pnl IS NOT NULL THEN l.unrealised_pnl ELSE o.pnl END, coalesce(o.positions, 0), l.taken_at)::snapshots.account)
      FROM latest l LEFT JOIN open o ON o.exchange = l.exchange AND o.currency = l.currency WHERE NOT l.is_stale)
  INTO v_missing, v_account;

  INSERT INTO snapshots.bundles (bot_id, id, reason, note, exchange, symbols, timeframes, calendar_hours, news_hours, captured_at, recorded_until,
    news_until, calendar_until, missing)
  VALUES (p_bot_id, p_id, p_reason, p_note, v_exchange, p_symbols, p_timeframes, p_calendar_hours, p_news_hours, v_now, v_until, v_news_until,
    v_calendar_until, v_missing)
  ON CONFLICT (bot_id, id) DO NOTHING;
  v_is_new := FOUND;
  IF v_is_new THEN
    INSERT INTO snapshots.market SELECT * FROM unnest(v_market);
    INSERT INTO snapshots.indicators SELECT * FROM unnest(v_indicators);
    INSERT INTO snapshots.calendar SELECT * FROM unnest(v_calendar);
    INSERT INTO snapshots.news SELECT * FROM unnest(v_news);
    INSERT INTO snapshots.account SELECT * FROM unnest(v_account);
  END IF;
  RETURN jsonb_build_object('isNew', v_is_new, 'snapshot', snapshots.document_of(p_bot_id, p_id));
END $function$;

CREATE OR REPLACE FUNCTION snapshots.document_of(p_bot_id text, p_id uuid)
 RETURNS jsonb
 LANGUAGE sql
AS $function$
  SELECT jsonb_build_object('bundle', risk.numbers_as_text(to_jsonb(b)),
    'market', (SELECT coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(m))
        ORDER BY array_position(b.symbols, m.symbol), array_position(b.timeframes, m.timeframe)), '[]')
      FROM snapshots.market m WHERE m.bot_id = p_bot_id AND m.bundle_id = p_id),
    'indicators', (SELECT coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(i))
        ORDER BY array_position(b.symbols, i.symbol), array_position(b.timeframes, i.timeframe)), '[]')
      FROM snapshots.indicators i WHERE i.bot_id = p_bot_id AND i.bundle_id = p_id),
    'calendar', (SELECT coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(c)) ORDER BY c.event_time, c.event_id), '[]')
      FROM snapshots.calendar c WHERE c.bot_id = p_bot_id AND c.bundle_id = p_id),
    'news', (SELECT coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(n)) ORDER BY n.published_at DESC, n.news_id DESC), '[]')
      FROM snapshots.news n WHERE n.bot_id = p_bot_id AND n.bundle_id = p_id),
    'account', (SELECT coalesce(jsonb_agg(risk.numbers_as_text(to_jsonb(a)) ORDER BY a.exchange, a.currency), '[]')
      FROM snapshots.account a WHERE a.bot_id = p_bot_id AND a.bundle_id = p_id))
  FROM snapshots.bundles b WHERE b.bot_id = p_bot_id AND b.id = p_id
$function$;

CREATE OR REPLACE FUNCTION snapshots.missing_entry(p_source text, p_why text, p_symbol text DEFAULT NULL::text, p_timeframe text DEFAULT NULL::text, p_last_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_count bigint DEFAULT NULL::bigint, p_currency text DEFAULT NULL::text)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT jsonb_strip_nulls(jsonb_build_object('source', p_source, 'why', p_why, 'symbol', p_symbol, 'timeframe', p_timeframe,
    'currency', p_currency, 'lastAt', to_char(p_last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'count', p_count))
$function$;

CREATE OR REPLACE FUNCTION strategy.after_insert()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_new strategy.strategies;
BEGIN
  PERFORM strategy.move_allocation((SELECT coalesce(jsonb_agg(jsonb_build_object('id', n.id, 'name', n.name, 'changed_by', n.changed_by,
    'reason', n.reason, 'new_share', n.allocation)), '[]') FROM new_rows n WHERE n.status = 'active'));
  FOR v_new IN SELECT * FROM new_rows n ORDER BY n.id LOOP
    PERFORM strategy.log_change(NULL, v_new);
  END LOOP;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION strategy.after_update()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION strategy.begin_strategy()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
  v_now timestamptz := date_trunc('milliseconds', clock_timestamp());
BEGIN
  -- Reads every window, whatever the moment.
  PERFORM strategy.is_in_window(NEW.session_windows, v_now);
  NEW.version := 1;
  IF NEW.status = 'active' THEN NEW.activated_at := coalesce(NEW.activated_at, v_now); END IF;
  RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION strategy.check_replacement()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  IF (NEW.status = 'replaced' AND NOT EXISTS (SELECT FROM strategy.strategies r WHERE r.id = NEW.replaced_by_id
      AND r.replaces_id = NEW.id AND (r.status = 'active' OR TG_OP = 'INSERT')))
    OR (NEW.replaces_id IS NOT NULL AND NOT EXISTS (SELECT FROM strategy.strategies o WHERE o.id = NEW.replaces_id
      AND o.status = 'replaced' AND o.replaced_by_id = NEW.id)) THEN
    RAISE EXCEPTION 'strategy ''%'' would be half of a replacement: the old one is replaced and the new one active in one statement', NEW.name
      USING ERRCODE = 'TB001', HINT = 'use replaceStrategy';
  END IF;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION strategy.guard_allocations()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION strategy.guard_review()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION strategy.guard_signal()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION strategy.guard_strategy()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION strategy.guard_symbols()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION strategy.is_in_window(p_windows jsonb, p_at timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION strategy.is_step(p_from text, p_to text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  SELECT CASE p_from
    WHEN 'draft' THEN p_to IN ('backtested', 'archived')
    WHEN 'backtested' THEN p_to IN ('paper', 'archived')
    WHEN 'paper' THEN p_to IN ('active', 'archived')
    WHEN 'active' THEN p_to IN ('paused', 'archived', 'replaced')
    WHEN 'paused' THEN p_to IN ('active', 'archived', 'replaced')
    ELSE false END
$function$;

CREATE OR REPLACE FUNCTION strategy.log_change(p_old strategy.strategies, p_new strategy.strategies)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION strategy.log_symbols()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  INSERT INTO audit.system_events (bot_id, kind, severity, actor, component, message, details, occurred_at)
  SELECT '*', 'strategy_changed', 'info', CASE TG_OP WHEN 'DELETE' THEN session_user ELSE min(r.changed_by) END, 'strategy',
    format('symbols of strategy ''%s'' were %s', s.name, CASE TG_OP WHEN 'INSERT' THEN 'added' WHEN 'DELETE' THEN 'removed' ELSE 'changed' END),
    jsonb_build_object('strategyId', s.id, CASE TG_OP WHEN 'DELETE' THEN 'before' ELSE 'after' END, jsonb_object_agg(r.symbol, r.weight::text)), clock_timestamp()
  FROM touched r JOIN strategy.strategies s ON s.id = r.strategy_id GROUP BY s.id, s.name ORDER BY s.id;
  RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION strategy.move_allocation(p_changes jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION strategy.refuse_delete()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
  RAISE EXCEPTION 'strategies are not deleted' USING ERRCODE = 'TB002', HINT = 'archive it instead';
END $function$;

CREATE OR REPLACE FUNCTION strategy.replace_strategy(p_old uuid, p_new uuid, p_allocation numeric, p_changed_by text, p_reason text)
 RETURNS SETOF strategy.strategies
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION strategy.set_symbols(p_strategy_id uuid, p_symbols jsonb, p_changed_by text, p_reason text)
 RETURNS SETOF strategy.strategy_symbols
 LANGUAGE plpgsql
AS $function$
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

CREATE VIEW analysis.decision_analysis AS
 SELECT d.bot_id,
    d.id AS decision_id,
    d.decided_at,
    d.exchange,
    d.symbol,
    d.intended_action,
    d.action,
    d.confidence,
    d.quantity,
    d.strategy_id,
    d.snapshot_id,
    d.veto_source,
    d.veto_reason,
    d.vetoed_at,
    technical.id AS technical_signal_id,
    technical.signal AS technical_signal,
    technical.confidence AS technical_confidence,
    technical.bullish_count,
    technical.bearish_count,
    technical.neutral_count,
    llm.id AS llm_analysis_id,
    llm.model AS llm_model,
    llm.sentiment AS llm_sentiment,
    llm.confidence AS llm_confidence,
    llm.summary AS llm_summary,
    llm.cached AS llm_cached,
    model.id AS ml_prediction_id,
    model.model_version,
    model.action AS model_action,
    model.confidence AS model_confidence,
    model.prob_long,
    model.prob_short,
    model.prob_hold,
    signal.id AS signal_id,
    signal.kind AS signal_kind,
    signal.strength AS signal_strength,
    signal.confidence AS signal_confidence,
    checked.passed_count,
    checked.failed_count
   FROM analysis.decisions d
     LEFT JOIN LATERAL ( SELECT t.bot_id,
            t.id,
            t.exchange,
            t.symbol,
            t.timeframe,
            t.signal,
            t.confidence,
            t.bullish_count,
            t.bearish_count,
            t.neutral_count,
            t.indicators,
            t.rsi,
            t.rsi_signal,
            t.macd_histogram,
            t.macd_signal,
            t.bollinger_position,
            t.bollinger_signal,
            t.analysed_at,
            t.recorded_at
           FROM analysis.decision_evidence e
             JOIN analysis.technical_signals t ON t.bot_id = e.bot_id AND t.id = e.technical_signal_id
          WHERE e.bot_id = d.bot_id AND e.decision_id = d.id AND e.source = 'technical'::text
          ORDER BY e.ordinal
         LIMIT 1) technical ON true
     LEFT JOIN LATERAL ( SELECT l.bot_id,
            l.id,
            l.symbol,
            l.exchange,
            l.kind,
            l.prompt_template,
            l.model,
            l.provider,
            l.sentiment,
            l.confidence,
            l.summary,
            l.key_factors,
            l.prompt_tokens,
            l.completion_tokens,
            l.total_tokens,
            l.cost,
            l.cost_currency,
            l.latency_ms,
            l.temperature,
            l.cached,
            l.status,
            l.error_message,
            l.prompt,
            l.response,
            l.response_json,
            l.prompt_ciphertext,
            l.response_ciphertext,
            l.response_json_ciphertext,
            l.key_id,
            l.analysed_at,
            l.recorded_at
           FROM analysis.decision_evidence e
             JOIN analysis.llm_analyses l ON l.bot_id = e.bot_id AND l.id = e.llm_analysis_id
          WHERE e.bot_id = d.bot_id AND e.decision_id = d.id AND e.source = 'llm'::text
          ORDER BY e.ordinal
         LIMIT 1) llm ON true
     LEFT JOIN LATERAL ( SELECT m.bot_id,
            m.id,
            m.symbol,
            m.action,
            m.confidence,
            m.prob_long,
            m.prob_short,
            m.prob_hold,
            m.feature_importance,
            m.model_version,
            m.model_type,
            m.prediction_ms,
            m.features_used,
            m.historical_accuracy,
            m.predicted_at,
            m.recorded_at
           FROM analysis.decision_evidence e
             JOIN analysis.ml_predictions m ON m.bot_id = e.bot_id AND m.id = e.ml_prediction_id
          WHERE e.bot_id = d.bot_id AND e.decision_id = d.id AND e.source = 'model'::text
          ORDER BY e.ordinal
         LIMIT 1) model ON true
     LEFT JOIN LATERAL ( SELECT s.bot_id,
            s.id,
            s.strategy_id,
            s.exchange,
            s.symbol,
            s.kind,
            s.strength,
            s.confidence,
            s.price,
            s.suggested_stop_loss,
            s.suggested_take_profit,
            s.suggested_quantity,
            s.indicators,
            s.market_conditions,
            s.metadata,
            s.passed_filters,
            s.failed_filters,
            s.validated,
            s.notes,
            s.emitted_at,
            s.valid_until,
            s.outcome,
            s.outcome_pnl,
            s.rejection_reason,
            s.order_id,
            s.outcome_at,
            s.recorded_at
           FROM analysis.decision_evidence e
             JOIN strategy.signals s ON s.bot_id = e.bot_id AND s.id = e.signal_id
          WHERE e.bot_id = d.bot_id AND e.decision_id = d.id AND e.source = 'signal'::text
          ORDER BY e.ordinal
         LIMIT 1) signal ON true
     CROSS JOIN LATERAL ( SELECT count(*) FILTER (WHERE c.passed) AS passed_count,
            count(*) FILTER (WHERE NOT c.passed) AS failed_count
           FROM analysis.decision_checks c
          WHERE c.bot_id = d.bot_id AND c.decision_id = d.id) checked;

CREATE VIEW analysis.performance AS
 SELECT d.bot_id,
    d.id AS decision_id,
    d.decided_at,
    d.symbol,
    d.action,
    d.confidence,
    d.strategy_id,
    o.id AS order_id,
    p.id AS position_id,
    p.trade_id,
    p.exchange,
    p.direction,
    p.status,
    p.settle_currency,
    p.opened_at,
    p.closed_at,
        CASE
            WHEN p.closed_at IS NOT NULL THEN p.realised_gross
            ELSE NULL::numeric
        END AS gross,
        CASE
            WHEN p.closed_at IS NOT NULL THEN p.fees
            ELSE NULL::numeric
        END AS fees,
        CASE
            WHEN p.closed_at IS NOT NULL THEN p.funding
            ELSE NULL::numeric
        END AS funding,
        CASE
            WHEN p.closed_at IS NOT NULL THEN p.net_pnl
            ELSE NULL::numeric
        END AS net_pnl,
        CASE
            WHEN p.closed_at IS NOT NULL AND p.net_pnl <> 0::numeric THEN p.net_pnl > 0::numeric
            ELSE NULL::boolean
        END AS was_profitable
   FROM analysis.decisions d
     JOIN trading.orders o ON o.bot_id = d.bot_id AND o.decision_id = d.id
     JOIN trading.fills f ON f.bot_id = o.bot_id AND f.order_id = o.id
     JOIN trading.positions p ON p.bot_id = f.bot_id AND p.trade_id = analysis.trade_id_of(f.exchange, f.symbol, f.side, f.exchange_trade_id);

CREATE MATERIALIZED VIEW analytics.bot_performance AS
 WITH trades AS (
         SELECT t_1.bot_id,
            count(*)::integer AS trade_count,
            count(*) FILTER (WHERE t_1.net > 0::numeric)::integer AS win_count,
            count(*) FILTER (WHERE t_1.net < 0::numeric)::integer AS loss_count,
            count(*) FILTER (WHERE t_1.net = 0::numeric)::integer AS draw_count,
            count(*) FILTER (WHERE t_1.net IS NULL)::integer AS unvalued_trade_count,
            count(*) FILTER (WHERE t_1.direction = 'long'::text)::integer AS long_count,
            count(*) FILTER (WHERE t_1.direction = 'short'::text)::integer AS short_count,
            count(*) FILTER (WHERE t_1.is_liquidation)::integer AS liquidation_count,
            count(t_1.net) AS known_count,
            sum(t_1.net) AS net_pnl,
            COALESCE(sum(t_1.net) FILTER (WHERE t_1.net > 0::numeric), 0::numeric) AS gross_profit,
            COALESCE(sum(t_1.net) FILTER (WHERE t_1.net < 0::numeric), 0::numeric) AS gross_loss,
            max(t_1.net) AS best_trade,
            min(t_1.net) AS worst_trade,
                CASE
                    WHEN count(*) = count(t_1.fees) THEN sum(t_1.fees)
                    ELSE NULL::numeric
                END AS fees,
                CASE
                    WHEN count(*) = count(t_1.funding) THEN sum(t_1.funding)
                    ELSE NULL::numeric
                END AS funding,
            min(t_1.closed_at) AS first_trade_at,
            max(t_1.closed_at) AS last_trade_at
           FROM analytics.trades_of(ARRAY( SELECT b_1.bot_id
                   FROM fleet.bots b_1), NULL::timestamp with time zone, NULL::timestamp with time zone, now()) t_1(bot_id, position_id, trade_id, exchange, symbol, direction, strategy, entry_tag, exit_reason, is_liquidation, opened_at, closed_at, time_zone, gross, fees, funding, net)
          GROUP BY t_1.bot_id
        )
 SELECT b.bot_id,
    b.name AS bot_name,
    b.mode,
    b.base_currency,
    b.exchange,
    b.strategy,
    COALESCE(t.trade_count, 0) AS trade_count,
    COALESCE(t.win_count, 0) AS win_count,
    COALESCE(t.loss_count, 0) AS loss_count,
    COALESCE(t.draw_count, 0) AS draw_count,
    COALESCE(t.unvalued_trade_count, 0) AS unvalued_trade_count,
    COALESCE(t.long_count, 0) AS long_count,
    COALESCE(t.short_count, 0) AS short_count,
    COALESCE(t.liquidation_count, 0) AS liquidation_count,
        CASE
            WHEN t.known_count > 0 THEN t.win_count::double precision / t.known_count::double precision
            ELSE NULL::double precision
        END AS win_rate,
    COALESCE(t.gross_profit, 0::numeric) AS gross_profit,
    COALESCE(t.gross_loss, 0::numeric) AS gross_loss,
    COALESCE(t.net_pnl, 0::numeric) AS net_pnl,
    COALESCE(t.fees,
        CASE
            WHEN t.bot_id IS NULL THEN 0
            ELSE NULL::integer
        END::numeric) AS fees,
    COALESCE(t.funding,
        CASE
            WHEN t.bot_id IS NULL THEN 0
            ELSE NULL::integer
        END::numeric) AS funding,
    trading.divide(t.gross_profit, NULLIF(- t.gross_loss, 0::numeric))::double precision AS profit_factor,
    trading.divide(t.net_pnl, NULLIF(t.known_count, 0)::numeric) AS expectancy,
    trading.divide(t.gross_profit, NULLIF(t.win_count, 0)::numeric) AS average_win,
    trading.divide(t.gross_loss, NULLIF(t.loss_count, 0)::numeric) AS average_loss,
    t.best_trade,
    t.worst_trade,
    t.first_trade_at::timestamp(3) with time zone AS first_trade_at,
    t.last_trade_at::timestamp(3) with time zone AS last_trade_at,
    d.day AS last_day,
    d.is_complete AS last_day_is_complete,
    d.equity_end AS equity,
    d.growth,
    d.drawdown_fraction,
    d.max_drawdown_fraction,
    d.return_count,
    d.sharpe,
    d.sortino,
    d.calmar,
    d.calculated_at
   FROM fleet.bots b
     LEFT JOIN trades t ON t.bot_id = b.bot_id
     LEFT JOIN LATERAL ( SELECT d_1.bot_id,
            d_1.day,
            d_1.starts_at,
            d_1.ends_at,
            d_1.is_complete,
            d_1.base_currency,
            d_1.realised_gross,
            d_1.fees,
            d_1.funding,
            d_1.interest,
            d_1.adjustments,
            d_1.net_pnl,
            d_1.unrealised_change,
            d_1.revaluation,
            d_1.total_pnl,
            d_1.external_flows,
            d_1.flows_at_start,
            d_1.balance_start,
            d_1.balance_end,
            d_1.balance_peak,
            d_1.balance_trough,
            d_1.unrealised_pnl,
            d_1.equity_start,
            d_1.equity_end,
            d_1.unvalued,
            d_1.fill_count,
            d_1.volume,
            d_1.trade_count,
            d_1.win_count,
            d_1.loss_count,
            d_1.draw_count,
            d_1.unvalued_trade_count,
            d_1.long_count,
            d_1.short_count,
            d_1.liquidation_count,
            d_1.win_rate,
            d_1.gross_profit,
            d_1.gross_loss,
            d_1.average_win,
            d_1.average_loss,
            d_1.profit_factor,
            d_1.best_trade,
            d_1.worst_trade,
            d_1.average_holding_ms,
            d_1.shortest_holding_ms,
            d_1.longest_holding_ms,
            d_1.current_streak,
            d_1.longest_win_streak,
            d_1.longest_loss_streak,
            d_1.breaker_count,
            d_1.kill_switch_count,
            d_1.return_fraction,
            d_1.growth,
            d_1.drawdown_fraction,
            d_1.max_drawdown_fraction,
            d_1.drawdown_amount,
            d_1.return_count,
            d_1.sharpe,
            d_1.sortino,
            d_1.calmar,
            d_1.calculated_at
           FROM analytics.daily_pnl d_1
          WHERE d_1.bot_id = b.bot_id
          ORDER BY d_1.day DESC
         LIMIT 1) d ON true;

CREATE MATERIALIZED VIEW analytics.daily_portfolio AS
 WITH days AS (
         SELECT d.mode,
            d.base_currency,
            d.day,
            d.starts_at,
            d.ends_at,
            d.is_complete,
            d.bot_count,
            d.stored_count,
            d.joined_count,
            d.net_pnl,
            d.total_pnl,
            d.external_flows,
            d.flows_at_start,
            d.equity_start,
            d.equity,
            d.trade_count,
            d.win_count,
            d.loss_count,
            d.external_flows - d.flows_at_start AS flows_at_end,
            lag(d.equity) OVER fleet AS equity_before,
            COALESCE((d.day - lag(d.day) OVER fleet) = 1, true) AS follows
           FROM analytics.portfolio_days d
          WINDOW fleet AS (PARTITION BY d.mode, d.base_currency ORDER BY d.day)
        ), spans AS (
         SELECT d.mode,
            d.base_currency,
            d.day,
            d.starts_at,
            d.ends_at,
            d.is_complete,
            d.bot_count,
            d.stored_count,
            d.joined_count,
            d.net_pnl,
            d.total_pnl,
            d.external_flows,
            d.flows_at_start,
            d.equity_start,
            d.equity,
            d.trade_count,
            d.win_count,
            d.loss_count,
            d.flows_at_end,
            d.equity_before,
            d.follows,
            count(*) FILTER (WHERE d.equity_start IS NOT NULL OR d.equity_before IS NOT NULL) OVER (PARTITION BY d.mode, d.base_currency ORDER BY d.day) AS span
           FROM days d
        ), capitals AS (
         SELECT s.mode,
            s.base_currency,
            s.day,
            s.starts_at,
            s.ends_at,
            s.is_complete,
            s.bot_count,
            s.stored_count,
            s.joined_count,
            s.net_pnl,
            s.total_pnl,
            s.external_flows,
            s.flows_at_start,
            s.equity_start,
            s.equity,
            s.trade_count,
            s.win_count,
            s.loss_count,
            s.flows_at_end,
            s.equity_before,
            s.follows,
            s.span,
            first_value(COALESCE(s.equity_start, s.equity_before)) OVER since +
                CASE
                    WHEN bool_and(s.flows_at_start IS NOT NULL AND (s.follows OR s.equity_start IS NOT NULL)) OVER since THEN sum(s.flows_at_start) OVER since
                    ELSE NULL::numeric
                END AS capital,
            s.equity -
                CASE
                    WHEN count(s.flows_at_end) OVER since = count(*) OVER since THEN sum(s.flows_at_end) OVER since
                    ELSE NULL::numeric
                END AS result
           FROM spans s
          WINDOW since AS (PARTITION BY s.mode, s.base_currency, s.span ORDER BY s.day)
        ), returns AS (
         SELECT c.mode,
            c.base_currency,
            c.day,
            c.starts_at,
            c.ends_at,
            c.is_complete,
            c.bot_count,
            c.stored_count,
            c.joined_count,
            c.net_pnl,
            c.total_pnl,
            c.external_flows,
            c.flows_at_start,
            c.equity_start,
            c.equity,
            c.trade_count,
            c.win_count,
            c.loss_count,
            c.flows_at_end,
            c.equity_before,
            c.follows,
            c.span,
            c.capital,
            c.result,
                CASE
                    WHEN c.capital > 0::numeric THEN trading.divide(c.result - c.capital, c.capital)::double precision
                    ELSE NULL::double precision
                END AS return_fraction,
            sum(COALESCE(c.result - c.capital, 0::numeric)) OVER (PARTITION BY c.mode, c.base_currency ORDER BY c.day) AS profit
           FROM capitals c
        ), grown AS (
         SELECT r.mode,
            r.base_currency,
            r.day,
            r.starts_at,
            r.ends_at,
            r.is_complete,
            r.bot_count,
            r.stored_count,
            r.joined_count,
            r.net_pnl,
            r.total_pnl,
            r.external_flows,
            r.flows_at_start,
            r.equity_start,
            r.equity,
            r.trade_count,
            r.win_count,
            r.loss_count,
            r.flows_at_end,
            r.equity_before,
            r.follows,
            r.span,
            r.capital,
            r.result,
            r.return_fraction,
            r.profit,
            analytics.product(GREATEST(0::double precision, 1::double precision + COALESCE(r.return_fraction, 0::double precision))) OVER (PARTITION BY r.mode, r.base_currency ORDER BY r.day) AS growth
           FROM returns r
        ), fallen AS (
         SELECT g.mode,
            g.base_currency,
            g.day,
            g.starts_at,
            g.ends_at,
            g.is_complete,
            g.bot_count,
            g.stored_count,
            g.joined_count,
            g.net_pnl,
            g.total_pnl,
            g.external_flows,
            g.flows_at_start,
            g.equity_start,
            g.equity,
            g.trade_count,
            g.win_count,
            g.loss_count,
            g.flows_at_end,
            g.equity_before,
            g.follows,
            g.span,
            g.capital,
            g.result,
            g.return_fraction,
            g.profit,
            g.growth,
            1::double precision - g.growth / GREATEST(1::double precision, max(g.growth) OVER (PARTITION BY g.mode, g.base_currency ORDER BY g.day)) AS fall
           FROM grown g
        ), marked AS (
         SELECT f.mode,
            f.base_currency,
            f.day,
            f.starts_at,
            f.ends_at,
            f.is_complete,
            f.bot_count,
            f.stored_count,
            f.joined_count,
            f.net_pnl,
            f.total_pnl,
            f.external_flows,
            f.flows_at_start,
            f.equity_start,
            f.equity,
            f.trade_count,
            f.win_count,
            f.loss_count,
            f.flows_at_end,
            f.equity_before,
            f.follows,
            f.span,
            f.capital,
            f.result,
            f.return_fraction,
            f.profit,
            f.growth,
            f.fall,
                CASE
                    WHEN f.fall > 0.000000000001::double precision THEN f.fall
                    ELSE 0::double precision
                END AS drawdown_fraction,
            count(*) FILTER (WHERE f.fall <= 0.000000000001::double precision) OVER (PARTITION BY f.mode, f.base_currency ORDER BY f.day) AS peak
           FROM fallen f
        )
 SELECT mode,
    base_currency,
    day,
    starts_at::timestamp(3) with time zone AS starts_at,
    ends_at::timestamp(3) with time zone AS ends_at,
    is_complete,
    bot_count,
    stored_count,
    net_pnl,
    total_pnl,
    external_flows,
    flows_at_start,
    equity_start,
    equity,
    trade_count,
    win_count,
    loss_count,
    return_fraction,
    growth,
    drawdown_fraction,
    max(drawdown_fraction) OVER (PARTITION BY mode, base_currency ORDER BY day) AS max_drawdown_fraction,
        CASE
            WHEN drawdown_fraction > 0::double precision THEN
            CASE
                WHEN peak = 0 THEN 0::numeric
                ELSE first_value(profit) OVER (PARTITION BY mode, base_currency, peak ORDER BY day)
            END - profit
            ELSE 0::numeric
        END AS drawdown_amount
   FROM marked m;

CREATE VIEW analytics.portfolio_days AS
 WITH firsts AS (
         SELECT d.bot_id,
            min(d.day) AS first_day
           FROM analytics.daily_pnl d
          GROUP BY d.bot_id
        ), stored AS (
         SELECT b.mode,
            d.base_currency,
            d.day,
            count(*)::integer AS stored_count,
            count(*) FILTER (WHERE d.day = f.first_day)::integer AS joined_count,
            min(d.starts_at) AS starts_at,
            max(d.ends_at) AS ends_at,
            bool_and(d.is_complete) AS is_complete,
                CASE
                    WHEN count(*) = count(d.net_pnl) THEN sum(d.net_pnl)
                    ELSE NULL::numeric
                END AS net_pnl,
                CASE
                    WHEN count(*) = count(d.total_pnl) THEN sum(d.total_pnl)
                    ELSE NULL::numeric
                END AS total_pnl,
                CASE
                    WHEN count(*) = count(d.external_flows) THEN sum(d.external_flows)
                    ELSE NULL::numeric
                END AS external_flows,
                CASE
                    WHEN count(*) = count(d.flows_at_start) THEN sum(d.flows_at_start)
                    ELSE NULL::numeric
                END AS flows_at_start,
                CASE
                    WHEN count(*) FILTER (WHERE d.day = f.first_day AND d.equity_start IS NULL) = 0 THEN COALESCE(sum(d.equity_start) FILTER (WHERE d.day = f.first_day), 0::numeric)
                    ELSE NULL::numeric
                END AS joined_equity,
                CASE
                    WHEN count(*) FILTER (WHERE d.day > f.first_day AND d.equity_start IS NULL) = 0 THEN COALESCE(sum(d.equity_start) FILTER (WHERE d.day > f.first_day), 0::numeric)
                    ELSE NULL::numeric
                END AS equity_start,
                CASE
                    WHEN count(*) = count(d.equity_end) THEN sum(d.equity_end)
                    ELSE NULL::numeric
                END AS equity,
            sum(d.trade_count)::integer AS trade_count,
            sum(d.win_count)::integer AS win_count,
            sum(d.loss_count)::integer AS loss_count
           FROM analytics.daily_pnl d
             JOIN firsts f ON f.bot_id = d.bot_id
             JOIN fleet.bots b ON b.bot_id = d.bot_id
          GROUP BY b.mode, d.base_currency, d.day
        ), counted AS (
         SELECT s.mode,
            s.base_currency,
            s.day,
            s.stored_count,
            s.joined_count,
            s.starts_at,
            s.ends_at,
            s.is_complete,
            s.net_pnl,
            s.total_pnl,
            s.external_flows,
            s.flows_at_start,
            s.joined_equity,
            s.equity_start,
            s.equity,
            s.trade_count,
            s.win_count,
            s.loss_count,
            sum(s.joined_count) OVER (PARTITION BY s.mode, s.base_currency ORDER BY s.day)::integer AS bot_count
           FROM stored s
        )
 SELECT mode,
    base_currency,
    day,
    starts_at,
    ends_at,
    is_complete AND stored_count = bot_count AS is_complete,
    bot_count,
    stored_count,
    joined_count,
        CASE
            WHEN stored_count = bot_count THEN net_pnl
            ELSE NULL::numeric
        END AS net_pnl,
        CASE
            WHEN stored_count = bot_count THEN total_pnl
            ELSE NULL::numeric
        END AS total_pnl,
        CASE
            WHEN stored_count = bot_count THEN external_flows + joined_equity
            ELSE NULL::numeric
        END AS external_flows,
        CASE
            WHEN stored_count = bot_count THEN flows_at_start + joined_equity
            ELSE NULL::numeric
        END AS flows_at_start,
        CASE
            WHEN stored_count = bot_count THEN equity_start
            ELSE NULL::numeric
        END AS equity_start,
        CASE
            WHEN stored_count = bot_count THEN equity
            ELSE NULL::numeric
        END AS equity,
    trade_count,
    win_count,
    loss_count
   FROM counted c;

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

CREATE VIEW risk.admin_actions AS
 SELECT occurred_at,
    bot_id,
    kind,
    actor,
    reason,
    subject_id,
    details
   FROM audit.risk_events e
  WHERE kind <> 'order_denied'::text;

CREATE VIEW risk.setting_changes AS
 WITH versions AS (
         SELECT '*'::text AS bot_id,
            s_1.version,
            s_1.changed_by,
            s_1.reason,
            s_1.changed_at,
            to_jsonb(s_1.*) - ARRAY['version'::text, 'changed_by'::text, 'reason'::text, 'changed_at'::text] AS settings
           FROM risk.global_settings s_1
        UNION ALL
         SELECT s_1.bot_id,
            s_1.version,
            s_1.changed_by,
            s_1.reason,
            s_1.changed_at,
            to_jsonb(s_1.*) - ARRAY['bot_id'::text, 'version'::text, 'changed_by'::text, 'reason'::text, 'changed_at'::text]
           FROM risk.settings s_1
        ), steps AS (
         SELECT v.bot_id,
            v.version,
            v.changed_by,
            v.reason,
            v.changed_at,
            v.settings,
            lag(v.settings) OVER (PARTITION BY v.bot_id ORDER BY v.version) AS former
           FROM versions v
        )
 SELECT s.bot_id,
    s.version,
    field.key AS field,
    s.former ->> field.key AS before,
    s.settings ->> field.key AS after,
    s.changed_by,
    s.reason,
    s.changed_at
   FROM steps s
     CROSS JOIN LATERAL jsonb_each(s.settings) field(key, value)
  WHERE (s.settings ->> field.key) IS DISTINCT FROM (s.former ->> field.key);

CREATE VIEW risk.summary AS
 SELECT b.bot_id,
    b.name AS bot_name,
    b.exchange,
    b.mode,
    b.base_currency,
    b.status AS bot_status,
    status.state,
    status.blocks,
    status.checked_at::timestamp(3) with time zone AS checked_at,
    COALESCE(switch.status, 'off'::text) AS kill_switch_status,
    breakers.active_breakers,
    locks.active_locks,
    exposure.open_positions,
    orders.pending_orders,
    exposure.unpriced,
    exposure.gross AS exposure,
    exposure.net AS net_exposure,
    account.equity,
        CASE
            WHEN exposure.unpriced = '[]'::jsonb AND account.equity > 0::numeric THEN (exposure.gross / account.equity)::double precision
            ELSE NULL::double precision
        END AS leverage,
        CASE
            WHEN exposure.unpriced = '[]'::jsonb THEN exposure.concentration
            ELSE NULL::double precision
        END AS concentration,
    exposure.correlation,
    exposure.liquidity,
    drawdown.drawdown_fraction::double precision AS drawdown_fraction,
    drawdown.max_drawdown_fraction::double precision AS max_drawdown_fraction,
    drawdown.observed_at AS drawdown_observed_at,
    risk.net_pnl_between(b.bot_id, b.base_currency, risk.window_start('day'::text, NULL::bigint, status.checked_at, b.time_zone), risk.window_start('day'::text, NULL::bigint, risk.window_start('day'::text, NULL::bigint, status.checked_at, b.time_zone) + '26:00:00'::interval, b.time_zone), status.checked_at, ages.price_age) AS day_net_pnl,
    halt.reason AS last_halt_reason,
    halt.at AS last_halt_at,
    var.method AS value_at_risk_method,
    var.confidence AS value_at_risk_confidence,
    var.horizon_days AS value_at_risk_horizon_days,
    var.value AS value_at_risk,
    var.fraction AS value_at_risk_fraction,
    var.unpriced AS value_at_risk_unpriced,
    var.calculated_at AS value_at_risk_calculated_at,
    alerts.open_alerts
   FROM fleet.bots b
     CROSS JOIN LATERAL risk.trading_status(b.bot_id) status(state, blocks, checked_at)
     CROSS JOIN LATERAL risk.ages_of(b.bot_id) ages(price_age, equity_age)
     CROSS JOIN LATERAL ( SELECT risk.equity_of(b.bot_id, status.checked_at) AS equity) account
     LEFT JOIN risk.kill_switch k ON k.id
     LEFT JOIN risk.gates gate ON gate.bot_id = b.bot_id
     LEFT JOIN risk.kill_switch_events switch ON switch.id = COALESCE(k.event_id, gate.kill_switch_event_id)
     CROSS JOIN LATERAL ( SELECT (( SELECT count(*) AS count
                   FROM risk.circuit_breakers c
                  WHERE c.bot_id = b.bot_id AND c.status = 'active'::text AND COALESCE(c.expires_at, 'infinity'::timestamp with time zone) > status.checked_at)) + (( SELECT count(*) AS count
                   FROM risk.global_circuit_breakers c
                  WHERE c.status = 'active'::text AND COALESCE(c.expires_at, 'infinity'::timestamp with time zone) > status.checked_at AND COALESCE(c.exchange, b.exchange) = b.exchange)) AS active_breakers) breakers
     CROSS JOIN LATERAL ( SELECT (( SELECT count(*) AS count
                   FROM risk.locks l
                  WHERE l.bot_id = b.bot_id AND l.unlocked_at IS NULL AND COALESCE(l.expires_at, 'infinity'::timestamp with time zone) > status.checked_at)) + (( SELECT count(*) AS count
                   FROM risk.global_locks l
                  WHERE l.unlocked_at IS NULL AND COALESCE(l.expires_at, 'infinity'::timestamp with time zone) > status.checked_at AND COALESCE(l.exchange, b.exchange) = b.exchange)) AS active_locks) locks
     CROSS JOIN LATERAL ( SELECT count(*) AS pending_orders
           FROM trading.orders o
          WHERE o.bot_id = b.bot_id AND (o.status = ANY (ARRAY['pending'::text, 'submitted'::text, 'partially_filled'::text]))) orders
     CROSS JOIN LATERAL ( WITH held AS MATERIALIZED (
                 SELECT x.exchange,
                    x.symbol,
                    x.positions,
                    x.long_value,
                    x.short_value,
                    x.is_inverse,
                    (x.long_value + x.short_value)::double precision AS size
                   FROM risk.exposures_of(b.bot_id, status.checked_at) x(exchange, symbol, positions, long_value, short_value, is_inverse)
                ), matrix AS (
                 SELECT m.correlations
                   FROM risk.correlation_matrices m
                  WHERE m.exchange = (( SELECT
                                CASE
                                    WHEN min(h_1.exchange) = max(h_1.exchange) THEN min(h_1.exchange)
                                    ELSE NULL::text
                                END AS "case"
                           FROM held h_1)) AND m.calculated_at > (status.checked_at - '7 days'::interval) AND m.symbols @> (( SELECT jsonb_agg(h_1.symbol) AS jsonb_agg
                           FROM held h_1))
                  ORDER BY m.calculated_at DESC, m.id DESC
                 LIMIT 1
                ), pairs AS (
                 SELECT first.size * second.size AS weight,
                    abs((pair.one ->> 'coefficient'::text)::double precision) AS coefficient
                   FROM held first
                     JOIN held second ON first.symbol < second.symbol
                     LEFT JOIN ( SELECT jsonb_array_elements(matrix.correlations) AS one
                           FROM matrix) pair ON (pair.one ->> 'a'::text) = first.symbol AND (pair.one ->> 'b'::text) = second.symbol OR (pair.one ->> 'a'::text) = second.symbol AND (pair.one ->> 'b'::text) = first.symbol
                )
         SELECT COALESCE(sum(h.positions), 0::numeric)::bigint AS open_positions,
            COALESCE(jsonb_agg(h.symbol ORDER BY h.symbol) FILTER (WHERE h.size IS NULL), '[]'::jsonb) AS unpriced,
            COALESCE(sum(h.long_value + h.short_value), 0::numeric) AS gross,
            COALESCE(sum(h.long_value - h.short_value), 0::numeric) AS net,
            sum(h.size * h.size) / NULLIF(sum(h.size) ^ 2::double precision, 0::double precision) AS concentration,
                CASE
                    WHEN count(*) < 2 THEN 0::double precision
                    ELSE ( SELECT
                            CASE
                                WHEN count(*) = count(p.coefficient) THEN sum(p.weight * p.coefficient) / NULLIF(sum(p.weight), 0::double precision)
                                ELSE NULL::double precision
                            END AS "case"
                       FROM pairs p)
                END AS correlation,
                CASE
                    WHEN count(*) = count(l.score) THEN sum(l.score * h.size) / NULLIF(sum(h.size), 0::double precision)
                    ELSE NULL::double precision
                END AS liquidity
           FROM held h
             LEFT JOIN risk.liquidity l ON l.exchange = h.exchange AND l.symbol = h.symbol AND l.measured_at > (status.checked_at - '1 day'::interval)) exposure
     LEFT JOIN LATERAL ( SELECT d.drawdown_fraction,
            d.max_drawdown_fraction,
            d.observed_at
           FROM risk.drawdowns d
          WHERE d.bot_id = b.bot_id
          ORDER BY d.day DESC
         LIMIT 1) drawdown ON true
     LEFT JOIN LATERAL ( SELECT h.reason,
            h.at
           FROM (( SELECT (c.trigger || ': '::text) || c.reason AS reason,
                    c.tripped_at AS at
                   FROM risk.circuit_breakers c
                  WHERE c.bot_id = b.bot_id
                  ORDER BY c.tripped_at DESC, c.id DESC
                 LIMIT 1)
                UNION ALL
                ( SELECT (c.trigger || ': '::text) || c.reason,
                    c.tripped_at
                   FROM risk.global_circuit_breakers c
                  WHERE c.tripped_at >= b.created_at AND COALESCE(c.exchange, b.exchange) = b.exchange
                  ORDER BY c.tripped_at DESC, c.id DESC
                 LIMIT 1)
                UNION ALL
                ( SELECT 'kill switch: '::text || e.reason,
                    e.activated_at
                   FROM risk.kill_switch_events e
                  WHERE e.activated_at >= b.created_at
                  ORDER BY e.activated_at DESC, e.id DESC
                 LIMIT 1)) h
          ORDER BY h.at DESC
         LIMIT 1) halt ON true
     LEFT JOIN LATERAL ( SELECT v.bot_id,
            v.id,
            v.method,
            v.confidence,
            v.horizon_days,
            v.sample_size,
            v.small_sample,
            v.portfolio_value,
            v.value,
            v.fraction,
            v.unpriced,
            v.calculated_at
           FROM risk.var_calculations v
          WHERE v.bot_id = b.bot_id
          ORDER BY v.calculated_at DESC, v.id DESC
         LIMIT 1) var ON true
     CROSS JOIN LATERAL ( SELECT count(*) AS open_alerts
           FROM risk.alerts a
          WHERE a.bot_id = b.bot_id AND a.status <> 'resolved'::text) alerts;

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
    holding_ms,
    entry_tag
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
    (EXTRACT(epoch FROM closed_at - opened_at) * 1000::numeric)::bigint AS holding_ms,
    entry_tag
   FROM trading.positions p
  WHERE closed_at IS NOT NULL;
