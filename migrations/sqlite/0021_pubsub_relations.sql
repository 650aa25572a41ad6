CREATE TABLE `pubsub_relations` (
	`node` integer PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`target` integer NOT NULL,
	FOREIGN KEY (`node`) REFERENCES `pubsub_nodes`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`target`) REFERENCES `pubsub_nodes`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `pubsub_relations_by_target` ON `pubsub_relations` (`target`);