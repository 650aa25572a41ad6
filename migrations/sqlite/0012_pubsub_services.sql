DROP INDEX `pubsub_nodes_nodeId_unique`;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `service` text DEFAULT '' NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `pubsub_nodes_by_name` ON `pubsub_nodes` (`service`,`node_id`);