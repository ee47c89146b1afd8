-- Completed by hand: drizzle-kit knows no partitions, so `PARTITION BY` of market.candles is ours.

CREATE TABLE "market"."candles" (
	"series_id" bigint NOT NULL,
	"open_time" timestamp (3) with time zone NOT NULL,
	"complete" boolean NOT NULL,
	"revised" boolean DEFAULT false NOT NULL,
	"open" numeric NOT NULL,
	"high" numeric NOT NULL,
	"low" numeric NOT NULL,
	"close" numeric NOT NULL,
	"volume" numeric NOT NULL,
	"quote_volume" numeric,
	"taker_buy_volume" numeric,
	"taker_buy_quote_volume" numeric,
	"trade_count" bigint,
	"source" text,
	CONSTRAINT "candles_series_id_open_time_pkey" PRIMARY KEY("series_id","open_time"),
	CONSTRAINT "candles_open_check" CHECK ("market"."candles"."open" > 0 and "market"."candles"."open" < 'Infinity'::numeric),
	CONSTRAINT "candles_high_check" CHECK ("market"."candles"."high" >= greatest("market"."candles"."open", "market"."candles"."close") and "market"."candles"."high" < 'Infinity'::numeric),
	CONSTRAINT "candles_low_check" CHECK ("market"."candles"."low" <= least("market"."candles"."open", "market"."candles"."close") and "market"."candles"."low" > 0),
	CONSTRAINT "candles_close_check" CHECK ("market"."candles"."close" > 0 and "market"."candles"."close" < 'Infinity'::numeric),
	CONSTRAINT "candles_volume_check" CHECK ("market"."candles"."volume" >= 0 and "market"."candles"."volume" < 'Infinity'::numeric),
	CONSTRAINT "candles_quote_volume_check" CHECK ("market"."candles"."quote_volume" >= 0 and "market"."candles"."quote_volume" < 'Infinity'::numeric),
	CONSTRAINT "candles_taker_buy_volume_check" CHECK ("market"."candles"."taker_buy_volume" >= 0 and "market"."candles"."taker_buy_volume" < 'Infinity'::numeric),
	CONSTRAINT "candles_taker_buy_quote_volume_check" CHECK ("market"."candles"."taker_buy_quote_volume" >= 0 and "market"."candles"."taker_buy_quote_volume" < 'Infinity'::numeric),
	CONSTRAINT "candles_trade_count_check" CHECK ("market"."candles"."trade_count" >= 0)
) PARTITION BY RANGE ("open_time");
--> statement-breakpoint
CREATE TABLE "market"."indicators" (
	"series_id" bigint NOT NULL,
	"open_time" timestamp (3) with time zone NOT NULL,
	"rsi_14" double precision,
	"sma_50" double precision,
	"sma_200" double precision,
	"macd" double precision,
	"macd_signal" double precision,
	"macd_histogram" double precision,
	"atr" double precision,
	"values" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "indicators_series_id_open_time_pkey" PRIMARY KEY("series_id","open_time"),
	CONSTRAINT "indicators_rsi_14_check" CHECK ("market"."indicators"."rsi_14" >= 0 and "market"."indicators"."rsi_14" <= 100),
	CONSTRAINT "indicators_sma_50_check" CHECK ("market"."indicators"."sma_50" > '-Infinity'::float8 and "market"."indicators"."sma_50" < 'Infinity'::float8),
	CONSTRAINT "indicators_sma_200_check" CHECK ("market"."indicators"."sma_200" > '-Infinity'::float8 and "market"."indicators"."sma_200" < 'Infinity'::float8),
	CONSTRAINT "indicators_macd_check" CHECK ("market"."indicators"."macd" > '-Infinity'::float8 and "market"."indicators"."macd" < 'Infinity'::float8),
	CONSTRAINT "indicators_macd_signal_check" CHECK ("market"."indicators"."macd_signal" > '-Infinity'::float8 and "market"."indicators"."macd_signal" < 'Infinity'::float8),
	CONSTRAINT "indicators_macd_histogram_check" CHECK ("market"."indicators"."macd_histogram" > '-Infinity'::float8 and "market"."indicators"."macd_histogram" < 'Infinity'::float8),
	CONSTRAINT "indicators_atr_check" CHECK ("market"."indicators"."atr" >= 0 and "market"."indicators"."atr" > '-Infinity'::float8 and "market"."indicators"."atr" < 'Infinity'::float8),
	CONSTRAINT "indicators_values_check" CHECK (jsonb_typeof("market"."indicators"."values") = 'object')
);
--> statement-breakpoint
CREATE TABLE "market"."series" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "market"."series_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"timeframe" text NOT NULL,
	"first_open_time" timestamp (3) with time zone,
	"last_open_time" timestamp (3) with time zone,
	"last_close" numeric,
	"last_is_complete" boolean,
	"last_price_at" timestamp (3) with time zone,
	"candle_count" bigint DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "series_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "series_exchange_symbol_timeframe_key" UNIQUE("exchange","symbol","timeframe"),
	CONSTRAINT "series_exchange_check" CHECK (btrim("market"."series"."exchange") <> '' and char_length("market"."series"."exchange") <= 200),
	CONSTRAINT "series_symbol_check" CHECK (btrim("market"."series"."symbol") <> '' and char_length("market"."series"."symbol") <= 200),
	CONSTRAINT "series_timeframe_check" CHECK ("market"."series"."timeframe" in ('1s', '1m', '3m', '5m', '15m', '30m', '1h', '2h', '4h', '6h', '8h', '12h', '1d', '3d', '1w', '1M')),
	CONSTRAINT "series_candle_count_check" CHECK ("market"."series"."candle_count" >= 0),
	CONSTRAINT "series_last_close_check" CHECK ("market"."series"."last_close" > 0 and "market"."series"."last_close" < 'Infinity'::numeric)
);
--> statement-breakpoint
CREATE TABLE "market"."calendar_events" (
	"id" uuid NOT NULL,
	"source" text NOT NULL,
	"external_id" text NOT NULL,
	"event_time" timestamp (3) with time zone NOT NULL,
	"currency" text NOT NULL,
	"impact" text NOT NULL,
	"title" text NOT NULL,
	"previous" text,
	"forecast" text,
	"actual" text,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "calendar_events_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "calendar_events_source_external_id_key" UNIQUE("source","external_id"),
	CONSTRAINT "calendar_events_source_check" CHECK (btrim("market"."calendar_events"."source") <> '' and char_length("market"."calendar_events"."source") <= 200),
	CONSTRAINT "calendar_events_external_id_check" CHECK (btrim("market"."calendar_events"."external_id") <> '' and char_length("market"."calendar_events"."external_id") <= 200),
	CONSTRAINT "calendar_events_currency_check" CHECK (btrim("market"."calendar_events"."currency") <> '' and char_length("market"."calendar_events"."currency") <= 200),
	CONSTRAINT "calendar_events_impact_check" CHECK ("market"."calendar_events"."impact" in ('low', 'medium', 'high')),
	CONSTRAINT "calendar_events_title_check" CHECK (btrim("market"."calendar_events"."title") <> '')
);
--> statement-breakpoint
CREATE TABLE "market"."news" (
	"id" uuid NOT NULL,
	"source" text NOT NULL,
	"external_id" text NOT NULL,
	"headline" text NOT NULL,
	"summary" text,
	"url" text,
	"symbols" text[] DEFAULT '{}'::text[] NOT NULL,
	"sentiment_score" double precision,
	"published_at" timestamp (3) with time zone NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "news_id_pkey" PRIMARY KEY("id"),
	CONSTRAINT "news_source_external_id_key" UNIQUE("source","external_id"),
	CONSTRAINT "news_source_check" CHECK (btrim("market"."news"."source") <> '' and char_length("market"."news"."source") <= 200),
	CONSTRAINT "news_external_id_check" CHECK (btrim("market"."news"."external_id") <> '' and char_length("market"."news"."external_id") <= 200),
	CONSTRAINT "news_headline_check" CHECK (btrim("market"."news"."headline") <> ''),
	CONSTRAINT "news_sentiment_score_check" CHECK ("market"."news"."sentiment_score" between -1 and 1)
);
--> statement-breakpoint
CREATE TABLE "market"."funding_rates" (
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"funding_time" timestamp (3) with time zone NOT NULL,
	"published_at" timestamp (3) with time zone NOT NULL,
	"interval_hours" integer NOT NULL,
	"rate" numeric NOT NULL,
	"rate_bps" numeric GENERATED ALWAYS AS (rate * 10000) STORED NOT NULL,
	"annualised_rate" numeric GENERATED ALWAYS AS (round((rate * 8760) * 1.000000000000000000000000000000000000000000000000000000000000 / nullif(interval_hours, 0), 40)) STORED NOT NULL,
	"mark_price" numeric,
	"index_price" numeric,
	"premium" numeric GENERATED ALWAYS AS (round((mark_price - index_price) * 1.000000000000000000000000000000000000000000000000000000000000 / nullif(index_price, 0), 40)) STORED,
	"predicted_rate" numeric,
	"is_estimated" boolean DEFAULT false NOT NULL,
	"source" text,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "funding_rates_exchange_symbol_funding_time_pkey" PRIMARY KEY("exchange","symbol","funding_time"),
	CONSTRAINT "funding_rates_exchange_check" CHECK (btrim("market"."funding_rates"."exchange") <> '' and char_length("market"."funding_rates"."exchange") <= 200),
	CONSTRAINT "funding_rates_symbol_check" CHECK (btrim("market"."funding_rates"."symbol") <> '' and char_length("market"."funding_rates"."symbol") <= 200),
	CONSTRAINT "funding_rates_funding_time_check" CHECK ("market"."funding_rates"."funding_time" = date_bin('1 hour', "market"."funding_rates"."published_at" + interval '30 minutes', timestamptz '2000-01-01 00:00:00+00')),
	CONSTRAINT "funding_rates_interval_hours_check" CHECK ("market"."funding_rates"."interval_hours" between 1 and 168),
	CONSTRAINT "funding_rates_rate_check" CHECK ("market"."funding_rates"."rate" > -1 and "market"."funding_rates"."rate" < 1),
	CONSTRAINT "funding_rates_mark_price_check" CHECK ("market"."funding_rates"."mark_price" > 0 and "market"."funding_rates"."mark_price" < 'Infinity'::numeric),
	CONSTRAINT "funding_rates_index_price_check" CHECK ("market"."funding_rates"."index_price" > 0 and "market"."funding_rates"."index_price" < 'Infinity'::numeric),
	CONSTRAINT "funding_rates_predicted_rate_check" CHECK ("market"."funding_rates"."predicted_rate" > '-Infinity'::numeric and "market"."funding_rates"."predicted_rate" < 'Infinity'::numeric)
);
--> statement-breakpoint
CREATE TABLE "market"."open_interest" (
	"exchange" text NOT NULL,
	"symbol" text NOT NULL,
	"measured_at" timestamp (3) with time zone NOT NULL,
	"quantity" numeric NOT NULL,
	"notional" numeric,
	"source" text,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "open_interest_exchange_symbol_measured_at_pkey" PRIMARY KEY("exchange","symbol","measured_at"),
	CONSTRAINT "open_interest_exchange_check" CHECK (btrim("market"."open_interest"."exchange") <> '' and char_length("market"."open_interest"."exchange") <= 200),
	CONSTRAINT "open_interest_symbol_check" CHECK (btrim("market"."open_interest"."symbol") <> '' and char_length("market"."open_interest"."symbol") <= 200),
	CONSTRAINT "open_interest_quantity_check" CHECK ("market"."open_interest"."quantity" >= 0 and "market"."open_interest"."quantity" < 'Infinity'::numeric),
	CONSTRAINT "open_interest_notional_check" CHECK ("market"."open_interest"."notional" >= 0 and "market"."open_interest"."notional" < 'Infinity'::numeric)
);
--> statement-breakpoint
CREATE TABLE "market"."fear_greed" (
	"source" text NOT NULL,
	"measured_at" timestamp (3) with time zone NOT NULL,
	"value" integer NOT NULL,
	"class" text GENERATED ALWAYS AS (case when value <= 25 then 'extreme_fear' when value <= 45 then 'fear' when value <= 55 then 'neutral' when value <= 75 then 'greed' else 'extreme_greed' end) STORED NOT NULL,
	"value_yesterday" integer,
	"value_last_week" integer,
	"value_last_month" integer,
	"volatility_score" integer,
	"momentum_score" integer,
	"social_score" integer,
	"surveys_score" integer,
	"dominance_score" integer,
	"trends_score" integer,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "fear_greed_source_measured_at_pkey" PRIMARY KEY("source","measured_at"),
	CONSTRAINT "fear_greed_source_check" CHECK (btrim("market"."fear_greed"."source") <> '' and char_length("market"."fear_greed"."source") <= 200),
	CONSTRAINT "fear_greed_value_check" CHECK ("market"."fear_greed"."value" between 0 and 100),
	CONSTRAINT "fear_greed_value_yesterday_check" CHECK ("market"."fear_greed"."value_yesterday" between 0 and 100),
	CONSTRAINT "fear_greed_value_last_week_check" CHECK ("market"."fear_greed"."value_last_week" between 0 and 100),
	CONSTRAINT "fear_greed_value_last_month_check" CHECK ("market"."fear_greed"."value_last_month" between 0 and 100),
	CONSTRAINT "fear_greed_volatility_score_check" CHECK ("market"."fear_greed"."volatility_score" between 0 and 100),
	CONSTRAINT "fear_greed_momentum_score_check" CHECK ("market"."fear_greed"."momentum_score" between 0 and 100),
	CONSTRAINT "fear_greed_social_score_check" CHECK ("market"."fear_greed"."social_score" between 0 and 100),
	CONSTRAINT "fear_greed_surveys_score_check" CHECK ("market"."fear_greed"."surveys_score" between 0 and 100),
	CONSTRAINT "fear_greed_dominance_score_check" CHECK ("market"."fear_greed"."dominance_score" between 0 and 100),
	CONSTRAINT "fear_greed_trends_score_check" CHECK ("market"."fear_greed"."trends_score" between 0 and 100)
);
--> statement-breakpoint
CREATE TABLE "market"."onchain_metrics" (
	"asset" text NOT NULL,
	"metric" text NOT NULL,
	"source" text NOT NULL,
	"measured_at" timestamp (3) with time zone NOT NULL,
	"value" numeric NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "onchain_metrics_asset_metric_source_measured_at_pkey" PRIMARY KEY("asset","metric","source","measured_at"),
	CONSTRAINT "onchain_metrics_asset_check" CHECK (btrim("market"."onchain_metrics"."asset") <> '' and char_length("market"."onchain_metrics"."asset") <= 200),
	CONSTRAINT "onchain_metrics_metric_check" CHECK (btrim("market"."onchain_metrics"."metric") <> '' and char_length("market"."onchain_metrics"."metric") <= 200),
	CONSTRAINT "onchain_metrics_source_check" CHECK (btrim("market"."onchain_metrics"."source") <> '' and char_length("market"."onchain_metrics"."source") <= 200),
	CONSTRAINT "onchain_metrics_value_check" CHECK ("market"."onchain_metrics"."value" > '-Infinity'::numeric and "market"."onchain_metrics"."value" < 'Infinity'::numeric)
);
--> statement-breakpoint
CREATE TABLE "market"."sentiment" (
	"asset" text NOT NULL,
	"source" text NOT NULL,
	"measured_at" timestamp (3) with time zone NOT NULL,
	"score" double precision NOT NULL,
	"mention_count" bigint,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "sentiment_asset_source_measured_at_pkey" PRIMARY KEY("asset","source","measured_at"),
	CONSTRAINT "sentiment_asset_check" CHECK (btrim("market"."sentiment"."asset") <> '' and char_length("market"."sentiment"."asset") <= 200),
	CONSTRAINT "sentiment_source_check" CHECK (btrim("market"."sentiment"."source") <> '' and char_length("market"."sentiment"."source") <= 200),
	CONSTRAINT "sentiment_score_check" CHECK ("market"."sentiment"."score" between -1 and 1),
	CONSTRAINT "sentiment_mention_count_check" CHECK ("market"."sentiment"."mention_count" >= 0)
);
--> statement-breakpoint
ALTER TABLE "market"."indicators" ADD CONSTRAINT "indicators_series_id_fkey" FOREIGN KEY ("series_id") REFERENCES "market"."series"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "calendar_events_event_time_id_idx" ON "market"."calendar_events" USING btree ("event_time","id");--> statement-breakpoint
CREATE INDEX "news_published_at_id_idx" ON "market"."news" USING btree ("published_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);--> statement-breakpoint
CREATE INDEX "news_symbols_idx" ON "market"."news" USING gin ("symbols");