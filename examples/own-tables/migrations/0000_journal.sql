CREATE SCHEMA "journal";
--> statement-breakpoint
CREATE TABLE "journal"."remarks" (
	"bot_id" text NOT NULL,
	"trade_id" text NOT NULL,
	"stars" integer NOT NULL,
	"remark" text NOT NULL,
	"written_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "remarks_pkey" PRIMARY KEY("bot_id","trade_id"),
	CONSTRAINT "remarks_stars_check" CHECK ("journal"."remarks"."stars" between 1 and 5)
);
--> statement-breakpoint
ALTER TABLE "journal"."remarks" ADD CONSTRAINT "remarks_bot_id_fkey" FOREIGN KEY ("bot_id") REFERENCES "fleet"."bots"("bot_id") ON DELETE no action ON UPDATE no action;