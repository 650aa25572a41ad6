CREATE TABLE `pubsub_moved` (
	`id` integer PRIMARY KEY NOT NULL,
	`service` text NOT NULL,
	`node_id` text NOT NULL,
	`uri` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `pubsub_moved_by_name` ON `pubsub_moved` (`service`,`node_id`);