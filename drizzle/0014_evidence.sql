CREATE SCHEMA "access";
--> statement-breakpoint
CREATE SCHEMA "analysis";
--> statement-breakpoint
CREATE SCHEMA "arbitrage";
--> statement-breakpoint
CREATE SCHEMA "ideas";
--> statement-breakpoint
CREATE SCHEMA "snapshots";
--> statement-breakpoint
CREATE SCHEMA "strategy";
--> statement-breakpoint
CREATE TABLE "access"."users" (
	"id" uuid NOT NULL,
	"email" text NOT NULL,
	"role" text DEFAULT 'viewer' NOT NULL,
	"is_active" boolean DEFAULT true NOT NULL,
	"display_name" text,
	"password_hash" text NOT NULL,
	"failed_logins" integer DEFAULT 0 NOT NULL,
	"locked_until" timestamp (3) with time zone,
	"last_login_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"changed_by" text NOT NULL,
	CONSTRAINT "users_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "users_email_check" CHECK ("access"."users"."email" ~ '^[^[:space:]@]+@[^[:space:]@]+$' and char_length("access"."users"."email") <= 254),
	CONSTRAINT "users_role_check" CHECK ("access"."users"."role" in ('viewer', 'operator', 'approver', 'admin')),
	CONSTRAINT "users_display_name_check" CHECK (btrim("access"."users"."display_name") <> ''),
	CONSTRAINT "users_password_hash_check" CHECK ("access"."users"."password_hash" like '$argon2id$%'),
	CONSTRAINT "users_failed_logins_check" CHECK ("access"."users"."failed_logins" >= 0),
	CONSTRAINT "users_changed_by_check" CHECK (btrim("access"."users"."changed_by") <> '')
);
--> statement-breakpoint
CREATE TABLE "analysis"."llm_analyses" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"symbol" text,
	"exchange" text,
	"kind" text NOT NULL,
	"prompt_template" text,
	"model" text NOT NULL,
	"provider" text,
	"sentiment" text,
	"confidence" double precision,
	"summary" text,
	"key_factors" jsonb,
	"prompt_tokens" integer,
	"completion_tokens" integer,
	"total_tokens" integer GENERATED ALWAYS AS (case when prompt_tokens is null and completion_tokens is null then null else coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0) end) STORED,
	"cost" numeric,
	"cost_currency" text DEFAULT 'USD' NOT NULL,
	"latency_ms" integer,
	"temperature" double precision,
	"cached" boolean DEFAULT false NOT NULL,
	"status" text DEFAULT 'success' NOT NULL,
	"error_message" text,
	"prompt" text,
	"response" text,
	"response_json" jsonb,
	"prompt_ciphertext" "bytea",
	"response_ciphertext" "bytea",
	"response_json_ciphertext" "bytea",
	"key_id" text,
	"analysed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "llm_analyses_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "llm_analyses_symbol_check" CHECK (btrim("analysis"."llm_analyses"."symbol") <> ''),
	CONSTRAINT "llm_analyses_exchange_check" CHECK (btrim("analysis"."llm_analyses"."exchange") <> ''),
	CONSTRAINT "llm_analyses_kind_check" CHECK (btrim("analysis"."llm_analyses"."kind") <> ''),
	CONSTRAINT "llm_analyses_model_check" CHECK (btrim("analysis"."llm_analyses"."model") <> ''),
	CONSTRAINT "llm_analyses_provider_check" CHECK (btrim("analysis"."llm_analyses"."provider") <> ''),
	CONSTRAINT "llm_analyses_sentiment_check" CHECK ("analysis"."llm_analyses"."sentiment" in ('bullish', 'bearish', 'neutral', 'uncertain')),
	CONSTRAINT "llm_analyses_confidence_check" CHECK ("analysis"."llm_analyses"."confidence" between 0 and 1),
	CONSTRAINT "llm_analyses_key_factors_check" CHECK (jsonb_typeof("analysis"."llm_analyses"."key_factors") = 'array'),
	CONSTRAINT "llm_analyses_prompt_tokens_check" CHECK ("analysis"."llm_analyses"."prompt_tokens" between 0 and 1000000000),
	CONSTRAINT "llm_analyses_completion_tokens_check" CHECK ("analysis"."llm_analyses"."completion_tokens" between 0 and 1000000000),
	CONSTRAINT "llm_analyses_cost_check" CHECK ("analysis"."llm_analyses"."cost" >= 0 and "analysis"."llm_analyses"."cost" < 'Infinity'::numeric),
	CONSTRAINT "llm_analyses_cost_currency_check" CHECK (btrim("analysis"."llm_analyses"."cost_currency") <> ''),
	CONSTRAINT "llm_analyses_latency_ms_check" CHECK ("analysis"."llm_analyses"."latency_ms" >= 0),
	CONSTRAINT "llm_analyses_temperature_check" CHECK ("analysis"."llm_analyses"."temperature" between 0 and 10),
	CONSTRAINT "llm_analyses_status_check" CHECK ("analysis"."llm_analyses"."status" in ('success', 'error', 'timeout', 'cached')),
	CONSTRAINT "llm_analyses_response_json_check" CHECK (jsonb_typeof("analysis"."llm_analyses"."response_json") in ('object', 'array')),
	CONSTRAINT "llm_analyses_key_id_check" CHECK (btrim("analysis"."llm_analyses"."key_id") <> ''),
	CONSTRAINT "llm_analyses_readable_or_encrypted_check" CHECK (num_nonnulls("analysis"."llm_analyses"."prompt_ciphertext", "analysis"."llm_analyses"."response_ciphertext", "analysis"."llm_analyses"."response_json_ciphertext") = 0 or num_nonnulls("analysis"."llm_analyses"."prompt", "analysis"."llm_analyses"."response", "analysis"."llm_analyses"."response_json") = 0),
	CONSTRAINT "llm_analyses_encrypted_by_key_check" CHECK (("analysis"."llm_analyses"."key_id" is not null) = (num_nonnulls("analysis"."llm_analyses"."prompt_ciphertext", "analysis"."llm_analyses"."response_ciphertext", "analysis"."llm_analyses"."response_json_ciphertext") > 0))
);
--> statement-breakpoint
CREATE TABLE "analysis"."ml_predictions" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"symbol" text NOT NULL,
	"action" text NOT NULL,
	"confidence" double precision NOT NULL,
	"prob_long" double precision,
	"prob_short" double precision,
	"prob_hold" double precision,
	"feature_importance" jsonb,
	"model_version" text NOT NULL,
	"model_type" text,
	"prediction_ms" integer,
	"features_used" integer,
	"historical_accuracy" double precision,
	"predicted_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "ml_predictions_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "ml_predictions_symbol_check" CHECK (btrim("analysis"."ml_predictions"."symbol") <> ''),
	CONSTRAINT "ml_predictions_action_check" CHECK ("analysis"."ml_predictions"."action" in ('long', 'short', 'close', 'hold')),
	CONSTRAINT "ml_predictions_confidence_check" CHECK ("analysis"."ml_predictions"."confidence" between 0 and 1),
	CONSTRAINT "ml_predictions_prob_long_check" CHECK ("analysis"."ml_predictions"."prob_long" between 0 and 1),
	CONSTRAINT "ml_predictions_prob_short_check" CHECK ("analysis"."ml_predictions"."prob_short" between 0 and 1),
	CONSTRAINT "ml_predictions_prob_hold_check" CHECK ("analysis"."ml_predictions"."prob_hold" between 0 and 1),
	CONSTRAINT "ml_predictions_feature_importance_check" CHECK (jsonb_typeof("analysis"."ml_predictions"."feature_importance") = 'object'),
	CONSTRAINT "ml_predictions_model_version_check" CHECK (btrim("analysis"."ml_predictions"."model_version") <> ''),
	CONSTRAINT "ml_predictions_model_type_check" CHECK (btrim("analysis"."ml_predictions"."model_type") <> ''),
	CONSTRAINT "ml_predictions_prediction_ms_check" CHECK ("analysis"."ml_predictions"."prediction_ms" >= 0),
	CONSTRAINT "ml_predictions_features_used_check" CHECK ("analysis"."ml_predictions"."features_used" between 0 and 1000000000),
	CONSTRAINT "ml_predictions_historical_accuracy_check" CHECK ("analysis"."ml_predictions"."historical_accuracy" between 0 and 1)
);
--> statement-breakpoint
CREATE TABLE "analysis"."technical_signals" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"exchange" text,
	"symbol" text NOT NULL,
	"timeframe" text NOT NULL,
	"signal" text NOT NULL,
	"confidence" double precision NOT NULL,
	"bullish_count" integer DEFAULT 0 NOT NULL,
	"bearish_count" integer DEFAULT 0 NOT NULL,
	"neutral_count" integer DEFAULT 0 NOT NULL,
	"indicators" jsonb NOT NULL,
	"rsi" numeric,
	"rsi_signal" text,
	"macd_histogram" numeric,
	"macd_signal" text,
	"bollinger_position" numeric,
	"bollinger_signal" text,
	"analysed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "technical_signals_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "technical_signals_exchange_check" CHECK (btrim("analysis"."technical_signals"."exchange") <> ''),
	CONSTRAINT "technical_signals_symbol_check" CHECK (btrim("analysis"."technical_signals"."symbol") <> ''),
	CONSTRAINT "technical_signals_timeframe_check" CHECK (btrim("analysis"."technical_signals"."timeframe") <> ''),
	CONSTRAINT "technical_signals_signal_check" CHECK ("analysis"."technical_signals"."signal" in ('bullish', 'bearish', 'neutral')),
	CONSTRAINT "technical_signals_confidence_check" CHECK ("analysis"."technical_signals"."confidence" between 0 and 1),
	CONSTRAINT "technical_signals_bullish_count_check" CHECK ("analysis"."technical_signals"."bullish_count" between 0 and 1000000000),
	CONSTRAINT "technical_signals_bearish_count_check" CHECK ("analysis"."technical_signals"."bearish_count" between 0 and 1000000000),
	CONSTRAINT "technical_signals_neutral_count_check" CHECK ("analysis"."technical_signals"."neutral_count" between 0 and 1000000000),
	CONSTRAINT "technical_signals_indicators_check" CHECK (jsonb_typeof("analysis"."technical_signals"."indicators") = 'object'),
	CONSTRAINT "technical_signals_rsi_check" CHECK ("analysis"."technical_signals"."rsi" between 0 and 100),
	CONSTRAINT "technical_signals_rsi_signal_check" CHECK ("analysis"."technical_signals"."rsi_signal" in ('bullish', 'bearish', 'neutral')),
	CONSTRAINT "technical_signals_macd_histogram_check" CHECK ("analysis"."technical_signals"."macd_histogram" > '-Infinity'::numeric and "analysis"."technical_signals"."macd_histogram" < 'Infinity'::numeric),
	CONSTRAINT "technical_signals_macd_signal_check" CHECK ("analysis"."technical_signals"."macd_signal" in ('bullish', 'bearish', 'neutral')),
	CONSTRAINT "technical_signals_bollinger_position_check" CHECK ("analysis"."technical_signals"."bollinger_position" > '-Infinity'::numeric and "analysis"."technical_signals"."bollinger_position" < 'Infinity'::numeric),
	CONSTRAINT "technical_signals_bollinger_signal_check" CHECK ("analysis"."technical_signals"."bollinger_signal" in ('bullish', 'bearish', 'neutral'))
);
--> statement-breakpoint
CREATE TABLE "analysis"."decision_checks" (
	"bot_id" text NOT NULL,
	"decision_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"code" text NOT NULL,
	"passed" boolean NOT NULL,
	"threshold" numeric,
	"actual" numeric,
	"unit" text,
	"message" text,
	"details" jsonb DEFAULT '{}' NOT NULL,
	CONSTRAINT "decision_checks_pkey" PRIMARY KEY("bot_id","decision_id","ordinal"),
	CONSTRAINT "decision_checks_ordinal_check" CHECK ("analysis"."decision_checks"."ordinal" > 0),
	CONSTRAINT "decision_checks_code_check" CHECK (btrim("analysis"."decision_checks"."code") <> ''),
	CONSTRAINT "decision_checks_threshold_check" CHECK ("analysis"."decision_checks"."threshold" > '-Infinity'::numeric and "analysis"."decision_checks"."threshold" < 'Infinity'::numeric),
	CONSTRAINT "decision_checks_actual_check" CHECK ("analysis"."decision_checks"."actual" > '-Infinity'::numeric and "analysis"."decision_checks"."actual" < 'Infinity'::numeric),
	CONSTRAINT "decision_checks_unit_check" CHECK (btrim("analysis"."decision_checks"."unit") <> ''),
	CONSTRAINT "decision_checks_details_check" CHECK (jsonb_typeof("analysis"."decision_checks"."details") = 'object')
);
--> statement-breakpoint
CREATE TABLE "analysis"."decision_evidence" (
	"bot_id" text NOT NULL,
	"decision_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"source" text NOT NULL,
	"technical_signal_id" uuid,
	"llm_analysis_id" uuid,
	"ml_prediction_id" uuid,
	"signal_id" uuid,
	"says" text NOT NULL,
	"weight" double precision,
	"score" double precision,
	CONSTRAINT "decision_evidence_pkey" PRIMARY KEY("bot_id","decision_id","ordinal"),
	CONSTRAINT "decision_evidence_ordinal_check" CHECK ("analysis"."decision_evidence"."ordinal" > 0),
	CONSTRAINT "decision_evidence_source_check" CHECK ("analysis"."decision_evidence"."source" in ('technical', 'llm', 'model', 'signal')),
	CONSTRAINT "decision_evidence_source_id_check" CHECK (("analysis"."decision_evidence"."source" = 'technical') = ("analysis"."decision_evidence"."technical_signal_id" is not null) and ("analysis"."decision_evidence"."source" = 'llm') = ("analysis"."decision_evidence"."llm_analysis_id" is not null) and ("analysis"."decision_evidence"."source" = 'model') = ("analysis"."decision_evidence"."ml_prediction_id" is not null) and ("analysis"."decision_evidence"."source" = 'signal') = ("analysis"."decision_evidence"."signal_id" is not null)),
	CONSTRAINT "decision_evidence_says_check" CHECK ("analysis"."decision_evidence"."says" in ('bullish', 'bearish', 'neutral')),
	CONSTRAINT "decision_evidence_weight_check" CHECK ("analysis"."decision_evidence"."weight" between 0 and 1),
	CONSTRAINT "decision_evidence_score_check" CHECK ("analysis"."decision_evidence"."score" between -1 and 1)
);
--> statement-breakpoint
CREATE TABLE "analysis"."decisions" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"snapshot_id" uuid,
	"strategy_id" uuid,
	"exchange" text,
	"symbol" text NOT NULL,
	"intended_action" text NOT NULL,
	"action" text GENERATED ALWAYS AS (case when vetoed_at is not null then 'vetoed' else intended_action end) STORED NOT NULL,
	"confidence" double precision NOT NULL,
	"quantity" numeric,
	"position_fraction" numeric,
	"leverage" numeric,
	"stop_loss" numeric,
	"take_profit" numeric,
	"entry_price" numeric,
	"reasons" jsonb NOT NULL,
	"market_regime" text,
	"veto_reason" text,
	"veto_source" text,
	"vetoed_at" timestamp (3) with time zone,
	"latency_ms" integer,
	"decided_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "decisions_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "decisions_exchange_check" CHECK (btrim("analysis"."decisions"."exchange") <> ''),
	CONSTRAINT "decisions_symbol_check" CHECK (btrim("analysis"."decisions"."symbol") <> ''),
	CONSTRAINT "decisions_intended_action_check" CHECK ("analysis"."decisions"."intended_action" in ('long', 'short', 'close', 'hold')),
	CONSTRAINT "decisions_confidence_check" CHECK ("analysis"."decisions"."confidence" between 0 and 1),
	CONSTRAINT "decisions_quantity_check" CHECK ("analysis"."decisions"."quantity" >= 0 and "analysis"."decisions"."quantity" < 'Infinity'::numeric),
	CONSTRAINT "decisions_position_fraction_check" CHECK ("analysis"."decisions"."position_fraction" >= 0 and "analysis"."decisions"."position_fraction" < 'Infinity'::numeric),
	CONSTRAINT "decisions_leverage_check" CHECK ("analysis"."decisions"."leverage" > 0 and "analysis"."decisions"."leverage" < 'Infinity'::numeric),
	CONSTRAINT "decisions_stop_loss_check" CHECK ("analysis"."decisions"."stop_loss" > 0 and "analysis"."decisions"."stop_loss" < 'Infinity'::numeric),
	CONSTRAINT "decisions_take_profit_check" CHECK ("analysis"."decisions"."take_profit" > 0 and "analysis"."decisions"."take_profit" < 'Infinity'::numeric),
	CONSTRAINT "decisions_entry_price_check" CHECK ("analysis"."decisions"."entry_price" > 0 and "analysis"."decisions"."entry_price" < 'Infinity'::numeric),
	CONSTRAINT "decisions_reasons_check" CHECK (jsonb_typeof("analysis"."decisions"."reasons") = 'array'),
	CONSTRAINT "decisions_market_regime_check" CHECK (btrim("analysis"."decisions"."market_regime") <> ''),
	CONSTRAINT "decisions_veto_reason_check" CHECK (btrim("analysis"."decisions"."veto_reason") <> ''),
	CONSTRAINT "decisions_veto_source_check" CHECK (btrim("analysis"."decisions"."veto_source") <> ''),
	CONSTRAINT "decisions_vetoed_at_check" CHECK (num_nonnulls("analysis"."decisions"."vetoed_at", "analysis"."decisions"."veto_reason", "analysis"."decisions"."veto_source") in (0, 3)),
	CONSTRAINT "decisions_latency_ms_check" CHECK ("analysis"."decisions"."latency_ms" >= 0)
);
--> statement-breakpoint
CREATE TABLE "arbitrage"."flash_loans" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"protocol" text NOT NULL,
	"chain" text NOT NULL,
	"token" text NOT NULL,
	"amount" numeric NOT NULL,
	"fee_fraction" numeric NOT NULL,
	"fee" numeric GENERATED ALWAYS AS (amount * fee_fraction) STORED NOT NULL,
	"path" jsonb NOT NULL,
	"gas_estimate" numeric,
	"estimated_profit" numeric NOT NULL,
	"capital_required" numeric NOT NULL,
	"probability" double precision,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"detected_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone,
	CONSTRAINT "flash_loans_bot_id_id_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "flash_loans_protocol_check" CHECK (btrim("arbitrage"."flash_loans"."protocol") <> '' and char_length("arbitrage"."flash_loans"."protocol") <= 200),
	CONSTRAINT "flash_loans_chain_check" CHECK (btrim("arbitrage"."flash_loans"."chain") <> '' and char_length("arbitrage"."flash_loans"."chain") <= 200),
	CONSTRAINT "flash_loans_token_check" CHECK (btrim("arbitrage"."flash_loans"."token") <> '' and char_length("arbitrage"."flash_loans"."token") <= 200),
	CONSTRAINT "flash_loans_amount_check" CHECK ("arbitrage"."flash_loans"."amount" > 0 and "arbitrage"."flash_loans"."amount" < 'Infinity'::numeric),
	CONSTRAINT "flash_loans_fee_fraction_check" CHECK ("arbitrage"."flash_loans"."fee_fraction" >= 0 and "arbitrage"."flash_loans"."fee_fraction" <= 1),
	CONSTRAINT "flash_loans_path_check" CHECK (jsonb_typeof("arbitrage"."flash_loans"."path") = 'array'),
	CONSTRAINT "flash_loans_gas_estimate_check" CHECK ("arbitrage"."flash_loans"."gas_estimate" >= 0 and "arbitrage"."flash_loans"."gas_estimate" < 'Infinity'::numeric),
	CONSTRAINT "flash_loans_estimated_profit_check" CHECK ("arbitrage"."flash_loans"."estimated_profit" > '-Infinity'::numeric and "arbitrage"."flash_loans"."estimated_profit" < 'Infinity'::numeric),
	CONSTRAINT "flash_loans_capital_required_check" CHECK ("arbitrage"."flash_loans"."capital_required" >= 0 and "arbitrage"."flash_loans"."capital_required" < 'Infinity'::numeric),
	CONSTRAINT "flash_loans_probability_check" CHECK ("arbitrage"."flash_loans"."probability" between 0 and 1),
	CONSTRAINT "flash_loans_details_check" CHECK (jsonb_typeof("arbitrage"."flash_loans"."details") = 'object'),
	CONSTRAINT "flash_loans_expires_at_check" CHECK ("arbitrage"."flash_loans"."expires_at" > "arbitrage"."flash_loans"."detected_at")
);
--> statement-breakpoint
CREATE TABLE "arbitrage"."triangles" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"exchange" text NOT NULL,
	"chain" text,
	"route" jsonb NOT NULL,
	"profit_fraction" numeric NOT NULL,
	"executed" boolean DEFAULT false NOT NULL,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"detected_at" timestamp (3) with time zone NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "triangles_bot_id_id_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "triangles_exchange_check" CHECK (btrim("arbitrage"."triangles"."exchange") <> '' and char_length("arbitrage"."triangles"."exchange") <= 200),
	CONSTRAINT "triangles_chain_check" CHECK (btrim("arbitrage"."triangles"."chain") <> '' and char_length("arbitrage"."triangles"."chain") <= 200),
	CONSTRAINT "triangles_route_check" CHECK (case when jsonb_typeof("arbitrage"."triangles"."route") = 'array' then jsonb_array_length("arbitrage"."triangles"."route") >= 3 else false end),
	CONSTRAINT "triangles_profit_fraction_check" CHECK ("arbitrage"."triangles"."profit_fraction" >= -1 and "arbitrage"."triangles"."profit_fraction" < 'Infinity'::numeric),
	CONSTRAINT "triangles_details_check" CHECK (jsonb_typeof("arbitrage"."triangles"."details") = 'object')
);
--> statement-breakpoint
CREATE TABLE "arbitrage"."executions" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"opportunity_id" uuid NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"legs" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"transaction_hashes" text[] DEFAULT '{}' NOT NULL,
	"gas_used" numeric,
	"profit" numeric,
	"error" text,
	"started_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	CONSTRAINT "executions_bot_id_id_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "executions_status_check" CHECK ("arbitrage"."executions"."status" in ('pending', 'success', 'failed', 'partial')),
	CONSTRAINT "executions_legs_check" CHECK (jsonb_typeof("arbitrage"."executions"."legs") = 'array'),
	CONSTRAINT "executions_transaction_hashes_check" CHECK (array_position("arbitrage"."executions"."transaction_hashes", null) is null and array_to_string("arbitrage"."executions"."transaction_hashes", '') ~ '^[A-Za-z0-9_:./+=-]*$'),
	CONSTRAINT "executions_gas_used_check" CHECK ("arbitrage"."executions"."gas_used" >= 0 and "arbitrage"."executions"."gas_used" < 'Infinity'::numeric),
	CONSTRAINT "executions_profit_status_check" CHECK (case "arbitrage"."executions"."status" when 'pending' then "arbitrage"."executions"."profit" is null when 'failed' then true else "arbitrage"."executions"."profit" is not null end),
	CONSTRAINT "executions_profit_check" CHECK ("arbitrage"."executions"."profit" > '-Infinity'::numeric and "arbitrage"."executions"."profit" < 'Infinity'::numeric),
	CONSTRAINT "executions_error_check" CHECK (btrim("arbitrage"."executions"."error") <> ''),
	CONSTRAINT "executions_finished_at_status_check" CHECK (("arbitrage"."executions"."finished_at" is null) = ("arbitrage"."executions"."status" = 'pending')),
	CONSTRAINT "executions_finished_at_check" CHECK ("arbitrage"."executions"."finished_at" >= "arbitrage"."executions"."started_at")
);
--> statement-breakpoint
CREATE TABLE "arbitrage"."opportunities" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"kind" text NOT NULL,
	"pair" text NOT NULL,
	"buy_exchange" text NOT NULL,
	"buy_chain" text,
	"sell_exchange" text NOT NULL,
	"sell_chain" text,
	"buy_price" numeric NOT NULL,
	"sell_price" numeric NOT NULL,
	"quantity" numeric NOT NULL,
	"currency" text NOT NULL,
	"fees" numeric DEFAULT 0 NOT NULL,
	"gas_cost" numeric DEFAULT 0 NOT NULL,
	"gross_profit" numeric GENERATED ALWAYS AS ((sell_price - buy_price) * quantity) STORED NOT NULL,
	"net_profit" numeric GENERATED ALWAYS AS ((sell_price - buy_price) * quantity - fees - gas_cost) STORED NOT NULL,
	"profit_fraction" numeric GENERATED ALWAYS AS (round((sell_price - buy_price) * 1.000000000000000000000000000000000000000000000000000000000000 / nullif(buy_price, 0), 40)) STORED NOT NULL,
	"legs" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"status" text DEFAULT 'open' NOT NULL,
	"execution_id" uuid,
	"detected_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "opportunities_bot_id_id_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "opportunities_kind_check" CHECK ("arbitrage"."opportunities"."kind" in ('cex_dex', 'intra_chain', 'cross_chain', 'triangular')),
	CONSTRAINT "opportunities_pair_check" CHECK (btrim("arbitrage"."opportunities"."pair") <> '' and char_length("arbitrage"."opportunities"."pair") <= 200),
	CONSTRAINT "opportunities_buy_exchange_check" CHECK (btrim("arbitrage"."opportunities"."buy_exchange") <> '' and char_length("arbitrage"."opportunities"."buy_exchange") <= 200),
	CONSTRAINT "opportunities_buy_chain_check" CHECK (btrim("arbitrage"."opportunities"."buy_chain") <> '' and char_length("arbitrage"."opportunities"."buy_chain") <= 200),
	CONSTRAINT "opportunities_sell_exchange_check" CHECK (btrim("arbitrage"."opportunities"."sell_exchange") <> '' and char_length("arbitrage"."opportunities"."sell_exchange") <= 200),
	CONSTRAINT "opportunities_sell_chain_check" CHECK (btrim("arbitrage"."opportunities"."sell_chain") <> '' and char_length("arbitrage"."opportunities"."sell_chain") <= 200),
	CONSTRAINT "opportunities_kind_buy_chain_sell_chain_check" CHECK (case "arbitrage"."opportunities"."kind"
        when 'cex_dex' then ("arbitrage"."opportunities"."buy_chain" is null) <> ("arbitrage"."opportunities"."sell_chain" is null)
        when 'intra_chain' then coalesce("arbitrage"."opportunities"."buy_chain" = "arbitrage"."opportunities"."sell_chain", false)
        when 'cross_chain' then coalesce("arbitrage"."opportunities"."buy_chain" <> "arbitrage"."opportunities"."sell_chain", false)
        else "arbitrage"."opportunities"."buy_chain" is not distinct from "arbitrage"."opportunities"."sell_chain" end),
	CONSTRAINT "opportunities_buy_price_check" CHECK ("arbitrage"."opportunities"."buy_price" > 0 and "arbitrage"."opportunities"."buy_price" < 'Infinity'::numeric),
	CONSTRAINT "opportunities_sell_price_check" CHECK ("arbitrage"."opportunities"."sell_price" > 0 and "arbitrage"."opportunities"."sell_price" < 'Infinity'::numeric),
	CONSTRAINT "opportunities_quantity_check" CHECK ("arbitrage"."opportunities"."quantity" > 0 and "arbitrage"."opportunities"."quantity" < 'Infinity'::numeric),
	CONSTRAINT "opportunities_currency_check" CHECK (btrim("arbitrage"."opportunities"."currency") <> '' and char_length("arbitrage"."opportunities"."currency") <= 200),
	CONSTRAINT "opportunities_fees_check" CHECK ("arbitrage"."opportunities"."fees" > '-Infinity'::numeric and "arbitrage"."opportunities"."fees" < 'Infinity'::numeric),
	CONSTRAINT "opportunities_gas_cost_check" CHECK ("arbitrage"."opportunities"."gas_cost" >= 0 and "arbitrage"."opportunities"."gas_cost" < 'Infinity'::numeric),
	CONSTRAINT "opportunities_legs_check" CHECK (jsonb_typeof("arbitrage"."opportunities"."legs") = 'array'),
	CONSTRAINT "opportunities_details_check" CHECK (jsonb_typeof("arbitrage"."opportunities"."details") = 'object'),
	CONSTRAINT "opportunities_status_check" CHECK ("arbitrage"."opportunities"."status" in ('open', 'executing', 'executed', 'failed', 'expired')),
	CONSTRAINT "opportunities_execution_id_status_check" CHECK (("arbitrage"."opportunities"."execution_id" is not null) = ("arbitrage"."opportunities"."status" in ('executing', 'executed', 'failed'))),
	CONSTRAINT "opportunities_expires_at_status_check" CHECK ("arbitrage"."opportunities"."expires_at" is not null or "arbitrage"."opportunities"."status" <> 'expired'),
	CONSTRAINT "opportunities_expires_at_check" CHECK ("arbitrage"."opportunities"."expires_at" > "arbitrage"."opportunities"."detected_at")
);
--> statement-breakpoint
CREATE TABLE "arbitrage"."dex_prices" (
	"pair" text NOT NULL,
	"chain" text NOT NULL,
	"dex" text NOT NULL,
	"observed_at" timestamp (3) with time zone NOT NULL,
	"price" numeric NOT NULL,
	"volume" numeric,
	"liquidity" numeric,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "dex_prices_pair_chain_dex_observed_at_pkey" PRIMARY KEY("pair","chain","dex","observed_at"),
	CONSTRAINT "dex_prices_pair_check" CHECK (btrim("arbitrage"."dex_prices"."pair") <> '' and char_length("arbitrage"."dex_prices"."pair") <= 200),
	CONSTRAINT "dex_prices_chain_check" CHECK (btrim("arbitrage"."dex_prices"."chain") <> '' and char_length("arbitrage"."dex_prices"."chain") <= 200),
	CONSTRAINT "dex_prices_dex_check" CHECK (btrim("arbitrage"."dex_prices"."dex") <> '' and char_length("arbitrage"."dex_prices"."dex") <= 200),
	CONSTRAINT "dex_prices_price_check" CHECK ("arbitrage"."dex_prices"."price" > 0 and "arbitrage"."dex_prices"."price" < 'Infinity'::numeric),
	CONSTRAINT "dex_prices_volume_check" CHECK ("arbitrage"."dex_prices"."volume" >= 0 and "arbitrage"."dex_prices"."volume" < 'Infinity'::numeric),
	CONSTRAINT "dex_prices_liquidity_check" CHECK ("arbitrage"."dex_prices"."liquidity" >= 0 and "arbitrage"."dex_prices"."liquidity" < 'Infinity'::numeric)
);
--> statement-breakpoint
CREATE TABLE "arbitrage"."gas_prices" (
	"chain" text NOT NULL,
	"observed_at" timestamp (3) with time zone NOT NULL,
	"slow_gwei" numeric,
	"standard_gwei" numeric NOT NULL,
	"fast_gwei" numeric,
	"instant_gwei" numeric,
	"base_fee_gwei" numeric,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "gas_prices_chain_observed_at_pkey" PRIMARY KEY("chain","observed_at"),
	CONSTRAINT "gas_prices_chain_check" CHECK (btrim("arbitrage"."gas_prices"."chain") <> '' and char_length("arbitrage"."gas_prices"."chain") <= 200),
	CONSTRAINT "gas_prices_slow_gwei_check" CHECK ("arbitrage"."gas_prices"."slow_gwei" >= 0 and "arbitrage"."gas_prices"."slow_gwei" < 'Infinity'::numeric),
	CONSTRAINT "gas_prices_standard_gwei_check" CHECK ("arbitrage"."gas_prices"."standard_gwei" >= 0 and "arbitrage"."gas_prices"."standard_gwei" < 'Infinity'::numeric),
	CONSTRAINT "gas_prices_fast_gwei_check" CHECK ("arbitrage"."gas_prices"."fast_gwei" >= 0 and "arbitrage"."gas_prices"."fast_gwei" < 'Infinity'::numeric),
	CONSTRAINT "gas_prices_instant_gwei_check" CHECK ("arbitrage"."gas_prices"."instant_gwei" >= 0 and "arbitrage"."gas_prices"."instant_gwei" < 'Infinity'::numeric),
	CONSTRAINT "gas_prices_base_fee_gwei_check" CHECK ("arbitrage"."gas_prices"."base_fee_gwei" >= 0 and "arbitrage"."gas_prices"."base_fee_gwei" < 'Infinity'::numeric)
);
--> statement-breakpoint
CREATE TABLE "audit"."chains" (
	"bot_id" text NOT NULL,
	"chain" text NOT NULL,
	"length" bigint NOT NULL,
	"previous_hash" "bytea" NOT NULL,
	"hash" "bytea" NOT NULL,
	CONSTRAINT "chains_pkey" PRIMARY KEY("bot_id","chain")
);
--> statement-breakpoint
CREATE TABLE "audit"."decision_history" (
	"bot_id" text NOT NULL,
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "audit"."decision_history_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"event_id" uuid,
	"action" text NOT NULL,
	"actor" text NOT NULL,
	"symbol" text,
	"rationale" text NOT NULL,
	"confidence" double precision,
	"risk_check_result" text,
	"strategy_id" uuid,
	"trade_idea_id" uuid,
	"snapshot_id" uuid,
	"decision_id" uuid,
	"order_id" uuid,
	"human_override" boolean DEFAULT false NOT NULL,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"occurred_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"sequence" bigint DEFAULT 0 NOT NULL,
	"previous_hash" "bytea" DEFAULT ''::bytea NOT NULL,
	"hash" "bytea" DEFAULT ''::bytea NOT NULL,
	CONSTRAINT "decision_history_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "decision_history_sequence_key" UNIQUE("bot_id","sequence"),
	CONSTRAINT "decision_history_bot_id_check" CHECK (btrim("audit"."decision_history"."bot_id") <> ''),
	CONSTRAINT "decision_history_action_check" CHECK ("audit"."decision_history"."action" in ('ai_proposed', 'ai_auto_executed', 'human_approved', 'human_rejected', 'risk_rejected', 'ai_halted', 'ai_resumed', 'admin_note')),
	CONSTRAINT "decision_history_actor_check" CHECK (btrim("audit"."decision_history"."actor") <> ''),
	CONSTRAINT "decision_history_rationale_check" CHECK (btrim("audit"."decision_history"."rationale") <> ''),
	CONSTRAINT "decision_history_confidence_check" CHECK ("audit"."decision_history"."confidence" between 0 and 1),
	CONSTRAINT "decision_history_risk_check_result_check" CHECK ("audit"."decision_history"."risk_check_result" ~ '^(pass|fail:.+)$'),
	CONSTRAINT "decision_history_details_check" CHECK (jsonb_typeof("audit"."decision_history"."details") = 'object')
);
--> statement-breakpoint
CREATE TABLE "audit"."system_events" (
	"bot_id" text NOT NULL,
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "audit"."system_events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"event_id" uuid,
	"kind" text NOT NULL,
	"severity" text NOT NULL,
	"actor" text,
	"component" text,
	"message" text NOT NULL,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"exchange" text,
	"symbol" text,
	"order_id" uuid,
	"trade_id" text,
	"position_id" uuid,
	"error_code" text,
	"stack_trace" text,
	"occurred_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"sequence" bigint DEFAULT 0 NOT NULL,
	"previous_hash" "bytea" DEFAULT ''::bytea NOT NULL,
	"hash" "bytea" DEFAULT ''::bytea NOT NULL,
	CONSTRAINT "system_events_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "system_events_sequence_key" UNIQUE("bot_id","sequence"),
	CONSTRAINT "system_events_bot_id_check" CHECK (btrim("audit"."system_events"."bot_id") <> ''),
	CONSTRAINT "system_events_kind_check" CHECK (btrim("audit"."system_events"."kind") <> ''),
	CONSTRAINT "system_events_severity_check" CHECK ("audit"."system_events"."severity" in ('debug', 'info', 'warning', 'error', 'critical')),
	CONSTRAINT "system_events_actor_check" CHECK (btrim("audit"."system_events"."actor") <> ''),
	CONSTRAINT "system_events_message_check" CHECK (btrim("audit"."system_events"."message") <> ''),
	CONSTRAINT "system_events_details_check" CHECK (jsonb_typeof("audit"."system_events"."details") = 'object')
);
--> statement-breakpoint
CREATE TABLE "ideas"."auto_trading" (
	"bot_id" text NOT NULL,
	"enabled" boolean NOT NULL,
	"reason" text NOT NULL,
	"changed_by" text NOT NULL,
	"changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"version" bigint DEFAULT 1 NOT NULL,
	CONSTRAINT "auto_trading_pkey" PRIMARY KEY("bot_id"),
	CONSTRAINT "auto_trading_reason_check" CHECK (btrim("ideas"."auto_trading"."reason") <> ''),
	CONSTRAINT "auto_trading_changed_by_check" CHECK (btrim("ideas"."auto_trading"."changed_by") <> '')
);
--> statement-breakpoint
CREATE TABLE "ideas"."trade_ideas" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"strategy_id" uuid,
	"snapshot_id" uuid NOT NULL,
	"decision_id" uuid,
	"order_id" uuid,
	"decided_by" uuid,
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"direction" text NOT NULL,
	"position_side" text DEFAULT 'net' NOT NULL,
	"order_type" text NOT NULL,
	"quantity" numeric NOT NULL,
	"entry_price" numeric,
	"entry_low" numeric,
	"entry_high" numeric,
	"stop_loss" numeric NOT NULL,
	"targets" numeric[] NOT NULL,
	"expected_hold" text,
	"rationale" text NOT NULL,
	"confidence" double precision NOT NULL,
	"status" text DEFAULT 'waiting' NOT NULL,
	"status_reason" text,
	"checks" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"decided_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "trade_ideas_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "trade_ideas_exchange_check" CHECK (btrim("ideas"."trade_ideas"."exchange") <> ''),
	CONSTRAINT "trade_ideas_symbol_check" CHECK (btrim("ideas"."trade_ideas"."symbol") <> ''),
	CONSTRAINT "trade_ideas_direction_check" CHECK ("ideas"."trade_ideas"."direction" in ('long', 'short')),
	CONSTRAINT "trade_ideas_position_side_direction_check" CHECK ("ideas"."trade_ideas"."position_side" in ('net', "ideas"."trade_ideas"."direction")),
	CONSTRAINT "trade_ideas_order_type_check" CHECK ("ideas"."trade_ideas"."order_type" in ('market', 'limit')),
	CONSTRAINT "trade_ideas_quantity_check" CHECK ("ideas"."trade_ideas"."quantity" > 0 and "ideas"."trade_ideas"."quantity" < 'Infinity'::numeric),
	CONSTRAINT "trade_ideas_entry_price_check" CHECK ("ideas"."trade_ideas"."entry_price" > '-Infinity'::numeric and "ideas"."trade_ideas"."entry_price" < 'Infinity'::numeric),
	CONSTRAINT "trade_ideas_entry_low_check" CHECK ("ideas"."trade_ideas"."entry_low" > '-Infinity'::numeric and "ideas"."trade_ideas"."entry_low" < 'Infinity'::numeric),
	CONSTRAINT "trade_ideas_entry_high_check" CHECK ("ideas"."trade_ideas"."entry_high" > '-Infinity'::numeric and "ideas"."trade_ideas"."entry_high" < 'Infinity'::numeric),
	CONSTRAINT "trade_ideas_stop_loss_check" CHECK ("ideas"."trade_ideas"."stop_loss" > '-Infinity'::numeric and "ideas"."trade_ideas"."stop_loss" < 'Infinity'::numeric),
	CONSTRAINT "trade_ideas_targets_check" CHECK (cardinality("ideas"."trade_ideas"."targets") > 0 and array_position("ideas"."trade_ideas"."targets", null) is null
    and '-Infinity'::numeric < all ("ideas"."trade_ideas"."targets") and 'Infinity'::numeric > all ("ideas"."trade_ideas"."targets")),
	CONSTRAINT "trade_ideas_entry_low_entry_high_check" CHECK (("ideas"."trade_ideas"."entry_low" is null) = ("ideas"."trade_ideas"."entry_high" is null)
        and ("ideas"."trade_ideas"."entry_low" is null or "ideas"."trade_ideas"."entry_low" <= "ideas"."trade_ideas"."entry_high")
        and ("ideas"."trade_ideas"."entry_low" is null or "ideas"."trade_ideas"."entry_price" is null
          or "ideas"."trade_ideas"."entry_price" between "ideas"."trade_ideas"."entry_low" and "ideas"."trade_ideas"."entry_high")),
	CONSTRAINT "trade_ideas_entry_price_order_type_check" CHECK ("ideas"."trade_ideas"."order_type" = 'market' or "ideas"."trade_ideas"."entry_price" is not null or "ideas"."trade_ideas"."entry_low" is not null),
	CONSTRAINT "trade_ideas_stop_loss_direction_check" CHECK (case "ideas"."trade_ideas"."direction"
        when 'long' then "ideas"."trade_ideas"."stop_loss" < coalesce("ideas"."trade_ideas"."entry_low", "ideas"."trade_ideas"."entry_price", "ideas"."trade_ideas"."targets"[1])
        else "ideas"."trade_ideas"."stop_loss" > coalesce("ideas"."trade_ideas"."entry_high", "ideas"."trade_ideas"."entry_price", "ideas"."trade_ideas"."targets"[1]) end),
	CONSTRAINT "trade_ideas_targets_direction_check" CHECK (case "ideas"."trade_ideas"."direction"
        when 'long' then coalesce("ideas"."trade_ideas"."entry_high", "ideas"."trade_ideas"."entry_price", "ideas"."trade_ideas"."stop_loss") < all ("ideas"."trade_ideas"."targets")
        else coalesce("ideas"."trade_ideas"."entry_low", "ideas"."trade_ideas"."entry_price", "ideas"."trade_ideas"."stop_loss") > all ("ideas"."trade_ideas"."targets") end),
	CONSTRAINT "trade_ideas_expected_hold_check" CHECK (btrim("ideas"."trade_ideas"."expected_hold") <> ''),
	CONSTRAINT "trade_ideas_rationale_check" CHECK (btrim("ideas"."trade_ideas"."rationale") <> ''),
	CONSTRAINT "trade_ideas_confidence_check" CHECK ("ideas"."trade_ideas"."confidence" between 0 and 1),
	CONSTRAINT "trade_ideas_status_check" CHECK ("ideas"."trade_ideas"."status" in ('waiting', 'needs_approval', 'auto_executed', 'rejected', 'halted_by_risk')),
	CONSTRAINT "trade_ideas_checks_check" CHECK (jsonb_typeof("ideas"."trade_ideas"."checks") = 'array'),
	CONSTRAINT "trade_ideas_order_id_status_check" CHECK (("ideas"."trade_ideas"."order_id" is not null) = ("ideas"."trade_ideas"."status" = 'auto_executed')),
	CONSTRAINT "trade_ideas_decided_at_status_check" CHECK (("ideas"."trade_ideas"."decided_at" is not null) = ("ideas"."trade_ideas"."status" in ('auto_executed', 'rejected', 'halted_by_risk'))),
	CONSTRAINT "trade_ideas_decided_by_status_check" CHECK ("ideas"."trade_ideas"."decided_by" is null or "ideas"."trade_ideas"."status" in ('auto_executed', 'rejected')),
	CONSTRAINT "trade_ideas_status_reason_status_check" CHECK ("ideas"."trade_ideas"."status" = 'waiting' or (btrim("ideas"."trade_ideas"."status_reason") <> '') is true)
);
--> statement-breakpoint
CREATE TABLE "snapshots"."bundles" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"reason" text NOT NULL,
	"note" text,
	"exchange" text NOT NULL,
	"symbols" text[] NOT NULL,
	"timeframes" text[] NOT NULL,
	"calendar_hours" double precision NOT NULL,
	"news_hours" double precision NOT NULL,
	"captured_at" timestamp (3) with time zone NOT NULL,
	"recorded_until" timestamp (3) with time zone NOT NULL,
	"news_until" timestamp (3) with time zone,
	"calendar_until" timestamp (3) with time zone,
	"missing" jsonb NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "bundles_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "bundles_reason_check" CHECK ("snapshots"."bundles"."reason" in ('decision', 'trade_idea', 'trade_open', 'trade_close', 'periodic', 'manual')),
	CONSTRAINT "bundles_exchange_check" CHECK (btrim("snapshots"."bundles"."exchange") <> ''),
	CONSTRAINT "bundles_symbols_check" CHECK (cardinality("snapshots"."bundles"."symbols") between 1 and 100 and array_position("snapshots"."bundles"."symbols", null) is null),
	CONSTRAINT "bundles_timeframes_check" CHECK ("snapshots"."bundles"."timeframes" <@ array['1s', '1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M'] and cardinality("snapshots"."bundles"."timeframes") > 0),
	CONSTRAINT "bundles_calendar_hours_check" CHECK ("snapshots"."bundles"."calendar_hours" between 0 and 744),
	CONSTRAINT "bundles_news_hours_check" CHECK ("snapshots"."bundles"."news_hours" between 0 and 744),
	CONSTRAINT "bundles_missing_check" CHECK (jsonb_typeof("snapshots"."bundles"."missing") = 'array')
);
--> statement-breakpoint
CREATE TABLE "snapshots"."indicators" (
	"bot_id" text NOT NULL,
	"bundle_id" uuid NOT NULL,
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"timeframe" text NOT NULL,
	"open_time" timestamp (3) with time zone NOT NULL,
	"rsi_14" double precision,
	"sma_50" double precision,
	"sma_200" double precision,
	"macd" double precision,
	"macd_signal" double precision,
	"macd_histogram" double precision,
	"atr" double precision,
	"values" jsonb NOT NULL,
	"recorded_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "indicators_pkey" PRIMARY KEY("bot_id","bundle_id","exchange","symbol","timeframe"),
	CONSTRAINT "indicators_exchange_check" CHECK (btrim("snapshots"."indicators"."exchange") <> ''),
	CONSTRAINT "indicators_symbol_check" CHECK (btrim("snapshots"."indicators"."symbol") <> ''),
	CONSTRAINT "indicators_timeframe_check" CHECK ("snapshots"."indicators"."timeframe" in ('1s', '1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M')),
	CONSTRAINT "indicators_rsi_14_check" CHECK ("snapshots"."indicators"."rsi_14" between 0 and 100),
	CONSTRAINT "indicators_values_check" CHECK (jsonb_typeof("snapshots"."indicators"."values") = 'object')
);
--> statement-breakpoint
CREATE TABLE "snapshots"."market" (
	"bot_id" text NOT NULL,
	"bundle_id" uuid NOT NULL,
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"timeframe" text NOT NULL,
	"open_time" timestamp (3) with time zone NOT NULL,
	"open" numeric NOT NULL,
	"high" numeric NOT NULL,
	"low" numeric NOT NULL,
	"close" numeric NOT NULL,
	"volume" numeric NOT NULL,
	"complete" boolean NOT NULL,
	"last_price" numeric NOT NULL,
	"last_price_at" timestamp (3) with time zone NOT NULL,
	"funding_rate" numeric,
	"funding_time" timestamp (3) with time zone,
	"funding_interval_hours" integer,
	"funding_is_estimated" boolean,
	CONSTRAINT "market_pkey" PRIMARY KEY("bot_id","bundle_id","exchange","symbol","timeframe"),
	CONSTRAINT "market_exchange_check" CHECK (btrim("snapshots"."market"."exchange") <> ''),
	CONSTRAINT "market_symbol_check" CHECK (btrim("snapshots"."market"."symbol") <> ''),
	CONSTRAINT "market_timeframe_check" CHECK ("snapshots"."market"."timeframe" in ('1s', '1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M')),
	CONSTRAINT "market_open_check" CHECK ("snapshots"."market"."open" > 0 and "snapshots"."market"."open" < 'Infinity'::numeric),
	CONSTRAINT "market_high_check" CHECK ("snapshots"."market"."high" > 0 and "snapshots"."market"."high" < 'Infinity'::numeric),
	CONSTRAINT "market_low_check" CHECK ("snapshots"."market"."low" > 0 and "snapshots"."market"."low" < 'Infinity'::numeric),
	CONSTRAINT "market_close_check" CHECK ("snapshots"."market"."close" > 0 and "snapshots"."market"."close" < 'Infinity'::numeric),
	CONSTRAINT "market_volume_check" CHECK ("snapshots"."market"."volume" >= 0 and "snapshots"."market"."volume" < 'Infinity'::numeric),
	CONSTRAINT "market_last_price_check" CHECK ("snapshots"."market"."last_price" > 0 and "snapshots"."market"."last_price" < 'Infinity'::numeric),
	CONSTRAINT "market_funding_rate_check" CHECK ("snapshots"."market"."funding_rate" > -1 and "snapshots"."market"."funding_rate" < 1),
	CONSTRAINT "market_funding_interval_hours_check" CHECK ("snapshots"."market"."funding_interval_hours" > 0)
);
--> statement-breakpoint
CREATE TABLE "snapshots"."account" (
	"bot_id" text NOT NULL,
	"bundle_id" uuid NOT NULL,
	"exchange" text NOT NULL,
	"currency" text NOT NULL,
	"balance" numeric NOT NULL,
	"equity" numeric,
	"margin_used" numeric,
	"margin_free" numeric,
	"open_pnl" numeric,
	"open_positions" integer NOT NULL,
	"taken_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "account_pkey" PRIMARY KEY("bot_id","bundle_id","exchange","currency"),
	CONSTRAINT "account_exchange_check" CHECK (btrim("snapshots"."account"."exchange") <> ''),
	CONSTRAINT "account_currency_check" CHECK (btrim("snapshots"."account"."currency") <> ''),
	CONSTRAINT "account_balance_check" CHECK ("snapshots"."account"."balance" > '-Infinity'::numeric and "snapshots"."account"."balance" < 'Infinity'::numeric),
	CONSTRAINT "account_equity_check" CHECK ("snapshots"."account"."equity" > '-Infinity'::numeric and "snapshots"."account"."equity" < 'Infinity'::numeric),
	CONSTRAINT "account_margin_used_check" CHECK ("snapshots"."account"."margin_used" > '-Infinity'::numeric and "snapshots"."account"."margin_used" < 'Infinity'::numeric),
	CONSTRAINT "account_margin_free_check" CHECK ("snapshots"."account"."margin_free" > '-Infinity'::numeric and "snapshots"."account"."margin_free" < 'Infinity'::numeric),
	CONSTRAINT "account_open_pnl_check" CHECK ("snapshots"."account"."open_pnl" > '-Infinity'::numeric and "snapshots"."account"."open_pnl" < 'Infinity'::numeric),
	CONSTRAINT "account_open_positions_check" CHECK ("snapshots"."account"."open_positions" >= 0)
);
--> statement-breakpoint
CREATE TABLE "snapshots"."calendar" (
	"bot_id" text NOT NULL,
	"bundle_id" uuid NOT NULL,
	"event_id" uuid NOT NULL,
	"source" text NOT NULL,
	"event_time" timestamp (3) with time zone NOT NULL,
	"currency" text NOT NULL,
	"impact" text NOT NULL,
	"title" text NOT NULL,
	"previous" text,
	"forecast" text,
	"actual" text,
	"recorded_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "calendar_pkey" PRIMARY KEY("bot_id","bundle_id","event_id"),
	CONSTRAINT "calendar_currency_check" CHECK (btrim("snapshots"."calendar"."currency") <> ''),
	CONSTRAINT "calendar_impact_check" CHECK ("snapshots"."calendar"."impact" in ('low', 'medium', 'high')),
	CONSTRAINT "calendar_title_check" CHECK (btrim("snapshots"."calendar"."title") <> '')
);
--> statement-breakpoint
CREATE TABLE "snapshots"."news" (
	"bot_id" text NOT NULL,
	"bundle_id" uuid NOT NULL,
	"news_id" uuid NOT NULL,
	"source" text NOT NULL,
	"headline" text NOT NULL,
	"symbols" text[] NOT NULL,
	"sentiment_score" double precision,
	"published_at" timestamp (3) with time zone NOT NULL,
	"recorded_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "news_pkey" PRIMARY KEY("bot_id","bundle_id","news_id"),
	CONSTRAINT "news_headline_check" CHECK (btrim("snapshots"."news"."headline") <> ''),
	CONSTRAINT "news_sentiment_score_check" CHECK ("snapshots"."news"."sentiment_score" between -1 and 1)
);
--> statement-breakpoint
CREATE TABLE "strategy"."backtest_equity" (
	"backtest_id" uuid NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"equity" numeric NOT NULL,
	CONSTRAINT "backtest_equity_backtest_id_at_pkey" PRIMARY KEY("backtest_id","at"),
	CONSTRAINT "backtest_equity_equity_check" CHECK ("strategy"."backtest_equity"."equity" > '-Infinity'::numeric and "strategy"."backtest_equity"."equity" < 'Infinity'::numeric)
);
--> statement-breakpoint
CREATE TABLE "strategy"."backtest_trades" (
	"backtest_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"symbol" text NOT NULL,
	"direction" text NOT NULL,
	"quantity" numeric NOT NULL,
	"entry_price" numeric NOT NULL,
	"exit_price" numeric NOT NULL,
	"opened_at" timestamp (3) with time zone NOT NULL,
	"closed_at" timestamp (3) with time zone NOT NULL,
	"fees" numeric NOT NULL,
	"net_pnl" numeric NOT NULL,
	CONSTRAINT "backtest_trades_backtest_id_ordinal_pkey" PRIMARY KEY("backtest_id","ordinal"),
	CONSTRAINT "backtest_trades_ordinal_check" CHECK ("strategy"."backtest_trades"."ordinal" > 0),
	CONSTRAINT "backtest_trades_symbol_check" CHECK (btrim("strategy"."backtest_trades"."symbol") <> '' and char_length("strategy"."backtest_trades"."symbol") <= 200),
	CONSTRAINT "backtest_trades_direction_check" CHECK ("strategy"."backtest_trades"."direction" in ('long', 'short')),
	CONSTRAINT "backtest_trades_quantity_check" CHECK ("strategy"."backtest_trades"."quantity" > 0 and "strategy"."backtest_trades"."quantity" < 'Infinity'::numeric),
	CONSTRAINT "backtest_trades_entry_price_check" CHECK ("strategy"."backtest_trades"."entry_price" >= 0 and "strategy"."backtest_trades"."entry_price" < 'Infinity'::numeric),
	CONSTRAINT "backtest_trades_exit_price_check" CHECK ("strategy"."backtest_trades"."exit_price" >= 0 and "strategy"."backtest_trades"."exit_price" < 'Infinity'::numeric),
	CONSTRAINT "backtest_trades_fees_check" CHECK ("strategy"."backtest_trades"."fees" > '-Infinity'::numeric and "strategy"."backtest_trades"."fees" < 'Infinity'::numeric),
	CONSTRAINT "backtest_trades_net_pnl_check" CHECK ("strategy"."backtest_trades"."net_pnl" > '-Infinity'::numeric and "strategy"."backtest_trades"."net_pnl" < 'Infinity'::numeric),
	CONSTRAINT "backtest_trades_closed_at_check" CHECK ("strategy"."backtest_trades"."closed_at" >= "strategy"."backtest_trades"."opened_at")
);
--> statement-breakpoint
CREATE TABLE "strategy"."backtests" (
	"id" uuid NOT NULL,
	"strategy_id" uuid NOT NULL,
	"external_id" text,
	"exchange" text,
	"symbols" text[] DEFAULT '{}'::text[] NOT NULL,
	"timeframe" text,
	"period_start_at" timestamp (3) with time zone NOT NULL,
	"period_end_at" timestamp (3) with time zone NOT NULL,
	"parameters" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"metrics" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"initial_equity" numeric NOT NULL,
	"final_equity" numeric NOT NULL,
	"currency" text,
	"notes" text,
	"ran_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "backtests_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "backtests_external_id_check" CHECK (btrim("strategy"."backtests"."external_id") <> '' and char_length("strategy"."backtests"."external_id") <= 200),
	CONSTRAINT "backtests_parameters_check" CHECK (jsonb_typeof("strategy"."backtests"."parameters") = 'object'),
	CONSTRAINT "backtests_metrics_check" CHECK (jsonb_typeof("strategy"."backtests"."metrics") = 'object'),
	CONSTRAINT "backtests_initial_equity_check" CHECK ("strategy"."backtests"."initial_equity" > 0 and "strategy"."backtests"."initial_equity" < 'Infinity'::numeric),
	CONSTRAINT "backtests_final_equity_check" CHECK ("strategy"."backtests"."final_equity" > '-Infinity'::numeric and "strategy"."backtests"."final_equity" < 'Infinity'::numeric),
	CONSTRAINT "backtests_period_end_at_check" CHECK ("strategy"."backtests"."period_end_at" > "strategy"."backtests"."period_start_at")
);
--> statement-breakpoint
CREATE TABLE "strategy"."review_summaries" (
	"id" uuid NOT NULL,
	"reviewed_on" date NOT NULL,
	"grade_distribution" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"decision_distribution" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"total_reviewed" integer NOT NULL,
	"average_confidence" double precision,
	"top_performers" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"needing_attention" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"market_regime" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "review_summaries_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "review_summaries_reviewed_on_key" UNIQUE("reviewed_on"),
	CONSTRAINT "review_summaries_grade_distribution_check" CHECK (jsonb_typeof("strategy"."review_summaries"."grade_distribution") = 'object'),
	CONSTRAINT "review_summaries_decision_distribution_check" CHECK (jsonb_typeof("strategy"."review_summaries"."decision_distribution") = 'object'),
	CONSTRAINT "review_summaries_total_reviewed_check" CHECK ("strategy"."review_summaries"."total_reviewed" >= 0),
	CONSTRAINT "review_summaries_average_confidence_check" CHECK ("strategy"."review_summaries"."average_confidence" between 0 and 1),
	CONSTRAINT "review_summaries_top_performers_check" CHECK (jsonb_typeof("strategy"."review_summaries"."top_performers") = 'array'),
	CONSTRAINT "review_summaries_needing_attention_check" CHECK (jsonb_typeof("strategy"."review_summaries"."needing_attention") = 'array'),
	CONSTRAINT "review_summaries_market_regime_check" CHECK (jsonb_typeof("strategy"."review_summaries"."market_regime") = 'object')
);
--> statement-breakpoint
CREATE TABLE "strategy"."reviews" (
	"id" uuid NOT NULL,
	"strategy_id" uuid NOT NULL,
	"status" text DEFAULT 'requested' NOT NULL,
	"requested_by" text,
	"request_reason" text,
	"reviewer" text,
	"grade" text,
	"decision" text,
	"confidence" double precision,
	"scores" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"summary" text,
	"recommendations" text,
	"payload" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"requested_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"reviewed_at" timestamp (3) with time zone,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "reviews_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "reviews_status_check" CHECK ("strategy"."reviews"."status" in ('requested', 'completed', 'dismissed')),
	CONSTRAINT "reviews_requested_by_check" CHECK (btrim("strategy"."reviews"."requested_by") <> ''),
	CONSTRAINT "reviews_reviewer_check" CHECK (btrim("strategy"."reviews"."reviewer") <> ''),
	CONSTRAINT "reviews_confidence_check" CHECK ("strategy"."reviews"."confidence" between 0 and 1),
	CONSTRAINT "reviews_scores_check" CHECK (jsonb_typeof("strategy"."reviews"."scores") = 'object'),
	CONSTRAINT "reviews_payload_check" CHECK (jsonb_typeof("strategy"."reviews"."payload") = 'object'),
	CONSTRAINT "reviews_decision_check" CHECK ("strategy"."reviews"."decision" in ('keep_as_is', 'optimize_parameters', 'modify_logic', 'replace_strategy', 'pause_strategy', 'increase_allocation', 'decrease_allocation') and ("strategy"."reviews"."status" = 'completed') = ("strategy"."reviews"."decision" is not null)),
	CONSTRAINT "reviews_grade_check" CHECK ("strategy"."reviews"."grade" is null or ("strategy"."reviews"."grade" in ('A+', 'A', 'B', 'C', 'D') and "strategy"."reviews"."status" = 'completed')),
	CONSTRAINT "reviews_reviewed_at_check" CHECK (("strategy"."reviews"."status" = 'requested') = ("strategy"."reviews"."reviewed_at" is null) and ("strategy"."reviews"."status" = 'requested') = ("strategy"."reviews"."reviewer" is null))
);
--> statement-breakpoint
CREATE TABLE "strategy"."insights" (
	"id" uuid NOT NULL,
	"strategy_id" uuid,
	"kind" text NOT NULL,
	"insights" jsonb NOT NULL,
	"generation_statistics" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"learned_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "insights_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "insights_kind_check" CHECK (btrim("strategy"."insights"."kind") <> ''),
	CONSTRAINT "insights_insights_check" CHECK (jsonb_typeof("strategy"."insights"."insights") = 'object'),
	CONSTRAINT "insights_generation_statistics_check" CHECK (jsonb_typeof("strategy"."insights"."generation_statistics") = 'object')
);
--> statement-breakpoint
CREATE TABLE "strategy"."selections" (
	"id" uuid NOT NULL,
	"selected_on" date NOT NULL,
	"symbols" jsonb NOT NULL,
	"total" integer NOT NULL,
	"selected_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "selections_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "selections_selected_on_key" UNIQUE("selected_on"),
	CONSTRAINT "selections_symbols_check" CHECK (jsonb_typeof("strategy"."selections"."symbols") = 'array'),
	CONSTRAINT "selections_total_check" CHECK ("strategy"."selections"."total" = jsonb_array_length("strategy"."selections"."symbols"))
);
--> statement-breakpoint
CREATE TABLE "strategy"."performance" (
	"id" uuid NOT NULL,
	"strategy_id" uuid NOT NULL,
	"symbol" text NOT NULL,
	"signals_count" integer NOT NULL,
	"execution_ms" double precision NOT NULL,
	"error" text,
	"summary" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"run_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "performance_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "performance_symbol_check" CHECK (btrim("strategy"."performance"."symbol") <> '' and char_length("strategy"."performance"."symbol") <= 200),
	CONSTRAINT "performance_signals_count_check" CHECK ("strategy"."performance"."signals_count" >= 0),
	CONSTRAINT "performance_execution_ms_check" CHECK ("strategy"."performance"."execution_ms" >= 0 and "strategy"."performance"."execution_ms" < 'Infinity'::float8),
	CONSTRAINT "performance_error_check" CHECK (btrim("strategy"."performance"."error") <> ''),
	CONSTRAINT "performance_summary_check" CHECK (jsonb_typeof("strategy"."performance"."summary") = 'object')
);
--> statement-breakpoint
CREATE TABLE "strategy"."signals" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"strategy_id" uuid,
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"kind" text NOT NULL,
	"strength" double precision DEFAULT 1 NOT NULL,
	"confidence" double precision,
	"price" numeric NOT NULL,
	"suggested_stop_loss" numeric,
	"suggested_take_profit" numeric,
	"suggested_quantity" numeric,
	"indicators" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"market_conditions" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"passed_filters" text[] DEFAULT '{}'::text[] NOT NULL,
	"failed_filters" text[] DEFAULT '{}'::text[] NOT NULL,
	"validated" boolean DEFAULT false NOT NULL,
	"notes" text,
	"emitted_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"valid_until" timestamp (3) with time zone,
	"outcome" text DEFAULT 'pending' NOT NULL,
	"outcome_pnl" numeric,
	"rejection_reason" text,
	"order_id" uuid,
	"outcome_at" timestamp (3) with time zone,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "signals_bot_id_id_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "signals_exchange_check" CHECK (btrim("strategy"."signals"."exchange") <> '' and char_length("strategy"."signals"."exchange") <= 200),
	CONSTRAINT "signals_symbol_check" CHECK (btrim("strategy"."signals"."symbol") <> '' and char_length("strategy"."signals"."symbol") <= 200),
	CONSTRAINT "signals_kind_check" CHECK ("strategy"."signals"."kind" in ('long', 'short', 'close_long', 'close_short', 'hold')),
	CONSTRAINT "signals_strength_check" CHECK ("strategy"."signals"."strength" between 0 and 1),
	CONSTRAINT "signals_confidence_check" CHECK ("strategy"."signals"."confidence" between 0 and 1),
	CONSTRAINT "signals_price_check" CHECK ("strategy"."signals"."price" > 0 and "strategy"."signals"."price" < 'Infinity'::numeric),
	CONSTRAINT "signals_suggested_stop_loss_check" CHECK ("strategy"."signals"."suggested_stop_loss" > 0 and "strategy"."signals"."suggested_stop_loss" < 'Infinity'::numeric),
	CONSTRAINT "signals_suggested_take_profit_check" CHECK ("strategy"."signals"."suggested_take_profit" > 0 and "strategy"."signals"."suggested_take_profit" < 'Infinity'::numeric),
	CONSTRAINT "signals_suggested_quantity_check" CHECK ("strategy"."signals"."suggested_quantity" > 0 and "strategy"."signals"."suggested_quantity" < 'Infinity'::numeric),
	CONSTRAINT "signals_indicators_check" CHECK (jsonb_typeof("strategy"."signals"."indicators") = 'object'),
	CONSTRAINT "signals_market_conditions_check" CHECK (jsonb_typeof("strategy"."signals"."market_conditions") = 'object'),
	CONSTRAINT "signals_metadata_check" CHECK (jsonb_typeof("strategy"."signals"."metadata") = 'object'),
	CONSTRAINT "signals_valid_until_check" CHECK ("strategy"."signals"."valid_until" > "strategy"."signals"."emitted_at"),
	CONSTRAINT "signals_outcome_check" CHECK ("strategy"."signals"."outcome" in ('pending', 'winner', 'loser', 'breakeven', 'not_executed')),
	CONSTRAINT "signals_outcome_pnl_check" CHECK ("strategy"."signals"."outcome_pnl" > '-Infinity'::numeric and "strategy"."signals"."outcome_pnl" < 'Infinity'::numeric and ("strategy"."signals"."outcome_pnl" is null or ("strategy"."signals"."outcome" = 'winner' and "strategy"."signals"."outcome_pnl" > 0)
        or ("strategy"."signals"."outcome" = 'loser' and "strategy"."signals"."outcome_pnl" < 0) or ("strategy"."signals"."outcome" = 'breakeven' and "strategy"."signals"."outcome_pnl" = 0))),
	CONSTRAINT "signals_outcome_at_check" CHECK (("strategy"."signals"."outcome" = 'pending') = ("strategy"."signals"."outcome_at" is null))
);
--> statement-breakpoint
CREATE TABLE "strategy"."activations" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "strategy"."activations_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"activated" uuid[] DEFAULT '{}'::uuid[] NOT NULL,
	"deactivated" uuid[] DEFAULT '{}'::uuid[] NOT NULL,
	"active_count" integer NOT NULL,
	"allocated" numeric NOT NULL,
	"max_active" integer,
	"changed_by" text NOT NULL,
	"reason" text,
	"occurred_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "activations_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "activations_active_count_check" CHECK ("strategy"."activations"."active_count" >= 0),
	CONSTRAINT "activations_allocated_check" CHECK ("strategy"."activations"."allocated" between 0 and 1),
	CONSTRAINT "activations_max_active_check" CHECK ("strategy"."activations"."max_active" >= 0)
);
--> statement-breakpoint
CREATE TABLE "strategy"."allocations" (
	"id" boolean DEFAULT true NOT NULL,
	"allocated" numeric DEFAULT 0 NOT NULL,
	"active_count" integer DEFAULT 0 NOT NULL,
	"max_active" integer,
	"changed_by" text,
	"reason" text,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "allocations_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "allocations_id_check" CHECK ("strategy"."allocations"."id"),
	CONSTRAINT "allocations_allocated_check" CHECK ("strategy"."allocations"."allocated" between 0 and 1),
	CONSTRAINT "allocations_active_count_check" CHECK ("strategy"."allocations"."active_count" >= 0),
	CONSTRAINT "allocations_max_active_check" CHECK ("strategy"."allocations"."max_active" >= 0)
);
--> statement-breakpoint
CREATE TABLE "strategy"."strategies" (
	"id" uuid NOT NULL,
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"description" text,
	"parameters" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"configuration" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"allowed_symbols" text[],
	"session_windows" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"entry_conditions" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"exit_rules" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"forbidden_conditions" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"risk_caps" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"reward_to_risk" numeric,
	"max_risk_fraction" numeric,
	"status" text DEFAULT 'draft' NOT NULL,
	"allocation" numeric DEFAULT 0 NOT NULL,
	"version" bigint DEFAULT 1 NOT NULL,
	"replaces_id" uuid,
	"replaced_by_id" uuid,
	"changed_by" text NOT NULL,
	"reason" text,
	"activated_at" timestamp (3) with time zone,
	"paused_at" timestamp (3) with time zone,
	"archived_at" timestamp (3) with time zone,
	"replaced_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "strategies_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "strategies_name_key" UNIQUE("name"),
	CONSTRAINT "strategies_replaces_id_key" UNIQUE("replaces_id"),
	CONSTRAINT "strategies_replaced_by_id_key" UNIQUE("replaced_by_id"),
	CONSTRAINT "strategies_name_check" CHECK (btrim("strategy"."strategies"."name") <> '' and char_length("strategy"."strategies"."name") <= 200),
	CONSTRAINT "strategies_kind_check" CHECK (btrim("strategy"."strategies"."kind") <> ''),
	CONSTRAINT "strategies_parameters_check" CHECK (jsonb_typeof("strategy"."strategies"."parameters") = 'object'),
	CONSTRAINT "strategies_configuration_check" CHECK (jsonb_typeof("strategy"."strategies"."configuration") = 'object'),
	CONSTRAINT "strategies_metadata_check" CHECK (jsonb_typeof("strategy"."strategies"."metadata") = 'object'),
	CONSTRAINT "strategies_session_windows_check" CHECK (jsonb_typeof("strategy"."strategies"."session_windows") = 'array'),
	CONSTRAINT "strategies_entry_conditions_check" CHECK (jsonb_typeof("strategy"."strategies"."entry_conditions") = 'object'),
	CONSTRAINT "strategies_exit_rules_check" CHECK (jsonb_typeof("strategy"."strategies"."exit_rules") = 'object'),
	CONSTRAINT "strategies_forbidden_conditions_check" CHECK (jsonb_typeof("strategy"."strategies"."forbidden_conditions") = 'object'),
	CONSTRAINT "strategies_risk_caps_check" CHECK (jsonb_typeof("strategy"."strategies"."risk_caps") = 'object'),
	CONSTRAINT "strategies_reward_to_risk_check" CHECK ("strategy"."strategies"."reward_to_risk" > 0 and "strategy"."strategies"."reward_to_risk" < 'Infinity'::numeric),
	CONSTRAINT "strategies_max_risk_fraction_check" CHECK ("strategy"."strategies"."max_risk_fraction" > 0 and "strategy"."strategies"."max_risk_fraction" <= 1),
	CONSTRAINT "strategies_status_check" CHECK ("strategy"."strategies"."status" in ('draft', 'backtested', 'paper', 'active', 'paused', 'archived', 'replaced')),
	CONSTRAINT "strategies_allocation_check" CHECK ("strategy"."strategies"."allocation" between 0 and 1),
	CONSTRAINT "strategies_version_check" CHECK ("strategy"."strategies"."version" > 0),
	CONSTRAINT "strategies_changed_by_check" CHECK (btrim("strategy"."strategies"."changed_by") <> ''),
	CONSTRAINT "strategies_replaced_by_id_check" CHECK (("strategy"."strategies"."status" = 'replaced') = ("strategy"."strategies"."replaced_by_id" is not null)),
	CONSTRAINT "strategies_replaces_id_check" CHECK ("strategy"."strategies"."replaces_id" <> "strategy"."strategies"."replaced_by_id")
);
--> statement-breakpoint
CREATE TABLE "strategy"."strategy_symbols" (
	"strategy_id" uuid NOT NULL,
	"symbol" text NOT NULL,
	"weight" numeric DEFAULT 1 NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"changed_by" text NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "strategy_symbols_strategy_id_symbol_pkey" PRIMARY KEY("strategy_id","symbol"),
	CONSTRAINT "strategy_symbols_symbol_check" CHECK (btrim("strategy"."strategy_symbols"."symbol") <> '' and char_length("strategy"."strategy_symbols"."symbol") <= 200),
	CONSTRAINT "strategy_symbols_weight_check" CHECK ("strategy"."strategy_symbols"."weight" >= 0 and "strategy"."strategy_symbols"."weight" < 'Infinity'::numeric),
	CONSTRAINT "strategy_symbols_metadata_check" CHECK (jsonb_typeof("strategy"."strategy_symbols"."metadata") = 'object'),
	CONSTRAINT "strategy_symbols_changed_by_check" CHECK (btrim("strategy"."strategy_symbols"."changed_by") <> '')
);
--> statement-breakpoint
ALTER TABLE "audit"."risk_events" DROP CONSTRAINT "risk_events_kind_check";--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD COLUMN "event_id" uuid;--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD COLUMN "actual" numeric;--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD COLUMN "threshold" numeric;--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD COLUMN "action_taken" text;--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD COLUMN "resolves_id" bigint;--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD COLUMN "sequence" bigint;--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD COLUMN "previous_hash" "bytea";--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD COLUMN "hash" "bytea";--> statement-breakpoint
ALTER TABLE "analysis"."llm_analyses" ADD CONSTRAINT "llm_analyses_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "analysis"."ml_predictions" ADD CONSTRAINT "ml_predictions_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "analysis"."technical_signals" ADD CONSTRAINT "technical_signals_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "analysis"."decision_checks" ADD CONSTRAINT "decision_checks_decision_id_fkey" FOREIGN KEY ("bot_id","decision_id") REFERENCES "analysis"."decisions"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "analysis"."decision_evidence" ADD CONSTRAINT "decision_evidence_decision_id_fkey" FOREIGN KEY ("bot_id","decision_id") REFERENCES "analysis"."decisions"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "analysis"."decision_evidence" ADD CONSTRAINT "decision_evidence_technical_signal_id_fkey" FOREIGN KEY ("bot_id","technical_signal_id") REFERENCES "analysis"."technical_signals"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "analysis"."decision_evidence" ADD CONSTRAINT "decision_evidence_llm_analysis_id_fkey" FOREIGN KEY ("bot_id","llm_analysis_id") REFERENCES "analysis"."llm_analyses"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "analysis"."decision_evidence" ADD CONSTRAINT "decision_evidence_ml_prediction_id_fkey" FOREIGN KEY ("bot_id","ml_prediction_id") REFERENCES "analysis"."ml_predictions"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "analysis"."decision_evidence" ADD CONSTRAINT "decision_evidence_signal_id_fkey" FOREIGN KEY ("bot_id","signal_id") REFERENCES "strategy"."signals"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "analysis"."decisions" ADD CONSTRAINT "decisions_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "analysis"."decisions" ADD CONSTRAINT "decisions_snapshot_id_fkey" FOREIGN KEY ("bot_id","snapshot_id") REFERENCES "snapshots"."bundles"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "analysis"."decisions" ADD CONSTRAINT "decisions_strategy_id_fkey" FOREIGN KEY ("strategy_id") REFERENCES "strategy"."strategies"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "arbitrage"."flash_loans" ADD CONSTRAINT "flash_loans_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "arbitrage"."triangles" ADD CONSTRAINT "triangles_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "arbitrage"."executions" ADD CONSTRAINT "executions_opportunity_id_fkey" FOREIGN KEY ("bot_id","opportunity_id") REFERENCES "arbitrage"."opportunities"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "arbitrage"."opportunities" ADD CONSTRAINT "opportunities_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "arbitrage"."opportunities" ADD CONSTRAINT "opportunities_execution_id_fkey" FOREIGN KEY ("bot_id","execution_id") REFERENCES "arbitrage"."executions"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ideas"."auto_trading" ADD CONSTRAINT "auto_trading_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ideas"."trade_ideas" ADD CONSTRAINT "trade_ideas_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ideas"."trade_ideas" ADD CONSTRAINT "trade_ideas_strategy_id_fkey" FOREIGN KEY ("strategy_id") REFERENCES "strategy"."strategies"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ideas"."trade_ideas" ADD CONSTRAINT "trade_ideas_snapshot_id_fkey" FOREIGN KEY ("bot_id","snapshot_id") REFERENCES "snapshots"."bundles"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ideas"."trade_ideas" ADD CONSTRAINT "trade_ideas_decision_id_fkey" FOREIGN KEY ("bot_id","decision_id") REFERENCES "analysis"."decisions"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ideas"."trade_ideas" ADD CONSTRAINT "trade_ideas_order_id_fkey" FOREIGN KEY ("bot_id","order_id") REFERENCES "trading"."orders"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ideas"."trade_ideas" ADD CONSTRAINT "trade_ideas_decided_by_fkey" FOREIGN KEY ("decided_by") REFERENCES "access"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshots"."bundles" ADD CONSTRAINT "bundles_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshots"."indicators" ADD CONSTRAINT "indicators_bundle_id_fkey" FOREIGN KEY ("bot_id","bundle_id") REFERENCES "snapshots"."bundles"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshots"."market" ADD CONSTRAINT "market_bundle_id_fkey" FOREIGN KEY ("bot_id","bundle_id") REFERENCES "snapshots"."bundles"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshots"."account" ADD CONSTRAINT "account_bundle_id_fkey" FOREIGN KEY ("bot_id","bundle_id") REFERENCES "snapshots"."bundles"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshots"."calendar" ADD CONSTRAINT "calendar_bundle_id_fkey" FOREIGN KEY ("bot_id","bundle_id") REFERENCES "snapshots"."bundles"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshots"."news" ADD CONSTRAINT "news_bundle_id_fkey" FOREIGN KEY ("bot_id","bundle_id") REFERENCES "snapshots"."bundles"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "strategy"."backtest_equity" ADD CONSTRAINT "backtest_equity_backtest_id_fkey" FOREIGN KEY ("backtest_id") REFERENCES "strategy"."backtests"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "strategy"."backtest_trades" ADD CONSTRAINT "backtest_trades_backtest_id_fkey" FOREIGN KEY ("backtest_id") REFERENCES "strategy"."backtests"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "strategy"."backtests" ADD CONSTRAINT "backtests_strategy_id_fkey" FOREIGN KEY ("strategy_id") REFERENCES "strategy"."strategies"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "strategy"."reviews" ADD CONSTRAINT "reviews_strategy_id_fkey" FOREIGN KEY ("strategy_id") REFERENCES "strategy"."strategies"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "strategy"."insights" ADD CONSTRAINT "insights_strategy_id_fkey" FOREIGN KEY ("strategy_id") REFERENCES "strategy"."strategies"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "strategy"."performance" ADD CONSTRAINT "performance_strategy_id_fkey" FOREIGN KEY ("strategy_id") REFERENCES "strategy"."strategies"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "strategy"."signals" ADD CONSTRAINT "signals_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "strategy"."signals" ADD CONSTRAINT "signals_strategy_id_fkey" FOREIGN KEY ("strategy_id") REFERENCES "strategy"."strategies"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "strategy"."strategies" ADD CONSTRAINT "strategies_replaces_id_fkey" FOREIGN KEY ("replaces_id") REFERENCES "strategy"."strategies"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "strategy"."strategies" ADD CONSTRAINT "strategies_replaced_by_id_fkey" FOREIGN KEY ("replaced_by_id") REFERENCES "strategy"."strategies"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "strategy"."strategy_symbols" ADD CONSTRAINT "strategy_symbols_strategy_id_fkey" FOREIGN KEY ("strategy_id") REFERENCES "strategy"."strategies"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "users_email_key" ON "access"."users" USING btree (lower("email"));--> statement-breakpoint
CREATE INDEX "llm_analyses_symbol_idx" ON "analysis"."llm_analyses" USING btree ("bot_id","symbol","analysed_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "llm_analyses_analysed_at_idx" ON "analysis"."llm_analyses" USING btree ("bot_id","analysed_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "llm_analyses_key_id_idx" ON "analysis"."llm_analyses" USING btree ("key_id","bot_id","id") WHERE num_nonnulls(prompt, response, response_json, prompt_ciphertext, response_ciphertext, response_json_ciphertext) > 0;--> statement-breakpoint
CREATE INDEX "ml_predictions_symbol_idx" ON "analysis"."ml_predictions" USING btree ("bot_id","symbol","predicted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "ml_predictions_predicted_at_idx" ON "analysis"."ml_predictions" USING btree ("bot_id","predicted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "technical_signals_symbol_idx" ON "analysis"."technical_signals" USING btree ("bot_id","symbol","analysed_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "technical_signals_analysed_at_idx" ON "analysis"."technical_signals" USING btree ("bot_id","analysed_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "decision_evidence_llm_analysis_id_idx" ON "analysis"."decision_evidence" USING btree ("bot_id","llm_analysis_id") WHERE "analysis"."decision_evidence"."llm_analysis_id" is not null;--> statement-breakpoint
CREATE INDEX "decisions_symbol_idx" ON "analysis"."decisions" USING btree ("bot_id","symbol","decided_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "decisions_decided_at_idx" ON "analysis"."decisions" USING btree ("bot_id","decided_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "decisions_reasons_idx" ON "analysis"."decisions" USING gin ("reasons" jsonb_path_ops);--> statement-breakpoint
CREATE INDEX "flash_loans_detected_at_idx" ON "arbitrage"."flash_loans" USING btree ("bot_id","detected_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "triangles_detected_at_idx" ON "arbitrage"."triangles" USING btree ("bot_id","detected_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE UNIQUE INDEX "executions_bot_id_opportunity_id_key" ON "arbitrage"."executions" USING btree ("bot_id","opportunity_id");--> statement-breakpoint
CREATE INDEX "executions_started_at_idx" ON "arbitrage"."executions" USING btree ("bot_id","started_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "opportunities_detected_at_idx" ON "arbitrage"."opportunities" USING btree ("bot_id","detected_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "opportunities_net_profit_idx" ON "arbitrage"."opportunities" USING btree ("bot_id","currency","net_profit" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE status = 'open';--> statement-breakpoint
CREATE INDEX "opportunities_expires_at_idx" ON "arbitrage"."opportunities" USING btree ("bot_id","expires_at") WHERE status = 'open';--> statement-breakpoint
CREATE UNIQUE INDEX "decision_history_event_id_key" ON "audit"."decision_history" USING btree ("bot_id","event_id") WHERE "audit"."decision_history"."event_id" is not null;--> statement-breakpoint
CREATE INDEX "decision_history_occurred_at_idx" ON "audit"."decision_history" USING btree ("bot_id","occurred_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "decision_history_trade_idea_id_idx" ON "audit"."decision_history" USING btree ("bot_id","trade_idea_id") WHERE "audit"."decision_history"."trade_idea_id" is not null;--> statement-breakpoint
CREATE INDEX "decision_history_decision_id_idx" ON "audit"."decision_history" USING btree ("bot_id","decision_id") WHERE "audit"."decision_history"."decision_id" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "system_events_event_id_key" ON "audit"."system_events" USING btree ("bot_id","event_id") WHERE "audit"."system_events"."event_id" is not null;--> statement-breakpoint
CREATE INDEX "system_events_occurred_at_idx" ON "audit"."system_events" USING btree ("bot_id","occurred_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "system_events_severe_idx" ON "audit"."system_events" USING btree ("bot_id","occurred_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE "audit"."system_events"."severity" in ('warning', 'error', 'critical');--> statement-breakpoint
CREATE UNIQUE INDEX "trade_ideas_order_id_key" ON "ideas"."trade_ideas" USING btree ("bot_id","order_id") WHERE "ideas"."trade_ideas"."order_id" is not null;--> statement-breakpoint
CREATE INDEX "trade_ideas_decision_id_idx" ON "ideas"."trade_ideas" USING btree ("bot_id","decision_id") WHERE "ideas"."trade_ideas"."decision_id" is not null;--> statement-breakpoint
CREATE INDEX "trade_ideas_status_idx" ON "ideas"."trade_ideas" USING btree ("bot_id","status","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "trade_ideas_created_at_idx" ON "ideas"."trade_ideas" USING btree ("bot_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "bundles_captured_at_idx" ON "snapshots"."bundles" USING btree ("bot_id","captured_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE UNIQUE INDEX "backtests_strategy_id_external_id_key" ON "strategy"."backtests" USING btree ("strategy_id","external_id") WHERE "strategy"."backtests"."external_id" is not null;--> statement-breakpoint
CREATE INDEX "backtests_strategy_id_ran_at_id_idx" ON "strategy"."backtests" USING btree ("strategy_id","ran_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "reviews_requested_at_id_idx" ON "strategy"."reviews" USING btree ("requested_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "reviews_strategy_id_requested_at_id_idx" ON "strategy"."reviews" USING btree ("strategy_id","requested_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "insights_learned_at_id_idx" ON "strategy"."insights" USING btree ("learned_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "performance_strategy_id_run_at_id_idx" ON "strategy"."performance" USING btree ("strategy_id","run_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "signals_bot_id_emitted_at_id_idx" ON "strategy"."signals" USING btree ("bot_id","emitted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "signals_bot_id_symbol_emitted_at_id_idx" ON "strategy"."signals" USING btree ("bot_id","symbol","emitted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "signals_bot_id_strategy_id_emitted_at_id_idx" ON "strategy"."signals" USING btree ("bot_id","strategy_id","emitted_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE "strategy"."signals"."strategy_id" is not null;--> statement-breakpoint
ALTER TABLE "trading"."orders" ADD CONSTRAINT "orders_decision_id_fkey" FOREIGN KEY ("bot_id","decision_id") REFERENCES "analysis"."decisions"("bot_id","id") ON DELETE no action ON UPDATE no action NOT VALID;--> statement-breakpoint
CREATE UNIQUE INDEX "risk_events_event_id_key" ON "audit"."risk_events" USING btree ("bot_id","event_id") WHERE "audit"."risk_events"."event_id" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "risk_events_resolves_id_key" ON "audit"."risk_events" USING btree ("bot_id","resolves_id") WHERE "audit"."risk_events"."resolves_id" is not null;--> statement-breakpoint
CREATE INDEX "risk_events_breach_idx" ON "audit"."risk_events" USING btree ("bot_id","occurred_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE "audit"."risk_events"."kind" in ('daily_loss_limit', 'weekly_loss_limit', 'max_drawdown', 'position_limit', 'leverage_limit', 'exposure_limit', 'concentration_limit');--> statement-breakpoint
CREATE INDEX "orders_decision_id_idx" ON "trading"."orders" USING btree ("bot_id","decision_id") WHERE "trading"."orders"."decision_id" is not null;--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD CONSTRAINT "risk_events_sequence_key" UNIQUE("bot_id","kind","sequence");--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD CONSTRAINT "risk_events_actual_check" CHECK ("audit"."risk_events"."actual" > '-Infinity'::numeric and "audit"."risk_events"."actual" < 'Infinity'::numeric);--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD CONSTRAINT "risk_events_threshold_check" CHECK ("audit"."risk_events"."threshold" > '-Infinity'::numeric and "audit"."risk_events"."threshold" < 'Infinity'::numeric);--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD CONSTRAINT "risk_events_resolves_id_kind_check" CHECK (("audit"."risk_events"."kind" = 'resolved') = ("audit"."risk_events"."resolves_id" is not null));--> statement-breakpoint
ALTER TABLE "audit"."risk_events" ADD CONSTRAINT "risk_events_kind_check" CHECK ("audit"."risk_events"."kind" in ('settings_changed', 'kill_switch_changed', 'circuit_breaker_changed', 'lock_changed', 'stop_order_changed', 'alert_changed', 'bot_status_changed', 'order_denied', 'daily_loss_limit', 'weekly_loss_limit', 'max_drawdown', 'position_limit', 'leverage_limit', 'exposure_limit', 'concentration_limit', 'resolved'));