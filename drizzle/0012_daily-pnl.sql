-- What bots did, day by day, from the ledger: the bot's day, values at past moments, trades in base currency, and daily PnL.

-- The first moment of a day of a time zone. A midnight that comes twice, since clocks go back over it, begins the day the first time; one that is
-- left out, when the clock goes on.
CREATE FUNCTION analytics.day_start(p_day date, p_zone text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN b.back > interval '0' AND (s.start - b.back) AT TIME ZONE p_zone = p_day::timestamp THEN s.start - b.back ELSE s.start END
  FROM (SELECT p_day::timestamp AT TIME ZONE p_zone AS start) s
  -- By how much clocks were turned back in the four hours before; nowhere was it ever more.
  CROSS JOIN LATERAL (SELECT (s.start - interval '4 hours') AT TIME ZONE p_zone + interval '4 hours' - s.start AT TIME ZONE p_zone AS back) b
$$;
--> statement-breakpoint

-- The day of a time zone that a moment belongs to.
CREATE FUNCTION analytics.day_of(p_at timestamptz, p_zone text) RETURNS date LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN p_at >= analytics.day_start(d.day + 1, p_zone) THEN d.day + 1 ELSE d.day END
  FROM (SELECT (p_at AT TIME ZONE p_zone)::date AS day) d
$$;
--> statement-breakpoint

-- The close of the newest complete candle of a symbol that had closed at a moment, four days before it at most: so long are markets closed over
-- Easter. Of two that closed together, that of the shorter timeframe. Null if there is none.
CREATE FUNCTION analytics.close_at(p_exchange text, p_symbol text, p_at timestamptz, OUT price numeric, OUT closed_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
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
END $$;
--> statement-breakpoint

-- What one unit of a currency was worth in another at a moment: 1 for itself, else by the newest candle, four days old at most, of an instrument
-- of the exchange that trades the two. Null if there is none: then nobody knows.
CREATE FUNCTION analytics.rate_at(p_exchange text, p_from text, p_to text, p_at timestamptz) RETURNS numeric LANGUAGE plpgsql STABLE AS $$
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
END $$;
--> statement-breakpoint

-- A product that stays a double: what is beyond 1e±299 stays there.
CREATE FUNCTION analytics.multiply(p_product float8, p_factor float8) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN p_product = 0 OR p_factor = 0 THEN 0 WHEN ln(p_product) + ln(p_factor) > 688 THEN 1e299
    WHEN ln(p_product) + ln(p_factor) < -688 THEN 1e-299 ELSE p_product * p_factor END
$$;
--> statement-breakpoint

-- A product over rows, as growth is of returns. No factor may be negative.
CREATE AGGREGATE analytics.product(float8) (SFUNC = analytics.multiply, STYPE = float8, INITCOND = '1');
--> statement-breakpoint

-- A round trip in the base currency of its bot. A type of its own, since the columns of a function lose the precision of their times, and with it
-- the order of the index that they are read by.
CREATE TYPE analytics.valued_trade AS (
  bot_id text, position_id uuid, trade_id text, exchange text, symbol text, direction text, strategy text, entry_tag text, exit_reason text,
  is_liquidation boolean, opened_at timestamptz(3), closed_at timestamptz(3), time_zone text, gross numeric, fees numeric, funding numeric, net numeric
);
--> statement-breakpoint

-- Where trade_rates has a rate: by exchange, currency, base currency, time zone and quarter of an hour. No day ends within one: clocks are set by
-- whole quarters.
CREATE FUNCTION analytics.rate_key(p_exchange text, p_currency text, p_base_currency text, p_zone text, p_at timestamptz)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT jsonb_build_array(p_exchange, p_currency, p_base_currency, p_zone, date_bin('15 minutes', p_at, 'epoch'))::text
$$;
--> statement-breakpoint

-- The rates of the currencies, other than the base currency of the bot, in which closed trades were settled or charged, as text by rate_key. Days and
-- rates are materialised, or they would be worked out anew for every quarter of an hour.
CREATE FUNCTION analytics.trade_rates(p_bot_ids text[], p_from timestamptz, p_until timestamptz, p_now timestamptz)
RETURNS jsonb LANGUAGE sql STABLE AS $$
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
$$;
--> statement-breakpoint

-- What fees of unknown value come to in the base currency, by rates of trade_rates. Null where one is missing. Few trades have such fees: at the
-- usual cost the planner would compile all of a statement that never calls it.
CREATE FUNCTION analytics.charges_of(p_fees jsonb, p_rates jsonb, p_exchange text, p_base_currency text, p_zone text, p_at timestamptz)
RETURNS numeric LANGUAGE sql STABLE PARALLEL SAFE COST 1 AS $$
  SELECT CASE WHEN bool_and(fee.rate IS NOT NULL) THEN sum(fee.amount * fee.rate) END
  FROM (SELECT f.value::numeric AS amount, CASE WHEN f.key = p_base_currency THEN 1
      ELSE (p_rates ->> analytics.rate_key(p_exchange, f.key, p_base_currency, p_zone, p_at))::numeric END AS rate
    FROM jsonb_each_text(p_fees) f) fee
$$;
--> statement-breakpoint

-- The round trips of bots that were closed from p_from on and before p_until (null: without that bound), in the base currency of each bot at the rates of
-- the end of the bot's day, or of p_now while that day lasts. Amounts are null where a rate is not known.
-- Rates are looked up only for trades that need one: where everything settles in the base currency, this is a plain read of positions, inlined into the
-- statement that asks. A subquery among the arguments would prevent that; and with a column among them, rates would be looked up anew for each trade:
-- ask for all bots at once.
CREATE FUNCTION analytics.trades_of(p_bot_ids text[], p_from timestamptz, p_until timestamptz, p_now timestamptz)
RETURNS SETOF analytics.valued_trade LANGUAGE sql STABLE AS $$
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
$$;
--> statement-breakpoint

-- The days of bots from their first fact or registration to p_to, as far as they have begun by p_now, as lists in order, in which the day of a fact is
-- looked up. Facts count before "until". Bots are numbered, since what is short is sorted and hashed fast.
CREATE FUNCTION analytics.calendars_of(p_bot_ids text[], p_to date, p_now timestamptz)
RETURNS TABLE (
  bot integer, bot_id text, exchange text, base_currency text, initial_equity numeric, first_day date, last_day date, until timestamptz,
  days date[], starts timestamptz[], ends timestamptz[]
) LANGUAGE sql STABLE AS $$
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
$$;
--> statement-breakpoint

-- The fills of bots by ledger and day. A fee without a known value stays in its own currency. What moved is signed, and is worth its price, for an
-- inverse instrument one over it. One pass over the fills; sorting them would take longest, so they are summed up by hash.
CREATE FUNCTION analytics.ledger_days_of(p_bot_ids text[], p_to date, p_now timestamptz)
RETURNS TABLE (
  bot integer, place integer, instrument integer, exchange text, symbol text, position_side text, is_inverse boolean, contract_size numeric,
  settle_currency text, fee_currency text, fills bigint, first_at timestamptz, gross numeric, fees numeric, quantity numeric, cost numeric, volume numeric
) LANGUAGE sql STABLE ROWS 10000 SET enable_sort = off SET work_mem = '64MB' SET jit = off AS $$
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
$$;
--> statement-breakpoint

-- What bots did on each of their days from p_from to p_to, as far as those have begun by p_now: rows as analytics.daily_pnl has them.
--
-- Everything is derived from the first day of a bot on, since what it is worth and the figures to date rest on all before; only the days asked for
-- are returned. The planner knows nothing of the size of the steps, and would join days by bot alone and sift out the rest: only hash joins take
-- both.
CREATE FUNCTION analytics.days_of(p_bot_ids text[], p_from date, p_to date, p_now timestamptz) RETURNS SETOF analytics.daily_pnl
LANGUAGE sql STABLE SET enable_nestloop = off SET enable_mergejoin = off SET work_mem = '64MB' SET jit = off AS $$
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
$$;
--> statement-breakpoint

-- With what the bot called the reason for which it entered.
CREATE OR REPLACE VIEW trading.trades AS
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
  (extract(epoch FROM p.closed_at - p.opened_at) * 1000)::bigint AS holding_ms,
  p.entry_tag
FROM trading.positions p
WHERE p.closed_at IS NOT NULL;
--> statement-breakpoint
CREATE OR REPLACE VIEW trading.recent_trades AS
SELECT * FROM trading.trades ORDER BY closed_at DESC, position_id DESC LIMIT 100;
