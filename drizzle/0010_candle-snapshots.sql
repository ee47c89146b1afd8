-- A function that is STABLE reads by the snapshot of the statement around it, which may be older than a month whose making it had to wait
-- for: then candles that moved were missed. Each statement of this one is to see what was there when it began.
ALTER FUNCTION market.last_candles(text, text, text, timestamptz, timestamptz, integer) VOLATILE PARALLEL UNSAFE;
