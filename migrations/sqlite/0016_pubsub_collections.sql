CREATE TABLE `pubsub_links` (
	`parent` integer NOT NULL,
	`child` integer NOT NULL,
	PRIMARY KEY(`parent`, `child`),
	FOREIGN KEY (`parent`) REFERENCES `pubsub_nodes`(`id`) ON UPDATE no action ON DELETE cascade,
	FOREIGN KEY (`child`) REFERENCES `pubsub_nodes`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `pubsub_links_by_child` ON `pubsub_links` (`child`);--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `node_type` text DEFAULT 'leaf' NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `children_policy` text DEFAULT 'owners' NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `children_whitelist` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `pubsub_nodes` ADD `children_max` integer;