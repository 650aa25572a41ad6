ALTER TABLE `pubsub_nodes` ADD `target` integer;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `target_item` text;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `has_attachments` integer DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX `pubsub_nodes_by_target` ON `pubsub_nodes` (`target`,`target_item`) WHERE target is not null;