CREATE SCHEMA "market";
--> statement-breakpoint
CREATE SCHEMA "fleet";
--> statement-breakpoint
CREATE SCHEMA "trading";
--> statement-breakpoint
CREATE TABLE "market"."instruments" (
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"kind" text NOT NULL,
	"base_currency" text NOT NULL,
	"quote_currency" text NOT NULL,
	"settle_currency" text NOT NULL,
	"contract_size" numeric DEFAULT 1 NOT NULL,
	"tick_size" numeric,
	"lot_size" numeric,
	"minimum_quantity" numeric,
	"minimum_notional" numeric,
	"status" text DEFAULT 'active' NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "instruments_exchange_symbol_pkey" PRIMARY KEY("exchange","symbol"),
	CONSTRAINT "instruments_exchange_check" CHECK (btrim("market"."instruments"."exchange") <> '' and char_length("market"."instruments"."exchange") <= 200),
	CONSTRAINT "instruments_symbol_check" CHECK (btrim("market"."instruments"."symbol") <> '' and char_length("market"."instruments"."symbol") <= 200),
	CONSTRAINT "instruments_kind_check" CHECK ("market"."instruments"."kind" in ('spot', 'linear', 'inverse')),
	CONSTRAINT "instruments_base_currency_check" CHECK (btrim("market"."instruments"."base_currency") <> ''),
	CONSTRAINT "instruments_quote_currency_check" CHECK (btrim("market"."instruments"."quote_currency") <> '' and "market"."instruments"."quote_currency" <> "market"."instruments"."base_currency"),
	CONSTRAINT "instruments_settle_currency_check" CHECK ("market"."instruments"."settle_currency" = case when "market"."instruments"."kind" = 'inverse' then "market"."instruments"."base_currency" else "market"."instruments"."quote_currency" end),
	CONSTRAINT "instruments_contract_size_check" CHECK ("market"."instruments"."contract_size" > 0 and "market"."instruments"."contract_size" < 'Infinity'::numeric and ("market"."instruments"."kind" <> 'spot' or "market"."instruments"."contract_size" = 1)),
	CONSTRAINT "instruments_tick_size_check" CHECK ("market"."instruments"."tick_size" > 0 and "market"."instruments"."tick_size" < 'Infinity'::numeric),
	CONSTRAINT "instruments_lot_size_check" CHECK ("market"."instruments"."lot_size" > 0 and "market"."instruments"."lot_size" < 'Infinity'::numeric),
	CONSTRAINT "instruments_minimum_quantity_check" CHECK ("market"."instruments"."minimum_quantity" >= 0 and "market"."instruments"."minimum_quantity" < 'Infinity'::numeric),
	CONSTRAINT "instruments_minimum_notional_check" CHECK ("market"."instruments"."minimum_notional" >= 0 and "market"."instruments"."minimum_notional" < 'Infinity'::numeric),
	CONSTRAINT "instruments_status_check" CHECK ("market"."instruments"."status" in ('active', 'suspended', 'delisted'))
);
--> statement-breakpoint
CREATE TABLE "fleet"."bot_configurations" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"key" text NOT NULL,
	"version" bigint NOT NULL,
	"value" jsonb NOT NULL,
	"changed_by" text NOT NULL,
	"active" boolean DEFAULT true NOT NULL,
	"effective_from" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"effective_to" timestamp (3) with time zone,
	CONSTRAINT "bot_configurations_bot_id_id_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "bot_configurations_bot_id_key_version_key" UNIQUE("bot_id","key","version"),
	CONSTRAINT "bot_configurations_key_check" CHECK (btrim("fleet"."bot_configurations"."key") <> '' and char_length("fleet"."bot_configurations"."key") <= 200),
	CONSTRAINT "bot_configurations_version_check" CHECK ("fleet"."bot_configurations"."version" > 0),
	CONSTRAINT "bot_configurations_changed_by_check" CHECK (btrim("fleet"."bot_configurations"."changed_by") <> ''),
	CONSTRAINT "bot_configurations_active_check" CHECK ("fleet"."bot_configurations"."active" = ("fleet"."bot_configurations"."effective_to" is null)),
	CONSTRAINT "bot_configurations_effective_to_check" CHECK ("fleet"."bot_configurations"."effective_to" >= "fleet"."bot_configurations"."effective_from")
);
--> statement-breakpoint
CREATE TABLE "fleet"."bots" (
	"bot_id" text NOT NULL,
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"strategy" text NOT NULL,
	"exchange" text NOT NULL,
	"account" text DEFAULT 'main' NOT NULL,
	"mode" text NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"status_reason" text,
	"base_currency" text NOT NULL,
	"initial_equity" numeric NOT NULL,
	"current_equity" numeric,
	"cost_basis_method" text DEFAULT 'average' NOT NULL,
	"time_zone" text DEFAULT 'UTC' NOT NULL,
	"heartbeat_tolerance_ms" integer DEFAULT 60000 NOT NULL,
	"database_role" text,
	"last_heartbeat_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "bots_bot_id_pkey" PRIMARY KEY("bot_id"),
	CONSTRAINT "bots_bot_id_check" CHECK ("fleet"."bots"."bot_id" ~ '^[A-Za-z0-9_.:-]{1,63}$'),
	CONSTRAINT "bots_name_check" CHECK (btrim("fleet"."bots"."name") <> ''),
	CONSTRAINT "bots_kind_check" CHECK (btrim("fleet"."bots"."kind") <> ''),
	CONSTRAINT "bots_strategy_check" CHECK (btrim("fleet"."bots"."strategy") <> ''),
	CONSTRAINT "bots_exchange_check" CHECK (btrim("fleet"."bots"."exchange") <> ''),
	CONSTRAINT "bots_account_check" CHECK (btrim("fleet"."bots"."account") <> ''),
	CONSTRAINT "bots_mode_check" CHECK ("fleet"."bots"."mode" in ('live', 'paper', 'backtest')),
	CONSTRAINT "bots_status_check" CHECK ("fleet"."bots"."status" in ('active', 'paused', 'stopped', 'error')),
	CONSTRAINT "bots_base_currency_check" CHECK (btrim("fleet"."bots"."base_currency") <> ''),
	CONSTRAINT "bots_initial_equity_check" CHECK ("fleet"."bots"."initial_equity" >= 0 and "fleet"."bots"."initial_equity" < 'Infinity'::numeric),
	CONSTRAINT "bots_current_equity_check" CHECK ("fleet"."bots"."current_equity" > '-Infinity'::numeric and "fleet"."bots"."current_equity" < 'Infinity'::numeric),
	CONSTRAINT "bots_cost_basis_method_check" CHECK ("fleet"."bots"."cost_basis_method" in ('average', 'fifo', 'lifo')),
	CONSTRAINT "bots_time_zone_check" CHECK ("fleet"."bots"."time_zone" ~ '^[A-Za-z][A-Za-z0-9_+/-]*$'),
	CONSTRAINT "bots_heartbeat_tolerance_ms_check" CHECK ("fleet"."bots"."heartbeat_tolerance_ms" > 0),
	CONSTRAINT "bots_database_role_check" CHECK (btrim("fleet"."bots"."database_role") <> '')
);
--> statement-breakpoint
CREATE TABLE "fleet"."notes" (
	"bot_id" text NOT NULL,
	"key" text NOT NULL,
	"value" jsonb NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "notes_bot_id_key_pkey" PRIMARY KEY("bot_id","key"),
	CONSTRAINT "notes_key_check" CHECK (btrim("fleet"."notes"."key") <> '' and char_length("fleet"."notes"."key") <= 200)
);
--> statement-breakpoint
CREATE TABLE "fleet"."settings" (
	"key" text NOT NULL,
	"value" jsonb NOT NULL,
	"version" bigint DEFAULT 1 NOT NULL,
	"changed_by" text NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "settings_key_pkey" PRIMARY KEY("key"),
	CONSTRAINT "settings_key_check" CHECK (btrim("fleet"."settings"."key") <> '' and char_length("fleet"."settings"."key") <= 200),
	CONSTRAINT "settings_version_check" CHECK ("fleet"."settings"."version" > 0),
	CONSTRAINT "settings_changed_by_check" CHECK (btrim("fleet"."settings"."changed_by") <> '')
);
--> statement-breakpoint
CREATE TABLE "trading"."balances" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"exchange" text NOT NULL,
	"currency" text NOT NULL,
	"kind" text NOT NULL,
	"total" numeric NOT NULL,
	"available" numeric,
	"margin_used" numeric,
	"unrealised_pnl" numeric,
	"equity" numeric,
	"margin_level" numeric,
	"taken_at" timestamp (3) with time zone NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "balances_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "balances_taken_at_key" UNIQUE("bot_id","exchange","currency","taken_at","kind"),
	CONSTRAINT "balances_exchange_check" CHECK (btrim("trading"."balances"."exchange") <> ''),
	CONSTRAINT "balances_currency_check" CHECK (btrim("trading"."balances"."currency") <> ''),
	CONSTRAINT "balances_kind_check" CHECK ("trading"."balances"."kind" in ('periodic', 'trade_open', 'trade_close', 'deposit', 'withdrawal', 'manual', 'initial')),
	CONSTRAINT "balances_total_check" CHECK ("trading"."balances"."total" > '-Infinity'::numeric and "trading"."balances"."total" < 'Infinity'::numeric),
	CONSTRAINT "balances_available_check" CHECK ("trading"."balances"."available" > '-Infinity'::numeric and "trading"."balances"."available" < 'Infinity'::numeric),
	CONSTRAINT "balances_margin_used_check" CHECK ("trading"."balances"."margin_used" > '-Infinity'::numeric and "trading"."balances"."margin_used" < 'Infinity'::numeric),
	CONSTRAINT "balances_unrealised_pnl_check" CHECK ("trading"."balances"."unrealised_pnl" > '-Infinity'::numeric and "trading"."balances"."unrealised_pnl" < 'Infinity'::numeric),
	CONSTRAINT "balances_equity_check" CHECK ("trading"."balances"."equity" > '-Infinity'::numeric and "trading"."balances"."equity" < 'Infinity'::numeric),
	CONSTRAINT "balances_margin_level_check" CHECK ("trading"."balances"."margin_level" > '-Infinity'::numeric and "trading"."balances"."margin_level" < 'Infinity'::numeric)
);
--> statement-breakpoint
CREATE TABLE "trading"."cash_flow_conflicts" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"cash_flow_id" uuid NOT NULL,
	"differs" text NOT NULL,
	"report" jsonb NOT NULL,
	"report_hash" text NOT NULL,
	"reported_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "cash_flow_conflicts_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "cash_flow_conflicts_report_hash_key" UNIQUE("bot_id","cash_flow_id","report_hash"),
	CONSTRAINT "cash_flow_conflicts_report_check" CHECK (jsonb_typeof("trading"."cash_flow_conflicts"."report") = 'object')
);
--> statement-breakpoint
CREATE TABLE "trading"."cash_flows" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"exchange" text NOT NULL,
	"kind" text NOT NULL,
	"symbol" text DEFAULT '' NOT NULL,
	"position_side" text NOT NULL,
	"currency" text NOT NULL,
	"exchange_flow_id" text NOT NULL,
	"amount" numeric NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"position_id" uuid,
	"note" text,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "cash_flows_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "cash_flows_exchange_flow_id_key" UNIQUE("bot_id","exchange","kind","symbol","position_side","currency","exchange_flow_id"),
	CONSTRAINT "cash_flows_exchange_check" CHECK (btrim("trading"."cash_flows"."exchange") <> ''),
	CONSTRAINT "cash_flows_exchange_flow_id_check" CHECK (btrim("trading"."cash_flows"."exchange_flow_id") <> ''),
	CONSTRAINT "cash_flows_kind_check" CHECK ("trading"."cash_flows"."kind" in ('funding', 'interest', 'deposit', 'withdrawal', 'transfer', 'rebate', 'fee', 'adjustment')),
	CONSTRAINT "cash_flows_position_side_check" CHECK ("trading"."cash_flows"."position_side" in ('net', 'long', 'short')),
	CONSTRAINT "cash_flows_currency_check" CHECK (btrim("trading"."cash_flows"."currency") <> ''),
	CONSTRAINT "cash_flows_amount_check" CHECK ("trading"."cash_flows"."amount" > '-Infinity'::numeric and "trading"."cash_flows"."amount" < 'Infinity'::numeric),
	CONSTRAINT "cash_flows_symbol_check" CHECK ("trading"."cash_flows"."kind" <> 'funding' or "trading"."cash_flows"."symbol" <> '')
);
--> statement-breakpoint
CREATE TABLE "trading"."fill_conflicts" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"fill_id" uuid NOT NULL,
	"differs" text NOT NULL,
	"report" jsonb NOT NULL,
	"report_hash" text NOT NULL,
	"reported_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "fill_conflicts_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "fill_conflicts_report_hash_key" UNIQUE("bot_id","fill_id","report_hash"),
	CONSTRAINT "fill_conflicts_report_check" CHECK (jsonb_typeof("trading"."fill_conflicts"."report") = 'object')
);
--> statement-breakpoint
CREATE TABLE "trading"."fills" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"order_id" uuid,
	"exchange_order_id" text,
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"side" text NOT NULL,
	"exchange_trade_id" text NOT NULL,
	"position_side" text NOT NULL,
	"kind" text NOT NULL,
	"liquidity" text,
	"price" numeric NOT NULL,
	"quantity" numeric NOT NULL,
	"fee" numeric NOT NULL,
	"fee_currency" text NOT NULL,
	"fee_in_settlement" numeric,
	"exchange_pnl" numeric,
	"exchange_start_position" numeric,
	"executed_at" timestamp (3) with time zone NOT NULL,
	"sequence" bigint NOT NULL,
	"realised_gross" numeric NOT NULL,
	"excess_quantity" numeric NOT NULL,
	"position_id" uuid,
	"opened_position_id" uuid,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "fills_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "fills_exchange_trade_id_key" UNIQUE("bot_id","exchange","symbol","exchange_trade_id","side"),
	CONSTRAINT "fills_exchange_check" CHECK (btrim("trading"."fills"."exchange") <> ''),
	CONSTRAINT "fills_symbol_check" CHECK (btrim("trading"."fills"."symbol") <> ''),
	CONSTRAINT "fills_exchange_trade_id_check" CHECK (btrim("trading"."fills"."exchange_trade_id") <> ''),
	CONSTRAINT "fills_side_check" CHECK ("trading"."fills"."side" in ('buy', 'sell')),
	CONSTRAINT "fills_position_side_check" CHECK ("trading"."fills"."position_side" in ('net', 'long', 'short')),
	CONSTRAINT "fills_kind_check" CHECK ("trading"."fills"."kind" in ('trade', 'liquidation', 'adl', 'dust', 'adjustment')),
	CONSTRAINT "fills_liquidity_check" CHECK ("trading"."fills"."liquidity" in ('maker', 'taker')),
	CONSTRAINT "fills_price_check" CHECK ("trading"."fills"."price" > 0 and "trading"."fills"."price" < 'Infinity'::numeric),
	CONSTRAINT "fills_quantity_check" CHECK ("trading"."fills"."quantity" > 0 and "trading"."fills"."quantity" < 'Infinity'::numeric),
	CONSTRAINT "fills_fee_check" CHECK ("trading"."fills"."fee" > '-Infinity'::numeric and "trading"."fills"."fee" < 'Infinity'::numeric),
	CONSTRAINT "fills_fee_in_settlement_check" CHECK ("trading"."fills"."fee_in_settlement" > '-Infinity'::numeric and "trading"."fills"."fee_in_settlement" < 'Infinity'::numeric),
	CONSTRAINT "fills_realised_gross_check" CHECK ("trading"."fills"."realised_gross" > '-Infinity'::numeric and "trading"."fills"."realised_gross" < 'Infinity'::numeric),
	CONSTRAINT "fills_excess_quantity_check" CHECK ("trading"."fills"."excess_quantity" >= 0 and "trading"."fills"."excess_quantity" < 'Infinity'::numeric)
);
--> statement-breakpoint
CREATE TABLE "trading"."order_events" (
	"bot_id" text NOT NULL,
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "trading"."order_events_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"order_id" uuid NOT NULL,
	"from_status" text,
	"to_status" text NOT NULL,
	"reason" text,
	"occurred_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "order_events_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "order_events_to_status_check" CHECK ("trading"."order_events"."to_status" in ('pending', 'submitted', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired'))
);
--> statement-breakpoint
CREATE TABLE "trading"."orders" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"parent_id" uuid,
	"position_id" uuid,
	"decision_id" uuid,
	"client_order_id" text NOT NULL,
	"exchange" text NOT NULL,
	"exchange_order_id" text,
	"symbol" text NOT NULL,
	"side" text NOT NULL,
	"position_side" text DEFAULT 'net' NOT NULL,
	"type" text NOT NULL,
	"time_in_force" text,
	"quantity" numeric NOT NULL,
	"limit_price" numeric,
	"stop_price" numeric,
	"trailing_distance" numeric,
	"reduce_only" boolean DEFAULT false NOT NULL,
	"post_only" boolean DEFAULT false NOT NULL,
	"purpose" text,
	"status" text DEFAULT 'pending' NOT NULL,
	"filled_quantity" numeric DEFAULT 0 NOT NULL,
	"filled_cost" numeric DEFAULT 0 NOT NULL,
	"fee" numeric DEFAULT 0 NOT NULL,
	"retries" integer DEFAULT 0 NOT NULL,
	"last_error" text,
	"submitted_at" timestamp (3) with time zone,
	"closed_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "orders_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "orders_client_order_id_key" UNIQUE("bot_id","client_order_id"),
	CONSTRAINT "orders_exchange_order_id_key" UNIQUE("bot_id","exchange","symbol","exchange_order_id"),
	CONSTRAINT "orders_client_order_id_check" CHECK (btrim("trading"."orders"."client_order_id") <> ''),
	CONSTRAINT "orders_exchange_check" CHECK (btrim("trading"."orders"."exchange") <> ''),
	CONSTRAINT "orders_symbol_check" CHECK (btrim("trading"."orders"."symbol") <> ''),
	CONSTRAINT "orders_side_check" CHECK ("trading"."orders"."side" in ('buy', 'sell')),
	CONSTRAINT "orders_position_side_check" CHECK ("trading"."orders"."position_side" in ('net', 'long', 'short')),
	CONSTRAINT "orders_type_check" CHECK ("trading"."orders"."type" in ('market', 'limit', 'stop_market', 'stop_limit', 'take_profit_market', 'take_profit_limit', 'trailing_stop')),
	CONSTRAINT "orders_time_in_force_check" CHECK ("trading"."orders"."time_in_force" in ('gtc', 'ioc', 'fok', 'gtd', 'day')),
	CONSTRAINT "orders_purpose_check" CHECK ("trading"."orders"."purpose" in ('entry', 'exit', 'stop_loss', 'take_profit', 'scale_in', 'scale_out')),
	CONSTRAINT "orders_status_check" CHECK ("trading"."orders"."status" in ('pending', 'submitted', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired')),
	CONSTRAINT "orders_quantity_check" CHECK ("trading"."orders"."quantity" > 0 and "trading"."orders"."quantity" < 'Infinity'::numeric),
	CONSTRAINT "orders_limit_price_check" CHECK ("trading"."orders"."limit_price" > '-Infinity'::numeric and "trading"."orders"."limit_price" < 'Infinity'::numeric),
	CONSTRAINT "orders_stop_price_check" CHECK ("trading"."orders"."stop_price" > '-Infinity'::numeric and "trading"."orders"."stop_price" < 'Infinity'::numeric),
	CONSTRAINT "orders_trailing_distance_check" CHECK ("trading"."orders"."trailing_distance" > 0 and "trading"."orders"."trailing_distance" < 'Infinity'::numeric),
	CONSTRAINT "orders_filled_quantity_check" CHECK ("trading"."orders"."filled_quantity" >= 0 and "trading"."orders"."filled_quantity" < 'Infinity'::numeric),
	CONSTRAINT "orders_filled_cost_check" CHECK ("trading"."orders"."filled_cost" > '-Infinity'::numeric and "trading"."orders"."filled_cost" < 'Infinity'::numeric),
	CONSTRAINT "orders_fee_check" CHECK ("trading"."orders"."fee" > '-Infinity'::numeric and "trading"."orders"."fee" < 'Infinity'::numeric),
	CONSTRAINT "orders_retries_check" CHECK ("trading"."orders"."retries" >= 0)
);
--> statement-breakpoint
CREATE TABLE "trading"."ledger_heads" (
	"bot_id" text NOT NULL,
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"position_side" text NOT NULL,
	"version" bigint NOT NULL,
	"last_executed_at" timestamp (3) with time zone,
	"last_sequence" bigint,
	"last_exchange_trade_id" text,
	"last_side" text,
	"last_funding_at" timestamp (3) with time zone,
	CONSTRAINT "ledger_heads_pkey" PRIMARY KEY("bot_id","exchange","symbol","position_side"),
	CONSTRAINT "ledger_heads_position_side_check" CHECK ("trading"."ledger_heads"."position_side" in ('net', 'long', 'short'))
);
--> statement-breakpoint
CREATE TABLE "trading"."position_lots" (
	"bot_id" text NOT NULL,
	"position_id" uuid NOT NULL,
	"ordinal" integer NOT NULL,
	"price" numeric NOT NULL,
	"original_quantity" numeric NOT NULL,
	"original_cost" numeric NOT NULL,
	"quantity" numeric NOT NULL,
	"cost" numeric NOT NULL,
	"opened_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "position_lots_pkey" PRIMARY KEY("bot_id","position_id","ordinal"),
	CONSTRAINT "position_lots_quantity_check" CHECK ("trading"."position_lots"."quantity" > 0 and "trading"."position_lots"."quantity" <= "trading"."position_lots"."original_quantity"),
	CONSTRAINT "position_lots_cost_check" CHECK ("trading"."position_lots"."cost" > '-Infinity'::numeric and "trading"."position_lots"."cost" < 'Infinity'::numeric)
);
--> statement-breakpoint
CREATE TABLE "trading"."positions" (
	"bot_id" text NOT NULL,
	"id" uuid NOT NULL,
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"position_side" text NOT NULL,
	"trade_id" text NOT NULL,
	"direction" text NOT NULL,
	"status" text NOT NULL,
	"instrument_kind" text NOT NULL,
	"contract_size" numeric NOT NULL,
	"settle_currency" text NOT NULL,
	"quantity" numeric NOT NULL,
	"cost" numeric NOT NULL,
	"peak_quantity" numeric NOT NULL,
	"entry_quantity" numeric NOT NULL,
	"entry_cost" numeric NOT NULL,
	"exit_quantity" numeric NOT NULL,
	"exit_value" numeric NOT NULL,
	"realised_gross" numeric NOT NULL,
	"fees" numeric NOT NULL,
	"unvalued_fees" jsonb NOT NULL,
	"funding" numeric NOT NULL,
	"net_pnl" numeric GENERATED ALWAYS AS (case when unvalued_fees = '{}'::jsonb then realised_gross - fees + funding end) STORED,
	"fill_count" integer NOT NULL,
	"lot_count" integer NOT NULL,
	"average_price" numeric GENERATED ALWAYS AS (case when quantity > 0 then case instrument_kind when 'inverse' then round((quantity * contract_size) * 1.000000000000000000000000000000000000000000000000000000000000 / nullif(cost, 0), 40) else round((cost) * 1.000000000000000000000000000000000000000000000000000000000000 / nullif(quantity * contract_size, 0), 40) end end) STORED,
	"mark_price" numeric,
	"marked_at" timestamp (3) with time zone,
	"unrealised_pnl" numeric GENERATED ALWAYS AS (case when mark_price > 0 then (case direction when 'long' then 1 else -1 end) * case instrument_kind when 'inverse' then cost - round((quantity * contract_size) * 1.000000000000000000000000000000000000000000000000000000000000 / nullif(mark_price, 0), 40) else mark_price * quantity * contract_size - cost end end) STORED,
	"max_adverse_excursion" numeric,
	"max_favourable_excursion" numeric,
	"leverage" numeric,
	"margin" numeric,
	"liquidation_price" numeric,
	"stop_loss" numeric,
	"take_profit" numeric,
	"trailing_distance" numeric,
	"trailing_best_price" numeric,
	"trailing_stop" numeric,
	"signal_score" double precision,
	"technical_score" double precision,
	"llm_score" double precision,
	"model_score" double precision,
	"strategy_parameters" jsonb,
	"exit_reason" text,
	"opened_at" timestamp (3) with time zone NOT NULL,
	"closed_at" timestamp (3) with time zone,
	"version" bigint NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "positions_pkey" PRIMARY KEY("bot_id","id"),
	CONSTRAINT "positions_trade_id_key" UNIQUE("bot_id","trade_id"),
	CONSTRAINT "positions_position_side_check" CHECK ("trading"."positions"."position_side" in ('net', 'long', 'short')),
	CONSTRAINT "positions_direction_check" CHECK ("trading"."positions"."direction" in ('long', 'short')),
	CONSTRAINT "positions_status_check" CHECK ("trading"."positions"."status" in ('open', 'closed', 'liquidated')),
	CONSTRAINT "positions_instrument_kind_check" CHECK ("trading"."positions"."instrument_kind" in ('spot', 'linear', 'inverse')),
	CONSTRAINT "positions_contract_size_check" CHECK ("trading"."positions"."contract_size" > 0 and "trading"."positions"."contract_size" < 'Infinity'::numeric),
	CONSTRAINT "positions_quantity_check" CHECK ("trading"."positions"."quantity" >= 0 and "trading"."positions"."quantity" < 'Infinity'::numeric),
	CONSTRAINT "positions_cost_check" CHECK ("trading"."positions"."cost" > '-Infinity'::numeric and "trading"."positions"."cost" < 'Infinity'::numeric),
	CONSTRAINT "positions_peak_quantity_check" CHECK ("trading"."positions"."peak_quantity" > 0 and "trading"."positions"."peak_quantity" < 'Infinity'::numeric),
	CONSTRAINT "positions_realised_gross_check" CHECK ("trading"."positions"."realised_gross" > '-Infinity'::numeric and "trading"."positions"."realised_gross" < 'Infinity'::numeric),
	CONSTRAINT "positions_fees_check" CHECK ("trading"."positions"."fees" > '-Infinity'::numeric and "trading"."positions"."fees" < 'Infinity'::numeric),
	CONSTRAINT "positions_funding_check" CHECK ("trading"."positions"."funding" > '-Infinity'::numeric and "trading"."positions"."funding" < 'Infinity'::numeric),
	CONSTRAINT "positions_unvalued_fees_check" CHECK (jsonb_typeof("trading"."positions"."unvalued_fees") = 'object'),
	CONSTRAINT "positions_strategy_parameters_check" CHECK (jsonb_typeof("trading"."positions"."strategy_parameters") = 'object'),
	CONSTRAINT "positions_mark_price_check" CHECK ("trading"."positions"."mark_price" > 0 and "trading"."positions"."mark_price" < 'Infinity'::numeric),
	CONSTRAINT "positions_leverage_check" CHECK ("trading"."positions"."leverage" > 0 and "trading"."positions"."leverage" < 'Infinity'::numeric),
	CONSTRAINT "positions_margin_check" CHECK ("trading"."positions"."margin" >= 0 and "trading"."positions"."margin" < 'Infinity'::numeric),
	CONSTRAINT "positions_liquidation_price_check" CHECK ("trading"."positions"."liquidation_price" >= 0 and "trading"."positions"."liquidation_price" < 'Infinity'::numeric),
	CONSTRAINT "positions_stop_loss_check" CHECK ("trading"."positions"."stop_loss" > 0 and "trading"."positions"."stop_loss" < 'Infinity'::numeric),
	CONSTRAINT "positions_take_profit_check" CHECK ("trading"."positions"."take_profit" > 0 and "trading"."positions"."take_profit" < 'Infinity'::numeric),
	CONSTRAINT "positions_trailing_distance_check" CHECK ("trading"."positions"."trailing_distance" > 0 and "trading"."positions"."trailing_distance" < 'Infinity'::numeric),
	CONSTRAINT "positions_closed_at_check" CHECK (("trading"."positions"."status" = 'open') = ("trading"."positions"."closed_at" is null) and ("trading"."positions"."status" = 'open') = ("trading"."positions"."quantity" > 0))
);
--> statement-breakpoint
ALTER TABLE "fleet"."bot_configurations" ADD CONSTRAINT "bot_configurations_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "fleet"."notes" ADD CONSTRAINT "notes_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."balances" ADD CONSTRAINT "balances_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."cash_flow_conflicts" ADD CONSTRAINT "cash_flow_conflicts_cash_flow_id_fkey" FOREIGN KEY ("bot_id","cash_flow_id") REFERENCES "trading"."cash_flows"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."cash_flows" ADD CONSTRAINT "cash_flows_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."cash_flows" ADD CONSTRAINT "cash_flows_position_id_fkey" FOREIGN KEY ("bot_id","position_id") REFERENCES "trading"."positions"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."fill_conflicts" ADD CONSTRAINT "fill_conflicts_fill_id_fkey" FOREIGN KEY ("bot_id","fill_id") REFERENCES "trading"."fills"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."fills" ADD CONSTRAINT "fills_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."fills" ADD CONSTRAINT "fills_order_id_fkey" FOREIGN KEY ("bot_id","order_id") REFERENCES "trading"."orders"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."fills" ADD CONSTRAINT "fills_position_id_fkey" FOREIGN KEY ("bot_id","position_id") REFERENCES "trading"."positions"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."fills" ADD CONSTRAINT "fills_opened_position_id_fkey" FOREIGN KEY ("bot_id","opened_position_id") REFERENCES "trading"."positions"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."order_events" ADD CONSTRAINT "order_events_order_id_fkey" FOREIGN KEY ("bot_id","order_id") REFERENCES "trading"."orders"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."orders" ADD CONSTRAINT "orders_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."orders" ADD CONSTRAINT "orders_parent_id_fkey" FOREIGN KEY ("bot_id","parent_id") REFERENCES "trading"."orders"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."orders" ADD CONSTRAINT "orders_position_id_fkey" FOREIGN KEY ("bot_id","position_id") REFERENCES "trading"."positions"("bot_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."ledger_heads" ADD CONSTRAINT "ledger_heads_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."position_lots" ADD CONSTRAINT "position_lots_position_id_fkey" FOREIGN KEY ("bot_id","position_id") REFERENCES "trading"."positions"("bot_id","id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "trading"."positions" ADD CONSTRAINT "positions_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "bot_configurations_bot_id_key_active_key" ON "fleet"."bot_configurations" USING btree ("bot_id","key") WHERE "fleet"."bot_configurations"."active";--> statement-breakpoint
CREATE INDEX "balances_taken_at_idx" ON "trading"."balances" USING btree ("bot_id","taken_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "cash_flow_conflicts_reported_at_idx" ON "trading"."cash_flow_conflicts" USING btree ("bot_id","reported_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "cash_flows_funding_idx" ON "trading"."cash_flows" USING btree ("bot_id","exchange","symbol","position_side","occurred_at") WHERE "trading"."cash_flows"."kind" = 'funding';--> statement-breakpoint
CREATE INDEX "cash_flows_occurred_at_idx" ON "trading"."cash_flows" USING btree ("bot_id","occurred_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "fill_conflicts_reported_at_idx" ON "trading"."fill_conflicts" USING btree ("bot_id","reported_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "fills_ledger_idx" ON "trading"."fills" USING btree ("bot_id","exchange","symbol","position_side","executed_at");--> statement-breakpoint
CREATE INDEX "fills_executed_at_idx" ON "trading"."fills" USING btree ("bot_id","executed_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "fills_order_id_idx" ON "trading"."fills" USING btree ("bot_id","order_id");--> statement-breakpoint
CREATE INDEX "fills_unlinked_idx" ON "trading"."fills" USING btree ("bot_id","exchange","exchange_order_id") WHERE "trading"."fills"."order_id" is null;--> statement-breakpoint
CREATE INDEX "order_events_order_id_idx" ON "trading"."order_events" USING btree ("bot_id","order_id","id");--> statement-breakpoint
CREATE INDEX "orders_open_idx" ON "trading"."orders" USING btree ("bot_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE "trading"."orders"."status" in ('pending', 'submitted', 'partially_filled');--> statement-breakpoint
CREATE INDEX "orders_created_at_idx" ON "trading"."orders" USING btree ("bot_id","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "orders_position_id_idx" ON "trading"."orders" USING btree ("bot_id","position_id") WHERE "trading"."orders"."position_id" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "positions_open_key" ON "trading"."positions" USING btree ("bot_id","exchange","symbol","position_side") WHERE "trading"."positions"."status" = 'open';--> statement-breakpoint
CREATE INDEX "positions_ledger_idx" ON "trading"."positions" USING btree ("bot_id","exchange","symbol","position_side","opened_at");--> statement-breakpoint
CREATE INDEX "positions_opened_at_idx" ON "trading"."positions" USING btree ("bot_id","opened_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "positions_closed_at_idx" ON "trading"."positions" USING btree ("bot_id","closed_at" DESC NULLS FIRST,"id" DESC NULLS FIRST) WHERE "trading"."positions"."closed_at" is not null;--> statement-breakpoint
CREATE INDEX "positions_recent_idx" ON "trading"."positions" USING btree ("closed_at" DESC NULLS FIRST) WHERE "trading"."positions"."closed_at" is not null;