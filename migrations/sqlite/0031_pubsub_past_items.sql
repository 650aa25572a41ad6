CREATE TABLE `pubsub_past_items` (
	`id` integer PRIMARY KEY NOT NULL,
	`node` integer NOT NULL,
	`seq` integer NOT NULL,
	`created` integer,
	`item_id` text NOT NULL,
	`publisher` text NOT NULL,
	`published_at` integer NOT NULL,
	`scope` text,
	`is_gone` integer NOT NULL,
	`payload` text,
	FOREIGN KEY (`node`) REFERENCES `pubsub_nodes`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `pubsub_past_items_by_order` ON `pubsub_past_items` (`node`,`seq`,`scope`);--> statement-breakpoint
CREATE INDEX `pubsub_past_items_by_id` ON `pubsub_past_items` (`node`,`item_id`);--> statement-breakpoint
CREATE INDEX `pubsub_past_items_gone` ON `pubsub_past_items` (`published_at`) WHERE is_gone = 1;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `pruned_seq` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `pruned_count` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `past_count` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `archive_cut` integer DEFAULT 0 NOT NULL;