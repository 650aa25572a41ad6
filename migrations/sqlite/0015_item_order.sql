CREATE TABLE `pubsub_keys` (
	`name` text PRIMARY KEY NOT NULL,
	`key` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `pubsub_items` ADD `created` integer;--> statement-breakpoint
ALTER TABLE `pubsub_items` ADD `creation` integer GENERATED ALWAYS AS (coalesce(created, seq)) VIRTUAL;--> statement-breakpoint
CREATE INDEX `pubsub_items_by_creation` ON `pubsub_items` (`node`,`creation`);