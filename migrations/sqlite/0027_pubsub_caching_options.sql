ALTER TABLE `pubsub_nodes` ADD `always_notify` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `allowed_for_suggestions` integer DEFAULT false NOT NULL;