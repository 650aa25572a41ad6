ALTER TABLE `pubsub_nodes` ADD `language` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `contact` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `item_expire_seconds` integer;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `publish_node_full` text DEFAULT 'retract-oldest' NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `notify_sub` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `presence_based_delivery` integer DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `temp_sub` integer DEFAULT false NOT NULL;