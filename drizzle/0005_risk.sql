CREATE SCHEMA "risk";
--> statement-breakpoint
CREATE SCHEMA "audit";
--> statement-breakpoint
CREATE TABLE "risk"."alerts" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"kind" text NOT NULL,
	"severity" text NOT NULL,
	"status" text DEFAULT 'open' NOT NULL,
	"symbol" text,
	"title" text NOT NULL,
	"message" text NOT NULL,
	"recommendation" text,
	"threshold" numeric,
	"actual" numeric,
	"context" jsonb DEFAULT '{}' NOT NULL,
	"dedupe_key" text,
	"raised_by" text NOT NULL,
	"raised_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"acknowledged_by" text,
	"acknowledged_at" timestamp (3) with time zone,
	"resolved_by" text,
	"resolved_at" timestamp (3) with time zone,
	"resolution_reason" text,
	CONSTRAINT "alerts_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "alerts_bot_id_check" CHECK (btrim("risk"."alerts"."bot_id") <> ''),
	CONSTRAINT "alerts_kind_check" CHECK ("risk"."alerts"."kind" in ('exposure_limit', 'correlation_breach', 'value_at_risk_exceeded', 'drawdown_warning', 'concentration_risk', 'liquidity_risk', 'volatility_spike', 'circuit_breaker', 'kill_switch', 'stale_data', 'other')),
	CONSTRAINT "alerts_severity_check" CHECK ("risk"."alerts"."severity" in ('info', 'warning', 'critical', 'emergency')),
	CONSTRAINT "alerts_status_check" CHECK ("risk"."alerts"."status" in ('open', 'acknowledged', 'resolved')),
	CONSTRAINT "alerts_title_check" CHECK (btrim("risk"."alerts"."title") <> ''),
	CONSTRAINT "alerts_message_check" CHECK (btrim("risk"."alerts"."message") <> ''),
	CONSTRAINT "alerts_threshold_check" CHECK ("risk"."alerts"."threshold" > '-Infinity'::numeric and "risk"."alerts"."threshold" < 'Infinity'::numeric),
	CONSTRAINT "alerts_actual_check" CHECK ("risk"."alerts"."actual" > '-Infinity'::numeric and "risk"."alerts"."actual" < 'Infinity'::numeric),
	CONSTRAINT "alerts_context_check" CHECK (jsonb_typeof("risk"."alerts"."context") = 'object'),
	CONSTRAINT "alerts_raised_by_check" CHECK (btrim("risk"."alerts"."raised_by") <> ''),
	CONSTRAINT "alerts_resolved_at_check" CHECK (("risk"."alerts"."status" = 'resolved') = ("risk"."alerts"."resolved_at" is not null and "risk"."alerts"."resolved_by" is not null))
);
--> statement-breakpoint
CREATE TABLE "audit"."risk_events" (
	"bot_id" text NOT NULL,
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "audit"."risk_events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"kind" text NOT NULL,
	"actor" text NOT NULL,
	"reason" text,
	"subject_id" uuid,
	"details" jsonb NOT NULL,
	"occurred_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "risk_events_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "risk_events_bot_id_check" CHECK (btrim("audit"."risk_events"."bot_id") <> ''),
	CONSTRAINT "risk_events_kind_check" CHECK ("audit"."risk_events"."kind" in ('settings_changed', 'kill_switch_changed', 'circuit_breaker_changed', 'lock_changed', 'stop_order_changed', 'alert_changed', 'bot_status_changed', 'order_denied')),
	CONSTRAINT "risk_events_actor_check" CHECK (btrim("audit"."risk_events"."actor") <> ''),
	CONSTRAINT "risk_events_details_check" CHECK (jsonb_typeof("audit"."risk_events"."details") = 'object')
);
--> statement-breakpoint
CREATE TABLE "risk"."circuit_breakers" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"rule" text NOT NULL,
	"trigger" text NOT NULL,
	"exchange" text,
	"symbol" text,
	"side" text,
	"severity" text NOT NULL,
	"reason" text NOT NULL,
	"threshold" numeric,
	"actual" numeric,
	"tripped_by" text NOT NULL,
	"tripped_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"cooldown_ms" bigint,
	"expires_at" timestamp (3) with time zone GENERATED ALWAYS AS (((tripped_at at time zone 'UTC') + cooldown_ms * interval '1 millisecond') at time zone 'UTC') STORED,
	"status" text DEFAULT 'active' NOT NULL,
	"trips_in_row" integer DEFAULT 1 NOT NULL,
	"context" jsonb DEFAULT '{}' NOT NULL,
	"changed_by" text,
	"change_reason" text,
	"resolved_at" timestamp (3) with time zone,
	"resolved_by" text,
	"resolution_reason" text,
	CONSTRAINT "circuit_breakers_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "circuit_breakers_rule_check" CHECK (btrim("risk"."circuit_breakers"."rule") <> ''),
	CONSTRAINT "circuit_breakers_trigger_check" CHECK ("risk"."circuit_breakers"."trigger" in ('max_daily_loss', 'max_weekly_loss', 'max_drawdown', 'rapid_loss', 'consecutive_losses', 'stop_loss_cluster', 'low_profit', 'cooldown', 'order_errors', 'stale_heartbeat', 'stale_market_data', 'position_limit', 'exchange_error', 'network_issue', 'manual')),
	CONSTRAINT "circuit_breakers_exchange_check" CHECK (btrim("risk"."circuit_breakers"."exchange") <> ''),
	CONSTRAINT "circuit_breakers_symbol_check" CHECK (btrim("risk"."circuit_breakers"."symbol") <> ''),
	CONSTRAINT "circuit_breakers_side_check" CHECK ("risk"."circuit_breakers"."side" in ('buy', 'sell')),
	CONSTRAINT "circuit_breakers_severity_check" CHECK ("risk"."circuit_breakers"."severity" in ('info', 'warning', 'critical', 'emergency')),
	CONSTRAINT "circuit_breakers_reason_check" CHECK (btrim("risk"."circuit_breakers"."reason") <> ''),
	CONSTRAINT "circuit_breakers_threshold_check" CHECK ("risk"."circuit_breakers"."threshold" > '-Infinity'::numeric and "risk"."circuit_breakers"."threshold" < 'Infinity'::numeric),
	CONSTRAINT "circuit_breakers_actual_check" CHECK ("risk"."circuit_breakers"."actual" > '-Infinity'::numeric and "risk"."circuit_breakers"."actual" < 'Infinity'::numeric),
	CONSTRAINT "circuit_breakers_tripped_by_check" CHECK (btrim("risk"."circuit_breakers"."tripped_by") <> ''),
	CONSTRAINT "circuit_breakers_cooldown_ms_check" CHECK ("risk"."circuit_breakers"."cooldown_ms" between 0 and 3155760000000),
	CONSTRAINT "circuit_breakers_status_check" CHECK ("risk"."circuit_breakers"."status" in ('active', 'resolved', 'overridden', 'expired')),
	CONSTRAINT "circuit_breakers_trips_in_row_check" CHECK ("risk"."circuit_breakers"."trips_in_row" > 0),
	CONSTRAINT "circuit_breakers_context_check" CHECK (jsonb_typeof("risk"."circuit_breakers"."context") = 'object'),
	CONSTRAINT "circuit_breakers_resolved_at_check" CHECK (("risk"."circuit_breakers"."status" in ('resolved', 'overridden')) = ("risk"."circuit_breakers"."resolved_at" is not null and "risk"."circuit_breakers"."resolved_by" is not null and "risk"."circuit_breakers"."resolution_reason" is not null))
);
--> statement-breakpoint
CREATE TABLE "risk"."global_circuit_breakers" (
	"id" uuid NOT NULL,
	"rule" text NOT NULL,
	"trigger" text NOT NULL,
	"exchange" text,
	"symbol" text,
	"side" text,
	"severity" text NOT NULL,
	"reason" text NOT NULL,
	"threshold" numeric,
	"actual" numeric,
	"tripped_by" text NOT NULL,
	"tripped_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"cooldown_ms" bigint,
	"expires_at" timestamp (3) with time zone GENERATED ALWAYS AS (((tripped_at at time zone 'UTC') + cooldown_ms * interval '1 millisecond') at time zone 'UTC') STORED,
	"status" text DEFAULT 'active' NOT NULL,
	"trips_in_row" integer DEFAULT 1 NOT NULL,
	"context" jsonb DEFAULT '{}' NOT NULL,
	"changed_by" text,
	"change_reason" text,
	"resolved_at" timestamp (3) with time zone,
	"resolved_by" text,
	"resolution_reason" text,
	CONSTRAINT "global_circuit_breakers_pkey" PRIMARY KEY("id"),
	CONSTRAINT "global_circuit_breakers_rule_check" CHECK (btrim("risk"."global_circuit_breakers"."rule") <> ''),
	CONSTRAINT "global_circuit_breakers_trigger_check" CHECK ("risk"."global_circuit_breakers"."trigger" in ('max_daily_loss', 'max_weekly_loss', 'max_drawdown', 'rapid_loss', 'consecutive_losses', 'stop_loss_cluster', 'low_profit', 'cooldown', 'order_errors', 'stale_heartbeat', 'stale_market_data', 'position_limit', 'exchange_error', 'network_issue', 'manual')),
	CONSTRAINT "global_circuit_breakers_exchange_check" CHECK (btrim("risk"."global_circuit_breakers"."exchange") <> ''),
	CONSTRAINT "global_circuit_breakers_symbol_check" CHECK (btrim("risk"."global_circuit_breakers"."symbol") <> ''),
	CONSTRAINT "global_circuit_breakers_side_check" CHECK ("risk"."global_circuit_breakers"."side" in ('buy', 'sell')),
	CONSTRAINT "global_circuit_breakers_severity_check" CHECK ("risk"."global_circuit_breakers"."severity" in ('info', 'warning', 'critical', 'emergency')),
	CONSTRAINT "global_circuit_breakers_reason_check" CHECK (btrim("risk"."global_circuit_breakers"."reason") <> ''),
	CONSTRAINT "global_circuit_breakers_threshold_check" CHECK ("risk"."global_circuit_breakers"."threshold" > '-Infinity'::numeric and "risk"."global_circuit_breakers"."threshold" < 'Infinity'::numeric),
	CONSTRAINT "global_circuit_breakers_actual_check" CHECK ("risk"."global_circuit_breakers"."actual" > '-Infinity'::numeric and "risk"."global_circuit_breakers"."actual" < 'Infinity'::numeric),
	CONSTRAINT "global_circuit_breakers_tripped_by_check" CHECK (btrim("risk"."global_circuit_breakers"."tripped_by") <> ''),
	CONSTRAINT "global_circuit_breakers_cooldown_ms_check" CHECK ("risk"."global_circuit_breakers"."cooldown_ms" between 0 and 3155760000000),
	CONSTRAINT "global_circuit_breakers_status_check" CHECK ("risk"."global_circuit_breakers"."status" in ('active', 'resolved', 'overridden', 'expired')),
	CONSTRAINT "global_circuit_breakers_trips_in_row_check" CHECK ("risk"."global_circuit_breakers"."trips_in_row" > 0),
	CONSTRAINT "global_circuit_breakers_context_check" CHECK (jsonb_typeof("risk"."global_circuit_breakers"."context") = 'object'),
	CONSTRAINT "global_circuit_breakers_resolved_at_check" CHECK (("risk"."global_circuit_breakers"."status" in ('resolved', 'overridden')) = ("risk"."global_circuit_breakers"."resolved_at" is not null and "risk"."global_circuit_breakers"."resolved_by" is not null and "risk"."global_circuit_breakers"."resolution_reason" is not null))
);
--> statement-breakpoint
CREATE TABLE "risk"."gates" (
	"bot_id" text NOT NULL,
	"kill_switch_event_id" uuid,
	"version" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "gates_pkey" PRIMARY KEY("bot_id")
);
--> statement-breakpoint
CREATE TABLE "risk"."kill_switch" (
	"id" boolean DEFAULT true NOT NULL,
	"event_id" uuid,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "kill_switch_pkey" PRIMARY KEY("id"),
	CONSTRAINT "kill_switch_id_check" CHECK ("risk"."kill_switch"."id" = true)
);
--> statement-breakpoint
CREATE TABLE "risk"."kill_switch_events" (
	"id" uuid NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"source" text NOT NULL,
	"severity" text NOT NULL,
	"reason" text NOT NULL,
	"activated_by" text NOT NULL,
	"activated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"code_hash" text NOT NULL,
	"wrong_codes" integer DEFAULT 0 NOT NULL,
	"code_locked_until" timestamp (3) with time zone,
	"open_positions_before" integer NOT NULL,
	"open_orders_before" integer NOT NULL,
	"equity_before" jsonb NOT NULL,
	"equity_after" jsonb,
	"positions_closed" integer DEFAULT 0 NOT NULL,
	"orders_cancelled" integer DEFAULT 0 NOT NULL,
	"action_log" jsonb DEFAULT '[]' NOT NULL,
	"recovery_started_at" timestamp (3) with time zone,
	"recovery_started_by" text,
	"recovery_notes" text,
	"deactivated_at" timestamp (3) with time zone,
	"deactivated_by" text,
	"deactivation_reason" text,
	"changed_by" text,
	"change_reason" text,
	CONSTRAINT "kill_switch_events_pkey" PRIMARY KEY("id"),
	CONSTRAINT "kill_switch_events_status_check" CHECK ("risk"."kill_switch_events"."status" in ('active', 'partial_recovery', 'deactivated')),
	CONSTRAINT "kill_switch_events_source_check" CHECK ("risk"."kill_switch_events"."source" in ('manual', 'api', 'circuit_breaker_cascade', 'system_health', 'exchange_emergency', 'security_alert', 'critical_error')),
	CONSTRAINT "kill_switch_events_severity_check" CHECK ("risk"."kill_switch_events"."severity" in ('info', 'warning', 'critical', 'emergency')),
	CONSTRAINT "kill_switch_events_reason_check" CHECK (btrim("risk"."kill_switch_events"."reason") <> ''),
	CONSTRAINT "kill_switch_events_activated_by_check" CHECK (btrim("risk"."kill_switch_events"."activated_by") <> ''),
	CONSTRAINT "kill_switch_events_wrong_codes_check" CHECK ("risk"."kill_switch_events"."wrong_codes" >= 0),
	CONSTRAINT "kill_switch_events_equity_before_check" CHECK (jsonb_typeof("risk"."kill_switch_events"."equity_before") = 'object'),
	CONSTRAINT "kill_switch_events_equity_after_check" CHECK (jsonb_typeof("risk"."kill_switch_events"."equity_after") = 'object'),
	CONSTRAINT "kill_switch_events_action_log_check" CHECK (jsonb_typeof("risk"."kill_switch_events"."action_log") = 'array'),
	CONSTRAINT "kill_switch_events_deactivated_at_check" CHECK (("risk"."kill_switch_events"."status" = 'deactivated') = ("risk"."kill_switch_events"."deactivated_at" is not null) and ("risk"."kill_switch_events"."status" = 'deactivated') = ("risk"."kill_switch_events"."deactivated_by" is not null))
);
--> statement-breakpoint
CREATE TABLE "risk"."global_locks" (
	"id" uuid NOT NULL,
	"exchange" text,
	"symbol" text,
	"side" text,
	"reason" text NOT NULL,
	"locked_by" text NOT NULL,
	"locked_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"unlocked_at" timestamp (3) with time zone,
	"unlocked_by" text,
	"unlock_reason" text,
	CONSTRAINT "global_locks_pkey" PRIMARY KEY("id"),
	CONSTRAINT "global_locks_exchange_check" CHECK (btrim("risk"."global_locks"."exchange") <> ''),
	CONSTRAINT "global_locks_symbol_check" CHECK (btrim("risk"."global_locks"."symbol") <> ''),
	CONSTRAINT "global_locks_side_check" CHECK ("risk"."global_locks"."side" in ('buy', 'sell')),
	CONSTRAINT "global_locks_reason_check" CHECK (btrim("risk"."global_locks"."reason") <> ''),
	CONSTRAINT "global_locks_locked_by_check" CHECK (btrim("risk"."global_locks"."locked_by") <> ''),
	CONSTRAINT "global_locks_unlocked_at_check" CHECK (("risk"."global_locks"."unlocked_at" is null) = ("risk"."global_locks"."unlocked_by" is null) and ("risk"."global_locks"."unlocked_at" is null) = ("risk"."global_locks"."unlock_reason" is null))
);
--> statement-breakpoint
CREATE TABLE "risk"."locks" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"exchange" text,
	"symbol" text,
	"side" text,
	"reason" text NOT NULL,
	"locked_by" text NOT NULL,
	"locked_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"unlocked_at" timestamp (3) with time zone,
	"unlocked_by" text,
	"unlock_reason" text,
	CONSTRAINT "locks_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "locks_exchange_check" CHECK (btrim("risk"."locks"."exchange") <> ''),
	CONSTRAINT "locks_symbol_check" CHECK (btrim("risk"."locks"."symbol") <> ''),
	CONSTRAINT "locks_side_check" CHECK ("risk"."locks"."side" in ('buy', 'sell')),
	CONSTRAINT "locks_reason_check" CHECK (btrim("risk"."locks"."reason") <> ''),
	CONSTRAINT "locks_locked_by_check" CHECK (btrim("risk"."locks"."locked_by") <> ''),
	CONSTRAINT "locks_unlocked_at_check" CHECK (("risk"."locks"."unlocked_at" is null) = ("risk"."locks"."unlocked_by" is null) and ("risk"."locks"."unlocked_at" is null) = ("risk"."locks"."unlock_reason" is null))
);
--> statement-breakpoint
CREATE TABLE "risk"."correlation_matrices" (
	"id" uuid NOT NULL,
	"exchange" text NOT NULL,
	"symbols" jsonb NOT NULL,
	"timeframe" text NOT NULL,
	"from_time" timestamp (3) with time zone NOT NULL,
	"until_time" timestamp (3) with time zone NOT NULL,
	"correlations" jsonb NOT NULL,
	"calculated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "correlation_matrices_pkey" PRIMARY KEY("id"),
	CONSTRAINT "correlation_matrices_exchange_check" CHECK (btrim("risk"."correlation_matrices"."exchange") <> ''),
	CONSTRAINT "correlation_matrices_symbols_check" CHECK (jsonb_typeof("risk"."correlation_matrices"."symbols") = 'array'),
	CONSTRAINT "correlation_matrices_correlations_check" CHECK (jsonb_typeof("risk"."correlation_matrices"."correlations") = 'array')
);
--> statement-breakpoint
CREATE TABLE "risk"."drawdowns" (
	"bot_id" text NOT NULL,
	"day" date NOT NULL,
	"observed_at" timestamp (3) with time zone NOT NULL,
	"equity" numeric NOT NULL,
	"flows" numeric NOT NULL,
	"growth" numeric NOT NULL,
	"peak_growth" numeric NOT NULL,
	"peak_at" timestamp (3) with time zone NOT NULL,
	"drawdown_fraction" numeric NOT NULL,
	"day_max_drawdown_fraction" numeric NOT NULL,
	"max_drawdown_fraction" numeric NOT NULL,
	"max_drawdown_at" timestamp (3) with time zone NOT NULL,
	"watched_peak_growth" numeric NOT NULL,
	"watched_since" timestamp (3) with time zone NOT NULL,
	"watched_drawdown_fraction" numeric NOT NULL,
	CONSTRAINT "drawdowns_pkey" PRIMARY KEY("bot_id","day"),
	CONSTRAINT "drawdowns_equity_check" CHECK ("risk"."drawdowns"."equity" > '-Infinity'::numeric and "risk"."drawdowns"."equity" < 'Infinity'::numeric),
	CONSTRAINT "drawdowns_flows_check" CHECK ("risk"."drawdowns"."flows" > '-Infinity'::numeric and "risk"."drawdowns"."flows" < 'Infinity'::numeric),
	CONSTRAINT "drawdowns_growth_check" CHECK ("risk"."drawdowns"."growth" > '-Infinity'::numeric and "risk"."drawdowns"."growth" < 'Infinity'::numeric),
	CONSTRAINT "drawdowns_peak_growth_check" CHECK ("risk"."drawdowns"."peak_growth" > 0 and "risk"."drawdowns"."peak_growth" < 'Infinity'::numeric),
	CONSTRAINT "drawdowns_drawdown_fraction_check" CHECK ("risk"."drawdowns"."drawdown_fraction" >= 0 and "risk"."drawdowns"."drawdown_fraction" < 'Infinity'::numeric),
	CONSTRAINT "drawdowns_watched_drawdown_fraction_check" CHECK ("risk"."drawdowns"."watched_drawdown_fraction" >= 0 and "risk"."drawdowns"."watched_drawdown_fraction" < 'Infinity'::numeric)
);
--> statement-breakpoint
CREATE TABLE "risk"."metrics" (
	"bot_id" text NOT NULL,
	"day" date NOT NULL,
	"win_rate" double precision,
	"profit_factor" double precision,
	"max_drawdown_fraction" double precision,
	"sharpe" double precision,
	"sortino" double precision,
	"exposure" numeric,
	"leverage" double precision,
	"concentration" double precision,
	"value_at_risk_fraction" double precision,
	"risk_score" double precision,
	"risk_level" text,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "metrics_pkey" PRIMARY KEY("bot_id","day"),
	CONSTRAINT "metrics_win_rate_check" CHECK ("risk"."metrics"."win_rate" >= 0 and "risk"."metrics"."win_rate" <= 1),
	CONSTRAINT "metrics_profit_factor_check" CHECK ("risk"."metrics"."profit_factor" > '-Infinity'::float8 and "risk"."metrics"."profit_factor" < 'Infinity'::float8),
	CONSTRAINT "metrics_max_drawdown_fraction_check" CHECK ("risk"."metrics"."max_drawdown_fraction" >= 0 and "risk"."metrics"."max_drawdown_fraction" <= 1),
	CONSTRAINT "metrics_sharpe_check" CHECK ("risk"."metrics"."sharpe" > '-Infinity'::float8 and "risk"."metrics"."sharpe" < 'Infinity'::float8),
	CONSTRAINT "metrics_sortino_check" CHECK ("risk"."metrics"."sortino" > '-Infinity'::float8 and "risk"."metrics"."sortino" < 'Infinity'::float8),
	CONSTRAINT "metrics_exposure_check" CHECK ("risk"."metrics"."exposure" >= 0 and "risk"."metrics"."exposure" < 'Infinity'::numeric),
	CONSTRAINT "metrics_leverage_check" CHECK ("risk"."metrics"."leverage" > '-Infinity'::float8 and "risk"."metrics"."leverage" < 'Infinity'::float8),
	CONSTRAINT "metrics_concentration_check" CHECK ("risk"."metrics"."concentration" >= 0 and "risk"."metrics"."concentration" <= 1),
	CONSTRAINT "metrics_value_at_risk_fraction_check" CHECK ("risk"."metrics"."value_at_risk_fraction" > '-Infinity'::float8 and "risk"."metrics"."value_at_risk_fraction" < 'Infinity'::float8),
	CONSTRAINT "metrics_risk_score_check" CHECK ("risk"."metrics"."risk_score" between 0 and 100),
	CONSTRAINT "metrics_risk_level_check" CHECK ("risk"."metrics"."risk_level" in ('low', 'medium', 'high', 'critical'))
);
--> statement-breakpoint
CREATE TABLE "risk"."liquidity" (
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"daily_volume" numeric,
	"spread_fraction" double precision,
	"score" double precision NOT NULL,
	"measured_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "liquidity_pkey" PRIMARY KEY("exchange","symbol"),
	CONSTRAINT "liquidity_exchange_check" CHECK (btrim("risk"."liquidity"."exchange") <> ''),
	CONSTRAINT "liquidity_symbol_check" CHECK (btrim("risk"."liquidity"."symbol") <> ''),
	CONSTRAINT "liquidity_daily_volume_check" CHECK ("risk"."liquidity"."daily_volume" >= 0 and "risk"."liquidity"."daily_volume" < 'Infinity'::numeric),
	CONSTRAINT "liquidity_spread_fraction_check" CHECK ("risk"."liquidity"."spread_fraction" >= 0 and "risk"."liquidity"."spread_fraction" < 'Infinity'::float8),
	CONSTRAINT "liquidity_score_check" CHECK ("risk"."liquidity"."score" >= 0 and "risk"."liquidity"."score" <= 1)
);
--> statement-breakpoint
CREATE TABLE "risk"."volatility" (
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"window_days" integer NOT NULL,
	"volatility" double precision NOT NULL,
	"sample_size" bigint NOT NULL,
	"calculated_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "volatility_pkey" PRIMARY KEY("exchange","symbol","window_days"),
	CONSTRAINT "volatility_exchange_check" CHECK (btrim("risk"."volatility"."exchange") <> ''),
	CONSTRAINT "volatility_symbol_check" CHECK (btrim("risk"."volatility"."symbol") <> ''),
	CONSTRAINT "volatility_window_days_check" CHECK ("risk"."volatility"."window_days" > 0),
	CONSTRAINT "volatility_volatility_check" CHECK ("risk"."volatility"."volatility" >= 0 and "risk"."volatility"."volatility" < 'Infinity'::float8),
	CONSTRAINT "volatility_sample_size_check" CHECK ("risk"."volatility"."sample_size" > 0)
);
--> statement-breakpoint
CREATE TABLE "risk"."var_calculations" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"method" text NOT NULL,
	"confidence" double precision NOT NULL,
	"horizon_days" double precision NOT NULL,
	"sample_size" integer NOT NULL,
	"small_sample" boolean NOT NULL,
	"portfolio_value" numeric NOT NULL,
	"value" numeric,
	"fraction" double precision,
	"unpriced" jsonb NOT NULL,
	"calculated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "var_calculations_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "var_calculations_method_check" CHECK ("risk"."var_calculations"."method" in ('historical', 'parametric', 'expected_shortfall')),
	CONSTRAINT "var_calculations_confidence_check" CHECK ("risk"."var_calculations"."confidence" > 0 and "risk"."var_calculations"."confidence" < 1),
	CONSTRAINT "var_calculations_horizon_days_check" CHECK ("risk"."var_calculations"."horizon_days" > 0 and "risk"."var_calculations"."horizon_days" < 'Infinity'::float8),
	CONSTRAINT "var_calculations_sample_size_check" CHECK ("risk"."var_calculations"."sample_size" >= 0),
	CONSTRAINT "var_calculations_portfolio_value_check" CHECK ("risk"."var_calculations"."portfolio_value" > '-Infinity'::numeric and "risk"."var_calculations"."portfolio_value" < 'Infinity'::numeric),
	CONSTRAINT "var_calculations_value_check" CHECK ("risk"."var_calculations"."value" > '-Infinity'::numeric and "risk"."var_calculations"."value" < 'Infinity'::numeric),
	CONSTRAINT "var_calculations_fraction_check" CHECK ("risk"."var_calculations"."fraction" > '-Infinity'::float8 and "risk"."var_calculations"."fraction" < 'Infinity'::float8),
	CONSTRAINT "var_calculations_unpriced_check" CHECK (jsonb_typeof("risk"."var_calculations"."unpriced") = 'array')
);
--> statement-breakpoint
CREATE TABLE "risk"."global_settings" (
	"version" bigint NOT NULL,
	"trading_enabled" boolean NOT NULL,
	"min_confidence" double precision,
	"max_order_notional" numeric,
	"max_quantity" numeric,
	"max_open_positions" integer,
	"max_exposure" numeric,
	"max_leverage" numeric,
	"max_daily_loss" numeric,
	"max_drawdown_fraction" numeric,
	"halt_on_drawdown" boolean NOT NULL,
	"daily_target" numeric,
	"stop_at_daily_target" boolean NOT NULL,
	"allowed_symbols" jsonb,
	"off_watchlist_allowed" boolean NOT NULL,
	"max_orders_per_minute" integer,
	"max_price_age_ms" integer,
	"max_equity_age_ms" integer,
	"breaker_rules" jsonb NOT NULL,
	"changed_by" text NOT NULL,
	"reason" text NOT NULL,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "global_settings_pkey" PRIMARY KEY("version"),
	CONSTRAINT "global_settings_version_check" CHECK ("risk"."global_settings"."version" > 0),
	CONSTRAINT "global_settings_min_confidence_check" CHECK ("risk"."global_settings"."min_confidence" >= 0 and "risk"."global_settings"."min_confidence" <= 1),
	CONSTRAINT "global_settings_max_order_notional_check" CHECK ("risk"."global_settings"."max_order_notional" >= 0 and "risk"."global_settings"."max_order_notional" < 'Infinity'::numeric),
	CONSTRAINT "global_settings_max_quantity_check" CHECK ("risk"."global_settings"."max_quantity" >= 0 and "risk"."global_settings"."max_quantity" < 'Infinity'::numeric),
	CONSTRAINT "global_settings_max_open_positions_check" CHECK ("risk"."global_settings"."max_open_positions" >= 0),
	CONSTRAINT "global_settings_max_exposure_check" CHECK ("risk"."global_settings"."max_exposure" >= 0 and "risk"."global_settings"."max_exposure" < 'Infinity'::numeric),
	CONSTRAINT "global_settings_max_leverage_check" CHECK ("risk"."global_settings"."max_leverage" >= 0 and "risk"."global_settings"."max_leverage" < 'Infinity'::numeric),
	CONSTRAINT "global_settings_max_daily_loss_check" CHECK ("risk"."global_settings"."max_daily_loss" > 0 and "risk"."global_settings"."max_daily_loss" < 'Infinity'::numeric),
	CONSTRAINT "global_settings_max_drawdown_fraction_check" CHECK ("risk"."global_settings"."max_drawdown_fraction" > 0 and "risk"."global_settings"."max_drawdown_fraction" <= 1),
	CONSTRAINT "global_settings_daily_target_check" CHECK ("risk"."global_settings"."daily_target" > 0 and "risk"."global_settings"."daily_target" < 'Infinity'::numeric),
	CONSTRAINT "global_settings_allowed_symbols_check" CHECK (jsonb_typeof("risk"."global_settings"."allowed_symbols") = 'array'),
	CONSTRAINT "global_settings_max_orders_per_minute_check" CHECK ("risk"."global_settings"."max_orders_per_minute" >= 0),
	CONSTRAINT "global_settings_max_price_age_ms_check" CHECK ("risk"."global_settings"."max_price_age_ms" > 0),
	CONSTRAINT "global_settings_max_equity_age_ms_check" CHECK ("risk"."global_settings"."max_equity_age_ms" > 0),
	CONSTRAINT "global_settings_breaker_rules_check" CHECK (jsonb_typeof("risk"."global_settings"."breaker_rules") = 'array'),
	CONSTRAINT "global_settings_changed_by_check" CHECK (btrim("risk"."global_settings"."changed_by") <> ''),
	CONSTRAINT "global_settings_reason_check" CHECK (btrim("risk"."global_settings"."reason") <> '')
);
--> statement-breakpoint
CREATE TABLE "risk"."settings" (
	"bot_id" text NOT NULL,
	"version" bigint NOT NULL,
	"trading_enabled" boolean NOT NULL,
	"min_confidence" double precision,
	"max_order_notional" numeric,
	"max_quantity" numeric,
	"max_open_positions" integer,
	"max_exposure" numeric,
	"max_leverage" numeric,
	"max_daily_loss" numeric,
	"max_drawdown_fraction" numeric,
	"halt_on_drawdown" boolean NOT NULL,
	"daily_target" numeric,
	"stop_at_daily_target" boolean NOT NULL,
	"allowed_symbols" jsonb,
	"off_watchlist_allowed" boolean NOT NULL,
	"max_orders_per_minute" integer,
	"max_price_age_ms" integer,
	"max_equity_age_ms" integer,
	"breaker_rules" jsonb NOT NULL,
	"changed_by" text NOT NULL,
	"reason" text NOT NULL,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "settings_pkey" PRIMARY KEY("bot_id","version"),
	CONSTRAINT "settings_version_check" CHECK ("risk"."settings"."version" > 0),
	CONSTRAINT "settings_min_confidence_check" CHECK ("risk"."settings"."min_confidence" >= 0 and "risk"."settings"."min_confidence" <= 1),
	CONSTRAINT "settings_max_order_notional_check" CHECK ("risk"."settings"."max_order_notional" >= 0 and "risk"."settings"."max_order_notional" < 'Infinity'::numeric),
	CONSTRAINT "settings_max_quantity_check" CHECK ("risk"."settings"."max_quantity" >= 0 and "risk"."settings"."max_quantity" < 'Infinity'::numeric),
	CONSTRAINT "settings_max_open_positions_check" CHECK ("risk"."settings"."max_open_positions" >= 0),
	CONSTRAINT "settings_max_exposure_check" CHECK ("risk"."settings"."max_exposure" >= 0 and "risk"."settings"."max_exposure" < 'Infinity'::numeric),
	CONSTRAINT "settings_max_leverage_check" CHECK ("risk"."settings"."max_leverage" >= 0 and "risk"."settings"."max_leverage" < 'Infinity'::numeric),
	CONSTRAINT "settings_max_daily_loss_check" CHECK ("risk"."settings"."max_daily_loss" > 0 and "risk"."settings"."max_daily_loss" < 'Infinity'::numeric),
	CONSTRAINT "settings_max_drawdown_fraction_check" CHECK ("risk"."settings"."max_drawdown_fraction" > 0 and "risk"."settings"."max_drawdown_fraction" <= 1),
	CONSTRAINT "settings_daily_target_check" CHECK ("risk"."settings"."daily_target" > 0 and "risk"."settings"."daily_target" < 'Infinity'::numeric),
	CONSTRAINT "settings_allowed_symbols_check" CHECK (jsonb_typeof("risk"."settings"."allowed_symbols") = 'array'),
	CONSTRAINT "settings_max_orders_per_minute_check" CHECK ("risk"."settings"."max_orders_per_minute" >= 0),
	CONSTRAINT "settings_max_price_age_ms_check" CHECK ("risk"."settings"."max_price_age_ms" > 0),
	CONSTRAINT "settings_max_equity_age_ms_check" CHECK ("risk"."settings"."max_equity_age_ms" > 0),
	CONSTRAINT "settings_breaker_rules_check" CHECK (jsonb_typeof("risk"."settings"."breaker_rules") = 'array'),
	CONSTRAINT "settings_changed_by_check" CHECK (btrim("risk"."settings"."changed_by") <> ''),
	CONSTRAINT "settings_reason_check" CHECK (btrim("risk"."settings"."reason") <> '')
);
--> statement-breakpoint
CREATE TABLE "risk"."stop_orders" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"position_id" uuid,
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"position_side" text NOT NULL,
	"direction" text NOT NULL,
	"kind" text NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"quantity" numeric,
	"entry_price" numeric NOT NULL,
	"initial_stop_price" numeric NOT NULL,
	"stop_price" numeric NOT NULL,
	"trailing_distance" numeric,
	"activation_price" numeric,
	"breakeven_price" numeric,
	"best_price" numeric NOT NULL,
	"parameters" jsonb NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"trigger_price" numeric,
	"triggered_at" timestamp (3) with time zone,
	"changed_by" text NOT NULL,
	"reason" text,
	"version" bigint DEFAULT 1 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "stop_orders_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "stop_orders_exchange_check" CHECK (btrim("risk"."stop_orders"."exchange") <> ''),
	CONSTRAINT "stop_orders_symbol_check" CHECK (btrim("risk"."stop_orders"."symbol") <> ''),
	CONSTRAINT "stop_orders_position_side_check" CHECK ("risk"."stop_orders"."position_side" in ('net', 'long', 'short')),
	CONSTRAINT "stop_orders_direction_check" CHECK ("risk"."stop_orders"."direction" in ('long', 'short')),
	CONSTRAINT "stop_orders_kind_check" CHECK ("risk"."stop_orders"."kind" in ('fixed', 'trailing', 'volatility', 'atr', 'support_resistance', 'breakeven')),
	CONSTRAINT "stop_orders_status_check" CHECK ("risk"."stop_orders"."status" in ('active', 'triggered', 'cancelled', 'expired')),
	CONSTRAINT "stop_orders_quantity_check" CHECK ("risk"."stop_orders"."quantity" > 0 and "risk"."stop_orders"."quantity" < 'Infinity'::numeric),
	CONSTRAINT "stop_orders_entry_price_check" CHECK ("risk"."stop_orders"."entry_price" > 0 and "risk"."stop_orders"."entry_price" < 'Infinity'::numeric),
	CONSTRAINT "stop_orders_initial_stop_price_check" CHECK ("risk"."stop_orders"."initial_stop_price" > 0 and "risk"."stop_orders"."initial_stop_price" < 'Infinity'::numeric),
	CONSTRAINT "stop_orders_stop_price_check" CHECK ("risk"."stop_orders"."stop_price" > 0 and "risk"."stop_orders"."stop_price" < 'Infinity'::numeric),
	CONSTRAINT "stop_orders_trailing_distance_check" CHECK ("risk"."stop_orders"."trailing_distance" > 0 and "risk"."stop_orders"."trailing_distance" < 'Infinity'::numeric),
	CONSTRAINT "stop_orders_activation_price_check" CHECK ("risk"."stop_orders"."activation_price" > 0 and "risk"."stop_orders"."activation_price" < 'Infinity'::numeric),
	CONSTRAINT "stop_orders_breakeven_price_check" CHECK ("risk"."stop_orders"."breakeven_price" > 0 and "risk"."stop_orders"."breakeven_price" < 'Infinity'::numeric),
	CONSTRAINT "stop_orders_best_price_check" CHECK ("risk"."stop_orders"."best_price" > 0 and "risk"."stop_orders"."best_price" < 'Infinity'::numeric),
	CONSTRAINT "stop_orders_parameters_check" CHECK (jsonb_typeof("risk"."stop_orders"."parameters") = 'object'),
	CONSTRAINT "stop_orders_changed_by_check" CHECK (btrim("risk"."stop_orders"."changed_by") <> ''),
	CONSTRAINT "stop_orders_triggered_at_check" CHECK (("risk"."stop_orders"."status" = 'triggered') = ("risk"."stop_orders"."triggered_at" is not null and "risk"."stop_orders"."trigger_price" is not null))
);
--> statement-breakpoint
ALTER TABLE "trading"."orders" ADD COLUMN "checks" jsonb;--> statement-breakpoint
ALTER TABLE "risk"."circuit_breakers" ADD CONSTRAINT "circuit_breakers_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."gates" ADD CONSTRAINT "gates_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."kill_switch" ADD CONSTRAINT "kill_switch_event_id_fkey" FOREIGN KEY ("event_id") REFERENCES "risk"."kill_switch_events"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."locks" ADD CONSTRAINT "locks_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."drawdowns" ADD CONSTRAINT "drawdowns_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."metrics" ADD CONSTRAINT "metrics_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."var_calculations" ADD CONSTRAINT "var_calculations_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."settings" ADD CONSTRAINT "settings_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."stop_orders" ADD CONSTRAINT "stop_orders_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "risk"."stop_orders" ADD CONSTRAINT "stop_orders_position_id_fkey" FOREIGN KEY ("bot_id","position_id") REFERENCES "trading"."positions"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "alerts_dedupe_key_key" ON "risk"."alerts" USING btree ("bot_id","dedupe_key") WHERE "risk"."alerts"."status" <> 'resolved' and "risk"."alerts"."dedupe_key" is not null;--> statement-breakpoint
CREATE INDEX "alerts_open_idx" ON "risk"."alerts" USING btree ("bot_id","raised_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE "risk"."alerts"."status" <> 'resolved';--> statement-breakpoint
CREATE INDEX "alerts_raised_at_idx" ON "risk"."alerts" USING btree ("bot_id","raised_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "risk_events_occurred_at_idx" ON "audit"."risk_events" USING btree ("bot_id","occurred_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE UNIQUE INDEX "circuit_breakers_active_key" ON "risk"."circuit_breakers" USING btree ("bot_id","rule",coalesce("exchange", ''),coalesce("symbol", ''),coalesce("side", '')) WHERE "risk"."circuit_breakers"."status" = 'active';--> statement-breakpoint
CREATE INDEX "circuit_breakers_blocking_idx" ON "risk"."circuit_breakers" USING btree ("bot_id",coalesce("symbol", ''),coalesce("expires_at", 'infinity'::timestamp with time zone)) WHERE "risk"."circuit_breakers"."status" = 'active';--> statement-breakpoint
CREATE INDEX "circuit_breakers_rule_idx" ON "risk"."circuit_breakers" USING btree ("bot_id","rule","tripped_at" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "circuit_breakers_tripped_at_idx" ON "risk"."circuit_breakers" USING btree ("bot_id","tripped_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE UNIQUE INDEX "global_circuit_breakers_active_key" ON "risk"."global_circuit_breakers" USING btree ("rule",coalesce("exchange", ''),coalesce("symbol", ''),coalesce("side", '')) WHERE "risk"."global_circuit_breakers"."status" = 'active';--> statement-breakpoint
CREATE INDEX "global_circuit_breakers_blocking_idx" ON "risk"."global_circuit_breakers" USING btree (coalesce("symbol", ''),coalesce("expires_at", 'infinity'::timestamp with time zone)) WHERE "risk"."global_circuit_breakers"."status" = 'active';--> statement-breakpoint
CREATE INDEX "global_circuit_breakers_rule_idx" ON "risk"."global_circuit_breakers" USING btree ("rule","tripped_at" DESC NULLS FIRST);--> statement-breakpoint
CREATE UNIQUE INDEX "kill_switch_events_on_key" ON "risk"."kill_switch_events" USING btree ((true)) WHERE "risk"."kill_switch_events"."status" <> 'deactivated';--> statement-breakpoint
CREATE INDEX "kill_switch_events_activated_at_idx" ON "risk"."kill_switch_events" USING btree ("activated_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "global_locks_blocking_idx" ON "risk"."global_locks" USING btree (coalesce("symbol", ''),coalesce("expires_at", 'infinity'::timestamp with time zone)) WHERE "risk"."global_locks"."unlocked_at" is null;--> statement-breakpoint
CREATE INDEX "locks_blocking_idx" ON "risk"."locks" USING btree ("bot_id",coalesce("symbol", ''),coalesce("expires_at", 'infinity'::timestamp with time zone)) WHERE "risk"."locks"."unlocked_at" is null;--> statement-breakpoint
CREATE INDEX "correlation_matrices_calculated_at_idx" ON "risk"."correlation_matrices" USING btree ("exchange","calculated_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "var_calculations_calculated_at_idx" ON "risk"."var_calculations" USING btree ("bot_id","calculated_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "stop_orders_active_idx" ON "risk"."stop_orders" USING btree ("bot_id","exchange","symbol") WHERE "risk"."stop_orders"."status" = 'active';--> statement-breakpoint
CREATE INDEX "stop_orders_created_at_idx" ON "risk"."stop_orders" USING btree ("bot_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
ALTER TABLE "trading"."orders" ADD CONSTRAINT "orders_checks_check" CHECK (jsonb_typeof("trading"."orders"."checks") = 'array');